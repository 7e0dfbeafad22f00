package rules

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// Clause is one leaf of a rule's conditions, what stands between `and` and `or`, with what it says of one event.
type Clause struct {
	Kind      string // when, unless or user_when
	Text      string // as the file has it
	File      string
	Line      int
	Column    int       // in runes, from 1
	Value     string    // what it read: 812.00; of several fields each with its name
	Seen      string    // the text with the values in the places of the fields: 812.00 > 500
	Result    bool      // what it says by itself; of unless, too
	Missing   []Missing // fields without which the whole condition is not met
	Decided   bool      // the verdict rests on it
	Overruled bool      // the clauses together would hold, and the condition does not: a field that one of them needs is missing
}

// Missing is a field that a clause needs and that has no usable value.
type Missing struct {
	Field string
	Why   string // missing, null, the raw value that is not of the type, unknown, absent
}

// Label is the text with what stands in square brackets left out, for a column of a table.
func (c *Clause) Label() string { return withoutItems(c.Text) }

// Verdict is what a rule's conditions say of one event. Match is what the compiled conditions say, which the clauses only explain:
// TestClausesAgreeWithTheVerdict holds both to each other.
type Verdict struct {
	Match   bool
	Unsure  bool // tag rules: a condition touches a field that is unknown, so the rule neither gives nor takes
	Always  bool // it has no condition
	Clauses []Clause
}

// Clauses gives the clauses of a rule without an event: what can be covered by tests.
func (r *Rule) Clauses() (out []Clause) {
	for _, c := range r.when {
		out = c.list(out, "when")
	}
	for _, c := range r.unless {
		out = c.list(out, "unless")
	}
	if r.userWhen != nil {
		out = r.userWhen.list(out, "user_when")
	}
	return out
}

// Ask gives the verdict of a push or broadcast rule on a business event, clause by clause. Its mode is no part of it.
func (s *Set) Ask(r *Rule, ev *event.Event) Verdict { return r.explain(eventSource{ev, s.opt.Zone}) }

// AskProfile is Ask for a push on a profile event: before and after read the user's row, see Tags.
func (s *Set) AskProfile(r *Rule, ev intent.EventRef, user string, before, after func(field string) (intent.Value, bool)) Verdict {
	return r.explain(tableSource{after: after, old: before, ev: ev, user: user, table: s.table, zone: s.opt.Zone})
}

// AskTags is Ask for a tag rule on a user's row. What is unsure neither gives nor takes tags, see Tags.
func (s *Set) AskTags(r *Rule, row func(field string) (v intent.Value, known bool)) Verdict {
	src := tableSource{after: row, table: s.table, zone: s.opt.Zone}
	v := r.explain(src)
	got := r.tagVerdict(src, unknownIn(row))
	v.Match, v.Unsure = got == yes, got == unsure
	return v
}

// AskUser explains the user_when of a rule on a user's row, as Meets judges it when the call leaves. A rule without one always matches.
func (s *Set) AskUser(r *Rule, row func(field string) (v intent.Value, known bool)) Verdict {
	if r.userWhen == nil {
		return Verdict{Match: true, Always: true}
	}
	met, clauses := r.userWhen.explain("user_when", tableSource{after: row, table: s.table, zone: s.opt.Zone})
	return Verdict{Match: met, Clauses: clauses}
}

func (r *Rule) explain(src source) Verdict {
	v := Verdict{Match: true, Always: len(r.when)+len(r.unless) == 0}
	ask := func(c *condition, kind string, want bool) {
		got, clauses := c.explain(kind, src)
		if got != want && v.Match {
			v.Match = false
			for i := range v.Clauses { // what was met before did not decide
				v.Clauses[i].Decided = false
			}
		} else if !v.Match {
			for i := range clauses {
				clauses[i].Decided = false
			}
		}
		v.Clauses = append(v.Clauses, clauses...)
	}
	for _, c := range r.when {
		ask(c, "when", true)
	}
	for _, c := range r.unless {
		ask(c, "unless", false)
	}
	return v
}

// logic is a condition divided at and/or.
type logic struct {
	op   string // and, or; "" for a leaf
	kids []*logic
	leaf *leaf
}

// leaf is a clause with a program of its own.
type leaf struct {
	from, to int // runes of the condition
	text     string
	program  *vm.Program
	env      []string
	needs    []string
	reads    []read // by place
}

// read is a place where a clause reads a value.
type read struct {
	from, to int    // runes of the condition
	name     string // city, before.city, event.id
	how      string // has, changed; "" for the value itself
}

