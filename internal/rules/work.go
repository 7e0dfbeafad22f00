package rules

import (
	"fmt"
	resyntax "regexp/syntax"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// What one event may bring, as package event cuts it, and what one rule may take on it. expr bounds neither time nor memory: so
// the most that a condition or a text can take is worked out when it is loaded, from the sizes of what goes in, and a rule that may
// take more is refused.
const (
	mostText  = 4 << 10 // bytes of a text or of an item of a list
	mostItems = 32      // of a list
	maxWork   = 8 << 20 // bytes allocated
	maxNanos  = 50e6    // on a slow core, by the prices below
)

// Prices in nanoseconds, measured on one slow core and rounded up.
const (
	perNode    = 50  // one step of the program
	perByte    = 0.5 // looking through a text
	perRune    = 1.5 // a byte of a text whose characters are counted: len()
	perMapped  = 8   // a byte of lower() and upper()
	perState   = 10  // a byte in one state of a regular expression
	perCluster = 10  // a byte of max(), which looks for user-visible characters
)

// amount is a bound: how many bytes a value has, how many are allocated on the way to it, how long that takes. Nothing overflows:
// sources have at most 8 KiB, loops are two deep.
type amount struct{ size, alloc, nanos float64 }

const box = 24 // bytes of a number, a verdict or the head of a text in an interface

// workOf bounds an expression over the fields of a scope.
func workOf(n ast.Node, fields map[string]*event.Field) amount {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		f := fields[strings.TrimPrefix(n.Value, "before.")]
		switch {
		case f != nil && f.Type == event.List:
			return amount{mostItems * mostText, box, perNode}
		case f != nil && f.Type != event.String:
			return amount{box, box, perNode}
		}
		return amount{mostText, box, perNode}
	case *ast.PointerNode:
		return amount{mostText, box, perNode}
	case *ast.StringNode:
		return amount{float64(len(n.Value)), 0, perNode}
	case *ast.UnaryNode:
		a := workOf(n.Node, fields)
		return amount{box, a.alloc + box, a.nanos + perNode}
	case *ast.BinaryNode:
		return binaryWork(n, workOf(n.Left, fields), workOf(n.Right, fields))
	case *ast.ConditionalNode:
		return sum([]ast.Node{n.Cond, n.Exp1, n.Exp2}, fields)
	case *ast.ArrayNode:
		return sum(n.Nodes, fields)
	case *ast.PredicateNode:
		return workOf(n.Node, fields)
	case *ast.BuiltinNode:
		return callWork(n.Name, n.Arguments, fields)
	case *ast.CallNode:
		return callWork("", n.Arguments, fields)
	}
	return amount{box, box, perNode}
}

func binaryWork(n *ast.BinaryNode, a, b amount) amount {
	out := amount{box, a.alloc + b.alloc + box, a.nanos + b.nanos + perNode}
	switch n.Operator {
	case "+": // of texts, for all this knows
		out.size = a.size + b.size
		out.alloc += 1.15 * out.size // the allocator rounds up
		out.nanos += perByte * out.size
	case "contains", "startsWith", "endsWith", "in", "==", "!=":
		out.nanos += perByte * (a.size + b.size)
	case "matches":
		if s, ok := n.Right.(*ast.StringNode); ok {
			out.nanos += perState * a.size * states(s.Value)
		}
	}
	return out
}

// states is how many states a regular expression has; it is compiled already, so there is no error.
func states(pattern string) float64 {
	re, err := resyntax.Parse(pattern, resyntax.Perl)
	if err != nil {
		return 1
	}
	prog, err := resyntax.Compile(re.Simplify())
	if err != nil {
		return 1
	}
	return float64(len(prog.Inst))
}

func sum(nodes []ast.Node, fields map[string]*event.Field) (out amount) {
	for _, n := range nodes {
		a := workOf(n, fields)
		out.size, out.alloc, out.nanos = out.size+a.size, out.alloc+a.alloc+box, out.nanos+a.nanos
	}
	return out
}

func callWork(name string, args []ast.Node, fields map[string]*event.Field) amount {
	if slices.Contains(loops, name) && len(args) == 2 {
		list, each := workOf(args[0], fields), workOf(args[1], fields)
		return amount{list.size, list.alloc + mostItems*(each.alloc+4*box), list.nanos + mostItems*(each.nanos+4*perNode)}
	}
	a := sum(args, fields)
	switch name {
	case "lower", "upper": // a letter may take three bytes where it took two; the result grows as it is made
		return amount{1.5 * a.size, a.alloc + 3*a.size, a.nanos + perMapped*a.size}
	}
	return amount{a.size, a.alloc + box, a.nanos + perNode + perRune*a.size}
}

// workOfText bounds the rendering of a template.
func workOfText(t *template, s *scope) (out amount) {
	if t == nil {
		return amount{}
	}
	for _, p := range t.parts {
		v := amount{size: float64(len(p.text))}
		if p.ref != "" {
			v = amount{size: sizeOf(p.ref, s), nanos: perNode}
			if v.size > mostText && !slices.ContainsFunc(p.filters, func(f filter) bool { return f.name == "join" }) {
				v.alloc = v.size // a list is made a text
			}
		}
		for _, f := range p.filters {
			v = f.work(v)
		}
		out = amount{out.size + v.size, out.alloc + v.alloc, out.nanos + v.nanos}
	}
	written := min(out.size, maxContent)                                       // render stops there
	return amount{written, out.alloc + 5*written, out.nanos + perByte*written} // it grows as it is written, and is copied
}

