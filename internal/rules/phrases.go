package rules

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// What people write over several marks of a condition: values without a comparison of their own, ranges, spreadsheet functions.

// phrase is such a mistake at runes [from, to), and what to write for it.
type phrase struct {
	from, to int
	code     string
	msg      diag.Text
	hint     diag.Text // "": write fix
	fix      string    // what is meant, so that the rest can be read; with a hint it is not offered: that it is meant is a guess
}

// phrases are all of them; the first that fits counts.
var phrases = []func([]mark, int, *scope) (phrase, bool){opening, spaced, nothingAsked, negated, subtracted, within, listedIn, reversed, several, listGap, doubledQuotes, placeholder, percents, sheetCall}

// phraseAt finds the mistake that begins at mark i, or whose operator stands there.
func phraseAt(marks []mark, i int, s *scope) (phrase, bool) {
	for _, find := range phrases {
		if p, ok := find(marks, i, s); ok {
			return p, true
		}
	}
	return phrase{}, false
}

// comparisons are the operators between a field and a value, with what holds where they do not.
var comparisons = map[string]string{"==": "!=", "!=": "==", ">": "<=", "<": ">=", ">=": "<", "<=": ">",
	"in": "not in", "contains": "not contains", "startsWith": "not startsWith", "endsWith": "not endsWith", "matches": "not matches"}

// compared gives the operator whose last word is mark i, and the operand on its left: marks[left:op]. The operand is a name, perhaps one
// with a dot, a function, or the `#` of a loop.
func compared(marks []mark, i int) (operator string, left, op int, ok bool) {
	m := marks[i]
	if comparisons[m.text] == "" || m.kind == quoted {
		return "", 0, 0, false
	}
	op, operator = i, m.text
	if m.kind == word && at(marks, i-1).text == "not" {
		op, operator = i-1, "not "+m.text
	}
	left = op - 1
	switch n := at(marks, left); {
	case n.text == "#":
	case n.text == ")":
		for depth := 1; depth > 0 && left > 0; {
			left--
			switch marks[left].text {
			case ")", "]", "}":
				depth++
			case "(", "[", "{":
				depth--
			}
		}
		if by := at(marks, left-1); by.kind == word && !isConnector(by) && by.text != "not" {
			left--
		}
	case n.kind != word || isConnector(n) || n.text == "not" || comparisons[n.text] != "":
		return "", 0, 0, false
	case at(marks, left-1).text == "." && at(marks, left-2).kind == word:
		left -= 2
	}
	if before := at(marks, left-1); left < 0 || before.kind == sign && strings.Contains("+-*/%**", before.text) {
		return "", 0, 0, false // a part of a calculation
	}
	return operator, left, op, true
}

// written gives what is written in marks[from:to], with single spaces.
func written(marks []mark, from, to int) string {
	var b strings.Builder
	for k, m := range marks[from:to] {
		if k > 0 && m.from > marks[from+k-1].to {
			b.WriteByte(' ')
		}
		b.WriteString(m.text)
	}
	return b.String()
}

// isValue reports whether a mark is a value: a text, a number, or a word that can only be a text without its marks.
func isValue(m mark, s *scope) bool {
	switch m.kind {
	case quoted:
		return closed(m.text)
	case number:
		return strings.IndexFunc(m.text, isWide) < 0
	case word:
		return s.fields[m.text] == nil && comparisons[m.text] == "" && chinese[m.text] == "" && !isConnector(m) &&
			!slices.Contains([]string{"not", "true", "false", "has", "changed", "always", "event", "before", "user", "nil"}, m.text) && elsewhere[m.text].EN == "" && !slices.Contains(nothings, m.text)
	}
	return false
}

// asValue writes a value.
func asValue(m mark) string {
	if m.kind == word {
		return quoteText(m.text)
	}
	return m.text
}

// ends reports whether a condition can end before mark i.
func ends(marks []mark, i int) bool {
	m := at(marks, i)
	return m.text == "" || m.text == ")" || isConnector(m) || meansConnector(m)
}

// meansConnector reports whether a mark will be mended to `and` or `or`.
func meansConnector(m mark) bool {
	return m.kind == word && (chinese[m.text] == "and" || chinese[m.text] == "or")
}

