//go:build synctests

package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
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

// span is how long the troubles of TestWhateverHappens last: SIM_DAYS=14 for two weeks.
func span(t *testing.T) time.Duration {
	t.Helper()
	days := os.Getenv("SIM_DAYS")
	if days == "" {
		return 6 * time.Hour
	}
	n, err := strconv.Atoi(days)
	if err != nil || n < 1 {
		t.Fatalf("SIM_DAYS=%q: want a number of days", days)
	}
	return time.Duration(n) * 24 * time.Hour
}

// edition is a rule file that somebody saves. One in four is broken and must not take effect; the others differ in what the tags are and in
// the texts of pushes.
func edition(r *rand.Rand) (text string, broken bool) {
	text = randomRules
	switch r.IntN(4) {
	case 0:
		return text[:len(text)/2], true
	case 1:
		text = strings.Replace(text, `title: "Thanks"`, `title: "Many thanks"`, 1)
	case 2:
		text = strings.Replace(text, `tags: ["city_${city}"]`, `tags: ["city_${city}", "lives"]`, 1)
	}
	return text, false
}

// randomRules is ruleFile with orders of one user within a minute in one push.
var randomRules = ruleFile + `    merge: {by: "${product}", wait: 1m}
`

// Hours of events, or weeks with SIM_DAYS: vendor's troubles, clean and unclean ends, lost networks, lost answers, damaged records and clocks that
// differ, of two daemons and now and then a third, whose rule files are edited, each from its seed; then quiet. What holds in every one of them is the promise.
func TestWhateverHappens(t *testing.T) {
	total, length := map[string]int{}, span(t)
	for _, seed := range seeds(t, 2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			simulate(t, setup{quiet: true, rules: randomRules, after: time.Duration(seed%24) * time.Hour}, func(t *testing.T, w *world) {
				r := rand.New(rand.NewPCG(seed, 2))
				w.write("secret", sandbox.DefaultSecret)
				account := fmt.Sprintf(defaultAccount, w.dir, hosts+"    tags: {foreign: "+[]string{"keep", "drop"}[r.IntN(2)]+"}\n")
				names := []string{"a", "b", "c"}
				fleet := make([]*daemon, len(names)) // nil: not running
				broken := map[string]bool{}          // the rule files of an instance
				launch := func(i int) {
					if broken[names[i]] { // it would not start
						broken[names[i]] = false
						w.editFor(names[i], randomRules)
					}
					d := w.start(w.settingsFile(names[i], 8088+i, 1, account))
					d.cable.delay.Store(int64(time.Duration(r.IntN(5)) * time.Millisecond))
					fleet[i] = d
				}
				launch(0)
				launch(1)
				newest, texts, changes, again := map[string]string{}, map[string]string{}, 0, map[string]int{} // texts: event -> text
				var recent []func()                                                                            // repeat an event
				told := map[string]time.Time{}                                                                 // user -> the time of the newest profile event
				old := map[string]bool{}                                                                       // orders that were paid days ago
				var overtaken []string                                                                         // profile events
				event := func() {
					switch n := r.IntN(20); {
					case n == 0 && len(told) > 0: // an event that was overtaken
						user := fmt.Sprintf("u%d", r.IntN(9))
						ts, ok := told[user]
						if !ok {
							return
						}
						id := w.id("profile")
						before := ts.Add(-time.Duration(1+r.IntN(600)) * time.Second).Format(time.RFC3339Nano)
						w.produce(profiles, user, map[string]any{"event_id": id, "ts": before, "user_id": user, "profile": map[string]any{"city": "old"}})
						overtaken = append(overtaken, id)
						changes++
					case n == 1 && r.IntN(10) == 0: // or was under way for days
						id, s := w.id("order"), fmt.Sprintf("order %d", len(texts))
						texts[id], old[id] = s, true
						w.produce(orders, "u1", map[string]any{"order_id": id, "paid_at": time.Now().Add(-49 * time.Hour).Format(time.RFC3339Nano), "user_id": "u1", "product": s})
					case n < 12:
						user, city := fmt.Sprintf("u%d", r.IntN(9)), fmt.Sprintf("c%d", r.IntN(5))
						w.profile(user, map[string]any{"city": city})
						newest[user], told[user] = "city_"+city, time.Now()
						changes++
					case n < 19:
						s, user := fmt.Sprintf("order %d Zq7xK12vB", len(texts)), fmt.Sprintf("u%d", r.IntN(9))
						id, paid := w.order(user, s), now()
						texts[id] = s
						if recent = append(recent, func() {
							again[id]++
							w.produce(orders, user, map[string]any{"order_id": id, "paid_at": paid, "user_id": user, "product": s})
						}); len(recent) > 5 {
							recent = recent[1:]
						}
					default:
						s := fmt.Sprintf("sale %d", len(texts))
						texts[w.sale("c1", s)] = s
					}
				}
				calm, until, edits := false, time.Now().Add(6*time.Hour), 0
				for end := time.Now().Add(length); time.Now().Before(end); {
					if time.Now().After(until) { // a night, or another day
						calm, until = r.IntN(3) > 0, time.Now().Add(time.Duration(1+r.IntN(6))*time.Hour)
					}
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
					d := fleet[i]
					switch r.IntN(60) {
					case 0:
						d.stop()
						launch(i)
					case 1:
						d.kill()
						launch(i)
					case 2:
						d.cable.cutKafka()
					case 3:
						d.cable.cut()
					case 4, 5, 6:
						d.cable.mend()
					case 7:
						d.cable.kafka.loseCommit()
					case 8:
						d.cable.kafka.flip("Zq7xK12vB", 1+r.IntN(3))
					case 9: // the clocks of the two are off in ways of their own
						d.cable.kafka.setSkew(time.Duration(r.Int64N(int64(40*time.Minute))) - 20*time.Minute)
					case 10, 11, 12, 13:
						d.cable.kafka.setSkew(time.Duration(r.Int64N(int64(3*time.Second))) - 1500*time.Millisecond)
					case 14, 15:
						edits++
						name := names[r.IntN(len(names))]
						text, bad := edition(r)
						broken[name] = bad
						w.editFor(name, text)
					case 16:
						edits++
						text, bad := edition(r)
						for _, name := range names {
							broken[name] = bad
						}
						w.edit(text)
					case 17, 18:
						switch c := fleet[2]; {
						case c == nil:
							launch(2)
						case r.IntN(2) == 0:
							c.stop()
							fleet[2] = nil
						default:
							c.kill()
							fleet[2] = nil
						}
					case 19, 20:
						if len(recent) > 0 {
							recent[r.IntN(len(recent))]()
						}
					}
					gap := 90 * time.Second
					if calm {
						gap = 30 * time.Minute
					}
					time.Sleep(time.Duration(r.Int64N(int64(gap))))
				}
				w.edit(randomRules)
				for _, d := range fleet {
					if d != nil {
						d.cable.mend()
						d.cable.kafka.setSkew(0)
					}
				}
				if err := w.vendor.Disarm(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(18 * time.Hour)
				for _, d := range fleet {
					if d != nil {
						d.stop()
					}
				}

				sent := map[string]int{}
				for _, e := range w.executed("/push.json", "/push/user.json") {
					sent[text(e)]++
				}
				words, pending := w.words(), w.pending()
				repeats := 0
				for id, s := range texts {
					word := words[id]
					for range again[id] {
						if strings.Contains(word, "SUPPRESSED(duplicate)") {
							hit("K10", 1)
						}
						word = strings.Replace(word, "SUPPRESSED(duplicate)", "", 1)
						repeats++
					}
					word = strings.TrimSpace(word)
					if word == "" && slices.Contains(pending, id) {
						word = "pending"
					}
					sale := s[:4] == "sale"
					if !sale && !old[id] {
						total[word]++
					}
					switch {
					case old[id]:
						if word != "SUPPRESSED(expired)" || sent[s] != 0 {
							t.Errorf("%q is days old, was executed %d times, its fate is %q", s, sent[s], word)
						} else {
							hit("E10", 1)
						}
					case word == "SENT" && sent[s] == 1:
					case word == "UNKNOWN" && sent[s] <= 1:
					case word == "SUPPRESSED(expired)" && sent[s] == 0:
					case word == "SUPPRESSED(superseded-by-rule-change)" && sent[s] == 0 && edits > 0:
					case word == "pending" && sent[s] == 0 && sale:
					default:
						t.Errorf("%q was executed %d times, its fate is %q", s, sent[s], word)
					}
				}
				for _, id := range overtaken {
					if strings.Contains(words[id], "SUPPRESSED(stale)") {
						hit("K11", 1)
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
				w.books(changes + len(texts) + repeats)
			})
		})
	}
	t.Log("fates of pushes:", total)
	if total["SENT"] < 4*(total["UNKNOWN"]+total["SUPPRESSED(expired)"]+total["SUPPRESSED(superseded-by-rule-change)"]) {
		t.Errorf("most of what can be sent within its hour is to be sent: %v", total)
	}
}
