package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
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

// explainKnown says what became of a real event.
func explainKnown(cmd *cobra.Command, o explainOptions, id string) error {
	if err := jsonOrText(o.format); err != nil {
		return err
	}
	r, s, set, err := liveRules(cmd, &o)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	// The ledger first: an intent that gets its fate meanwhile is then told twice rather than not at all.
	states, err := r.Ledgers(ctx)
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	var refs []intent.EventRef
	user := ""
	var pending []explain.Waiting
	for _, st := range states {
		for _, p := range st.Pending {
			if p.Intent.Event.ID == id {
				refs, user = append(refs, p.Intent.Event), userOf(p.Intent.Target, user)
				pending = append(pending, explain.Waits(p, time.Now()))
			}
		}
	}
	slices.SortFunc(pending, func(a, b explain.Waiting) int { return strings.Compare(string(a.Intent), string(b.Intent)) })
	var fates []ledger.Fate
	err = r.Fates(ctx, query.Filter{Event: id}, func(f ledger.Fate) error {
		fates, refs, user = append(fates, f), append(refs, f.Event), userOf(f.User, user)
		return nil
	})
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	ended := map[intent.ID]bool{}
	for _, f := range fates {
		ended[f.Intent] = true
	}
	pending = slices.DeleteFunc(pending, func(w explain.Waiting) bool { return ended[w.Intent] })
	if len(refs) == 0 {
		return &exitError{exitUsage, fmt.Errorf("nothing is known of event %q: it matched no rule, was a dead letter, or never came; next: notifier explain --event FILE", id)}
	}
	ev, err := readAgain(ctx, r, set, refs[len(refs)-1])
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	rep := explain.Known(explaining(o, set, s, time.Now()), ev, fates, pending)
	if rep.FateText = fateText; ev == nil {
		rep.Name(refs[len(refs)-1], user)
	}
	return writeExplained(cmd.OutOrStdout(), rep, o, s.Zone)
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
	if err != nil || raw == nil {
		return nil, err
	}
	evs, _ := set.Decode(consumer.RecordOf(raw)) // why an entry of the present catalogue cannot use it says nothing of what became of the event
	for i := range evs {
		if evs[i].ID == ref.ID && evs[i].Spec.Name == ref.Type {
			return &evs[i], nil
		}
	}
	return nil, nil
}
