package rules

import (
	"errors"
	"fmt"
	"regexp"
	pattern "regexp/syntax"
	"slices"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

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
	return w.fail(n, "N213", notUsed(said), hint)
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
			return w.fail(n, "N213", diag.Text{EN: "`%` needs a number other than 0 behind it", ZH: "`%` 后面要写不为 0 的整数"}, diag.Text{EN: "of whole numbers, like `len(items) % 2 == 0`", ZH: "而且只能用于整数，例如 `len(items) % 2 == 0`"})
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
