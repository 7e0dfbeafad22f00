package rules

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// Two events with the same fields in another order, so that a rule on both has other places in each.
const indexCatalogue = `version: 1
events:
  first:
    topic: a
    id: id
    user: user
    fields:
      city: {path: city, alias: 城市}
      level: {path: level, values: [normal, vip]}
      amount: {path: amount, type: number, alias: 金额}
      count2: {path: c, type: number}
      gift: {path: gift, type: bool}
      items: {path: items, type: list}
      at: {path: at, type: time}
  second:
    topic: b
    id: id
    user: user
    fields:
      at: {path: at, type: time}
      gift: {path: gift, type: bool}
      items: {path: items, type: list}
      amount: {path: amount, type: number, alias: 金额}
      level: {path: level, values: [normal, vip]}
      city: {path: city, alias: 城市}
      count2: {path: c, type: number}
  profile:
    topic: c
    kind: profile
    update: patch
    id: id
    user: user
    fields:
      tier: {path: tier, alias: 级别}
      spent: {path: spent, type: number}
      born: {path: born, type: time}
      liked: {path: liked, type: list}
`

var someTexts = []string{"a", "b", "NaN", "1", "", "北京", "true"}

func genConst(t *rapid.T) string {
	return rapid.SampledFrom([]string{"0", "1", "-1", "2", "0.5", "-0.5", "1.0", "+1", "9007199254740993", "1e3"}).Draw(t, "n")
}

func genText(t *rapid.T) string { return rapid.SampledFrom(someTexts).Draw(t, "s") }

// genLeaf draws every kind of comparison there is, simple or not.
func genLeaf(t *rapid.T) string {
	num := rapid.SampledFrom([]string{"amount", "金额", "count2"}).Draw(t, "num")
	city := rapid.SampledFrom([]string{"city", "城市"}).Draw(t, "city")
	op := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">="}).Draw(t, "op")
	eq := rapid.SampledFrom([]string{"==", "!="}).Draw(t, "eq")
	in := rapid.SampledFrom([]string{"in", "not in"}).Draw(t, "in")
	field := rapid.SampledFrom([]string{"amount", "city", "level", "gift", "items", "at", "count2"}).Draw(t, "f")
	c, s := genConst(t), genText(t)
	switch rapid.IntRange(0, 21).Draw(t, "leaf") {
	case 0, 1:
		return fmt.Sprintf("%s %s %s", num, op, c)
	case 2:
		return fmt.Sprintf("%s %s %s", c, op, num)
	case 3, 4:
		return fmt.Sprintf("%s == %q", city, s)
	case 5:
		return fmt.Sprintf("%q %s %s", s, eq, city)
	case 6:
		return fmt.Sprintf("%s %s [%q, %q, %q]", city, in, s, genText(t), genText(t))
	case 7:
		return fmt.Sprintf("%s %s [%s, %s]", num, in, c, genConst(t))
	case 8:
		return rapid.SampledFrom([]string{"gift", "not gift", "!gift", "gift == true", "gift != true", "false == gift", "gift != false"}).Draw(t, "bool")
	case 9:
		return "has(" + field + ")"
	case 10:
		return "not has(" + field + ")"
	case 11:
		return fmt.Sprintf("(%s ?? %s) %s %s", num, "2", op, c)
	case 12:
		return fmt.Sprintf("(city ?? %q) %s %q", s, eq, genText(t))
	case 13:
		return fmt.Sprintf("%q %s items", s, in)
	case 14:
		return fmt.Sprintf("any(items, # == %q)", s)
	case 15:
		return fmt.Sprintf("city startsWith %q", s)
	case 16:
		return fmt.Sprintf("%s * 2 %s count2", num, op)
	case 17:
		return fmt.Sprintf(`event.user %s "u-1"`, eq)
	case 18:
		return fmt.Sprintf("gift ? %s %s %s : city == %q", num, op, c, s)
	case 19:
		return fmt.Sprintf("at %s event.time", op)
	case 20:
		return fmt.Sprintf("city %s %q", op, s)
	}
	return fmt.Sprintf("level %s %q", eq, rapid.SampledFrom([]string{"normal", "vip"}).Draw(t, "level"))
}

