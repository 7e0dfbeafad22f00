package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// call is an attempt in flight: ours, or one that a predecessor left open.
type call struct {
	attempt  *ledger.Attempt
	lane     *lane
	items    []*item
	users    []string // tag calls: every user in it, also those without an intent (a rewrite)
	set      []string
	vendor   *Call
	deadline time.Time // local, with monotonic reading
	pace     quota.ID
	read     *reading     // not an attempt: a read of tags
	again    *reevaluated // nor this: held intents were evaluated again
	span     *callSpan    // nil: not recorded
	began    time.Time    // local, of the request; zero until then
	ended    time.Time
	askBy    time.Time // of a predecessor's call: until when the vendor may be asked what became of it
	tooMuch  bool      // made again, it was refused for a limit that it may never fit into as it is
	awaited  bool      // its outcome is unclear and it may still arrive: it is booked when it cannot any more, and is no longer running
}

// result is a call's outcome on its way back to the actor; a nil call is a probe of lane.
type result struct {
	call    *call
	outcome Outcome
}

// send makes the call, unless its time is over: the process may have been frozen since the commit. Both clocks are asked,
// because the monotonic one stands still while a machine sleeps and the wall clock may step (design.md 3.4).
func (c *call) send(ctx context.Context, now time.Time) Outcome {
	if !now.Before(c.deadline) || !now.Round(0).Before(c.deadline.Round(0)) {
		return Outcome{Class: ClassNotSent, Detail: "the attempt's time was over before it could start"}
	}
	if ctx.Err() != nil {
		return Outcome{Class: ClassNotSent, Detail: "the partition was lost before the call could start"}
	}
	ctx, cancel := context.WithDeadline(ctx, c.deadline)
	defer cancel()
	return c.lane.ac.Vendor.Send(ctx, c.vendor)
}

// start makes an attempt of a call: in the ledger now, on the wire after the commit.
func (a *actor) start(l *lane, v *Call, items []*item, users []string, set []string, weight int) *call {
	now, local := a.clock.now(), a.clock.machine()
	a.pos.AttemptSeq++
	v.ID = fmt.Sprintf("%s-%d-%d", a.gen.Incarnation, a.p, a.pos.AttemptSeq)
	c := &call{lane: l, items: items, users: users, set: set, vendor: v, deadline: local.Add(l.ac.Timeout)}
	if v.Try == 0 {
		v.Try, v.Began = 1, now
	}
	c.attempt = &ledger.Attempt{V: ledger.Version, ID: v.ID, Account: l.ac.Key, Lane: l.name, Endpoint: v.Endpoint, Owner: a.w.Nonce(), State: ledger.Started,
		At: now.UTC(), NotAfter: now.Add(l.ac.Timeout).UTC(), Weight: weight, Users: users, Set: set}
	if v.Try > 1 {
		c.attempt.Try, c.attempt.Began = v.Try, v.Began.UTC()
	}
	for i, it := range items {
		c.attempt.Members = append(c.attempt.Members, it.p().Intent.ID)
		if i == 0 {
			v.First = it.p().Intent.ID
			c.attempt.Rule = it.p().Intent.Rule
			if it.p().Intent.Content != nil {
				c.attempt.Title = it.p().Intent.Content.Title
			}
		}
		a.setState(it, inFlight)
		if v.Try > 1 {
			continue
		}
		if !it.p().Left.IsZero() { // of an earlier call, which did not get through
			it.p().Left = time.Time{}
			a.keep(it)
		}
		a.opt.Metrics.eventToCall.WithLabelValues(string(it.p().Intent.Action)).Observe(now.Sub(it.p().At).Seconds())
	}
	c.span = a.departs(c, now)
	l.running++
	l.trial = false // a trial is one call
	if l.pacer != nil {
		c.pace, _ = l.pacer.Start(local, c.deadline, weight)
	} else {
		a.kept[v.ID] = c.attempt
	}
	for _, u := range users {
		l.ac.busy[u] = c
	}
	a.calls[v.ID] = c
	a.flying++
	a.w.Put(ledger.AttemptKey(v.ID), c.attempt)
	return c
}

// resolve books a call's outcome.
func (a *actor) resolve(r result) {
	if r.call == nil {
		return
	}
	c, o, l := r.call, r.outcome, r.call.lane
	if c.read != nil {
		a.read(c, o)
		return
	}
	if c.again != nil {
		a.evaluatedAgain(c.again)
		return
	}
	if c.vendor == nil { // a probe
		a.probed(l, o)
		return
	}
	a.flying--
	if !a.await(c, o) {
		a.settle(c, o)
	}
}

