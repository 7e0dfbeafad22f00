package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// written is a ledger of two partitions with three intents: one sent, one pending, one resolved by a human.
func written(t *testing.T) (*Reader, *kadm.Client, *kgo.Client) {
	t.Helper()
	kc, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	r := &Reader{Kafka: []kgo.Opt{kgo.SeedBrokers(kc.ListenAddrs()...), kgo.MetadataMinAge(20 * time.Millisecond)}, Topics: ledger.TopicsOf("n")}
	cl, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	adm := kadm.NewClient(cl)
	for _, topic := range []string{r.Topics.Intents, r.Topics.Fates, r.Topics.Dead, r.Topics.Control, r.Topics.Ledger} {
		cfg := map[string]*string{}
		if topic == r.Topics.Ledger {
			cfg["message.timestamp.type"] = kadm.StringPtr("LogAppendTime")
		}
		if _, err := adm.CreateTopic(t.Context(), 2, 1, cfg, topic); err != nil {
			t.Fatal(err)
		}
	}
	for p := range int32(2) {
		to, err := ledger.TakeOver(t.Context(), ledger.Options{Kafka: r.Kafka, Topics: r.Topics, Instance: "a", Partition: p})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(to.Writer.Close)
		to.Writer.WriteGenesis(to.State.Genesis)
		pos := ledger.Position{}
		if p == 0 {
			ins := make([]*intent.Intent, 3)
			for i := range ins {
				ins[i] = &intent.Intent{V: 1, ID: intent.ID(fmt.Sprintf("t/0/%d/r/u%d", i, i)), Event: intent.EventRef{ID: fmt.Sprint("e", i), Topic: "t", Offset: int64(i)}, Rule: "r", Target: fmt.Sprint("u", i), Action: intent.Push}
			}
			now := time.Now()
			to.Writer.Fate(ledger.NewFate(ins[0], ledger.Sent, "", now))
			to.Writer.Put(ledger.PendingKey(string(ins[1].ID)), ledger.Pending{Intent: ins[1]})
			f := ledger.NewFate(ins[2], ledger.FateUnknown, "", now)
			to.Writer.Fate(f)
			f.Fate, f.Resolves = ledger.Sent, ledger.FateUnknown
			to.Writer.Fate(f)
			pos = ledger.Position{Intents: 3, Fates: 2, Resolutions: 1}
		}
		if err := to.Writer.Commit(t.Context(), pos); err != nil {
			t.Fatal(err)
		}
	}
	return r, adm, cl
}

func TestBooks(t *testing.T) {
	r, adm, cl := written(t)
	b, err := r.Books(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !b.Balanced() || b.Intents != 3 || b.Pending != 1 || b.Fates[ledger.Sent] != 2 || b.Fates[ledger.FateUnknown] != 0 || b.Sent["push"] != 2 {
		t.Errorf("books %+v", b)
	}
	// A second fate of one intent that resolves nothing is a fault.
	f := ledger.NewFate(&intent.Intent{ID: "t/0/0/r/u0"}, ledger.Sent, "", time.Now())
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: r.Topics.Fates, Key: []byte("e0"), Value: f.Encode()}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if b, err = r.Books(t.Context()); err != nil || b.Balanced() || len(b.Double) != 1 {
		t.Errorf("books %+v %v, want a double", b, err)
	}
	// Fates that were deleted by age are no imbalance.
	var os kadm.Offsets
	ends, err := adm.ListEndOffsets(t.Context(), r.Topics.Fates)
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { os.Add(kadm.Offset{Topic: o.Topic, Partition: o.Partition, At: o.Offset}) })
	if _, err := adm.DeleteRecords(t.Context(), os); err != nil {
		t.Fatal(err)
	}
	if b, err = r.Books(t.Context()); err != nil || !b.Balanced() || b.Kept {
		t.Errorf("books %+v %v after the fates were deleted by age", b, err)
	}
}

