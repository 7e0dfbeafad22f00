package rules

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// Mode says how far a rule goes.
type Mode string

const (
	Live   Mode = "live"
	Shadow Mode = "shadow" // evaluated, rendered, recorded, not sent
	Canary Mode = "canary" // live for a share of the users, recorded for the others
	Off    Mode = "off"
)

// Rule is one entry of a rule file, compiled.
type Rule struct {
	// What is read for each event that matches comes first: of many rules those of one event are in none of the processor's caches. It is
	// one line of memory, and the next where a text has holes; of a rule whose text has none its line in the index is enough.
	Name     string
	Revision string // of this rule alone; on every intent it makes
	content  *content
	print    *imprint
	plain    bool // see imprint
	parked   atomic.Bool
	own      content // what content points to: the next line

	Account      string
	Class        string // marketing | service; "" for tag rules
	Action       intent.Action
	Mode         Mode
	Title, Owner string
	Notes        string
	Links        []string
	Events       []string
	File         string
	Line         int
	Tests        []*Test

	always       bool
	when         []*condition // all must be met
	unless       []*condition // none may be met
	tags         []*tagTemplate
	scope        *scope
	reserve      int // slots of the day, until reserveUntil
	reserveUntil int // minutes from midnight
	specs        []*event.Spec
	policy       *intent.Policy // without Expire
	expire       time.Duration
	life         *life     // nil: no bound
	to           *template // nil: the event's user
	toList       string    // the list field of `to`, or ""
	audience     *audience
	merge        *merge
	once         *once
	userWhen     *condition // over the profile table
	percent      int        // of a canary
	variants     []variant
	next         []string   // accounts to try after Account
	unclear      bool       // its events may have more fields: a mistake in the catalogue
	guessed      bool       // specs is what an unknown event seems to mean
	node         *diag.Node // of its name
	oneNode      *diag.Node // merge.one
	tagNodes     []tagNode
	groups       []*group     // that count for its first clause, one per event
	left         atomic.Int64 // tags left out: a field was absent, or the text is no tag
	slow         atomic.Int64 // times that it took too long: see watch.go
}

var ruleName = regexp.MustCompile(`^[a-z0-9-]{3,60}$`)

// ruleFile reads one file with `rules`.
func (l *loader) ruleFile(d *diag.Doc) {
	root := d.Root
	root.Keys("version", "defaults", "rules")
	version(root)
	defaults := root.Get("defaults")
	if defaults != nil && defaults.Keys("owner", "class", "account", "approval", "limits") {
		l.limits(defaults.Get("limits"), nil, &Rule{policy: &intent.Policy{}})
	}
	list := root.Need("rules")
	if list != nil && len(list.List()) == 0 {
		list.Error("N110", diag.Text{EN: "there are no rules in this file", ZH: "这个文件里没有规则"}, diag.Text{EN: "write one, or remove the file", ZH: "请写一条规则，或删掉这个文件"})
	}
	if list != nil && list.Kind == diag.Mapping {
		list.Error("N111", diag.Text{EN: "expected a list of rules, this is a mapping", ZH: "这里应为规则列表，现在是一组配置项"}, diag.Text{EN: "begin each rule with `- `: `- name: ...`", ZH: "每条规则以 `- ` 开头：`- name: ...`"})
	}
	l.tagsUnclear = l.tagsUnclear || !d.Whole()
	var sound []*Rule
	for _, n := range list.List() {
		name := n.Get("name")
		if name != nil {
			d.SetRule(name.Text)
		}
		before := len(d.List)
		if r := l.rule(n, defaults); r != nil {
			if !slices.ContainsFunc(d.List[before:], wrongForAll) { // whether the vendor takes it is no question while it is wrong
				l.vendor(n, r)
				sound = append(sound, r)
			}
			r.File, r.Revision = d.File, l.revisionOf(n, defaults, r)
			if old := l.named[r.Name]; old != nil {
				r.node.Error("N220", diag.Text{EN: fmt.Sprintf("rule `%s` exists already, in %s:%d", r.Name, old.File, old.Line), ZH: fmt.Sprintf("规则 `%s` 已经有了，在 %s:%d", r.Name, old.File, old.Line)},
					diag.Text{EN: "names are unique over all files", ZH: "所有文件里的规则名不能重复"})
			} else {
				l.rules = append(l.rules, r)
				l.named[r.Name] = r
			}
		}
		if tags := n.Get("tags"); n.Lost() || tags.Lost() || tags != nil && slices.ContainsFunc(d.List[before:], func(x diag.Diagnostic) bool { return x.Severity == diag.Error }) {
			l.tagsUnclear = true
		}
		d.SetRule("")
	}
	told := 0 // last, so that what is found of the rules has its room: enough findings keep a file from loading
	for _, r := range sound {
		if told < maxDoubts && d.Room() > maxDoubts {
			d.SetRule(r.Name)
			told += r.overruled()
		}
	}
	d.SetRule("")
}

