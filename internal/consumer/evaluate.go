package consumer

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// evaluate gives the records that one record of a domain topic becomes: intents and dead letters.
func (c *Consumer) evaluate(r *kgo.Record, parts int, n *counts) (out []*kgo.Record) {
	defer func() {
		if x := recover(); x != nil { // one bad record must not stop the line
			c.log.Error("a record made the evaluation panic: it is a dead letter", zap.String("topic", r.Topic), zap.Int32("partition", r.Partition), zap.Int64("offset", r.Offset), zap.Any("panic", x), zap.ByteString("stack", debug.Stack()))
			out = []*kgo.Record{c.dead(r, "", string(ledger.Undecodable), fmt.Sprintf("panic: %v", x), n)}
		}
	}()
	rules := c.opt.Rules()
	events, err := rules.Decode(recordOf(r))
	if err != nil {
		reason, detail, name := string(ledger.Undecodable), err.Error(), ""
		if de, ok := errors.AsType[*event.DecodeError](err); ok {
			reason, detail, name = string(de.Reason), de.Detail, de.Event
		}
		out = append(out, c.dead(r, name, reason, detail, n))
	} else if len(events) == 0 {
		n.add("", "ignored")
	}
	var ids map[intent.ID]int
	for i := range events {
		ev := &events[i]
		intents := rules.Evaluate(ev)
		if ids == nil && (len(intents) > 1 || len(events) > 1) {
			ids = map[intent.ID]int{}
		}
		for _, in := range intents {
			if ids == nil {
				break // one intent cannot collide
			}
			// One record may be several events, and a profile event has an intent for each account: ids stay unique in the record.
			if ids[in.ID]++; ids[in.ID] > 1 {
				in.ID += intent.ID(fmt.Sprintf("#%d", ids[in.ID]))
			}
		}
		if len(intents) == 0 {
			n.add(ev.Spec.Name, "no_match")
			continue
		}
		recs, err := c.intents(intents, parts)
		if err != nil {
			out = append(out, c.dead(r, ev.Spec.Name, string(ledger.TooLarge), err.Error(), n))
			continue
		}
		n.add(ev.Spec.Name, "matched")
		for _, in := range intents {
			n.match(in.Rule)
		}
		out = append(out, recs...)
	}
	return out
}

// intents encodes the intents of one event; all or none, so that an event has either intents or a dead letter.
func (c *Consumer) intents(intents []*intent.Intent, parts int) ([]*kgo.Record, error) {
	out := make([]*kgo.Record, 0, len(intents))
	for _, in := range intents {
		in.Key = c.opt.Accounts[in.Account]
		b, err := in.Encode()
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", in.Rule, err)
		}
		if len(b) > intent.MaxBytes {
			return nil, fmt.Errorf("rule %s makes an intent of %d bytes, the most is %d", in.Rule, len(b), intent.MaxBytes)
		}
		out = append(out, &kgo.Record{Topic: c.opt.Topics.Intents, Partition: int32(ledger.HashPartition([]byte(in.Key), parts)), Key: []byte(in.Key), Value: b})
	}
	return out, nil
}

func recordOf(r *kgo.Record) event.Record {
	rec := event.Record{Position: event.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Key: r.Key, Value: r.Value, Time: r.Timestamp}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, event.Header{Key: h.Key, Value: h.Value})
	}
	return rec
}
