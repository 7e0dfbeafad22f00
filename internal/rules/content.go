package rules

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// content is the texts of a push or broadcast, compiled.
type content struct {
	isOpen bool     // a text has an open hole
	hides  []string // personal fields in the texts
	ends   [5]int32 // in fixed, of title, body, link, image and group
	fixed  string   // these texts, where none has a hole; else ""

	title, body, link, image, group *template
	badge                           *int
	data                            map[string]*template
	platforms                       []string
	message                         *message
	extras                          map[string]json.RawMessage // by vendor
	oneTitle, oneBody               *template
	variants                        []*content
}

type message struct {
	from, extra *template
	kind        string
	content     map[string]*template
}

// How much text one intent may carry. JSON, which older releases keep in the ledger, writes a byte with up to six (\u003c): with
// maxVars that is 6 x (8 + 2) KiB = 60 KiB.
const maxContent = 8 << 10

// text reads a template and checks its names; nil when there is a mistake.
func (l *loader) text(n *diag.Node, s *scope) *template {
	src, ok := n.String()
	if !ok {
		return nil
	}
	t, wrong := parse(src, false)
	cut := cutHole(n, src)
	if cut >= 0 {
		n.ErrorBehind("N113", diag.Text{EN: "the text ends before ` #`: the rest, with the end of the hole, is a comment", ZH: "` #` 之后是注释：文字到这里就断了，`${` 没有写完"},
			diag.Text{EN: "put the text in double quotes, and `\\` before each of those in it", ZH: "整段文字请加双引号，里面的双引号前加 `\\`"})
	}
	for _, e := range wrong {
		if cut >= 0 && e.to > cut {
			continue
		}
		d := n.ErrorAt(e.from, e.to, e.code, e.msg, e.hint)
		if e.fix == "" {
			continue
		}
		advise(n, d, e.fix)
		if e.example {
			d.Fix = ""
		}
	}
	good := len(wrong) == 0
	if good {
		literals(n, src, t, s)
	}
	for i := range t.parts {
		if t.parts[i].ref != "" && !l.hole(n, s, &t.parts[i]) {
			good = false
		}
	}
	if !good {
		return nil
	}
	return t
}

// cutHole gives the rune of a text at which a hole begins whose end a comment has taken, -1 when there is none.
func cutHole(n *diag.Node, src string) int {
	i := strings.LastIndex(src, "${")
	if i < 0 || strings.Contains(src[i:], "}") || n.Cut() == "" {
		return -1
	}
	return utf8.RuneCountInString(src[:i])
}

// advise gives a finding in a text its cure: what to write instead, as it stands between the marks around the text.
func advise(n *diag.Node, d *diag.Diagnostic, fix string) {
	written := n.Inside(fix)
	d.Hint, d.Fix = diag.Text{EN: "write `" + written + "`", ZH: "写成 `" + written + "`"}, fix
}

