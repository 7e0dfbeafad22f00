package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
	"github.com/notifier/notifier/internal/tagsync"
)

// seeds is how many of n seeds a test of one goroutine goes through: the race detector sees in a few what it sees in all, and takes its time.
func seeds(n uint64) uint64 {
	if underRace {
		return max(1, n/5)
	}
	return n
}

// bundle is a broker, a vendor that does what the test says, and the means to look at what became of intents.
type bundle struct {
	t      *testing.T
	kafka  []kgo.Opt
	cl     *kgo.Client
	vendor *stubVendor
	topics ledger.Topics
	offset int64
}

// stubVendor is the far side of this package's Vendor interface; the vendor's contract itself is tested with the sandbox.
type stubVendor struct {
	mu     sync.Mutex
	calls  []Call
	answer func(n int, c *Call) Outcome  // by call number, from 1; nil: ok
	tags   []string                      // what ReadTags finds for everybody ...
	read   func(user string) []string    // ... unless it is asked by user
	reads  [][]string                    // users of each read
	refuse func(users []string) *Outcome // not nil: what a read is refused with
	probes []Outcome                     // of the next probes; none left: ok
	gate   chan struct{}                 // not nil: a call waits for it
}

func (v *stubVendor) Route(in *intent.Intent) (Route, error) {
	if in.Action == intent.Broadcast {
		return Route{Lane: "broadcast", Endpoint: "/push.json"}, nil
	}
	return Route{Lane: "user", Endpoint: "/push/user.json", Users: true}, nil
}

func (v *stubVendor) ValidUser(id string) error {
	if strings.Contains(id, "!") {
		return fmt.Errorf("user id %q: character %q", id, "!")
	}
	return nil
}

func (v *stubVendor) Probe(context.Context, string) Outcome {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.probes) == 0 {
		return Outcome{Class: ClassOK}
	}
	o := v.probes[0]
	v.probes = v.probes[1:]
	return o
}

func (v *stubVendor) Send(ctx context.Context, c *Call) Outcome {
	v.mu.Lock()
	v.calls = append(v.calls, *c)
	n, gate, answer := len(v.calls), v.gate, v.answer
	v.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return Outcome{Class: ClassUnknown, Detail: "deadline"}
		}
	}
	if answer != nil {
		return answer(n, c)
	}
	return Outcome{Class: ClassOK, Code: 200}
}

func (v *stubVendor) ReadTags(_ context.Context, _ string, users []string) (map[string][]string, Outcome) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads = append(v.reads, users)
	if v.refuse != nil {
		if o := v.refuse(users); o != nil {
			return nil, *o
		}
	}
	out := map[string][]string{}
	for _, u := range users {
		if out[u] = v.tags; v.read != nil {
			out[u] = v.read(u)
		}
	}
	return out, Outcome{Class: ClassOK}
}

func (v *stubVendor) seen() []Call {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.calls)
}

// stubRules gives each user the tag city_<city> and pushes when `level` changes.
type stubRules struct{ reserves []intent.Reserve }

func (stubRules) Tags(_ string, get func(string) (intent.Value, bool), current []string) []string {
	v, known := get("city")
	if !known {
		return current
	}
	if v.Str == "" {
		return []string{}
	}
	return []string{"city_" + v.Str}
}

func (stubRules) HasProfile(string) bool { return true }

func (stubRules) TagRules(string) (tags, files string) { return "city", "1" }

func (stubRules) Gives(_, tag string) bool { return strings.HasPrefix(tag, "city_") }

func (r stubRules) Reserves(string) []intent.Reserve { return r.reserves }

func (stubRules) ProfilePushes(in *intent.Intent, before, after func(string) (intent.Value, bool)) []*intent.Intent {
	b, known := before("level")
	v, _ := after("level")
	if !known || b.Str == v.Str {
		return nil
	}
	out := &intent.Intent{ID: in.ID + "/level-up", Event: in.Event, Rule: "level-up", Account: in.Account, Target: in.Target, Action: intent.Push, Content: &intent.Content{Title: "up", Body: v.Str}}
	return []*intent.Intent{out}
}

func render(c *intent.Content, _ *intent.Merge, items []map[string]any, count int) (*intent.Content, error) {
	out := *c
	out.Body = fmt.Sprintf("%s %d first=%v last=%v", c.Body, count, items[0]["x"], items[len(items)-1]["x"])
	return &out, nil
}

// stubUsers meets "level is vip", and fills ${level} with the row's.
type stubUsers struct{}

func (stubUsers) Meets(source string, row func(string) (intent.Value, bool)) bool {
	v, _ := row("level")
	return source == "level is "+v.Str
}

