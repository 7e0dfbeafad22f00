package query

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/notifier/notifier/internal/ledger"
)

// A topic that ends in the marker of its producer's transaction is read to its end, although nobody commits behind the marker.
func TestAMarkerAtTheEndIsNoLag(t *testing.T) {
	kc, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	r := &Reader{Kafka: []kgo.Opt{kgo.SeedBrokers(kc.ListenAddrs()...), kgo.MetadataMinAge(20 * time.Millisecond)}, Topics: ledger.TopicsOf("n")}
	cl, err := kgo.NewClient(append(r.Kafka[:len(r.Kafka):len(r.Kafka)], kgo.TransactionalID("upstream"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		committed, at int64
		oldest        bool
	}{{3, 4, false}, {1, 1, true}} { // record, marker, record, marker
		var offsets kadm.Offsets
		offsets.AddOffset("events", 0, c.committed, -1)
		if err := adm.CommitAllOffsets(t.Context(), "n-evaluate", offsets); err != nil {
			t.Fatal(err)
		}
		flows, err := r.Flows(t.Context(), []string{"events"})
		if err != nil || len(flows) != 1 {
			t.Fatalf("%v %v", flows, err)
		}
		if f := flows[0]; f.At != c.at || f.Stable != 4 || f.Oldest.IsZero() == c.oldest {
			t.Errorf("committed %d: %+v, want at %d, an oldest record %t", c.committed, f, c.at, c.oldest)
		}
	}
}

// What stage 2 has not taken in is counted in intents: the marker that ends a transaction of stage 1 is none.
func TestABacklogCountsIntents(t *testing.T) {
	r, _, _ := written(t)
	tx, err := kgo.NewClient(append(slices.Clone(r.Kafka), kgo.TransactionalID("one"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tx.Close)
	for range 2 {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := tx.ProduceSync(t.Context(), &kgo.Record{Topic: r.Topics.Intents, Partition: 1, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	for next, want := range map[int64]int64{0: 2, 1: 1, 2: 1, 3: 0, 4: 0, 9: 0} { // record, marker, record, marker
		st := ledger.NewState()
		st.Position.Next = next
		got, err := r.Backlogs(t.Context(), map[int32]*ledger.State{1: st})
		if err != nil || len(got) != 2 || got[0] != 0 || got[1] != want {
			t.Errorf("from %d on: %v %v, want %d", next, got, err, want)
		}
	}
}

// A topic that stage 1 never began is told: whoever waits or asks why must not take it for read.
func TestATopicThatNobodyReadsIsTold(t *testing.T) {
	r, adm, cl := written(t)
	if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func(context.Context, []string) ([]ledger.Flow, error){"Flows": r.Flows, "AllFlows": r.AllFlows} {
		flows, err := ask(t.Context(), []string{"events", "nowhere"})
		if err != nil || len(flows) != 1 || !flows[0].Fresh || flows[0].At != 0 || flows[0].Stable != 1 || flows[0].Oldest.IsZero() {
			t.Errorf("%s: %+v %v", name, flows, err)
		}
	}
	if lost, err := r.Lost(t.Context(), []string{"events", "nowhere"}); err != nil || len(lost) != 0 {
		t.Errorf("lost: %v %v", lost, err)
	}
	var offsets kadm.Offsets
	offsets.AddOffset("events", 0, 7, -1)
	if err := adm.CommitAllOffsets(t.Context(), "n-evaluate", offsets); err != nil {
		t.Fatal(err)
	}
	if lost, err := r.Lost(t.Context(), []string{"events", "nowhere"}); err != nil || !slices.Equal(lost, []string{"events/0"}) {
		t.Errorf("lost: %v %v", lost, err)
	}
}

// A partition of which the broker tells nothing may hold anything: nobody is told that all is read.
func TestAPartitionThatCannotBeAskedIsNotRead(t *testing.T) {
	kc, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	kc.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		kc.KeepControl()
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		resp.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: "events", Partitions: []kmsg.ListOffsetsResponseTopicPartition{{ErrorCode: kerr.UnknownServerError.Code}}}}
		return resp, nil, true
	})
	r := &Reader{Kafka: []kgo.Opt{kgo.SeedBrokers(kc.ListenAddrs()...)}, Topics: ledger.TopicsOf("n")}
	if flows, err := r.AllFlows(t.Context(), []string{"events"}); err == nil || !strings.Contains(err.Error(), "events[0]") {
		t.Errorf("%+v %v", flows, err)
	}
	if flows, err := r.Flows(t.Context(), []string{"events"}); err != nil || len(flows) != 0 { // what can be told is told
		t.Errorf("%+v %v", flows, err)
	}
}
