// Package explain says why each rule did or did not act: on an event that somebody holds in hand, through the decoder's values, the
// clauses and a dispatch.Model, to the request that would leave; and of a user, which rule gives which tag.
//
// It promises that it speaks with the daemon's own voice: verdicts are those of package rules, gates and fates those of stage 2, in
// virtual time. It sends nothing and reads nothing; who calls it brings event, rules and row. Of a record in
// hand it does not know what others have used before: quota and caps begin empty, and it says so. Of an event that came (Known) it is
// given the ledger, the fates and the user's row before it.
package explain

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/tagsync"
)

// Options is what an explanation stands on.
type Options struct {
	Set        *rules.Set
	Stage      dispatch.Options // of app.Bench
	Identities map[string]string
	Request    func(dispatch.Departure) (json.RawMessage, error)
	Now        time.Time // when the event comes in
	Only       string    // name of the one rule that is asked about; "" is all that the event triggers

	Ledger func(identity string) *ledger.State // what the account's ledger has counted, and its users; nil: nothing is known
}

// farthest is how long the model goes on to see when something leaves: longer than any gate holds.
const farthest = 40 * 24 * time.Hour

// run is an event on its way through a model.
type run struct {
	o     *Options
	ev    *event.Event
	model *dispatch.Model
	calls []*departed
	fates map[intent.ID]ledger.Fate
	ins   []*intent.Intent // of stage 1, and of profile events those of stage 2

	before, after func(string) (intent.Value, bool) // of a real profile event: the user's row around it; nil: what the event says is all there is
}

// departed is a call that left, with its body.
type departed struct {
	dispatch.Departure
	body json.RawMessage
}

// Event explains one event.
func Event(o Options, ev *event.Event) (*Report, error) {
	x := newRun(&o, ev)
	if err := x.take(o.Set.Evaluate(ev)); err != nil {
		return nil, err
	}
	rep := report(&o, ev)
	for _, r := range o.Set.Rules {
		named := slices.Contains(r.Events, ev.Spec.Name)
		if o.Only == "" && !named || o.Only != "" && o.Only != r.Name {
			continue
		}
		rep.Rules = append(rep.Rules, x.rule(r, named))
	}
	x.follow(rep.Rules)
	return rep, nil
}

func newRun(o *Options, ev *event.Event) *run {
	x := &run{o: o, ev: ev, fates: map[intent.ID]ledger.Fate{}}
	stage := o.Stage
	stage.Rules = func() dispatch.Rules { return heard{o.Set, x} }
	stage.Users = func() dispatch.Users { return o.Set }
	stage.Accounts = nil
	for _, ac := range o.Stage.Accounts {
		stage.Accounts = append(stage.Accounts, ac.Prompt())
	}
	x.model = dispatch.NewModel(stage, dispatch.ModelEnd{Send: x.send, Fate: func(f ledger.Fate) { x.fates[f.Intent] = f }}, o.Now)
	return x
}

// heard are the rules as stage 2 asks them. What rules want on a profile event is known only there.
type heard struct {
	*rules.Set
	x *run
}

// ProfilePushes implements dispatch.Rules.
func (h heard) ProfilePushes(in *intent.Intent, before, after func(string) (intent.Value, bool)) []*intent.Intent {
	out := h.Set.ProfilePushes(in, before, after)
	h.x.ins = append(h.x.ins, out...)
	return out
}

// send books a call that leaves. What the vendor package refuses to build is refused here, as in production.
func (x *run) send(d dispatch.Departure) dispatch.Outcome {
	body, err := x.o.Request(d)
	if err != nil {
		return dispatch.Outcome{Class: dispatch.ClassPermanent, Invalid: true, Detail: err.Error()}
	}
	x.calls = append(x.calls, &departed{d, body})
	return dispatch.Outcome{Class: dispatch.ClassOK}
}

// take lets intents go from stage 1 to stage 2 as they do in the daemon, over the wire form.
func (x *run) take(ins []*intent.Intent) error {
	var taken []*intent.Intent
	for _, in := range ins {
		in.Key = x.o.Identities[in.Account]
		wire, err := in.Encode()
		if err != nil {
			return fmt.Errorf("hand over the intent of rule %s: %w", in.Rule, err)
		}
		if len(wire) > intent.MaxBytes {
			x.fates[in.ID] = ledger.NewFate(in, ledger.Dead, ledger.TooLarge, x.o.Now)
			x.ins = append(x.ins, in)
			continue
		}
		if in, err = intent.Decode(wire); err != nil {
			return fmt.Errorf("take over an intent: %w", err)
		}
		taken = append(taken, in)
		x.ins = append(x.ins, in)
	}
	x.model.Take(taken...)
	return nil
}