// wrongForAll tells mistakes of a rule from what only its account does not allow.
func wrongForAll(d diag.Diagnostic) bool {
	return d.Severity == diag.Error && d.Code != "N401" && d.Code != "N402"
}

// rule reads one rule; nil when it has no name. Mistakes are in the list, which keeps the Set from being made.
func (l *loader) rule(n, defaults *diag.Node) *Rule {
	if !n.Keys("name", "title", "owner", "notes", "links", "mode", "class", "from", "until", "event", "when", "unless", "user_when", "tags", "push", "broadcast",
		"account", "merge", "send_at", "limits", "approval", "rongcloud", "getui", "tests") {
		return nil
	}
	r := &Rule{Line: n.Line, node: n.Need("name"), Mode: Live, policy: &intent.Policy{}}
	var named bool
	if r.Name, named = r.node.String(); r.node == nil {
		r.node = n
	}
	r.Line = r.node.Line
	if named && (!ruleName.MatchString(r.Name) || r.Name == "tags") {
		r.node.Error("N112", diag.Text{EN: "`" + r.Name + "` cannot be the name of a rule", ZH: "`" + r.Name + "` 不能作规则名"}, diag.Text{EN: "3 to 60 of a-z, 0-9 and -, and not `tags`; the Chinese name goes into `title`", ZH: "3 到 60 个小写字母、数字、-，且不能叫 `tags`；中文名请写在 `title`"})
	}
	r.Title, _ = n.Get("title").String()
	r.Owner, _ = either(n, defaults, "owner").String()
	r.Notes, _ = n.Get("notes").String()
	r.Links, _ = n.Get("links").Strings()

	l.events(n.Need("event"), r)
	l.action(n, r)
	l.mode(n, defaults, r)
	l.life(n, r)
	account, known := l.account(either(n, defaults, "account"), r)
	r.scope = l.scopeOf(r.specs)
	r.scope.guessed, r.scope.open = r.guessed, len(r.specs) == 0 || r.unclear
	r.scope.before = r.Action == intent.Push && (len(r.specs) == 0 || r.specs[0].Kind == event.Profile)
	if r.Action == intent.Push {
		r.scope.users = l.users
	}
	l.conditions(n, r)
	l.userWhen(n, r)
	l.merge(n.Get("merge"), r)
	l.sendAt(n, r)
	body := n.Get(string(r.Action))
	switch r.Action {
	case intent.Tags:
		l.tagList(body, r, account)
	case intent.Push:
		l.push(body, r, account)
	case intent.Broadcast:
		l.broadcast(body, r, account, known)
	}
	if r.Action != intent.Tags {
		l.limits(n.Get("limits"), defaults.Get("limits"), r)
		l.approval(n, defaults, r, account, known)
		l.safety(n, defaults, r)
		r.waits(n)
		l.carried(body, r, account)
	} else {
		for _, k := range []string{"limits", "merge", "approval", "class"} {
			if key := n.Key(k); key != nil {
				key.Error("N409", diag.Text{EN: "`" + k + "` has no meaning in a tag rule", ZH: "标签规则里不用 `" + k + "`"}, diag.Text{EN: "remove it", ZH: "请删掉"})
			}
		}
	}
	if r.content != nil {
		l.blocks(n, r.content)
	}
	l.work(n, r)
	l.tests(n.Get("tests"), r)
	if !named {
		return nil
	}
	return r
}

