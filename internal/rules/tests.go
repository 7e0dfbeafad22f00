package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// Test is one test of a rule: what happens, and what must come of it. Package ruletest runs it.
type Test struct {
	Name     string
	Line     int
	Event    string                  // of the catalogue
	Sample   bool                    // the event is the catalogue's sample, with Values over it
	Values   map[string]event.Value  // by field, after scale and type
	Profile  map[string]intent.Value // what was known of the user before
	Now      time.Time               // zero: the runner's
	After    time.Duration           // how long after the events it is judged
	Times    int                     // events, at least 1
	Used     int                     // slots of the scarce lane used just before
	Why      string                  // the clause that decided; "": not asked
	Snapshot bool                    // the requests that leave are those on file
	Expect   Expect
}

// Expect is what a test expects; of the parts one is set, or none when the test has only a snapshot.
type Expect struct {
	NoMatch  bool // the conditions are not met
	Nothing  bool // nothing leaves, for whatever reason
	Request  bool // one leaves, with these parts
	Parts    []Part
	Tags     []string // the rule's tags that the user has afterwards; nil: not asked
	Held     string   // at this gate ...
	LeavesAt time.Time
	Reason   string // SUPPRESSED for
}

// Part is one thing expected of a request.
type Part struct {
	Path string // title, data.order_id, audience.all_of
	Text string
	List []string // not nil: a list
}

// Gates are where an intent can be held, as tests and people name them, in the order of rules-format.md 5.
var Gates = []string{"merge", "approval", "quiet", "quota", "paused"}

// reasons are the reasons of SUPPRESSED (fates.md).
var reasons = []string{"duplicate", "stale", "unchanged", "expired", "capped", "repeated", "quiet", "no-quota", "shadow", "canary", "blocked", "opted-out",
	"not-approved", "cancelled", "killed", "superseded-by-rule-change"}

// What of a request can be expected, by action.
var requestKeys = []string{"title", "body", "link", "image", "data", "badge", "group", "platforms", "message", "rongcloud", "getui", "account", "endpoint"}

// untested is the code of a rule without a test that proves a miss.
const untested = "W801"

// tests reads a rule's tests.
func (l *loader) tests(n *diag.Node, r *Rule) {
	miss := false
	names := map[string]bool{}
	for _, tn := range n.List() {
		t := l.test(tn, r)
		if t == nil {
			continue
		}
		r.Tests = append(r.Tests, t)
		if names[t.Name] && t.Name != "" {
			tn.Get("name").Error("N102", diag.Text{EN: "the rule has a test `" + t.Name + "` already", ZH: "这条规则已经有名为 `" + t.Name + "` 的测试"}, diag.Text{EN: "give it another name", ZH: "请换一个名字"})
		}
		names[t.Name] = true
		e := t.Expect
		miss = miss || e.NoMatch || e.Nothing || e.Tags != nil && len(e.Tags) == 0 || r.always && e.Reason != "" // nothing but its limits stops a rule without a condition
	}
	if hint, can := r.miss(); can && !miss && r.Action != intent.Tags && r.Mode != Off {
		r.node.Warn(untested, diag.Text{EN: "no test proves that the rule can miss", ZH: "没有测试证明这条规则会不触发"}, hint)
	}
}

// miss says what kind of test proves that the rule can miss. A rule without a condition may have nothing that stops it: there is no such
// test then.
func (r *Rule) miss() (hint diag.Text, can bool) {
	if !r.always || len(r.unless) > 0 {
		return diag.Text{EN: "add one with `expect: no match`", ZH: "请加一个 `expect: no match` 的测试"}, true
	}
	if r.life != nil {
		return diag.Text{EN: "add one with a `now` outside of the rule's life and `expect: no match`", ZH: "请加一个 `now` 在规则有效期之外、`expect: no match` 的测试"}, true
	}
	p, reason := r.policy, ""
	switch {
	case len(p.PerUser) > 0 || len(p.RuleCaps) > 0:
		reason = "capped"
	case r.once != nil:
		reason = "repeated"
	case len(p.Quiet) > 0 && p.DropOn:
		reason = "quiet"
	case r.userWhen != nil:
		reason = "opted-out"
	case r.Mode == Canary:
		reason = "canary"
	default:
		return diag.Text{}, false
	}
	return diag.Text{EN: "the rule has no condition: add one of what stops it, with `expect: {suppressed: " + reason + "}`", ZH: "规则没有条件：请加一个被别的设置拦下的测试，写 `expect: {suppressed: " + reason + "}`"}, true
}

