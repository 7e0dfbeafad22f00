package dispatch

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
	"github.com/notifier/notifier/internal/tagsync"
)

// byHand takes the ledger over and gives an actor that does only what the test says, a step at a time.
func (b *bundle) byHand(change func(*Account, *Options)) *actor {
	b.t.Helper()
	to, err := ledger.TakeOver(b.t.Context(), ledger.Options{Kafka: b.kafka, Topics: b.topics, Instance: "a"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(to.Writer.Close)
	ac := b.account()
	for name, pol := range ac.Lanes { // windows without a pacer: nothing has to wait
		if name != "broadcast" && name != LaneRecall && name != LaneTagGet {
			pol.Rate, pol.Limits = 0, []quota.Limit{{N: 1000, Window: time.Hour}}
			ac.Lanes[name] = pol
		}
	}
	ac.TagDelay = 0
	opt := &Options{Kafka: b.kafka, Topics: b.topics, Instance: "a", Accounts: []*Account{ac}, Rules: func() Rules { return stubRules{} }, Render: render, Zone: time.UTC,
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(), DuplicatesUsers: time.Hour, DuplicatesBroadcasts: time.Hour}
	if change != nil {
		change(ac, opt)
	}
	a := newActor(opt, 0, to, func(error) {})
	b.t.Cleanup(func() { a.lose(nil); a.wg.Wait() })
	return a
}

func (b *bundle) commit(a *actor) {
	b.t.Helper()
	if !a.commit() {
		b.t.Fatal("the commit failed")
	}
}

func order(offset int64, cmd, target string) command {
	return command{ledger.Command{V: 1, ID: cmd, Cmd: cmd, Target: target}, offset}
}

func TestWhatWaitsInHalvesIsSentOnceAfterAPause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.intent("e1", "r", "u1", intent.Push), 0)
	a.admit(b.intent("e2", "r", "u2", intent.Push), 1)
	calls := a.plan()
	if len(calls) != 1 || len(calls[0].items) != 2 {
		t.Fatalf("calls %+v, want one for two users", calls)
	}
	a.resolve(result{calls[0], Outcome{Class: ClassPermanent, Code: 1002}})
	a.obey(order(0, ledger.CmdPause, "all"))
	a.obey(order(1, ledger.CmdResume, "all"))
	sent := map[string]int{}
	for _, c := range a.plan() {
		for _, u := range c.vendor.Users {
			sent[u]++
		}
	}
	if sent["u1"] != 1 || sent["u2"] != 1 {
		t.Errorf("sent %v, want each user once", sent)
	}
}

func TestAPauseAndAResumeBeforeTheFirstTurnQueueARestoredIntentOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	cast := b.intent("e1", "r", "*", intent.Broadcast)
	cast.Merge = &intent.Merge{Key: "k", Keep: intent.KeepLatest}
	a.admit(cast, 0)
	a.admit(b.intent("e2", "r", "u2", intent.Push), 1)
	b.commit(a)

	a = b.byHand(nil)
	a.inbox.command(order(0, ledger.CmdPause, "all"))
	a.inbox.command(order(1, ledger.CmdResume, "all"))
	a.apply()
	if len(a.items) != 2 {
		t.Fatalf("%d intents are pending, want 2: fates %d", len(a.items), a.pos.Fates)
	}
	l := a.accounts["stub:k"].lanes
	if n, m := len(l["broadcast"].casts), l["user"].queue.n; n != 1 || m != 1 {
		t.Errorf("%d broadcasts and %d pushes wait, want one of each", n, m)
	}
}

// An intent that came before its account was in the settings (a rolling update brings an account) has met no gate yet.
func TestWhatWaitedForItsAccountMeetsEveryGate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := func(ac *Account, _ *Options) { ac.Key = "stub:other" }
	a := b.byHand(other)
	shadow := b.intent("shadow", "r", "u1", intent.Push)
	shadow.Shadow = true
	dead := b.intent("dead", "r", "u1", intent.Push)
	dead.Dead, dead.Content = "render-error", nil
	merged := b.intent("merged", "m", "u1", intent.Push)
	merged.Merge = &intent.Merge{Key: "k", Wait: time.Hour, Keep: intent.KeepLatest, Vars: map[string]any{"x": "1"}}
	for i, in := range []*intent.Intent{shadow, dead, merged, b.intent("plain", "r", "u1", intent.Push), b.profile("p1", "u1", 1, map[string]string{"city": "bj"})} {
		a.admit(in, int64(i))
	}
	b.commit(a)

	a = b.byHand(other)
	a.apply()
	if len(a.stray) != 5 {
		t.Fatalf("%d intents wait for their account, want 5", len(a.stray))
	}
	a.lose(nil)

	a = b.byHand(nil)
	a.apply()
	b.commit(a)
	if n := a.pos.Fates; n != 2 || len(a.items) != 3 || a.pos.Intents != 5 {
		t.Errorf("%d fates, %d pending of %d, want shadow and dead to have theirs and 3 pending", n, len(a.items), a.pos.Intents)
	}
	if it := a.items[itemOf(merged.ID)]; it == nil || it.state != merging {
		t.Errorf("the merge is %+v, want it open", it)
	}
	if u := a.accounts["stub:k"].users.Get("u1"); u == nil || u.Fields["city"].Str != "bj" {
		t.Errorf("the row is %+v, want the city of the event", u)
	}
}

