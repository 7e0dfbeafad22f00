package dispatch

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// restore builds the memory from what the ledger holds. It writes nothing: a take-over that is cancelled now has changed nothing.
func (a *actor) restore(st *ledger.State) {
	now := a.clock.now()
	for _, ac := range a.accounts {
		ac.retags.late = st.Users[ac.Key].Len() == 0 && st.Position.Next > 0
		for _, l := range ac.lanes {
			l.stepped = now
			l.doubt(now.Add(ac.Timeout))
		}
	}
	a.restoreSeen(st, now)
	for key, table := range st.Users {
		ac := a.accounts[key]
		if ac == nil {
			continue // the account is not in the settings; its rows stay in the ledger
		}
		ac.users = table
		for user := range table.Users() {
			if u := table.Get(user); !u.RewriteAt.IsZero() {
				a.timers.set(wakeUser, ac.Key+"\x00"+user, u.RewriteAt)
			}
		}
	}
	for key, l := range st.Lanes {
		if ac, name := a.accountOf(key); ac != nil && ac.lanes[name] != nil {
			a.opt.Metrics.held.WithLabelValues(ac.lanes[name].full(), l.Reason).Set(1)
			if l.Misses > 0 {
				ac.lanes[name].stalled, ac.lanes[name].misses = &l, l.Misses
				continue
			}
			ac.lanes[name].closed = &l
			ac.lanes[name].closedFor = time.Duration(l.Pause) * time.Millisecond
			ac.lanes[name].refusals = l.Refusals
		}
	}
	for key, rec := range st.Checks {
		switch ac, id := a.accountOf(key); {
		case ac == nil:
		case rec.Ended.IsZero():
			a.addCheck(ac, newCheck(ac, rec))
		default:
			ac.synced = id
		}
	}
	for key, c := range st.Changes {
		if ac := a.accounts[key]; ac != nil {
			ac.retags.rec = c
		}
	}
	a.restoreLimits(st)
	a.restoreWindows(st)
	open := a.restoreItems(st, now)
	a.restoreAttempts(st, now, open)
	for _, ac := range a.accounts {
		a.opt.Metrics.lanes(ac.Account)
		a.opt.Metrics.users.WithLabelValues(ac.Name).Set(float64(ac.users.Len()))
	}
	if a.restored = slices.ContainsFunc(a.keys, func(key string) bool { ac := a.accounts[key]; return len(ac.asked)+ac.users.Waiting() > 0 }); a.restored {
		a.wakeAt(now)
	}
	a.holds()
	for _, it := range a.stray {
		a.log.Error("intents wait for an account that the settings do not have: put it back in notifier.yaml", zap.Int("intents", len(a.stray)), zap.String("account", it.p().Intent.Account), zap.String("identity", it.p().Intent.Key))
		break // one line is enough
	}
}

// accountOf splits account/rest; an identity holds no slash.
func (a *actor) accountOf(key string) (*account, string) {
	for i := range len(key) {
		if key[i] == '/' {
			return a.accounts[key[:i]], key[i+1:]
		}
	}
	return nil, ""
}

