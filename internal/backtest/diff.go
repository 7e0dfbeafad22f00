package backtest

import (
	"maps"
	"slices"
)

// Diff is what the candidate rules do otherwise than the others.
type Diff struct {
	Slots int        `json:"slots"` // of scarce lanes, that the others used
	Total RuleDiff   `json:"total"` // was and now without tags, which are no notifications
	Rules []RuleDiff `json:"rules"` // only those that differ
}

// RuleDiff compares one rule, intent by intent: same event, same rule, same recipient.
type RuleDiff struct {
	Rule    string         `json:"rule"`
	Was     int            `json:"was"` // sent by the others
	Now     int            `json:"now"` // sent by the candidates
	Same    int            `json:"same"`
	Text    int            `json:"text"`    // sent by both, with another text or audience
	Gained  map[string]int `json:"gained"`  // intents that only the candidates have, by what became of them
	Lost    map[string]int `json:"lost"`    // that only the others have
	Changed map[string]int `json:"changed"` // in both, with another end: "SENT → SUPPRESSED capped"
}

// differs reports whether there is anything to tell.
func (d *RuleDiff) differs() bool { return d.Text+sum(d.Gained)+sum(d.Lost)+sum(d.Changed) > 0 }

// Differs reports whether anything became otherwise.
func (d *Diff) Differs() bool { return d.Total.differs() }

func newRuleDiff(rule string) *RuleDiff {
	return &RuleDiff{Rule: rule, Gained: map[string]int{}, Lost: map[string]int{}, Changed: map[string]int{}}
}

// compare holds the ends of two sides against each other.
func compare(now, was *replay) *Diff {
	rules := map[string]*RuleDiff{}
	of := func(rule string) *RuleDiff {
		if rules[rule] == nil {
			rules[rule] = newRuleDiff(rule)
		}
		return rules[rule]
	}
	for id, n := range now.ends {
		w, both := was.ends[id]
		of(n.rule).add(n, w, both)
	}
	for id, w := range was.ends {
		if _, both := now.ends[id]; !both {
			of(w.rule).Lost[w.what]++
		}
	}
	out := &Diff{Rules: []RuleDiff{}}
	all := newRuleDiff("")
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		d := rules[name]
		var tags bool
		if d.Was, tags = was.tally.sentBy(name); !tags {
			all.Was += d.Was
		}
		if d.Now, tags = now.tally.sentBy(name); !tags {
			all.Now += d.Now
		}
		if d.differs() {
			out.Rules = append(out.Rules, *d)
		}
		all.sum(d)
	}
	out.Total = *all
	for _, c := range was.tally.rules {
		out.Slots += c.slots
	}
	return out
}

// add books one intent of the candidates; both says that the others have it too, and what became of it there.
func (d *RuleDiff) add(now, was end, both bool) {
	switch {
	case !both:
		d.Gained[now.what]++
	case now.what != was.what:
		d.Changed[was.what+" → "+now.what]++
	case now.text != was.text:
		d.Text++
	default:
		d.Same++
	}
}

func (d *RuleDiff) sum(o *RuleDiff) {
	d.Same += o.Same
	d.Text += o.Text
	for _, m := range []struct{ to, from map[string]int }{{d.Gained, o.Gained}, {d.Lost, o.Lost}, {d.Changed, o.Changed}} {
		for k, n := range m.from {
			m.to[k] += n
		}
	}
}