func (l *loader) test(n *diag.Node, r *Rule) *Test {
	if !n.Keys("name", "event", "sample", "with", "profile", "now", "quota", "times", "after", "expect", "why", "snapshot") {
		return nil
	}
	t := &Test{Line: n.Line, Times: 1}
	t.Name, _ = n.Need("name").String()
	if times, ok := n.Get("times").Int(1, 1000); ok {
		t.Times = int(times)
	}
	t.After, _ = n.Get("after").Duration(0, 90*24*time.Hour)
	t.Why, _ = n.Get("why").String()
	t.Now = moment(n.Get("now"))
	t.Snapshot, _ = n.Get("snapshot").Bool()
	if q := n.Get("quota"); q != nil && q.Keys("used") {
		used, _ := q.Need("used").Int(0, 1000)
		t.Used = int(used)
	}
	l.happens(n, r, t)
	if t.Snapshot && n.Get("expect") == nil {
		return t
	}
	t.Expect = l.expect(n.Need("expect"), r)
	return t
}

// moment reads a time with its zone.
func moment(n *diag.Node) time.Time {
	s, ok := n.String()
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		n.Error("N112", diag.Text{EN: "`" + s + "` is not a time", ZH: "`" + s + "` 不是时间"}, diag.Text{EN: "like 2026-11-21T23:30:00+08:00", ZH: "例如 2026-11-21T23:30:00+08:00"})
	}
	return at
}

// happens reads the event of a test and what was known before it.
func (l *loader) happens(n *diag.Node, r *Rule, t *Test) {
	if (n.Get("event") == nil) == (n.Get("sample") == nil) {
		n.Error("N802", diag.Text{EN: "a test has either `event` or `sample`", ZH: "测试要写 `event` 或 `sample` 其中一个"}, diag.Text{EN: "write `event: {field: value}`, or `sample: EVENT` and `with: {field: value}`", ZH: "请写 `event: {字段: 值}`，或写 `sample: 事件名` 加 `with: {字段: 值}`"})
	}
	if w := n.Key("with"); w != nil && n.Get("event") != nil {
		w.Error("N802", diag.Text{EN: "`with` changes a `sample`", ZH: "`with` 只用来改 `sample`"}, diag.Text{EN: "write the values into `event`", ZH: "请直接写进 `event`"})
	}
	fields := n.Get("event")
	if s := n.Get("sample"); s != nil {
		fields, t.Sample, t.Event = n.Get("with"), true, s.Text
		if !slices.Contains(r.Events, s.Text) && !r.guessed && !r.scope.open {
			s.Error("N201", diag.Text{EN: "`" + s.Text + "` is not an event of this rule", ZH: "`" + s.Text + "` 不是这条规则的事件"}, diag.OneOf("events", "可用事件", r.Events))
		} else if spec := l.byName[s.Text]; spec != nil && l.declared[s.Text].Get("sample") == nil && !l.declared[s.Text].Lost() {
			s.Error("N608", diag.Text{EN: "event `" + s.Text + "` has no sample", ZH: "事件 `" + s.Text + "` 没有样例"}, diag.Text{EN: "write `event: {field: value}`, or add `sample: FILE.json` to the event in the catalogue", ZH: "请改写 `event: {字段: 值}`，或在事件目录里给这个事件加 `sample: 文件名.json`"})
		}
	} else if fields != nil {
		t.Event = r.about(fields)
	}
	t.Values = map[string]event.Value{}
	if fields.IsMapping() {
		for _, f := range fields.Fields {
			field := r.scope.fields[f.Key.Text]
			if field == nil && !r.scope.misspelt(f.Key.Text) {
				continue
			}
			if spec := l.byName[t.Event]; spec != nil && field != nil { // another event of the rule may have other values
				if i, ok := spec.Index(field.Name); ok {
					field = &spec.Fields[i]
				}
			}
			if v, name, ok := r.scope.value(f, field); ok {
				if _, twice := t.Values[name]; twice {
					given(f.Key, name)
				}
				t.Values[name] = v
			}
		}
	}
	if p := n.Get("profile"); p.IsMapping() {
		t.Profile = map[string]intent.Value{}
		for _, f := range p.Fields {
			field := l.users.fields[f.Key.Text]
			if field == nil && !l.users.misspelt(f.Key.Text) {
				continue
			}
			if v, name, ok := l.users.value(f, field); ok {
				if _, twice := t.Profile[name]; twice {
					given(f.Key, name)
				}
				t.Profile[name] = tableValue(&v)
			}
		}
	}
}

