package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
)

// standings is how the rules of a set stand, for stage 2.
func standings(s *rules.Set) *dispatch.Live {
	l := &dispatch.Live{Set: s.Hash, Rules: make(map[string]dispatch.RuleStanding, len(s.Rules))}
	for _, r := range s.Rules {
		st := dispatch.RuleStanding{Revision: r.Revision}
		if r.Mode == rules.Off || r.Mode == rules.Shadow {
			st.Off = "mode: " + string(r.Mode)
		}
		l.Rules[r.Name] = st
	}
	return l
}

// again evaluates the events of intents again, each by its rule in the live files: dispatch.Options.Again. Their records are read from
// where they stand, in one pass over each partition.
func (a *App) again(ctx context.Context, ins []*intent.Intent) ([]dispatch.Again, error) {
	set := a.live.set()
	out := make([]dispatch.Again, len(ins))
	var read []int // of ins
	for i, in := range ins {
		r := set.Rule(in.Rule)
		if r == nil || r.Mode == rules.Off || r.Mode == rules.Shadow {
			continue // the zero Again: the rule holds what it has
		}
		out[i] = dispatch.Again{Revision: r.Revision, Why: "the record of its event is not there any more"}
		switch spec := set.Catalogue.Spec(in.Event.Type); {
		case spec == nil:
			out[i].Why = "the catalogue has no event " + in.Event.Type + " any more"
		case spec.Kind == event.Profile:
			out[i].Why = "what the profile was before the event is not known any more"
		default:
			read = append(read, i)
		}
	}
	at := func(i int) event.Position { return ins[i].Position() }
	slices.SortFunc(read, func(i, j int) int {
		x, y := at(i), at(j)
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.Offset, y.Offset))
	})
	for len(read) > 0 {
		n := 1
		for n < len(read) && at(read[n]).Topic == at(read[0]).Topic && at(read[n]).Partition == at(read[0]).Partition {
			n++
		}
		if err := a.againIn(ctx, set, ins, read[:n], out); err != nil {
			return nil, fmt.Errorf("read %s[%d] again: %w", at(read[0]).Topic, at(read[0]).Partition, err)
		}
		read = read[n:]
	}
	return out, nil
}

// maxGap is how many records are read and passed over rather than asking the broker for another place.
const maxGap = 5000

// againIn does it for those of one partition, by offset.
func (a *App) againIn(ctx context.Context, set *rules.Set, ins []*intent.Intent, read []int, out []dispatch.Again) error {
	topic, partition := ins[read[0]].Event.Topic, ins[read[0]].Event.Partition
	cl, err := kgo.NewClient(append(slices.Clone(a.kafka), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.MaxDecompressBatchBytes(16<<20), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	from, to, err := bounds(ctx, cl, topic, partition)
	if err != nil {
		return err
	}
	at := func(i int) int64 { return ins[i].Event.Offset }
	read = slices.DeleteFunc(slices.Clone(read), func(i int) bool { return at(i) < from || at(i) >= to })
	for len(read) > 0 {
		place := at(read[0])
		cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(place)}})
		for len(read) > 0 && at(read[0])-place <= maxGap {
			fs := cl.PollFetches(ctx)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := fs.Err(); err != nil {
				return err
			}
			for rec := range fs.RecordsAll() {
				place = rec.Offset
				for len(read) > 0 && at(read[0]) <= place { // a compacted topic has gaps
					if i := read[0]; at(i) == place {
						out[i].Text, out[i].Why = madeOf(set, ins[i], rec)
					}
					read = read[1:]
				}
			}
		}
		cl.RemoveConsumePartitions(map[string][]int32{topic: {partition}})
	}
	return nil
}

// bounds are the first offset of a partition and the first that is not committed; both zero when there is no such partition.
func bounds(ctx context.Context, cl *kgo.Client, topic string, partition int32) (from, to int64, err error) {
	adm := kadm.NewClient(cl)
	start, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	end, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	first, ok := start.Lookup(topic, partition)
	last, there := end.Lookup(topic, partition)
	if !ok || !there {
		return 0, 0, nil
	}
	if err := cmp.Or(first.Err, last.Err); err != nil {
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return 0, 0, nil
		}
		return 0, 0, err
	}
	return first.Offset, last.Offset, nil
}

// madeOf is what the rule of an intent makes of its record now, for the same target; why it makes nothing.
func madeOf(set *rules.Set, in *intent.Intent, rec *kgo.Record) (text, why string) {
	evs, err := set.Decode(consumer.RecordOf(rec))
	for i := range evs {
		if ev := &evs[i]; ev.ID != in.Event.ID || ev.Spec.Name != in.Event.Type {
			continue
		}
		for _, made := range set.Evaluate(&evs[i]) {
			switch {
			case made.Rule != in.Rule || made.Target != in.Target:
			case made.Dead != "":
				return "", made.DeadDetail
			case made.Canary:
				return "", "the rule's canary leaves the user out"
			default:
				return intent.Text(made), ""
			}
		}
		return "", "the rule does not match the event any more"
	}
	if err != nil {
		return "", "its event cannot be decoded any more: " + err.Error()
	}
	return "", "its record is no " + in.Event.Type + " any more"
}
