package rules

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

func TestClausesOfACondition(t *testing.T) {
	full := map[string]event.Value{"city": known(event.String, "北京"), "level": known(event.String, "vip"), "amount": known(event.Number, "812.5"), "gift": known(event.Bool, "true"),
		"items": {State: event.Known, Type: event.List, List: []string{"a", "bb"}}}
	bad := map[string]event.Value{"city": {State: event.Null}, "amount": {State: event.Bad, Str: `"many"`}, "level": known(event.String, "vip")}
	for _, c := range []struct {
		src  string
		on   map[string]event.Value
		want string // text | seen | value | result; ! before what decided
	}{
		{`金额 > 500 and 城市 == "北京"`, full, `!金额 > 500 | 812.5 > 500 | 812.5 | true; !城市 == "北京" | "北京" == "北京" | "北京" | true`},
		{`( (金额 > 1000) or (level == "svip" and gift) )`, full, `!金额 > 1000 | 812.5 > 1000 | 812.5 | false; !level == "svip" | "vip" == "svip" | "vip" | false; gift | true | true | true`},
		{`gift or amount > 1000`, full, `!gift | true | true | true; amount > 1000 | 812.5 > 1000 | 812.5 | false`},
		{`not (amount > 1000 or gift)`, full, `!not (amount > 1000 or gift) | not (812.5 > 1000 or true) | amount = 812.5, gift = true | false`},
		{`1 < amount < 3 && (gift)`, full, `!1 < amount < 3 | 1 < 812.5 < 3 | 812.5 | false; gift | true | true | true`},
		{`any(items, # == "a") and len(items) == 2`, full, `!any(items, # == "a") | any(["a", "bb"], # == "a") | ["a", "bb"] | true; !len(items) == 2 | len(["a", "bb"]) == 2 | ["a", "bb"] | true`},
		{`event.user == "u-1" and lower(level) in ["vip", "svip"]`, full, `!event.user == "u-1" | "u-1" == "u-1" | "u-1" | true; !lower(level) in ["vip", "svip"] | lower("vip") in ["vip", "svip"] | "vip" | true`},
		{`level == "vip" or amount > 1`, bad, `level == "vip" | "vip" == "vip" | "vip" | true; !amount > 1 | "many" is no number > 1 | "many" is no number | false | amount`},
		{`has(city) and city != "x"`, bad, `!has(city) | has(null) | null | false; city != "x" | null != "x" | null | false`},
		{`(amount ?? 0) > 500 or level contains ")"`, bad, `!(amount ?? 0) > 500 | ("many" is no number ?? 0) > 500 | "many" is no number | false; !level contains ")" | "vip" contains ")" | "vip" | false`},
		{`gift ? amount > 1 : false`, full, `!gift ? amount > 1 : false | true ? 812.5 > 1 : false | gift = true, amount = 812.5 | true`},
	} {
		x, l := compileText(t, c.src)
		if x == nil {
			t.Fatalf("%s: %s", c.src, show(l))
		}
		_, clauses := x.explain("when", eventSource{ev(c.on), time.UTC})
		var got []string
		for _, k := range clauses {
			s := k.Text + " | " + k.Seen + " | " + k.Value + " | " + map[bool]string{true: "true", false: "false"}[k.Result]
			if k.Decided {
				s = "!" + s
			}
			for _, m := range k.Missing {
				s += " | " + m.Field
			}
			got = append(got, s)
		}
		if d := cmp.Diff(strings.Split(c.want, "; "), got); d != "" {
			t.Errorf("%s\n%s", c.src, d)
		}
	}
}

