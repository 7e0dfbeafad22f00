package ledger

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/notifier/notifier/internal/intent"
)

// within is the test's context with an end: what hangs is named, and not the whole package.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func cluster(t *testing.T, partitions int32) (Options, *kadm.Client) {
	t.Helper()
	opt, adm, _ := brokers(t, partitions)
	return opt, adm
}

func brokers(t *testing.T, partitions int32) (Options, *kadm.Client, *kfake.Cluster) {
	t.Helper()
	kc, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	opt := Options{Kafka: []kgo.Opt{kgo.SeedBrokers(kc.ListenAddrs()...), kgo.MetadataMinAge(20 * time.Millisecond)}, Topics: TopicsOf("n"), Instance: "a"}
	cl, err := kgo.NewClient(opt.Kafka...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	adm := kadm.NewClient(cl)
	sp := kadm.StringPtr
	for topic, cfg := range map[string]map[string]*string{opt.Topics.Intents: nil, opt.Topics.Fates: nil, opt.Topics.Control: nil,
		opt.Topics.Ledger: {"cleanup.policy": sp("compact"), "message.timestamp.type": sp("LogAppendTime"), "retention.ms": sp("-1")}} {
		if _, err := adm.CreateTopic(within(t), partitions, 1, cfg, topic); err != nil {
			t.Fatal(err)
		}
	}
	return opt, adm, kc
}

func takeOver(t *testing.T, opt Options) *TakenOver {
	t.Helper()
	to, err := TakeOver(within(t), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Writer.Close)
	return to
}

func begin(t *testing.T, to *TakenOver) {
	t.Helper()
	to.Writer.WriteGenesis(to.State.Genesis)
	if err := to.Writer.Commit(within(t), Position{}); err != nil {
		t.Fatal(err)
	}
}

// FENCED: after a take-over nothing of the earlier owner goes through, by either id, and what it had committed is restored.
func TestATakeOverFencesBothIds(t *testing.T) {
	opt, _ := cluster(t, 1)
	old := takeOver(t, opt)
	begin(t, old)
	for i := range 3 { // both ids have been used
		old.Writer.Put(AttemptKey(string(rune('a'+i))), Attempt{ID: string(rune('a' + i)), State: Started})
		if err := old.Writer.Commit(within(t), Position{AttemptSeq: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	opt.Instance = "b"
	now := takeOver(t, opt)
	if len(now.State.Attempts) != 3 || now.State.Position.AttemptSeq != 2 || now.State.Owner.Instance != "a" {
		t.Errorf("restored %+v", now.State)
	}
	old.Writer.Put(AttemptKey("z"), Attempt{ID: "z"})
	if err := old.Writer.Commit(within(t), Position{}); !errors.Is(err, ErrLost) {
		t.Errorf("the earlier owner's commit: %v, want ErrLost", err)
	}
	if err := old.Writer.Commit(within(t), Position{}); !errors.Is(err, ErrLost) {
		t.Errorf("and through the other id: %v, want ErrLost", err)
	}
	if err := now.Writer.Commit(within(t), Position{AttemptSeq: 9}); err != nil {
		t.Fatal(err)
	}
	third := takeOver(t, opt)
	if third.State.Attempts["z"] != nil || third.State.Position.AttemptSeq != 9 {
		t.Errorf("restored %+v, want nothing of the fenced commit", third.State.Position)
	}
}

// A take-over finds which calls ended lately, and whether there is one of which that is not known.
func TestATakeOverKnowsWhatEndedLately(t *testing.T) {
	opt, _ := cluster(t, 1)
	to := takeOver(t, opt)
	begin(t, to)
	commit := func() {
		t.Helper()
		if err := to.Writer.Commit(within(t), Position{}); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now().Add(-time.Millisecond) // the broker's times are whole milliseconds
	soon, long := began.Add(time.Second).UTC(), began.Add(-2*EndedFor).UTC()
	for _, id := range []string{"ok", "tags", "unknown", "again", "open"} {
		to.Writer.Put(AttemptKey(id), Attempt{ID: id, Account: "k", Lane: "l", State: Started, Weight: len(id), Users: []string{id}, NotAfter: soon})
	}
	to.Writer.Put(AttemptKey("old"), Attempt{ID: "old", State: OK, NotAfter: long})
	commit()
	to.Writer.Put(AttemptKey("ok"), Attempt{ID: "ok", State: OK})
	to.Writer.Delete(AttemptKey("tags"))
	to.Writer.Put(AttemptKey("unknown"), Attempt{ID: "unknown", State: Unknown})
	to.Writer.Put(AttemptKey("again"), Attempt{ID: "again", State: Again})
	commit()
	to.Writer.Delete(AttemptKey("ok")) // forgotten: it ended before
	to.Writer.Put(AttemptKey("unknown"), Attempt{ID: "unknown", State: Resolved})
	commit()
	st := takeOver(t, opt).State
	got := map[string]Ended{}
	for _, e := range st.Ended {
		if len(e.Users) == 1 {
			got[e.Users[0]] = e
		}
		if e.At.Before(began) || e.At.After(time.Now()) {
			t.Errorf("%+v did not end between %s and now", e, began)
		}
	}
	for id, unclear := range map[string]bool{"ok": false, "tags": false, "unknown": true, "again": true} {
		if e := got[id]; e.Account != "k" || e.Lane != "l" || e.Weight != len(id) || !e.NotAfter.Equal(soon) || e.Unclear != unclear {
			t.Errorf("%s: %+v", id, e)
		}
	}
	if len(st.Ended) != 5 || !st.Gap.IsZero() { // with the one whose start the cleaner took
		t.Errorf("%d ended, want 5; gap %s", len(st.Ended), st.Gap)
	}
	if st.trimEnded(time.Now().Add(2 * EndedFor)); len(st.Ended) > 0 {
		t.Errorf("%d are never forgotten", len(st.Ended))
	}
	to = takeOver(t, opt)
	to.Writer.Delete(AttemptKey("never heard of"))
	commit()
	if st := takeOver(t, opt).State; st.Gap.Before(began) {
		t.Errorf("a call of which nothing is known ended, and the gap is %s", st.Gap)
	}
}

// An earlier owner may write through either id: the take-over reads up to a record of its own behind each.
func TestTheOwnerRecordsGoThroughBothIds(t *testing.T) {
	opt, _ := cluster(t, 1)
	takeOver(t, opt)
	cl, err := kgo.NewClient(append(opt.Kafka, kgo.ConsumeTopics(opt.Topics.Ledger), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	producers := map[int64]bool{}
	for n := 0; n < 2; {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d owner records, want 2", n)
		}
		for _, r := range fs.Records() {
			if string(r.Key) == ownerKey {
				n++
				producers[r.ProducerID] = true
			}
		}
	}
	if len(producers) != 2 {
		t.Errorf("the owner records came from %d producer ids, want 2", len(producers))
	}
}

func TestTheLastWriteOfAKeyInATransactionWins(t *testing.T) {
	opt, _ := cluster(t, 1)
	to := takeOver(t, opt)
	begin(t, to)
	to.Writer.Put(AttemptKey("a"), Attempt{ID: "a", State: Started})
	to.Writer.Put(AttemptKey("a"), Attempt{ID: "a", State: OK})
	to.Writer.Put(AttemptKey("b"), Attempt{ID: "b"})
	to.Writer.Delete(AttemptKey("b"))
	if err := to.Writer.Commit(within(t), Position{}); err != nil {
		t.Fatal(err)
	}
	st := takeOver(t, opt).State
	if len(st.Attempts) != 1 || st.Attempts["a"].State != OK {
		t.Errorf("attempts %+v", st.Attempts)
	}
}

func TestAppendTimeIsTheBrokers(t *testing.T) {
	opt, _ := cluster(t, 1)
	to := takeOver(t, opt)
	begin(t, to)
	before := time.Now().Add(-time.Millisecond)
	to.Writer.Touch()
	if err := to.Writer.Commit(within(t), Position{}); err != nil {
		t.Fatal(err)
	}
	at, err := to.Writer.AppendTime(within(t))
	if err != nil || at.Before(before.Truncate(time.Millisecond)) || at.After(time.Now().Add(time.Millisecond)) {
		t.Errorf("append at %v, err %v; the commit was between %v and now", at, err, before)
	}
}

// A broker tells no time of an append that is not below the high watermark yet. A take-over that believed it would stand in 1969, where
// nothing expires and every cap is free.
func TestATimeThatTheBrokerDoesNotTellYetIsAskedForAgain(t *testing.T) {
	opt, _, kc := brokers(t, 1)
	untold := 3
	kc.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		req := r.(*kmsg.ListOffsetsRequest)
		if len(req.Topics) == 0 || len(req.Topics[0].Partitions) == 0 || req.Topics[0].Partitions[0].Timestamp != -3 || untold == 0 {
			return nil, nil, false
		}
		kc.KeepControl()
		untold--
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, rt := range req.Topics {
			st := kmsg.NewListOffsetsResponseTopic()
			st.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				sp := kmsg.NewListOffsetsResponseTopicPartition()
				sp.Partition, sp.Timestamp, sp.Offset = rp.Partition, -1, -1
				st.Partitions = append(st.Partitions, sp)
			}
			resp.Topics = append(resp.Topics, st)
		}
		return resp, nil, true
	})
	before := time.Now().Add(-time.Second)
	if to := takeOver(t, opt); to.Broker.Before(before) || to.Broker.After(time.Now().Add(time.Second)) || untold != 0 {
		t.Errorf("the broker's time is %v, %d answers without one are left", to.Broker, untold)
	}
}

// GENESIS: a ledger acts only beside the topics it began with.
func TestForeignSurroundingsHalt(t *testing.T) {
	halted := func(t *testing.T, opt Options) {
		t.Helper()
		_, err := TakeOver(within(t), opt)
		if _, ok := errors.AsType[*HaltError](err); !ok {
			t.Errorf("take-over: %v, want a HaltError", err)
		}
	}
	produce := func(t *testing.T, opt Options) {
		t.Helper()
		cl, err := kgo.NewClient(append(opt.Kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		in := intent.Intent{ID: "x"}
		b, err := in.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(within(t), &kgo.Record{Topic: opt.Topics.Intents, Value: b}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	began := func(t *testing.T) (Options, *kadm.Client) {
		opt, adm := cluster(t, 2)
		to := takeOver(t, opt)
		begin(t, to)
		produce(t, opt)
		if err := to.Writer.Release(within(t), Position{Next: 1}, time.Now()); err != nil {
			t.Fatal(err)
		}
		return opt, adm
	}
	t.Run("intents without a ledger", func(t *testing.T) {
		opt, _ := cluster(t, 1)
		produce(t, opt)
		halted(t, opt)
	})
	t.Run("the same surroundings do not", func(t *testing.T) {
		opt, _ := began(t)
		if to := takeOver(t, opt); to.State.Position.Next != 1 || to.New || !to.State.Owner.Released {
			t.Errorf("restored %+v", to.State)
		}
	})
	t.Run("partitions added", func(t *testing.T) {
		opt, adm := began(t)
		if _, err := adm.CreatePartitions(within(t), 1, opt.Topics.Intents); err != nil {
			t.Fatal(err)
		}
		deadline, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for deadline.Err() == nil {
			if d, err := adm.ListTopics(within(t), opt.Topics.Intents); err == nil && len(d[opt.Topics.Intents].Partitions) == 3 {
				break
			}
		}
		halted(t, opt)
	})
	t.Run("intents made again", func(t *testing.T) {
		opt, adm := began(t)
		if _, err := adm.DeleteTopics(within(t), opt.Topics.Intents); err != nil {
			t.Fatal(err)
		}
		if _, err := adm.CreateTopic(within(t), 2, 1, nil, opt.Topics.Intents); err != nil {
			t.Fatal(err)
		}
		halted(t, opt)
	})
	t.Run("unread intents deleted", func(t *testing.T) {
		opt, adm := began(t)
		produce(t, opt)
		produce(t, opt)
		var os kadm.Offsets
		os.Add(kadm.Offset{Topic: opt.Topics.Intents, Partition: 0, At: 2})
		if _, err := adm.DeleteRecords(within(t), os); err != nil {
			t.Fatal(err)
		}
		halted(t, opt)
	})
}

// Old intents are deleted where that is allowed; where it is not, that is an error, nothing else fails, and the topic's size is told.
func TestTrimDeletesBelowAnOffsetOrSaysThatItMayNot(t *testing.T) {
	t.Parallel()
	opt, adm, kc := brokers(t, 1)
	to := takeOver(t, opt)
	to.Writer.WriteGenesis(to.State.Genesis)
	for range 10 {
		to.Writer.Intent("k", []byte("an intent"))
	}
	if err := to.Writer.Commit(within(t), Position{}); err != nil {
		t.Fatal(err)
	}
	begins := func() int64 {
		t.Helper()
		os, err := adm.ListStartOffsets(within(t), opt.Topics.Intents)
		if err != nil {
			t.Fatal(err)
		}
		o, _ := os.Lookup(opt.Topics.Intents, 0)
		return o.Offset
	}
	if err := to.Writer.Trim(within(t), 4); err != nil || begins() != 4 {
		t.Errorf("trimmed below 4: %v, the topic begins at %d", err, begins())
	}
	if _, intents, err := to.Writer.Size(within(t)); err != nil || intents == 0 {
		t.Errorf("the intents have %d bytes, %v", intents, err)
	}
	kc.ControlKey(int16(kmsg.DeleteRecords), func(req kmsg.Request) (kmsg.Response, error, bool) {
		kc.KeepControl()
		resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
		for _, asked := range req.(*kmsg.DeleteRecordsRequest).Topics {
			topic := kmsg.NewDeleteRecordsResponseTopic()
			topic.Topic = asked.Topic
			for _, p := range asked.Partitions {
				part := kmsg.NewDeleteRecordsResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
				topic.Partitions = append(topic.Partitions, part)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	if err := to.Writer.Trim(within(t), 8); !errors.Is(err, kerr.TopicAuthorizationFailed) || begins() != 4 {
		t.Errorf("without the right: %v, the topic begins at %d", err, begins())
	}
	to.Writer.Intent("k", []byte("one more"))
	if err := to.Writer.Commit(within(t), Position{}); err != nil {
		t.Errorf("a commit after a refused trim: %v", err)
	}
}
