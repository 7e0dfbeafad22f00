package rules

import (
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// What a missing field does to a condition reaches further than to the clause that asks for it: the whole is not met. Beside `or` people expect
// that the other part decides all the same. In `unless` it must, since a rule would act that should not: there the parts are items of the
// list, any of which stops it. Everywhere else the loader warns.

// alternatives gives what `or` joins in an `unless`, each as an item of its own.
func (c *condition) alternatives() []*condition {
	tree, err := parser.ParseWithConfig(c.source, grammar())
	if err != nil { // impossible: the loader has compiled it
		return []*condition{c}
	}
	d := divider{source: []rune(c.source), marks: scan(c.source)}
	spans := d.either(tree.Node, 0, len(d.source))
	if len(spans) == 1 {
		return []*condition{c}
	}
	var out []*condition
	for _, s := range spans {
		x := again(string(d.source[s[0]:s[1]]), c.scope)
		if x == nil { // as above
			return []*condition{c}
		}
		x.node, x.from = c.node, s[0]
		out = append(out, x)
	}
	return out
}

// again compiles a text in which the loader has found what there is to find.
func again(source string, s *scope) *condition {
	doc := diag.Parse("condition", []byte(`c: "x"`))
	n := doc.Root.Get("c")
	n.Text = source
	return compile(n, s)
}

// either gives the runes of what stands in runes [lo, hi), divided at its outermost ors as node does.
func (d *divider) either(n ast.Node, lo, hi int) [][2]int {
	if b, ok := n.(*ast.BinaryNode); ok && isOr(b.Operator) && d.written(b) {
		at := b.Location()
		return append(d.either(b.Left, lo, at.From), d.either(b.Right, at.To, hi)...)
	}
	lo, hi = d.trim(lo, hi)
	return [][2]int{{lo, hi}}
}

func isNot(n *ast.UnaryNode) bool { return n.Operator == "not" || n.Operator == "!" }

func isOr(op string) bool { return op == "or" || op == "||" }

// maxDoubts bounds the warnings of one file, of which more would add nothing.
const maxDoubts = 20

// overruled warns of conditions in which a missing field overrules a part that does not ask for it, and counts them.
func (r *Rule) overruled() (told int) {
	given := map[string]bool{} // without these the rule does not act anyhow
	for _, c := range r.when {
		for name := range c.sure() {
			given[name] = true
		}
	}
	notMet := diag.Text{EN: "the whole condition is not met, whatever else holds", ZH: "整个条件都不成立，哪怕其他部分成立"}
	var beside diag.Text
	if r.Action == intent.Tags {
		beside = diag.Text{EN: "; while nothing is known of it, the tag stays as it is even so: for that, write a tag rule for each part", ZH: "；还从没有过这个字段的消息时，标签照样保持原样：要管到这种用户，请给每一部分各写一条标签规则"}
	}
	for _, c := range r.when {
		told += c.overruled(given, notMet, beside)
	}
	if r.Action == intent.Tags { // of rules for each part none stops another
		beside = diag.Text{EN: "; while nothing is known of it, the tag stays as it is even so", ZH: "；还从没有过这个字段的消息时，标签照样保持原样"}
	}
	for _, c := range r.unless {
		told += c.overruled(given, diag.Text{EN: "this does not stop the rule, whatever else holds", ZH: "这个条件不会拦下规则，哪怕其他部分成立"}, beside)
	}
	if r.userWhen != nil { // of the profile, where what the event gives says nothing
		told += r.userWhen.overruled(nil, notMet, diag.Text{})
	}
	return told
}

// overruled warns of the first field of a condition that overrules other parts. beside is what its cure does not change.
func (c *condition) overruled(given map[string]bool, then, beside diag.Text) (told int) {
	if !c.branches() {
		return 0
	}
	sure := c.sure()
	for _, name := range c.needs {
		f := c.scope.fields[name]
		if f == nil || f.Required || f.Default != nil || given[name] || sure[name] {
			continue
		}
		tree, err := parser.ParseWithConfig(c.source, grammar())
		if err != nil {
			return 0
		}
		source := []rune(c.source)
		d := &divider{source: source, marks: scan(c.source)}
		clause, from, to, nots := c.clauseWith(d, tree.Node, name, 0, len(source))
		part := string(source[from:to])
		fix := "(has(" + name + ") and " + part + ")"
		hint := diag.Text{EN: "ask has(" + name + ") before it, or write (" + name + " ?? value)", ZH: "请先问 has(" + name + ")，或写 (" + name + " ?? 值)"}
		if nots%2 == 1 { // what is not there must meet it, so that the whole is not met for want of it
			fix = "(not has(" + name + ") or " + part + ")"
		}
		if nots > 0 {
			hint = diag.Text{EN: "write (" + name + " ?? value) wherever it stands, with a value for which that part alone does not decide", ZH: "每处 " + name + " 都写成 (" + name + " ?? 值)，值要让这一部分自己决定不了结果"}
		}
		msg := diag.Text{EN: "without `" + name + "` " + then.EN, ZH: "没有 `" + name + "` 时" + then.ZH}
		told := c.node.WarnAt(c.from+from, c.from+to, "W223", msg, hint)
		alone := nots == 0 || c.times(clause, name) == c.times(tree.Node, name) // behind `not`, has() of one part would free the others from asking
		if _, chooses := clause.(*ast.ConditionalNode); !chooses && alone && again(string(source[:from])+fix+string(source[to:]), c.scope) != nil {
			written := c.node.Inside(fix)
			told.Hint, told.Fix = diag.Text{EN: "write `" + written + "`", ZH: "写成 `" + written + "`"}, fix
		}
		told.Hint.EN, told.Hint.ZH = told.Hint.EN+beside.EN, told.Hint.ZH+beside.ZH
		return 1 // one cure shows the others
	}
	return 0
}

// branches reports whether a condition has parts of which one may hold without another. Of others nothing need be parsed.
func (c *condition) branches() bool {
	for _, m := range scan(c.source) {
		if m.kind != quoted && (isOr(m.text) || m.text == "not" || m.text == "!" || m.text == "?") {
			return true
		}
	}
	return false
}

// sure gives the fields without which a condition cannot hold, were each clause asked by itself.
func (c *condition) sure() map[string]bool {
	if !c.branches() {
		out := map[string]bool{}
		for _, name := range c.needs {
			out[name] = true
		}
		return out
	}
	tree, err := parser.ParseWithConfig(c.source, grammar())
	if err != nil {
		return nil
	}
	return c.surely(tree.Node, false)
}

// surely is sure of a part, or of its negation: there `and` is `or`.
func (c *condition) surely(n ast.Node, negated bool) map[string]bool {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if isNot(n) {
			return c.surely(n.Node, !negated)
		}
	case *ast.ConditionalNode:
		return joined(c.read(n.Cond), common(c.surely(n.Exp1, negated), c.surely(n.Exp2, negated)))
	case *ast.BinaryNode:
		if isLogic(n.Operator) {
			left, right := c.surely(n.Left, negated), c.surely(n.Right, negated)
			if isOr(n.Operator) != negated {
				return common(left, right)
			}
			return joined(left, right)
		}
	}
	return c.read(n)
}

