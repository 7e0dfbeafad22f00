package query

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// stream is one partition while it is read: its records in order, closed after the last.
type stream struct {
	records chan *kgo.Record
	head    *kgo.Record // nil: closed
}

// What one partition holds in memory: there may be hundreds.
const (
	streamRecords = 256
	streamBytes   = 1 << 20
)

// History calls f for the committed records of topics between a time and now, in the order of their timestamps, as far as those of each
// partition are in order. Before the first it says how many there are at the most: offsets of markers and aborted records count too. It has no group and
// changes nothing. Topics that do not exist are given back.
func (r *Reader) History(ctx context.Context, topics []string, since time.Time, most func(records int), f func(*kgo.Record) error) (missing []string, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop(nil)
	var streams []*stream
	all := 0
	for _, topic := range topics {
		parts, left, err := r.bounds(ctx, topic, since)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			missing = append(missing, topic)
			continue
		}
		if err != nil {
			return nil, err
		}
		for p, from := range parts {
			s := &stream{records: make(chan *kgo.Record, streamRecords)}
			streams = append(streams, s)
			all += int(left[p] - from.EpochOffset().Offset)
			wg.Go(func() {
				defer close(s.records)
				err := r.span(ctx, topic, map[int32]kgo.Offset{p: from}, map[int32]int64{p: left[p]}, func(rec *kgo.Record) error {
					select {
					case s.records <- rec:
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				}, kgo.FetchMaxBytes(streamBytes), kgo.FetchMaxPartitionBytes(streamBytes))
				if err != nil {
					stop(err) // the first one is the cause
				}
			})
		}
	}
	most(all)
	for _, s := range streams {
		s.head = <-s.records
	}
	for {
		next := earliest(streams)
		if ctx.Err() != nil { // a stream that failed looks like one that ended
			return nil, context.Cause(ctx)
		}
		if next == nil {
			slices.Sort(missing)
			return missing, nil
		}
		if err := f(next.head); err != nil {
			return nil, err
		}
		next.head = <-next.records
	}
}

// earliest is the stream whose next record is the oldest; records of one moment go by topic, partition.
func earliest(streams []*stream) (first *stream) {
	for _, s := range streams {
		switch {
		case s.head == nil:
		case first == nil || s.head.Timestamp.Before(first.head.Timestamp),
			s.head.Timestamp.Equal(first.head.Timestamp) && (s.head.Topic < first.head.Topic || s.head.Topic == first.head.Topic && s.head.Partition < first.head.Partition):
			first = s
		}
	}
	return first
}
