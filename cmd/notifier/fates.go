package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

func newFatesCmd() *cobra.Command {
	var since, rule, user, fate, format string
	cmd := &cobra.Command{
		Use:   "fates [EVENT_ID]",
		Short: "what became of events",
		Example: `  notifier fates --since 1h
  notifier fates ord-88212
  notifier fates --fate UNKNOWN --format jsonl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" && format != "jsonl" {
				return &exitError{exitUsage, fmt.Errorf("unknown --format %q: text, json or jsonl", format)}
			}
			if fate = strings.ToUpper(fate); fate != "" && !slices.Contains(fateWords, fate) {
				return &exitError{exitUsage, fmt.Errorf("unknown --fate %q: %s", fate, strings.Join(fateWords, ", "))}
			}
			r, s, err := reader(cmd)
			if err != nil {
				return err
			}
			f := query.Filter{Rule: rule, User: user, Fate: ledger.FateKind(fate)}
			if len(args) == 1 {
				f.Event = args[0]
			}
			if f.Since, err = parseSince(since, time.Now(), s.Zone); err != nil {
				return &exitError{exitUsage, err}
			}
			out := cmd.OutOrStdout()
			if format == "text" {
				fmt.Fprintf(out, "%-24s %-14s %-16s %-24s %s\n", "EVENT", "TIME", "USER", "RULE", "FATE")
			}
			all := []ledger.Fate{}
			rows := &byTime{most: sortedRows, write: func(x ledger.Fate) error {
				switch format {
				case "json":
					all = append(all, x)
					return nil
				case "jsonl":
					b, err := json.Marshal(x)
					if err != nil {
						return err
					}
					_, err = fmt.Fprintf(out, "%s\n", b)
					return err
				}
				_, err := fmt.Fprintf(out, "%-24s %-14s %-16s %-24s %-12s %s\n", tame(x.Event.ID), x.At.In(s.Zone).Format("01-02 15:04:05"), tame(x.User), x.Rule, x.Fate, tame(fateText(&x)))
				return err
			}}
			if err = r.Fates(cmd.Context(), f, rows.add); err == nil {
				err = rows.flush()
			}
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			if rows.n > sortedRows {
				fmt.Fprintf(cmd.ErrOrStderr(), "note: %d rows; behind the first %d they are in order of time within each partition only\n", rows.n, sortedRows)
			}
			if rule != "" && rows.n == 0 {
				if err := knownScope(s, "rule/"+rule); err != nil {
					return &exitError{exitUsage, err}
				}
			}
			switch format {
			case "json":
				v := map[string]any{"schema": "notifier.fates/v1", "fates": all}
				if (query.Filter{Since: f.Since}) == f {
					t, err := tally(cmd.Context(), r, s, f.Since)
					if err != nil {
						return &exitError{exitUnreachable, err}
					}
					v["tally"] = t
				}
				return printJSON(out, v)
			case "jsonl":
				return nil
			}
			if f.Event != "" && rows.n == 0 {
				states, err := r.Ledgers(cmd.Context())
				if err != nil {
					return unreachable(err)
				}
				if v := app.PendingOf(s, states, app.PendingFilter{Event: f.Event}, time.Now()); v.Total > 0 {
					fmt.Fprintf(out, "event %s has no fate yet: %s pending, the first of rule %s (%s)   next: notifier explain %s\n", tame(f.Event), many(v.Total, "intent"), v.Pending[0].Rule, v.Pending[0].State, shellWord(f.Event))
					return nil
				}
				return &exitError{exitUsage, fmt.Errorf("no fate for event %q: it matched no rule, or never came; next: notifier explain %s", f.Event, shellWord(f.Event))}
			}
			if (query.Filter{Since: f.Since}) == f {
				return printBooks(cmd, r, s, f.Since)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "from this time on: 1h, 2026-11-21 09:00")
	f.StringVar(&rule, "rule", "", "of this rule")
	f.StringVar(&user, "user", "", "of this user")
	f.StringVar(&fate, "fate", "", "SENT, COALESCED, SUPPRESSED, DEAD or UNKNOWN")
	f.StringVar(&format, "format", "text", "text, json or jsonl")
	return cmd
}

// sortedRows is how many fates are held to be shown in order of time: some 100 MB at most.
const sortedRows = 100_000

// byTime writes fates in order of time: the topic has them in order within each partition. More than most come as they are read.
type byTime struct {
	most, n int
	rows    []ledger.Fate
	write   func(ledger.Fate) error
}

func (b *byTime) add(x ledger.Fate) error {
	if b.n++; b.n <= b.most {
		b.rows = append(b.rows, x)
		return nil
	}
	if err := b.flush(); err != nil {
		return err
	}
	return b.write(x)
}

func (b *byTime) flush() error {
	slices.SortStableFunc(b.rows, func(x, y ledger.Fate) int { return x.At.Compare(y.At) })
	for _, x := range b.rows {
		if err := b.write(x); err != nil {
			return err
		}
	}
	b.rows = nil
	return nil
}

// tally counts what became of the events since a time; nil when the rule files have errors, so that nobody knows which topics hold events.
func tally(ctx context.Context, r *query.Reader, s *settings.Settings, since time.Time) (*query.Tally, error) {
	set, _ := rules.Load([]string{s.Rules}, app.RuleOptions(s))
	if set == nil {
		return nil, nil
	}
	return r.Tally(ctx, set.Topics(), since)
}

// printBooks ends the list with its sum: of all that the topics hold, or of what came since a time. Whether the books balance is always
// said of all.
func printBooks(cmd *cobra.Command, r *query.Reader, s *settings.Settings, since time.Time) error {
	out := cmd.OutOrStdout()
	t, err := tally(cmd.Context(), r, s, since)
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	b, err := r.Books(cmd.Context())
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	halts, err := r.Halts(cmd.Context())
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	mark := "✓"
	switch n := b.OnRecord(); {
	case !b.Balanced() && b.Kept && n < b.Given:
		mark = fmt.Sprintf("✗ the ledger gave %d fates, %s holds %d", b.Given, r.Topics.Fates, n)
	case !b.Balanced():
		mark = fmt.Sprintf("✗ the books do not balance (%d intents with two fates)", len(b.Double))
	case len(halts) > 0:
		mark = "✗ without the stopped partitions"
	}
	sayHalts(out, halts)
	switch {
	case t == nil:
		fmt.Fprintf(out, "events not counted, the rule files have errors: `notifier check`; %d dead; ", b.Dead)
	default:
		fmt.Fprintf(out, "%d events: %d no rule, %d dead, %d with intents; ", t.Events, t.NoRule, t.Dead, t.Matched)
	}
	if t != nil && !since.IsZero() {
		b.Intents, b.Given, b.Pending = t.Intents, t.Fates, t.Pending
	}
	fmt.Fprintf(out, "%d intents = %d fates + %d pending %s\n", b.Intents, b.Given, b.Pending, mark)
	if mark != "✓" {
		return &exitError{code: exitFindings}
	}
	return nil
}

func fateText(f *ledger.Fate) string {
	var parts []string
	if f.Reason != "" {
		parts = append(parts, string(f.Reason))
	}
	if f.Code != 0 {
		parts = append(parts, fmt.Sprintf("vendor code %d", f.Code))
	}
	if f.Into != "" {
		parts = append(parts, "into "+string(f.Into))
	}
	if f.Variant != "" {
		parts = append(parts, "variant "+f.Variant)
	}
	if f.Lane != "" {
		parts = append(parts, strings.TrimSpace(f.Lane+" "+f.Endpoint))
	}
	if f.Detail != "" {
		parts = append(parts, f.Detail)
	}
	if len(f.Approved) > 0 {
		parts = append(parts, "approved by "+strings.Join(f.Approved, " and "))
	}
	if f.Fate == ledger.FateUnknown {
		counted := "counted as used"
		if f.Detail == ledger.LostWaiting {
			counted = noSlot
		}
		parts = append(parts, counted+"; `notifier attempts resolve "+f.Attempt+"`")
	}
	if f.Resolves == "" && f.By != "" {
		parts = append(parts, strings.TrimSuffix(fmt.Sprintf("by %s: %s", f.By, f.Why), ": "))
	}
	if f.Resolves != "" {
		parts = append(parts, strings.TrimSuffix(fmt.Sprintf("resolves %s, by %s: %s", f.Resolves, f.By, f.Why), ": "))
	}
	return strings.Join(parts, ", ")
}
