package rules

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// compare checks a comparison of a field with a constant; true when it reported a mistake.
func (w *writer) compare(n *ast.BinaryNode) bool {
	switch n.Operator {
	case "==", "!=", "<", "<=", ">", ">=", "in":
	default:
		return false
	}
	id, ok := n.Left.(*ast.IdentifierNode)
	right := n.Right
	if !ok {
		if id, ok = n.Right.(*ast.IdentifierNode); !ok || n.Operator == "in" {
			return false
		}
		right = n.Left
	}
	f := w.scope.fields[id.Value]
	if f == nil {
		return false
	}
	values := []ast.Node{right}
	if n.Operator == "in" {
		arr, ok := right.(*ast.ArrayNode)
		if !ok {
			return false
		}
		values = arr.Nodes
	}
	if len(values) == 0 {
		return false
	}
	wrong := false
	for _, v := range values {
		if w.isNothing(v) {
			w.failNothing(v, f, n.Operator)
			wrong = true
			continue
		}
		if other, ok := v.(*ast.IdentifierNode); ok && w.scope.fields[other.Value] == nil && f.Type == event.String {
			from, _ := spanOf(other)
			d := w.text.error(from, from+len([]rune(other.Value)), "N208", diag.Text{EN: "the text `" + other.Value + "` needs quotation marks", ZH: "文字 `" + other.Value + "` 要加英文双引号"},
				diag.Text{EN: "write \"" + other.Value + "\"", ZH: "写成 \"" + other.Value + "\""})
			d.Fix = `"` + other.Value + `"`
			w.bad, wrong = true, true
		}
		if !constant(v) {
			continue
		}
		if !fits(f.Type, v) {
			w.fail(v, "N204", mismatch(f), cure(f, v))
			wrong = true
			continue
		}
		if s, ok := v.(*ast.StringNode); ok && f.Values != nil && !slices.Contains(f.Values, s.Value) {
			from, to := spanOf(v)
			verb := diag.Text{EN: "`" + f.Name + "` never equals \"" + s.Value + "\"", ZH: "`" + f.Name + "` 不可能等于 \"" + s.Value + "\""}
			if slices.ContainsFunc(f.Values, func(x string) bool { return strings.EqualFold(x, s.Value) }) {
				verb.ZH += "（区分大小写）"
			}
			d := w.text.error(from, to, "N206", verb, diag.Text{EN: "its values are " + strings.Join(f.Values, ", "), ZH: "可选值：" + strings.Join(f.Values, "、")})
			if fix := diag.Nearest(s.Value, f.Values); fix != "" {
				d.Fix = `"` + fix + `"`
			}
			w.bad, wrong = true, true
		}
	}
	if wrong {
		return true
	}
	if f.Scale != "" && (n.Operator == "==" || n.Operator == "!=" || n.Operator == "in") && constant(values[0]) {
		from, to := w.text.place(spanOf(n))
		w.text.node.WarnAt(from, to, "W218", diag.Text{EN: "`" + f.Name + "` is a scaled number: `" + n.Operator + "` may miss by a hair", ZH: "`" + f.Name + "` 是换算后的小数，用 `" + n.Operator + "` 可能差一点点"},
			diag.Text{EN: "compare with >= and <", ZH: "请用 >= 和 < 比较"})
	}
	return false
}

func constant(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.BoolNode:
		return true
	case *ast.UnaryNode:
		return (n.Operator == "-" || n.Operator == "+") && constant(n.Node)
	}
	return false
}

// fits reports whether a constant may stand where a field of a type does. What is no constant is expr's to judge.
func fits(t event.Type, n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return t == event.Number
	case *ast.UnaryNode:
		return n.Operator == "not" || n.Operator == "!" || fits(t, n.Node)
	case *ast.StringNode:
		return t == event.String
	case *ast.BoolNode:
		return t == event.Bool
	}
	return true
}

func mismatch(f *event.Field) diag.Text {
	zh := map[event.Type]string{event.String: "文字", event.Number: "数字", event.Bool: "真假值", event.Time: "时间", event.List: "列表"}[f.Type]
	return diag.Text{EN: "`" + f.Name + "` is a " + string(f.Type), ZH: "`" + f.Name + "` 是" + zh}
}

func cure(f *event.Field, v ast.Node) diag.Text {
	switch f.Type {
	case event.Number:
		return diag.Text{EN: "write a number without quotation marks", ZH: "请写不带引号的数字"}
	case event.String:
		return diag.Text{EN: "write the text in quotation marks", ZH: "请写带英文引号的文字"}
	case event.Bool:
		return diag.Text{EN: "write the field alone, or not " + f.Name, ZH: "直接写字段名，或 not " + f.Name}
	case event.List:
		return diag.Text{EN: "write `value in " + f.Name + "`", ZH: "请写 `值 in " + f.Name + "`"}
	}
	return diag.Text{EN: "compare it with another time", ZH: "请和另一个时间比较"}
}
