package dispatch

import (
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// What is told from outside of an audience that waits is what the actor waits for, and it leaves when it was said to.
func TestAnOutlookSaysWhatTheActorDoes(t *testing.T) {
	day := []quota.Limit{{N: 3, Day: true, Zone: time.UTC}}
	midnight := noon.Add(12 * time.Hour)
	for name, c := range map[string]struct {
		limits   []quota.Limit
		reserves []intent.Reserve
		share    *intent.Cap
		used     int    // of the limit by others, or of the share
		why      string // "": it leaves now
		leaves   time.Duration
	}{
		"free":                       {limits: day},
		"a full day":                 {limits: day, used: 3, why: "no free slot", leaves: 12*time.Hour + 5*time.Second},
		"its share":                  {limits: day, share: &intent.Cap{N: 1, Each: "day"}, used: 1, why: "the rule's quota is used: 1 per day", leaves: 12 * time.Hour},
		"its share of hours":         {limits: day, share: &intent.Cap{N: 1, In: 3 * time.Hour}, used: 1, why: "the rule's quota is used: 1 in 3h", leaves: 3 * time.Hour},
		"a reserve":                  {limits: day, reserves: []intent.Reserve{{Rule: "storm", N: 2, Until: 22 * 60}}, used: 1, why: "the slot is reserved for storm", leaves: 10 * time.Hour},
		"two, one after the other":   {limits: day, reserves: []intent.Reserve{{Rule: "storm", N: 2, Until: 20 * 60}, {Rule: "flood", N: 2, Until: 22 * 60}}, used: 1, why: "the slot is reserved for storm, flood", leaves: 10 * time.Hour},
		"until the day ends":         {limits: day, reserves: []intent.Reserve{{Rule: "storm", N: 2, Until: 24 * 60}}, used: 1, why: "the slot is reserved for storm", leaves: 12*time.Hour + 5*time.Second},
		"all, until 18:00":           {limits: day, reserves: []intent.Reserve{{Rule: "storm", N: 3, Until: 18 * 60}}, why: "the slot is reserved for storm", leaves: 6 * time.Hour},
		"its own":                    {limits: day, reserves: []intent.Reserve{{Rule: "r", N: 3, Until: 18 * 60}}},
		"enough is left":             {limits: day, reserves: []intent.Reserve{{Rule: "storm", N: 1, Until: 18 * 60}}, used: 1},
		"the hour, behind a reserve": {limits: append([]quota.Limit{{N: 1, Window: time.Hour}}, day...), reserves: []intent.Reserve{{Rule: "storm", N: 2, Until: 12*60 + 30}}, used: 1, why: "no free slot", leaves: time.Hour + 5*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var ac *Account
			like := (&bundle{t: t}).intent("like", "storm", intent.Everyone, intent.Broadcast)
			p := newPlay(t, func(a *Account, o *Options) {
				ac = a
				l := a.Lanes["broadcast"]
				l.Limits = c.limits
				a.Lanes["broadcast"] = l
				for i := range c.reserves {
					c.reserves[i].Like = like
				}
				o.Rules = func() Rules { return stubRules{reserves: c.reserves} }
			})
			if c.share == nil {
				if err := p.Spend(ac.Key, c.used); err != nil {
					t.Fatal(err)
				}
			} else {
				first := p.intent("e", "r", intent.Everyone, intent.Broadcast)
				first.Policy.Share = c.share
				p.Take(first)
			}
			in := p.intent("x", "r", intent.Everyone, intent.Broadcast)
			in.Policy.Share = c.share
			pol := ac.Lanes["broadcast"]
			o := &Outlook{Key: ac.Key, Limits: c.limits, Reserves: c.reserves, Sends: p.a.sends, Zone: time.UTC}
			o.Span, o.Guard = SpanAndGuard(ac.Timeout, pol)
			for _, at := range p.a.kept {
				o.Attempts, o.Charges = append(o.Attempts, at), append(o.Charges, ChargeOf(at, pol))
			}
			told := o.Leaves(in, noon)
			sent := len(p.calls)
			p.Take(in)
			if c.why == "" {
				if !told.At.Equal(noon) || len(p.calls) != sent+1 {
					t.Errorf("told %+v, %d calls; it leaves now", told, len(p.calls)-sent)
				}
				return
			}
			s, ok := p.Stands(in.ID)
			if !ok || s.Turn.Why != c.why || told.Why != c.why {
				t.Fatalf("stands %+v, told %+v, want %q", s, told, c.why)
			}
			if got := told.At.Sub(noon).Truncate(5 * time.Second); got != c.leaves {
				t.Errorf("told to leave after %s, want %s", got, c.leaves)
			}
			p.Advance(told.At.Add(-time.Second))
			if len(p.calls) != sent {
				t.Errorf("it left before %s", told.At)
			}
			p.Advance(told.At.Add(time.Second))
			if len(p.calls) != sent+1 {
				t.Errorf("it has not left at %s", told.At)
			}
		})
	}
	o := &Outlook{Limits: day, Reserves: []intent.Reserve{{Rule: "storm", N: 3, Until: 24 * 60}}, Zone: time.UTC, Sends: map[string]*ledger.Sends{}}
	in := &intent.Intent{Rule: "r", Policy: intent.Policy{Expire: noon.Add(6 * time.Hour)}}
	if got := o.Leaves(in, noon); !got.At.Equal(midnight) || !got.Kept {
		t.Errorf("what never has a slot: %+v, want the first look after it expires", got)
	}
}