// settle books what became of an attempt, ours or a predecessor's.
func (a *actor) settle(c *call, o Outcome) {
	l, at := c.lane, c.attempt
	now := a.clock.now()
	if o.Class != ClassOK {
		o.unsay(c.users, c.items)
	}
	if !c.awaited {
		l.running--
	}
	l.ac.tagsFull = time.Time{} // its charge may end
	delete(a.calls, at.ID)
	a.called(c, o, now)
	for _, u := range c.users {
		delete(l.ac.busy, u)
	}
	if l.pacer != nil && o.Class != ClassUnknown && o.Class != ClassRetrySafe {
		l.pacer.Done(c.pace, a.clock.machine()) // an unclear one counts until its notAfter
	}
	m := a.opt.Metrics
	m.calls.WithLabelValues(l.full(), string(o.Class)).Inc()
	if !c.awaited {
		m.callSeconds.WithLabelValues(l.full()).Observe(max(0, now.Sub(at.At).Seconds()))
	}
	at.Code, at.VendorID, at.Detail, at.Until, at.Sender, at.MessageUID = o.Code, o.VendorID, o.Detail, now.UTC(), o.Sender, o.MessageUID
	if o.Class != ClassOK {
		a.log.Warn("vendor call not accepted", attemptField(at.ID), laneField(l.full()), ruleField(at.Rule), c.eventField(), zap.String("class", string(o.Class)), zap.Int("code", o.Code), zap.Int("members", len(c.items)), detailField(o.Detail))
	} else {
		a.log.Debug("vendor call accepted", attemptField(at.ID), laneField(l.full()), ruleField(at.Rule), zap.Int("members", len(c.items)))
	}
	l.countNotSent(at, o.Class)
	switch o.Class {
	case ClassOK:
		at.State = ledger.OK
		a.works(l)
		m.lastSent.WithLabelValues(l.full()).Set(float64(now.Unix()))
		a.open(l)
		a.sent(c, o)
	case ClassPermanent:
		if c.users == nil && c.vendor.Try > 1 { // AT-MOST-ONCE: the vendor refused the repeat, and said nothing of the try before it
			at.Until = at.NotAfter.Add(l.Late)
			a.unknown(c, Outcome{Code: o.Code, Detail: "refused when it was made again, the first try may have been done: " + o.Detail})
			if !o.Invalid && l.refusals < maxRefusals {
				a.open(l)
			}
			break
		}
		at.State = ledger.Refused
		if o.Invalid {
			at.State = ledger.NotSent // and says nothing of the vendor
		} else if l.refusals < maxRefusals {
			a.open(l)
		}
		a.refused(c, o)
	case ClassConfig:
		at.State = ledger.Refused
		if l.news(at.At) {
			a.misconfigured(l, o)
		}
		a.back(c)
	case ClassRetryLater:
		at.State = ledger.Refused
		switch {
		case o.Alone && len(l.Forms) > 1:
			l.rest(at.Endpoint, now.Add(o.Wait))
			if o.Wait >= longWait {
				a.assumeDay(l, at.At)
				a.log.Error("the vendor says that the day of this endpoint is used up: users go by others until it is over", laneField(l.full()), zap.String("endpoint", at.Endpoint), zap.Duration("for", o.Wait), detailField(o.Detail))
			}
		case o.Alone && l.Remove != "": // only these users had enough
		default:
			a.later(l, at.At, o)
			if len(c.items) > 1 && len(l.Forms) > 1 && o.Wait > 0 && o.Wait < longWait { // it may be more than the vendor takes in one window, and would be refused for ever
				l.rest(at.Endpoint, l.notBefore.Add(o.Wait))
				c.tooMuch = c.vendor.Try > 1
			}
		}
		if o.Once && l.Remove != "" {
			a.onceMore(c)
		} else {
			a.back(c)
		}
	case ClassNotSent:
		at.State = ledger.NotSent
		a.pause(l, at.At, o.Detail)
		a.back(c)
	default:
		at.State = ledger.Unknown
		at.Until = at.NotAfter.Add(l.Late)
		l.doubt(at.NotAfter)
		a.unclear(c, o)
	}
	if at.State == ledger.NotSent {
		a.giveBackDay(c)
	}
	if at.Recalls != "" {
		a.recalled(c, o)
	}
	a.store(c)
}