func genWhen(t *rapid.T, depth int) string {
	if depth == 0 {
		return genLeaf(t)
	}
	switch rapid.IntRange(0, 6).Draw(t, "shape") {
	case 0, 1, 2:
		return "(" + genWhen(t, depth-1) + ") " + rapid.SampledFrom([]string{"and", "&&"}).Draw(t, "and") + " (" + genWhen(t, depth-1) + ")"
	case 3:
		return "(" + genWhen(t, depth-1) + ") " + rapid.SampledFrom([]string{"or", "||"}).Draw(t, "or") + " (" + genWhen(t, depth-1) + ")"
	case 4:
		return "not (" + genWhen(t, depth-1) + ")"
	}
	return genLeaf(t)
}

// genUsual draws a few comparisons that all must hold.
func genUsual(t *rapid.T) string {
	var parts []string
	for range rapid.IntRange(1, 3).Draw(t, "parts") {
		s, c := genText(t), genConst(t)
		parts = append(parts, rapid.SampledFrom([]string{fmt.Sprintf("city == %q", s), fmt.Sprintf("city in [%q, %q]", s, genText(t)),
			`level == "vip"`, "gift", "not gift", "count2 == " + c, "has(amount)", "has(city)",
			"amount > " + c, "amount >= " + c, "amount < " + c, "amount <= " + c, "amount >= " + c, "count2 < " + c}).Draw(t, "part"))
	}
	return strings.Join(parts, " and ")
}

func genRules(t *rapid.T) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	var b strings.Builder
	for i := range rapid.IntRange(1, 12).Draw(t, "rules") {
		action := rapid.SampledFrom([]string{
			"    push: {body: \"${city} ${amount | money} ${event.id} x\"}\n",
			`    push: {to: "${items}", title: "${event.type | upper} ${event.time}", body: "${items | join} ${at | default(\"-\")}", data: {k: "${gift | default(\"?\")}"}}` + "\n",
			`    broadcast: {audience: {all_of: ["city_${city}"]}, body: "${level | default(\"\") | max(2)} b"}` + "\n    limits: {expire: 4h}\n",
			"    push: {body: \"${count} x ${first.city} ${list.amount | join}\"}\n    merge: {by: \"${level}\", wait: 1m}\n    limits: {expire: 4h}\n",
			"    user_when: 级别 == 'vip' and spent > 3\n    send_at: \"09:00\"\n    push: {body: \"${city} ${user.级别 | default(\\\"-\\\")} $ ${now | date(\\\"YYYY\\\")}\", title: \"$\"}\n    limits: {expire: 30h}\n",
			"    push: {body: \"b ${city}\", variants: [{name: a, share: 30, title: \"${user.born}\"}, {name: b, share: 70%, body: \"${latest.amount} ${now}\"}]}\n    merge: {by: \"${city}\", wait: 1m}\n    limits: {expire: 4h}\n",
			"    push: {to: \"${items}\", variants: [{name: a, share: 50, body: \"${amount}\"}, {name: b, share: 50, body: \"${event.id} ${level}\"}]}\n",
		}).Draw(t, "action")
		mode := rapid.SampledFrom([]string{"live", "live", "canary 50%", "shadow", "off"}).Draw(t, "mode")
		if strings.Contains(action, "broadcast:") && strings.HasPrefix(mode, "canary") {
			mode = "live"
		}
		on := rapid.SampledFrom([]string{"first", "first", "second", "[first, second]", "[second, first]"}).Draw(t, "event")
		fmt.Fprintf(&b, "  - name: rule-%d\n    event: %s\n    mode: %s\n    class: service\n", i, on, mode)
		if rapid.Bool().Draw(t, "usual") { // as most rules are: the paths of the index lead straight to them
			b.WriteString("    when: " + quote(genUsual(t)) + "\n" + action)
			continue
		}
		b.WriteString(rapid.SampledFrom([]string{"", "", "    from: 2026-11-21T03:00:00Z\n", "    from: 2026-11-21 11:00:01\n", "    until: 2026-11-21 11:00\n", "    until: 2026-11-21T03:00:01Z\n",
			"    from: 2026-11-20 00:00\n    until: 2026-11-22 00:00\n"}).Draw(t, "life"))
		if n := rapid.IntRange(0, 3).Draw(t, "when"); n == 0 {
			b.WriteString("    when: always\n")
		} else {
			b.WriteString("    when:\n")
			for range n {
				b.WriteString("      - " + quote(genWhen(t, rapid.IntRange(0, 2).Draw(t, "depth"))) + "\n")
			}
		}
		if n := rapid.IntRange(-2, 2).Draw(t, "unless"); n > 0 {
			b.WriteString("    unless:\n")
			for range n {
				b.WriteString("      - " + quote(genWhen(t, 1)) + "\n")
			}
		}
		b.WriteString(action)
	}
	return b.String()
}

