package ledger

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// span are offsets of a partition: the first, and the one after the last.
type span struct{ start, end int64 }

// scan calls f for the committed records of a topic between its beginning and its end as it is now.
func scan(ctx context.Context, kafka []kgo.Opt, topic string, f func(*kgo.Record) error) error {
	return scanPartition(ctx, kafka, topic, -1, span{0, math.MaxInt64}, f)
}

// scanPartition is scan for a part of one partition, or of each if it is negative.
func scanPartition(ctx context.Context, kafka []kgo.Opt, topic string, only int32, part span, f func(*kgo.Record) error) error {
	fail := func(err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("read %s: %w", topic, err)
	}
	ask, err := kgo.NewClient(slices.Clone(kafka)...)
	if err != nil {
		return fail(err)
	}
	defer ask.Close()
	adm := kadm.NewClient(ask)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return fail(err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return fail(err)
	}
	begin, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for p, end := range ends[topic] {
		start, ok := starts.Lookup(topic, p)
		if !ok || start.Err != nil || end.Err != nil || only >= 0 && p != only {
			continue
		}
		if a, b := max(start.Offset, part.start), min(end.Offset, part.end); a < b {
			begin[p], left[p] = kgo.NewOffset().At(a), b
		}
	}
	if len(left) == 0 {
		return nil
	}
	cl, err := kgo.NewClient(append(slices.Clone(kafka), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: begin}), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchMaxWait(100*time.Millisecond), kgo.MaxDecompressBatchBytes(MaxBatch))...)
	if err != nil {
		return fail(err)
	}
	defer cl.Close()
	for len(left) > 0 {
		pc, cancel := context.WithTimeout(ctx, quietFor)
		fs := cl.PollFetches(pc)
		idle := pc.Err() != nil
		cancel()
		switch err := fs.Err(); {
		case ctx.Err() != nil:
			return fail(context.Cause(ctx))
		case idle && fs.NumRecords() == 0:
			return fail(passed(ctx, adm, topic, left))
		case err != nil && !idle:
			return fail(err)
		}
		for r := range fs.RecordsAll() {
			end, reading := left[r.Partition]
			if !reading {
				continue
			}
			if r.Offset >= end-1 {
				delete(left, r.Partition)
			}
			if r.Offset < end && !r.Attrs.IsControl() {
				if err := f(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// quietFor is how long a broker may have nothing to say although the end is not reached.
const quietFor = 10 * time.Second

// passed says whether the last records were compacted or deleted meanwhile, so that nothing will ever say that we are at the end: a
// partition that was read to a record before it, without an error, is read.
func passed(ctx context.Context, adm *kadm.Client, topic string, left map[int32]int64) error {
	rcs, err := adm.DescribeTopicConfigs(ctx, topic)
	if err == nil {
		if rc, err := rcs.On(topic, nil); err == nil {
			for _, c := range rc.Configs {
				if c.Key == "cleanup.policy" && c.MaybeValue() == "compact" {
					return nil
				}
			}
		}
	}
	start, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return err
	}
	for p, end := range left {
		if o, ok := start.Lookup(topic, p); !ok || o.Offset < end {
			return fmt.Errorf("partition %d says nothing up to offset %d", p, end)
		}
	}
	return nil
}
