package consumer

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/notifier/notifier/internal/intent"
)

// make makes a topic of one partition.
func (b *bundle) make(topic string) {
	b.t.Helper()
	if _, err := b.adm.CreateTopic(b.t.Context(), 1, 1, nil, topic); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) produceTo(topic, id string) {
	b.t.Helper()
	if err := b.cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: topic, Value: []byte(id)}).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// evaluated waits for n intents and gives the ids of their events.
func (b *bundle) evaluated(n int) (ids []string) {
	b.t.Helper()
	for _, r := range b.read(b.topics.Intents, n) {
		in, err := intent.Decode(r.Value)
		if err != nil {
			b.t.Fatal(err)
		}
		ids = append(ids, in.Event.ID)
	}
	return ids
}

// waits waits until the control topic says that a topic is waited for.
func (b *bundle) waits(topic string) {
	b.t.Helper()
	for end := time.Now().Add(20 * time.Second); !slices.ContainsFunc(b.read(b.topics.Control, 1), func(r *kgo.Record) bool { return string(r.Key) == "absent/"+topic }); {
		if time.Now().After(end) {
			b.t.Fatalf("nothing on the control topic says that %s is waited for", topic)
		}
	}
}

// "Its events are read once it does exist" holds of every event, also of those that came before the client found the topic: with
// kafka.start latest a topic that was missing when we looked begins at its start. So it does after a restart, and when a reload
// names the missing topic.
func TestATopicThatWasMissingIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	want := []string{"late 1", "late 2"}
	t.Run("it is made while we run", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		b.produce("before")
		opt := b.options()
		opt.Start = Start{Set: true}
		opt.Rules = func() Rules { return stubRules{[]string{"events", "late"}} }
		b.start(opt)
		b.committed("n-evaluate", 1)
		b.make("late")
		b.produceTo("late", want[0])
		b.produceTo("late", want[1])
		if got := b.evaluated(2); !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
	t.Run("it is made while nothing runs", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		opt := b.options()
		opt.Start = Start{Set: true}
		opt.Rules = func() Rules { return stubRules{[]string{"events", "late"}} }
		stop := b.start(opt)
		b.committed("n-evaluate", 0)
		b.waits("late")
		_ = stop()
		b.make("late")
		b.produceTo("late", want[0])
		b.produceTo("late", want[1])
		b.start(opt)
		if got := b.evaluated(2); !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
	t.Run("a reload names it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		var topics atomic.Value
		topics.Store([]string{"events"})
		opt := b.options()
		opt.Start = Start{Set: true}
		opt.Rules = func() Rules { return stubRules{topics.Load().([]string)} }
		c := New(opt)
		b.run(c)
		b.committed("n-evaluate", 0)
		b.joined()
		topics.Store([]string{"events", "late"})
		c.RulesChanged() // nothing else ends the poll
		b.waits("late")
		b.make("late")
		b.produceTo("late", want[0])
		b.produceTo("late", want[1])
		if got := b.evaluated(2); !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
	t.Run("a reload names it while we begin", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		var asked atomic.Bool
		opt := b.options()
		opt.Start = Start{Set: true}
		opt.Rules = func() Rules { // between the first question for the topics and the second
			if asked.Swap(true) {
				return stubRules{[]string{"events", "late"}}
			}
			return stubRules{[]string{"events"}}
		}
		b.start(opt)
		b.waits("late")
		b.make("late")
		b.produceTo("late", want[0])
		b.produceTo("late", want[1])
		if got := b.evaluated(2); !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
}

// Whoever waits until a new group has begun may produce: all of that is read. The beginning waits for nothing, also not for the ledger.
func TestWhatIsProducedOnceItHasBegunIsRead(t *testing.T) {
	t.Parallel()
	latest := func(b *bundle, topics ...string) Options {
		opt := b.options()
		opt.Start = Start{Set: true}
		opt.Rules = func() Rules { return stubRules{topics} }
		return opt
	}
	reloadable := func(b *bundle) (reload func()) { // runs a stage of "events"; reload brings "more"
		var topics atomic.Value
		topics.Store([]string{"events"})
		opt := latest(b)
		opt.Rules = func() Rules { return stubRules{topics.Load().([]string)} }
		c := New(opt)
		b.run(c)
		b.joined()
		return func() {
			topics.Store([]string{"events", "more"})
			c.RulesChanged()
		}
	}
	t.Run("a new group", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.produce("before")
		held, let := make(chan struct{}), make(chan struct{})
		b.kc.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
			b.kc.DropControl()
			close(held)
			<-let
			return nil, nil, false
		})
		c := New(latest(b, "events"))
		b.run(c)
		<-held
		if c.Unsettled() == "" {
			t.Error("it is said to have begun before that is committed")
		}
		close(let)
		b.until("a beginning", func() bool { return c.Unsettled() == "" })
		b.produce("after")
		b.genesis()
		if got := b.evaluated(1); !slices.Equal(got, []string{"after"}) {
			t.Errorf("events %v, want the one after it had begun", got)
		}
	})
	t.Run("a topic that the group's members begin", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		b.make("more")
		b.start(latest(b, "events"))
		b.joined()
		opt := latest(b, "events", "more")
		opt.Instance = "b"
		c := New(opt)
		b.run(c)
		b.until("a beginning", func() bool { return c.Unsettled() == "" })
		os, err := b.adm.FetchOffsets(t.Context(), "n-evaluate")
		if o, ok := os.Lookup("more", 0); err != nil || !ok || o.At != 0 {
			t.Errorf("it is said to have begun, more[0] is at %v, %v", o.At, err)
		}
	})
	t.Run("the group takes a while to give the partitions away", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		b.make("more")
		b.produceTo("more", "before")
		reload := reloadable(b)
		var asked, goOn atomic.Bool
		b.kc.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
			if b.kc.KeepControl(); goOn.Load() {
				return nil, nil, false
			}
			asked.Store(true)
			res := req.ResponseKind().(*kmsg.JoinGroupResponse)
			res.ErrorCode = kerr.CoordinatorLoadInProgress.Code
			return res, nil, true
		})
		reload()
		b.until("a member that asks for the topic", asked.Load)
		b.produceTo("more", "after")
		goOn.Store(true)
		if got := b.evaluated(1); !slices.Equal(got, []string{"after"}) {
			t.Errorf("events %v, want the one that came before somebody had the partition", got)
		}
	})
	t.Run("its commit fails", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		b.make("more")
		b.produceTo("more", "before")
		reload := reloadable(b)
		var failed, goOn atomic.Bool
		b.kc.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
			if b.kc.KeepControl(); goOn.Load() {
				return nil, nil, false
			}
			failed.Store(true)
			res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, t := range req.(*kmsg.OffsetCommitRequest).Topics {
				rt := kmsg.NewOffsetCommitResponseTopic()
				rt.Topic, rt.TopicID = t.Topic, t.TopicID
				for _, p := range t.Partitions {
					rp := kmsg.NewOffsetCommitResponseTopicPartition()
					rp.Partition, rp.ErrorCode = p.Partition, kerr.IllegalGeneration.Code
					rt.Partitions = append(rt.Partitions, rp)
				}
				res.Topics = append(res.Topics, rt)
			}
			return res, nil, true
		})
		reload()
		b.until("a commit that fails", failed.Load)
		b.produceTo("more", "after")
		goOn.Store(true)
		if got := b.evaluated(1); !slices.Equal(got, []string{"after"}) {
			t.Errorf("events %v, want the one that came while the beginning could not be committed", got)
		}
	})
}

