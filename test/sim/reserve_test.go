//go:build synctests

package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A rule keeps a slot of the day until 22:00 in the settings' zone, over the death of the process while others want it: on a day that it
// does not need it the slot is another rule's at 22:00, and on a day that it does it takes it at once and the other waits for the next day.
func TestAReservedSlotOverADeath(t *testing.T) {
	file := "version: 1\ndefaults: {owner: sim}\nrules:\n"
	for _, r := range []struct{ name, limits string }{{"notice", `reserve: 1, reserve_until: "22:00", `}, {"other", "priority: urgent, "}} {
		file += fmt.Sprintf("  - name: %[1]s\n    event: sale.opened\n    mode: live\n    class: service\n    when: city == %[1]q\n"+
			"    broadcast: {audience: {all_of: [%[1]q]}, title: t, body: \"${product}\"}\n"+
			"    limits: {%[2]squiet: none, expire: 240h}\n", r.name, r.limits)
	}
	// From 17:00 to 01:00 in Berlin it is one day of the vendor's in both readings of it, and 22:00 there is neither 22:00 in UTC nor in Shanghai.
	simulate(t, setup{after: until(moment(t, "2000-03-06T17:15:00+01:00")), zone: "Europe/Berlin", rules: file, quiet: true}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		restart := func() {
			d.kill()
			time.Sleep(time.Minute)
			d = w.start(s)
		}
		on := func(at string, asked ...string) {
			time.Sleep(time.Until(moment(t, at)))
			for _, product := range asked {
				rule := "other"
				if product[0] == 'n' {
					rule = "notice"
				}
				w.sale(rule, product)
				time.Sleep(time.Second)
			}
		}
		on("2000-03-06T17:30:00+01:00", "a1", "a2")
		on("2000-03-06T18:45:00+01:00", "a3") // the hour has slots, and the day one that is kept
		on("2000-03-06T19:00:00+01:00")
		restart()
		on("2000-03-07T17:30:00+01:00", "b1", "b2")
		on("2000-03-07T18:45:00+01:00", "b3")
		on("2000-03-07T19:00:00+01:00")
		restart()
		on("2000-03-07T19:15:00+01:00", "n1")
		on("2000-03-07T19:30:00+01:00")
		restart() // that the reserve is used is on record
		on("2000-03-08T17:30:00+01:00")
		d.stop()

		sends := w.executed("/push.json")
		var got []string
		for _, e := range sends {
			got = append(got, text(e))
		}
		if want := []string{"a1", "a2", "a3", "b1", "b2", "n1", "b3"}; !slices.Equal(got, want) {
			t.Fatalf("broadcasts left as %v at %v, want %v", got, times(sends), want)
		}
		for i, leaves := range []string{"2000-03-06T17:30:00+01:00", "2000-03-06T17:30:00+01:00", "2000-03-06T22:00:00+01:00",
			"2000-03-07T17:30:00+01:00", "2000-03-07T17:30:00+01:00", "2000-03-07T19:15:00+01:00", "2000-03-08T17:00:00+01:00"} {
			if want := moment(t, leaves); at(sends[i]).Before(want) || at(sends[i]).Sub(want) > time.Minute {
				t.Errorf("%s left at %s, want %s", got[i], at(sends[i]).In(want.Location()).Format(time.RFC3339), leaves)
			}
		}
		for _, o := range overruns(times(sends)) {
			t.Error("the vendor's limit is passed:", o)
		}
		w.books(7)
	})
}