// What the clauses say together is what the whole says, on any event; each is a condition of its own, and what is marked as deciding
// is enough to decide.
func TestClausesAgreeWithTheVerdict(t *testing.T) {
	seen := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		r := &Rule{}
		for range rapid.IntRange(0, 3).Draw(t, "when") {
			c, _ := compileText(t, genTerm(3).Draw(t, "condition").src)
			r.when = append(r.when, c)
		}
		for range rapid.IntRange(0, 2).Draw(t, "unless") {
			c, _ := compileText(t, genTerm(2).Draw(t, "condition").src)
			r.unless = append(r.unless, c)
		}
		fields := map[string]event.Value{}
		for name, vals := range map[string][]event.Value{
			"amount": {known(event.Number, "-1"), known(event.Number, "0"), known(event.Number, "2")}, "city": {known(event.String, "a"), known(event.String, "c")},
			"gift": {known(event.Bool, "true"), known(event.Bool, "false")}, "items": {{State: event.Known, Type: event.List, List: []string{"a"}}, {State: event.Known, Type: event.List}},
		} {
			all := append(slices.Clone(vals), event.Value{}, event.Value{State: event.Null}, event.Value{State: event.Bad, Str: "?"})
			fields[name] = rapid.SampledFrom(all).Draw(t, name)
		}
		src := eventSource{ev(fields), time.UTC}
		want := true
		for _, c := range slices.Concat(r.when, r.unless) {
			isWhen := slices.Contains(r.when, c)
			got, clauses := c.explain("when", src)
			if truth := c.holds(src, environment(c.env, src)); got != truth {
				t.Fatalf("%s: explained as %t, is %t", c.source, got, truth)
			}
			want = want && got == isWhen
			at, i, missing := map[*leaf]*Clause{}, 0, false
			flipped, decided := map[*leaf]*Clause{}, 0
			c.split().leaves(func(l *leaf) {
				x := &clauses[i]
				at[l] = x
				other := *x
				if !x.Decided {
					other.Result = !x.Result
				} else {
					decided++
				}
				flipped[l] = &other
				missing = missing || len(x.Missing) > 0
				i++
				if alone, _ := compileText(t, x.Text); alone == nil {
					t.Fatalf("%s: the clause %q is no condition", c.source, x.Text)
				}
			})
			if together := c.split().combined(at) && !missing; together != got {
				t.Fatalf("%s on %+v: clauses say %t, the whole %t: %+v", c.source, fields, together, got, clauses)
			}
			if decided == 0 {
				t.Fatalf("%s: nothing decided", c.source)
			}
			if !missing && c.split().combined(flipped) != got {
				t.Fatalf("%s on %+v: other values of clauses that did not decide decide: %+v", c.source, fields, clauses)
			}
		}
		v := r.explain(src)
		if v.Match != want || v.Match != r.matches(src, environment(envOf(r), src)) {
			t.Fatalf("the rule says %t, want %t", v.Match, want)
		}
		if !v.Always && !slices.ContainsFunc(v.Clauses, func(c Clause) bool { return c.Decided }) {
			t.Fatalf("nothing decided: %+v", v)
		}
		seen[want]++
	})
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("one verdict only: %v", seen)
	}
}

func envOf(r *Rule) (out []string) {
	for _, c := range slices.Concat(r.when, r.unless) {
		out = append(out, c.env...)
	}
	return out
}

