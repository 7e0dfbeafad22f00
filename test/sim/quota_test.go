//go:build synctests

package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

const (
	hourLimit = 2
	dayLimit  = 3
)

var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60) // no summer time since 1991

// overruns is this test's own count of the vendor's limits, under every reading its documentation leaves open: hour rolling or by the
// clock, day in Shanghai or in UTC.
func overruns(sends []time.Time) (out []string) {
	for i, t := range sends {
		count := map[string]int{}
		for _, s := range sends[:i+1] {
			if t.Sub(s) < time.Hour {
				count["rolling hour"]++
			}
			if t.Truncate(time.Hour).Equal(s.Truncate(time.Hour)) {
				count["clock hour"]++
			}
			for _, z := range []*time.Location{shanghai, time.UTC} {
				if t.In(z).Format(time.DateOnly) == s.In(z).Format(time.DateOnly) {
					count["day in "+z.String()]++
				}
			}
		}
		for what, n := range count {
			if most := map[bool]int{true: dayLimit, false: hourLimit}[what[0] == 'd']; n > most {
				out = append(out, fmt.Sprintf("%s is number %d of its %s", t.Format(time.DateTime), n, what))
			}
		}
	}
	slices.Sort(out)
	return out
}

// latest gives for each of n sends asked for at t0 the latest time at which a sender that never idles has sent it, if each step may take
// slack longer than the limits ask. Every constraint grows with the sends before, so the bound holds for whatever went earlier.
func latest(t0 time.Time, n int, slack time.Duration) (out []time.Time) {
	for i := range n {
		t := t0
		if i >= hourLimit {
			t = later(t, out[i-hourLimit].Add(time.Hour))
		}
		if i >= dayLimit {
			for _, z := range []*time.Location{shanghai, time.UTC} {
				y, m, d := out[i-dayLimit].In(z).Date()
				t = later(t, time.Date(y, m, d+1, 0, 0, 0, 0, z))
			}
		}
		out = append(out, t.Add(slack).UTC())
	}
	return out
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func times(es []sandbox.Entry) (out []time.Time) {
	for _, e := range es {
		out = append(out, at(e))
	}
	return out
}

// Three days of twelve broadcasts asked for at once, under two an hour and three a day, with restarts, one of them unclean.
func TestThreeDaysOfScarceQuota(t *testing.T) {
	for _, after := range []time.Duration{0, 10*time.Hour + 20*time.Minute, 15*time.Hour + 57*time.Minute} {
		t.Run(fmt.Sprint("beginning ", after, " after midnight UTC"), func(t *testing.T) {
			simulate(t, setup{after: after}, func(t *testing.T, w *world) {
				s := w.one("")
				d := w.start(s)
				texts := map[string]string{} // event -> text
				t0 := time.Now()
				for i := range 12 {
					product := fmt.Sprintf("product %d", i)
					texts[w.sale(fmt.Sprintf("c%d", i), product)] = product
				}
				for i := range 4 { // 17, 34, 51 and 68 h
					time.Sleep(17 * time.Hour)
					if i == 1 {
						d.kill()
					} else {
						d.stop()
					}
					d = w.start(s)
				}
				time.Sleep(time.Until(t0.Add(72 * time.Hour)))
				d.stop()

				sends := w.executed("/push.json", "/message/broadcast.json")
				for _, o := range overruns(times(sends)) {
					t.Error("the vendor's limit is passed:", o)
				}
				if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 || st.Doubles != 0 {
					t.Errorf("the vendor counted %+v", st)
				}
				bounds := latest(t0, len(texts), 2*time.Minute)
				due := 0
				for i, b := range bounds {
					if b.Before(t0.Add(72 * time.Hour)) {
						due = i + 1
					}
					if i < len(sends) && at(sends[i]).Sub(t0) > 24*time.Hour {
						hit("Q6", 1)
					}
					if i < len(sends) {
						t.Logf("%2d  %s  %s, by %s", i+1, at(sends[i]).Format(time.DateTime), text(sends[i]), b.Format(time.DateTime))
						if at(sends[i]).After(b) {
							t.Errorf("send %d was late", i+1)
						}
					}
				}
				if due < 9 || len(sends) < due {
					t.Errorf("%d sent, %d were possible (at least 9 in three days)", len(sends), due)
				}

				sent := map[string]int{}
				for _, e := range sends {
					sent[text(e)]++
				}
				words, pending := w.words(), w.pending()
				for event, product := range texts {
					waits := slices.Contains(pending, event)
					switch {
					case sent[product] > 1:
						t.Errorf("%s was sent %d times", event, sent[product])
					case sent[product] == 1 && (words[event] != "SENT" || waits):
						t.Errorf("%s was sent, its fate is %q, pending %v", event, words[event], waits)
					case sent[product] == 0 && (words[event] != "" || !waits):
						t.Errorf("%s was not sent, its fate is %q, pending %v", event, words[event], waits)
					}
				}
				w.books(len(texts))
			})
		})
	}
}

// The checks above must be able to fail: a vendor that allows one an hour refuses what a daemon that believes in two sends, and a
// daemon that believes in more than the vendor allows is found out by the count of overruns.
func TestTheQuotaChecksCanFail(t *testing.T) {
	simulate(t, setup{}, func(t *testing.T, w *world) {
		d := w.start(w.one("    quota: {broadcast: {hour: 4, day: 9}}\n"))
		for i := range 6 {
			w.sale(fmt.Sprintf("c%d", i), fmt.Sprintf("product %d", i))
		}
		time.Sleep(3 * time.Hour)
		d.stop()
		if n := w.vendor.Stats().RongCloud.RefusedByQuota; n == 0 {
			t.Error("a daemon that believes in four an hour was never refused")
		}
	})
	day := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, sends := range map[string][]time.Duration{
		"":                     {0, 0, time.Hour, 24 * time.Hour},
		"rolling hour":         {30 * time.Minute, 45 * time.Minute, 80 * time.Minute},
		"clock hour":           {0, time.Minute, 59 * time.Minute},
		"day in UTC":           {0, time.Hour, 17 * time.Hour, 23 * time.Hour},
		"day in Asia/Shanghai": {17 * time.Hour, 18 * time.Hour, 25 * time.Hour, 39 * time.Hour},
	} {
		var ts []time.Time
		for _, s := range sends {
			ts = append(ts, day.Add(s))
		}
		got := overruns(ts)
		found := slices.ContainsFunc(got, func(s string) bool { return len(s) > len(want) && s[len(s)-len(want):] == want })
		if (want != "") != found || want == "" && len(got) > 0 {
			t.Errorf("sends at %v: overruns %v, want one of the %q", sends, got, want)
		}
	}
}
