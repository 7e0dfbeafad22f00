package rules

import (
	"math"
	"slices"
	"strconv"

	"github.com/expr-lang/expr/ast"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// Conditions that always hold, or never. A condition is tried with all values that make a difference to it: the constants that it compares a
// field with, one between and beside them, and for has() none. What is more than a comparison with a constant may be true or false.

// maxTries bounds the combinations that are tried of one condition; one that has more is left.
const maxTries = 4096

// maxClauses bounds the parts that are tried: each is tried anew with each clause beside it.
const maxClauses = 40

// clauses counts what stands between the ands and ors.
func clauses(n ast.Node) int {
	if b, ok := n.(*ast.BinaryNode); ok && isLogic(b.Operator) {
		return clauses(b.Left) + clauses(b.Right)
	}
	return 1
}

// trial is a condition, or a part of it, to be tried.
type trial struct {
	cond   simple
	names  []string // of its fields, by slot
	values [][]event.Value
}

func newTrial(x simple, fields map[string]*event.Field) *trial {
	t := &trial{}
	texts, nums, asked := map[string][]string{}, map[string][]float64{}, map[string]bool{}
	kinds := map[string]simpleOp{}
	t.cond = t.place(x, func(x simple) {
		switch x.op {
		case opHas:
			asked[x.name] = true
			return
		case opIsText, opInText:
			texts[x.name] = append(texts[x.name], x.strs...)
		case opBool:
		default:
			nums[x.name] = append(append(nums[x.name], x.nums...), x.num)
		}
		kinds[x.name] = x.op
	})
	for _, name := range t.names {
		var all []event.Value
		switch op, has := kinds[name]; {
		case !has: // has() alone
			all = []event.Value{{State: event.Known}}
		case op == opIsText || op == opInText:
			if f := fields[name]; f != nil && f.Values != nil {
				texts[name] = f.Values
			} else {
				texts[name] = append(texts[name], "\x00") // any other
			}
			for _, s := range texts[name] {
				all = append(all, event.Value{State: event.Known, Type: event.String, Str: s})
			}
		case op == opBool:
			all = []event.Value{{State: event.Known, Type: event.Bool}, {State: event.Known, Type: event.Bool, Bool: true}}
		default:
			for _, f := range around(nums[name]) {
				all = append(all, event.Value{State: event.Known, Type: event.Number, Num: f})
			}
		}
		if asked[name] {
			all = append(all, event.Value{})
		}
		t.values = append(t.values, all)
	}
	return t
}

// independent reports whether each field is asked once, for something that may be so or not: then no combination of them is always the
// same, and nothing need be tried. seen are the fields asked so far.
func (x *simple) independent(fields map[string]*event.Field, seen *[]string) bool {
	for i := range x.kids {
		if !x.kids[i].independent(fields, seen) {
			return false
		}
	}
	if x.name == "" {
		return true
	}
	f := fields[x.name]
	if f == nil || f.Values != nil || slices.Contains(*seen, x.name) {
		return false
	}
	*seen = append(*seen, x.name)
	return true
}

// place numbers the fields of a condition, and shows each of its comparisons.
func (t *trial) place(x simple, each func(simple)) simple {
	if x.name != "" {
		if x.slot = slices.Index(t.names, x.name); x.slot < 0 {
			x.slot, t.names = len(t.names), append(t.names, x.name)
		}
		each(x)
	}
	kids := make([]simple, len(x.kids))
	for i := range x.kids {
		kids[i] = t.place(x.kids[i], each)
	}
	x.kids = kids
	return x
}

// around gives numbers, one between each two neighbours and one at each end.
func around(nums []float64) (out []float64) {
	nums = slices.Compact(slices.Sorted(slices.Values(nums)))
	for i, f := range nums {
		if i == 0 {
			out = append(out, math.Nextafter(f-1, math.Inf(-1))) // of a large number f-1 is f
		} else {
			out = append(out, nums[i-1]+(f-nums[i-1])/2)
		}
		out = append(out, f)
	}
	return append(out, math.Nextafter(nums[len(nums)-1]+1, math.Inf(1)))
}

// constant reports whether all combinations give the same, and what.
func (t *trial) constant() (always, never bool) {
	total := 1
	for _, v := range t.values {
		if total *= len(v); total > maxTries {
			return false, false
		}
	}
	always, never = true, true
	now := make([]event.Value, len(t.values))
	for n := range total {
		for i, v := range t.values {
			now[i], n = v[n%len(v)], n/len(v)
		}
		if t.cond.holds(now) {
			never = false
		} else {
			always = false
		}
		if !always && !never {
			return false, false
		}
	}
	return always, never
}

// sketch makes comparisons of a rewritten condition; what is none is a field of its own, with a name that no field has.
func sketch(n ast.Node, fields map[string]*event.Field) simple {
	switch n := n.(type) {
	case *ast.BinaryNode:
		if arr, ok := n.Right.(*ast.ArrayNode); ok && n.Operator == "in" && len(arr.Nodes) == 0 {
			x := simple{op: opBool, name: "="}
			return simple{op: opAnd, kids: []simple{x, not(x)}}
		}
		if isLogic(n.Operator) {
			op := opAnd
			if n.Operator == "or" || n.Operator == "||" {
				op = opOr
			}
			return simple{op: op, kids: []simple{sketch(n.Left, fields), sketch(n.Right, fields)}}
		}
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return not(sketch(n.Node, fields))
		}
	}
	if x, ok := simpleOf(n, fields); ok {
		return x
	}
	return simple{op: opBool, name: "=" + n.String()}
}

