package demo

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/notifier/notifier/internal/app"
)

// The names and labels are those of metrics.md; the whole run in demo_test.go shows that the daemon has them.
func TestSnapshotOfTheMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	vec := func(name string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name}, labels)
		reg.MustRegister(v)
		return v
	}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "notifier_events_total"}, []string{"event", "result"})
	fates := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "notifier_fates_total"}, []string{"rule", "fate", "reason"})
	reg.MustRegister(events, fates)
	events.WithLabelValues("order.paid", "matched").Add(3)
	events.WithLabelValues("order.paid", "no_match").Add(20)
	events.WithLabelValues("", "ignored").Add(5)
	fates.WithLabelValues("a", "SENT", "").Add(2)
	fates.WithLabelValues("b", "SENT", "").Add(1)
	fates.WithLabelValues("b", "SUPPRESSED", "capped").Add(1)
	limit, pending := vec("notifier_quota_limit", "lane", "window"), vec("notifier_pending", "lane", "state")
	limit.WithLabelValues("main/broadcast", "2 in 1h0m0s").Set(2)
	pending.WithLabelValues("main/broadcast", "quota").Set(4)
	pending.WithLabelValues("main/broadcast", "merging").Set(1)
	pending.WithLabelValues("main/user", "quota").Set(2)
	pending.WithLabelValues("main/user", "in_flight").Set(3)
	pending.WithLabelValues("main/user", "quiet").Set(9)
	got, err := gather(reg)
	if err != nil {
		t.Fatal(err)
	}
	want := snapshot{events: 28, results: map[string]int{"matched": 3, "no_match": 20, "ignored": 5}, fates: map[string]int{"SENT": 3, "SUPPRESSED": 1},
		pending: map[string]int{"quota": 6, "merging": 1, "in_flight": 3, "quiet": 9}, busy: 1 + 2 + 3, queued: map[string]int{"main/broadcast": 4}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(snapshot{})); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

func TestIdle(t *testing.T) {
	lane := func(next time.Time) []app.QuotaLane { return []app.QuotaLane{{Lane: "main/broadcast", Next: next}} }
	for name, c := range map[string]struct {
		s     snapshot
		lanes []app.QuotaLane
		want  bool
	}{
		"nothing is pending":                {snapshot{}, lane(noon), true},
		"a merge is open":                   {snapshot{busy: 1}, lane(noon.Add(time.Hour)), false},
		"a broadcast waits for the hour":    {snapshot{queued: map[string]int{"main/broadcast": 3}}, lane(noon.Add(time.Hour)), true},
		"a broadcast has a slot, unused":    {snapshot{queued: map[string]int{"main/broadcast": 1}}, lane(noon), false},
		"another lane's slot is no concern": {snapshot{queued: map[string]int{"second/broadcast": 1}}, lane(noon), true},
	} {
		if got := c.s.idle(c.lanes, noon); got != c.want {
			t.Errorf("%s: idle is %v", name, got)
		}
	}
}