// store writes or deletes the attempt's record: scarce ones are kept while they count, unknown ones until a human decides.
func (a *actor) store(c *call) {
	at := c.attempt
	if c.lane.scarce() {
		defer func() { a.gauges(a.clock.now()) }()
	}
	if c.lane.Remove != "" { // it counts for the quota, thousands of it a day: no longer who was in it, but for what was accepted, until sumUp
		at.Members = nil
		if at.State != ledger.OK {
			at.Users, at.Set = nil, nil
		}
	}
	if at.State != ledger.Again {
		at.Next = time.Time{}
	}
	waits := at.State == ledger.Again || at.State == ledger.Unknown && !c.lane.Repeatable
	if at.State == ledger.NotSent || !waits && !c.lane.scarce() {
		delete(a.kept, at.ID)
		a.w.Delete(ledger.AttemptKey(at.ID))
		return
	}
	a.kept[at.ID] = at
	a.w.Put(ledger.AttemptKey(at.ID), at)
}

// sent gives the members their fate.
func (a *actor) sent(c *call, o Outcome) {
	if c.lane.Remove != "" {
		a.changed(c, o)
		return
	}
	a.refusedUsers(c, o)
	for _, it := range c.items {
		u := o.Users[it.p().Intent.Target]
		if u.Refused && it.route.Users {
			continue
		}
		a.fate(it, ledger.Sent, ledger.ReasonNone, func(f *ledger.Fate) {
			f.Attempt, f.VendorID, f.Code, f.Endpoint = c.attempt.ID, cmp.Or(u.VendorID, o.VendorID), o.Code, c.attempt.Endpoint
			f.Detail = u.Detail
			if o.MessageUID != "" && c.lane.scarce() { // it may be recalled
				c.attempt.Affected = append(c.attempt.Affected, *f)
			}
		})
	}
	if c.users != nil {
		a.acknowledged(c)
	}
}

// refused splits a refused call until the culprits are alone (design.md 3.12); who is alone is DEAD.
func (a *actor) refused(c *call, o Outcome) {
	if c.users != nil && c.lane.Remove != "" {
		a.refusedChange(c, o)
		return
	}
	if c.users != nil {
		a.refusedTags(c, o)
		return
	}
	a.giveBackCaps(c)
	again := len(c.items) > 1 || len(c.items) == 1 && a.doubted(c.lane, c.attempt.At, c.items[0].p().Intent.Event.ID, o)
	a.giveBackLimits(c, again || o.Invalid)
	if !again {
		for _, it := range c.items {
			a.dead(it, c, o)
		}
		return
	}
	var items []*item
	for _, it := range c.items {
		if a.killed(it.p().Intent) { // since the call left: it does not go again
			a.giveUp(it, ledger.Killed)
			continue
		}
		a.setState(it, queued)
		items = append(items, it)
	}
	if len(items) > 0 {
		c.lane.halves = append(c.lane.halves, halved(items)...)
	}
}

// maxRefusals is how many requests of different events the vendor may refuse in a row before the next refusals are doubted: a wrong
// setting looks like bad events (rongcloud.md 10.6), and must not make a whole topic dead letters. Five: a single bad event, or a
// handful from one source, is judged at once; of a topic four are lost, and one with each trial of the closed lane.
const maxRefusals = 5

// doubted counts a refusal of a request of one user or one audience. It is true when the refusal is not believed: the fifth in a row
// closes the lane, and its request waits, as do those that were in flight beside it. After the pause one request may try; if that
// is refused too it is believed, so that nothing bad stands in the way for ever, and the lane closes for longer.
func (a *actor) doubted(l *lane, began time.Time, event string, o Outcome) bool {
	switch {
	case o.Invalid, o.Target: // we refused it, not the vendor; or the user is at fault
		return false
	case l.refusals < maxRefusals && event == l.refused: // several users of one event
		return false
	case l.refusals >= maxRefusals && !l.news(began):
		return true
	}
	l.refused = event
	if l.refusals++; l.refusals < maxRefusals {
		return false
	}
	a.close(l, "breaker", fmt.Sprintf("%d requests of different events refused in a row, a setting may be wrong; the last: %s", l.refusals, o.Detail))
	return l.refusals == maxRefusals
}

func (a *actor) dead(it *item, c *call, o Outcome) {
	if o.IDTaken { // no fault of this push: those after it may have the same fate
		in := it.p().Intent
		a.log.Error("the vendor has had another push under the id of this one", attemptField(c.attempt.ID), laneField(c.lane.full()), ruleField(in.Rule), eventField(in.Event.ID), intentField(in.ID), detailField(o.Detail))
	}
	reason := ledger.RejectedByVendor
	if o.Invalid {
		reason = ledger.BadField
	}
	a.fate(it, ledger.Dead, reason, func(f *ledger.Fate) {
		f.Attempt, f.Endpoint, f.Code, f.Detail = c.attempt.ID, c.attempt.Endpoint, o.Code, o.Detail
	})
}

