package main

import (
	"cmp"
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
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

func newApprovalsCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "requests that wait for people, as they would leave: list, approve, reject",
		Example: `  notifier approvals list
  notifier approvals approve 3f9c2a1b07
  notifier approvals reject 3f9c2a1b07 --why "the date is wrong"`,
		Args: cobra.NoArgs,
		RunE: wantsSub,
	}
	cmd.AddCommand(newApprovalsListCmd(), newDecideCmd(ledger.CmdApprove), newDecideCmd(ledger.CmdReject))
	return cmd
}

func newApprovalsListCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "what waits, as it would leave, until when, and who has approved",
		Example: "  notifier approvals list\n  notifier approvals list --format jsonl",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := listFormat(spoken(cmd), format); err != nil {
				return err
			}
			_, s, v, err := waiting(cmd)
			if err != nil {
				return err
			}
			lang, err := languageOf(cmd)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return printApprovals(cmd.OutOrStdout(), format, v, s.Zone, lang)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text, json or jsonl")
	return cmd
}

// waiting reads what waits for approval.
func waiting(cmd *cobra.Command) (*query.Reader, *settings.Settings, *app.ApprovalsView, error) {
	r, s, err := reader(cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	states, err := r.Ledgers(cmd.Context())
	if err != nil {
		return nil, nil, nil, unreachable(err)
	}
	set, _ := rules.Load([]string{s.Rules}, app.RuleOptions(s)) // broken files only leave the owners out
	v := app.ApprovalsOf(s, set, states)
	return r, s, &v, nil
}

func printApprovals(out io.Writer, format string, v *app.ApprovalsView, zone *time.Location, lang diag.Lang) error {
	switch format {
	case "json":
		return printJSON(out, v)
	case "jsonl":
		for i := range v.Approvals {
			b, err := json.Marshal(&v.Approvals[i])
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\n", b)
		}
		return nil
	}
	for i := range v.Approvals {
		fmt.Fprintln(out, approvalText(&v.Approvals[i], zone, lang))
	}
	if len(v.Approvals) == 0 {
		fmt.Fprintln(out, mostly(lang, "nothing waits for approval", "没有等待批准的请求"))
		return nil
	}
	fmt.Fprintln(out, mostly(lang, "next: notifier approvals approve ID, or notifier approvals reject ID --why TEXT", "下一步：notifier approvals approve ID，或 notifier approvals reject ID --why 原因"))
	return nil
}

// approvalText shows a request: what the person who decides must have seen.
func approvalText(v *app.ApprovalView, zone *time.Location, lang diag.Lang) string {
	if v.Tags != nil {
		return tagsApprovalText(v, zone, lang)
	}
	var b strings.Builder
	r := v.Request
	fmt.Fprintf(&b, "%s  %s  %s %s  %s  %s\n", v.ID, r.Rule, r.Lane, r.Endpoint, slots(r.Slots, lang), audienceText(r.Audience, lang))
	row := func(key, text string) {
		if text != "" {
			zh := map[string]string{"problem": "问题", "title": "标题", "body": "正文", "link": "链接", "image": "图片", "message": "消息", "event": "事件", "owner": "负责人", "approved": "批准", "until": "截止"}[key]
			fmt.Fprintf(&b, "  %s %s\n", runewidth.FillRight(mostly(lang, key, cmp.Or(zh, key)), 9), diag.Tame(text))
		}
	}
	if r.Problem != "" {
		row("problem", mostly(lang, "it cannot leave like this: ", "照这样发不出去：")+r.Problem)
	}
	if c := r.Content; c != nil {
		row("title", c.Title)
		row("body", c.Body)
		row("link", c.Link)
		row("image", c.Image)
		if m := c.Message; m != nil {
			row("message", m.Type)
			for _, k := range sortedKeys(m.Content) {
				row("  "+k, m.Content[k])
			}
		}
	}
	row("event", r.Event)
	row("owner", r.Owner)
	by := make([]string, 0, len(r.Approved))
	for _, c := range r.Approved {
		by = append(by, strings.TrimSpace(c.By+" "+c.Why))
	}
	row("approved", strings.TrimSuffix(fmt.Sprintf(mostly(lang, "%d of %d: %s", "已有 %d 人，要 %d 人：%s"), len(r.Approved), r.People, strings.Join(by, mostly(lang, ", ", "、"))), mostly(lang, ": ", "：")))
	row("until", r.Expires.In(zone).Format("2006-01-02 15:04:05 -07:00")+mostly(lang, ", then it is suppressed (not-approved)", "，之后不发（not-approved）"))
	return strings.TrimSuffix(b.String(), "\n")
}

// tagsApprovalText shows what a change of tag rules does.
func tagsApprovalText(v *app.ApprovalView, zone *time.Location, lang diag.Lang) string {
	t := v.Tags
	var b strings.Builder
	fmt.Fprintf(&b, mostly(lang, "%s  %d of %d known users get other tags, more than tags.max_change allows (%d)\n", "%s  %d 个用户的标签会变，已知用户共 %d 个，超过了 tags.max_change 允许的 %d 个\n"), v.Shown(), t.Users, t.Known, t.Limit)
	for _, x := range t.Turns {
		fmt.Fprintf(&b, "  %-30s +%d -%d\n", diag.Tame(x.Tag), x.Gains, x.Losses)
	}
	if t.Others > 0 {
		fmt.Fprintf(&b, mostly(lang, "  and %d tags more\n", "  另有 %d 个标签\n"), t.Others)
	}
	fmt.Fprintf(&b, mostly(lang, "  waits since %s; rejected, the tags stay as they are and the next reload asks again", "  自 %s 起等待；驳回的话标签不变，下次重新加载规则时再问"), v.Since.In(zone).Format("2006-01-02 15:04:05 -07:00"))
	return b.String()
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func slots(n int, lang diag.Lang) string {
	if lang == diag.ZH {
		return fmt.Sprintf("%d 个名额", n)
	}
	if n == 1 {
		return "1 slot"
	}
	return fmt.Sprintf("%d slots", n)
}

// audienceText says whom a request reaches.
func audienceText(a *intent.Audience, lang diag.Lang) string {
	switch {
	case a == nil:
		return mostly(lang, "to nobody", "不发给任何人")
	case a.Everyone:
		return mostly(lang, "to everyone", "发给全部用户")
	case a.Online:
		return mostly(lang, "to everyone who is online", "发给全部在线用户")
	}
	var parts []string
	for _, x := range []struct {
		what string
		tags []string
	}{{mostly(lang, "all of", "同时有"), a.AllOf}, {mostly(lang, "any of", "任一"), a.AnyOf}, {mostly(lang, "none of", "排除"), a.NoneOf}} {
		if len(x.tags) > 0 {
			parts = append(parts, x.what+" "+strings.Join(x.tags, " "))
		}
	}
	if a.Package != "" {
		parts = append(parts, mostly(lang, "package ", "包名 ")+a.Package)
	}
	return mostly(lang, "to ", "发给 ") + strings.Join(parts, mostly(lang, ", ", "，"))
}

func newDecideCmd(what string) *cobra.Command {
	var c changeFlags
	cmd := &cobra.Command{
		Use:   what + " ID",
		Short: "let a request go on to the next gates; with people: 2, two names must approve",
		Long: `The gates behind approval act when the request is released: quiet hours, pauses and quota may still hold it. Exit code 5: it
does not wait any more, this person has approved already, it is not what was listed, or the next gate suppresses it. A change of tags is listed as
tags/ACCOUNT@REVISION: by that name only what was listed is approved. tags/ACCOUNT alone is the change as this command shows it.`,
		Example: `  notifier approvals list
  notifier approvals approve 3f9c2a1b07
  notifier approvals approve tags/main@8c1f02ab9d`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return decide(cmd, what, args[0], c) },
	}
	if what == ledger.CmdReject {
		cmd.Use, cmd.Short, cmd.Long = "reject ID --why TEXT", "suppress a request that waits (not-approved), or leave tags as they are", `One person is enough. The fate names who rejected it, and why. A rejected change of tags (tags/ACCOUNT) writes nothing, and
the next reload of the rule files asks again.`
		cmd.Example = `  notifier approvals reject 3f9c2a1b07 --why "the date is wrong"`
		c.add(cmd)
	} else {
		c.addTo(cmd, "a remark, kept on record")
	}
	return cmd
}

// decide sends a person's word on what waits to the owner of its account.
func decide(cmd *cobra.Command, what, id string, c changeFlags) error {
	lang, err := languageOf(cmd)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if what == ledger.CmdReject {
		if err := c.check(lang); err != nil {
			return err
		}
	}
	if c.by = strings.TrimSpace(c.by); ledger.Person(c.by) == "" {
		return &exitError{exitUsage, errors.New(mostly(lang, "--by is empty: say who decides", "--by 是空的：请写是谁决定的"))}
	}
	r, s, v, err := waiting(cmd)
	if err != nil {
		return err
	}
	name, seen := id, ""
	if strings.HasPrefix(id, "tags/") {
		name, seen, _ = strings.Cut(id, "@")
	}
	i := slices.IndexFunc(v.Approvals, func(x app.ApprovalView) bool {
		return x.ID == name || x.Request != nil && string(x.Request.Intent) == name
	})
	if i < 0 {
		return notWaiting(cmd, r, name, s.Zone, lang)
	}
	x := &v.Approvals[i]
	if name != id && seen != x.Tags.ID {
		return &exitError{exitGate, fmt.Errorf(mostly(lang, "the change of tags is not %s any more, the rules or the users have changed since: look again; next: notifier approvals list", "标签变更已经不是 %s，之后规则或用户变过：请再看一遍；下一步：notifier approvals list"), id)}
	}
	word := what
	if x.Tags != nil && what == ledger.CmdApprove {
		word = strconv.Itoa(x.Tags.Users)
	}
	text := mostly(lang, what, map[string]string{ledger.CmdApprove: "批准", ledger.CmdReject: "驳回"}[what]) + "\n" + approvalText(x, s.Zone, lang)
	if err := confirm(cmd, c.yes, text, word); err != nil {
		return err
	}
	if c.yes && x.Tags != nil && name == id { // nobody has named a revision: what is approved, and nothing else, stands in the log of the script
		fmt.Fprintln(cmd.ErrOrStderr(), text)
	}
	err = order(cmd, r, s, x.Command(what, c.by, c.why), x.Key())
	if err == nil && what == ledger.CmdApprove && x.Request != nil && x.Request.Problem != "" { // the owner builds it when its turn comes
		held := dispatch.CannotLeave + x.Request.Problem
		fmt.Fprintf(cmd.OutOrStdout(), mostly(lang, "but %s   next: mend the account or the rule, or notifier pending cancel %s\n", "但%s   下一步：改账号或规则，或 notifier pending cancel %s\n"), diag.Tame(mostly(lang, held, explain.HoldsZH(held))), x.ID)
	}
	return err
}

// order sends a command to the owner of an account, by its identity, and prints the answer; a refusal is a gate's.
func order(cmd *cobra.Command, r *query.Reader, s *settings.Settings, c ledger.Command, key string) error {
	lang, err := languageOf(cmd)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	answers, err := r.Send(cmd.Context(), c, int32(ledger.HashPartition([]byte(key), s.Kafka.Partitions)), answerWait)
	if err != nil {
		return unreachable(err)
	}
	for _, a := range answers {
		text := diag.Visible(mostly(lang, a.Text, dispatch.AnswerZH(a.Text)))
		if !a.OK {
			return &exitError{exitGate, errors.New(text)}
		}
		fmt.Fprintln(cmd.OutOrStdout(), text)
	}
	return nil
}

// notWaiting says what an id is that does not wait for approval: one that stands elsewhere or has its fate is refused by its gate, any
// other is a mistake.
func notWaiting(cmd *cobra.Command, r *query.Reader, id string, zone *time.Location, lang diag.Lang) error {
	if account, ok := strings.CutPrefix(id, "tags/"); ok && !strings.Contains(account, "/") {
		return &exitError{exitGate, fmt.Errorf(mostly(lang, "no change of tags of account %s waits for approval; next: notifier status", "账号 %s 没有等待批准的标签变更；下一步：notifier status"), account)}
	}
	is := func(in intent.ID) bool { return string(in) == id || ledger.ApprovalID(in) == id }
	states, err := r.Ledgers(cmd.Context())
	if err != nil {
		return unreachable(err)
	}
	for _, st := range states {
		for _, p := range st.Pending {
			if !is(p.Intent.ID) {
				continue
			}
			if by := p.Approval.Names(); len(by) > 0 {
				return &exitError{exitGate, fmt.Errorf(mostly(lang, "%s is approved already, by %s, and waits at a later gate; next: notifier status", "%s 已由 %s 批准，正在后面的关卡等待；下一步：notifier status"), id, strings.Join(by, mostly(lang, " and ", "、")))}
			}
			return &exitError{exitGate, fmt.Errorf(mostly(lang, "%s does not wait for approval now; next: notifier approvals list", "%s 现在不等待批准；下一步：notifier approvals list"), id)}
		}
	}
	var last *ledger.Fate
	if err := r.Fates(cmd.Context(), query.Filter{}, func(f ledger.Fate) error {
		if is(f.Intent) {
			last = &f
		}
		return nil
	}); err != nil {
		return unreachable(err)
	}
	if last == nil {
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "nothing with the id %q waits for approval; next: notifier approvals list", "没有 ID 是 %q 的请求在等待批准；下一步：notifier approvals list"), id)}
	}
	return &exitError{exitGate, fmt.Errorf(mostly(lang, "%s has its fate since %s: %s %s; next: notifier fates %s", "%s 从 %s 起已有处理结果：%s %s；下一步：notifier fates %s"), id, last.At.In(zone).Format("2006-01-02 15:04:05 -07:00"), last.Fate, fateTextIn(last, zone, lang), diag.Tame(last.Event.ID))}
}
