package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// How the slots of a scarce lane are divided between rules: `quota` (the most that a rule may take) and `reserve` (slots of the day that
// are kept for a rule, so that others see fewer).

// ShareUsed is how many slots a rule has taken of its share.
func ShareUsed(sends map[string]*ledger.Sends, account, rule string, c intent.Cap, now time.Time, zone *time.Location) int {
	return sentSince(sends[sharesID(account, rule, c)], capStart(c, now, zone))
}

// sharesID is the ledger's name for the slots that a rule has taken.
func sharesID(account, rule string, c intent.Cap) string {
	return account + "/" + rule + "/" + shareCount(c)
}

// ShareFree is when a rule may take the next slot of its share, not before now.
func ShareFree(sends map[string]*ledger.Sends, account, rule string, c intent.Cap, now time.Time, zone *time.Location) time.Time {
	return roomAt(sends[sharesID(account, rule, c)], c, now, zone)
}

// share is the count of the scarce slots that an item's rule may take.
func (a *actor) share(it *item) (counted, bool) {
	c := it.p().Intent.Policy.Share
	if l := it.ac.lanes[it.route.Lane]; c == nil || l == nil || !l.scarce() {
		return counted{}, false
	}
	return a.counted(it, *c, shareCount(*c)), true
}

func shareCount(c intent.Cap) string { return "quota-" + window(c) }

// roomAt is when a limit of which so much is counted has room for one more send, not before now.
func roomAt(s *ledger.Sends, c intent.Cap, now time.Time, zone *time.Location) time.Time {
	if sentSince(s, capStart(c, now, zone)) < c.N {
		return now
	}
	if c.Each != "" {
		return capEnd(c, now, zone)
	}
	n := sentSince(s, now.Add(-c.In))
	for _, p := range s.Parts {
		if p.At.After(now.Add(-c.In)) {
			if n -= p.N; n < c.N {
				return p.At.Add(c.In)
			}
		}
	}
	return now.Add(c.In)
}

// Kept is a reserve as it stands: so many slots are still kept until a time.
type Kept struct {
	intent.Reserve
	Left int
	Till time.Time
}

// ReservedTill is the end of today's reserve.
func ReservedTill(r intent.Reserve, now time.Time, zone *time.Location) time.Time {
	y, m, d := now.In(zone).Date()
	till := intent.Wall(y, m, d, r.Until/60, r.Until%60, 0, zone)
	if !r.To.IsZero() && r.To.Before(till) {
		return r.To
	}
	return till
}

// Reserved tells which reserves hold slots of a lane now. A slot that the vendor refused has not served its rule: it stays reserved. A
// rule that is killed sends nothing until it is revived: it keeps no slot from the others.
func Reserved(reserves []intent.Reserve, kills map[string]ledger.Kill, attempts []*ledger.Attempt, now time.Time, zone *time.Location) (out []Kept) {
	t := now.In(zone)
	y, m, d := t.Date()
	midnight := intent.Wall(y, m, d, 0, 0, 0, zone)
	for _, r := range reserves {
		k := Kept{Reserve: r, Left: r.N, Till: ReservedTill(r, now, zone)}
		_, killed := kills[r.Rule]
		if killed || !r.Holds(now) || !now.Before(k.Till) {
			continue
		}
		for _, at := range attempts {
			if at.Rule == r.Rule && at.State != ledger.NotSent && at.State != ledger.Refused && !at.At.Before(midnight) {
				k.Left -= at.Weight
			}
		}
		if k.Left > 0 {
			out = append(out, k)
		}
	}
	return out
}

// LaneReserves picks the reserves of the rules that leave by a lane.
func LaneReserves(v Router, all []intent.Reserve, lane string) (out []intent.Reserve) {
	for _, r := range all {
		if route, err := v.Route(r.Like); err == nil && route.Lane == lane {
			out = append(out, r)
		}
	}
	return out
}

// Router is the part of a Vendor that knows the lanes.
type Router interface {
	Route(in *intent.Intent) (Route, error)
}

// ofTheDay reports whether a limit counts days, so that a reserve is taken from it.
func ofTheDay(l quota.Limit) bool { return l.Day || l.Window >= 24*time.Hour }

// WithoutKept are a lane's limits as the other rules see them.
func WithoutKept(limits []quota.Limit, kept []Kept, rule string) []quota.Limit {
	n := 0
	for _, k := range kept {
		if k.Rule != rule {
			n += k.Left
		}
	}
	if n == 0 {
		return limits
	}
	out := slices.Clone(limits)
	for i := range out {
		if ofTheDay(out[i]) {
			out[i].N = max(0, out[i].N-n)
		}
	}
	return out
}

// Turn is when an audience may leave a scarce lane, and what it waits for until then.
type Turn struct {
	At  time.Time // not before it; a reserve that ends then may be followed by another
	Why string    // noSlot, slotReserved with the rules, or shareUsed with the share

	Share bool // the rule's own quota holds it
	Kept  bool // the reserves of others do
}

const (
	noSlot       = "no free slot"
	slotReserved = "the slot is reserved for "
	shareUsed    = "the rule's quota is used: "
)

