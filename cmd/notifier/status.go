package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

func newStatusCmd() *cobra.Command {
	var format, rule, wait string
	var why, partitions bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "who owns what, what waits, what is stopped; --why: each gate that holds; --wait idle: when all is done",
		Long: `What stands was given as a command and is not obeyed by all yet: it is when the owners of those partitions run.

Exit 1: a partition, ours or of an event topic, is stopped, the books do not balance, something waits for an account that the settings
do not have, or --wait idle was not idle in time.

--wait idle returns when everything that came is read, taken in and has left, but for what waits for time (quiet hours, send_at, a
merge, a slot of the quota) or for people (an approval, a pause). What waits in a lane that the vendor has stopped is waited for. A
stopped partition ends the waiting: no waiting mends that. Progress is on stderr.`,
		Example: `  notifier status
  notifier status --why
  notifier status --why --rule flash-sale-by-city
  notifier status --partitions
  notifier status --wait idle --timeout 5m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lang := spoken(cmd)
			if err := jsonOrText(lang, format); err != nil {
				return err
			}
			if rule != "" && !why {
				return &exitError{exitUsage, errors.New(mostly(lang, "--rule goes with --why: notifier status --why --rule ", "--rule 要和 --why 一起用：notifier status --why --rule ") + rule)}
			}
			if why && (partitions || wait != "") || partitions && wait != "" {
				return &exitError{exitUsage, errors.New(mostly(lang, "--why, --partitions and --wait are one at a time", "--why、--partitions、--wait 每次只能用一个"))}
			}
			if wait != "" && wait != idle {
				return &exitError{exitUsage, fmt.Errorf(mostly(lang, "unknown --wait %q: %s", "没有 --wait %q：%s"), wait, idle)}
			}
			if cmd.Flags().Changed("timeout") && (wait == "" || timeout <= 0) {
				return &exitError{exitUsage, errors.New(mostly(lang, "--timeout goes with --wait and is more than nothing: notifier status --wait idle --timeout 5m", "--timeout 要和 --wait 一起用，而且大于 0：notifier status --wait idle --timeout 5m"))}
			}
			switch {
			case why:
				return statusWhy(cmd, rule, format)
			case partitions:
				return statusPartitions(cmd, format)
			case wait != "":
				return statusWait(cmd, timeout, format)
			}
			r, s, err := reader(cmd)
			if err != nil {
				return err
			}
			given, err := r.Given(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			states, err := r.Ledgers(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			halts, err := r.Halts(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			st := app.StatusOf(s, states, halts, time.Now())
			if st.Instances, err = r.Running(cmd.Context()); err != nil {
				return &exitError{exitUnreachable, err}
			}
			st.Commands = app.CommandsOf(s, given.Standing(states))
			set, _ := rules.Load([]string{s.Rules}, app.RuleOptions(s)) // with errors: of the topics that can be made out
			lost, err := r.Lost(cmd.Context(), eventTopics(s, set))
			if err != nil { // the rest is known without it
				fmt.Fprintf(cmd.ErrOrStderr(), mostly(lang, "note: %v; next: notifier doctor\n", "提示：%v；下一步：notifier doctor\n"), err)
			}
			st.Lost = append(st.Lost, lost...)
			bad := !st.Balanced || len(halts)+len(st.Lost)+len(st.Missing) > 0
			if format == "json" {
				if err := printJSON(cmd.OutOrStdout(), st); err != nil || !bad {
					return err
				}
				return &exitError{code: exitFindings}
			}
			out := cmd.OutOrStdout()
			sayHalts(out, halts, lang)
			sayLost(out, st.Lost, lang)
			sayMissing(out, st.Missing, lang)
			sayInstances(out, st.Instances, s.Zone, lang)
			if len(st.Partitions) == 0 && len(halts) == 0 {
				fmt.Fprintln(out, mostly(lang, "no partition has an owner yet: nothing was ever sent, or the first instance is still starting   next: notifier status --why", "还没有分区有实例负责：从来没有发送过，或第一个实例还在启动   下一步：notifier status --why"))
			}
			for _, p := range st.Partitions {
				fmt.Fprintf(out, mostly(lang, "partition %d  owner %s  intents %d = %d fates + %d pending  users %d\n", "分区 %d  由 %s 负责  待发任务 %d = %d 个有处理结果 + %d 个没处理完  用户 %d\n"), p.Partition, p.Owner, p.Intents, p.Fates, p.Pending, p.Users)
			}
			for _, scope := range slices.Sorted(maps.Keys(st.Pauses)) {
				p := st.Pauses[scope]
				next := nextIn(lang, app.AfterPause(scope, p))
				if rule, off := strings.CutPrefix(scope, "off/"); off {
					fmt.Fprintf(out, mostly(lang, "held  rule %s  %s  since %s%s%s   next: %s\n", "暂停  规则 %s  %s  从 %s 起%s%s   下一步：%s\n"), rule, mostly(lang, p.Why, explain.HeldByFilesZH(p.Why)), p.At.In(s.Zone).Format(time.DateTime), beingResumed(p, lang), afterFiles(p, lang), next)
					continue
				}
				if brake := p.OfBrake(); brake != nil {
					fmt.Fprintf(out, mostly(lang, "brake  %s  paused itself: %s  since %s   next: %s\n", "刹车  %s  自动暂停：%s  从 %s 起   下一步：%s\n"), scope, mostly(lang, brake.Why, app.WhyZH(brake.Why)), brake.At.In(s.Zone).Format(time.DateTime), next)
				}
				if p.Brake {
					continue
				}
				fmt.Fprintf(out, mostly(lang, "paused  %s  by %s: %s  since %s%s   next: %s\n", "暂停  %s  操作人 %s：%s  从 %s 起%s   下一步：%s\n"), scope, diag.Tame(p.By), diag.Tame(p.Why), p.At.In(s.Zone).Format(time.DateTime), beingResumed(p, lang), next)
			}
			for _, rule := range slices.Sorted(maps.Keys(st.Kills)) {
				k := st.Kills[rule]
				fmt.Fprintf(out, mostly(lang, "killed  %s  by %s: %s  since %s   next: %s\n", "作废  %s  操作人 %s：%s  从 %s 起   下一步：%s\n"), rule, diag.Tame(k.By), diag.Tame(k.Why), k.At.In(s.Zone).Format(time.DateTime), nextIn(lang, app.AfterKill(rule)))
			}
			sayCommands(out, st.Commands, s.Zone, lang)
			sayStopped(out, st.Lanes, time.Now(), s.Zone, lang)
			for _, x := range st.External {
				what := mostly(lang, "somebody else used "+many(x.N, "slot")+" in 24 h", fmt.Sprintf("24 小时内别人用掉了 %d 个名额", x.N))
				if x.Refusals {
					what = fmt.Sprintf(mostly(lang, "somebody else uses this App Key: the vendor refused %s in 24 h as too many although we kept its limit", "别人也在用这个 App Key：我们没有超限，厂商 24 小时内仍以超频拒绝了%s"), mostly(lang, many(x.N, "call"), fmt.Sprintf(" %d 个请求", x.N)))
				}
				fmt.Fprintf(out, mostly(lang, "external  %s  %s, last %s   next: docs/runbook.md#app-key\n", "外部  %s  %s，最近一次 %s   下一步：docs/runbook.zh-CN.md#app-key\n"), x.Lane, what, x.Last.In(s.Zone).Format(time.DateTime))
			}
			for _, x := range st.Resyncs {
				fmt.Fprintf(out, mostly(lang, "resync  %s  by %s since %s  %s\n", "重新对标签  %s  操作人 %s  从 %s 起  %s\n"), x.Account, diag.Tame(x.By), x.At.In(s.Zone).Format(time.DateTime), howFar(&x, s.Zone, lang))
			}
			if st.Approvals > 0 {
				fmt.Fprintf(out, mostly(lang, "approval  %d wait for people   next: notifier approvals list\n", "批准  %d 个等人批准   下一步：notifier approvals list\n"), st.Approvals)
			}
			for _, x := range st.LateProfiles {
				fmt.Fprintf(out, mostly(lang, "profiles  %s  kept only since %s, %d users known: whether others have opted out is not known   next: docs/runbook.md#late-profiles\n", "用户资料  %s  从 %s 才开始记录，已知 %d 个用户：其他用户是否拉黑或退订，无从知道   下一步：docs/runbook.zh-CN.md#late-profiles\n"), x.Account, x.Since.In(s.Zone).Format(time.DateTime), x.Users)
			}
			for i := range st.TagChanges {
				fmt.Fprintf(out, mostly(lang, "tag rules  %s  %s\n", "标签规则  %s  %s\n"), st.TagChanges[i].Account, tagChangeText(&st.TagChanges[i], s.Zone, lang))
			}
			if st.Unknown > 0 {
				fmt.Fprintf(out, mostly(lang, "unknown  %d calls wait for a human   next: notifier attempts --unknown\n", "结果未知  %d 个请求等人给出结论   下一步：notifier attempts --unknown\n"), st.Unknown)
			}
			if !st.Balanced {
				fmt.Fprintln(out, mostly(lang, "the books do not balance   next: keep the topics and report it", "账对不上   下一步：保留主题并报告"))
			}
			if bad {
				return &exitError{code: exitFindings}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().BoolVar(&why, "why", false, "walk the gates in the order in which an event passes them")
	cmd.Flags().StringVar(&rule, "rule", "", "with --why: of this rule")
	cmd.Flags().BoolVar(&partitions, "partitions", false, "of each partition the owner, what is not read yet, what is pending, what is stopped")
	cmd.Flags().StringVar(&wait, "wait", "", "idle: return when nothing is left to do now")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "with --wait: exit 1 after this time, like 5m (default: never)")
	return cmd
}

// tagChangeText tells how far the known users are evaluated by the present tag rules.
func tagChangeText(t *app.TagChangeView, zone *time.Location, lang diag.Lang) string {
	since := t.At.In(zone).Format(time.DateTime)
	switch {
	case !t.Waits.IsZero():
		return fmt.Sprintf(mostly(lang, "the owner took over with other rules than users were last evaluated by: it evaluates them again at %s   next: roll out the same rule files everywhere", "接手的实例规则与上次给用户判断时不同：%s 重新判断   下一步：让所有实例的规则文件一致"),
			t.Waits.In(zone).Format(time.DateTime))
	case t.State == ledger.TagsCounting:
		return mostly(lang, "changed: the users who get other tags are counted since "+since, "有改动：从 "+since+" 起在数哪些用户的标签会变")
	case t.State == ledger.TagsApproval:
		return fmt.Sprintf(mostly(lang, "changed: %d of %d known users would get other tags, more than %d: they wait since %s   next: notifier approvals list", "有改动：%d 个用户的标签会变（已知用户共 %d 个），超过 %d 个：从 %s 起等待批准   下一步：notifier approvals list"), t.Users, t.Known, t.Limit, since)
	case t.State == ledger.TagsRejected:
		return fmt.Sprintf(mostly(lang, "changed, and rejected by %s: %s, at %s: %d users keep their tags until the next reload", "有改动，被 %s 驳回：%s，时间 %s：%d 个用户的标签不变，直到下次重新加载"), t.By, t.Why, since, t.Users)
	}
	return fmt.Sprintf(mostly(lang, "changed: users are written since %s, %d of %d parts done, %d users written, %d refused", "有改动：从 %s 起在写用户，完成 %d 部分，共 %d 部分，已写 %d 个用户，被拒绝 %d 个"), since, t.Part, t.Parts, t.Written, t.Refused)
}

// howFar tells where a resync stands.
func howFar(x *app.ResyncView, zone *time.Location, lang diag.Lang) string {
	if x.Ended.IsZero() {
		return fmt.Sprintf(mostly(lang, "%d of %d parts done: %s", "完成 %d 部分，共 %d 部分：%s"), x.Part, x.Parts, driftText(x.Results, lang))
	}
	return fmt.Sprintf(mostly(lang, "ended %s: %s", "结束于 %s：%s"), x.Ended.In(zone).Format(time.DateTime), driftText(x.Results, lang))
}

// driftText tells what a comparison of tags found.
func driftText(d ledger.Drift, lang diag.Lang) string {
	if lang != diag.ZH {
		return d.String()
	}
	text := fmt.Sprintf("比对了 %d 个用户，%d 个不一致（缺 %d 个标签，多 %d 个），修好 %d 个", d.Checked, d.Differ, d.Missing, d.Extra, d.Repaired)
	for _, x := range []struct {
		n    int
		text string
	}{{d.Foreign, "个有不是我们的标签"}, {d.Unsettled, "个没有比对，改动正在路上"}, {d.Refused, "个被厂商拒绝"}} {
		if x.n > 0 {
			text += fmt.Sprintf("，%d %s", x.n, x.text)
		}
	}
	return text
}

// sayHalts names the partitions on which nobody works: what other lines say of them is what an earlier ledger knew, or nothing.
func sayHalts(out io.Writer, halts map[int32]ledger.Halt, lang diag.Lang) {
	for _, p := range slices.Sorted(maps.Keys(halts)) {
		h := halts[p]
		fmt.Fprintf(out, mostly(lang, "stopped  partition %d since %s (%s): %s   next: docs/runbook.md#stopped-partition\n", "停止  分区 %d 从 %s 起（%s）：%s   下一步：docs/runbook.zh-CN.md#stopped-partition\n"), p, h.At.Format(time.DateTime+"Z"), h.Instance, h.What)
	}
}

// sayLost names the event partitions of which nothing is read.
func sayLost(out io.Writer, lost []string, lang diag.Lang) {
	for _, p := range lost {
		fmt.Fprintf(out, mostly(lang, "stopped  %s is not read: the next offset is not in the log any more   next: docs/runbook.md#lost-offset\n", "停止  %s 没有在读：日志里已没有下一个要读的位置   下一步：docs/runbook.zh-CN.md#lost-offset\n"), p)
	}
}

// sayMissing names the accounts that the settings do not have and something waits for.
func sayMissing(out io.Writer, missing []app.MissingView, lang diag.Lang) {
	for _, m := range missing {
		what := []string{}
		if m.Intents > 0 {
			what = append(what, mostly(lang, many(m.Intents, "intent"), fmt.Sprintf("%d 个待发任务", m.Intents)))
		}
		if m.Calls > 0 {
			what = append(what, mostly(lang, many(m.Calls, "call")+" without an outcome yet", fmt.Sprintf("%d 个还没有结果的请求", m.Calls)))
		}
		fmt.Fprintf(out, mostly(lang, "no account  %s is not in the settings, for it wait: %s   next: %s\n", "缺账号  设置里没有 %s，等着它的有：%s   下一步：%s\n"), strings.TrimSpace(m.Account+" "+m.Identity), strings.Join(what, mostly(lang, ", ", "、")),
			mostly(lang, app.AfterLost(m.Identity), app.WhyZH(app.AfterLost(m.Identity))))
	}
}

// sayInstances tells which rules each process goes by.
func sayInstances(out io.Writer, instances []ledger.Instance, zone *time.Location, lang diag.Lang) {
	for _, i := range instances {
		fmt.Fprintf(out, mostly(lang, "instance %s  %s  rules %s since %s\n", "实例 %s  %s  规则 %s 从 %s 起\n"), i.Name, i.Version, i.RuleSet, i.Since.In(zone).Format(time.DateTime))
		if i.Failed != "" {
			fmt.Fprintf(out, mostly(lang, "  the files on its disk are not live since %s: %s   next: notifier check\n", "  它磁盘上的文件从 %s 起没有生效：%s   下一步：notifier check\n"), i.FailedAt.In(zone).Format(time.DateTime), diag.Tame(i.Failed))
		}
		if i.Parked != "" {
			fmt.Fprintf(out, mostly(lang, "  parked, they took too long: %s   next: docs/runbook.md#parked-rule\n", "  耗时太久，已停用：%s   下一步：docs/runbook.zh-CN.md#parked-rule\n"), i.Parked)
		}
	}
}

// mostCommands bounds how many commands are named: those of months may stand for a partition that has lost its ledger.
const mostCommands = 20

// sayCommands names the commands that stand, those given last if they are many.
func sayCommands(out io.Writer, all []app.CommandView, zone *time.Location, lang diag.Lang) {
	if n := len(all) - mostCommands; n > 0 {
		fmt.Fprintf(out, mostly(lang, "stands  %d older commands   next: notifier status --format json\n", "待执行  另有 %d 条更早的命令   下一步：notifier status --format json\n"), n)
		all = all[n:]
	}
	for _, c := range all {
		why := ""
		if c.Why != "" {
			why = ": " + diag.Tame(c.Why)
		}
		fmt.Fprintf(out, mostly(lang, "stands  %s  by %s%s  since %s  not obeyed yet by the owners of partitions %v   next: %s\n", "待执行  %s  操作人 %s%s  从 %s 起  分区 %v 的实例还没有执行   下一步：%s\n"), diag.Tame(c.What), diag.Tame(c.By), why, c.At.In(zone).Format(time.DateTime), c.Partitions, nextIn(lang, c.Next()))
	}
}

// afterFiles says what becomes of what the rule files hold.
func afterFiles(p ledger.Pause, lang diag.Lang) string {
	if p.Why == dispatch.GoneFromSet {
		return mostly(lang, "; it is given up after two minutes, unless the rule comes back", "；规则两分钟内不回来就作废")
	}
	return mostly(lang, "; mode: live lets it go (after a restart that takes two minutes)", "；改成 mode: live 就放行（重启之后要两分钟）")
}

// triedAgain says when a stopped lane finds out whether its cause is gone.
func triedAgain(l ledger.LaneState, now time.Time, zone *time.Location, lang diag.Lang) string {
	switch {
	case lang != diag.ZH:
		return app.TriedAgain(l, now, zone)
	case !l.Retry.After(now):
		return "下一个可以发出的请求会再试"
	}
	return l.Retry.In(zone).Format(time.DateTime) + " 再试"
}

// nextIn writes a next command with what stands in it for words of the user, and leads to the manual in their language.
func nextIn(lang diag.Lang, next string) string {
	if lang != diag.ZH {
		return next
	}
	next = strings.ReplaceAll(next, "docs/runbook.md#", "docs/runbook.zh-CN.md#")
	next = strings.ReplaceAll(next, "; once the vendor has enabled it: ", "；厂商开通之后：")
	return strings.ReplaceAll(next, "--why TEXT", "--why 原因")
}

// sayStopped names the stopped lanes, those of one account with the same cause in one line.
func sayStopped(out io.Writer, lanes map[string]ledger.LaneState, now time.Time, zone *time.Location, lang diag.Lang) {
	type cause struct{ account, reason, detail, next string }
	var order []cause
	same := map[cause][]string{}
	for _, lane := range slices.Sorted(maps.Keys(lanes)) {
		l := lanes[lane]
		account, name, _ := strings.Cut(lane, "/")
		c := cause{account, l.Reason, l.Detail, app.AfterStop(lane, l)}
		if same[c] == nil {
			order = append(order, c)
		}
		same[c] = append(same[c], name)
	}
	for _, c := range order {
		names := same[c]
		first, next := lanes[c.account+"/"+names[0]], lanes[c.account+"/"+names[0]]
		for _, name := range names[1:] {
			l := lanes[c.account+"/"+name]
			if l.Since.Before(first.Since) {
				first = l
			}
			if l.Retry.Before(next.Retry) {
				next = l
			}
		}
		what := c.account + "/" + names[0]
		if len(names) > 1 {
			what = fmt.Sprintf(mostly(lang, "%d lanes of %s (%s)", "%[2]s 的 %[1]d 个发送通道（%[3]s）"), len(names), c.account, strings.Join(names, mostly(lang, ", ", "、")))
		}
		fmt.Fprintf(out, mostly(lang, "stopped  %s  %s since %s, %s: %s   next: %s\n", "停止  %s  %s 从 %s 起，%s：%s   下一步：%s\n"), what, c.reason, first.Since.In(zone).Format(time.DateTime), triedAgain(next, now, zone, lang), diag.Tame(mostly(lang, c.detail, explain.DetailZH(c.detail))), nextIn(lang, c.next))
	}
}
