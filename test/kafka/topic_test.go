package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/kafka/audit"
)

// readAll reads topics from their starts to their last stable offsets, group-less and read_committed, as the reading
// commands of the product do. A topic that does not exist yet is empty.
func readAll(ctx context.Context, brokers []string, topics ...string) (map[string][]audit.Record, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxBytes(64<<20),
		kgo.KeepControlRecords()) // the last offset of a transaction is its marker: without it nobody sees the end
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("read %v: %w", topics, err)
	}
	left := map[string]map[int32]int64{} // topic -> partition -> last offset to see
	from := map[string]map[int32]kgo.Offset{}
	open := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err != nil || o.Offset == 0 {
			return
		}
		if left[o.Topic] == nil {
			left[o.Topic], from[o.Topic] = map[int32]int64{}, map[int32]kgo.Offset{}
		}
		left[o.Topic][o.Partition], from[o.Topic][o.Partition] = o.Offset-1, kgo.NewOffset().At(0)
		open++
	})
	out := map[string][]audit.Record{}
	client.AddConsumePartitions(from)
	for open > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read %v: %w", topics, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			last := left[r.Topic][r.Partition]
			if r.Offset > last {
				return
			}
			if r.Offset == last {
				open--
			}
			if !r.Attrs.IsControl() {
				out[r.Topic] = append(out[r.Topic], auditRecord(r))
			}
		})
	}
	return out, nil
}

func auditRecord(r *kgo.Record) audit.Record {
	a := audit.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Time: r.Timestamp, Headers: map[string]string{}}
	for _, h := range r.Headers {
		a.Headers[h.Key] = string(h.Value)
	}
	return a
}

// consumed says whether a group has committed the end of every partition of the topics. The end of a partition that
// nobody ever wrote to needs no commit.
func consumed(ctx context.Context, admin *kadm.Client, group string, topics ...string) (bool, error) {
	ends, err := admin.ListEndOffsets(ctx, topics...)
	if err != nil {
		return false, err
	}
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return false, err
	}
	done := true
	ends.Each(func(end kadm.ListedOffset) {
		at, ok := committed.Lookup(end.Topic, end.Partition)
		done = done && (end.Offset == 0 || ok && at.At >= end.Offset)
	})
	return done, nil
}
