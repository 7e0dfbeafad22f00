package diag

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Kind is the shape of a Node.
type Kind uint8

const (
	invalid  Kind = iota // already reported: every accessor gives zero and stays silent
	Scalar               // Text
	Sequence             // Items
	Mapping              // Fields
)

type style uint8

const (
	plain style = iota
	single
	double
	block
)

// Node is one value of a file. All methods may be called on nil, which stands for a key that is not there: they
// return zero and false, and report nothing.
type Node struct {
	Kind         Kind
	Line, Column int
	Text         string // of a scalar, as written, without quotation marks
	Fields       []Field
	Items        []*Node

	doc   *Doc
	style style
	end   int
	empty bool     // there is nothing behind its key
	meant []string // known keys that unknown ones were taken for
}

// Field is one entry of a mapping.
type Field struct{ Key, Value *Node }

// Quoted reports whether a scalar stands in quotation marks.
func (n *Node) Quoted() bool { return n != nil && (n.style == single || n.style == double) }

// Lost reports whether nothing is known of a value because something is wrong with it that was reported already.
func (n *Node) Lost() bool { return n != nil && n.Kind == invalid }

// File is the name of the file the node stands in.
func (n *Node) File() string { return n.doc.File }

func (n *Node) place(t *token.Token) {
	n.Line, n.Column = t.Position.Line, max(1, t.Position.Column)
	n.end = n.Column + 1
}

// unshift takes back what the library adds to the column of a text without quotation marks: the spaces at the end of its line.
func (n *Node) unshift() {
	if n.Line < 1 || n.Line > len(n.doc.lines) {
		return
	}
	line := n.doc.lines[n.Line-1]
	spaces := len(line) - len(strings.TrimRight(line, " "))
	if spaces == 0 || strings.Contains(line, " #") {
		return
	}
	first, _, _ := strings.Cut(n.Text, "\n")
	first, _, _ = strings.Cut(first, " ")
	if r := []rune(line); n.Column-spaces >= 1 && n.Column-1-spaces < len(r) && strings.HasPrefix(string(r[n.Column-1-spaces:]), first) {
		n.Column -= spaces
	}
}

// raw gives the source line from the node on.
func (n *Node) raw() []rune { return []rune(n.rest()) }

// rest is raw as a text.
func (n *Node) rest() string {
	if n.Line < 1 || n.Line > len(n.doc.lines) {
		return ""
	}
	line := n.doc.lines[n.Line-1]
	return line[n.doc.near.at(line, n.Column):]
}

// cursor remembers a place in a line: values are asked for one after the other, and a line may have many.
type cursor struct {
	line         string
	column, byte int
}

// at gives the byte at which a column of a line begins, its length where the line ends before.
func (c *cursor) at(line string, column int) int {
	if c.line != line || column < c.column || c.column == 0 {
		*c = cursor{line: line, column: 1}
	}
	for c.column < column && c.byte < len(line) {
		_, size := utf8.DecodeRuneInString(line[c.byte:])
		c.byte += size
		c.column++
	}
	return c.byte
}

// endColumn is the first column behind a scalar; of one over several lines, behind its first line.
func (n *Node) endColumn() int {
	if n.style == plain {
		text, _, _ := strings.Cut(n.Text, "\n")
		length, rest := utf8.RuneCountInString(text), n.rest()
		if len(rest) < utf8.UTFMax*length { // it may be shorter
			length = min(length, utf8.RuneCountInString(rest))
		}
		return n.Column + length
	}
	_, cols := n.columns()
	return cols[len(cols)-1] + 1
}

// columns maps each rune of a quoted scalar's text to its column; the last entry is the closing mark.
func (n *Node) columns() (text []rune, cols []int) {
	raw := n.raw()
	i := 1
	for i < len(raw) {
		step := 1
		switch {
		case n.style == double && raw[i] == '"':
			return text, append(cols, n.Column+i)
		case n.style == double && raw[i] == '\\' && i+1 < len(raw):
			step = map[rune]int{'x': 4, 'u': 6, 'U': 10}[raw[i+1]]
			if step == 0 {
				step = 2
			}
		case n.style == single && raw[i] == '\'':
			if i+1 >= len(raw) || raw[i+1] != '\'' {
				return text, append(cols, n.Column+i)
			}
			step = 2
		}
		text, cols = append(text, raw[i]), append(cols, n.Column+i)
		i += step
	}
	return text, append(cols, n.Column+len(raw)-1)
}

