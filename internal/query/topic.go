// Package query reads our own topics from the outside, without a consumer group and only what is committed: what the reading
// commands (fates, quota, attempts, status) show, and the way by which commands reach the owners of the partitions.
//
// It needs no running daemon, and it changes nothing but the control topic, by Send.
package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// Reader reads the topics under one prefix.
type Reader struct {
	Kafka  []kgo.Opt
	Topics ledger.Topics
}

// each calls f for every committed record of a topic between a time (zero: the beginning) and the end as it is now, partition by
// partition in order.
func (r *Reader) each(ctx context.Context, topic string, since time.Time, f func(*kgo.Record) error) error {
	parts, left, err := r.bounds(ctx, topic, since)
	if err != nil {
		return err
	}
	return r.span(ctx, topic, parts, left, f)
}

// bounds gives, for each partition that has records between a time and now, the first offset and the one after the last.
func (r *Reader) bounds(ctx context.Context, topic string, since time.Time) (parts map[int32]kgo.Offset, left map[int32]int64, err error) {
	cl, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", topic, err)
	}
	defer cl.Close()
	start, end, err := limits(ctx, kadm.NewClient(cl), topic, since)
	if err != nil {
		return nil, nil, err
	}
	left = map[int32]int64{}
	parts = map[int32]kgo.Offset{}
	end.Each(func(o kadm.ListedOffset) {
		if from, ok := start.Lookup(topic, o.Partition); ok && from.Offset < o.Offset {
			left[o.Partition] = o.Offset
			parts[o.Partition] = kgo.NewOffset().At(from.Offset)
		}
	})
	return parts, left, nil
}

// limits gives where the records of each partition since a time begin, and where the committed ones end.
func limits(ctx context.Context, adm *kadm.Client, topic string, since time.Time) (start, end kadm.ListedOffsets, err error) {
	start, err = adm.ListStartOffsets(ctx, topic)
	if err == nil && !since.IsZero() {
		start, err = adm.ListOffsetsAfterMilli(ctx, since.UnixMilli(), topic)
	}
	if err == nil {
		end, err = adm.ListCommittedOffsets(ctx, topic)
	}
	if err == nil {
		err = errors.Join(start.Error(), end.Error())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", topic, err)
	}
	return start, end, nil
}

// span calls f for the committed records within bounds. It empties left.
func (r *Reader) span(ctx context.Context, topic string, parts map[int32]kgo.Offset, left map[int32]int64, f func(*kgo.Record) error, more ...kgo.Opt) error {
	if len(left) == 0 {
		return nil
	}
	// Control records are kept to see where we are: the last offset of a partition is usually a commit marker.
	rd, err := kgo.NewClient(append(slices.Concat(r.Kafka, more), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: parts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.MaxDecompressBatchBytes(ledger.MaxBatch), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	defer rd.Close()
	adm := kadm.NewClient(rd)
	for len(left) > 0 {
		fs := rd.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read %s: %w", topic, context.Cause(ctx))
		}
		bad := failed(fs)
		fs.EachRecord(func(rec *kgo.Record) {
			stop, reading := left[rec.Partition]
			if !reading || bad != nil {
				return
			}
			if rec.Offset >= stop-1 {
				delete(left, rec.Partition)
			}
			if rec.Offset < stop && !rec.Attrs.IsControl() {
				bad = f(rec)
			}
		})
		if bad != nil {
			return bad
		}
		if err := passed(ctx, adm, topic, left, fs); err != nil {
			return err
		}
	}
	return nil
}

// failed is what partitions could not be read for; that a broker took its time is no failure.
func failed(fs kgo.Fetches) (bad error) {
	fs.EachError(func(t string, p int32, err error) {
		if !errors.Is(err, context.DeadlineExceeded) {
			bad = errors.Join(bad, fmt.Errorf("read %s[%d]: %w", t, p, err))
		}
	})
	return bad
}

// passed ends partitions whose last records were compacted or deleted meanwhile, so that no record will ever say that we are there.
func passed(ctx context.Context, adm *kadm.Client, topic string, left map[int32]int64, fs kgo.Fetches) error {
	if fs.NumRecords() > 0 || len(left) == 0 {
		return nil
	}
	start, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	start.Each(func(o kadm.ListedOffset) {
		if stop, ok := left[o.Partition]; ok && o.Offset >= stop {
			delete(left, o.Partition)
		}
	})
	return nil
}

// complete reports whether a topic still has its first record.
func (r *Reader) complete(ctx context.Context, topic string) (bool, error) {
	cl, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", topic, err)
	}
	defer cl.Close()
	start, err := kadm.NewClient(cl).ListStartOffsets(ctx, topic)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", topic, err)
	}
	whole := true
	start.Each(func(o kadm.ListedOffset) { whole = whole && o.Err == nil && o.Offset == 0 })
	return whole, nil
}

// Ledgers folds every partition of the ledger.
func (r *Reader) Ledgers(ctx context.Context) (map[int32]*ledger.State, error) {
	out := map[int32]*ledger.State{}
	err := r.each(ctx, r.Topics.Ledger, time.Time{}, func(rec *kgo.Record) error {
		st := out[rec.Partition]
		if st == nil {
			st = ledger.NewState()
			out[rec.Partition] = st
		}
		return st.Apply(string(rec.Key), rec.Value)
	})
	return out, err
}
