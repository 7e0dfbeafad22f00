package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kzap"
	"go.uber.org/zap"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// account is the identity of the bench's one account, as app.Identity makes it.
const account = "rongcloud:" + load.App

// bare is a franz-go consumer of a topic that does nothing with what it reads.
func bare(ctx context.Context, j job) (*consumed, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(j.Brokers...), kgo.ConsumeTopics(j.Topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var m *meter
	events, early, bytes := 0, 0, int64(0)
	for events < j.Events {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return nil, err
		}
		if m == nil {
			if m, err = startMeter(j.Profile); err != nil {
				return nil, err
			}
		}
		fs.EachRecord(func(r *kgo.Record) {
			events++
			bytes += int64(len(r.Value))
		})
		if early == 0 {
			early = events // was there when the clock began: not part of what is timed
		}
	}
	return m.stop(events, events-early, bytes)
}

// counted is the rule set as stage 1 sees it, and tells when the first event came and when about all have been decoded.
type counted struct {
	*rules.Set
	n     atomic.Int64
	bytes atomic.Int64
	want  int64
	first chan struct{}
	once  sync.Once
	last  chan struct{}
}

func (c *counted) DecodeInto(room []event.Event, r event.Record) ([]event.Event, error) {
	c.once.Do(func() { close(c.first) })
	c.bytes.Add(int64(len(r.Value)))
	if c.n.Add(1) == c.want {
		close(c.last)
	}
	return c.Set.DecodeInto(room, r)
}

// stage1 runs internal/consumer as app.assemble wires it, until the transactions of all events are committed.
func stage1(ctx context.Context, j job) (*consumed, error) {
	defer app.CalmCollector()()
	set, err := load.Load(j.Rules)
	if err != nil {
		return nil, err
	}
	log, err := zap.NewProduction()
	if err != nil {
		return nil, err
	}
	opts := []kgo.Opt{kgo.ClientID("notifier-bench"), kgo.SoftwareNameAndVersion("notifier", "bench"), kgo.SeedBrokers(j.Brokers...),
		kgo.WithLogger(kzap.New(log.Named("kafka"), kzap.Level(kgo.LogLevelWarn)))}
	topics := ledger.TopicsOf(j.Prefix)
	if err := genesis(ctx, opts, topics); err != nil {
		return nil, err
	}
	reg := prometheus.NewRegistry()
	metrics := consumer.NewMetrics(reg)
	var names []string
	for _, r := range set.Rules {
		names = append(names, r.Name)
	}
	metrics.Known(set.Topics(), []string{"order", "profile"}, names)
	live := &counted{Set: set, want: int64(j.Events), first: make(chan struct{}), last: make(chan struct{})}
	c := consumer.New(consumer.Options{Kafka: opts, Topics: topics, Instance: "bench", Rules: func() consumer.Rules { return live },
		Accounts: map[string]string{"main": account}, Start: consumer.Start{Set: true, Earliest: true}, KeepDead: true, Metrics: metrics, Log: log})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	var m *meter
	select {
	case <-live.first:
		if m, err = startMeter(j.Profile); err != nil {
			return nil, err
		}
	case err := <-ended:
		return nil, errors.Join(errors.New("stage 1 ended before the first event"), err)
	}
	select {
	case <-live.last:
	case err := <-ended:
		return nil, errors.Join(errors.New("stage 1 ended before the last event"), err)
	}
	// The counters are added once a transaction is committed.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; n < j.Events; {
		select {
		case <-tick.C:
		case err := <-ended:
			return nil, errors.Join(errors.New("stage 1 ended before its last commit"), err)
		}
		if n, err = committed(reg); err != nil {
			return nil, err
		}
	}
	out, err := m.stop(j.Events, j.Events, live.bytes.Load())
	cancel()
	return out, errors.Join(err, <-ended)
}

// genesis is what stage 2 would have written, so that stage 1 may begin: its own work is not part of this bench.
func genesis(ctx context.Context, opts []kgo.Opt, t ledger.Topics) error {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, t.Intents)
	if err != nil {
		return err
	}
	in := topics[t.Intents]
	if in.Err != nil {
		return fmt.Errorf("%s: %w", t.Intents, in.Err)
	}
	b, err := json.Marshal(ledger.Genesis{V: ledger.Version, Partitions: len(in.Partitions), IntentsID: in.ID.String(), Incarnation: "bench", At: time.Now()})
	if err != nil {
		return err
	}
	for p := range in.Partitions {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: t.Control, Key: []byte(ledger.GenesisKey(p)), Value: b}).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// committed sums notifier_events_total.
func committed(reg *prometheus.Registry) (n int, err error) {
	mfs, err := reg.Gather()
	if err != nil {
		return 0, err
	}
	for _, mf := range mfs {
		if mf.GetName() == "notifier_events_total" {
			for _, m := range mf.GetMetric() {
				n += int(m.GetCounter().GetValue())
			}
		}
	}
	return n, nil
}