// Inside writes a text as it stands in a scalar's text, between the marks around that.
func (n *Node) Inside(s string) string {
	switch n.style {
	case single:
		return strings.ReplaceAll(s, `'`, `''`)
	case double:
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
	}
	return s
}

// span gives the line and the columns of runes [from, to) of a scalar's text, of several lines those in the first. It is exact where nothing
// else of the text belongs to it; where a place in the text is not told as one in the file it is the whole scalar's.
func (n *Node) span(from, to int) (line, begin, end int, exact bool) {
	at := n.spots()
	if at == nil {
		return n.Line, n.Column, n.end, false
	}
	last := len(at) - 1
	from = min(max(from, 0), last)
	to = min(max(to, from), last)
	first := at[from]
	i := from
	for i < to && at[i+1].line == first.line {
		i++
	}
	if end = at[i].column; i < to { // it goes on in the next line
		end = min(end, utf8.RuneCountInString(n.doc.lines[first.line-1])) + 1
	}
	return first.line, first.column, max(end, first.column+1), i == to
}

// Place gives the line and column of a rune of a scalar's text.
func (n *Node) Place(rune int) (line, column int) {
	line, column, _, _ = n.span(rune, rune+1)
	return line, column
}

// oneLine reports whether the columns of a node are all of it.
func (n *Node) oneLine() bool {
	if n.Kind != Scalar || n.style == plain && strings.HasPrefix(n.rest(), n.Text) {
		return true
	}
	at := n.spots()
	return n.style != block && at != nil && at[len(at)-1].line == n.Line
}

// Error reports a mistake in the whole node. The returned finding may be completed until the next one is reported. Of a lost value
// nothing more is said.
func (n *Node) Error(code string, msg, hint Text) *Diagnostic {
	return n.report(code, Error, msg, hint)
}

// Warn is Error for what does not stop the file.
func (n *Node) Warn(code string, msg, hint Text) *Diagnostic {
	return n.report(code, Warning, msg, hint)
}

func (n *Node) report(code string, sev Severity, msg, hint Text) *Diagnostic {
	if n.Kind == invalid {
		n.doc.spare = Diagnostic{}
		return &n.doc.spare
	}
	d := n.doc.at(n.Line, n.Column, n.end, code, sev, msg, hint)
	d.about, d.part = n, !n.oneLine()
	return d
}

// Finding is what Error would report, noted nowhere: for what is found out when the file was read long ago, perhaps again and again.
func (n *Node) Finding(code string, msg, hint Text) Diagnostic {
	if n == nil {
		return Diagnostic{Code: code, Severity: Error, Message: msg, Hint: hint}
	}
	doc := *n.doc
	doc.List = nil
	return *doc.at(n.Line, n.Column, n.end, code, Error, msg, hint)
}

// ErrorAt reports a mistake in runes [from, to) of a scalar's text. Its Fix is what to write there in the text: how that is written in the
// file is seen to by Findings.
func (n *Node) ErrorAt(from, to int, code string, msg, hint Text) *Diagnostic {
	line, begin, end, exact := n.span(from, to)
	d := n.doc.at(line, begin, end, code, Error, msg, hint)
	d.about, d.inside, d.part = n, true, !exact
	return d
}

// WarnAt is ErrorAt for what does not stop the file.
func (n *Node) WarnAt(from, to int, code string, msg, hint Text) *Diagnostic {
	d := n.ErrorAt(from, to, code, msg, hint)
	d.Severity = Warning
	return d
}

// Cut gives the comment that ends a text without quotation marks, with its `#`: perhaps it was meant to be in the text. It is "" where there
// is none.
func (n *Node) Cut() string {
	_, _, comment := n.behind()
	return comment
}

