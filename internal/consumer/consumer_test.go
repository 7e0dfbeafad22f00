package consumer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// stubRules makes of a record what its text says; the rules themselves are tested in package rules.
func (stubRules) Took(time.Duration) {}

type stubRules struct{ topics []string }

func (s stubRules) Topics() []string { return s.topics }

func (stubRules) DecodeInto(_ []event.Event, r event.Record) ([]event.Event, error) {
	text := string(r.Value)
	switch {
	case text == "bad":
		return nil, &event.DecodeError{Reason: event.BadField, Event: "e", Detail: "no id"}
	case text == "panic":
		panic("a rule with a fault")
	case text == "nobody's":
		return nil, nil
	case strings.HasPrefix(text, "half"): // one catalogue entry is at fault, another is fine
		return []event.Event{{Spec: &event.Spec{Name: "e"}, ID: text, Pos: r.Position}}, &event.DecodeError{Reason: event.BadField, Event: "f", Detail: "no user"}
	}
	return []event.Event{{Spec: &event.Spec{Name: "e"}, ID: text, Pos: r.Position}}, nil
}

func (stubRules) EvaluateInto(_ *intent.Room, ev *event.Event) []*intent.Intent {
	one := func() *intent.Intent {
		return &intent.Intent{ID: intent.MakeID(ev.Pos, "r", "u"), Event: intent.EventRef{ID: ev.ID}, Rule: "r", Account: "main", Target: "u", Action: intent.Push, Content: &intent.Content{Body: ev.ID}}
	}
	switch {
	case strings.HasPrefix(ev.ID, "quiet"):
		return nil
	case ev.ID == "twice":
		return []*intent.Intent{one(), one()}
	case ev.ID == "huge":
		in := one()
		in.Content.Body = strings.Repeat("x", intent.MaxBytes)
		return []*intent.Intent{in}
	}
	return []*intent.Intent{one()}
}

type bundle struct {
	t      *testing.T
	kc     *kfake.Cluster
	kafka  []kgo.Opt
	cl     *kgo.Client
	adm    *kadm.Client
	topics ledger.Topics
}

func setup(t *testing.T) *bundle {
	t.Helper()
	return setupOn(t, 1)
}

func setupOn(t *testing.T, brokers int) *bundle {
	t.Helper()
	kc, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	b := &bundle{t: t, kc: kc, kafka: []kgo.Opt{kgo.SeedBrokers(kc.ListenAddrs()...), kgo.MetadataMinAge(20 * time.Millisecond)}, topics: ledger.TopicsOf("n")}
	if b.cl, err = kgo.NewClient(append(b.kafka, kgo.ProducerBatchMaxBytes(4<<20))...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.cl.Close)
	b.adm = kadm.NewClient(b.cl)
	big := map[string]*string{"max.message.bytes": kadm.StringPtr("8000000")}
	for topic, cfg := range map[string]map[string]*string{"events": big, b.topics.Intents: nil, b.topics.Ledger: {"message.timestamp.type": kadm.StringPtr("LogAppendTime")}, b.topics.Fates: nil, b.topics.Dead: nil, b.topics.Control: nil} {
		if _, err := b.adm.CreateTopic(t.Context(), 1, 1, cfg, topic); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// genesis begins the ledger, as stage 2 does.
func (b *bundle) genesis() { b.t.Helper(); b.genesisOf(0) }

func (b *bundle) genesisOf(p int32) {
	b.t.Helper()
	to, err := ledger.TakeOver(b.t.Context(), ledger.Options{Kafka: b.kafka, Topics: b.topics, Instance: "a", Partition: p})
	if err != nil {
		b.t.Fatal(err)
	}
	to.Writer.WriteGenesis(to.State.Genesis)
	if err := to.Writer.Release(b.t.Context(), ledger.Position{}, time.Now()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) options() Options {
	return Options{Kafka: b.kafka, Topics: b.topics, Instance: "a", Rules: func() Rules { return stubRules{[]string{"events"}} }, Accounts: map[string]string{"main": "stub:k"},
		Start: Start{Set: true, Earliest: true}, KeepDead: true, FetchMaxWait: 50 * time.Millisecond,
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: zaptest.NewLogger(b.t, zaptest.Level(zap.FatalLevel))}
}

func (b *bundle) start(opt Options) (stop func() error) {
	b.t.Helper()
	return b.run(New(opt))
}

func (b *bundle) run(c *Consumer) (stop func() error) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var result error
	stopped := false
	stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			result = <-done
		}
		return result
	}
	b.t.Cleanup(func() { _ = stop() })
	return stop
}

