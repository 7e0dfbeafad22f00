package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/settings"
)

func newAttemptsCmd() *cobra.Command {
	var unknown bool
	var format string
	cmd := &cobra.Command{
		Use:   "attempts [ID]",
		Short: "vendor calls on record: open ones, those without outcome, and the scarce ones of 48 hours",
		Long: `The ledger keeps a call while it is open, until somebody says what became of it, and in lanes with slots for 48 hours. With an ID also an
older call is found, by the fates that it gave: they are its members, and say what became of it. As JSON they stand under fates.`,
		Example: `  notifier attempts --unknown
  notifier attempts resolve K3F7QA-0-91 --as sent --why "the vendor's console shows it"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := listFormat(spoken(cmd), format); err != nil {
				return err
			}
			r, s, err := reader(cmd)
			if err != nil {
				return err
			}
			states, err := r.Ledgers(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			list := []*ledger.Attempt{}
			for _, st := range states {
				for _, a := range st.Attempts {
					if len(args) == 1 && a.ID == args[0] || len(args) == 0 && (!unknown || a.State == ledger.Unknown) {
						list = append(list, a)
					}
				}
			}
			slices.SortFunc(list, func(a, b *ledger.Attempt) int { return a.At.Compare(b.At) })
			if len(args) == 1 && len(list) == 0 {
				return attemptByFates(cmd, r, s, args[0], format)
			}
			if len(args) == 1 && unknown && list[0].State != ledger.Unknown {
				return &exitError{exitUsage, fmt.Errorf(mostly(spoken(cmd), "attempt %s is %s, not without outcome; next: notifier attempts %[1]s", "发送记录 %s 是 %s，不是结果未知；下一步：notifier attempts %[1]s"), args[0], list[0].State)}
			}
			if format == "text" && len(args) == 1 {
				printAttempt(cmd.OutOrStdout(), list[0], s, spoken(cmd))
				return nil
			}
			return printAttempts(cmd.OutOrStdout(), format, list, s, spoken(cmd))
		},
	}
	cmd.Flags().BoolVar(&unknown, "unknown", false, "only those without outcome")
	cmd.Flags().StringVar(&format, "format", "text", "text, json or jsonl")
	cmd.AddCommand(newResolveCmd())
	return cmd
}

// attemptByFates tells of a call that the ledger keeps no longer, in most lanes as soon as its outcome is known, what the fates say that name it.
func attemptByFates(cmd *cobra.Command, r *query.Reader, s *settings.Settings, id, format string) error {
	lang, fates := spoken(cmd), []ledger.Fate{}
	err := r.Fates(cmd.Context(), query.Filter{}, func(f ledger.Fate) error {
		if f.Attempt == id {
			fates = append(fates, f)
		}
		return nil
	})
	if err != nil {
		return unreachable(err)
	}
	if len(fates) == 0 {
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "no attempt %q on record, and no fate names it; next: notifier attempts, or notifier fates", "没有发送记录 %q，处理结果里也没有提到它；下一步：notifier attempts，或 notifier fates"), id)}
	}
	slices.SortStableFunc(fates, func(a, b ledger.Fate) int { return a.At.Compare(b.At) })
	out := cmd.OutOrStdout()
	if format == "json" {
		return printJSON(out, map[string]any{"schema": "notifier.attempts/v1", "attempts": []*ledger.Attempt{}, "fates": fates})
	}
	rows := newFateRows(out, format, s.Zone, lang)
	if format == "text" {
		last := fates[len(fates)-1]
		fmt.Fprintf(out, mostly(lang, "attempt %s  %s %s  %s; the ledger keeps no more of it than these fates\n", "发送记录 %s  %s %s  %s；账本里已经没有它，以下是它的处理结果\n"), id, last.Lane, last.Endpoint, outcomes(fates))
	}
	for _, f := range fates {
		if err := rows.write(f); err != nil {
			return err
		}
	}
	return nil
}

// outcomes counts the last word on each intent.
func outcomes(fates []ledger.Fate) string {
	last, count := map[intent.ID]ledger.FateKind{}, map[ledger.FateKind]int{}
	for _, f := range fates {
		last[f.Intent] = f.Fate
	}
	for _, kind := range last {
		count[kind]++
	}
	var parts []string
	for _, word := range fateWords {
		if n := count[ledger.FateKind(word)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
	}
	return strings.Join(parts, ", ")
}

func printAttempts(out io.Writer, format string, list []*ledger.Attempt, s *settings.Settings, lang diag.Lang) error {
	switch format {
	case "json":
		return printJSON(out, map[string]any{"schema": "notifier.attempts/v1", "attempts": list})
	case "jsonl":
		for _, a := range list {
			b, err := json.Marshal(a)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\n", b)
		}
		return nil
	}
	names := accountNames(s)
	w := &columns{to: out}
	fmt.Fprintln(w, mostly(lang, "ATTEMPT\tTIME\tLANE\tENDPOINT\tCOST\tRULE\tSTATE\tINTENTS\tDETAIL", "发送记录\t时间\t发送通道\t接口\t名额\t规则\t状态\t待发任务\t说明"))
	for _, a := range list {
		fmt.Fprintf(w, "%s\t%s\t%s/%s\t%s\t%d\t%s\t%s\t%d\t%s\n", a.ID, a.At.In(s.Zone).Format("01-02 15:04:05"), cmp.Or(names[a.Account], a.Account), a.Lane, a.Endpoint, a.Weight, a.Rule, a.State,
			max(len(a.Members), len(a.Affected)), diag.Tame(attemptText(a, s.Zone, lang)))
	}
	return w.Flush()
}

// accountNames are the names of the accounts by their identities, which the ledger has.
func accountNames(s *settings.Settings) map[string]string {
	names := map[string]string{}
	for i := range s.Accounts {
		names[app.Identity(&s.Accounts[i])] = s.Accounts[i].Name
	}
	return names
}

// printAttempt tells all that is on record of one call.
func printAttempt(out io.Writer, a *ledger.Attempt, s *settings.Settings, lang diag.Lang) {
	row := func(en, zh, text string) {
		if text != "" {
			fmt.Fprintf(out, "  %s %s\n", runewidth.FillRight(mostly(lang, en, zh), 11), diag.Tame(text))
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(s.Zone).Format("2006-01-02 15:04:05.000 -07:00")
	}
	fmt.Fprintf(out, mostly(lang, "attempt %s  %s/%s %s  %s\n", "发送记录 %s  %s/%s %s  %s\n"), a.ID, cmp.Or(accountNames(s)[a.Account], a.Account), a.Lane, a.Endpoint, a.State)
	row("started", "开始", at(a.At))
	row("not after", "不晚于", at(a.NotAfter))
	row("charged", "占名额", chargedText(a.Weight, at(a.Until), lang))
	row("rule", "规则", a.Rule)
	row("title", "标题", a.Title)
	if a.Code != 0 {
		row("vendor code", "厂商代码", strconv.Itoa(a.Code))
	}
	row("vendor id", "厂商编号", a.VendorID)
	row("message uid", "消息编号", a.MessageUID)
	row("detail", "说明", attemptText(a, s.Zone, lang))
	if a.Try > 1 {
		row("try", "次数", fmt.Sprintf(mostly(lang, "%d, the first at %s", "第 %d 次，第一次在 %s"), a.Try, at(a.Began)))
	}
	row("by", "操作人", strings.TrimSuffix(a.By+": "+a.Why, ": "))
	row("users", "用户", some(a.Users, lang))
	row("tags", "标签", strings.Join(a.Set, ", "))
	var intents []string
	for _, id := range a.Members {
		intents = append(intents, string(id))
	}
	if len(intents) == 0 {
		for _, f := range a.Affected {
			intents = append(intents, string(f.Intent))
		}
	}
	row("intents", "待发任务", some(intents, lang))
	if a.State == ledger.Unknown {
		row("next", "下一步", "notifier attempts resolve "+a.ID+" --as sent|not-sent --why "+mostly(lang, "TEXT", "原因"))
	}
}

// chargedText tells what a call took. It counts in each window that holds the moment of its arrival, of which only the latest is known.
func chargedText(n int, latest string, lang diag.Lang) string {
	if latest == "" {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf(mostly(lang, "%d, counted at the vendor at the latest %s", "%d，厂商最迟在 %s 计数"), n, latest)
}

// some names as many of a list as a reader looks at.
func some(list []string, lang diag.Lang) string {
	const most = 10
	if len(list) <= most {
		return strings.Join(list, mostly(lang, ", ", "、"))
	}
	return fmt.Sprintf(mostly(lang, "%s and %d more: --format json", "%s，另有 %d 个，见 --format json"), strings.Join(list[:most], mostly(lang, ", ", "、")), len(list)-most)
}

// attemptText is what there is to say of an attempt.
func attemptText(a *ledger.Attempt, zone *time.Location, lang diag.Lang) string {
	detail := mostly(lang, a.Detail, explain.DetailZH(a.Detail))
	if a.State == ledger.Again {
		return fmt.Sprintf(mostly(lang, "made again at %s under the same id; %s", "%s 用同一个编号再发一次；%s"), a.Next.In(zone).Format("15:04:05"), detail)
	}
	if a.Recalls == "" {
		return detail
	}
	if a.State == ledger.Resolved { // by is who said so, not who asked for the recall
		return fmt.Sprintf(mostly(lang, "recalls %s; %s by %s", "撤回 %s；%s，操作人 %s"), a.Recalls, detail, a.By)
	}
	return strings.TrimSpace(fmt.Sprintf(mostly(lang, "recalls %s, by %s %s", "撤回 %s，操作人 %s %s"), a.Recalls, a.By, detail))
}

func newResolveCmd() *cobra.Command {
	var c changeFlags
	var as string
	cmd := &cobra.Command{
		Use:   "resolve ID --as sent|not-sent --why TEXT",
		Short: "say what happened to a call without outcome; its charge stays",
		Example: `  notifier attempts resolve K3F7QA-0-91 --as sent --why "the vendor's console shows it"
  notifier attempts resolve K3F7QA-0-91 --as not-sent --why "the vendor's console does not show it"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if as != "sent" && as != "not-sent" {
				return &exitError{exitUsage, errors.New(mostly(spoken(cmd), "--as must be sent or not-sent: look at the vendor's console, then say which", "--as 只能是 sent 或 not-sent：先看厂商控制台，再写是哪一个"))}
			}
			if err := c.check(spoken(cmd)); err != nil {
				return err
			}
			partition, err := attemptPartition(args[0], spoken(cmd))
			if err != nil {
				return &exitError{exitUsage, err}
			}
			r, s, err := reader(cmd)
			if err != nil {
				return err
			}
			given, err := r.Given(cmd.Context())
			if err != nil {
				return unreachable(err)
			}
			states, err := r.Ledgers(cmd.Context())
			if err != nil {
				return unreachable(err)
			}
			var at *ledger.Attempt
			if st := states[partition]; st != nil {
				at = st.Attempts[args[0]]
			}
			if at == nil || at.State == ledger.Resolved && at.By != "" {
				said, err := r.Resolution(cmd.Context(), args[0])
				if err != nil {
					return &exitError{exitUnreachable, err}
				}
				if at == nil && said == nil {
					if err := ledgerLost(cmd.Context(), r, states[partition], args[0], spoken(cmd)); err != nil {
						return err
					}
				}
				return notResolvable(args[0], at, said, s.Zone, spoken(cmd))
			}
			if err := resolutionStands(given.Standing(states), args[0], s.Zone, spoken(cmd)); err != nil {
				return err
			}
			what := "resolve " + args[0] + " as " + as
			if err := confirm(cmd, c.yes, what+decidesOn(at, spoken(cmd)), as); err != nil {
				return err
			}
			answers, err := r.Send(cmd.Context(), ledger.Command{Cmd: ledger.CmdResolve, Target: args[0], Args: map[string]string{"as": as}, Expect: string(ledger.Unknown), By: c.by, Why: c.why}, partition, answerWait)
			if err == nil {
				if err := outrun(answers, args[0], at, func() (*ledger.Command, error) { return r.Resolution(cmd.Context(), args[0]) }, s.Zone, spoken(cmd)); err != nil {
					return err
				}
			}
			return printAnswers(cmd, what, answers, err)
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "sent or not-sent")
	c.add(cmd)
	return cmd
}