// behind gives the comment behind a text without quotation marks, and its place.
func (n *Node) behind() (line, column int, comment string) {
	if n == nil || n.Kind != Scalar || n.style != plain || n.Line < 1 || n.Line > len(n.doc.lines) {
		return 0, 0, ""
	}
	end, rest := spot{n.Line, n.Column + utf8.RuneCountInString(n.Text)}, n.rest()
	if strings.HasPrefix(rest, n.Text) {
		rest = rest[len(n.Text):]
	} else if at := n.spots(); at != nil {
		end = at[len(at)-1]
		r := []rune(n.doc.lines[end.line-1])
		rest = string(r[min(end.column-1, len(r)):])
	}
	if comment = strings.TrimLeft(rest, " "); !strings.HasPrefix(comment, "#") {
		return 0, 0, ""
	}
	return end.line, end.column + len(rest) - len(comment), comment
}

// ErrorBehind reports at the comment behind a text that the text was cut by it: that there is one need not be said as well.
func (n *Node) ErrorBehind(code string, msg, hint Text) *Diagnostic {
	line, column, _ := n.behind()
	d := n.doc
	d.List = slices.DeleteFunc(d.List, func(x Diagnostic) bool { return x.Line == line && x.Code == "W113" })
	return d.at(line, column, 0, code, Error, msg, hint)
}

func (n *Node) wrong(en, zh string) {
	have := map[Kind]Text{Scalar: {"a single value", "一个值"}, Sequence: {"a list", "列表"}, Mapping: {"a mapping", "一组配置项"}}[n.Kind]
	hint := Text{}
	if n.Kind == Mapping && len(n.Fields) == 1 && strings.HasPrefix(en, "a text") {
		hint = Text{"a text with `:` inside `[]` or `{}` needs double quotes", "`[]` 或 `{}` 里带 `:` 的文字要加双引号"}
	}
	n.Error("N111", Text{"expected " + en + ", this is " + have.EN, "这里应为" + zh + "，现在是" + have.ZH}, hint)
}

// rejoin makes a text of `k1:9092` again: in a list inside a mapping ({brokers: [k1:9092]}) the library takes the colon
// for a key's, which YAML says needs a space behind it.
func (n *Node) rejoin() {
	if n.Kind != Mapping || len(n.Fields) != 1 {
		return
	}
	k, v := n.Fields[0].Key, n.Fields[0].Value
	v.rejoin()
	if k.style != plain || v.Kind != Scalar || v.style != plain || v.Line != k.Line || v.Column != k.end+1 {
		return
	}
	if raw := n.raw(); len(raw) > 0 && raw[0] == '{' {
		return // {k:9} is written as a mapping
	}
	if raw, i := k.raw(), k.end-k.Column; i >= len(raw) || raw[i] != ':' {
		return
	}
	*n = Node{Kind: Scalar, Line: k.Line, Column: k.Column, Text: k.Text + ":" + v.Text, doc: n.doc, end: v.end}
}

// Keys checks that a mapping has no key but the known ones. It reports whether the node is a mapping.
func (n *Node) Keys(known ...string) bool {
	if !n.IsMapping() {
		return false
	}
	var above *Node // a key with nothing behind it in the line before
	for _, f := range n.Fields {
		if f.Key.Kind == Scalar && !slices.Contains(known, f.Key.Text) && !n.doc.unsure[f.Key.Line] {
			if above != nil && above.Line < f.Key.Line { // it stays: the next may be one of them too
				f.Key.Error("N101", Text{"unknown key `" + f.Key.Text + "`", "没有 `" + f.Key.Text + "` 这个配置项"},
					Text{"if it belongs to `" + above.Text + "`, indent it two spaces more", "如果它属于 `" + above.Text + "`，请多缩进两个空格"})
				continue
			}
			hint, fix := DidYouMean(f.Key.Text, known)
			if other := habitual[f.Key.Text]; fix == "" && slices.Contains(known, other) {
				hint, fix = meant(other), other
			}
			d := f.Key.Error("N101", Text{"unknown key `" + f.Key.Text + "`", "没有 `" + f.Key.Text + "` 这个配置项"}, hint)
			if d.Fix = fix; fix == "" {
				d.Note = OneOf("keys", "可用配置项", known)
			} else {
				n.meant = append(n.meant, fix)
				if n.Get(fix) == nil {
					f.Key.Text = fix // what stands there is looked at as well
				}
			}
		}
		if above = nil; f.Value.empty {
			above = f.Key
		}
	}
	return true
}

