package rules

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// The limits over all recipients of a rule: once, rule, brake; and its part of the scarce slots: quota, reserve, no_quota.

// ruleLimitKeys are the keys that ruleLimits reads.
var ruleLimitKeys = []string{"once", "rule", "brake", "quota", "reserve", "reserve_until", "no_quota"}

// once is `limits.once`, compiled.
type once struct {
	by *template
	in time.Duration
}

var rateText = regexp.MustCompile(`^([0-9]{1,7}) (?:in ([0-9a-z.]+)|per (day|week|month))$`)

// rate reads `100 in 1h` or `100 per day`.
func rate(n *diag.Node, rolling bool) (intent.Cap, bool) {
	text, ok := n.String()
	if !ok {
		return intent.Cap{}, false
	}
	c := intent.Cap{}
	m := rateText.FindStringSubmatch(text)
	if good := m != nil; good {
		c.N, _ = strconv.Atoi(m[1]) // seven digits
		if c.Each = m[3]; c.Each == "" {
			var err error
			c.In, err = diag.ParseDuration(m[2])
			good = err == nil && c.In >= time.Second && c.In <= maxHold
		}
		if good && c.N > 0 && (c.Each == "" || !rolling) {
			return c, true
		}
	}
	if n.Wide(rateText.MatchString) || outside(n, m) {
		return c, false
	}
	hint := diag.Text{EN: "like `100 in 1h` or `100 per day`", ZH: "例如 `100 in 1h`、`100 per day`"}
	if rolling {
		hint = diag.Text{EN: "like `500 in 10m`", ZH: "例如 `500 in 10m`"}
	}
	n.Error("N112", diag.Text{EN: "`" + text + "` is not a limit", ZH: "`" + text + "` 不是次数限制"}, hint)
	return c, false
}

// ruleLimits reads the keys, each from the rule or, when it has none, from the file's defaults. Of the defaults alone, only the form is
// checked.
func (l *loader) ruleLimits(own, defaults *diag.Node, r *Rule) {
	get := func(key string) *diag.Node { return either(own, defaults, key) }
	p := r.policy
	l.once(get("once"), r)
	emptyList(get("rule"), diag.Text{EN: "write a limit, or remove `rule`", ZH: "请写上次数，或删掉 `rule`"})
	for _, n := range get("rule").List() {
		if c, ok := rate(n, false); ok {
			p.RuleCaps = append(p.RuleCaps, c)
		}
	}
	if n := get("brake"); n != nil {
		if c, ok := rate(n, true); ok {
			p.Brake = &c
		}
	}
	scarce := r.Action == "" || r.Action == intent.Broadcast && !l.elsewhere(r)
	for _, key := range []string{"quota", "reserve", "reserve_until", "no_quota"} {
		if n := own.Key(key); n != nil && !scarce {
			n.Error("N520", diag.Text{EN: "`" + key + "` has no meaning here: this rule takes no scarce slot", ZH: "这里不用 `" + key + "`：这条规则不占稀缺名额"},
				diag.Text{EN: "only broadcasts to everyone or to tags take one; `rule: 100 in 1h` limits any rule", ZH: "只有发给全部用户或标签人群的推送才占名额；限制次数请用 `rule: 100 in 1h`"})
			return
		}
	}
	if n := own.Key("per_user"); n != nil && r.Action == intent.Broadcast && !p.NoCaps {
		n.Error("N520", diag.Text{EN: "`per_user` has no meaning here: nobody counts whom a broadcast reaches", ZH: "这里不用 `per_user`：人群推送发到了谁，没有人计数"},
			diag.Text{EN: "`rule: 2 per day` limits how often it leaves", ZH: "限制发送次数请用 `rule: 2 per day`"})
	}
	if !scarce {
		return
	}
	if n := get("quota"); n != nil {
		if c, ok := rate(n, false); ok {
			p.Share = &c
		}
	}
	if s, ok := get("no_quota").Enum("wait", "drop"); ok {
		p.DropNoQuota = s == "drop"
	}
	l.reserve(get("reserve"), get("reserve_until"), r)
}

