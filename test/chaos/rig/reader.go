package rig

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/chaos/audit"
)

// EventTopics are the topics that the catalogue reads.
var EventTopics = []string{"shop.profiles", "shop.orders", "shop.sales"}

// OwnTopics are the daemon's.
var OwnTopics = []string{Prefix + ".intents", Prefix + ".ledger", Prefix + ".fates", Prefix + ".dead"}

// Reader follows all topics. It reads everything and decides by the markers itself what is committed: a broker that was killed
// leaves transactions without a marker, at the end of a log nothing would tell a read_committed reader that it is there.
type Reader struct {
	cl  *kgo.Client
	adm *kadm.Client
	at  map[string]map[int32]int64 // next offset, control records included
	log
}

// log is what was read, in the order of each partition.
type log struct {
	open  map[txn][]audit.Record    // records whose transaction has no marker yet
	Topic map[string][]audit.Record // committed records
}

func newLog() log { return log{open: map[txn][]audit.Record{}, Topic: map[string][]audit.Record{}} }

type txn struct {
	topic     string
	partition int32
	producer  int64
}

// NewReader connects to the brokers.
func NewReader(brokers ...string) (*Reader, error) {
	topics := append(append([]string{}, EventTopics...), OwnTopics...)
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topics...), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadUncommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("read topics: %w", err)
	}
	return &Reader{cl: cl, adm: kadm.NewClient(cl), at: map[string]map[int32]int64{}, log: newLog()}, nil
}

// Close ends the reader.
func (r *Reader) Close() { r.cl.Close() }

// CatchUp reads until everything that is in the topics now has been read.
func (r *Reader) CatchUp(ctx context.Context) error {
	ends, err := r.ends(ctx, append(append([]string{}, EventTopics...), OwnTopics...)...)
	if err != nil {
		return fmt.Errorf("read topics: list ends: %w", err)
	}
	for {
		behind := false
		ends.Each(func(o kadm.ListedOffset) { behind = behind || r.at[o.Topic][o.Partition] < o.Offset })
		if !behind {
			return nil
		}
		fs := r.cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read topics: %w", context.Cause(ctx))
		}
		var errs []error
		fs.EachError(func(t string, p int32, err error) { errs = append(errs, fmt.Errorf("read %s[%d]: %w", t, p, err)) })
		if err := errors.Join(errs...); err != nil {
			return err
		}
		fs.EachRecord(func(k *kgo.Record) {
			if r.at[k.Topic] == nil {
				r.at[k.Topic] = map[int32]int64{}
			}
			r.at[k.Topic][k.Partition] = k.Offset + 1
			r.take(k)
		})
	}
}

// ends asks for the ends of topics, again while their leaders move: a broker may just have been killed.
func (r *Reader) ends(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
	for {
		ends, err := r.adm.ListEndOffsets(ctx, topics...)
		if err == nil {
			err = ends.Error()
		}
		if !kerr.IsRetriable(err) {
			return ends, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// take files a record: at once, or when the marker of its transaction says so.
func (r *log) take(k *kgo.Record) {
	t := txn{k.Topic, k.Partition, k.ProducerID}
	if k.Attrs.IsControl() {
		if len(k.Key) >= 4 && k.Key[3] == 1 { // version, type; 1 is commit
			r.Topic[k.Topic] = append(r.Topic[k.Topic], r.open[t]...)
		}
		delete(r.open, t)
		return
	}
	rec := audit.Record{Topic: k.Topic, Partition: k.Partition, Offset: k.Offset, Key: string(k.Key), Value: k.Value, Time: k.Timestamp,
		Reason: header(k, "n-reason"), Origin: header(k, "n-topic") + "/" + header(k, "n-partition") + "/" + header(k, "n-offset")}
	if k.Attrs.IsTransactional() {
		r.open[t] = append(r.open[t], rec)
	} else {
		r.Topic[k.Topic] = append(r.Topic[k.Topic], rec)
	}
}

func header(k *kgo.Record, name string) string {
	for _, h := range k.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// Unread is how many records of the event topics stage 1 has not committed yet.
func (r *Reader) Unread(ctx context.Context) (int64, error) {
	committed, err := r.adm.FetchOffsets(ctx, Prefix+"-evaluate")
	if err != nil {
		return 0, fmt.Errorf("offsets of stage 1: %w", err)
	}
	ends, err := r.ends(ctx, EventTopics...)
	if err != nil {
		return 0, fmt.Errorf("ends of the event topics: %w", err)
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) {
		at := int64(0)
		if c, ok := committed.Lookup(o.Topic, o.Partition); ok && c.At > 0 {
			at = c.At
		}
		left += o.Offset - at
	})
	return left, nil
}
