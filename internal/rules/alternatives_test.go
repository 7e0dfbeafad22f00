package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// What `or` joins in an `unless` stops the rule as the items of a list do, each by itself: a missing field of one must not let it act.
func TestOrInUnlessIsAList(t *testing.T) {
	for _, unless := range []string{
		`amount > 500 or city == "北京"`, `city == "北京" || 金额 > 500`, `((amount > 500) or (city == "北京" or items == items and level == "vip"))`,
		`(city == "北京" or amount > 500 and amount < 9000)`, `not has(order_id) or "a" in items or amount > 500`,
	} {
		s := mustLoad(t, rule("any-rule", "order.paid", "    when: always\n    unless: "+single(unless)+"\n    push: {body: b}\n"), demoAccount())
		r := s.Rule("any-rule")
		for text, acts := range map[string]bool{
			`{"id":"1","at":"2026-11-21T12:00:00+08:00","user":"u","order_id":"o","amount_fen":90000}`:                           false,
			`{"id":"1","at":"2026-11-21T12:00:00+08:00","user":"u","order_id":"o","amount_fen":900}`:                             true,
			`{"id":"1","at":"2026-11-21T12:00:00+08:00","user":"u","order_id":"o","amount_fen":90000,"city":"上海","items":["b"]}`: false,
		} {
			e := happen(t, s, "orders", text)
			if got := len(s.Evaluate(e)) > 0; got != acts {
				t.Errorf("unless: %s: of %s it acts: %t", unless, text, got)
			}
			v := s.Ask(r, e)
			if v.Match != acts {
				t.Errorf("unless: %s: of %s the clauses say %t", unless, text, v.Match)
			}
			for _, c := range v.Clauses {
				if !acts && c.Decided != (c.Text == "amount > 500" || c.Text == "金额 > 500" || strings.HasPrefix(c.Text, "amount")) {
					t.Errorf("unless: %s: of %s %q decided: %t", unless, text, c.Text, c.Decided)
				}
			}
		}
		for _, c := range r.Clauses() { // each stands where the file has it
			if line := []rune("    unless: " + single(unless)); !strings.HasPrefix(string(line[c.Column-1:]), c.Text) {
				t.Errorf("unless: %s: %q stands in column %d", unless, c.Text, c.Column)
			}
		}
	}
}

func TestOrInUnlessOfATagRule(t *testing.T) {
	s := mustLoad(t, "  - {name: any-tag, event: profile.changed, when: 'score > 1', unless: 'city == \"x\" or level == \"vip\"', tags: [t]}\n", demoAccount())
	row := row{"score": {Type: event.Number, Str: "5"}, "level": {Type: event.String, Str: "vip"}, "city": intent.Value{}}
	if got := s.Tags("demo", row.get, nil); len(got) > 0 {
		t.Errorf("who is excluded is given %v", got)
	}
}

// Where a missing field overrules a part that does not ask for it, the loader says so, and its cure says no more.
func TestPartsThatAMissingFieldOverrules(t *testing.T) {
	for _, c := range []struct{ conditions, want string }{
		{`when: 'amount > 5 or city == "a"'`, `(has(amount) and amount > 5)`},
		{`when: '(amount ?? 0) > 5 or city == "a"'`, `(has(city) and city == "a")`},
		{`when: 'not (amount > 5 and city == "a")'`, `(has(amount) and amount > 5)`},
		{`when: 'len(items) == 1 or amount > 5 or amount < 1'`, `(has(amount) and amount > 5)`},
		{`{when: always, unless: 'level == "vip" and (city == "a" or level == "svip")'}`, `(has(city) and city == "a")`},
		{`when: ['level == "vip" ? amount > 5 : city == "a"']`, ""}, // a warning whose cure is no part of it
		{`when: 'amount > 5 or amount < 1'`, "-"},
		{`when: 'amount > 5 and city == "a"'`, "-"},
		{`when: 'not (amount > 5 or city == "a")'`, "-"},
		{`when: ['amount > 5 or city == "a"', 'city != "b" and amount > 1']`, "-"},
		{`when: '(has(amount) and amount > 5) or (has(city) and city == "a")'`, "-"},
		{`when: '(amount ?? 0) > 5 or (city ?? "") == "a"'`, "-"},
		{`{when: always, unless: 'amount > 5 or city == "a"'}`, "-"},
		{`{when: city == "a", unless: 'level == "vip" and (city == "b" or level == "svip")'}`, "-"},
	} {
		text := c.conditions
		if strings.HasPrefix(text, "{") {
			when, unless, _ := strings.Cut(strings.Trim(text, "{}"), ", unless: ")
			text = when + "\n    unless: " + unless
		}
		_, l := load(t, rule("any-rule", "order.paid", "    "+text+"\n    push: {body: b}\n"), demoAccount())
		got := "-"
		for _, d := range l {
			if d.Code == "W223" {
				got = d.Fix
			}
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s\n%s", c.conditions, got, c.want, show(l))
		}
	}
}

// However many there are, they never keep a file from loading.
func TestManyDoubtsLoad(t *testing.T) {
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "  - {name: r-%03d, event: order.paid, mode: live, class: service, when: 'amount > 5 or city == \"a\"', push: {body: b}}\n", i)
	}
	s, l := load(t, b.String(), demoAccount())
	n := 0
	for _, d := range l {
		if d.Code == "W223" {
			n++
		}
	}
	if s == nil || n != maxDoubts {
		t.Errorf("%d warnings; it loads: %t", n, s != nil)
	}
}

// A clause that holds is not what decided where a field of another is missing.
func TestClausesThatAMissingFieldOverrules(t *testing.T) {
	c, _ := compileText(t, `amount > 500 or city == "北京"`)
	for text, want := range map[string][]bool{"900": {true, true}, "1": {false, false}} {
		_, clauses := c.explain("when", eventSource{ev(map[string]event.Value{"amount": known(event.Number, text)}), nil})
		got := []bool{clauses[0].Overruled, clauses[1].Overruled}
		if d := cmp.Diff(want, got); d != "" || clauses[0].Decided || !clauses[1].Decided || !slices.ContainsFunc(clauses[1].Missing, func(m Missing) bool { return m.Field == "city" }) {
			t.Errorf("amount %s: %s\n%+v", text, d, clauses)
		}
	}
}
