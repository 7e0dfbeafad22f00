package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// gate sends an item to the first gate that holds it, in the one order printed everywhere (rules-format.md 5): merge →
// approval → send_at and quiet → consent, user_when → once and caps → quota. What the last gates say is asked again when the call leaves, see admitted.
func (a *actor) gate(it *item) {
	if it.doom() != "" {
		return // sweep comes to it
	}
	now := a.clock.now()
	a.timers.stopWake(it) // it is asked now; asked once more while it is in a queue it would be there twice
	if a.killed(it.p().Intent) {
		a.giveUp(it, ledger.Killed)
		return
	}
	if at := it.expire(); !at.IsZero() && !at.After(now) {
		a.expired(it)
		return
	}
	a.holdOff(it.p().Intent)
	if m := it.p().Merged; m != nil {
		if m.Closes.After(now) {
			a.setState(it, merging)
			a.timers.wake(it, m.Closes)
			return
		}
		if !a.closeMerge(it) {
			return
		}
	}
	if c := it.p().Intent.Content; c != nil && c.Open && !a.fix(it) {
		return
	}
	if !it.p().Approved() {
		a.awaitApproval(it, now)
		return
	}
	if until, drop := a.heldUntil(it, now); until.After(now) {
		if drop {
			a.fate(it, ledger.Suppressed, ledger.QuietHours, nil)
			return
		}
		a.setState(it, quiet)
		a.timers.wake(it, until)
		return
	}
	if a.pausedItem(it) {
		a.setState(it, paused)
		return
	}
	a.enqueue(it)
}

// What a fate says of a request that another of the same merge key replaced while both waited for a slot: nothing of it is in the other.
const (
	overtaken = "while it waited for a slot a newer request took its place"
	outstayed = "an older request that waits for a slot keeps its place"
)

// Replaced reports whether a fate says that another request left in an intent's place, while they waited for a slot.
func Replaced(f *ledger.Fate) bool {
	return f.Fate == ledger.Coalesced && (f.Detail == overtaken || f.Detail == outstayed)
}

// enqueue lets an item wait for a slot of its lane.
func (a *actor) enqueue(it *item) {
	l := it.ac.lanes[it.route.Lane]
	a.setState(it, queued)
	l.spareItem(it)
	if it.route.Users {
		l.queue.add(it)
		return
	}
	if m := it.p().Intent.Merge; m != nil { // while no slot is free a newer request of the same key replaces the older
		for _, o := range l.casts {
			if o.p().Intent.Merge == nil || o.p().Intent.Merge.Key != m.Key {
				continue
			}
			older, newer := o, it
			if older.p().Seq > newer.p().Seq {
				older, newer = newer, older
			}
			why := overtaken
			if m.Keep == intent.KeepFirst {
				older, newer = newer, older // the first stays
				why = outstayed
			}
			into := newer.p().Intent.ID
			a.fate(older, ledger.Coalesced, ledger.ReasonNone, func(f *ledger.Fate) { f.Into, f.Detail = into, why })
			if newer == o {
				return
			}
			break
		}
	}
	l.casts = append(l.casts, it)
	l.mayDrop = l.mayDrop || it.p().Intent.Policy.DropNoQuota
}

// admitted asks the gates that count when the call leaves, for an item that would leave together with those beside it. An item that
// does not pass has its fate, or waits elsewhere.
func (a *actor) admitted(it *item, beside []*item, now time.Time) bool {
	if !a.passes(it, beside, now) {
		return false
	}
	if a.braked(it, beside, now) {
		a.gate(it)
		return false
	}
	return true
}

// passes asks them all but the brake.
func (a *actor) passes(it *item, beside []*item, now time.Time) bool {
	in := it.p().Intent
	if at := it.expire(); !at.IsZero() && !at.After(now) {
		a.expired(it)
		return false
	}
	if a.pausedRule(in) || quietUntil(in.Policy.Quiet, now, a.opt.Zone).After(now) {
		a.gate(it)
		return false
	}
	if in.Action == intent.Push {
		if r := a.consent(it); r != ledger.ReasonNone {
			a.fate(it, ledger.Suppressed, r, nil)
			return false
		}
	}
	if !a.userMeets(it) {
		a.fate(it, ledger.Suppressed, ledger.OptedOut, func(f *ledger.Fate) { f.Detail = "user_when is not met: " + in.UserWhen })
		return false
	}
	if r, detail := a.limited(it, beside, now); r != ledger.ReasonNone {
		a.fate(it, ledger.Suppressed, r, func(f *ledger.Fate) { f.Detail = detail })
		return false
	}
	return true
}

// waitedForText is before the state in which an intent expired.
const waitedForText = "while it waited for "

func (a *actor) expired(it *item) {
	a.opt.Metrics.expired.WithLabelValues(it.p().Intent.Rule, it.state.String()).Inc()
	waited, p := it.state.String(), it.p().Intent.Policy
	if now := a.clock.now(); it.state == quiet && p.SendAt != nil && !quietUntil(p.Quiet, now, a.opt.Zone).After(now) {
		waited = "send_at"
	}
	if brake := a.pauses["rule/"+it.p().Intent.Rule].OfBrake(); it.state == paused && brake != nil {
		waited += ", by the brake: " + brake.Why
	}
	if why := a.divided(it); why != "" {
		waited += ": " + why
	}
	a.fate(it, ledger.Suppressed, ledger.Expired, func(f *ledger.Fate) {
		if waited != "" {
			f.Detail = waitedForText + waited
		}
	})
}