// slotTurn is the turn of an audience of a rule. free is when a call may start under limits. The actor goes by it, and what is told of what waits
// goes by it (Outlook): so they say the same.
func slotTurn(free func([]quota.Limit) time.Time, limits []quota.Limit, kept []Kept, rule string, share *intent.Cap, sent *ledger.Sends, now time.Time, zone *time.Location) Turn {
	t := Turn{At: free(limits), Why: noSlot}
	var whose []string
	var ends time.Time // the first of the reserves: then there may be a slot
	for _, k := range kept {
		if k.Rule == rule {
			continue
		}
		if whose = append(whose, k.Rule); ends.IsZero() || k.Till.Before(ends) {
			ends = k.Till
		}
	}
	if len(whose) > 0 {
		then := ends
		if left := WithoutKept(limits, kept, rule); !slices.ContainsFunc(left, func(l quota.Limit) bool { return l.N < 1 }) {
			if at := free(left); at.Before(then) {
				then = at
			}
		}
		if then.After(t.At) {
			t = Turn{At: then, Why: slotReserved + strings.Join(whose, ", "), Kept: true}
		}
	}
	if share != nil {
		if then := roomAt(sent, *share, now, zone); then.After(t.At) {
			t = Turn{At: then, Why: shareUsed + CapText(*share), Share: true}
		}
	}
	return t
}

// division is how a scarce lane's slots stand in one look at its queue: what it found for a rule it does not compute again.
type division struct {
	kept  []Kept
	turns map[divisionKey]Turn
}

type divisionKey struct {
	rule  string
	share intent.Cap
}

func (a *actor) divide(l *lane, now time.Time) *division {
	d := &division{turns: map[divisionKey]Turn{}}
	var attempts []*ledger.Attempt
	for _, at := range a.kept {
		if l.counts(at) {
			attempts = append(attempts, at)
		}
	}
	d.kept = Reserved(LaneReserves(l.ac.Vendor, a.opt.Rules().Reserves(l.ac.Name), l.name), a.kills, attempts, now, a.opt.Zone)
	return d
}

// castAt is when an audience may leave, and what it waits for.
func (a *actor) castAt(d *division, l *lane, it *item, now time.Time) Turn {
	key := divisionKey{rule: it.p().Intent.Rule}
	var share *intent.Cap
	var sent *ledger.Sends
	if c, has := a.share(it); has {
		key.share, share, sent = c.Cap, &c.Cap, a.sends[c.id]
	}
	if t, ok := d.turns[key]; ok {
		return t
	}
	free := func(limits []quota.Limit) time.Time { return a.slotUnder(l, limits, 1, now) }
	t := slotTurn(free, l.Limits, d.kept, key.rule, share, sent, now, a.opt.Zone)
	d.turns[key] = t
	return t
}

// nextCast takes the audience that leaves next out of the queue: by priority and age, among those that may have a slot now. It is nil
// when none may; the actor looks again in time.
func (a *actor) nextCast(l *lane, now time.Time) *item {
	ok, at := a.ready(l, now)
	if !ok {
		a.wakeAt(at)
		return nil
	}
	if !l.scarce() {
		if at := a.slot(l, 1, now); at.After(now) {
			a.wakeAt(at)
			return nil
		}
	} else if at := a.slot(l, 1, now); at.After(now) && !l.mayDrop {
		a.wakeAt(at) // nothing is free for anybody, and nobody gives up for that
		return nil
	}
	var best *item
	var drop []*item
	d := a.divide(l, now)
	for _, it := range l.casts {
		if l.scarce() {
			if at := a.castAt(d, l, it, now).At; at.After(now) {
				if it.p().Intent.Policy.DropNoQuota {
					drop = append(drop, it)
				} else {
					a.wakeAt(at)
				}
				continue
			}
		}
		if best == nil || it.before(best) {
			best = it
		}
	}
	for _, it := range drop {
		a.dropForQuota(d, l, it, now)
	}
	if best != nil {
		l.remove(best)
		return best
	}
	l.mayDrop = false
	return nil
}

// dropForQuota ends an intent that would leave now and finds no slot (no_quota: drop), unless an earlier gate has a word on it.
func (a *actor) dropForQuota(d *division, l *lane, it *item, now time.Time) {
	l.remove(it)
	if !a.passes(it, nil, now) {
		return
	}
	t := a.castAt(d, l, it, now)
	a.fate(it, ledger.Suppressed, ledger.NoQuota, func(f *ledger.Fate) {
		f.Detail = fmt.Sprintf("%s before %s", t.Why, t.At.In(a.opt.Zone).Format(time.RFC3339))
	})
}

// divided is what kept an audience in the queue that expires there, if other rules or its own took the slot from it; "" if none did.
func (a *actor) divided(it *item) string {
	in := it.p().Intent
	if it.state != queued || it.ac == nil || in.Action != intent.Broadcast {
		return ""
	}
	l := it.ac.lanes[it.route.Lane]
	if l == nil || !l.scarce() {
		return ""
	}
	last := it.expire().Add(-time.Nanosecond) // at its end the next day may have begun, with slots
	if t := a.castAt(a.divide(l, last), l, it, last); t.At.After(last) && t.Why != noSlot {
		return t.Why
	}
	return ""
}

// EndedInQueue reports whether an intent ended because a slot did not come in time, and whether that was for its rule's own `quota`: then
// the lane may have had slots.
func EndedInQueue(f ledger.Fate) (ended, ownQuota bool) {
	waited := strings.HasPrefix(f.Detail, waitedForText+queued.String())
	ended = f.Fate == ledger.Suppressed && (f.Reason == ledger.NoQuota || f.Reason == ledger.Expired && waited)
	return ended, ended && strings.Contains(f.Detail, shareUsed)
}

// mayGo reports whether an audience that was refused before may have a slot now.
func (a *actor) mayGo(l *lane, it *item, now time.Time) bool {
	if !l.scarce() {
		return true
	}
	at := a.castAt(a.divide(l, now), l, it, now).At
	if at.After(now) {
		a.wakeAt(at)
	}
	return !at.After(now)
}

// CannotLeave begins what is said of a request that its account cannot carry as it is.
const CannotLeave = "it cannot leave like this, and is DEAD when its turn comes: "
