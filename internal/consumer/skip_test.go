package consumer

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// bomb writes a batch of two records that is small and unpacks to more than ledger.MaxBatch; it gives the offset of the first.
func (b *bundle) bomb() int64 {
	b.t.Helper()
	cl, err := kgo.NewClient(append(b.kafka, kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(64<<20), kgo.MaxBufferedBytes(128<<20), kgo.BrokerMaxWriteBytes(100<<20), kgo.ProducerLinger(50*time.Millisecond))...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	big := strings.Repeat("x", ledger.MaxBatch/2+1<<20)
	rs := []*kgo.Record{{Topic: "events", Value: []byte(big)}, {Topic: "events", Value: []byte(big)}}
	if err := cl.ProduceSync(b.t.Context(), rs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	if rs[1].Offset != rs[0].Offset+1 {
		b.t.Fatalf("offsets %d %d", rs[0].Offset, rs[1].Offset)
	}
	return rs[0].Offset
}

func (b *bundle) skip(id, place string) (ans ledger.Answer) {
	b.t.Helper()
	c := ledger.Command{V: 1, ID: id, Cmd: ledger.CmdSkip, Target: place, By: "li", Why: "a bomb", At: time.Now()}
	v, err := json.Marshal(c)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: b.topics.Control, Key: []byte(c.Key()), Value: v}).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	for n := 1; ; n++ {
		for _, r := range b.read(b.topics.Control, n) {
			if strings.HasPrefix(string(r.Key), "answer/"+id) && json.Unmarshal(r.Value, &ans) == nil {
				return ans
			}
		}
	}
}

// A batch that cannot be unpacked stops its partition, alone and named, until an operator passes it; it leaves a dead letter, one, and what
// comes behind it is evaluated.
func TestABatchThatCannotBeUnpackedIsSkippedByAnOperator(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	opt := b.options()
	opt.Metrics = NewMetrics(prometheus.NewRegistry())
	blocked := func() float64 { return testutil.ToFloat64(opt.Metrics.blocked.WithLabelValues("events")) }
	stop := b.start(opt)
	b.produce("one")
	b.read(b.topics.Intents, 1)
	at := b.bomb()
	b.produce("behind")
	for deadline := time.Now().Add(20 * time.Second); blocked() != 1; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the partition is not named")
		}
	}
	for place, says := range map[string]string{
		fmt.Sprintf("events/0@%d", at+2): fmt.Sprintf("the group stands at offset %d", at), "events/0@0": "it was passed already",
	} {
		if ans := b.skip("c"+place[len(place)-1:], place); ans.OK || !ans.Refused || !strings.Contains(ans.Text, says) {
			t.Errorf("%s: %+v, want %q", place, ans, says)
		}
	}
	if ans := b.skip("good", fmt.Sprintf("events/0@%d", at)); !ans.OK || !strings.Contains(ans.Text, fmt.Sprintf("skipped offsets %d to %d, reading goes on at %d", at, at+1, at+2)) {
		t.Errorf("answer %+v", ans)
	}
	b.read(b.topics.Intents, 2)
	d := b.read(b.topics.Dead, 1)
	if len(d) != 1 || header(d[0], ledger.DeadReason) != "skipped-by-operator" || header(d[0], ledger.DeadOffset) != fmt.Sprint(at) || !strings.Contains(header(d[0], ledger.DeadDetail), "by li: a bomb (a batch up to offset") {
		t.Errorf("dead letters %v", d)
	}
	if blocked() != 0 {
		t.Error("the partition is still named as stopped")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	// The process ended before the group was moved: the command is obeyed again, and there is one dead letter all the same.
	b.moveGroup(at)
	stop = b.start(b.options())
	b.produce("last")
	b.read(b.topics.Intents, 4) // "behind" again, for the group was moved back, and "last"
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if d := b.read(b.topics.Dead, 1); len(d) != 1 {
		t.Errorf("%d dead letters, want 1", len(d))
	}
}

// moveGroup sets where the group stands; nobody is in it.
func (b *bundle) moveGroup(offset int64) {
	b.t.Helper()
	os, err := b.adm.FetchOffsets(b.t.Context(), b.topics.Prefix+"-evaluate")
	if err != nil {
		b.t.Fatal(err)
	}
	set := os.Offsets()
	o, _ := set.Lookup("events", 0)
	o.At, o.LeaderEpoch = offset, -1
	set["events"][0] = o
	if err := b.adm.CommitAllOffsets(b.t.Context(), b.topics.Prefix+"-evaluate", set); err != nil {
		b.t.Fatal(err)
	}
}

// A record that can be read is skipped alone, and kept whole.
func TestARecordIsSkippedWithWhatItHolds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	b.produce("poison", "behind")
	at, err := ledger.ParsePlace("events/0@0")
	if err != nil {
		t.Fatal(err)
	}
	r, _, next, err := ledger.ReadRecord(t.Context(), b.kafka, at)
	if err != nil || next != 1 || string(r.Value) != "poison" {
		t.Errorf("read %v, next %d, %v", r, next, err)
	}
	if _, _, _, err := ledger.ReadRecord(t.Context(), b.kafka, ledger.Place{Topic: "events", Offset: 2}); err == nil || !strings.Contains(err.Error(), "no record at events/0@2") {
		t.Errorf("behind the end: %v", err)
	}
	d := ledger.NewDead(b.topics, r, ledger.SkippedByOperator, "by li: poison", true, time.Now())
	if string(d.Value) != "poison" || header(d, "h") != "1" || header(d, ledger.DeadTopic) != "events" {
		t.Errorf("dead letter %+v", d)
	}
}

// A producer that writes in transactions leaves markers, which take offsets: between the last record that was read and the one that is named
// lies one.
func TestARecordBehindAMarkerIsSkipped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	tx, err := kgo.NewClient(append(slices.Clone(b.kafka), kgo.TransactionalID("shop"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	if err := tx.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := tx.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte("one")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	opt := b.options()
	opt.Metrics = NewMetrics(prometheus.NewRegistry())
	stop := b.start(opt)
	b.read(b.topics.Intents, 1)
	at := b.bomb() // 2
	b.produce("behind")
	for deadline := time.Now().Add(20 * time.Second); testutil.ToFloat64(opt.Metrics.blocked.WithLabelValues("events")) != 1; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the partition is not named")
		}
	}
	if ans := b.skip("good", fmt.Sprintf("events/0@%d", at)); !ans.OK || !strings.Contains(ans.Text, fmt.Sprintf("skipped offsets %d to %d", at, at+1)) {
		t.Errorf("answer %+v", ans)
	}
	b.read(b.topics.Intents, 2)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// A command that was refused is over: a process that reads it again does not obey it when the group happens to stand there later.
func TestARefusedSkipIsNotObeyedLater(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	b.produce("one", "two")
	stop := b.start(b.options())
	b.read(b.topics.Intents, 2)
	if ans := b.skip("early", "events/0@3"); ans.OK || !ans.Refused {
		t.Fatalf("answer %+v", ans)
	}
	b.produce("three")
	b.read(b.topics.Intents, 3)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.produce("four") // 3
	stop = b.start(b.options())
	b.read(b.topics.Intents, 4)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
