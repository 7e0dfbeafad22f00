package rules

import (
	"errors"
	"fmt"
	"regexp"
	pattern "regexp/syntax"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// What a condition may be. expr bounds neither processor nor memory, so growth is refused at load (design.md 5).
const (
	maxSource  = 4 << 10 // bytes
	maxNesting = 64      // brackets, seen by a linear scan before the parser
	maxRegex   = 256     // bytes of a constant regular expression
	maxLoops   = 2       // any() inside any()
)

// builtins are the functions a condition may call: none that can grow a value or fail at run time.
var builtins = []string{"all", "none", "any", "one", "count", "filter", "len", "abs", "ceil", "floor", "round", "lower", "upper",
	"trim", "hasPrefix", "hasSuffix", "indexOf", "lastIndexOf", "max", "min"}

var loops = []string{"all", "none", "any", "one", "count", "filter"}

// condition is one expr expression, compiled.
//
// Fields stand in its environment under their names, each always with a value of its type, so that the program can
// neither panic nor fail. What is missing is handled around it:
//   - needs: the fields it mentions anywhere but in has() and before ??; without one of them it is not met, unasked
//   - a field that the condition also asks has() for is no need: each clause of the and/or tree that mentions it is
//     met only if the field is there
//
// Names that no field can have carry the rest: "?city" is has(city), "~city" is changed(city), "before.city" and
// "event.id" are themselves.
type condition struct {
	missing atomic.Int64 // times it was not met because a field it needs was missing
	source  string
	program atomic.Pointer[vm.Program] // nil: it was not made, or let go, see code
	needs   []string                   // fields and before.fields that must be there
	touches []string                   // every field it mentions
	env     []string                   // every environment name it reads
	changed bool                       // it calls changed()
	parts   []simple                   // conjuncts that can be asked without the program
	whole   bool                       // the parts are all of it
	work    amount                     // what it takes on one event, at most
	node    *diag.Node
	scope   *scope
	sketch  simple                // for the question whether it contradicts others; gone once that is answered
	clauses atomic.Pointer[logic] // made when they are first asked for: see clauses.go
}

// machines are reused: one costs an allocation of its stack.
var machines = sync.Pool{New: func() any { return new(vm.VM) }}

// met runs the program.
func (c *condition) met(env map[string]any) bool { return run(c.code(), env) }

// run gives what a program says. An error of it, which the loader's checks should make impossible, is no.
func run(p *vm.Program, env map[string]any) bool {
	m := machines.Get().(*vm.VM)
	defer machines.Put(m)
	out, err := m.Run(p, env)
	if err != nil {
		return false
	}
	ok, isBool := out.(bool)
	return ok && isBool
}

// code gives the program. A condition whose parts are all of it needs none where the index asks it: with the tree that it keeps, the
// program would be the larger half of the rule. It is made when it is asked for all the same: of an event that the index gives up.
func (c *condition) code() *vm.Program {
	if p := c.program.Load(); p != nil {
		return p
	}
	tree, err := parser.ParseWithConfig(c.source, grammar())
	if err != nil { // like what follows, impossible: the loader has compiled it
		return &vm.Program{}
	}
	doc := diag.Parse("condition", []byte("c: x")) // where findings would go; the loader has told them, and others may ask at the same time
	w := newWriter(newWording(doc.Root.Get("c"), c.source), c.scope)
	w.findHas(tree.Node)
	tree.Node = w.clause(tree.Node)
	p, err := programOf(tree, w.env, language())
	if err != nil {
		return &vm.Program{}
	}
	c.program.Store(p)
	return p
}

// scope is what the names of a rule mean.
type scope struct {
	fields map[string]*event.Field // by name and by alias
	list   []*event.Field          // in the order of the catalogue
	before bool                    // changed(x) and before.x are possible: a push on a profile event
	events []string
	merged bool            // texts of a merge: first.x, latest.x, list.x, count
	by     map[string]bool // fields in merge.by; nil: it cannot be read
	table  bool            // the profile table alone: user_when
	users  *scope          // the profile table, which the rule may ask in user_when; nil: it is no push
	now    bool            // ${now} is possible: texts
	user   bool            // ${user.x} is possible: texts of a push

	indexed bool // an index asks the conditions of these events; what is simple in them needs no program

	guessed bool // the event is unknown, this is one with a name like it: only what is close to a field is one misspelt
	open    bool // the event is unknown, and so are its fields: no name is wrong
}

var eventFields = []string{"id", "type", "time", "topic", "user"}

// sortedKeys gives the keys of a map, mostly a small or empty one.
func sortedKeys[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// known gives every name for did-you-mean.
func (s *scope) known() []string { return sortedKeys(s.fields) }

// describe lists the fields as an operator reads them.
func (s *scope) describe() diag.Text {
	var out []string
	for _, f := range s.list {
		if f.Alias != "" && f.Alias != f.Name {
			out = append(out, f.Name+" ("+f.Alias+")")
		} else {
			out = append(out, f.Name)
		}
	}
	return diag.OneOf("fields", "可用字段", out)
}

// misspelt reports whether a name that is no field is a mistake of its own: not where that follows from an unknown event.
func (s *scope) misspelt(name string) bool {
	return !s.open && (!s.guessed || diag.Nearest(name, s.known()) != "")
}

// elsewhere are names that mean something, but not as a field.
var elsewhere = map[string]diag.Text{
	"now":    {EN: "it is there in texts only; conditions have the event's time: `event.time`", ZH: "它只能用在文字里；条件里有事件时间 `event.time`"},
	"count":  {EN: "it is there in texts with `merge` only", ZH: "它只能用在有 `merge` 的文字里"},
	"user":   {EN: "the user's id is `event.user`; the profile is asked in `user_when`", ZH: "用户 ID 是 `event.user`；用户资料请写在 `user_when` 里"},
	"first":  {EN: "it is there in texts with `merge` only", ZH: "它只能用在有 `merge` 的文字里"},
	"latest": {EN: "it is there in texts with `merge` only", ZH: "它只能用在有 `merge` 的文字里"},
	"list":   {EN: "it is there in texts with `merge` only", ZH: "它只能用在有 `merge` 的文字里"},
	"always": {EN: "it stands alone: `when: always`", ZH: "它要单独写：`when: always`"},
}

// unknownField is the finding for a name that is no field.
func (s *scope) unknownField(n *diag.Node, from, to int, name string) {
	if !s.misspelt(name) {
		return
	}
	ev := strings.Join(s.events, ", ")
	d := n.ErrorAt(from, to, "N202", diag.Text{EN: "unknown field `" + name + "` for event `" + ev + "`", ZH: "事件 `" + ev + "` 没有字段 `" + name + "`"}, diag.Text{})
	if fix := diag.Nearest(name, s.known()); fix != "" {
		f := s.fields[fix]
		en, zh := "did you mean `"+fix+"`", "是不是 `"+fix+"`"
		if f.Alias != "" && f.Alias != fix {
			en, zh = en+" ("+f.Alias+", "+string(f.Type)+")", zh+"（"+f.Alias+"）"
		}
		d.Hint, d.Fix = diag.Text{EN: en + "?", ZH: zh + "？"}, fix
	}
	if h, ok := elsewhere[name]; ok {
		d.Hint, d.Fix = h, ""
	}
	d.Note = s.describe()
}

// zero gives a value of a field's type for expr to check against and to run with.
func zero(t event.Type) any {
	switch t {
	case event.Number:
		return 0.0
	case event.Bool:
		return false
	case event.Time:
		return time.Time{}
	case event.List:
		return []string(nil)
	}
	return ""
}

// compile checks one condition and compiles it; nil when there is a mistake, which is then reported.
func compile(n *diag.Node, s *scope) *condition {
	src, ok := n.String()
	if !ok {
		return nil
	}
	if len(src) > maxSource {
		n.Error("N214", diag.Text{EN: fmt.Sprintf("the condition has %d bytes, the most is %d", len(src), maxSource), ZH: fmt.Sprintf("条件有 %d 字节，最多 %d", len(src), maxSource)}, diag.Text{EN: "write it as a list of shorter ones, all of which must hold", ZH: "请拆成列表，每项写一个条件，要全部成立"})
		return nil
	}
	if strings.TrimSpace(src) == "" {
		n.Error("N104", diag.Text{EN: "the condition is empty", ZH: "条件是空的"}, diag.Text{EN: "write `when: always` to act on every event", ZH: "每次都触发请写 `when: always`"})
		return nil
	}
	text := newWording(n, src)
	text.mend(s)
	tree, w := text.read(s)
	if tree == nil || text.told {
		return nil
	}
	mixed(n, text.marks)
	constants(w, tree.Node)
	drawn := sketch(tree.Node, s.fields)
	work := workOf(tree.Node, s.fields)
	if !work.check(n, diag.Text{EN: "the condition", ZH: "这个条件"}) {
		return nil
	}
	parts, whole := conjuncts(tree.Node, s.fields) // before expr rewrites the tree
	c := &condition{source: src, needs: sortedKeys(w.needs), touches: sortedKeys(w.touches),
		env: sortedKeys(w.env), changed: w.changed, parts: parts, whole: whole, work: work, node: n, scope: s, sketch: drawn}
	if whole && s.indexed { // expr finds nothing wrong with it: TestWhatIsSimpleNeedsNoCompiler
		return c
	}
	program, err := programOf(tree, w.env, language())
	if err != nil {
		if !w.checkLeaves(tree) {
			syntax(text, 0, len(text.runes), err)
		}
		return nil
	}
	c.program.Store(program)
	return c
}

// language is what conditions are written in: expr with few functions. Each condition has a copy of its own, for its environment;
// the tables of functions, which nobody changes, are shared.
func language() *conf.Config {
	cfg := *fewFunctions()
	return &cfg
}

var fewFunctions = sync.OnceValue(func() *conf.Config {
	cfg := conf.CreateNew()
	expr.DisableAllBuiltins()(cfg)
	for _, b := range builtins {
		expr.EnableBuiltin(b)(cfg)
	}
	for name := range cfg.Disabled {
		delete(cfg.Builtins, name)
	}
	return cfg
})

// grammar is the language for the parser, which only reads it.
var grammar = sync.OnceValue(language)

// programOf checks and compiles a tree that writer has rewritten, for an environment.
func programOf(tree *parser.Tree, env map[string]any, cfg *conf.Config) (*vm.Program, error) {
	expr.Env(env)(cfg)
	expr.AsBool()(cfg)
	expr.WarnOnAny()(cfg) // `gift ? gift : 1` is a bool only at times
	if _, err := checker.Check(tree, cfg); err != nil {
		return nil, err
	}
	if err := optimizer.Optimize(&tree.Node, cfg); err != nil {
		return nil, err
	}
	return compiler.Compile(tree, cfg)
}

// writer rewrites a parsed condition into one whose names are all in the environment, and reports what is not allowed.
type writer struct {
	text    *wording
	scope   *scope
	leaves  []ast.Node // clauses without a mistake so far
	env     map[string]any
	needs   map[string]bool
	touches map[string]bool
	asked   map[string]bool // fields in has() anywhere in the condition
	seen    map[string]bool // fields mentioned in the clause at hand, outside has() and before ??
	loops   int
	changed bool
	bad     bool
}

func newWriter(text *wording, s *scope) *writer {
	return &writer{text: text, scope: s, env: map[string]any{}, needs: map[string]bool{}, touches: map[string]bool{}, asked: map[string]bool{}}
}

func (w *writer) fail(n ast.Node, code string, msg, hint diag.Text) ast.Node {
	from, to := spanOf(n)
	w.text.error(from, to, code, msg, hint)
	w.bad = true
	return n
}

// unknown reports a name that is no field.
func (w *writer) unknown(from, to int, name string) {
	w.text.told, w.bad = true, true
	from, to = w.text.place(from, to)
	w.scope.unknownField(w.text.node, from, to, name)
}

func spanOf(n ast.Node) (int, int) {
	l := n.Location()
	if m, ok := n.(*ast.MemberNode); ok {
		base, isName := m.Node.(*ast.IdentifierNode)
		if _, dotted := m.Property.(*ast.StringNode); isName && dotted { // expr places it at what stands behind the dot
			l.From = base.Location().From
		}
	}
	return l.From, max(l.To, l.From+1)
}

// findHas collects the fields that the condition asks has() for.
func (w *writer) findHas(root ast.Node) {
	ast.Walk(&root, visit(func(n ast.Node) {
		if c, ok := n.(*ast.CallNode); ok && len(c.Arguments) == 1 {
			callee, _ := c.Callee.(*ast.IdentifierNode)
			arg, _ := c.Arguments[0].(*ast.IdentifierNode)
			if callee != nil && callee.Value == "has" && arg != nil {
				if f := w.scope.fields[arg.Value]; f != nil {
					w.asked[f.Name] = true
				}
			}
		}
	}))
}

type visit func(ast.Node)

func (v visit) Visit(n *ast.Node) { v(*n) }

// clause walks the and/or tree. Each leaf of it that mentions a field asked has() for is met only if the field is there.
func (w *writer) clause(n ast.Node) ast.Node {
	if b, ok := n.(*ast.BinaryNode); ok && isLogic(b.Operator) {
		b.Left, b.Right = w.clause(b.Left), w.clause(b.Right)
		return b
	}
	w.seen = map[string]bool{}
	own := map[string]bool{}
	for f := range w.asked {
		own[f] = mentionsHas(n, w.scope.fields, f)
	}
	out := w.leaf(n)
	for _, f := range sortedKeys(w.seen) {
		if !w.asked[f] {
			w.needs[f] = true
		} else if !own[f] {
			out = with(&ast.BinaryNode{Operator: "and", Left: with(w.ident("?"+f, false), n), Right: out}, n)
		}
	}
	return out
}

func mentionsHas(n ast.Node, fields map[string]*event.Field, name string) (found bool) {
	sub := &writer{scope: &scope{fields: fields}, asked: map[string]bool{}}
	sub.findHas(n)
	return sub.asked[name]
}

func isLogic(op string) bool { return op == "and" || op == "or" || op == "&&" || op == "||" }

// with gives a new node the place of an old one.
func with[N ast.Node](n N, old ast.Node) N {
	n.SetLocation(old.Location())
	return n
}

func (w *writer) ident(name string, zero any) *ast.IdentifierNode {
	w.env[name] = zero
	return &ast.IdentifierNode{Value: name}
}

func (w *writer) expr(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode:
		return n
	case *ast.PointerNode:
		return n
	case *ast.IdentifierNode:
		if w.isNothing(n) {
			return w.failNothing(n, nil, "")
		}
		return w.field(n, true)
	case *ast.UnaryNode:
		n.Node = w.expr(n.Node)
		return n
	case *ast.ConditionalNode:
		n.Cond, n.Exp1, n.Exp2 = w.expr(n.Cond), w.expr(n.Exp1), w.expr(n.Exp2)
		return n
	case *ast.ArrayNode:
		for i := range n.Nodes {
			n.Nodes[i] = w.expr(n.Nodes[i])
		}
		return n
	case *ast.PredicateNode:
		n.Node = w.expr(n.Node)
		return n
	case *ast.BinaryNode:
		return w.binary(n)
	case *ast.MemberNode:
		return w.member(n)
	case *ast.CallNode:
		return w.call(n)
	case *ast.BuiltinNode:
		if !slices.Contains(builtins, n.Name) { // the parser knows some functions that cannot be disabled
			return w.fail(n, "N213", diag.Text{EN: "`" + n.Name + "` is not available in conditions", ZH: "条件里不能用 `" + n.Name + "`"}, diag.OneOf("functions", "可用函数", builtins))
		}
		if slices.Contains(loops, n.Name) {
			if w.loops++; w.loops > maxLoops {
				return w.fail(n, "N214", diag.Text{EN: "loops inside loops inside loops", ZH: "循环嵌套太深"}, diag.Text{EN: "at most two", ZH: "最多两层"})
			}
			defer func() { w.loops-- }()
		}
		for i := range n.Arguments {
			n.Arguments[i] = w.expr(n.Arguments[i])
		}
		return n
	case *ast.NilNode:
		return w.failNothing(n, nil, "")
	}
	return w.fail(n, "N213", diag.Text{EN: "this is not part of a condition", ZH: "条件里不能这样写"}, diag.Text{EN: "compare fields with values, join them with and, or, not", ZH: "请用字段和值比较，再用 and、or、not 连接"})
}

// nothings are the words of other languages for a field that is not there; expr has nil.
var nothings = []string{"null", "NULL", "Null", "None", "undefined"}

// isNothing reports whether a node stands for nothing at all.
func (w *writer) isNothing(n ast.Node) bool {
	if id, ok := n.(*ast.IdentifierNode); ok {
		return w.scope.fields[id.Value] == nil && slices.Contains(nothings, id.Value)
	}
	_, ok := n.(*ast.NilNode)
	return ok
}

// failNothing reports it; f is the field that it is compared with, nil for none. In quotation marks it would be a text like any other, which
// a field that is not there never equals.
func (w *writer) failNothing(n ast.Node, f *event.Field, operator string) ast.Node {
	said := "nil"
	if id, ok := n.(*ast.IdentifierNode); ok {
		said = id.Value
	}
	hint := diag.Text{EN: "write has(field) or not has(field)", ZH: "请写 has(字段) 或 not has(字段)"}
	switch {
	case f == nil:
	case operator == "==":
		hint = diag.Text{EN: "instead of the comparison write `not has(" + f.Name + ")`", ZH: "整个比较改成 `not has(" + f.Name + ")`"}
	case operator == "!=":
		hint = diag.Text{EN: "instead of the comparison write `has(" + f.Name + ")`", ZH: "整个比较改成 `has(" + f.Name + ")`"}
	}
	return w.fail(n, "N213", diag.Text{EN: "`" + said + "` is not used in conditions", ZH: "条件里不用 `" + said + "`"}, hint)
}

// field resolves a name or alias.
func (w *writer) field(n *ast.IdentifierNode, touch bool) ast.Node {
	f := w.scope.fields[n.Value]
	if f == nil {
		from, _ := spanOf(n)
		w.unknown(from, from+len([]rune(n.Value)), n.Value)
		return n
	}
	w.touches[f.Name] = true
	if touch {
		w.seen[f.Name] = true
	}
	return with(w.ident(f.Name, zero(f.Type)), n)
}

func (w *writer) binary(n *ast.BinaryNode) ast.Node {
	switch n.Operator {
	case "??":
		id, ok := n.Left.(*ast.IdentifierNode)
		if !ok || w.scope.fields[id.Value] == nil {
			if ok {
				return w.field(id, false)
			}
			return w.fail(n, "N213", diag.Text{EN: "`??` stands behind a field", ZH: "`??` 要紧跟在字段后面"}, diag.Text{EN: "write (field ?? value)", ZH: "请写 (字段 ?? 值)"})
		}
		f := w.scope.fields[id.Value]
		if !fits(f.Type, n.Right) {
			return w.fail(n.Right, "N204", mismatch(f), diag.Text{EN: "the replacement must be a " + string(f.Type), ZH: "替代值的类型要和字段一致"})
		}
		left := w.field(id, false)
		right := w.expr(n.Right)
		if i, ok := right.(*ast.IntegerNode); ok && f.Type == event.Number {
			right = with(&ast.FloatNode{Value: float64(i.Value)}, i)
		}
		return with(&ast.ConditionalNode{Ternary: true, Cond: with(w.ident("?"+f.Name, false), n), Exp1: left, Exp2: right}, n)
	case "..", "|":
		return w.fail(n, "N213", diag.Text{EN: "`" + n.Operator + "` is not used in conditions", ZH: "条件里不用 `" + n.Operator + "`"}, diag.Text{EN: "a range is `x >= 1 and x <= 9`", ZH: "范围请写 `x >= 1 and x <= 9`"})
	case "%":
		if i, ok := n.Right.(*ast.IntegerNode); !ok || i.Value == 0 {
			return w.fail(n, "N213", diag.Text{EN: "`%` needs a number other than 0 behind it", ZH: "`%` 后面要写不为 0 的整数"}, diag.Text{EN: "like `amount % 100 == 0`", ZH: "例如 `amount % 100 == 0`"})
		}
	case "matches":
		s, ok := n.Right.(*ast.StringNode)
		if !ok {
			return w.fail(n, "N213", diag.Text{EN: "`matches` needs a pattern in quotation marks", ZH: "`matches` 后面要写带引号的表达式"}, diag.Text{EN: "like `city matches \"^北\"`", ZH: "例如 `city matches \"^北\"`"})
		}
		if len(s.Value) > maxRegex {
			return w.fail(n, "N214", diag.Text{EN: fmt.Sprintf("the pattern has more than %d bytes", maxRegex), ZH: fmt.Sprintf("表达式超过 %d 字节", maxRegex)}, diag.Text{EN: "write a shorter one, or several conditions", ZH: "请写短一些，或拆成几个条件"})
		}
		if _, err := regexp.Compile(s.Value); err != nil {
			if wrong, ok := errors.AsType[*pattern.Error](err); ok {
				switch wrong.Code {
				case pattern.ErrInvalidRepeatSize, pattern.ErrLarge: // the same at the end: a{1001} and (a{500}){500}
					return w.fail(n.Right, "N214", diag.Text{EN: "the pattern repeats too often: `" + wrong.Expr + "`", ZH: "表达式重复的次数太多：`" + wrong.Expr + "`"},
						diag.Text{EN: "at most 1000 times, repeats inside each other multiplied; `*` and `+` have no such limit", ZH: "最多 1000 次，嵌套的重复要相乘；`*` 和 `+` 没有这个限制"})
				case pattern.ErrInvalidPerlOp:
					return w.fail(n.Right, "N209", diag.Text{EN: "patterns have no `" + wrong.Expr + "`", ZH: "表达式里不能用 `" + wrong.Expr + "`"},
						diag.Text{EN: "there is no looking ahead or behind; write several conditions", ZH: "不支持前后断言，请拆成几个条件"})
				}
			}
			return w.fail(n.Right, "N209", diag.Text{EN: "the pattern is no regular expression", ZH: "这不是正确的正则表达式"}, diag.Text{EN: "a mark with a meaning of its own, like ( or *, has a backslash before it", ZH: "( * 这类有特殊含义的符号前要加反斜杠"})
		}
	}
	if w.compare(n) {
		return n
	}
	n.Left, n.Right = w.expr(n.Left), w.expr(n.Right)
	return n
}

// member resolves before.x and event.x, the only dots there are.
func (w *writer) member(n *ast.MemberNode) ast.Node {
	base, _ := n.Node.(*ast.IdentifierNode)
	prop, _ := n.Property.(*ast.StringNode)
	if base == nil || prop == nil || n.Optional {
		return w.fail(n, "N213", diag.Text{EN: "a list has no numbered items here", ZH: "这里不能用下标"}, diag.Text{EN: "write `\"x\" in items` or `any(items, # == \"x\")`", ZH: "请写 `\"x\" in items` 或 `any(items, # == \"x\")`"})
	}
	switch base.Value {
	case "event":
		if w.scope.table {
			return w.fail(n, "N533", diag.Text{EN: "`user_when` asks the profile table, which has no `event`", ZH: "`user_when` 问的是用户资料，里面没有 `event`"}, diag.Text{EN: "what the event says is asked in `when`", ZH: "事件里的内容请写在 `when` 里"})
		}
		if slices.Contains(eventFields, prop.Value) && prop.Value != "user" {
			var z any = ""
			if prop.Value == "time" {
				z = time.Time{}
			}
			return with(w.ident("event."+prop.Value, z), n)
		}
		if prop.Value == "user" {
			return with(w.ident("event.user", ""), n)
		}
		return w.fail(prop, "N202", diag.Text{EN: "`event` has no `" + prop.Value + "`", ZH: "`event` 没有 `" + prop.Value + "`"}, diag.OneOf("it has", "它有", eventFields))
	case "before":
		if !w.scope.before {
			return w.fail(n, "N213", diag.Text{EN: "`before` is only there in a push on a profile event", ZH: "`before` 只能用在用户资料事件的 push 规则里"}, diag.Text{EN: "remove it: other events have no value before", ZH: "请删掉：其他事件没有之前的值"})
		}
		f := w.scope.fields[prop.Value]
		if f == nil {
			from, to := spanOf(prop)
			w.unknown(from, to, prop.Value)
			return n
		}
		w.needs["before."+f.Name], w.touches[f.Name] = true, true
		return with(w.ident("before."+f.Name, zero(f.Type)), n)
	case "user":
		return w.profile(n, prop.Value)
	}
	return w.fail(n, "N213", diag.Text{EN: "`" + base.Value + "." + prop.Value + "`: a field has no parts", ZH: "`" + base.Value + "." + prop.Value + "`：字段没有下一级"},
		diag.Text{EN: "declare the path in events.yaml and use the field's name", ZH: "请在 events.yaml 里声明路径，这里写字段名"})
}

// profile says where user.x, the profile table as texts have it, is asked.
func (w *writer) profile(n ast.Node, field string) ast.Node {
	msg := diag.Text{EN: "conditions have no `user." + field + "`", ZH: "条件里不能写 `user." + field + "`"}
	users := w.scope.users
	switch {
	case w.scope.table || !w.scope.indexed && w.scope.fields[field] != nil: // the event is the profile
		return w.fail(n, "N213", msg, diag.Text{EN: "write `" + field + "`", ZH: "请写 `" + field + "`"})
	case users == nil:
		return w.fail(n, "N213", msg, diag.Text{EN: "only a `push` asks the profile, in `user_when`; a broadcast narrows its audience by tags", ZH: "只有 `push` 能用 `user_when` 问用户资料；人群推送请用标签缩小人群"})
	}
	hint := diag.Text{EN: "ask the profile in `user_when`, where it is `" + field + "`", ZH: "用户资料请写在 `user_when` 里，那里写 `" + field + "`"}
	if users.fields[field] == nil && !users.open {
		hint = diag.Text{EN: "the profile is asked in `user_when`, and has no `" + field + "`", ZH: "用户资料请写在 `user_when` 里，而且里面没有 `" + field + "`"}
	}
	w.fail(n, "N213", msg, hint)
	return n
}

func (w *writer) call(n *ast.CallNode) ast.Node {
	callee, _ := n.Callee.(*ast.IdentifierNode)
	if callee == nil {
		return w.fail(n, "N213", diag.Text{EN: "this cannot be called", ZH: "这里不能调用函数"}, diag.Text{EN: "write a function like len(items) or has(city)", ZH: "请写 len(items)、has(city) 这样的函数"})
	}
	if callee.Value != "has" && callee.Value != "changed" {
		known := append(slices.Clone(builtins), "has", "changed")
		hint, _ := diag.DidYouMean(callee.Value, known)
		if hint.EN == "" {
			hint = diag.OneOf("functions", "可用函数", known)
		}
		if _, exists := builtin.Index[callee.Value]; exists {
			return w.fail(n, "N213", diag.Text{EN: "`" + callee.Value + "` is not available in conditions", ZH: "条件里不能用 `" + callee.Value + "`"}, hint)
		}
		return w.fail(n, "N213", diag.Text{EN: "unknown function `" + callee.Value + "`", ZH: "没有函数 `" + callee.Value + "`"}, hint)
	}
	arg, ok := (*ast.IdentifierNode)(nil), len(n.Arguments) == 1
	if ok {
		arg, ok = n.Arguments[0].(*ast.IdentifierNode)
	}
	if !ok {
		return w.fail(n, "N213", diag.Text{EN: callee.Value + "() takes the name of one field", ZH: callee.Value + "() 里写一个字段名"}, diag.Text{EN: "like has(city)", ZH: "例如 has(city)"})
	}
	prefix := "?"
	if callee.Value == "changed" {
		if !w.scope.before {
			return w.fail(n, "N213", diag.Text{EN: "changed() is only there in a push on a profile event", ZH: "changed() 只能用在用户资料事件的 push 规则里"}, diag.Text{EN: "in other rules remove it: each event is one by itself", ZH: "其他规则请删掉：每个事件本来就是一次"})
		}
		prefix, w.changed = "~", true
	}
	if w.field(arg, false); w.scope.fields[arg.Value] == nil {
		return n
	}
	return with(w.ident(prefix+w.scope.fields[arg.Value].Name, false), n)
}

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
