package consumer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/pulse"
)

// sized makes of each record one intent with a body of the length that the record says.
type sized struct{ stubRules }

func (sized) EvaluateInto(_ *intent.Room, ev *event.Event) []*intent.Intent {
	n := 0
	_, _ = fmt.Sscan(ev.ID, &n)
	return []*intent.Intent{{ID: intent.MakeID(ev.Pos, "r", "u"), Event: intent.EventRef{ID: ev.ID, Topic: ev.Pos.Topic, Offset: ev.Pos.Offset}, Rule: "r", Account: "main", Target: "u", Action: intent.Push,
		Content: &intent.Content{Body: strings.Repeat(string(rune('a'+ev.Pos.Offset%26)), n)}}}
}

// Many records, shared by several evaluators, come out in their order, each with its own bytes, from blocks that stay as small as
// they began.
func TestATeamKeepsOrderAndItsMemorySmall(t *testing.T) {
	t.Parallel()
	c := New(Options{Topics: ledger.TopicsOf("n"), Accounts: map[string]string{"main": "stub:k"}, Log: zap.NewNop()})
	crew := team{c.newEvaluator(4), c.newEvaluator(4), c.newEvaluator(4)}
	crew.begin()
	var records []*kgo.Record
	for i := range 5 * share {
		size := 10 + i*7919%20_000
		if i%97 == 0 {
			size = 60_000
		}
		records = append(records, &kgo.Record{Topic: "events", Offset: int64(i), Value: []byte(fmt.Sprint(size))})
	}
	var got []*kgo.Record // all of them are held, as the client does until they are acknowledged
	for r := range crew.evaluate(sized{}, records) {
		got = append(got, r)
	}
	if len(got) != len(records) {
		t.Fatalf("%d intents of %d records", len(got), len(records))
	}
	for i, r := range got {
		in, err := intent.Decode(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Repeat(string(rune('a'+i%26)), len(in.Content.Body))
		if in.Event.Offset != int64(i) || in.Event.ID != string(records[i].Value) || fmt.Sprint(len(in.Content.Body)) != in.Event.ID || in.Content.Body != want {
			t.Fatalf("intent %d is of offset %d, event %s, %d bytes of body", i, in.Event.Offset, in.Event.ID, len(in.Content.Body))
		}
		if cap(r.Value) > wireSize+wireSize/4 {
			t.Fatalf("intent %d of %d bytes holds %d", i, len(r.Value), cap(r.Value))
		}
	}
	for _, e := range crew {
		if cap(e.wire) > wireSize {
			t.Errorf("a block has grown to %d bytes", cap(e.wire))
		}
	}
}

// half is a record that is two events, the second of which makes the rules panic.
type half struct{ stubRules }

func (half) DecodeInto(_ []event.Event, r event.Record) ([]event.Event, error) {
	return []event.Event{{Spec: &event.Spec{Name: "good"}, ID: "g", Pos: r.Position}, {Spec: &event.Spec{Name: "bad"}, ID: "b", Pos: r.Position}}, nil
}

func (h half) EvaluateInto(_ *intent.Room, ev *event.Event) []*intent.Intent {
	if ev.ID == "b" {
		panic("a rule with a fault")
	}
	return h.stubRules.EvaluateInto(nil, ev)
}

// What a record counted before it made the evaluation panic is taken back with its intents: the books say one dead letter.
func TestARecordThatPanicsCountsOnce(t *testing.T) {
	t.Parallel()
	c := New(Options{Topics: ledger.TopicsOf("n"), Accounts: map[string]string{"main": "stub:k"}, KeepDead: true, Log: zap.NewNop()})
	crew := team{c.newEvaluator(1)}
	crew.begin()
	n := 0
	for r := range crew.evaluate(half{}, []*kgo.Record{{Topic: "events", Value: []byte("x")}}) {
		if n++; r.Topic != "n.dead" {
			t.Errorf("a record of %s", r.Topic)
		}
	}
	got := crew[0].n
	if n != 1 || len(got.matches) != 0 || len(got.events) != 1 || got.events[""] == nil || got.events[""][dead] != 1 {
		t.Errorf("%d records, counted %+v %+v", n, got.events, got.matches)
	}
}

// gated stops at a record until it is let go.
type gated struct {
	stubRules
	at   chan string
	open map[string]chan struct{}
}

func (g gated) DecodeInto(room []event.Event, r event.Record) ([]event.Event, error) {
	if ch, ok := g.open[string(r.Value)]; ok {
		g.at <- string(r.Value)
		<-ch
		return nil, nil
	}
	return g.stubRules.DecodeInto(room, r)
}

// A partition that comes while a transaction of a backlog is open is read in that transaction. Where it begins is committed before,
// not after: the group would go back, and its records would be read twice.
func TestABeginningDoesNotTakeTheGroupBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	b.kafka = append(b.kafka, kgo.MetadataMaxAge(60*time.Millisecond))
	g := gated{stubRules: stubRules{[]string{"events"}}, at: make(chan string, 64), open: map[string]chan struct{}{"gate1": make(chan struct{}), "gate2": make(chan struct{})}}
	var rs []*kgo.Record
	for i := range backlog + 1 {
		rs = append(rs, &kgo.Record{Topic: "events", Value: []byte(fmt.Sprint("quiet", i))})
	}
	rs = append(rs, &kgo.Record{Topic: "events", Value: []byte("gate1")})
	if err := b.cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	opt := b.options()
	opt.Rules = func() Rules { return g }
	c := New(opt)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	defer func() { stop(); <-done }()
	<-g.at
	if _, err := b.adm.UpdatePartitions(t.Context(), 2, "events"); err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(append(b.kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range 3 {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Partition: 1, Value: []byte(fmt.Sprint("n", i))}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b.until("the new partition is ours", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.begun["events"]) > 0
	})
	close(g.open["gate1"])
	b.read(b.topics.Intents, 3)
	committed := func() int64 {
		o, err := b.adm.FetchOffsets(t.Context(), "n-evaluate")
		if err != nil {
			t.Fatal(err)
		}
		x, _ := o.Lookup("events", 1)
		return x.At
	}
	b.until("the three are committed", func() bool { return committed() == 3 })
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Partition: 0, Value: []byte("gate2")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	<-g.at // whatever follows a poll is done
	if got := committed(); got != 3 {
		t.Errorf("the group stands at %d of the new partition, it was at 3", got)
	}
	close(g.open["gate2"])
}

