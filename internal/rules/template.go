package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// template is a text with holes: ${field}, ${field | filter | filter("argument")}. $${ stands for ${.
type template struct{ parts []part }

// part is literal text, or a hole when ref is not "".
type part struct {
	text     string
	ref      string // field, event.x, before.x, first.x, latest.x, list.x or count; names, not aliases, once checked
	filters  []filter
	from, to int // runes in the source
	place    int // set by locate: where the value stands in the one event of the rule
}

// Places beside the fields' own, which are their slots and one.
const (
	nowhere = 0 // it has to be looked up by its name
	eventID = -1
)

// locate finds the places of the holes of a rule that has one event. Times and lists are left to be looked up: they are not
// written as they are.
func (t *template) locate(s *event.Spec) {
	if t == nil {
		return
	}
	for i := range t.parts {
		p := &t.parts[i]
		slot, ok := s.Index(p.ref)
		switch {
		case p.ref == "event.id":
			p.place = eventID
		case ok && s.Fields[slot].Type != event.Time && s.Fields[slot].Type != event.List:
			p.place = slot + 1
		}
	}
}

type filter struct {
	name     string
	arg      string
	hasArg   bool
	n        int // max
	from, to int // runes in the source
}

// value is what a hole holds: a text, or a list.
type value struct {
	text   string
	list   []string
	isList bool
}

func (v value) empty() bool {
	if v.isList {
		return len(v.list) == 0
	}
	return v.text == ""
}

// lookup gives the value of a reference; false when it is missing.
type lookup func(ref string) (value, bool)

var errMissing = errors.New("missing")

// templateError is a mistake in a template's text at runes [from, to).
type templateError struct {
	from, to  int
	code      string
	msg, hint diag.Text
	fix       string // what stands there when it is mended, before the marks around the text are minded; the hint shows it
	example   bool   // the fix is one: what was meant is not known
}

func (e *templateError) Error() string { return e.msg.EN }

// parseTemplate reads a text.
func parseTemplate(src string) (*template, *templateError) { return first(parse(src, false)) }

// parseFilled reads a text that partial has written, with literal parts like ${"text"}.
func parseFilled(src string) (*template, *templateError) { return first(parse(src, true)) }

func first(t *template, wrong []*templateError) (*template, *templateError) {
	if len(wrong) > 0 {
		return nil, wrong[0]
	}
	return t, nil
}