// elsewhere reports whether a broadcast leaves by a lane of its own, which is not scarce: those online, and at RongCloud who leaves users out
// (Push Plus). At Getui they are a push to tags like any other.
func (l *loader) elsewhere(r *Rule) bool {
	a := r.audience
	if a == nil {
		return false
	}
	account, _ := l.opt.account(r.Account)
	return a.online || len(a.none) > 0 && account.Vendor != "getui"
}

func (l *loader) once(n *diag.Node, r *Rule) {
	if n == nil || !n.Keys("by", "in") {
		return
	}
	in, ok := n.Need("in").Duration(time.Second, maxHold)
	by := n.Need("by")
	if by == nil || !ok || r.scope == nil { // of the defaults alone the fields are not known
		return
	}
	each := *r.scope
	each.merged, each.now, each.user = false, false, false // it is written for each event, before a merge and before anybody asks for the user
	if each.sameForAll(by) {
		return
	}
	t := l.text(by, &each)
	if t == nil {
		return
	}
	for i := 1; i < len(t.parts); i++ {
		if each.runsOn(&t.parts[i-1]) && each.runsOn(&t.parts[i]) {
			by.WarnAt(t.parts[i-1].from-2, t.parts[i].to+1, "W524", diag.Text{EN: "nothing stands between these: 1 and 23 are the same as 12 and 3", ZH: "这两个字段连在一起：1 和 23 与 12 和 3 会算成同一个"},
				diag.Text{EN: "put a mark between them that is in neither, like `-`", ZH: "中间加一个两边都不会有的符号，例如 `-`"})
		}
	}
	each.merged = r.merge != nil
	for i := range t.parts {
		if ref := t.parts[i].ref; ref != "" && !each.sameInAll(&t.parts[i]) {
			by.Error("N521", diag.Text{EN: "`" + ref + "` differs between the merged events and is not in `merge.by`", ZH: "合并的事件里 `" + ref + "` 各不相同，它又不在 `merge.by` 里"},
				diag.Text{EN: "use only fields of `merge.by` in `once.by`", ZH: "`once.by` 里只用 `merge.by` 的字段"})
			return
		}
	}
	r.once = &once{t, in}
}

// runsOn reports whether where the value of a hole ends is not seen in the text.
func (s *scope) runsOn(p *part) bool {
	f := s.fields[p.ref]
	if f == nil {
		return p.ref == "event.id" || p.ref == "event.user"
	}
	return f.Values == nil && f.Type != event.Bool && f.Type != event.Time
}

var clockText = regexp.MustCompile(`^([0-9]{2}):([0-9]{2})$`)

func (l *loader) reserve(n, until *diag.Node, r *Rule) {
	switch {
	case n == nil && until == nil:
		return
	case n == nil || until == nil:
		one, other := n, "reserve_until"
		if n == nil {
			one, other = until, "reserve"
		}
		if r.Action != "" {
			one.Error("N522", diag.Text{EN: "`reserve` and `reserve_until` go together", ZH: "`reserve` 和 `reserve_until` 要一起写"},
				diag.Text{EN: "add `" + other + "`: how many slots of the day are kept, and until when (`\"22:00\"`)", ZH: "请加上 `" + other + "`：每天预留几个名额、留到几点（`\"22:00\"`）"})
		}
		return
	}
	slots, ok := n.Int(1, 1000)
	text, isText := until.String()
	if !ok || !isText {
		return
	}
	minutes := 0
	if m := clockText.FindStringSubmatch(text); m != nil {
		h, err1 := strconv.Atoi(m[1])
		min, err2 := strconv.Atoi(m[2])
		if err1 == nil && err2 == nil && min < 60 && h*60+min <= 24*60 {
			minutes = h*60 + min
		}
	}
	if minutes == 0 && until.Wide(clockText.MatchString) {
		return
	}
	if minutes == 0 {
		until.Error("N112", diag.Text{EN: "`" + text + "` is not a time of day until which something can be kept", ZH: "`" + text + "` 不是能预留到的时间"}, diag.Text{EN: "like \"22:00\", or \"24:00\" for the whole day", ZH: "例如 \"22:00\"；整天写 \"24:00\""})
		return
	}
	if s := r.policy.Share; s != nil && s.N < int(slots) {
		n.Error("N522", diag.Text{EN: fmt.Sprintf("`reserve: %d` keeps more slots than `quota` lets the rule take (%d)", slots, s.N), ZH: fmt.Sprintf("`reserve: %d` 预留的名额比 `quota` 允许这条规则用的（%d）还多", slots, s.N)},
			diag.Text{EN: "a smaller `reserve`, or a larger `quota`", ZH: "减小 `reserve` 或加大 `quota`"})
		return
	}
	r.reserve, r.reserveUntil = int(slots), minutes
}

