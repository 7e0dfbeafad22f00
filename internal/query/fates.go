package query

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Filter chooses fates; empty fields choose all.
type Filter struct {
	Event, Rule, User string
	Fate              ledger.FateKind
	Since             time.Time
}

func (f Filter) match(x *ledger.Fate) bool {
	return (f.Event == "" || x.Event.ID == f.Event) && (f.Rule == "" || x.Rule == f.Rule) && (f.User == "" || x.User == f.User) && (f.Fate == "" || x.Fate == f.Fate)
}

// Fates gives the records of fates that a filter chooses, oldest first in each partition.
func (r *Reader) Fates(ctx context.Context, f Filter, emit func(ledger.Fate) error) error {
	return r.each(ctx, r.Topics.Fates, f.Since, f.take(emit))
}

// take reads a record and lets through what the filter chooses.
func (f Filter) take(emit func(ledger.Fate) error) func(*kgo.Record) error {
	return func(rec *kgo.Record) error {
		var x ledger.Fate
		if err := json.Unmarshal(rec.Value, &x); err != nil {
			return fmt.Errorf("read %s[%d]@%d: %w", rec.Topic, rec.Partition, rec.Offset, err)
		}
		if !f.match(&x) {
			return nil
		}
		return emit(x)
	}
}

// Resolution gives the command by which a human said what became of an attempt; nil: none is on record that took effect. The attempt itself may be
// gone: on most lanes it is kept no longer. That the command took effect is seen in the fate that it corrected.
func (r *Reader) Resolution(ctx context.Context, attempt string) (*ledger.Command, error) {
	var said []ledger.Command // of several the first took effect, unless it was refused because the outcome was still to come
	err := r.Commands(ctx, ledger.CmdResolve, func(x ledger.Command) {
		if x.Target == attempt {
			said = append(said, x)
		}
	})
	if err != nil || len(said) == 0 {
		return nil, err
	}
	var c *ledger.Command
	_, err = r.Search(ctx, r.Topics.Fates, said[0].At.Add(-clocksApart), func(rec *kgo.Record) bool {
		var f ledger.Fate
		if json.Unmarshal(rec.Value, &f) == nil {
			c = resolvedBy(&f, attempt, said)
		}
		return c != nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// resolvedBy gives the command whose word a fate of an attempt is; nil: it is none of them.
func resolvedBy(f *ledger.Fate, attempt string, said []ledger.Command) *ledger.Command {
	if f.Attempt != attempt || f.Kind != "operator" {
		return nil
	}
	as, ofRecall := strings.CutPrefix(f.Detail, ledger.OfRecall)
	switch {
	case ofRecall: // what it wanted to take back stays sent
	case f.Fate == ledger.Sent:
		as = "sent"
	default:
		as = "not-sent"
	}
	i := slices.IndexFunc(said, func(c ledger.Command) bool { return c.By == f.By && c.Why == f.Why && c.Args["as"] == as })
	if i < 0 {
		return nil
	}
	return &said[i]
}

// clocksApart is how far the clock of whoever typed a command may be ahead of the broker's.
const clocksApart = time.Hour

// Books are the counts that must balance (design.md 2), computed from the topics alone.
type Books struct {
	Intents int                     `json:"intents"` // on <prefix>.intents and derived from profile events
	Pending int                     `json:"pending"`
	Fates   map[ledger.FateKind]int `json:"fates"` // the last word on each intent
	Reasons map[ledger.Reason]int   `json:"reasons"`
	Given   int                     `json:"given"`  // fates ever given, by the ledger
	Kept    bool                    `json:"kept"`   // the fates topic still holds all of them
	Dead    int                     `json:"dead"`   // dead letters
	Double  []intent.ID             `json:"double"` // intents with two fates, none of which resolves the other
	Sent    map[string]int          `json:"sent"`   // by tags, push, message, broadcast
}

// Balanced reports whether every intent has one fate or is pending: by the ledger's own count, and by the fates on record as long
// as the topic keeps them all (fates are deleted after 30 days). Fates given while the topics were read are no imbalance.
func (b *Books) Balanced() bool {
	return b.Intents == b.Given+b.Pending && len(b.Double) == 0 && (!b.Kept || b.OnRecord() >= b.Given)
}

// OnRecord is how many intents have a fate on the topic.
func (b *Books) OnRecord() (n int) {
	for _, c := range b.Fates {
		n += c
	}
	return n
}

// Books counts. It reads the ledger first and the fates after it, so that no fate is missed that the ledger counts.
func (r *Reader) Books(ctx context.Context) (*Books, error) {
	b := &Books{Fates: map[ledger.FateKind]int{}, Reasons: map[ledger.Reason]int{}, Sent: map[string]int{}}
	states, err := r.Ledgers(ctx)
	if err != nil {
		return nil, err
	}
	for _, st := range states {
		b.Pending += len(st.Pending)
		b.Intents += int(st.Position.Intents)
		b.Given += int(st.Position.Fates)
	}
	if b.Kept, err = r.complete(ctx, r.Topics.Fates); err != nil {
		return nil, err
	}
	last := map[intent.ID]ledger.Fate{}
	err = r.Fates(ctx, Filter{}, func(f ledger.Fate) error {
		if _, ok := last[f.Intent]; ok && f.Resolves == "" {
			b.Double = append(b.Double, f.Intent)
		}
		last[f.Intent] = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range last {
		b.Fates[f.Fate]++
		if f.Reason != "" {
			b.Reasons[f.Reason]++
		}
		if f.Fate == ledger.Sent {
			b.Sent[SentKind(&f)]++
		}
	}
	err = r.each(ctx, r.Topics.Dead, time.Time{}, func(*kgo.Record) error { b.Dead++; return nil })
	return b, err
}

// SentKind says what a fate's intent was: tags, push, message or broadcast.
func SentKind(f *ledger.Fate) string {
	switch {
	case f.Action == intent.Broadcast:
		return "broadcast"
	case f.Message:
		return "message"
	}
	return string(f.Action)
}
