package ledger

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Halt says on the control topic that nobody works on a partition until a human has looked: a process that was given it found
// that the ledger does not belong to what stands beside it. The next take-over that succeeds removes it.
type Halt struct {
	V          int       `json:"v"`
	Partition  int32     `json:"partition"`
	Instance   string    `json:"instance"` // that found it first
	What       string    `json:"what"`
	At         time.Time `json:"at"`
	ID         string    `json:"id"` // what `quota assume` names: the same as long as it stands, whoever finds it again
	Kind       HaltKind  `json:"kind"`
	Partitions int       `json:"partitions"` // of the intents
	IntentsID  string    `json:"intents_id"`
	LedgerID   string    `json:"ledger_id"`
	End        int64     `json:"end"` // where the intents ended then: nobody has taken in what came later
}

// HaltKind is what does not fit.
type HaltKind string

// The kinds of a Halt.
const (
	HaltLost    HaltKind = "lost"    // the ledger has no genesis, beside intents or records
	HaltForeign HaltKind = "foreign" // the ledger began in another topic: a copy, of nobody knows when
	HaltIntents HaltKind = "intents" // the intents are another topic
	HaltBeyond  HaltKind = "beyond"  // the position is not in the log of the intents
	HaltCount   HaltKind = "count"   // another number of partitions
)

// Forgot reports whether the ledger does not know any more what was sent.
func (k HaltKind) Forgot() bool { return k == HaltLost || k == HaltForeign }

// Curable reports whether the partition can go on by an assumption. With another number of partitions it cannot: its accounts' users, caps
// and pending intents are in partitions that are not theirs any more.
func (k HaltKind) Curable() bool { return k != HaltCount && k != "" }

// HaltKey is the key of a Halt.
func HaltKey(partition int32) string { return fmt.Sprintf("halt/%d", partition) }

// stand takes the id and the end from the control topic if the same halt stands there already, and writes it there if it does not, where
// `notifier status` finds it: the ledger itself must not be touched.
func (e *HaltError) stand(ctx context.Context, opt Options) error {
	var stands *Halt
	err := scan(ctx, opt.Kafka, opt.Topics.Control, func(r *kgo.Record) error {
		if string(r.Key) != HaltKey(e.Partition) {
			return nil
		}
		stands = nil
		if h := new(Halt); r.Value != nil && json.Unmarshal(r.Value, h) == nil {
			stands = h
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for the stopped partition: %w", err)
	}
	if stands != nil && stands.ID != "" && stands.Kind == e.Kind && stands.IntentsID == e.IntentsID && stands.LedgerID == e.LedgerID && stands.Partitions == e.Partitions {
		e.Halt = *stands
		return nil
	}
	e.ID, e.At = rand.Text()[:12], time.Now().UTC()
	v, err := json.Marshal(e.Halt)
	if err != nil {
		return fmt.Errorf("tell of the stopped partition: %w", err)
	}
	cl, err := kgo.NewClient(slices.Clone(opt.Kafka)...)
	if err != nil {
		return fmt.Errorf("tell of the stopped partition: %w", err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: opt.Topics.Control, Key: []byte(HaltKey(e.Partition)), Value: v}).FirstErr(); err != nil {
		return fmt.Errorf("tell of the stopped partition: %w", err)
	}
	return nil
}
