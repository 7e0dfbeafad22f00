package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
	"github.com/notifier/notifier/internal/tagsync"
)

// liveRules reads our topics and the rules that the settings name, unless --rules names others.
func liveRules(cmd *cobra.Command, o *explainOptions) (*query.Reader, *settings.Settings, *rules.Set, error) {
	r, s, err := reader(cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	o.config = settingsPath(cmd)
	if !cmd.Flags().Changed("rules") {
		o.paths = []string{s.Rules}
	}
	set, _, err := rulesToExplain(*o, os.Environ(), cmd.ErrOrStderr())
	return r, s, set, err
}

// searchedBack is how far back domain topics are searched for an event that left no trace in ours.
const searchedBack = "24h"

// skewed is by how much the clocks of those who write fates may differ.
const skewed = time.Minute

// explainKnown says what became of a real event.
func explainKnown(cmd *cobra.Command, o explainOptions, id string) error {
	if err := jsonOrText(spoken(cmd), o.format); err != nil {
		return err
	}
	r, s, set, err := liveRules(cmd, &o)
	broken, _ := errors.AsType[*exitError](err)
	if err != nil && (broken == nil || broken.code != exitFindings) {
		return err
	}
	ctx, now := cmd.Context(), time.Now()
	since, err := parseSince(cmp.Or(o.since, searchedBack), now, s.Zone, o.say)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("--since: %w", err)}
	}
	// The ledger first: an intent that gets its fate meanwhile is then told twice rather than not at all.
	states, err := r.Ledgers(ctx)
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	past := explain.Past{Pending: waits(s, set, states, app.PendingFilter{Event: id}, now)}
	var refs []intent.EventRef
	user := ""
	for _, w := range past.Pending {
		in := app.FindPending(states, string(w.Intent))[0].Intent
		refs, user = append(refs, in.Event), userOf(in.Target, user)
	}
	err = r.Fates(ctx, query.Filter{Event: id}, func(f ledger.Fate) error {
		past.Fates, refs, user = append(past.Fates, f), append(refs, f.Event), userOf(f.User, user)
		return nil
	})
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	ended := map[intent.ID]bool{}
	for _, f := range past.Fates {
		ended[f.Intent] = true
	}
	past.Pending = slices.DeleteFunc(past.Pending, func(w explain.Waiting) bool { return ended[w.Intent] })
	switch {
	case broken != nil && len(refs) == 0:
		return broken
	case broken != nil: // what became of it is on record, whatever the files say
		err = nil
	case len(refs) > 0:
		past.Event, err = readAgain(ctx, r, set, refs[len(refs)-1])
	default:
		fmt.Fprintf(cmd.ErrOrStderr(), mostly(o.say, "note: event %s has no fate and nothing pending; its topics are searched from %s on (--since)\n", "提示：事件 %s 没有处理结果，也没有待发任务；从 %s 起在它的主题里找（--since）\n"), tame(id), since.In(s.Zone).Format("2006-01-02 15:04:05 -07:00"))
		past.Event, err = findEvent(ctx, r, set, id, since, o.say)
	}
	if err != nil {
		return err
	}
	if past.Event != nil {
		if past.Row, past.Partly, err = rowBefore(ctx, r, set, past.Event); err == nil {
			past.Unread, err = unread(ctx, r, past.Event.Pos)
		}
		if err != nil {
			return &exitError{exitUnreachable, err}
		}
	}
	if past.Into, err = intoEvents(ctx, r, states, past.Fates); err != nil {
		return err
	}
	opts := explaining(o, set, s, now)
	opts.Ledger = func(identity string) *ledger.State { return ledgerOf(states, identity) }
	rep := explain.Known(opts, past)
	if rep.FateText = fateTextIn; past.Event == nil {
		rep.Name(refs[len(refs)-1], user)
		rep.Gone = broken == nil
	}
	if err := writeExplained(cmd.OutOrStdout(), rep, o, s.Zone); err != nil || broken == nil {
		return err
	}
	return &exitError{exitFindings, fmt.Errorf(mostly(o.say, "the rules have errors, so no clause was asked; next: %s", "规则有错误，没有判断条件；下一步：%s"), checkOf(o.given))}
}

