package query

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// Members gives the instances that are in the groups of the two stages now.
func (r *Reader) Members(ctx context.Context) (evaluate, dispatch []string, err error) {
	cl, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		return nil, nil, fmt.Errorf("describe the groups: %w", err)
	}
	defer cl.Close()
	first, second := r.Topics.Prefix+"-evaluate", r.Topics.Prefix+"-dispatch"
	groups, err := kadm.NewClient(cl).DescribeGroups(ctx, first, second)
	if err != nil {
		return nil, nil, fmt.Errorf("describe the groups: %w", err)
	}
	names := func(group string) (out []string) {
		for _, m := range groups[group].Members {
			if m.InstanceID != nil {
				out = append(out, *m.InstanceID)
			} else {
				out = append(out, m.ClientID)
			}
		}
		slices.Sort(out)
		return out
	}
	return names(first), names(second), nil
}

// mostOldest is of how many partitions the oldest record is read.
const mostOldest = 16

// Flows gives how far stage 1 has read the partitions of topics, also of those that it never began. Topics that do not exist are left out,
// and what a broker tells nothing of.
func (r *Reader) Flows(ctx context.Context, topics []string) ([]ledger.Flow, error) {
	return r.flows(ctx, topics, mostOldest)
}

// AllFlows is Flows that knows of each partition whether records or only markers are ahead of it; it is an error that one cannot be asked.
func (r *Reader) AllFlows(ctx context.Context, topics []string) ([]ledger.Flow, error) {
	return r.flows(ctx, topics, math.MaxInt)
}

// Lost names the partitions, TOPIC/PARTITION, in which stage 1 is stopped: what it is to read next is not in the log any more.
func (r *Reader) Lost(ctx context.Context, topics []string) (out []string, err error) {
	if len(topics) == 0 { // a broker that is asked about none tells of all
		return nil, nil
	}
	all, err := r.flows(ctx, topics, 0)
	for _, f := range all {
		if f.Lost {
			out = append(out, fmt.Sprintf("%s/%d", f.Topic, f.Partition))
		}
	}
	return out, err
}

// askAtOnce is how many partitions are asked at the same time for their next record.
const askAtOnce = 8

// flows asks at most so many partitions for the oldest record that stage 1 has not read.
func (r *Reader) flows(ctx context.Context, topics []string, most int) (out []ledger.Flow, err error) {
	fail := func(err error) ([]ledger.Flow, error) { return nil, fmt.Errorf("ask how far events are read: %w", err) }
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
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return fail(err)
	}
	stable, err := adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return fail(err)
	}
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return fail(err)
	}
	for _, topic := range topics {
		for p, end := range ends[topic] {
			lso, there := stable.Lookup(topic, p)
			first, begins := starts.Lookup(topic, p)
			switch err := cmp.Or(end.Err, lso.Err, first.Err); {
			case err != nil && most > mostOldest && !errors.Is(err, kerr.UnknownTopicOrPartition): // it may hold anything
				return fail(fmt.Errorf("%s[%d]: %w", topic, p, err))
			case err != nil || !there || !begins:
				continue
			}
			f := ledger.Flow{Topic: topic, Partition: p, At: first.Offset, Stable: lso.Offset, End: end.Offset, Fresh: true}
			if o, ok := at.Lookup(topic, p); ok && o.At >= 0 {
				f.At, f.Fresh, f.Lost = o.At, false, o.At < first.Offset || o.At > end.Offset
			}
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b ledger.Flow) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	var wg sync.WaitGroup
	slots := make(chan struct{}, askAtOnce)
	asked := 0
	for i := range out {
		f := &out[i]
		if f.At >= f.Stable || f.Lost || asked == most {
			continue
		}
		asked++
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			switch rec, err := ledger.ReadRecordBefore(ctx, r.Kafka, ledger.Place{Topic: f.Topic, Partition: f.Partition, Offset: f.At}, f.Stable); {
			case err != nil: // how old is not known then, how many is
			case rec == nil:
				f.At = f.Stable // only markers of a producer's transactions: nobody commits behind them
			default:
				f.Oldest = rec.Timestamp.UTC()
			}
		})
	}
	wg.Wait()
	return out, nil
}

// exactly is up to how many offsets the records among them are counted one by one.
const exactly = 1000

// Backlogs gives, for each partition of the intents, how many stage 2 has not taken in: intents, or where they are very many, offsets.
func (r *Reader) Backlogs(ctx context.Context, states map[int32]*ledger.State) (map[int32]int64, error) {
	cl, err := kgo.NewClient(r.Kafka...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.Topics.Intents, err)
	}
	defer cl.Close()
	start, end, err := limits(ctx, kadm.NewClient(cl), r.Topics.Intents, time.Time{})
	if err != nil {
		return nil, err
	}
	out, parts, left := map[int32]int64{}, map[int32]kgo.Offset{}, map[int32]int64{}
	end.Each(func(o kadm.ListedOffset) {
		from, _ := start.Lookup(o.Topic, o.Partition)
		at := from.Offset
		if st := states[o.Partition]; st != nil {
			at = max(at, st.Position.Next)
		}
		out[o.Partition] = max(0, o.Offset-at)
		if n := out[o.Partition]; n > 0 && n <= exactly { // the last is the marker of a transaction of stage 1
			out[o.Partition], parts[o.Partition], left[o.Partition] = 0, kgo.NewOffset().At(at), o.Offset
		}
	})
	err = r.span(ctx, r.Topics.Intents, parts, left, func(rec *kgo.Record) error { out[rec.Partition]++; return nil })
	return out, err
}

// Running gives those of Instances that are in one of our groups, by name: the others ended without a word.
func (r *Reader) Running(ctx context.Context) ([]ledger.Instance, error) {
	all, err := r.Instances(ctx)
	if err != nil {
		return nil, err
	}
	evaluate, dispatch, err := r.Members(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(i ledger.Instance) bool {
		return !slices.Contains(evaluate, i.Name) && !slices.Contains(dispatch, i.Name)
	})
	slices.SortFunc(all, func(a, b ledger.Instance) int { return strings.Compare(a.Name, b.Name) })
	return append([]ledger.Instance{}, all...), nil
}

// Instances gives what the running processes say of themselves.
func (r *Reader) Instances(ctx context.Context) ([]ledger.Instance, error) {
	last := map[string]*ledger.Instance{}
	err := r.each(ctx, r.Topics.Control, time.Time{}, func(rec *kgo.Record) error {
		key := string(rec.Key)
		if !ledger.IsInstance(key) {
			return nil
		}
		delete(last, key)
		if i := new(ledger.Instance); rec.Value != nil && json.Unmarshal(rec.Value, i) == nil {
			last[key] = i
		}
		return nil
	})
	var out []ledger.Instance
	for _, i := range last {
		out = append(out, *i)
	}
	return out, err
}
