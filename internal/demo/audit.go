package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// input is what stage 1 was given and made of it, counted again from the topics.
type input struct {
	events  int // decoded ones, ignored records and broken records
	ignored int // records that are no event of the catalogue
	noMatch int // events that, evaluated again, make no intent
	matched int // events with at least one intent on the intents topic
	left    int // records that stage 1 has not read
}

// offsets is where a reader stands, by topic and partition.
type offsets map[string]map[int32]int64

// recount reads the topics of the domain as far as stage 1 has committed, and the intents.
//
// What an event must make is known only while one rule set made all intents; after a reload noMatch is what remains. The same
// holds for matched once the intents topic was trimmed.
func recount(ctx context.Context, kafka []kgo.Opt, t ledger.Topics, set, now *rules.Set) (*input, error) {
	cl, err := kgo.NewClient(kafka...)
	if err != nil {
		return nil, fmt.Errorf("recount: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	in := &input{}
	upTo, err := in.committed(ctx, adm, t.Prefix+"-evaluate", set.Topics())
	if err != nil {
		return nil, err
	}
	dead, expected := 0, 0
	err = scan(ctx, kafka, adm, upTo, func(r *kgo.Record) {
		rec := event.Record{Position: event.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Key: r.Key, Value: r.Value, Time: r.Timestamp}
		events, err := set.Decode(rec)
		switch {
		case err != nil:
			dead++
		case len(events) == 0:
			in.ignored++
		}
		for i := range events {
			in.events++
			if len(set.Evaluate(&events[i])) == 0 {
				in.noMatch++
			} else {
				expected++
			}
		}
	})
	if err != nil {
		return nil, err
	}
	in.events += dead + in.ignored

	x, err := readIntents(ctx, kafka, t)
	if err != nil {
		return nil, err
	}
	switch in.matched = len(x.events); {
	case x.trimmed:
		in.matched = expected
	case set.Hash != now.Hash || len(x.ruleSets) > 1 || len(x.ruleSets) == 1 && !x.ruleSets[set.Hash]:
		in.noMatch = in.events - in.ignored - dead - in.matched
	}
	return in, nil
}

// intents is what the intents topic holds.
type intents struct {
	events   map[eventKey]bool // with at least one
	ruleSets map[string]bool
	next     map[int32]int64 // behind the last one, by partition
	trimmed  bool            // the oldest are gone
}

// eventKey tells events apart: one record may be several.
type eventKey struct {
	event.Position
	kind string
}

func readIntents(ctx context.Context, kafka []kgo.Opt, t ledger.Topics) (*intents, error) {
	cl, err := kgo.NewClient(kafka...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Intents, err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	ends, err := adm.ListCommittedOffsets(ctx, t.Intents)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Intents, err)
	}
	all := offsets{t.Intents: {}}
	ends.Each(func(o kadm.ListedOffset) { all[t.Intents][o.Partition] = o.Offset })
	x := &intents{events: map[eventKey]bool{}, ruleSets: map[string]bool{}, next: map[int32]int64{}}
	err = scan(ctx, kafka, adm, all, func(r *kgo.Record) {
		if x.next[r.Partition] == 0 {
			x.trimmed = x.trimmed || r.Offset > 0
		}
		x.next[r.Partition] = r.Offset + 1
		in, err := intent.Decode(r.Value)
		if err != nil {
			return // it has no fate either: the books of intents tell
		}
		x.ruleSets[in.RuleSet] = true
		x.events[eventKey{in.Position(), in.Event.Type}] = true
	})
	return x, err
}

// committed gives how far stage 1 has read each partition, and counts what it has not.
func (in *input) committed(ctx context.Context, adm *kadm.Client, group string, topics []string) (offsets, error) {
	at, err := adm.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has begun it
		return nil, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ends of the domain's topics: %w", err)
	}
	out := offsets{}
	ends.Each(func(o kadm.ListedOffset) {
		read := int64(0)
		if c, ok := at.Lookup(o.Topic, o.Partition); ok {
			read = max(0, c.At)
		}
		in.left += int(o.Offset - read)
		if out[o.Topic] == nil {
			out[o.Topic] = map[int32]int64{}
		}
		out[o.Topic][o.Partition] = read
	})
	return out, nil
}

// behind counts the records that stage 1 has not read.
func behind(ctx context.Context, kafka []kgo.Opt, t ledger.Topics, topics []string) (int, error) {
	cl, err := kgo.NewClient(kafka...)
	if err != nil {
		return 0, fmt.Errorf("offsets of stage 1: %w", err)
	}
	defer cl.Close()
	var in input
	_, err = in.committed(ctx, kadm.NewClient(cl), t.Prefix+"-evaluate", topics)
	return in.left, err
}

// scan calls f for every committed record from the start of the partitions to the given ends.
func scan(ctx context.Context, kafka []kgo.Opt, adm *kadm.Client, ends offsets, f func(*kgo.Record)) error {
	var topics []string
	for t := range ends {
		topics = append(topics, t)
	}
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("read back %v: %w", topics, err)
	}
	from := map[string]map[int32]kgo.Offset{}
	left := 0
	starts.Each(func(o kadm.ListedOffset) {
		if o.Offset >= ends[o.Topic][o.Partition] {
			return
		}
		left++
		if from[o.Topic] == nil {
			from[o.Topic] = map[int32]kgo.Offset{}
		}
		from[o.Topic][o.Partition] = kgo.NewOffset().At(o.Offset)
	})
	if left == 0 {
		return nil
	}
	// Control records tell where we are: the last offset of a partition of ours is usually a commit marker.
	cl, err := kgo.NewClient(append(kafka[:len(kafka):len(kafka)], kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("read back %v: %w", topics, err)
	}
	defer cl.Close()
	for left > 0 {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read back %v: %w", topics, context.Cause(ctx))
		}
		var bad error
		fs.EachError(func(t string, p int32, err error) {
			bad = errors.Join(bad, fmt.Errorf("read back %s[%d]: %w", t, p, err))
		})
		if bad != nil {
			return bad
		}
		fs.EachRecord(func(r *kgo.Record) {
			end := ends[r.Topic][r.Partition]
			if r.Offset == end-1 {
				left--
			}
			if r.Offset < end && !r.Attrs.IsControl() {
				f(r)
			}
		})
	}
	return nil
}