// genEvent draws an event with known, absent, null and ill-typed values; now and then one that contradicts its entry.
func genEvent(t *rapid.T, s *event.Spec) *event.Event {
	e := &event.Event{Spec: s, ID: "e-1", User: rapid.SampledFrom([]string{"u-1", "u-2", ""}).Draw(t, "user"), Time: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC),
		Pos: event.Position{Topic: s.Topics[0], Partition: 1, Offset: 5}, Values: make([]event.Value, len(s.Fields))}
	for i, f := range s.Fields {
		v := event.Value{State: event.Known, Type: f.Type}
		switch f.Type {
		case event.Number:
			v.Num = rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, 2, 0.5, 1000, 9007199254740992, 9007199254740994, math.NaN()}).Draw(t, f.Name)
			v.Str = fmt.Sprint(v.Num)
		case event.Bool:
			v.Bool = rapid.Bool().Draw(t, f.Name)
			v.Str = fmt.Sprint(v.Bool)
		case event.Time:
			v.Time = e.Time.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, f.Name)) * time.Hour)
		case event.List:
			v.List = rapid.SliceOfN(rapid.SampledFrom(someTexts), 0, 3).Draw(t, f.Name)
		default:
			v.Str = genText(t)
			if f.Values != nil {
				v.Str = rapid.SampledFrom(f.Values).Draw(t, f.Name)
			}
		}
		switch rapid.IntRange(0, 11).Draw(t, "state") {
		case 0:
			v = event.Value{Type: f.Type}
		case 1:
			v = event.Value{State: event.Null, Type: f.Type}
		case 2:
			v = event.Value{State: event.Bad, Type: f.Type, Str: "a"}
		case 3:
			if rapid.IntRange(0, 5).Draw(t, "contradiction") == 0 {
				v.Type = event.String
			}
		}
		e.Values[i] = v
	}
	return e
}

func missed(s *Set) map[string]int64 {
	out := map[string]int64{}
	for _, r := range s.Rules {
		out[r.Name] = r.Missing()
	}
	return out
}

// asked gives what a way of asking answers, and how often it found a needed field missing, by rule.
func asked(s *Set, ask func() []*intent.Intent) ([]*intent.Intent, map[string]int64) {
	before := missed(s)
	out := ask()
	after := missed(s)
	for name := range after {
		after[name] -= before[name]
	}
	return out, after
}

// The index, the parts without program and the reused environment give what asking every rule's program gives: the same
// intents in the same order and the same counts of missing fields. So does the index that divides every list, as it would many rules.
func TestEvaluateAgreesWithAskingEveryRule(t *testing.T) {
	var d drawn
	rapid.Check(t, d.agree)
	if d.matched == 0 || d.leftOut == 0 || d.counted == 0 || d.byValue == 0 || d.byRange == 0 || d.sure == 0 || d.sureRange == 0 {
		t.Errorf("%+v: the draws are too narrow", d)
	}
}

// It ran for 64 minutes on 2026-11-30, 923,159 executions, and found no difference; what it found to lead elsewhere is kept in testdata/fuzz and runs
// with every test:
//
//	go test -run=NONE -fuzz='^FuzzEvaluateAgreesWithAskingEveryRule$' -fuzztime=64m -fuzzminimizetime=20x -parallel 1 ./internal/rules
func FuzzEvaluateAgreesWithAskingEveryRule(f *testing.F) {
	var d drawn
	agree, n := rapid.MakeFuzz(d.agree), 0
	f.Fuzz(func(t *testing.T, draws []byte) {
		if n++; underRace && n%8 != 0 { // one goroutine: the detector sees in a few of the corpus what it sees in all
			return
		}
		agree(t, draws)
	})
}

