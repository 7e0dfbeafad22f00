//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"
)

// The quota in the settings is raised and lowered in the middle of its windows, each time with a restart. What is lowered counts what was sent
// under the higher limit; what is raised holds from the next call on.
func TestTheQuotaIsChangedInTheMiddleOfItsWindows(t *testing.T) {
	simulate(t, setup{quiet: true, after: 16*time.Hour + 10*time.Minute}, func(t *testing.T, w *world) { // both days have hours left
		limits := func(hour, day int) *daemon {
			return w.start(w.one(fmt.Sprintf("    quota: {broadcast: {hour: %d, day: %d}}\n", hour, day)))
		}
		sent := func(n int, when string) {
			t.Helper()
			time.Sleep(5 * time.Minute)
			if got := len(w.executed("/push.json")); got != n {
				t.Errorf("%s: %d broadcasts left, want %d", when, got, n)
			}
		}
		change := func(d *daemon, hour, day int) *daemon {
			d.stop()
			hit("Q3", 1)
			return limits(hour, day)
		}
		d := limits(1, 3)
		time.Sleep(time.Minute)
		for _, product := range []string{"a", "b", "c"} {
			w.sale("c0", product)
		}
		sent(1, "one an hour")
		d = change(d, 2, 3)
		sent(2, "raised to two an hour")
		d = change(d, 1, 3)
		time.Sleep(50 * time.Minute) // both are still in the hour
		sent(2, "lowered to one an hour, with two in it")
		d = change(d, 2, 2)
		time.Sleep(2 * time.Hour) // the hour is free
		sent(2, "lowered to two a day, with two in it")
		d = change(d, 2, 3)
		sent(3, "raised to three a day")
		d.stop()
		for _, o := range overruns(times(w.executed("/push.json"))) {
			t.Error("the vendor's limit is passed:", o)
		}
		w.books(3)
	})
}
