package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// stops says at which question outside the order of gates an intent gets a fate of a reason.
var stops = map[ledger.Reason]string{
	ledger.RenderError: "texts", ledger.BadField: "user", ledger.TooLarge: "size", ledger.Expired: "expire", ledger.Unchanged: "unchanged", ledger.Stale: "newest wins",
}

// gatesZH are the gates as rules-format.md writes them; a gate that is not here is called by its key.
var gatesZH = map[string]string{
	"duplicate": "重复", "merge": "合并", "approval": "批准", "quiet": "免打扰时段", "consent": "用户授权", "never": "名单", "quota": "配额", "vendor": "厂商", "paused": "暂停",
	"texts": "文字", "user": "用户", "size": "大小", "expire": "过期作废", "unchanged": "没有变化", "share": "配额", "user_limits": "次数上限", "per_rule": "次数上限", "per_user": "次数上限", "capped": "次数上限",
}

// early are asked when an intent is taken in, before all gates that a rule's limits name.
var early = map[string]bool{"duplicate": true, "expire": true, "texts": true, "user": true, "size": true}

// gates lists what an intent has before it, in the order of dispatch.Order, and what each says. After the first that holds or
// stops it the others are not asked, unless one of them held it later.
func (x *run) gates(r *Rule, c *course) []Gate {
	out := []Gate{}
	if c.edited { // they were those of another rule: only the one that gave it its fate is on record
		return x.mark(out, c)
	}
	if r.rule.Mode == rules.Shadow {
		out = append(out, Gate{Gate: "mode", Text: "mode: shadow", textZH: "mode: shadow 试运行"})
	}
	out = append(out, x.life(r, c)...)
	if r.rule.Mode == rules.Canary {
		in, below := r.rule.CanaryOf(c.in.Target)
		g := Gate{Gate: "canary", Text: fmt.Sprintf("canary %d%%", below), Note: fmt.Sprintf("bucket %d of 100 < %d", in, below),
			textZH: fmt.Sprintf("灰度 canary %d%%", below), noteZH: fmt.Sprintf("第 %d 组，共 100 组，小于 %d", in, below)}
		if in >= below {
			g.Note, g.noteZH = fmt.Sprintf("bucket %d of 100, not below %d", in, below), fmt.Sprintf("第 %d 组，共 100 组，不小于 %d", in, below)
		}
		out = append(out, g)
	}
	out = append(out, x.policy(c)...)
	if s := scarceSlots(c); s > 0 {
		out = append(out, Gate{Gate: "quota", Text: fmt.Sprintf("quota of %s", lane(c)), Note: fmt.Sprintf("%d slots", s), textZH: "配额 " + lane(c), noteZH: fmt.Sprintf("%d 个名额", s)})
	}
	return x.userClauses(x.mark(out, c), c)
}

// userClauses divides a user_when that is more than one clause, or that stopped the intent: then its values are not on record, and
// those of now are the nearest to it.
func (x *run) userClauses(gates []Gate, c *course) []Gate {
	i := slices.IndexFunc(gates, func(g Gate) bool { return g.Gate == "user_when" })
	if i < 0 {
		return gates
	}
	g := &gates[i]
	_, over := c.asked(x.o.Now)
	asked, ok := x.userWhen(c.in)
	if !ok || over && g.Result != "stop" || len(asked) == 1 && g.Result != "stop" {
		return gates
	}
	g.User, g.Note, g.noteZH, g.then = asked, "", "", over
	if g.Result == "stop" {
		g.Note, g.noteZH = say(diag.EN).fate(c.fate.Fate, c.fate.Reason), say(diag.ZH).fate(c.fate.Fate, c.fate.Reason)
	}
	return gates
}

