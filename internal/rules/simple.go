package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"github.com/notifier/notifier/internal/event"
)

// simple is a comparison of a field with a constant, or and, or, not of such: the part of a condition that can be
// asked without the VM. It gives what the program gives on the same environment, a missing field being the zero value
// of its type: TestSimplePartsAgreeWithTheProgram holds it to that.
type simple struct {
	op   simpleOp
	slot int    // the field's place in Event.Values, set by at
	name string // of the field
	num  float64
	text string
	nums []float64
	strs []string
	kids []simple
}

type simpleOp uint8

const (
	opAnd simpleOp = iota
	opOr
	opNot
	opHas
	opBool // the field is true
	opIsText
	opInText
	opIsNumber
	opInNumber
	opLess // from here on: a number is ... than num
	opLessOrEqual
	opMore
	opMoreOrEqual
)

// simpleOf translates a condition that writer has rewritten; false when a part of it is more than simple.
func simpleOf(n ast.Node, fields map[string]*event.Field) (simple, bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if n.Value[0] == '?' {
			return simple{op: opHas, name: n.Value[1:]}, true
		}
		f := fields[n.Value]
		return simple{op: opBool, name: n.Value}, f != nil && f.Type == event.Bool
	case *ast.UnaryNode:
		if n.Operator != "not" && n.Operator != "!" {
			return simple{}, false
		}
		x, ok := simpleOf(n.Node, fields)
		return not(x), ok
	case *ast.BinaryNode:
		if !isLogic(n.Operator) {
			return comparison(n, fields)
		}
		a, ok1 := simpleOf(n.Left, fields)
		b, ok2 := simpleOf(n.Right, fields)
		op := opAnd
		if n.Operator == "or" || n.Operator == "||" {
			op = opOr
		}
		return simple{op: op, kids: []simple{a, b}}, ok1 && ok2
	}
	return simple{}, false
}

func not(x simple) simple { return simple{op: opNot, kids: []simple{x}} }

// mirrored is each comparison with its sides changed.
var mirrored = map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

func comparison(n *ast.BinaryNode, fields map[string]*event.Field) (simple, bool) {
	left, right, op := n.Left, n.Right, n.Operator
	if _, ok := left.(*ast.IdentifierNode); !ok {
		left, right, op = right, left, mirrored[op]
	}
	id, ok := left.(*ast.IdentifierNode)
	if !ok || fields[id.Value] == nil || op == "" {
		return simple{}, false
	}
	x := simple{name: id.Value}
	values := []ast.Node{right}
	if arr, isArray := right.(*ast.ArrayNode); op == "in" && isArray && len(arr.Nodes) > 0 {
		values = arr.Nodes
	} else if op == "in" {
		return simple{}, false
	}
	switch fields[id.Value].Type {
	case event.String:
		for _, v := range values {
			s, ok := v.(*ast.StringNode)
			if !ok {
				return simple{}, false
			}
			x.strs = append(x.strs, s.Value)
		}
		switch x.op, x.text = opIsText, x.strs[0]; op {
		case "==":
			return x, true
		case "!=":
			return not(x), true
		case "in":
			x.op = opInText
			return x, true
		}
	case event.Number:
		for _, v := range values {
			f, ok := numberOf(v)
			if !ok {
				return simple{}, false
			}
			x.nums = append(x.nums, f)
		}
		switch x.op, x.num = opIsNumber, x.nums[0]; op {
		case "==":
			return x, true
		case "!=":
			return not(x), true
		case "in":
			x.op = opInNumber
			return x, true
		case "<":
			x.op = opLess
		case "<=":
			x.op = opLessOrEqual
		case ">":
			x.op = opMore
		case ">=":
			x.op = opMoreOrEqual
		default: // amount + 5
			return simple{}, false
		}
		return x, true
	case event.Bool:
		if b, ok := right.(*ast.BoolNode); ok && (op == "==" || op == "!=") {
			x.op = opBool
			if b.Value != (op == "==") {
				return not(x), true
			}
			return x, true
		}
	}
	return simple{}, false
}

func numberOf(n ast.Node) (float64, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return float64(n.Value), true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.UnaryNode:
		f, ok := numberOf(n.Node)
		if n.Operator == "-" {
			f = -f
		}
		return f, ok && (n.Operator == "-" || n.Operator == "+")
	}
	return 0, false
}

// conjuncts splits a condition at its outermost ands and translates what is simple; whole says that all of it was.
func conjuncts(n ast.Node, fields map[string]*event.Field) (parts []simple, whole bool) {
	if b, ok := n.(*ast.BinaryNode); ok && (b.Operator == "and" || b.Operator == "&&") {
		left, ok1 := conjuncts(b.Left, fields)
		right, ok2 := conjuncts(b.Right, fields)
		return append(left, right...), ok1 && ok2
	}
	x, ok := simpleOf(n, fields)
	if !ok {
		return nil, false
	}
	return []simple{x}, true
}

// at gives the same part with the fields' places in an event; false when the event lacks one.
func (x simple) at(s *event.Spec) (simple, bool) {
	ok := true
	if x.name != "" {
		x.slot, ok = s.Index(x.name)
	}
	kids := make([]simple, len(x.kids))
	for i := range x.kids {
		var has bool
		kids[i], has = x.kids[i].at(s)
		ok = ok && has
	}
	x.kids = kids
	return x, ok
}

var nothing event.Value

func (x *simple) holds(values []event.Value) bool {
	switch x.op {
	case opAnd:
		return x.kids[0].holds(values) && x.kids[1].holds(values)
	case opOr:
		return x.kids[0].holds(values) || x.kids[1].holds(values)
	case opNot:
		return !x.kids[0].holds(values)
	}
	v := &values[x.slot]
	if !v.OK() {
		if x.op == opHas {
			return false
		}
		v = &nothing
	}
	switch x.op {
	case opHas:
		return true
	case opBool:
		return v.Bool
	case opIsText:
		return v.Str == x.text
	case opInText:
		return slices.Contains(x.strs, v.Str)
	case opIsNumber:
		return v.Num == x.num
	case opInNumber:
		return slices.Contains(x.nums, v.Num)
	case opLess:
		return v.Num < x.num
	case opLessOrEqual:
		return v.Num <= x.num
	case opMore:
		return v.Num > x.num
	}
	return v.Num >= x.num
}
