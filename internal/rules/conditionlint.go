package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/notifier/notifier/internal/diag"
)

// mark is one token of a condition: enough to name the mistakes that people make before expr sees the text.
type mark struct {
	text     string
	from, to int // runes
	kind     byte
}

const (
	word   = 'w'
	number = 'n'
	quoted = 'q'
	sign   = 's'
)

// scan splits a condition. It never fails; an unclosed text reaches to the end.
func scan(src string) (out []mark) {
	r := []rune(src)
	out = make([]mark, 0, len(r)/4+1)
	for i := 0; i < len(r); {
		start := i
		kind := byte(sign)
		switch c := r[i]; {
		case unicode.IsSpace(c):
			i++
			continue
		case c == '"' || c == '\'' || c == '`':
			for i++; i < len(r) && r[i] != c; i++ {
				if r[i] == '\\' && c != '`' {
					i++
				}
			}
			i = min(i+1, len(r))
			kind = quoted
		case isWide(c) || (c >= '0' && c <= '9'):
			for i < len(r) && (isWide(r[i]) || (r[i] >= '0' && r[i] <= '9') || r[i] == '.' || r[i] == '_') {
				i++
			}
			kind = number
		case unicode.IsLetter(c) || c == '_':
			for i < len(r) && (unicode.IsLetter(r[i]) || unicode.IsDigit(r[i]) || r[i] == '_') {
				i++
			}
			kind = word
		default:
			i++
			if i < len(r) && strings.Contains("== != >= <= => =< <> && || ?? ** ..", string(r[start:i+1])) && r[i] != ' ' {
				i++
			}
		}
		text := ""
		if len(r) == len(src) { // runes are bytes: no copy is needed
			text = src[start:i]
		} else {
			text = string(r[start:i])
		}
		out = append(out, mark{text, start, i, kind})
	}
	return out
}

// closingMark gives the place of the Chinese quotation mark that ends a text, or -1 when an operator or an English mark comes before it.
func closingMark(r []rune, from int) int {
	for i := from; i < len(r); i++ {
		switch {
		case strings.ContainsRune("”’」』＂＇", r[i]):
			return i
		case strings.ContainsRune("\"'`“‘「『=<>＝＞＜", r[i]):
			return -1
		}
	}
	return -1
}

// quoteText writes a text as conditions have it.
func quoteText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// closed reports whether a quoted text ends with the mark it begins with.
func closed(s string) bool { return len(s) > 1 && s[len(s)-1] == s[0] }

func isWide(c rune) bool { return c >= '０' && c <= '９' }

// wide maps marks that look like an operator to the operator.
var wide = map[string]string{"（": "(", "）": ")", "，": ",", "：": ":", "≥": ">=", "≤": "<=", "≠": "!=", "≧": ">=", "≦": "<=",
	"＋": "+", "－": "-", "×": "*", "＊": "*", "÷": "/", "／": "/", "％": "%", "【": "[", "】": "]", "［": "[", "］": "]", "。": ".", "、": ","}

// operators are those of which several marks make one, by the marks that people write for them.
var operators = map[string]string{">": ">", "<": "<", "=": "==", "==": "==", "===": "==", "!": "not", "!=": "!=", "!==": "!=", "<>": "!=", ">=": ">=", "=>": ">=", "<=": "<=", "=<": "<=",
	"&": "and", "&&": "and", "|": "or", "||": "or", "?": "?", "??": "??"}

// wideOperator gives the longest operator that begins at a rune and has a full-width mark in it, and the rune behind it.
func wideOperator(r []rune, from int) (op string, to int) {
	marks, hasWide := "", false
	for i := from; i < min(from+3, len(r)); i++ {
		c := r[i]
		if strings.ContainsRune("＞＜＝！＆｜？", c) {
			c, hasWide = c-'！'+'!', true
		}
		marks += string(c)
		if operators[marks] != "" && hasWide {
			op, to = operators[marks], i+1
		}
	}
	return op, to
}

// joint gives what was meant by a mark that ends a sentence or a part of it: it stands between two conditions, between two values, or is
// too much. It is "" for any other mark, and where it can be what it looks like.
func joint(marks []mark, i int, s *scope) string {
	prev, next := at(marks, i-1), at(marks, i+1)
	parts := separates(marks[:i])
	switch m := marks[i].text; {
	case !strings.Contains(";；。，、,", m), strings.Contains("，、,", m) && (parts || !begins(marks, i+1, s)), m == "。" && prev.kind == word && next.kind == word:
		return ""
	case next.text == "" || isConnector(next) || meansConnector(next) || next.text == ")" || strings.Contains(";；。", next.text) || prev.text == "" || isConnector(prev) || prev.text == "(":
		return " "
	case parts:
		return ","
	}
	return "and"
}