// sizeOf is the most bytes of what a hole refers to.
func sizeOf(ref string, s *scope) float64 {
	if strings.HasPrefix(ref, "event.") || ref == "count" {
		return 512 // an id or a user
	}
	f := s.fields[ref[strings.LastIndexByte(ref, '.')+1:]]
	switch {
	case f == nil || f.Type == event.String:
		return mostText
	case f.Type == event.List:
		return mostItems * (mostText + 3)
	}
	return 512 // a number has at most 400 digits
}

func (f *filter) work(v amount) amount {
	arg := float64(len(f.arg))
	switch f.name {
	case "default":
		return amount{max(v.size, arg), v.alloc, v.nanos}
	case "join":
		n := v.size + mostItems*arg
		return amount{n, v.alloc + n, v.nanos + perByte*n}
	case "urlencode":
		return amount{3 * v.size, v.alloc + 6*v.size, v.nanos + perMapped*v.size}
	case "money":
		return amount{min(v.size, 1<<10), v.alloc + 16<<10, v.nanos + 20_000}
	case "date":
		return amount{2*arg + 64, v.alloc + 4*arg + 1<<10, v.nanos + 2_000 + perMapped*arg}
	case "max":
		return amount{v.size, v.alloc + v.size, v.nanos + perCluster*v.size} // one character may have any number of marks on it
	}
	return amount{1.5 * v.size, v.alloc + 3*v.size, v.nanos + perMapped*v.size}
}

// work bounds what the whole rule takes on one event, and refuses it beyond maxWork and maxNanos.
func (l *loader) work(n *diag.Node, r *Rule) {
	var conditions, texts amount
	for _, c := range slices.Concat(r.when, r.unless) {
		conditions.alloc, conditions.nanos = conditions.alloc+c.work.alloc, conditions.nanos+c.work.nanos
	}
	add := func(times float64, all ...*template) {
		for _, t := range all {
			a := workOfText(t, r.scope)
			texts.alloc, texts.nanos = texts.alloc+times*a.alloc, texts.nanos+times*a.nanos
		}
	}
	users := 1.0
	if r.toList != "" {
		users = mostItems // each gets a text of its own; of the 100 there may be 32 are counted, so that usual texts fit
	}
	if c := r.content; c != nil {
		if r.merge != nil { // written for the ledger, then tried
			add(2*users, c.templates()...)
			add(users, r.merge.by)
		} else {
			add(users, c.templates()...)
		}
		add(1, r.to)
		if r.once != nil {
			add(users, r.once.by)
		}
	}
	if a := r.audience; a != nil {
		add(1, slices.Concat(a.all, a.any, a.none)...)
	}
	for _, t := range r.tags {
		add(1, t.t)
	}
	whole := amount{alloc: conditions.alloc + texts.alloc, nanos: conditions.nanos + texts.nanos}
	if w := n.Key("when"); w != nil && conditions.nanos+conditions.alloc > texts.nanos+texts.alloc {
		whole.check(w, diag.Text{EN: "the conditions", ZH: "这些条件"})
		return
	}
	if users > 1 && texts.alloc > conditions.alloc {
		whole.checkHint(r.node, diag.Text{EN: "the rule", ZH: "这条规则"}, diag.Text{EN: "`to` is a list, and each of its users gets a text of their own: fewer joined lists or holes, or one user in `to`",
			ZH: "`to` 是列表，每个用户各有一份文案：请减少拼接的列表或 `${}`，或 `to` 只写一个用户"})
		return
	}
	whole.check(r.node, diag.Text{EN: "the rule", ZH: "这条规则"})
}

// check reports what may take too much, and whether it does not.
func (a amount) check(n *diag.Node, what diag.Text) bool {
	return a.checkHint(n, what, diag.Text{EN: "fewer loops inside each other, joined texts, or holes", ZH: "少用嵌套的循环、文字拼接，或减少 `${}`"})
}

// checkHint is check with a cure for what the amount comes of.
func (a amount) checkHint(n *diag.Node, what, hint diag.Text) bool {
	switch {
	case a.alloc > maxWork:
		n.Error("N214", diag.Text{EN: fmt.Sprintf("%s may need %.1f MiB of memory on one event, the most is %d", what.EN, a.alloc/(1<<20), maxWork>>20),
			ZH: fmt.Sprintf("%s处理一个事件可能要用 %.1f MiB 内存，最多 %d", what.ZH, a.alloc/(1<<20), maxWork>>20)}, hint)
	case a.nanos > maxNanos:
		n.Error("N214", diag.Text{EN: fmt.Sprintf("%s may take %.0f ms on one event, the most is %.0f", what.EN, a.nanos/1e6, maxNanos/1e6),
			ZH: fmt.Sprintf("%s处理一个事件可能要 %.0f 毫秒，最多 %.0f", what.ZH, a.nanos/1e6, maxNanos/1e6)}, hint)
	default:
		return true
	}
	return false
}
