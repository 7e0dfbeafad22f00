package rules

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/expr-lang/expr/vm"
	"pgregory.net/rapid"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// testSpec has a field of each type.
func testSpec() *event.Spec {
	return event.NewSpec(event.Spec{Name: "e", Kind: event.Business, Topics: []string{"t"}, User: "u", Fields: []event.Field{
		{Name: "city", Alias: "城市", Path: "city", Type: event.String},
		{Name: "level", Path: "level", Type: event.String, Values: []string{"normal", "vip", "svip"}},
		{Name: "amount", Alias: "金额", Path: "amount", Type: event.Number},
		{Name: "gift", Path: "gift", Type: event.Bool},
		{Name: "items", Path: "items", Type: event.List},
		{Name: "at", Path: "at", Type: event.Time},
	}})
}

func known(t event.Type, s string) event.Value {
	v, ok := event.Parse(t, s)
	if !ok {
		panic(s)
	}
	return v
}

// ev makes an event of testSpec; a field that is not named is missing.
func ev(fields map[string]event.Value) *event.Event {
	s := testSpec()
	e := &event.Event{Spec: s, ID: "id-1", User: "u-1", Time: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), Pos: event.Position{Topic: "t", Partition: 1, Offset: 9}, Values: make([]event.Value, len(s.Fields))}
	for name, v := range fields {
		i, ok := s.Index(name)
		if !ok {
			panic(name)
		}
		e.Values[i] = v
	}
	return e
}

func compileText(t interface{ Fatalf(string, ...any) }, src string) (*condition, diag.List) {
	return compileFor(src, testSpec())
}

func compileFor(src string, spec *event.Spec) (*condition, diag.List) {
	d := diag.Parse("c", []byte("c: '"+strings.ReplaceAll(src, "'", "''")+"'"))
	return compile(d.Root.Get("c"), scopeOf([]*event.Spec{spec})), d.List
}

func verdictOf(t interface{ Fatalf(string, ...any) }, src string, e *event.Event) bool {
	c, l := compileText(t, src)
	if c == nil {
		t.Fatalf("%s: %s", src, show(l))
	}
	s := eventSource{e, time.UTC}
	return c.holds(s, environment(c.env, s))
}

// A program that was let go is made again while events are evaluated, by whoever asks first: nothing is found in the file once more.
func TestAProgramThatIsMadeAgainFindsNothing(t *testing.T) {
	spec := testSpec()
	for i := range spec.Fields {
		if f := &spec.Fields[i]; f.Name == "amount" {
			f.Scale = "0.01"
		}
	}
	d := diag.Parse("c", []byte("c: amount == 500.5 and gift"))
	c := compile(d.Root.Get("c"), scopeOf([]*event.Spec{spec}))
	if c == nil || codes(d.List) != "W218" {
		t.Fatal(show(d.List))
	}
	env := map[string]any{"amount": 500.5, "gift": true}
	c.program.Store(nil)
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			if !c.met(env) {
				t.Error("it is not met")
			}
		})
	}
	asking.Wait()
	if codes(d.List) != "W218" {
		t.Errorf("found again: %s", show(d.List))
	}
}

