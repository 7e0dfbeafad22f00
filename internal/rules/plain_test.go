package rules

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/event"
)

// What a condition is given is plain data: no pointer, struct or function of ours by which it could reach or do anything. The one type
// with methods is time.Time, which are refused, each of them.
func TestConditionsSeeOnlyPlainValues(t *testing.T) {
	t.Parallel()
	plain := []reflect.Type{reflect.TypeFor[float64](), reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[[]string](), reflect.TypeFor[time.Time]()}
	for _, typ := range []event.Type{event.Number, event.Bool, event.Time, event.List, event.String} {
		if got := reflect.TypeOf(zero(typ)); !slices.Contains(plain, got) {
			t.Errorf("a field of type %s is a %s to conditions", typ, got)
		}
	}
	// One condition that mentions all that can be mentioned.
	const all = `amount > 1 and gift and city == "a" and any(items, # == "b") and at > event.time and has(level) and (level ?? "x") == "y" and event.type == "t"`
	c, l := compileText(t, all)
	if c == nil {
		t.Fatal(show(l))
	}
	if len(c.env) < 8 {
		t.Fatalf("the environment is %v", c.env)
	}
	program := reflect.ValueOf(c.code()).Elem()
	if fs := program.FieldByName("functions"); fs.IsValid() && fs.Len() > 0 {
		t.Errorf("a condition calls %d functions of ours", fs.Len())
	}
	typ := reflect.TypeFor[time.Time]()
	for i := range typ.NumMethod() {
		name := typ.Method(i).Name
		for _, src := range []string{"at." + name + "() == at", "event.time." + name + "() == at", `at["` + name + `"]() == at`, "at?." + name + "() == at", "len(at." + name + "()) > 0"} {
			if c, l := compileText(t, src); c != nil || l.Errors() == 0 {
				t.Errorf("%s is accepted", src)
			}
		}
	}
	for _, src := range []string{`env("HOME") == "x"`, `$env["city"] == "x"`, `city.String() == "x"`, `items.Len() > 0`, `print(city) == ""`, `os.Getenv("HOME") == ""`, `fetch("http://x") == ""`, `(() => gift)()`, `import("os") == ""`} {
		if c, l := compileText(t, src); c != nil || l.Errors() == 0 {
			t.Errorf("%s is accepted", src)
		}
	}
}

// The functions that conditions have are these: none of them makes a text grow, reads a clock or does anything.
func TestConditionsHaveFewFunctions(t *testing.T) {
	t.Parallel()
	cfg := language()
	var have []string
	for name := range cfg.Builtins {
		have = append(have, name)
	}
	slices.Sort(have)
	const want = "abs all any ceil count filter floor hasPrefix hasSuffix indexOf lastIndexOf len lower max min none one round trim upper"
	got := slices.DeleteFunc(have, func(s string) bool { return slices.Contains(loops, s) })
	full := append(slices.Clone(loops), got...)
	slices.Sort(full)
	if s := strings.Join(full, " "); s != want {
		t.Errorf("functions: %s\nwant: %s", s, want)
	}
	if len(cfg.Functions) > 0 {
		t.Errorf("functions of ours: %d", len(cfg.Functions))
	}
}
