//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"
)

// Nothing in a start waits for a tick, a long poll, a window, or a memory that has to run out: what it takes is work. Time is virtual here,
// so work takes none, and all that passes was waited for.
func TestAStartWaitsForNothing(t *testing.T) {
	simulate(t, setup{rules: twoAccounts("main"), quiet: true}, func(t *testing.T, w *world) {
		s := w.one("")
		for i, start := range []string{"the first", "after a drain", "after a kill", "after another kill"} {
			most := 50 * time.Millisecond
			if i == 0 { // topics are made
				most = 200 * time.Millisecond
			}
			w.order(fmt.Sprint("u", i), start) // for one of two partitions, and one of three topics
			began := time.Now()
			d := w.start(s)
			for len(w.executed("/push/user.json")) == i && time.Since(began) < time.Minute {
				time.Sleep(time.Millisecond)
			}
			if took := time.Since(began); took > most {
				t.Errorf("%s start: the first call came after %s of waiting, want %s at most", start, took, most)
			}
			time.Sleep(100 * time.Millisecond) // the outcome is on record
			if i == 0 {
				d.stop()
			} else {
				d.kill()
			}
		}
	})
}