// back puts the members of a call that was certainly not done where they came from.
func (a *actor) back(c *call) {
	if c.users != nil {
		a.backTags(c)
		return
	}
	if c.vendor.Try > 1 { // this try was not made, but an earlier one may have been
		a.again(c)
		return
	}
	a.giveBackCaps(c)
	a.giveBackLimits(c, true)
	for _, it := range c.items {
		a.gate(it)
	}
}

// unclear handles an ambiguous outcome.
func (a *actor) unclear(c *call, o Outcome) {
	l, at := c.lane, c.attempt
	news := l.news(at.At)
	if news {
		l.unclear++
	}
	switch {
	case l.Remove != "":
		a.unclearChange(c)
	case l.Repeatable:
		a.unclearTags(c)
		a.pause(l, at.At, o.Detail)
		return
	case o.Class == ClassRetrySafe && c.vendor.Try < l.tries(at.Endpoint) && len(c.items) == len(at.Members): // as it was it cannot be made where sift took somebody out
		a.pause(l, at.At, o.Detail)
		c.vendor.Try++
		a.again(c)
	default:
		a.unknown(c, o)
	}
	if news && l.unclear >= 3 {
		a.close(l, "breaker", fmt.Sprintf("%d ambiguous outcomes in a row, the last: %s", l.unclear, o.Detail))
	}
}

// unknown ends the members of a call of which nobody can tell whether it was done.
func (a *actor) unknown(c *call, o Outcome) {
	at := c.attempt
	at.State = ledger.Unknown
	a.unknownItems(c, c.items, o)
	at.Members = nil
}

// unknownItems ends some members of a call so. The attempt must be Unknown, for it is by the attempt that a human decides.
func (a *actor) unknownItems(c *call, items []*item, o Outcome) {
	l, at := c.lane, c.attempt
	for _, it := range items { // AT-MOST-ONCE
		in := it.p().Intent
		a.booked(at, it)
		a.fate(it, ledger.FateUnknown, ledger.ReasonNone, func(f *ledger.Fate) {
			f.Attempt, f.Endpoint, f.Code, f.Detail = at.ID, at.Endpoint, o.Code, o.Detail
			at.Affected = append(at.Affected, *f)
		})
		a.log.Error("outcome unknown: counted as used, never repeated; decide with `notifier attempts resolve`", attemptField(at.ID), laneField(l.full()), ruleField(in.Rule), eventField(in.Event.ID), intentField(in.ID))
	}
}

// misconfigured closes the lane, or the account when it is the credentials that are refused.
func (a *actor) misconfigured(l *lane, o Outcome) {
	if o.Service {
		a.close(l, "service", o.Detail)
		return
	}
	a.credentials(l.ac, o)
}

// credentials closes all lanes of an account, together and for equally long: one probe speaks for all.
func (a *actor) credentials(ac *account, o Outcome) {
	var longest time.Duration
	for _, l := range ac.lanes {
		longest = max(longest, l.closedFor)
	}
	for _, l := range ac.lanes {
		l.closedFor, l.together = longest, true
		a.close(l, "credentials", o.Detail)
	}
}

// rotated tries the lanes of an account at once whose credentials were refused and are others now: who mends them need not wait for a
// pause of minutes.
func (a *actor) rotated() {
	for _, key := range a.keys {
		ac := a.accounts[key]
		n := ac.rotations()
		if n == ac.rotation {
			continue
		}
		var shut []*lane
		trying := false // with the old ones: what that ends with comes first
		for _, name := range ac.names {
			if l := ac.lanes[name]; l.closed != nil && l.closed.Reason == "credentials" {
				shut, trying = append(shut, l), trying || l.probing || l.running > 0
			}
		}
		if trying {
			continue
		}
		ac.rotation = n
		for _, l := range shut {
			l.closedFor, l.closed.Retry = 0, a.clock.now().UTC()
			a.w.Put(ledger.LaneKey(ac.Key, l.name), *l.closed)
		}
	}
}

// works books that a lane's call succeeded: its next closing begins with a short pause. So does that of the lanes that were closed
// together with it for the account's credentials, which are good: they may have nothing to send for days.
func (a *actor) works(l *lane) {
	l.closedFor, l.refusals = 0, 0
	for _, x := range l.ac.lanes {
		if x.together && x.closed == nil {
			x.closedFor, x.together = 0, false
		}
	}
}