// parse reads a text with all that is wrong in it. What of a hole can be read is in the template even so.
func parse(src string, filled bool) (t *template, wrong []*templateError) {
	r := []rune(src)
	t = &template{}
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			t.parts = append(t.parts, part{text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(r) && len(wrong) < maxSlips; i++ {
		switch {
		case r[i] == '$' && i+2 < len(r) && r[i+1] == '$' && r[i+2] == '{':
			lit.WriteString("${")
			i += 2
		case r[i] == '$' && i+1 < len(r) && r[i+1] == '{':
			flush()
			end, err := closing(r, i+2)
			if err != nil {
				wrong = append(wrong, err)
				i = max(err.to-1, i+1) // behind the mark that should not be there, or at the end
				if at := err.from - 1; at > err.to-3 && err.to < len(r) && r[at] == '$' && r[err.from] == '{' {
					i = at - 1 // another hole begins
				}
				continue
			}
			if literal, ok := unquote(string(r[i+2 : end])); ok && filled && r[i+2] == '"' {
				lit.WriteString(literal)
				i = end
				continue
			}
			p, bad := parseHole(r[i+2:end], i+2)
			wrong = append(wrong, bad...)
			if p.ref != "" {
				t.parts = append(t.parts, p)
			}
			i = end
		case r[i] == '$' && i+1 < len(r) && r[i+1] == '｛':
			wrong = append(wrong, &templateError{i, i + 2, "N301", diag.Text{EN: "a full-width brace `｛`", ZH: "这里是全角花括号 `｛`"}, diag.Text{EN: "write `${...}`", ZH: "改成半角 `${...}`"}, "", false})
			i++
		default:
			lit.WriteRune(r[i])
		}
	}
	flush()
	return t, wrong
}

// closing finds the brace that ends a hole, skipping quoted arguments.
func closing(r []rune, from int) (int, *templateError) {
	var quote rune
	open := from // behind the quotation mark
	for i := from; i < len(r); i++ {
		switch {
		case quote != 0 && r[i] == '\\':
			i++
		case quote != 0:
			if r[i] == quote {
				quote = 0
			}
		case r[i] == '"' || r[i] == '\'':
			quote, open = r[i], i+1
		case r[i] == '}':
			return i, nil
		case r[i] == '｝' || r[i] == '{':
			return 0, &templateError{i, i + 1, "N301", diag.Text{EN: "`" + string(r[i]) + "` inside a hole", ZH: "`${...}` 里不能有 `" + string(r[i]) + "`"}, diag.Text{EN: "a hole ends with `}`", ZH: "以半角 `}` 结束"}, "", false}
		}
	}
	if quote != 0 {
		if i := slices.IndexFunc(r[open:], func(c rune) bool { return strings.ContainsRune(chineseQuotes, c) }); i >= 0 {
			return 0, &templateError{open + i, open + i + 1, "N301", diag.Text{EN: "the text ends with a Chinese quotation mark", ZH: "文字的右边是中文引号"}, diag.Text{}, string(quote), false}
		}
		for i := open - 1; i >= from; i-- {
			if strings.ContainsRune(chineseQuotes, r[i]) {
				return 0, &templateError{i, i + 1, "N301", diag.Text{EN: "the text begins with a Chinese quotation mark", ZH: "文字的左边是中文引号"}, diag.Text{}, string(quote), false}
			}
		}
	}
	return 0, &templateError{max(0, from-2), len(r), "N301", diag.Text{EN: "this hole is not closed", ZH: "`${` 没有对应的 `}`"}, diag.Text{EN: "end it with `}`; literal text is `$${`", ZH: "请加上 `}`；要写 `${` 本身请用 `$${`"}, "", false}
}

const chineseQuotes = "“”‘’「」『』＂＇"

// narrowed gives a hole with the marks that a Chinese keyboard writes outside of texts as they are meant, rune by rune, and names them.
func narrowed(r []rune, at int) (out []rune, wrong []*templateError) {
	out = slices.Clone(r)
	var quote rune
	for i := 0; i < len(r); i++ {
		c := r[i]
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case strings.ContainsRune("｜（）", c):
			fix := map[rune]rune{'｜': '|', '（': '(', '）': ')'}[c]
			wrong = append(wrong, &templateError{at + i, at + i + 1, "N301", diag.Text{EN: "a full-width mark `" + string(c) + "`", ZH: "这里是全角符号 `" + string(c) + "`"}, diag.Text{}, string(fix), false})
			out[i] = fix
		case strings.ContainsRune("“‘「『＂＇", c):
			end := closingMark(r, i+1)
			if end < 0 {
				continue
			}
			wrong = append(wrong, &templateError{at + i, at + end + 1, "N301", diag.Text{EN: "Chinese quotation marks", ZH: "这里是中文引号"}, diag.Text{}, quoteText(string(r[i+1 : end])), false})
			out[i], out[end] = '"', '"'
			i = end
		}
	}
	return out, wrong
}

func parseHole(r []rune, at int) (p part, wrong []*templateError) {
	p = part{from: at, to: at + len(r)}
	from, to := p.from, max(p.to, p.from+1) // of the filter at hand
	fail := func(code, en, zh, hen, hzh string) *templateError {
		e := &templateError{from, to, code, diag.Text{EN: en, ZH: zh}, diag.Text{EN: hen, ZH: hzh}, "", false}
		wrong = append(wrong, e)
		return e
	}
	r, wrong = narrowed(r, at)
	pieces, begins := splitHole(r)
	p.ref = strings.TrimSpace(string(pieces[0]))
	if p.ref == "" {
		fail("N301", "an empty hole", "`${}` 里没有内容", "write `${field}`", "请写 `${字段}`")
		return p, wrong
	}
	for i, f := range pieces[1:] {
		text := strings.TrimSpace(string(f))
		if text != "" {
			from = at + begins[i+1] + len(f) - len([]rune(strings.TrimLeft(string(f), " ")))
			to = from + len([]rune(text))
		}
		if fl, ok := parseFilter(text, fail); ok {
			fl.from, fl.to = from, to
			p.filters = append(p.filters, fl)
		}
	}
	return p, wrong
}

// splitHole takes a hole apart at its bars, and says where each piece begins.
func splitHole(r []rune) (pieces [][]rune, begins []int) {
	start := 0
	var quote rune
	for i := 0; i <= len(r); i++ {
		switch {
		case i == len(r) || (quote == 0 && r[i] == '|'):
			pieces, begins = append(pieces, r[start:i]), append(begins, start)
			start = i + 1
		case quote != 0 && r[i] == '\\':
			i++
		case quote != 0:
			if r[i] == quote {
				quote = 0
			}
		case r[i] == '"' || r[i] == '\'':
			quote = r[i]
		}
	}
	if len(pieces) == 0 { // a backslash at the end of an open text
		return [][]rune{r}, []int{0}
	}
	return pieces, begins
}

// parseFilter reads NAME or NAME(ARGUMENT); false when it said what is wrong.
func parseFilter(text string, fail func(code, en, zh, hen, hzh string) *templateError) (filter, bool) {
	name, arg, hasArg := strings.Cut(text, "(")
	name = strings.TrimSpace(name)
	fl := filter{name: name}
	if !knownFilter(name) {
		hint, _ := diag.DidYouMean(name, filterNames)
		if hint.EN == "" {
			hint = diag.OneOf("filters", "可用过滤器", filterNames)
		}
		fail("N303", "unknown filter `"+name+"`", "没有过滤器 `"+name+"`", hint.EN, hint.ZH)
		return fl, false
	}
	if hasArg {
		arg = strings.TrimSpace(arg)
		if !strings.HasSuffix(arg, ")") {
			fail("N301", "filter `"+name+"` is not closed", "过滤器 `"+name+"` 缺少 `)`", "write `"+name+"(...)`", "请写 `"+name+"(...)`")
			return fl, false
		}
		arg = strings.TrimSpace(strings.TrimSuffix(arg, ")"))
		if arg != "" {
			s, ok := unquote(arg)
			if !ok && name != "max" {
				e := fail("N301", "the argument of `"+name+"` needs quotation marks", "`"+name+"` 的参数要加引号", "", "")
				e.fix, e.example = name+"("+quoteText(strings.Trim(arg, `"'`))+")", true // a field may be meant, which it cannot be
				return fl, false
			}
			fl.arg, fl.hasArg = s, true
		}
	}
	switch needs := name == "default" || name == "max"; {
	case needs && !fl.hasArg:
		e := fail("N304", "`"+name+"` needs an argument", "`"+name+"` 需要参数", "", "")
		e.fix, e.example = map[string]string{"default": `default("...")`, "max": "max(20)"}[name], true
		return fl, false
	case name == "max":
		n, err := strconv.Atoi(fl.arg)
		if err != nil || n < 1 || n > maxShown {
			e := fail("N304", fmt.Sprintf("`max` needs a number from 1 to %d", maxShown), fmt.Sprintf("`max` 需要 1 到 %d 的数字", maxShown), "", "")
			e.fix, e.example = "max("+strconv.Itoa(lengthMeant(fl.arg))+")", lengthMeant(fl.arg) == 0
			if e.example {
				e.fix = "max(20)"
			}
			return fl, false
		}
		fl.n = n
	case fl.hasArg && !needs && name != "join" && name != "date":
		fail("N304", "`"+name+"` takes no argument", "`"+name+"` 没有参数", "write `"+name+"`", "写成 `"+name+"`")
		return fl, false
	}
	return fl, true
}

// maxShown bounds the argument of max.
const maxShown = 4096

// lengthMeant reads a number that is not written in digits alone: ２０, 二十, 20字. 0 when it is none, or too large.
func lengthMeant(arg string) int {
	s := strings.Map(func(r rune) rune {
		if isWide(r) {
			return r - '０' + '0'
		}
		return r
	}, strings.Trim(arg, `"' `))
	s = strings.TrimSpace(strings.TrimRight(s, "个字符"))
	n, err := strconv.Atoi(s)
	if err != nil {
		n = numeral(s)
	}
	if n < 1 || n > maxShown {
		return 0
	}
	return n
}

// unquote reads "text", 'text' or a bare number. \n and \t are a line break and a tab, as in conditions; any other character behind \ is itself.
func unquote(s string) (string, bool) {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		var b strings.Builder
		in := s[1 : len(s)-1]
		for i := 0; i < len(in); i++ {
			if in[i] == '\\' && i+1 < len(in) {
				i++
				switch in[i] {
				case 'n':
					b.WriteByte('\n')
					continue
				case 't':
					b.WriteByte('\t')
					continue
				}
			} else if in[i] == s[0] {
				return "", false
			}
			b.WriteByte(in[i])
		}
		return b.String(), true
	}
	return s, strings.Trim(s, "0123456789") == ""
}

