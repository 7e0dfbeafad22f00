package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// merge is a rule's `merge`, compiled.
type merge struct {
	by     *template
	wait   time.Duration
	extend bool
	max    time.Duration
	keep   intent.Keep
	vars   []string // what the texts use of each trigger
}

const maxHold = 90 * 24 * time.Hour

// limits reads the block, each key from the rule or, when it has none, from the file's defaults.
func (l *loader) limits(own, defaults *diag.Node, r *Rule) {
	for _, n := range []*diag.Node{own, defaults} {
		if n != nil {
			n.Keys(append([]string{"priority", "expire", "per_user", "quiet", "when_quiet"}, ruleLimitKeys...)...)
		}
		if n != nil && n.Kind != diag.Mapping {
			return
		}
	}
	get := func(key string) *diag.Node { return either(own, defaults, key) }
	p := r.policy
	if s, ok := get("priority").Enum("low", "normal", "high", "urgent"); ok {
		p.Priority = map[string]intent.Priority{"low": intent.Low, "normal": intent.Normal, "high": intent.High, "urgent": intent.Urgent}[s]
	}
	r.expire, _ = get("expire").Duration(time.Second, maxHold)
	emptyList(get("per_user"), diag.Text{EN: "write a limit, `none`, or remove `per_user`", ZH: "请写上次数或 `none`，或删掉 `per_user`"})
	for _, c := range get("per_user").List() {
		text, ok := c.String()
		if !ok {
			continue
		}
		if text == "none" {
			p.NoCaps = true
			continue
		}
		cap, ok := parseCap(text)
		if !ok && c.Wide(func(s string) bool { _, ok := parseCap(s); return ok }) {
			continue
		}
		if !ok && outside(c, capText.FindStringSubmatch(text)) {
			continue
		}
		if !ok {
			better(c.Error("N112", diag.Text{EN: "`" + text + "` is not a limit", ZH: "`" + text + "` 不是次数限制"}, diag.Text{EN: "like `1 in 24h`, `2 per day` or `none`", ZH: "例如 `1 in 24h`、`2 per day`、`none`"}), capMeant(text))
			continue
		}
		if cap.N > intent.MaxPerUser {
			c.Error("N112", diag.Text{EN: fmt.Sprintf("%d times to one user: the most is %d", cap.N, intent.MaxPerUser), ZH: fmt.Sprintf("每人 %d 次：最多 %d 次", cap.N, intent.MaxPerUser)}, diag.Text{EN: "or `none`", ZH: "或写 `none`"})
			continue
		}
		p.PerUser = append(p.PerUser, cap)
	}
	if p.NoCaps && len(p.PerUser) > 0 {
		get("per_user").Error("N112", diag.Text{EN: "`none` stands alone", ZH: "`none` 不能和别的限制一起写"}, diag.Text{EN: "keep `none`, or the limits", ZH: "只保留 `none`，或只保留限制"})
	}
	none := false
	emptyList(get("quiet"), diag.Text{EN: "write a time of day, `none`, or remove `quiet`", ZH: "请写上时段或 `none`，或删掉 `quiet`"})
	for _, q := range get("quiet").List() {
		text, ok := q.String()
		if !ok || text == "none" {
			none = none || ok
			continue
		}
		quiet, ok := parseQuiet(text)
		switch {
		case !ok && q.Wide(func(s string) bool { _, ok := parseQuiet(s); return ok }):
		case !ok:
			better(q.Error("N112", diag.Text{EN: "`" + text + "` is not a time of day", ZH: "`" + text + "` 不是时段"}, diag.Text{EN: "like 22:00-08:00, `Sat,Sun 21:00-10:00` or none", ZH: "例如 22:00-08:00、`Sat,Sun 21:00-10:00`、none"}), quietMeant(text))
		case quiet.From == quiet.To:
			d := q.Error("N502", diag.Text{EN: "quiet hours with equal ends: nothing or the whole day?", ZH: "免打扰时段首尾相同：是全天还是没有？"}, diag.Text{EN: "write `none`, or two different times", ZH: "请写 `none`，或两个不同的时间"})
			if on, _, some := strings.Cut(text, " "); some {
				halves := "[\"" + on + " 00:00-12:00\", \"" + on + " 12:00-00:00\"]"
				d.Hint = diag.Text{EN: "for whole days write both halves, `" + halves + "`", ZH: "要全天免打扰，请分成两段，写 `" + halves + "`"}
			}
		default:
			p.Quiet = append(p.Quiet, quiet)
		}
	}
	switch {
	case none && len(p.Quiet) > 0:
		get("quiet").Error("N112", diag.Text{EN: "`none` stands alone", ZH: "`none` 不能和别的时段一起写"}, diag.Text{EN: "keep `none`, or the times of day", ZH: "只保留 `none`，或只保留时段"})
	case longestQuiet(p.Quiet) == week:
		get("quiet").Error("N502", diag.Text{EN: "together these quiet hours are the whole week: nothing ever leaves", ZH: "这些免打扰时段合起来是整个星期：什么都发不出去"}, diag.Text{EN: "leave a time to send in, or write `mode: off`", ZH: "留出可以发送的时间，或写 `mode: off`"})
	}
	if s, ok := get("when_quiet").Enum("hold", "drop"); ok {
		p.DropOn = s == "drop"
	}
	l.ruleLimits(own, defaults, r)
}

