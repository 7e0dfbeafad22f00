package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
)

func newPendingCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pending",
		Short: "held and merging intents: list, cancel, extend",
		Example: `  notifier pending list --rule flash-sale-by-city
  notifier pending cancel 3f9c2a1b07 --why "ordered twice"
  notifier pending extend --rule flash-sale-by-city --by 2h --why "vendor incident 4711"`,
		Args: cobra.NoArgs,
		RunE: wantsSub,
	}
	cmd.AddCommand(newPendingListCmd(), newCancelCmd(), newExtendCmd())
	return cmd
}

func newPendingListCmd() *cobra.Command {
	var format string
	var f app.PendingFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "intents without a fate, what leaves next first",
		Example: `  notifier pending list
  notifier pending list --state merging --lane main/user --format jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := listFormat(spoken(cmd), format); err != nil {
				return err
			}
			if f.Limit < 0 {
				return &exitError{exitUsage, errors.New(mostly(spoken(cmd), "--limit is a number of intents, 0 for all", "--limit 是待发任务的个数，0 是全部"))}
			}
			if names := pendingStates(); f.State != "" && !slices.Contains(names, f.State) {
				return &exitError{exitUsage, fmt.Errorf(mostly(spoken(cmd), "unknown --state %q: %s", "没有 --state %q：%s"), f.State, strings.Join(names, mostly(spoken(cmd), ", ", "、")))}
			}
			r, s, err := reader(cmd)
			if err != nil {
				return err
			}
			if f.Lane != "" && !strings.HasSuffix(f.Lane, "/none") {
				if err := knownScope(s, "lane/"+f.Lane, spoken(cmd)); err != nil {
					return &exitError{exitUsage, err}
				}
			}
			states, err := r.Ledgers(cmd.Context())
			if err != nil {
				return unreachable(err)
			}
			set := reserving(cmd, s)
			v := app.PendingOf(s, set, states, f, time.Now())
			if f.Rule != "" && v.Total == 0 {
				if err := knownRule(s, f.Rule, spoken(cmd)); err != nil {
					return &exitError{exitUsage, err}
				}
			}
			return printPending(cmd.OutOrStdout(), cmd.ErrOrStderr(), format, &v, s.Zone, spoken(cmd))
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text, json or jsonl")
	cmd.Flags().StringVar(&f.Rule, "rule", "", "only of this rule")
	cmd.Flags().StringVar(&f.Lane, "lane", "", "only of this lane, ACCOUNT/LANE")
	cmd.Flags().StringVar(&f.State, "state", "", "only in this state: "+strings.Join(pendingStates(), ", "))
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "how many to show, 0 for all")
	return cmd
}

func pendingStates() (out []string) {
	for _, s := range dispatch.States {
		if out = append(out, s.String()); s.String() == "quota" {
			out = append(out, app.StateStopped)
		}
	}
	return out
}

func printPending(out, talk io.Writer, format string, v *app.PendingView, zone *time.Location, lang diag.Lang) error {
	more := fmt.Sprintf(mostly(lang, "%d more; next: --limit 0 for all, or --rule, --lane, --state", "另有 %d 个；下一步：--limit 0 看全部，或用 --rule、--lane、--state"), v.More)
	switch format {
	case "json":
		return printJSON(out, v)
	case "jsonl":
		for i := range v.Pending {
			b, err := json.Marshal(&v.Pending[i])
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\n", b)
		}
		if v.More > 0 {
			fmt.Fprintln(talk, more)
		}
		return nil
	}
	if v.Total == 0 {
		fmt.Fprintln(out, mostly(lang, "nothing is pending", "没有待发任务"))
		return nil
	}
	w := &columns{to: out}
	fmt.Fprintln(w, mostly(lang, "ID\tEVENT\tUSER\tRULE\tLANE\tSTATE\tNOT BEFORE\tEXPIRES\tDETAIL", "编号\t事件\t用户\t规则\t发送通道\t状态\t不早于\t过期作废\t说明"))
	for i := range v.Pending {
		x := &v.Pending[i]
		detail := mostly(lang, x.Holds, explain.HoldsZH(x.Holds))
		if x.Waits != "" && x.Holds == "" {
			detail = mostly(lang, x.Waits, dispatch.TurnZH(x.Waits))
		}
		if x.Triggers > 0 {
			detail = mostly(lang, many(x.Triggers, "trigger"), fmt.Sprintf("%d 次触发", x.Triggers))
		}
		if x.Stopped != "" {
			detail = fmt.Sprintf(mostly(lang, "lane stopped (%s)   next: %s", "发送通道停止（%s）   下一步：%s"), x.Stopped, whyOf(x.Rule))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, diag.Tame(x.Event), diag.Tame(x.Target), x.Rule, x.Lane, x.State, timeOr(x.Next, zone, "-"), timeOr(x.Expire, zone, mostly(lang, "never", "不过期")), diag.Tame(detail))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var counts []string
	for _, s := range pendingStates() {
		if n := v.States[s]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, s))
		}
	}
	fmt.Fprintf(out, mostly(lang, "%d pending: %s\n", "共 %d 个：%s\n"), v.Total, strings.Join(counts, mostly(lang, ", ", "，")))
	if v.More > 0 {
		fmt.Fprintln(out, more)
	}
	return nil
}

// timeOr shows a time in the settings' zone, or a word for none.
func timeOr(t time.Time, zone *time.Location, none string) string {
	if t.IsZero() {
		return none
	}
	return t.In(zone).Format("01-02 15:04:05 -07:00")
}

func newCancelCmd() *cobra.Command {
	var c changeFlags
	cmd := &cobra.Command{
		Use:   "cancel ID --why TEXT",
		Short: "give up one intent that has not left",
		Long: `It is SUPPRESSED(cancelled); what was merged into it goes with it. There is no undo. Exit code 5: it is in flight, or has its
fate; then nothing was done.`,
		Example: `  notifier pending cancel 3f9c2a1b07 --why "ordered twice"`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return cancelPending(cmd, args[0], c) },
	}
	c.add(cmd)
	return cmd
}

func cancelPending(cmd *cobra.Command, id string, c changeFlags) error {
	lang := spoken(cmd)
	if err := c.check(lang); err != nil {
		return err
	}
	r, s, err := reader(cmd)
	if err != nil {
		return err
	}
	states, err := r.Ledgers(cmd.Context())
	if err != nil {
		return unreachable(err)
	}
	found := app.FindPending(states, id)
	switch {
	case len(found) == 0:
		return notPending(cmd, r, id, s.Zone)
	case len(found) > 1:
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "%d pending intents have the short id %q: name one by its whole id; next: notifier pending list --format jsonl --limit 0", "有 %d 个待发任务的短编号是 %q：请写完整编号；下一步：notifier pending list --format jsonl --limit 0"), len(found), id)}
	}
	in, short := found[0].Intent, ledger.ApprovalID(found[0].Intent.ID)
	ask := fmt.Sprintf(mostly(lang, "cancel %s: event %s, rule %s, to %s, given up for good", "取消 %s：事件 %s，规则 %s，发给 %s，放弃后不能恢复"), short, diag.Tame(in.Event.ID), in.Rule, diag.Tame(in.Target))
	if m := found[0].Merged; m != nil {
		ask += mostly(lang, ", with the "+many(m.Count, "trigger")+" merged into it", fmt.Sprintf("，连同并入它的 %d 次触发", m.Count))
	}
	if err := confirm(cmd, c.yes, ask, short); err != nil {
		return err
	}
	return order(cmd, r, s, ledger.Command{Cmd: ledger.CmdCancel, Target: string(in.ID), Args: map[string]string{ledger.ArgAccount: in.Key}, By: c.by, Why: c.why}, in.Key)
}

// notPending tells an id that has its fate from one that never was.
func notPending(cmd *cobra.Command, r *query.Reader, id string, zone *time.Location) error {
	var last *ledger.Fate
	err := r.Fates(cmd.Context(), query.Filter{}, func(f ledger.Fate) error {
		if string(f.Intent) == id || ledger.ApprovalID(f.Intent) == id {
			last = &f
		}
		return nil
	})
	if err != nil {
		return unreachable(err)
	}
	if last == nil {
		return &exitError{exitUsage, fmt.Errorf(mostly(spoken(cmd), "nothing with the id %q is pending; next: notifier pending list", "没有编号为 %q 的待发任务；下一步：notifier pending list"), id)}
	}
	return &exitError{exitGate, fmt.Errorf(mostly(spoken(cmd), "%s has its fate since %s: %s %s; next: notifier fates %s", "%s 从 %s 起已有处理结果：%s %s；下一步：notifier fates %s"), id, last.At.In(zone).Format("2006-01-02 15:04:05 -07:00"), last.Fate, fateTextIn(last, zone, spoken(cmd)), diag.Tame(last.Event.ID))}
}

func newExtendCmd() *cobra.Command {
	var c changeFlags
	var rule, by string
	cmd := &cobra.Command{
		Use:   "extend --rule NAME --by DURATION --why TEXT",
		Short: "let what a rule holds expire later",
		Long: `Moves the expiry of what the rule holds now; what comes later expires as its rule says, and so does what has no expiry. The time that
people have for an approval is not moved.`,
		Example: `  notifier pending extend --rule flash-sale-by-city --by 2h --why "vendor incident 4711"`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return extendPending(cmd, rule, by, c) },
	}
	cmd.Flags().StringVar(&rule, "rule", "", "the rule (required)")
	cmd.Flags().StringVar(&by, "by", "", "how much later, for example 2h or 1d (required)")
	cmd.Flags().StringVar(&c.by, "who", whoami(), "who does it")
	cmd.Flags().StringVar(&c.why, "why", "", "the reason, kept on record (required)")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
	return cmd
}

func extendPending(cmd *cobra.Command, rule, by string, c changeFlags) error {
	lang := spoken(cmd)
	if rule == "" {
		return &exitError{exitUsage, errors.New(mostly(lang, "--rule is missing: say whose intents expire later; next: notifier pending list", "缺少 --rule：请写哪条规则的待发任务晚一些过期；下一步：notifier pending list"))}
	}
	d, err := diag.ParseDuration(by)
	if err != nil || d <= 0 || d > ledger.MaxExtension {
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "--by %q: say how much later, up to %dd, for example 2h", "--by %q：请写推迟多久，最多 %dd，例如 2h"), by, ledger.MaxExtension/(24*time.Hour))}
	}
	if err := c.check(lang); err != nil {
		return err
	}
	r, s, err := reader(cmd)
	if err != nil {
		return err
	}
	states, err := r.Ledgers(cmd.Context())
	if err != nil {
		return unreachable(err)
	}
	held := 0
	for _, st := range states {
		for _, p := range st.Pending {
			if p.Intent.Rule == rule && p.Intent.Profile == nil && !p.Intent.Policy.Expire.IsZero() {
				held++
			}
		}
	}
	if held == 0 {
		if err := knownScope(s, "rule/"+rule, lang); err != nil {
			return &exitError{exitUsage, err}
		}
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "rule %s holds nothing that expires; next: notifier pending list", "规则 %s 没有会过期的待发任务；下一步：notifier pending list"), rule)}
	}
	what := fmt.Sprintf("extend %s by %s", rule, diag.FormatDuration(d))
	if err := confirm(cmd, c.yes, what+mostly(lang, ": what it holds now expires later, "+many(held, "intent"), fmt.Sprintf("：它现在的 %d 个待发任务晚一些过期", held)), rule); err != nil {
		return err
	}
	answers, err := r.Send(cmd.Context(), ledger.Command{Cmd: ledger.CmdExtend, Target: rule, Args: map[string]string{ledger.ArgFor: d.String()}, By: c.by, Why: c.why}, -1, answerWait)
	return printAnswers(cmd, what, answers, err)
}
