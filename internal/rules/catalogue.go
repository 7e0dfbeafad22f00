package rules

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

var (
	eventName = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)
	fieldName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	aliasName = regexp.MustCompile(`^[\p{L}_][\p{L}\p{Nd}_]*$`)
	topicName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// How long they may be. In the expressions it would make every start of the program a millisecond longer.
const (
	maxAlias = 40  // characters
	maxTopic = 249 // bytes, Kafka's own limit
)

// reserved are names that mean something else in conditions and texts.
var reserved = []string{"event", "count", "first", "latest", "list", "before", "user", "now", "has", "changed", "always",
	"and", "or", "not", "in", "matches", "contains", "startsWith", "endsWith", "let", "if", "else", "true", "false", "nil"}

var types = []string{string(event.String), string(event.Number), string(event.Bool), string(event.Time), string(event.List)}

// catalogue reads the `events` of a file. An entry with a mistake is still returned when it has a name, so that the
// rules that use it are not blamed as well.
func (l *loader) catalogue(d *diag.Doc) (out []*event.Spec) {
	d.Root.Keys("version", "events")
	version(d.Root)
	events := d.Root.Get("events")
	if !events.IsMapping() {
		return nil
	}
	if len(events.Fields) == 0 {
		l.partial = true
		events.Error("N601", diag.Text{EN: "no events are declared", ZH: "没有声明任何事件"}, diag.Text{EN: "add one: its name, and below it `topic`, `id` and `fields`", ZH: "请写上事件名，下面写 `topic`、`id`、`fields`"})
	}
	for _, f := range events.Fields {
		name := f.Key.Text
		if !eventName.MatchString(name) {
			f.Key.Error("N602", diag.Text{EN: "`" + name + "` cannot be the name of an event", ZH: "`" + name + "` 不能作事件名"},
				diag.Text{EN: "lower-case letters, digits and . _ -, like order.paid", ZH: "小写字母、数字和 . _ -，例如 order.paid"})
			continue
		}
		if s := l.entry(name, f); s != nil {
			out = append(out, s)
		}
	}
	return out
}

// version asks for `version: 1`.
func version(n *diag.Node) {
	if n == nil || n.Kind != diag.Mapping {
		return
	}
	if v := n.Need("version"); v != nil {
		v.Enum("1")
	}
}