func (stubUsers) Fill(c *intent.Content, row func(string) (intent.Value, bool), now time.Time) (*intent.Content, error) {
	v, known := row("level")
	if !known {
		return nil, errors.New("${level} is missing")
	}
	out := *c
	out.Body, out.Open = strings.ReplaceAll(c.Body, "${level}", v.Str), false
	if now.IsZero() {
		return nil, errors.New("no time")
	}
	return &out, nil
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := empty(t)
	// A ledger without genesis beside intents is stopped, so the ledger begins before the test's intents come.
	stop := b.start(b.account(), nil)
	b.state("genesis", func(st *ledger.State) bool { return st.Genesis != nil })
	stop()
	return b
}

// empty is a bundle whose ledger nobody has begun.
func empty(t *testing.T) *bundle {
	t.Helper()
	kc, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	b := &bundle{t: t, kafka: []kgo.Opt{kgo.SeedBrokers(kc.ListenAddrs()...), kgo.MetadataMinAge(20 * time.Millisecond)}, vendor: &stubVendor{}, topics: ledger.TopicsOf("n")}
	if b.cl, err = kgo.NewClient(b.kafka...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.cl.Close)
	adm := kadm.NewClient(b.cl)
	sp := kadm.StringPtr
	for topic, cfg := range map[string]map[string]*string{
		b.topics.Intents: nil, b.topics.Fates: nil, b.topics.Dead: nil, b.topics.Control: {"cleanup.policy": sp("compact"), "retention.ms": sp("-1")},
		b.topics.Ledger: {"cleanup.policy": sp("compact"), "retention.ms": sp("-1"), "message.timestamp.type": sp("LogAppendTime")},
	} {
		if _, err := adm.CreateTopic(t.Context(), 1, 1, cfg, topic); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// change changes a row of the profile table.
func (ac *account) change(user string, f func(*tagsync.User)) {
	u := ac.users.Get(user)
	f(u)
	ac.users.Put(user, u)
}

func (b *bundle) account() *Account {
	return &Account{Name: "main", Key: "stub:k", Vendor: b.vendor, MaxTags: 20, Timeout: 2 * time.Second, TagDelay: 50 * time.Millisecond, Lanes: map[string]Policy{
		LaneTag:      {Rate: 100, Window: 10 * time.Millisecond, MaxBatch: 1, Parallel: 8, Repeatable: true, Late: 300 * time.Millisecond, Endpoint: "/user/tag/set.json"},
		LaneTagBatch: {Rate: 100, Window: 10 * time.Millisecond, MaxBatch: 1000, Parallel: 4, Repeatable: true, Late: 300 * time.Millisecond, Endpoint: "/user/tag/batch/set.json"},
		LaneTagGet:   {Rate: 100, Window: 10 * time.Millisecond, MaxBatch: 50, Parallel: 1, Repeatable: true},
		"user":       {Rate: 1000, Window: 10 * time.Millisecond, MaxBatch: 100, Parallel: 4, Late: 300 * time.Millisecond},
		"broadcast":  {Limits: []quota.Limit{{N: 2, Window: time.Hour}}, MaxBatch: 1, Parallel: 1, Late: time.Minute, Audiences: true},
		LaneRecall:   {Limits: []quota.Limit{{N: 2, Window: time.Hour}}, MaxBatch: 1, Parallel: 1, Late: time.Minute, Endpoint: "/message/broadcast/recall.json"},
	}}
}

func (b *bundle) options(ac *Account) Options {
	return Options{Kafka: b.kafka, Topics: b.topics, Instance: "a", Accounts: []*Account{ac}, Rules: func() Rules { return stubRules{} }, Render: render, Users: func() Users { return stubUsers{} }, Zone: time.UTC,
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: zaptest.NewLogger(b.t, zaptest.Level(zap.ErrorLevel)), SessionTimeout: time.Second, FetchMaxWait: 50 * time.Millisecond}
}

// until polls until ok.
func (b *bundle) until(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			b.t.Fatalf("it never came to: %s", what)
		}
		runtime.Gosched()
	}
}

