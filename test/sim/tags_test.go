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

// ambiguity is what may befall a tag call that the vendor executes, or may have executed: at once with the answer lost, or up to
// 55 s after the client gave up.
func ambiguity(r *rand.Rand) sandbox.Fault {
	f := sandbox.Fault{Lane: []string{"tag", "tag-batch"}[r.IntN(2)], Times: 1 + r.IntN(3), Probability: 0.3 + 0.7*r.Float64()}
	switch r.IntN(6) {
	case 0, 1, 2:
		f.Kind, f.DelayMS = "late", 1+r.Int64N(55_000)
	case 3:
		f.Kind = "timeout_after"
	case 4:
		f.Kind = "reset_after"
	case 5:
		f.Kind = "http_5xx"
	}
	return f
}

// Whatever the vendor does with single calls, and however late, a user ends up with the tags of the newest event: 200 schedules of events
// and faults, each from its seed. Every fourth also has a restart, clean or not, in the middle.
func TestTheNewestTagsWin(t *testing.T) {
	schedules, late := seeds(t, 200), 0
	for _, seed := range schedules {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
				r := rand.New(rand.NewPCG(seed, 0))
				more := "    tags: {delay: " + []string{"0s", "1s", "5s"}[r.IntN(3)] + ", foreign: " + []string{"keep", "drop"}[r.IntN(2)] + "}\n"
				s := w.one(more)
				d := w.start(s)
				users := 1 + r.IntN(4)
				newest := map[string]string{}
				change := func() {
					user, city := fmt.Sprintf("u%d", r.IntN(users)), fmt.Sprintf("c%d", r.IntN(4))
					w.profile(user, map[string]any{"city": city})
					newest[user] = "city_" + city
				}
				steps := 4 + r.IntN(10)
				restart := -1
				if seed%4 == 3 {
					restart = r.IntN(steps)
				}
				for i := range steps {
					if r.IntN(2) == 0 {
						if err := w.vendor.Arm(ambiguity(r)); err != nil {
							t.Fatal(err)
						}
					}
					change()
					if r.IntN(4) == 0 {
						change() // within one linger
					}
					time.Sleep(time.Duration(r.Int64N(int64(30 * time.Second))))
					if i == restart {
						if r.IntN(2) == 0 {
							d.stop()
						} else {
							d.kill()
						}
						d = w.start(s)
					}
				}
				// Every fault is met at the latest by the rewrites; then 6 s of call, 60 s of lateness, a rewrite, and the same again.
				time.Sleep(5 * time.Minute)
				if err := w.vendor.Disarm(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Minute)
				d.stop()
				tags := w.vendor.Tags(sandbox.DefaultKey)
				for user, want := range newest {
					if got := tags[user]; !slices.Equal(got, []string{want}) {
						t.Errorf("%s has %v, its newest event asks for %s", user, got, want)
					}
				}
				for _, e := range w.vendor.Journal(0) {
					if e.Fault == "late" && e.Executed {
						late++
					}
				}
				if t.Failed() {
					for _, e := range w.vendor.Journal(0) {
						t.Log(at(e).Format(time.TimeOnly+".000"), e.Path, string(e.Body), e.HTTP, e.Code, "executed", e.Executed, e.Fault)
					}
				}
				for event, words := range w.words() {
					if words != "SENT" && words != "COALESCED" && words != "SUPPRESSED(unchanged)" {
						t.Errorf("%s: %s", event, words)
					}
				}
				w.books(w.events["profile"])
			})
		})
	}
	if len(schedules) >= 200 && late < 50 {
		t.Errorf("only %d calls in all schedules were executed late: the schedules prove little", late)
	}
	t.Logf("%d calls were executed after the client had given up", late)
}