// life is from and until.
func (x *run) life(r *Rule, _ *course) []Gate {
	from, until, alive := r.rule.Life(x.ev.Time)
	if from.IsZero() && until.IsZero() {
		return nil
	}
	g := Gate{Gate: "life", Result: "pass", Note: "event of " + x.clock(x.ev.Time), noteZH: "事件时间 " + x.clock(x.ev.Time)}
	var parts []string
	if !from.IsZero() {
		parts = append(parts, "from "+x.clock(from))
	}
	if !until.IsZero() {
		parts = append(parts, "until "+x.clock(until))
	}
	if g.Text = strings.Join(parts, " "); !alive {
		g.Result = "stop"
	}
	return []Gate{g}
}

// policy lists the gates that the intent itself carries. Of what has left or has its fate they are shown as they were asked then; what
// nobody can know any more is left out: a row and a rule's counts have moved on since.
func (x *run) policy(c *course) (out []Gate) {
	in, p := c.in, &c.in.Policy
	at, over := c.asked(x.o.Now)
	began, call := at, time.Duration(0)
	if ac := x.account(in.Account); ac != nil {
		call = ac.Timeout
	}
	if a := x.attempt(c); a != nil { // what others took while it was on its way was not used then
		began, call = a.At, 0
	}
	zh := map[string]string{"merge while no slot is free": "合并：没有空名额期间"}
	if m := in.Merge; m != nil && m.Wait > 0 {
		zh["merge, wait "+intent.Span(m.Wait)] = "合并：等待 " + intent.Span(m.Wait)
	}
	if a := p.Approval; a != nil {
		zh[approvalText(a)] = fmt.Sprintf("批准：%s 内要 %d 人", intent.Span(a.Within), a.People)
	}
	add := func(gate, text string, note ...string) { // note: what the gate sees, in English and Chinese
		g := Gate{Gate: gate, Text: text}
		if word := gatesZH[gate]; word != "" {
			g.textZH = cmp.Or(zh[text], word+" "+strings.TrimLeft(strings.TrimPrefix(text, gate), " ,"))
		}
		if len(note) == 2 {
			g.Note, g.noteZH = note[0], note[1]
		}
		out = append(out, g)
	}
	now := func(note []string) []string {
		if over {
			return nil
		}
		return note
	}
	user := func(gate, scope string, limit intent.Cap) []string {
		if !over {
			return x.used(dispatch.UserUsed(x.ledger(in), in.Key, scope, in.Target, limit, at, x.zone()))
		}
		n, last, known := dispatch.UserUsedThen(x.ledger(in), in.Key, scope, in.Target, limit, began, c.went(), call, x.zone())
		if !known || c.first != nil && c.first.Detail == ledger.LostWaiting || c.fate != nil && n < limit.N && x.stopOf(c) == gate && (c.fate.Detail == "" || dispatch.NamesCap(c.fate.Detail, limit)) {
			return nil
		}
		return x.used(n, last)
	}
	clock := at.In(x.zone()).Format("15:04")
	if m := in.Merge; m != nil {
		switch {
		case m.Wait > 0:
			add("merge", "merge, wait "+intent.Span(m.Wait))
		default:
			add("merge", "merge while no slot is free")
		}
	}
	if p.Approval != nil {
		add("approval", approvalText(p.Approval))
	}
	if p.SendAt != nil {
		add("send_at", fmt.Sprintf("send_at %02d:%02d", *p.SendAt/60, *p.SendAt%60), clock, clock)
	}
	for _, q := range p.Quiet {
		zh["quiet "+quietText(q)] = gatesZH["quiet"] + " " + daysZH.Replace(quietText(q))
		add("quiet", "quiet "+quietText(q), clock, clock)
	}
	consent := map[string]string{"marketing": x.o.Stage.Consent.Marketing, "service": x.o.Stage.Consent.Service}[in.Class]
	if in.Action == intent.Push && x.o.Stage.Consent.Never != "" {
		add("never", "never "+x.o.Stage.Consent.Never, now(x.field(in, x.o.Stage.Consent.Never))...)
	}
	if in.Action == intent.Push && consent != "" {
		add("consent", "consent "+consent, now(x.field(in, consent))...)
	}
	if in.UserWhen != "" {
		add("user_when", "user_when "+in.UserWhen, now(x.userSeen(in))...)
	}
	if o := p.Once; o != nil {
		note := []string{"not sent before", "没有发过"}
		if sent := dispatch.OnceSent(x.ledger(in), in, x.o.Now); over && !c.went() {
			note = nil
		} else if !over && !sent.IsZero() {
			note = []string{"sent " + x.short(sent), "发过：" + x.short(sent)}
		}
		add("once", fmt.Sprintf("once by %q in %s", o.By, intent.Span(o.In)), note...)
	}
	if in.Action == intent.Push {
		for _, limit := range p.PerUser {
			add("per_user", "per_user "+dispatch.CapText(limit), user("per_user", "rule/"+in.Rule, limit)...)
			out[len(out)-1].limit = &limit
		}
		if limit, ok := x.o.Stage.ClassCaps[in.Class]; ok && !p.NoCaps {
			add("user_limits", "user_limits "+in.Class+" "+dispatch.CapText(limit), user("user_limits", "class/"+in.Class, limit)...)
		}
	}
	for _, limit := range p.RuleCaps {
		add("per_rule", "rule "+dispatch.CapText(limit), now(x.used(dispatch.RuleUsed(x.ledger(in), in.Key, in.Rule, limit, at, x.zone())))...)
		out[len(out)-1].limit = &limit
	}
	if p.Share != nil {
		n := 0
		if st := x.ledger(in); st != nil {
			n = dispatch.ShareUsed(st.Sends, in.Key, in.Rule, *p.Share, at, x.zone())
		}
		add("share", "quota "+dispatch.CapText(*p.Share), now(x.used(n, time.Time{}))...)
	}
	return out
}

