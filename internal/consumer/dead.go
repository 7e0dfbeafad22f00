package consumer

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// maxDead is how much of a record's value and key a dead letter keeps.
const maxDead = 64 << 10

// dead makes the dead letter of a record: the record itself, for replay, and where it was and why it died (design.md 3, Topics).
func (c *Consumer) dead(r *kgo.Record, reason, detail string) *kgo.Record {
	detail = cut(detail, 500)
	c.log.Warn("dead letter", zap.String("topic", r.Topic), zap.Int32("partition", r.Partition), zap.Int64("offset", r.Offset), zap.String("reason", reason), zap.String("detail", detail))
	d := &kgo.Record{Topic: c.opt.Topics.Dead}
	head := func(k, v string) { d.Headers = append(d.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)}) }
	if c.opt.KeepDead {
		d.Key, d.Value, d.Headers = r.Key, r.Value, slices.Clone(boundHeaders(r.Headers))
		if n := len(r.Headers) - len(d.Headers); n > 0 {
			head(ledger.DeadHeadersCut, strconv.Itoa(n))
		}
		if len(r.Key) > maxDead {
			d.Key = r.Key[:maxDead]
			head(ledger.DeadKeyLength, strconv.Itoa(len(r.Key)))
		}
		if len(r.Value) > maxDead {
			d.Value = r.Value[:maxDead]
			sum := sha256.Sum256(r.Value)
			head(ledger.DeadLength, strconv.Itoa(len(r.Value)))
			head(ledger.DeadSHA256, hex.EncodeToString(sum[:]))
		}
	}
	head(ledger.DeadReason, reason)
	head(ledger.DeadTopic, r.Topic)
	head(ledger.DeadPartition, strconv.Itoa(int(r.Partition)))
	head(ledger.DeadOffset, strconv.FormatInt(r.Offset, 10))
	head(ledger.DeadDetail, detail)
	head(ledger.DeadAt, time.Now().UTC().Format(time.RFC3339Nano))
	return d
}

// boundHeaders drops the record's own headers from the first that makes them too much together.
func boundHeaders(hs []kgo.RecordHeader) []kgo.RecordHeader {
	size := 0
	for i, h := range hs {
		if size += len(h.Key) + len(h.Value); size > maxDead {
			return hs[:i:i]
		}
	}
	return hs
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
