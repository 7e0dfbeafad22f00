package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// partition is one of an event topic.
type partition struct {
	topic string
	p     int32
}

// trouble is why a partition is not read.
type trouble struct {
	what              string
	first, last, told time.Time
}

// tellAgain is how often a partition that is not read is told of.
const tellAgain = time.Minute

// notRead notes that a partition could not be read, and reports whether that is to be told now.
func (c *Consumer) notRead(at partition, what string, now time.Time) (tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.troubles[at]
	if t.what != what || now.Sub(t.last) > 2*tellAgain { // another one
		t = trouble{what: what, first: now}
	}
	if tell = now.Sub(t.told) >= tellAgain; tell {
		t.told = now
	}
	t.last = now
	if c.troubles == nil {
		c.troubles = map[partition]trouble{}
	}
	c.troubles[at] = t
	return tell
}

const (
	lostPlace = "the group's offset is not in the log any more: docs/runbook.md#lost-offset"
	madeAnew  = "the topic was deleted, or made again, while it was read: it is read after a restart of all instances, docs/runbook.md#lost-offset"
)

// errBeyond is a place behind the end of the log: its end was lost. When the log has grown again, other events stand there.
var errBeyond = errors.New("the log ends before it")

// stopBeyond stops the partitions that were given and of which the group's offset lies behind the end, before they are read: the client would go
// on at the end by itself.
func (c *Consumer) stopBeyond(ctx context.Context, cl *kgo.Client, given map[string]map[int32]kgo.Offset) error {
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topicsOf(given)...)
	if err != nil {
		return fmt.Errorf("ask where the logs end: %w", err)
	}
	for topic, ps := range given {
		for p, at := range ps {
			if end, ok := ends.Lookup(topic, p); ok && end.Err == nil && at.EpochOffset().Offset > end.Offset {
				c.lose(cl, partition{topic, p}, fmt.Errorf("%w: it is at %d, the group's offset is %d", errBeyond, end.Offset, at.EpochOffset().Offset))
			}
		}
	}
	return nil
}

// stopped reports whether a partition's place is known to be lost.
func (c *Consumer) stopped(topic string, p int32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.troubles[partition{topic, p}].what == lostPlace
}

// lose stops a partition whose place is not in the log any more: nothing is skipped by itself, and never is it read from the start again. The
// client would ask again at once, thousands of times a second; asked once a minute it goes on being counted for as long as it stands.
func (c *Consumer) lose(cl *kgo.Client, at partition, err error) {
	part := map[string][]int32{at.topic: {at.p}}
	forGood := isDataLoss(err) || errors.Is(err, errBeyond) // the log was cut below our place: the client would read on where it was cut
	cl.PauseFetchPartitions(part)
	if !c.notRead(at, lostPlace, time.Now()) { // what the client had before it paused, or asked after a rebalance
		return
	}
	time.AfterFunc(tellAgain, func() {
		switch _, ours := cl.CommittedOffsets()[at.topic][at.p]; {
		case !forGood:
			cl.ResumeFetchPartitions(part)
		case ours:
			c.lose(cl, at, err)
		}
	})
	c.opt.Metrics.lost.WithLabelValues(at.topic).Inc()
	c.log.Error("the group's offset is not in the log: this partition is stopped, nothing is skipped by itself; next: docs/runbook.md#lost-offset", zap.String("topic", at.topic), zap.Int32("partition", at.p), zap.Error(err))
}

func isDataLoss(err error) bool {
	_, ok := errors.AsType[*kgo.ErrDataLoss](err)
	return ok
}

// anew tells of a topic that is not the one that was read. The brokers say so for a moment of a topic that they have just made, too.
func (c *Consumer) anew(at partition, err error) {
	if c.notRead(at, madeAnew, time.Now()) {
		c.log.Warn("a topic of the catalogue is not the one that was read: if it was deleted and made again, restart all instances to read it; next: docs/runbook.md#lost-offset", zap.String("topic", at.topic), zap.Int32("partition", at.p), zap.Error(err))
	}
}

// anewFor is how long a topic must have been unknown before it was made anew.
const anewFor = 30 * time.Second

// NotRead names the partitions that are not read, and why.
func (c *Consumer) NotRead(now time.Time) (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, t := range c.troubles {
		if now.Sub(t.last) > 2*tellAgain || t.what == madeAnew && t.last.Sub(t.first) < anewFor { // somebody else has it now; or it passed
			continue
		}
		out = append(out, fmt.Sprintf("%s[%d] is not read: %s", at.topic, at.p, t.what))
	}
	for topic, ps := range c.blocked {
		for p := range ps {
			out = append(out, fmt.Sprintf("%s[%d] is not read: a batch is too large to be unpacked, the log says where: notifier skip", topic, p))
		}
	}
	slices.Sort(out)
	return out
}
