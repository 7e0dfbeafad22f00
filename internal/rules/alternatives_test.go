package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
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
	if got := s.Tags("main", row.get, nil); len(got) > 0 {
		t.Errorf("who is excluded is given %v", got)
	}
	row["level"] = intent.Value{Type: event.String, Str: "normal"}
	if got := s.Tags("main", row.get, nil); len(got) != 1 {
		t.Errorf("who is not is given %v", got)
	}
}

// Where a missing field overrules a part that does not ask for it, the loader says so, and its cure says no more.
func TestPartsThatAMissingFieldOverrules(t *testing.T) {
	for _, c := range []struct{ conditions, want string }{
		{`when: 'amount > 5 or city == "a"'`, `(has(amount) and amount > 5)`},
		{`when: '(amount ?? 0) > 5 or city == "a"'`, `(has(city) and city == "a")`},
		{`when: 'not (amount > 5 and city == "a")'`, `(not has(amount) or amount > 5)`},
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

// A cure is for the other parts: it must not make a condition hold for events of which nothing is known. A part that asks for what is not there
// is not met, whether it stands behind `not` or not; that is what is written out beside each condition.
func TestCuresForMissingFieldsKeepTheMeaning(t *testing.T) {
	for condition, want := range map[string]string{
		`not (amount <= 500 and city != "北京")`:                            `(has(amount) and amount > 500) or (has(city) and city == "北京")`,
		`not (not (amount > 500) and not (city == "北京"))`:                 `(has(amount) and amount > 500) or (has(city) and city == "北京")`,
		`not (not (amount > 500 or city == "北京"))`:                        `(has(amount) and amount > 500) or (has(city) and city == "北京")`,
		`!(amount <= 500 && city != "北京") or level == "vip"`:              `(has(amount) and amount > 500) or (has(city) and city == "北京") or (has(level) and level == "vip")`,
		`not (amount > 500) or city == "北京"`:                              `(has(amount) and amount <= 500) or (has(city) and city == "北京")`,
		`city == "北京" or not (level in ["vip"])`:                          `(has(city) and city == "北京") or (has(level) and not (level in ["vip"]))`,
		`not (amount <= 500 and (city != "北京" or level == "vip"))`:        `(has(amount) and amount > 500) or ((has(city) and city == "北京") and (has(level) and level != "vip"))`,
		`not (金额 <= 500 and city != "北京") and (amount ?? 1) < 9000`:       `(has(amount) and amount > 500 or has(city) and city == "北京") and (amount ?? 1) < 9000`,
		`amount > 500 or city == "北京" and (level == "vip" or amount < 9)`: `(has(amount) and amount > 500) or (has(city) and city == "北京") and ((has(level) and level == "vip") or (has(amount) and amount < 9))`,
		// the field stands twice behind `not`: has() of one part would free the other from asking, so that there is no cure to paste
		`not (amount <= 500 and city != "北京" and amount > -1)`:                "",
		`(level) == "vip" or city == "北京"`:                                    `(has(level) and level == "vip") or (has(city) and city == "北京")`,
		`(amount > 500) == true or city == "北京"`:                              `(has(amount) and amount > 500) or (has(city) and city == "北京")`,
		`level == "vip" or ((((amount)) > 500) == true)`:                      `(has(level) and level == "vip") or (has(amount) and amount > 500)`,
		`(amount > 500) == (city == "北京") or level == "vip"`:                  `(has(amount) and has(city) and (amount > 500) == (city == "北京")) or (has(level) and level == "vip")`,
		`city == ")" or city == "(" or (amount > 500) == (true)`:              `(has(amount) and amount > 500)`,
		`not ((amount > 500) == true and (city == "北京")) and 1 == 1`:          `(has(amount) and amount <= 500) or (has(city) and city != "北京")`,
		`! ( ( amount ) > 500 and ( ( city ) == "北京" ) )`:                     `(has(amount) and amount <= 500) or (has(city) and city != "北京")`,
		`(level == "vip" or (amount + 1) > 501) and not (len((city)) == 100)`: `((has(level) and level == "vip") or (has(amount) and amount > 500)) and has(city)`,
		`(amount > 500 ? true : false) or city == "北京"`:                       "", // the condition of a choice is no part
	} {
		source, cured := pasted(t, condition, func(source string) string {
			return rule("any-rule", "order.paid", "    when: "+single(source)+"\n    push: {body: b}\n")
		})
		if want == "" {
			if cured {
				t.Errorf("%s: pasted, it is\n%s", condition, source)
			}
			continue
		}
		if !cured {
			t.Errorf("%s: pasted, it is\n%s and there is no cure", condition, source)
		}
		for _, amount := range []string{"", `,"amount_fen":0`, `,"amount_fen":50000`, `,"amount_fen":90000`} {
			for _, city := range []string{"", `,"city":"北京"`, `,"city":"上海"`} {
				for _, level := range []string{"", `,"level":"vip"`, `,"level":"normal"`} {
					fields := amount + city + level
					s := mustLoad(t, rule("pasted", "order.paid", "    when: "+single(source)+"\n    push: {body: b}")+rule("meant", "order.paid", "    when: "+single(want)+"\n    push: {body: b}"), demoAccount())
					e := happen(t, s, "orders", `{"id":"1","at":"2026-11-21T12:00:00+08:00","user":"u"`+fields+`}`)
					if pasted, meant := s.Ask(s.Rule("pasted"), e).Match, s.Ask(s.Rule("meant"), e).Match; pasted != meant {
						t.Errorf("%s\npasted, it is %s\nof %s it says %t, not %t", condition, source, fields, pasted, meant)
					}
				}
			}
		}
	}
}

// pasted is a condition with the cures of W223 pasted until there is no more to say, or none.
func pasted(t *testing.T, source string, ruleOf func(source string) string) (out string, cured bool) {
	t.Helper()
	for range 9 {
		text := ruleOf(source)
		_, l := load(t, text, demoAccount())
		i := slices.IndexFunc(l, func(d diag.Diagnostic) bool { return d.Code == "W223" })
		if i < 0 || l[i].Fix == "" {
			return source, i < 0
		}
		if strings.Count(l[i].Fix, "(") != strings.Count(l[i].Fix, ")") && !strings.Contains(l[i].Fix, "\")\"") {
			t.Errorf("%s: the cure is %s", source, l[i].Fix)
		}
		line := []rune(strings.Split("version: 1\nrules:\n"+text, "\n")[l[i].Line-1])
		at := strings.Index(string(line), single(source)) + 1 // of the condition, in bytes of what is ASCII
		from, to := l[i].Column-1, l[i].EndColumn-1
		source = string(line[at:from]) + l[i].Fix + string(line[to:at+len([]rune(source))])
	}
	return source, false
}

// user_when asks the profile: what the event gives is not given there.
func TestPartsOfUserWhenThatAMissingFieldOverrules(t *testing.T) {
	ruleOf := func(source string) string {
		return rule("any-rule", "order.paid", "    when: city == \"a\" and level == \"vip\"\n    user_when: "+single(source)+"\n    push: {body: b}\n")
	}
	for condition, want := range map[string]string{
		`score > 5 or city == "北京"`:                      `(has(score) and score > 5) or (has(city) and city == "北京")`,
		`(score > 5) == true or city == "北京"`:            `(has(score) and score > 5) or (has(city) and city == "北京")`,
		`not (level == "vip" and (city == "北京"))`:        `(has(level) and level != "vip") or (has(city) and city != "北京")`,
		`city == "北京" and (level == "vip" or score > 5)`: `(has(city) and city == "北京") and ((has(level) and level == "vip") or (has(score) and score > 5))`,
		`city == "北京" and level == "vip"`:                `city == "北京" and level == "vip"`,
	} {
		source, cured := pasted(t, condition, ruleOf)
		if !cured {
			t.Errorf("%s: pasted, it is\n%s and there is no cure", condition, source)
			continue
		}
		s := mustLoad(t, ruleOf(source), demoAccount())
		rows(func(r row) {
			if pasted, meant := s.Meets(source, r.get), s.Meets(want, r.get); pasted != meant {
				t.Errorf("%s\npasted, it is %s\nof %v it says %t, not %t", condition, source, r, pasted, meant)
			}
		})
	}
}

// A tag rule is not sure of what nothing is known of, also with the cure, which says so: there only a rule for each part helps.
func TestPartsOfATagRuleThatAMissingFieldOverrules(t *testing.T) {
	ruleOf := func(source string) string {
		return "  - {name: any-tag, event: profile.changed, tags: [t], when: " + single(source) + "}\n"
	}
	const condition = `(score > 5) == true or city == "北京"`
	_, l := load(t, ruleOf(condition), demoAccount())
	if codes(l) != "W223" || !strings.Contains(l[0].Hint.EN, "the tag stays as it is") || !strings.Contains(l[0].Hint.EN, "a tag rule for each part") || !strings.Contains(l[0].Hint.ZH, "各写一条标签规则") {
		t.Error(show(l))
	}
	source, cured := pasted(t, condition, ruleOf)
	if !cured {
		t.Errorf("pasted, it is\n%s and there is no cure", source)
	}
	s := mustLoad(t, ruleOf(source), demoAccount())
	apart := mustLoad(t, "  - {name: part-one, event: profile.changed, tags: [t], when: score > 5}\n  - {name: part-two, event: profile.changed, tags: [t], when: 'city == \"北京\"'}\n", demoAccount())
	rows(func(r row) {
		score, scoreKnown := r["score"]
		city, cityKnown := r["city"]
		meant := score.Str == "9" || city.Str == "北京"
		if !scoreKnown || !cityKnown { // what the hint says: the tag stays, whichever it is
			for _, had := range [][]string{nil, {"t"}} {
				if got := s.Tags("main", r.get, had); !slices.Equal(got, had) && len(got)+len(had) > 0 {
					t.Errorf("%v: with %v it gives %v", r, had, got)
				}
			}
			if got := apart.Tags("main", r.get, nil); (len(got) > 0) != meant {
				t.Errorf("%v: rules for each part give %v", r, got)
			}
			return
		}
		if got := s.Tags("main", r.get, nil); (len(got) > 0) != meant {
			t.Errorf("%v: it gives %v", r, got)
		}
	})
	_, l = load(t, "  - {name: any-tag, event: profile.changed, tags: [t], when: always, unless: 'level == \"vip\" and (city == \"a\" or score > 5)'}\n", demoAccount())
	if codes(l) != "W223" || !strings.Contains(l[0].Hint.EN, "the tag stays as it is") || strings.Contains(l[0].Hint.EN, "for each part") {
		t.Error(show(l))
	}
}

// rows goes through users of whom a field is unknown, absent, or one of two values.
func rows(f func(r row)) {
	for _, score := range []string{"?", "", "1", "9"} {
		for _, city := range []string{"?", "", "北京", "上海"} {
			for _, level := range []string{"?", "", "vip", "normal"} {
				r := row{}
				for name, v := range map[string]intent.Value{"score": {Type: event.Number, Str: score}, "city": {Type: event.String, Str: city}, "level": {Type: event.String, Str: level}} {
					switch v.Str {
					case "?":
					case "":
						r[name] = intent.Value{}
					default:
						r[name] = v
					}
				}
				f(r)
			}
		}
	}
}