// constants warns of the smallest parts of a condition that always or never hold. It reports whether there is one.
func constants(w *writer, n ast.Node) (found bool) {
	if b, ok := n.(*ast.BinaryNode); ok && isLogic(b.Operator) {
		left, right := constants(w, b.Left), constants(w, b.Right)
		if left || right {
			return true
		}
	}
	if clauses(n) > maxClauses {
		return false
	}
	always, never := false, false
	if drawn := sketch(n, w.scope.fields); !drawn.independent(w.scope.fields, &[]string{}) {
		always, never = newTrial(drawn, w.scope.fields).constant()
	}
	if !asks(n) {
		switch n.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode:
			return true // no condition, which is said where types are checked
		}
		always, never = true, false
	}
	if !always && !never {
		return false
	}
	from, to := w.text.place(extent(n))
	b, _ := n.(*ast.BinaryNode)
	pair := b != nil && isLogic(b.Operator)
	switch {
	case !asks(n):
		w.text.node.WarnAt(from, to, "W212", diag.Text{EN: "this asks nothing of the event", ZH: "这个条件和事件无关"}, diag.Text{EN: "compare a field with a value, or remove it", ZH: "请用字段和值比较，或删掉它"})
	case always && pair:
		w.text.node.WarnAt(from, to, "W212", diag.Text{EN: "this always holds", ZH: "这个条件永远成立"}, diag.Text{EN: "use `and`, or `not in [...]`", ZH: "请用 `and`，或 `not in [...]`"})
	case always:
		w.text.node.WarnAt(from, to, "W212", diag.Text{EN: "this always holds", ZH: "这个条件永远成立"}, diag.Text{EN: "it names all values: remove it, or name fewer", ZH: "所有可选值都写上了：请删掉，或少写几个"})
	case pair && bounded(b):
		w.text.node.WarnAt(from, to, "W212", diag.Text{EN: "this never holds", ZH: "这个条件永远不成立"}, diag.Text{EN: "swap the bounds, or use `or`", ZH: "请把上下限对调，或用 `or`"})
	case pair:
		w.text.node.WarnAt(from, to, "W212", diag.Text{EN: "this never holds", ZH: "这个条件永远不成立"}, diag.Text{EN: "use `or`, or `in [...]`", ZH: "请用 `or`，或 `in [...]`"})
	default:
		w.text.node.WarnAt(from, to, "W212", diag.Text{EN: "this never holds", ZH: "这个条件永远不成立"}, diag.Text{EN: "name the values for which it should hold", ZH: "请写出应成立的值"})
	}
	return true
}