// Where the partitions of a topic begin is kept for each of them: what one session found and could not commit takes the place of nothing that another
// found, and the earliest counts.
func TestBeginningsAreKeptByPartition(t *testing.T) {
	t.Parallel()
	at := func(o int64) kgo.EpochOffset { return kgo.EpochOffset{Epoch: -1, Offset: o} }
	c := &Consumer{kept: map[string]map[int32]kgo.EpochOffset{"orders": {0: at(5), 1: at(7)}}, begun: map[string]map[int32]kgo.EpochOffset{"orders": {1: at(9), 2: at(3)}}}
	cl, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1")) // nothing can be committed
	if err != nil {
		t.Fatal(err)
	}
	cl.Close()
	if err := c.commitBeginnings(t.Context(), cl); err == nil {
		t.Fatal("committed to no broker")
	}
	ends := kadm.ListedOffsets{"orders": {}}
	for p := range int32(4) {
		ends["orders"][p] = kadm.ListedOffset{Topic: "orders", Partition: p, Offset: 100}
	}
	c.notLater(ends)
	for p, want := range []int64{5, 7, 3, 100} {
		if got := ends["orders"][int32(p)].Offset; got != want {
			t.Errorf("partition %d begins at %d, want %d", p, got, want)
		}
	}
}

// Where a topic begins that a reload brought is kept until it has begun: of each partition, whatever happens to the others, and no longer than
// the catalogue has it. Where the broker does not tell the end of a partition now, what was kept is better than to ask later.
func TestWhereATopicBeginsIsKeptUntilItHasBegun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make("more")
	c := New(b.options())
	for p, at := range []int64{3, 4, 5} {
		c.keep("more", int32(p), kgo.EpochOffset{Offset: at})
	}
	kept := func(want string) {
		t.Helper()
		if got := fmt.Sprint(c.kept["more"]); got != want {
			t.Errorf("kept %s, want %s", got, want)
		}
	}
	ends := kadm.ListedOffsets{"more": {0: {Topic: "more", Offset: 9}, 1: {Topic: "more", Partition: 1, Offset: 2}, 2: {Topic: "more", Partition: 2, Offset: -1, Err: kerr.LeaderNotAvailable}}}
	c.notLater(ends)
	for p, want := range []int64{3, 2, 5} {
		if o := ends["more"][int32(p)]; o.Offset != want || o.Err != nil {
			t.Errorf("partition %d begins at %d, %v, want %d", p, o.Offset, o.Err, want)
		}
	}
	begins := func(p int32, at int64) { c.begun = map[string]map[int32]kgo.EpochOffset{"more": {p: {Offset: at}}} }
	begins(0, 2)
	if err := c.commitBeginnings(t.Context(), b.cl); err == nil { // no member of a group
		t.Fatal("a commit without a group succeeds")
	}
	kept("map[0:{0 2} 1:{0 4} 2:{0 5}]")
	cl, err := kgo.NewClient(append(slices.Clone(b.kafka), kgo.ConsumerGroup("n-evaluate"), kgo.ConsumeTopics("more"), kgo.DisableAutoCommit())...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	begins(0, 2)
	b.until("a commit of a member", func() bool {
		if c.begun == nil {
			begins(0, 2)
		}
		return c.commitBeginnings(t.Context(), cl) == nil
	})
	kept("map[1:{0 4} 2:{0 5}]")
	c.unkeep([]string{"events", "more"})
	kept("map[1:{0 4} 2:{0 5}]")
	c.unkeep([]string{"events"})
	kept("map[]")
}
