package diag

import (
	"github.com/goccy/go-yaml/token"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The YAML library reports one error, in English, in words of its own and often a line behind the cause. Its place is where
// the search for the cause begins; its words are never shown.

// What is said of a mistake whose cause is not known, and of one that concerns more than its line.
var (
	unreadable = Text{"not valid YAML: it cannot be read from here on", "不是正确的 YAML：从这里开始读不下去"}
	misaligned = Text{"this line is indented like no line above it", "这一行的缩进和上面各行都对不齐"}
)

// syntax names the likely cause of the library's error, and gives the line of the error.
func (d *Doc) syntax(err error) int {
	line, col, msg := 1, 1, err.Error()
	if e, ok := err.(interface {
		GetToken() *token.Token
		GetMessage() string
	}); ok {
		msg = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			line, col = t.Position.Line, max(1, t.Position.Column)
		}
	}
	for line = min(max(line, 1), len(d.lines)); line > 1 && strings.TrimSpace(d.lines[line-1]) == ""; {
		line, col = line-1, utf8.RuneCountInString(d.lines[line-2])+1
	}
	for _, cause := range []func(line, col int, msg string) bool{d.tightDash, d.commentBetween, d.wideBracket, d.wideMark, d.openQuote, d.commentInside, d.holeInside, d.extraMarks, d.otherBracket, d.begins, d.noSpace, d.roundBracket, d.colonInside, d.openBracket, d.noColon, d.depth} {
		if cause(line, col, msg) {
			return line
		}
	}
	d.at(line, col, col+1, "N100", Error, unreadable,
		Text{"look for a missing bracket or quotation mark, or wrong indentation, here and in the line above", "请检查这一行和上一行的括号、引号和缩进"})
	return line
}

var (
	dashed    = regexp.MustCompile(`^( *)-(?:\x{3000}+ *)?([A-Za-z_][\w-]*:(?: .*)?|\{.*)$`)
	bracketed = regexp.MustCompile(`^( *(?:- +)*[^\s:"'{}\[\],]+: +)([｛［].*[｝］])\s*$`)
	wideClock = regexp.MustCompile(`([0-9])：([0-9])`)
)

// tightDash finds `-name: x`, an item without a space behind its dash; the library stumbles over the line below.
func (d *Doc) tightDash(line, _ int, _ string) bool {
	for l := line; l >= max(1, line-1); l-- {
		if m := dashed.FindStringSubmatch(d.lines[l-1]); m != nil {
			col := utf8.RuneCountInString(m[1]) + 1
			end := utf8.RuneCountInString(strings.TrimSuffix(d.lines[l-1], m[2])) + 1
			d.at(l, col, end, "N100", Error, Text{"a space is missing behind the dash", "短横线后面缺少空格"}, Text{"write `- " + m[2] + "`", "写成 `- " + m[2] + "`"}).Fix = "- "
			d.mend(l, col, end, "- ")
			return true
		}
	}
	return false
}

// narrowed writes the marks of a value in brackets as YAML has them; those in its texts stay.
func (d *Doc) narrowed(text string) string {
	var out strings.Builder
	for i, r := range text {
		if narrow := map[rune]string{'｛': "{", '｝': "}", '［': "[", '］': "]"}[r]; narrow != "" && !quotedAt(text, i) {
			out.WriteString(narrow)
			continue
		}
		out.WriteRune(r)
	}
	text = out.String()
	for i := 0; i < len(text); i++ {
		r, size := utf8.DecodeRuneInString(text[i:])
		if (r == '：' || r == '，') && !quotedAt(text, i) {
			by := ""
			switch {
			case wideClock.MatchString(text[max(i-1, 0):min(i+size+1, len(text))]):
				by = ":"
			case marksKey(text, i) && r == '：':
				by = ": "
			case marksKey(text, i):
				by = ", "
			}
			if by != "" {
				text = text[:i] + by + strings.TrimLeft(text[i+size:], " ")
			}
		}
	}
	return text
}

