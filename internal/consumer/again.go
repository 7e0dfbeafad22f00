package consumer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// madeAgain knows which event topics were deleted and made again since stage 1 met them first. Their offsets begin anew, and so would the
// ids of their intents: a new broadcast would take the place of a pending one with its id, and Getui would drop it as a repeat of one that
// was sent. So their ids carry a part of the topic's id.
type madeAgain struct {
	mu    sync.Mutex
	first map[string]string // topic id by topic, as on the control topic when it was read last

	suffix atomic.Pointer[map[string]intent.ID] // by topic; nil: none was made again
}

// of is what the ids of a topic's intents end with.
func (m *madeAgain) of(topic string) intent.ID {
	if s := m.suffix.Load(); s != nil {
		return (*s)[topic]
	}
	return ""
}

// recognise compares the topics' ids with those of their first time. It is asked before any of their records is read.
func (c *Consumer) recognise(ctx context.Context, topics []string) error {
	cl, err := kgo.NewClient(c.opt.Kafka...)
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	defer cl.Close()
	have, err := kadm.NewClient(cl).ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("ask for the ids of the catalogue's topics: %w", err)
	}
	m := &c.madeAgain
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(topics, func(t string) bool { return m.first[t] == "" }) { // another instance may have met it since
		if m.first, err = ledger.FirstTopics(ctx, c.opt.Kafka, c.opt.Topics); err != nil {
			return err
		}
	}
	fresh := map[string]string{}
	suffix := map[string]intent.ID{}
	if s := m.suffix.Load(); s != nil {
		suffix = maps.Clone(*s)
	}
	for _, t := range topics {
		d := have[t]
		if d.Err != nil || d.ID == (kadm.TopicID{}) { // it does not exist yet, or the broker gives no ids
			continue
		}
		id := d.ID.String()
		switch first, met := m.first[t]; {
		case !met:
			fresh[t] = id
		case first != id:
			if suffix[t] != suffixOf(id) {
				suffix[t] = suffixOf(id)
				c.log.Warn("a topic of the catalogue was deleted and made again: its intents get ids of their own; events that come again are known by their ids", zap.String("topic", t), zap.String("topic_id", id), zap.String("first_id", first))
			}
		default:
			delete(suffix, t)
		}
	}
	if err := ledger.NoteFirstTopics(ctx, c.opt.Kafka, c.opt.Topics, fresh, time.Now()); err != nil {
		return err
	}
	maps.Copy(m.first, fresh)
	if len(suffix) > 0 || m.suffix.Load() != nil {
		m.suffix.Store(&suffix)
	}
	return nil
}

// suffixOf is enough of a topic's id to tell it from the few others of its name.
func suffixOf(id string) intent.ID {
	id = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, id)
	return intent.ID("~" + id[:min(len(id), 10)])
}

// topicsOf are the topics of an assignment.
func topicsOf(m map[string]map[int32]kgo.Offset) []string { return slices.Sorted(maps.Keys(m)) }