// hole checks one reference and gives it its final name.
func (l *loader) hole(n *diag.Node, s *scope, p *part) bool {
	fail := func(code, en, zh, hen, hzh string) bool {
		n.ErrorAt(p.from, p.to, code, diag.Text{EN: en, ZH: zh}, diag.Text{EN: hen, ZH: hzh})
		return false
	}
	prefix, name, dotted := strings.Cut(p.ref, ".")
	isList := false
	if !dotted {
		name = p.ref
	} else {
		switch prefix {
		case "event":
			if !slices.Contains(eventFields, name) {
				return fail("N302", "`event` has no `"+name+"`", "`event` 没有 `"+name+"`", "it has "+strings.Join(eventFields, ", "), "它有 "+strings.Join(eventFields, "、"))
			}
			good := patternsFit(n, p)
			if name == "time" {
				dated(p)
			}
			if s.merged && s.varies[name] && !s.sameInAll(p) {
				return fail("N305", "`"+p.ref+"` differs between the merged events", "合并的事件里 `"+p.ref+"` 各不相同", "write `first."+p.ref+"` or `latest."+p.ref+"`", "写成 `first."+p.ref+"` 或 `latest."+p.ref+"`")
			}
			return good
		case "first", "latest", "list":
			if !s.merged {
				return fail("N302", "`"+prefix+"` is only there in texts with `merge`", "`"+prefix+"` 只能用在有 `merge` 的文字里", "write `${"+name+"}`", "写成 `${"+name+"}`")
			}
			if part, ofEvent := strings.CutPrefix(name, "event."); ofEvent && prefix != "list" && slices.Contains(eventFields, part) {
				if part == "time" {
					dated(p)
				}
				return patternsFit(n, p)
			}
			isList = prefix == "list"
		case "before":
			if !s.before {
				return fail("N302", "`before` is only there in a push on a profile event", "`before` 只能用在用户资料事件的 push 规则里", "write `${"+name+"}`", "写成 `${"+name+"}`")
			}
			if s.merged && s.varies["before"] {
				return fail("N305", "`"+p.ref+"` differs between the merged events: of several it is what stood before the last one", "合并的事件里 `"+p.ref+"` 各不相同：多个事件时，它是最后一个事件之前的值", "write `keep: first` in `merge`, with which it is what stood before all of them", "请在 `merge` 里写 `keep: first`，它就是第一个事件之前的值")
			}
		case "user":
		default:
			return fail("N302", "`"+p.ref+"`: a field has no parts", "`"+p.ref+"`：字段没有下一级", "declare the path in events.yaml and use the field's name", "请在 events.yaml 里声明路径，这里写字段名")
		}
	}
	if name == "count" && !dotted {
		if !s.merged {
			return fail("N302", "`count` is only there in texts with `merge`", "`count` 只能用在有 `merge` 的文字里", "add `merge: {wait: 10m}`, or remove it", "请加上 `merge: {wait: 10m}`，或删掉它")
		}
		return true
	}
	if isOpen(p.ref) {
		f := l.openHole(n, s, p)
		return f != nil && filtersFit(n, p, f, false)
	}
	f := s.fields[name]
	if f == nil {
		at := p.from + strings.Index(" "+p.ref, name) - 1
		s.unknownField(n, at, at+len([]rune(name)), name)
		return false
	}
	if dotted {
		p.ref = prefix + "." + f.Name
	} else {
		p.ref = f.Name
	}
	if !filtersFit(n, p, f, isList) {
		return false
	}
	if !dotted && !s.sameInAll(p) {
		if f.Type == event.Time && s.by[f.Name] != nil {
			return fail("N305", "`"+f.Name+"` is in `merge.by` without all that is written of it here: events with another time are merged too", "这里写的比 `merge.by` 里的 `"+f.Name+"` 更细，时间不同的事件也会合并到一起",
				"write no more of it than `merge.by` does, which without `date` goes to the minute, or `first."+f.Name+"`, `latest."+f.Name+"`", "不要写得比 `merge.by` 更细（那里不写 `date` 就是到分钟），或写成 `first."+f.Name+"`、`latest."+f.Name+"`")
		}
		if s.by[f.Name] != nil {
			return fail("N305", "`"+f.Name+"` is in `merge.by` with a filter, behind which events with another value are merged too", "`merge.by` 里的 `"+f.Name+"` 带了过滤器，值不同的事件也会合并到一起",
				"write the filter here too, or `first."+f.Name+"`, `latest."+f.Name+"`", "这里也写上同样的过滤器，或写成 `first."+f.Name+"`、`latest."+f.Name+"`")
		}
		return fail("N305", "`"+f.Name+"` differs between the merged events and is not in `merge.by`", "合并的事件里 `"+f.Name+"` 各不相同，它又不在 `merge.by` 里",
			"write `first."+f.Name+"`, `latest."+f.Name+"` or `list."+f.Name+" | join`", "写成 `first."+f.Name+"`、`latest."+f.Name+"` 或 `list."+f.Name+" | join`")
	}
	return true
}