// String writes the template again; parseTemplate(t.String()) is t.
func (t *template) String() string {
	if t == nil {
		return ""
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.ref == "" {
			b.WriteString(strings.ReplaceAll(p.text, "${", "$${"))
			continue
		}
		b.WriteString("${" + p.ref)
		for _, f := range p.filters {
			b.WriteString(" | " + f.name)
			if f.hasArg {
				b.WriteString(`("` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(f.arg) + `")`)
			}
		}
		b.WriteByte('}')
	}
	return b.String()
}

// refs gives the references of the holes.
func (t *template) refs() (out []string) {
	if t == nil {
		return nil
	}
	for _, p := range t.parts {
		if p.ref != "" {
			out = append(out, p.ref)
		}
	}
	return out
}

// render fills the holes. A missing value without a default is an error that names it.
func (t *template) render(get lookup) (string, error) {
	if t == nil {
		return "", nil
	}
	if len(t.parts) == 1 && t.parts[0].ref == "" {
		return t.parts[0].text, nil
	}
	var room [256]byte // most texts are shorter: one allocation, of the text
	b, err := t.append(room[:0], get, nil)
	if err != nil {
		return "", err
	}
	return string(b), nil
}

// key is render for what is compared: of several holes other values never give the same, as "1" and "11" would with "11" and "1".
func (t *template) key(get lookup) (string, error) {
	if len(t.refs()) < 2 {
		return t.render(get)
	}
	var b []byte
	for i := range t.parts {
		p := &t.parts[i]
		if p.ref == "" {
			continue
		}
		text, err := p.fill(get, nil)
		if err != nil {
			return "", err
		}
		b = strconv.AppendQuote(b, text)
	}
	return string(b), nil
}

