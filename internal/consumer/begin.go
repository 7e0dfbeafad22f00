package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// waitGenesis returns the partition count of the ledger's genesis, which places the accounts. Until stage 2 has written it for
// every partition, nothing may be produced (design.md 3.3): a partition that holds intents and has no genesis is stopped.
func (c *Consumer) waitGenesis(ctx context.Context) (int, error) {
	t := c.opt.Topics
	cl, err := kgo.NewClient(append(slices.Clone(c.opt.Kafka), kgo.ConsumeTopics(t.Control), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(c.opt.FetchMaxWait))...)
	if err != nil {
		return 0, fmt.Errorf("wait for genesis: %w", err)
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, t.Intents)
	if err != nil {
		return 0, fmt.Errorf("wait for genesis: list %s: %w", t.Intents, err)
	}
	intents := topics[t.Intents]
	if intents.Err != nil {
		return 0, fmt.Errorf("wait for genesis: %s: %w", t.Intents, intents.Err)
	}
	began, told := time.Now(), false
	begun := map[string]*ledger.Genesis{} // by key: one for each partition
	for {
		pc, cancel := context.WithTimeout(ctx, 5*time.Second)
		fs := cl.PollFetches(pc)
		cancel()
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		fs.EachRecord(func(r *kgo.Record) {
			if !strings.HasPrefix(string(r.Key), "genesis/") || r.Value == nil {
				return
			}
			g := new(ledger.Genesis)
			if json.Unmarshal(r.Value, g) == nil && g.IntentsID == intents.ID.String() {
				begun[string(r.Key)] = g
			}
		})
		for _, g := range begun {
			if g.Partitions != len(intents.Partitions) {
				return 0, fmt.Errorf("%s has %d partitions, the ledger was made for %d: nothing is evaluated; see docs/runbook.md#stopped-partition", t.Intents, len(intents.Partitions), g.Partitions)
			}
		}
		if n := len(intents.Partitions); n > 0 && len(begun) == n {
			return n, nil
		}
		if !told && time.Since(began) > 10*time.Second {
			told = true
			c.log.Warn("waiting for stage 2 to begin the ledger (genesis)", zap.String("topic", t.Control), zap.Int("begun", len(begun)), zap.Int("partitions", len(intents.Partitions)))
		}
	}
}

// begin commits where a new group starts, before anybody joins it: otherwise a partition without commits would start at `latest`
// anew after every restart and lose what came between. known are the topics the group has read before.
func (c *Consumer) begin(ctx context.Context) (known map[string]bool, err error) {
	cl, err := kgo.NewClient(c.opt.Kafka...)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	topics := c.opt.Rules().Topics()
	committed, err := adm.FetchOffsets(ctx, c.group())
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has begun it

		return nil, fmt.Errorf("fetch the offsets of group %s: %w", c.group(), err)
	}
	known = map[string]bool{}
	committed.Each(func(o kadm.OffsetResponse) {
		if o.Err == nil && o.At >= 0 {
			known[o.Topic] = true
		}
	})
	var fresh []string
	for _, t := range topics {
		if !known[t] {
			fresh = append(fresh, t)
		}
	}
	if len(fresh) == 0 {
		return known, nil
	}
	if len(known) == 0 && !c.opt.Start.Set {
		return nil, fmt.Errorf("%w: group %s has no offsets yet; set kafka.start to latest, earliest or a time", ErrNoStart, c.group())
	}
	from, err := c.listBeginning(ctx, adm, fresh)
	if err != nil {
		return nil, fmt.Errorf("find where group %s begins: %w", c.group(), err)
	}
	os := kadm.Offsets{}
	from.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			os.AddOffset(o.Topic, o.Partition, o.Offset, -1)
		} else {
			c.log.Warn("a topic of the catalogue cannot be read: its events are read once it can", zap.String("topic", o.Topic), zap.Error(o.Err))
		}
	})
	if len(os) == 0 {
		return known, nil
	}
	// A group with members refuses this commit: then another instance has begun it, and its offsets count.
	if err := adm.CommitAllOffsets(ctx, c.group(), os); err != nil {
		if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("begin group %s: %w", c.group(), err)
		}
		c.log.Info("the group has members already, they began it", zap.String("group", c.group()), zap.NamedError("answer", err))
		return known, nil
	}
	c.log.Info("new topics begin", zap.String("group", c.group()), zap.Strings("topics", fresh))
	return known, nil
}

