package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/notifier/notifier/internal/embedded"
)

// A start of the embedded broker that compacts the ledger leaves what a take-over asks of the last minutes.
func TestAStartThatCompactsKeepsWhatEndedLately(t *testing.T) {
	if embedded.KeepYoung < EndedFor {
		t.Errorf("replaced records stay for %s, a take-over asks for %s", embedded.KeepYoung, EndedFor)
	}
	dir, calls := t.TempDir(), 200
	start := func() (Options, *embedded.Broker, int) {
		core, logs := observer.New(zap.InfoLevel)
		b, err := embedded.Start(t.Context(), embedded.Options{Dir: dir, Lately: AskedLately, Logger: zap.New(core)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return Options{Kafka: []kgo.Opt{kgo.SeedBrokers(b.Addrs()...), kgo.MetadataMinAge(20 * time.Millisecond)}, Topics: TopicsOf("n"), TxnSuffix: b.TxnSuffix(), Instance: "a"}, b,
			logs.FilterMessage("compacted a partition of the embedded broker").FilterField(zap.String("topic", TopicsOf("n").Ledger)).Len()
	}
	opt, b, _ := start()
	cl, err := kgo.NewClient(opt.Kafka...)
	if err != nil {
		t.Fatal(err)
	}
	for topic, policy := range map[string]string{opt.Topics.Intents: "delete", opt.Topics.Fates: "delete", opt.Topics.Control: "compact", opt.Topics.Ledger: "compact"} {
		if _, err := kadm.NewClient(cl).CreateTopic(within(t), 1, 1, map[string]*string{"cleanup.policy": &policy, "message.timestamp.type": kadm.StringPtr("LogAppendTime")}, topic); err != nil {
			t.Fatal(err)
		}
	}
	cl.Close()
	to := takeOver(t, opt)
	begin(t, to)
	for i := range calls {
		id := fmt.Sprint("call-", i)
		to.Writer.Put(AttemptKey(id), Attempt{ID: id, Account: "k", Lane: "l", State: Started, Weight: 1, NotAfter: time.Now().Add(time.Second).UTC()})
		if err := to.Writer.Commit(within(t), Position{AttemptSeq: int64(i)}); err != nil {
			t.Fatal(err)
		}
		to.Writer.Delete(AttemptKey(id))
		if err := to.Writer.Commit(within(t), Position{AttemptSeq: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	to.Writer.Close()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	opt, _, compacted := start()
	if st := takeOver(t, opt).State; compacted != 1 || len(st.Ended) != calls || !st.Gap.IsZero() || st.Position.AttemptSeq != int64(calls-1) {
		t.Errorf("compacted %d times; %d of %d calls ended lately, gap %s, %+v", compacted, len(st.Ended), calls, st.Gap, st.Position)
	}
}
