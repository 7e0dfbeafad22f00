package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// FirstTopic is a note on the control topic of the topic id that an event topic had when stage 1 met it first. The ids of intents are
// made of a topic's name and offsets, so a topic that was deleted and made again would bring ids that the ledger, the fates and a vendor's
// table of request ids have already: its intents get ids of their own (design.md 2).
type FirstTopic struct {
	V  int       `json:"v"`
	ID string    `json:"id"` // Kafka's topic id, as text
	At time.Time `json:"at"`
}

const topicPrefix = "topic/"

// FirstTopics gives the ids that stand on the control topic, by topic.
func FirstTopics(ctx context.Context, kafka []kgo.Opt, t Topics) (map[string]string, error) {
	out := map[string]string{}
	err := eachNote(ctx, kafka, t, topicPrefix, func(topic string, value []byte) {
		var f FirstTopic
		if _, known := out[topic]; !known && json.Unmarshal(value, &f) == nil {
			out[topic] = f.ID
		}
	})
	if err != nil {
		return nil, fmt.Errorf("look for the first ids of topics: %w", err)
	}
	return out, nil
}

// NoteFirstTopics writes the ids of topics that were never met before.
func NoteFirstTopics(ctx context.Context, kafka []kgo.Opt, t Topics, ids map[string]string, at time.Time) error {
	notes := map[string][]byte{}
	for topic, id := range ids {
		notes[topic], _ = json.Marshal(FirstTopic{Version, id, at.UTC()}) // texts and a time always marshal
	}
	if err := writeNotes(ctx, kafka, t, topicPrefix, notes); err != nil {
		return fmt.Errorf("note the first ids of topics: %w", err)
	}
	return nil
}
