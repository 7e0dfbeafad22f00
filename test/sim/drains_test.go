//go:build synctests

package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
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

// drains is how often TestDrains drains, and TestRollingDrains half as often: SIM_DRAINS=1000 for a campaign.
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

// Two processes share four partitions and are replaced in turn, in the middle of work and of each other's coming and going, while a vendor
// that is slow but never unclear is called: whatever the group takes from a process, and whenever, is handed over with nothing in flight, so
// no outcome is UNKNOWN and nothing is sent twice.
func TestRollingDrains(t *testing.T) {
	const partitions = 4
	var apps []sandbox.App
	var names []string
	for i, taken := 0, map[int]bool{}; len(apps) < partitions; i++ {
		key := fmt.Sprintf("app-key-%d", i)
		if p := ledger.HashPartition([]byte("rongcloud:"+key), partitions); !taken[p] {
			taken[p] = true
			names = append(names, fmt.Sprintf("account%d", i))
			apps = append(apps, sandbox.App{Vendor: "rongcloud", Key: key, Secret: "secret-" + key})
		}
	}
	for done := 0; done < drains(t)/2; done += 40 {
		t.Run(fmt.Sprint("from ", done), func(t *testing.T) {
			simulate(t, setup{apps: apps, rules: twoAccounts(names...), quiet: true, hasty: true}, func(t *testing.T, w *world) {
				accounts := ""
				for i, app := range apps {
					w.write(app.Secret, app.Secret)
					accounts += fmt.Sprintf("\n  %s:\n    app_key: %s\n    secret: \"${file:%s/%s}\"%s    brake: 1000000 in 10m\n", names[i], app.Key, w.dir, app.Secret, hosts)
				}
				w.dial = func(ctx context.Context, network, addr string) (net.Conn, error) { // a broker far away: what takes partitions over takes seconds
					time.Sleep(200 * time.Millisecond)
					return w.net.DialContext(ctx, network, addr)
				}
				r := rand.New(rand.NewPCG(uint64(done), 10))
				files := []*settings.Settings{w.settingsFile("a", 8088, partitions, accounts), w.settingsFile("b", 8089, partitions, accounts)}
				daemons := []*daemon{w.start(files[0]), w.start(files[1])}
				time.Sleep(time.Minute)
				if err := w.vendor.Arm(sandbox.Fault{Kind: "timeout_after", Times: 1 << 30, Probability: 0.3, DelayMS: 3000}); err != nil {
					t.Fatal(err)
				}
				ended, fed := make(chan struct{}), make(chan struct{})
				var texts []string
				go func() {
					defer close(fed)
					for i := 0; ; i++ {
						select {
						case <-ended:
							return
						case <-time.After(200 * time.Millisecond):
						}
						texts = append(texts, fmt.Sprintf("order %d", i))
						w.order(fmt.Sprintf("u%d", i%9), texts[i])
					}
				}()
				met := 0
				for i := range min(40, drains(t)/2-done) {
					// as soon as it has come back, while partitions go to and fro, or later
					time.Sleep(time.Duration(r.Int64N(int64(6 * time.Second))))
					d := daemons[i%2]
					if d.inFlight() > 0 {
						met++
					}
					d.stop()
					states, err := w.reader().Ledgers(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for p, st := range states {
						for _, a := range st.Attempts {
							if a.State == ledger.Unknown || a.State == ledger.Started && strings.HasPrefix(a.Owner, d.name+"-") {
								t.Errorf("%s: after drain %d, of %s: attempt %s on partition %d, begun by %s, is %s: %s", time.Now().Format("02 15:04:05.000"), i, d.name, a.ID, p, a.Owner, a.State, a.Detail)
							}
						}
					}
					if t.Failed() {
						break
					}
					daemons[i%2] = w.start(files[i%2])
				}
				close(ended)
				<-fed
				time.Sleep(15 * time.Minute)
				for _, d := range daemons {
					d.stop()
				}
				t.Logf("%d drains with calls in flight", met)
				if met < min(40, drains(t)/2-done)/4 {
					t.Errorf("only %d drains met calls in flight", met)
				}
				sent := map[string]int{}
				for _, e := range w.executed("/push/user.json") {
					sent[text(e)]++
				}
				for _, text := range texts {
					if sent[text] != partitions {
						t.Errorf("%q was executed %d times, want once for each account", text, sent[text])
					}
				}
				w.books(partitions * len(texts))
				for _, line := range w.unsaid { // a take-over goes on through the other's coming and going
					if strings.Contains(line, "left the dispatch group") {
						t.Error(line)
					}
				}
			})
		})
	}
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
