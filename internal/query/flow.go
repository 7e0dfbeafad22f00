package query

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

// Flows gives how far stage 1 has read the partitions of topics; those that it never began are left out.
func (r *Reader) Flows(ctx context.Context, topics []string) (out []ledger.Flow, err error) {
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
	asked := 0
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return fail(err)
	}
	stable, err := adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return fail(err)
	}
	for _, topic := range topics {
		for p, end := range ends[topic] {
			o, ok := at.Lookup(topic, p)
			lso, there := stable.Lookup(topic, p)
			if !ok || !there || o.At < 0 || end.Err != nil || lso.Err != nil {
				continue
			}
			f := ledger.Flow{Topic: topic, Partition: p, At: o.At, Stable: lso.Offset, End: end.Offset}
			if f.At < f.Stable && asked < mostOldest {
				asked++
				switch rec, err := ledger.ReadRecordBefore(ctx, r.Kafka, ledger.Place{Topic: topic, Partition: p, Offset: f.At}, f.Stable); {
				case err != nil: // how old is not known then, how many is
				case rec == nil:
					f.At = f.Stable // only markers of a producer's transactions: nobody commits behind them
				default:
					f.Oldest = rec.Timestamp.UTC()
				}
			}
			out = append(out, f)
		}
	}
	return out, nil
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