func approvalText(a *intent.Approval) string {
	return fmt.Sprintf("approval by %d within %s", a.People, intent.Span(a.Within))
}

// attempt is the call of what has left; nil where the ledger does not have it any more.
func (x *run) attempt(c *course) *ledger.Attempt {
	if st := x.ledger(c.in); st != nil && c.first != nil && c.went() {
		return st.Attempts[c.first.Attempt]
	}
	return nil
}

// used says how much of a limit is taken.
func (x *run) used(n int, last time.Time) []string {
	en, zh := fmt.Sprintf("%d used", n), fmt.Sprintf("已用 %d", n)
	if !last.IsZero() {
		en, zh = en+"; last "+x.short(last), zh+"，上次 "+x.short(last)
	}
	return []string{en, zh}
}

// field says what the table has in a field of an intent's user.
func (x *run) field(in *intent.Intent, name string) []string {
	v, known := x.row(in).Get(name)
	switch {
	case !known:
		return []string{name + " is unknown", name + " 没有人说过"}
	case v.Type == "" && v.Str == "":
		return []string{name + " is absent", name + " 没有"}
	}
	return []string{name + " = " + v.Str, name + " = " + v.Str}
}

// userWhen are the clauses of user_when on the user's fields as they are now, as long as the rule still asks the same.
func (x *run) userWhen(in *intent.Intent) (out []Clause, ok bool) {
	r := x.o.Set.Rule(in.Rule)
	if r == nil {
		return nil, false
	}
	for _, c := range x.o.Set.AskUser(r, x.row(in).Get).Clauses {
		if !strings.Contains(in.UserWhen, c.Text) {
			return nil, false
		}
		out = append(out, clause(c))
	}
	return out, len(out) > 0
}

// userSeen shows the values that user_when reads.
func (x *run) userSeen(in *intent.Intent) []string {
	var en, zh []string
	asked, ok := x.userWhen(in)
	if !ok {
		return nil
	}
	for _, c := range asked {
		if len(c.Missing) > 0 {
			en, zh = append(en, c.Missing...), append(zh, c.missingZH...)
			continue
		}
		en, zh = append(en, c.Seen), append(zh, c.Seen)
	}
	return []string{strings.Join(en, ", "), strings.Join(zh, "，")}
}