// drawn counts what the draws were good for.
type drawn struct {
	matched, leftOut int
	counted          int64
	byValue, byRange int // lists that were divided
	sure, sureRange  int // rules that match wherever an event comes upon them, told by values, and by an interval
}

func (d *drawn) agree(t *rapid.T) {
	text := genRules(t)
	s, l := LoadFiles([]File{{"events.yaml", []byte(indexCatalogue)}, {"r.yaml", []byte("version: 1\nrules:\n" + text)}}, demoAccount())
	if s == nil {
		t.Fatalf("%s\n%s", text, show(l))
	}
	for _, spec := range s.Catalogue.Specs {
		p := s.business[spec.Name]
		if p == nil {
			continue
		}
		if p.index == nil {
			t.Fatalf("no index for\n%s", text)
		}
		usual, divided := p.index, newIndex(spec, p.rules, 0)
		for range 8 {
			e := genEvent(t, spec)
			want, wantMissed := asked(s, func() []*intent.Intent { return s.askAll(p, e) })
			for _, p.index = range []*index{usual, divided} {
				got, gotMissed := asked(s, func() []*intent.Intent { return s.Evaluate(e) })
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s\non %+v (-every rule, +index):\n%s", text, e.Values, diff)
				}
				if diff := cmp.Diff(wantMissed, gotMissed); diff != "" {
					t.Fatalf("%s\non %+v: missing fields (-every rule, +index):\n%s", text, e.Values, diff)
				}
				d.matched += len(got)
				v := look(e, time.UTC)
				if p.index.find(v) {
					d.leftOut += len(p.rules) - len(v.found)
				}
				v.release()
				for _, n := range gotMissed {
					d.counted += n
				}
			}
		}
		d.look(divided.tables)
	}
}

func (d *drawn) look(x *tables) {
	d.byValue += len(x.below)
	d.byRange += len(x.ranges)
	for _, p := range x.postings {
		d.sure += truth(p.sure)
	}
	for _, s := range x.spans {
		d.sureRange += truth(s.sure)
	}
}