func joined(a, b map[string]bool) map[string]bool {
	for name := range b {
		a[name] = true
	}
	return a
}

func common(a, b map[string]bool) map[string]bool {
	for name := range a {
		if !b[name] {
			delete(a, name)
		}
	}
	return a
}

// read gives the fields whose values a part asks for, not those of has() and changed() and before `??`.
func (c *condition) read(n ast.Node) map[string]bool {
	out := map[string]bool{}
	for _, name := range c.asks(n) {
		out[name] = true
	}
	return out
}

// times counts how often a part asks for the value of a field.
func (c *condition) times(n ast.Node, name string) (times int) {
	for _, asked := range c.asks(n) {
		if asked == name {
			times++
		}
	}
	return times
}

// asks is read by the rune at which each field stands.
func (c *condition) asks(n ast.Node) map[int]string {
	at := map[int]string{}
	ast.Walk(&n, visit(func(n ast.Node) { // parts come before what they are parts of
		switch n := n.(type) {
		case *ast.IdentifierNode:
			if f := c.scope.fields[n.Value]; f != nil {
				at[n.Location().From] = f.Name
			}
		case *ast.CallNode:
			for _, arg := range n.Arguments {
				delete(at, arg.Location().From)
			}
		case *ast.BinaryNode:
			if n.Operator == "??" {
				delete(at, n.Left.Location().From)
			}
		}
	}))
	return at
}

// clauseWith gives the first clause that asks for a field, its runes, and how many `not` it stands behind. What denies one clause is part of
// it. n stands in runes [lo, hi) as in divider.node.
func (c *condition) clauseWith(d *divider, n ast.Node, name string, lo, hi int) (clause ast.Node, from, to, nots int) {
	switch x := n.(type) {
	case *ast.UnaryNode:
		if isNot(x) {
			clause, from, to, nots = c.clauseWith(d, x.Node, name, x.Location().To, hi)
			if _, chooses := clause.(*ast.ConditionalNode); clause != x.Node || chooses {
				return clause, from, to, nots + 1
			}
		}
	case *ast.BinaryNode:
		if isLogic(x.Operator) && d.written(x) {
			at := x.Location()
			if c.read(x.Left)[name] {
				return c.clauseWith(d, x.Left, name, lo, at.From)
			}
			return c.clauseWith(d, x.Right, name, at.To, hi)
		}
	}
	from, to = d.trim(lo, hi)
	return n, from, to, 0
}