// asks reports whether a value of the event, or of the user, stands anywhere in it.
func asks(n ast.Node) (found bool) {
	ast.Walk(&n, visit(func(n ast.Node) {
		if _, ok := n.(*ast.IdentifierNode); ok {
			found = true
		}
	}))
	return found
}

// bounded reports whether a comparison by size stands in it.
func bounded(n ast.Node) (found bool) {
	ast.Walk(&n, visit(func(n ast.Node) {
		if b, ok := n.(*ast.BinaryNode); ok && slices.Contains([]string{"<", "<=", ">", ">="}, b.Operator) {
			found = true
		}
	}))
	return found
}

// contradictions warns of the items of a `when` list that never hold together: all of them must.
func contradictions(items []*condition) {
	all := simple{}
	for i, c := range items {
		if i == 0 {
			all = c.sketch
			continue
		}
		fields := c.scope.fields
		both := func(a, b simple) bool {
			_, alone := newTrial(b, fields).constant()
			_, never := newTrial(simple{op: opAnd, kids: []simple{a, b}}, fields).constant()
			return never && !alone
		}
		k := slices.IndexFunc(items[:i], func(o *condition) bool {
			_, alone := newTrial(o.sketch, fields).constant()
			return !alone && both(o.sketch, c.sketch)
		})
		whole := len([]rune(c.source))
		switch _, before := newTrial(all, fields).constant(); {
		case k >= 0:
			c.node.WarnAt(0, whole, "W212", diag.Text{EN: "this never holds together with `" + items[k].source + "`", ZH: "这个条件和 `" + items[k].source + "` 永远不会同时成立"},
				diag.Text{EN: "all items of the list must hold; use `or`, or `in [...]`", ZH: "列表里的条件要全部成立；请用 `or`，或 `in [...]`"})
		case !before && both(all, c.sketch):
			c.node.WarnAt(0, whole, "W212", diag.Text{EN: "this never holds together with the " + strconv.Itoa(i) + " above it", ZH: "这个条件和上面 " + strconv.Itoa(i) + " 个永远不会同时成立"},
				diag.Text{EN: "all items of the list must hold; use `or`, or `in [...]`", ZH: "列表里的条件要全部成立；请用 `or`，或 `in [...]`"})
		}
		all = simple{op: opAnd, kids: []simple{all, c.sketch}}
	}
}

// excluded warns of an item of `unless`, in its parts, that holds whenever all of `when` does. Where a field is missing neither does, each by itself.
func excluded(when, parts []*condition) {
	if len(when) == 0 {
		return
	}
	all := when[0].there()
	for _, c := range when[1:] {
		all = simple{op: opAnd, kids: []simple{all, c.there()}}
	}
	fields := when[0].scope.fields
	if _, never := newTrial(all, fields).constant(); never {
		return // is told by itself
	}
	item, holds := parts[0].sketch, parts[0].there()
	for _, c := range parts[1:] {
		item = simple{op: opOr, kids: []simple{item, c.sketch}}
		holds = simple{op: opOr, kids: []simple{holds, c.there()}}
	}
	always, _ := newTrial(item, fields).constant()
	without := simple{op: opAnd, kids: []simple{all, not(holds)}}
	if _, never := newTrial(without, fields).constant(); never && !always {
		n := parts[0].node
		n.WarnAt(0, len([]rune(n.Text)), "W212", diag.Text{EN: "whenever `when` holds this does too: the rule never acts", ZH: "`when` 成立时这个条件也成立：规则永远不会触发"},
			diag.Text{EN: "write what should stop the rule, or remove it", ZH: "请写不该触发的情况，或删掉它"})
	}
}

// there gives the sketch of a condition with the fields that it needs.
func (c *condition) there() simple {
	x := c.sketch
	for _, name := range c.needs {
		if c.scope.fields[name] != nil {
			x = simple{op: opAnd, kids: []simple{{op: opHas, name: name}, x}}
		}
	}
	return x
}
