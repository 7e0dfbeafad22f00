//go:build synctests

package sim

import (
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
)

// A daemon ends while a broadcast is on its way. Whatever the vendor made of it, it is not sent again: killed, nobody can know, it is
// UNKNOWN and counts as used; stopped, the daemon waits for the answer. The broadcasts behind it go as the quota allows.
func TestAnEndInTheMiddleOfABroadcast(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    sandbox.Fault
		kill     bool
		want     ledger.FateKind
		executed int // how often the vendor did it
	}{
		{"stopped, answered after 3 s", sandbox.Fault{Kind: "timeout_after", DelayMS: 3000}, false, ledger.Sent, 1},
		{"stopped, never answered", sandbox.Fault{Kind: "timeout_after"}, false, ledger.FateUnknown, 1},
		{"stopped, done a minute late", sandbox.Fault{Kind: "late", DelayMS: 60_000}, false, ledger.FateUnknown, 1},
		{"killed, done", sandbox.Fault{Kind: "timeout_after", DelayMS: 3000}, true, ledger.FateUnknown, 1},
		{"killed, not done", sandbox.Fault{Kind: "stall"}, true, ledger.FateUnknown, 0},
		{"killed, done a minute late", sandbox.Fault{Kind: "late", DelayMS: 60_000}, true, ledger.FateUnknown, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
				s := w.one("")
				d := w.start(s)
				time.Sleep(time.Minute)
				c.fault.Path = "/push.json"
				if err := w.vendor.Arm(c.fault); err != nil {
					t.Fatal(err)
				}
				t0 := time.Now()
				first := w.sale("c0", "first")
				time.Sleep(time.Second)
				rest := []string{w.sale("c1", "second"), w.sale("c2", "third")}
				if n := w.arrivals("/push.json"); c.fault.Kind == "timeout_after" && n != 1 {
					t.Fatalf("%d calls on their way, want 1", n)
				}
				if c.kill {
					d.kill()
				} else {
					d.stop()
				}
				d = w.start(s)
				time.Sleep(3 * time.Hour)
				d.stop()

				words := w.words()
				if words[first] != string(c.want) {
					t.Errorf("the first broadcast is %q, want %s", words[first], c.want)
				}
				for _, e := range rest {
					if words[e] != "SENT" {
						t.Errorf("%s behind it is %q, want SENT", e, words[e])
					}
				}
				sends := w.executed("/push.json")
				count := map[string]int{}
				for _, e := range sends {
					count[text(e)]++
				}
				if count["first"] != c.executed || count["second"] != 1 || count["third"] != 1 || len(sends) != c.executed+2 {
					t.Errorf("executed: %v, want first %d times and the others once", count, c.executed)
				}
				for _, o := range overruns(times(sends)) {
					t.Error("the vendor's limit is passed:", o)
				}
				if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 || st.Doubles != 0 {
					t.Errorf("the vendor counted %+v", st)
				}
				// One of the others is free as soon as the first can no longer start or arrive: its 6 s, a minute for lateness, and what a start
				// takes. The last waits for the hour of that one, or of the first, which may arrive up to 5 min after its time.
				bound := []time.Time{t0.Add(3 * time.Minute), t0.Add(time.Hour + 7*time.Minute)}
				for _, e := range sends {
					if text(e) == "first" {
						continue
					}
					if at(e).After(bound[0]) {
						t.Errorf("%s went at %s, want by %s", text(e), at(e).Format(time.TimeOnly), bound[0].Format(time.TimeOnly))
					}
					bound = bound[1:]
				}
				w.books(3)
			})
		})
	}
}