// consent asks the profile table whether the user may be sent to. Consent that was never given is not consent.
func (a *actor) consent(it *item) ledger.Reason {
	c, u := a.opt.Consent, it.ac.users.Get(it.p().Intent.Target)
	if c.Never != "" {
		if v, _ := u.Get(c.Never); v.Str == "true" {
			return ledger.Blocked
		}
	}
	needs := map[string]string{"marketing": c.Marketing, "service": c.Service}[it.p().Intent.Class]
	if needs != "" {
		if v, _ := u.Get(needs); v.Str != "true" {
			return ledger.OptedOut
		}
	}
	return ledger.ReasonNone
}

// quietUntil is when the quiet hours that hold now end; not after now when none hold.
func quietUntil(qs []intent.Quiet, now time.Time, zone *time.Location) time.Time {
	until := now
	t := now.In(zone)
	minute := t.Hour()*60 + t.Minute()
	y, m, d := t.Date()
	for _, q := range qs {
		day := int(t.Weekday()) // of the day on which these quiet hours began
		var in bool
		end := d
		if q.From < q.To {
			in = minute >= q.From && minute < q.To
		} else { // wraps over midnight
			switch {
			case minute >= q.From:
				in, end = true, d+1
			case minute < q.To:
				in, day = true, (day+6)%7
			}
		}
		if !in || q.Weekdays != 0 && q.Weekdays&(1<<day) == 0 {
			continue
		}
		e := intent.Wall(y, m, end, q.To/60, q.To%60, 0, zone)
		if !e.After(now) { // the clocks went back: they show these minutes for the second time
			e = now.Truncate(time.Minute).Add(time.Duration(q.To-minute) * time.Minute)
		}
		if e.After(until) {
			until = e
		}
	}
	return until
}

// scopedCap is one limit of sends to a user, under the key that counts it.
type scopedCap struct {
	intent.Cap
	scope string
}

func (a *actor) caps(in *intent.Intent) []scopedCap {
	var out []scopedCap
	for _, c := range in.Policy.PerUser {
		out = append(out, scopedCap{c, "rule/" + in.Rule})
	}
	if c, ok := a.opt.ClassCaps[in.Class]; ok && !in.Policy.NoCaps {
		out = append(out, scopedCap{c, "class/" + in.Class})
	}
	return out
}

// classCap begins the detail of a fate that the settings' limit of a class gave.
const classCap = "user_limits "

// capped names the limit of sends to the user that is used up, as a fate tells it; "" when none is.
func (a *actor) capped(it *item, now time.Time) string {
	in := it.p().Intent
	for _, c := range a.caps(in) {
		t := a.taken[takenID(it.ac.Key, c.scope, in.Target)]
		if t == nil {
			continue
		}
		since := capStart(c.Cap, now, a.opt.Zone)
		n := 0
		for _, at := range t.At {
			if at.After(since) {
				n++
			}
		}
		if n >= c.N {
			of := "" // the rule's own
			if class, ok := strings.CutPrefix(c.scope, "class/"); ok {
				of = classCap + class + " "
			}
			return fmt.Sprintf("%s%s, last %s", of, CapText(c.Cap), t.At[len(t.At)-1].In(a.opt.Zone).Format(time.RFC3339))
		}
	}
	return ""
}

// capStart is the beginning of the window that counts now.
func capStart(c intent.Cap, now time.Time, zone *time.Location) time.Time {
	t := now.In(zone)
	y, m, d := t.Date()
	midnight := func(d int) time.Time { return intent.Wall(y, m, d, 0, 0, 0, zone).Add(-1) }
	switch c.Each {
	case "day":
		return midnight(d)
	case "week": // begins on Monday
		return midnight(d - (int(t.Weekday())+6)%7)
	case "month":
		return midnight(1)
	}
	return now.Add(-c.In)
}

// takeCaps counts a send: when the call leaves, given back if it certainly did not happen, kept if unknown.
func (a *actor) takeCaps(it *item, now time.Time) {
	in := it.p().Intent
	if in.Action != intent.Push {
		return // caps per user
	}
	var ids []string
	for _, c := range a.caps(in) {
		id := takenID(it.ac.Key, c.scope, in.Target)
		t := a.taken[id]
		if t == nil {
			t = &ledger.Taken{}
			a.taken[id] = t
		}
		if long := longest(c.Cap); long > keepTaken {
			t.Until = latest(t.Until, now.Add(long)).UTC()
		}
		if slices.Contains(ids, id) {
			continue
		}
		ids = append(ids, id)
		t.At = append(t.At, now.UTC())
		if over := len(t.At) - intent.MaxPerUser; over > 0 {
			t.At = t.At[over:]
		}
	}
	for _, id := range ids {
		a.w.Put("c/"+id, a.taken[id])
	}
}

func (a *actor) giveBackCaps(c *call) {
	for _, it := range c.items {
		for _, id := range a.takenBy(it) {
			a.untake(id, c.vendor.Began) // a repeat took nothing of its own
		}
	}
}

// takenBy names the counts in which takeCaps has an item.
func (a *actor) takenBy(it *item) (ids []string) {
	in := it.p().Intent
	if in.Action != intent.Push {
		return nil
	}
	for _, c := range a.caps(in) {
		if id := takenID(it.ac.Key, c.scope, in.Target); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// untake gives back what was counted at a time.
func (a *actor) untake(id string, began time.Time) {
	t := a.taken[id]
	if t == nil {
		return
	}
	if i := slices.IndexFunc(t.At, began.Equal); i >= 0 {
		t.At = append(t.At[:i:i], t.At[i+1:]...)
	}
	if len(t.At) == 0 {
		delete(a.taken, id)
		a.w.Delete("c/" + id)
	} else {
		a.w.Put("c/"+id, t)
	}
}

func takenID(account, scope, user string) string { return account + "/" + scope + "/" + user }