func (l *loader) entry(name string, f diag.Field) *event.Spec {
	n := f.Value
	kind := n.Get("kind")
	if n.Lost() || n.Get("fields").Lost() || n.Get("user").Lost() || kind.Lost() {
		l.unclear[name] = true
	}
	if kind.Lost() { // what it may have depends on it
		return nil
	}
	if !n.Keys("title", "topic", "kind", "update", "match", "format", "id", "time", "user", "version", "personal", "fields", "sample") {
		return nil
	}
	s := event.Spec{Name: name, Kind: event.Business, Format: event.JSON, Personal: map[string]bool{}}
	s.Title, _ = n.Get("title").String()
	topic := n.Get("topic")
	if topic == nil && !n.Meant("topic") {
		f.Key.Error("N114", diag.Text{EN: "`topic` is missing", ZH: "缺少 `topic`"}, diag.Text{EN: "add `topic: ...`", ZH: "请加上 `topic: ...`"})
	}
	emptyList(topic, diag.Text{EN: "name at least one topic", ZH: "至少写一个主题"})
	for _, t := range topic.List() {
		if s0, ok := t.String(); ok {
			if len(s0) > maxTopic || !topicName.MatchString(s0) {
				t.Error("N602", diag.Text{EN: "`" + s0 + "` is not a Kafka topic", ZH: "`" + s0 + "` 不是 Kafka 主题名"}, diag.Text{EN: "letters, digits and . _ -", ZH: "只能用字母、数字和 . _ -"})
			}
			s.Topics = append(s.Topics, s0)
		}
	}
	if k, ok := n.Get("kind").Enum("business", "profile"); ok {
		s.Kind = event.Kind(k)
	}
	if x, ok := n.Get("format").Enum("json", "cloudevents", "debezium"); ok {
		s.Format = event.Format(x)
	}
	if u := n.Get("update"); s.Kind == event.Profile {
		if u == nil {
			f.Key.Warn("W609", diag.Text{EN: "`update` is missing: taken as `patch`, an absent field is unchanged", ZH: "缺少 `update`：按 `patch` 处理，缺少的字段视为不变"}, // the one that takes no tags away
				diag.Text{EN: "write `update: patch` or `update: snapshot` (an absent field is gone)", ZH: "请写 `update: patch` 或 `update: snapshot`（缺少的字段视为已删除）"})
		}
		x, _ := u.Enum("snapshot", "patch")
		s.Snapshot = x == "snapshot"
	} else if u != nil {
		n.Key("update").Error("N603", diag.Text{EN: "`update` is for profile events", ZH: "`update` 只用于用户资料事件"}, diag.Text{EN: "add `kind: profile` or remove it", ZH: "请加上 `kind: profile` 或删掉它"})
	}
	if m := n.Get("match"); m.IsMapping() {
		for _, e := range m.Fields {
			l.path(e.Key, s.Format)
			emptyList(e.Value, diag.Text{EN: "write a value, or remove `" + e.Key.Text + "`: then it may be any", ZH: "请写上值，或删掉 `" + e.Key.Text + "`（不限）"})
			if v, ok := e.Value.Strings(); ok && len(v) > 0 {
				s.Match = append(s.Match, event.Match{Path: e.Key.Text, Values: v})
			}
		}
	}
	if id := n.Get("id"); id != nil {
		s.ID = l.path(id, s.Format)
	} else if s.Format == event.JSON && !n.Meant("id") {
		f.Key.Error("N114", diag.Text{EN: "`id` is missing: without it a repeated event cannot be recognised", ZH: "缺少 `id`：没有它就认不出重复的事件"}, diag.Text{EN: "add `id: path`", ZH: "请加上 `id: 路径`"})
	}
	s.User = l.path(n.Get("user"), s.Format)
	if s.Kind == event.Profile && n.Get("user") == nil && !n.Meant("user") {
		f.Key.Error("N114", diag.Text{EN: "a profile event needs `user`", ZH: "用户资料事件需要 `user`"}, diag.Text{EN: "add `user: path`", ZH: "请加上 `user: 路径`"})
	}
	s.Version = l.path(n.Get("version"), s.Format)
	l.time(n.Get("time"), &s)
	l.fields(n, &s)
	for _, p := range n.Get("personal").List() {
		if x, ok := p.String(); ok {
			if !slices.ContainsFunc(s.Fields, func(f event.Field) bool { return f.Name == x }) {
				p.Error("N202", diag.Text{EN: "unknown field `" + x + "`", ZH: "没有字段 `" + x + "`"}, diag.Text{EN: "use a name that stands in `fields`", ZH: "请写 `fields` 里有的名字"})
			}
			s.Personal[x] = true
		}
	}
	spec := event.NewSpec(s)
	if sample := n.Get("sample"); sample != nil {
		spec.Sample, _ = sample.String()
		l.samples = append(l.samples, sampleRef{spec, sample})
	}
	return spec
}

// time is a path, or {path, format, zone}.
func (l *loader) time(n *diag.Node, s *event.Spec) {
	if n == nil {
		return
	}
	if n.Kind != diag.Mapping {
		s.Time.Path = l.path(n, s.Format)
		return
	}
	n.Keys("path", "format", "zone")
	s.Time.Path = l.path(n.Need("path"), s.Format)
	s.Time.Zone = l.opt.Zone
	if f := n.Get("format"); f != nil {
		layout, _ := f.String()
		t := time.Date(2001, 11, 12, 13, 14, 15, 0, time.UTC)
		if back, err := time.Parse(layout, t.Format(layout)); err != nil || back.Year() != t.Year() || back.YearDay() != t.YearDay() {
			f.Error("N112", diag.Text{EN: "`" + layout + "` does not hold a whole date", ZH: "`" + layout + "` 不是完整的日期格式"}, diag.Text{EN: "write how 2006-01-02 15:04:05 would look", ZH: "请写出 2006-01-02 15:04:05 的样子"})
		}
		s.Time.Layout = layout
	}
	if z := n.Get("zone"); z != nil {
		if name, ok := z.String(); ok {
			loc, err := time.LoadLocation(name)
			if err != nil || name == "" || name == "Local" {
				z.Error("N112", diag.Text{EN: "unknown time zone `" + name + "`", ZH: "没有时区 `" + name + "`"}, diag.Text{EN: "like Asia/Shanghai or UTC", ZH: "例如 Asia/Shanghai、UTC"})
			} else {
				s.Time.Zone = loc
			}
		}
	}
}

