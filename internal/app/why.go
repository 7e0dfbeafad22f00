package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// WhyView is what `notifier status --why` shows: all gates in the order in which an event passes them. Who waits at one may find the next
// closed: a fault behind quiet hours is worth mending before they end.
type WhyView struct {
	Schema string    `json:"schema"`
	Rule   string    `json:"rule,omitempty"`
	Holds  string    `json:"holds"`           // the first gate that holds; "": none
	Fault  string    `json:"fault,omitempty"` // the first that holds and should not
	Next   string    `json:"next,omitempty"`  // what to type: about the first fault, else about the first gate that holds
	Steps  []WhyStep `json:"steps"`
}

// WhyStep is one gate.
type WhyStep struct {
	Gate  string    `json:"gate"`
	Holds bool      `json:"holds"`
	Fault bool      `json:"fault,omitempty"`   // it holds, and not because somebody asked for it
	Dark  bool      `json:"unknown,omitempty"` // whether it holds cannot be told from here
	What  string    `json:"what"`
	Since time.Time `json:"since,omitzero"`
	Next  string    `json:"next,omitempty"` // what to type
}

// WhyFacts are what the walk asks.
type WhyFacts struct {
	Settings  *settings.Settings
	Set       *rules.Set // of the files here; nil: they have errors
	Rule      string     // "": of all
	States    map[int32]*ledger.State
	Halts     map[int32]ledger.Halt
	Evaluate  []string // instances in the group of stage 1
	Dispatch  []string
	Flows     []ledger.Flow
	Instances []ledger.Instance
	Fates     []ledger.Fate // of the last day, of the rule if there is one, as OnRecord names it
	Now       time.Time
}

// OnRecord is the name under which the intents of a rule stand in ledger and fates: those of all tag rules have one.
func OnRecord(set *rules.Set, rule string) string {
	if set != nil {
		if r := set.Rule(rule); r != nil && r.Action == intent.Tags {
			return rules.TagsRule
		}
	}
	return rule
}

// WhyGates are the gates in their order (cli.md 3).
var WhyGates = []string{"instances", "kafka", "rules", "modes", "pauses", "approvals", "quiet", "caps", "quota", "take-over", "credentials", "breaker", "last sent"}

// faulty are the gates that hold only when something is wrong; the others are what rules, settings and operators ask for.
var faulty = map[string]bool{"instances": true, "kafka": true, "rules": true, "take-over": true, "credentials": true, "breaker": true}

// WhyOf walks the gates.
func WhyOf(f WhyFacts) WhyView {
	w := &why{WhyFacts: f, accounts: pendingAccounts(f.Settings)}
	w.see()
	v := WhyView{Schema: "notifier.status-why/v1", Rule: f.Rule, Steps: []WhyStep{}}
	for i, ask := range []func() WhyStep{w.instances, w.kafka, w.ruleFiles, w.modes, w.pauses, w.approvals, w.quiet, w.caps, w.quota, w.takeOver, w.credentials, w.breaker, w.lastSent} {
		s := ask()
		s.Gate, s.Since = WhyGates[i], s.Since.UTC()
		s.Fault = s.Holds && faulty[s.Gate]
		if s.Holds && v.Holds == "" {
			v.Holds, v.Next = s.Gate, s.Next
		}
		if s.Fault && v.Fault == "" {
			v.Fault, v.Next = s.Gate, s.Next
		}
		v.Steps = append(v.Steps, s)
	}
	if v.Holds == "" {
		v.Next = v.Steps[len(v.Steps)-1].Next
		if i := slices.IndexFunc(v.Steps, func(s WhyStep) bool { return s.Dark }); i >= 0 {
			v.Next = v.Steps[i].Next
		}
	}
	return v
}

// why is the walk with what several gates ask.
type why struct {
	WhyFacts
	accounts map[string]*pendingAccount
	rule     *rules.Rule
	mine     map[string]bool // accounts by identity; with a rule those that it sends through
	lanes    map[string]bool // account/lane, the same
	waiting  []PendingItem   // of the rule
	since    map[intent.ID]time.Time
}

