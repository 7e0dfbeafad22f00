//go:build synctests

package sim

import (
	"strings"
	"testing"
	"time"
)

// dayFile is ruleFile with pushes that are worth a day.
var dayFile = strings.Replace(ruleFile, "expire: 1h}", "expire: 24h}", 1)

// The broker's clock and this machine's differ, by seconds or by hours, either way, for an hour in which the process dies: broadcasts
// wait, for nobody knows which day it is; what is limited by the second goes on. When they agree again everything leaves, within the quota. A clock
// that was ahead is waited for at half its speed.
func TestClocksThatDisagree(t *testing.T) {
	for _, c := range []struct {
		name string
		skew time.Duration // the broker's clock minus ours
		by   time.Duration // after they agree
	}{
		{"ours is 5 s ahead", -5 * time.Second, 5 * time.Minute},
		{"ours is two hours ahead", -2 * time.Hour, 5 * time.Minute},
		{"ours is 5 s behind", 5 * time.Second, 5 * time.Minute},
		{"ours is two hours behind", 2 * time.Hour, 4*time.Hour + 5*time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, setup{quiet: true, rules: dayFile, after: 20 * time.Hour}, func(t *testing.T, w *world) {
				s := w.one("")
				d := w.start(s)
				before := w.sale("c0", "before")
				time.Sleep(time.Minute)
				skew := func() { d.cable.kafka.setSkew(c.skew) }
				skew()
				waits, goes := w.sale("c0", "waits"), w.order("u1", "goes")
				time.Sleep(20 * time.Minute)
				d.kill()
				d = w.start(s)
				skew()
				time.Sleep(20 * time.Minute)
				later := w.order("u2", "later")
				time.Sleep(20 * time.Minute)
				words := w.words()
				for event, want := range map[string]string{before: "SENT", waits: "", goes: "SENT", later: "SENT"} {
					if words[event] != want {
						t.Errorf("while the clocks differ by %s, %s is %q, want %q", c.skew, event, words[event], want)
					}
				}
				if n := w.arrivals("/push.json"); n != 1 {
					t.Errorf("%d broadcasts left while the clocks differ, want the one before", n)
				}
				if d.gauge("notifier_clock_skew_seconds") == 0 {
					t.Error("notifier_clock_skew_seconds tells nothing")
				}
				d.cable.kafka.setSkew(0)
				agree := time.Now()
				time.Sleep(8 * time.Hour)
				d.stop()
				if got := w.words()[waits]; got != "SENT" {
					t.Errorf("8 h after the clocks agree the broadcast is %q, want SENT", got)
				}
				sends := w.executed("/push.json")
				if len(sends) != 2 {
					t.Fatalf("%d broadcasts, want 2", len(sends))
				}
				if after := at(sends[1]).Sub(agree); after < 0 || after > c.by {
					t.Errorf("the broadcast left %s after the clocks agree, want within %s", after, c.by)
				}
				for _, o := range overruns(times(sends)) {
					t.Error("the vendor's limit is passed:", o)
				}
				w.books(4)
			})
		})
	}
}
