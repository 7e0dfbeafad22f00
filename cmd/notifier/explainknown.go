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
	"github.com/notifier/notifier/internal/dispatch"
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
	all := explain.Past{Pending: waits(s, set, states, app.PendingFilter{Event: id}, now)}
	var refs []intent.EventRef
	users := map[intent.EventRef]string{}
	met := func(ref intent.EventRef, target string) {
		ref = recordOf(ref)
		refs, users[ref] = append(refs, ref), userOf(target, users[ref])
	}
	for _, w := range all.Pending {
		met(app.FindPending(states, string(w.Intent))[0].Intent.Event, w.Target)
	}
	err = r.Fates(ctx, query.Filter{Event: id}, func(f ledger.Fate) error {
		all.Fates = append(all.Fates, f)
		met(f.Event, f.User)
		return nil
	})
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	ended := map[intent.ID]bool{}
	for _, f := range all.Fates {
		ended[f.Intent] = true
	}
	all.Pending = slices.DeleteFunc(all.Pending, func(w explain.Waiting) bool { return ended[w.Intent] })
	if err := ruleKnown(o, set, all); err != nil {
		return err
	}
	if broken != nil && len(refs) == 0 {
		return broken
	}
	if all.Into, all.Merged, err = coalesced(ctx, r, states, all.Fates); err != nil {
		return err
	}
	opts := explaining(o, set, s, now)
	opts.Ledger = func(identity string) *ledger.State { return ledgerOf(states, identity) }
	tell := func(past explain.Past, ref intent.EventRef) error {
		if past.Event != nil {
			var err error
			if past.Row, past.Partly, err = rowBefore(ctx, r, set, past.Event); err == nil {
				past.Unread, err = unread(ctx, r, past.Event.Pos)
			}
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
		}
		rep := explain.Known(opts, past)
		if rep.FateText = fateTextIn; past.Event == nil {
			rep.Name(ref, users[ref])
			rep.Gone = broken == nil
		}
		return writeExplained(cmd.OutOrStdout(), rep, o, s.Zone)
	}
	if len(refs) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), mostly(o.say, "note: event %s has no fate and nothing pending; its topics are searched from %s on (--since)\n", "提示：事件 %s 没有处理结果，也没有待发任务；从 %s 起在它的主题里找（--since）\n"), diag.Tame(id), since.In(s.Zone).Format("2006-01-02 15:04:05 -07:00"))
		if all.Event, err = findEvent(ctx, r, set, id, since, o.say); err != nil {
			return err
		}
		return tell(all, intent.EventRef{})
	}
	slices.SortFunc(refs, byEventTime)
	refs = slices.Compact(refs)
	if n := len(refs); n > maxRecords {
		fmt.Fprintf(cmd.ErrOrStderr(), mostly(o.say, "note: %d records have the id %s; the latest %d are shown\n", "提示：有 %d 条记录用了 id %s；只显示最近 %d 条\n"), n, diag.Tame(id), maxRecords)
		refs = refs[n-maxRecords:]
	}
	for _, ref := range refs { // a producer that uses an id again makes another event of it, with values of its own
		past := ofRecord(all, ref)
		if broken == nil { // else what became of it is on record, whatever the files say
			if past.Event, err = readAgain(ctx, r, set, ref); err != nil {
				return err
			}
		}
		if err := tell(past, ref); err != nil {
			return err
		}
	}
	if broken == nil {
		return nil
	}
	return &exitError{exitFindings, fmt.Errorf(mostly(o.say, "the rules have errors, so no clause was asked; next: %s", "规则有错误，没有判断条件；下一步：%s"), checkOf(o.given))}
}

// maxRecords is how many records of one event id are explained.
const maxRecords = 10

// recordOf leaves of a reference what tells an event's record, and the entry of the catalogue, apart from others.
func recordOf(ref intent.EventRef) intent.EventRef {
	ref.Time = ref.Time.UTC()
	return ref
}

func byEventTime(a, b intent.EventRef) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Type, b.Type))
}

// ofRecord leaves of what is known of an event id what one record has to do with.
func ofRecord(all explain.Past, ref intent.EventRef) explain.Past {
	all.Fates = slices.DeleteFunc(slices.Clone(all.Fates), func(f ledger.Fate) bool { return recordOf(f.Event) != ref })
	all.Pending = slices.DeleteFunc(slices.Clone(all.Pending), func(w explain.Waiting) bool { return recordOf(w.Event) != ref })
	return all
}

// ruleKnown says no to a --rule that neither the files have nor anything that became of the event; a deleted one has its fates still.
func ruleKnown(o explainOptions, set *rules.Set, past explain.Past) error {
	if o.rule == "" || set == nil || slices.ContainsFunc(past.Fates, func(f ledger.Fate) bool { return f.Rule == o.rule }) ||
		slices.ContainsFunc(past.Pending, func(w explain.Waiting) bool { return w.Rule == o.rule }) {
		return nil
	}
	return ruleThere(o, set)
}

