package dispatch

import (
	"fmt"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// A push that a vendor drops when it comes a second time under the same request id may be made again after an ambiguous outcome: the same
// members with the same contents, at most Tries times and Within a time of the first, far below what any vendor remembers ids for. Its
// members stay in flight all the while, so no gate or hand-over touches what may have been sent; the ambiguous attempt stays in the ledger until
// the next one takes its place in the same transaction. A member that nobody wants to be sent any more when it would be made again is UNKNOWN, and the
// others go; so is a broadcast as soon as a newer one of its merge key leaves. Nothing else is ever made again (AT-MOST-ONCE).

// tries is how often a call to an endpoint is made in all while it stays ambiguous.
func (l *Policy) tries(endpoint string) int {
	for _, f := range l.Forms {
		if f.Endpoint == endpoint {
			return max(f.Tries, 1)
		}
	}
	return max(l.Tries, 1)
}

// again lets a call wait to be made once more.
func (a *actor) again(c *call) {
	if c.attempt.State == ledger.NotSent {
		c.attempt.Weight = 0 // it used nothing
	}
	c.attempt.State, c.attempt.Next = ledger.Again, c.lane.due(c).UTC()
	c.lane.again = append(c.lane.again, c)
}

// madeAgainAs is what the attempt of a call says that was made again, before the id of that attempt.
const madeAgainAs = "made again as "

// planAgain starts those that may start now. One that could not in its time becomes UNKNOWN.
func (a *actor) planAgain(l *lane, now time.Time) (calls []*call) {
	waiting, full := l.again, false
	l.again = nil
	for _, c := range waiting {
		if len(c.items) == 0 { // whoever was in it has a fate
			c.attempt.State = ledger.Resolved
			a.store(c)
			continue
		}
		end, due := c.vendor.Began.Add(l.within(c)), l.due(c)
		if !now.Before(end) {
			a.unknown(c, notAgain(c, "its time is over"))
			a.store(c)
			continue
		}
		if due.After(now) {
			a.wakeAt(due)
			l.again = append(l.again, c)
			continue
		}
		if full = full || !a.free(l, l.weightAgain(c), now); full { // those behind it wait as well, each for its own end
			a.wakeAt(end)
			l.again = append(l.again, c)
			continue
		}
		if a.stopped(c, now); len(c.items) == 0 {
			a.store(c)
			continue
		}
		if c.tooMuch && len(c.items) > 1 && c.attempt.State == ledger.Again {
			calls = append(calls, a.againInPart(l, c))
			continue
		}
		v := *c.vendor
		next := a.start(l, &v, c.items, nil, nil, l.weightAgain(c))
		if c.attempt.State == ledger.Again {
			c.attempt.State, c.attempt.Members, c.attempt.Detail = ledger.Resolved, nil, madeAgainAs+next.attempt.ID
		}
		a.store(c)
		calls = append(calls, next)
	}
	return calls
}

// againInPart makes half of a batch again, which the vendor refused as too much for now: it may be more than it ever takes at once, and each member
// is under a request id of its own. The others stay on record under the attempt that they have, and follow.
func (a *actor) againInPart(l *lane, c *call) *call {
	h := len(c.items) / 2
	v, items := *c.vendor, c.items[:h:h]
	v.Intents, v.Users = v.Intents[:h:h], v.Users[:h:h]
	c.vendor.Intents, c.vendor.Users, c.items, c.tooMuch = c.vendor.Intents[h:], c.vendor.Users[h:], c.items[h:], false
	c.attempt.Members = slices.Clone(c.attempt.Members[h:])
	next := a.start(l, &v, items, nil, nil, l.weightAgain(c))
	a.store(c)
	l.again = append(l.again, c)
	return next
}

// within is for how long after its first try a call may be made again: also no longer than until its last member expires, for it may be the try
// that delivers.
func (l *lane) within(c *call) time.Duration {
	var w time.Duration
	for _, in := range c.vendor.Intents {
		at := in.Policy.Expire
		if at.IsZero() {
			return l.Within
		}
		w = max(w, at.Sub(c.vendor.Began))
	}
	return min(w, l.Within)
}

// sooner is by how much the second of three tries comes before the last.
const sooner = 20

// due is when a call may be made again. The last try comes in the middle of its time, so that a vendor that was away for minutes costs no decision
// of a human, and the one before it after seconds, for an answer that was merely lost.
func (l *lane) due(c *call) time.Time {
	after := l.within(c) / 2
	for range l.tries(c.vendor.Endpoint) - c.vendor.Try {
		after /= sooner
	}
	return c.vendor.Began.Add(after)
}

// overtake ends a broadcast that waits to be made again when a newer one of its merge key leaves, which would have replaced it in the queue: the
// older state must not arrive after the newer. It has its fate in the transaction that records the newer one's attempt: so every owner knows.
func (a *actor) overtake(l *lane, newer *item) {
	m := newer.p().Intent.Merge
	if newer.route.Users || m == nil || m.Keep == intent.KeepFirst {
		return
	}
	older := func(it *item) bool {
		o := it.p().Intent.Merge
		return o != nil && o.Key == m.Key && it.order() < newer.order()
	}
	l.again = slices.DeleteFunc(l.again, func(c *call) bool {
		if !slices.ContainsFunc(c.items, older) {
			return false
		}
		a.unknown(c, notAgain(c, "a newer one of its merge key has left"))
		a.store(c)
		return true
	})
}

// withdraw ends what waits to be made again for a user who is forgotten, and returns how much: it may have been sent, and must not be sent now. The
// others of a call go on without the user; what a human decides by is an attempt of its own then, which used nothing that is not booked.
func (a *actor) withdraw(l *lane, user string) (n int) {
	l.again = slices.DeleteFunc(l.again, func(c *call) bool {
		i := slices.IndexFunc(c.items, func(it *item) bool { return it.route.Users && it.p().Intent.Target == user })
		if i < 0 {
			return false
		}
		n++
		o := notAgain(c, "the user is forgotten")
		if len(c.items) == 1 {
			a.unknown(c, o)
			a.store(c)
			return true
		}
		at := *c.attempt
		a.pos.AttemptSeq++
		at.ID, at.State, at.Weight, at.Members = fmt.Sprintf("%s-%d-%d", a.gen.Incarnation, a.p, a.pos.AttemptSeq), ledger.Unknown, 0, nil
		at.Booked = nil
		apart := &call{lane: l, attempt: &at}
		a.unknownItems(apart, c.items[i:i+1], o)
		a.store(apart)
		c.items = slices.Delete(slices.Clone(c.items), i, i+1)
		c.attempt.Members = slices.Delete(slices.Clone(c.attempt.Members), i, i+1)
		c.vendor.Intents = slices.Delete(slices.Clone(c.vendor.Intents), i, i+1)
		c.vendor.Users = slices.Delete(slices.Clone(c.vendor.Users), i, i+1)
		a.store(c)
		return false
	})
	return n
}

// notAgain is what becomes of a call that is not made again.
func notAgain(c *call, why string) Outcome {
	return Outcome{Code: c.attempt.Code, Detail: "not made again: " + why + "; the last try: " + c.attempt.Detail}
}

// stopped ends the members of a call that is to be made again whom nobody wants to be sent now: they may have been.
func (a *actor) stopped(c *call, now time.Time) {
	var items []*item
	var intents []*intent.Intent
	var users []string
	for i, it := range c.items {
		in := c.vendor.Intents[i]
		if why := a.unwanted(it, in.Policy.Expire, now); why != "" {
			o := notAgain(c, why)
			c.attempt.State = ledger.Unknown
			a.unknownItems(c, []*item{it}, o)
			continue
		}
		items, intents = append(items, it), append(intents, in)
		if it.route.Users {
			users = append(users, it.p().Intent.Target)
		}
	}
	if len(items) == len(c.items) {
		return
	}
	c.attempt.Members = nil
	c.items, c.vendor.Intents, c.vendor.Users = items, intents, users
}

// unwanted says why nobody wants an item of a call to be sent now, by what may have changed since it left; "": it may go. Caps and limits are taken
// already. The expiry is the one that the vendor was told.
func (a *actor) unwanted(it *item, expire, now time.Time) string {
	in := it.p().Intent
	off := a.offWhy(in)
	switch {
	case !expire.IsZero() && !now.Before(expire):
		return "it has expired"
	case a.killed(in):
		return "its rule was killed"
	case a.pausedRule(in):
		return "its rule was paused"
	case off != "":
		return off
	case quietUntil(in.Policy.Quiet, now, a.opt.Zone).After(now):
		return "quiet hours have begun"
	case in.Action == intent.Push && a.consent(it) != ledger.ReasonNone:
		return "the user may not be sent to any more"
	case !a.userMeets(it):
		return "user_when is not met any more: " + in.UserWhen
	}
	return ""
}

// callFor describes the call that delivers items.
func callFor(endpoint string, items []*item) *Call {
	v := &Call{Endpoint: endpoint}
	for i, it := range items {
		in := it.p().Intent
		if i == 0 {
			v.First, v.Content, v.Audience = in.ID, in.Content, in.Audience
		}
		v.Intents = append(v.Intents, in)
		if it.route.Users {
			v.Users = append(v.Users, in.Target)
		}
	}
	return v
}

// callOf is the call of an attempt on record, as it was made.
func callOf(at *ledger.Attempt, items []*item) *Call {
	v := callFor(at.Endpoint, items)
	for i, it := range items {
		if left := it.p().Left; !left.IsZero() {
			in := *it.p().Intent
			in.Policy.Expire = left
			v.Intents[i] = &in
		}
	}
	v.ID, v.Try, v.Began = at.ID, max(at.Try, 1), at.Began
	if v.Began.IsZero() {
		v.Began = at.At
	}
	return v
}

// formOf is how these users are called for, and for how many of them, from the first on; without Forms, the lane's one way.
func (a *actor) formOf(l *lane, items []*item, now time.Time) (Form, int) {
	for _, f := range l.Forms {
		n := a.most(l, f, len(items), now)
		if f.takes(n, items[0].p().Intent.Class) && (f.Mixed || equal(items[:n])) && !l.rests[f.Endpoint].After(now) {
			return f, n
		}
	}
	return Form{Most: l.MaxBatch}, min(len(items), l.MaxBatch)
}

// rest lets a form be while its own limit at the vendor is used up.
func (l *lane) rest(endpoint string, until time.Time) {
	if l.rests == nil {
		l.rests = map[string]time.Time{}
	}
	l.rests[endpoint] = until
}

func (f Form) takes(n int, class string) bool {
	return n >= f.Least && n <= f.Most && (f.Class == "" || f.Class == class)
}

// equal reports whether one content is for all.
func equal(items []*item) bool {
	for _, it := range items {
		if it.key == (contentKey{}) { // restored in flight: it was in no queue
			it.key = keyOf(it)
		}
	}
	return !slices.ContainsFunc(items, func(it *item) bool { return it.key != items[0].key })
}

// nextForm is how the queue's next call is made, and for how many users at most.
func (a *actor) nextForm(l *lane, now time.Time) (Form, int) {
	g := l.queue.top()
	for _, f := range l.Forms {
		n := int(g.n)
		if f.Mixed {
			n = l.queue.n
		}
		if n = a.most(l, f, n, now); f.takes(n, g.class()) && !l.rests[f.Endpoint].After(now) {
			return f, n
		}
	}
	return Form{Most: l.MaxBatch}, min(int(g.n), l.MaxBatch)
}

// weightOf is what a call for the first of these takes from the lane's rate; one to an audience is one.
func (a *actor) weightOf(l *lane, items []*item, now time.Time) int {
	if !items[0].route.Users {
		return 1
	}
	f, n := a.formOf(l, items, now)
	return l.weight(f, n)
}

// weightAgain is what a call takes that is made again, as it was.
func (l *lane) weightAgain(c *call) int {
	for _, f := range l.Forms {
		if f.Endpoint == c.vendor.Endpoint {
			return l.weight(f, len(c.items))
		}
	}
	if !c.items[0].route.Users {
		return 1
	}
	return len(c.items)
}

func (l *lane) weight(f Form, users int) int {
	if f.Weight > 0 {
		return f.Weight
	}
	return users
}

// refusedUsers ends the members of an accepted call whose users the vendor did not take: it certainly did not send to them. If the call
// was made again it did not send this time, and nobody knows of the try before: those are UNKNOWN.
func (a *actor) refusedUsers(c *call, o Outcome) {
	no := *c
	no.items = nil
	for _, it := range c.items {
		if it.route.Users && it.p().Intent.Action == intent.Push && o.Users[it.p().Intent.Target].Refused {
			no.items = append(no.items, it)
		}
	}
	if len(no.items) == 0 {
		return
	}
	if c.vendor.Try > 1 {
		c.attempt.State, c.attempt.Members = ledger.Unknown, nil
		for _, it := range no.items {
			u := o.Users[it.p().Intent.Target]
			a.unknownItems(c, []*item{it}, Outcome{Code: o.Code, Detail: "not taken when the call was made again, the first try may have been done: " + u.Detail})
		}
		return
	}
	a.giveBackCaps(&no)
	a.giveBackLimits(&no, false)
	for _, it := range no.items {
		u := o.Users[it.p().Intent.Target]
		a.fate(it, ledger.Dead, ledger.RejectedByVendor, func(f *ledger.Fate) {
			f.Attempt, f.VendorID, f.Code, f.Detail, f.Endpoint = c.attempt.ID, u.VendorID, o.Code, u.Detail, c.attempt.Endpoint
		})
	}
}