// mark says of each gate what it answered.
func (x *run) mark(gates []Gate, c *course) []Gate {
	held := map[string]int{}
	for i := range c.holds {
		if name := x.gateOf(c, i); held[name] == 0 {
			held[name] = i + 1
		}
	}
	stop := ""
	if c.fate != nil {
		stop = x.stopOf(c)
	}
	if v := c.vague(stop); v != "" {
		gates = slices.DeleteFunc(gates, func(g Gate) bool { return rank(g.Gate) >= rank(v) })
	}
	add := func(name string) { // a gate that no key of the rule names
		for _, g := range gates {
			if g.Gate == name {
				return
			}
		}
		g := Gate{Gate: name, Text: name, textZH: gatesZH[name]}
		if name == "stopped" {
			g.Text, g.textZH = say(diag.EN).stopped(c.stopped), say(diag.ZH).stopped(c.stopped)
		}
		at := slices.IndexFunc(gates, func(o Gate) bool { return rank(o.Gate) > rank(name) })
		if at < 0 {
			at = len(gates)
		}
		gates = slices.Insert(gates, at, g)
	}
	for i := range c.holds {
		add(x.gateOf(c, i))
	}
	if early[stop] && len(c.holds) == 0 {
		i := slices.IndexFunc(gates, func(g Gate) bool { return g.Gate != "mode" && g.Gate != "life" && g.Gate != "canary" })
		if i < 0 {
			i = len(gates)
		}
		gates = slices.Insert(gates, i, Gate{Gate: stop, Text: stop, textZH: gatesZH[stop]})
	} else if stop != "" {
		add(stop)
	}
	named := func(g Gate) bool {
		return g.Gate == stop && g.limit != nil && dispatch.NamesCap(c.fate.Detail, *g.limit)
	}
	one := slices.ContainsFunc(gates, named) // of several limits the fate names the one; those of older releases do not
	result := "pass"
	for i := range gates {
		g := &gates[i]
		n := held[g.Gate]
		switch {
		case n > 0 && (g.Gate != "quiet" || x.quietNow(g, c.holds[n-1].Until)):
			h := c.holds[n-1]
			g.Result, g.Until = "hold", h.Until.UTC()
			g.Note, g.noteZH = x.holdNote(c, g.Gate, g.Note, h, say(diag.EN)), x.holdNote(c, g.Gate, g.noteZH, h, say(diag.ZH))
			if result = "not asked"; g.Gate == "stopped" {
				next := whyOf(c.in.Rule)
				g.Note, g.noteZH = "next: "+next, "下一步："+next
			}
		case g.Gate == stop && (!one || named(*g)):
			en, zh := say(diag.EN).fate(c.fate.Fate, c.fate.Reason), say(diag.ZH).fate(c.fate.Fate, c.fate.Reason)
			if c.fate.Detail != "" {
				detail := dispatch.DetailAt(c.fate.Detail, x.zone())
				en, zh = en+": "+detail, zh+"："+DetailZH(detail)
			}
			if g.Note != "" { // what it saw
				en, zh = g.Note+" → "+en, g.noteZH+" → "+zh
			}
			g.Result, g.Note, g.noteZH = "stop", en, zh
			result = "not asked"
		case g.Result == "":
			_, over := c.asked(x.o.Now)
			if g.Result = result; result == "not asked" && (over || g.Gate == "quiet" || g.Gate == "send_at") {
				g.Note, g.noteZH = "", "" // it will be another time, or never
			}
		}
	}
	return gates
}

// stopOf is the gate that gave an intent its fate.
func (x *run) stopOf(c *course) string {
	if c.fate.Fate == ledger.Coalesced {
		switch {
		case c.in.Profile != nil:
			return stops[ledger.Stale]
		case dispatch.HandedOver(c.fate): // another account has it now, since this one's lane does not send
			return "vendor"
		case dispatch.Replaced(c.fate): // its own merge was over
			return "quota"
		}
		return "merge"
	}
	if c.edited && c.fate.Reason == ledger.Capped && !strings.HasPrefix(c.fate.Detail, "rule ") { // which limits it had is not on record
		return string(ledger.Capped)
	}
	if g := dispatch.StoppedAt(c.fate, c.in); g != "" {
		return g
	}
	if g := stops[c.fate.Reason]; g != "" {
		return g
	}
	return string(c.fate.Reason)
}

