package dispatch

import (
	"cmp"
	"slices"
	"time"
)

// plan decides which calls may start now and when to look again.
func (a *actor) plan() (calls []*call) {
	now := a.clock.now()
	a.wake = time.Time{}
	a.planEdits(now)
	calls, a.ordered = a.ordered, nil
	for _, key := range a.keys {
		ac := a.accounts[key]
		a.planReads(ac, now)
		a.planChecks(ac, now)
		a.planRetags(ac, now)
		a.planTable(ac, now)
		calls = append(calls, a.planTags(ac, now)...)
		for _, name := range ac.names {
			if l := ac.lanes[name]; l.closed != nil { // probed in its time also when nothing waits: nobody should be told of a fault that is mended
				_, at := a.ready(l, now)
				a.wakeAt(at)
			}
			if name == LaneTag || name == LaneTagBatch || name == LaneTagGet {
				continue
			}
			a.handOver(ac.lanes[name], now)
			calls = append(calls, a.planLane(ac.lanes[name], now)...)
		}
	}
	return calls
}

// wakeAt makes the actor look again at a time.
func (a *actor) wakeAt(at time.Time) {
	if !at.IsZero() && (a.wake.IsZero() || at.Before(a.wake)) {
		a.wake = at
	}
}

// free reports whether a call of this weight may start in a lane now; if not, it sees to it that the actor looks again.
func (a *actor) free(l *lane, weight int, now time.Time) bool {
	ok, at := a.ready(l, now)
	if ok {
		if at = a.slot(l, weight, now); !at.After(now) {
			return true
		}
	}
	a.wakeAt(at)
	return false
}

// planLane starts what a lane's slots allow: refused halves first, then named users by priority and age, then audiences.
func (a *actor) planLane(l *lane, now time.Time) (calls []*call) {
	calls = a.planAgain(l, now)
	for l.waiting() {
		items, stop := a.next(l, now)
		if stop {
			return calls
		}
		if len(items) > 0 {
			calls = append(calls, a.startItems(l, items, now))
		}
	}
	return calls
}

// next takes the items of the lane's next call out of the queue. It may take none (they did not pass the last gates); stop is
// true when nothing may start now.
func (a *actor) next(l *lane, now time.Time) (items []*item, stop bool) {
	var back func([]*item) // where those wait who are not in this call after all
	var best *item
	suspects := len(l.halves) > 0 && l.refusals >= maxRefusals // halves of what was refused let others try, if any may go
	if suspects && l.queue.n == 0 {
		best = a.nextCast(l, now)
		suspects = best != nil
	}
	switch {
	case len(l.halves) > 0 && !suspects && (l.halves[0][0].route.Users || len(l.casts) == 0 || a.mayGo(l, l.halves[0][0], now)):
		if it := l.halves[0][0]; !it.route.Users && !a.mayGo(l, it, now) {
			return nil, true
		}
		if !a.free(l, a.weightOf(l, l.halves[0], now), now) {
			return nil, true
		}
		items, l.halves = l.halves[0], l.halves[1:]
		back = func(rest []*item) { l.halves = slices.Insert(l.halves, 0, rest) }
	case l.queue.n > 0:
		f, n := a.nextForm(l, now)
		if !a.free(l, l.weight(f, n), now) {
			return nil, true
		}
		items = l.queue.takeMixed(n, f.Mixed)
		back = func(rest []*item) {
			for _, it := range rest {
				l.queue.add(it)
			}
		}
	default:
		if best == nil {
			best = a.nextCast(l, now)
		}
		if best == nil {
			return nil, true
		}
		items = []*item{best}
	}
	pass := items[:0:0]
	for _, it := range items {
		if it.state != gone && a.admitted(it, pass, a.clock.now()) { // gate asks the clock too: with the older now of the plan an item could go round between the two
			pass = append(pass, it)
		}
	}
	if len(pass) == 0 || !pass[0].route.Users {
		return pass, false
	}
	stay := func(rest []*item) { // but for those whose rule the brake paused after they had passed: they are held, and in no queue
		if rest = slices.DeleteFunc(slices.Clone(rest), func(it *item) bool { return it.state == paused }); len(rest) > 0 {
			back(rest)
		}
	}
	f, n := a.formOf(l, pass, now) // fewer than were asked about may need another form, which takes fewer still, or weighs more
	if n < len(pass) {
		stay(pass[n:])
		pass = pass[:n:n]
	}
	if !a.free(l, l.weight(f, n), now) {
		stay(pass)
		return nil, true
	}
	return pass, false
}

func (a *actor) startItems(l *lane, items []*item, now time.Time) *call {
	endpoint, weight := items[0].route.Endpoint, 1
	if items[0].route.Users {
		f, _ := a.formOf(l, items, now)
		endpoint, weight = cmp.Or(f.Endpoint, endpoint), l.weight(f, len(items))
		a.takeDay(l, f, len(items), now)
	}
	a.overtake(l, items[0])
	c := a.start(l, callFor(endpoint, items), items, nil, nil, weight)
	for _, it := range items {
		a.takeCaps(it, c.attempt.At)
		a.takeLimits(it, c.attempt.At)
	}
	return c
}
