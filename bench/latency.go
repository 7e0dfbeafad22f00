package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/event"
)

// pace is a stream of orders of which every n-th is a hit: one push to one user. The vendor lets through 100 receivers a second,
// and our own pacer 83 (100 in any 1.2 s): a stream of more hits would measure that limit and not us.
type pace struct {
	name  string
	rate  int // events/s
	every int // one hit in so many; the others match none of the rules
	goals [2]report.Goals
}

var paces = []pace{
	{"100", 100, 5, [2]report.Goals{}},
	{"3000", 3000, 60, [2]report.Goals{{First: 40, Less: true}, {First: 78, Less: true}}},
}

const bareTopic = load.Topic + ".bare"

// latency measures from produce to the arrival of the HTTP call, through a whole daemon process, beside a loop that consumes and
// posts and does nothing else.
func latency(ctx context.Context, l *lab) ([]report.Result, error) {
	if err := l.kafka(ctx); err != nil {
		return nil, err
	}
	if err := l.makeTopics(ctx, 4, load.Topic, bareTopic, load.ProfileTopic); err != nil {
		return nil, err
	}
	defer l.deleteTopics(context.WithoutCancel(ctx), load.Topic, bareTopic, load.ProfileTopic)
	v, err := startVendor()
	if err != nil {
		return nil, err
	}
	defer v.close()
	d, err := l.newDaemon(ctx, "latency", v)
	if err != nil {
		return nil, err
	}
	if _, err := d.start(ctx); err != nil {
		return nil, err
	}
	defer d.Kill()
	loop, err := l.background("post", job{Brokers: l.brokers, Topic: bareTopic, Vendor: v.url})
	if err != nil {
		return nil, err
	}
	defer loop.Kill()
	s := &stream{lab: l, vendor: v, next: 1}
	if err := s.check(); err != nil {
		return nil, err
	}
	for _, topic := range []string{load.Topic, bareTopic} { // the first calls find everything cold
		if _, err := s.run(ctx, topic, paces[0], 2*time.Second); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, d.Tail())
		}
	}
	if err := v.hold(ctx, l.root); err != nil {
		return nil, err
	}
	type figures struct{ p50, p99, bare50, bare99, ratio []float64 }
	got := make([]figures, len(paces))
	length := time.Duration(l.size(10, 3)) * time.Second
	n := make([]int, len(paces))
	for range l.rounds {
		for i, p := range paces {
			before, err := d.metrics(ctx)
			if err != nil {
				return nil, err
			}
			bare, err := s.run(ctx, bareTopic, p, length)
			if err != nil {
				return nil, fmt.Errorf("bare loop: %w\n%s", err, loop.Tail())
			}
			ours, err := s.run(ctx, load.Topic, p, length)
			if err != nil {
				return nil, fmt.Errorf("%w\n%s", err, d.Tail())
			}
			after, err := d.metrics(ctx)
			if err != nil {
				return nil, err
			}
			mean := func(name string) float64 {
				return 1000 * (after[name+"_sum"] - before[name+"_sum"]) / (after[name+"_count"] - before[name+"_count"])
			}
			f := &got[i]
			f.p50, f.p99 = append(f.p50, report.Percentile(ours, 50)), append(f.p99, report.Percentile(ours, 99))
			f.bare50, f.bare99 = append(f.bare50, report.Percentile(bare, 50)), append(f.bare99, report.Percentile(bare, 99))
			f.ratio = append(f.ratio, report.Percentile(ours, 99)/report.Percentile(bare, 99))
			n[i] = len(ours)
			fmt.Fprintf(os.Stderr, "   %d ev/s: bare %.2f / %.2f ms, notifier %.2f / %.2f ms (p50 / p99 of %d); mean transaction of stage 1 %.2f ms (its wait for a match included), mean commit of stage 2 %.2f ms\n", p.rate, report.Percentile(bare, 50), report.Percentile(bare, 99), report.Percentile(ours, 50), report.Percentile(ours, 99), len(ours),
				mean("notifier_evaluate_transaction_seconds"), mean("notifier_ledger_commit_seconds"))
		}
	}
	var out []report.Result
	where := shared().name + ", and so do the vendor and the feeder"
	for i, p := range paces {
		detail := fmt.Sprintf("one event in %d is a push, %d pushes a round on %s; bare consume-and-POST loop %.2f / %.2f ms; checked: every push arrived once, nothing else", p.every, n[i], l.kind, report.Median(got[i].bare50), report.Median(got[i].bare99))
		for _, x := range []struct {
			name, what, unit string
			rounds           []float64
			goals            report.Goals
		}{
			{"p50", "produce to HTTP arrival, p50", "ms", got[i].p50, p.goals[0]},
			{"p99", "produce to HTTP arrival, p99", "ms", got[i].p99, p.goals[1]},
			{"p99-bare", "p99 / p99 of a bare consume-and-POST loop", "x", got[i].ratio, report.Goals{}},
		} {
			r, err := report.New("latency-"+p.name+"-"+x.name, fmt.Sprintf("%s, %d ev/s", x.what, p.rate), x.unit, where, x.rounds, x.goals, detail)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// stream produces at a steady pace, each event with an id of its own.
type stream struct {
	*lab
	vendor *vendor
	next   int
}

// check asks the plain path what the two kinds of order become: a hit one push, a miss nothing.
func (s *stream) check() error {
	set, err := load.Load(ruleCount)
	if err != nil {
		return err
	}
	for kind, want := range map[string]int{load.Hit: 1, load.Miss: 0} {
		evs, err := set.Decode(event.Record{Position: event.Position{Topic: load.Topic}, Value: load.Order(rand.New(rand.NewPCG(1, 1)), load.OrderID(0), kind, time.Now().UnixMilli())})
		if err != nil || len(evs) != 1 {
			return fmt.Errorf("a %s: %d events, %w", kind, len(evs), err)
		}
		if n := len(set.Evaluate(&evs[0])); n != want {
			return fmt.Errorf("a %s makes %d intents, want %d", kind, n, want)
		}
	}
	return nil
}

// run feeds a topic and returns the milliseconds from the produce call to the arrival of each hit.
func (s *stream) run(ctx context.Context, topic string, p pace, length time.Duration) ([]float64, error) {
	cl, err := s.client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	if err := cl.Ping(ctx); err != nil {
		return nil, err
	}
	s.vendor.reset()
	r := rand.New(rand.NewPCG(uint64(s.next), 5))
	promise := kgo.AbortingFirstErrPromise(cl)
	produced := map[string]time.Time{}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	total := int(length.Seconds() * float64(p.rate))
	for sent := 0; sent < total; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		// What is due by now; a late tick sends more.
		for due := min(total, int(time.Since(began).Seconds()*float64(p.rate))); sent < due; sent++ {
			id, kind := load.OrderID(s.next), load.Miss
			s.next++
			if sent%p.every == 0 {
				kind = load.Hit
			}
			value := load.Order(r, id, kind, time.Now().UnixMilli())
			if kind == load.Hit {
				produced[id] = time.Now()
			}
			cl.Produce(ctx, &kgo.Record{Topic: topic, Value: value}, promise.Promise())
		}
	}
	if err := errors.Join(cl.Flush(ctx), promise.Err()); err != nil {
		return nil, err
	}
	err = poll(ctx, 60*time.Second, 20*time.Millisecond, func() (bool, error) {
		for id := range produced {
			if len(s.vendor.arrived(id)) == 0 {
				return false, s.vendor.failure()
			}
		}
		return true, s.vendor.failure()
	})
	if err != nil {
		return nil, fmt.Errorf("not every push arrived: %w", err)
	}
	s.vendor.mu.Lock()
	defer s.vendor.mu.Unlock()
	var ms []float64
	for id, at := range s.vendor.hits {
		from, ok := produced[id]
		if !ok || len(at) != 1 {
			return nil, fmt.Errorf("order %s arrived %d times, produced: %t", id, len(at), ok)
		}
		ms = append(ms, float64(at[0].Sub(from))/float64(time.Millisecond))
	}
	return ms, nil
}

// post is the bare loop: it consumes and posts the id of each hit, one after the other, until it is killed.
func post(ctx context.Context, j job) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(j.Brokers...), kgo.ConsumeTopics(j.Topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	hit := []byte(`"kind":"` + load.Hit + `"`)
	for ctx.Err() == nil {
		fs := cl.PollFetches(ctx)
		var failed error
		fs.EachRecord(func(r *kgo.Record) {
			if failed != nil || !bytes.Contains(r.Value, hit) {
				return
			}
			res, err := http.Post(j.Vendor+"/bare", "text/plain", strings.NewReader(orderID.FindString(string(r.Value))))
			if err != nil {
				failed = err
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}
