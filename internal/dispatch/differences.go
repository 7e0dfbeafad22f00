package dispatch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
	"github.com/notifier/notifier/internal/tagsync"
)

// Where a vendor gives one tag to many users a call, or takes it from them (Policy.Remove), users are kept in step by differences: a user
// may need several calls, and an intent has its fate when nothing is left of them. Nothing is read before the first call, because a
// difference touches no tag that it does not name. The whole set of a user is replaced where that takes fewer calls in all.
//
// A call whose outcome is unclear stays on record, and its users in it, until it can no longer arrive (design.md 3.5: the users are held).
// Then what it changed is not certain any more, and whatever is still wanted is sent again: to give or take a tag twice does no harm. A set
// may be replaced only so often, so its users are read instead.

// byDifferences reports whether tags are kept so.
func (ac *account) byDifferences() bool { l := ac.lanes[LaneTag]; return l != nil && l.Remove != "" }

// ByDifferences is the same of an account that nobody runs: its calls write no whole sets.
func (ac *Account) ByDifferences() bool { return ac.Lanes[LaneTag].Remove != "" }

// retagByDifferences is retag for such an account. The RewriteAt of a row is a mark here: the row is to be looked at, asked or not.
func (a *actor) retagByDifferences(ac *account, user string, u *tagsync.User) {
	it, now := a.askedBy(ac, user), a.clock.now()
	later := it == nil && u.RewriteAt.IsZero()
	switch {
	case ac.reading[user] || later && !ac.retags.out[user]:
		ac.unqueue(user)
		return
	case u.Gone && u.Foreign == nil: // all tags go, also those that others gave
		ac.unqueue(user)
		ac.askRead(user, now)
		return
	}
	ops := tagsync.Differences(u.Acked, u.Had, a.wanted(ac, u))
	if len(ops) == 0 {
		ac.unqueue(user)
		a.inStep(ac, user, u)
		return
	}
	if ops = a.settledOps(ac, user, ops, now); len(ops) == 0 {
		ac.unqueue(user)
		return
	}
	deadline := now
	if it != nil {
		deadline = it.since().Add(ac.TagDelay)
	} else if later {
		deadline = now.Add(min(ac.TagDelay, retagDelay))
	}
	ac.diffs.Add(user, ops, deadline, later)
}

// settledOps leaves out the ops on tags of the user that were changed a moment ago, for now: the vendor accepts a change before it is made, and
// does not say that a second one waits for the first.
func (a *actor) settledOps(ac *account, user string, ops []tagsync.Op, now time.Time) (out []tagsync.Op) {
	for _, op := range ops {
		until := ac.recent[user][op.Tag].Add(ac.lanes[LaneTag].Late)
		if !until.After(now) {
			out = append(out, op)
			continue
		}
		a.timers.set(wakeUser, ac.Key+"\x00"+user, until)
	}
	return out
}

// recent is when the vendor last accepted a change, by user and tag: it accepts one before it is made.
type recent map[string]map[string]time.Time

func (r recent) note(user, tag string, at time.Time) {
	if r[user] == nil {
		r[user] = map[string]time.Time{}
	}
	if r[user][tag].Before(at) {
		r[user][tag] = at
	}
}

// restore takes over from an attempt which changes were accepted a moment ago.
func (r recent) restore(at *ledger.Attempt, late time.Duration, now time.Time) {
	if at.State != ledger.OK || len(at.Set) == 0 || now.Sub(at.Until) > late {
		return
	}
	for _, user := range at.Users {
		r.note(user, at.Set[0], at.Until)
	}
}

// forget drops the changes that are made by now.
func (r recent) forget(late time.Duration, now time.Time) {
	for user, tags := range r {
		maps.DeleteFunc(tags, func(_ string, at time.Time) bool { return now.Sub(at) > late })
		if len(tags) == 0 {
			delete(r, user)
		}
	}
}

// inStep books that nothing is left to do for a user.
func (a *actor) inStep(ac *account, user string, u *tagsync.User) {
	if it := a.askedBy(ac, user); it != nil && it.called() != "" {
		a.fate(it, ledger.Sent, ledger.ReasonNone, func(f *ledger.Fate) { f.Attempt, f.Endpoint = it.called(), it.route.Endpoint })
	} else if it != nil {
		a.fate(it, ledger.Suppressed, ledger.Unchanged, nil)
	}
	if !u.RewriteAt.IsZero() || u.Anew {
		u.RewriteAt, u.Anew = time.Time{}, false
		a.keepUser(ac, user, u)
	}
	delete(ac.readAt, user)
	a.repairEnds(ac, user, true)
	a.retagEnds(ac, user, a.wanted(ac, u), true)
	a.dropGone(ac, user)
}