// split gives the clauses of a condition.
func (c *condition) split() *logic {
	if l := c.clauses.Load(); l != nil {
		return l
	}
	l := c.divide()
	c.clauses.Store(l)
	return l
}

// divide parses a condition again and compiles each clause by itself. The loader has compiled the whole, so nothing can fail; if it
// does, the condition is its own only clause.
func (c *condition) divide() *logic {
	cfg := language()
	tree, err := parser.ParseWithConfig(c.source, cfg)
	if err != nil {
		return c.single()
	}
	whole := &writer{scope: c.scope, asked: map[string]bool{}}
	whole.findHas(tree.Node)
	d := divider{cond: c, source: []rune(c.source), marks: scan(c.source), asked: whole.asked}
	out := d.node(tree.Node, 0, len(d.source))
	if d.failed {
		return c.single()
	}
	return out
}

func (c *condition) single() *logic {
	return &logic{leaf: &leaf{to: len([]rune(c.source)), text: strings.TrimSpace(c.source), program: c.code(), env: c.env, needs: c.needs}}
}

type divider struct {
	cond   *condition
	source []rune
	marks  []mark
	asked  map[string]bool
	failed bool
}

// node divides what stands in runes [lo, hi), which are bounded by operators and may hold brackets that belong around it.
func (d *divider) node(n ast.Node, lo, hi int) *logic {
	b, ok := n.(*ast.BinaryNode)
	if !ok || !isLogic(b.Operator) || !d.written(b) {
		return &logic{leaf: d.leaf(n, lo, hi)}
	}
	op := "and"
	if b.Operator == "or" || b.Operator == "||" {
		op = "or"
	}
	out, at := &logic{op: op}, b.Location()
	for _, k := range []*logic{d.node(b.Left, lo, at.From), d.node(b.Right, at.To, hi)} {
		if k.op == op { // a and b and c are three clauses side by side
			out.kids = append(out.kids, k.kids...)
		} else {
			out.kids = append(out.kids, k)
		}
	}
	return out
}

// written reports whether the operator stands in the source: expr makes an && of its own for 1 < x < 3.
func (d *divider) written(b *ast.BinaryNode) bool {
	at := b.Location()
	return at.From >= 0 && at.To <= len(d.source) && at.From < at.To && string(d.source[at.From:at.To]) == b.Operator
}

func (d *divider) leaf(n ast.Node, lo, hi int) *leaf {
	l := &leaf{reads: d.reads(n)}
	l.from, l.to = d.trim(lo, hi)
	l.text = string(d.source[l.from:l.to])
	doc := diag.Parse("clause", []byte("c: x")) // where findings would go; the loader has told them
	cfg := language()
	w := newWriter(newWording(doc.Root.Get("c"), string(d.source)), d.cond.scope)
	w.asked = d.asked
	tree := &parser.Tree{Node: w.clause(n)}
	program, err := programOf(tree, w.env, cfg)
	if err != nil || w.bad {
		d.failed = true
		return l
	}
	l.program, l.env, l.needs = program, sortedKeys(w.env), sortedKeys(w.needs)
	return l
}

// reads finds where a clause reads values, before it is rewritten.
func (d *divider) reads(n ast.Node) []read {
	found := map[int]read{}
	fields := d.cond.scope.fields
	ast.Walk(&n, visit(func(n ast.Node) { // parts come before what they are parts of
		switch n := n.(type) {
		case *ast.IdentifierNode:
			if f := fields[n.Value]; f != nil {
				from := n.Location().From
				found[from] = read{from: from, to: from + len([]rune(n.Value)), name: f.Name}
			}
		case *ast.CallNode:
			delete(found, n.Callee.Location().From)
			if callee, ok := n.Callee.(*ast.IdentifierNode); ok && len(n.Arguments) == 1 {
				if r, ok := found[n.Arguments[0].Location().From]; ok {
					r.how = callee.Value
					found[r.from] = r
				}
			}
		case *ast.MemberNode:
			base, _ := n.Node.(*ast.IdentifierNode)
			prop, _ := n.Property.(*ast.StringNode)
			if base == nil || prop == nil {
				return
			}
			name := base.Value + "." + prop.Value
			if f := fields[prop.Value]; f != nil && base.Value == "before" {
				name = "before." + f.Name
			}
			from := base.Location().From
			found[from] = read{from: from, to: max(prop.Location().To, from+1), name: name}
		}
	}))
	out := slices.Collect(maps.Values(found))
	slices.SortFunc(out, func(a, b read) int { return a.from - b.from })
	return out
}

