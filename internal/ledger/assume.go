package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
)

// Assumption is what operators said of a stopped partition, so that it goes on: how much quota is used. It is in the genesis that the
// partition goes on with.
type Assumption struct {
	Halt     string         `json:"halt"` // the id of the Halt
	What     string         `json:"what"`
	At       time.Time      `json:"at"`
	Accounts map[string]Use `json:"accounts"` // by identity; charged already

	// Of the intents below Before, which were there when the partition was stopped, those that have a fate are left alone. Forgot says that
	// nobody knows of the others whether they were sent.
	Before int64 `json:"before"`
	Forgot bool  `json:"forgot,omitempty"`
}

// Use is how many slots of each scarce lane of an account count as used.
type Use struct {
	N   int    `json:"n"`
	By  string `json:"by"`
	Why string `json:"why"`
}

// Arguments of an assumption.
const (
	ArgUsed = "used" // slots of each scarce lane
	ArgFree = "free" // halts of partitions without an account, PARTITION=ID,...: they go on with it
)

// assume lets the partition go on as operators said. The first commit writes the genesis that says so.
func (t *TakenOver) assume(halt *HaltError, as *Assumption) error {
	if !halt.Kind.Curable() {
		return halt
	}
	st := t.State
	as.Halt, as.What, as.At, as.Forgot = halt.ID, halt.What, t.Broker.UTC(), halt.Kind.Forgot()
	switch {
	case as.Forgot || st.Genesis == nil:
		t.begin(halt.Partitions, halt.IntentsID, halt.LedgerID)
		st.Position.Next, as.Before = halt.log.start, halt.End
		st.Position.Intents = st.Position.Fates + int64(st.PendingCount()) // a copy's counts say nothing, and the books must balance
	case halt.Kind == HaltBeyond && st.Position.Next < halt.log.start: // what lies between is gone
		st.Position.Next = halt.log.start
	default: // the offsets begin anew: what has a fate or is pending is known by its id
		st.Genesis.IntentsID = halt.IntentsID
		st.Position.Next, as.Before = halt.log.start, halt.End
	}
	g := *st.Genesis
	g.Assumed = as
	st.Genesis, t.New = &g, true
	return nil
}

// Fated gives the ids of intents that have a fate on record, of those whose event an intent between two offsets of the partition has,
// or what is pending: by that an owner that forgot what was sent knows it again. The ids of intents that follow from others have their
// event too.
func Fated(ctx context.Context, opt Options, from, before int64, st *State) (map[intent.ID]bool, error) {
	type place struct {
		topic     string
		partition int32
		offset    int64
	}
	wanted := map[place]bool{}
	want := func(ref intent.EventRef) { wanted[place{ref.Topic, ref.Partition, ref.Offset}] = true }
	for _, p := range st.Pending {
		want(p.Intent.Event)
	}
	for _, x := range st.packed {
		p, err := x.Pending()
		if err != nil {
			return nil, err
		}
		want(p.Intent.Event)
	}
	for _, with := range st.tags {
		user, b := tagsOf(with)
		want(st.packer.UnpackTags(b, user).Intent.Event)
	}
	err := scanPartition(ctx, opt.Kafka, opt.Topics.Intents, opt.Partition, span{from, before}, func(r *kgo.Record) error {
		if in, err := intent.Decode(r.Value); err == nil { // what cannot be read has no fate, and gets none
			want(in.Event)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the intents that were there: %w", err)
	}
	out := map[intent.ID]bool{}
	err = scan(ctx, opt.Kafka, opt.Topics.Fates, func(r *kgo.Record) error {
		var f Fate
		if err := decode(string(r.Key), r.Value, &f); err != nil {
			return err
		}
		if wanted[place{f.Event.Topic, f.Event.Partition, f.Event.Offset}] {
			out[f.Intent] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the fates on record: %w", err)
	}
	return out, nil
}