// wideMark finds a full-width colon or comma outside quotation marks; the library stumbles over the word behind it.
func (d *Doc) wideMark(line, _ int, _ string) bool {
	for l := line; l >= max(1, line-1); l-- {
		for i, r := range d.lines[l-1] {
			if !strings.ContainsRune("：，；、;", r) || quotedAt(d.lines[l-1], i) || !marksKey(d.lines[l-1], i) {
				continue
			}
			c := utf8.RuneCountInString(d.lines[l-1][:i]) + 1
			if r != '：' && r != '，' {
				d.betweenKeys(l, c, c+1, string(r))
				d.mend(l, c, c+1, ", ")
			} else if r == '：' {
				d.at(l, c, c+1, "N103", Error, Text{"a full-width colon `：`", "这里是全角冒号 `：`"}, Text{"write `: `", "改成半角冒号加空格 `: `"}).Fix = ": "
				d.mend(l, c, c+1, ": ")
			} else {
				d.wideComma(l, c)
				d.mend(l, c, c+1, ", ")
			}
			return true
		}
	}
	return false
}

var (
	keyEnds   = regexp.MustCompile(`(?:^\s*(?:- +)*|[，｛{,]\s*)[A-Za-z_][\w.-]*\s*$|[{,]\s*[\p{L}_][\p{L}\p{Nd}_]*\s*$`)
	closed    = regexp.MustCompile(`["'}\]] *$`)
	keyBegins = regexp.MustCompile(`^[，；、;]\s*(?:$|[}\]｝］]|[A-Za-z_][\w.-]*\s*[:：])`)
)

// marksKey reports whether a full-width colon or comma, or a semicolon, at byte i stands where one of YAML can: behind a key, or between two pieces inside
// brackets. Elsewhere it is part of a text.
func marksKey(line string, i int) bool {
	if strings.HasPrefix(line[i:], "：") {
		return keyEnds.MatchString(line[:i])
	}
	open := openBrackets(line[:i])
	if !strings.HasPrefix(line[i:], "，") && !closed.MatchString(line[:i]) {
		return false // it is part of a text
	}
	return strings.HasSuffix(open, "[") || open != "" && keyBegins.MatchString(line[i:])
}

func (d *Doc) wideComma(line, col int) {
	d.at(line, col, col+1, "N103", Error, Text{"a full-width comma `，`", "这里是全角逗号 `，`"},
		Text{"write `, `, or put the whole text in double quotes", "改成半角逗号加空格 `, `；如果是文字的一部分，整段文字请加双引号"}).Fix = ", "
}

var keyLine = regexp.MustCompile(`^ *(?:- +)*[\p{L}_][\p{L}\p{Nd}_.-]*:(?: |$)`)

// openQuote finds a quotation mark that is not closed in its line, so that the text swallows the next keys.
func (d *Doc) openQuote(line, _ int, _ string) bool {
	var open rune
	var at [2]int
	for i := range d.lines {
		if open != 0 && keyLine.MatchString(d.lines[i]) || open != 0 && i == len(d.lines)-1 {
			text := string([]rune(d.lines[at[0]-1])[at[1]-1:])
			msg, hint := Text{"this quotation mark is not closed", "这个引号没有对应的右引号"}, Text{"close it in the same line", "请在同一行写上右引号"}
			if strings.ContainsAny(text, "”“’‘＂＇") {
				hint = Text{"the closing mark is a Chinese one: write `" + string(open) + "`", "右边用了中文引号，请改成英文引号 `" + string(open) + "`"}
			}
			d.at(at[0], at[1], 0, "N100", Error, msg, hint)
			if last, size := utf8.DecodeLastRuneInString(strings.TrimRight(text, " ")); strings.ContainsRune("”“’‘＂＇", last) && size > 1 {
				col := at[1] + utf8.RuneCountInString(strings.TrimRight(text, " ")) - 1
				d.mend(at[0], col, col+1, string(open))
			}
			return true
		}
		if open == 0 && i >= line {
			return false // behind the place of the error
		}
		open, at = scanQuotes([]rune(d.lines[i]), i+1, open, at)
	}
	return false
}

