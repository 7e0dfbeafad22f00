package ruletest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// trial is one test while it runs.
type trial struct {
	o       *Options
	rule    *rules.Rule
	test    *rules.Test
	set     *rules.Set // the rule alone
	model   *dispatch.Model
	now     time.Time
	user    string // whom the last event is about
	key     string // identity of the account
	calls   []call
	fates   map[intent.ID]ledger.Fate
	last    []*intent.Intent // what the rule wanted on the last event
	knows   map[string]bool  // recipients other than the event's user whose profile is there
	verdict *rules.Verdict
	alive   bool           // the last event is in the rule's life
	asked   *rules.Verdict // what user_when said when the call was to leave; nil: nobody asked
}

// call is a call that left, with its body at the vendor.
type call struct {
	dispatch.Departure
	body json.RawMessage
}

func newTrial(o *Options, r *rules.Rule, t *rules.Test, mode rules.Mode) *trial {
	x := &trial{o: o, rule: r, test: t, set: o.Set.Only(r, mode), key: o.Identities[r.Account], fates: map[intent.ID]ledger.Fate{}, knows: map[string]bool{}, now: t.Now}
	if x.now.IsZero() {
		x.now = time.Date(2026, 1, 5, 12, 0, 0, 0, o.Stage.Zone)
	}
	stage := o.Stage
	stage.Rules = func() dispatch.Rules { return asked{x.set, x} }
	stage.Users = func() dispatch.Users { return askedOfUsers{x.set, x} }
	stage.Accounts = nil
	for _, ac := range o.Stage.Accounts {
		stage.Accounts = append(stage.Accounts, ac.Prompt())
	}
	x.model = dispatch.NewModel(stage, dispatch.ModelEnd{Send: x.send, Fate: func(f ledger.Fate) { x.fates[f.Intent] = f }}, x.now)
	return x
}

// send books a call that leaves. What the vendor package refuses to build is refused here, as in production.
func (x *trial) send(d dispatch.Departure) dispatch.Outcome {
	body, err := x.o.Request(d)
	if err != nil {
		return dispatch.Outcome{Class: dispatch.ClassPermanent, Invalid: true, Detail: err.Error()}
	}
	x.calls = append(x.calls, call{d, body})
	return dispatch.Outcome{Class: dispatch.ClassOK}
}

// happen lets the events of the test come, and time pass. The error says why there is no event.
func (x *trial) happen() error {
	t := x.test
	for n := range t.Times {
		ev, err := x.set.TestEvent(t, n, x.now)
		if err != nil {
			return fmt.Errorf("no event but a dead letter: %w", err)
		}
		if n == 0 {
			if err := x.before(ev); err != nil {
				return err
			}
		}
		x.last = nil
		if err := x.take(ev); err != nil {
			return err
		}
	}
	x.model.Advance(x.now.Add(t.After))
	return nil
}

// before arranges what was there before the first event.
func (x *trial) before(ev *event.Event) error {
	x.user = ev.User
	if x.test.Used > 0 {
		if err := x.model.Spend(x.key, x.test.Used); err != nil {
			return err
		}
	}
	if x.test.Profile == nil || ev.User == "" {
		return nil
	}
	return x.model.Know(x.key, ev.User, x.test.Profile)
}

// take is stage 1 and the way into stage 2, for one event.
func (x *trial) take(ev *event.Event) error {
	_, _, x.alive = x.rule.Life(ev.Time)
	if ev.Spec.Kind != event.Profile {
		v := x.set.Ask(x.rule, ev)
		x.verdict = &v
	}
	var ins []*intent.Intent
	for _, in := range x.set.Evaluate(ev) {
		in.Key = x.o.Identities[in.Account]
		wire, err := in.Encode()
		if err != nil {
			return err
		}
		if len(wire) > intent.MaxBytes {
			return fmt.Errorf("no intent but a dead letter: it has %d bytes, the most is %d", len(wire), intent.MaxBytes)
		}
		if in, err = intent.Decode(wire); err != nil {
			return err
		}
		ins = append(ins, in)
		if in.Profile == nil && in.Action == intent.Push && in.Target != ev.User && !x.knows[in.Target] { // whom `to` names
			x.knows[in.Target] = true
			if err := x.model.Know(x.key, in.Target, x.test.Profile); err != nil {
				return err
			}
		}
		if in.Profile == nil || x.rule.Action == intent.Tags {
			x.last = append(x.last, in)
		}
		if in.Profile != nil {
			x.unchanged(in)
		}
	}
	x.model.Take(ins...)
	return nil
}

