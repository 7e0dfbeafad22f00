package consumer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// The owners of the partitions begin one after the other. Intents in a partition that has not begun would stop it.
func TestNothingIsProducedBeforeEveryPartitionHasBegun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, topic := range []string{b.topics.Intents, b.topics.Ledger} {
		if _, err := b.adm.UpdatePartitions(t.Context(), 2, topic); err != nil {
			t.Fatal(err)
		}
	}
	b.genesisOf(0)
	c := New(b.options())
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if n, err := c.waitGenesis(ctx); err == nil {
		t.Fatalf("%d partitions, but only one of two has begun", n)
	}
	b.genesisOf(1)
	if n, err := c.waitGenesis(t.Context()); n != 2 || err != nil {
		t.Errorf("%d partitions, %v; want 2", n, err)
	}
}

// NO-RESET: where the group stands is not in the log any more. The partition stops and says so; what is still there, before the
// gap or behind it, is not read as if nothing had been.
func TestALostOffsetStopsThePartition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	stop := b.start(b.options())
	b.produce("e0", "e1")
	b.read(b.topics.Intents, 2)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.produce("e2", "e3", "e4")
	if _, err := b.adm.DeleteRecords(t.Context(), kadm.Offsets{"events": {0: kadm.Offset{Topic: "events", Partition: 0, At: 4}}}); err != nil {
		t.Fatal(err)
	}
	opt := b.options()
	core, logs := observer.New(zap.ErrorLevel)
	opt.Log = zap.New(core)
	c := New(opt)
	b.run(c)
	b.until("the loss is counted", func() bool { return testutil.ToFloat64(opt.Metrics.lost.WithLabelValues("events")) > 0 })
	if got, want := c.NotRead(time.Now()), []string{"events[0] is not read: the group's offset is not in the log any more: docs/runbook.md#lost-offset"}; !slices.Equal(got, want) {
		t.Errorf("stopped: %v, want %v", got, want)
	}
	for _, r := range b.read(b.topics.Intents, 2) {
		if in, err := intent.Decode(r.Value); err != nil || in.Event.ID > "e1" {
			t.Errorf("%v %v was evaluated behind a gap", in, err)
		}
	}
	if os, err := b.adm.FetchOffsets(t.Context(), "n-evaluate"); err != nil {
		t.Error(err)
	} else if o, _ := os.Lookup("events", 0); o.At != 2 {
		t.Errorf("the group stands at %d, want 2 until a human has looked", o.At)
	}
	if n, said := testutil.ToFloat64(opt.Metrics.lost.WithLabelValues("events")), logs.Len(); n != 1 || said != 1 { // the client would go on asking
		t.Errorf("counted %v times within a minute and said %d times", n, said)
	}
}

// Where the group stands lies behind the end of the log: what comes to stand there later are other events, and what stands before was never read.
func TestAPlaceBehindTheEndStopsThePartition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	stop := b.start(b.options())
	b.produce("e0", "e1", "e2")
	b.read(b.topics.Intents, 3)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.adm.CommitAllOffsets(t.Context(), "n-evaluate", kadm.Offsets{"events": {0: kadm.Offset{Topic: "events", Partition: 0, At: 9, LeaderEpoch: -1}}}); err != nil { // what a log looks like that lost its end
		t.Fatal(err)
	}
	if _, err := b.adm.CreateTopic(t.Context(), 1, 1, nil, "more"); err != nil {
		t.Fatal(err)
	}
	b.produce("unread")
	opt := b.options()
	core, logs := observer.New(zap.ErrorLevel)
	opt.Log = zap.New(core)
	opt.Rules = func() Rules { return stubRules{[]string{"events", "more"}} }
	c := New(opt)
	b.run(c)
	b.until("the end before it is told", func() bool { // so it is not asked again in a minute
		return logs.Filter(func(e observer.LoggedEntry) bool {
			return strings.Contains(fmt.Sprint(e.ContextMap()["error"]), errBeyond.Error())
		}).Len() == 1
	})
	if n := testutil.ToFloat64(opt.Metrics.lost.WithLabelValues("events")); n != 1 {
		t.Errorf("the loss is counted %v times", n)
	}
	b.produce("f4", "f5", "f6", "f7", "f8", "f9", "f10") // the log reaches beyond the place again
	if err := b.cl.ProduceSync(t.Context(), &kgo.Record{Topic: "more", Key: []byte("k"), Value: []byte("other")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if in, err := intent.Decode(b.read(b.topics.Intents, 4)[3].Value); err != nil || in.Event.ID != "other" {
		t.Errorf("the next intent is of %v %v, want the other topic's", in, err)
	}
	if got := c.NotRead(time.Now()); len(got) != 1 || !strings.Contains(got[0], "events[0] is not read: the group's offset is not in the log") {
		t.Errorf("not read: %v", got)
	}
	if os, err := b.adm.FetchOffsets(t.Context(), "n-evaluate"); err != nil {
		t.Error(err)
	} else if o, _ := os.Lookup("events", 0); o.At != 9 {
		t.Errorf("the group stands at %d, want 9 until a human has looked", o.At)
	}
}

// The client goes on by itself where a log was cut below our place (ErrDataLoss). The partition stops instead, as where its records were deleted:
// other events may stand at offsets whose intents are on record.
func TestALogThatWasCutStopsThePartition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	opt := b.options()
	core, logs := observer.New(zap.ErrorLevel)
	opt.Log = zap.New(core)
	c := New(opt)
	cut := &kgo.ErrDataLoss{Topic: "events", Partition: 0, ConsumedTo: 46, ResetTo: 3}
	fs := kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "events", Partitions: []kgo.FetchPartition{{Partition: 2, Err: cut}}}}}}
	if err := c.fetchErrors(b.cl, fs); err != nil {
		t.Fatal(err)
	}
	if got := c.NotRead(time.Now()); !slices.ContainsFunc(got, func(s string) bool {
		return strings.Contains(s, "events[2] is not read: the group's offset is not in the log")
	}) {
		t.Errorf("not read: %v", got)
	}
	if paused := b.cl.PauseFetchPartitions(nil); !slices.Contains(paused["events"], 2) {
		t.Errorf("paused: %v", paused)
	}
	if n := testutil.ToFloat64(opt.Metrics.lost.WithLabelValues("events")); n != 1 || logs.Len() == 0 {
		t.Errorf("counted %v times, said %d times", n, logs.Len())
	}
}

