package audit

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Input is everything the audit looks at.
type Input struct {
	Start   time.Time // when the run began: what was older than its rule's expiry then has expired
	Events  []Record  // the input topics
	Intents []Record  // <prefix>.intents
	Fates   []Record  // <prefix>.fates
	Dead    []Record  // <prefix>.dead

	Journal  io.Reader                      // the sandbox's --log file
	Skip     int64                          // journal entries up to this seq are the test's own
	Apps     map[string]string              // App Key -> account
	Tags     map[string]map[string][]string // account -> user -> the vendor's tag set at the end
	Before   map[string]map[string][]string // the same before the run: tags that somebody else set
	Keeps    map[string]bool                // accounts with tags.foreign: keep
	Overruns int                            // from /_sbx/stats
	Doubles  int
	Refused  int // refused_by_quota
}

// Report is the outcome. Problems is empty when all is well; each begins with its kind and a colon.
type Report struct {
	Events, Quiet, Intents, Dead int
	Wants                        map[string]int // intents that the input demands, by rule
	DeadFor                      map[string]int // dead letters, by reason
	Fates                        map[string]int // by action, fate and reason
	Calls                        map[string]int // executed, by path
	Faults                       map[string]int // arrivals that a fault met, by kind
	Pending                      int            // broadcasts that wait for a slot
	Problems                     []string
}

// String is the report for people, with at most 40 problems.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d records: %d nothing to do, %d dead letters; %d intents, %d pending broadcasts\n", r.Events, r.Quiet, r.Dead, r.Intents, r.Pending)
	for _, part := range []struct {
		name string
		m    map[string]int
	}{{"intent of rule", r.Wants}, {"dead letter", r.DeadFor}, {"fate", r.Fates}, {"call", r.Calls}, {"fault", r.Faults}} {
		for _, k := range slices.Sorted(maps.Keys(part.m)) {
			fmt.Fprintf(&b, "  %6d %s %s\n", part.m[k], part.name, k)
		}
	}
	fmt.Fprintf(&b, "%d problems\n", len(r.Problems))
	for i, p := range r.Problems {
		if i == 40 {
			b.WriteString("  ...\n")
			break
		}
		fmt.Fprintf(&b, "  %s\n", p)
	}
	return b.String()
}

// Forecast counts the intents that an input demands, by rule, and the dead letters, by reason.
func Forecast(events []Record, start time.Time) (wants, dead map[string]int) {
	x := expect(Input{Events: events, Start: start})
	wants, dead = map[string]int{}, map[string]int{}
	for _, w := range x.wants {
		wants[w.rule]++
	}
	for _, reason := range x.dead {
		dead[reason]++
	}
	return wants, dead
}

// Rules are the names of all rules that make intents; "tags" stands for the tag rules.
func Rules() []string {
	out := []string{"tags"}
	for _, r := range rules {
		out = append(out, r.name)
	}
	return out
}

// checker is one audit under way.
type checker struct {
	*Report
	in      Input
	x       *expectation
	intents map[string]intentRecord
	ids     map[string]string // the id on the wire -> key
	fates   map[string]*fate
	calls   []call
	got     map[string]int // executed sends by intent
}