// given reports a field that a test gives under its name and under its alias.
func given(key *diag.Node, name string) {
	key.Error("N102", diag.Text{EN: "`" + name + "` is given a value already", ZH: "`" + name + "` 已经写过值了"}, diag.Text{EN: "keep one of them", ZH: "只保留一个"})
}

// about is the event whose fields a test gives: the first of the rule's that has them all, with these values if one has.
func (r *Rule) about(fields *diag.Node) string {
	named := ""
	for _, spec := range r.specs {
		has := func(f diag.Field) bool { _, ok := spec.Index(f.Key.Text); return ok }
		may := func(f diag.Field) bool { i, ok := spec.Index(f.Key.Text); return ok && mayBe(&spec.Fields[i], f.Value) }
		if every(fields.Fields, may) {
			return spec.Name
		}
		if named == "" && every(fields.Fields, has) {
			named = spec.Name
		}
	}
	if named == "" && len(r.specs) > 0 {
		return r.specs[0].Name
	}
	return named
}

func every(fields []diag.Field, is func(diag.Field) bool) bool {
	return !slices.ContainsFunc(fields, func(f diag.Field) bool { return !is(f) })
}

// mayBe reports whether what a test gives is among the values of a field.
func mayBe(f *event.Field, n *diag.Node) bool {
	given := n.Items
	if n.Kind == diag.Scalar {
		given = []*diag.Node{n}
	}
	return f.Values == nil || !slices.ContainsFunc(given, func(n *diag.Node) bool { return !slices.Contains(f.Values, n.Text) })
}

// value reads a field of a test as the decoder would have given it.
func (sc *scope) value(n diag.Field, f *event.Field) (v event.Value, name string, ok bool) {
	if f == nil {
		hint, fix := diag.DidYouMean(n.Key.Text, sc.known())
		if h, ok := sc.apart[n.Key.Text]; ok {
			hint, fix = h, ""
		}
		d := n.Key.Error("N202", diag.Text{EN: "unknown field `" + n.Key.Text + "`", ZH: "没有字段 `" + n.Key.Text + "`"}, hint)
		d.Fix, d.Note = fix, sc.describe()
		return v, "", false
	}
	never := func(at *diag.Node) {
		at.Error("N560", diag.Text{EN: "`" + f.Name + "` never is `" + at.Text + "`", ZH: "`" + f.Name + "` 不可能是 `" + at.Text + "`"}, diag.Text{}).Note = diag.OneOf("values", "可选值", f.Values)
	}
	if f.Type == event.List && n.Value.Kind == diag.Scalar {
		var items []string
		for _, it := range betweenTags.Split(n.Value.Text, -1) {
			items = append(items, quoteText(it))
		}
		fix := "[" + strings.Join(items, ", ") + "]"
		n.Value.Error("N560", diag.Text{EN: "`" + f.Name + "` is a list, and this is none: a record with it would have no `" + f.Name + "`", ZH: "`" + f.Name + "` 是列表，这里不是：记录里这样写等于没有 `" + f.Name + "`"},
			diag.Text{EN: "write `" + fix + "`", ZH: "写成 `" + fix + "`"}).Fix = fix
		return v, f.Name, false
	}
	if f.Type == event.List {
		list, ok := n.Value.Strings()
		for _, it := range n.Value.Items {
			if f.Values != nil && ok && !slices.Contains(f.Values, it.Text) {
				never(it)
				return v, f.Name, false
			}
		}
		return event.ListOf(list), f.Name, ok
	}
	s, ok := n.Value.String()
	if !ok {
		return v, f.Name, false
	}
	if f.Type == event.String {
		v, ok = event.Value{State: event.Known, Type: event.String, Str: s}, true
	} else {
		v, ok = f.Parse(s)
	}
	switch {
	case !ok:
		n.Value.Error("N560", diag.Text{EN: "`" + s + "` is no value of `" + f.Name + "`, which is a " + string(f.Type), ZH: "`" + s + "` 不是字段 `" + f.Name + "`（类型 " + string(f.Type) + "）的值"},
			diag.Text{EN: "write it as a condition would see it", ZH: "请按条件里看到的样子写"})
	case f.Values != nil && !slices.Contains(f.Values, v.Str):
		never(n.Value)
		ok = false
	}
	return v, f.Name, ok
}

