package query

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// Given are the commands on the control topic at one moment.
type Given struct {
	commands   []ledger.Standing // in the order of the topic
	topics     ledger.Topics
	partitions int // of the ledger
}

// Given reads the commands. Whoever asks which of them stand reads the ledgers after it: then none counts that was obeyed in between.
func (r *Reader) Given(ctx context.Context) (*Given, error) {
	g := &Given{topics: r.Topics}
	cl, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.Topics.Control, err)
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, r.Topics.Ledger)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.Topics.Control, err)
	}
	g.partitions = len(topics[r.Topics.Ledger].Partitions)
	g.commands, err = r.commands(ctx)
	return g, err
}

// Partitions counts the partitions of a topic; a topic that does not exist has none.
func (r *Reader) Partitions(ctx context.Context, topic string) (int, error) {
	cl, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", topic, err)
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, topic)
	if err == nil && !errors.Is(topics[topic].Err, kerr.UnknownTopicOrPartition) {
		err = topics[topic].Err
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", topic, err)
	}
	return len(topics[topic].Partitions), nil
}

// Standing gives the commands that stand beside these ledgers, in the order in which they will be obeyed.
func (g *Given) Standing(states map[int32]*ledger.State) []ledger.Standing {
	return ledger.Stand(g.commands, states, g.topics, g.partitions, time.Now())
}

// Commands calls f for the commands of one kind that are on the control topic, in the order in which they were given.
func (r *Reader) Commands(ctx context.Context, cmd string, f func(ledger.Command)) error {
	all, err := r.commands(ctx)
	for _, c := range all {
		if c.Cmd == cmd {
			f(c.Command)
		}
	}
	return err
}

// commands reads the last command of each key.
func (r *Reader) commands(ctx context.Context) (out []ledger.Standing, err error) {
	last := map[string]ledger.Standing{}
	err = r.each(ctx, r.Topics.Control, time.Time{}, func(rec *kgo.Record) error {
		var c ledger.Command
		if key := string(rec.Key); ledger.IsCommand(key) && json.Unmarshal(rec.Value, &c) == nil {
			last[key] = ledger.Standing{Command: c, Offset: rec.Offset}
		}
		return nil
	})
	for _, c := range last {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b ledger.Standing) int { return cmp.Compare(a.Offset, b.Offset) })
	return out, err
}
