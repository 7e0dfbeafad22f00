package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

func newFatesCmd() *cobra.Command {
	var since, rule, user, fate, format string
	var follow bool
	cmd := &cobra.Command{
		Use:   "fates [EVENT_ID]",
		Short: "what became of events",
		Long: `The list of all fates ends with the books: exit 1 when they do not balance, in every format.

--follow shows new fates as they come, of those that the other flags choose, until Ctrl-C (exit 0). With --since or an EVENT_ID those
on record come first. As JSON it is one object in each line.`,
		Example: `  notifier fates --since 1h
  notifier fates ord-88212
  notifier fates --fate UNKNOWN --format jsonl
  notifier fates --follow --rule flash-sale-by-city`,
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
			if f.Since, err = sinceWhen(since, time.Now(), s.Zone); err != nil {
				return &exitError{exitUsage, err}
			}
			if follow {
				return followFates(cmd, r, s, f, format)
			}
			out := cmd.OutOrStdout()
			write := fateWriter(out, format, s.Zone)
			all := []ledger.Fate{}
			if format == "json" {
				write = func(x ledger.Fate) error { all = append(all, x); return nil }
			}
			rows := &byTime{most: sortedRows, write: write}
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
				if err := knownRule(s, rule); err != nil {
					return &exitError{exitUsage, err}
				}
			}
			var b *books
			if (query.Filter{Since: f.Since}) == f {
				if b, err = booksOf(cmd.Context(), r, s, f.Since); err != nil {
					return unreachable(err)
				}
			}
			switch format {
			case "json":
				v := map[string]any{"schema": "notifier.fates/v1", "fates": all}
				if b != nil {
					v["tally"], v["books"] = b.tally, b
				}
				if err := printJSON(out, v); err != nil {
					return err
				}
				return b.exit()
			case "jsonl":
				if b != nil && !b.Balanced {
					b.print(cmd.ErrOrStderr())
				}
				return b.exit()
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
			if b != nil {
				b.print(out)
			}
			return b.exit()
		},
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "from this time on: 1h, 2026-11-21 09:00")
	f.StringVar(&rule, "rule", "", "of this rule")
	f.StringVar(&user, "user", "", "of this user")
	f.StringVar(&fate, "fate", "", "SENT, COALESCED, SUPPRESSED, DEAD or UNKNOWN")
	f.BoolVar(&follow, "follow", false, "show new fates as they come, until Ctrl-C")
	f.StringVar(&format, "format", "text", "text, json or jsonl")
	return cmd
}

// fateWriter writes a fate as a row, or as a line of JSON; the rows have a head.
func fateWriter(out io.Writer, format string, zone *time.Location) func(ledger.Fate) error {
	if format != "text" {
		return func(x ledger.Fate) error {
			b, err := json.Marshal(x)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "%s\n", b)
			return err
		}
	}
	fmt.Fprintf(out, "%-24s %-14s %-16s %-24s %s\n", "EVENT", "TIME", "USER", "RULE", "FATE")
	return func(x ledger.Fate) error {
		_, err := fmt.Fprintf(out, "%-24s %-14s %-16s %-24s %-12s %s\n", tame(x.Event.ID), x.At.In(zone).Format("01-02 15:04:05"), tame(x.User), x.Rule, x.Fate, tame(fateText(&x)))
		return err
	}
}