// begins reports whether mark i begins a condition, or joins one.
func begins(marks []mark, i int, s *scope) bool {
	m := at(marks, i)
	return s.fields[m.text] != nil || isConnector(m) || meansConnector(m) || m.text == "not" || m.kind == word && at(marks, i+1).text == "("
}

// separates reports whether a list or the arguments of a function are open behind some marks, so that a comma can follow.
func separates(before []mark) bool {
	depth := 0
	for i := len(before) - 1; i >= 0; i-- {
		switch before[i].text {
		case ")", "]":
			depth++
		case "(", "[":
			if depth--; depth < 0 {
				by := at(before, i-1)
				return before[i].text == "[" || by.kind == word && by.text != "not" && !(isConnector(by) && isOperand(at(before, i-2)))
			}
		}
	}
	return false
}

// isOperand reports whether a mark can end what a comparison has on its left.
func isOperand(m mark) bool {
	return m.kind == number || m.kind == quoted || m.text == ")" || m.text == "]" || m.kind == word && !isConnector(m) && m.text != "not" && m.text != "in"
}

// chinese maps words that stand for an operator to the operator.
var chinese = map[string]string{"并且": "and", "而且": "and", "且": "and", "和": "and", "与": "and", "或者": "or", "或": "or", "非": "not", "不是": "!=", "不等于": "!=", "是": "==", "等于": "==",
	"大于": ">", "大于等于": ">=", "小于": "<", "小于等于": "<=", "属于": "in", "在": "in", "不属于": "not in", "不在": "not in", "包含": "contains", "包括": "contains", "不包含": "not contains", "不包括": "not contains",
	"为": "==", "不为": "!=", "高于": ">", "多于": ">", "超过": ">", "低于": "<", "少于": "<", "不超过": "<=", "不高于": "<=", "不大于": "<=", "不少于": ">=", "不低于": ">=", "不小于": ">=",
	"AND": "and", "OR": "or", "NOT": "not", "IN": "in", "And": "and", "Or": "or", "Not": "not"}

// grouped is three digits of a longer number, the last perhaps with a fraction.
var grouped = regexp.MustCompile(`^[0-9]{3}(\.[0-9]+)?$`)