func (c *checker) problem(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

// Check audits a run that has ended: the input is consumed, the vendor healthy, the time for stragglers over. An
// error means that something could not be read, and nothing is said about the run.
func Check(in Input) (*Report, error) {
	c := &checker{Report: &Report{Wants: map[string]int{}, DeadFor: map[string]int{}, Fates: map[string]int{}, Calls: map[string]int{}, Faults: map[string]int{}},
		in: in, x: expect(in), intents: map[string]intentRecord{}, ids: map[string]string{}, fates: map[string]*fate{}, got: map[string]int{}}
	calls, err := readJournal(in.Journal)
	if err != nil {
		return nil, err
	}
	for _, one := range calls {
		if one.Seq <= in.Skip {
			continue
		}
		c.calls = append(c.calls, one)
		if one.Fault != "" {
			c.Faults[one.Fault]++
		}
	}
	intents, err := readIntents(in.Intents)
	if err != nil {
		return nil, err
	}
	fates, err := decodeAll[fate]("fates", in.Fates)
	if err != nil {
		return nil, err
	}
	c.Events, c.Quiet, c.Intents, c.Dead = len(in.Events), c.x.quiet, len(intents), len(in.Dead)
	c.checkDead()
	c.checkIntents(intents)
	c.checkFates(fates)
	c.checkGroups()
	c.checkMerges()
	c.checkSends()
	c.checkTags()
	c.checkQuota()
	return c.Report, nil
}

// checkDead compares dead letters with the records that deserve one.
func (c *checker) checkDead() {
	seen := map[string]bool{}
	for _, r := range c.in.Dead {
		place, reason := deadPlace(r), r.Headers["n-reason"]
		c.DeadFor[reason]++
		want, ok := c.x.dead[place]
		switch {
		case seen[place]:
			c.problem("dead letter twice: %s", place)
		case ok && want != reason:
			c.problem("dead letter reason: %s is %s, want %s", place, reason, want)
		case !ok && !c.x.may[place]:
			c.problem("dead letter extra: %s (%s: %s)", place, reason, r.Headers["n-detail"])
		}
		seen[place] = true
	}
	for place, reason := range c.x.dead {
		if !seen[place] {
			c.problem("dead letter missing: %s (%s)", place, reason)
		}
	}
	for _, w := range c.x.wants { // a user no vendor takes may be refused before there is an intent
		if w.badUser && seen[w.place] {
			delete(c.x.wants, w.id)
		}
	}
}

// checkIntents compares the intents topic with the input: stage 1 is exactly-once, so each stands there once.
func (c *checker) checkIntents(list []intentRecord) {
	for _, i := range list {
		k := i.key()
		if _, ok := c.intents[k]; ok {
			c.problem("intent twice: %s", k)
		} else if other, ok := c.ids[i.ID]; ok {
			c.problem("one id, two intents: %s is %s and %s", i.ID, other, k)
		}
		c.intents[k], c.ids[i.ID] = i, k
		w := c.x.wants[k]
		if w == nil {
			c.problem("intent extra: %s (%s)", k, i.Action)
			continue
		}
		if w.event == "" { // a tombstone has no id of its own
			w.event = i.Event.ID
		}
		if i.Action != w.action || i.Target != w.target || i.Event.ID != w.event || i.Rule != w.rule {
			c.problem("intent differs: %s is %s of rule %s for %s, event %s", k, i.Action, i.Rule, i.Target, i.Event.ID)
		}
	}
	for k, w := range c.x.wants {
		if _, ok := c.intents[k]; !ok && w.nobody {
			delete(c.x.wants, k)
		} else if !ok {
			c.problem("intent missing: %s", k)
		}
	}
}

// checkFates looks at each intent alone: one fate, of a kind it may have.
func (c *checker) checkFates(list []fate) {
	for i := range list {
		f := &list[i]
		if f.Intent == "" {
			continue // the effect of an operator's command
		}
		k := c.ids[f.Intent]
		in, ok := c.intents[k]
		switch {
		case !ok:
			c.problem("fate without intent: %s %s", f.Intent, f)
			continue
		case c.fates[k] != nil:
			c.problem("two fates: %s %s and %s", k, c.fates[k], f)
			continue
		case f.Rule != in.Rule || f.User != in.Target || f.Account != in.Account || f.Event.ID != in.Event.ID || f.Action != in.Action:
			c.problem("fate differs from its intent: %s", k)
		}
		c.fates[k] = f
		name := in.Action + " " + f.Fate
		if f.Reason != "" {
			name += " " + f.Reason
		}
		c.Fates[name]++
	}
	for k, w := range c.x.wants {
		c.Wants[w.rule]++
		f := c.fates[k]
		if _, ok := c.intents[k]; !ok {
			continue // missing altogether, already said
		}
		if f == nil {
			if w.action == "broadcast" {
				c.Pending++
				continue
			}
			c.problem("no fate: %s", k)
			continue
		}
		if !slices.Contains(allowed(w), f.String()) {
			c.problem("wrong fate: %s is %s (%s), may be %s", k, f, f.Detail, strings.Join(allowed(w), ", "))
		}
		if f.Fate == "COALESCED" {
			c.checkInto(w, f)
		}
	}
}

// allowed lists the fates an intent may have, looked at alone.
func allowed(w *want) []string {
	const dup = "SUPPRESSED(duplicate)"
	bad := []string{"DEAD(bad-field)", "DEAD(rejected-by-vendor)", "DEAD(render-error)"}
	switch {
	case w.action == "tags" && w.badUser:
		return append(bad, dup, "COALESCED", "SUPPRESSED(stale)", "SUPPRESSED(unchanged)")
	case w.action == "tags":
		return []string{"SENT", "COALESCED", "SUPPRESSED(stale)", "SUPPRESSED(unchanged)", dup}
	case w.nobody:
		return []string{"DEAD(render-error)", dup}
	case w.def.shadow:
		return []string{"SUPPRESSED(shadow)", dup}
	case w.expired:
		return []string{"SUPPRESSED(expired)", dup}
	case w.badUser:
		return append(bad, dup, "COALESCED", "SUPPRESSED(capped)")
	case w.action == "broadcast", w.def.merged:
		return []string{"SENT", "UNKNOWN", "COALESCED", dup}
	case w.def.perUser > 0:
		return []string{"SENT", "UNKNOWN", "SUPPRESSED(capped)", dup}
	}
	return []string{"SENT", "UNKNOWN", dup}
}

// checkInto follows a COALESCED intent: into one of the same account, rule and target, and to an end.
func (c *checker) checkInto(w *want, f *fate) {
	if end, ok := c.end(f); !ok {
		c.problem("coalesced into nothing: %s into %q", w.id, f.Into)
	} else if end.account != w.account || end.rule != w.rule || end.target != w.target {
		c.problem("coalesced into a stranger: %s into %s", w.id, end.id)
	}
}

// end is the intent that a COALESCED one went into, at the end of the chain.
func (c *checker) end(f *fate) (*want, bool) {
	for range len(c.fates) + 1 {
		w := c.x.wants[c.ids[f.Into]]
		if w == nil {
			return nil, false
		}
		next := c.fates[w.id]
		if next == nil || next.Fate != "COALESCED" {
			return w, true
		}
		f = next
	}
	return nil, false
}

// checkGroups looks at intents that share a limit: of equal ones (event, rule, target) all but one are duplicates,
// and of a user's intents under per_user exactly the cap is sent.
func (c *checker) checkGroups() {
	type id struct{ a, rule, target, event string }
	twins, capped := map[id][]*want{}, map[id][]*want{}
	for _, w := range c.x.wants {
		f := c.fates[w.id]
		if f == nil && w.action != "broadcast" {
			continue // said already
		}
		if w.action != "tags" && !w.def.shadow && !w.expired && !w.badUser && !w.nobody {
			k := id{w.account, w.rule, w.target, w.event}
			twins[k] = append(twins[k], w)
		}
		if w.def != nil && w.def.perUser > 0 && !w.expired && !w.badUser && f.Reason != "duplicate" {
			k := id{w.account, w.rule, w.target, ""}
			capped[k] = append(capped[k], w)
		}
	}
	for k, ws := range twins {
		n := 0
		for _, w := range ws {
			if f := c.fates[w.id]; f != nil && f.Reason == "duplicate" {
				n++
			}
		}
		if n != len(ws)-1 {
			c.problem("duplicates: %d of %d intents of event %s, rule %s, target %s are duplicates", n, len(ws), k.event, k.rule, k.target)
		}
	}
	for k, ws := range capped {
		n := 0
		for _, w := range ws {
			if f := c.fates[w.id]; f.Fate == "SENT" || f.Fate == "UNKNOWN" {
				n++
			}
		}
		if most := min(len(ws), ws[0].def.perUser); n != most {
			c.problem("cap: rule %s sent %d of %d to %s, want %d", k.rule, n, len(ws), k.target, most)
		}
	}
}