// sameInAll reports whether a hole has the same text for all events of a merge: merge.by has its value as it is, a time with all that is
// written of it, or what its filters begin with.
func (s *scope) sameInAll(p *part) bool {
	if !s.merged || s.by == nil {
		return true
	}
	return slices.ContainsFunc(s.by[p.ref], func(by []filter) bool {
		if !slices.ContainsFunc(by, func(f filter) bool { return f.name != "default" && f.name != "urlencode" && f.name != "date" }) {
			return writesWithin(p.filters, by) && s.fillsAlike(p, by)
		}
		return len(p.filters) >= len(by) && slices.EqualFunc(by, p.filters[:len(by)], func(a, b filter) bool {
			return a.name == b.name && a.arg == b.arg
		})
	})
}

// fillsAlike reports whether a hole writes one text for the events that a default of merge.by merges: those without a value and those whose
// value is the default's text.
func (s *scope) fillsAlike(p *part, by []filter) bool {
	instead, _ := fallback(by)
	if instead == "" {
		return true
	}
	if _, given := fallback(p.filters); !given { // without a value there is no text at all
		f := s.fields[p.ref]
		return f == nil || !mayBeEmpty(f)
	}
	own := p.filters
	if i := slices.IndexFunc(own, func(f filter) bool { return f.name == "max" || f.name == "upper" || f.name == "money" }); i >= 0 {
		own = own[:i] // what a default behind one of these writes is not what the filter would make of it
	}
	text, _ := fallback(own)
	return text == instead
}

// mayBeEmpty reports whether a field that is there can be an empty text or list.
func mayBeEmpty(f *event.Field) bool {
	return f.Type == event.List || f.Type == event.String && (len(f.Values) == 0 || f.Default != nil && f.Default.Str == "")
}

// fallback gives what filters write of what is absent or empty; false when they have no default.
func fallback(filters []filter) (text string, given bool) {
	for _, f := range filters {
		if f.name == "default" {
			given, text = true, cmp.Or(text, f.arg)
		}
	}
	return text, given
}

// writesWithin reports whether filters write no more of a time than others, the year of a day but not its hour. Of what is no time, all do.
func writesWithin(filters, others []filter) bool {
	inner, outer := patternOf(filters), patternOf(others)
	for _, w := range dateWords {
		if outer != "" && strings.Contains(inner, w.word) && !strings.Contains(outer, w.word) {
			return false
		}
	}
	return true
}

// patternOf gives how filters write a time; "" when they write none.
func patternOf(filters []filter) string {
	for _, f := range filters {
		if f.name == "date" && f.hasArg {
			return f.arg
		}
		if f.name == "date" {
			return defaultDate
		}
	}
	return ""
}

// filtersFit checks the filters of a hole by the type of what it holds.
func filtersFit(n *diag.Node, p *part, f *event.Field, isList bool) bool {
	fail := func(en, zh string) bool {
		n.ErrorAt(p.from, p.to, "N304", diag.Text{EN: en, ZH: zh}, diag.Text{EN: "remove the filter", ZH: "请删掉这个过滤器"})
		return false
	}
	before := "" // the filter whose text stands for the value
	for _, fl := range p.filters {
		switch {
		case fl.typed() && before != "", fl.name == "join" && slices.Contains([]string{"upper", "max", "urlencode"}, before):
			n.ErrorAt(fl.from, fl.to, "N304", diag.Text{EN: "`" + fl.name + "` stands after `" + before + "`, which has made a text of the value", ZH: "`" + fl.name + "` 写在 `" + before + "` 后面，那时值已经是文字了"},
				diag.Text{EN: "write `" + fl.name + "` first, right after the field", ZH: "把 `" + fl.name + "` 写在最前面，紧跟字段"})
			return false
		case fl.name == "money" && f.Type != event.Number:
			return fail("`money` is for numbers, `"+f.Name+"` is a "+string(f.Type), "`money` 用于数字，`"+f.Name+"` 不是数字")
		case fl.name == "date" && f.Type != event.Time:
			return fail("`date` is for times, `"+f.Name+"` is a "+string(f.Type), "`date` 用于时间，`"+f.Name+"` 不是时间")
		case fl.name == "join" && f.Type != event.List && !isList:
			return fail("`join` is for lists, `"+f.Name+"` is a "+string(f.Type), "`join` 用于列表，`"+f.Name+"` 不是列表")
		}
		if fl.name != "default" {
			before = fl.name
		}
	}
	if !patternsFit(n, p) {
		return false
	}
	if f.Type == event.Time {
		dated(p)
	}
	return true
}

