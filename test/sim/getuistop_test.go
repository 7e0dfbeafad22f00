//go:build synctests

package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

// A push to an audience is stopped by hand, also when the process that made it is gone: its task, once, and the record says who did it.
func TestGetuiStopsAPushToAnAudience(t *testing.T) {
	simulate(t, setup{rules: getuiRules, quiet: true}, func(t *testing.T, w *world) {
		s := w.third("")
		d := w.start(s)
		time.Sleep(time.Minute)
		event := w.sale("bj", "lamp")
		time.Sleep(time.Minute)
		d.kill()
		d = w.start(s)
		time.Sleep(5 * time.Minute)
		sent := w.fates()[event][0]
		recall := ledger.Command{Cmd: ledger.CmdRecall, Target: sent.Attempt, Expect: string(ledger.OK)}
		w.command(recall)
		recall.By, recall.Why = "li", "again"
		again, err := w.reader().Send(t.Context(), recall, -1, time.Minute)
		refused := false
		for _, a := range again {
			refused = refused || a.Refused && strings.Contains(a.Text, "recalled already")
		}
		if err != nil || !refused {
			t.Errorf("stopped once more: %+v, %v", again, err)
		}
		d.stop()
		var stops []string
		for _, e := range w.vendor.Journal(0) {
			if e.Vendor == "getui" && e.Method == "DELETE" && e.Executed {
				stops = append(stops, e.Path)
			}
		}
		if len(stops) != 1 || sent.VendorID == "" || !strings.HasSuffix(stops[0], "/task/"+sent.VendorID) {
			t.Errorf("stopped %v, want the task %s once", stops, sent.VendorID)
		}
		said := w.fates()[event]
		if n := len(said); n != 2 || said[1].Kind != "operator" || said[1].By != "li" || said[1].Lane != "third/recall" || said[1].Endpoint != "/task/{taskid}" {
			t.Errorf("on record %+v", said)
		}
		w.kept()
		w.books(1)
	})
}
