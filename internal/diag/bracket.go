package diag

import (
	"strings"
	"unicode/utf8"
)

// wideBracket finds full-width brackets around a value.
func (d *Doc) wideBracket(line, _ int, _ string) bool {
	for l := line; l >= max(1, line-1); l-- {
		if m := bracketed.FindStringSubmatch(d.lines[l-1]); m != nil {
			col := utf8.RuneCountInString(m[1]) + 1
			d.mend(l, col, col+utf8.RuneCountInString(m[2]), d.brackets(l, col, m[2]))
			return true
		}
	}
	return false
}

// brackets reports full-width brackets around a value, and gives the value with those that were meant.
func (d *Doc) brackets(line, col int, text string) string {
	fix := d.narrowed(text)
	d.at(line, col, col+utf8.RuneCountInString(text), "N103", Error, Text{"full-width brackets", "这里是全角括号"}, Text{"write `" + fix + "`", "写成 `" + fix + "`"}).Fix = fix
	return fix
}

// otherBracket finds a bracket that is closed with one of the other kind: {body: b].
func (d *Doc) otherBracket(line, _ int, _ string) bool {
	for l := line; l >= max(1, line-1); l-- {
		s := d.lines[l-1]
		start := len(valueStart.FindString(s))
		if start == len(s) || s[start] != '[' && s[start] != '{' {
			continue
		}
		var open []byte
		for i := start; i < len(s); i++ {
			switch c := s[i]; {
			case strings.IndexByte("[]{}", c) < 0 || quotedAt(s, i):
			case c == '[' || c == '{':
				open = append(open, closing[c])
			case len(open) == 0:
				return false
			case open[len(open)-1] != c:
				right := string(open[len(open)-1])
				col := utf8.RuneCountInString(s[:i]) + 1
				d.at(l, col, col+1, "N100", Error, Text{"`" + string(c) + "` does not close what is open here", "这里的右括号 `" + string(c) + "` 和左括号不配对"}, Text{"write `" + right + "`", "写成 `" + right + "`"}).Fix = right
				d.mend(l, col, col+1, right)
				return true
			default:
				open = open[:len(open)-1]
			}
		}
	}
	return false
}

// extraMarks finds marks behind the bracket that closes a value: {expire: 1h}} or {expire: 1h};
func (d *Doc) extraMarks(line, _ int, _ string) bool {
	text := ""
	for l := line; l > max(0, line-50); l-- { // the line in which the value begins
		s := d.lines[l-1]
		text = s + "\n" + text
		start := valueStart.FindString(s)
		if rest := s[len(start):]; rest == "" || rest[0] != '[' && rest[0] != '{' {
			if l < line && keyLine.MatchString(s) && indentOf(s) < indentOf(d.lines[line-1]) {
				return false
			}
			continue
		}
		r := []rune(text[len(start):])
		end := closingBracket(r)
		if end < 0 {
			return false
		}
		rest := string(r[end+1:])
		marks, _, _ := strings.Cut(rest, " #")
		marks = strings.TrimSpace(marks)
		if marks == "" || strings.Trim(marks, "]});,；，") != "" {
			return false
		}
		at := l + strings.Count(string(r[:end]), "\n")
		before, _, _ := strings.Cut(rest, marks)
		col := utf8.RuneCountInString(d.lines[at-1]) - utf8.RuneCountInString(strings.SplitN(rest, "\n", 2)[0]) + utf8.RuneCountInString(before) + 1
		to := col + utf8.RuneCountInString(marks)
		d.at(at, col, to, "N100", Error, Text{"`" + marks + "` is too much here", "这里多了 `" + marks + "`"}, Text{"remove it: what was opened is closed already", "请删掉：前面的括号已经都有右括号了"})
		d.mend(at, col, to, "")
		return true
	}
	return false
}