// dated makes a time readable where the text does not say how.
func dated(p *part) {
	if !slices.ContainsFunc(p.filters, func(f filter) bool { return f.name == "date" }) {
		p.filters = append([]filter{{name: "date"}}, p.filters...)
	}
}

// varies gives what the events of the rule's merge need not share of what every event has. to: it is for somebody else than the event's user.
func varies(r *Rule, to bool) map[string]bool {
	types, topics := map[string]bool{}, map[string]bool{}
	for _, s := range r.specs {
		types[s.Name] = true
		for _, t := range s.Topics {
			topics[t] = true
		}
	}
	return map[string]bool{"id": true, "time": true, "user": to || r.Action != intent.Push, "type": len(types) > 1, "topic": len(topics) > 1,
		"before": r.merge != nil && r.merge.keep != intent.KeepFirst}
}

// texts reads what push and broadcast have in common.
func (l *loader) texts(n *diag.Node, r *Rule, a Account) {
	r.scope.merged = r.merge != nil
	s := r.scope
	s.now, s.user = true, r.Action == intent.Push
	s.varies = varies(r, n.Get("to") != nil)
	c := &r.own
	r.content = c
	defer func() { c.isOpen, _ = c.open(); c.hides = c.personal(s) }()
	get := func(key string) *template {
		if v := n.Get(key); v != nil {
			return l.text(v, s)
		}
		return nil
	}
	c.title, c.body, c.link, c.image, c.group = get("title"), get("body"), get("link"), get("image"), get("group")
	address(n.Get("link"), c.link)
	address(n.Get("image"), c.image)
	if n.Get("body") == nil && n.Get("variants") == nil {
		n.Error("N114", diag.Text{EN: "`body` is missing", ZH: "缺少 `body`（正文）"}, diag.Text{EN: "add `body: \"...\"`", ZH: "请加上 `body: \"...\"`"})
	} else {
		emptyBody(n.Get("body"))
	}
	for key, limit := range map[string]int{"title": 50, "body": 200} {
		if v := n.Get(key); v != nil {
			long := 0
			if t, err := parseTemplate(v.Text); err == nil {
				for _, p := range t.parts {
					long += len([]rune(p.text))
				}
			}
			if long > limit && len(v.Text) <= maxContent {
				v.Warn("W505", diag.Text{EN: fmt.Sprintf("the %s has %d characters; phones show about %d", key, long, limit), ZH: fmt.Sprintf("%s 有 %d 个字，手机大约只显示 %d 个", key, long, limit)},
					diag.Text{EN: "shorten it; `| max(20)` shortens a field", ZH: "请写短一些；字段可以用 `| max(20)` 截短"})
			}
			if len(v.Text) > maxContent {
				v.Error("N505", diag.Text{EN: "the text is too long", ZH: "文字太长"}, diag.Text{EN: "at most 8 KiB", ZH: "最多 8 KiB"})
			}
		}
	}
	if v := n.Get("badge"); v != nil && v.Kind == diag.Scalar && strings.HasPrefix(v.Text, "+") { // vendors count up with +1; here it would be read as 1
		v.Error("N112", diag.Text{EN: "`" + v.Text + "` is not possible here: `badge` is the number that is shown, and counts nothing up", ZH: "这里不能写 `" + v.Text + "`：`badge` 就是显示出来的数字，不会累加"},
			diag.Text{EN: "write a whole number, like `badge: 1`", ZH: "请写整数，例如 `badge: 1`"})
	} else if v, ok := v.Int(0, 9999); ok {
		b := int(v)
		c.badge = &b
	}
	if d := n.Get("data"); d.IsMapping() {
		c.data = map[string]*template{}
		for _, f := range d.Fields {
			if f.Key.Text == "link" && n.Get("link") != nil { // at every vendor both become the same key of what the app gets
				f.Key.Error("N102", diag.Text{EN: "`link` stands in `data` as well, and only one of them is sent", ZH: "`data` 里也有 `link`，两个只会发出一个"}, diag.Text{EN: "keep one of them, or give the one in `data` another name", ZH: "只保留一个，或给 `data` 里的换个名字"})
			}
			c.data[f.Key.Text] = l.text(f.Value, s)
		}
	}
	emptyList(n.Get("platforms"), diag.OneOf("platforms", "可选平台", []string{"ios", "android", "harmonyos"}))
	for _, p := range n.Get("platforms").List() {
		if x, ok := p.Enum("ios", "android", "harmonyos"); ok {
			c.platforms = append(c.platforms, x)
		}
	}
	if m := n.Get("message"); m != nil && m.Keys("from", "type", "content", "extra") {
		c.message = &message{}
		if v := m.Get("from"); v != nil {
			sender := *s
			sender.now, sender.user = false, false
			c.message.from = l.text(v, &sender)
		} else if a.Name != "" && a.Sender == "" {
			m.Error("N408", diag.Text{EN: "nobody sends this message", ZH: "这条消息没有发送人"}, diag.Text{EN: "add `from`, or `sender` to the account", ZH: "请加上 `from`，或在账号设置里写 `sender`"})
		}
		if v := m.Get("extra"); v != nil {
			c.message.extra = l.text(v, s)
		}
		c.message.kind, _ = m.Need("type").String()
		if v := m.Get("type"); v != nil && !messageType.MatchString(v.Text) {
			v.Error("N112", diag.Text{EN: "`" + v.Text + "` is not a message type", ZH: "`" + v.Text + "` 不是消息类型"}, diag.Text{EN: "like RC:TxtMsg or your own app:order", ZH: "例如 RC:TxtMsg 或自定义的 app:order"})
		}
		c.message.content = map[string]*template{}
		if body := m.Need("content"); body.IsMapping() {
			for _, f := range body.Fields {
				c.message.content[f.Key.Text] = l.text(f.Value, s)
			}
		}
	}
	l.blocks(n, c)
	l.variants(n.Get("variants"), r)
	if c.body == nil && len(r.variants) > 0 { // each has one
		c.body = r.variants[0].content.body
	}
	if r.merge == nil {
		return
	}
	r.merge.vars = c.vars()
	if one := r.oneNode; one != nil {
		single := *s
		single.by = map[string][][]filter{"event.id": {nil}, "event.time": {nil}}
		for _, f := range s.list { // one trigger: every field has one value
			single.by[f.Name] = [][]filter{nil}
		}
		if v := one.Get("title"); v != nil {
			c.oneTitle = l.text(v, &single)
		}
		if v := one.Get("body"); v != nil {
			emptyBody(v)
			c.oneBody = l.text(v, &single)
		}
		r.merge.vars = c.vars()
	}
}