// later obeys a refusal for now. On a scarce lane it means that somebody else uses our quota: our books said it was free
// (design.md 3, Quota). The hour counts as full, and after a second refusal in a row the day too. On the others see others.
func (a *actor) later(l *lane, began time.Time, o Outcome) {
	now := a.clock.now()
	a.answered(l)
	if l.closed != nil && l.closed.Reason == "service" { // a vendor answers so too when it is asked again while the service is off (rongcloud.md 4, E4)
		if l.news(began) {
			a.close(l, "service", l.closed.Detail)
		}
		return
	}
	if !l.scarce() || o.Wait > 0 {
		a.others(l, began, o)
		l.notBefore = now.Add(a.pauseFor(l, o.Wait))
		if o.Wait >= longWait {
			a.log.Error("the vendor's quota is used up: the lane waits", laneField(l.full()), zap.Duration("for", o.Wait), detailField(o.Detail))
			a.dayUsed(l, now, o.Detail)
		}
		return
	}
	l.taken++
	a.log.Error(othersSaid, laneField(l.full()), detailField(o.Detail))
	for i := range l.Limits {
		if i > 0 && l.taken < 2 {
			break
		}
		u := a.used(l, now)[i] // what was booked for the hour is of the day as well
		for n := u.Limit.N - u.Used; n > 0; n-- {
			a.external(l, now, 1, o.Detail)
		}
	}
}

// pauseFor is how long a lane waits after a refusal for now: as long as the vendor asks for, or the lane's window, but not less than the
// vendor's second. A short pause is longer by a random part: whoever else uses the App Key was refused at the same moment, and would come
// again with us.
func (a *actor) pauseFor(l *lane, asked time.Duration) time.Duration {
	least := min(l.Window, second)
	pause := max(cmp.Or(asked, l.Window), least)
	if pause < longWait {
		pause += time.Duration(a.luck.Int64N(int64(least)/4 + 1))
	}
	return pause
}

// longWait is a refusal that an operator should hear of: a day's quota, not a minute's.
const longWait = 10 * time.Minute

// external charges calls that were not ours.
func (a *actor) external(l *lane, at time.Time, n int, why string) *ledger.Attempt {
	a.pos.AttemptSeq++
	x := &ledger.Attempt{V: ledger.Version, ID: fmt.Sprintf("%s-%d-%d", a.gen.Incarnation, a.p, a.pos.AttemptSeq), Account: l.ac.Key, Lane: l.name, Owner: a.w.Nonce(),
		State: ledger.External, At: at.UTC(), NotAfter: at.UTC(), Until: at.UTC(), Weight: n, Detail: why}
	a.kept[x.ID] = x
	a.w.Put(ledger.AttemptKey(x.ID), x)
	return x
}

// pause lets a lane wait after a call that did not get through; the pause doubles while it goes on.
func (a *actor) pause(l *lane, began time.Time, detail string) {
	if !l.news(began) {
		return
	}
	l.stepped = a.clock.now()
	l.backoff = min(max(2*l.backoff, 250*time.Millisecond), maxBackoff)
	l.notBefore = l.stepped.Add(l.backoff)
	a.missed(l, detail)
}

// probe asks the vendor something harmless on behalf of a closed lane.
func (a *actor) probe(l *lane) {
	l.probing = true
	a.pos.AttemptSeq++
	id := a.askID("p")
	a.ask(l.ac.Timeout, func(ctx context.Context) result { return result{&call{lane: l}, l.ac.Vendor.Probe(ctx, id)} })
}

// probed books what a probe found. One call may pass then; if that fails too, the lane closes again for twice as long.
func (a *actor) probed(l *lane, o Outcome) {
	l.probing = false
	if l.closed == nil {
		return
	}
	reason := l.closed.Reason
	switch {
	case o.Class != ClassOK && reason == "credentials":
		a.credentials(l.ac, o)
	case o.Class != ClassOK:
		a.close(l, reason, o.Detail)
	case reason == "credentials":
		for _, x := range l.ac.lanes {
			if x.closed != nil && x.closed.Reason == reason {
				a.reopen(x)
			}
		}
	default:
		a.reopen(l)
		l.unclear = 2 // of the breaker's three
	}
}

// reopen opens a lane for one call, which finds out more than a probe can.
func (a *actor) reopen(l *lane) {
	taken := l.taken // a probe says nothing of a scarce quota
	a.open(l)
	l.taken, l.backoff = taken, 250*time.Millisecond
}