// trim takes away the space and the brackets around what stands in runes [lo, hi).
func (d *divider) trim(lo, hi int) (int, int) {
	for {
		for lo < hi && unicode.IsSpace(d.source[lo]) {
			lo++
		}
		for lo < hi && unicode.IsSpace(d.source[hi-1]) {
			hi--
		}
		var open []int
		from, to, wrapped := lo, hi, false
		for _, m := range d.marks {
			if m.from < lo || m.to > hi || m.kind != sign {
				continue
			}
			switch {
			case m.text == "(":
				open = append(open, m.from)
			case m.text == ")" && len(open) > 0:
				wrapped = wrapped || open[len(open)-1] == lo && m.to == hi
				open = open[:len(open)-1]
			case m.text == ")":
				to = min(to, m.from)
			}
		}
		if len(open) > 0 { // brackets that close further on stand before the clause
			from = open[len(open)-1] + 1
		} else if wrapped {
			from, to = lo+1, hi-1
		}
		if from == lo && to == hi || from >= to {
			return lo, hi
		}
		lo, hi = from, to
	}
}

func (l *logic) leaves(f func(*leaf)) {
	if l.leaf != nil {
		f(l.leaf)
	}
	for _, k := range l.kids {
		k.leaves(f)
	}
}

// list appends a condition's clauses.
func (c *condition) list(out []Clause, kind string) []Clause {
	c.split().leaves(func(l *leaf) {
		line, column := c.node.Place(c.from + l.from)
		out = append(out, Clause{Kind: kind, Text: l.text, File: c.node.File(), Line: line, Column: column})
	})
	return out
}

// explain asks each clause, and marks those that decided what the condition says.
func (c *condition) explain(kind string, src source) (met bool, out []Clause) {
	met = c.holds(src, environment(c.env, src))
	out = c.list(nil, kind)
	at, unmet := map[*leaf]*Clause{}, false
	i := 0
	c.split().leaves(func(l *leaf) {
		x := &out[i]
		at[l] = x
		i++
		x.Missing = l.missing(src)
		x.Result = len(x.Missing) == 0 && run(l.program, environment(l.env, src))
		x.Value, x.Seen = l.values(src), l.seen(src, c.source)
		x.Decided = len(x.Missing) > 0
		unmet = unmet || x.Decided
	})
	if !unmet {
		c.split().decide(at)
	} else if c.split().combined(at) {
		for i := range out {
			out[i].Overruled = true
		}
	}
	return met, out
}

// combined is what the clauses say together: the reference of TestClausesAgreeWithTheVerdict.
func (l *logic) combined(at map[*leaf]*Clause) bool {
	switch l.op {
	case "and":
		return !slices.ContainsFunc(l.kids, func(k *logic) bool { return !k.combined(at) })
	case "or":
		return slices.ContainsFunc(l.kids, func(k *logic) bool { return k.combined(at) })
	}
	return at[l.leaf].Result
}

// decide marks the clauses that what the condition says rests on: of `and` all or the first that is not met, of `or` the first that
// is met or all.
func (l *logic) decide(at map[*leaf]*Clause) {
	if l.leaf != nil {
		at[l.leaf].Decided = true
		return
	}
	got := l.combined(at)
	all := got == (l.op == "and")
	for _, k := range l.kids {
		if all || k.combined(at) == got {
			k.decide(at)
			if !all {
				return
			}
		}
	}
}

// missing gives the fields without which the condition is not met.
func (l *leaf) missing(src source) (out []Missing) {
	for _, name := range l.needs {
		if text, ok := shown(src, name); !ok {
			out = append(out, Missing{Field: name, Why: text})
		}
	}
	return out
}

// WhyZH is why a field has no usable value, Missing.Why, in Chinese.
func WhyZH(en string) string {
	switch {
	case en == "missing" || en == "absent":
		return "没有"
	case en == "unknown":
		return "没有人说过"
	case en == "null":
		return "没有（null）"
	case strings.HasSuffix(en, " is none of its values"):
		return strings.TrimSuffix(en, " is none of its values") + " 不是可选值"
	}
	if value, typ, ok := strings.Cut(en, " is no "); ok && typesZH[typ] != "" {
		return value + " 不是" + typesZH[typ]
	}
	return en
}

var typesZH = map[string]string{"string": "文字", "number": "数字", "bool": "真假值", "time": "时间", "list": "列表"}
