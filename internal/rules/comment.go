package rules

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/parser"

	"github.com/notifier/notifier/internal/diag"
)

// A ` #` makes a comment of what follows, also inside the quotation marks of a condition: for YAML they are characters like any other. What
// is left of the condition may be one as well, and then the rule acts on more than it should.

// cutInTwo reports a condition of which a part has become a comment.
func cutInTwo(n *diag.Node, src string) bool {
	comment := n.Cut()
	if comment == "" || !unfinished(scan(src)) && !goesOn(comment) {
		return false
	}
	cutByComment(n)
	return true
}

// unfinished reports whether a condition cannot end where it does: in a text, in brackets, behind an operator.
func unfinished(marks []mark) bool {
	depth := 0
	for _, m := range marks {
		switch {
		case m.kind == quoted && !closed(m.text):
			return true
		case m.text == "(" || m.text == "[":
			depth++
		case m.text == ")" || m.text == "]":
			depth--
		}
	}
	last := at(marks, len(marks)-1)
	return depth > 0 || isConnector(last) || isConnector(mark{text: chinese[last.text]}) || isComparison(last) || last.text == "not" || last.text == "in" || last.text == ","
}

// goesOn reports whether a comment without a space behind its `#`, as comments have it, is more of the condition: `#and city == "x"`.
func goesOn(comment string) bool {
	text := strings.TrimLeft(comment, "#")
	if text == "" || text[0] == ' ' {
		return false
	}
	marks := scan(text)
	first := at(marks, 0)
	if isConnector(first) || isConnector(mark{text: chinese[first.text]}) || isComparison(first) || first.text == "not" || first.text == "in" {
		return true
	}
	return slices.ContainsFunc(marks, isComparison) && isExpression(text)
}

// cutByComment reports at the comment that it is one.
func cutByComment(n *diag.Node) {
	comment := n.Cut()
	whole := n.Text + " " + comment
	hint := diag.Text{EN: "finish the condition before the comment; a condition with ` #` in it goes in single quotes", ZH: "请先把条件写完，再写注释；条件里本来就有 ` #` 时，整个条件加单引号"}
	joined := n.Text + " " + strings.TrimLeft(comment, "#")
	switch {
	case isExpression(whole): // it stands in a text, or for the item of any()
		quoted := "'" + strings.ReplaceAll(whole, "'", "''") + "'"
		hint = diag.Text{EN: "put all of it in single quotes: `" + quoted + "`", ZH: "请给整个条件加单引号：`" + quoted + "`"}
	case !strings.HasPrefix(strings.TrimLeft(comment, "#"), " ") && isExpression(joined):
		hint = diag.Text{EN: "remove the `#`: `" + joined + "`; if it is a comment, put a space behind `#`", ZH: "请删掉 `#`：`" + joined + "`；如果是注释，`#` 后面加空格"}
	}
	n.ErrorBehind("N113", diag.Text{EN: "the condition ends before ` #`: the rest is a comment", ZH: "` #` 之后是注释，条件到这里就断了"}, hint)
}

// isExpression reports whether a text can be read as a condition, whatever its names mean.
func isExpression(src string) bool {
	if len(src) > maxSource || strings.Count(src, "(")+strings.Count(src, "[") > maxNesting {
		return false
	}
	_, err := parser.ParseWithConfig(src, grammar())
	return err == nil
}
