//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"
)

// starts gives how long the first call took after each of several starts: the first, one after a drain, the rest after kills.
func (w *world) starts(n int) (took []time.Duration) {
	s := w.one("")
	for i := range n {
		w.order(fmt.Sprint("u", i), fmt.Sprint("start ", i)) // for one of many partitions, and one of three topics
		began := time.Now()
		d := w.start(s)
		for len(w.executed("/push/user.json")) == i && time.Since(began) < time.Hour {
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(began))
		time.Sleep(100 * time.Millisecond) // the outcome is on record
		if i == 0 {
			d.stop()
		} else {
			d.kill()
		}
	}
	return took
}

// Nothing in a start waits for a tick, a long poll, a window, or a memory that has to run out: what it takes is work. Time is virtual here,
// so work takes none, and all that passes was waited for. The partitions are many because the client takes them in one by one.
func TestAStartWaitsForNothing(t *testing.T) {
	simulate(t, setup{rules: twoAccounts("main"), quiet: true, parts: 50}, func(t *testing.T, w *world) {
		for i, took := range w.starts(6) {
			most := 50 * time.Millisecond
			if i == 0 { // topics are made
				most = 200 * time.Millisecond
			}
			if took > most {
				t.Errorf("start %d: the first call came after %s of waiting, want %s at most", i, took, most)
			}
		}
	})
}
