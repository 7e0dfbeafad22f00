package app

import (
	"maps"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// RatesOver is the time over which RatesOf counts.
const RatesOver = time.Minute

// QuotaRate is how busy a lane with a rate was.
type QuotaRate struct {
	Lane      string
	PerSecond float64
	Limit     float64 // per second
	Receivers bool    // counted are users who get something, not calls
}

// RatesOf counts what left by an account's lanes with a rate, from the fates of the last RatesOver: users where they count at the vendor,
// calls elsewhere. A lane by which nothing left is told too.
func RatesOf(s *settings.Settings, account string, fates []ledger.Fate) (out []QuotaRate) {
	for i := range s.Accounts {
		ac := &s.Accounts[i]
		if ac.Name != account {
			continue
		}
		lanes := lanesOf(ac)
		for _, name := range slices.Sorted(maps.Keys(lanes)) {
			pol := lanes[name]
			if pol.Rate == 0 || len(pol.Limits) > 0 || pol.Window > 10*time.Second {
				continue
			}
			r := QuotaRate{Lane: ac.Name + "/" + name, Limit: float64(pol.Rate), Receivers: name == "user"}
			calls := map[string]bool{}
			n := 0
			for _, f := range fates {
				if f.Lane == r.Lane && f.Attempt != "" && f.Resolves == "" {
					n++
					calls[f.Attempt] = true
				}
			}
			if !r.Receivers {
				n = len(calls)
			}
			r.PerSecond = float64(n) / RatesOver.Seconds()
			out = append(out, r)
		}
	}
	return out
}