// scanQuotes follows the quotation marks of one line; open is the mark that is not closed yet, at its place.
func scanQuotes(line []rune, no int, open rune, at [2]int) (rune, [2]int) {
	for i := 0; i < len(line); i++ {
		switch r := line[i]; {
		case open == '"' && r == '\\':
			i++
		case open != 0 && r == open:
			if open == '\'' && i+1 < len(line) && line[i+1] == '\'' {
				i++
				continue
			}
			open = 0
		case open != 0:
		case r == '#' && (i == 0 || line[i-1] == ' '):
			return 0, at
		case (r == '"' || r == '\'') && (i == 0 || strings.ContainsRune(" [{,:", line[i-1])):
			open, at = r, [2]int{no, i + 1}
		}
	}
	return open, at
}

// commentInside finds a ` #` that cuts off the closing bracket.
func (d *Doc) commentInside(line, _ int, _ string) bool {
	for l := line; l >= max(1, line-1); l-- {
		i := commented(d.lines[l-1])
		if i < 0 {
			continue
		}
		col := utf8.RuneCountInString(d.lines[l-1][:i]) + 1
		d.List = slices.DeleteFunc(d.List, func(x Diagnostic) bool { return x.Line == l && x.Code == "W113" })
		d.at(l, col, 0, "N113", Error, Text{"the line ends before ` #`: the rest, with the closing bracket, is a comment", "` #` 之后是注释：这一行到这里就断了，右括号也没了"},
			Text{"put the text with ` #` in double quotes", "带 ` #` 的文字请加双引号"})
		return true
	}
	return false
}

// commentBetween finds a ` #` behind a line of a text that goes on in the next one: for YAML it has ended there.
func (d *Doc) commentBetween(line, _ int, _ string) bool {
	if line < 2 {
		return false
	}
	above, next := d.lines[line-2], strings.TrimLeft(d.lines[line-1], " ")
	m := keyed.FindStringSubmatch(above)
	value := ""
	if m != nil {
		value = m[3]
	} else if m = listed.FindStringSubmatch(above); m != nil {
		value = m[2]
	}
	i := strings.Index(value, " #")
	if i < 0 || strings.ContainsAny(value[:1], "\"'[{|>#") || indentOf(d.lines[line-1]) <= len(m[1]) || keyLine.MatchString(next) || strings.HasPrefix(next, "- ") {
		return false
	}
	i += len(above) - len(value) + 1
	col := utf8.RuneCountInString(above[:i]) + 1
	d.List = slices.DeleteFunc(d.List, func(x Diagnostic) bool { return x.Line == line-1 && x.Code == "W113" })
	d.at(line-1, col, 0, "N113", Error, Text{"the text ends before ` #`: the rest is a comment, and what the next line says does not belong to it", "` #` 之后是注释：文字到这里就断了，下一行接不上"},
		Text{"put the comment into a line of its own above; if it is part of the text, put all of it in quotation marks", "请把注释移到上面单独一行；如果是文字的一部分，整段加引号"})
	d.mend(line-1, utf8.RuneCountInString(strings.TrimRight(above[:i], " "))+1, utf8.RuneCountInString(above)+1, "")
	return true
}

// commented gives the byte where a comment begins behind something else in a line, inside brackets that it leaves open, or -1.
func commented(line string) int {
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && line[i-1] == ' ' && !quotedAt(line, i) && openBrackets(line[:i]) != "" {
			return i
		}
	}
	return -1
}