// lint names the first mistake in a condition for what it is.
func lint(w *wording, marks []mark, s *scope) (slip, bool) {
	depth := 0
	for i, m := range marks {
		prev, next := at(marks, i-1), at(marks, i+1)
		fail := func(from, to int, code string, en, zh, fix string) (slip, bool) {
			return w.slip(phrase{from: from, to: to, code: code, msg: diag.Text{EN: en, ZH: zh}, fix: fix}), true
		}
		switch m.text {
		case "(", "[", "{":
			if depth++; depth > maxNesting {
				w.error(m.from, m.to, "N214", diag.Text{EN: "nested too deeply", ZH: "括号嵌套太深"}, diag.Text{EN: "fewer brackets, or a list of conditions all of which must hold", ZH: "请减少括号，或拆成列表，每项写一个条件"})
				return slip{0, len(w.runes), ""}, true // nothing of it is read
			}
		case ")", "]", "}":
			depth--
		}
		if p, found := phraseAt(marks, i, s); found {
			return w.slip(p), true
		}
		op, opEnd := "", 0
		if m.kind == sign {
			op, opEnd = wideOperator(w.runes, m.from)
		}
		switch {
		case m.kind == quoted && !closed(m.text):
			if i := strings.IndexAny(m.text, "“”‘’「」『』＂＇"); i >= 0 {
				from := m.from + len([]rune(m.text[:i]))
				return fail(from, from+1, "N207", "the text ends with a Chinese quotation mark", "文字的右边是中文引号", m.text[:1])
			}
			p := phrase{from: m.from, to: m.to, code: "N209", msg: diag.Text{EN: "the text is not closed", ZH: "文字没有右引号"}, fix: m.text + m.text[:1]}
			if slices.ContainsFunc(scan(m.text[1:]), func(x mark) bool { return isConnector(x) || meansConnector(x) || isComparison(x) }) { // the rest of the condition is in it
				p.fix, p.hint = "", diag.Text{EN: "write `" + m.text[:1] + "` where the text ends", ZH: "请在文字结束的地方加上 `" + m.text[:1] + "`"}
			}
			open := w.slip(p)
			return slip{open.from, open.to, ""}, true // where it should end nobody knows
		case m.kind == sign && strings.ContainsAny(m.text, "“‘「『＂＇") && closingMark(w.runes, m.to) > 0:
			end := closingMark(w.runes, m.to)
			return fail(m.from, end+1, "N207", "Chinese quotation marks", "这里是中文引号", quoteText(string(w.runes[m.to:end])))
		case m.kind == sign && strings.ContainsAny(m.text, "“”‘’「」『』＂＇"):
			return fail(m.from, m.to, "N207", "a Chinese quotation mark `"+m.text+"`", "这里是中文引号 `"+m.text+"`", `"`)
		case m.kind == sign && m.text == "/" && next.kind == sign && next.from == m.to && (next.text == "/" || next.text[0] == '*'):
			p := phrase{from: m.from, to: next.to, code: "N209", msg: diag.Text{EN: "what stands behind `" + m.text + next.text + "` would not be asked", ZH: "`" + m.text + next.text + "` 后面的内容不会被判断"},
				hint: diag.Text{EN: "join conditions with `and`; a comment stands on a line of its own, behind `#`", ZH: "条件之间用 `and` 连接；注释请另起一行，写在 `#` 后面"}}
			note := w.slip(p)
			return slip{note.from, len(w.runes), ""}, true
		case m.kind == sign && joint(marks, i, s) != "":
			if m.text == ";" || m.text == "," {
				return fail(m.from, m.to, "N205", "`"+m.text+"` joins no conditions", "`"+m.text+"` 不能连接条件", joint(marks, i, s))
			}
			return fail(m.from, m.to, "N207", "a full-width mark `"+m.text+"`", "这里是全角符号 `"+m.text+"`", joint(marks, i, s))
		case m.kind == sign && wide[m.text] != "":
			return fail(m.from, m.to, "N207", "a full-width mark `"+m.text+"`", "这里是全角符号 `"+m.text+"`", wide[m.text])
		case m.kind == sign && op != "" && opEnd == m.from+1:
			return fail(m.from, opEnd, "N207", "a full-width mark `"+m.text+"`", "这里是全角符号 `"+m.text+"`", op)
		case m.kind == sign && op != "":
			marks := string(w.runes[m.from:opEnd])
			return fail(m.from, opEnd, "N207", "full-width marks `"+marks+"`", "这里是全角符号 `"+marks+"`", op)
		case m.kind == word && chinese[m.text] != "" && isSheetCall(marks, i, s):
			continue // is named as a whole, at its end
		case m.kind == word && chinese[m.text] != "" && isComparison(prev) && ends(marks, i+1):
			continue // a value, like 是: it needs quotation marks, or is true
		case m.kind == word && m.text == "不是" && s.fields[m.text] == nil && !isOperand(prev):
			return fail(m.from, m.to, "N207", "`"+m.text+"` is not an operator", "`"+m.text+"` 不是运算符", "not")
		case m.kind == word && chinese[m.text] != "" && s.fields[m.text] == nil:
			return fail(m.from, m.to, "N207", "`"+m.text+"` is not an operator", "`"+m.text+"` 不是运算符", chinese[m.text])
		case m.kind == number && strings.IndexFunc(m.text, isWide) >= 0:
			fix := strings.Map(func(c rune) rune {
				if isWide(c) {
					return c - '０' + '0'
				}
				return c
			}, m.text)
			return fail(m.from, m.to, "N211", "full-width digits", "这里是全角数字", fix)
		case m.kind == number && !inList(marks[:i]) && digitGroups(marks, i) > i:
			to, fix := digitGroups(marks, i), ""
			for _, p := range marks[i : to+1] {
				fix += strings.Trim(p.text, ",，")
			}
			if next.kind == number {
				return fail(m.from, marks[to].to, "N211", "a number is written without spaces", "数字里不能有空格", fix)
			}
			return fail(m.from, marks[to].to, "N211", "a number is written without commas", "数字里不能有逗号", fix)
		case m.text == "=" && m.kind == sign && next.text == "~" && next.from == m.to:
			return fail(m.from, next.to, "N205", "`=~` is not a comparison", "`=~` 不是比较", "matches")
		case m.text == "=" && m.kind == sign:
			return fail(m.from, m.to, "N205", "`=` is not a comparison", "`=` 不是比较", "==")
		case m.text == "=>" || m.text == "=<":
			return fail(m.from, m.to, "N205", "`"+m.text+"` is written the other way round", "`"+m.text+"` 写反了", string(m.text[1])+"=")
		case m.text == "<>":
			return fail(m.from, m.to, "N205", "`<>` is not a comparison", "`<>` 不是比较", "!=")
		case (isConnector(m) || m.text == "not") && isComparison(next):
			if m.text == "not" {
				continue
			}
			field := at(marks, fieldBefore(marks, i)).text
			return fail(m.from, next.to, "N217", "behind `"+m.text+"` the field is missing", "`"+m.text+"` 后面缺少字段", strings.TrimSpace(m.text+" "+field+" "+next.text))
		default:
			if found, from, to, code, en, zh, fix := habit(marks, i, s); found {
				return fail(from, to, code, en, zh, fix)
			}
		}
	}
	return slip{}, false
}