// coalesced names the events of the intents that others became part of, which are pending or got their fates later, and counts what
// became part of the intents that have their fate. It went into them since their events came, so all fates since then are read.
func coalesced(ctx context.Context, r *query.Reader, states map[int32]*ledger.State, fates []ledger.Fate) (into map[intent.ID]string, merged map[intent.ID]int, err error) {
	into, merged = map[intent.ID]string{}, map[intent.ID]int{}
	var since time.Time
	from := func(at time.Time) {
		if since.IsZero() || at.Before(since) {
			since = at
		}
	}
	for i := range fates {
		f := &fates[i]
		if f.Action != intent.Tags && (f.Fate != ledger.Coalesced || dispatch.HandedOver(f)) {
			merged[f.Intent] = 0
			from(f.Event.Time.Add(-event.MaxAhead))
		}
		if f.Into == "" {
			continue
		}
		if p := app.FindPending(states, string(f.Into)); len(p) == 1 && p[0].Intent.ID == f.Into {
			into[f.Into] = p[0].Intent.Event.ID
			continue
		}
		into[f.Into] = ""
		from(f.At)
	}
	if since.IsZero() {
		return into, merged, nil
	}
	err = r.Fates(ctx, query.Filter{Since: since.Add(-skewed)}, func(f ledger.Fate) error {
		if id, asked := into[f.Intent]; asked && id == "" {
			into[f.Intent] = f.Event.ID
		}
		if _, asked := merged[f.Into]; asked && f.Fate == ledger.Coalesced && !dispatch.HandedOver(&f) && !dispatch.Replaced(&f) {
			merged[f.Into]++
		}
		return nil
	})
	if err != nil {
		return nil, nil, &exitError{exitUnreachable, err}
	}
	return into, merged, nil
}

// waits says what holds the pending intents that a filter chooses.
func waits(s *settings.Settings, set *rules.Set, states map[int32]*ledger.State, f app.PendingFilter, now time.Time) []explain.Waiting {
	out := []explain.Waiting{}
	for _, it := range app.PendingOf(s, set, states, f, now).Pending {
		p := app.FindPending(states, string(it.Intent))[0]
		at := explain.Stands{State: it.State, Holds: it.Holds, Stopped: it.Stopped, Lane: it.Lane, Until: it.Next, Turn: it.Turn()}
		if in := p.Intent; set != nil && in.Profile == nil && set.Rule(in.Rule) == nil {
			at.Files = dispatch.GoneFromSet
		}
		if off, ok := heldByFiles(states, p); ok {
			if at.Files = off.Why; off.Why == dispatch.GoneFromSet {
				at.GivenUp = off.At.Add(dispatch.GivenUpAfter)
			}
		}
		out = append(out, explain.Waits(p, at))
	}
	slices.SortFunc(out, func(a, b explain.Waiting) int { return strings.Compare(string(a.Intent), string(b.Intent)) })
	return out
}

// heldByFiles is the pause by which the rule files hold what a rule has made.
func heldByFiles(states map[int32]*ledger.State, p *ledger.Pending) (ledger.Pause, bool) {
	for _, st := range states {
		if st.Pending[string(p.Intent.ID)] != nil && p.Intent.Profile == nil {
			off, ok := st.Pauses["off/"+p.Intent.Rule]
			return off, ok
		}
	}
	return ledger.Pause{}, false
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

// mostLike is how many ids are named of which a word is a piece.
const mostLike = 5

// findEvent searches the topics of the catalogue for an event that no rule wanted anything of.
func findEvent(ctx context.Context, r *query.Reader, set *rules.Set, id string, since time.Time, lang diag.Lang) (*event.Event, error) {
	var found *event.Event
	letter, like := "", []string{} // ids that it is a piece of
	for _, topic := range set.Topics() {
		_, err := r.Search(ctx, topic, since, func(raw *kgo.Record) bool {
			if !mayHold(raw, id) {
				return false
			}
			evs, err := set.Decode(consumer.RecordOf(raw))
			for i := range evs {
				switch {
				case evs[i].ID == id:
					found = &evs[i]
				case strings.Contains(evs[i].ID, id) && !slices.Contains(like, evs[i].ID) && len(like) <= mostLike:
					like = append(like, evs[i].ID)
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
		return nil, &exitError{exitUsage, fmt.Errorf(mostly(lang, "event %q: the record %s; next: notifier dead ls", "事件 %q：记录 %s；下一步：notifier dead ls"), id, diag.Tame(letter))}
	}
	if len(like) > 0 {
		names, more := slices.Clone(like[:min(len(like), mostLike)]), ""
		if len(like) > mostLike {
			more = mostly(lang, " and others", " 等")
		}
		for i, name := range names {
			names[i] = diag.Tame(name)
		}
		return nil, &exitError{exitUsage, fmt.Errorf(mostly(lang, "no event has the id %q, but it is a piece of %s%s; next: notifier explain %s", "没有 id 是 %q 的事件，但这些 id 里有它：%s%s；下一步：notifier explain %s"), id, strings.Join(names, mostly(lang, ", ", "、")), more, shellWord(like[0]))}
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