// followFates shows fates as they come until a signal; those on record first, in order of time, if a time or an event says which.
func followFates(cmd *cobra.Command, r *query.Reader, s *settings.Settings, f query.Filter, format string) error {
	if f.Rule != "" { // a typing mistake would be followed for ever
		if unknown := knownRule(s, f.Rule); unknown != nil {
			if states, err := r.Ledgers(cmd.Context()); err != nil || !onRecord(states, "rule/"+f.Rule) { // one that has gone may hold intents
				return &exitError{exitUsage, unknown}
			}
		}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	write := fateWriter(cmd.OutOrStdout(), format, s.Zone)
	rows := &byTime{most: sortedRows, write: write}
	emit := rows.add
	err := r.Follow(ctx, f, f.Event != "" || !f.Since.IsZero(), func(x ledger.Fate) error { return emit(x) }, func() error {
		emit = write
		if err := rows.flush(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.ErrOrStderr(), "following, Ctrl-C ends")
		return err
	})
	if err != nil {
		return unreachable(err)
	}
	return nil
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

// books are the sum of the list: of all that the topics hold, or of what came since a time. Whether they balance is always said of all.
type books struct {
	Balanced bool        `json:"balanced"`
	Problems []string    `json:"problems"` // why they do not
	Intents  int         `json:"intents"`  // that the ledger took in; with a time those of the events since
	Fates    int         `json:"fates"`
	Pending  int         `json:"pending"`
	Dead     int         `json:"dead"`   // dead letters on record
	Double   []intent.ID `json:"double"` // intents with two fates
	Stopped  []int32     `json:"stopped_partitions"`

	tally *query.Tally
	halts map[int32]ledger.Halt
}

func booksOf(ctx context.Context, r *query.Reader, s *settings.Settings, since time.Time) (*books, error) {
	t, err := tally(ctx, r, s, since)
	if err != nil {
		return nil, err
	}
	b, err := r.Books(ctx)
	if err != nil {
		return nil, err
	}
	halts, err := r.Halts(ctx)
	if err != nil {
		return nil, err
	}
	return sumOf(t, b, halts, since, r.Topics.Fates), nil
}

func sumOf(t *query.Tally, b *query.Books, halts map[int32]ledger.Halt, since time.Time, topic string) *books {
	out := &books{Problems: []string{}, Intents: b.Intents, Fates: b.Given, Pending: b.Pending, Dead: b.Dead, Double: append([]intent.ID{}, b.Double...),
		Stopped: append([]int32{}, slices.Sorted(maps.Keys(halts))...), tally: t, halts: halts}
	switch n := b.OnRecord(); {
	case !b.Balanced() && b.Kept && n < b.Given:
		out.Problems = append(out.Problems, fmt.Sprintf("the ledger gave %d fates, %s holds %d", b.Given, topic, n))
	case !b.Balanced():
		out.Problems = append(out.Problems, fmt.Sprintf("the books do not balance (%d intents with two fates)", len(b.Double)))
	}
	if len(halts) > 0 {
		out.Problems = append(out.Problems, "without the stopped partitions")
	}
	out.Balanced = len(out.Problems) == 0
	if t != nil && !since.IsZero() {
		out.Intents, out.Fates, out.Pending = t.Intents, t.Fates, t.Pending
	}
	return out
}

// print ends the list with the sum.
func (b *books) print(out io.Writer) {
	sayHalts(out, b.halts)
	switch t := b.tally; {
	case t == nil:
		fmt.Fprintf(out, "events not counted, the rule files have errors: `notifier check`; %d dead; ", b.Dead)
	default:
		fmt.Fprintf(out, "%d events: %d no rule, %d dead, %d with intents; ", t.Events, t.NoRule, t.Dead, t.Matched)
	}
	mark := "✓"
	if !b.Balanced {
		mark = "✗ " + strings.Join(b.Problems, ", ")
	}
	fmt.Fprintf(out, "%d intents = %d fates + %d pending %s\n", b.Intents, b.Fates, b.Pending, mark)
}

// exit is what the list ends with; a nil sum, of a part of the fates, says nothing.
func (b *books) exit() error {
	if b != nil && !b.Balanced {
		return &exitError{code: exitFindings}
	}
	return nil
}

// fateText is what a fate says beside its kind.
func fateText(f *ledger.Fate) string { return fateTextIn(f, diag.EN) }

func fateTextIn(f *ledger.Fate, lang diag.Lang) string {
	var parts []string
	say := func(en, zh string, args ...any) { parts = append(parts, fmt.Sprintf(mostly(lang, en, zh), args...)) }
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	add(string(f.Reason))
	if f.Code != 0 {
		say("vendor code %d", "厂商代码 %d", f.Code)
	}
	if f.Into != "" {
		say("into %s", "并入 %s", f.Into)
	}
	if f.Variant != "" {
		say("variant %s", "文案 %s", f.Variant)
	}
	if f.Lane != "" {
		add(strings.TrimSpace(f.Lane + " " + f.Endpoint))
	}
	add(mostly(lang, f.Detail, explain.DetailZH(f.Detail)))
	if len(f.Approved) > 0 {
		say("approved by %s", "批准人 %s", strings.Join(f.Approved, mostly(lang, " and ", "、")))
	}
	if f.Fate == ledger.FateUnknown {
		counted := mostly(lang, "counted as used", "按已用掉名额计算")
		if f.Detail == ledger.LostWaiting {
			counted = mostly(lang, noSlot, "除 `notifier quota assume` 说的以外不占名额")
		}
		parts = append(parts, counted+mostly(lang, "; ", "；")+"`notifier attempts resolve "+f.Attempt+"`")
	}
	if f.By != "" || f.Resolves != "" {
		by := fmt.Sprintf(mostly(lang, "by %s: %s", "操作人 %s：%s"), f.By, f.Why)
		by = strings.TrimSuffix(by, mostly(lang, ": ", "："))
		if f.Resolves != "" {
			by = fmt.Sprintf(mostly(lang, "resolves %s, ", "针对 %s，"), f.Resolves) + by
		}
		parts = append(parts, by)
	}
	return strings.Join(parts, mostly(lang, ", ", "，"))
}
