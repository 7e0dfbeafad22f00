package query

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// Letter is a dead letter with the record that it keeps.
type Letter struct {
	ledger.DeadLetter
	Key, Value []byte
	Headers    []kgo.RecordHeader // the original's, without ours

	partition int32 // where the letter is
	offset    int64
}

// DeadFilter chooses dead letters; empty fields choose all.
type DeadFilter struct {
	IDs    []string
	Reason string
	Topic  string // where the original was
	Since  time.Time
}

func (f DeadFilter) match(l *Letter) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, l.ID)) && (f.Reason == "" || string(l.Reason) == f.Reason) && (f.Topic == "" || l.Topic == f.Topic) &&
		!l.At.Before(f.Since)
}

// Dead gives the dead letters that a filter chooses, oldest first in each partition, each with how often it was sent again.
func (r *Reader) Dead(ctx context.Context, f DeadFilter, emit func(*Letter) error) error {
	replays, err := r.replays(ctx)
	if err != nil {
		return err
	}
	return r.each(ctx, r.Topics.Dead, time.Time{}, func(rec *kgo.Record) error {
		l := letterOf(rec)
		if !f.match(l) {
			return nil
		}
		l.Replays = replays.of(l)
		return emit(l)
	})
}

// replays are the letters of every replay on record.
type replays []ledger.Letters

func (r *Reader) replays(ctx context.Context) (out replays, err error) {
	err = r.Commands(ctx, ledger.CmdReplay, func(c ledger.Command) { out = append(out, ledger.SplitLetters(c.Args[ledger.ArgLetters])) })
	return out, err
}

// of says how often a letter was sent again.
func (rs replays) of(l *Letter) (n int) {
	for _, x := range rs {
		if x.Has(l.partition, l.offset) {
			n++
		}
	}
	return n
}

func letterOf(rec *kgo.Record) *Letter {
	l := &Letter{DeadLetter: ledger.DeadLetter{ID: ledger.DeadID(rec.Partition, rec.Offset), Bytes: len(rec.Value)},
		Key: rec.Key, Value: rec.Value, partition: rec.Partition, offset: rec.Offset}
	for _, h := range rec.Headers {
		if l.Read(h.Key, string(h.Value)); !strings.HasPrefix(h.Key, ledger.DeadPrefix) {
			l.Headers = append(l.Headers, h)
		}
	}
	if l.Cut == "" && len(rec.Value) == 0 {
		l.Cut = "its bytes were not kept" // dead: {payload: none}, or it had none
	}
	return l
}

// replayMost bounds what one replay sends: it is one transaction.
const replayMost = 10_000

// ErrTooManyLetters means that a replay would be more than one transaction holds.
var ErrTooManyLetters = fmt.Errorf("more than %d dead letters in one replay", replayMost)

// ErrReplayed means that somebody else has sent one of the letters since they were read.
var ErrReplayed = errors.New("was sent again by somebody else since it was listed, so nothing was sent")

// Replay sends the originals of dead letters to their partitions again, each with a header that says so, and says on the control topic who
// did it and why: one transaction, so that what was sent is on record and nothing else is. What others have sent since the letters were read is looked for
// right before; two who get that far in one moment, before either has committed, both send.
func (r *Reader) Replay(ctx context.Context, letters []*Letter, by, why string) (err error) {
	if len(letters) > replayMost {
		return ErrTooManyLetters
	}
	now, err := r.replays(ctx)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	for _, l := range letters {
		if now.of(l) > l.Replays {
			return fmt.Errorf("%s %w", l.ID, ErrReplayed)
		}
	}
	c := ledger.Command{V: ledger.Version, ID: rand.Text()[:12], Cmd: ledger.CmdReplay, Target: "dead", By: by, Why: why, At: time.Now().UTC()}
	ids := make([]string, len(letters))
	for i, l := range letters {
		ids[i] = l.ID
	}
	c.Args = map[string]string{ledger.ArgLetters: ledger.JoinLetters(ids)}
	note, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	// An id of its own: with a shared one two operators would fence each other.
	cl, err := kgo.NewClient(append(slices.Clone(r.Kafka), kgo.TransactionalID(r.Topics.Prefix+"-replay-"+c.ID), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	promise := kgo.AbortingFirstErrPromise(cl)
	var all []*kgo.Record
	for _, l := range letters {
		hs := append(slices.Clone(l.Headers), kgo.RecordHeader{Key: ledger.DeadReplayed, Value: []byte(l.ID)})
		all = append(all, &kgo.Record{Topic: l.Topic, Partition: l.Partition, Key: l.Key, Value: l.Value, Headers: hs})
	}
	all = append(all, &kgo.Record{Topic: r.Topics.Control, Key: []byte(c.Key()), Value: note})
	for _, x := range all {
		cl.Produce(ctx, x, promise.Promise())
	}
	if err = errors.Join(cl.Flush(ctx), promise.Err()); err == nil {
		err = ledger.AwaitTopics(ctx, cl, all)
	}
	end := kgo.TransactionEndTry(err == nil)
	if err = errors.Join(err, cl.EndTransaction(context.WithoutCancel(ctx), end)); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}
