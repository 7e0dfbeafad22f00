package explain

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// maxRecipients is how many recipients of one rule are listed.
const maxRecipients = 10

// WriteText writes the report for people of a language, times in a zone.
func (r *Report) WriteText(w io.Writer, zone *time.Location, lang diag.Lang) error {
	var b strings.Builder
	s := say(lang)
	e := &r.Event
	where := e.Topic
	if e.Position != "" {
		where = e.Position
	}
	user := ""
	if e.User != "" {
		user = s.word("  user ", "  用户 ") + diag.Tame(e.User)
	}
	found := s.word("%d of %d fields found", "%[2]d 个字段有 %[1]d 个", e.Fields-len(r.Absent), e.Fields)
	switch {
	case r.Known && r.RuleSet == "" && !r.Gone: // the rules could not be asked
		found = ""
	case r.Gone:
		found = s.line("the record is gone from the topic", "记录已不在主题里")
	}
	absent := r.Absent
	if e.UserGone { // a tombstone has no fields, and those of a delete say nothing any more
		found, absent = s.line("the user is gone: the tags are taken away, no rule is asked", "用户已删除：标签会被去掉，不再判断规则"), nil
	}
	fmt.Fprintf(&b, "%s %s %s%s  %s  %s  %s\n", s.word("event", "事件"), e.Type, diag.Tame(e.ID), user, e.Time.In(zone).Format("2006-01-02 15:04:05 -07:00"), where, found)
	for _, name := range absent {
		fmt.Fprintf(&b, s.word("  without %s: %s\n", "  字段 %s：%s\n"), name, diag.Tame(s.told(r.Why[name], rules.WhyZH(r.Why[name]))))
	}
	for _, f := range r.Rules {
		f.write(&b, zone, r.Now, s)
		if r.Known && r.became(&b, f.Rule, zone, s) == 0 && f.Verdict == "match" && f.rule.Action != intent.Tags {
			b.WriteString("     = " + s.line("no fate and nothing pending: the rule was another one when the event came, or its fate was deleted by age", "没有处理结果，也没有待发任务：事件来的时候规则不是现在这样，或者处理结果太旧已被删除") + "\n")
		}
	}
	if r.Known {
		r.became(&b, "", zone, s)
	}
	if len(r.Rules)+len(r.Fates)+len(r.Pending) == 0 && !r.Gone && found != "" {
		b.WriteString("  " + s.line("no rule is about event %s", "没有规则使用事件 %s", e.Type) + "\n")
	}
	if r.Fresh && slices.ContainsFunc(r.Rules, func(f *Rule) bool { return f.Verdict == "match" }) {
		b.WriteString(s.line("as if it came in at %s; caps, quota and what is known of the user start empty", "当作在 %s 到达；次数、配额和用户资料都从空白开始", r.Now.In(zone).Format("2006-01-02 15:04:05 -07:00")) + "\n")
	}
	if r.Known && len(r.Rules) > 0 {
		b.WriteString(s.line("clauses and requests by the rules as they are now, %s; lines with = are what became of it, by the rules they name", "条件和请求按现在的规则（版本 %s）判断；带 = 的行是当时的处理结果，按行内的规则版本", shortHash(r.RuleSet)) + "\n")
	}
	if r.Partly && len(r.Rules) > 0 {
		b.WriteString(s.line("earlier profile events are deleted by age: changed() and before.x may miss what they said", "更早的用户资料事件已过期删除：changed() 和 before.x 可能少了它们的内容") + "\n")
	}
	if r.Unread {
		b.WriteString(s.line("the daemon has not read this record yet; next: notifier status --why", "守护进程还没有读到这条记录；下一步：notifier status --why") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *Rule) write(b *strings.Builder, zone *time.Location, now time.Time, s say) {
	name := s.word("rule %s (rev %s, %s)", "规则 %s（版本 %s，%s）", f.Rule, shortRevision(f.Revision), f.mode(s))
	fmt.Fprintf(b, "  %s  %s\n", runewidth.FillRight(name, 46), f.status(zone, now, s))
	early := 0 // the gates before the conditions
	for early < len(f.Gates) && (f.Gates[early].Gate == "mode" || f.Gates[early].Gate == "life") {
		early++
	}
	for i := range f.Gates[:early] {
		f.Gates[i].write(b, s)
	}
	for i := range f.Clauses {
		writeClause(b, &f.Clauses[i], cmp.Or(f.Now, f.Verdict), s)
	}
	for i := range f.LeftOut {
		l := &f.LeftOut[i]
		fmt.Fprintf(b, "     ✗ %s %s\n", runewidth.FillRight(s.word("tag %s", "标签 %s", diag.Visible(l.Template)), 24), l.why(s))
	}
	for i := range f.Gates[early:] {
		f.Gates[early+i].write(b, s)
	}
	if n := len(f.Targets); n > 1 {
		for _, o := range f.Targets[:min(n, maxRecipients)] {
			fmt.Fprintf(b, "     %s %s %s\n", s.word("to", "发给"), runewidth.FillRight(diag.Tame(o.Target), 23), o.status(zone, now, s)+o.bucket(s))
		}
		if n > maxRecipients {
			b.WriteString("     " + s.line("and %d more", "另有 %d 个", n-maxRecipients) + "\n")
		}
	}
	for _, q := range f.Requests {
		would := ""
		if q.IfFree {
			would = s.word(", if nothing stopped it", "（如果没有被拦下）")
		}
		if q.Rebuilt {
			would = s.word(", built again", "（重新生成）")
		}
		fmt.Fprintf(b, "     %s %s %s  %s %d%s\n       %s\n", s.action(q.what), q.Lane, q.Endpoint, s.word("slots", "名额"), q.Slots, would, diag.Visible(compact(q.Body)))
	}
	if f.NoText != "" {
		b.WriteString("     " + diag.Visible(s.line(f.NoText, f.noTextZH)) + "\n")
	}
}

func (g *Gate) write(b *strings.Builder, s say) {
	mark := map[string]string{"pass": "✓", "hold": "✗", "stop": "✗", "not asked": "–"}[g.Result]
	b.WriteString(strings.TrimRight(fmt.Sprintf("     %s %s %s", mark, runewidth.FillRight(diag.Tame(s.told(g.Text, g.textZH)), 24), diag.Tame(s.told(g.Note, g.noteZH))), " ") + "\n")
	if g.then {
		b.WriteString("       " + s.line("by the user's fields as they are now:", "按用户资料现在的值：") + "\n")
	}
	for i := range g.User {
		b.WriteString("  ")
		writeClause(b, &g.User[i], "", s)
	}
}

// writeClause puts a check mark where the clause lets the rule act, and a hint at what decided when it does not. One that a missing field
// keeps from deciding has neither mark.
func writeClause(b *strings.Builder, c *Clause, verdict string, s say) {
	mark, text, seen := "✗", c.label, c.Seen
	if c.Result == (c.Kind != "unless") {
		mark = "✓"
	}
	if c.overruled && c.Result {
		mark = "–"
	}
	if c.Kind == "unless" {
		text = "unless " + text
	}
	if len(c.Missing) > 0 {
		seen = strings.Join(c.Missing, ", ")
		if s == say(diag.ZH) {
			seen = strings.Join(c.missingZH, "，")
		}
	} else if mark == "✗" {
		seen += " → " + strconv.FormatBool(c.Result)
	}
	if s == say(diag.ZH) {
		seen = seenZH(seen)
	}
	fmt.Fprintf(b, "     %s %s %s", mark, runewidth.FillRight(diag.Visible(text), 24), diag.Tame(seen))
	if c.overruled && len(c.lacks) > 0 {
		lacks := strings.Join(c.lacks, ", ")
		b.WriteString(s.word(" → without %s the whole condition is not met", " → 没有 %s，整个条件不成立", lacks))
	}
	if c.Decided && verdict == "no match" { // also where the record says otherwise
		fmt.Fprintf(b, s.word("   ← decided, %s:%d", "   ← 由它决定，%s:%d"), c.File, c.Line)
	}
	b.WriteString("\n")
}

func (f *Rule) status(zone *time.Location, now time.Time, s say) string {
	switch f.Verdict {
	case "match":
		then := ""
		if f.Now != "" {
			then = s.line("  (the rules and records as they are now say: %s)", "（按现在的规则和记录：%s）", f.Now)
		}
		if len(f.Targets) == 0 {
			return s.word("MATCH", "匹配") + then
		}
		return f.Targets[0].status(zone, now, s) + then
	case "not triggered":
		if len(f.Events) > 0 {
			return s.line("NOT TRIGGERED: it is about %s", "未触发：它用的是事件 %s", strings.Join(f.Events, ", "))
		}
	case "unsure":
		return s.line("UNSURE: it asks a field that is unknown, so it neither gives nor takes tags", "不确定：它问的字段没有人说过，所以既不加标签也不去标签")
	}
	return s.told(strings.ToUpper(f.Verdict), map[string]string{"no match": "不匹配", "not triggered": "未触发", "off": "已关闭（off）"}[f.Verdict])
}

func (o *Outcome) status(zone *time.Location, now time.Time, s say) string {
	then := ""
	switch {
	case o.Fate != "" && o.State == "held":
		then = s.word(", then ", "，然后 ") + s.fate(o.Fate, o.Reason)
		if o.Reason == ledger.NotApproved {
			then += s.word(" unless people approve", "，除非有人批准")
		}
	case o.State == "held" && !o.At.IsZero() && !o.At.Equal(o.Until):
		then = s.word(", leaves ", "，发出时间 ") + o.At.In(zone).Format("2006-01-02 15:04:05")
	}
	switch {
	case o.State == "held" && o.stopped != "":
		return s.word("HELD %s", "暂缓：%s", s.stopped(o.stopped)) + then
	case o.State == "held" && !o.Until.IsZero():
		return s.word("HELD %s until %s", "暂缓（%s）到 %s", s.gate(o.Gate), o.Until.In(zone).Format("2006-01-02 15:04")) + then
	case o.State == "held":
		return s.word("HELD %s", "暂缓（%s）", s.gate(o.Gate)) + then
	case o.State == "in flight":
		return s.word("IN FLIGHT", "正在发送")
	case o.State == "fate":
		return s.fate(o.Fate, o.Reason)
	case o.At.After(now):
		return s.word("LEAVES ", "发出时间 ") + o.At.In(zone).Format("2006-01-02 15:04:05")
	}
	return s.word("LEAVES now", "立即发出")
}

// bucket is where a recipient whom the canary left out stands.
func (o *Outcome) bucket(s say) string {
	if o.bucketZH == "" {
		return ""
	}
	return "  " + s.told(o.Detail, o.bucketZH)
}

func what(d *departed) string {
	switch {
	case d.Call.Tags != nil:
		return "tags"
	case d.Call.Content != nil && d.Call.Content.Message != nil:
		return "message"
	case d.Call.Audience != nil:
		return string(intent.Broadcast)
	}
	return string(intent.Push)
}

func compact(body json.RawMessage) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(body) != nil {
		return string(body)
	}
	return strings.TrimSpace(b.String())
}

// shortHash is as much of a rule set's hash as tells two apart.
func shortHash(s string) string { return s[:min(len(s), 8)] }

func shortRevision(s string) string { return s[:min(len(s), 4)] }