// aside puts a condition in brackets where something stands beside it.
func aside(marks []mark, from, to int, cond string) string {
	if from == 0 && to == len(marks) || at(marks, from-1).text == "(" && at(marks, to).text == ")" {
		return cond
	}
	return "(" + cond + ")"
}

// closerOf gives the mark that closes the bracket at i, or -1.
func closerOf(marks []mark, i int) int {
	if end := closes(marks[i:]); end >= 0 {
		return i + end
	}
	return -1
}

// opening names what stands before a condition and belongs to no condition: the `=` of a spreadsheet, an `if`.
func opening(marks []mark, i int, s *scope) (phrase, bool) {
	m := marks[i]
	if i > 0 {
		return phrase{}, false
	}
	alone := len(marks) == 1
	said := ""
	switch begin := strings.ToLower(m.text); {
	case !alone && m.kind == sign && (half(m.text) == "=" || m.text == "=="):
		said = m.text
	case m.kind != word || s.fields[m.text] != nil || isComparison(at(marks, 1)):
	case slices.Contains([]string{"if", "when", "where"}, begin):
		if !alone {
			said = m.text
		}
	default:
		for _, word := range []string{"如果", "假如", "若", "当"} {
			if rest, ok := strings.CutPrefix(m.text, word); ok && (rest == "" && !alone || s.fields[rest] != nil || apart(rest, false, s) != "") {
				said = word
				break
			}
		}
	}
	return phrase{from: m.from, to: m.from + utf8.RuneCountInString(said), code: "N205", fix: " ",
		msg: diag.Text{EN: "a condition begins without `" + said + "`", ZH: "条件前面不用写 `" + said + "`"}}, said != ""
}

// spaced names an operator that is written with a space in it, or with a mark too many.
func spaced(marks []mark, i int, _ *scope) (phrase, bool) {
	if !isOperand(at(marks, i-1)) { // first, so that many marks side by side are looked at once
		return phrase{}, false
	}
	joined, end := "", i
	for ; end < len(marks) && marks[end].kind == sign && strings.Trim(half(marks[end].text), "=<>!") == ""; end++ {
		joined += half(marks[end].text)
	}
	m, last := marks[i], at(marks, end-1)
	if end-i < 2 || !strings.Contains(joined, "=") && joined != "<>" || operators[joined] == "" {
		return phrase{}, false
	}
	said := written(marks, i, end)
	if half(said) != said && last.to-m.from == len(joined) {
		return phrase{}, false // full-width marks side by side are named for that
	}
	return phrase{from: m.from, to: last.to, code: "N205", msg: diag.Text{EN: "`" + said + "` is not a comparison", ZH: "`" + said + "` 不是比较"}, fix: operators[joined]}, true
}

// half gives the half-width form of the marks of comparisons.
func half(s string) string { return halfMarks.Replace(s) }

var halfMarks = strings.NewReplacer("＝", "=", "＜", "<", "＞", ">", "！", "!")

// nothingAsked names the ways in which other languages ask whether a field is there.
func nothingAsked(marks []mark, i int, s *scope) (phrase, bool) {
	m, field := marks[i], at(marks, i-1)
	if s.fields[field.text] == nil || at(marks, i-2).text == "." {
		return phrase{}, false
	}
	isNothing := func(m mark) bool {
		return m.kind == word && s.fields[m.text] == nil && (m.text == "nil" || slices.Contains(nothings, m.text) || strings.EqualFold(m.text, "empty"))
	}
	last, there := i+1, false
	switch {
	case (m.text == "==" || m.text == "!=") && isNothing(at(marks, i+1)):
		there = m.text == "!="
	case m.kind == word && strings.EqualFold(m.text, "is") && isNothing(at(marks, i+1)):
	case m.kind == word && strings.EqualFold(m.text, "is") && strings.EqualFold(at(marks, i+1).text, "not") && isNothing(at(marks, i+2)):
		last, there = i+2, true
	case m.text == "为空" || m.text == "是空":
		last = i
	case m.text == "不为空" || m.text == "非空":
		last, there = i, true
	default:
		return phrase{}, false
	}
	said, fix := at(marks, i+1).text, "has("+field.text+")"
	if m.text != "==" && m.text != "!=" {
		said = written(marks, i, last+1)
	}
	if !there {
		fix = "not " + fix
	}
	if f := s.fields[field.text]; f.Type == event.String && f.Default != nil && f.Default.Str == "" { // it is always there
		fix = field.text + map[bool]string{true: ` != ""`, false: ` == ""`}[there]
	}
	return phrase{from: field.from, to: marks[last].to, code: "N213", msg: notUsed(said), fix: fix}, true
}

