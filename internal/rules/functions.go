package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// Comparisons with what a function never gives: lower() a capital letter, len() of a list more than there is room for.

// outOfReach warns of them, wherever in a condition they stand. What may be so at times is left.
func (w *writer) outOfReach(n *ast.BinaryNode) {
	values := []ast.Node{n.Right}
	if list, ok := n.Right.(*ast.ArrayNode); ok && n.Operator == "in" {
		values = list.Nodes
	}
	if from, ok := n.Left.(*ast.BuiltinNode); ok {
		w.neverText(from, n.Operator, values)
		w.neverNumber(n, from, n.Operator, values)
	} else if from, ok := n.Right.(*ast.BuiltinNode); ok && mirrored[n.Operator] != "" {
		values[0] = n.Left
		w.neverText(from, n.Operator, values)
		w.neverNumber(n, from, mirrored[n.Operator], values)
	}
}

// inOneCase are the functions that write a text in letters of one case.
var inOneCase = map[string]func(string) string{"lower": strings.ToLower, "upper": strings.ToUpper}

// neverText warns of texts in the other case, each where it stands.
func (w *writer) neverText(from *ast.BuiltinNode, operator string, values []ast.Node) {
	write := inOneCase[from.Name]
	verb := map[string]diag.Text{"==": {EN: "equals", ZH: "不可能等于"}, "contains": {EN: "contains", ZH: "里不可能有"}, "startsWith": {EN: "begins with", ZH: "不可能以此开头："}, "endsWith": {EN: "ends with", ZH: "不可能以此结尾："}}
	verb["!="], verb["in"] = verb["=="], verb["=="]
	said, ok := verb[operator]
	if write == nil || !ok || len(from.Arguments) != 1 {
		return
	}
	does := diag.Text{EN: "`lower` writes small letters only", ZH: "`lower` 的结果全是小写"}
	if from.Name == "upper" {
		does = diag.Text{EN: "`upper` writes capital letters only", ZH: "`upper` 的结果全是大写"}
	}
	for _, v := range values {
		s, ok := v.(*ast.StringNode)
		if !ok || write(s.Value) == s.Value {
			continue
		}
		fix := quoteText(write(s.Value))
		begin, end := w.text.place(spanOf(v))
		w.text.node.WarnAt(begin, end, "W212", diag.Text{EN: "`" + from.String() + "` never " + said.EN + " " + quoteText(s.Value), ZH: "`" + from.String() + "` " + said.ZH + " " + quoteText(s.Value)},
			diag.Text{EN: does.EN + ": write " + fix, ZH: does.ZH + "：写成 " + fix}).Fix = fix
	}
}

// reach gives the least and the most that a function gives, and what to say of it.
func (w *writer) reach(from *ast.BuiltinNode) (least, most float64, why diag.Text, ok bool) {
	list := diag.Text{EN: fmt.Sprintf("a condition is given the first %d items of a list: it is from 0 to %[1]d", mostItems), ZH: fmt.Sprintf("条件只看列表的前 %d 项：结果在 0 到 %[1]d 之间", mostItems)}
	switch from.Name {
	case "len":
		if len(from.Arguments) != 1 {
			return 0, 0, diag.Text{}, false
		}
		switch of := from.Arguments[0].(type) {
		case *ast.BuiltinNode:
			if of.Name == "filter" {
				return 0, mostItems, list, true
			}
		case *ast.IdentifierNode:
			if f := w.scope.fields[of.Value]; f != nil && f.Type == event.List {
				return 0, mostItems, list, true
			}
		}
		return 0, mostText, diag.Text{EN: fmt.Sprintf("a text has up to %d bytes: it is from 0 to %[1]d", mostText), ZH: fmt.Sprintf("文字最多 %d 字节：结果在 0 到 %[1]d 之间", mostText)}, w.textField(from.Arguments[0]) != nil
	case "count":
		return 0, mostItems, list, true
	case "indexOf", "lastIndexOf":
		return -1, mostText, diag.Text{EN: "it is -1 where nothing is found, and never less", ZH: "找不到时是 -1，不会更小"}, true
	case "abs":
		return 0, math.Inf(1), diag.Text{EN: "it is never less than 0", ZH: "结果不会小于 0"}, true
	}
	return 0, 0, diag.Text{}, false
}

// neverNumber warns of a comparison with numbers that holds for all that a function gives, or for none of it.
func (w *writer) neverNumber(n *ast.BinaryNode, from *ast.BuiltinNode, operator string, values []ast.Node) {
	least, most, why, ok := w.reach(from)
	var nums []float64
	for _, v := range values {
		f, isNumber := numberOf(v)
		nums, ok = append(nums, f), ok && isNumber
	}
	if !ok || len(nums) == 0 {
		return
	}
	beyond := !slices.ContainsFunc(nums, func(f float64) bool { return f >= least && f <= most })
	always, never := false, false
	switch f := nums[0]; operator {
	case "==", "in":
		never = beyond
	case "!=":
		always = beyond
	case "<":
		always, never = most < f, least >= f
	case "<=":
		always, never = most <= f, least > f
	case ">":
		always, never = least > f, most <= f
	case ">=":
		always, never = least >= f, most < f
	}
	msg := diag.Text{EN: "this never holds", ZH: "这个条件永远不成立"}
	if always {
		msg = diag.Text{EN: "this always holds", ZH: "这个条件永远成立"}
	}
	if always || never {
		begin, end := w.text.place(extent(n))
		w.text.node.WarnAt(begin, w.text.closing(begin, end), "W212", msg, why)
	}
}