// A part without program is what the program says of it, whatever is absent.
func TestSimplePartsAgreeWithTheProgram(t *testing.T) {
	simple, verdicts := 0, map[bool]int{}
	s, l := LoadFiles([]File{{"events.yaml", []byte(indexCatalogue)}, {"r.yaml", []byte("version: 1\nrules:\n" + rule("all", "first", "    when: always\n    push: {body: b}"))}}, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	spec := s.Catalogue.Spec("first")
	rapid.Check(t, func(t *rapid.T) {
		src := genWhen(t, rapid.IntRange(0, 3).Draw(t, "depth"))
		c, list := compileFor(src, spec)
		if c == nil {
			t.Fatalf("%s: %s", src, show(list))
		}
		e := genEvent(t, spec)
		if slices.ContainsFunc(spec.Fields, func(f event.Field) bool { v := e.Value(f.Name); return v.OK() && v.Type != f.Type }) {
			return // the index leaves such events to askAll
		}
		from := eventSource{e, time.UTC}
		want := c.met(environment(c.env, from))
		got := true
		for _, p := range c.parts {
			q, ok := p.at(spec)
			if !ok {
				t.Fatalf("%s: %+v has no place", src, p)
			}
			got = got && q.holds(e.Values)
		}
		if want && !got || c.whole && got != want {
			t.Fatalf("%s on %+v: the program says %t, its parts %t, all of it: %t", src, e.Values, want, got, c.whole)
		}
		if c.whole {
			simple++
			verdicts[got]++
		}
	})
	if simple == 0 || verdicts[true] == 0 || verdicts[false] == 0 {
		t.Errorf("%d simple, %v: the draws are too narrow", simple, verdicts)
	}
}

// A condition that is simple as a whole has no program until it is asked for one: what expr would not compile must not be among them.
func TestWhatIsSimpleNeedsNoCompiler(t *testing.T) {
	spec, whole := testSpec(), 0
	check := func(t interface{ Fatalf(string, ...any) }, src string, spec *event.Spec) {
		c, _ := compileFor(src, spec)
		if c == nil || !c.whole {
			return
		}
		whole++
		if c.program.Load() != nil {
			t.Fatalf("%s has a program", src)
		}
		if c.code(); c.program.Load() == nil {
			t.Fatalf("%s is taken, and expr does not compile it", src)
		}
	}
	numbers := []string{"5", "-5", "0.5", "+1", `"a"`, "gift", "city", "[5]", "[1, 2.5]", `[1, "a"]`, `["a", "b"]`, "[]", "true", "nil", "1e3", "at"}
	for _, field := range []string{"amount", "city", "gift", "at", "items", "has(city)"} {
		for _, op := range []string{"==", "!=", "<", "<=", ">", ">=", "in", "not in", "+", "-", "*", "/", "%", "**", "contains", "startsWith", "matches", "and", "or", "??", ".."} {
			for _, n := range numbers {
				for _, form := range []string{"%s %s %s", "not (%s %s %s)", "gift and (%s %s %s)", "gift == (%s %s %s)"} {
					check(t, fmt.Sprintf(form, field, op, n), spec)
				}
				check(t, n+" "+op+" "+field, spec)
			}
		}
	}
	if whole < 100 {
		t.Errorf("%d conditions are simple: too few", whole)
	}
	s, l := LoadFiles([]File{{"events.yaml", []byte(indexCatalogue)}, {"r.yaml", []byte("version: 1\nrules:\n" + rule("all", "first", "    when: always\n    push: {body: b}"))}}, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, genWhen(t, rapid.IntRange(0, 3).Draw(t, "depth")), s.Catalogue.Spec("first"))
	})
}

