package dispatch

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// An intent that this release cannot read holds up its partition, until an operator passes it: it is a dead letter, and what is behind
// it goes.
func TestARecordOfTheIntentsIsSkippedByAnOperator(t *testing.T) {
	t.Parallel()
	b := setup(t)
	newer := []byte{intent.Version + 1, 0x0a}
	b.produce(b.intent("before", "r", "u1", intent.Push))
	if err := b.cl.ProduceSync(t.Context(), &kgo.Record{Topic: b.topics.Intents, Key: []byte("stub:k"), Value: newer}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.produce(b.intent("behind", "r", "u2", intent.Push))
	b.start(b.account(), nil)
	b.fates(1)
	skip := func(id, place string) ledger.Answer {
		return b.command(ledger.Command{ID: id, Cmd: ledger.CmdSkip, Target: place})
	}
	if ans := skip("c1", "n.intents/0@2"); ans.OK || !strings.Contains(ans.Text, "stands at offset 1") {
		t.Errorf("of a record it does not stand at: %+v", ans)
	}
	if ans := skip("c2", "n.intents/0@1"); !ans.OK || !strings.Contains(ans.Text, "skipped offsets 1 to 1, reading goes on at 2") {
		t.Errorf("answer %+v", ans)
	}
	if got, want := kinds(b.fates(2)), []string{"before SENT", "behind SENT"}; !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v", got, want)
	}
	dead, err := b.deadLetters()
	if err != nil || len(dead) != 1 || string(dead[0].Value) != string(newer) {
		t.Fatalf("dead letters %v, %v", dead, err)
	}
	var d ledger.DeadLetter
	for _, h := range dead[0].Headers {
		d.Read(h.Key, string(h.Value))
	}
	if d.Reason != ledger.SkippedByOperator || d.Topic != "n.intents" || d.Offset != 1 || d.Detail != "by li: looked in the console" {
		t.Errorf("dead letter %+v", d)
	}
}

func (b *bundle) deadLetters() (out []*kgo.Record, err error) {
	cl, err := kgo.NewClient(append(slices.Clone(b.kafka), kgo.ConsumeTopics(b.topics.Dead), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	fs := cl.PollFetches(b.t.Context())
	return fs.Records(), fs.Err()
}

// One that can be read is an intent: it has a fate, and the books balance.
func TestAnIntentThatIsSkippedIsDead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.produce(b.intent("poison", "r", "u1", intent.Push))
	a := b.byHand(nil)
	failed := make(chan error, 1)
	a.failed = func(err error) { failed <- err }
	a.obey(told(0, "c1", ledger.CmdSkip, "n.intents/0@0", nil))
	b.commit(a)
	if err := <-failed; err != errSkipped {
		t.Errorf("%v: the records behind it were dropped from memory and are not read again", err)
	}
	if got := kinds(b.fates(1)); !slices.Equal(got, []string{"poison DEAD(skipped-by-operator)"}) {
		t.Errorf("fates %v", got)
	}
	if st := b.readLedger(); !st.Balanced() || st.Position.Next != 1 || st.Position.Intents != 1 {
		t.Errorf("position %+v", st.Position)
	}
}

// Stage 1 writes in transactions, whose markers take offsets: between what was taken in and the poison lie some, and the log names the poison.
func TestThePoisonBehindMarkersIsSkipped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx, err := kgo.NewClient(append(slices.Clone(b.kafka), kgo.TransactionalID("stage1"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	write := func(value []byte) {
		t.Helper()
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := tx.ProduceSync(t.Context(), &kgo.Record{Topic: b.topics.Intents, Key: []byte("stub:k"), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	before, err := b.intent("before", "r", "u1", intent.Push).Encode()
	if err != nil {
		t.Fatal(err)
	}
	behind, err := b.intent("behind", "r", "u2", intent.Push).Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(before)                           // 0, its marker is 1
	write([]byte{intent.Version + 1, 0x0a}) // 2
	write(behind)                           // 4
	b.start(b.account(), nil)
	b.fates(1)
	skip := func(id, place string) ledger.Answer {
		return b.command(ledger.Command{ID: id, Cmd: ledger.CmdSkip, Target: place})
	}
	if ans := skip("c1", "n.intents/0@4"); ans.OK {
		t.Errorf("one behind it was skipped: %+v", ans)
	}
	if ans := skip("c2", "n.intents/0@2"); !ans.OK {
		t.Errorf("answer %+v", ans)
	}
	if got, want := kinds(b.fates(2)), []string{"before SENT", "behind SENT"}; !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v", got, want)
	}
}