// see finds what the walk is about: all, or one rule with its accounts and lanes.
func (w *why) see() {
	w.mine, w.lanes, w.since = map[string]bool{}, map[string]bool{}, map[intent.ID]time.Time{}
	if w.Rule != "" && w.Set != nil {
		w.rule = w.Set.Rule(w.Rule)
	}
	for key, ac := range w.accounts {
		if w.rule == nil && w.tags() {
			w.mine[key] = true
			w.tagLanes(ac.name)
			continue
		}
		if w.rule == nil {
			w.mine[key] = true
			for lane := range ac.lanes {
				w.lanes[ac.name+"/"+lane] = true
			}
			continue
		}
		for _, name := range w.rule.Accounts() {
			if name != ac.name {
				continue
			}
			w.mine[key] = true
			if w.tags() {
				w.tagLanes(ac.name)
			} else if r, err := ac.vendor.Route(likeOf(w.rule)); err == nil {
				w.lanes[ac.name+"/"+r.Lane] = true
			}
		}
	}
	w.waiting = slices.DeleteFunc(PendingOf(w.Settings, w.Set, w.States, PendingFilter{Rule: OnRecord(w.Set, w.Rule)}, w.Now).Pending, func(p PendingItem) bool {
		account, _, _ := strings.Cut(p.Lane, "/")
		return w.tags() && !w.through(account)
	})
	for _, st := range w.States {
		for _, p := range st.Pending {
			if w.since[p.Intent.ID] = p.At; p.Approval != nil {
				w.since[p.Intent.ID] = p.Approval.Since
			}
		}
	}
}

func (w *why) tagLanes(account string) {
	w.lanes[account+"/tag"], w.lanes[account+"/tag-batch"], w.lanes[account+"/tag-get"] = true, true, true
}

// tags reports whether the walk is about a tag rule, or by the name that they have on record about all of them.
func (w *why) tags() bool { return OnRecord(w.Set, w.Rule) == rules.TagsRule }

// through reports whether the walk is about an account.
func (w *why) through(account string) bool {
	for key, ac := range w.accounts {
		if ac.name == account && w.mine[key] {
			return true
		}
	}
	return false
}

// likeOf is an intent of a rule as far as it decides the lane.
func likeOf(r *rules.Rule) *intent.Intent {
	if in := r.Like(); in != nil {
		return in
	}
	return &intent.Intent{Rule: r.Name, Action: r.Action, Content: &intent.Content{}}
}

// held gives how many of what waits stand in a state, "" for any, and the one that has waited longest.
func (w *why) held(state string, also func(*PendingItem) bool) (n int, oldest *PendingItem) {
	for i := range w.waiting {
		p := &w.waiting[i]
		if state != "" && p.State != state || also != nil && !also(p) {
			continue
		}
		if n++; oldest == nil || w.since[p.Intent].Before(w.since[oldest.Intent]) {
			oldest = p
		}
	}
	return n, oldest
}

// many, are and waitFor count as people say it: 1 request waits, 2 requests wait.
func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func are(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return many(n, what) + " are"
}

func waitFor(n int, what string) string {
	if n == 1 {
		return "1 " + what + " waits"
	}
	return many(n, what) + " wait"
}

