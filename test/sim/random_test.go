//go:build synctests

package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

// seeds gives the seeds of a test: SIM_SEED for one, SIM_SEEDS=from-to for a campaign.
func seeds(t *testing.T, n uint64) (out []uint64) {
	t.Helper()
	from, to := uint64(0), n
	if one := os.Getenv("SIM_SEED"); one != "" {
		s, err := strconv.ParseUint(one, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		from, to = s, s+1
	} else if span := os.Getenv("SIM_SEEDS"); span != "" {
		if _, err := fmt.Sscanf(span, "%d-%d", &from, &to); err != nil {
			t.Fatalf("SIM_SEEDS=%q: want from-to: %v", span, err)
		}
	}
	for s := from; s < to; s++ {
		out = append(out, s)
	}
	return out
}

// trouble is anything the vendor may do to a call. Definite refusals of a tag set are left out: after one the user keeps the old set by
// design, until the next event.
func trouble(r *rand.Rand) sandbox.Fault {
	kinds := []string{"http_5xx", "reset_before", "stall", "answer_after", "reset_after", "timeout_after", "late", "stall_after", "truncate", "drip", "answer"}
	f := sandbox.Fault{Kind: kinds[r.IntN(len(kinds))], Lane: []string{"tag", "tag-batch", "tag-get", "user", "broadcast"}[r.IntN(5)], Times: 1 + r.IntN(3), Probability: 0.3 + 0.7*r.Float64()}
	switch f.Kind {
	case "late":
		f.DelayMS = 1 + r.Int64N(55_000)
	case "timeout_after", "stall":
		f.DelayMS = r.Int64N(9_000) // 0: until the client leaves
	case "drip":
		f.DelayMS = 1 + r.Int64N(300)
	case "answer_after":
		f.HTTP, f.Body = 500, `{"code":1000,"errorMessage":"server internal error"}`
	case "answer":
		f.HTTP, f.Body = 429, `{"code":1008,"errorMessage":"call frequency exceeded"}`
	}
	return f
}

// Six hours of events, vendor's troubles, clean and unclean ends and lost networks of two daemons, each from its seed; then quiet. What
// holds in every one of them is the promise.
func TestWhateverHappens(t *testing.T) {
	total := map[string]int{}
	for _, seed := range seeds(t, 4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			simulate(t, setup{quiet: true, after: time.Duration(seed%24) * time.Hour}, func(t *testing.T, w *world) {
				r := rand.New(rand.NewPCG(seed, 2))
				w.write("secret", sandbox.DefaultSecret)
				account := fmt.Sprintf(defaultAccount, w.dir, hosts+"    tags: {foreign: "+[]string{"keep", "drop"}[r.IntN(2)]+"}\n")
				names := []string{"a", "b"}
				var fleet []*daemon
				launch := func(i int) *daemon {
					d := w.start(w.settingsFile(names[i], 8088+i, 1, account))
					d.cable.delay.Store(int64(time.Duration(r.IntN(5)) * time.Millisecond))
					return d
				}
				for i := range names {
					fleet = append(fleet, launch(i))
				}
				newest, texts, changes := map[string]string{}, map[string]string{}, 0 // texts: event -> text
				event := func() {
					switch n := r.IntN(20); {
					case n < 12:
						user, city := fmt.Sprintf("u%d", r.IntN(9)), fmt.Sprintf("c%d", r.IntN(5))
						w.profile(user, map[string]any{"city": city})
						newest[user] = "city_" + city
						changes++
					case n < 19:
						s := fmt.Sprintf("order %d", len(texts))
						texts[w.order(fmt.Sprintf("u%d", r.IntN(9)), s)] = s
					default:
						s := fmt.Sprintf("sale %d", len(texts))
						texts[w.sale("c1", s)] = s
					}
				}
				for end := time.Now().Add(6 * time.Hour); time.Now().Before(end); {
					for range 1 + r.IntN(4) {
						event()
					}
					if r.IntN(6) == 0 {
						if err := w.vendor.Arm(trouble(r)); err != nil {
							t.Fatal(err)
						}
					} else if r.IntN(6) == 0 { // trouble passes: what nobody met does not wait for the lane that is closed because of it
						if err := w.vendor.Disarm(); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(time.Duration(r.Int64N(int64(100 * time.Millisecond))))
					i := r.IntN(2)
					switch r.IntN(40) {
					case 0:
						fleet[i].stop()
						fleet[i] = launch(i)
					case 1:
						fleet[i].kill()
						fleet[i] = launch(i)
					case 2:
						fleet[i].cable.cutKafka()
					case 3:
						fleet[i].cable.cut()
					case 4, 5, 6:
						fleet[i].cable.mend()
					}
					time.Sleep(time.Duration(r.Int64N(int64(90 * time.Second))))
				}
				for _, d := range fleet {
					d.cable.mend()
				}
				if err := w.vendor.Disarm(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(18 * time.Hour)
				for _, d := range fleet {
					d.stop()
				}

				sent := map[string]int{}
				for _, e := range w.executed("/push.json", "/push/user.json") {
					sent[text(e)]++
				}
				words, pending := w.words(), w.pending()
				for id, s := range texts {
					word := words[id]
					if word == "" && slices.Contains(pending, id) {
						word = "pending"
					}
					total[word]++
					switch {
					case word == "SENT" && sent[s] == 1:
					case word == "UNKNOWN" && sent[s] <= 1:
					case word == "SUPPRESSED(expired)" && sent[s] == 0:
					case word == "pending" && sent[s] == 0 && s[:4] == "sale":
					default:
						t.Errorf("%q was executed %d times, its fate is %q", s, sent[s], word)
					}
				}
				tags := w.vendor.Tags(sandbox.DefaultKey)
				for user, want := range newest {
					if !slices.Equal(tags[user], []string{want}) {
						t.Errorf("%s has %v, its newest event asks for %s", user, tags[user], want)
					}
				}
				for _, o := range overruns(times(w.executed("/push.json"))) {
					t.Error("the vendor's limit is passed:", o)
				}
				if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 || st.Doubles != 0 || st.RequestIDConflicts != 0 || st.MaxPerConnection >= 80 {
					t.Errorf("the vendor counted %+v", st)
				}
				w.books(changes + len(texts))
			})
		})
	}
	t.Log("fates of pushes and broadcasts:", total)
	if total["SENT"] < 5*(total["UNKNOWN"]+total["SUPPRESSED(expired)"]) {
		t.Errorf("most of what can be sent within its hour is to be sent: %v", total)
	}
}
