package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	var from kadm.ListedOffsets
	switch {
	case c.opt.Start.Earliest:
		from, err = adm.ListStartOffsets(ctx, fresh...)
	case !c.opt.Start.At.IsZero():
		from, err = adm.ListOffsetsAfterMilli(ctx, c.opt.Start.At.UnixMilli(), fresh...)
	default:
		from, err = adm.ListEndOffsets(ctx, fresh...)
	}
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
