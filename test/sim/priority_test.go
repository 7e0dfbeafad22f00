//go:build synctests

package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Broadcasts of every priority are asked for while there is no slot, the least first; the process dies, and two more come. They leave by
// priority, and of one priority that first which expires first.
func TestScarceSlotsGoByPriorityOverADeath(t *testing.T) {
	file := "version: 1\ndefaults: {owner: sim}\nrules:\n"
	for _, r := range []struct{ name, priority, expire string }{
		{"low", "low", "200h"}, {"normal", "normal", "200h"}, {"soon", "normal", "100h"}, {"high", "high", "200h"}, {"urgent", "urgent", "200h"},
	} {
		file += fmt.Sprintf("  - name: %[1]s\n    event: sale.opened\n    mode: live\n    class: service\n    when: city == %[1]q\n"+
			"    broadcast: {audience: {all_of: [%[1]q]}, title: t, body: \"${product}\"}\n"+
			"    limits: {quiet: none, priority: %[2]s, expire: %[3]s}\n", r.name, r.priority, r.expire)
	}
	simulate(t, setup{rules: file, quiet: true, after: 16*time.Hour + 10*time.Minute}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		time.Sleep(time.Minute)
		asked := func(rules ...string) {
			for _, r := range rules {
				w.sale(r, r)
				time.Sleep(time.Second)
			}
		}
		asked("low")
		asked("normal")
		time.Sleep(time.Minute) // both leave: they took the hour
		asked("low", "normal", "soon", "high")
		time.Sleep(10 * time.Minute)
		d.kill()
		d = w.start(s)
		time.Sleep(5 * time.Minute)
		asked("urgent", "high")
		time.Sleep(4 * 24 * time.Hour)
		d.stop()
		sends := w.executed("/push.json")
		var got []string
		for _, e := range sends {
			got = append(got, text(e))
		}
		if want := strings.Fields("low normal urgent high high soon normal low"); !slices.Equal(got, want) {
			t.Errorf("broadcasts left as %v, want %v", got, want)
		}
		for _, o := range overruns(times(sends)) {
			t.Error("the vendor's limit is passed:", o)
		}
		w.books(8)
	})
}
