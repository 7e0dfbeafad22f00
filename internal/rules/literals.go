package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// What stands in a text as it is and was hardly meant so: a hole in the spelling of another program or with a mark of another keyboard, half a
// pair of marks, a character that nobody sees.

// inBraces is what stands between the braces of a hole; a brace in quotation marks ends none.
const inBraces = `((?:"[^"]*"|[^{}｛｝"])*)`

// almostHole finds what may be meant as a hole, and holes. Shift-4 is ￥ on a Chinese keyboard.
var almostHole = regexp.MustCompile(`\{\{` + inBraces + `\}\}|[$＄￥¥]?[{｛]` + inBraces + `[}｝]|[$＄][(（]((?:[^()（）]|[(（][^()（）]*[)）])*)[)）]|[$＄]([\p{L}_][\p{L}\p{Nd}_]*)|[￥¥]([A-Za-z_]\w*)|%\(?([\p{L}_][\p{L}\p{Nd}_]*)\)?[s%]|#([A-Za-z_]\w*)#`)

var reference = regexp.MustCompile(`^[\p{L}_][\p{L}\p{Nd}_.]*$`)

// couldBe reports whether what stands between such marks is a hole but for them.
func (s *scope) couldBe(p *part) bool {
	if !reference.MatchString(p.ref) {
		return false
	}
	if len(p.filters) > 0 { // nobody writes `| money` for people
		return true
	}
	prefix, name, dotted := strings.Cut(p.ref, ".")
	switch {
	case !dotted:
		return s.fields[p.ref] != nil || p.ref == nowRef && s.now || p.ref == "count" && s.merged
	case prefix == "event":
		return slices.Contains(eventFields, name)
	case prefix == "first" || prefix == "latest" || prefix == "list" || prefix == "before":
		return s.fields[name] != nil
	}
	return prefix == "user"
}

// almost gives the hole that a match of almostHole is meant as, and the byte at which it begins; "" when it is none.
func (s *scope) almost(src string, m []int) (hole string, begin int) {
	begin = m[0]
	text, inside := src[m[0]:m[1]], ""
	for g := 2; g < len(m); g += 2 {
		if m[g] >= 0 {
			inside = src[m[g]:m[g+1]]
		}
	}
	r, _ := narrowed([]rune(inside), 0)
	p, _ := parseHole(r, 0)
	if !s.couldBe(&p) {
		return "", begin
	}
	if sign, size := utf8.DecodeRuneInString(text); sign == '￥' || sign == '¥' {
		f := s.fields[p.ref]
		if isNumber := f != nil && f.Type == event.Number; isNumber || slices.ContainsFunc(p.filters, func(f filter) bool { return f.name == "money" }) {
			begin += size // it is the price's
		}
	}
	return "${" + strings.TrimSpace(string(r)) + "}", begin
}

// literals warns of what a text says literally.
func literals(n *diag.Node, src string, t *template, s *scope) {
	warn := func(from, to int, en, zh, fix string) {
		advise(n, n.WarnAt(from, to, "W308", diag.Text{EN: en, ZH: zh}, diag.Text{}), fix)
	}
	outside := []rune(src) // of holes
	depth, counted := 0, 0 // of braces, in the first so many runes of it
	for i := range t.parts {
		p := &t.parts[i]
		if p.ref == "" {
			continue
		}
		for at := p.from - 2; at <= p.to; at++ {
			outside[at] = inHole
		}
		depth, counted = openBraces(depth, outside[counted:p.to+1]), p.to+1
		if depth == 0 && counted < len(outside) && strings.ContainsRune("}｝", outside[counted]) {
			warn(p.to, p.to+2, "the second brace closes nothing: it is sent as it is written", "后一个花括号是多余的，会原样发出去", "}")
		}
		for j := range p.filters {
			if f := &p.filters[j]; f.hasArg && s.named(f) {
				n.WarnAt(f.from, f.to, "W308", diag.Text{EN: "what `" + f.name + "` gets is no template: the name of a field is sent as it is written", ZH: "`" + f.name + "` 的参数里不能用占位符，字段名会原样发出去"},
					diag.Text{EN: "write a text without it", ZH: "请写一段不含字段名的文字"})
			}
		}
	}
	for _, m := range almostHole.FindAllStringSubmatchIndex(src, -1) {
		if strings.HasPrefix(src[m[0]:], "${") || strings.HasSuffix(src[:m[0]], "$") { // it is one, or $${ for ${
			continue
		}
		hole, begin := s.almost(src, m)
		from := utf8.RuneCountInString(src[:begin])
		if hole == "" || outside[from] == inHole {
			continue
		}
		text := src[begin:m[1]]
		warn(from, from+utf8.RuneCountInString(text), "`"+text+"` is no hole: it is sent as it is written", "`"+text+"` 不是占位符，会原样发出去", hole)
	}
	if !n.Quoted() {
		loneMark(n, outside)
	}
	i := 0
	for _, r := range src {
		if unseen(r) {
			n.WarnAt(i, i+1, "W310", diag.Text{EN: fmt.Sprintf("an invisible character (U+%04X) in the text", r), ZH: fmt.Sprintf("文字里有看不见的字符（U+%04X）", r)}, diag.Text{EN: "remove it", ZH: "请删掉"})
		}
		i++
	}
}

// inHole stands for the runes of holes.
const inHole = rune(-1)

// named reports whether the argument of a filter names a field as a hole or a default would.
func (s *scope) named(f *filter) bool {
	if field := s.fields[f.arg]; f.name == "default" && field != nil && field.Name == f.arg {
		return true
	}
	for _, m := range almostHole.FindAllStringSubmatchIndex(f.arg, -1) {
		if hole, _ := s.almost(f.arg, m); hole != "" {
			return true
		}
	}
	return false
}

// openBraces counts on how many braces are open.
func openBraces(depth int, r []rune) int {
	for _, c := range r {
		switch c {
		case '{', '｛':
			depth++
		case '}', '｝':
			depth = max(depth-1, 0)
		}
	}
	return depth
}

// pairs are quotation marks that begin and end a text.
var pairs = map[rune]rune{'"': '"', '\'': '\'', '“': '”', '‘': '’', '「': '」', '『': '』'}

// loneMark warns of a quotation mark at one end of a text that stands in none, without the one at the other end. An inch is a mark behind a
// digit, and English ends some words with one.
func loneMark(n *diag.Node, r []rune) {
	last := len(r) - 1
	if last < 1 {
		return
	}
	warn := func(at int) {
		n.WarnAt(at, at+1, "W313", diag.Text{EN: "half a pair of quotation marks: it is sent as it is written", ZH: "引号只有一半，会原样发出去"}, diag.Text{EN: "remove it, or write the other one", ZH: "请删掉，或补上另一半"})
	}
	for open, end := range pairs {
		opens, ends := count(r, open), count(r, end)
		alone := opens != ends
		if open == end {
			alone = opens%2 == 1
		}
		switch before := r[last-1]; {
		case !alone:
		case r[last] == end && !unicode.IsDigit(before) && (unicode.Is(unicode.Han, before) || unicode.IsPunct(before) || !strings.ContainsRune("'’", end)):
			warn(last)
		case r[0] == open && open != end:
			warn(0)
		}
	}
}

func count(r []rune, c rune) (n int) {
	for _, x := range r {
		if x == c {
			n++
		}
	}
	return n
}

// unseen reports control characters, marks that turn the direction of what follows, and spaces without width. Joiners are part of emoji.
func unseen(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ' || r >= 0x7f && r <= 0x9f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return r == 0x200b || r == 0x2060 || r == 0xfeff
}
