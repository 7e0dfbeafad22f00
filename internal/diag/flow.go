package diag

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Between brackets the library is more patient than YAML: of `{title: a body: b}` it makes one text, of `{a:1}` a key with a value. What
// would load as something else than what is written, or only here, is named before the parser sees it.

// insideBrackets looks at a token between brackets, of which inner is the last that is open.
func (d *Doc) insideBrackets(t, inner *token.Token) {
	line, col, before := t.Position.Line, t.Position.Column, t.Prev
	switch {
	case before == nil:
	case t.Type == token.CollectEntryType && (before.Type == token.CollectEntryType || before == inner):
		if d.stands(line, col, ",") {
			n := len(commas.FindString(d.lines[line-1][d.near.at(d.lines[line-1], col):]))
			d.at(line, col, col+n, "N100", Error, Text{"one comma too many", "多了一个逗号"}, Text{"remove it", "请删掉这个逗号"})
			d.mend(line, col, col+n, "")
		}
	case t.Type == token.SequenceStartType || t.Type == token.MappingStartType:
		d.bracketInText(t, inner)
	case inner.Type != token.MappingStartType:
	case t.Type == token.MappingValueType:
		next := t.Next
		if next != nil && next.Position.Line == line && next.Position.Column == col+1 && plainWord(before) && !endsBracket(next) && d.stands(line, col, ":") {
			d.at(line, col, col+1, "N100", Error, Text{"a space is missing behind the colon", "冒号后面缺少空格"}, Text{"write `" + before.Value + ": `", "写成 `" + before.Value + ": `"}).Fix = ": "
			d.mend(line, col, col+1, ": ")
		}
	case t.Type == token.StringType && before.Type == token.MappingValueType:
		d.entryInText(t, inner.Position.Line)
	}
}

// bracketInText finds a text with a bracket in it, which to YAML ends the text: {when: level in ["vip", "svip"]}. The library then blames
// the bracket around it.
func (d *Doc) bracketInText(t, inner *token.Token) {
	text := t.Prev
	if text.Type == token.CollectEntryType && text.Prev != nil && strings.Count(text.Prev.Value, "(") > strings.Count(text.Prev.Value, ")") { // any(items, {# == "a"})
		text = text.Prev
	}
	line, col := text.Position.Line, text.Position.Column
	word := strings.TrimSpace(text.Value)
	switch {
	case text.Type != token.StringType || line != t.Position.Line || !d.stands(line, col, word):
		return
	case d.leftOpen(inner, line):
		return
	case strings.HasSuffix(word, "$") || strings.HasSuffix(word, ":"): // a hole, or a key without its space
		return
	case inner.Type == token.MappingStartType && (text.Prev == nil || text.Prev.Type != token.MappingValueType): // a key without its colon
		return
	}
	src := []rune(d.lines[line-1])[col-1:]
	end := endOfText(src)
	if end < 0 {
		return
	}
	d.needsQuotes(line, col, strings.TrimRight(string(src[:end]), " "), Text{"inside `{}` and `[]` a text with a bracket in it needs quotation marks", "`{}` 和 `[]` 里的文字，自己含有括号时要加引号"})
}

// leftOpen reports whether a bracket was probably meant to end before a line: one up to there begins no deeper than what the bracket is
// the value of.
func (d *Doc) leftOpen(bracket *token.Token, line int) bool {
	from := bracket.Position.Line
	lead := len(blockLead.FindString(d.lines[from-1]))
	if bracket.Position.Column == lead+1 { // it is the item itself
		lead = indentOf(d.lines[from-1])
	}
	for l := from + 1; l <= line; l++ {
		if s := d.lines[l-1]; strings.TrimSpace(s) != "" && indentOf(s) <= lead {
			return true
		}
	}
	return false
}

