package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// Follow gives the fates that a filter chooses as they are committed, until ctx ends, which is no error. With past those on record since
// the filter's time come first, oldest first in each partition; caught is called between the two: each fate is given once, none is left out.
func (r *Reader) Follow(ctx context.Context, f Filter, past bool, emit func(ledger.Fate) error, caught func() error) error {
	topic, take := r.Topics.Fates, f.take(emit)
	cl, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	start, end, err := limits(ctx, kadm.NewClient(cl), topic, f.Since)
	cl.Close()
	if err != nil {
		return err
	}
	old, left, next := map[int32]kgo.Offset{}, map[int32]int64{}, map[int32]kgo.Offset{}
	end.Each(func(o kadm.ListedOffset) {
		next[o.Partition] = kgo.NewOffset().At(o.Offset)
		if from, ok := start.Lookup(topic, o.Partition); past && ok && from.Offset < o.Offset {
			old[o.Partition], left[o.Partition] = kgo.NewOffset().At(from.Offset), o.Offset
		}
	})
	if err := r.span(ctx, topic, old, left, take); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := caught(); err != nil {
		return err
	}
	// What is deleted by age before it is read begins again at the oldest: the client's default.
	rd, err := kgo.NewClient(append(slices.Clone(r.Kafka), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: next}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MaxDecompressBatchBytes(ledger.MaxBatch), kgo.FetchMaxWait(500*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	defer rd.Close()
	for {
		fs := rd.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		bad := failed(fs)
		fs.EachRecord(func(rec *kgo.Record) {
			if bad == nil {
				bad = take(rec)
			}
		})
		if bad != nil {
			return bad
		}
	}
}
