package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// ruleCount is how many rules stand on the one event of the throughput and latency benches.
const ruleCount = 100

// flow is a topic of events whose way through stage 1 is measured.
type flow struct {
	name, topic, other string // other: the catalogue's topic that is not read
	events             int
	value              func(i int, at int64) (key string, value []byte)
	pinned, shared     [2]report.Goals // of events/s, of CPU
	both               bool            // it is measured shared too, not only where it cannot be pinned
}

// throughput measures events/s of stage 1 against a bare franz-go consumer of the same topic.
func throughput(ctx context.Context, l *lab) ([]report.Result, error) {
	next, stop := iter.Pull(load.Orders(1, 1<<30, time.Now().UnixMilli()))
	defer stop()
	return l.through(ctx, flow{name: "throughput", topic: load.Topic, other: load.ProfileTopic, events: l.size(500_000, 40_000), both: true,
		value: func(int, int64) (string, []byte) {
			b, _ := next()
			return "", b
		},
		pinned: [2]report.Goals{{First: 0.18, Goal: 0.4, Moonshot: 0.7}, {First: 7, Goal: 2.3, Moonshot: 1.5, Less: true}},
		shared: [2]report.Goals{{First: 0.4, Goal: 0.7, Moonshot: 0.9}, {}}})
}

// profiles does the same with profile events, each of a user of their own.
func profiles(ctx context.Context, l *lab) ([]report.Result, error) {
	return l.through(ctx, flow{name: "profile", topic: load.ProfileTopic, other: load.Topic, events: l.size(500_000, 200_000),
		value:  func(i int, at int64) (string, []byte) { return load.Profile(1, i, at) },
		pinned: [2]report.Goals{{First: 0.18, Goal: 0.35, Moonshot: 0.5}, {}}})
}

func (l *lab) through(ctx context.Context, s flow) ([]report.Result, error) {
	if err := l.kafka(ctx); err != nil {
		return nil, err
	}
	if err := l.feed(ctx, s); err != nil {
		return nil, err
	}
	// The catalogue names it: a topic that does not exist costs the client 200 ms of waiting when stage 1 begins to produce.
	if err := l.makeTopics(ctx, 4, s.other); err != nil {
		return nil, err
	}
	defer l.deleteTopics(context.WithoutCancel(ctx), s.topic, s.other)
	set, err := load.Load(ruleCount)
	if err != nil {
		return nil, err
	}
	want, err := l.plain(ctx, set, s)
	if err != nil {
		return nil, err
	}
	var out []report.Result
	for _, p := range placements() {
		isPinned := p.service != ""
		if !isPinned && !s.both && len(out) > 0 {
			continue
		}
		var ratio, cpu, raw, ours []float64
		if err := p.place(l.pid); err != nil {
			return nil, err
		}
		for round := range l.rounds {
			j := job{Brokers: l.brokers, Topic: s.topic, Events: s.events, Rules: ruleCount, Prefix: fmt.Sprintf("%s-%t-%d", s.name, isPinned, round)}
			if l.profile != "" && round == l.rounds-1 {
				j.Profile = filepath.Join(l.profile, fmt.Sprintf("%s-bare-pinned-%t.pprof", s.name, isPinned))
			}
			var a, b consumed
			if err := l.side(ctx, p, "bare", j, &a); err != nil {
				return nil, err
			}
			if j.Profile != "" {
				j.Profile = filepath.Join(l.profile, fmt.Sprintf("%s-stage1-pinned-%t.pprof", s.name, isPinned))
			}
			if err := l.evaluate(ctx, p, j, want, &b); err != nil {
				return nil, err
			}
			if a.Events != b.Events || a.Bytes != b.Bytes {
				return nil, fmt.Errorf("the bare consumer read %d events of %d bytes, stage 1 %d of %d", a.Events, a.Bytes, b.Events, b.Bytes)
			}
			if a.Timed < s.events/2 {
				return nil, fmt.Errorf("%d of %d events were timed at the bare consumer: too few events", a.Timed, s.events)
			}
			ratio, cpu = append(ratio, b.rate()/a.rate()), append(cpu, b.cost()/a.cost())
			raw, ours = append(raw, a.rate()), append(ours, b.rate())
			fmt.Fprintf(os.Stderr, "   %s: bare %.0f ev/s, %.2f us CPU; stage 1 %.0f ev/s, %.2f us CPU\n", p.name, a.rate(), a.cost(), b.rate(), b.cost())
		}
		name, g := s.name+"-shared", s.shared
		if isPinned {
			name, g = s.name, s.pinned
		}
		detail := fmt.Sprintf("bare %.0f ev/s, stage 1 %.0f ev/s (medians), %d events, %d rules, %d intents on %s; checked: intents equal the plain path's", report.Median(raw), report.Median(ours), s.events, ruleCount, want.n, l.kind)
		r, err := report.New(name, "events/s of stage 1 / bare franz-go consumer", "x", p.name, ratio, g[0], detail)
		if err != nil {
			return nil, err
		}
		c, err := report.New(name+"-cpu", "CPU per event of stage 1 / bare franz-go consumer", "x", p.name, cpu, g[1], detail)
		if err != nil {
			return nil, err
		}
		out = append(out, r, c)
	}
	return out, shared().place(l.pid)
}