// outrun says, of a resolution that the owner refused, who gave another one at the same time; nil: nobody did.
func outrun(answers []ledger.Answer, id string, at *ledger.Attempt, resolution func() (*ledger.Command, error), zone *time.Location, lang diag.Lang) error {
	if len(answers) != 1 || !answers[0].Refused {
		return nil
	}
	if said, err := resolution(); err == nil && said != nil { // else the owner's own words say why
		return notResolvable(id, at, said, zone, lang)
	}
	return nil
}

// decidesOn tells of an attempt that stands for several intents that one word decides on all of them.
func decidesOn(at *ledger.Attempt, lang diag.Lang) string {
	n := len(at.Affected)
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(mostly(lang, ": it decides on %d intents of rule %s at once; which: notifier attempts %s", "：一次决定规则 %[2]s 的 %[1]d 个待发任务；是哪些：notifier attempts %[3]s"), n, at.Rule, at.ID)
}

// ledgerLost says of an attempt that fates name and the ledger cannot know that its ledger was lost; nil: it is none.
func ledgerLost(ctx context.Context, r *query.Reader, st *ledger.State, id string, lang diag.Lang) error {
	if st == nil || st.Genesis == nil || strings.HasPrefix(id, st.Genesis.Incarnation+"-") {
		return nil
	}
	named := false
	if err := r.Fates(ctx, query.Filter{}, func(f ledger.Fate) error { named = named || f.Attempt == id; return nil }); err != nil {
		return unreachable(err)
	}
	if !named {
		return nil
	}
	return &exitError{exitGate, fmt.Errorf(mostly(lang, "attempt %s is of a ledger that was lost: nobody can resolve it any more, its fates stay as they are, and what it used is what `notifier quota assume` said; next: notifier attempts %[1]s", "发送记录 %s 属于已经丢失的账本：不能再给结论，它的处理结果不再改变，用掉的名额以 `notifier quota assume` 说的为准；下一步：notifier attempts %[1]s"), id)}
}

