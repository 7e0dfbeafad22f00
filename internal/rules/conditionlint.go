package rules

import (
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
	case !strings.Contains(";；。，、", m), strings.Contains("，、", m) && (parts || s.fields[next.text] == nil), m == "。" && prev.kind == word && next.kind == word:
		return ""
	case next.text == "" || isConnector(next) || next.text == ")" || strings.Contains(";；。", next.text) || prev.text == "" || isConnector(prev) || prev.text == "(":
		return " "
	case parts:
		return ","
	}
	return "and"
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
				return before[i].text == "[" || by.kind == word && !isConnector(by) && by.text != "not"
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
	"大于": ">", "大于等于": ">=", "小于": "<", "小于等于": "<=", "属于": "in", "在": "in", "不属于": "not in", "不在": "not in", "包含": "contains", "AND": "and", "OR": "or", "NOT": "not", "IN": "in", "And": "and", "Or": "or", "Not": "not"}

var grouped = regexp.MustCompile(`^[0-9]{3}$`)

// lint names the first mistake in a condition for what it is.
func lint(w *wording, marks []mark, s *scope) (slip, bool) {
	depth := 0
	for i, m := range marks {
		prev, next := at(marks, i-1), at(marks, i+1)
		fail := func(from, to int, code string, en, zh, fix string) (slip, bool) {
			d := w.error(from, to, code, diag.Text{EN: en, ZH: zh}, diag.Text{})
			if fix == " " {
				d.Fix, d.Hint = fix, diag.Text{EN: "remove it", ZH: "请删掉"}
			} else if fix != "" {
				written := w.node.Inside(fix)
				d.Fix, d.Hint = w.apart(from, to, fix), diag.Text{EN: "write `" + written + "`", ZH: "写成 `" + written + "`"}
			}
			return slip{from, to, fix}, true
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
			open, _ := fail(m.from, m.to, "N209", "the text is not closed", "文字没有右引号", m.text+m.text[:1])
			return slip{open.from, open.to, ""}, true // where it should end nobody knows
		case m.kind == sign && strings.ContainsAny(m.text, "“‘「『＂＇") && closingMark(w.runes, m.to) > 0:
			end := closingMark(w.runes, m.to)
			return fail(m.from, end+1, "N207", "Chinese quotation marks", "这里是中文引号", quoteText(string(w.runes[m.to:end])))
		case m.kind == sign && strings.ContainsAny(m.text, "“”‘’「」『』＂＇"):
			return fail(m.from, m.to, "N207", "a Chinese quotation mark `"+m.text+"`", "这里是中文引号 `"+m.text+"`", `"`)
		case m.text == "，" && prev.kind == number && prev.to == m.from && next.from == m.to && grouped.MatchString(next.text) && !inList(marks[:i-1]):
			return fail(prev.from, next.to, "N211", "a number is written without commas", "数字里不能有逗号", prev.text+next.text)
		case m.kind == sign && joint(marks, i, s) != "":
			if m.text == ";" {
				return fail(m.from, m.to, "N205", "`;` joins no conditions", "`;` 不能连接条件", joint(marks, i, s))
			}
			return fail(m.from, m.to, "N207", "a full-width mark `"+m.text+"`", "这里是全角符号 `"+m.text+"`", joint(marks, i, s))
		case m.kind == sign && wide[m.text] != "":
			return fail(m.from, m.to, "N207", "a full-width mark `"+m.text+"`", "这里是全角符号 `"+m.text+"`", wide[m.text])
		case m.kind == sign && op != "" && opEnd == m.from+1:
			return fail(m.from, opEnd, "N207", "a full-width mark `"+m.text+"`", "这里是全角符号 `"+m.text+"`", op)
		case m.kind == sign && op != "":
			marks := string(w.runes[m.from:opEnd])
			return fail(m.from, opEnd, "N207", "full-width marks `"+marks+"`", "这里是全角符号 `"+marks+"`", op)
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
		case m.kind == number && next.text == "," && next.from == m.to && grouped.MatchString(at(marks, i+2).text) && at(marks, i+2).from == next.to && !inList(marks[:i]):
			to := i + 2
			for at(marks, to+1).text == "," && grouped.MatchString(at(marks, to+2).text) {
				to += 2
			}
			fix := ""
			for _, p := range marks[i : to+1] {
				fix += strings.Trim(p.text, ",")
			}
			return fail(m.from, marks[to].to, "N211", "a number is written without commas", "数字里不能有逗号", fix)
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
		case isConnector(m) && next.kind == quoted && (i+2 >= len(marks) || isConnector(marks[i+2]) || marks[i+2].text == ")") && prev.kind == quoted:
			field := at(marks, fieldBefore(marks, i))
			if field.text == "" {
				continue
			}
			return fail(field.from, next.to, "N210", "a text alone is no condition", "单独一段文字不是条件", field.text+" in ["+prev.text+", "+next.text+"]")
		case m.text == "in" && next.text == "(":
			end := i + 2
			for end < len(marks) && marks[end].text != ")" {
				end++
			}
			inside := marks[i+2 : min(end, len(marks))]
			if slices.ContainsFunc(inside, func(x mark) bool {
				return x.kind == sign && (wide[x.text] != "" || strings.Contains(chineseQuotes+"；", x.text))
			}) {
				continue // is mended first, so that the list which is shown can be written as it is
			}
			if end < len(marks) && slices.ContainsFunc(inside, func(x mark) bool { return x.text == "," }) {
				return fail(next.from, marks[end].to, "N219", "a list stands in square brackets", "列表要用方括号", listText(inside))
			}
		default:
			if found, from, to, code, en, zh, fix := habit(marks, i, s); found {
				return fail(from, to, code, en, zh, fix)
			}
		}
	}
	return slip{}, false
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