// either is a rule's own key, or the one in the file's defaults.
func either(n, defaults *diag.Node, key string) *diag.Node {
	if v := n.Get(key); v != nil {
		return v
	}
	if defaults.Lost() {
		return defaults // whether the key stands there nobody knows
	}
	return defaults.Get(key)
}

// emptyList reports a list without an item. It says nothing, and is never taken for "all", "none" or "no limit".
func emptyList(n *diag.Node, hint diag.Text) bool {
	if n == nil || n.Kind != diag.Sequence || len(n.Items) > 0 {
		return false
	}
	n.Error("N104", diag.Text{EN: "the list is empty", ZH: "列表是空的"}, hint)
	return true
}

// events finds the rule's entries of the catalogue. Where none is known but one is clearly meant, that one is taken, so that the rest of
// the rule can be read.
func (l *loader) events(n *diag.Node, r *Rule) {
	meant := ""
	emptyList(n, diag.OneOf("events", "可用事件", names(l.specs)))
	for _, e := range n.List() {
		name, ok := e.String()
		if !ok {
			continue
		}
		spec := l.byName[name]
		if l.unclear[name] || spec == nil && l.partial {
			r.unclear = true
		}
		if spec == nil && r.unclear {
			continue
		}
		if spec == nil {
			hint, fix := diag.DidYouMean(name, names(l.specs))
			d := e.Error("N201", diag.Text{EN: "unknown event `" + name + "`", ZH: "事件目录里没有 `" + name + "`"}, hint)
			d.Fix, d.Note, meant = fix, diag.OneOf("events", "可用事件", names(l.specs)), cmp.Or(meant, fix)
			continue
		}
		if len(r.specs) > 0 && r.specs[0].Kind != spec.Kind {
			e.Error("N409", diag.Text{EN: "profile and business events do not go into one rule", ZH: "用户资料事件和业务事件不能放在同一条规则"}, diag.Text{EN: "write two rules", ZH: "请写成两条规则"})
			continue
		}
		if slices.Contains(r.specs, spec) {
			e.Error("N102", diag.Text{EN: "event `" + name + "` is listed twice", ZH: "事件 `" + name + "` 写了两次"}, diag.Text{EN: "keep one of them", ZH: "只保留一个"})
			continue
		}
		for _, other := range r.specs {
			if slices.ContainsFunc(other.Topics, func(t string) bool { return slices.Contains(spec.Topics, t) }) && !exclude(spec, other) {
				e.Warn("W221", diag.Text{EN: "`" + name + "` and `" + other.Name + "` share a topic: a record that is both counts once", ZH: "`" + name + "` 和 `" + other.Name + "` 在同一个主题：同时符合两者的记录只算一次"}, diag.Text{EN: "their `match` should exclude each other", ZH: "两者的 `match` 应互相排斥"})
			}
		}
		r.Events, r.specs = append(r.Events, name), append(r.specs, spec)
	}
	if len(r.specs) == 0 && meant != "" {
		r.Events, r.specs, r.guessed = []string{meant}, []*event.Spec{l.byName[meant]}, true
	}
}

