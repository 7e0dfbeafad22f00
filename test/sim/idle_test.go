//go:build synctests

package sim

import (
	"testing"
	"time"
)

// A day without events: no call to the vendor, and the ledger does not grow by the minute.
func TestADayOfIdle(t *testing.T) {
	simulate(t, setup{}, func(t *testing.T, w *world) {
		d := w.start(w.one(""))
		w.profile("u1", map[string]any{"city": "bj"})
		w.sale("bj", "lamp")
		time.Sleep(10 * time.Minute)
		calls, length := w.vendor.Stats().RongCloud.Calls, w.ledgerEnd()
		if calls < 2 {
			t.Errorf("%d calls for a tag and a broadcast", calls)
		}
		time.Sleep(24 * time.Hour)
		if n := w.vendor.Stats().RongCloud.Calls - calls; n != 0 {
			t.Errorf("%d calls on a day without events", n)
		}
		// Twice a day each transactional id commits its position: two records and two markers a beat; and what is forgotten after a day.
		if n := w.ledgerEnd() - length; n > 20 {
			t.Errorf("the ledger grew by %d offsets on a day without events", n)
		}
		d.stop()
		w.books(2)
	})
}
