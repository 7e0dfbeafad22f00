package dispatch

import (
	"slices"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// retag decides what a user's tags need: nothing, or a place in a group. It is asked whenever the row, the vendor's set or the
// call in flight changed. "Unchanged" is judged against what the vendor will have: while a call is in flight that is not known,
// so the decision waits for its outcome (design.md 3.11).
func (a *actor) retag(ac *account, user string) {
	u := ac.users.Get(user)
	if u == nil || ac.busy[user] != nil {
		return
	}
	it := a.askedBy(ac, user)
	if ac.lanes[LaneTag] == nil { // its vendor keeps no tags for us: the row is all that a profile event changes
		delete(ac.retags.out, user)
		if it != nil {
			a.fate(it, ledger.Suppressed, ledger.Unchanged, nil)
		}
		if u.Gone {
			u.RewriteAt, u.May = time.Time{}, nil
			a.dropGone(ac, user)
		}
		return
	}
	if ac.byDifferences() {
		a.retagByDifferences(ac, user, u)
		return
	}
	rewrite := !u.RewriteAt.IsZero() && !u.RewriteAt.After(a.clock.now())
	if rewrite && u.Acked != nil && u.May != nil && slices.Equal(u.Acked, u.May) && slices.Equal(u.Acked, a.wanted(ac, u)) { // whatever arrived meanwhile said what was written last
		u.RewriteAt, u.May, u.Anew, rewrite = time.Time{}, nil, false, false
		a.keepUser(ac, user, u)
		if a.dropGone(ac, user); ac.users.Get(user) == nil {
			ac.unqueue(user)
			return
		}
	}
	if it == nil && !rewrite && !ac.retags.out[user] {
		ac.unqueue(user)
		return
	}
	if u.Foreign == nil {
		ac.unqueue(user)
		ac.askRead(user, a.clock.now())
		return
	}
	want := a.wanted(ac, u)
	if !rewrite && u.Acked != nil && slices.Equal(u.Acked, want) {
		ac.unqueue(user)
		if it != nil {
			a.fate(it, ledger.Suppressed, ledger.Unchanged, nil)
		}
		if u.Anew {
			u.Anew = false
			a.keepUser(ac, user, u)
		}
		delete(ac.retags.out, user)
		a.dropGone(ac, user)
		return
	}
	if a.giveUpForeign(ac, user, u) {
		a.retag(ac, user)
		return
	}
	deadline := a.clock.now()
	if it == nil && !rewrite {
		ac.groups.Remove(user)
		ac.later.Add(user, want, deadline.Add(min(ac.TagDelay, retagDelay)))
		return
	}
	ac.later.Remove(user)
	switch {
	case it != nil && !rewrite:
		deadline = it.since().Add(ac.TagDelay)
	case ac.repairs[user] != nil:
		deadline = deadline.Add(ac.TagDelay) // others with the same set may join
	}
	ac.groups.Add(user, want, deadline)
}

// wanted is the set a row deserves now.
func (a *actor) wanted(ac *account, u *tagsync.User) []string { return ac.Wanted(a.opt.Rules(), u) }

// Wanted is the set of tags that a row of the account deserves by some rules.
func (ac *Account) Wanted(by Rules, u *tagsync.User) []string {
	if u.Gone {
		return []string{}
	}
	current := u.Acked
	switch {
	case u.Anew:
		current = nil
	case current == nil || ac.ByDifferences() && u.Had != nil:
		current = u.Had
	}
	want := by.Tags(ac.Name, u.Get, current)
	if ac.Fit != nil {
		want = ac.Fit(want)
	}
	if want == nil {
		want = []string{}
	}
	return withForeign(want, u.Foreign, ac.MaxTags)
}

// dropGone removes the row of a user who is gone and whose tags are cleared.
func (a *actor) dropGone(ac *account, user string) {
	if u := ac.users.Get(user); u == nil || !u.Gone || !u.RewriteAt.IsZero() || ac.asks(user) { // who asks needs the row
		return
	}
	ac.users.Delete(user)
	delete(ac.retags.out, user)
	a.repairEnds(ac, user, true)
	a.w.Delete(ledger.UserKey(ac.Key, user))
	a.opt.Metrics.users.WithLabelValues(ac.Name).Set(float64(ac.users.Len()))
}

// smallGroup is how many users of a group may go one by one while the batch lane has no slot. More wait for a batch: ten
// batches a second beat a hundred singles.
const smallGroup = 3

// planTags starts the tag calls that are due: one user a call, or one set for many, so that both lanes work.
func (a *actor) planTags(ac *account, now time.Time) (calls []*call) {
	if ac.byDifferences() {
		return a.planDifferences(ac, now)
	}
	single, batch := ac.lanes[LaneTag], ac.lanes[LaneTagBatch]
	if single == nil || batch == nil {
		return nil
	}
	for len(ac.refuse) > 0 {
		r := ac.refuse[0]
		c, ok := a.tagCall(ac, pick(len(r.users) == 1, single, batch), r.users, r.set, now)
		if !ok {
			break
		}
		ac.refuse = ac.refuse[1:]
		if c != nil {
			calls = append(calls, c)
		}
	}
	for _, groups := range []*tagsync.Groups{ac.groups, ac.later} {
		more, stop := a.planGroups(ac, groups, now)
		if calls = append(calls, more...); stop {
			return calls
		}
	}
	return calls
}

// planGroups starts the calls of the groups that are due. It stops where a lane has no slot: nobody behind them may go first.
func (a *actor) planGroups(ac *account, groups *tagsync.Groups, now time.Time) (calls []*call, stop bool) {
	single, batch := ac.lanes[LaneTag], ac.lanes[LaneTagBatch]
	for {
		key, n, ok := groups.Due(now)
		if !ok {
			if at, any := groups.NextDeadline(); any {
				a.wakeAt(at)
			}
			return calls, false
		}
		l := pick(n == 1, single, batch)
		if !a.free(l, 1, now) {
			other := pick(n == 1, batch, single)
			if n > smallGroup && batch.closed == nil || !a.free(other, 1, now) {
				return calls, true
			}
			l = other
		}
		users, set := groups.Take(key, l.MaxBatch)
		c, ok := a.tagCall(ac, l, users, set, now)
		if !ok { // free said yes: only the bookkeeping of the pacer can differ
			for _, u := range users {
				a.retag(ac, u)
			}
			return calls, true
		}
		if c != nil {
			calls = append(calls, c)
		}
	}
}

func pick(first bool, a, b *lane) *lane {
	if first {
		return a
	}
	return b
}

// tagCall starts one call for those of the users who still want exactly this set; the others are decided again. ok is false when
// the lane has no slot.
func (a *actor) tagCall(ac *account, l *lane, users, set []string, now time.Time) (c *call, ok bool) {
	if !a.free(l, 1, now) {
		return nil, false
	}
	return a.startTags(l, refused{users: users, set: set, endpoint: l.Endpoint}, func(u *tagsync.User) bool { return slices.Equal(a.wanted(ac, u), set) }), true
}

// startTags starts a call, maybe one that was refused before, for those of its users who still want it; nil: nobody does.
func (a *actor) startTags(l *lane, r refused, still func(*tagsync.User) bool) *call {
	ac := l.ac
	var sending []string
	var items []*item
	for _, user := range r.users {
		u := ac.users.Get(user)
		if u == nil || ac.busy[user] != nil || ac.byDifferences() && ac.reading[user] {
			continue
		}
		if !still(u) {
			a.retag(ac, user)
			continue
		}
		ac.unqueue(user)
		sending = append(sending, user)
		if it := a.askedBy(ac, user); it != nil {
			items = append(items, it)
			delete(ac.asked, user) // in flight: a newer event does not replace it any more
		}
	}
	if len(sending) == 0 {
		return nil
	}
	ac.spoil(sending)
	for _, it := range items {
		a.setState(it, gone) // leaves the counts of the lane it was thought to take
		it.berth = a.berth(ac, Route{Lane: l.name, Endpoint: r.endpoint, Users: true})
	}
	return a.start(l, &Call{Endpoint: r.endpoint, Users: sending, Tags: r.set, Try: r.try, Began: r.began}, items, sending, r.set, 1)
}

// acknowledged books that the vendor has a set.
func (a *actor) acknowledged(c *call) {
	ac := c.lane.ac
	for _, user := range c.users {
		u := ac.users.Get(user)
		if u == nil {
			continue
		}
		u.Anew = u.Anew && !slices.Equal(c.set, a.wanted(ac, u)) // a call that began before the fields were cleared had others
		if u.RewriteAt.IsZero() || !c.attempt.At.Before(u.RewriteAt) {
			u.Acked, u.Had, u.RewriteAt, u.May = c.set, nil, time.Time{}, nil
			a.timers.stop(wakeUser, ac.Key+"\x00"+user)
		} else if u.May != nil && slices.Equal(u.May, c.set) {
			u.Acked, u.Had = c.set, nil // what may still arrive says the same
		} else {
			u.Acked, u.Had = nil, c.set // an earlier ambiguous call may still arrive and undo this one
		}
		a.keepUser(ac, user, u)
		a.repairEnds(ac, user, true)
		a.retagEnds(ac, user, c.set, true)
		a.dropGone(ac, user)
	}
	for _, user := range c.users {
		a.retag(ac, user)
	}
}

// unclearTags books an ambiguous tag call: what the vendor has is not known, the set is sent again at once, and once more when
// the ambiguous call can no longer arrive (NEWEST-WINS, design.md 3.5), unless it could only have said what was written last.
func (a *actor) unclearTags(c *call) {
	a.mayArrive(c)
	a.backTags(c)
}

// mayArrive notes in the rows of a call's users that it may still arrive.
func (a *actor) mayArrive(c *call) {
	ac := c.lane.ac
	rewrite := c.attempt.NotAfter.Add(c.lane.Late)
	for _, user := range c.users {
		u := ac.users.Get(user)
		if u == nil {
			continue
		}
		switch {
		case !u.RewriteAt.After(c.attempt.At): // of earlier calls nothing can arrive any more
			u.May = c.set
		case u.May != nil && !slices.Equal(u.May, c.set):
			u.May = nil
		}
		u.Acked, u.Had = nil, c.set
		if rewrite.After(u.RewriteAt) {
			u.RewriteAt = rewrite.UTC()
		}
		a.keepUser(ac, user, u)
		a.timers.set(wakeUser, ac.Key+"\x00"+user, u.RewriteAt)
	}
}

// askPatience is how long a predecessor's open call waits for a read. The window of reads begins full: after a take-over that is 1.2 s.
const askPatience = 3 * time.Second

// readBack asks the vendor whether it has what a predecessor's open call said, instead of saying it again. False: it is not asked, and the
// call is made again, because its users are too many for one read, or reads do not get through.
func (a *actor) readBack(c *call) bool {
	ac, now := c.lane.ac, a.clock.now()
	l := ac.lanes[LaneTagGet]
	if l == nil || c.users == nil || !c.lane.Repeatable || ac.byDifferences() || c.lane.closed != nil || l.closed != nil || len(c.users) > l.MaxBatch || !now.Before(c.askBy) {
		return false
	}
	if a.free(l, 1, now) {
		a.startRead(l, &reading{users: c.users, open: c})
	} else {
		a.timers.set(settleCall, c.attempt.ID, now.Add(100*time.Millisecond))
	}
	return true
}

// hasRead books a predecessor's open call by what the vendor has. Whether the vendor has it by this call nobody knows: it may still arrive.
func (a *actor) hasRead(r *reading, o Outcome) {
	c := r.open
	want := slices.Sorted(slices.Values(c.set))
	if o.Class != ClassOK || slices.ContainsFunc(r.users, func(user string) bool { return !slices.Equal(slices.Sorted(slices.Values(r.tags[user])), want) }) {
		a.settle(c, Outcome{Class: ClassRetrySafe, Detail: ownerGone})
		return
	}
	a.mayArrive(c)
	a.settle(c, Outcome{Class: ClassOK, Detail: ownerGone + "; the vendor has what it said"})
}

// backTags lets the members of a tag call ask again; a newer event of the same user replaces the one that was in flight.
func (a *actor) backTags(c *call) {
	ac := c.lane.ac
	for _, it := range c.items {
		a.askAgain(ac, it)
	}
	for _, user := range c.users {
		a.retag(ac, user)
	}
}

// askAgain lets what was in a call wait again, unless there is something newer.
func (a *actor) askAgain(ac *account, it *item) {
	if newer := a.askedBy(ac, it.p().Intent.Target); newer != nil {
		into := newer.p().Intent.ID
		a.fate(it, ledger.Coalesced, ledger.ReasonNone, func(f *ledger.Fate) { f.Into = into })
		return
	}
	ac.asked[it.p().Intent.Target] = it
	a.setState(it, queued)
}

// refusedTags splits a refused batch; a user alone is DEAD, and the row stays as it is until the next event.
func (a *actor) refusedTags(c *call, o Outcome) {
	ac := c.lane.ac
	if len(c.users) == 1 && !(len(c.items) == 1 && a.doubted(c.lane, c.attempt.At, c.items[0].p().Intent.Event.ID, o)) {
		a.refusedUser(c, o)
		return
	}
	for _, it := range c.items {
		a.askAgain(ac, it)
	}
	for _, users := range halved(c.users) {
		ac.refuse = append(ac.refuse, refused{users: users, set: c.set})
	}
}

// refusedUser ends what was asked for a user whose set the vendor refuses.
func (a *actor) refusedUser(c *call, o Outcome) {
	ac, user := c.lane.ac, c.users[0]
	for _, it := range c.items {
		a.dead(it, c, o)
	}
	if u := ac.users.Get(user); u != nil && !u.RewriteAt.IsZero() && !c.attempt.At.Before(u.RewriteAt) { // else the rewrite is still to come
		u.RewriteAt, u.May = time.Time{}, nil // a rewrite that the vendor refuses cannot be mended by repeating it
		a.keepUser(ac, user, u)
	}
	a.repairEnds(ac, user, false)
	a.retagEnds(ac, user, c.set, false)
	a.retag(ac, user)
}
