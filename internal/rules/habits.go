package rules

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// What people write in conditions out of habit: words of SQL and spreadsheets, units, numerals, Chinese without spaces.

// habit names such a mistake at mark i.
func habit(marks []mark, i int, s *scope) (found bool, from, to int, code, en, zh, fix string) {
	m, prev, next := marks[i], at(marks, i-1), at(marks, i+1)
	switch {
	case m.kind == word && strings.EqualFold(m.text, "between") && s.fields[m.text] == nil && prev.kind == word && next.kind == number && isConnector(at(marks, i+2)) && at(marks, i+3).kind == number:
		return true, prev.from, marks[i+3].to, "N205", "`between` is not a comparison", "`between` 不是比较", prev.text + " >= " + next.text + " and " + prev.text + " <= " + marks[i+3].text
	case m.kind == word && strings.EqualFold(m.text, "like") && s.fields[m.text] == nil && prev.kind == word && next.kind == quoted && closed(next.text):
		op, text := "contains", next.text[1:len(next.text)-1]
		if begin := strings.TrimSuffix(text, "%"); begin != text && !strings.HasPrefix(text, "%") {
			op = "startsWith"
		} else if end := strings.TrimPrefix(text, "%"); end != text && !strings.HasSuffix(text, "%") {
			op = "endsWith"
		}
		return true, m.from, next.to, "N205", "`like` is not a comparison", "`like` 不是比较", op + " " + quoteText(strings.Trim(text, "%"))
	case m.kind == number && next.kind == word && next.from == m.to && units[next.text] != "":
		return true, m.from, next.to, "N211", "a number is written in digits, without a unit", "数字要全用阿拉伯数字，不带单位", times(m.text, units[next.text])
	case m.kind == number && next.kind == word && next.from == m.to+1 && units[next.text] != "" && next.text[0] >= utf8.RuneSelf && s.fields[next.text] == nil && ends(marks, i+2): // 3 件
		return true, m.from, next.to, "N211", "a number is written in digits, without a unit", "数字要全用阿拉伯数字，不带单位", times(m.text, units[next.text])
	case m.kind == word && s.fields[m.text] == nil && numeral(withoutUnit(m.text)) > 0:
		return true, m.from, m.to, "N211", "a number is written in digits", "数字要用阿拉伯数字", strconv.Itoa(numeral(withoutUnit(m.text)))
	case m.kind == sign && currencies[m.text] && next.kind == number && next.from == m.to:
		return true, m.from, next.to, "N211", "a number is written in digits, without a unit", "数字要全用阿拉伯数字，不带单位", next.text
	case m.kind == number && currencies[next.text] && next.from == m.to:
		return true, m.from, next.to, "N211", "a number is written in digits, without a unit", "数字要全用阿拉伯数字，不带单位", m.text
	case m.kind == word && strings.EqualFold(m.text, "is") && s.fields[m.text] == nil && isOperand(prev) && strings.EqualFold(next.text, "not"):
		return true, m.from, next.to, "N205", "`is not` is not a comparison", "`is not` 不是比较", "!="
	case m.kind == word && (strings.EqualFold(m.text, "is") || strings.EqualFold(m.text, "equals")) && s.fields[m.text] == nil && isOperand(prev):
		return true, m.from, m.to, "N205", "`" + m.text + "` is not a comparison", "`" + m.text + "` 不是比较", "=="
	case m.kind == word && s.fields[m.text] == nil:
		if fix := apart(m.text, isOperand(prev), s); fix != "" {
			return true, m.from, m.to, "N207", "`" + m.text + "` is several words: spaces and operators are missing", "`" + m.text + "` 要分开写，并用运算符", fix
		}
	case m.kind == sign && utf8.RuneCountInString(m.text) == 1 && strings.ContainsAny(m.text, "\u200b\u200c\u200d\u2060\ufeff"):
		return true, m.from, m.to, "N207", "an invisible character", "这里有一个看不见的字符", " "
	}
	return false, 0, 0, "", "", "", ""
}

// currencies stand before or behind numbers.
var currencies = map[string]bool{"¥": true, "￥": true, "$": true, "€": true, "£": true}

// units stand behind numbers: the zeros that each adds, "." for none.
var units = map[string]string{"万": "0000", "千": "000", "百": "00", "亿": "00000000", "万元": "0000", "千元": "000", "百元": "00", "亿元": "00000000", "百万": "000000", "千万": "0000000", "k": "000", "K": "000", "w": "0000", "W": "0000",
	"元": ".", "块": ".", "块钱": ".", "人民币": ".", "个": ".", "件": ".", "次": ".", "岁": ".", "天": ".", "级": ".", "分": ".", "rmb": ".", "RMB": ".", "yuan": "."}

// withoutUnit takes the money from a numeral, like 元 from 五百元.
func withoutUnit(s string) string {
	for _, unit := range []string{"元", "块", "块钱", "人民币"} {
		if rest := strings.TrimSuffix(s, unit); rest != s {
			return rest
		}
	}
	return s
}

// times multiplies the digits of a number by a unit.
func times(digits, unit string) string {
	if unit == "." {
		return digits
	}
	whole, frac, _ := strings.Cut(digits, ".")
	frac = strings.TrimRight(frac, "0")
	if len(frac) > len(unit) {
		return whole + frac[:len(unit)] + "." + frac[len(unit):]
	}
	out := strings.TrimLeft(whole+frac+unit[len(frac):], "0")
	if out == "" {
		return "0"
	}
	return out
}

// hundredth writes a number of percents as a share of 1.
func hundredth(digits string) string {
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return "0.1"
	}
	return strconv.FormatFloat(f/100, 'f', -1, 64)
}

// numeral reads a number in Chinese, like 五百 or 一万二千; 0 when it is none.
func numeral(s string) int {
	if s == "" || s[0] < utf8.RuneSelf {
		return 0
	}
	digits := map[rune]int{'零': 0, '一': 1, '二': 2, '两': 2, '三': 3, '四': 4, '五': 5, '六': 6, '七': 7, '八': 8, '九': 9}
	powers := map[rune]int{'十': 10, '百': 100, '千': 1000}
	total, part, last := 0, 0, 0
	for _, r := range s {
		if d, ok := digits[r]; ok {
			last = d
			continue
		}
		p, ok := powers[r]
		switch {
		case ok:
			part, last = part+max(last, 1)*p, 0
		case r == '万':
			total, part, last = (total+part+last)*10_000, 0, 0
		default:
			return 0
		}
		if total > 1e12 {
			return 0
		}
	}
	return total + part + last
}

// glued are the operators in Chinese that may stand in a word, longer ones first.
var glued = sync.OnceValue(func() (ops []string) {
	for op := range chinese {
		if op[0] >= utf8.RuneSelf {
			ops = append(ops, op)
		}
	}
	slices.SortFunc(ops, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return ops
})

// apart splits a word like 金额大于500 at the operator in it; "" when there is none. What stands before it is a field, or nothing: then
// behind reports whether something that can be compared stands before the word.
func apart(s string, behind bool, sc *scope) string {
	for _, op := range glued() {
		left, right, ok := strings.Cut(s, op)
		switch {
		case !ok || left != "" && sc.fields[left] == nil:
		case left == "" && sc.fields[right] == nil: // not 和平
		case left == "" && op == "不是" && !behind:
			return "not " + right
		default:
			return strings.TrimSpace(left + " " + chinese[op] + " " + right)
		}
	}
	return ""
}