// restoreItems indexes the pending intents, pushes in the order they came in; those in an open attempt are returned by id.
func (a *actor) restoreItems(st *ledger.State, now time.Time) map[intent.ID]*item {
	inOpen := map[intent.ID]bool{}
	for _, at := range st.Attempts {
		if at.State == ledger.Started || at.State == ledger.Again {
			for _, id := range at.Members {
				inOpen[id] = true
			}
		}
	}
	packer, pend, tags, err := st.Waiting()
	if err != nil { // read or packed in this process
		panic("pending records of a take-over: " + err.Error())
	}
	a.packer = packer
	var extended []intent.ID
	held := map[intent.ID]*item{}
	one := func(p *ledger.Pending, x ledger.Packed) {
		if a.restoreExtended(p, inOpen) {
			extended = append(extended, p.Intent.ID)
		}
		in := p.Intent
		ac := a.accounts[in.Key]
		if a.killed(in) && !inOpen[in.ID] && (ac == nil || p.Stray) { // given up, and the predecessor did not get to it
			a.giveUp(a.addPacked(nil, p, x, Route{}), ledger.Killed)
			return
		}
		if ac == nil {
			it := a.addPacked(nil, p, x, Route{})
			a.timers.stopExpire(it)
			a.stray[string(it.id())] = it
			if a.setState(it, paused); inOpen[in.ID] { // its call may have left: what became of it is asked when the account is back
				a.setState(it, inFlight)
			}
			return
		}
		if p.Stray {
			a.packer.Drop(x)
			a.found = append(a.found, p)
			return
		}
		route, nowhere := Route{Lane: LaneTag, Users: true}, false
		if in.Profile == nil {
			var err error
			if route, err = ac.Vendor.Route(in); err != nil { // a service was switched off since
				a.log.Error("a pending intent has no route any more", intentField(in.ID), zap.Error(err))
				route, nowhere = Route{Lane: "none", Users: in.Action == intent.Push}, true
			}
		}
		it := a.addPacked(ac, p, x, route)
		if b := ac.backlog(it); b != nil {
			b.add(it)
		}
		switch {
		case inOpen[in.ID]: // also without a route: its call has left, and must not be made again once there is a route
			held[in.ID] = it
			a.setState(it, inFlight)
		case a.killed(in):
			a.giveUp(it, ledger.Killed)
		case nowhere: // it waits where it cannot be sent
			a.setState(it, paused)
		case in.Profile != nil:
			if other := a.askedBy(ac, in.Target); other == nil || other.order() < p.Seq {
				ac.asked[in.Target] = it
			}
			p.Intent = learnt(in)
			a.setState(it, queued)
		default:
			if p.Merged != nil {
				ac.merges[mergeOf(in)] = it
			}
			a.setState(it, queued)
			a.timers.wake(it, now) // its gates are asked in the first turn
		}
	}
	for p := range tags {
		a.coolMany()
		one(p, ledger.Packed{})
	}
	for i := range pend {
		a.coolMany()
		x := pend[i].Packed
		pend[i] = ledger.Waiting{}
		p, err := x.Pending()
		if err != nil {
			panic("a pending record of a take-over: " + err.Error())
		}
		one(p, x)
	}
	for _, id := range extended {
		if it := a.items[itemOf(id)]; it != nil {
			a.longer = append(a.longer, it)
		}
	}
	return held
}

// addPacked is add for a record that is packed already.
func (a *actor) addPacked(ac *account, p *ledger.Pending, x ledger.Packed, r Route) *item {
	it := a.add(ac, p, r)
	it.packed = x
	return it
}

// machineTime is the machine's time at a time of the actor's clock.
func (a *actor) machineTime(at time.Time) time.Time {
	return a.clock.machine().Add(at.Sub(a.clock.now()))
}

// restoreWindows counts what predecessors sent and booked in the windows of a second or a minute: a call takes up room from when it may
// have arrived last, as it would have for the predecessor.
func (a *actor) restoreWindows(st *ledger.State) {
	for _, e := range st.Ended {
		ac := a.accounts[e.Account]
		if ac == nil {
			continue
		}
		l := ac.lanes[e.Lane]
		if l == nil || l.pacer == nil {
			continue
		}
		at := e.NotAfter
		if !e.Unclear && !slices.ContainsFunc(e.Users, ac.unclear) && e.At.Before(at) {
			at = e.At
		}
		l.pacer.Hold(a.machineTime(at), e.Weight)
	}
}

// unclear reports whether a call with the user may still arrive.
func (ac *account) unclear(user string) bool {
	u := ac.users.Get(user)
	return u != nil && !u.RewriteAt.IsZero()
}