// endOfText gives the end of what was meant as a text between brackets: the comma or bracket behind it that is not its own, or the end of
// the line. It is -1 when a bracket or a quotation mark of its own stays open, or is closed with another.
func endOfText(src []rune) int {
	var open []rune // what closes the brackets
	var quote rune
	for i, c := range src {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && i > 0 && !unicode.IsLetter(src[i-1]) && !unicode.IsDigit(src[i-1]):
			quote = c
		case strings.ContainsRune("([{", c):
			open = append(open, map[rune]rune{'(': ')', '[': ']', '{': '}'}[c])
		case len(open) == 0 && (strings.ContainsRune(",]}", c) || c == '#' && i > 0 && src[i-1] == ' '):
			return i
		case len(open) > 0 && strings.ContainsRune(")]}", c):
			if c != open[len(open)-1] {
				return -1
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 || quote != 0 {
		return -1
	}
	return len(src)
}

var commas = regexp.MustCompile(`^,(?: *,)*`)

// stands reports whether a piece of text stands at a place: the library tells some places wrongly.
func (d *Doc) stands(line, col int, s string) bool {
	l := d.lines[line-1]
	return col >= 1 && strings.HasPrefix(l[d.near.at(l, col):], s)
}

func plainWord(t *token.Token) bool {
	return t.Type != token.DoubleQuoteType && t.Type != token.SingleQuoteType && !endsBracket(t)
}

func endsBracket(t *token.Token) bool {
	return t.Type == token.MappingEndType || t.Type == token.SequenceEndType || t.Type == token.CollectEntryType
}

var (
	swallowed = regexp.MustCompile(`，\s*[A-Za-z_][\w-]*\s*[:：]`)
	nextEntry = regexp.MustCompile(`(\s*[，；、;]\s*|\s+)([A-Za-z_][\w-]*|"[A-Za-z_][\w-]*")\s*:(?:\s|$)`)
)

// entryInText finds a text in `{}` that holds the next entry as well, because what stands between them is no comma: {title: a body: b}. A
// `: ` without a key before it is the text's. The bracket was opened in line opened.
func (d *Doc) entryInText(t *token.Token, opened int) {
	text := strings.TrimSpace(t.Value)
	colon := strings.Contains(text, ": ") || strings.HasSuffix(text, ":")
	at := swallowed.FindStringIndex(text)
	if !colon && at == nil {
		return
	}
	line := t.Position.Line
	from := strings.Index(d.lines[line-1], text)
	if from < 0 { // over several lines
		for l := line + 1; l <= len(d.lines) && l <= line+strings.Count(t.Origin, "\n"); l++ {
			if indentOf(d.lines[l-1]) <= indentOf(d.lines[opened-1]) {
				return // the closing bracket is missing
			}
			if m := nextKeyInside.FindStringSubmatch(strings.TrimLeft(d.lines[l-1], " ")); m != nil {
				above := strings.TrimRight(d.lines[l-2], " ")
				col := utf8.RuneCountInString(above) + 1
				d.missingComma(l-1, col, col+1, m[1])
				d.mend(l-1, col, col, ",")
				return
			}
		}
		d.at(line, max(1, t.Position.Column), 0, "N105", Error, Text{"a text with `: ` in it needs double quotes", "文字里有 `: ` 时要加双引号"},
			Text{"put the whole text in double quotes, or a comma between the entries", "整段文字加双引号；如果是两个配置项，中间加半角逗号"})
		return
	}
	begin := utf8.RuneCountInString(d.lines[line-1][:from]) + 1
	if at != nil && !openQuoted(text[:at[0]]) {
		col := begin + utf8.RuneCountInString(text[:at[0]])
		d.wideComma(line, col)
		d.mend(line, col, col+1, ", ")
		return
	}
	m := nextEntry.FindStringSubmatchIndex(text)
	if !colon {
		return
	}
	if m == nil || m[2] == 0 || openQuoted(text[:m[2]]) {
		d.needsQuotes(line, begin, text, Text{"a text with `: ` in it needs double quotes", "文字里有 `: ` 时要加双引号"})
		return
	}
	col, gap, key := begin+utf8.RuneCountInString(text[:m[2]]), text[m[2]:m[3]], text[m[4]:m[5]]
	end := col + utf8.RuneCountInString(gap)
	if mark := strings.TrimSpace(gap); mark != "" {
		d.betweenKeys(line, col, end, mark)
	} else {
		d.missingComma(line, col, end, key)
	}
	d.mend(line, col, end, ", ")
}

func (d *Doc) betweenKeys(line, from, to int, mark string) {
	d.at(line, from, to, "N103", Error, Text{"`" + mark + "` instead of a comma", "这里应为半角逗号，写成了 `" + mark + "`"},
		Text{"write `, `, or put the whole text in double quotes", "改成半角逗号加空格 `, `；如果是文字的一部分，整段文字请加双引号"}).Fix = ", "
}

func (d *Doc) missingComma(line, from, to int, key string) {
	d.at(line, from, to, "N100", Error, Text{"a comma is missing before `" + key + "`", "`" + key + "` 前面缺少逗号"},
		Text{"write `, " + key + ": `; if it is part of the text, put the whole text in double quotes", "写成 `, " + key + ": `；如果是文字的一部分，整段文字请加双引号"}).Fix = ", "
}

// openQuoted reports whether a piece of text leaves a Chinese quotation mark open.
func openQuoted(s string) bool {
	for _, pair := range []string{"“”", "‘’", "「」", "『』"} {
		r := []rune(pair)
		if strings.Count(s, string(r[0])) > strings.Count(s, string(r[1])) {
			return true
		}
	}
	return false
}

// dashInText finds a text that begins with `- ` or `? `, where no item can stand.
func (d *Doc) dashInText(t *token.Token) {
	line, col := t.Position.Line, t.Position.Column
	if !d.stands(line, col, t.Value) {
		return
	}
	d.needsQuotes(line, col, d.textFrom(line, col), Text{"a text must not begin with `" + t.Value + " `", "文字不能以 `" + t.Value + " ` 开头"})
}

var tightKey = regexp.MustCompile(`^([A-Za-z_][\w-]*):[\[{"']`)

// tightBracket finds `key:{...}`, whose first word is a key to YAML: `key:{word`.
func (d *Doc) tightBracket(t *token.Token) {
	m := tightKey.FindStringSubmatch(t.Value)
	if m == nil || !d.stands(t.Position.Line, t.Position.Column, t.Value) {
		return
	}
	line, col := t.Position.Line, t.Position.Column+len(m[1])
	d.at(line, col, col+1, "N100", Error, Text{"a space is missing behind the colon", "冒号后面缺少空格"}, Text{"write `" + m[1] + ": `", "写成 `" + m[1] + ": `"}).Fix = ": "
	d.mend(line, col, col+1, ": ")
}

var otherDashes = regexp.MustCompile(`^[—–－−‐‑•·]+[ \x{3000}]*`)

// otherDash finds an item whose dash is another character: it is a key to YAML.
func (d *Doc) otherDash(t *token.Token) {
	lead := otherDashes.FindString(t.Value)
	if lead == "" || !d.stands(t.Position.Line, t.Position.Column, lead) {
		return
	}
	line, col, mark := t.Position.Line, t.Position.Column, strings.TrimRight(lead, " \u3000")
	end := col + utf8.RuneCountInString(lead)
	d.at(line, col, end, "N103", Error, Text{"`" + mark + "` is not the dash of an item", "列表项前面的短横线写成了 `" + mark + "`"}, Text{"write `- `", "改成半角短横线加空格 `- `"}).Fix = "- "
	d.mend(line, col, end, "- ")
}

var escaped = regexp.MustCompile(`^\\(?:$|[0abtnvfre "/\\N_LP]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})`)

// badEscapes finds the backslashes in double quotes that mean nothing to YAML: "C:\Users", "第\d名". Of some the library makes another text.
func (d *Doc) badEscapes(t *token.Token) bool {
	line, last := t.Position.Line, t.Position.Line+strings.Count(t.Origin, "\n")
	src := d.lines[line-1]
	if !strings.Contains(t.Origin, `\`) && !strings.Contains(src, `\`) {
		return false
	}
	i := min(d.near.at(src, t.Position.Column), len(src)-1)
	for ; i > 0 && !(src[i] == '"' && strings.IndexByte(" [{,:", src[i-1]) >= 0) && t.Type == token.InvalidType; i-- {
	}
	if i < 0 || src[i] != '"' {
		return false
	}
	type place struct{ line, col int }
	var bad []place
	for i++; ; i++ {
		if i >= len(src) {
			if line++; line > min(last, len(d.lines)) {
				break
			}
			src, i = d.lines[line-1], -1
			continue
		}
		if src[i] == '"' {
			break
		}
		if src[i] != '\\' {
			continue
		}
		if !escaped.MatchString(src[i:]) {
			bad = append(bad, place{line, utf8.RuneCountInString(src[:i]) + 1})
		}
		i++
	}
	for _, b := range bad {
		src := []rune(d.lines[b.line-1])
		two := string(src[b.col-1 : min(b.col+1, len(src))])
		d.at(b.line, b.col, b.col+2, "N105", Error, Text{"`" + two + "` means nothing in double quotes", "双引号里的 `" + two + "` 没有意义"},
			Text{"for a backslash write `\\" + two + "`", "要写反斜杠，请写成 `\\" + two + "`"}).Fix = `\` + two
	}
	for _, b := range slices.Backward(bad) {
		d.mend(b.line, b.col, b.col, `\`)
	}
	return len(bad) > 0
}
