package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// skips are the commands to pass a record of an event topic. Every instance reads them all; the one that has the partition obeys.
type skips struct {
	mu   sync.Mutex // guards below
	list []ledger.Command
}

func (k *skips) add(c ledger.Command) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, c)
}

// reset forgets them: a new session reads them again, and what it finds done it leaves alone.
func (k *skips) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = nil
}

func (k *skips) take() []ledger.Command {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.list
	k.list = nil
	return out
}

// keep leaves commands for later: their partitions are not ours now.
func (k *skips) keep(list []ledger.Command) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(list, k.list...)
}

// watchSkips follows the control topic until ctx ends.
func (c *Consumer) watchSkips(ctx context.Context) {
	cl, err := kgo.NewClient(append(slices.Clone(c.opt.Kafka), kgo.ConsumeTopics(c.opt.Topics.Control), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(max(c.opt.FetchMaxWait, 500*time.Millisecond)))...)
	if err != nil {
		c.log.Warn("commands to skip records are not read", zap.Error(err))
		return
	}
	defer cl.Close()
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var cmd ledger.Command
			if ledger.IsCommand(string(r.Key)) && json.Unmarshal(r.Value, &cmd) == nil && cmd.Cmd == ledger.CmdSkip && time.Since(cmd.At) < ledger.SkipWithin {
				c.skips.add(cmd)
				c.waker.poke()
			}
		})
	}
}

// obeySkips passes the records that operators named, where they are the next of a partition of ours. It is called between two
// transactions.
func (c *Consumer) obeySkips(ctx context.Context, s *kgo.GroupTransactSession, began time.Time) error {
	list := c.skips.take()
	if len(list) == 0 {
		return nil
	}
	stands := s.Client().CommittedOffsets()
	var later []ledger.Command
	for _, cmd := range list {
		at, err := ledger.ParsePlace(cmd.Target)
		if err != nil || at.Topic == c.opt.Topics.Intents { // those are the owners'
			continue
		}
		mine, ok := stands[at.Topic][at.Partition]
		ans := ledger.Answer{V: ledger.Version, ID: cmd.ID, Instance: c.opt.Instance, At: time.Now().UTC()}
		switch {
		case !ok && time.Since(cmd.At) < ledger.SkipWithin:
			later = append(later, cmd)
			continue
		case !ok:
			continue
		case mine.Offset > at.Offset:
			ans.Refused, ans.Text = true, fmt.Sprintf("it was passed already: the group stands at offset %d", mine.Offset)
		default:
			if err := c.skip(ctx, s, cmd, at, mine.Offset, &ans); err != nil {
				return err
			}
		}
		if !ans.Refused || cmd.At.Before(began) { // done and said; or an old one
			continue
		}
		if err := c.write(ctx, s, ledger.AnswerRecord(c.opt.Topics, ans)); err != nil {
			return err
		}
	}
	c.skips.keep(later)
	return nil
}