// A topic that is deleted and made again while it is read is told of, not thirty times a second, and what passes at once is no trouble.
func TestATopicMadeAgainWhileItIsReadIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	opt := b.options()
	core, logs := observer.New(zap.WarnLevel)
	opt.Log = zap.New(core)
	c := New(opt)
	b.run(c)
	b.produce("e0")
	b.read(b.topics.Intents, 1)
	if _, err := b.adm.DeleteTopic(t.Context(), "events"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.adm.CreateTopic(t.Context(), 1, 1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	const says = "is not the one that was read"
	b.until("it is told", func() bool {
		return logs.Filter(func(e observer.LoggedEntry) bool { return strings.Contains(e.Message, says) }).Len() > 0
	})
	at := partition{"events", 0}
	now := time.Now()
	b.until("it is said again", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.troubles[at].last.After(now) })
	if n := logs.Filter(func(e observer.LoggedEntry) bool {
		return strings.Contains(e.Message, says) || e.Message == "reading events"
	}).Len(); n != 1 {
		t.Errorf("%d lines within a minute, want 1", n)
	}
	if got := c.NotRead(now); len(got) != 0 {
		t.Errorf("after a moment %v", got)
	}
	later := New(opt)
	later.notRead(at, madeAnew, now)
	later.notRead(at, madeAnew, now.Add(anewFor))
	if got := later.NotRead(now.Add(anewFor)); len(got) != 1 || !strings.Contains(got[0], "events[0] is not read: the topic was deleted") {
		t.Errorf("after half a minute %v", got)
	}
	if got := later.NotRead(now.Add(anewFor + 2*tellAgain + 1)); len(got) != 0 {
		t.Errorf("when nothing more is heard of it %v", got)
	}
}

// Leaders and coordinators move while events come: nothing is missing and nothing is there twice.
func TestBrokersMoveUnderneath(t *testing.T) {
	t.Parallel()
	b := setupOn(t, 3)
	b.genesis()
	b.start(b.options())
	const n = 60
	for i := range n {
		b.produce(fmt.Sprint("e", i))
		switch i % 10 {
		case 3:
			b.kc.RehashCoordinators()
		case 6:
			b.kc.ShufflePartitionLeaders()
		}
	}
	seen := map[string]int{}
	for _, r := range b.read(b.topics.Intents, n) {
		in, err := intent.Decode(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		seen[in.Event.ID]++
	}
	for i := range n {
		if id := fmt.Sprint("e", i); seen[id] != 1 {
			t.Errorf("%s became %d intents", id, seen[id])
		}
	}
}

// A small batch that would unpack to more than 16 MiB stops its partition and is named; other topics go on.
func TestADecompressionBombStopsOnlyItsPartition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	if _, err := b.adm.CreateTopic(t.Context(), 1, 1, nil, "more"); err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(b.kafka, kgo.ProducerBatchMaxBytes(64<<20), kgo.BrokerMaxWriteBytes(100<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: make([]byte, 24<<20)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	opt := b.options()
	opt.Rules = func() Rules { return stubRules{[]string{"events", "more"}} }
	opt.Log = zap.New(core)
	c := New(opt)
	b.run(c)
	b.until("the partition is named", func() bool { return logs.FilterField(zap.Stringer("record", ledger.Place{Topic: "events"})).Len() > 0 })
	if got := c.NotRead(time.Now()); len(got) != 1 || !strings.Contains(got[0], "events[0] is not read: a batch is too large") {
		t.Errorf("not read: %v", got)
	}
	b.produce("behind")
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "more", Value: []byte("other")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if in, err := intent.Decode(b.read(b.topics.Intents, 1)[0].Value); err != nil || in.Event.ID != "other" {
		t.Errorf("first intent of %v %v, want the other topic's", in, err)
	}
}
