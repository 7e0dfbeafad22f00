//go:build synctests

package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
)

// definite is trouble after which it is certain what the vendor did: slow answers within the time-out, refusals for now, refused connections.
func definite(r *rand.Rand) sandbox.Fault {
	f := sandbox.Fault{Kind: "timeout_after", Times: 5 + r.IntN(20), Probability: 0.5 + 0.5*r.Float64(), DelayMS: 500 + r.Int64N(4000)}
	switch r.IntN(5) {
	case 0:
		f = sandbox.Fault{Kind: "answer", HTTP: 429, Body: `{"code":1008,"errorMessage":"call frequency exceeded"}`, Times: 1, Lane: []string{"tag", "user"}[r.IntN(2)]}
	case 1:
		f = sandbox.Fault{Kind: "refuse", Host: []string{"primary", "*"}[r.IntN(2)], DelayMS: 1 + r.Int64N(3000)}
	}
	return f
}

// drains is how often TestDrains drains: SIM_DRAINS=1000 for a campaign.
func drains(t *testing.T) int {
	t.Helper()
	n := 40
	if s := os.Getenv("SIM_DRAINS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 {
			t.Fatalf("SIM_DRAINS=%q: want a number", s)
		}
	}
	return n
}

// SIGTERM in the middle of work, again and again, with a vendor that is slow, busy or not to be reached, but never unclear: each drain ends in 10 s
// with nothing in flight, no outcome is UNKNOWN, and nothing is sent twice.
func TestDrains(t *testing.T) {
	const perWorld = 40 // a ledger that is never compacted makes each start slower than the one before
	for done := 0; done < drains(t); done += perWorld {
		t.Run(fmt.Sprint("from ", done), func(t *testing.T) {
			simulate(t, setup{quiet: true, hasty: true}, func(t *testing.T, w *world) {
				r := rand.New(rand.NewPCG(uint64(done), 9))
				s := w.one("")
				texts, changes := map[string]string{}, 0 // event -> text
				met := 0
				for range min(perWorld, drains(t)-done) {
					d := w.start(s)
					time.Sleep(5 * time.Second)
					if err := w.vendor.Arm(definite(r)); err != nil {
						t.Fatal(err)
					}
					for range 5 + r.IntN(10) {
						user := fmt.Sprintf("u%d", r.IntN(9))
						if r.IntN(2) == 0 {
							w.profile(user, map[string]any{"city": fmt.Sprintf("c%d", r.IntN(5))})
							changes++
						} else {
							text := fmt.Sprintf("order %d", len(texts))
							texts[w.order(user, text)] = text
						}
						if r.IntN(20) == 0 {
							text := fmt.Sprintf("sale %d", len(texts))
							texts[w.sale("c1", text)] = text
						}
						time.Sleep(time.Duration(r.Int64N(int64(400 * time.Millisecond))))
					}
					busy := d.inFlight() > 0
					d.stop() // within 10 s
					states, err := w.reader().Ledgers(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for _, a := range states[0].Attempts {
						if a.State == ledger.Started {
							t.Errorf("attempt %s is open after a drain", a.ID)
						}
					}
					if busy {
						met++
					}
					if err := w.vendor.Disarm(); err != nil {
						t.Fatal(err)
					}
				}
				d := w.start(s)
				time.Sleep(15 * time.Minute)
				d.stop()
				t.Logf("%d drains with calls in flight", met)
				if met < min(perWorld, drains(t)-done)/4 {
					t.Errorf("only %d drains met calls in flight", met)
				}
				sent := map[string]int{}
				for _, e := range w.executed("/push.json", "/push/user.json") {
					sent[text(e)]++
				}
				words := w.words()
				for id, text := range texts {
					switch {
					case words[id] == "SENT" && sent[text] == 1:
					case words[id] == "" && sent[text] == 0 && text[:4] == "sale": // waits for a slot
					default:
						t.Errorf("%q was executed %d times, its fate is %q", text, sent[text], words[id])
					}
				}
				if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 || st.Doubles != 0 {
					t.Errorf("the vendor counted %+v", st)
				}
				w.books(changes + len(texts))
			})
		})
	}
}
