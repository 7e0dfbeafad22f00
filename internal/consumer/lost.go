package consumer

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// partition is one of an event topic.
type partition struct {
	topic string
	p     int32
}

// lostAgain is how long a partition whose place is not in the log any more is left alone. The client would ask for it again at once, thousands
// of times a second; asked once a minute it goes on being counted and told for as long as it stands.
const lostAgain = time.Minute

// lose stops a partition: nothing is skipped by itself, and never is it read from the start again.
func (c *Consumer) lose(cl *kgo.Client, at partition, err error) {
	part := map[string][]int32{at.topic: {at.p}}
	cl.PauseFetchPartitions(part)
	c.mu.Lock()
	told := time.Since(c.lost[at]) < lostAgain // what the client had before it paused, or asked after a rebalance
	if !told {
		if c.lost == nil {
			c.lost = map[partition]time.Time{}
		}
		c.lost[at] = time.Now()
	}
	c.mu.Unlock()
	if told {
		return
	}
	time.AfterFunc(lostAgain, func() { cl.ResumeFetchPartitions(part) })
	c.opt.Metrics.lost.WithLabelValues(at.topic).Inc()
	c.log.Error("the group's offset is not in the log: this partition is stopped, nothing is skipped by itself; next: docs/runbook.md#lost-offset", zap.String("topic", at.topic), zap.Int32("partition", at.p), zap.Error(err))
}

// Lost names the partitions that stand because their place is not in the log any more.
func (c *Consumer) Lost() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, when := range c.lost {
		if time.Since(when) < 2*lostAgain { // of those that somebody else has now nothing is heard any more
			out = append(out, fmt.Sprintf("%s[%d] is stopped: the group's offset is not in the log any more: docs/runbook.md#lost-offset", at.topic, at.p))
		}
	}
	slices.Sort(out)
	return out
}