// emptyBody reports a body of which nothing could be sent.
func emptyBody(n *diag.Node) {
	if n != nil && n.Kind == diag.Scalar && strings.TrimSpace(n.Text) == "" {
		n.Error("N104", diag.Text{EN: "the body is empty", ZH: "正文是空的"}, diag.Text{EN: "write what the user is to read", ZH: "请写上用户要看到的内容"})
	}
}

var messageType = regexp.MustCompile(`^[A-Za-z0-9_-]+:[A-Za-z0-9_-]+$`)

// templates gives all texts of the content.
func (c *content) templates() []*template {
	out := []*template{c.title, c.body, c.link, c.image, c.group, c.oneTitle, c.oneBody}
	for _, k := range sortedKeys(c.data) {
		out = append(out, c.data[k])
	}
	if m := c.message; m != nil {
		out = append(out, m.from, m.extra)
		for _, k := range sortedKeys(m.content) {
			out = append(out, m.content[k])
		}
	}
	for _, v := range c.variants {
		out = append(out, v.title, v.body)
	}
	return out
}

// vars gives the fields that merged texts use of each trigger.
func (c *content) vars() []string {
	set := map[string]bool{}
	for _, t := range c.templates() {
		for _, ref := range t.refs() {
			prefix, name, dotted := strings.Cut(ref, ".")
			switch {
			case ref == "count", isOpen(ref):
			case dotted && (prefix == "first" || prefix == "latest" || prefix == "list"):
				set[name] = true
			default:
				set[ref] = true
			}
		}
	}
	return sortedKeys(set)
}

