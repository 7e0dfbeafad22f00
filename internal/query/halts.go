package query

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// Halts gives the partitions that are stopped until a human has looked, by partition.
func (r *Reader) Halts(ctx context.Context) (map[int32]ledger.Halt, error) {
	last := map[string]*ledger.Halt{}
	err := r.each(ctx, r.Topics.Control, time.Time{}, func(rec *kgo.Record) error {
		key := string(rec.Key)
		if !strings.HasPrefix(key, "halt/") {
			return nil
		}
		last[key] = nil
		if rec.Value == nil {
			return nil
		}
		h := new(ledger.Halt)
		if err := json.Unmarshal(rec.Value, h); err != nil {
			return fmt.Errorf("read %s: record %q: %w", rec.Topic, key, err)
		}
		last[key] = h
		return nil
	})
	out := map[int32]ledger.Halt{}
	for _, h := range last {
		if h != nil {
			out[h.Partition] = *h
		}
	}
	return out, err
}
