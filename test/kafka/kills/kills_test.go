package kills

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/test/chaos/harness"
)

// full is a run that proves enough.
func full() *Result {
	res := &Result{Result: harness.Result{Vendor: "rongcloud", Kills: 60, Hits: 40, Faults: map[string]int{}, FirstCall: []time.Duration{time.Second}}, Storm: map[string]int{brokerKilled: 20, rolled: 1}}
	for _, what := range weather {
		res.Storm[what] = 4
	}
	for _, f := range harness.VendorFaults("rongcloud") {
		res.Faults[f.Kind] = 2
	}
	return res
}

func TestARunThatProvesTooLittleIsNamed(t *testing.T) {
	if why := full().Vacuous(); why != "" {
		t.Errorf("a full run proves too little: %s", why)
	}
	small := full()
	small.Kills, small.Hits, small.Faults = 6, 4, nil
	if why := small.Vacuous(); why != "" {
		t.Errorf("a small run is asked for %s", why)
	}
	for want, harm := range map[string]func(*Result){
		"it had no broker killed":             func(r *Result) { delete(r.Storm, brokerKilled) },
		"it had no rolling restart":           func(r *Result) { delete(r.Storm, rolled) },
		"it had no silent link to one broker": func(r *Result) { delete(r.Storm, silentOne) },
		"only 17 of 60 kills":                 func(r *Result) { r.Hits = 17 },
		"no daemon made a call":               func(r *Result) { r.FirstCall = nil },
		"the vendor's fault drip":             func(r *Result) { delete(r.Faults, "drip") },
	} {
		r := full()
		harm(r)
		if why := r.Vacuous(); !strings.Contains(why, want) {
			t.Errorf("got %q, want %q", why, want)
		}
	}
}