// expect reads what a test expects.
func (l *loader) expect(n *diag.Node, r *Rule) (e Expect) {
	if n == nil {
		return e
	}
	if n.Kind == diag.Scalar {
		word, _ := n.Enum("no match", "nothing")
		e.NoMatch, e.Nothing = word == "no match", word == "nothing"
		return e
	}
	if !n.Keys("tags", "push", "broadcast", "held", "leaves_at", "suppressed") {
		return e
	}
	if len(n.Fields) == 0 {
		n.Error("N114", diag.Text{EN: "nothing is expected: such a test always passes", ZH: "`expect` 里什么都没写：这样的测试总会通过"}, diag.Text{EN: "write `no match`, or what is sent, like `{push: {body: \"...\"}}`", ZH: "请写 `no match`，或写发出的内容，例如 `{push: {body: \"...\"}}`"})
	}
	asked := 0
	for _, k := range []string{"tags", "push", "broadcast", "held", "suppressed"} {
		key := n.Key(k)
		if key == nil {
			continue
		}
		if asked++; asked > 1 {
			key.Error("N561", diag.Text{EN: "one thing is expected: a request, a gate or a reason", ZH: "只能期望一件事：一个请求、一道关卡或一个原因"}, diag.Text{EN: "write two tests", ZH: "请写成两个测试"})
		}
		if a := intent.Action(k); (a == intent.Tags || a == intent.Push || a == intent.Broadcast) && a != r.Action && r.Action != "" {
			key.Error("N561", diag.Text{EN: "the rule has no `" + k + "`, it has `" + string(r.Action) + "`", ZH: "这条规则没有 `" + k + "`，只有 `" + string(r.Action) + "`"}, diag.Text{EN: "expect `" + string(r.Action) + ": ...`", ZH: "请写 `" + string(r.Action) + ": ...`"})
		}
		if (k == "held" || k == "suppressed") && r.Action == intent.Tags {
			key.Error("N561", diag.Text{EN: "of a tag rule only `tags` can be expected", ZH: "标签规则只能期望 `tags`"}, diag.Text{EN: "write `tags: [...]`", ZH: "请写 `tags: [...]`"})
		}
	}
	if at := n.Key("leaves_at"); at != nil && n.Get("held") == nil {
		at.Error("N561", diag.Text{EN: "`leaves_at` stands beside `held`", ZH: "`leaves_at` 要和 `held` 一起写"}, diag.Text{EN: "add `held: quiet`", ZH: "请加上 `held: quiet`"})
	}
	e.LeavesAt = moment(n.Get("leaves_at"))
	e.Held, _ = n.Get("held").Enum(Gates...)
	e.Reason, _ = n.Get("suppressed").Enum(reasons...)
	if tg := n.Get("tags"); tg != nil {
		e.Tags = []string{}
		for _, it := range tg.List() {
			if s, ok := it.String(); ok {
				e.Tags = append(e.Tags, s)
			}
		}
	}
	for _, k := range []string{"push", "broadcast"} {
		if body := n.Get(k); body != nil {
			e.Request, e.Parts = true, requestParts(body, k)
		}
	}
	return e
}

// requestParts reads a partial payload.
func requestParts(n *diag.Node, action string) []Part {
	whom := map[string]string{"push": "to", "broadcast": "audience"}[action]
	if !n.Keys(append([]string{whom}, requestKeys...)...) {
		return nil
	}
	if m := n.Get("message"); m != nil {
		m.Keys("from", "type", "content", "extra")
	}
	if a := n.Get("audience"); a != nil && a.Kind == diag.Mapping {
		a.Keys("all_of", "any_of", "none_of", "package")
	}
	return parts(n, "")
}

// parts flattens a mapping to its texts and lists.
func parts(n *diag.Node, above string) (out []Part) {
	for _, f := range n.Fields {
		p := Part{Path: strings.TrimPrefix(above+"."+f.Key.Text, ".")}
		switch f.Value.Kind {
		case diag.Mapping:
			out = append(out, parts(f.Value, p.Path)...)
			continue
		case diag.Sequence:
			p.List, _ = f.Value.Strings()
			p.List = append([]string{}, p.List...)
		default:
			p.Text, _ = f.Value.String()
		}
		out = append(out, p)
	}
	return out
}
