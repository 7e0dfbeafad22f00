package rules

import (
	"slices"
	"strconv"

	"github.com/notifier/notifier/internal/diag"
)

// claim is `field op constant`, as three marks of a condition.
type claim struct {
	field, op, value mark
}

// claimAt reads the three marks from i on, when nothing but and, or and brackets stands around them.
func claimAt(marks []mark, i int) (claim, bool) {
	c := claim{at(marks, i), at(marks, i+1), at(marks, i+2)}
	before, behind := at(marks, i-1), at(marks, i+3)
	alone := (i == 0 || isConnector(before) || before.text == "(") && (i+3 == len(marks) || isConnector(behind) || behind.text == ")")
	return c, alone && c.field.kind == word && isComparison(c.op) && (c.value.kind == quoted || c.value.kind == number)
}

// contradiction warns of two comparisons of one field that always hold or never do: x != a or x != b, x > 5 and x < 3.
func contradiction(n *diag.Node, marks []mark) {
	for i := range marks {
		a, ok1 := claimAt(marks, i)
		b, ok2 := claimAt(marks, i+4)
		con := at(marks, i+3)
		if !ok1 || !ok2 || !isConnector(con) {
			continue
		}
		isOr := con.text == "or" || con.text == "||"
		if before, behind := at(marks, i-1).text, at(marks, i+7).text; isOr && (before == "and" || before == "&&" || behind == "and" || behind == "&&") {
			continue // and binds first: the two are no pair
		}
		switch {
		case isOr && alwaysOne(a, b):
			n.WarnAt(a.field.from, b.value.to, "W212", diag.Text{EN: "this always holds", ZH: "这个条件永远成立"}, diag.Text{EN: "use `and`, or `not in [...]`", ZH: "请用 `and`，或 `not in [...]`"})
		case !isOr && neverBoth(a, b):
			hint := diag.Text{EN: "use `or`, or `in [...]`", ZH: "请用 `or`，或 `in [...]`"}
			if a.value.kind == number && a.op.text != "==" {
				hint = diag.Text{EN: "swap the bounds, or use `or`", ZH: "请把上下限对调，或用 `or`"}
			}
			n.WarnAt(a.field.from, b.value.to, "W212", diag.Text{EN: "this never holds", ZH: "这个条件永远不成立"}, hint)
		}
	}
}

// contradictions is contradiction over the items of a `when` list, all of which must hold.
func contradictions(items []*diag.Node) {
	var before []claim
	for _, n := range items {
		marks := scan(n.Text)
		c, ok := claimAt(marks, 0)
		if n.Kind != diag.Scalar || !ok || len(marks) != 3 {
			continue
		}
		if i := slices.IndexFunc(before, func(b claim) bool { return neverBoth(b, c) }); i >= 0 {
			b := before[i]
			src := b.field.text + " " + b.op.text + " " + b.value.text
			n.WarnAt(c.field.from, c.value.to, "W212", diag.Text{EN: "this never holds together with `" + src + "`", ZH: "这个条件和 `" + src + "` 永远不会同时成立"},
				diag.Text{EN: "all items of the list must hold; use `or`, or `in [...]`", ZH: "列表里的条件要全部成立；请用 `or`，或 `in [...]`"})
		}
		before = append(before, c)
	}
}

// neverBoth reports whether two comparisons of one field exclude each other.
func neverBoth(a, b claim) bool {
	if a.field.text != b.field.text || a.value.kind != b.value.kind {
		return false
	}
	if a.op.text == "==" && b.op.text == "==" {
		return a.value.text != b.value.text
	}
	low, high, strict, ok := bounds(a, b)
	return ok && (low > high || (low == high && strict != 0))
}

// alwaysOne reports whether one of two comparisons of a field holds whatever the field is.
func alwaysOne(a, b claim) bool {
	if a.field.text != b.field.text || a.value.kind != b.value.kind {
		return false
	}
	if a.op.text == "!=" && b.op.text == "!=" {
		return a.value.text != b.value.text
	}
	low, high, strict, ok := bounds(a, b)
	return ok && (low < high || (low == high && strict < 2))
}

// bounds gives the lower and the upper bound that two comparisons set, and how many of them leave the bound itself out.
func bounds(a, b claim) (low, high float64, strict int, ok bool) {
	for _, c := range []claim{a, b} {
		v, err := strconv.ParseFloat(c.value.text, 64)
		if err != nil {
			return 0, 0, 0, false
		}
		switch c.op.text {
		case ">", ">=":
			low = v
		case "<", "<=":
			high = v
		default:
			return 0, 0, 0, false
		}
		if len(c.op.text) == 1 {
			strict++
		}
	}
	return low, high, strict, (a.op.text[0] == '>') != (b.op.text[0] == '>')
}
