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

// Record reads one record of any topic by its place; nil when it is not there any more.
func (r *Reader) Record(ctx context.Context, topic string, partition int32, offset int64) (*kgo.Record, error) {
	fail := func(err error) error { return fmt.Errorf("read %s[%d]@%d: %w", topic, partition, offset, err) }
	cl, err := kgo.NewClient(append(slices.Clone(r.Kafka), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}), kgo.MaxDecompressBatchBytes(ledger.MaxBatch), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return nil, fail(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	start, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, fail(err)
	}
	end, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, fail(err)
	}
	from, ok := start.Lookup(topic, partition)
	to, there := end.Lookup(topic, partition)
	if !ok || !there || from.Err != nil || to.Err != nil || offset < from.Offset || offset >= to.Offset {
		return nil, nil // deleted by age, or the topic is another one
	}
	for {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fail(context.Cause(ctx))
		}
		if err := fs.Err(); err != nil {
			return nil, fail(err)
		}
		for rec := range fs.RecordsAll() { // the first at or behind it: a compacted topic has gaps
			if rec.Offset == offset && !rec.Attrs.IsControl() {
				return rec, nil
			}
			if rec.Offset >= offset {
				return nil, nil
			}
		}
	}
}