// digitGroups gives the last mark of a number whose digits stand in groups, with commas or spaces between them; i for any other.
func digitGroups(marks []mark, i int) int {
	for to := i; ; {
		next := to + 1
		if m := at(marks, next); (m.text == "," || m.text == "，") && m.from == marks[to].to && at(marks, next+1).from == m.to {
			next++
		} else if m.kind != number || m.from != marks[to].to+1 || len(marks[i].text) > 3 {
			return to
		}
		if !grouped.MatchString(at(marks, next).text) {
			return to
		}
		to = next
	}
}

func at(marks []mark, i int) mark {
	if i < 0 || i >= len(marks) {
		return mark{}
	}
	return marks[i]
}

func isConnector(m mark) bool {
	return m.text == "and" || m.text == "or" || m.text == "&&" || m.text == "||"
}

func isComparison(m mark) bool {
	return m.kind == sign && slices.Contains([]string{"==", "!=", ">", "<", ">=", "<="}, m.text)
}

// fieldBefore finds the field that the comparison before a connector speaks of.
func fieldBefore(marks []mark, i int) int {
	for i--; i >= 0; i-- {
		if isConnector(marks[i]) {
			return -1
		}
		if marks[i].kind == word && (isComparison(at(marks, i+1)) || at(marks, i+1).text == "in") {
			return i
		}
	}
	return -1
}

// inList reports whether an open square bracket stands before.
func inList(before []mark) bool {
	depth := 0
	for _, m := range before {
		switch m.text {
		case "[", "(":
			depth++
		case "]", ")":
			depth--
		}
	}
	return depth > 0
}

// visible leaves out of a text what nobody sees in it, for strings.Map.
func visible(r rune) rune {
	if unseen(r) || r == 0xad || r == 0x200e || r == 0x200f {
		return -1
	}
	return r
}

// hidden warns of what nobody sees in texts that a condition compares: they are equal to nothing that people type. A space at the end of a
// text that is sought inside another is meant.
func hidden(n *diag.Node, marks []mark) {
	for i, m := range marks {
		if m.kind != quoted {
			continue
		}
		text := []rune(m.text)
		for k, r := range text {
			if visible(r) < 0 {
				n.WarnAt(m.from+k, m.from+k+1, "W310", diag.Text{EN: fmt.Sprintf("an invisible character (U+%04X) in the text", r), ZH: fmt.Sprintf("文字里有看不见的字符（U+%04X）", r)}, diag.Text{EN: "remove it", ZH: "请删掉"})
			}
		}
		inner := string(text[1 : len(text)-1])
		trimmed := strings.TrimSpace(inner)
		if whole := isComparison(at(marks, i-1)) || isComparison(at(marks, i+1)) || inSquare(marks, i); whole && trimmed != "" && trimmed != inner {
			d := n.WarnAt(m.from, m.to, "W310", diag.Text{EN: "the text begins or ends with a space", ZH: "文字的开头或结尾有空格"}, diag.Text{EN: "remove it: it is compared as well", ZH: "请删掉：空格也会参加比较"})
			d.Fix = m.text[:1] + trimmed + m.text[:1]
		}
	}
}

// inSquare reports whether a text stands in square brackets.
func inSquare(marks []mark, i int) bool {
	for i--; i >= 0 && marks[i].text != "["; i-- {
		if marks[i].text != "," && marks[i].kind != quoted {
			return false
		}
	}
	return i >= 0
}

// mixed warns of and beside or without brackets: and binds first, which few readers know.
func mixed(n *diag.Node, marks []mark) {
	type level struct{ and, or bool }
	levels := []level{{}}
	for _, m := range marks {
		top := &levels[len(levels)-1]
		switch m.text {
		case "(", "[", "{":
			levels = append(levels, level{})
		case ")", "]", "}":
			if len(levels) > 1 {
				levels = levels[:len(levels)-1]
			}
		case "and", "&&":
			top.and = true
		case "or", "||":
			top.or = true
		default:
			continue
		}
		if isConnector(m) && top.and && top.or {
			n.WarnAt(m.from, m.to, "W216", diag.Text{EN: "`and` and `or` without brackets: `and` binds first", ZH: "`and` 和 `or` 混用没有加括号：会先算 `and`"},
				diag.Text{EN: "put brackets around what belongs together", ZH: "请给应先算的部分加括号"})
			return
		}
	}
}