// rule asks a rule's conditions, and finds what the rule wants.
func (x *run) rule(r *rules.Rule, named bool) *Rule {
	out := &Rule{Rule: r.Name, Revision: r.Revision, Mode: string(r.Mode), Verdict: "no match", rule: r}
	if !named {
		out.Verdict = "not triggered"
		out.Events = r.Events
		return out
	}
	if x.ev.Gone && r.Mode != rules.Off { // no rule is asked about who is gone: stage 2 takes the tags away
		return out
	}
	v := x.ask(r)
	for _, c := range v.Clauses {
		out.Clauses = append(out.Clauses, clause(c))
	}
	if r.Action == intent.Tags {
		_, after := x.rows()
		for _, l := range leftOut(x.o.Set, r.Account, after, nil) {
			if l.Rule == r.Name {
				out.LeftOut = append(out.LeftOut, l)
			}
		}
	}
	for _, in := range x.ins {
		if in.Rule == r.Name || r.Action == intent.Tags && in.Profile != nil && in.Account == r.Account {
			out.ins = append(out.ins, in)
		}
	}
	_, _, alive := r.Life(x.ev.Time)
	switch {
	case r.Mode == rules.Off:
		out.Verdict, out.ins = "off", nil
	case !alive && r.Action != intent.Tags: // asked before the conditions, so whatever they say
		out.Verdict, out.ins = "not triggered", nil
	case v.Unsure:
		out.Verdict, out.ins = "unsure", nil
	case !v.Match:
		out.ins = nil
	default:
		out.Verdict = "match"
	}
	return out
}

// ask gives the verdict. Of a profile event in hand the row is what the event says, since nothing was known before.
func (x *run) ask(r *rules.Rule) rules.Verdict {
	if x.ev.Spec.Kind != event.Profile {
		return x.o.Set.Ask(r, x.ev)
	}
	before, after := x.rows()
	if r.Action == intent.Tags {
		return x.o.Set.AskTags(r, after)
	}
	ref := intent.EventRef{ID: x.ev.ID, Type: x.ev.Spec.Name, Time: x.ev.Time, Topic: x.ev.Pos.Topic, Partition: x.ev.Pos.Partition, Offset: x.ev.Pos.Offset}
	return x.o.Set.AskProfile(r, ref, x.ev.User, before, after)
}

// rows read the user's row around a profile event.
func (x *run) rows() (before, after func(string) (intent.Value, bool)) {
	if x.after != nil {
		return x.before, x.after
	}
	row := map[string]intent.Value{}
	for _, in := range x.ins {
		if in.Profile != nil {
			row = in.Profile.Fields
		}
	}
	return func(string) (intent.Value, bool) { return intent.Value{}, false }, func(name string) (intent.Value, bool) { v, ok := row[name]; return v, ok }
}

// course is how an intent went: what held it, in turn, and what became of it.
type course struct {
	in    *intent.Intent
	holds []dispatch.Standing
	call  *departed
	fate  *ledger.Fate // other than SENT
	sent  *ledger.Fate // of a real event: SENT
	// of a real event: why its lane is stopped
	stopped string
	past    bool         // it is of a real event: what is built of it here is not what left
	fixed   bool         // it is pending and its texts are rendered
	doomed  bool         // it is pending and expires before what holds it ends
	edited  bool         // it has its fate, and the rule was another one then: its gates and texts are not on record
	lost    bool         // the same, and the rule as it is now does not make it
	merged  int          // it has its fate: how many triggers were in it, as far as is known
	first   *ledger.Fate // of a real event: the fate that stage 2 gave; sent and fate may be a human's later word
}

// asked is when the gates were or are asked. over: that is past, since it has left or has its fate.
func (c *course) asked(now time.Time) (at time.Time, over bool) {
	if c.first != nil {
		return c.first.At, true
	}
	return now, c.flies()
}

// flies reports whether it is on its way to the vendor.
func (c *course) flies() bool {
	return c.past && len(c.holds) > 0 && c.holds[0].Gate == "in_flight"
}