func (b *bundle) produce(values ...string) {
	b.t.Helper()
	for _, v := range values {
		r := &kgo.Record{Topic: "events", Key: []byte("k"), Value: []byte(v), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}}}
		if err := b.cl.ProduceSync(b.t.Context(), r).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
}

// read waits for n committed records of a topic.
func (b *bundle) read(topic string, n int) []*kgo.Record {
	b.t.Helper()
	cl, err := kgo.NewClient(append(slices.Clone(b.kafka), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			b.t.Fatalf("waited for %d records of %s, got %d", n, topic, len(out))
		}
		out = append(out, fs.Records()...)
	}
	return out
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func TestABadRecordIsADeadLetterAndTheLineGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	b.produce("e1", "bad", "panic", "nobody's", "quiet", "huge", "half", "twice", "e2")
	b.start(b.options())
	var ids, keys []string
	for _, r := range b.read(b.topics.Intents, 5) {
		in, err := intent.Decode(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		ids, keys = append(ids, string(in.ID)), append(keys, in.Key+" "+string(r.Key))
	}
	if d := cmp.Diff([]string{"events/0/0/r/u", "events/0/6/r/u", "events/0/7/r/u", "events/0/7/r/u#2", "events/0/8/r/u"}, ids); d != "" {
		t.Error(d)
	}
	if keys[0] != "stub:k stub:k" {
		t.Errorf("key %q, want the account's identity", keys[0])
	}
	var dead []string
	for _, r := range b.read(b.topics.Dead, 4) {
		dead = append(dead, header(r, "n-offset")+" "+header(r, "n-reason")+" "+string(r.Key)+" "+string(r.Value)+" h="+header(r, "h"))
	}
	if d := cmp.Diff([]string{"1 bad-field k bad h=1", "2 undecodable k panic h=1", "5 too-large k huge h=1", "6 bad-field k half h=1"}, dead); d != "" {
		t.Error(d)
	}
}

func TestADeadLetterOfALargeRecordKeepsItsBeginningAndItsHash(t *testing.T) {
	t.Parallel()
	c := &Consumer{opt: Options{KeepDead: true, Topics: ledger.TopicsOf("n")}, log: zap.NewNop()}
	value := bytes.Repeat([]byte("v"), 5<<20)
	d := c.dead(&kgo.Record{Topic: "t", Value: value}, "too-large", strings.Repeat("d", 1000))
	if len(d.Value) != ledger.MaxDead || header(d, "n-length") != fmt.Sprint(5<<20) || len(header(d, "n-sha256")) != 64 || len(header(d, "n-detail")) > 510 {
		t.Errorf("%d bytes, length %s, hash %s", len(d.Value), header(d, "n-length"), header(d, "n-sha256"))
	}
	c.opt.KeepDead = false
	if d := c.dead(&kgo.Record{Topic: "t", Key: []byte("k"), Value: value}, "too-large", ""); d.Value != nil || d.Key != nil || header(d, "n-topic") != "t" {
		t.Errorf("payload: none keeps %d bytes", len(d.Value))
	}
	many := &kgo.Record{Topic: "t", Value: value}
	for range 100 {
		many.Headers = append(many.Headers, kgo.RecordHeader{Key: "h", Value: make([]byte, 4096)})
	}
	c.opt.KeepDead = true
	size := 0
	letter := c.dead(many, "x", "")
	for _, h := range letter.Headers {
		size += len(h.Value)
	}
	if size > ledger.MaxDead+4096 || header(letter, "n-length") == "" {
		t.Errorf("%d bytes of headers", size)
	}
}

func TestARestartReadsNothingTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	for i := range 3 {
		stop := b.start(b.options())
		b.produce(fmt.Sprint("e", i))
		b.read(b.topics.Intents, i+1)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	stop := b.start(b.options())
	b.produce("last")
	if n := len(b.read(b.topics.Intents, 4)); n != 4 {
		t.Errorf("%d intents, want 4", n)
	}
	_ = stop()
}

func TestWhereANewGroupBegins(t *testing.T) {
	t.Parallel()
	t.Run("latest, also when nothing was read before the first restart", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		b.produce("before")
		opt := b.options()
		opt.Start = Start{Set: true}
		stop := b.start(opt)
		b.committed("n-evaluate", 1)
		_ = stop()
		b.produce("between")
		b.start(opt)
		in, err := intent.Decode(b.read(b.topics.Intents, 1)[0].Value)
		if err != nil || in.Event.ID != "between" {
			t.Errorf("first event %v %v, want the one produced while nothing ran", in, err)
		}
	})
	t.Run("nobody decided", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		opt := b.options()
		opt.Start = Start{}
		if err := New(opt).Run(t.Context()); !errors.Is(err, ErrNoStart) {
			t.Errorf("%v, want ErrNoStart", err)
		}
	})
}

