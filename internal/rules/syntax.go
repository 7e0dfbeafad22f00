package rules

import (
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"

	"github.com/notifier/notifier/internal/diag"
)

// wrongly maps what expr says, in English and in its own words, to what a reader of rules understands. The first that fits counts.
var wrongly = []struct {
	says *regexp.Regexp
	text func(m []string, marked string) diag.Text
	cure diag.Text
}{
	{regexp.MustCompile(`^unexpected token EOF|^unexpected end`), func([]string, string) diag.Text {
		return diag.Text{EN: "the condition is not finished", ZH: "条件没有写完"}
	}, diag.Text{EN: "write what is missing, like `amount > 500`", ZH: "请补全，例如 `amount > 500`"}},
	{regexp.MustCompile(`^unexpected token Bracket\("(.)"\)`), func(m []string, _ string) diag.Text {
		return diag.Text{EN: "a bracket `" + m[1] + "` that does not belong here", ZH: "这里不应该有括号 `" + m[1] + "`"}
	}, diag.Text{EN: "remove it, or write the other one", ZH: "请删掉，或补上另一个括号"}},
	{regexp.MustCompile(`^unexpected token|^unrecognized character`), func(_ []string, marked string) diag.Text {
		return diag.Text{EN: "`" + marked + "` does not belong here: an operator or `and` is missing before it", ZH: "这里不应该有 `" + marked + "`：它前面少了运算符或 `and`"}
	}, diag.Text{EN: "like `amount > 500 and has(city)`", ZH: "例如 `amount > 500 and has(city)`"}},
	{regexp.MustCompile(`mismatched types (\[\]string) and (string)\)`), apartTypes, diag.Text{EN: "whether it is in the list: `\"a\" in items`", ZH: "问列表里有没有，写 `\"a\" in items`"}},
	{regexp.MustCompile(`mismatched types (string) and (string)\)`), func([]string, string) diag.Text {
		return diag.Text{EN: "two texts do not go together like this", ZH: "两段文字不能这样放在一起算"}
	}, diag.Text{EN: "texts are compared with `==`, `!=`, `contains`, or `in [...]` for several", ZH: "文字用 `==`、`!=`、`contains` 比较，多个值用 `in [...]`"}},
	{regexp.MustCompile(`mismatched types (time\.Time|string) and (time\.Time|string)\)`), apartTypes,
		diag.Text{EN: "a time is compared with a time; for a date there are `from` and `until`", ZH: "时间只能和时间比；按日期请用 `from`、`until`"}},
	{regexp.MustCompile(`^invalid operation: % \(mismatched types float64 and`), func([]string, string) diag.Text {
		return diag.Text{EN: "`%` is for whole numbers like `len(items)`, and a number field may have decimals", ZH: "`%` 只能用于 `len(items)` 这样的整数，数字字段可能带小数"}
	}, diag.Text{EN: "instead of `amount % 100` write `amount - floor(amount / 100) * 100`, like `amount - floor(amount / 100) * 100 == 0`", ZH: "`amount % 100` 请改写成 `amount - floor(amount / 100) * 100`，例如 `amount - floor(amount / 100) * 100 == 0`"}},
	{regexp.MustCompile(`mismatched types (\S+) and (\S+)\)`), apartTypes, diag.Text{EN: "compare numbers with numbers, texts with texts", ZH: "数字和数字比，文字和文字比"}},
	{regexp.MustCompile(`expected bool, but got (any|unknown|interface)`), func([]string, string) diag.Text {
		return diag.Text{EN: "it is true or false only at times: both sides of `? :` must be conditions", ZH: "结果不一定是真假值：`? :` 的两边都要写条件"}
	}, diag.Text{EN: "like `has(city) ? city == \"a\" : amount > 1`", ZH: "例如 `has(city) ? city == \"a\" : amount > 1`"}},
	{regexp.MustCompile(`expected bool, but got (\S+)|invalid operation: (?:not|!) \(mismatched type (\S+)\)`), func(m []string, _ string) diag.Text {
		t := typeWord(m[1] + m[2])
		return diag.Text{EN: "only a " + t.EN + ": compare it with something", ZH: "只有" + t.ZH + "，请和别的值比较"}
	}, diag.Text{EN: "like `amount > 500`, `has(city)`", ZH: "例如 `amount > 500`、`has(city)`"}},
	{regexp.MustCompile(`should return boolean \(got (\S+)\)`), func(m []string, _ string) diag.Text {
		t := typeWord(m[1])
		return diag.Text{EN: "inside the brackets stands a " + t.EN + ", not a condition", ZH: "括号里应是条件，现在是" + t.ZH}
	}, diag.Text{EN: "like `any(items, # == \"a\")`", ZH: "例如 `any(items, # == \"a\")`"}},
	{regexp.MustCompile(`takes only array`), func([]string, string) diag.Text {
		return diag.Text{EN: "this function is for lists", ZH: "这个函数只用于列表"}
	}, diag.Text{EN: "give it the name of a list field", ZH: "请写一个列表字段"}},
	{regexp.MustCompile(`arguments`), func([]string, string) diag.Text {
		return diag.Text{EN: "the function has too few or too many arguments", ZH: "函数的参数个数不对"}
	}, diag.Text{EN: "like `len(items)`, `hasPrefix(city, \"北\")`", ZH: "例如 `len(items)`、`hasPrefix(city, \"北\")`"}},
	{regexp.MustCompile(`char escape`), func([]string, string) diag.Text {
		return diag.Text{EN: "a backslash in a text: write it twice", ZH: "文字里的反斜杠要写两个"}
	}, diag.Text{EN: "write `\\\\`", ZH: "写成 `\\\\`"}},
	{regexp.MustCompile(`number syntax|literal`), func([]string, string) diag.Text {
		return diag.Text{EN: "not a number", ZH: "这不是数字"}
	}, diag.Text{EN: "digits and at most one point, like `1000` or `0.5`", ZH: "只写数字，最多一个小数点，例如 `1000`、`0.5`"}},
	{regexp.MustCompile(`pointer`), func([]string, string) diag.Text {
		return diag.Text{EN: "`#` has a meaning only inside any(), all() and their like", ZH: "`#` 只能用在 any()、all() 这类函数里"}
	}, diag.Text{EN: "like `any(items, # == \"a\")`", ZH: "例如 `any(items, # == \"a\")`"}},
	{regexp.MustCompile(`error parsing regexp`), func([]string, string) diag.Text {
		return diag.Text{EN: "the pattern is no regular expression", ZH: "这不是正确的正则表达式"}
	}, diag.Text{EN: "a mark with a meaning of its own, like ( or *, has a backslash before it", ZH: "( * 这类有特殊含义的符号前要加反斜杠"}},
}

