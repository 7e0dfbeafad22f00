package dispatch

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// notifier_oldest_pending_seconds is the age of a lane's oldest intent, and 0 where nothing waits or another process tells it.
func TestTheOldestIntentOfALaneIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	user, now := a.opt.Metrics.oldest.WithLabelValues("main/user"), a.clock.now()
	older, younger := b.push(a, "older"), b.push(a, "younger")
	older.p().At, younger.p().At = now.Add(-time.Hour), now.Add(-time.Minute)
	a.oldest(now)
	if got := gaugeOf(t, user); got != 3600 {
		t.Errorf("the oldest has waited %g s, want 3600", got)
	}
	if got := gaugeOf(t, a.opt.Metrics.oldest.WithLabelValues("main/broadcast")); got != 0 {
		t.Errorf("a lane without intents: %g s", got)
	}
	a.fate(older, ledger.Suppressed, ledger.Cancelled, nil)
	a.oldest(now)
	if got := gaugeOf(t, user); got != 60 {
		t.Errorf("after the oldest has its fate: %g s, want 60", got)
	}
	a.retire()
	if got := gaugeOf(t, user); got != 0 {
		t.Errorf("after another process took over: %g s", got)
	}
}

// notifier_lane_held tells a new owner's reasons from the start, a pause and what its predecessor left open among them; and nothing of a
// lane, nor of its quota, once another process owns it: an alert would go on ringing.
func TestWhatHoldsALaneIsToldByItsOwner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.intent("e1", "r", "*", intent.Broadcast), b.offset)
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatal(calls)
	}
	a.w.Put(ledger.PauseKey("lane/main/user"), ledger.Pause{By: "anna", Why: "test", At: a.clock.now()})
	b.commit(a)

	a = b.byHand(nil)
	held := func(lane, reason string) float64 { return gaugeOf(t, a.opt.Metrics.held.WithLabelValues(lane, reason)) }
	if o, to := held("main/user", "operator"), held("main/broadcast", "takeover"); o != 1 || to != 1 {
		t.Errorf("after the take-over: paused %g, held by the open call %g", o, to)
	}
	if to := held("main/tag", "takeover"); to != 0 {
		t.Errorf("a lane without an open call is held: %g", to)
	}
	a.fire(alarm{timerKey: timerKey{settleCall, calls[0].attempt.ID}})
	a.gauges(a.clock.now())
	used := func() (n float64) {
		for _, l := range a.accounts["stub:k"].lanes["broadcast"].Limits {
			n += gaugeOf(t, a.opt.Metrics.quotaUsed.WithLabelValues("main/broadcast", l.String(), "unknown"))
		}
		return n
	}
	next := func(l quota.Limit) float64 {
		return gaugeOf(t, a.opt.Metrics.quotaNext.WithLabelValues("main/broadcast", l.String()))
	}
	for _, l := range a.accounts["stub:k"].lanes["broadcast"].Limits { // one call is gone: a window of one slot opens later, others are open
		if at, now := next(l), float64(a.clock.now().Unix()); at < now || (l.N == 1) != (at > now) {
			t.Errorf("the next slot of %s opens at %g, now is %g", l, at, now)
		}
	}
	if to, n := held("main/broadcast", "takeover"), used(); to != 0 || n == 0 {
		t.Errorf("after the call is settled: held %g, slots used %g", to, n)
	}
	records := a.opt.Metrics.limitRecords.WithLabelValues("0", "rule")
	bytes := a.opt.Metrics.intentsBytes.WithLabelValues("0")
	records.Set(7)
	bytes.Set(7)
	a.retire()
	for _, l := range a.accounts["stub:k"].lanes["broadcast"].Limits {
		if at := next(l); at != 0 {
			t.Errorf("after another process took over the next slot of %s opens at %g", l, at)
		}
	}
	if o, n := held("main/user", "operator"), used(); o != 0 || n != 0 {
		t.Errorf("after another process took over: paused %g, slots used %g", o, n)
	}
	if r, n := gaugeOf(t, records), gaugeOf(t, bytes); r != 0 || n != 0 {
		t.Errorf("after another process took over: %g records of limits, %g bytes of intents", r, n)
	}
}

// What waits is counted under the name of where it stands, and under no other.
func TestWhatWaitsIsCountedByItsState(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	in := b.intent("e1", "r", "u", intent.Push)
	a.pauseScope(order(0, ledger.CmdPause, "rule/r"), &ledger.Answer{})
	stands := func(want string) {
		t.Helper()
		for _, s := range States {
			n := 0.0
			if s.String() == want {
				n = 1
			}
			if got := gaugeOf(t, a.opt.Metrics.pending.WithLabelValues("main/user", s.String())); got != n {
				t.Errorf("%v in state %s, want %s", got, s, want)
			}
		}
		if n := testutil.CollectAndCount(a.opt.Metrics.pending); n%len(States) != 0 {
			t.Errorf("%d series: one has another name than a state's", n)
		}
	}
	a.admit(in, b.offset)
	stands("paused")
	a.lift("rule/r")
	stands("quota")
	calls := a.plan()
	stands("in_flight")
	a.resolve(result{calls[0], accepted})
	stands("")
}