// intoEvents names the events of the intents that others became part of. Those are pending, or their fates came later.
func intoEvents(ctx context.Context, r *query.Reader, states map[int32]*ledger.State, fates []ledger.Fate) (map[intent.ID]string, error) {
	out := map[intent.ID]string{}
	var since time.Time
	for i := range fates {
		f := &fates[i]
		if f.Into == "" {
			continue
		}
		if p := app.FindPending(states, string(f.Into)); len(p) == 1 && p[0].Intent.ID == f.Into {
			out[f.Into] = p[0].Intent.Event.ID
			continue
		}
		if out[f.Into] = ""; since.IsZero() || f.At.Before(since) {
			since = f.At
		}
	}
	if since.IsZero() {
		return out, nil
	}
	err := r.Fates(ctx, query.Filter{Since: since.Add(-skewed)}, func(f ledger.Fate) error {
		if id, asked := out[f.Intent]; asked && id == "" {
			out[f.Intent] = f.Event.ID
		}
		return nil
	})
	if err != nil {
		return nil, &exitError{exitUnreachable, err}
	}
	return out, nil
}

// waits says what holds the pending intents that a filter chooses.
func waits(s *settings.Settings, set *rules.Set, states map[int32]*ledger.State, f app.PendingFilter, now time.Time) []explain.Waiting {
	out := []explain.Waiting{}
	for _, it := range app.PendingOf(s, set, states, f, now).Pending {
		p := app.FindPending(states, string(it.Intent))[0]
		out = append(out, explain.Waits(p, explain.Stands{State: it.State, Holds: it.Holds, Stopped: it.Stopped, Lane: it.Lane, Until: it.Next, Turn: it.Turn()}))
	}
	slices.SortFunc(out, func(a, b explain.Waiting) int { return strings.Compare(string(a.Intent), string(b.Intent)) })
	return out
}

// ledgerOf is the ledger of an account: the one that knows its users or has counted for it.
func ledgerOf(states map[int32]*ledger.State, identity string) *ledger.State {
	for _, st := range states {
		if st.Of(identity) {
			return st
		}
	}
	return nil
}

// findEvent searches the topics of the catalogue for an event that no rule wanted anything of.
func findEvent(ctx context.Context, r *query.Reader, set *rules.Set, id string, since time.Time, lang diag.Lang) (*event.Event, error) {
	var found *event.Event
	letter := ""
	for _, topic := range set.Topics() {
		_, err := r.Search(ctx, topic, since, func(raw *kgo.Record) bool {
			if !mayHold(raw, id) {
				return false
			}
			evs, err := set.Decode(consumer.RecordOf(raw))
			for i := range evs {
				if evs[i].ID == id {
					found = &evs[i]
				}
			}
			if found == nil && err != nil {
				letter = fmt.Sprintf(mostly(lang, "%s[%d]@%d names it and is no usable event: %v", "%s[%d]@%d 里有它，但不是可用的事件：%v"), raw.Topic, raw.Partition, raw.Offset, err)
			}
			return found != nil
		})
		if err != nil {
			return nil, &exitError{exitUnreachable, err}
		}
		if found != nil {
			return found, nil
		}
	}
	if letter != "" {
		return nil, &exitError{exitUsage, fmt.Errorf(mostly(lang, "event %q: the record %s; next: notifier dead ls", "事件 %q：记录 %s；下一步：notifier dead ls"), id, tame(letter))}
	}
	return nil, &exitError{exitUsage, fmt.Errorf(mostly(lang, "nothing is known of event %q: it has no fate, and no record of it is in %s since then; next: an earlier --since, or notifier explain --event FILE", "没有事件 %q：它没有处理结果，从那时起 %s 里也没有它的记录；下一步：把 --since 写早一些，或 notifier explain --event 文件"), id, strings.Join(set.Topics(), ", "))}
}