// planDifferences starts the calls that are due, as long as the lane has slots. What was refused and is split, or goes once more, takes turns
// with the rest: the parts of one call can be thousands.
func (a *actor) planDifferences(ac *account, now time.Time) (calls []*call) {
	l := ac.lanes[LaneTag]
	begin := func(r refused, still func(*tagsync.User) bool) {
		if c := a.startTags(l, r, still); c != nil {
			calls = append(calls, c)
		}
	}
	for {
		op, user, due := ac.diffs.Due(now)
		if !due && len(ac.refuse) == 0 {
			if at, any := ac.diffs.NextDeadline(); any {
				a.wakeAt(at)
			}
			return calls
		}
		if !a.tagSlot(ac, l, now) {
			return calls
		}
		if ac.parted = len(ac.refuse) > 0 && (!due || !ac.parted); ac.parted {
			r := ac.refuse[0]
			ac.refuse = ac.refuse[1:]
			begin(r, a.needing(ac, tagsync.Op{Tag: r.set[0], Remove: r.endpoint == l.Remove}))
			continue
		}
		if user != "" && ac.diffs.Replace(user, func(user string) bool { return a.mayReplace(ac, l, user, now) }) {
			ac.unqueue(user)
			if now.Sub(ac.readAt[user]) > readFor { // what others gave since must stay
				ac.askRead(user, now)
				a.planReads(ac, now) // it had its turn before
				continue
			}
			u := ac.users.Get(user)
			set := a.wanted(ac, u)
			u.SetAt = now.UTC() // also if it should not leave: then it goes by differences today
			a.keepUser(ac, user, u)
			begin(refused{users: []string{user}, set: set, endpoint: l.Replace}, func(*tagsync.User) bool { return true })
			continue
		}
		endpoint := l.Endpoint
		if op.Remove {
			endpoint = l.Remove
		}
		begin(refused{users: ac.diffs.Take(op), set: []string{op.Tag}, endpoint: endpoint}, a.needing(ac, op))
	}
}

const (
	readWithin  = time.Minute      // how long a replacement waits for its read
	readFor     = 10 * time.Minute // how old the read before a replacement may be
	maxReplaced = 4                // users at a time who are read so that their set can be replaced
)

// needing reports of users whether they still need an op.
func (a *actor) needing(ac *account, op tagsync.Op) func(*tagsync.User) bool {
	return func(u *tagsync.User) bool {
		return slices.Contains(tagsync.Differences(u.Acked, u.Had, a.wanted(ac, u)), op)
	}
}

// mayReplace reports whether the whole set of a user may be replaced now.
func (a *actor) mayReplace(ac *account, l *lane, user string, now time.Time) bool {
	u, get := ac.users.Get(user), ac.lanes[LaneTagGet]
	switch {
	case u == nil || u.Gone || l.Replace == "" || get == nil || get.closed != nil:
		return false
	case now.Sub(ac.readAt[user]) > readFor && (len(ac.reading) >= maxReplaced || a.slot(get, 1, now).Sub(now) > readWithin):
		return false
	}
	set := a.wanted(ac, u)
	if len(set) == 0 || ac.Fit != nil && len(ac.Fit(set)) < len(set) {
		return false
	}
	for _, tag := range union(u.Acked, set) { // what was accepted a moment ago could come after it
		if now.Sub(ac.recent[user][tag]) <= l.Late {
			return false
		}
	}
	span, guard := SpanAndGuard(l.ac.Timeout, l.Policy)
	var charges []quota.Charge
	if !u.SetAt.IsZero() {
		charges = []quota.Charge{{From: u.SetAt, To: u.SetAt.Add(span), Weight: 1}}
	}
	at, err := quota.Free([]quota.Limit{l.PerUser}, charges, 1, now, span, guard)
	return err == nil && !at.After(now)
}

// tagSlot reports whether a change may leave now. Where the quota is used up for long the log says how many users wait, and until when.
func (a *actor) tagSlot(ac *account, l *lane, now time.Time) bool {
	if now.Before(ac.tagsFull) { // looked at already: thousands of charges may count
		a.wakeAt(ac.tagsFull)
		return false
	}
	if a.free(l, 1, now) {
		return true
	}
	at := a.slot(l, 1, now)
	if !at.After(now) {
		return false
	}
	ac.tagsFull = at
	if at.Sub(now) >= longWait && at.Sub(ac.toldFull).Abs() > longWait {
		ac.toldFull = at
		a.log.Error("the quota of tag changes is used up: what is left goes when it is free again", laneField(l.full()), zap.Int("users", ac.diffs.Len()), zap.Time("until", at))
	}
	return false
}