// exclude reports whether no record is both events, since their match asks another value of one path. A tombstone is asked only for what
// stands outside of its value.
func exclude(a, b *event.Spec) bool {
	return a.Format == b.Format && slices.ContainsFunc(a.Match, func(m event.Match) bool {
		if a.Kind == event.Profile && m.Path != "key" && !strings.HasPrefix(m.Path, "header.") {
			return false
		}
		return slices.ContainsFunc(b.Match, func(n event.Match) bool {
			return n.Path == m.Path && !slices.ContainsFunc(n.Values, func(v string) bool { return slices.Contains(m.Values, v) })
		})
	})
}

// action finds which of tags, push and broadcast the rule has.
func (l *loader) action(n *diag.Node, r *Rule) {
	for _, a := range []intent.Action{intent.Tags, intent.Push, intent.Broadcast} {
		key := n.Key(string(a))
		if key == nil {
			continue
		}
		if r.Action != "" {
			key.Error("N409", diag.Text{EN: "a rule does one thing: `" + string(r.Action) + "` or `" + string(a) + "`", ZH: "一条规则只做一件事：`" + string(r.Action) + "` 或 `" + string(a) + "`"}, diag.Text{EN: "write two rules", ZH: "请写成两条规则"})
			continue
		}
		r.Action = a
		if len(r.specs) == 0 || r.guessed {
			continue
		}
		profile := r.specs[0].Kind == event.Profile
		if a == intent.Tags && !profile {
			key.Error("N409", diag.Text{EN: "tags come from profile events only", ZH: "标签只能来自用户资料事件"}, diag.Text{EN: "this event is not `kind: profile`", ZH: "这个事件不是 `kind: profile`"})
		}
		if a == intent.Broadcast && profile {
			key.Error("N409", diag.Text{EN: "a profile event cannot start a broadcast", ZH: "用户资料事件不能触发人群推送"}, diag.Text{EN: "use `push`", ZH: "请用 `push`"})
		}
	}
	if r.Action == "" && !n.Meant("tags") && !n.Meant("push") && !n.Meant("broadcast") {
		r.node.Error("N114", diag.Text{EN: "the rule does nothing: it has no `tags`, `push` or `broadcast`", ZH: "规则没有动作：缺少 `tags`、`push` 或 `broadcast`"}, diag.Text{EN: "add `push: {body: \"...\"}`, for an audience `broadcast`, for tags `tags`", ZH: "请加上 `push: {body: \"...\"}`；发给人群用 `broadcast`，打标签用 `tags`"})
	}
}

func (l *loader) mode(n, defaults *diag.Node, r *Rule) {
	m, c := n.Get("mode"), either(n, defaults, "class")
	if r.Action == intent.Tags {
		if s, ok := m.Enum("live", "off"); ok {
			r.Mode = Mode(s)
		}
		return
	}
	if m == nil && !n.Meant("mode") {
		r.node.Error("N114", diag.Text{EN: "`mode` is missing", ZH: "缺少 `mode`"}, diag.Text{EN: "add `mode: shadow` to try it, `mode: live` to send", ZH: "试运行请写 `mode: shadow`，正式发送请写 `mode: live`"})
	} else if m != nil && strings.HasPrefix(m.Text, "canary") {
		l.canary(m, r)
	} else if modes := []string{"live", "shadow", "off"}; r.Action == intent.Broadcast { // which has no canary
		if s, ok := m.Enum(modes...); ok {
			r.Mode = Mode(s)
		}
	} else if !almostCanary(m) {
		if s, ok := m.Enum(append(modes, "canary N%")...); ok {
			r.Mode = Mode(s)
		}
	}
	if c == nil && !n.Meant("class") {
		r.node.Error("N114", diag.Text{EN: "`class` is missing", ZH: "缺少 `class`"}, diag.Text{EN: "add `class: marketing` or `class: service`", ZH: "请写 `class: marketing`（营销）或 `class: service`（服务）"})
	} else {
		r.Class, _ = c.Enum("marketing", "service")
	}
}