func notUsed(said string) diag.Text {
	return diag.Text{EN: "`" + said + "` is not used in conditions", ZH: "条件里不用 `" + said + "`"}
}

// negated names a `not` before a comparison: it would turn the field alone, which is neither true nor false.
func negated(marks []mark, i int, s *scope) (phrase, bool) {
	m, field := marks[i], at(marks, i+1)
	f := s.fields[field.text]
	operator := at(marks, i+2)
	turned := comparisons[operator.text]
	if m.text != "not" && m.text != "!" || m.kind == quoted || field.kind != word || f == nil || f.Type == event.Bool || turned == "" || operator.kind == quoted {
		return phrase{}, false
	}
	to, fix := operator, field.text+" "+turned
	if v := at(marks, i+3); isValue(v, s) && v.kind != word && ends(marks, i+4) {
		to, fix = v, fix+" "+v.text
	}
	return phrase{from: m.from, to: to.to, code: "N209", fix: fix,
		msg: notCondition(diag.Text{EN: "`" + m.text + "` speaks of the field alone, not of the comparison", ZH: "`" + m.text + "` 只管后面的字段，管不到整个比较"})}, true
}

// upTo are the marks that people write between the ends of a range.
var upTo = []string{"-", "~", "～", "—", "–", "..", "到", "至", "to"}

var untilNumber = regexp.MustCompile(`^[到至]([0-9]+)(?:之间)?$`)

// subtracted names a range that would be a subtraction, like 500-1000: it is below zero, so that everything is greater.
func subtracted(marks []mark, i int, s *scope) (phrase, bool) {
	operator, left, op, ok := compared(marks, i)
	low, high, end := at(marks, i+1), at(marks, i+3), i+4
	if m := untilNumber.FindStringSubmatch(at(marks, i+2).text); m != nil {
		high, end = mark{text: m[1], from: marks[i+2].from + 1, to: marks[i+2].to, kind: number}, i+3
	} else if !slices.Contains(upTo, at(marks, i+2).text) {
		ok = false
	}
	if !ok || low.kind != number || high.kind != number || !ends(marks, end) {
		return phrase{}, false
	}
	from, err1 := strconv.ParseFloat(low.text, 64)
	to, err2 := strconv.ParseFloat(high.text, 64)
	if err1 != nil || err2 != nil || from >= to {
		return phrase{}, false // 1000-200 is 800
	}
	field := written(marks, left, op)
	cond := field + " >= " + low.text + " and " + field + " <= " + high.text
	p := phrase{from: marks[left].from, to: high.to, code: "N217", fix: aside(marks, left, end, cond),
		msg: diag.Text{EN: "a range names the field twice", ZH: "写范围时字段要写两次"}}
	if operator != "==" && operator != "in" {
		p.hint = diag.Text{EN: "like `" + cond + "`", ZH: "例如 `" + cond + "`"}
	}
	return p, true
}

// within names a range in Chinese words, like 在 3 到 5 之间.
func within(marks []mark, i int, s *scope) (phrase, bool) {
	m, field, low := marks[i], at(marks, i-1), at(marks, i+1)
	end := i + 2
	glued := strings.TrimPrefix(m.text, "在")
	switch {
	case m.kind != word || s.fields[m.text] != nil || field.kind != word || isConnector(field) || !strings.HasPrefix(m.text, "在") && !strings.HasPrefix(m.text, "介于"):
		return phrase{}, false
	case m.text == "在" || m.text == "介于":
	default: // 在3到5之间 is one word
		n := rangeOf.FindStringSubmatch(strings.TrimPrefix(glued, "介于"))
		if n == nil || !ends(marks, i+1) {
			return phrase{}, false
		}
		return rangeIn(field, m, n[1], n[2]), true
	}
	high, last := at(marks, end+1), at(marks, end+1)
	if n := untilNumber.FindStringSubmatch(at(marks, end).text); n != nil {
		high, last = mark{text: n[1], kind: number}, at(marks, end)
		end++
	} else if slices.Contains(upTo, at(marks, end).text) || slices.Contains([]string{"和", "与"}, at(marks, end).text) {
		end += 2
	} else {
		return phrase{}, false
	}
	if at(marks, end).text == "之间" {
		last = marks[end]
		end++
	}
	if low.kind != number || high.kind != number || !ends(marks, end) {
		return phrase{}, false
	}
	return rangeIn(field, last, low.text, high.text), true
}