// apartTypes names two types that an operator does not take together.
func apartTypes(m []string, _ string) diag.Text {
	a, b := typeWord(m[1]), typeWord(m[2])
	return diag.Text{EN: "a " + a.EN + " and a " + b.EN + " do not go together", ZH: a.ZH + "和" + b.ZH + "不能放在一起算"}
}

// typeWord names a type of expr.
func typeWord(t string) diag.Text {
	switch strings.Trim(t, "()") {
	case "string":
		return diag.Text{EN: "text", ZH: "文字"}
	case "bool":
		return diag.Text{EN: "true or false", ZH: "真假值"}
	case "float64", "int":
		return diag.Text{EN: "number", ZH: "数字"}
	case "time.Time":
		return diag.Text{EN: "time", ZH: "时间"}
	}
	return diag.Text{EN: "list", ZH: "列表"}
}

// syntax shows an error of expr at its place; where it has none, at runes [from, to).
func syntax(w *wording, from, to int, err error) {
	r := w.runes
	msg := err.Error()
	if fe, ok := errors.AsType[*file.Error](err); ok {
		msg = fe.Message
		from = min(max(fe.From, 0), len(r))
		to = min(max(fe.To, from+1), max(len(r), from+1))
	}
	if w.node.Cut() != "" && w.at[len(r)] == utf8.RuneCountInString(w.node.Text) { // not in a clause before the last
		w.told = true
		cutByComment(w.node)
		return
	}
	text := diag.Text{EN: "it cannot be understood from here on", ZH: "从这里开始看不懂"}
	cure := diag.Text{EN: "compare fields with values, join them with and, or, not", ZH: "请用字段和值比较，再用 and、or、not 连接"}
	for _, w := range wrongly {
		if m := w.says.FindStringSubmatch(msg); m != nil {
			text, cure = w.text(m, string(r[min(from, len(r)):min(to, len(r))])), w.cure
			break
		}
	}
	w.error(from, to, "N209", notCondition(text), cure)
}

func notCondition(t diag.Text) diag.Text {
	return diag.Text{EN: "not a condition: " + t.EN, ZH: "条件写得不对：" + t.ZH}
}