// A rule's clauses have the places of the file, whatever the quotation; what did not decide is not marked.
func TestClausesOfARule(t *testing.T) {
	set, l := LoadFiles([]File{{"events.yaml", []byte(`version: 1
events:
  e: {topic: t, id: id, time: at, user: u, fields: {amount: {path: a, type: number}, city: {path: c, alias: 城市}, level: {path: l}}}
`)}, {"r.yaml", []byte(`version: 1
rules:
  - name: one-rule
    event: e
    mode: live
    class: service
    when:
      - amount > 500
      - "城市 == \"北京\" or level in [\"vip\", \"svip\"]"
    unless: amount > 900
    push: {title: t, body: b}
    limits: {expire: 1h}
`)}}, Options{AnyAccount: true})
	if set == nil {
		t.Fatal(show(l))
	}
	r := set.Rule("one-rule")
	var got []string
	for _, c := range r.Clauses() {
		got = append(got, c.Kind+" "+c.File+":"+strconv.Itoa(c.Line)+":"+strconv.Itoa(c.Column)+" "+c.Label())
	}
	want := []string{"when r.yaml:8:9 amount > 500", `when r.yaml:9:10 城市 == "北京"`, "when r.yaml:9:26 level in [...]", "unless r.yaml:10:13 amount > 900"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for amount, decided := range map[string][]string{"400": {"amount > 500"}, "600": {"amount > 500", `城市 == "北京"`, "amount > 900"}, "1000": {"amount > 900"}} {
		e := &event.Event{Spec: set.Catalogue.Spec("e"), Values: []event.Value{known(event.Number, amount), known(event.String, "北京"), {}}}
		if i, _ := e.Spec.Index("level"); i != 2 {
			t.Fatal("fields are in another order")
		}
		e.Values[2] = known(event.String, "vip")
		v := set.Ask(r, e)
		var got []string
		for _, c := range v.Clauses {
			if c.Decided {
				got = append(got, c.Text)
			}
		}
		if d := cmp.Diff(decided, got); d != "" || v.Match != (amount == "600") {
			t.Errorf("%s: match %t\n%s", amount, v.Match, d)
		}
	}
}

// On a profile event changed() shows both values, and what nobody has spoken of is unknown.
func TestClausesOfAProfilePush(t *testing.T) {
	spec := testSpec()
	table := map[string]*event.Field{}
	for i := range spec.Fields {
		table[spec.Fields[i].Name] = &spec.Fields[i]
	}
	row := func(m map[string]intent.Value) func(string) (intent.Value, bool) {
		return func(f string) (intent.Value, bool) { v, ok := m[f]; return v, ok }
	}
	src := tableSource{after: row(map[string]intent.Value{"level": {Type: event.String, Str: "vip"}, "city": {}}), old: row(map[string]intent.Value{"level": {Type: event.String, Str: "normal"}}), table: table, zone: time.UTC}
	s := scopeOf(nil)
	s.before = true
	for i := range spec.Fields {
		s.fields[spec.Fields[i].Name] = &spec.Fields[i]
	}
	d := diag.Parse("c", []byte(`c: changed(level) and before.level == "normal" and city == "x" and amount > 1`))
	c := compile(d.Root.Get("c"), s)
	if c == nil {
		t.Fatal(show(d.List))
	}
	_, clauses := c.explain("when", src)
	var got []string
	for _, k := range clauses {
		got = append(got, k.Seen)
	}
	want := []string{`changed("normal" → "vip")`, `"normal" == "normal"`, `absent == "x"`, "unknown > 1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// user_when is asked by itself, on the row, and says what Meets says.
func TestClausesOfUserWhen(t *testing.T) {
	set, l := LoadFiles([]File{{"events.yaml", []byte(`version: 1
events:
  p: {topic: p, kind: profile, update: patch, id: id, time: at, user: u, fields: {level: l, push_ok: {path: ok, type: bool}}}
  e: {topic: t, id: id, time: at, user: u, fields: {amount: {path: a, type: number}}}
`)}, {"r.yaml", []byte(`version: 1
rules:
  - name: one-rule
    event: e
    mode: live
    class: service
    when: amount > 500
    user_when: push_ok and level == "vip"
    push: {title: t, body: b}
    limits: {expire: 1h}
`)}}, Options{AnyAccount: true})
	if set == nil {
		t.Fatal(show(l))
	}
	r := set.Rule("one-rule")
	var places []string
	for _, c := range r.Clauses() {
		places = append(places, c.Kind+" "+strconv.Itoa(c.Line)+":"+strconv.Itoa(c.Column)+" "+c.Text)
	}
	want := []string{"when 7:11 amount > 500", "user_when 8:16 push_ok", `user_when 8:28 level == "vip"`}
	if d := cmp.Diff(want, places); d != "" {
		t.Error(d)
	}
	ok, vip := intent.Value{Type: event.Bool, Str: "true"}, intent.Value{Type: event.String, Str: "vip"}
	for _, c := range []struct {
		row  map[string]intent.Value
		want string // what decided, as seen
	}{
		{map[string]intent.Value{"push_ok": ok, "level": vip}, `true; "vip" == "vip"`},
		{map[string]intent.Value{"push_ok": ok, "level": {}}, `absent == "vip"`},
		{map[string]intent.Value{"level": vip}, "unknown"},
	} {
		row := func(f string) (intent.Value, bool) { v, known := c.row[f]; return v, known }
		v := set.AskUser(r, row)
		var got []string
		for _, k := range v.Clauses {
			if k.Decided {
				got = append(got, k.Seen)
			}
		}
		if d := cmp.Diff(c.want, strings.Join(got, "; ")); d != "" || v.Match != set.Meets(`push_ok and level == "vip"`, row) {
			t.Errorf("match %t\n%s", v.Match, d)
		}
	}
}
