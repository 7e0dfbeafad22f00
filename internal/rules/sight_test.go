package rules

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// seenTypes are all types of values that a condition works on. time.Time has methods and hidden fields, so that nothing reaches them is
// tested below; the others have none.
var seenTypes = map[event.Type]reflect.Type{event.String: reflect.TypeFor[string](), event.Number: reflect.TypeFor[float64](), event.Bool: reflect.TypeFor[bool](),
	event.Time: reflect.TypeFor[time.Time](), event.List: reflect.TypeFor[[]string]()}

// What a condition is checked against is what it runs with, whatever the event has: known, missing, null or ill-typed.
func TestAConditionSeesPlainValuesOnly(t *testing.T) {
	for typ, want := range seenTypes {
		if got := reflect.TypeOf(zero(typ)); got != want {
			t.Errorf("%s is checked as %v, want %v", typ, got, want)
		}
		if want != reflect.TypeFor[time.Time]() && (want.NumMethod() > 0 || reflect.PointerTo(want).NumMethod() > 0) {
			t.Errorf("%v has methods", want)
		}
	}
	full := map[string]event.Value{"city": known(event.String, "北京"), "level": known(event.String, "vip"), "amount": known(event.Number, "500.5"), "gift": known(event.Bool, "true"),
		"items": {State: event.Known, Type: event.List, List: []string{"a"}}, "at": known(event.Time, "2026-11-21T03:00:00Z")}
	bad := map[string]event.Value{}
	for name, v := range full {
		bad[name] = event.Value{State: event.Bad, Type: v.Type, Str: "x"}
	}
	row := map[string]intent.Value{"city": {Type: event.String, Str: "a"}, "amount": {Type: event.Number, Str: "1"}, "gift": {Type: event.Bool, Str: "true"}, "at": {Type: event.Time, Str: "2026-11-21T03:00:00Z"}, "items": {Type: event.List, List: []string{"a"}}}
	get := func(name string) (intent.Value, bool) { v, ok := row[name]; return v, ok }
	table := map[string]*event.Field{}
	for _, f := range testSpec().Fields {
		table[f.Name] = &f
	}
	nobody := func(string) (intent.Value, bool) { return intent.Value{}, false }
	var names []string
	for _, f := range testSpec().Fields {
		names = append(names, f.Name, "?"+f.Name, "~"+f.Name, "before."+f.Name)
	}
	for _, p := range eventFields {
		names = append(names, "event."+p)
	}
	for where, src := range map[string]source{"event": eventSource{ev(full), time.UTC}, "empty event": eventSource{ev(nil), time.UTC}, "ill-typed event": eventSource{ev(bad), time.UTC},
		"row": tableSource{after: get, old: get, table: table, zone: time.UTC}, "no row": tableSource{after: nobody, table: table, zone: time.UTC}} {
		for name, v := range environment(names, src) {
			want := reflect.TypeFor[string]()
			switch prefix, field, dotted := strings.Cut(name, "."); {
			case name == "event.time":
				want = seenTypes[event.Time]
			case prefix == "event":
			case name[0] == '?' || name[0] == '~':
				want = seenTypes[event.Bool]
			case dotted && strings.HasPrefix(where, "row"), !dotted:
				if !dotted {
					field = name
				}
				want = seenTypes[table[field].Type]
			default: // an event has no before, and no condition on one may ask it
				continue
			}
			if got := reflect.TypeOf(v); got != want {
				t.Errorf("%s: %s is %v, want %v", where, name, got, want)
			}
		}
	}
}

// The functions of a condition, all of them. Whoever adds one says here why it can neither grow a value without a bound, nor fail, nor
// see anything but its arguments.
const enabled = "abs all any ceil count filter floor hasPrefix hasSuffix indexOf lastIndexOf len lower max min none one round trim upper"

func TestTheFunctionsOfConditions(t *testing.T) {
	names := slices.Sorted(maps.Keys(language().Builtins))
	if got := strings.Join(names, " "); got != enabled {
		t.Errorf("enabled (-want +got):\n%s", cmp.Diff(strings.Fields(enabled), names))
	}
	if f := language().Functions; len(f) > 0 {
		t.Errorf("functions of ours: %v", f)
	}
	if len(builtin.Builtins) < 60 {
		t.Fatalf("expr has only %d functions", len(builtin.Builtins))
	}
	args := []string{"", "city", "amount", "items", "at", "city, city", "items, city", "items, 1", "amount, amount", "items, # == \"a\"", "items, #", "items, #acc", "items, #acc + #, \"\"", "city, city, city", "city, 1, 2"}
	for _, b := range builtin.Builtins {
		for _, a := range args {
			for _, src := range []string{b.Name + "(" + a + ")", b.Name + "(" + a + ") == city", b.Name + "(" + a + ") > 0", "len(" + b.Name + "(" + a + ")) > 0", "city | " + b.Name + "(" + a + ")"} {
				if c, _ := compileText(t, src); c != nil && !slices.Contains(names, b.Name) {
					t.Errorf("%s is accepted", src)
				}
			}
		}
	}
}

