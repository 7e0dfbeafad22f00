package backtest

import (
	"errors"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Records counts what stage 1 made of history.
type Records struct {
	Ignored int            `json:"ignored"` // records that no entry of the catalogue is about
	Events  int            `json:"events"`
	NoRule  int            `json:"no_rule"`
	Matched int            `json:"matched"` // events with intents
	Dead    map[string]int `json:"dead"`    // dead letters by reason
}

// dead books a dead letter of stage 1.
func (r *Records) dead(err error) {
	reason := string(ledger.Undecodable)
	if de, ok := errors.AsType[*event.DecodeError](err); ok {
		reason = string(de.Reason)
	}
	if errors.Is(err, errTooLarge) {
		reason = string(ledger.TooLarge)
	}
	r.Dead[reason]++
}

// tally counts while a side runs.
type tally struct {
	zone    *time.Location
	records Records
	rules   map[string]*counts
	lanes   map[string]*laneCounts // scarce ones, account/lane
	people  map[string]int         // notifications by user
	days    map[userDay]int
}

// counts are those of one rule.
type counts struct {
	action     intent.Action
	sent       int
	coalesced  int
	suppressed map[string]int
	dead       map[string]int
	held       map[string]int // by gate
	slots      int
	byDay      map[day]int // sent
	people     map[string]int
}

// laneCounts are those of one scarce lane.
type laneCounts struct {
	limit int         // slots a day
	used  map[day]int // slots
	lost  map[day]int // requests that went by for want of a slot
	own   int         // requests that went by since their rule had used its own quota
}

// day is a date in the zone of the settings.
type day struct {
	year  int
	month time.Month
	of    int
}

type userDay struct {
	user string
	day  day
}

func newTally(s Side) *tally {
	t := &tally{zone: s.Stage.Zone, records: Records{Dead: map[string]int{}}, rules: map[string]*counts{}, lanes: map[string]*laneCounts{},
		people: map[string]int{}, days: map[userDay]int{}}
	if t.zone == nil {
		t.zone = time.UTC
	}
	for _, ac := range s.Stage.Accounts {
		for name, p := range ac.Lanes {
			if limit := slotsOfADay(p); p.Audiences && limit > 0 {
				t.lanes[ac.Name+"/"+name] = &laneCounts{limit: limit, used: map[day]int{}, lost: map[day]int{}}
			}
		}
	}
	for _, r := range s.Set.Rules {
		if r.Action != intent.Tags {
			t.of(r.Name, r.Action)
		}
	}
	return t
}

// slotsOfADay is the narrowest limit of a calendar day; 0: the lane has none.
func slotsOfADay(p dispatch.Policy) (n int) {
	for _, l := range p.Limits {
		if l.Day && (n == 0 || l.N < n) {
			n = l.N
		}
	}
	return n
}

func (t *tally) day(at time.Time) day {
	y, m, d := at.In(t.zone).Date()
	return day{y, m, d}
}

func (t *tally) of(rule string, a intent.Action) *counts {
	c := t.rules[rule]
	if c == nil {
		c = &counts{action: a, suppressed: map[string]int{}, dead: map[string]int{}, held: map[string]int{}, byDay: map[day]int{}, people: map[string]int{}}
		t.rules[rule] = c
	}
	return c
}

// fate books what became of one intent.
func (t *tally) fate(f ledger.Fate) {
	c := t.of(f.Rule, f.Action)
	switch f.Fate {
	case ledger.Sent:
		t.sent(c, f)
	case ledger.Coalesced:
		c.coalesced++
	case ledger.Suppressed:
		c.suppressed[string(f.Reason)]++
		if l := t.lanes[f.Lane]; l != nil {
			switch ended, own := dispatch.EndedInQueue(f); {
			case own:
				l.own++
			case ended:
				l.lost[t.day(f.At)]++
			}
		}
	default: // a model has no UNKNOWN: every call has its outcome
		c.dead[string(f.Reason)]++
	}
}

func (t *tally) sent(c *counts, f ledger.Fate) {
	d := t.day(f.At)
	c.sent++
	c.byDay[d]++
	if f.Action == intent.Push {
		c.people[f.User]++
		t.people[f.User]++
		t.days[userDay{f.User, d}]++
	}
}

// departed books the slots of a call.
func (t *tally) departed(d dispatch.Departure) {
	if d.Slots == 0 {
		return
	}
	if l := t.lanes[d.Lane]; l != nil {
		l.used[t.day(d.At)] += d.Slots
	}
	if len(d.Members) > 0 && d.Members[0].Action == intent.Broadcast { // tags and pushes may have scarce lanes too, which have no broadcast slots
		t.of(d.Members[0].Rule, intent.Broadcast).slots += d.Slots
	}
}

// held books an intent that has no fate even long after the end.
func (t *tally) held(in *intent.Intent, gate string) { t.of(in.Rule, in.Action).held[gate]++ }

// sentBy is how many intents of a rule were sent, and whether it gives tags.
func (t *tally) sentBy(rule string) (n int, tags bool) {
	c := t.rules[rule]
	if c == nil {
		return 0, false
	}
	return c.sent, c.action == intent.Tags
}