// roundBracket finds round brackets around entries: (expire: 1h).
func (d *Doc) roundBracket(line, _ int, _ string) bool {
	m := rounded.FindStringSubmatch(d.lines[line-1])
	if m == nil {
		return false
	}
	col := utf8.RuneCountInString(m[1]) + 1
	text := m[2] + m[3] + m[4]
	fix := d.narrowed("{" + m[3] + "}")
	end := col + utf8.RuneCountInString(text)
	d.at(line, col, end, "N100", Error, Text{"entries stand in `{}`, not in round brackets", "一组配置项要用 `{}`，不能用圆括号"}, Text{"write `" + fix + "`", "写成 `" + fix + "`"}).Fix = fix
	d.mend(line, col, end, fix)
	return true
}

// openBracket finds the bracket that is still open where the library gave up.
func (d *Doc) openBracket(line, col int, msg string) bool {
	if !strings.Contains(msg, "must be specified") && !strings.Contains(msg, "not found") && !strings.Contains(msg, "could not find") {
		return false
	}
	type place struct {
		line, col int
		r         rune
	}
	var stack []place
	var quote rune
	for l := 1; l <= line; l++ {
		src := []rune(d.lines[l-1])
		for i, r := range src {
			if l == line && i+1 >= col {
				break
			}
			switch {
			case quote != 0:
				if r == quote && src[max(i-1, 0)] != '\\' {
					quote = 0
				}
			case r == '"' || r == '\'':
				if i > 0 && strings.ContainsRune(" [{,:", src[i-1]) {
					quote = r
				}
			case r == '[' || r == '{':
				stack = append(stack, place{l, i + 1, r})
			case (r == ']' || r == '}') && len(stack) > 0:
				stack = stack[:len(stack)-1]
			}
		}
	}
	if len(stack) == 0 {
		return false
	}
	p := stack[len(stack)-1]
	src := []rune(d.lines[line-1])
	if m := nextKeyInside.FindStringSubmatch(string(src[min(col-1, len(src)):])); m != nil && p.r == '{' && (line == p.line || indentOf(d.lines[line-1]) > indentOf(d.lines[p.line-1])) {
		at, gap := line, strings.TrimRight(string(src[:col-1]), " ")
		if gap == "" { // it stands behind the line above
			for at > p.line && strings.TrimSpace(gap) == "" {
				at--
				gap = strings.TrimRight(d.lines[at-1], " ")
			}
			col = utf8.RuneCountInString(gap) + 1
		}
		from := utf8.RuneCountInString(gap) + 1
		d.missingComma(at, from, max(col, from+1), m[1])
		d.mend(at, from, col, ", ")
		return true
	}
	if own := []rune(d.lines[p.line-1]); p.col-1 == utf8.RuneCountInString(valueStart.FindString(d.lines[p.line-1])) && p.r == '[' && !strings.ContainsAny(string(own[p.col-1:]), ",，]\"'") &&
		(p.line == len(d.lines) || indentOf(d.lines[p.line]) <= indentOf(d.lines[p.line-1])) {
		return d.indicator(p.line, p.col) // one piece in one line: a text
	}
	end := map[rune]string{'[': "]", '{': "}"}[p.r]
	d.at(p.line, p.col, p.col+1, "N100", Error, Text{"this bracket is not closed", "这个括号没有对应的右括号"}, Text{"close it with `" + end + "`, or put a comma between the items", "请加上 `" + end + "`，或在各项之间加半角逗号"})
	return true
}

// openBrackets gives the brackets that a piece of a line leaves open, outside quotation marks.
func openBrackets(s string) string {
	var stack []byte
	for i := range len(s) {
		switch c := s[i]; {
		case strings.IndexByte("[]{}", c) < 0 || quotedAt(s, i):
		case c == '[' || c == '{':
			stack = append(stack, c)
		case len(stack) > 0:
			stack = stack[:len(stack)-1]
		}
	}
	return string(stack)
}

// closingBracket gives the index of the bracket that closes the one at 0, or -1.
func closingBracket(r []rune) int {
	depth, quote := 0, rune(0)
	for i, c := range r {
		switch {
		case quote != 0:
			if c == quote && r[i-1] != '\\' {
				quote = 0
			}
		case (c == '"' || c == '\'') && i > 0 && strings.ContainsRune(" [{,:", r[i-1]):
			quote = c
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