// rangeOf is a range in one word with its end.
var rangeOf = regexp.MustCompile(`^([0-9]+)[到至和与]([0-9]+)(?:之间)?$`)

func rangeIn(field, last mark, low, high string) phrase {
	return phrase{from: field.from, to: last.to, code: "N217", fix: field.text + " >= " + low + " and " + field.text + " <= " + high,
		msg: diag.Text{EN: "a range names the field twice", ZH: "写范围时字段要写两次"}}
}

// listedIn names `items contains "a"`: of a list it is asked the other way round.
func listedIn(marks []mark, i int, s *scope) (phrase, bool) {
	operator, ok := map[string]string{"contains": "in", "包含": "in", "包括": "in", "不包含": "not in", "不包括": "not in"}[marks[i].text]
	begin := i - 1
	if at(marks, begin).text == "not" {
		begin, operator = i-2, "not in"
	}
	f, value := s.fields[at(marks, begin).text], at(marks, i+1)
	if !ok || marks[i].kind != word || f == nil || f.Type != event.List || value.kind != quoted || !closed(value.text) || !ends(marks, i+2) {
		return phrase{}, false
	}
	field := marks[begin]
	return phrase{from: field.from, to: value.to, code: "N204", fix: value.text + " " + operator + " " + field.text,
		msg: diag.Text{EN: "`" + field.text + "` is a list, not a text", ZH: "`" + field.text + "` 是列表，不是文字"}}, true
}

// reversed names `"北京" in city`: a text is in a list, and is a part of a text.
func reversed(marks []mark, i int, s *scope) (phrase, bool) {
	operator, begin := "contains", i-1
	if at(marks, i-1).text == "not" {
		operator, begin = "not contains", i-2
	}
	value, f := at(marks, begin), s.fields[at(marks, i+1).text]
	if marks[i].text != "in" || marks[i].kind != word || value.kind != quoted || f == nil || f.Type != event.String {
		return phrase{}, false
	}
	field := marks[i+1]
	return phrase{from: value.from, to: field.to, code: "N204", fix: field.text + " " + operator + " " + value.text,
		msg: diag.Text{EN: "`" + field.text + "` is a text, not a list", ZH: "`" + field.text + "` 是文字，不是列表"}}, true
}

// several names values of which only the first is compared, and lists that are none.
func several(marks []mark, i int, s *scope) (phrase, bool) {
	operator, left, op, ok := compared(marks, i)
	if !ok {
		return phrase{}, false
	}
	f := s.fields[marks[left].text]
	if f != nil && (f.Type == event.Bool || f.Type == event.List) {
		return phrase{}, false
	}
	values, end, bracket := listed(marks, i+1, s)
	if len(values) == 0 {
		return phrase{}, false
	}
	first, last := marks[i+1], marks[end-1]
	isIn := marks[i].text == "in"
	inside := len(values)
	for isConnector(at(marks, end)) && isValue(at(marks, end+1), s) && ends(marks, end+2) {
		values = append(values, marks[end+1])
		end += 2
		last = marks[end-1]
	}
	alone := len(values) > inside
	single := len(values) == 1 && !bracket
	switch {
	case bracket && first.text == "[" && isIn && !alone, single && (!isIn || values[0].kind != quoted):
		return phrase{}, false
	case bracket && first.text == "(" && !isIn && len(values) == 1: // they only group
		return phrase{}, false
	case slices.ContainsFunc(values, func(v mark) bool { return v.kind == word }) && (f == nil || f.Type != event.String):
		return phrase{}, false
	}
	p := phrase{from: marks[left].from, to: last.to, code: "N219", msg: diag.Text{EN: "several values stand in a list", ZH: "多个值要写成列表"}}
	texts := make([]string, len(values))
	for k, v := range values {
		texts[k] = asValue(v)
	}
	if single {
		texts = parted(values[0].text)
	}
	if alone {
		p.code, p.msg = "N210", diag.Text{EN: "a text alone is no condition", ZH: "单独一段文字不是条件"}
		if last.kind == number {
			p.msg = diag.Text{EN: "a number alone is no condition", ZH: "单独一个数字不是条件"}
		}
	}
	list := "[" + strings.Join(texts, ", ") + "]"
	field := written(marks, left, op)
	switch operator {
	case "in", "not in":
		if !alone { // the field and its operator stay
			p.from, p.fix, p.msg = first.from, list, diag.Text{EN: "a list stands in square brackets", ZH: "列表要用方括号"}
			return p, true
		}
		p.fix = field + " " + operator + " " + list
	case "==":
		p.fix = field + " in " + list
	case "!=":
		p.fix = field + " not in " + list
	default:
		joint := " or "
		if strings.HasPrefix(operator, "not ") { // neither of them
			joint = " and "
		}
		for k := range texts {
			texts[k] = field + " " + operator + " " + texts[k]
		}
		cond := strings.Join(texts, joint)
		p.fix = aside(marks, left, end, cond)
		if !alone {
			p.msg = diag.Text{EN: "`" + operator + "` takes one value", ZH: "`" + operator + "` 后面只能写一个值"}
		}
		if isComparison(marks[i]) { // by size: one of two bounds says it all
			p.hint = diag.Text{EN: "write each comparison as a whole, like `" + cond + "`", ZH: "每个比较都要写完整，例如 `" + cond + "`"}
		}
	}
	return p, true
}