// account resolves whom the rule sends through; known is false when that failed.
func (l *loader) account(n *diag.Node, r *Rule) (Account, bool) {
	if n != nil && n.Kind == diag.Sequence {
		return l.accountList(n, r)
	}
	return l.oneAccount(n, r)
}

func (l *loader) oneAccount(n *diag.Node, r *Rule) (Account, bool) {
	name, _ := n.String()
	a, ok := l.opt.account(name)
	if ok {
		r.Account = a.Name
		return a, true
	}
	all := diag.OneOf("accounts", "可用账号", l.opt.names())
	switch {
	case n == nil && len(l.opt.Accounts) == 0:
		r.node.Error("N203", diag.Text{EN: "the settings have no account", ZH: "设置里没有账号"}, diag.Text{EN: "add one under `accounts`", ZH: "请在 `accounts` 下添加"})
	case n == nil:
		r.node.Error("N406", diag.Text{EN: "there are several accounts and the rule names none", ZH: "有多个账号，规则没有指定用哪一个"}, diag.Text{EN: "add `account: ...`", ZH: "请加上 `account: ...`"}).Note = all
	default:
		hint, fix := diag.DidYouMean(name, l.opt.names())
		d := n.Error("N203", diag.Text{EN: "unknown account `" + name + "`", ZH: "没有账号 `" + name + "`"}, hint)
		d.Fix, d.Note = fix, all
	}
	return Account{}, false
}

// meansAlways is what people write for `always`.
var meansAlways = []string{"always", "true", "总是", "始终", "一直", "每次", "all", "any", "*", "yes"}

func (l *loader) conditions(n *diag.Node, r *Rule) {
	when := n.Get("when")
	if when == nil {
		if r.Action != intent.Tags && !n.Meant("when") {
			r.node.Error("N215", diag.Text{EN: "`when` is missing", ZH: "缺少 `when`"}, diag.Text{EN: "to act on every event write `when: always`", ZH: "每次都触发请写 `when: always`"})
		}
		r.always = true
	} else if when.Kind == diag.Scalar && when.Text == "always" {
		r.always = true
	} else {
		emptyList(when, diag.Text{EN: "to act on every event write `when: always`", ZH: "每次都触发请写 `when: always`"})
		for _, c := range when.List() {
			if c.Kind == diag.Scalar && slices.Contains(meansAlways, strings.ToLower(strings.TrimSpace(c.Text))) {
				d := c.Error("N215", diag.Text{EN: "`" + c.Text + "` is not how to act on every event", ZH: "每次都触发不是写 `" + c.Text + "`"}, diag.Text{EN: "write `when: always`", ZH: "请写 `when: always`"})
				switch {
				case when.Kind == diag.Scalar:
					d.Fix = "always"
				case len(when.Items) == 1:
					d.Message = diag.Text{EN: "`" + c.Text + "` does not stand in a list", ZH: "`" + c.Text + "` 不能写在列表里"}
					d.Hint = diag.Text{EN: "write `when: always`, without a list", ZH: "请直接写 `when: always`，不用列表"}
				default:
					d.Message = diag.Text{EN: "`" + c.Text + "` does not stand beside a condition", ZH: "`" + c.Text + "` 不能和条件写在一起"}
					d.Hint = diag.Text{EN: "remove it, or write `when: always` alone", ZH: "请删掉，或只写 `when: always`"}
				}
				continue
			}
			if x := compile(c, r.scope); x != nil {
				r.when = append(r.when, x)
			}
		}
		contradictions(r.when)
	}
	emptyList(n.Get("unless"), diag.Text{EN: "write a condition, or remove `unless`", ZH: "请写上条件，或删掉 `unless`"})
	read := true
	for _, c := range n.Get("unless").List() {
		x := compile(c, r.scope)
		if x == nil {
			read = false
			continue
		}
		parts := x.alternatives()
		excluded(r.when, parts)
		r.unless = append(r.unless, parts...)
	}
	l.needsChange(n, r, read)
}
