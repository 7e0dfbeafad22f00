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

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
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
			lang := spoken(cmd)
			if err := listFormat(lang, format); err != nil {
				return err
			}
			if fate = strings.ToUpper(fate); fate != "" && !slices.Contains(fateWords, fate) {
				return &exitError{exitUsage, fmt.Errorf(mostly(lang, "unknown --fate %q: %s", "没有 --fate %q：%s"), fate, strings.Join(fateWords, mostly(lang, ", ", "、")))}
			}
			r, s, err := reader(cmd)
			if err != nil {
				return err
			}
			f := query.Filter{Rule: rule, User: user, Fate: ledger.FateKind(fate)}
			if len(args) == 1 {
				f.Event = args[0]
			}
			if f.Since, err = sinceWhen(since, time.Now(), s.Zone, lang); err != nil {
				return &exitError{exitUsage, err}
			}
			if follow {
				return followFates(cmd, r, s, f, format)
			}
			out := cmd.OutOrStdout()
			table := newFateRows(out, format, s.Zone, lang)
			write := table.write
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
				fmt.Fprintf(cmd.ErrOrStderr(), mostly(lang, "note: %d rows; behind the first %d they are in order of time within each partition only\n", "提示：共 %d 行；第 %d 行之后只在各分区内按时间排列\n"), rows.n, sortedRows)
			}
			if rule != "" && rows.n == 0 {
				if err := knownRule(s, rule, lang); err != nil {
					return &exitError{exitUsage, err}
				}
			}
			var b *books
			if (query.Filter{Since: f.Since}) == f {
				if b, err = booksOf(cmd.Context(), r, s, f.Since); err != nil {
					return unreachable(err)
				}
			}
			pending := "" // what else of the event there is to come: its fates are not all
			var left app.PendingView
			if f.Event != "" {
				states, err := r.Ledgers(cmd.Context())
				if err != nil {
					return unreachable(err)
				}
				if left = app.PendingOf(s, nil, states, app.PendingFilter{Event: f.Event}, time.Now()); left.Total > 0 {
					pending = pendingOfEvent(f.Event, rows.n, &left, lang)
				}
			}
			switch format {
			case "json":
				v := map[string]any{"schema": "notifier.fates/v1", "fates": all}
				if f.Event != "" {
					v["pending"] = left.Total
				}
				if b != nil {
					v["tally"], v["books"] = b.tally, b
				}
				if err := printJSON(out, v); err != nil {
					return err
				}
				return b.exit()
			case "jsonl":
				fmt.Fprint(cmd.ErrOrStderr(), pending)
				if b != nil && !b.Balanced {
					b.print(cmd.ErrOrStderr(), lang)
				}
				return b.exit()
			}
			if f.Event != "" && rows.n == 0 {
				if pending != "" {
					fmt.Fprint(out, pending)
					return nil
				}
				return &exitError{exitUsage, fmt.Errorf(mostly(lang, "no fate for event %q: it matched no rule, became a dead letter (notifier dead ls), or never came; next: notifier explain %s", "事件 %q 没有处理结果：没有规则匹配，或者它成了死信（notifier dead ls），或者没有来过；下一步：notifier explain %s"), f.Event, shellWord(f.Event))}
			}
			if err := table.head(); err != nil {
				return err
			}
			fmt.Fprint(out, pending)
			if b != nil {
				b.print(out, lang)
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

// pendingOfEvent says what of an event has no fate yet.
func pendingOfEvent(id string, fates int, v *app.PendingView, lang diag.Lang) string {
	begins := mostly(lang, "event %s has no fate yet", "事件 %s 还没有处理结果")
	if fates > 0 {
		begins = mostly(lang, "these are not all fates of event %s", "事件 %s 的处理结果还没有齐")
	}
	return fmt.Sprintf(begins+mostly(lang, ": %s pending, the first of rule %s (%s)   next: notifier explain %s\n", "：%s没有处理完，第一个属于规则 %s（%s）   下一步：notifier explain %s\n"), diag.Tame(id),
		mostly(lang, many(v.Total, "intent"), fmt.Sprintf("%d 个待发任务", v.Total)), v.Pending[0].Rule, v.Pending[0].State, shellWord(id))
}

// fateRows writes fates as rows, or as lines of JSON; the rows have a head, which does not stand before an error.
type fateRows struct {
	out    io.Writer
	format string
	zone   *time.Location
	lang   diag.Lang
	headed bool
}

func newFateRows(out io.Writer, format string, zone *time.Location, lang diag.Lang) *fateRows {
	return &fateRows{out: out, format: format, zone: zone, lang: lang, headed: format != "text"}
}

// head writes the head of the table, once.
func (w *fateRows) head() error {
	if w.headed {
		return nil
	}
	w.headed = true
	if w.lang == diag.ZH {
		_, err := fmt.Fprintln(w.out, runewidth.FillRight("事件", 24), runewidth.FillRight("时间", 14), runewidth.FillRight("用户", 16), runewidth.FillRight("规则", 24), "处理结果")
		return err
	}
	_, err := fmt.Fprintf(w.out, "%-24s %-14s %-16s %-24s %s\n", "EVENT", "TIME", "USER", "RULE", "FATE")
	return err
}

func (w *fateRows) write(x ledger.Fate) error {
	if w.format != "text" {
		b, err := json.Marshal(x)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.out, "%s\n", b)
		return err
	}
	if err := w.head(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w.out, "%-24s %-14s %-16s %-24s %-12s %s\n", diag.Tame(x.Event.ID), x.At.In(w.zone).Format("01-02 15:04:05"), diag.Tame(x.User), x.Rule, x.Fate, diag.Tame(fateTextIn(&x, w.zone, w.lang)))
	return err
}