// listed reads values from mark i on that stand in brackets, or between commas and what people write for them. The end is the first mark
// behind them.
func listed(marks []mark, i int, s *scope) (values []mark, end int, bracket bool) {
	closer := len(marks)
	if open := at(marks, i).text; open == "[" || open == "(" || open == "{" {
		if closer = closerOf(marks, i); closer < 0 {
			return nil, 0, false
		}
		bracket = true
		i++
	}
	for end = i; end < closer && isValue(marks[end], s); {
		values = append(values, marks[end])
		end++
		if end+1 >= closer || !separator(marks[end-1], marks[end], marks[end+1], bracket) {
			break
		}
		end++
	}
	switch {
	case len(values) == 0:
		return nil, 0, false
	case bracket && (end != closer || values[0].kind == word && len(values) == 1 && marks[i-1].text == "("): // a calculation, or one name in brackets
		return nil, 0, false
	case bracket:
		return values, closer + 1, true
	}
	return values, end, false
}

// separator reports whether a mark stands between two values of a list. Outside of brackets a number may be one with commas, or a division.
func separator(before, m, behind mark, bracket bool) bool {
	switch {
	case m.kind != sign:
		return false
	case bracket || before.kind == quoted && behind.kind == quoted:
		return strings.Contains(",，、/|;；", m.text)
	}
	return m.text == "、" && before.kind == behind.kind
}

// parted takes a text with several values in it apart, as "北京,上海".
func parted(text string) (out []string) {
	for _, part := range strings.FieldsFunc(text[1:len(text)-1], func(r rune) bool { return strings.ContainsRune(",，、;；|/", r) }) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, text[:1]+part+text[:1])
		}
	}
	if len(out) == 0 {
		return []string{text}
	}
	return out
}

// listGap names two values of a list without a comma between them.
func listGap(marks []mark, i int, _ *scope) (phrase, bool) {
	m, prev := marks[i], at(marks, i-1)
	isPlain := func(m mark) bool { return m.kind == quoted && closed(m.text) && m.text != `""` || m.kind == number }
	if !isPlain(m) || !isPlain(prev) || prev.to == m.from && m.kind == number && prev.kind == number {
		return phrase{}, false
	}
	depth := 0
	for k := i - 1; k >= 0; k-- {
		switch marks[k].text {
		case ")", "]":
			depth++
		case "(", "[":
			if depth--; depth < 0 {
				return phrase{from: prev.from, to: m.to, code: "N219", fix: prev.text + ", " + m.text, msg: diag.Text{EN: "a comma is missing between two values", ZH: "两个值中间少了逗号"}}, marks[k].text == "["
			}
		}
	}
	return phrase{}, false
}

