//go:build synctests

package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

// productSession is the session time-out of both groups when nobody sets another.
const productSession = 10 * time.Second

// The one of two daemons that owns the partition dies, twenty times at any moment between two heartbeats. The other owns it within a session
// time-out and a second. What comes while it is dead, or came before, is at the vendor within a second more: offsets that the dead was about to commit
// in stage 1 are asked for again after a second.
func TestAnotherTakesOverWithinASessionAndASecond(t *testing.T) {
	simulate(t, setup{quiet: true, hasty: true}, func(t *testing.T, w *world) {
		w.write("secret", sandbox.DefaultSecret)
		account := fmt.Sprintf(defaultAccount, w.dir, hosts)
		names := []string{"a", "b"}
		var fleet []*daemon
		for i, name := range names {
			fleet = append(fleet, w.start(w.settingsFile(name, 8088+i, 1, account)))
		}
		time.Sleep(time.Minute)
		r := rand.New(rand.NewPCG(4, 4))
		asked := map[string]time.Time{} // text -> when it is due
		var waits []time.Duration
		for round := range 20 {
			time.Sleep(time.Duration(r.Int64N(int64(4 * time.Second))))
			owner := slices.IndexFunc(fleet, func(d *daemon) bool { return len(d.owned()) == 1 })
			if owner < 0 {
				t.Fatalf("round %d: nobody owns the partition", round)
			}
			fleet[owner].kill()
			died := time.Now()
			took := time.Duration(0)
			for i := 0; time.Since(died) < productSession+3*time.Second; i++ {
				if i%5 == 0 {
					product := fmt.Sprintf("order %d.%d", round, i)
					w.order(fmt.Sprintf("u%d", i%7), product)
					asked[product] = later(died.Add(productSession), time.Now()).Add(2 * time.Second)
				}
				if d := time.Since(died); took == 0 && d > productSession/2 && len(fleet[1-owner].owned()) == 1 {
					took = d
				}
				time.Sleep(50 * time.Millisecond)
			}
			if took == 0 || took > productSession+time.Second {
				t.Errorf("round %d: the other took the partition over after %s (0: not), want within %s", round, took, productSession+time.Second)
			}
			waits = append(waits, took)
			fleet[owner] = w.start(w.settingsFile(names[owner], 8088+owner, 1, account))
			time.Sleep(time.Minute)
		}
		for _, d := range fleet {
			d.stop()
		}
		slices.Sort(waits)
		t.Logf("from death to the other as owner: %s to %s, median %s", waits[0], waits[len(waits)-1], waits[len(waits)/2])
		arrived := map[string]time.Time{}
		for _, e := range w.executed("/push/user.json") {
			if _, twice := arrived[text(e)]; twice {
				t.Errorf("%s was sent twice", text(e))
			}
			arrived[text(e)] = at(e)
		}
		for product, due := range asked {
			if at, ok := arrived[product]; !ok || at.After(due) {
				t.Errorf("%s arrived at %s, due by %s", product, at.Format("15:04:05.000"), due.Format("15:04:05.000"))
			}
		}
		w.books(len(asked))
	})
}
