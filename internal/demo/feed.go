package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// feed produces a stream at a rate (events/s), total records or, if total is 0, until ctx ends. Being behind, it catches up:
// the content never depends on the machine. Topics that the catalogue does not have are left out.
func feed(ctx context.Context, kafka []kgo.Opt, s *Stream, topics map[string]bool, rate float64, total int) error {
	cl, err := kgo.NewClient(append(kafka[:len(kafka):len(kafka)], kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerLinger(0))...)
	if err != nil {
		return fmt.Errorf("produce events: %w", err)
	}
	defer cl.Close()
	first := kgo.AbortingFirstErrPromise(cl)
	began := time.Now()
	wait := time.NewTimer(0)
	defer wait.Stop()
	for n := 0; total == 0 || n < total; {
		select {
		case <-ctx.Done():
			return flush(ctx, cl, first)
		case <-wait.C:
		}
		now := time.Now()
		due := 1 + int(now.Sub(began).Seconds()*rate)
		for ; n < due && (total == 0 || n < total); n++ {
			r := s.Next(now)
			if !topics[r.Topic] {
				continue
			}
			cl.Produce(ctx, &kgo.Record{Topic: r.Topic, Key: []byte(r.Key), Value: r.Value, Timestamp: now}, first.Promise())
		}
		wait.Reset(max(5*time.Millisecond, time.Until(began.Add(time.Duration(float64(n)/rate*float64(time.Second))))))
	}
	return flush(ctx, cl, first)
}

func flush(ctx context.Context, cl *kgo.Client, first *kgo.FirstErrPromise) error {
	fc, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := cl.Flush(fc)
	if err == nil {
		err = first.Err()
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("produce events: %w", err)
	}
	return nil // interrupted: what did not get there was not made
}