func (w *why) instances() WhyStep {
	for _, p := range slices.Sorted(maps.Keys(w.Halts)) {
		var here, all []string // accounts: of the partition, any
		for key, ac := range w.accounts {
			all = append(all, "notifier quota assume "+ac.name)
			if w.mine[key] && int32(ledger.HashPartition([]byte(key), w.Settings.Kafka.Partitions)) == p {
				here = append(here, "notifier quota assume "+ac.name)
			}
		}
		if len(here) == 0 && w.rule != nil {
			continue
		}
		if len(here) == 0 && len(all) > 0 { // it goes on with any
			here = []string{slices.Min(all)}
		}
		slices.Sort(here)
		h := w.Halts[p]
		return WhyStep{Holds: true, Since: h.At, What: fmt.Sprintf("partition %d is stopped: %s", p, h.What), Next: "docs/runbook.md#stopped-partition, then " + strings.Join(here, ", ")}
	}
	switch {
	case len(w.Evaluate)+len(w.Dispatch) == 0:
		return WhyStep{Holds: true, Since: w.lastClock(), What: "no instance runs", Next: "notifier run"}
	case len(w.Evaluate) == 0:
		return WhyStep{Holds: true, What: "no instance evaluates events", Next: "look at the log of " + strings.Join(w.Dispatch, ", ")}
	case len(w.Dispatch) == 0:
		return WhyStep{Holds: true, Since: w.lastClock(), What: "no instance sends", Next: "look at the log of " + strings.Join(w.Evaluate, ", ")}
	}
	return WhyStep{What: fmt.Sprintf("%s evaluate, %s send", strings.Join(w.Evaluate, ", "), strings.Join(w.Dispatch, ", "))}
}

// lastClock is when an owner last wrote.
func (w *why) lastClock() (at time.Time) {
	for _, st := range w.States {
		if st.Clock().After(at) {
			at = st.Clock()
		}
	}
	return at
}

// behindFor is how old an unread event must be for reading to be behind.
const behindFor = time.Minute

// dark is the answer of a gate that cannot be told without the rule files.
var dark = WhyStep{Dark: true, What: "not known: the rule files here have errors", Next: "notifier check"}

func (w *why) kafka() WhyStep {
	if w.Set == nil && len(w.Flows) == 0 { // nobody knows which topics hold events
		return dark
	}
	topics := map[string]bool{}
	if w.rule != nil {
		for _, name := range w.rule.Events {
			if sp := w.Set.Catalogue.Spec(name); sp != nil {
				for _, t := range sp.Topics {
					topics[t] = true
				}
			}
		}
	}
	var lag, unread int64
	var worst *ledger.Flow
	var fresh []*ledger.Flow
	for i := range w.Flows {
		f := &w.Flows[i]
		if w.rule != nil && !topics[f.Topic] {
			continue
		}
		if f.Lost {
			return WhyStep{Holds: true, What: fmt.Sprintf("%s[%d] is stopped: the group's offset %d is not in the log any more", f.Topic, f.Partition, f.At),
				Next: "decide from where it is read, docs/runbook.md#lost-offset: kafka-consumer-groups.sh --reset-offsets"}
		}
		if f.Fresh {
			fresh, unread = append(fresh, f), unread+f.Stable-f.At
			continue
		}
		if f.Stable < f.End && f.At >= f.Stable {
			return WhyStep{Holds: true, What: fmt.Sprintf("%s[%d]: an open transaction of its producer holds back %s from offset %d on", f.Topic, f.Partition, many(int(f.End-f.Stable), "offset"), f.Stable),
				Next: "kafka-transactions.sh find-hanging, or restart that producer"}
		}
		lag += f.Stable - f.At
		if !f.Oldest.IsZero() && (worst == nil || f.Oldest.Before(worst.Oldest)) {
			worst = f
		}
	}
	if worst != nil && w.Now.Sub(worst.Oldest) > behindFor {
		return WhyStep{Holds: true, Since: worst.Oldest, What: fmt.Sprintf("reading is %s behind, most in %s[%d] at offset %d", many(int(lag), "record"), worst.Topic, worst.Partition, worst.At),
			Next: fmt.Sprintf("look at the log; if it stands at one record: notifier skip %s/%d@%d", worst.Topic, worst.Partition, worst.At)}
	}
	if len(fresh) > 0 {
		what := fmt.Sprintf("%s[%d] was never begun: nobody reads the %s in it", fresh[0].Topic, fresh[0].Partition, many(int(unread), "offset"))
		if more := len(fresh) - 1; more > 0 {
			what = fmt.Sprintf("%s[%d] and %d more partitions were never begun: nobody reads the %d offsets in them", fresh[0].Topic, fresh[0].Partition, more, unread)
		}
		return WhyStep{Holds: true, What: what, Next: "if the instances go by other rule files, roll these out; else look at the log of " + strings.Join(w.Evaluate, ", ")}
	}
	return WhyStep{What: many(int(lag), "record") + " behind, no open transaction"}
}

