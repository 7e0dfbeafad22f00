package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// past is what is known of the intents that were there when the partition was stopped, and went on by an assumption: which of them have a
// fate on record. Nobody may send those again, nor, if the ledger was lost, those that may have left and have none.
type past struct {
	before int64 // the offset of the first intent that came afterwards
	forgot bool
	fated  map[intent.ID]bool
	lost   map[string][]ledger.Fate // by account, lane and rule: without an attempt yet
}

// pastOf reads it, as long as not all of those intents are taken in. fresh: the partition goes on by the assumption just now.
func pastOf(ctx context.Context, opt ledger.Options, st *ledger.State, fresh bool) (*past, error) {
	as := st.Genesis.Assumed
	if as == nil || st.Position.Next >= as.Before && !fresh {
		return nil, nil
	}
	fated, err := ledger.Fated(ctx, opt, st.Position.Next, as.Before, st)
	if err != nil {
		return nil, err
	}
	return &past{before: as.Before, forgot: as.Forgot, fated: fated, lost: map[string][]ledger.Fate{}}, nil
}

// passed reports whether an intent was there when the partition was stopped and is not to be taken in: it has its fate, or is pending, or
// is given one now, because it may have left (AT-MOST-ONCE).
func (a *actor) passed(in *intent.Intent, offset int64) bool {
	p := a.past
	if p == nil || offset >= p.before {
		return false
	}
	leaves := in.Profile == nil && in.Dead == "" && !in.Shadow && !in.Canary
	switch {
	case p.fated[in.ID]:
		if ac := a.accounts[in.Key]; leaves && ac != nil { // its source may send it again
			if key := seenOf(in); a.seen[key] == 0 {
				a.remember(key, in, a.clock.now())
			}
		}
		return true
	case a.waits(in):
		return true
	case !p.forgot || !leaves:
		return false // tags may be written twice
	}
	a.pos.Intents++
	a.opt.Metrics.intents.WithLabelValues(string(in.Action)).Inc()
	a.remember(seenOf(in), in, a.clock.now())
	a.forgotten(ledger.NewFate(in, ledger.FateUnknown, ledger.ReasonNone, a.clock.now()), in)
	return true
}

// sift gives a fate to what a lost ledger's copy holds as pending: it may have left since. It is in the first commit.
func (a *actor) sift() {
	if a.past == nil || !a.past.forgot {
		return
	}
	for _, c := range a.calls { // of a predecessor, as the copy has it
		c.items = slices.DeleteFunc(c.items, func(it *item) bool { return a.past.fated[it.p().Intent.ID] })
	}
	for _, ac := range a.accounts {
		for _, l := range ac.lanes {
			l.again = slices.DeleteFunc(l.again, a.siftAgain)
		}
	}
	a.cool() // what can be parked is
	for ac, p := range a.allParked() {
		if a.past.fated[p.Intent.ID] {
			a.forget(a.askedBy(ac, p.Intent.Target))
			a.sifted(p.Intent)
			a.coolMany()
		}
	}
	for _, it := range a.items {
		a.coolMany()
		in := it.p().Intent
		if in.Profile != nil && !a.past.fated[in.ID] || it.state == inFlight && !a.past.fated[in.ID] {
			continue
		}
		a.forget(it)
		a.sifted(in)
	}
	a.found = slices.DeleteFunc(a.found, func(p *ledger.Pending) bool { // their account may have been there since
		if p.Intent.Profile != nil && !a.past.fated[p.Intent.ID] {
			return false
		}
		a.sifted(p.Intent)
		return true
	})
}

// sifted ends what the copy holds as pending: it has its fate, or is given one.
func (a *actor) sifted(in *intent.Intent) {
	a.w.Delete(ledger.PendingKey(string(in.ID)))
	if a.past.fated[in.ID] {
		a.pos.Fates++
		return
	}
	a.forgotten(ledger.NewFate(in, ledger.FateUnknown, ledger.ReasonNone, a.clock.now()), in)
}

// siftAgain reports whether a call that the copy wants made again is not: a member has its fate since, so as it was it cannot be made.
func (a *actor) siftAgain(c *call) bool {
	n := len(c.items)
	c.items = slices.DeleteFunc(c.items, func(it *item) bool { return a.past.fated[it.p().Intent.ID] })
	if len(c.items) == n {
		return false
	}
	a.unknown(c, Outcome{Code: c.attempt.Code, Detail: "the ledger was lost while it waited to be made again: it may have been sent"})
	if len(c.items) == 0 {
		c.attempt.State, c.attempt.Members = ledger.Resolved, nil
	}
	a.store(c)
	return true
}

// forgotten keeps the fate of an intent of which nobody knows whether it left, until writeForgotten.
func (a *actor) forgotten(f ledger.Fate, in *intent.Intent) {
	lane := "none"
	if ac := a.accounts[in.Key]; ac != nil {
		if r, err := ac.Vendor.Route(in); err == nil {
			lane, f.Lane, f.Endpoint = r.Lane, ac.Name+"/"+r.Lane, r.Endpoint
		}
	}
	f.Detail = ledger.LostWaiting
	key := in.Key + "\x00" + lane + "\x00" + in.Rule
	a.past.lost[key] = append(a.past.lost[key], f)
}

// forgottenAtOnce is how many fates one attempt speaks for: a person decides on all of them at once, and its record must not be too large. Of
// what takes slots each request has an attempt of its own: the vendor's console shows them one by one.
const forgottenAtOnce = 100

// writeForgotten writes the fates of what may have left, under attempts that `attempts resolve` names. Those weigh nothing: what
// was used is what the operators said.
func (a *actor) writeForgotten() {
	if a.past == nil {
		return
	}
	now := a.clock.now().UTC()
	for key, fates := range a.past.lost {
		account, lane := laneOfKey(key)
		most := forgottenAtOnce
		if ac := a.accounts[account]; ac != nil && ac.lanes[lane] != nil && ac.lanes[lane].scarce() {
			most = 1
		}
		for len(fates) > 0 {
			n := min(len(fates), most)
			a.pos.AttemptSeq++
			at := &ledger.Attempt{V: ledger.Version, ID: fmt.Sprintf("%s-%d-%d", a.gen.Incarnation, a.p, a.pos.AttemptSeq), Owner: a.w.Nonce(), Endpoint: fates[0].Endpoint,
				Rule: fates[0].Rule, State: ledger.Unknown, At: now, NotAfter: now, Until: now, Detail: fates[0].Detail}
			at.Account, at.Lane = account, lane
			for _, f := range fates[:n] {
				f.Attempt = at.ID
				a.record(f)
				at.Affected = append(at.Affected, f)
			}
			fates = fates[n:]
			a.kept[at.ID] = at
			a.w.Put(ledger.AttemptKey(at.ID), at)
			a.log.Error("the ledger was lost and these have no fate: they may have been sent; decide with `notifier attempts resolve`", attemptField(at.ID), ruleField(at.Rule), zap.Int("intents", n))
		}
	}
	if clear(a.past.lost); a.pos.Next >= a.past.before {
		a.past = nil
	}
}

// laneOfKey splits a key of past.lost.
func laneOfKey(key string) (account, lane string) {
	parts := strings.SplitN(key, "\x00", 3)
	return parts[0], parts[1]
}