// evaluate runs stage 1 on topics of its own and checks every intent it has committed.
func (l *lab) evaluate(ctx context.Context, p placement, j job, want sum, out *consumed) error {
	t := ledger.TopicsOf(j.Prefix)
	if err := l.makeTopics(ctx, 4, t.Intents); err != nil {
		return err
	}
	if err := l.makeTopics(ctx, 1, t.Control, t.Dead); err != nil {
		return err
	}
	defer l.deleteTopics(context.WithoutCancel(ctx), t.Intents, t.Control, t.Dead)
	if err := l.side(ctx, p, "stage1", j, out); err != nil {
		return err
	}
	var got sum
	if err := l.read(ctx, t.Intents, func(r *kgo.Record) { got.add(r.Value) }); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("stage 1 committed %d intents (sum %x), the plain path gives %d (sum %x)", got.n, got.hash, want.n, want.hash)
	}
	return nil
}

// sum is how many records there are and what they say, whatever their order.
type sum struct {
	n    int
	hash uint64
}

func (s *sum) add(b []byte) {
	h := fnv.New64a()
	_, _ = h.Write(b) // never fails
	s.n++
	s.hash += h.Sum64()
}

// plain is the loop without anything around it: decode, evaluate, encode.
func (l *lab) plain(ctx context.Context, set *rules.Set, s flow) (want sum, err error) {
	n := 0
	var failed error
	err = l.read(ctx, s.topic, func(r *kgo.Record) {
		n++
		rec := event.Record{Position: event.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Key: r.Key, Value: r.Value, Time: r.Timestamp}
		evs, err := set.Decode(rec)
		if err != nil || len(evs) != 1 {
			failed = fmt.Errorf("record %d: %d events, %w", r.Offset, len(evs), err)
			return
		}
		for _, in := range set.Evaluate(&evs[0]) {
			in.Key = account
			b, err := in.Encode()
			if err != nil {
				failed = err
				return
			}
			want.add(b)
		}
	})
	switch {
	case err != nil:
		return want, err
	case failed != nil:
		return want, failed
	case n != s.events:
		return want, fmt.Errorf("%d events in the topic, %d were produced", n, s.events)
	}
	return want, nil
}

// feed fills a new topic of four partitions with events.
func (l *lab) feed(ctx context.Context, s flow) error {
	if err := l.makeTopics(ctx, 4, s.topic); err != nil {
		return err
	}
	cl, err := l.client(kgo.ProducerBatchMaxBytes(1<<20), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		return err
	}
	defer cl.Close()
	promise := kgo.AbortingFirstErrPromise(cl)
	at := time.Now().UnixMilli()
	for i := range s.events {
		r := &kgo.Record{Topic: s.topic}
		key, value := s.value(i, at)
		if r.Value = value; key != "" {
			r.Key = []byte(key)
		}
		cl.Produce(ctx, r, promise.Promise())
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	return promise.Err()
}