// append is render into memory of the caller's, which comes back as it was with an error. ev is the event that get speaks of, if the
// places of the holes are in it.
func (t *template) append(to []byte, get lookup, ev *event.Event) ([]byte, error) {
	if t == nil {
		return to, nil
	}
	b := to
	for i := range t.parts {
		p := &t.parts[i]
		if p.ref == "" {
			b = append(b, p.text...)
			continue
		}
		text, err := p.fill(get, ev)
		if err != nil {
			return to, err
		}
		if len(b)-len(to)+len(text) > maxContent { // no intent may carry it: it is not worth writing
			return to, fmt.Errorf("the text has more than %d bytes", maxContent)
		}
		b = append(b, text...)
	}
	return b, nil
}

// fill gives the text of a hole.
func (p *part) fill(get lookup, ev *event.Event) (string, error) {
	if len(p.filters) > 0 {
		v, err := p.value(get)
		return flat(v), err
	}
	if s, ok := p.in(ev); ok {
		return s, nil
	}
	v, ok := get(p.ref)
	if !ok {
		return "", p.absent()
	}
	return flat(v), nil
}

// in gives the text of a hole by its place; false says nothing.
func (p *part) in(ev *event.Event) (string, bool) {
	switch {
	case ev == nil || p.place == nowhere:
		return "", false
	case p.place == eventID:
		return ev.ID, ev.ID != ""
	}
	v := &ev.Values[p.place-1]
	return v.Str, v.OK()
}

// value gives a hole's value behind its filters.
func (p *part) value(get lookup) (value, error) {
	v, ok := get(p.ref)
	instead := false // the value is a default's
	for i := range p.filters {
		f := &p.filters[i]
		if f.name == "default" {
			if !ok || v.empty() {
				v, ok, instead = value{text: f.arg}, true, true
			}
			continue
		}
		if !ok {
			continue // a later default may still fill it
		}
		out, err := f.apply(v)
		if err != nil && instead { // a text is written as it is: ${amount | default("free") | money}
			continue
		}
		if err != nil {
			return value{}, fmt.Errorf("${%s}: %w", p.ref, err)
		}
		v = out
	}
	if !ok {
		return value{}, p.absent()
	}
	return v, nil
}

func (p *part) absent() error { return fmt.Errorf("${%s} is %w", p.ref, errMissing) }

// flat writes a list as a text.
func flat(v value) string {
	if v.isList {
		return strings.Join(v.list, "、")
	}
	return v.text
}