func TestVerdicts(t *testing.T) {
	full := map[string]event.Value{"city": known(event.String, "北京"), "level": known(event.String, "vip"), "amount": known(event.Number, "500.5"), "gift": known(event.Bool, "true"),
		"items": {State: event.Known, Type: event.List, List: []string{"a", "bb"}}, "at": known(event.Time, "2026-11-21T03:00:00Z")}
	without := func(names ...string) map[string]event.Value {
		m := map[string]event.Value{}
		for k, v := range full {
			if !slices.Contains(names, k) {
				m[k] = v
			}
		}
		return m
	}
	bad := without("amount")
	bad["amount"] = event.Value{State: event.Bad, Type: event.Number, Str: `"x"`}
	for _, c := range []struct {
		src  string
		ev   map[string]event.Value
		want bool
	}{
		{"amount > 500", full, true}, {"amount > 500.5", full, false}, {`金额 > 500 and 城市 == "北京"`, full, true}, {`level in ["vip", "svip"]`, full, true}, {`level not in ["vip"]`, full, false},
		{"gift", full, true}, {"not gift", full, false}, {`"a" in items`, full, true}, {`any(items, # == "bb")`, full, true}, {"len(items) == 2", full, true}, {`all(items, len(#) > 1)`, full, false},
		{`city startsWith "北"`, full, true}, {`city matches "^北.$"`, full, true}, {`lower(level) == "vip"`, full, true}, {"amount >= 100 and amount < 600", full, true}, {"at == event.time", full, true},
		{`event.user == "u-1" and event.type == "e"`, full, true}, {"amount * 2 > 1000 ? gift : not gift", full, true},
		// a missing field, unless asked for, is not met in any form
		{`city == "x"`, nil, false}, {`city != "x"`, nil, false}, {`not (city == "x")`, nil, false}, {`city == "x" or level == "vip"`, without("city"), false}, {`level == "vip" or city == "x"`, without("city"), false},
		{"amount > 0", bad, false}, {"amount <= 0", bad, false}, {"not gift", nil, false}, {`"a" not in items`, nil, false},
		// has() and ??
		{"has(city)", nil, false}, {"not has(city)", nil, true}, {"has(city)", full, true}, {`not has(city) or city == "x"`, nil, true}, {`not has(city) or city == "北京"`, full, true}, {`not has(city) or city == "x"`, full, false},
		{`has(city) and city != "x"`, nil, false}, {`has(city) or city != "x"`, nil, false}, {`not (has(city) and city == "x")`, nil, true}, {"(amount ?? 0) > 500", nil, false}, {"(amount ?? 0) > 500", full, true}, {"(amount ?? 0) == 0", nil, true},
		{"(amount ?? 0) == 0", bad, true}, {`(city ?? "无") == "无"`, nil, true}, {"(gift ?? false) or has(level)", full, true}, {"has(amount) ? amount > 1 : true", nil, true}, {"has(金额)", bad, false},
	} {
		if got := verdictOf(t, c.src, ev(c.ev)); got != c.want {
			t.Errorf("%s: got %t, want %t", c.src, got, c.want)
		}
	}
}

// expr cannot bound what runs, so growth and failure are refused at load.
func TestDangerousConditionsAreRefused(t *testing.T) {
	for _, src := range []string{
		`repeat("a", 1000000) == city`, `len(1..100000000) > 1`, `reduce(items, #acc + #, "") == ""`, `items[5] == "a"`, `items[0:2] == items`, `city matches level`, `city matches "` + strings.Repeat("a", 257) + `"`, `city matches "("`,
		`toJSON(items) == ""`, `split(city, "") == items`, `any(items, any(items, any(items, # == "a")))`, strings.Repeat("(", 65) + "gift" + strings.Repeat(")", 65), "gift" + strings.Repeat(" and gift", 1000), `let x = 1; gift`, `{"a": 1} == nil`, `city == nil`, `now() > at`,
		`amount % 0 == 1`, `amount % 2 == 0`, `len(city) % len(level) == 0`, `gift; gift`, `$env == city`, `city.name == "x"`, `event.secret == "x"`, `user.city == "x"`, `before.city == "x"`, `changed(city)`, `get(items, 0) == "a"`, `amount`, `city`, `1 + 1`, `"x"`, ``, ` `, `(amount ?? "x") > 1`, `(len(city) ?? 1) > 1`,
		`any(items, any(items, lower(#) == "a"))`, `city` + strings.Repeat(" + city", 100) + ` == "x"`, `city matches "(?:[a-z0-9]x?){900}"`, `any(items, any(items, # matches "a.*b"))`,
		`has("city")`, `has()`, `has(nope)`, `nope ?? 1 == 1`, `map(items, # + #) == items`, `join(items, city) == city`, `concat(items, items) == items`, `sort(items) == items`, `duration("1h") > duration("2h")`, `amount == gift`, `amount + city == ""`, `items == "a"`, `at > 5`, `gift > 1`, `city > 1`,
	} {
		if c, l := compileText(t, src); c != nil || l.Errors() == 0 {
			t.Errorf("%.60s is accepted", src)
		}
	}
}

