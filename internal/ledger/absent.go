package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Absence is a note on the control topic that a topic of the catalogue did not exist when stage 1 looked: whatever it holds later is
// newer than that, so the group begins it at its start, whatever kafka.start says and whoever finds it. It is taken back once the group
// has offsets of the topic.
type Absence struct {
	V        int       `json:"v"`
	Instance string    `json:"instance"` // that looked
	At       time.Time `json:"at"`
}

const absentPrefix = "absent/"

// Absences gives what stands on the control topic, by topic.
func Absences(ctx context.Context, kafka []kgo.Opt, t Topics) (map[string]Absence, error) {
	out := map[string]Absence{}
	err := eachNote(ctx, kafka, t, absentPrefix, func(topic string, value []byte) {
		delete(out, topic)
		var a Absence
		if value != nil && json.Unmarshal(value, &a) == nil {
			out[topic] = a
		}
	})
	if err != nil {
		return nil, fmt.Errorf("look for topics that were missing: %w", err)
	}
	return out, nil
}

// NoteAbsences writes a note for each topic, or takes it back (nil).
func NoteAbsences(ctx context.Context, kafka []kgo.Opt, t Topics, topics []string, a *Absence) error {
	var v []byte
	if a != nil {
		v, _ = json.Marshal(a) // a text and a time always marshal
	}
	notes := map[string][]byte{}
	for _, topic := range topics {
		notes[topic] = v
	}
	if err := writeNotes(ctx, kafka, t, absentPrefix, notes); err != nil {
		return fmt.Errorf("note topics that are missing: %w", err)
	}
	return nil
}
