package dispatch

import (
	"slices"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// Outlook is a scarce lane as its ledger has it, for who reads that from outside: when may what waits there leave, and what holds it? It
// asks what the actor asks (slotTurn). What only the actor knows is left out: the pause after a refusal, a stopped lane.
type Outlook struct {
	Key         string // the account's
	Limits      []quota.Limit
	Span, Guard time.Duration
	Charges     []quota.Charge
	Attempts    []*ledger.Attempt      // that count in the lane
	Reserves    []intent.Reserve       // of the rules that leave by it
	Kills       map[string]ledger.Kill // whose rules keep no reserve
	Sends       map[string]*ledger.Sends
	Zone        *time.Location
}

// farthest is how far an Outlook looks ahead: a share counts at most a month.
const farthest = 40 * 24 * time.Hour

// Turn is what the planner would say of an intent at a time.
func (o *Outlook) Turn(in *intent.Intent, at time.Time) Turn {
	var sent *ledger.Sends
	share := in.Policy.Share
	if share != nil {
		sent = o.Sends[sharesID(o.Key, in.Rule, *share)]
	}
	free := func(limits []quota.Limit) time.Time {
		t, err := quota.Free(limits, o.Charges, 1, at, o.Span, o.Guard)
		if err != nil { // a limit of 0 means never
			return at.Add(farthest)
		}
		return t
	}
	return slotTurn(free, o.Limits, Reserved(o.Reserves, o.Kills, o.Attempts, at, o.Zone), in.Rule, share, sent, at, o.Zone)
}

// Leaves is the first time at which the planner would let an intent leave, if nothing else left before it, with what holds it at first. What
// has no such time before it expires has one after that.
func (o *Outlook) Leaves(in *intent.Intent, now time.Time) Turn {
	first := o.Turn(in, now)
	end := now.Add(farthest)
	if e := in.Policy.Expire; !e.IsZero() && e.Before(end) {
		end = e
	}
	for first.At.After(now) && first.At.Before(end) {
		then := o.Turn(in, first.At)
		if !then.At.After(first.At) {
			break
		}
		first.At = then.At
	}
	return first
}

// Sort puts what waits for slots into the order of the queue.
func (o *Outlook) Sort(waiting []*ledger.Pending) {
	of := func(p *ledger.Pending) place { return place{p.Intent.Policy.Priority, p.Intent.Policy.Expire, p.Seq} }
	slices.SortFunc(waiting, func(a, b *ledger.Pending) int {
		if of(a).before(of(b)) {
			return -1
		}
		return 1
	})
}

// Send counts an intent as if it left at a time.
func (o *Outlook) Send(in *intent.Intent, at time.Time) {
	o.Charges = append(o.Charges, quota.Charge{From: at, To: at, Weight: 1})
	o.Attempts = append(o.Attempts, &ledger.Attempt{Rule: in.Rule, State: ledger.OK, At: at, Weight: 1})
	if c := in.Policy.Share; c != nil {
		id, s := sharesID(o.Key, in.Rule, *c), &ledger.Sends{}
		if was := o.Sends[id]; was != nil {
			s.Parts = append(s.Parts, was.Parts...)
		}
		s.Parts = append(s.Parts, ledger.SendsPart{At: at, N: 1})
		o.Sends[id] = s
	}
}
