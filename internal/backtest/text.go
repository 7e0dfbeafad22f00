package backtest

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/notifier/notifier/internal/diag"
)

// WriteText is the report for people of a language; against names the rules that it was compared with.
func (r *Report) WriteText(w io.Writer, against string, lang diag.Lang) error {
	var b strings.Builder
	s := say(lang)
	const form = "2006-01-02 15:04 -07:00"
	fmt.Fprintf(&b, s.word("history %s to %s (%.1f days): %d records, %d events", "历史 %s 到 %s（%.1f 天）：%d 条记录，%d 个事件"), r.From.In(r.zone).Format(form), r.To.In(r.zone).Format(form), r.Days, r.Records, r.Stage1.Events)
	fmt.Fprintf(&b, s.word(": %d match, %d match no rule", "：%d 个匹配，%d 个没有规则匹配"), r.Stage1.Matched, r.Stage1.NoRule)
	if n := sum(r.Stage1.Dead); n > 0 {
		fmt.Fprintf(&b, s.word("; dead letters: %s", "；死信：%s"), listed(r.Stage1.Dead))
	}
	if n := r.Stage1.Ignored; n > 0 {
		fmt.Fprintf(&b, s.word("; ignored: %s that the catalogue has no event for", "；忽略：%s在事件目录里没有事件"), s.many(n, "record", "条记录"))
	}
	b.WriteString("\n\n")
	total := r.Total
	total.Rule = s.word("in all", "合计")
	rows := [][]string{s.columns()}
	for _, x := range append(slices.Clone(r.Rules), total) {
		rows = append(rows, x.row(s))
	}
	table(&b, rows)
	if u := r.PerUserDay; u.Users > 0 {
		b.WriteString("\n" + s.line("a user on a day with pushes gets %d (p50), %d (p99), %d (max)", "有推送的日子，一个用户收到 %d 条（p50）、%d 条（p99）、%d 条（最多）", u.P50, u.P99, u.Max) + "\n")
	}
	for _, l := range r.Lanes {
		if l.Used+l.Lost+l.OwnQuota+l.After == 0 {
			continue
		}
		fmt.Fprintf(&b, s.word("\n%s: %d of %d slots used on %s, %d unused", "\n%s：用了 %d 个名额，共 %d 个，%s，剩 %d 个"), l.Lane, l.Used, l.Slots, s.many(l.Days, "day", "天"), l.Unused)
		if l.Lost > 0 {
			fmt.Fprintf(&b, s.word("; %s lost for want of a slot, %s wasted on those days", "；%s因没有名额而未发，那些天浪费了 %s"), s.many(l.Lost, "request", "个请求"), s.many(l.Wasted, "slot", "个名额"))
		}
		if l.OwnQuota > 0 {
			fmt.Fprintf(&b, s.word("; %s lost because the quota of its own rule was used", "；%s因规则自己的配额（quota）用完而未发"), s.many(l.OwnQuota, "request", "个请求"))
		}
		if l.After > 0 {
			fmt.Fprintf(&b, s.word("; %s used after the end of history", "；历史结束之后用了 %s"), s.many(l.After, "slot", "个名额"))
		}
		b.WriteString("\n")
	}
	if n := r.Total.Suppressed["not-approved"]; n > 0 {
		b.WriteString("\n" + s.line("nobody approves in a backtest: %s not approved; --approve takes every request as approved at once", "回测里没有人批准：%s未获批准；--approve 把每个请求都当作立即批准", say(diag.EN).many(n, "intent", ""), say(diag.ZH).many(n, "", "个待发任务")) + "\n")
	}
	if r.Against != nil {
		r.Against.text(&b, against, r, s)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// row is a rule's line in the table.
func (x *Rule) row(s say) []string {
	most := "-"
	if x.MostInADay > 0 {
		most = fmt.Sprintf(s.word("%d on %s", "%d，%s"), x.MostInADay, x.MostOn)
	}
	dash := func(n int, none bool) string {
		if none {
			return "-"
		}
		return strconv.Itoa(n)
	}
	nobody := x.PerUser.Users == 0
	return []string{x.Rule, strconv.Itoa(x.Sent), fmt.Sprintf("%.1f", x.PerDay), most, dash(x.PerUser.Users, nobody), dash(x.PerUser.P50, nobody), dash(x.PerUser.P99, nobody),
		dash(x.PerUser.Max, nobody), dash(x.Slots, x.Slots == 0), x.rest(s)}
}

// rest is what was not sent.
func (x *Rule) rest(s say) string {
	var parts []string
	if x.Intents == 0 {
		return s.word("no intents", "没有待发任务")
	}
	if x.Coalesced > 0 {
		parts = append(parts, fmt.Sprintf(s.word("coalesced %d", "已并入 %d"), x.Coalesced))
	}
	for _, p := range []struct {
		what string
		n    map[string]int
	}{{s.word("suppressed", "不发"), x.Suppressed}, {s.word("dead", "死信"), x.Dead}, {s.word("held", "暂缓"), x.Held}} {
		if len(p.n) > 0 {
			parts = append(parts, p.what+" "+listed(p.n))
		}
	}
	return strings.Join(parts, s.word("; ", "；"))
}

func (d *Diff) text(b *strings.Builder, against string, r *Report, s say) {
	if !d.Differs() {
		b.WriteString("\n" + s.line("against %s: no difference", "与 %s 相比：没有差别", against) + "\n")
		return
	}
	fmt.Fprintf(b, s.word("\nagainst %s: %d → %d notifications, %d → %d slots, %s\n", "\n与 %s 相比：通知 %d → %d，名额 %d → %d，%s\n"), against, d.Total.Was, d.Total.Now, d.Slots, slots(r.Rules), d.Total.what(s))
	for i := range d.Rules {
		x := &d.Rules[i]
		fmt.Fprintf(b, s.word("  %s: %d → %d, %s\n", "  %s：%d → %d，%s\n"), x.Rule, x.Was, x.Now, x.what(s))
	}
}

func slots(rules []Rule) (n int) {
	for i := range rules {
		n += rules[i].Slots
	}
	return n
}

// what says in which ways a rule differs.
func (d *RuleDiff) what(s say) string {
	parts := []string{fmt.Sprintf(s.word("%d the same", "%d 个相同"), d.Same)}
	if d.Text > 0 {
		parts = append(parts, fmt.Sprintf(s.word("%d with another text, audience or tags", "%d 个文案、人群或标签不同"), d.Text))
	}
	for _, p := range []struct {
		what string
		n    map[string]int
	}{{s.word("new: ", "新增："), d.Gained}, {s.word("gone: ", "消失："), d.Lost}, {s.word("changed: ", "改变："), d.Changed}} {
		if len(p.n) > 0 {
			parts = append(parts, p.what+listed(p.n))
		}
	}
	return strings.Join(parts, s.word("; ", "；"))
}

// table writes rows in columns as wide as a terminal shows them: the first to the left, numbers to the right, the last as it is.
func table(b *strings.Builder, rows [][]string) {
	wide := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			wide[i] = max(wide[i], runewidth.StringWidth(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			pad := strings.Repeat(" ", wide[i]-runewidth.StringWidth(cell))
			switch {
			case i == 0:
				line += cell + pad
			case i == len(row)-1:
				line += "  " + cell
			default:
				line += "  " + pad + cell
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// say writes for people of a language. Rules, gates and reasons are names and stay as they are.
type say diag.Lang

// word is a part of a report: Chinese only where everything is.
func (s say) word(en, zh string) string {
	if diag.Lang(s) == diag.ZH {
		return zh
	}
	return en
}

// line is a sentence: in both languages if both are asked for. The arguments are those of both, or first those of one, then of the other.
func (s say) line(en, zh string, args ...any) string {
	mine, its := args, args
	if n := strings.Count(en, "%"); len(args) == 2*n {
		mine, its = args[:n], args[n:]
	}
	return diag.Text{EN: fmt.Sprintf(en, mine...), ZH: fmt.Sprintf(zh, its...)}.In(diag.Lang(s))
}

func (s say) columns() []string {
	if diag.Lang(s) == diag.ZH {
		return []string{"规则", "已发", "每天", "最多的一天", "用户", "P50", "P99", "最多", "名额", ""}
	}
	return []string{"RULE", "SENT", "A DAY", "MOST IN A DAY", "USERS", "P50", "P99", "MAX", "SLOTS", ""}
}

// many counts things.
func (s say) many(n int, en, zh string) string {
	switch {
	case diag.Lang(s) == diag.ZH:
		return fmt.Sprintf("%d %s", n, zh)
	case n == 1:
		return "1 " + en
	}
	return fmt.Sprintf("%d %ss", n, en)
}