// habitual are the names by which other tools call what is a key here, and the Chinese words for the keys.
var habitual = map[string]string{"where": "when", "if": "when", "content": "body", "text": "body", "url": "link", "on": "event", "trigger": "event",
	"版本": "version", "规则": "rules", "默认": "defaults", "默认值": "defaults", "名称": "name", "名字": "name", "规则名": "name", "标题": "title", "负责人": "owner", "备注": "notes", "说明": "notes",
	"模式": "mode", "类别": "class", "分类": "class", "类型": "type", "事件": "event", "条件": "when", "触发条件": "when", "除非": "unless", "用户条件": "user_when", "标签": "tags",
	"推送": "push", "人群推送": "broadcast", "群发": "broadcast", "广播": "broadcast", "正文": "body", "内容": "body", "链接": "link", "图片": "image", "数据": "data", "角标": "badge", "平台": "platforms",
	"消息": "message", "人群": "audience", "账号": "account", "合并": "merge", "限制": "limits", "免打扰": "quiet", "免打扰时段": "quiet", "过期作废": "expire", "过期": "expire", "配额": "quota", "预留": "reserve",
	"优先级": "priority", "审批": "approval", "人数": "people", "测试": "tests", "预期": "expect", "用户资料": "profile", "字段": "fields", "主题": "topic", "用户": "user", "时间": "time"}

// IsMapping reports whether the node is a mapping, and says so when it is something else.
func (n *Node) IsMapping() bool {
	if n == nil {
		return false
	}
	if n.Kind != Mapping {
		n.wrong("a mapping (`key: value`)", "一组配置项（`key: value`）")
		return false
	}
	return true
}

// Get gives the value of a key, nil when it is not there.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for _, f := range n.Fields {
		if f.Key.Text == key {
			return f.Value
		}
	}
	return nil
}

// Key gives the node of the key itself, for a finding about it; nil when it is not there.
func (n *Node) Key(key string) *Node {
	if n == nil {
		return nil
	}
	for _, f := range n.Fields {
		if f.Key.Text == key {
			return f.Key
		}
	}
	return nil
}

// Meant reports whether an unknown key was taken for this one: that it is missing need not be said as well.
func (n *Node) Meant(key string) bool { return n != nil && slices.Contains(n.meant, key) }

// Need is Get for a required key: its absence is reported at the mapping.
func (n *Node) Need(key string) *Node {
	v := n.Get(key)
	if v == nil && n != nil && n.Kind == Mapping && !n.Meant(key) {
		n.Error("N114", Text{"`" + key + "` is missing", "缺少 `" + key + "`"}, Text{"add `" + key + ": ...`", "请加上 `" + key + ": ...`"})
	}
	return v
}

// String gives a scalar's text as it is written.
func (n *Node) String() (string, bool) {
	if n == nil {
		return "", false
	}
	if n.Kind != Scalar {
		n.wrong("a text", "文字")
		return "", false
	}
	return n.Text, true
}

// Wide reports full-width marks and digits in a text that is right without them.
func (n *Node) Wide(right func(narrow string) bool) bool {
	fix := narrow(n.Text)
	if fix == n.Text || !right(fix) {
		return false
	}
	if n.Quoted() {
		fix = quote(fix)
	}
	n.Error("N103", Text{"full-width marks or digits in `" + n.Text + "`", "`" + n.Text + "` 里有全角符号或数字"}, Text{"write `" + fix + "`", "写成 `" + fix + "`"}).Fix = fix
	return true
}

// narrow writes full-width marks, digits and letters as ASCII has them.
func narrow(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case r == '—' || r == '–' || r == '〜':
			return '-'
		case r == '\u3000':
			return ' '
		}
		return r
	}, s))
}

// Enum gives one of the allowed words.
func (n *Node) Enum(allowed ...string) (string, bool) {
	s, ok := n.String()
	if !ok {
		return "", false
	}
	if !slices.Contains(allowed, s) {
		if n.requoted() || n.Wide(func(s string) bool { return slices.Contains(allowed, s) }) {
			return "", false
		}
		hint, fix := DidYouMean(s, allowed)
		if word := InEnglish(s, allowed); word != "" {
			hint, fix = meant(word), word
		}
		if fix == "" {
			hint = Text{"one of " + strings.Join(allowed, ", "), "可选：" + strings.Join(allowed, "、")}
		}
		n.Error("N112", Text{"`" + s + "` is not possible here", "这里不能写 `" + s + "`"}, hint).Fix = fix
		return "", false
	}
	return s, true
}