func (l *loader) fields(n *diag.Node, s *event.Spec) {
	fields := n.Get("fields")
	if !fields.IsMapping() {
		return
	}
	taken := map[string]bool{}
	for _, e := range fields.Fields {
		taken[e.Key.Text] = true
	}
	for _, e := range fields.Fields {
		name := e.Key.Text
		if !fieldName.MatchString(name) {
			e.Key.Error("N602", diag.Text{EN: "`" + name + "` cannot be the name of a field", ZH: "`" + name + "` 不能作字段名"},
				diag.Text{EN: "lower-case letters, digits and _; a Chinese name goes into `alias`", ZH: "小写字母、数字和 _；中文名请写在 `alias`"})
		}
		if slices.Contains(reserved, name) {
			e.Key.Error("N604", diag.Text{EN: "`" + name + "` is a reserved name", ZH: "`" + name + "` 是保留名"}, diag.Text{EN: "choose another name", ZH: "请换一个名字"})
		}
		f := event.Field{Name: name, Type: event.String}
		if e.Value.Kind == diag.Scalar {
			f.Path = l.path(e.Value, s.Format)
			s.Fields = append(s.Fields, f)
			continue
		}
		if e.Value.Lost() || e.Value.Get("type").Lost() || e.Value.Get("alias").Lost() {
			l.unclear[s.Name] = true // of what type it is, and how else it is called
			continue
		}
		if !e.Value.Keys("path", "type", "scale", "title", "alias", "values", "default", "required") {
			s.Fields = append(s.Fields, f)
			continue
		}
		v := e.Value
		f.Path = l.path(v.Need("path"), s.Format)
		if t := v.Get("type"); t != nil {
			word, ok := t.Enum(types...)
			if !ok {
				l.unclear[s.Name] = true
				continue
			}
			f.Type = event.Type(word)
		}
		f.Title, _ = v.Get("title").String()
		if a := v.Get("alias"); a != nil {
			f.Alias, _ = a.String()
			switch {
			case utf8.RuneCountInString(f.Alias) > maxAlias || !aliasName.MatchString(f.Alias) || slices.Contains(reserved, f.Alias):
				a.Error("N602", diag.Text{EN: "`" + f.Alias + "` cannot be an alias", ZH: "`" + f.Alias + "` 不能作别名"}, diag.Text{EN: "one word of letters and digits", ZH: "一个词，只用文字、字母和数字"})
				f.Alias = ""
			case taken[f.Alias] && f.Alias != name:
				a.Error("N604", diag.Text{EN: "`" + f.Alias + "` is already a name in this event", ZH: "这个事件里已经有 `" + f.Alias + "`"}, diag.Text{EN: "choose another alias", ZH: "请换一个别名"})
				f.Alias = ""
			}
			taken[f.Alias] = true
		}
		if sc := v.Get("scale"); sc != nil {
			f.Scale, _ = sc.String()
			if f.Type != event.Number {
				sc.Error("N603", diag.Text{EN: "`scale` is for numbers", ZH: "`scale` 只用于数字"}, diag.Text{EN: "add `type: number`", ZH: "请加上 `type: number`"})
			}
			if !event.IsDecimal(f.Scale) || strings.Trim(f.Scale, "0.") == "" {
				sc.Error("N112", diag.Text{EN: "`" + f.Scale + "` is not a factor", ZH: "`" + f.Scale + "` 不是换算系数"}, diag.Text{EN: "like 0.01", ZH: "例如 0.01"})
				f.Scale = ""
			}
		}
		if vals := v.Get("values"); vals != nil {
			f.Values, _ = vals.Strings()
			emptyList(vals, diag.Text{EN: "write the values, or remove `values`", ZH: "请写上可选值，或删掉 `values`"})
			if f.Type != event.String && f.Type != event.List {
				vals.Error("N603", diag.Text{EN: "`values` is for texts and lists", ZH: "`values` 只用于文字和列表"}, diag.Text{EN: "remove it, or make it `type: string`", ZH: "请删掉，或写成 `type: string`"})
			}
			for _, x := range vals.List() {
				if strings.ContainsAny(x.Text, "，、") {
					x.Error("N103", diag.Text{EN: "a full-width comma joins two values", ZH: "全角逗号把两个值连在了一起"}, diag.Text{EN: "write `, `", ZH: "改成半角逗号加空格 `, `"})
				}
			}
		}
		f.Required, _ = v.Get("required").Bool()
		if df := v.Get("default"); df != nil {
			l.fieldDefault(df, &f, s)
		}
		s.Fields = append(s.Fields, f)
	}
}

