package rules

import (
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// A push on a profile event must rest on a change: every event repeats the whole profile, and stage 2 does not ask the rules about one
// that changed nothing. That changed() stands in the condition is not enough: beside `or`, or behind `not`, it holds without a change too.

// still is what a condition can say while no changed() in it is true. All else in it may be either.
type still struct {
	met, unmet bool
	from, to   int // runes of the condition: its smallest part that can be met then
}

// stillOf gives it of a condition that writer has rewritten.
func stillOf(w *writer, n ast.Node) (out still) {
	out.met, out.unmet = unchanged(n)
	if out.met {
		from, to := extent(unchangedPart(n))
		out.from, out.to = w.text.place(from, w.text.closing(from, to))
	}
	return out
}

// unchanged reports what an expression of true and false can give while every changed() is false.
func unchanged(n ast.Node) (canHold, canFail bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return !strings.HasPrefix(n.Value, "~"), true
	case *ast.BoolNode:
		return n.Value, !n.Value
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			canHold, canFail = unchanged(n.Node)
			return canFail, canHold
		}
	case *ast.BinaryNode:
		hold1, fail1 := unchanged(n.Left)
		hold2, fail2 := unchanged(n.Right)
		switch n.Operator {
		case "and", "&&":
			return hold1 && hold2, fail1 || fail2
		case "or", "||":
			return hold1 || hold2, fail1 && fail2
		case "==":
			return hold1 && hold2 || fail1 && fail2, hold1 && fail2 || fail1 && hold2
		case "!=":
			return hold1 && fail2 || fail1 && hold2, hold1 && hold2 || fail1 && fail2
		}
	case *ast.ConditionalNode:
		asked, not := unchanged(n.Cond)
		hold1, fail1 := unchanged(n.Exp1)
		hold2, fail2 := unchanged(n.Exp2)
		return asked && hold1 || not && hold2, asked && fail1 || not && fail2
	case *ast.PredicateNode:
		return unchanged(n.Node)
	case *ast.BuiltinNode:
		if n.Name == "any" || n.Name == "one" {
			canHold, _ = unchanged(n.Arguments[1])
			return canHold, true
		}
	}
	return true, true
}

// unchangedPart gives the smallest part of a condition with which it can be met then: one side of an `or`.
func unchangedPart(n ast.Node) ast.Node {
	if b, ok := n.(*ast.BinaryNode); ok && (b.Operator == "or" || b.Operator == "||") {
		left, _ := unchanged(b.Left)
		right, _ := unchanged(b.Right)
		switch {
		case left && !right:
			return unchangedPart(b.Left)
		case right && !left:
			return unchangedPart(b.Right)
		}
	}
	return n
}

// needsChange reports a push on a profile event that can go out although nothing changed. read says that all of `unless` could be read.
func (l *loader) needsChange(n *diag.Node, r *Rule, read bool) {
	if r.Action != intent.Push || !r.scope.before || r.scope.open || r.guessed {
		return
	}
	when := n.Get("when")
	if !r.always && len(r.when) != len(when.List()) || !read { // what cannot be read may have asked
		return
	}
	var asks *condition // has a changed() that does not decide
	for _, c := range r.when {
		if !c.still.met {
			return
		}
		if c.changed && asks == nil {
			asks = c
		}
	}
	for _, c := range r.unless {
		if !c.still.unmet && len(c.needs) == 0 { // without a field that it needs it is not met, whatever changed
			return
		}
	}
	if asks != nil {
		asks.node.ErrorAt(asks.still.from, asks.still.to, "N404", diag.Text{EN: "this holds without a change too: a push on a profile event must not go out unless changed() holds", ZH: "没有变化时这里也成立：用户资料事件的 push 只能在 changed() 成立时发"},
			diag.Text{EN: "join changed() by `and`, like `changed(level) and level == \"vip\"`", ZH: "请用 `and` 连接 changed()，例如 `changed(level) and level == \"vip\"`"})
		return
	}
	place := r.node
	if when != nil {
		place = when
	}
	place.Error("N404", diag.Text{EN: "a push on a profile event needs changed(): every event repeats the whole profile", ZH: "用户资料事件的 push 必须用 changed()：每次事件都带着全部资料"},
		diag.Text{EN: "like `changed(level) and level == \"vip\"`", ZH: "例如 `changed(level) and level == \"vip\"`"})
}