// holeInside finds `${x}` without quotation marks inside brackets, where its braces are YAML's.
func (d *Doc) holeInside(line, _ int, _ string) bool {
	for l := line; l >= max(1, line-1); l-- {
		s := d.lines[l-1]
		for i := range s {
			if !strings.HasPrefix(s[i:], "${") || quotedAt(s, i) || openBrackets(s[:i]) == "" {
				continue
			}
			inMap := strings.HasSuffix(openBrackets(s[:i]), "{")
			from := strings.LastIndexAny(s[:i], ":,[{") + 1
			for inMap && s[from-1] == ',' { // the text begins before its comma
				begin := strings.LastIndexAny(s[:from-1], ":,[{") + 1
				if strings.ContainsAny("[{", s[begin-1:begin]) || strings.ContainsAny(s[begin:from], "\"'") {
					break
				}
				from = begin
			}
			from += len(s[from:i]) - len(strings.TrimLeft(s[from:i], " "))
			to := pieceEnd(s, i)
			for inMap && to < len(s) && s[to] == ',' { // the text goes on behind its comma
				end := pieceEnd(s, to+1)
				if piece := s[to+1 : end]; strings.TrimSpace(piece) == "" || strings.ContainsAny(piece, ":：\"'") {
					break
				}
				to = end
			}
			d.needsQuotes(l, utf8.RuneCountInString(s[:from])+1, strings.TrimSpace(s[from:min(to, len(s))]),
				Text{"`${...}` inside `{}` or `[]` needs double quotes", "`{}` 或 `[]` 里的 `${...}` 要加双引号"})
			return true
		}
	}
	return false
}

// pieceEnd gives the byte behind a piece of a flow collection that begins at i; braces of holes are part of it.
func pieceEnd(s string, i int) int {
	for i < len(s) && !strings.ContainsRune(",]}", rune(s[i])) {
		if strings.HasPrefix(s[i:], "${") {
			i += max(0, strings.IndexByte(s[i:], '}'))
		}
		i++
	}
	return min(i, len(s))
}

// needsQuotes reports a text that YAML takes for something else, with the text as it should be written.
func (d *Doc) needsQuotes(line, col int, text string, msg Text) {
	fix := quote(text)
	d.at(line, col, col+max(1, utf8.RuneCountInString(text)), "N105", Error, msg, Text{"write `" + fix + "`", "写成 `" + fix + "`"}).Fix = fix
	if !d.walking {
		d.mendQuotes(line, col, col+utf8.RuneCountInString(text), text)
	}
}

