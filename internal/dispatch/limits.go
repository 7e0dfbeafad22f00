package dispatch

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// The limits of a rule over all its recipients: `once`, `rule` and `brake`. Like the caps per user they are taken when the call leaves,
// given back if it certainly did not happen and kept if that is unknown. `quota` and `reserve` are in share.go.

// counted is a limit over the sends of a rule, and the ledger's name for its count.
type counted struct {
	intent.Cap
	id   string
	zone *time.Location // of calendar periods
}

func (a *actor) counted(it *item, c intent.Cap, what string) counted {
	return counted{c, it.ac.Key + "/" + it.p().Intent.Rule + "/" + what, a.opt.Zone}
}

// window names a limit's window: a rule whose number is edited goes on with the same count, one with a new window begins anew.
func window(c intent.Cap) string {
	if c.Each != "" {
		return c.Each
	}
	return c.In.String()
}

// CapText writes a limit as rule files do.
func CapText(c intent.Cap) string {
	if c.Each != "" {
		return fmt.Sprintf("%d per %s", c.N, c.Each)
	}
	return fmt.Sprintf("%d in %s", c.N, intent.Span(c.In))
}

// NamesCap reports whether the detail of a capped fate names a limit, as that of a rule with several does. Older releases wrote 1h as 1h0m0s.
func NamesCap(detail string, c intent.Cap) bool {
	text, _, _ := strings.Cut(strings.TrimPrefix(detail, "rule "), ", last ")
	return text == CapText(c) || c.Each == "" && text == fmt.Sprintf("%d in %s", c.N, c.In)
}

// many counts as people say it: 1 intent is, 2 intents are.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func (a *actor) ruleCaps(it *item) []counted {
	caps := it.p().Intent.Policy.RuleCaps
	if len(caps) == 0 {
		return nil
	}
	out := make([]counted, len(caps))
	for i, c := range caps {
		out[i] = a.counted(it, c, window(c))
	}
	return out
}

// brake is the rule's own, or the account's; N is 0 if there is none.
func (a *actor) brake(it *item) counted {
	c := it.ac.Brake
	if own := it.p().Intent.Policy.Brake; own != nil {
		c = *own
	}
	return a.counted(it, c, brakeCount)
}

const brakeCount = "brake"

// sentSince counts what was sent after a time.
func sentSince(s *ledger.Sends, since time.Time) (n int) {
	if s == nil {
		return 0
	}
	for _, p := range s.Parts {
		if p.At.After(since) {
			n += p.N
		}
	}
	return n
}

// room is how many more sends a limit allows now.
func (a *actor) room(c counted, now time.Time) int {
	return c.N - sentSince(a.sends[c.id], capStart(c.Cap, now, c.zone))
}

// capEnd is when the calendar period that counts at a time is over; a send of a rolling window counts for its length.
func capEnd(c intent.Cap, at time.Time, zone *time.Location) time.Time {
	t := at.In(zone)
	y, m, d := t.Date()
	switch c.Each {
	case "day":
		return intent.Wall(y, m, d+1, 0, 0, 0, zone)
	case "week":
		return intent.Wall(y, m, d-(int(t.Weekday())+6)%7+7, 0, 0, 0, zone)
	case "month":
		return intent.Wall(y, m+1, 1, 0, 0, 0, zone)
	}
	return at.Add(c.In)
}

// longest is how long a send may count whatever the zone: the settings may name another one after a restart, in which the period goes on. A day
// has up to 25 hours.
func longest(c intent.Cap) time.Duration {
	const day, change = 24 * time.Hour, time.Hour
	switch c.Each {
	case "day":
		return day + change
	case "week":
		return 7*day + change
	case "month":
		return 31*day + change
	}
	return c.In
}

// together reports whether two sends are counted in one part: those of a calendar period are, and of a rolling window those that
// lie within a thirtieth of it. The part counts until its last send is a window old, so what is allowed is never too much.
func together(c intent.Cap, x, y time.Time, zone *time.Location) bool {
	if c.Each != "" {
		return capEnd(c, x, zone).Equal(capEnd(c, y, zone))
	}
	part := max(c.In/ledger.SendsParts, 1)
	return x.Truncate(part).Equal(y.Truncate(part))
}

// count books n sends.
func (a *actor) count(c counted, at time.Time, n int) {
	s := a.sends[c.id]
	if s == nil {
		s = &ledger.Sends{}
		a.sends[c.id] = s
	}
	for since := at.Add(-longest(c.Cap)); len(s.Parts) > 0 && !s.Parts[0].At.After(since); {
		s.Parts = s.Parts[1:]
	}
	if last := len(s.Parts) - 1; last >= 0 && together(c.Cap, s.Parts[last].At, at, c.zone) {
		s.Parts[last].N += n
		s.Parts[last].At = at.UTC()
	} else {
		s.Parts = append(s.Parts, ledger.SendsPart{At: at.UTC(), N: n})
	}
	s.Until = at.Add(longest(c.Cap)).UTC()
	a.counts[c.id] = true
}

