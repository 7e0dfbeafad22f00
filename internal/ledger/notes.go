package ledger

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Notes of stage 1 on topics stand on the control topic under a prefix and the topic's name.

// eachNote calls f with the notes under prefix, oldest first; value is nil where one was taken back.
func eachNote(ctx context.Context, kafka []kgo.Opt, t Topics, prefix string, f func(topic string, value []byte)) error {
	return scan(ctx, kafka, t.Control, func(r *kgo.Record) error {
		if topic, ok := strings.CutPrefix(string(r.Key), prefix); ok {
			f(topic, r.Value)
		}
		return nil
	})
}

// writeNotes writes a note for each topic; nil takes one back.
func writeNotes(ctx context.Context, kafka []kgo.Opt, t Topics, prefix string, values map[string][]byte) error {
	if len(values) == 0 {
		return nil
	}
	cl, err := kgo.NewClient(slices.Clone(kafka)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	var rs []*kgo.Record
	for topic, v := range values {
		rs = append(rs, &kgo.Record{Topic: t.Control, Key: []byte(prefix + topic), Value: v})
	}
	return cl.ProduceSync(ctx, rs...).FirstErr()
}