// term is a condition with its documented meaning: the reference that the compiled one is held to.
type term struct {
	src     string
	op      string // and, or, not, leaf
	kids    []*term
	mention string // leaf: the field it reads outside has() and ??
	has     string // leaf: the field it asks has() for
	eval    func(get func(string) (event.Value, bool)) bool
}

func genTerm(depth int) *rapid.Generator[*term] {
	return rapid.Custom(func(t *rapid.T) *term {
		kind := rapid.IntRange(0, 9).Draw(t, "kind")
		if depth > 0 && kind < 5 {
			op := []string{"and", "or", "and", "or", "not"}[kind]
			a := genTerm(depth-1).Draw(t, "a")
			if op == "not" {
				return &term{src: "not (" + a.src + ")", op: op, kids: []*term{a}}
			}
			b := genTerm(depth-1).Draw(t, "b")
			return &term{src: "(" + a.src + ") " + op + " (" + b.src + ")", op: op, kids: []*term{a, b}}
		}
		leaf := func(src, mention, has string, eval func(func(string) (event.Value, bool)) bool) *term {
			return &term{src: src, op: "leaf", mention: mention, has: has, eval: eval}
		}
		type getter = func(string) (event.Value, bool)
		val := func(g getter, n string) event.Value { v, _ := g(n); return v }
		n := float64(rapid.IntRange(-2, 2).Draw(t, "n"))
		s := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "s")
		switch rapid.IntRange(0, 8).Draw(t, "leaf") {
		case 0:
			return leaf(fmt.Sprintf("amount > %g", n), "amount", "", func(g getter) bool { return val(g, "amount").Num > n })
		case 1:
			return leaf(fmt.Sprintf("amount == %g", n), "amount", "", func(g getter) bool { return val(g, "amount").Num == n })
		case 2:
			return leaf(fmt.Sprintf("city == %q", s), "city", "", func(g getter) bool { return val(g, "city").Str == s })
		case 3:
			return leaf(fmt.Sprintf("city != %q", s), "city", "", func(g getter) bool { return val(g, "city").Str != s })
		case 4:
			return leaf("gift", "gift", "", func(g getter) bool { return val(g, "gift").Bool })
		case 5:
			return leaf(fmt.Sprintf("%q in items", s), "items", "", func(g getter) bool { return slices.Contains(val(g, "items").List, s) })
		case 6:
			f := rapid.SampledFrom([]string{"amount", "city", "gift", "items"}).Draw(t, "f")
			return leaf("has("+f+")", "", f, func(g getter) bool { _, ok := g(f); return ok })
		case 7:
			return leaf(fmt.Sprintf("(amount ?? %g) >= 0", n), "", "", func(g getter) bool {
				if v, ok := g("amount"); ok {
					return v.Num >= 0
				}
				return n >= 0
			})
		}
		return leaf(fmt.Sprintf("(city ?? %q) == \"a\"", s), "", "", func(g getter) bool {
			if v, ok := g("city"); ok {
				return v.Str == "a"
			}
			return s == "a"
		})
	})
}

func (x *term) walk(f func(*term)) {
	f(x)
	for _, k := range x.kids {
		k.walk(f)
	}
}

