package app

import (
	"fmt"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// IdleView is what `notifier status --wait idle` shows: what is still on its way, and what waits for something that no work brings nearer.
type IdleView struct {
	Schema  string         `json:"schema"`
	Idle    bool           `json:"idle"`
	Waited  float64        `json:"waited_seconds"`
	Events  int64          `json:"events"`  // that stage 1 has not read, as far as anybody can read
	Intents int64          `json:"intents"` // that stage 2 has not taken in
	Busy    map[string]int `json:"busy"`    // ready, in_flight, stopped: intents; calls, tag_changes, resyncs; clearing, rewrites: users
	Held    map[string]int `json:"held"`    // merging, quiet, quota: intents that wait for time; approval, paused: for people
	Next    time.Time      `json:"next,omitzero"`
	Halts   []int32        `json:"stopped_partitions"` // nothing moves there until somebody has looked
	Lost    []string       `json:"lost_offsets"`       // event partitions of which the same is true: what is to be read next is not in the log
}

// IdleFacts are what IdleOf asks. Flows are read before the ledgers and the backlogs after: what moves on meanwhile is seen at least once.
type IdleFacts struct {
	Settings *settings.Settings
	Set      *rules.Set // of the files here; nil: they have errors, then what rules reserve is not known
	Flows    []ledger.Flow
	States   map[int32]*ledger.State
	Backlogs map[int32]int64
	Halts    []int32
	Now      time.Time
}

// IdleOf tells whether anything is left to do now.
func IdleOf(f IdleFacts) IdleView {
	v := IdleView{Schema: "notifier.idle/v1", Busy: map[string]int{}, Held: map[string]int{}, Halts: append([]int32{}, f.Halts...), Lost: []string{}}
	for i := range f.Flows {
		if f.Flows[i].Lost {
			v.Lost = append(v.Lost, fmt.Sprintf("%s/%d", f.Flows[i].Topic, f.Flows[i].Partition))
		}
		v.Events += max(0, f.Flows[i].Stable-f.Flows[i].At)
	}
	for _, n := range f.Backlogs {
		v.Intents += n
	}
	pending := PendingOf(f.Settings, f.Set, f.States, PendingFilter{}, f.Now).Pending
	for i := range pending {
		p := &pending[i]
		switch {
		case p.State == "in_flight" || p.State == StateStopped:
			v.Busy[p.State]++
			continue
		case p.State == "quota" && !p.Next.After(f.Now):
			v.Busy["ready"]++
			continue
		}
		v.Held[p.State]++
		if p.Next.After(f.Now) && (v.Next.IsZero() || p.Next.Before(v.Next)) {
			v.Next = p.Next.UTC()
		}
	}
	accounts := pendingAccounts(f.Settings)
	for _, st := range f.States {
		v.works(st)
		for key, ac := range accounts {
			v.tags(st, key, ac)
		}
	}
	v.Idle = v.Events == 0 && v.Intents == 0 && len(v.Busy) == 0 && len(v.Halts) == 0 && len(v.Lost) == 0
	return v
}

// works counts what a partition does beside its intents.
func (v *IdleView) works(st *ledger.State) {
	for _, at := range st.Attempts {
		if !undecided(at) {
			continue
		}
		of := 0
		for _, id := range at.Members {
			if st.Pending[string(id)] != nil {
				of++
			}
		}
		if of == 0 { // else its intents are counted
			v.Busy["calls"]++
		}
	}
	for _, c := range st.Changes {
		if c.Waits.IsZero() && (c.State == ledger.TagsCounting || c.State == ledger.TagsWriting) {
			v.Busy["tag_changes"]++
		}
	}
	for _, c := range st.Checks {
		if c.Cmd == ledger.CmdResync && c.Ended.IsZero() {
			v.Busy["resyncs"]++
		}
	}
}

// tags counts the users whose tags are to be written although no intent asks for it: those of users who are forgotten are cleared, others are
// written once more because a call without an answer may still arrive. Where a pause holds them they wait for people.
func (v *IdleView) tags(st *ledger.State, key string, ac *pendingAccount) {
	if _, ok := ac.lanes[dispatch.LaneTag]; !ok {
		return // nobody writes them
	}
	held := pausedBy(st, rules.TagsRule, ac, dispatch.LaneTag) != ""
	for _, gone := range st.Users[key].Rewrites() {
		switch {
		case held:
			v.Held["paused"]++
		case gone:
			v.Busy["clearing"]++
		default:
			v.Busy["rewrites"]++
		}
	}
}