func TestASecondTombstoneWhileTheTagsAreClearedHasItsFate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.profile("p1", "u1", 1, map[string]string{"city": "bj"}), 0)
	ac := a.accounts["stub:k"]
	ac.change("u1", func(u *tagsync.User) { u.Foreign, u.Acked = []string{}, []string{"city_bj"} })
	gone := func(id string, version int64) *intent.Intent {
		in := b.profile(id, "u1", version, nil)
		in.Profile.Gone = true
		return in
	}
	a.admit(gone("p2", 2), 1)
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want the one that clears", len(calls))
	}
	a.admit(gone("p3", 3), 2)
	a.resolve(result{calls[0], Outcome{Class: ClassOK}})
	if len(a.items) != 0 || ac.users.Len() != 0 {
		t.Errorf("%d intents and %d rows are left, want none", len(a.items), ac.users.Len())
	}
}

func TestAnEventWithoutFieldsSurvivesATakeOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.profile("p1", "u1", 1, nil), 0)
	b.commit(a)
	a = b.byHand(nil)
	a.apply()
	if ac := a.accounts["stub:k"]; !ac.asks("u1") || !ac.reading["u1"] {
		t.Error("the intent waits for nothing")
	}
}

// keepsLevel keeps the tags of a field that nobody spoke of, as the rules do.
type keepsLevel struct{ stubRules }

func (keepsLevel) Gives(string, string) bool { return true }

func (keepsLevel) Tags(a string, get func(string) (intent.Value, bool), current []string) []string {
	out := stubRules{}.Tags(a, get, nil)
	for _, t := range current {
		if strings.HasPrefix(t, "level_") {
			out = append(out, t)
		}
	}
	return out
}

func TestAnUnknownFieldRemovesNoTagAfterAnAmbiguousCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rules := func(_ *Account, o *Options) { o.Rules = func() Rules { return keepsLevel{} } }
	a := b.byHand(rules)
	a.admit(b.profile("p1", "u1", 1, map[string]string{"city": "bj"}), 0)
	a.accounts["stub:k"].change("u1", func(u *tagsync.User) { u.Foreign, u.Acked = []string{}, []string{"level_vip"} })
	a.retag(a.accounts["stub:k"], "u1")
	want := []string{"city_bj", "level_vip"}
	calls := a.plan()
	if len(calls) != 1 || !slices.Equal(calls[0].set, want) {
		t.Fatalf("calls %+v, want one with %v", calls, want)
	}
	a.resolve(result{calls[0], Outcome{Class: ClassRetrySafe}})
	b.commit(a)
	for _, a := range []*actor{a, b.byHand(rules)} {
		if got := a.wanted(a.accounts["stub:k"], a.accounts["stub:k"].users.Get("u1")); !slices.Equal(got, want) {
			t.Errorf("the repeat sets %v, want %v", got, want)
		}
	}
}

func TestCapsOfOneRuleAreGivenBackOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	in := b.intent("e1", "r", "u1", intent.Push)
	in.Policy.PerUser = []intent.Cap{{N: 5, In: time.Hour}, {N: 9, Each: "day"}}
	a.admit(in, 0)
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatal(calls)
	}
	id := takenID("stub:k", "rule/r", "u1")
	a.taken[id].At = append(a.taken[id].At, calls[0].attempt.At) // another send to the user at the same moment
	a.resolve(result{calls[0], Outcome{Class: ClassRetryLater}})
	if got := a.taken[id]; got == nil || len(got.At) != 1 {
		t.Errorf("%+v is counted, want the other send", got)
	}
}

func TestTimersForgetWhatWasStopped(t *testing.T) {
	t.Parallel()
	tm, now := newTimers(), time.Now()
	tm.set(expireItem, "stays", now.Add(time.Minute))
	for i := range 100_000 {
		k := strconv.Itoa(i)
		tm.set(expireItem, k, now.Add(time.Hour))
		tm.stop(expireItem, k)
	}
	if n := len(tm.heap); n > 2000 {
		t.Errorf("%d entries for one timer", n)
	}
	if k, ok := tm.pop(now.Add(time.Minute)); !ok || k.key != "stays" {
		t.Errorf("%v %v, want the one that stays", k, ok)
	}
}