// await keeps a change of tags whose outcome is unclear in flight until it can no longer arrive.
func (a *actor) await(c *call, o Outcome) bool {
	if c.lane.Remove == "" || o.Class != ClassRetrySafe && o.Class != ClassUnknown {
		return false
	}
	c.awaited = true
	c.lane.running--
	o.unsay(c.users, c.items)
	c.attempt.Code, c.attempt.Detail = o.Code, cmp.Or(o.Detail, "no answer") // the ledger tells it from a call under way
	a.w.Put(ledger.AttemptKey(c.attempt.ID), c.attempt)
	a.pause(c.lane, c.attempt.At, o.Detail)
	until := c.attempt.NotAfter.Add(c.lane.Late)
	a.timers.set(settleCall, c.attempt.ID, until)
	a.log.Warn("it is not known whether the vendor changed tags: its users are held", attemptField(c.attempt.ID), laneField(c.lane.full()), zap.Int("users", len(c.users)), zap.Time("until", until), detailField(o.Detail))
	return true
}

// booked is what a call did to a user's row; sure is false when it may not have been executed.
func (c *call) booked(u *tagsync.User, sure bool) {
	switch l := c.lane; c.attempt.Endpoint {
	case l.Replace:
		u.Replaced(c.set, sure)
	default:
		u.Changed(tagsync.Op{Tag: c.set[0], Remove: c.attempt.Endpoint == l.Remove}, sure)
	}
}

// changed books that the vendor changed tags. Whoever needs more waits again.
func (a *actor) changed(c *call, o Outcome) {
	ac := c.lane.ac
	items := c.byUser()
	c.attempt.Users, c.attempt.Set = nil, nil
	for _, user := range c.users {
		u, it := ac.users.Get(user), items[user]
		if no := o.Users[user]; no.Refused {
			a.notChanged(c, user, it, o, no.Detail)
			continue
		}
		if u != nil {
			c.booked(u, true)
			a.keepUser(ac, user, u)
		}
		if c.attempt.Endpoint != c.lane.Replace { // the next owner has to know as well
			ac.recent.note(user, c.set[0], c.attempt.Until)
			c.attempt.Users, c.attempt.Set = append(c.attempt.Users, user), c.set
		}
		if it != nil {
			it.seldom().called = c.attempt.ID
			a.askAgain(ac, it)
		}
		a.retag(ac, user)
	}
}

// byUser are the intents in a tag call by their user.
func (c *call) byUser() map[string]*item {
	out := map[string]*item{}
	for _, it := range c.items {
		out[it.p().Intent.Target] = it
	}
	return out
}

// refusedChange ends the users who are at fault, or splits the call until they are alone.
func (a *actor) refusedChange(c *call, o Outcome) {
	ac, items := c.lane.ac, c.byUser()
	if len(c.users) == 1 && (len(c.items) == 0 || !a.doubted(c.lane, c.attempt.At, c.items[0].p().Intent.Event.ID, o)) {
		a.notChanged(c, c.users[0], items[c.users[0]], o, o.Detail)
		return
	}
	var left []string
	for _, user := range c.users {
		if no := o.Users[user]; no.Refused {
			a.notChanged(c, user, items[user], o, no.Detail)
			continue
		}
		left = append(left, user)
		if it := items[user]; it != nil {
			a.askAgain(ac, it)
		}
	}
	if len(left) < len(c.users) { // the others may go as they are
		for _, user := range left {
			a.retag(ac, user)
		}
		return
	}
	if c.attempt.Endpoint == c.lane.Replace { // by differences, if at all
		a.retag(ac, left[0])
		return
	}
	for _, users := range halved(left) {
		ac.refuse = append(ac.refuse, refused{users, c.set, c.attempt.Endpoint, c.vendor.Try, c.vendor.Began})
	}
}

// onceMore lets a refused change go a second time, with nobody beside its users: so it is known of each whether it was refused twice. A set
// that was to be replaced goes by differences today.
func (a *actor) onceMore(c *call) {
	ac := c.lane.ac
	if c.attempt.Endpoint == c.lane.Replace {
		a.backTags(c)
		return
	}
	for _, it := range c.items {
		a.askAgain(ac, it)
	}
	ac.refuse = append(ac.refuse, refused{c.users, c.set, c.attempt.Endpoint, c.vendor.Try + 1, c.vendor.Began})
}

// notChanged ends what was asked for a user whom the vendor does not know, or whose tags it refuses to change.
func (a *actor) notChanged(c *call, user string, it *item, o Outcome, why string) {
	ac := c.lane.ac
	if it != nil {
		reason := ledger.RejectedByVendor
		if o.Invalid && !o.Target {
			reason = ledger.BadField
		}
		a.fate(it, ledger.Dead, reason, func(f *ledger.Fate) {
			f.Attempt, f.Endpoint, f.Code, f.Detail = c.attempt.ID, c.attempt.Endpoint, o.Code, why
		})
	}
	u := ac.users.Get(user)
	if u == nil {
		return
	}
	if !u.RewriteAt.IsZero() {
		u.RewriteAt = time.Time{}
		a.keepUser(ac, user, u)
	}
	a.repairEnds(ac, user, false)
	a.retagEnds(ac, user, a.wanted(ac, u), false)
	if o.Target || o.Users[user].Refused { // there is nobody to clear
		a.dropGone(ac, user)
	}
	a.retag(ac, user)
}