// start runs a dispatcher; the returned function stops it as SIGTERM does.
func (b *bundle) start(ac *Account, change func(*Options)) (stop func()) {
	b.t.Helper()
	opt := b.options(ac)
	if change != nil {
		change(&opt)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = New(opt).Run(ctx)
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	b.t.Cleanup(stop)
	return stop
}

func (b *bundle) intent(id, rule, target string, action intent.Action) *intent.Intent {
	b.offset++
	in := &intent.Intent{ID: intent.ID(fmt.Sprintf("t/0/%d/%s/%s", b.offset, rule, target)), Event: intent.EventRef{ID: id, Type: "e", Time: time.Now().UTC()}, Rule: rule, Account: "main", Key: "stub:k", Target: target, Action: action}
	switch action {
	case intent.Push:
		in.Content = &intent.Content{Title: "t", Body: "hello"}
	case intent.Broadcast:
		in.Content = &intent.Content{Title: "t", Body: id}
		in.Audience = &intent.Audience{AllOf: []string{"x"}}
	}
	return in
}

func (b *bundle) profile(id, user string, version int64, fields map[string]string) *intent.Intent {
	in := b.intent(id, "tags", user, intent.Tags)
	in.Profile = &intent.Profile{Version: version, Fields: map[string]intent.Value{}}
	for k, v := range fields {
		in.Profile.Fields[k] = intent.Value{Type: "string", Str: v}
	}
	return in
}

func (b *bundle) produce(ins ...*intent.Intent) {
	b.t.Helper()
	for _, in := range ins {
		v, err := in.Encode()
		if err != nil {
			b.t.Fatal(err)
		}
		if err := b.cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: b.topics.Intents, Key: []byte(in.Key), Value: v}).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
}

// fates waits until n fates are on record and returns all of them.
func (b *bundle) fates(n int) []ledger.Fate {
	b.t.Helper()
	cl, err := kgo.NewClient(append(slices.Clone(b.kafka), kgo.ConsumeTopics(b.topics.Fates), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	var out []ledger.Fate
	for len(out) < n {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			b.t.Fatalf("waited for %d fates, got %d: %v", n, len(out), kinds(out))
		}
		fs.EachRecord(func(r *kgo.Record) {
			var f ledger.Fate
			if err := json.Unmarshal(r.Value, &f); err != nil {
				b.t.Fatal(err)
			}
			out = append(out, f)
		})
	}
	return out
}

// kinds gives event -> fate(reason), sorted by event.
func kinds(fs []ledger.Fate) []string {
	var out []string
	for _, f := range fs {
		s := f.Event.ID + " " + string(f.Fate)
		if f.Reason != "" {
			s += "(" + string(f.Reason) + ")"
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// answers are what owners said on the control topic.
func (b *bundle) answers() (out []ledger.Answer) {
	b.t.Helper()
	end, err := kadm.NewClient(b.cl).ListCommittedOffsets(b.t.Context(), b.topics.Control)
	if err != nil {
		b.t.Fatal(err)
	}
	o, _ := end.Lookup(b.topics.Control, 0)
	cl, err := kgo.NewClient(append(slices.Clone(b.kafka), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{b.topics.Control: {0: kgo.NewOffset().AtStart()}}), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	for at := int64(0); at < o.Offset; {
		fs := cl.PollFetches(b.t.Context())
		if err := fs.Err(); err != nil {
			b.t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !strings.HasPrefix(string(r.Key), "answer/") {
				return
			}
			var a ledger.Answer
			if err := json.Unmarshal(r.Value, &a); err != nil {
				b.t.Fatal(err)
			}
			out = append(out, a)
		})
	}
	return out
}

// state waits until the ledger satisfies ok.
func (b *bundle) state(what string, ok func(*ledger.State) bool) *ledger.State {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		st := b.readLedger()
		if ok(st) {
			return st
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the ledger never came to: %s", what)
		}
	}
}

func (b *bundle) readLedger() *ledger.State {
	b.t.Helper()
	end, err := kadm.NewClient(b.cl).ListCommittedOffsets(b.t.Context(), b.topics.Ledger)
	if err != nil {
		b.t.Fatal(err)
	}
	o, _ := end.Lookup(b.topics.Ledger, 0)
	st := ledger.NewState()
	if o.Offset == 0 {
		return st
	}
	cl, err := kgo.NewClient(append(slices.Clone(b.kafka), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{b.topics.Ledger: {0: kgo.NewOffset().AtStart()}}), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	for at := int64(0); at < o.Offset; {
		fs := cl.PollFetches(b.t.Context())
		if err := fs.Err(); err != nil {
			b.t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if r.Attrs.IsControl() {
				return
			}
			if err := st.Apply(string(r.Key), r.Value); err != nil {
				b.t.Fatal(err)
			}
		})
	}
	return st
}

// gaugeOf reads a gauge.
func gaugeOf(t *testing.T, g prometheus.Gauge) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(g)
	mfs, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return mfs[0].GetMetric()[0].GetGauge().GetValue()
}
