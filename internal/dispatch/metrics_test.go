package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

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

// timesOf gives how many times a histogram holds, and their sum in seconds.
func timesOf(t *testing.T, o prometheus.Observer) (n uint64, sum float64) {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(o.(prometheus.Histogram))
	mfs, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	h := mfs[0].GetMetric()[0].GetHistogram()
	return h.GetSampleCount(), h.GetSampleSum()
}

// What happens to intents is in the series that are named for it: taken in, called and how long that took, accepted, stopped by a brake until
// somebody resumes the rule, expired.
func TestWhatHappensToIntentsIsCounted(t *testing.T) {
	x, push := brakes(t, 1)
	a := x.a
	m := a.opt.Metrics
	began := x.at
	a.admit(push("1", "main"), 0)
	late := push("2", "main")
	late.Policy.Expire = x.at.Add(time.Hour)
	a.admit(late, 1)
	if n := testutil.ToFloat64(m.intents.WithLabelValues("push")); n != 2 {
		t.Errorf("%g pushes were taken in, want 2", n)
	}
	x.at = x.at.Add(3 * time.Second)
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want one", len(calls))
	}
	if n, sum := timesOf(t, m.eventToCall.WithLabelValues("push")); n != 1 || sum != 3 {
		t.Errorf("from event to call: %d of %g s, want 1 of 3 s", n, sum)
	}
	if on := gaugeOf(t, m.brake.WithLabelValues("r0")); on != 1 {
		t.Errorf("the brake has stopped the rule, the gauge is %g", on)
	}
	x.at = x.at.Add(2 * time.Second)
	a.resolve(result{calls[0], accepted})
	if n, sum := timesOf(t, m.callSeconds.WithLabelValues("main/user")); n != 1 || sum != 2 {
		t.Errorf("calls: %d of %g s, want 1 of 2 s", n, sum)
	}
	if n := testutil.ToFloat64(m.calls.WithLabelValues("main/user", string(ClassOK))); n != 1 {
		t.Errorf("%g accepted calls, want 1", n)
	}
	if at := gaugeOf(t, m.lastSent.WithLabelValues("main/user")); at != float64(began.Add(5*time.Second).Unix()) {
		t.Errorf("the last call was accepted at %g, want %d", at, began.Add(5*time.Second).Unix())
	}
	x.at = began.Add(time.Hour)
	a.fire(alarm{timerKey{kind: expireItem}, a.items[itemOf(late.ID)]})
	for _, s := range States {
		want := 0.0
		if s == paused {
			want = 1
		}
		if n := testutil.ToFloat64(m.expired.WithLabelValues("r0", s.String())); n != want {
			t.Errorf("expired in state %s: %g, want %g", s, n, want)
		}
	}
	a.obey(told(0, "c1", ledger.CmdResume, "rule/r0", nil))
	if on := gaugeOf(t, m.brake.WithLabelValues("r0")); on != 0 {
		t.Errorf("the rule was resumed, the brake's gauge is %g", on)
	}
}

// A brake is told by whoever owns the partition, from the take-over on, and by nobody else.
func TestABrakeIsToldByItsOwner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.w.Put(ledger.PauseKey("rule/r"), ledger.Pause{By: brakeCount, Why: "test", At: a.clock.now(), Brake: true})
	a.w.Put(ledger.PauseKey("rule/other"), ledger.Pause{By: "anna", Why: "test", At: a.clock.now()})
	b.commit(a)
	a = b.byHand(nil)
	told := func() [2]float64 {
		return [2]float64{gaugeOf(t, a.opt.Metrics.brake.WithLabelValues("r")), gaugeOf(t, a.opt.Metrics.brake.WithLabelValues("other"))}
	}
	if got := told(); got != [2]float64{1, 0} {
		t.Errorf("after the take-over: %v, want the brake's rule alone", got)
	}
	a.retire()
	if got := told(); got != [2]float64{} {
		t.Errorf("after another process took over: %v", got)
	}
}

// Each transaction's time is in the histogram of its partition; the size of what the ledger needs, and books that do not balance, are told by
// the chores.
func TestTheLedgerIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	m := a.opt.Metrics
	before, _ := timesOf(t, m.commitSeconds.WithLabelValues("0"))
	b.push(a, "one")
	b.commit(a)
	if n, _ := timesOf(t, m.commitSeconds.WithLabelValues("0")); n != before+1 {
		t.Errorf("%d commits were timed, want %d", n, before+1)
	}
	chores := func() {
		a.lastSweep = time.Time{}
		a.chores()
	}
	chores()
	if n, books := gaugeOf(t, m.liveBytes.WithLabelValues("0")), gaugeOf(t, m.unbalanced); n <= 0 || books != 0 {
		t.Errorf("a ledger with a pending record needs %g bytes; the books are off by %g", n, books)
	}
	a.pos.Fates++ // a fate of nothing
	chores()
	if books := gaugeOf(t, m.unbalanced); books != -1 {
		t.Errorf("books with a fate too many are off by %g, want -1", books)
	}
	a.retire()
	if n := gaugeOf(t, m.liveBytes.WithLabelValues("0")); n != 0 {
		t.Errorf("after another process took over the ledger needs %g bytes", n)
	}
}

// A read of tags is a vendor call: it is counted, timed, and the last accepted one told, as of any other lane.
func TestAReadOfTagsIsInAllMetricsOfCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	m, l := a.opt.Metrics, a.accounts["stub:k"].lanes[LaneTagGet]
	now := a.clock.now()
	for _, class := range []Class{ClassOK, ClassNotSent} {
		l.running++
		a.read(&call{lane: l, read: &reading{began: now.Add(-time.Hour)}}, Outcome{Class: class})
	}
	if n, sum := timesOf(t, m.callSeconds.WithLabelValues("main/tag-get")); n != 2 || sum < 7200 {
		t.Errorf("%d reads of %g s are timed, want 2 of an hour each", n, sum)
	}
	if at := gaugeOf(t, m.lastSent.WithLabelValues("main/tag-get")); at < float64(now.Unix()) {
		t.Errorf("the last read was accepted at %g, want %d or later", at, now.Unix())
	}
}

// What a new owner says of the ledger is what it found there.
func TestATakeOverSaysHowManyWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.obey(told(0, "c0", ledger.CmdPause, "all", nil))
	a.admit(b.intent("waits", "r", "u1", intent.Push), 10)
	b.commit(a)
	a.lose(nil)
	core, said := observer.New(zap.InfoLevel)
	o := b.options(b.account())
	o.Log = zap.New(core)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = New(o).Run(ctx)
	}()
	owned := func() []observer.LoggedEntry { return said.FilterMessage("partition owned").All() }
	b.until("an owner", func() bool { return len(owned()) > 0 })
	cancel()
	<-done
	if got := owned()[0].ContextMap()["pending"]; got != int64(1) {
		t.Errorf("%v are pending, want 1", got)
	}
}