func (w *why) ruleFiles() WhyStep {
	sets := map[string][]string{}
	list := slices.Clone(w.Instances)
	slices.SortFunc(list, func(a, b ledger.Instance) int { return strings.Compare(a.Name, b.Name) })
	var last time.Time
	list = slices.DeleteFunc(list, func(i ledger.Instance) bool {
		return !slices.Contains(w.Evaluate, i.Name) && !slices.Contains(w.Dispatch, i.Name) // it ended without a word
	})
	for _, i := range list {
		if i.Failed != "" {
			return WhyStep{Holds: true, Since: i.FailedAt, What: fmt.Sprintf("the rule files of %s have errors, the last good set is live: %s", i.Name, i.Failed), Next: "notifier check"}
		}
		if sets[i.RuleSet] = append(sets[i.RuleSet], i.Name); i.Since.After(last) {
			last = i.Since
		}
	}
	if len(sets) > 1 {
		var parts []string
		for _, set := range slices.Sorted(maps.Keys(sets)) {
			parts = append(parts, strings.Join(sets[set], ", ")+" "+set)
		}
		return WhyStep{Holds: true, Since: last, What: "the instances go by different rules: " + strings.Join(parts, "; "), Next: "roll out the same rule files everywhere"}
	}
	what := "no instance has said which rules it goes by"
	for set := range sets {
		what = "revision " + set
	}
	if w.Set == nil {
		what += "; the files here have errors"
	} else if len(sets) == 1 && sets[w.Set.Hash] == nil {
		what += "; the files here are " + w.Set.Hash
	}
	return WhyStep{What: what, Since: last}
}

func (w *why) modes() WhyStep {
	r := w.rule
	switch {
	case w.Set == nil:
		return dark
	case w.Rule == rules.TagsRule:
		all, live := 0, 0
		for _, r := range w.Set.Rules {
			if r.Action == intent.Tags {
				all++
				if r.Mode == rules.Live {
					live++
				}
			}
		}
		s := WhyStep{What: fmt.Sprintf("%d of %d tag rules are live", live, all)}
		if live == 0 {
			s.Holds, s.Next = true, "mode: live in a rule file"
		}
		return s
	case w.Rule != "" && r == nil:
		return WhyStep{Holds: true, What: fmt.Sprintf("there is no rule %s in the files", w.Rule), Next: "notifier check"}
	case r == nil:
		m := w.Set.Modes()
		s := WhyStep{What: fmt.Sprintf("%d live, %d canary, %d shadow, %d off", m[rules.Live], m[rules.Canary], m[rules.Shadow], m[rules.Off])}
		if m[rules.Live]+m[rules.Canary] == 0 {
			s.Holds, s.Next = true, "mode: live in a rule file"
		}
		return s
	case r.Mode == rules.Off || r.Mode == rules.Shadow:
		return WhyStep{Holds: true, What: fmt.Sprintf("its mode is %s (%s:%d)", r.Mode, r.File, r.Line), Next: fmt.Sprintf("mode: live in %s", r.File)}
	}
	if from, until, alive := r.Life(w.Now); !alive {
		return WhyStep{Holds: true, Since: until, What: fmt.Sprintf("its life is %s to %s", momentText(from), momentText(until)), Next: fmt.Sprintf("from and until in %s", r.File)}
	}
	return WhyStep{What: "its mode is " + string(r.Mode)}
}

func momentText(t time.Time) string {
	if t.IsZero() {
		return "always"
	}
	return t.Format(time.RFC3339)
}
