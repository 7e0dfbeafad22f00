//go:build synctests

package sim

import (
	"testing"
	"time"
)

// Answers of the broker are damaged on the way to a daemon: events, intents and ledger, in which the same text stands. Nothing of a damaged
// batch is believed; it is asked for again, and what it holds is done once.
func TestDamagedRecordsAreReadAgain(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		time.Sleep(time.Minute)
		damage := func(n int) {
			t.Helper()
			d.cable.kafka.flip("Zq7xK12vB", n)
			t.Cleanup(func() {
				if d.cable.kafka.times != 0 {
					t.Errorf("%d of %d damages met nothing", d.cable.kafka.times, n)
				}
			})
		}
		damage(4) // events and intents
		want := []string{w.order("u1", "Zq7xK12vB"), w.order("u2", "Zq7xK12vB 2"), w.sale("c1", "Zq7xK12vB 3")}
		held := w.sale("c1", "Zq7xK12vB 4")
		want = append(want, held, w.sale("c1", "Zq7xK12vB 5")) // they wait in the ledger
		time.Sleep(20 * time.Minute)
		d.kill()
		d = w.start(s)
		damage(2) // the ledger, as it is restored
		time.Sleep(26 * time.Hour)
		d.stop()
		words := w.words()
		for _, e := range want {
			if words[e] != "SENT" {
				t.Errorf("%s is %q, want SENT", e, words[e])
			}
		}
		count := map[string]int{}
		for _, e := range w.executed("/push.json", "/push/user.json") {
			count[text(e)]++
		}
		for what, n := range count {
			if n != 1 {
				t.Errorf("%q was sent %d times", what, n)
			}
		}
		if len(count) != len(want) {
			t.Errorf("sent: %v, want %d texts", count, len(want))
		}
		w.books(len(want))
	})
}