// A lane that a skewed clock closed looks at the clock again also where nothing else is committed.
func TestASkewedClockIsMeasuredAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.intent("e1", "r", "*", intent.Broadcast), 0)
	a.clock.skew = time.Minute
	b.commit(a)
	if calls := a.plan(); len(calls) != 0 {
		t.Fatal(calls)
	}
	a.lastClock = a.lastClock.Add(-time.Minute)
	b.commit(a)
	if calls := a.plan(); len(calls) != 1 {
		t.Errorf("%d calls, want one: the clocks agree again (skew %s)", len(calls), a.clock.skew)
	}
}

// In a rolling upgrade the old release may own a partition into which the new one already writes.
func TestIntentsOfANewerReleaseWaitForIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.answer = func(int, *Call) Outcome { return Outcome{Class: ClassOK, Code: 200} }
	b.produce(b.intent("before", "r", "u1", intent.Push))
	if err := b.cl.ProduceSync(t.Context(), &kgo.Record{Topic: b.topics.Intents, Key: []byte("stub:k"), Value: []byte{intent.Version + 1, 0x0a}}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.produce(b.intent("after", "r", "u2", intent.Push))
	metrics := NewMetrics(prometheus.NewRegistry())
	opt := b.options(b.account())
	opt.Metrics, opt.Log = metrics, zap.NewNop()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := New(opt)
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	b.fates(1)
	b.until("the partition says that it waits", func() bool { return strings.Contains(d.Status().Halted[0], "newer release") })
	if n := testutil.ToFloat64(metrics.parked.WithLabelValues("0", "newer")); n != 1 {
		t.Errorf("notifier_partition_parked is %v", n)
	}
	cancel()
	<-done
	st := b.state("released", func(st *ledger.State) bool { return st.Position.Next > 0 })
	if got := kinds(b.fates(1)); st.Position.Next != 1 || st.Position.Intents != 1 || !slices.Equal(got, []string{"before SENT"}) {
		t.Errorf("position %d, %d intents, %v; the newer one and those after it must still be unread", st.Position.Next, st.Position.Intents, got)
	}
}

// noRoute is a vendor whose service was switched off.
type noRoute struct{ *stubVendor }

func (noRoute) Route(*intent.Intent) (Route, error) {
	return Route{}, errors.New("services.broadcast: false")
}

// A call has left and its owner dies; the service is switched off, and later on again: the call must not be made again.
func TestACallLeftOpenIsUnknownAlsoWhenItsServiceIsOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.intent("e1", "r", "*", intent.Broadcast), b.offset)
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatal(calls)
	}
	b.commit(a)

	a = b.byHand(func(ac *Account, _ *Options) { ac.Vendor = noRoute{b.vendor} })
	a.apply()
	a.plan()
	a.fire(alarm{timerKey: timerKey{settleCall, calls[0].attempt.ID}})
	b.commit(a)
	if got := kinds(b.fates(1)); !slices.Equal(got, []string{"e1 UNKNOWN"}) {
		t.Errorf("its fate is %v", got)
	}

	a = b.byHand(func(ac *Account, _ *Options) { ac.Lanes["broadcast"].Limits[0].N = 10 })
	a.apply()
	for _, c := range a.plan() {
		t.Errorf("it is sent a second time: %s after %s", c.attempt.ID, calls[0].attempt.ID)
	}
	if n := a.accounts["stub:k"].casts.n; n != 0 {
		t.Errorf("%d broadcasts are counted as pending", n)
	}
}

// One actor that is behind does not keep the others from their records, nor the client from its group: its partition is not fetched
// until it has caught up.
func TestAFullActorDoesNotHoldUpThePollLoop(t *testing.T) {
	t.Parallel()
	cl, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	a := &actor{inbox: inbox{wake: make(chan struct{}, 1)}}
	d := &Dispatcher{actors: map[int32]*actor{3: a}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			d.deliver(cl, kgo.FetchTopicPartition{Topic: "n.intents", FetchPartition: kgo.FetchPartition{Partition: 3, Records: make([]*kgo.Record, pauseAt/2)}})
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the poll loop waits for an actor")
	}
	if paused := cl.PauseFetchPartitions(nil)["n.intents"]; !slices.Equal(paused, []int32{3}) {
		t.Errorf("paused %v, want partition 3", paused)
	}
	for {
		if rs, _ := a.inbox.take(); len(rs) == 0 {
			break
		}
	}
	if paused := cl.PauseFetchPartitions(nil)["n.intents"]; len(paused) > 0 {
		t.Errorf("paused %v after the actor has caught up", paused)
	}
}
