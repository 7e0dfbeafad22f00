package dispatch

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
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
		if name != "broadcast" && name != LaneTagGet {
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
