package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// Idle is when nothing is left to do now: what waits for time or people is told and not waited for, what waits for us or for a vendor is.
func TestIdleIsWhenNothingIsLeftToDoNow(t *testing.T) {
	t.Parallel()
	approve := func(p *ledger.Pending) {
		p.Intent.Policy.Approval = &intent.Approval{People: 1, Within: time.Hour}
		p.Approval = &ledger.Approval{}
	}
	for name, c := range map[string]struct {
		begin func(*WhyFacts, *IdleFacts)
		idle  bool
		busy  string
		held  string
		next  time.Duration
	}{
		"nothing":             {func(*WhyFacts, *IdleFacts) {}, true, "map[]", "map[]", 0},
		"events to read":      {func(_ *WhyFacts, f *IdleFacts) { f.Flows = []ledger.Flow{{At: 3, Stable: 5, End: 9}} }, false, "map[]", "map[]", 0},
		"an open transaction": {func(_ *WhyFacts, f *IdleFacts) { f.Flows = []ledger.Flow{{At: 5, Stable: 5, End: 9}} }, true, "map[]", "map[]", 0},
		"intents to take in":  {func(_ *WhyFacts, f *IdleFacts) { f.Backlogs = map[int32]int64{0: 0, 1: 2} }, false, "map[]", "map[]", 0},
		"a stopped partition": {func(_ *WhyFacts, f *IdleFacts) { f.Halts = []int32{1} }, false, "map[]", "map[]", 0},
		"a lost offset": {func(_ *WhyFacts, f *IdleFacts) {
			f.Flows = []ledger.Flow{{Topic: "t", At: 9, Stable: 5, End: 5, Lost: true}}
		}, false, "map[]", "map[]", 0},
		"ready": {func(w *WhyFacts, _ *IdleFacts) { w.wait("a", func(*ledger.Pending) {}) }, false, "map[ready:1]", "map[]", 0},
		"quiet": {func(w *WhyFacts, _ *IdleFacts) {
			w.wait("a", func(p *ledger.Pending) { p.LeavesAt = w.Now.Add(time.Hour) })
		}, true, "map[]", "map[quiet:1]", time.Hour},
		"approval": {func(w *WhyFacts, _ *IdleFacts) { w.wait("a", approve) }, true, "map[]", "map[approval:1]", 0},
		"merging, the first": {func(w *WhyFacts, _ *IdleFacts) {
			w.wait("a", func(p *ledger.Pending) { p.LeavesAt = w.Now.Add(time.Hour) })
			w.wait("b", func(p *ledger.Pending) { p.Merged = &ledger.Merged{Count: 2, Closes: w.Now.Add(time.Minute)} })
		}, true, "map[]", "map[merging:1 quiet:1]", time.Minute},
		"paused": {func(w *WhyFacts, _ *IdleFacts) {
			w.wait("a", func(*ledger.Pending) {})
			w.States[0].Pauses["all"] = ledger.Pause{By: "li"}
		}, true, "map[]", "map[paused:1]", 0},
		"no slot": {func(w *WhyFacts, _ *IdleFacts) { w.wait("a", func(*ledger.Pending) {}); w.spend(2) }, true, "map[]", "map[quota:1]", time.Hour - time.Minute},
		"a stopped lane": {func(w *WhyFacts, _ *IdleFacts) {
			w.wait("a", func(*ledger.Pending) {})
			w.States[0].Lanes["rongcloud:k/broadcast"] = ledger.LaneState{Reason: "breaker", Retry: w.Now.Add(time.Hour)}
		}, false, "map[stopped:1]", "map[]", 0},
		"in flight":               {func(w *WhyFacts, _ *IdleFacts) { w.wait("a", func(*ledger.Pending) {}); w.call(ledger.Started, "a") }, false, "map[in_flight:1]", "map[]", 0},
		"made again":              {func(w *WhyFacts, _ *IdleFacts) { w.wait("a", func(*ledger.Pending) {}); w.call(ledger.Again, "a") }, false, "map[in_flight:1]", "map[]", 0},
		"a call of no intent":     {func(w *WhyFacts, _ *IdleFacts) { w.call(ledger.Started) }, false, "map[calls:1]", "map[]", 0},
		"such a call, made again": {func(w *WhyFacts, _ *IdleFacts) { w.call(ledger.Again) }, false, "map[calls:1]", "map[]", 0},
		"an unknown call":         {func(w *WhyFacts, _ *IdleFacts) { w.call(ledger.Unknown, "gone") }, true, "map[]", "map[]", 0},
		"tags are written": {func(w *WhyFacts, _ *IdleFacts) {
			w.States[0].Changes["rongcloud:k"] = &ledger.TagChange{State: ledger.TagsWriting}
		}, false, "map[tag_changes:1]", "map[]", 0},
		"tags of the forgotten":  {func(w *WhyFacts, _ *IdleFacts) { w.rewrite("u-1", true) }, false, "map[clearing:1]", "map[]", 0},
		"tags written once more": {func(w *WhyFacts, _ *IdleFacts) { w.rewrite("u-1", false) }, false, "map[rewrites:1]", "map[]", 0},
		"tags of whom nobody touches": {func(w *WhyFacts, _ *IdleFacts) {
			w.States[0].Users["rongcloud:k"] = tagsync.NewTable()
			w.States[0].Users["rongcloud:k"].Put("u-1", &tagsync.User{Gone: true})
		}, true, "map[]", "map[]", 0},
		"tags that a pause holds": {func(w *WhyFacts, _ *IdleFacts) {
			w.rewrite("u-1", true)
			w.States[0].Pauses["lane/main/tag"] = ledger.Pause{By: "li"}
		}, true, "map[]", "map[paused:1]", 0},
		"tags wait for people": {func(w *WhyFacts, _ *IdleFacts) {
			w.States[0].Changes["rongcloud:k"] = &ledger.TagChange{State: ledger.TagsApproval}
		}, true, "map[]", "map[]", 0},
	} {
		w := calm(t, "live")
		f := IdleFacts{Settings: w.Settings, Set: w.Set, States: w.States, Now: w.Now}
		c.begin(&w, &f)
		v := IdleOf(f)
		next := time.Duration(0)
		if !v.Next.IsZero() {
			next = v.Next.Sub(w.Now).Truncate(time.Minute)
		}
		if v.Idle != c.idle || fmt.Sprint(v.Busy) != c.busy || fmt.Sprint(v.Held) != c.held || next != c.next {
			t.Errorf("%s: %+v, next in %s", name, v, next)
		}
	}
}

// rewrite is a user whose tags are to be written although no intent asks for it.
func (f *WhyFacts) rewrite(user string, gone bool) {
	t := tagsync.NewTable()
	t.Put(user, &tagsync.User{Gone: gone, Foreign: []string{}, RewriteAt: f.Now.Add(time.Minute)})
	f.States[0].Users["rongcloud:k"] = t
}

// spend takes slots of the scarce lane a minute ago.
func (f *WhyFacts) spend(n int) {
	f.States[0].Attempts["spent"] = &ledger.Attempt{ID: "spent", Account: "rongcloud:k", Lane: "broadcast", State: ledger.OK, At: f.Now.Add(-time.Minute), Until: f.Now.Add(-time.Minute), Weight: n}
}

func (f *WhyFacts) call(state ledger.AttemptState, members ...intent.ID) {
	f.States[0].Attempts["call"] = &ledger.Attempt{ID: "call", Account: "rongcloud:k", Lane: "user", State: state, At: f.Now, NotAfter: f.Now.Add(time.Second), Members: members}
}
