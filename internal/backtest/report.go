package backtest

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Report is what a backtest found; its JSON is notifier.backtest/v1.
type Report struct {
	Schema  string    `json:"schema"`
	From    time.Time `json:"from"` // of the first record that is not ignored
	To      time.Time `json:"to"`   // of the last
	Days    float64   `json:"days"` // between them, at least 1: what `a day` is counted by
	Records int       `json:"records"`
	Stage1  Records   `json:"stage1"`
	Rules   []Rule    `json:"rules"`
	Total   Rule      `json:"total"` // pushes and broadcasts; tags are no notifications
	// How many pushes one user gets on a day on which it gets any.
	PerUserDay Spread `json:"per_user_day"`
	Lanes      []Lane `json:"lanes"`
	Against    *Diff  `json:"against,omitempty"`

	zone *time.Location
}

// Schema names the form of the JSON.
const Schema = "notifier.backtest/v1"

// Rule is what became of one rule's intents.
type Rule struct {
	Rule       string         `json:"rule"`
	Action     string         `json:"action"`
	Intents    int            `json:"intents"`
	Sent       int            `json:"sent"`
	PerDay     float64        `json:"per_day"` // sent
	MostInADay int            `json:"most_in_a_day"`
	MostOn     string         `json:"most_on,omitempty"` // the date
	ByDay      map[string]int `json:"by_day"`            // sent, by the date
	PerUser    Spread         `json:"per_user"`          // pushes in the whole history
	Coalesced  int            `json:"coalesced"`
	Suppressed map[string]int `json:"suppressed"`
	Dead       map[string]int `json:"dead"`
	Held       map[string]int `json:"held"` // without fate even 40 days after the end, by gate
	Slots      int            `json:"slots"`
}

// Spread is a distribution over those who got something.
type Spread struct {
	Users int `json:"users"`
	P50   int `json:"p50"`
	P99   int `json:"p99"`
	Max   int `json:"max"`
}

// Lane says what became of the slots of a scarce lane on the days of history.
type Lane struct {
	Lane   string `json:"lane"`
	Days   int    `json:"days"` // calendar days that history touches
	Slots  int    `json:"slots"`
	Used   int    `json:"used"`
	Unused int    `json:"unused"`
	// Wasted are unused slots of days on which requests went by for want of a slot: the quota was there at the wrong hour.
	Wasted int `json:"wasted"`
	Lost   int `json:"lost"` // requests that had no-quota or expired in the lane
	// OwnQuota are those that the `quota` of their own rule kept from a slot: another hour would not have helped, so they waste none.
	OwnQuota int `json:"own_quota"`
	After    int `json:"after"` // slots used after the end of history, by what it left waiting
}

// spread sorts counts into a distribution, by nearest rank.
func spread[K comparable](by map[K]int) Spread {
	if len(by) == 0 {
		return Spread{}
	}
	n := slices.Sorted(maps.Values(by))
	rank := func(p float64) int { return n[max(0, int(math.Ceil(p*float64(len(n))))-1)] }
	return Spread{Users: len(n), P50: rank(0.50), P99: rank(0.99), Max: n[len(n)-1]}
}

// report closes the counts of a side over a span of time.
func (t *tally) report(from, to time.Time, records int) *Report {
	r := &Report{Schema: Schema, From: from.UTC(), To: to.UTC(), Days: max(1, to.Sub(from).Hours()/24), Records: records, Stage1: t.records,
		Rules: []Rule{}, Lanes: []Lane{}, PerUserDay: spread(t.days), zone: t.zone}
	all := &counts{suppressed: map[string]int{}, dead: map[string]int{}, held: map[string]int{}, byDay: map[day]int{}, people: t.people}
	for _, name := range slices.Sorted(maps.Keys(t.rules)) {
		c := t.rules[name]
		r.Rules = append(r.Rules, c.rule(name, r.Days))
		if c.action != "tags" {
			all.add(c)
		}
	}
	r.Total = all.rule("", r.Days)
	for _, name := range slices.Sorted(maps.Keys(t.lanes)) {
		r.Lanes = append(r.Lanes, t.lanes[name].lane(name, t.span(from, to)))
	}
	return r
}

// span is the calendar days of history.
func (t *tally) span(from, to time.Time) (out []day) {
	first := t.day(from)
	for i := 0; ; i++ {
		noon := time.Date(first.year, first.month, first.of+i, 12, 0, 0, 0, t.zone)
		d := t.day(noon)
		out = append(out, d)
		if last := t.day(to); d == last || i > 100_000 {
			return out
		}
	}
}

func (c *counts) add(o *counts) {
	c.sent += o.sent
	c.coalesced += o.coalesced
	c.slots += o.slots
	for _, m := range []struct{ to, from map[string]int }{{c.suppressed, o.suppressed}, {c.dead, o.dead}, {c.held, o.held}} {
		for k, n := range m.from {
			m.to[k] += n
		}
	}
	for d, n := range o.byDay {
		c.byDay[d] += n
	}
}

func (c *counts) rule(name string, days float64) Rule {
	r := Rule{Rule: name, Action: string(c.action), Sent: c.sent, Coalesced: c.coalesced, Suppressed: c.suppressed, Dead: c.dead, Held: c.held, Slots: c.slots, ByDay: map[string]int{},
		PerDay: math.Round(float64(c.sent)/days*100) / 100, PerUser: spread(c.people), Intents: c.sent + c.coalesced + sum(c.suppressed) + sum(c.dead) + sum(c.held)}
	for d, n := range c.byDay {
		on := d.String()
		r.ByDay[on] = n
		if n > r.MostInADay || (n == r.MostInADay && on < r.MostOn) {
			r.MostInADay, r.MostOn = n, on
		}
	}
	return r
}

func (l *laneCounts) lane(name string, days []day) Lane {
	out := Lane{Lane: name, Days: len(days), Slots: l.limit * len(days)}
	inside := map[day]bool{}
	for _, d := range days {
		inside[d] = true
		left := max(0, l.limit-l.used[d])
		out.Used += l.used[d]
		out.Unused += left
		out.Wasted += min(left, l.lost[d])
	}
	for d, n := range l.used {
		if !inside[d] {
			out.After += n
		}
	}
	out.OwnQuota = l.own
	for _, n := range l.lost {
		out.Lost += n
	}
	return out
}

func (d day) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.year, d.month, d.of) }

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// listed writes counts by name, the largest first.
func listed(m map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	s := ""
	for i, k := range keys {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%d %s", m[k], k)
	}
	return s
}
