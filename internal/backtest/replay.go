package backtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// Side is one set of rules with what stands around it.
type Side struct {
	Set        *rules.Set
	Stage      dispatch.Options                                  // stage 2, but for its Rules and Users
	Identities map[string]string                                 // account -> identity
	Request    func(dispatch.Departure) (json.RawMessage, error) // the body of a call at the vendor; an error refuses it
	Approve    bool                                              // every request is approved at once; else nobody approves
}

// farthest is how long after the last record a replay goes on, so that what is held then has its fate too.
const farthest = 40 * 24 * time.Hour

// replay is the way of history through one side.
type replay struct {
	Side
	model *dispatch.Model // nil before the first record
	room  []event.Event   // of the record at hand
	ids   map[intent.ID]int
	tally *tally
	ends  map[intent.ID]end // what became of each intent; nil: nobody compares
	texts map[intent.ID]uint64
	seed  maphash.Seed
}

// end is what became of an intent, as two sides are compared by it.
type end struct {
	rule, what string
	text       uint64 // of a request that left
}

func newReplay(s Side, compare bool, seed maphash.Seed) *replay {
	x := &replay{Side: s, ids: map[intent.ID]int{}, tally: newTally(s), seed: seed}
	if compare {
		x.ends, x.texts = map[intent.ID]end{}, map[intent.ID]uint64{}
	}
	return x
}

// begin puts the model at the time of the first record.
func (x *replay) begin(at time.Time) {
	stage := x.Stage
	stage.Rules = func() dispatch.Rules { return asked{x.Set, x} }
	stage.Users = func() dispatch.Users { return x.Set }
	x.model = dispatch.NewModel(stage, dispatch.ModelEnd{Send: x.send, Fate: x.fate}, at)
}

// asked are the rules as stage 2 asks them.
type asked struct {
	*rules.Set
	x *replay
}

// ProfilePushes implements dispatch.Rules.
func (a asked) ProfilePushes(in *intent.Intent, before, after func(string) (intent.Value, bool)) []*intent.Intent {
	out := a.Set.ProfilePushes(in, before, after)
	a.x.approve(out)
	return out
}

// approve takes the question for people away, if it is to be taken as answered.
func (x *replay) approve(ins []*intent.Intent) {
	for _, in := range ins {
		if x.Approve {
			in.Policy.Approval = nil
		}
	}
}

// take lets one record come.
func (x *replay) take(rec event.Record, d decoded) error {
	if x.model == nil {
		x.begin(rec.Time)
	}
	x.model.Advance(rec.Time)
	ins, err := x.evaluate(rec, d)
	if len(ins) > 0 {
		x.approve(ins)
		x.model.Take(ins...)
	}
	return err
}

// finish lets time pass until everything has its fate, and books what is held even then.
func (x *replay) finish() {
	last := x.model.Now().Add(farthest)
	for x.model.Pending() > 0 {
		next, ok := x.model.Next()
		if !ok || next.After(last) {
			break
		}
		x.model.Advance(next)
	}
	x.model.Each(func(in *intent.Intent, gate string) {
		x.tally.held(in, gate)
		if x.ends != nil {
			x.ends[in.ID] = end{rule: in.Rule, what: "held: " + gate}
		}
	})
}

// decoded is what the catalogue makes of a record. Its events hold until the next one is decoded.
type decoded struct {
	events []event.Event
	err    error
}

func (x *replay) decode(rec event.Record) decoded {
	events, err := x.Set.DecodeInto(x.room, rec)
	if cap(events) > cap(x.room) {
		x.room = events
	}
	return decoded{events, err}
}

// evaluate is stage 1 for one record: the intents as stage 2 reads them.
func (x *replay) evaluate(rec event.Record, d decoded) (out []*intent.Intent, err error) {
	events := d.events
	n := &x.tally.records
	if d.err != nil {
		n.dead(d.err)
	} else if len(events) == 0 {
		n.Ignored++
	}
	clear(x.ids)
	for i := range events {
		n.Events++
		ins := x.Set.Evaluate(&events[i])
		if len(ins) == 0 {
			n.NoRule++
			continue
		}
		if ins, err = x.overTheWire(ins, len(events) > 1 || len(ins) > 1); errors.Is(err, errTooLarge) {
			n.dead(err) // all or none: an event has either intents or a dead letter
			continue
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", rec.Position, err)
		}
		n.Matched++
		out = append(out, ins...)
	}
	return out, nil
}

var errTooLarge = errors.New("an intent is too large")

// overTheWire gives intents as they come out of their topic. Those of one record have ids of their own: several says that they may not.
func (x *replay) overTheWire(ins []*intent.Intent, several bool) ([]*intent.Intent, error) {
	out := make([]*intent.Intent, len(ins))
	for i, in := range ins {
		if several {
			if x.ids[in.ID]++; x.ids[in.ID] > 1 {
				in.ID += intent.ID("#" + strconv.Itoa(x.ids[in.ID]))
			}
		}
		in.Key = x.Identities[in.Account]
		wire, err := in.Encode()
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", in.Rule, err)
		}
		if len(wire) > intent.MaxBytes {
			return nil, errTooLarge
		}
		if out[i], err = intent.Decode(wire); err != nil {
			return nil, fmt.Errorf("rule %s: %w", in.Rule, err)
		}
	}
	return out, nil
}

// send is a call that would leave. What the vendor package refuses to build is refused here, as in production.
func (x *replay) send(d dispatch.Departure) dispatch.Outcome {
	if x.Request != nil {
		if _, err := x.Request(d); err != nil {
			return dispatch.Outcome{Class: dispatch.ClassPermanent, Invalid: true, Detail: err.Error()}
		}
	}
	x.tally.departed(d)
	if x.ends != nil && len(d.Members) > 0 {
		text := x.textOf(d.Call)
		for _, in := range d.Members {
			x.texts[in.ID] = text
		}
	}
	return dispatch.Outcome{Class: dispatch.ClassOK}
}

// textOf is what recipients get of a call, and whom an audience is, as a number to compare.
func (x *replay) textOf(c *dispatch.Call) uint64 {
	b, err := json.Marshal(struct {
		Content  *intent.Content
		Audience *intent.Audience
		Tags     []string
	}{c.Content, c.Audience, c.Tags})
	if err != nil { // texts, and a block that was JSON already
		panic("encode a call: " + err.Error())
	}
	return maphash.Bytes(x.seed, b)
}

func (x *replay) fate(f ledger.Fate) {
	x.tally.fate(f)
	if x.ends == nil {
		return
	}
	e := end{rule: f.Rule, what: word(f), text: x.texts[f.Intent]}
	delete(x.texts, f.Intent)
	if old, twice := x.ends[f.Intent]; twice && f.Reason == ledger.Duplicate { // the record was there before, and its intent has a fate
		e = old
	}
	x.ends[f.Intent] = e
}

// word is a fate in one word, with its reason.
func word(f ledger.Fate) string {
	if f.Reason != "" {
		return string(f.Fate) + " " + string(f.Reason)
	}
	return string(f.Fate)
}