// Int gives a whole number in [lo, hi].
func (n *Node) Int(lo, hi int64) (int64, bool) {
	s, ok := n.String()
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil && (n.requoted() || n.Wide(func(s string) bool { _, err := strconv.ParseInt(s, 10, 64); return err == nil })) {
		return 0, false
	}
	if err != nil || v < lo || v > hi {
		n.Error("N112", Text{fmt.Sprintf("`%s` is not a whole number from %d to %d", s, lo, hi), fmt.Sprintf("`%s` 不是 %d 到 %d 之间的整数", s, lo, hi)}, Text{"write a whole number in that range", "请写这个范围内的整数"})
		return 0, false
	}
	return v, true
}

// Bool gives true or false; YAML's other spellings (yes, on) are errors that say so.
func (n *Node) Bool() (bool, bool) {
	s, ok := n.String()
	if !ok {
		return false, false
	}
	if s != "true" && s != "false" && n.requoted() {
		return false, false
	}
	if s != "true" && s != "false" {
		d := n.Error("N112", Text{"`" + s + "` is neither true nor false", "`" + s + "` 不是 true 或 false"}, Text{"write true or false", "请写 true 或 false"})
		if fix := InEnglish(s, []string{"true", "false"}); fix != "" {
			d.Hint, d.Fix = Text{"write `" + fix + "`", "写成 `" + fix + "`"}, fix
		}
		return false, false
	}
	return s == "true", true
}

// Duration gives a length of time in [lo, hi]: 90s, 10m, 24h, 7d, 1h30m.
func (n *Node) Duration(lo, hi time.Duration) (time.Duration, bool) {
	s, ok := n.String()
	if !ok {
		return 0, false
	}
	v, err := ParseDuration(s)
	if err != nil && (n.requoted() || n.Wide(func(s string) bool { _, err := ParseDuration(s); return err == nil })) {
		return 0, false
	}
	if err != nil {
		d := n.Error("N112", Text{"`" + s + "` is not a length of time", "`" + s + "` 不是一段时间"}, Text{"like 90s, 10m, 24h or 7d", "例如 90s、10m、24h、7d"})
		if fix := lengthMeant(s); fix != "" {
			d.Hint, d.Fix = Text{"write `" + fix + "`", "写成 `" + fix + "`"}, fix
		}
		return 0, false
	}
	if v < lo || v > hi {
		n.Error("N112", Text{fmt.Sprintf("`%s` is outside %s to %s", s, FormatDuration(lo), FormatDuration(hi)), fmt.Sprintf("`%s` 超出范围：%s 到 %s", s, FormatDuration(lo), FormatDuration(hi))}, Text{"choose a value in that range", "请改到这个范围内"})
		return 0, false
	}
	return v, true
}

// ParseDuration is time.ParseDuration that also knows days.
func ParseDuration(s string) (time.Duration, error) {
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("parse duration %q: days are a whole number", s)
		}
		d := time.Duration(n) * 24 * time.Hour
		if rest == "" {
			return d, nil
		}
		r, err := time.ParseDuration(rest)
		if err != nil || r < 0 {
			return 0, fmt.Errorf("parse duration %q", s)
		}
		return d + r, nil
	}
	return time.ParseDuration(s)
}

// FormatDuration writes a duration without zero parts, 24h rather than 24h0m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// List gives the items of a list; a single value counts as a list of one.
func (n *Node) List() []*Node {
	switch {
	case n == nil || n.Kind == invalid:
		return nil
	case n.Kind == Sequence:
		return n.Items
	}
	return []*Node{n}
}

// Strings gives a list of texts; a single text counts as a list of one.
func (n *Node) Strings() ([]string, bool) {
	var out []string
	for _, it := range n.List() {
		s, ok := it.String()
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, n != nil && n.Kind != invalid
}
