package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Place is a record's place, TOPIC/PARTITION@OFFSET.
type Place struct {
	Topic     string
	Partition int32
	Offset    int64
}

func (p Place) String() string { return fmt.Sprintf("%s/%d@%d", p.Topic, p.Partition, p.Offset) }

// ParsePlace reads a Place.
func ParsePlace(s string) (Place, error) {
	topic, rest, ok := strings.Cut(s, "/")
	part, off, ok2 := strings.Cut(rest, "@")
	p, err := strconv.ParseInt(part, 10, 32)
	o, err2 := strconv.ParseInt(off, 10, 64)
	if !ok || !ok2 || topic == "" || err != nil || err2 != nil || p < 0 || o < 0 {
		return Place{}, fmt.Errorf("%q is no place of a record: TOPIC/PARTITION@OFFSET, for example shop.orders/3@991823", s)
	}
	return Place{topic, int32(p), o}, nil
}

// readWithin is how long a record is waited for.
const readWithin = 5 * time.Second

// ReadRecord reads the first record at or behind a place, at the place that it gives: what lies between are markers of transactions, or was
// compacted away. next is the offset after it. A batch that is too large to be unpacked has no record that can be given: then first is where
// it begins and next the offset after the batch.
func ReadRecord(ctx context.Context, kafka []kgo.Opt, at Place) (rec *kgo.Record, first, next int64, err error) {
	return readRecord(ctx, kafka, at, math.MaxInt64)
}

// ReadRecordBefore reads the first record at or behind a place and before an offset; nil if there are only markers of transactions, which
// are not waited for.
func ReadRecordBefore(ctx context.Context, kafka []kgo.Opt, at Place, end int64) (*kgo.Record, error) {
	rec, _, _, err := readRecord(ctx, kafka, at, end)
	return rec, err
}

func readRecord(ctx context.Context, kafka []kgo.Opt, at Place, end int64) (rec *kgo.Record, first, next int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	cl, err := kgo.NewClient(append(slices.Clone(kafka), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.MaxDecompressBatchBytes(MaxBatch),
		kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{at.Topic: {at.Partition: kgo.NewOffset().At(at.Offset)}}))...)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("read %s: %w", at, err)
	}
	defer cl.Close()
	for {
		fs := cl.PollRecords(ctx, 1)
		marker := false
		for r := range fs.RecordsAll() {
			if !r.Attrs.IsControl() {
				return r, r.Offset, r.Offset + 1, nil
			}
			if marker = true; r.Offset+1 >= end {
				return nil, 0, 0, nil
			}
		}
		if marker {
			continue
		}
		if big, ok := errors.AsType[*kgo.ErrDecompressTooLarge](fs.Err()); ok && big.NextOffset > at.Offset {
			return nil, max(big.Offset, at.Offset), big.NextOffset, nil
		}
		if ctx.Err() != nil {
			return nil, 0, 0, fmt.Errorf("there is no record at %s yet", at)
		}
		return nil, 0, 0, fmt.Errorf("read %s: %w", at, fs.Err())
	}
}

// MaxBatch bounds a batch when it is unpacked: the client's default lets one of 112 KiB take 3.6 GB (design.md 8).
const MaxBatch = 16 << 20

// IsDead reports whether the record at a place has a dead letter with this reason.
func IsDead(ctx context.Context, kafka []kgo.Opt, t Topics, at Place, reason Reason) (found bool, err error) {
	err = scan(ctx, kafka, t.Dead, func(r *kgo.Record) error {
		var d DeadLetter
		for _, h := range r.Headers {
			d.Read(h.Key, string(h.Value))
		}
		found = found || d.Reason == reason && Place{d.Topic, d.Partition, d.Offset} == at
		return nil
	})
	return found, err
}

// WasRefused reports whether a partition's answer to a command says that it is refused.
func WasRefused(ctx context.Context, kafka []kgo.Opt, t Topics, id string, partition int32) (refused bool, err error) {
	key := AnswerKey(id, partition)
	err = scan(ctx, kafka, t.Control, func(r *kgo.Record) error {
		var ans Answer
		if string(r.Key) == key && json.Unmarshal(r.Value, &ans) == nil {
			refused = ans.Refused
		}
		return nil
	})
	return refused, err
}