// What is not tried because its fields are independent is neither always nor never so.
func TestIndependentFieldsAreNeverConstant(t *testing.T) {
	text := "version: 1\nrules:\n" + rule("all", "first", "    when: always\n    push: {body: b}")
	s, l := LoadFiles([]File{{"events.yaml", []byte(indexCatalogue)}, {"r.yaml", []byte(text)}}, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	spec, spared := s.Catalogue.Spec("first"), 0
	rapid.Check(t, func(t *rapid.T) {
		src := genWhen(t, rapid.IntRange(0, 2).Draw(t, "depth"))
		c, list := compileFor(src, spec)
		if c == nil {
			t.Fatalf("%s: %s", src, show(list))
		}
		if !c.sketch.independent(c.scope.fields, &[]string{}) {
			return
		}
		spared++
		if always, never := newTrial(c.sketch, c.scope.fields).constant(); always || never {
			t.Fatalf("%s: always %t, never %t", src, always, never)
		}
	})
	if spared == 0 {
		t.Error("nothing was spared: the draws are too narrow")
	}
}

// More needed fields than a set of bits holds: every rule is asked.
func TestManyNeededFieldsAreAskedPlainly(t *testing.T) {
	var fields, rules strings.Builder
	for i := range maxNeeded + 1 {
		fmt.Fprintf(&fields, "      f%d: f%d\n", i, i)
		rules.WriteString(rule(fmt.Sprintf("rule-%d", i), "wide", fmt.Sprintf("    when: 'f%d == \"x\"'\n    push: {body: b}", i)))
	}
	s, l := LoadFiles([]File{{"events.yaml", []byte("version: 1\nevents:\n  wide:\n    topic: t\n    id: id\n    user: u\n    fields:\n" + fields.String())}, {"r.yaml", []byte("version: 1\nrules:\n" + rules.String())}}, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	if s.Rule("rule-7").when[0].program.Load() == nil {
		t.Error("a rule that no index asks has no program")
	}
	got := s.Evaluate(happen(t, s, "t", `{"id":"1","u":"u","f0":"x","f64":"x","f3":"y"}`))
	if len(got) != 2 || got[0].Rule != "rule-0" || got[1].Rule != "rule-64" {
		t.Errorf("got %+v", got)
	}
	if s.Rule("rule-1").Missing() != 1 || s.Rule("rule-3").Missing() != 0 {
		t.Errorf("missing: %v", missed(s))
	}
}

// An event that nothing matches costs no memory. Under the race detector the pool forgets, which one allocation allows.
func TestNoMatchAllocatesNothing(t *testing.T) {
	for _, w := range workloads {
		s := benchSet(t, 100, w.when(100))
		e := order(s, "none")
		e.Values[2].Str = "none" // store
		if n := testing.AllocsPerRun(1000, func() {
			if got := s.Evaluate(e); got != nil {
				t.Fatalf("%s: got %v", w.name, got)
			}
		}); n > 1 {
			t.Errorf("%s: %v allocations an event", w.name, n)
		}
	}
}

// A match costs its id and its text, nothing beside them.
func TestAMatchAllocatesItsIDAndItsText(t *testing.T) {
	s := benchSet(t, 100, workloads[0].when(100))
	e := order(s, "k07")
	var room intent.Room
	n := testing.AllocsPerRun(1000, func() {
		room.Empty()
		if got := s.EvaluateInto(&room, e); len(got) != 2 {
			t.Fatalf("%d matches, want 2", len(got))
		}
	})
	if n > 2*3 && !underRace { // and the sum of money in it
		t.Errorf("%v allocations for two matches", n)
	}
}

// Of many rules only those with the event's value are looked at: the field with most values is the key.
func TestKeyIsTheFieldWithMostValues(t *testing.T) {
	s := benchSet(t, 100, func(i int) string { return fmt.Sprintf(`kind == "k07" and store in ["s-%04d", "s-x"]`, i) })
	v := look(order(s, "k07"), time.UTC)
	defer v.release()
	x := s.business["order"].index
	first := x.lists[x.start.to]
	if first.n != 0 || first.ends-first.keys != 1 || x.fields[x.below[first.keys]].slot != 2 {
		t.Errorf("the first list is %+v of %+v", first, x.fields)
	}
	if to := x.under(t, x.under(t, x.start, "s-x"), "k07"); to.n != 100 {
		t.Errorf("%+v stand under s-x and k07, want 100", to)
	}
	if !x.find(v) || !slices.Equal(ids(v.found), []int32{7}) {
		t.Errorf("found %v, want rule 7 alone", v.found)
	}
}

// under gives where the rules of a list are that ask for a text.
func (x *tables) under(t *testing.T, at way, text string) way {
	t.Helper()
	if at.n > 0 {
		t.Fatalf("%+v is not divided", at)
	}
	l := x.lists[at.to]
	for _, f := range x.below[l.keys:l.ends] {
		v := event.Value{State: event.Known, Type: event.String, Str: text}
		if to := x.edgeOf(at.to, x.lookUp(&x.fields[f], &v)); to != (way{}) {
			return to
		}
	}
	t.Fatalf("nothing stands under %s", text)
	return way{}
}

// longest is how many rules an event may have to look at one by one.
func (x *index) longest() uint32 {
	n := x.start.n
	for _, l := range x.lists {
		n = max(n, l.n)
	}
	for _, e := range x.edges {
		n = max(n, e.n)
	}
	return n
}

// Of many rules with one key, an event looks at those whose other values and intervals are its own, the ends included.
func TestLongListsAreDivided(t *testing.T) {
	for _, c := range []struct {
		name string
		when func(i int) string
		want []int32
	}{
		{"two values", func(i int) string { return fmt.Sprintf(`kind == "k%02d" and store == "s-%04d"`, i%50, i/50) }, []int32{7*50 + 7}},
		{"intervals", func(i int) string { return fmt.Sprintf(`kind == "k07" and amount >= %d.5 and amount < %d.5`, i, i+1) }, []int32{812}},
		{"a wide interval before narrow ones", func(i int) string {
			hi := i + 1
			if i == 3 {
				hi = 5000
			}
			return fmt.Sprintf(`kind == "k07" and amount >= %d and amount < %d`, i, hi)
		}, []int32{3, 812}},
		{"least values", func(i int) string { return fmt.Sprintf(`kind == "k07" and amount >= %d.5`, 811+i) }, []int32{0, 1}},
		{"greatest values", func(i int) string { return fmt.Sprintf(`amount <= %d.5 and kind == "k07"`, i-186) }, []int32{998, 999}},
		{"no key", func(i int) string {
			return fmt.Sprintf(`(kind == "k%02d" or vip) and amount >= %d`, i%50, 812+i/50*100)
		}, []int32{7}},
		{"few different intervals", func(i int) string {
			return fmt.Sprintf(`kind == "k07" and amount >= %d`, 900-100*truth(i == 7))
		}, []int32{7}},
		{"the second number", func(i int) string { return fmt.Sprintf(`kind == "k07" and amount < 9000 and amount >= %d`, 811+i) }, []int32{0, 1}},
	} {
		s := benchSet(t, 1000, c.when)
		x := s.business["order"].index
		v := look(order(s, "k07"), time.UTC)
		if !x.find(v) || !slices.Equal(ids(v.found), c.want) {
			t.Errorf("%s: found %v, want %v", c.name, v.found, c.want)
		}
		v.release()
		n := x.longest()
		if n > short {
			t.Errorf("%s: a list of %d rules is gone through one by one", c.name, n)
		}
	}
}

// A search among intervals finds those that begin at the number, just below and just above it, wherever the marks of the search stand.
func TestEachIntervalIsFound(t *testing.T) {
	for _, n := range []int{short + 1, markEvery - 1, markEvery, markEvery + 1, 2 * markEvery, 2*markEvery + 1, 100} {
		s := benchSet(t, n, func(i int) string { return fmt.Sprintf(`kind == "k07" and amount >= %d`, i/3) })
		if x := s.business["order"].index; len(x.spans) != n {
			t.Fatalf("%d of %d rules stand by their intervals", len(x.spans), n)
		}
		e := order(s, "k07")
		for at := -1.0; at <= float64(n/3+1); at += 0.5 {
			e.Values[1].Num = at
			want := 0
			for i := range n {
				want += truth(float64(i/3) <= at)
			}
			if got := len(s.Evaluate(e)); got != want {
				t.Errorf("%d rules, amount %v: %d match, want %d", n, at, got, want)
			}
		}
	}
}

// Values are found in tables of every size, and others are not.
func TestEachValueIsFound(t *testing.T) {
	for _, n := range []int{1, 2, 9, 100, 300} {
		s := benchSet(t, n, func(i int) string {
			return fmt.Sprintf(`(store == "s-%d" and vip == %t) and amount in [%d, %d.5]`, i/2, i%2 == 0, i/4, i/4)
		})
		e := order(s, "k07")
		for i := range n + 2 {
			for _, half := range []float64{0, 0.5, 0.25} {
				e.Values[1].Num, e.Values[2].Str, e.Values[5].Bool = float64(i/4)+half, fmt.Sprintf("s-%d", i/2), i%2 == 0
				want := truth(i < n && half != 0.25)
				if got := len(s.Evaluate(e)); got != want {
					t.Errorf("%d rules, %v: %d match, want %d", n, e.Values, got, want)
				}
			}
		}
	}
}

// What an event looks at does not grow with the rules, and no condition of theirs is asked where the way to them has shown that it holds.
func TestAnEventLooksAtAFewRules(t *testing.T) {
	for _, c := range []struct {
		name string
		when func(n int) func(i int) string // two of n rules match
	}{
		{"types", workloads[0].when},
		{"store", func(n int) func(int) string {
			return func(i int) string { return fmt.Sprintf(`kind == "k%02d" and store == "s-%04d"`, 7+i/2%50, 7+i/100) }
		}},
		{"range", func(n int) func(int) string {
			return func(i int) string {
				return fmt.Sprintf(`kind == "k07" and amount >= %d and amount < %d`, 812-n/4+i/2, 813-n/4+i/2)
			}
		}},
		{"in", func(n int) func(int) string {
			return func(i int) string {
				return fmt.Sprintf(`kind == "k%02d" and region in ["r-%02d", "x-%d", "y-%d"]`, 7+i/2%50, 11+i/100, i, i)
			}
		}},
	} {
		for _, n := range []int{100, 2000} {
			s := benchSet(t, n, c.when(n))
			x, e := s.business["order"].index, order(s, "k07")
			v := look(e, time.UTC)
			if !x.find(v) || len(v.found) != 2 || !v.found[0].sure || !v.found[1].sure {
				t.Errorf("%s, %d rules: found %+v, want two that surely match", c.name, n, v.found)
			}
			looked, asked := x.looked(x.start, v)
			v.release()
			if looked > short+1 || n > 100 && asked > 0 { // a short list is not divided
				t.Errorf("%s, %d rules: an event looks at %d and asks conditions of %d", c.name, n, looked, asked)
			}
		}
	}
}

// looked counts the rules of a list that sift looks at, and those of them whose conditions are asked.
func (x *index) looked(at way, v *view) (n, asked int) {
	if at.n > 0 {
		for _, p := range x.postings[at.to : at.to+at.n] {
			asked += 1 - truth(p.sure)
		}
		return int(at.n), asked
	}
	l := x.lists[at.to]
	if l.n > 0 {
		n, asked = x.looked(l.way, v)
	}
	for _, f := range x.below[l.keys:l.ends] {
		a, b := x.looked(x.edgeOf(at.to, x.valueOf(f, v)), v)
		n, asked = n+a, asked+b
	}
	if l.ranges < 0 {
		return n, asked
	}
	r := x.ranges[l.ranges]
	num := v.ev.Values[r.slot].Num
	for _, run := range r.runs {
		for i := run.to; i > run.from; i-- {
			if x.lows[i-1] > num {
				continue
			}
			if x.spans[i-1].most < num {
				break
			}
			n++
			asked += 1 - truth(x.spans[i-1].sure)
		}
	}
	return n, asked
}

func ids(list []found) (out []int32) {
	for _, f := range list {
		out = append(out, f.nth)
	}
	return out
}

// A rule with many values in each of several `in`s stands in a bounded number of lists.
func TestManyValuesOfManyFieldsAreNotMultiplied(t *testing.T) {
	texts := func(prefix string) string {
		var l []string
		for i := range 32 {
			l = append(l, fmt.Sprintf("%q", fmt.Sprint(prefix, i)))
		}
		return strings.Join(l, ", ")
	}
	when := fmt.Sprintf("kind in [%s] and store in [%s] and region in [%s] and name in [%s]", texts("k"), texts("s"), texts("r"), texts("n"))
	s := benchSet(t, 20, func(int) string { return when })
	n := len(s.business["order"].index.postings)
	if n > 20*maxCopies {
		t.Errorf("20 rules stand in %d places", n)
	}
	for _, c := range []struct {
		store, region, name string
		want                int
	}{{"s3", "r3", "n3", 20}, {"other", "r3", "n3", 0}, {"s3", "other", "n3", 0}, {"s3", "r3", "other", 0}} {
		e := order(s, "k3") // a rule that does not stand under its values of a field is asked for them
		e.Values[2].Str, e.Values[3].Str, e.Values[4].Str = c.store, c.region, c.name
		if got := len(s.Evaluate(e)); got != c.want {
			t.Errorf("%+v: %d rules match", c, got)
		}
	}
}

// What is written by hand is what big.Rat writes, but for a nothing with a sign.
func TestShortMoneyAgreesWithExactArithmetic(t *testing.T) {
	short := 0
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.StringMatching(`-?[0-9]{1,12}(\.[0-9]{1,8})?`), rapid.StringMatching(`-?0?(\.(00|99|49|50|995|004|005|4999|5)[0-9]{0,3})?`), rapid.StringMatching(`[-.0-9]{0,8}`)).Draw(t, "s")
		got, ok := shortMoney(s)
		if !ok {
			return
		}
		short++
		r, isNumber := new(big.Rat).SetString(s)
		if !isNumber {
			t.Fatalf("%s: got %s, it is no number", s, got)
		}
		want := r.FloatString(2)
		if want == "-0.00" { // no money is less than none
			want = "0.00"
		}
		if got != want {
			t.Fatalf("%s: got %s, exact %v", s, got, r)
		}
	})
	if short == 0 {
		t.Error("nothing was short")
	}
}