// leaves is when its call starts or started, as far as that is known: what a request says of its own life counts from then.
func (c *course) leaves(now time.Time) time.Time {
	switch {
	case c.first != nil:
		return c.first.At
	case c.past && len(c.holds) > 0 && !c.flies() && c.holds[0].Until.After(now):
		return c.holds[0].Until
	}
	return now
}

// went reports whether it has left, or may have: then the limits have counted it.
func (c *course) went() bool {
	return c.flies() || c.first != nil && (c.first.Fate == ledger.Sent || c.first.Fate == ledger.FateUnknown)
}

// follow lets time pass until every intent has left or its fate, and writes down what held it.
func (x *run) follow(told []*Rule) {
	var all []*course
	of := map[intent.ID]*course{}
	for _, r := range told {
		for _, in := range r.ins {
			c := of[in.ID]
			if c == nil {
				c = &course{in: in}
				of[in.ID] = c
				all = append(all, c)
			}
			r.courses = append(r.courses, c)
		}
	}
	for end := x.o.Now.Add(farthest); ; {
		for _, c := range all {
			x.look(c)
		}
		next, ok := x.model.Next()
		if !ok || next.After(end) || x.model.Pending() == 0 {
			break
		}
		x.model.Advance(next)
	}
	for _, r := range told {
		x.tell(r)
	}
}

// look asks where an intent stands now.
func (x *run) look(c *course) {
	if c.call != nil || c.fate != nil {
		return
	}
	id := c.in.ID
	for f, ok := x.fates[id]; ok; f, ok = x.fates[id] {
		if f.Fate == ledger.Coalesced && f.Into != id {
			id = f.Into
			continue
		}
		if c.call = x.callOf(id, c.in); f.Fate != ledger.Sent {
			c.fate, c.call = &f, nil
		}
		return
	}
	s, ok := x.model.Stands(id)
	if !ok {
		return
	}
	if n := len(c.holds); n == 0 || c.holds[n-1].Gate != s.Gate || !c.holds[n-1].Until.Equal(s.Until) {
		c.holds = append(c.holds, s)
	}
}

func (x *run) callOf(id intent.ID, in *intent.Intent) *departed {
	for _, d := range x.calls {
		if in.Profile != nil && d.Account == in.Account && slices.Contains(d.Call.Users, in.Target) ||
			slices.ContainsFunc(d.Members, func(m *intent.Intent) bool { return m.ID == id }) {
			return d
		}
	}
	return nil
}

// bare gives the call that an intent would be if nothing held or stopped it; nil when there is none even then.
func (x *run) bare(c *course) *departed {
	in := c.in
	if in.Canary {
		if in = x.o.Set.IfIn(x.ev, in); in == nil {
			return nil
		}
	}
	if in.Dead != "" || in.Profile != nil {
		return nil
	}
	free := *in
	free.Policy, free.Shadow, free.Class, free.UserWhen = intent.Policy{NoCaps: true}, false, "", ""
	o := *x.o
	if o.Now = c.leaves(o.Now); in.Policy.Expire.After(o.Now) { // vendors are told how long a request is good for
		free.Policy.Expire = in.Policy.Expire
	}
	if c.fixed { // a merge would render its texts once more, of no trigger or of one
		free.Merge = nil
	} else if in.Merge != nil && c.past { // its wait is over then
		m := *in.Merge
		m.Wait = 0
		free.Merge = &m
	}
	o.Stage.Consent = dispatch.Consent{}
	y := newRun(&o, x.ev)
	if u := x.row(in); u != nil { // texts may ask it
		fields := map[string]intent.Value{}
		for name, f := range u.Fields {
			fields[name] = f.Value
		}
		if y.model.Know(in.Key, in.Target, fields) != nil {
			return nil
		}
	}
	if y.take([]*intent.Intent{&free}) != nil {
		return nil
	}
	for end := o.Now.Add(farthest); len(y.calls) == 0; {
		next, ok := y.model.Next()
		if !ok || next.After(end) || y.model.Pending() == 0 {
			return nil
		}
		y.model.Advance(next)
	}
	return y.calls[0]
}

// row is what the ledger knows of an intent's user; nil: nothing.
func (x *run) row(in *intent.Intent) *tagsync.User {
	if st := x.ledger(in); st != nil {
		return st.Users[in.Key].Get(in.Target)
	}
	return nil
}

// ledger is what the account's ledger has counted; nil: nothing is known.
func (x *run) ledger(in *intent.Intent) *ledger.State {
	if x.o.Ledger == nil {
		return nil
	}
	return x.o.Ledger(in.Key)
}