// blocks reads the vendors' own extras, of a rule or of what it does.
func (l *loader) blocks(n *diag.Node, c *content) {
	for _, name := range vendorBlocks {
		if b := n.Get(name); b != nil {
			l.extras(b, name, c)
		}
	}
}

// extras turns a vendor's block into JSON: quoted texts stay texts, plain true, false and whole numbers become what they are.
// Its keys are the vendor's business (Options.Vendor).
func (l *loader) extras(n *diag.Node, vendor string, c *content) {
	if !n.IsMapping() {
		return
	}
	if c.extras[vendor] != nil {
		n.Error("N102", diag.Text{EN: "`" + vendor + "` is written twice", ZH: "`" + vendor + "` 写了两次"}, diag.Text{EN: "keep one of them", ZH: "只保留一个"})
		return
	}
	if literal(n) {
		return
	}
	b, err := json.Marshal(plainJSON(n))
	if err != nil || len(b) > 4<<10 {
		n.Error("N505", diag.Text{EN: "the block is too large", ZH: "内容太多"}, diag.Text{EN: "at most 4 KiB", ZH: "最多 4 KiB"})
		return
	}
	if c.extras == nil {
		c.extras = map[string]json.RawMessage{}
	}
	c.extras[vendor] = b
}

// literal reports holes in the vendor's block: it is sent as it is written.
func literal(n *diag.Node) (found bool) {
	for _, f := range n.Fields {
		found = literal(f.Value) || found
	}
	for _, it := range n.Items {
		found = literal(it) || found
	}
	if n.Kind == diag.Scalar && strings.Contains(n.Text, "${") {
		n.Error("N411", diag.Text{EN: "the vendor's block is sent as it is written: `${}` is not filled in", ZH: "厂商的这一段原样发送，`${}` 不会被替换"},
			diag.Text{EN: "put what changes into title, body, link or data", ZH: "会变的内容请写进 title、body、link 或 data"})
		return true
	}
	return found
}

func plainJSON(n *diag.Node) any {
	switch n.Kind {
	case diag.Mapping:
		out := map[string]any{}
		for _, f := range n.Fields {
			out[f.Key.Text] = plainJSON(f.Value)
		}
		return out
	case diag.Sequence:
		out := []any{}
		for _, it := range n.Items {
			out = append(out, plainJSON(it))
		}
		return out
	}
	if !n.Quoted() {
		switch n.Text {
		case "true":
			return true
		case "false":
			return false
		}
		if i, err := strconv.ParseInt(n.Text, 10, 64); err == nil && strconv.FormatInt(i, 10) == n.Text {
			return i
		}
	}
	return n.Text
}

// apartAt takes five texts out of one.
func apartAt[N int32 | uint16](all string, ends [5]N) (title, body, link, image, group string) {
	return all[:ends[0]], all[ends[0]:ends[1]], all[ends[1]:ends[2]], all[ends[2]:ends[3]], all[ends[3]:]
}