// Nothing of a value but the value is in reach: no method, no hidden field, no part, no other name.
func TestAConditionReachesNoMethodsAndNoHiddenFields(t *testing.T) {
	var tails []string
	for _, typ := range []reflect.Type{reflect.TypeFor[time.Time](), reflect.TypeFor[*time.Time](), reflect.TypeFor[*event.Event]()} {
		for i := range typ.NumMethod() {
			tails = append(tails, typ.Method(i).Name)
		}
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		for i := range typ.NumField() {
			tails = append(tails, typ.Field(i).Name)
		}
	}
	if len(tails) < 60 {
		t.Fatalf("only %d names", len(tails))
	}
	for _, tail := range tails {
		for _, of := range []string{"at", "event.time", "event", "city", "items", "$env"} {
			for _, src := range []string{of + "." + tail + " == 1", of + "." + tail + "() == 1", of + "." + tail + "(1) == 1", of + "?." + tail + " == 1", of + `["` + tail + `"] == 1`, of + `["` + tail + `"]() == 1`, of + "." + tail + "()", of + "." + tail} {
				if c, _ := compileText(t, src); c != nil {
					t.Errorf("%s is accepted", src)
				}
			}
		}
	}
	for _, name := range []string{"$env", "env", "os", "print", "println", "panic", "new", "make", "string", "self", "this", "__proto__", "nil", "user", "now", "count", "list", "first", "latest"} {
		for _, src := range []string{name, name + " == city", name + "() == city", name + "(city) == city", name + `["city"] == city`, name + ".city == city"} {
			if c, _ := compileText(t, src); c != nil && name != "count" {
				t.Errorf("%s is accepted", src)
			}
		}
	}
}

// What is no condition cannot be one: the result is a bool, and a program that gives none is refused when it is loaded.
func TestAConditionIsABool(t *testing.T) {
	for _, src := range []string{"1", `"x"`, "amount", "city", "items", "at", "amount + 1", "len(items)", "[gift]", "filter(items, # == \"a\")", "gift ? 1 : 2", "gift ? gift : 1", "nil", "amount ?? 1"} {
		if c, l := compileText(t, src); c != nil || l.Errors() == 0 {
			t.Errorf("%s is accepted", src)
		}
	}
	c, _ := compileText(t, "gift")
	if got := c.code().Node().Type(); got != reflect.TypeFor[bool]() {
		t.Errorf("a condition is a %v", got)
	}
}

// Every kind of node that expr's parser makes, with a condition that has it, and whether that loads. A kind that a new release adds is
// missing here, and what the writer does not know it refuses.
func TestThePartsOfAConditionAreAClosedSet(t *testing.T) {
	for kind, c := range map[string]struct {
		src string
		ok  bool
	}{
		"NilNode": {"city == nil", false}, "IdentifierNode": {"gift", true}, "IntegerNode": {"amount > 1", true}, "FloatNode": {"amount > 1.5", true}, "BoolNode": {"gift == true", true}, "StringNode": {`city == "a"`, true},
		"BytesNode": {`b"a" == city`, false}, "UnaryNode": {"not gift", true}, "BinaryNode": {"gift and gift", true}, "ChainNode": {"city?.x == 1", false}, "MemberNode": {"event.id == city", true}, "SliceNode": {"items[0:1] == items", false},
		"CallNode": {"has(city)", true}, "BuiltinNode": {"len(items) > 1", true}, "PredicateNode": {`any(items, # == "a")`, true}, "PointerNode": {`any(items, # == "a")`, true}, "ConditionalNode": {"gift ? gift : not gift", true},
		"VariableDeclaratorNode": {"let x = gift; x", false}, "SequenceNode": {"gift; gift", false}, "ArrayNode": {`city in ["a"]`, true}, "MapNode": {`{"a": 1} == 1`, false}, "PairNode": {`{"a": 1}.a == 1`, false},
	} {
		if got, _ := compileText(t, c.src); (got != nil) != c.ok {
			t.Errorf("%s: %s: accepted %t, want %t", kind, c.src, got != nil, c.ok)
		}
	}
	w := newWriter(newWording(diag.Parse("c", []byte("c: x")).Root.Get("c"), "x"), scopeOf([]*event.Spec{testSpec()}))
	if w.expr(&strange{}); !w.bad {
		t.Error("a node that the writer does not know passes")
	}
}

// strange is a kind of node that expr does not have yet.
type strange struct{ ast.NilNode }

func (*strange) String() string { return "strange" }