// slow are rules that take a while, and remember what they are told of it.
type slow struct {
	stubRules
	each time.Duration
	told *[]time.Duration
}

func (s slow) EvaluateInto(*intent.Room, *event.Event) []*intent.Intent {
	time.Sleep(s.each)
	return nil
}
func (s slow) Took(d time.Duration) { *s.told = append(*s.told, d) }

// The rules' watchdog is told how long each stretch of a share took. The time is a bubble's.
func TestEvaluatorsTellHowLongTheRulesTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Topics: ledger.TopicsOf("n"), Accounts: map[string]string{"main": "stub:k"}, Log: zap.NewNop()})
		crew := team{c.newEvaluator(4)}
		crew.begin()
		var told []time.Duration
		for range crew.evaluate(slow{each: 10 * time.Millisecond, told: &told}, make([]*kgo.Record, 0)) {
			t.Error("something comes of nothing")
		}
		var records []*kgo.Record
		for i := range 2*stretch + 3 {
			records = append(records, &kgo.Record{Topic: "events", Offset: int64(i), Value: []byte("e")})
		}
		for range crew.evaluate(slow{each: 10 * time.Millisecond, told: &told}, records) {
			t.Error("no match has an intent")
		}
		if want := stretch * 10 * time.Millisecond; !slices.Equal(told, []time.Duration{want, want}) {
			t.Errorf("told %v, want twice %v", told, want)
		}
	})
}

// A record that is worked on without end is what /livez must tell; waiting for records is not.
func TestStageOneThatDoesNotTurnIsStuck(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	g := gated{stubRules: stubRules{[]string{"events"}}, at: make(chan string, 1), open: map[string]chan struct{}{"gate": make(chan struct{})}}
	opt := b.options()
	opt.Rules = func() Rules { return g }
	c := New(opt)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	defer func() { stop(); <-done }()
	later := func() string { return c.Stuck(time.Now().Add(2 * pulse.Limit)) }
	b.produce("e1")
	b.read(b.topics.Intents, 1)
	b.until("it waits for records", func() bool { return later() == "" })
	b.produce("gate")
	<-g.at
	if later() == "" || c.Stuck(time.Now()) != "" {
		t.Errorf("in two minutes %q, now %q", later(), c.Stuck(time.Now()))
	}
	close(g.open["gate"])
	b.until("it turns again", func() bool { return later() == "" })
}
