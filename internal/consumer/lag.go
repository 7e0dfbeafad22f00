package consumer

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// lagEvery is how often the group's lag is asked, and within what it must be answered: a group with rarer heartbeats is asked as rarely.
const lagEvery = 10 * time.Second

// readTimes remembers when the last record read of each partition was written: how old the work is that lies before it.
type readTimes struct {
	mu sync.Mutex
	at map[string]map[int32]time.Time
}

func (r *readTimes) note(rec *kgo.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = map[string]map[int32]time.Time{}
	}
	if r.at[rec.Topic] == nil {
		r.at[rec.Topic] = map[int32]time.Time{}
	}
	r.at[rec.Topic][rec.Partition] = rec.Timestamp
}

func (r *readTimes) of(topic string, p int32) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.at[topic][p]
	return t, ok
}

// watchLag tells the group's lag until ctx ends.
func (c *Consumer) watchLag(ctx context.Context, cl *kgo.Client) {
	t := time.NewTicker(max(lagEvery, c.opt.Heartbeat))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		switch err := c.tellLag(ctx, cl); {
		case ctx.Err() != nil:
		case err != nil:
			if c.failed(err, time.Now()) {
				c.log.Warn("Kafka does not answer: the group's lag is not known", zap.Error(err))
			}
		default:
			c.answers()
		}
	}
}

func (c *Consumer) tellLag(ctx context.Context, cl *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, lagEvery)
	defer cancel()
	adm := kadm.NewClient(cl)
	topics := c.opt.Rules().Topics()
	committed, err := adm.FetchOffsets(ctx, c.group())
	if err != nil {
		return err
	}
	end, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		var lag int64
		var age float64
		for p, o := range end[topic] {
			at, ok := committed.Lookup(topic, p)
			if o.Err != nil || !ok || at.At < 0 || at.At >= o.Offset {
				continue
			}
			lag = max(lag, o.Offset-at.At)
			if read, ok := c.read.of(topic, p); ok {
				age = max(age, time.Since(read).Seconds())
			}
		}
		c.opt.Metrics.lag.WithLabelValues(topic).Set(float64(lag))
		c.opt.Metrics.age.WithLabelValues(topic).Set(age)
	}
	return nil
}