// clauses gives the leaves of the and/or tree: a `not` is one clause with all that is in it.
func (x *term) verdict(get func(string) (event.Value, bool), asked map[string]bool) bool {
	switch x.op {
	case "and":
		return x.kids[0].verdict(get, asked) && x.kids[1].verdict(get, asked)
	case "or":
		return x.kids[0].verdict(get, asked) || x.kids[1].verdict(get, asked)
	}
	mentions, own := map[string]bool{}, map[string]bool{}
	x.walk(func(y *term) { mentions[y.mention], own[y.has] = true, true })
	for f := range asked {
		if _, ok := get(f); f != "" && mentions[f] && !own[f] && !ok {
			return false
		}
	}
	return x.plain(get)
}

func (x *term) plain(get func(string) (event.Value, bool)) bool {
	switch x.op {
	case "and":
		return x.kids[0].plain(get) && x.kids[1].plain(get)
	case "or":
		return x.kids[0].plain(get) || x.kids[1].plain(get)
	case "not":
		return !x.kids[0].plain(get)
	}
	return x.eval(get)
}

// The verdict is the documented one on every event, and the program never fails, whatever is absent or ill-typed.
func TestVerdictAgreesWithItsMeaning(t *testing.T) {
	seen := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		x := genTerm(3).Draw(t, "condition")
		fields := map[string]event.Value{}
		for name, vals := range map[string][]event.Value{
			"amount": {known(event.Number, "-1"), known(event.Number, "0"), known(event.Number, "2")}, "city": {known(event.String, "a"), known(event.String, "c")},
			"gift": {known(event.Bool, "true"), known(event.Bool, "false")}, "items": {{State: event.Known, Type: event.List, List: []string{"a"}}, {State: event.Known, Type: event.List}},
		} {
			all := append(slices.Clone(vals), event.Value{}, event.Value{State: event.Null}, event.Value{State: event.Bad, Str: "?"})
			fields[name] = rapid.SampledFrom(all).Draw(t, name)
		}
		e := ev(fields)
		get := func(name string) (event.Value, bool) {
			v := fields[name]
			if !v.OK() {
				return event.Value{}, false
			}
			return v, true
		}
		asked := map[string]bool{}
		x.walk(func(y *term) { asked[y.has] = true })
		want := true
		x.walk(func(y *term) {
			if _, ok := get(y.mention); y.mention != "" && !asked[y.mention] && !ok {
				want = false
			}
		})
		want = want && x.verdict(get, asked)

		c, l := compileText(t, x.src)
		if c == nil {
			t.Fatalf("%s: %s", x.src, show(l))
		}
		src := eventSource{e, time.UTC}
		env := environment(c.env, src)
		if got := c.holds(src, env); got != want {
			t.Fatalf("%s on %+v: got %t, want %t", x.src, fields, got, want)
		}
		if _, err := new(vm.VM).Run(c.code(), env); err != nil {
			t.Fatalf("%s: the program fails: %v", x.src, err)
		}
		seen[want]++
	})
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("one verdict only: %v", seen)
	}
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{`amount > 500 and city == "a"`, `has(city) or (amount ?? 0) > 1`, `any(items, # == "a")`, `level in ["vip"]`, `gift ? has(at) : not gift`, `"`, `(((`, `城市 == “北京”`} {
		f.Add(s)
	}
	e := ev(map[string]event.Value{"amount": known(event.Number, "1"), "items": {State: event.Known, Type: event.List, List: []string{"a"}}})
	f.Fuzz(func(t *testing.T, src string) {
		d := diag.Parse("c", []byte("c: x"))
		n := d.Root.Get("c")
		n.Text = src
		c := compile(n, scopeOf([]*event.Spec{testSpec()}))
		if c == nil {
			if d.List.Errors() == 0 {
				t.Fatal("refused without a reason")
			}
			return
		}
		s := eventSource{e, time.UTC}
		env := environment(c.env, s)
		if _, err := new(vm.VM).Run(c.code(), env); err != nil {
			t.Fatalf("%q: the program fails: %v", src, err)
		}
	})
}