// fix writes once what is the same for every event.
func (c *content) fix() {
	if c.badge != nil || len(c.platforms) > 0 || len(c.extras) > 0 || len(c.data) > 0 || c.message != nil {
		return
	}
	var all string
	var ends [5]int32
	for i, t := range [5]*template{c.title, c.body, c.link, c.image, c.group} {
		if len(t.refs()) > 0 {
			return
		}
		text, err := t.render(nil)
		if all += text; err != nil || len(all) > maxContent {
			return
		}
		ends[i] = int32(len(all))
	}
	if strings.TrimSpace(all[ends[0]:ends[1]]) != "" {
		c.fixed, c.ends = all, ends
	}
}

// render makes the content of one intent. With raw the texts stay templates, for a merge.
func (c *content) render(out *intent.Content, a *subject, raw bool) error {
	if c.fixed != "" && !raw {
		out.Title, out.Body, out.Link, out.Image, out.Group = apartAt(c.fixed, c.ends)
		return nil
	}
	size := 0
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	out.Open = c.isOpen
	text := func(t *template) (s string) {
		if raw {
			s = t.String()
		} else if out.Open {
			var err error
			s, err = t.partial(a.get)
			note(err)
		} else {
			var err error
			s, err = t.render(a.get)
			note(err)
		}
		size += len(s)
		return s
	}
	out.Badge, out.Platforms, out.RongCloud, out.Getui = c.badge, c.platforms, c.extras["rongcloud"], c.extras["getui"]
	if raw || out.Open {
		out.Title, out.Body, out.Link, out.Image, out.Group = text(c.title), text(c.body), text(c.link), text(c.image), text(c.group)
	} else { // one string holds all of them
		b, ends := a.press.text[:0], [5]int32{}
		for i, t := range [5]*template{c.title, c.body, c.link, c.image, c.group} {
			var err error
			b, err = t.append(b, a.get, a.places)
			note(err)
			ends[i] = int32(len(b))
		}
		all := string(b)
		a.press.text, size = b, len(all)
		out.Title, out.Body, out.Link, out.Image, out.Group = apartAt(all, ends)
	}
	if len(c.data) > 0 {
		out.Data = make(map[string]string, len(c.data))
		for _, k := range sortedKeys(c.data) {
			out.Data[k] = text(c.data[k])
		}
	}
	if m := c.message; m != nil {
		out.Message = &intent.Message{From: text(m.from), Type: m.kind, Extra: text(m.extra), Content: make(map[string]string, len(m.content))}
		for _, k := range sortedKeys(m.content) {
			out.Message.Content[k] = text(m.content[k])
		}
	}
	switch {
	case first != nil:
		return first
	case !raw && strings.TrimSpace(out.Body) == "":
		return errors.New("the body is empty")
	case size > maxContent:
		return fmt.Errorf("the texts have %d bytes, the most is %d", size, maxContent)
	}
	switch {
	case raw:
		out.Personal = c.hides
	case len(c.hides) > 0:
		for _, t := range c.templates() {
			out.Personal = t.told(out.Personal, hasOne(c.hides), a.get)
		}
	}
	return nil
}

// push reads the block of a rule for named users.
func (l *loader) push(n *diag.Node, r *Rule, a Account) {
	if !n.Keys("to", "title", "body", "link", "image", "data", "badge", "group", "platforms", "message", "variants", "rongcloud", "getui") {
		return
	}
	if to := n.Get("to"); to != nil {
		if r.scope.twoUsers(to) {
			if r.to = nil; strings.Contains(to.Text, "${") {
				l.text(to, r.scope) // for what else is wrong with it
			}
		} else if r.scope.noUser(to) {
			r.to = nil
		} else if r.to = l.text(to, r.scope); r.to != nil {
			r.toList = r.scope.namedList(to, r.to)
		}
	} else {
		for _, s := range r.specs {
			if s.User == "" && !r.guessed && !r.unclear && l.declared[s.Name].Get("user") == nil {
				n.Error("N114", diag.Text{EN: "event `" + s.Name + "` has no user: to whom?", ZH: "事件 `" + s.Name + "` 没有用户：发给谁？"}, diag.Text{EN: "add `to`, or `user` to the event", ZH: "请加上 `to`，或在事件目录里给事件加 `user`"})
			}
		}
	}
	l.texts(n, r, a)
}
