//go:build synctests

package sim

import (
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
)

// Somebody else used the quota: the vendor says 1008 although our books are empty. It is booked as external use, nobody knocks again
// within the hour, and the broadcast goes once, later.
func TestSomebodyElseUsesTheQuota(t *testing.T) {
	simulate(t, setup{}, func(t *testing.T, w *world) {
		d := w.start(w.one(""))
		if err := w.vendor.Arm(sandbox.Fault{Path: "/push.json", Kind: "answer", HTTP: 429, Body: `{"code":1008,"errorMessage":"call frequency exceeded"}`}); err != nil {
			t.Fatal(err)
		}
		event := w.sale("bj", "lamp")
		time.Sleep(time.Hour)
		if n := w.arrivals("/push.json"); n != 1 {
			t.Errorf("%d calls in the hour of the refusal, want the refused one", n)
		}
		states, err := w.reader().Ledgers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		external := 0
		for _, a := range states[0].Attempts {
			if a.State == ledger.External {
				external++
			}
		}
		if external == 0 {
			t.Error("no external charge is on record")
		}
		time.Sleep(time.Minute)
		sends := w.executed("/push.json")
		if len(sends) != 1 || text(sends[0]) != "lamp" || w.arrivals("/push.json") != 2 {
			t.Errorf("%d executed of %d calls an hour and a minute later, want 1 of 2", len(sends), w.arrivals("/push.json"))
		}
		time.Sleep(24 * time.Hour)
		d.stop()
		if got := w.words()[event]; got != "SENT" || w.arrivals("/push.json") != 2 {
			t.Errorf("fate %q after %d calls, want SENT after 2", got, w.arrivals("/push.json"))
		}
		w.books(1)
	})
}