func (l *loader) fieldDefault(n *diag.Node, f *event.Field, s *event.Spec) {
	text, ok := n.String()
	if !ok {
		return
	}
	if s.Kind == event.Profile && !s.Snapshot {
		n.Error("N603", diag.Text{EN: "`default` has no meaning with `update: patch`: an absent field is unchanged", ZH: "`update: patch` 时不能用 `default`：缺少的字段表示不变"}, diag.Text{EN: "remove it", ZH: "请删掉"})
		return
	}
	if f.Values != nil && !slices.Contains(f.Values, text) {
		n.Error("N206", diag.Text{EN: "`" + text + "` is not one of the values", ZH: "`" + text + "` 不在可选值里"}, diag.Text{EN: "its values are " + strings.Join(f.Values, ", "), ZH: "可选值：" + strings.Join(f.Values, "、")})
		return
	}
	v, ok := event.Parse(f.Type, text)
	if !ok {
		n.Error("N112", diag.Text{EN: "`" + text + "` is not a " + string(f.Type), ZH: "`" + text + "` 的类型不对，应为 " + string(f.Type)}, diag.Text{EN: "write a value of that type", ZH: "请写这个类型的值"})
		return
	}
	f.Default = &v
}

// isPath reports whether a text is a path. Names may have nearly all characters, but not the marks of a Chinese keyboard, and no path begins
// with the root of JSONPath or of a JSON pointer: such a one finds nothing in any record.
func isPath(p string) bool {
	return p != "" && !strings.ContainsAny(p, "@|!{}[]()*?\n"+wideDots) && !strings.HasPrefix(p, ".") && !strings.HasSuffix(p, ".") && !strings.Contains(p, "..") &&
		p != "header." && p != "$" && !strings.HasPrefix(p, "$.") && !strings.HasPrefix(p, "/")
}

// wideDots are what a Chinese keyboard writes between two names.
const wideDots = "，。．、：；／"

var (
	everyItem = regexp.MustCompile(`\[(?:\*|#)?\]`)
	oneItem   = regexp.MustCompile(`\[(?:["']?)([\w-]+)(?:["']?)\]`)
)

// meantPath gives what other programs and keyboards write for a path as it is written here, as far as there is something to give.
func meantPath(p string) string {
	p = everyItem.ReplaceAllString(strings.TrimPrefix(p, "$"), ".#")
	p = oneItem.ReplaceAllString(p, ".$1")
	if strings.HasPrefix(p, "/") {
		p = strings.ReplaceAll(p, "/", ".")
	}
	p = strings.Map(func(r rune) rune {
		if strings.ContainsRune(wideDots, r) {
			return '.'
		}
		return r
	}, p)
	return strings.TrimPrefix(p, ".")
}

// path reads a gjson path. Modifiers, queries by literal and constructed documents are refused: a path leads to one value.
func (l *loader) path(n *diag.Node, f event.Format) string {
	p, ok := n.String()
	if !ok {
		return ""
	}
	if !isPath(p) {
		d := n.Error("N605", diag.Text{EN: "`" + p + "` is not a path", ZH: "`" + p + "` 不是路径"}, diag.Text{EN: "names joined by dots, like data.user.id or data.items.#.name", ZH: "用点连接，例如 data.user.id、data.items.#.name"})
		if fix := meantPath(p); isPath(fix) {
			d.Hint, d.Fix = diag.Text{EN: "write `" + fix + "`", ZH: "写成 `" + fix + "`"}, fix
		}
		return ""
	}
	if strings.HasPrefix(p, "envelope.") && f != event.Debezium {
		n.Warn("W606", diag.Text{EN: "`envelope` is only there with `format: debezium`", ZH: "`envelope` 只在 `format: debezium` 时有"}, diag.Text{EN: "add `format: debezium`, or a path without `envelope.`", ZH: "请加上 `format: debezium`，或去掉路径里的 `envelope.`"})
	}
	gjson.Get("{}", p) // a path that gjson cannot digest must show at load, not with the first record
	return p
}