// committed waits until the group has committed an offset.
func (b *bundle) committed(group string, want int64) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		os, err := b.adm.FetchOffsets(b.t.Context(), group)
		if err != nil {
			continue
		}
		if o, ok := os.Lookup("events", 0); ok && o.At == want {
			return
		}
	}
	b.t.Fatalf("group %s never committed %d", group, want)
}

// joined waits until the group has a member: it is about to poll, or waits for events.
func (b *bundle) joined() {
	b.t.Helper()
	b.until("a member of the group", func() bool {
		gs, err := b.adm.DescribeGroups(b.t.Context(), "n-evaluate")
		return err == nil && gs["n-evaluate"].State == "Stable" && len(gs["n-evaluate"].Members) > 0
	})
}

func TestNothingIsProducedBeforeTheLedgerHasBegun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.produce("e1")
	b.start(b.options())
	ends := func() int64 {
		e, err := b.adm.ListEndOffsets(t.Context(), b.topics.Intents)
		if err != nil {
			t.Fatal(err)
		}
		o, _ := e.Lookup(b.topics.Intents, 0)
		return o.Offset
	}
	for range 50 {
		if n := ends(); n != 0 {
			t.Fatalf("%d offsets of intents without a genesis", n)
		}
	}
	b.genesis()
	b.read(b.topics.Intents, 1)
}

// A transaction that holds only offsets must not meet the markers of the one before it: what is read is committed once.
func TestQuietTrafficCommitsItsOffsets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	b.start(b.options())
	for i := range 30 {
		b.produce(fmt.Sprint("quiet", i))
	}
	b.committed("n-evaluate", 30)
}

// A topic that a reload brings begins where kafka.start says, at once, in all its partitions and once: what came before is never evaluated,
// what comes while nothing runs is. Nothing is produced that would end the poll in which the loop waits.
func TestATopicThatAReloadBringsBeginsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	if _, err := b.adm.CreateTopic(t.Context(), 3, 1, nil, "more"); err != nil {
		t.Fatal(err)
	}
	more := func(p int32, id string) {
		t.Helper()
		cl, err := kgo.NewClient(append(b.kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "more", Partition: p, Value: []byte(id)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for p := range int32(3) {
		more(p, "history")
	}
	var topics atomic.Value
	topics.Store([]string{"events"})
	opt := b.options()
	opt.Start = Start{Set: true}
	opt.Rules = func() Rules { return stubRules{topics.Load().([]string)} }
	c := New(opt)
	stop := b.run(c)
	b.committed("n-evaluate", 0)
	b.joined()
	topics.Store([]string{"events", "more"})
	c.RulesChanged()
	deadline := time.Now().Add(20 * time.Second)
	for begun := 0; begun < 3; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of 3 partitions of the new topic have begun", begun)
		}
		os, err := b.adm.FetchOffsets(t.Context(), "n-evaluate")
		if err != nil {
			continue
		}
		begun = 0
		for p := range int32(3) {
			if o, ok := os.Lookup("more", p); ok && o.At == 1 {
				begun++
			}
		}
	}
	_ = stop()
	more(1, "between")
	b.start(opt)
	in, err := intent.Decode(b.read(b.topics.Intents, 1)[0].Value)
	if err != nil || in.Event.ID != "between" {
		t.Errorf("first intent of %v %v, want the event that came while nothing ran", in, err)
	}
}

// until polls until ok.
func (b *bundle) until(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			b.t.Fatalf("it never came to: %s", what)
		}
	}
}
