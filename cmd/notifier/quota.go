package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

func newQuotaCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "quota",
		Short: "slots used, by whom, next free",
		Example: `  notifier quota
  notifier quota charge main/broadcast --at 09:03 --count 1 --why "sent from the console"
  notifier quota assume main --used 2 --why "the console shows 2 today"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lang := spoken(cmd)
			if err := jsonOrText(lang, format); err != nil {
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
			halts, err := r.Halts(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			set := reserving(cmd, s)
			q := app.QuotaOf(s, set, states, time.Now())
			for p, accounts := range accountsOf(s) {
				for _, ac := range accounts {
					i := slices.IndexFunc(q.Accounts, func(a app.QuotaAccount) bool { return a.Account == ac.Name })
					_, q.Accounts[i].Stopped = halts[p]
				}
			}
			var lately []ledger.Fate
			if format == "text" {
				err := r.Fates(cmd.Context(), query.Filter{Since: time.Now().Add(-app.RatesOver)}, func(f ledger.Fate) error { lately = append(lately, f); return nil })
				if err != nil {
					return &exitError{exitUnreachable, err}
				}
			}
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), q)
			}
			out := cmd.OutOrStdout()
			sayHalts(out, halts, lang)
			if len(halts) > 0 {
				fmt.Fprintln(out, mostly(lang, "the accounts of a stopped partition send nothing, and what they used is not known", "停止的分区里的账号什么也不发，已用多少也不知道"))
			}
			for _, a := range q.Accounts {
				if a.Stopped {
					for _, l := range a.Lanes {
						fmt.Fprintf(out, mostly(lang, "%s   used unknown   next possible unknown: its partition is stopped\n", "%s   已用未知   下次可发未知：它的分区停止了\n"), l.Lane)
					}
					continue
				}
				for _, l := range a.Lanes {
					fmt.Fprintf(out, "%s", l.Lane)
					for _, w := range l.Windows {
						fmt.Fprintf(out, "   %s %d/%d", windowWords(w.Window, time.Now(), lang), w.Used, w.Limit)
					}
					next := mostly(lang, "now", "现在")
					if l.Next.After(time.Now()) {
						next = l.Next.In(s.Zone).Format("2006-01-02 15:04:05 -07:00")
					}
					fmt.Fprintf(out, mostly(lang, "   next possible %s", "   下次可发 %s"), next)
					if !l.Others.IsZero() {
						fmt.Fprintf(out, mostly(lang, ", without a reserve %s", "，没有预留的规则 %s"), l.Others.In(s.Zone).Format("2006-01-02 15:04:05 -07:00"))
					}
					fmt.Fprintln(out)
					for _, c := range l.Charges {
						fmt.Fprintf(out, "  %s  %-24s %-10s %-8s %s%s\n", c.At.In(s.Zone).Format("01-02 15:04"), c.Rule, c.State, c.Source, c.Attempt, chargeNote(c, lang))
					}
					for _, r := range l.Reserves {
						fmt.Fprintf(out, mostly(lang, "  reserved: %d for %s until %s → %s\n", "  预留：%d 个给 %s，到 %s → %s\n"), r.Slots, r.Rule, endOfDay(r.Until.In(s.Zone)), keptOf(r, lang))
					}
					for _, x := range l.Shares {
						fmt.Fprintf(out, mostly(lang, "  share: %s %d/%d (%s)%s\n", "  份额：%s %d/%d（%s）%s\n"), x.Rule, x.Used, x.Slots, x.Limit, shareNext(x, s.Zone, lang))
					}
					if h := l.Held; h != nil {
						fmt.Fprintf(out, mostly(lang, "  held until %s: an owner before left call %s open   next: notifier attempts %[2]s\n", "  等到 %s：前一个实例留下的请求 %s 还没有结果   下一步：notifier attempts %[2]s\n"), h.Until.In(s.Zone).Format("15:04:05 -07:00"), h.Attempt)
					}
					if l.Flying > 0 {
						fmt.Fprintf(out, mostly(lang, "  in flight: %s\n", "  发送中：%s\n"), mostly(lang, many(l.Flying, "request"), fmt.Sprintf("%d 个请求", l.Flying)))
					}
					fmt.Fprint(out, pausedWords(l.Paused, lang))
					fmt.Fprintf(out, mostly(lang, "  waiting: %s\n", "  等待：%s\n"), waitingWords(l, s.Zone, lang))
				}
				for _, d := range a.Days {
					fmt.Fprintf(out, mostly(lang, "%s   %s %d/%d, users and calls   above it users are called in other ways\n", "%s   %s %d/%d，用户和请求合计   超过以后换别的接口推送\n"), d.Name, windowWords(d.Window, time.Now(), lang), d.Used, d.Limit)
				}
				if r := a.Reads; r != nil {
					fmt.Fprintf(out, mostly(lang, "%s   rests until %s: reads of tags are on no record, so after a start they wait for one window\n", "%s   休息到 %s：读标签不留记录，所以启动之后先等一个窗口\n"), r.Lane, r.Until.In(s.Zone).Format("15:04:05 -07:00"))
				}
				sayRates(out, app.RatesOf(s, a.Account, lately), lang)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.AddCommand(newChargeCmd(), newAssumeCmd())
	return cmd
}

// reserving loads the rules, whose reserves are in no ledger; nil, and said, when the files have errors.
func reserving(cmd *cobra.Command, s *settings.Settings) *rules.Set {
	lang := spoken(cmd)
	set, list := rules.Load([]string{s.Rules}, app.RuleOptions(s))
	if set == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), mostly(lang, "the rule files have %s: what rules reserve is not known   next: notifier check\n", "规则文件有 %s：不知道规则预留了什么   下一步：notifier check\n"), mostly(lang, many(list.Errors(), "error"), fmt.Sprintf("%d 个错误", list.Errors())))
	}
	return set
}

// chargeNote says what is not seen of a call in its row.
func chargeNote(c app.QuotaCharge, lang diag.Lang) string {
	switch {
	case c.Source == "external" && c.By != "":
		return fmt.Sprintf(mostly(lang, "   %d slots, by %s: %s", "   %d 个名额，操作人 %s：%s"), c.Slots, diag.Tame(c.By), diag.Tame(c.Why))
	case c.Source == "unknown" && c.Slots == 0:
		return fmt.Sprintf(mostly(lang, "   %s, `notifier attempts resolve %s`", "   %s，`notifier attempts resolve %s`"), mostly(lang, noSlot, noSlotZH), c.Attempt)
	case c.Source == "unknown":
		return fmt.Sprintf(mostly(lang, "   counted as used, `notifier attempts resolve %s`", "   按已用掉名额计算，`notifier attempts resolve %s`"), c.Attempt)
	}
	return ""
}

// noSlot says of an outcome that is unknown since the ledger was lost what it takes.
const (
	noSlot   = "takes no slot beside what `notifier quota assume` said"
	noSlotZH = "除 `notifier quota assume` 说的以外不占名额"
)

// endOfDay writes when a reserve ends as rule files do: the midnight at the end of the day is 24:00.
func endOfDay(t time.Time) string {
	if text := t.Format("15:04"); text != "00:00" {
		return text
	}
	return "24:00"
}

// shareNext says when a rule that has had its share may take a slot again.
func shareNext(x app.QuotaShare, zone *time.Location, lang diag.Lang) string {
	if x.Next.IsZero() {
		return ""
	}
	return fmt.Sprintf(mostly(lang, " → used until %s", " → 已用完，到 %s"), x.Next.In(zone).Format("01-02 15:04 -07:00"))
}

// keptOf says what is left of a reserve.
func keptOf(r app.QuotaReserve, lang diag.Lang) string {
	switch {
	case r.Left > 0:
		return fmt.Sprintf(mostly(lang, "%d kept", "还留着 %d 个"), r.Left)
	case r.Until.After(time.Now()):
		return mostly(lang, "used", "已用")
	}
	return mostly(lang, "free now", "现在可用")
}

// windowWords tells a window as people count: 1h rolling is the last 60 min, day Asia/Shanghai is day +08:00.
func windowWords(window string, now time.Time, lang diag.Lang) string {
	if long, ok := strings.CutSuffix(window, " rolling"); ok {
		if d, err := time.ParseDuration(long); err == nil && d >= time.Minute && d < 24*time.Hour {
			return fmt.Sprintf(mostly(lang, "last %.0f min", "最近 %.0f 分钟"), d.Minutes())
		}
		return mostly(lang, "last ", "最近 ") + long
	}
	if name, ok := strings.CutPrefix(window, "day "); ok {
		if zone, err := time.LoadLocation(name); err == nil && zone != time.UTC {
			return mostly(lang, "day ", "当天 ") + now.In(zone).Format("-07:00")
		}
		return mostly(lang, window, "当天 "+name)
	}
	return window
}

// pausedWords tells what waits for no slot, since a pause or a kill holds it.
func pausedWords(n int, lang diag.Lang) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(mostly(lang, "  paused: %s   next: notifier pending list\n", "  暂停：%s   下一步：notifier pending list\n"), mostly(lang, many(n, "request"), fmt.Sprintf("%d 个请求", n)))
}

// waitingWords tells what waits in a lane and what will become of it.
func waitingWords(l app.QuotaLane, zone *time.Location, lang diag.Lang) string {
	text := fmt.Sprintf(mostly(lang, "%d requests", "%d 个请求"), l.Waiting)
	if l.Waiting == 1 {
		text = mostly(lang, "1 request", "1 个请求")
	}
	if l.Merged > 0 {
		text += fmt.Sprintf(mostly(lang, " (%d triggers came together)", "（%d 次触发合并而成）"), l.Merged)
	}
	f := l.Forecast
	if f.Today+f.Later+f.Expire == 0 {
		return text
	}
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{{f.Today, mostly(lang, "%d by midnight", "%d 个在午夜前发出")}, {f.Later, mostly(lang, "%d on a later day", "%d 个在之后几天")}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf(part.text, part.n))
		}
	}
	if f.Expire > 0 {
		parts = append(parts, fmt.Sprintf(mostly(lang, "%d without a slot in time, the first expires %s", "%d 个等不到名额，最早的 %s 过期作废"), f.Expire, f.Expires.In(zone).Format("01-02 15:04")))
	}
	if f.More > 0 {
		parts = append(parts, fmt.Sprintf(mostly(lang, "%d more not looked at", "另有 %d 个没有算"), f.More))
	}
	return text + mostly(lang, "; forecast, if no other comes: ", "；预计（没有新请求的话）：") + strings.Join(parts, mostly(lang, ", ", "，"))
}

// sayRates tells how busy the lanes are that have a rate instead of slots.
func sayRates(out io.Writer, rates []app.QuotaRate, lang diag.Lang) {
	var parts []string
	for _, r := range rates {
		text := fmt.Sprintf(mostly(lang, "%s %.1f/s of %.0f", "%s 每秒 %.1f，上限 %.0f"), r.Lane, r.PerSecond, r.Limit)
		if r.Receivers {
			text += mostly(lang, " receivers", " 个接收用户")
		}
		parts = append(parts, text)
	}
	if len(parts) > 0 {
		fmt.Fprintln(out, strings.Join(parts, "   "))
	}
}