// order is the names of all gates in their order.
var order = func() (out []string) {
	for _, g := range dispatch.Order {
		out = append(out, g.Asks...)
	}
	return out
}()

// rank is where a gate stands in the order; behind all of them when it is none.
func rank(gate string) int {
	if i := slices.Index(order, gate); i >= 0 {
		return i
	}
	return len(order)
}

// vague is the first gate of which nobody can say whether it was asked: from there on they are left out; "" is none.
func (c *course) vague(stop string) string {
	switch {
	case c.first == nil:
		return ""
	case c.first.Fate == ledger.Coalesced && stop == "merge": // when they came, or while they waited for a slot
		return "approval"
	case c.first.Fate == ledger.Coalesced: // a lane hands over what waits for it, and what is asked when a call leaves was not asked
		return "never"
	case stop != "" && !c.went() && rank(stop) == len(order), c.first.Reason == ledger.NoQuota && c.first.Detail == "too many pending":
		// it ended while it waited, wherever that was
		return "merge"
	}
	return ""
}

// gateOf names the gate that held an intent. Stage 2 has one state for send_at and quiet hours, and one for all that has no slot.
func (x *run) gateOf(c *course, i int) string {
	h, p := c.holds[i], &c.in.Policy
	if h.Turn.Share && p.Share != nil {
		return "share"
	}
	if h.Gate == "quiet" && p.SendAt != nil && (len(p.Quiet) == 0 || h.Until.In(x.zone()).Hour()*60+h.Until.In(x.zone()).Minute() == *p.SendAt) {
		return "send_at"
	}
	return h.Gate
}

// quietNow reports whether it is this one of several quiet hours that ends then.
func (x *run) quietNow(g *Gate, until time.Time) bool {
	return strings.HasSuffix(g.Text, "-"+until.In(x.zone()).Format("15:04"))
}

// holdNote says since when a gate holds, or what it has counted, and until when and why.
func (x *run) holdNote(c *course, gate, seen string, h dispatch.Standing, say say) string {
	s := x.o.Now.In(x.zone()).Format("15:04")
	if gate == "share" && seen != "" {
		s = seen
	}
	s += say.word(" → hold", " → 暂缓")
	if !h.Until.IsZero() {
		s += say.word(" until ", "到 ") + x.short(h.Until)
	}
	if h.Turn.Kept {
		s += say.word(": "+h.Turn.Why, "："+dispatch.TurnZH(h.Turn.Why))
	}
	if e := c.in.Policy.Expire; !e.IsZero() {
		s += say.word(", expires ", "，过期作废 ") + x.short(e)
	}
	return s
}

// scarceSlots is how many slots of a scarce lane the call takes; 0: its lane is none.
func scarceSlots(c *course) int {
	if c.call != nil {
		return c.call.Slots
	}
	return 0
}

func lane(c *course) string { return c.call.Lane }

// short leaves out the day when it is today.
func (x *run) short(t time.Time) string {
	t, now := t.In(x.zone()), x.o.Now.In(x.zone())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

func (x *run) clock(t time.Time) string { return t.In(x.zone()).Format("2006-01-02 15:04:05") }

func quietText(q intent.Quiet) string {
	s := fmt.Sprintf("%02d:%02d-%02d:%02d", q.From/60, q.From%60, q.To/60, q.To%60)
	if q.Weekdays == 0 {
		return s
	}
	var days []string
	for d := time.Sunday; d <= time.Saturday; d++ {
		if q.Weekdays&(1<<d) != 0 {
			days = append(days, d.String()[:3])
		}
	}
	return strings.Join(days, ",") + " " + s
}

var daysZH = strings.NewReplacer("Mon", "周一", "Tue", "周二", "Wed", "周三", "Thu", "周四", "Fri", "周五", "Sat", "周六", "Sun", "周日", ",", "、")
