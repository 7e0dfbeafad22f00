package dispatch

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Waits says at which gate a pending record stands, as far as the record tells, in the order of gate; pauses and calls in flight are
// elsewhere in the ledger. until is when that gate opens; zero: people or slots decide.
func Waits(p *ledger.Pending, now time.Time, zone *time.Location) (where string, until time.Time) {
	pol := &p.Intent.Policy
	switch {
	case p.Stray:
		return paused.String(), time.Time{}
	case p.Intent.Profile != nil:
		return queued.String(), time.Time{}
	case p.Merged != nil && p.Merged.Closes.After(now):
		return merging.String(), p.Merged.Closes
	case !p.Approved():
		return approval.String(), time.Time{}
	case p.LeavesAt.After(now):
		return quiet.String(), p.LeavesAt
	case pol.SendAt != nil && p.LeavesAt.IsZero():
		return quiet.String(), intent.NextAt(now, *pol.SendAt, zone)
	}
	if at := quietUntil(pol.Quiet, now, zone); at.After(now) {
		return quiet.String(), at
	}
	return queued.String(), time.Time{}
}

// cancel gives one intent up. What has left cannot be cancelled: nobody could say any more whether it arrived.
func (a *actor) cancel(c command, ans *ledger.Answer) {
	a.unstrand()
	it := a.find(intent.ID(c.Target))
	refused := ""
	switch {
	case it == nil:
		refused = "it is not pending any more: it has its fate; next: notifier fates"
	case it.state == inFlight:
		refused = "it is in flight: what has left cannot be cancelled; next: notifier fates"
	case it.p().Intent.Profile != nil:
		refused = "it is a profile event, whose fields are on record already: it cannot be cancelled"
	case it.doom() != "":
		refused = "its rule is killed or removed: it is given up already"
	}
	if refused != "" {
		ans.OK, ans.Refused, ans.Text = false, true, refused
		return
	}
	ans.Intents, ans.Text = 1, "cancelled"
	if m := it.p().Merged; m != nil {
		ans.Text = fmt.Sprintf("cancelled, with the %s merged into it", many(m.Count, "trigger", "triggers"))
	}
	a.fate(it, ledger.Suppressed, ledger.Cancelled, func(f *ledger.Fate) { f.Kind, f.By, f.Why = "operator", c.By, c.Why })
}

// extend lets what a rule holds expire later: in memory at once, so that nothing expires meanwhile; on record a bounded number in each
// turn, as sweep does. What is in flight is moved too: it may come back as not sent.
func (a *actor) extend(c command, ans *ledger.Answer) {
	refuse := func(format string, args ...any) {
		ans.OK, ans.Refused, ans.Text = false, true, fmt.Sprintf(format, args...)
	}
	by, err := time.ParseDuration(c.Args[ledger.ArgFor])
	if err != nil || by <= 0 || by > ledger.MaxExtension {
		refuse("%q is no time by which it may be moved", c.Args[ledger.ArgFor])
		return
	}
	if _, ok := a.kills[c.Target]; ok {
		refuse("the rule is killed: it holds nothing")
		return
	}
	a.unstrand()
	x := ledger.Extension{Mark: c.offset + 1, Before: a.pos.Next, For: by, By: c.By, Why: c.Why, At: c.At, ID: c.ID}
	for _, it := range a.items {
		if a.coolMany(); it.tags { // a profile event does not expire
			continue
		}
		if it.intent().Rule != c.Target || !x.Move(it.p(), it.state == inFlight) {
			continue
		}
		ans.Intents++
		a.longer = append(a.longer, it)
		if it.ac != nil {
			a.timers.expire(it)
		}
	}
	if ans.Intents > 0 {
		a.extends[c.Target] = x
		a.w.Put(ledger.ExtendKey(c.Target), x)
		for _, ac := range a.accounts { // they are ordered by expiry
			heap.Init(&ac.pushes.heap)
			heap.Init(&ac.casts.heap)
		}
	}
	ans.Text = fmt.Sprintf("%s %s later", many(ans.Intents, "intent expires", "intents expire"), intent.Span(by))
}

// extending reports whether what a rule holds is still being moved. Another extension would move all of it: the record of one is all that a
// new owner has.
func (a *actor) extending(rule string) bool {
	_, ok := a.extends[rule]
	return ok
}

// restoreExtended moves again what a predecessor moved and had not written: then it is to be written.
func (a *actor) restoreExtended(p *ledger.Pending, inOpen map[intent.ID]bool) bool {
	x, ok := a.extends[p.Intent.Rule]
	return ok && x.Move(p, inOpen[p.Intent.ID])
}

// writeExtended writes what extend moved. With the last of it the extension is over.
func (a *actor) writeExtended() {
	n := min(len(a.longer), maxTurn)
	for _, it := range a.longer[:n] {
		if it.state != gone {
			a.keep(it)
		}
	}
	if a.longer = a.longer[n:]; len(a.longer) > 0 {
		a.inbox.poke()
		return
	}
	a.longer = nil
	for rule := range a.extends {
		delete(a.extends, rule)
		a.w.Delete(ledger.ExtendKey(rule))
	}
}