// resolutionStands refuses a second word on an attempt while the first stands: that one will be final, and the owner would refuse this one when
// nobody looks any more.
func resolutionStands(stand []ledger.Standing, id string, zone *time.Location, lang diag.Lang) error {
	for _, c := range stand {
		if c.Cmd == ledger.CmdResolve && c.Target == id {
			return &exitError{exitGate, fmt.Errorf(mostly(lang, "attempt %s: %s said %s at %s: %s; that stands and is obeyed when the owner of partition %d runs, and a resolution is final; next: notifier status", "发送记录 %s：%s 给出了 %s，时间 %s：%s；这个结论等分区 %d 的实例运行时执行，结论不能改；下一步：notifier status"), id, c.By, c.Args["as"],
				c.At.In(zone).Format("2006-01-02 15:04:05 -07:00"), c.Why, c.Partitions[0])}
		}
	}
	return nil
}

// notResolvable says why an attempt needs no human's word: somebody has said it, or there is no such attempt (nil). No command is sent: the
// owner would refuse it.
func notResolvable(id string, at *ledger.Attempt, said *ledger.Command, zone *time.Location, lang diag.Lang) error {
	switch {
	case said != nil:
		return &exitError{exitGate, fmt.Errorf(mostly(lang, "attempt %s is resolved as %s already, by %s at %s: %s; a resolution is final", "发送记录 %s 已经有结论 %s，由 %s 于 %s 给出：%s；结论不能改"), id, said.Args["as"], said.By,
			said.At.In(zone).Format("2006-01-02 15:04:05 -07:00"), said.Why)}
	case at != nil:
		return &exitError{exitGate, fmt.Errorf(mostly(lang, "attempt %s is %s already, by %s: %s; a resolution is final", "发送记录 %s 已经是 %s，操作人 %s：%s；结论不能改"), id, at.Detail, at.By, at.Why)}
	}
	return &exitError{exitUsage, fmt.Errorf(mostly(lang, "no attempt %q on record; next: notifier attempts --unknown", "没有发送记录 %q；下一步：notifier attempts --unknown"), id)}
}

// attemptPartition is the partition whose owner made an attempt.
func attemptPartition(id string, lang diag.Lang) (int32, error) {
	p, err := ledger.AttemptPartition(id)
	if err != nil {
		return 0, errors.New(mostly(lang, err.Error(), fmt.Sprintf("%q 不是发送记录的编号；下一步：notifier attempts --unknown", id)))
	}
	return p, nil
}