// uncount takes n sends back.
func (a *actor) uncount(c counted, at time.Time, n int) {
	s := a.sends[c.id]
	if s == nil {
		return
	}
	for i := len(s.Parts) - 1; i >= 0; i-- {
		if !together(c.Cap, s.Parts[i].At, at, c.zone) {
			continue
		}
		if s.Parts[i].N -= n; s.Parts[i].N <= 0 {
			s.Parts = append(s.Parts[:i:i], s.Parts[i+1:]...)
		}
		break
	}
	if len(s.Parts) == 0 {
		delete(a.sends, c.id)
	}
	a.counts[c.id] = true
}

// writeCounts puts what was counted since the last commit into this one: a count of many sends is written once.
func (a *actor) writeCounts() {
	for id := range a.counts {
		if s := a.sends[id]; s != nil {
			a.w.Put(ledger.SendsKey(id), s)
		} else {
			a.w.Delete(ledger.SendsKey(id))
		}
	}
	clear(a.counts)
}

// onceID names the send that `once` lets through: the rule, the recipient (or the audience's rule) and `by`.
func onceID(it *item) string { return onceKey(it.ac.Key, it.p().Intent) }

func onceKey(key string, in *intent.Intent) string {
	h := sha256.New()
	for _, s := range []string{in.Target, in.Policy.Once.By} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return key + "/" + in.Rule + "/" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// maxOnce bounds the sends a partition remembers for `once`, about 150 bytes each: above it the one that ends first is forgotten.
const maxOnce = 1_000_000

func (a *actor) takeOnce(it *item, at time.Time) {
	o := it.p().Intent.Policy.Once
	if o == nil {
		return
	}
	id := onceID(it)
	rec := ledger.Once{At: at.UTC(), Until: at.Add(o.In).UTC()}
	a.once[id] = rec
	a.onceEnds.set(forgetOnce, id, rec.Until)
	a.w.Put(ledger.OnceKey(id), rec)
	if len(a.once) > a.maxOnce {
		first, _ := a.onceEnds.pop(a.onceEnds.soonest())
		a.forgetOnce(first.key)
		a.onceLost++
	}
}

func (a *actor) forgetOnce(id string) {
	a.onceEnds.stop(forgetOnce, id)
	delete(a.once, id)
	a.w.Delete(ledger.OnceKey(id))
}

// limited asks `once` and the caps, for an item that would leave in one call with those beside it.
func (a *actor) limited(it *item, beside []*item, now time.Time) (ledger.Reason, string) {
	in := it.p().Intent
	if o := in.Policy.Once; o != nil {
		if rec, ok := a.once[onceID(it)]; ok && rec.At.Add(o.In).After(now) {
			return ledger.Repeated, fmt.Sprintf("once in %s, sent %s", o.In, rec.At.Format(time.RFC3339))
		}
	}
	if in.Action == intent.Push {
		if detail := a.capped(it, now); detail != "" {
			return ledger.Capped, detail
		}
	}
	for _, c := range a.ruleCaps(it) {
		if a.room(c, now) <= a.besides(it, beside) {
			return ledger.Capped, "rule " + CapText(c.Cap)
		}
	}
	return ledger.ReasonNone, ""
}

// besides counts the items of the same rule that leave in the same call and are not counted yet.
func (a *actor) besides(it *item, beside []*item) (n int) {
	for _, o := range beside {
		if o.p().Intent.Rule == it.p().Intent.Rule {
			n++
		}
	}
	return n
}

// braked pauses the rule of an item that would be one too many.
func (a *actor) braked(it *item, beside []*item, now time.Time) bool {
	c := a.brake(it)
	if c.N == 0 || a.room(c, now) > a.besides(it, beside) {
		return false
	}
	rule := it.p().Intent.Rule
	p := ledger.Pause{By: brakeCount, Why: "the rule sent " + CapText(c.Cap), At: now.UTC(), Brake: true}
	a.pauses["rule/"+rule] = p
	a.w.Put(ledger.PauseKey("rule/"+rule), p)
	a.holdPaused()
	a.opt.Metrics.brake.WithLabelValues(rule).Set(1)
	a.log.Error("brake: the rule is paused, what it wants to send is held; look, then `notifier resume rule/"+rule+"`", ruleField(rule), zap.String("brake", CapText(c.Cap)))
	return true
}

// released lets the count of a brake begin anew: whoever resumed the rule has seen how much it sent.
func (a *actor) released(scope string) {
	rule, ok := ruleOf(scope)
	if !ok {
		return
	}
	for _, ac := range a.accounts {
		if id := ac.Key + "/" + rule + "/" + brakeCount; a.sends[id] != nil {
			delete(a.sends, id)
			a.counts[id] = true
		}
	}
	for _, c := range a.calls {
		for _, it := range c.items {
			it.anew = it.anew || it.p().Intent.Rule == rule
		}
	}
	a.opt.Metrics.brake.WithLabelValues(rule).Set(0)
}

func ruleOf(scope string) (string, bool) {
	const prefix = "rule/"
	if len(scope) <= len(prefix) || scope[:len(prefix)] != prefix {
		return "", false
	}
	return scope[len(prefix):], true
}

// takeLimits books an item that leaves.
func (a *actor) takeLimits(it *item, at time.Time) {
	a.takeOnce(it, at)
	for _, c := range a.ruleCaps(it) {
		a.count(c, at, 1)
	}
	if it.anew = false; a.brake(it).N > 0 {
		a.count(a.brake(it), at, 1)
	}
	if c, ok := a.share(it); ok {
		a.count(c, at, 1)
	}
}

// giveBackLimits takes back what a call that certainly did not happen had booked. A share of the quota is given back only if the item
// is tried again or the call never left: what the vendor refused for good has used a slot.
func (a *actor) giveBackLimits(c *call, slot bool) {
	at := c.vendor.Began // a repeat took nothing of its own
	for _, it := range c.items {
		if it.p().Intent.Policy.Once != nil {
			if id := onceID(it); a.once[id].At.Equal(at) {
				a.forgetOnce(id)
			}
		}
		for _, cp := range a.ruleCaps(it) {
			a.uncount(cp, at, 1)
		}
		if cp := a.brake(it); cp.N > 0 && !it.anew {
			a.uncount(cp, at, 1)
		}
		if cp, ok := a.share(it); ok && slot {
			a.uncount(cp, at, 1)
		}
	}
}

// booked adds what an item of a call without outcome has taken of its limits. What a brake counts stays: it is there to stop the rule.
func (a *actor) booked(at *ledger.Attempt, it *item) {
	b := at.Booked
	if b == nil {
		b = &ledger.Booked{}
	}
	b.Users = append(b.Users, a.takenBy(it)...)
	if it.p().Intent.Policy.Once != nil {
		b.Once = append(b.Once, onceID(it))
	}
	for _, c := range a.ruleCaps(it) {
		b.Rules = append(b.Rules, ledger.BookedCap{Cap: c.Cap, ID: c.id})
	}
	if len(b.Users)+len(b.Once)+len(b.Rules) > 0 {
		at.Booked = b
	}
}

// unbook gives back what the members of an attempt had taken, once a human knows that it did not happen.
func (a *actor) unbook(at *ledger.Attempt) {
	if at.Booked == nil {
		return
	}
	began := at.Began // of the first try, which took it all
	if began.IsZero() {
		began = at.At
	}
	for _, id := range at.Booked.Users {
		a.untake(id, began)
	}
	for _, id := range at.Booked.Once {
		if a.once[id].At.Equal(began) {
			a.forgetOnce(id)
		}
	}
	for _, c := range at.Booked.Rules {
		a.uncount(counted{c.Cap, c.ID, a.opt.Zone}, began, 1)
	}
}

// restoreLimits takes over the counts; what is over is forgotten by the chores.
func (a *actor) restoreLimits(st *ledger.State) {
	a.sends, a.once = st.Sends, st.Once
	for id, rec := range a.once {
		a.onceEnds.set(forgetOnce, id, rec.Until)
	}
	for scope, p := range a.pauses {
		if rule, ok := ruleOf(scope); ok && p.OfBrake() != nil {
			a.opt.Metrics.brake.WithLabelValues(rule).Set(1)
		}
	}
}

// sweepLimits forgets what no longer counts.
func (a *actor) sweepLimits(now time.Time) {
	for {
		k, ok := a.onceEnds.pop(now)
		if !ok {
			break
		}
		a.forgetOnce(k.key)
	}
	for id, s := range a.sends {
		if !s.Until.After(now) {
			delete(a.sends, id)
			a.w.Delete(ledger.SendsKey(id))
		}
	}
	if a.onceLost > 0 {
		a.log.Error("more sends to remember for `once` than there is room for: those that end first were forgotten and may be repeated", zap.Int("forgotten", a.onceLost), zap.Int("max", a.maxOnce))
		a.onceLost = 0
	}
	a.opt.Metrics.limitRecords.WithLabelValues(partLabel(a.p), "once").Set(float64(len(a.once)))
	a.opt.Metrics.limitRecords.WithLabelValues(partLabel(a.p), "rule").Set(float64(len(a.sends)))
	a.opt.Metrics.limitRecords.WithLabelValues(partLabel(a.p), "user").Set(float64(len(a.taken)))
}