var (
	capText   = regexp.MustCompile(`^([0-9]{1,9}) (?:in ([0-9a-z.]+)|per (day|week|month))$`)
	quietText = regexp.MustCompile(`^(?:([A-Za-z,-]+) )?([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)
	days      = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

// outside reports a time of a limit, as capText and rateText find it, that is too short or too long.
func outside(n *diag.Node, m []string) bool {
	if m == nil || m[2] == "" {
		return false
	}
	d, err := diag.ParseDuration(m[2])
	if err != nil || d >= time.Second && d <= maxHold {
		return false
	}
	n.Error("N112", diag.Text{EN: "`" + m[2] + "` is not from 1s to 90d", ZH: "`" + m[2] + "` 超出范围：1s 到 90d"}, diag.Text{EN: "choose a time in that range", ZH: "请改到这个范围内"})
	return true
}

func parseCap(s string) (intent.Cap, bool) {
	m := capText.FindStringSubmatch(s)
	if m == nil {
		return intent.Cap{}, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 1 {
		return intent.Cap{}, false
	}
	if m[3] != "" {
		return intent.Cap{N: n, Each: m[3]}, true
	}
	d, err := diag.ParseDuration(m[2])
	return intent.Cap{N: n, In: d}, err == nil && d >= time.Second && d <= maxHold
}

func parseQuiet(s string) (intent.Quiet, bool) {
	m := quietText.FindStringSubmatch(s)
	if m == nil {
		return intent.Quiet{}, false
	}
	var q intent.Quiet
	ok := true
	clock := func(h, min string) int {
		a, err1 := strconv.Atoi(h)
		b, err2 := strconv.Atoi(min)
		ok = ok && err1 == nil && err2 == nil && b < 60 && (a < 24 || (a == 24 && b == 0))
		return (a*60 + b) % (24 * 60)
	}
	q.From, q.To = clock(m[2], m[3]), clock(m[4], m[5])
	if m[1] == "" {
		return q, ok
	}
	for _, part := range strings.Split(strings.ToLower(m[1]), ",") {
		a, b, isRange := strings.Cut(part, "-")
		if !isRange {
			b = a
		}
		i, j := slices.Index(days, a), slices.Index(days, b)
		if i < 0 || j < 0 {
			return q, false
		}
		for ; ; i = (i + 1) % 7 {
			q.Weekdays |= 1 << i
			if i == j {
				break
			}
		}
	}
	return q, ok
}

const week = 7 * 24 * time.Hour

// longestQuiet is the longest time without a minute to send in, all quiet hours together. Those that pass midnight belong to the day on which they begin.
func longestQuiet(hours []intent.Quiet) time.Duration {
	const day, all = 24 * 60, 7 * 24 * 60
	var quiet [all]bool // minutes of a week
	for _, q := range hours {
		for d := range 7 {
			if q.Weekdays != 0 && q.Weekdays&(1<<d) == 0 {
				continue
			}
			for m := range (q.To - q.From + day) % day {
				quiet[(d*day+q.From+m)%all] = true
			}
		}
	}
	longest, run := 0, 0
	for m := range 2 * all { // twice round, for what passes the end of the week
		if run++; !quiet[m%all] {
			run = 0
		}
		longest = max(longest, run)
	}
	return min(time.Duration(longest)*time.Minute, week)
}

// merge reads the block. It runs before the texts, whose names depend on it.
func (l *loader) merge(n *diag.Node, r *Rule) {
	if n == nil || !n.Keys("by", "wait", "extend", "max_wait", "keep", "one") {
		return
	}
	m := &merge{keep: intent.KeepLatest}
	r.scope.by = map[string][][]filter{}
	if by := n.Get("by"); by != nil {
		if r.scope.sameForAll(by) {
			r.scope.by = nil
		} else if m.by = l.text(by, r.scope); m.by != nil {
			for _, p := range m.by.parts {
				r.scope.by[p.ref] = append(r.scope.by[p.ref], p.filters)
			}
		} else {
			r.scope.by = nil
		}
	}
	m.wait, _ = n.Need("wait").Duration(0, 24*time.Hour)
	extend, said := n.Get("extend").Bool()
	m.extend = extend
	m.max, _ = n.Get("max_wait").Duration(time.Second, 24*time.Hour)
	switch {
	case m.extend && n.Get("max_wait") == nil:
		n.Key("extend").Error("N503", diag.Text{EN: "`extend` needs `max_wait`: a busy event would wait for ever", ZH: "`extend` 要配 `max_wait`：否则事件不断时永远发不出去"}, diag.Text{EN: "add `max_wait: 10m`", ZH: "例如加上 `max_wait: 10m`"})
	case !m.extend && n.Get("max_wait") != nil && (said || n.Get("extend") == nil):
		n.Key("max_wait").Error("N503", diag.Text{EN: "`max_wait` has a meaning only with `extend: true`", ZH: "`max_wait` 只在 `extend: true` 时有用"}, diag.Text{EN: "add `extend: true`, or remove it", ZH: "请加上 `extend: true`，或删掉它"})
	case m.extend && m.max < m.wait:
		n.Get("max_wait").Error("N503", diag.Text{EN: "`max_wait` is shorter than `wait`", ZH: "`max_wait` 比 `wait` 还短"}, diag.Text{EN: "make it longer than `wait`", ZH: "请改得比 `wait` 长"})
	}
	if keep := n.Get("keep"); keep != nil && keep.Text == "last" { // nearer to `list`, which is something else
		keep.Error("N112", diag.Text{EN: "`last` is not possible here", ZH: "这里不能写 `last`"}, diag.Text{EN: "did you mean `latest`?", ZH: "是不是想写 `latest`？"}).Fix = "latest"
	} else if k, ok := keep.Enum("latest", "first", "list"); ok {
		m.keep = intent.Keep(k)
	}
	r.merge = m
	if one := n.Get("one"); one != nil && one.Keys("title", "body") {
		r.oneNode = one // read with the content, before its names change
	}
}

// approval takes effect where the account does not waive it.
func (l *loader) approval(n, defaults *diag.Node, r *Rule, a Account, known bool) {
	own := n.Get("approval")
	block := either(n, defaults, "approval")
	wide := r.audience.wide()
	if block == nil {
		if wide && known && !a.ApprovalWaived {
			r.node.Error("N402", diag.Text{EN: "a broadcast to everyone needs `approval`", ZH: "发给全部用户需要 `approval`（批准）"}, diag.Text{EN: "add `approval: {people: 1, within: 30m}`, or `approval: waived` to the account", ZH: "请加上 `approval: {people: 1, within: 30m}`，或在账号设置里写 `approval: waived`"})
		}
		return
	}
	if own != nil && r.Action != intent.Broadcast {
		n.Key("approval").Error("N409", diag.Text{EN: "`approval` is for broadcasts", ZH: "`approval` 只用于人群推送"}, diag.Text{EN: "remove it", ZH: "请删掉"})
		return
	}
	if !block.Keys("people", "within") {
		return
	}
	people, ok1 := block.Need("people").Int(1, 10)
	within, ok2 := block.Need("within").Duration(time.Minute, 7*24*time.Hour)
	if !ok1 || !ok2 || (wide && a.ApprovalWaived && !l.opt.AnyAccount) || r.Action != intent.Broadcast {
		return
	}
	r.policy.Approval = &intent.Approval{People: int(people), Within: within}
	if r.expire > 0 && within > r.expire {
		block.Get("within").Warn("W506", diag.Text{EN: fmt.Sprintf("people may take %s to approve, but the message expires after %s", diag.FormatDuration(within), diag.FormatDuration(r.expire)),
			ZH: fmt.Sprintf("批准最多可以等 %s，但 %s 就过期作废了", diag.FormatDuration(within), diag.FormatDuration(r.expire))},
			diag.Text{EN: "a shorter `within`, or a longer `expire`", ZH: "缩短 `within` 或加长 `expire`"})
	}
}

// safety asks for what must be said wherever something can wait.
func (l *loader) safety(n, defaults *diag.Node, r *Rule) {
	hold := len(r.policy.Quiet) > 0 && !r.policy.DropOn
	if r.expire == 0 {
		why := ""
		switch {
		case r.Action == intent.Broadcast:
			why = "a broadcast can wait for a slot · 人群推送可能要等名额"
		case r.merge != nil:
			why = "merging waits · 合并需要等待"
		case r.policy.SendAt != nil:
			why = "`send_at` holds it · `send_at` 会让它等待"
		case hold:
			why = "quiet hours hold it · 免打扰时段会暂缓"
		}
		if limits := n.Get("limits"); why != "" && limits.Get("expire") == nil && !limits.Lost() {
			en, zh, _ := strings.Cut(why, " · ")
			r.node.Error("N501", diag.Text{EN: "`limits.expire` is missing: " + en, ZH: "缺少 `limits.expire`：" + zh}, diag.Text{EN: "add `limits: {expire: 4h}`", ZH: "例如加上 `limits: {expire: 4h}`"})
		}
		return
	}
	if m := r.merge; m != nil && max(m.wait, m.max) >= r.expire {
		n.Get("merge").Get("wait").Error("N504", diag.Text{EN: fmt.Sprintf("merging waits %s, but the message expires after %s", diag.FormatDuration(max(m.wait, m.max)), diag.FormatDuration(r.expire)),
			ZH: fmt.Sprintf("合并要等 %s，但 %s 就过期作废了", diag.FormatDuration(max(m.wait, m.max)), diag.FormatDuration(r.expire))}, diag.Text{EN: "a shorter `wait`, or a longer `expire`", ZH: "缩短 `wait` 或加长 `expire`"})
	}
	if hold {
		l.outlasted(n.Get("limits"), defaults.Get("limits"), r)
	}
}

// outlasted warns of quiet hours that are longer than what they hold lives.
func (l *loader) outlasted(own, defaults *diag.Node, r *Rule) {
	warn := func(at *diag.Node, length time.Duration) {
		if e := own.Get("expire"); e != nil && own.Get("quiet") == nil { // the defaults are right for other rules
			at = e
		}
		at.Warn("W503", diag.Text{EN: fmt.Sprintf("quiet hours of %s outlast `expire` of %s: what is held early expires", diag.FormatDuration(length), diag.FormatDuration(r.expire)),
			ZH: fmt.Sprintf("免打扰时段有 %s，比 `expire` 的 %s 长：暂缓的消息会过期作废", diag.FormatDuration(length), diag.FormatDuration(r.expire))},
			diag.Text{EN: "a longer `expire`, or `when_quiet: drop`", ZH: "加长 `expire`，或写 `when_quiet: drop`"})
	}
	together := longestQuiet(r.policy.Quiet)
	if together == week { // said
		return
	}
	list, alone := either(own, defaults, "quiet"), false
	for _, at := range list.List() {
		q, ok := parseQuiet(at.Text)
		if length := time.Duration((q.To-q.From+24*60)%(24*60)) * time.Minute; ok && length >= r.expire {
			warn(at, length)
			alone = true
		}
	}
	if !alone && together >= r.expire {
		warn(list, together)
	}
}