// doubledQuotes names ""北京"", as spreadsheets write it to files.
func doubledQuotes(marks []mark, i int, _ *scope) (phrase, bool) {
	m, next := marks[i], at(marks, i+1)
	if m.text != `""` || next.from != m.to || next.kind != word && next.kind != number {
		return phrase{}, false
	}
	for k := i + 2; k < len(marks); k++ {
		if marks[k].text == `""` && marks[k].from == marks[k-1].to {
			text := `"` + written(marks, i+1, k) + `"`
			return phrase{from: m.from, to: marks[k].to, code: "N209", fix: text, msg: notCondition(diag.Text{EN: "the quotation marks stand twice", ZH: "引号写了两遍"})}, true
		}
	}
	return phrase{}, false
}

// placeholder names ${amount}: what texts have, and other programs.
func placeholder(marks []mark, i int, s *scope) (phrase, bool) {
	k := i
	for k < len(marks) && strings.Contains("$＄#", marks[k].text) && marks[k].kind == sign {
		k++
	}
	opened := 0
	for k < len(marks) && marks[k].text == "{" {
		k, opened = k+1, opened+1
	}
	name := at(marks, k)
	if k == i || name.kind != word || opened == 0 && s.fields[name.text] == nil {
		return phrase{}, false
	}
	for n := 0; n < opened; n++ {
		if k++; at(marks, k).text != "}" {
			return phrase{}, false
		}
	}
	said := written(marks, i, k+1)
	return phrase{from: marks[i].from, to: marks[k].to, code: "N213", fix: name.text,
		msg: diag.Text{EN: "`" + said + "` is for texts: a condition has the field alone", ZH: "`" + said + "` 是文字里的写法，条件里直接写字段名"}}, true
}

// percents names 10%. Whether the field has 0.1 or 10 nobody knows here.
func percents(marks []mark, i int, _ *scope) (phrase, bool) {
	m, sign, behind := marks[i], at(marks, i+1), at(marks, i+2)
	if m.kind != number || sign.text != "%" || sign.from != m.to || behind.kind == number || behind.kind == word && !ends(marks, i+2) {
		return phrase{}, false
	}
	share := hundredth(m.text)
	return phrase{from: m.from, to: sign.to, code: "N211", fix: m.text, msg: diag.Text{EN: "a number is written without `%`", ZH: "数字里不能有 `%`"},
		hint: diag.Text{EN: "write `" + share + "` or `" + m.text + "`, as the field has it", ZH: "写成 `" + share + "` 或 `" + m.text + "`，看这个字段存的是哪一种"}}, true
}

// sheetCall names AND(a, b), as spreadsheets have it, at its last bracket: what is wrong between them has been mended then.
func sheetCall(marks []mark, i int, s *scope) (phrase, bool) {
	for k := i - 1; k >= 0 && marks[i].text == ")"; k-- {
		if parts, end := sheetParts(marks, k, s); end == i {
			said := marks[k].text + "(…)"
			return phrase{from: marks[k].from, to: marks[end].to, code: "N205", fix: aside(marks, k, end+1, strings.Join(parts, " "+strings.ToLower(marks[k].text)+" ")),
				msg: diag.Text{EN: "`" + said + "` is a function of spreadsheets", ZH: "`" + said + "` 是表格软件的写法"}}, true
		}
	}
	return phrase{}, false
}

// sheetParts gives the arguments of the AND or OR at mark i, and the bracket that ends them; none for one that stands between two conditions.
func sheetParts(marks []mark, i int, s *scope) (parts []string, end int) {
	m := marks[i]
	if m.kind != word || !strings.EqualFold(m.text, "and") && !strings.EqualFold(m.text, "or") || s.fields[m.text] != nil || isOperand(at(marks, i-1)) || at(marks, i+1).text != "(" {
		return nil, -1
	}
	end = closerOf(marks, i+1)
	depth, begin := 0, i+2
	for k := begin; k <= end; k++ {
		switch t := marks[k].text; {
		case (depth == 0 && (t == "," || t == "，") || k == end) && k > begin:
			parts = append(parts, written(marks, begin, k))
			begin = k + 1
		case t == "(" || t == "[" || t == "{":
			depth++
		case t == ")" || t == "]" || t == "}":
			depth--
		}
	}
	if len(parts) < 2 {
		return nil, -1
	}
	return parts, end
}

func isSheetCall(marks []mark, i int, s *scope) bool {
	_, end := sheetParts(marks, i, s)
	return end > 0
}
