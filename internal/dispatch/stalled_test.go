package dispatch

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// A vendor that refuses connections is on record while it does, also for the next owner: /readyz, `status` and the alarm read it. The
// lane goes on trying, and the first call that gets through takes the record back.
func TestALaneWhoseCallsDoNotGetThroughSaysSo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lane  string
		class Class
	}{{"user", ClassNotSent}, {LaneTagGet, ClassUnknown}} {
		t.Run(c.lane, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var well atomic.Bool
			b.vendor.answer = func(int, *Call) Outcome {
				if well.Load() {
					return Outcome{Class: ClassOK, Code: 200}
				}
				return Outcome{Class: c.class, Detail: "connection refused"}
			}
			if c.lane == LaneTagGet {
				b.vendor.refuse = func([]string) *Outcome {
					if o := b.vendor.answer(0, nil); o.Class != ClassOK {
						return &o
					}
					return nil
				}
			}
			m := NewMetrics(prometheus.NewRegistry())
			stop := b.start(b.account(), func(o *Options) { o.Metrics = m })
			in := b.intent("e1", "r", "u-1", intent.Push)
			if c.lane == LaneTagGet {
				in = b.profile("e1", "u-1", 1, map[string]string{"city": "bj"})
			}
			b.produce(in)
			key := "stub:k/" + c.lane
			st := b.state("a stalled lane", func(st *ledger.State) bool { return st.Lanes[key].Misses >= 3 })
			if l := st.Lanes[key]; l.Reason != "breaker" || !strings.Contains(l.Detail, "calls in a row did not get through, the last: connection refused") || !l.Retry.After(l.Since) {
				t.Errorf("on record: %+v", l)
			}
			held := m.held.WithLabelValues("main/"+c.lane, "breaker")
			if v := gaugeOf(t, held); v != 1 {
				t.Errorf("notifier_lane_held is %v", v)
			}
			stop()
			if v := gaugeOf(t, held); v != 0 {
				t.Errorf("notifier_lane_held of a partition that is not ours is %v", v)
			}
			since := st.Lanes[key].Since
			b.start(b.account(), func(o *Options) { o.Metrics = m; o.Instance = "b" })
			st = b.state("the next owner tries, and knows since when", func(now *ledger.State) bool { return now.Lanes[key].Misses > st.Lanes[key].Misses+1 })
			if !st.Lanes[key].Since.Equal(since) {
				t.Errorf("since %s, want %s", st.Lanes[key].Since, since)
			}
			well.Store(true)
			b.fates(1)
			b.state("the lane is not on record any more", func(st *ledger.State) bool { return len(st.Lanes) == 0 })
			if v := gaugeOf(t, held); v != 0 {
				t.Errorf("notifier_lane_held is %v after a call that got through", v)
			}
		})
	}
}

// deletes are books of which only Delete is used.
type deletes struct {
	books
	keys []string
}

func (d *deletes) Delete(key string) { d.keys = append(d.keys, key) }

// What gave up waiting holds nothing: a stalled lane that has nothing to try for a while is not told any more.
func TestAStalledLaneWithNothingToTryIsForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.answer = func(int, *Call) Outcome { return Outcome{Class: ClassNotSent, Detail: "connection refused"} }
	ac := b.account()
	a := &actor{opt: &Options{Metrics: NewMetrics(prometheus.NewRegistry())}, log: b.options(ac).Log, w: &deletes{}, accounts: map[string]*account{}}
	now := time.Now()
	acc := newAccount(ac, now, now, now)
	a.accounts[ac.Key] = acc
	l := acc.lanes["user"]
	l.stalled = &ledger.LaneState{Reason: "breaker", Retry: now}
	if a.sweepStalled(now.Add(2 * maxBackoff)); l.stalled == nil {
		t.Error("it may still try")
	}
	if a.sweepStalled(now.Add(2*maxBackoff + time.Second)); l.stalled != nil {
		t.Error("it had nothing to try for a minute")
	}
}