// unchanged asks the rule about a profile event as if it changed nothing; if it did, ProfilePushes asks again.
func (x *trial) unchanged(in *intent.Intent) {
	row := func(name string) (intent.Value, bool) {
		if v, ok := in.Profile.Fields[name]; ok {
			return v, true
		}
		v, ok := x.test.Profile[name]
		return v, ok
	}
	v := x.set.AskProfile(x.rule, in.Event, in.Target, row, row)
	x.verdict = &v
}

// asked are the rules as stage 2 asks them. What the rule wants on a profile event is known only there.
type asked struct {
	*rules.Set
	x *trial
}

// ProfilePushes implements dispatch.Rules.
func (a asked) ProfilePushes(in *intent.Intent, before, after func(string) (intent.Value, bool)) []*intent.Intent {
	x, out := a.x, a.Set.ProfilePushes(in, before, after)
	if x.rule.Action != intent.Tags {
		v := x.set.AskProfile(x.rule, in.Event, in.Target, before, after)
		x.verdict, x.last = &v, out
	}
	return out
}

// askedOfUsers is the same for what is asked when the call leaves.
type askedOfUsers struct {
	*rules.Set
	x *trial
}

// Meets implements dispatch.Users.
func (a askedOfUsers) Meets(source string, row func(string) (intent.Value, bool)) bool {
	v := a.AskUser(a.x.rule, row)
	a.x.asked = &v
	return a.Set.Meets(source, row)
}

// whole is the verdict with the clauses of user_when, if the call came so far. From and until decide before all clauses.
func (x *trial) whole() *rules.Verdict {
	if x.verdict == nil || x.asked == nil && x.alive {
		return x.verdict
	}
	v := *x.verdict
	if !x.alive {
		v.Match, v.Clauses = false, slices.Clone(v.Clauses)
		for i := range v.Clauses {
			v.Clauses[i].Decided = false
		}
		return &v
	}
	v.Clauses = slices.Concat(x.verdict.Clauses, x.asked.Clauses)
	if !x.asked.Match { // what was met before did not decide
		for i := range x.verdict.Clauses {
			v.Clauses[i].Decided = false
		}
	}
	return &v
}

// got is what became of an intent: of the one that it was merged into, if it was.
type got struct {
	kind   string // no match, request, held, fate
	call   *call
	stands dispatch.Standing
	fate   ledger.Fate
}

// became follows an intent to where it is now.
func (x *trial) became(id intent.ID) got {
	for range 1000 {
		f, ended := x.fates[id]
		if ended && f.Fate == ledger.Coalesced {
			id = f.Into
			continue
		}
		if ended && f.Fate == ledger.Sent {
			if i := x.callOf(id); i >= 0 {
				return got{kind: "request", call: &x.calls[i]}
			}
		}
		if ended {
			return got{kind: "fate", fate: f}
		}
		s, ok := x.model.Stands(id)
		if !ok {
			break
		}
		return got{kind: "held", stands: s}
	}
	return got{kind: "fate", fate: ledger.Fate{Fate: "LOST"}} // the model's books do not balance
}

func (x *trial) callOf(id intent.ID) int {
	return slices.IndexFunc(x.calls, func(c call) bool {
		return slices.ContainsFunc(c.Members, func(in *intent.Intent) bool { return in.ID == id })
	})
}

// farthest is how long the model goes on to see when something leaves: longer than any gate holds.
const farthest = 40 * 24 * time.Hour

var errStays = errors.New("it stays where it is")

// leaves lets time pass until the intent leaves; the error says what became of it instead.
func (x *trial) leaves(id intent.ID) (time.Time, error) {
	end := x.model.Now().Add(farthest)
	for {
		switch g := x.became(id); g.kind {
		case "request":
			return g.call.At, nil
		case "fate":
			return time.Time{}, errors.New(x.said(g.fate))
		}
		next, ok := x.model.Next()
		if !ok || next.After(end) {
			return time.Time{}, errStays
		}
		x.model.Advance(next)
	}
}

// said is a fate for people.
func (x *trial) said(f ledger.Fate) string {
	s := string(f.Fate)
	switch f.Fate {
	case ledger.Suppressed:
		s = "suppressed: " + string(f.Reason)
	case ledger.Dead:
		s = "dead letter: " + string(f.Reason)
	}
	if f.Detail != "" {
		s += " (" + dispatch.DetailAt(f.Detail, x.zone()) + ")"
	}
	return s
}

// shownTime writes a time in the zone of the settings.
func (x *trial) shownTime(at time.Time) string {
	return at.In(x.zone()).Format(time.RFC3339)
}

func (x *trial) zone() *time.Location { return cmp.Or(x.o.Stage.Zone, time.UTC) }