// mayHold reports whether a record can have a text as one of its values, without decoding it.
func mayHold(raw *kgo.Record, text string) bool {
	b := []byte(text)
	return bytes.Contains(raw.Value, b) || bytes.Contains(raw.Key, b) || bytes.IndexByte(raw.Value, '\\') >= 0 ||
		slices.ContainsFunc(raw.Headers, func(h kgo.RecordHeader) bool { return bytes.Contains(h.Value, b) })
}

// rowBefore is a user's row before a profile event, by the profile events that the topics still have. partly: the oldest are gone.
func rowBefore(ctx context.Context, r *query.Reader, set *rules.Set, ev *event.Event) (row *tagsync.User, partly bool, err error) {
	if ev.Spec.Kind != event.Profile {
		return nil, false, nil
	}
	type change struct {
		at   time.Time
		pos  event.Position
		what *intent.Profile
	}
	var all []change
	limit := time.Time{} // when the record itself was written
	profiles := map[string]bool{}
	for _, sp := range set.Catalogue.Specs {
		if sp.Kind == event.Profile {
			for _, topic := range sp.Topics {
				profiles[topic] = true
			}
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(profiles)) {
		whole, err := r.Search(ctx, topic, time.Time{}, func(raw *kgo.Record) bool {
			if !mayHold(raw, ev.User) {
				return false
			}
			evs, _ := set.Decode(consumer.RecordOf(raw)) // what cannot be used said nothing of the user
			for i := range evs {
				if e := &evs[i]; e.Spec.Kind == event.Profile && e.User == ev.User {
					if e.Pos == ev.Pos && e.Spec.Name == ev.Spec.Name {
						limit = raw.Timestamp
						continue
					}
					if ins := set.Evaluate(e); len(ins) > 0 { // none: no rule asks the table
						all = append(all, change{raw.Timestamp, e.Pos, ins[0].Profile})
					}
				}
			}
			return false
		})
		if err != nil {
			return nil, false, err
		}
		partly = partly || !whole
	}
	slices.SortStableFunc(all, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.pos.Offset, b.pos.Offset)) })
	row = &tagsync.User{}
	for i, c := range all {
		if c.at.Before(limit) || c.at.Equal(limit) && (c.pos.Topic != ev.Pos.Topic || c.pos.Partition != ev.Pos.Partition || c.pos.Offset < ev.Pos.Offset) {
			row.Apply(c.what, int64(i))
		}
	}
	return row, partly, nil
}

// unread reports whether the daemon has not come to a record yet.
func unread(ctx context.Context, r *query.Reader, at event.Position) (bool, error) {
	flows, err := r.Flows(ctx, []string{at.Topic})
	for _, f := range flows {
		if f.Partition == at.Partition && f.At <= at.Offset {
			return true, err
		}
	}
	return false, err
}

func userOf(target, before string) string {
	if target == intent.Everyone {
		return before
	}
	return target
}

// readAgain reads the record of an event by its place and decodes it; nil when it is gone or is no such event any more.
func readAgain(ctx context.Context, r *query.Reader, set *rules.Set, ref intent.EventRef) (*event.Event, error) {
	raw, err := r.Record(ctx, ref.Topic, ref.Partition, ref.Offset)
	if err != nil {
		return nil, &exitError{exitUnreachable, err}
	}
	if raw == nil {
		return nil, nil
	}
	evs, _ := set.Decode(consumer.RecordOf(raw)) // why an entry of the present catalogue cannot use it says nothing of what became of the event
	for i := range evs {
		if evs[i].ID == ref.ID && evs[i].Spec.Name == ref.Type {
			return &evs[i], nil
		}
	}
	return nil, nil
}