// followFates shows fates as they come until a signal; those on record first, in order of time, if a time or an event says which.
func followFates(cmd *cobra.Command, r *query.Reader, s *settings.Settings, f query.Filter, format string) error {
	if f.Rule != "" { // a typing mistake would be followed for ever
		if unknown := knownRule(s, f.Rule, spoken(cmd)); unknown != nil {
			if states, err := r.Ledgers(cmd.Context()); err != nil || !onRecord(states, "rule/"+f.Rule) { // one that has gone may hold intents
				return &exitError{exitUsage, unknown}
			}
		}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	table := newFateRows(cmd.OutOrStdout(), format, s.Zone, spoken(cmd))
	if err := table.head(); err != nil {
		return err
	}
	rows := &byTime{most: sortedRows, write: table.write}
	emit := rows.add
	err := r.Follow(ctx, f, f.Event != "" || !f.Since.IsZero(), func(x ledger.Fate) error { return emit(x) }, func() error {
		emit = table.write
		if err := rows.flush(); err != nil {
			return err
		}
		_, err := fmt.Fprintln(cmd.ErrOrStderr(), mostly(spoken(cmd), "following, Ctrl-C ends", "持续显示新的处理结果，按 Ctrl-C 结束"))
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

	tally    *query.Tally
	problems []diag.Text // Problems, for people
	halts    map[int32]ledger.Halt
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
	problem := func(en, zh string, args ...any) {
		out.problems = append(out.problems, diag.Text{EN: fmt.Sprintf(en, args...), ZH: fmt.Sprintf(zh, args...)})
	}
	switch n := b.OnRecord(); {
	case !b.Balanced() && b.Kept && n < b.Given:
		problem("the ledger gave %d fates, %s holds %d", "账本给出了 %d 个处理结果，%s 里有 %d 个", b.Given, topic, n)
	case !b.Balanced():
		problem("the books do not balance (%d intents with two fates)", "账对不上（%d 个待发任务有两个处理结果）", len(b.Double))
	}
	if len(halts) > 0 {
		problem("without the stopped partitions", "不含停止的分区")
	}
	for _, p := range out.problems {
		out.Problems = append(out.Problems, p.EN)
	}
	out.Balanced = len(out.Problems) == 0
	if t != nil && !since.IsZero() {
		out.Intents, out.Fates, out.Pending = t.Intents, t.Fates, t.Pending
	}
	return out
}

// print ends the list with the sum.
func (b *books) print(out io.Writer, lang diag.Lang) {
	sayHalts(out, b.halts, lang)
	switch t := b.tally; {
	case t == nil:
		fmt.Fprintf(out, mostly(lang, "events not counted, the rule files have errors: `notifier check`; %d dead; ", "规则文件有错误，没有数事件：`notifier check`；%d 个死信；"), b.Dead)
	default:
		fmt.Fprintf(out, mostly(lang, "%d events: %d no rule, %d dead, %d with intents; ", "%d 个事件：%d 个没有规则匹配，%d 个是死信，%d 个有待发任务；"), t.Events, t.NoRule, t.Dead, t.Matched)
	}
	mark := "✓"
	if !b.Balanced {
		var why []string
		for _, p := range b.problems {
			why = append(why, mostly(lang, p.EN, p.ZH))
		}
		mark = "✗ " + strings.Join(why, mostly(lang, ", ", "，"))
	}
	fmt.Fprintf(out, mostly(lang, "%d intents = %d fates + %d pending %s\n", "%d 个待发任务 = %d 个有处理结果 + %d 个没处理完 %s\n"), b.Intents, b.Fates, b.Pending, mark)
}

// exit is what the list ends with; a nil sum, of a part of the fates, says nothing.
func (b *books) exit() error {
	if b != nil && !b.Balanced {
		return &exitError{code: exitFindings}
	}
	return nil
}

// fateTextIn is what a fate says beside its kind.
func fateTextIn(f *ledger.Fate, zone *time.Location, lang diag.Lang) string {
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
	detail := dispatch.DetailAt(f.Detail, zone)
	add(mostly(lang, detail, explain.DetailZH(detail)))
	if len(f.Approved) > 0 {
		say("approved by %s", "批准人 %s", strings.Join(f.Approved, mostly(lang, " and ", "、")))
	}
	if f.Fate == ledger.FateUnknown {
		counted := mostly(lang, "counted as used", "按已用掉名额计算")
		if f.Detail == ledger.LostWaiting {
			counted = mostly(lang, noSlot, noSlotZH)
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
