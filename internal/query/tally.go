package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Tally says what became of the records of the event topics between a time and now, from the topics alone. A record that several entries of
// the catalogue match may be dead by one and have intents by another: it is in both counts.
type Tally struct {
	Events  int `json:"events"`  // offsets that stage 1 has passed: of records, of markers of a producer's transactions, of what compaction took
	NoRule  int `json:"no_rule"` // of them: no rule matched, or the catalogue does not know their kind, or there is no record
	Dead    int `json:"dead"`    // of them: became a dead letter
	Matched int `json:"matched"` // of them: have intents
	Intents int `json:"intents"` // of these records, which are
	Fates   int `json:"fates"`   // ended
	Pending int `json:"pending"` // or pending, those included that stage 2 has not taken in yet
}

// place is where a record of an event topic stands.
type place struct {
	topic     string
	partition int32
	offset    int64
}

// stretch is the part of a partition that a tally is about: from an offset up to the one that stage 1 has committed.
type stretch struct{ from, to int64 }

// early is how long before a tally's time fates and dead letters are read: Kafka finds the first event by the time its producer gave
// it, and a producer's clock may be ahead of the broker's.
const early = 10 * time.Minute

// Tally counts the records of event topics since a time (zero: all that the topics still hold). What stage 1 has passed is asked
// first and the fates are read last, so that no record that was passed is taken for one without a rule.
func (r *Reader) Tally(ctx context.Context, topics []string, since time.Time) (*Tally, error) {
	t := &Tally{}
	passed, err := r.progress(ctx, topics, since)
	if err != nil {
		return nil, err
	}
	for _, s := range passed {
		t.Events += int(s.to - s.from)
	}
	if t.Events == 0 {
		return t, nil
	}
	matched, open := map[place]bool{}, map[intent.ID]bool{}
	note := func(e intent.EventRef) bool {
		at := place{e.Topic, e.Partition, e.Offset}
		if s, ok := passed[place{e.Topic, e.Partition, 0}]; !ok || at.offset < s.from || at.offset >= s.to {
			return false
		}
		matched[at] = true
		return true
	}
	states, err := r.Ledgers(ctx)
	if err != nil {
		return nil, err
	}
	for _, st := range states {
		for _, p := range st.Pending {
			if note(p.Intent.Event) {
				open[p.Intent.ID] = true
			}
		}
	}
	if err := r.waiting(ctx, states, func(in *intent.Intent) {
		if note(in.Event) {
			open[in.ID] = true
		}
	}); err != nil {
		return nil, err
	}
	from := since
	if !from.IsZero() {
		from = from.Add(-early)
	}
	ended := map[intent.ID]bool{}
	err = r.each(ctx, r.Topics.Fates, from, func(rec *kgo.Record) error {
		var f ledger.Fate
		if err := json.Unmarshal(rec.Value, &f); err != nil {
			return fmt.Errorf("read %s[%d]@%d: %w", rec.Topic, rec.Partition, rec.Offset, err)
		}
		if note(f.Event) {
			ended[f.Intent] = true
			delete(open, f.Intent)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	dead := map[place]bool{}
	err = r.each(ctx, r.Topics.Dead, from, func(rec *kgo.Record) error {
		l := letterOf(rec)
		if s, ok := passed[place{l.Topic, l.Partition, 0}]; ok && l.Offset >= s.from && l.Offset < s.to {
			dead[place{l.Topic, l.Partition, l.Offset}] = true
		}
		return nil
	})
	t.Dead, t.Matched, t.Fates, t.Pending = len(dead), len(matched), len(ended), len(open)
	t.Intents, t.NoRule = t.Fates+t.Pending, t.Events-t.Matched
	for at := range dead {
		if !matched[at] {
			t.NoRule--
		}
	}
	return t, err
}

// progress gives, for each partition of topics (as the place of offset 0), what stage 1 has read since a time.
func (r *Reader) progress(ctx context.Context, topics []string, since time.Time) (map[place]stretch, error) {
	fail := func(err error) (map[place]stretch, error) { return nil, fmt.Errorf("count events: %w", err) }
	cl, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		return fail(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	at, err := adm.FetchOffsets(ctx, r.Topics.Prefix+"-evaluate")
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return fail(err)
	}
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err == nil && !since.IsZero() {
		starts, err = adm.ListOffsetsAfterMilli(ctx, since.UnixMilli(), topics...)
	}
	if err != nil {
		return fail(err)
	}
	out := map[place]stretch{}
	starts.Each(func(s kadm.ListedOffset) {
		if o, ok := at.Lookup(s.Topic, s.Partition); ok && s.Err == nil && o.At > s.Offset {
			out[place{s.Topic, s.Partition, 0}] = stretch{s.Offset, o.At}
		}
	})
	return out, nil
}

// waiting calls f for the intents that stage 2 has not taken in yet.
func (r *Reader) waiting(ctx context.Context, states map[int32]*ledger.State, f func(*intent.Intent)) error {
	parts, left, err := r.bounds(ctx, r.Topics.Intents, time.Time{})
	if err != nil {
		return err
	}
	for p, end := range left {
		st := states[p]
		switch {
		case st == nil:
		case st.Position.Next >= end:
			delete(parts, p)
			delete(left, p)
		default:
			parts[p] = kgo.NewOffset().At(st.Position.Next)
		}
	}
	return r.span(ctx, r.Topics.Intents, parts, left, func(rec *kgo.Record) error {
		in, err := intent.Decode(rec.Value)
		if err != nil {
			return fmt.Errorf("read %s[%d]@%d: %w", rec.Topic, rec.Partition, rec.Offset, err)
		}
		f(in)
		return nil
	})
}