// quote puts a text in quotation marks, double ones where that is possible without a backslash.
func quote(s string) string {
	if !strings.ContainsAny(s, `"\`) {
		return `"` + s + `"`
	}
	return `'` + strings.ReplaceAll(s, `'`, `''`) + `'`
}

var (
	valueStart  = regexp.MustCompile(`^ *(?:- +)*(?:[^\s:"'{}\[\],]+: +)?`)
	blockHeader = regexp.MustCompile(`^[|>][-+0-9]{0,2} *(?:#.*)?$`)
)

// begins finds a text whose first character means something to YAML.
func (d *Doc) begins(line, col int, _ string) bool {
	src := []rune(d.lines[line-1])
	if col <= len(src) && strings.ContainsRune("@`%", src[col-1]) {
		return d.indicator(line, col)
	}
	start := utf8.RuneCountInString(valueStart.FindString(d.lines[line-1]))
	if start >= len(src) {
		return false
	}
	text := strings.TrimRight(string(src[start:]), " ")
	switch src[start] {
	case '@', '`', '%':
		return d.indicator(line, start+1)
	case '|', '>':
		if !blockHeader.MatchString(text) {
			return d.indicator(line, start+1)
		}
	case '[', '{':
		if end := closingBracket(src[start:]); end > 0 && start+end+1 < len(src) && col > start+end {
			rest := strings.TrimSpace(string(src[start+end+1:]))
			if rest != "" && !strings.HasPrefix(rest, "#") {
				return d.indicator(line, start+1)
			}
		}
	case '"', '\'':
		if open, _ := scanQuotes(src[start:], line, 0, [2]int{}); open == 0 && col > start+1 {
			if end := slices.Index(src[start+1:], src[start]); end > 0 && start+end+2 < len(src) && start+end+2 <= col {
				rest := strings.TrimSpace(string(src[start+end+2:]))
				inside := map[rune]string{'"': `\"`, '\'': "''"}[src[start]]
				d.at(line, start+end+3, 0, "N105", Error, Text{"the text ends with its quotation mark: `" + rest + "` stands outside", "文字到右引号就结束了，`" + rest + "` 在引号外面"},
					Text{"one pair of quotation marks around the whole text; inside it write `" + inside + "`", "整段文字只用一对引号；文字里的引号写成 `" + inside + "`"})
				return true
			}
		}
	}
	return false
}

var closing = map[byte]byte{'[': ']', '{': '}'}

func (d *Doc) indicator(line, col int) bool {
	first := string([]rune(d.lines[line-1])[col-1])
	d.needsQuotes(line, col, d.textFrom(line, col), Text{"a text must not begin with `" + first + "`", "文字不能以 `" + first + "` 开头"})
	return true
}

// textFrom gives what was meant as a text from a place on: to the end of the line, inside brackets to the next comma or bracket.
func (d *Doc) textFrom(line, col int) string {
	src := []rune(d.lines[line-1])
	text := string(src[min(col-1, len(src)):])
	if openBrackets(string(src[:min(col-1, len(src))])) != "" {
		if i := strings.IndexAny(text, ",]}"); i >= 0 {
			text = text[:i]
		}
	} else if i := strings.Index(text, " #"); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSpace(text)
}

var tight = regexp.MustCompile(`^( *(?:- +)*)([A-Za-z_][\w-]*):([^\s/].*)$`)

// noSpace finds `key:value`.
func (d *Doc) noSpace(line, _ int, _ string) bool {
	for l := line; l >= max(1, line-1); l-- {
		m := tight.FindStringSubmatch(d.lines[l-1])
		if m == nil {
			continue
		}
		col := len(m[1]) + len(m[2]) + 1
		d.at(l, col, col+1, "N100", Error, Text{"a space is missing behind the colon", "冒号后面缺少空格"}, Text{"write `" + m[2] + ": " + m[3] + "`", "写成 `" + m[2] + ": " + m[3] + "`"}).Fix = ": "
		d.mend(l, col, col+1, ": ")
		return true
	}
	return false
}

var (
	rounded   = regexp.MustCompile(`^( *(?:- +)*(?:[^\s:"'{}\[\],]+: +)?)([(（])(\s*[A-Za-z_][\w-]*\s*(?:: |：).*?)([)）])\s*$`)
	withoutIt = regexp.MustCompile(`^( *(?:- +)*)([A-Za-z_][\w-]*)(\s*[=＝；;，、]\s*| +|$)(.*)$`)
)

// noColon finds a key without its colon, before the lines that belong to it or between keys that have theirs.
func (d *Doc) noColon(line, _ int, _ string) bool {
	for l := line; l >= max(1, line-1); l-- {
		m := withoutIt.FindStringSubmatch(d.lines[l-1])
		if m == nil || d.inText(l) {
			continue
		}
		own, rest := len(m[1]), strings.TrimSpace(m[4])
		below := d.nextKey(l)
		switch {
		case below < 0:
			continue
		case rest == "": // the next lines are its value
			if indentOf(d.lines[below-1]) <= own && !strings.HasPrefix(strings.TrimLeft(d.lines[below-1], " "), "- ") {
				continue
			}
		case len(blockLead.FindString(d.lines[below-1])) != own:
			continue
		}
		fix := ":"
		if rest != "" {
			fix = ": "
		}
		col := utf8.RuneCountInString(m[1]+m[2]) + 1
		whole := strings.TrimSpace(m[2] + fix + rest)
		d.at(l, col, max(col+utf8.RuneCountInString(m[3]), col+1), "N100", Error, Text{"a colon is missing behind `" + m[2] + "`", "`" + m[2] + "` 后面缺少冒号"}, Text{"write `" + whole + "`", "写成 `" + whole + "`"}).Fix = fix
		d.mend(l, col, col+utf8.RuneCountInString(m[3]), fix)
		return true
	}
	return false
}

// inText reports whether a line is one of a text below its key.
func (d *Doc) inText(line int) bool {
	for above := line - 1; above >= 1; above-- {
		s := d.lines[above-1]
		if strings.TrimSpace(s) != "" && indentOf(s) < indentOf(d.lines[line-1]) {
			return blockHeader.MatchString(strings.TrimPrefix(s, valueStart.FindString(s)))
		}
	}
	return false
}

// nextKey gives the next line that holds more than a comment, -1 when that has no key and no item.
func (d *Doc) nextKey(line int) int {
	for l := line + 1; l <= len(d.lines); l++ {
		s := strings.TrimSpace(d.lines[l-1])
		if s == "" || s[0] == '#' {
			continue
		}
		if keyLine.MatchString(d.lines[l-1]) || strings.HasPrefix(s, "- ") {
			return l
		}
		break
	}
	return -1
}

// colonInside finds a `: ` in a text without quotation marks.
func (d *Doc) colonInside(line, _ int, _ string) bool {
	start := len(valueStart.FindString(d.lines[line-1]))
	text := strings.TrimRight(d.lines[line-1][start:], " ")
	if start == 0 || text == "" || !strings.Contains(d.lines[line-1][:start], ": ") || strings.ContainsAny(text[:1], "\"'[{") {
		return false
	}
	if i := strings.Index(text, ": "); i < 0 && !strings.HasSuffix(text, ":") {
		return false
	}
	col := utf8.RuneCountInString(d.lines[line-1][:start]) + 1
	if strings.HasSuffix(text, "}") && openBrackets(text) == "" && strings.Count(text, "{") < strings.Count(text, "}") { // not the end of a hole
		d.at(line, col, col+1, "N100", Error, Text{"the opening bracket `{` is missing", "缺少左括号 `{`"}, Text{"write `{" + text + "`", "写成 `{" + text + "`"}).Fix = "{"
		d.mend(line, col, col, "{")
		return true
	}
	d.needsQuotes(line, col, d.textFrom(line, col), Text{"a text with `: ` in it needs double quotes", "文字里有 `: ` 时要加双引号"})
	return true
}

var nextKeyInside = regexp.MustCompile(`^([A-Za-z_][\w-]*)\s*:(?:\s|$)`)

// depth finds a line that is indented like none above it.
func (d *Doc) depth(line, _ int, _ string) bool {
	indent := func(l int) int { return len(d.lines[l-1]) - len(strings.TrimLeft(d.lines[l-1], " ")) }
	for l := line; l <= min(line+1, len(d.lines)); l++ {
		if !keyLine.MatchString(d.lines[l-1]) {
			continue
		}
		own, levels, opened := indent(l), []int{}, false
		for above := l - 1; above >= 1; above-- {
			s := d.lines[above-1]
			if trimmed := strings.TrimSpace(s); trimmed == "" || strings.HasPrefix(trimmed, "#") {
				continue
			}
			opened = opened || len(levels) == 0 && strings.HasSuffix(s, ":") // what is deeper is its value
			levels = append(levels, indent(above), len(blockLead.FindString(s)))
			if indent(above) == 0 {
				break
			}
		}
		if len(levels) == 0 || (slices.Contains(levels, own) && own <= levels[1]) || opened && own > levels[1] {
			continue
		}
		d.at(l, 1, max(own+1, 2), "N100", Error, misaligned, Text{"keys that belong together begin in the same column", "同一组的配置项要左对齐"})
		return true
	}
	return false
}

// quotedAt reports whether byte i of a line stands between ASCII quotation marks, roughly.
func quotedAt(line string, i int) bool {
	return strings.Count(line[:i], `"`)%2 == 1 || strings.Count(line[:i], `'`)%2 == 1
}
