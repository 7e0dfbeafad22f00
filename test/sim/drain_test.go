//go:build synctests

package sim

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/notifier/notifier/internal/sandbox"
)

// A drain ends in 10 s whatever an account's time-out is: a call without an answer is cut off, its outcome is on record and its ledger is
// released, so that the next owner holds nothing.
func TestADrainEndsInTenSecondsWithALongTimeout(t *testing.T) {
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		d := w.start(w.one("    timeout: 30s\n"))
		w.profile("u1", map[string]any{"city": "c0"})
		time.Sleep(time.Minute)
		if err := w.vendor.Arm(sandbox.Fault{Kind: "timeout_after", Times: -1, DelayMS: 120_000}); err != nil {
			t.Fatal(err)
		}
		order, profile := w.order("u1", "lamp"), w.profile("u1", map[string]any{"city": "c1"})
		time.Sleep(8 * time.Second) // both are in flight
		d.stop()                    // within 10 s
		if got := w.words()[order]; got != "UNKNOWN" {
			t.Errorf("the push in flight is %q, want UNKNOWN", got)
		}
		if err := w.vendor.Disarm(); err != nil {
			t.Fatal(err)
		}
		d = w.start(w.one("    timeout: 30s\n"))
		time.Sleep(3 * time.Minute)
		d.stop()
		if got := w.words()[profile]; got != "SENT" {
			t.Errorf("the tags in flight are %q, want SENT by the next owner", got)
		}
		w.books(3)
	})
}

// A drain ends in 10 s also where the broker does not answer what would end a transaction: of either stage. What was not committed is done by
// the next; nothing is sent twice.
func TestADrainEndsInTenSecondsWithoutTheBrokersAnswer(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.EndTxn} {
		t.Run(key.Name(), func(t *testing.T) {
			simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
				d := w.start(w.one(""))
				w.order("u1", "before")
				time.Sleep(time.Minute)
				d.cable.kafka.silence(key)
				event := w.order("u1", "lamp")
				time.Sleep(100 * time.Millisecond) // stage 1 waits for the answer
				d.stop()                           // within 10 s
				d = w.start(w.one(""))
				time.Sleep(20 * time.Minute)
				d.stop()
				switch got, n := w.words()[event], len(w.executed("/push/user.json")); {
				case got == "SENT" && n == 2:
				case got == "UNKNOWN" && n == 1 && key == kmsg.EndTxn: // the attempt is on record: the next cannot know that its call never left
				default:
					t.Errorf("the order is %q after %d pushes, want SENT by the next", got, n)
				}
				w.books(2)
			})
		})
	}
}