// profileFields joins the fields of all profile events: the columns of the profile table.
func (l *loader) profileFields(specs []*event.Spec, at map[string]*diag.Node) map[string]*event.Field {
	out := map[string]*event.Field{}
	from := map[string]string{}
	for _, s := range specs {
		if s.Kind != event.Profile {
			continue
		}
		for i := range s.Fields {
			f := &s.Fields[i]
			if old := out[f.Name]; old != nil && old.Type != f.Type {
				at[s.Name].Error("N607", diag.Text{EN: fmt.Sprintf("`%s` is a %s here and a %s in `%s`: profile events share one table", f.Name, f.Type, old.Type, from[f.Name]),
					ZH: fmt.Sprintf("`%s` 在这里是 %s，在 `%s` 里是 %s：用户资料事件共用一张表", f.Name, f.Type, from[f.Name], old.Type)}, diag.Text{EN: "give both the same type, or another name to one of them", ZH: "请统一类型，或给其中一个换名字"})
				continue
			}
			if old := out[f.Name]; old != nil {
				f = eitherOf(old, f)
			}
			out[f.Name], from[f.Name] = f, s.Name
		}
	}
	return out
}

// scopeOf is scopeOf with the fields shared by all rules on the same events.
func (l *loader) scopeOf(specs []*event.Spec) *scope {
	key := ""
	for _, s := range specs {
		key += s.Name + "\x00"
	}
	if l.scopes[key] == nil {
		l.scopes[key] = scopeOf(specs)
	}
	own := *l.scopes[key]
	own.marks = l.opt.marks
	return &own
}

// scopeOf gives the names that rules on these events may use: the fields that all of them have with one type, and the aliases that mean the
// same field in all of them.
func scopeOf(specs []*event.Spec) *scope {
	s := &scope{fields: map[string]*event.Field{}, hides: map[string]bool{}, apart: map[string]diag.Text{}}
	for i, sp := range specs {
		maps.Copy(s.hides, sp.Personal)
		s.events, s.indexed = append(s.events, sp.Name), sp.Kind != event.Profile
		if i > 0 {
			continue
		}
		for j := range sp.Fields {
			f := &sp.Fields[j]
			for _, other := range specs[1:] {
				k, ok := other.Index(f.Name)
				if !ok || other.Fields[k].Name != f.Name || other.Fields[k].Type != f.Type {
					f = nil
					break
				}
				f = eitherOf(f, &other.Fields[k])
			}
			if f != nil {
				s.list = append(s.list, f)
				s.fields[f.Name] = f
			}
		}
	}
	s.aliases(specs, true)
	return s
}

// eitherOf is a field of two events, as a condition that does not know which one came may count on it.
func eitherOf(a, b *event.Field) *event.Field {
	f := *a
	f.Values, f.Required, f.Scale = nil, a.Required && b.Required, cmp.Or(a.Scale, b.Scale)
	if a.Values != nil && b.Values != nil {
		f.Values = slices.Clone(a.Values)
		for _, v := range b.Values {
			if !slices.Contains(f.Values, v) {
				f.Values = append(f.Values, v)
			}
		}
	}
	if b.Default == nil {
		f.Default = nil
	}
	return &f
}

// aliases adds the second names of fields. One that means another field in another event is no name here, nor is one that an event does
// not have where each must.
func (s *scope) aliases(specs []*event.Spec, each bool) {
	for _, sp := range specs {
		for _, f := range sp.Fields {
			if f.Alias == "" || s.fields[f.Alias] != nil {
				continue
			}
			meant, en, zh := map[string]bool{}, []string{}, []string{}
			for _, other := range specs {
				k, ok := other.Index(f.Alias)
				switch {
				case ok:
					meant[other.Fields[k].Name] = true
					en, zh = append(en, "`"+other.Fields[k].Name+"` in "+other.Name), append(zh, "在 "+other.Name+" 里是 `"+other.Fields[k].Name+"`")
				case each:
					meant[""] = true
					en, zh = append(en, "nothing in "+other.Name), append(zh, "在 "+other.Name+" 里没有")
				}
			}
			if field := s.fields[f.Name]; len(meant) == 1 && field != nil {
				s.fields[f.Alias] = field
			} else if len(meant) > 1 {
				s.apart[f.Alias] = diag.Text{EN: "it is " + strings.Join(en, ", ") + "; write the field's name", ZH: "它" + strings.Join(zh, "，") + "；请写字段名"}
			}
		}
	}
}

func names(specs []*event.Spec) (out []string) {
	for _, s := range specs {
		out = append(out, s.Name)
	}
	return out
}