func TestAMissingFateUnbalances(t *testing.T) {
	b := Books{Intents: 3, Given: 2, Pending: 1, Kept: true, Fates: map[ledger.FateKind]int{ledger.Sent: 1}}
	if b.Balanced() {
		t.Error("the ledger gave two fates, one is on record: a fate is missing")
	}
	if b = (Books{Intents: 3, Given: 2, Pending: 0, Fates: map[ledger.FateKind]int{}}); b.Balanced() {
		t.Error("three intents, two fates, none pending: an intent is missing")
	}
}

func TestFatesAreChosen(t *testing.T) {
	r, _, _ := written(t)
	for _, c := range []struct {
		f    Filter
		want int
	}{{Filter{}, 3}, {Filter{Event: "e2"}, 2}, {Filter{User: "u0"}, 1}, {Filter{Fate: ledger.FateUnknown}, 1}, {Filter{Rule: "nobody"}, 0}, {Filter{Since: time.Now().Add(time.Hour)}, 0}} {
		n := 0
		if err := r.Fates(t.Context(), c.f, func(ledger.Fate) error { n++; return nil }); err != nil || n != c.want {
			t.Errorf("%+v: %d fates, %v; want %d", c.f, n, err, c.want)
		}
	}
}

func TestSilenceNamesWhoDidNotAnswer(t *testing.T) {
	r, _, _ := written(t)
	answers, err := r.Send(t.Context(), ledger.Command{Cmd: ledger.CmdPause, Target: "all", By: "me", Why: "test"}, -1, 50*time.Millisecond)
	silent, ok := errors.AsType[*SilentError](err)
	if !ok || len(answers) != 0 || len(silent.Partitions) != 2 || silent.Owners[0] != "a" {
		t.Errorf("answers %v, error %v", answers, err)
	}
}

// A stopped partition sends nothing: a pause does not wait for it, and says so.
func TestAStoppedPartitionIsNotWaitedFor(t *testing.T) {
	r, _, cl := written(t)
	h := []byte(`{"v":1,"partition":0,"instance":"a","what":"the ledger was lost","at":"2026-11-21T10:00:00Z"}`)
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: r.Topics.Control, Key: []byte(ledger.HaltKey(0)), Value: h}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	answers, err := r.Send(t.Context(), ledger.Command{Cmd: ledger.CmdPause, Target: "all", By: "me", Why: "test"}, -1, 50*time.Millisecond)
	silent, ok := errors.AsType[*SilentError](err)
	if !ok || !slices.Equal(silent.Partitions, []int32{1}) || len(answers) != 1 || answers[0].Partition != 0 || !strings.Contains(answers[0].Text, "nothing is sent from it") {
		t.Errorf("answers %+v, error %v", answers, err)
	}
	if _, err := r.Send(t.Context(), ledger.Command{Cmd: ledger.CmdAssume, Target: "x", By: "me", Why: "test"}, 0, 50*time.Millisecond); err == nil {
		t.Error("what is asked of it alone is not waited for")
	}
}

func TestARecordIsReadByItsPlaceOrIsGone(t *testing.T) {
	r, adm, _ := written(t)
	for i := range 3 {
		rec := &kgo.Record{Topic: r.Topics.Dead, Partition: 1, Value: fmt.Append(nil, "v", i)}
		c, err := kgo.NewClient(append(r.Kafka[:len(r.Kafka):len(r.Kafka)], kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if _, err := adm.DeleteRecords(t.Context(), kadm.Offsets{r.Topics.Dead: {1: kadm.Offset{Topic: r.Topics.Dead, Partition: 1, At: 1}}}); err != nil {
		t.Fatal(err)
	}
	for offset, want := range map[int64]string{0: "", 1: "v1", 2: "v2", 3: "", 99: ""} {
		rec, err := r.Record(t.Context(), r.Topics.Dead, 1, offset)
		got := ""
		if rec != nil {
			got = string(rec.Value)
		}
		if err != nil || got != want {
			t.Errorf("offset %d: %q, %v, want %q", offset, got, err, want)
		}
	}
	if rec, err := r.Record(t.Context(), "nowhere", 0, 0); rec != nil || err != nil {
		t.Errorf("no topic: %v %v", rec, err)
	}
}