// restoreAttempts takes over what predecessors charged and left open. What an open attempt touches is held until that call can no
// longer start or arrive; everything else starts at once (design.md 3.6).
func (a *actor) restoreAttempts(st *ledger.State, now time.Time, held map[intent.ID]*item) {
	for id, at := range st.Attempts {
		a.kept[id] = at
		ac := a.accounts[at.Account]
		if ac == nil {
			continue
		}
		l := ac.laneOf(at)
		if l == nil {
			continue
		}
		a.restoreEpisode(l, at, now)
		if l.Remove != "" {
			ac.recent.restore(at, l.Late, now)
		}
		if at.State != ledger.Started && at.State != ledger.Again {
			continue
		}
		if at.Users != nil && at.Set == nil { // the empty set has no place in the record
			at.Set = []string{}
		}
		c := &call{attempt: at, lane: l, users: at.Users, set: at.Set, vendor: &Call{ID: id, Endpoint: at.Endpoint, Tags: at.Set}}
		for _, m := range at.Members {
			if it := held[m]; it != nil {
				c.items = append(c.items, it)
			}
		}
		if at.Users == nil {
			c.vendor = callOf(at, c.items)
		}
		if at.State == ledger.Again {
			c.vendor.Try++
			l.again = append(l.again, c)
			continue
		}
		for _, u := range at.Users {
			ac.busy[u] = c
		}
		a.calls[id] = c
		settle := l.Settles(at)
		if c.awaited = l.Remove != ""; !c.awaited {
			l.running++
		}
		if !c.awaited && !l.scarce() && l.HeldBy(at) && settle.After(l.notBefore) {
			l.notBefore = settle
		}
		if l.pacer != nil {
			l.pacer.Hold(a.machineTime(at.NotAfter), at.Weight)
		}
		if l.HeldBy(at) {
			a.leftOpen(l, 1)
		}
		c.askBy = latest(settle, now).Add(askPatience)
		a.timers.set(settleCall, id, settle)
		if members := zap.Int("members", len(c.items)); settle.After(now) {
			a.log.Warn("a predecessor left a call open: what it touches is held", attemptField(id), laneField(l.full()), zap.Time("until", settle), members)
		} else {
			a.log.Warn("a predecessor left a call open, the time to wait for it is over: it is settled now", attemptField(id), laneField(l.full()), zap.Time("was_due", settle), members)
		}
	}
}

// HeldBy reports whether an open call of a predecessor holds its whole lane: on repeatable lanes only its users are held.
func (l *Policy) HeldBy(at *ledger.Attempt) bool {
	return !l.Repeatable && (len(l.Limits) > 0 || l.tries(at.Endpoint) < 2)
}

// Settles is until when a predecessor's open call is waited for.
func (l *Policy) Settles(at *ledger.Attempt) time.Time {
	switch {
	case l.Remove != "": // as our own
		return at.NotAfter.Add(l.Late)
	case len(l.Limits) > 0:
		return at.NotAfter.Add(lateHold)
	case l.HeldBy(at):
		return at.NotAfter.Add(l.Window)
	}
	return at.NotAfter // repeatable: it cannot start any more; that it may arrive late is what the rewrite is for
}

// leftOpen counts the predecessor's calls that hold a lane.
func (a *actor) leftOpen(l *lane, by int) {
	l.leftOpen += by
	a.opt.Metrics.held.WithLabelValues(l.full(), "takeover").Set(float64(min(l.leftOpen, 1)))
}

// ownerGone is the detail of a call of which only a predecessor could have told the outcome.
const ownerGone = "whoever made the call ended or lost its partition, as after a stall of Kafka, before the outcome was on record"

// lateHold is how long after its notAfter a predecessor's call in a scarce lane is still waited for before it is UNKNOWN.
const lateHold = 60 * time.Second

// fire handles a timer.
func (a *actor) fire(k alarm) {
	switch k.kind {
	case wakeItem:
		if it := k.it; it.state != inFlight && it.ac != nil {
			a.gate(it)
		}
	case expireItem:
		if it := k.it; it.state != inFlight {
			a.expired(it)
		}
	case wakeUser:
		for i := range len(k.key) {
			if k.key[i] != 0 {
				continue
			}
			ac, user := a.accounts[k.key[:i]], k.key[i+1:]
			if ac == nil {
				return
			}
			if u := ac.users.Get(user); u != nil && u.RewriteAt.After(a.clock.now()) {
				a.timers.set(wakeUser, k.key, u.RewriteAt)
			}
			a.retag(ac, user)
			return
		}
	case settleCall:
		if c := a.calls[k.key]; c != nil && !a.readBack(c) {
			class := ClassUnknown
			if c.lane.Repeatable || c.lane.tries(c.attempt.Endpoint) > 1 {
				class = ClassRetrySafe
			}
			a.settle(c, Outcome{Class: class, Detail: ownerGone})
			if c.lane.HeldBy(c.attempt) {
				a.leftOpen(c.lane, -1)
			}
		}
	}
}