// beginPartitions gives partitions without a committed offset a beginning of their own: a topic that is new to the group begins
// where kafka.start says, a partition that was added to a topic the group has read before begins at its start, all of it is new. The
// beginnings are kept for commitBeginnings.
func (c *Consumer) beginPartitions(ctx context.Context, m map[string]map[int32]kgo.Offset, known map[string]bool) error {
	var fresh, added []string
	for topic, ps := range m {
		for _, at := range ps {
			if at.EpochOffset().Offset >= 0 {
				continue
			}
			if known[topic] {
				added = append(added, topic)
			} else {
				fresh = append(fresh, topic)
			}
			break
		}
	}
	if len(fresh)+len(added) == 0 {
		return nil
	}
	cl, err := kgo.NewClient(c.opt.Kafka...)
	if err != nil {
		return fmt.Errorf("find where partitions begin: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	from := kadm.ListedOffsets{}
	if len(added) > 0 {
		if from, err = adm.ListStartOffsets(ctx, added...); err != nil {
			return fmt.Errorf("find where partitions begin: %w", err)
		}
	}
	if len(fresh) > 0 {
		at, err := c.listBeginning(ctx, adm, fresh)
		if err != nil {
			return fmt.Errorf("find where partitions begin: %w", err)
		}
		maps.Copy(from, at)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic, ps := range m {
		for p, at := range ps {
			o, ok := from.Lookup(topic, p)
			if at.EpochOffset().Offset >= 0 || !ok || o.Err != nil {
				continue
			}
			ps[p] = kgo.NewOffset().At(o.Offset)
			if c.begun == nil {
				c.begun = map[string]map[int32]int64{}
			}
			if c.begun[topic] == nil {
				c.begun[topic] = map[int32]int64{}
			}
			c.begun[topic][p] = o.Offset
		}
	}
	return nil
}

// listBeginning asks where kafka.start lies.
func (c *Consumer) listBeginning(ctx context.Context, adm *kadm.Client, topics []string) (kadm.ListedOffsets, error) {
	switch {
	case c.opt.Start.Earliest:
		return adm.ListStartOffsets(ctx, topics...)
	case !c.opt.Start.At.IsZero():
		return adm.ListOffsetsAfterMilli(ctx, c.opt.Start.At.UnixMilli(), topics...)
	}
	return adm.ListEndOffsets(ctx, topics...)
}

// commitBeginnings commits, as a member, where partitions of ours begin, before what is polled of them is worked on: after a restart
// they must not look like partitions that nobody has begun.
func (c *Consumer) commitBeginnings(ctx context.Context, cl *kgo.Client) error {
	c.mu.Lock()
	begun := c.begun
	c.begun = nil
	c.mu.Unlock()
	if len(begun) == 0 {
		return nil
	}
	var rs []*kgo.Record
	for topic, ps := range begun {
		for p, at := range ps {
			rs = append(rs, &kgo.Record{Topic: topic, Partition: p, Offset: at - 1, LeaderEpoch: -1}) // the commit is of the one after it
		}
	}
	cc, cancel := context.WithTimeout(context.WithoutCancel(ctx), txnTimeout) // a transaction may be open: it is finished, not torn
	defer cancel()
	if err := cl.CommitRecords(cc, rs...); err != nil {
		return fmt.Errorf("commit where new partitions begin: %w", err)
	}
	return nil
}