// daily is how many slots a rule may ask for in a day at least: one, or what its quota lets it have.
func (r *Rule) daily() int {
	s := r.policy.Share
	switch {
	case s == nil:
		return 1
	case s.Each == "day":
		return s.N
	case s.Each == "" && s.In < 24*time.Hour:
		return int(min(int64(s.N)*int64(24*time.Hour/s.In), 1_000_000))
	case s.Each == "":
		return max(1, s.N/int(s.In/(24*time.Hour)))
	}
	return 1 // of a week or a month
}

// reserves refuses more reserved slots than an account has in a day.
func (l *loader) reserves() {
	kept := map[string][]*Rule{}
	for _, r := range l.rules {
		if r.reserve > 0 && r.Mode == Live {
			kept[r.Account] = append(kept[r.Account], r)
		}
	}
	for _, account := range slices.Sorted(maps.Keys(kept)) {
		a, _ := l.opt.account(account)
		have := a.Slots
		if have == 0 {
			have = standardSlots
		}
		sum := 0
		var all []string
		for _, r := range kept[account] {
			sum += r.reserve
			all = append(all, r.Name)
		}
		if sum <= have {
			continue
		}
		l.list = append(l.list, diag.Diagnostic{Code: "N523", Severity: diag.Error,
			Message: diag.Text{EN: fmt.Sprintf("rules reserve %d slots a day of account `%s`; it has %d", sum, account, have), ZH: fmt.Sprintf("规则一共预留了账号 `%s` 每天 %d 个名额，它每天只有 %d 个", account, sum, have)},
			Hint:    diag.Text{EN: "smaller reserves, so that their sum fits the day", ZH: "请减小 `reserve`，总和不能超过一天的名额"},
			Note:    diag.OneOf("rules", "规则", all)})
	}
}

// Reserves gives the slots of the day that are kept for live rules of an account.
func (s *Set) Reserves(account string) []intent.Reserve { return s.reserves[account] }

func (r *Rule) reserved() intent.Reserve {
	out := intent.Reserve{Rule: r.Name, N: r.reserve, Until: r.reserveUntil, Like: r.Like()}
	if r.life != nil {
		if out.From = r.life.from; !r.life.until.IsZero() {
			out.To = r.life.until.Add(r.expire) // so long the last of its requests may wait
		}
	}
	return out
}

// Like is an intent of a broadcast rule as far as it decides the lane; nil for other rules.
func (r *Rule) Like() *intent.Intent {
	if r.audience == nil {
		return nil
	}
	aud := &intent.Audience{Everyone: r.audience.everyone, Online: r.audience.online}
	if !aud.Everyone && !aud.Online {
		aud.AllOf = []string{"tag"} // which tags is all one
	}
	if len(r.audience.none) > 0 {
		aud.NoneOf = []string{"other"}
	}
	in := &intent.Intent{Rule: r.Name, Action: r.Action, Audience: aud, Content: &intent.Content{}}
	if r.content != nil && r.content.message != nil {
		in.Content.Message = &intent.Message{}
	}
	return in
}

// Share is the quota of the rule, nil for none.
func (r *Rule) Share() *intent.Cap { return r.policy.Share }