// unclearChange books a call of which nobody knows whether the vendor acted, and that cannot arrive any more.
func (a *actor) unclearChange(c *call) {
	ac := c.lane.ac
	c.attempt.State = ledger.OK // charged, and nothing is left to decide
	c.attempt.Detail = "not known whether it was executed; what is still wanted is sent again"
	c.attempt.Users, c.attempt.Set = nil, nil // it cannot arrive any more: nobody waits for it
	for _, it := range c.items {
		it.seldom().called = c.attempt.ID
	}
	for _, user := range c.users {
		if u := ac.users.Get(user); u != nil {
			c.booked(u, false)
			a.keepUser(ac, user, u)
			if c.attempt.Endpoint == c.lane.Replace {
				ac.askRead(user, a.clock.now())
			}
		}
	}
	a.backTags(c)
}

// unreadable goes on without the read of a user.
func (a *actor) unreadable(ac *account, user string) {
	u := ac.users.Get(user)
	if u == nil {
		return
	}
	if u.Gone {
		u.Foreign = []string{} // what we know of goes
	} else {
		u.SetAt = a.clock.now().UTC() // by differences today
	}
	a.keepUser(ac, user, u)
	a.retag(ac, user)
}

// dayUsed charges what our books say is left of the day, since the vendor says that nothing is: so the next owner knows, and `quota` shows it.
func (a *actor) dayUsed(l *lane, now time.Time, why string) {
	if l.Remove == "" {
		return
	}
	for _, u := range a.used(l, now) {
		if n := u.Limit.N - u.Used; u.Limit.Day && n > 0 {
			a.external(l, now, n, why)
		}
	}
}

// sumUp makes one record of the changes of an hour, which are thousands a day, once only the day's limit counts them. What others used, and
// what operators said, stays as it is.
func (a *actor) sumUp(ac *account, now time.Time) {
	l := ac.lanes[LaneTag]
	_, guard := SpanAndGuard(ac.Timeout, l.Policy)
	for id, at := range a.kept {
		if at.Account == ac.Key && at.Lane == l.name && at.State == ledger.OK && now.Sub(at.Until) > l.Late {
			at.Users, at.Set = nil, nil // the changes are made: nobody asks any more who was in it
		}
		if at.Account != ac.Key || at.Lane != l.name || at.State != ledger.OK && at.State != ledger.Refused || now.Sub(at.Until) < summedAfter+guard {
			continue
		}
		hour := fmt.Sprintf("%s-%d-%s-h%d", a.gen.Incarnation, a.p, ac.Key, at.At.Unix()/3600)
		if id == hour {
			continue
		}
		sum := &ledger.Attempt{V: ledger.Version, ID: hour, Account: ac.Key, Lane: l.name, Endpoint: at.Endpoint, Owner: a.w.Nonce(), State: ledger.OK, At: at.At, NotAfter: at.NotAfter, Until: at.Until, Detail: "all of an hour"}
		if had := a.kept[hour]; had != nil {
			*sum = *had
		}
		sum.Weight += at.Weight
		if at.At.Before(sum.At) {
			sum.At = at.At
		}
		sum.NotAfter, sum.Until = latest(sum.NotAfter, at.NotAfter), latest(sum.Until, at.Until)
		a.kept[hour] = sum
		a.w.Put(ledger.AttemptKey(hour), sum)
		delete(a.kept, id)
		a.w.Delete(ledger.AttemptKey(id))
	}
}

// summedAfter: no window of the lane but the day reaches back so far.
const summedAfter = 3 * time.Minute

// goWithoutRead lets users who wait too long to be read go by differences: their changes must not wait for reads that are closed or used up.
// Who is gone waits: nobody else knows what to take.
func (a *actor) goWithoutRead(ac *account, now time.Time) {
	if !ac.byDifferences() || len(ac.toRead) == 0 {
		return
	}
	until := ac.readBy.Add(readWithin)
	if until.After(now) {
		a.wakeAt(until)
		return
	}
	asked := ac.toRead
	ac.toRead = nil
	for _, user := range asked {
		if u := ac.users.Get(user); u != nil && u.Gone {
			ac.toRead = append(ac.toRead, user)
			continue
		}
		delete(ac.reading, user)
		a.unreadable(ac, user)
	}
}
