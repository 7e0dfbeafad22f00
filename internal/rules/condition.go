package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/expr-lang/expr"
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
	still   still                      // what it can say while nothing changed; of a push on a profile event
	parts   []simple                   // conjuncts that can be asked without the program
	whole   bool                       // the parts are all of it
	work    amount                     // what it takes on one event, at most
	node    *diag.Node
	from    int // rune of the node's text at which the source begins: see alternatives
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
	hides  map[string]bool         // personal in one of the events
	apart  map[string]diag.Text    // aliases that do not mean one field in all events, and what they mean
	before bool                    // changed(x) and before.x are possible: a push on a profile event
	events []string
	merged bool                  // texts of a merge: first.x, latest.x, list.x, count
	varies map[string]bool       // of a merge: the event's own parts that its events need not share, and "before" where it is not the first one's
	by     map[string][][]filter // what merge.by has, and behind which filters; nil: it cannot be read
	table  bool                  // the profile table alone: user_when
	users  *scope                // the profile table, which the rule may ask in user_when; nil: it is no push
	now    bool                  // ${now} is possible: texts
	user   bool                  // ${user.x} is possible: texts of a push

	indexed bool // an index asks the conditions of these events; what is simple in them needs no program

	guessed bool // the event is unknown, this is one with a name like it: only what is close to a field is one misspelt
	open    bool // the event is unknown, and so are its fields: no name is wrong

	marks bool // as in Options
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
		if alias := s.alias(f); alias != "" {
			out = append(out, f.Name+" ("+alias+")")
		} else {
			out = append(out, f.Name)
		}
	}
	return diag.OneOf("fields", "可用字段", out)
}

// alias gives the second name by which a field may be called here; "" for none.
func (s *scope) alias(f *event.Field) string {
	if _, differs := s.apart[f.Alias]; differs || f.Alias == f.Name {
		return ""
	}
	return f.Alias
}

// misspelt reports whether a name that is no field is a mistake of its own: not where that follows from an unknown event.
func (s *scope) misspelt(name string) bool {
	if _, ok := s.apart[name]; ok {
		return true
	}
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

// truths are what other programs and people write for true and false.
var truths = map[string]string{"True": "true", "TRUE": "true", "yes": "true", "Yes": "true", "YES": "true", "on": "true", "对": "true",
	"False": "false", "FALSE": "false", "no": "false", "No": "false", "NO": "false", "off": "false", "否": "false"}

// userName is what the user of an event is called by those who read the record.
var userName = regexp.MustCompile(`^(?i:uid|user_?id)$`)

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
		if alias := s.alias(f); alias != "" && alias != fix {
			en, zh = en+" ("+alias+", "+string(f.Type)+")", zh+"（"+alias+"）"
		}
		d.Hint, d.Fix = diag.Text{EN: en + "?", ZH: zh + "？"}, fix
	}
	if fix := truths[name]; fix != "" && d.Fix == "" {
		d.Hint, d.Fix = diag.Text{EN: "write `" + fix + "`", ZH: "写成 `" + fix + "`"}, fix
	}
	if userName.MatchString(name) && d.Fix == "" && !s.table { // no cure: behind `first.` or in has() it would be none
		d.Hint = diag.Text{EN: "the event's user is `event.user`", ZH: "事件里的用户是 `event.user`"}
	}
	if h, ok := s.apart[name]; ok {
		d.Message, d.Hint, d.Fix = diag.Text{EN: "`" + name + "` is not the same in all events of `" + ev + "`", ZH: "`" + name + "` 在 `" + ev + "` 这几个事件里含义不同"}, h, ""
	} else if h, ok := elsewhere[name]; ok {
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
	if cutInTwo(n, src) {
		return nil
	}
	text := newWording(n, src)
	text.mend(s)
	tree, w := text.read(s)
	if tree == nil || text.told {
		return nil
	}
	mixed(n, text.marks)
	hidden(n, text.marks)
	constants(w, tree.Node)
	drawn := sketch(tree.Node, s.fields)
	work := workOf(tree.Node, s.fields)
	if !work.check(n, diag.Text{EN: "the condition", ZH: "这个条件"}) {
		return nil
	}
	parts, whole := conjuncts(tree.Node, s.fields) // before expr rewrites the tree
	unmoved := still{met: true, unmet: true}
	if s.before {
		unmoved = stillOf(w, tree.Node)
	}
	c := &condition{source: src, needs: sortedKeys(w.needs), touches: sortedKeys(w.touches),
		env: sortedKeys(w.env), changed: w.changed, still: unmoved, parts: parts, whole: whole, work: work, node: n, scope: s, sketch: drawn}
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