// skip makes a dead letter of the record at which the group stands, and moves the group past it. The letter comes first: if the process
// ends between the two, the command finds the letter and moves the group alone. What is refused is not done, nor answered yet; a command that
// was refused before is over.
func (c *Consumer) skip(ctx context.Context, s *kgo.GroupTransactSession, cmd ledger.Command, at ledger.Place, stands int64, ans *ledger.Answer) error {
	r, first, next, err := ledger.ReadRecord(ctx, c.opt.Kafka, ledger.Place{Topic: at.Topic, Partition: at.Partition, Offset: stands})
	if err != nil {
		first = stands
	}
	if at.Offset > first {
		err = fmt.Errorf("the group stands at offset %d: only the record at which it stands can be skipped", first)
	}
	if err != nil {
		ans.Refused, ans.Text = true, err.Error()
		return nil
	}
	at.Offset = first // where the group stands there may be a marker of a transaction
	over, err := ledger.WasRefused(ctx, c.opt.Kafka, c.opt.Topics, cmd.ID, ans.Partition)
	if err != nil {
		return fmt.Errorf("skip %s: %w", at, err)
	}
	if over { // whoever typed it was told so: it meant a record that is long gone
		return nil
	}
	detail := fmt.Sprintf("by %s: %s", cmd.By, cmd.Why)
	if r == nil {
		r = &kgo.Record{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset}
		detail += fmt.Sprintf(" (a batch up to offset %d, too large to be unpacked)", next-1)
	}
	was, err := ledger.IsDead(ctx, c.opt.Kafka, c.opt.Topics, at, ledger.SkippedByOperator)
	if err != nil {
		return fmt.Errorf("skip %s: %w", at, err)
	}
	ans.OK, ans.Text = true, fmt.Sprintf("skipped offsets %d to %d, reading goes on at %d", at.Offset, next-1, next)
	out := []*kgo.Record{ledger.AnswerRecord(c.opt.Topics, *ans)}
	if !was {
		out = append(out, c.dead(r, string(ledger.SkippedByOperator), detail))
	}
	if err := c.write(ctx, s, out...); err != nil {
		return err
	}
	if err := s.Client().CommitRecords(ctx, &kgo.Record{Topic: at.Topic, Partition: at.Partition, Offset: next - 1, LeaderEpoch: -1}); err != nil {
		return fmt.Errorf("skip %s: %w", at, err)
	}
	s.Client().SetOffsets(map[string]map[int32]kgo.EpochOffset{at.Topic: {at.Partition: {Epoch: -1, Offset: next}}})
	c.unblock(at.Topic, at.Partition)
	c.log.Warn("record skipped by an operator", zap.Stringer("record", at), zap.Int64("next", next), zap.String("by", cmd.By), zap.String("why", cmd.Why))
	return nil
}

// write produces records in a transaction of their own.
func (c *Consumer) write(ctx context.Context, s *kgo.GroupTransactSession, rs ...*kgo.Record) error {
	if err := s.Begin(); err != nil {
		return fmt.Errorf("answer: begin: %w", err)
	}
	promise := kgo.AbortingFirstErrPromise(s.Client())
	for _, r := range rs {
		s.Produce(ctx, r, promise.Promise())
	}
	err := errors.Join(s.Client().Flush(ctx), promise.Err())
	if err == nil {
		err = ledger.AwaitTopics(ctx, s.Client(), rs)
	}
	committed, eerr := s.End(ctx, kgo.TransactionEndTry(err == nil))
	if err = errors.Join(err, eerr); err == nil && !committed {
		err = errors.New("the transaction was aborted")
	}
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// block notes that a partition stands at a batch that cannot be unpacked.
func (c *Consumer) block(big *kgo.ErrDecompressTooLarge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked == nil {
		c.blocked = map[string]map[int32]bool{}
	}
	if c.blocked[big.Topic] == nil {
		c.blocked[big.Topic] = map[int32]bool{}
	}
	c.blocked[big.Topic][big.Partition] = true
	c.opt.Metrics.blocked.WithLabelValues(big.Topic).Set(float64(len(c.blocked[big.Topic])))
	at := ledger.Place{Topic: big.Topic, Partition: big.Partition, Offset: big.Offset}
	c.log.Error("a batch is too large to be unpacked: this partition is stopped, nothing is skipped by itself; next: notifier skip", zap.Stringer("record", at), zap.Int64("next", big.NextOffset))
}

func (c *Consumer) unblock(topic string, p int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.blocked[topic], p)
	c.opt.Metrics.blocked.WithLabelValues(topic).Set(float64(len(c.blocked[topic])))
}

// unblockAll forgets what a session that ended found: the partitions may be others'.
func (c *Consumer) unblockAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic := range c.blocked {
		c.opt.Metrics.blocked.WithLabelValues(topic).Set(0)
	}
	c.blocked, c.troubles = nil, nil
}
