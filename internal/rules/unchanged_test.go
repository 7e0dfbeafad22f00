package rules

import (
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/intent"
)

// A push on a profile event loads if, and only if, its conditions never hold while nothing has changed: stage 2 does not ask the rules then,
// and what the clauses say would not be what happened.
func TestAPushOnAProfileEventRestsOnAChange(t *testing.T) {
	rows := []row{}
	for _, level := range []intent.Value{{}, str("normal"), str("vip")} {
		for _, city := range []intent.Value{{}, str("a"), str("b")} {
			for _, score := range []intent.Value{{}, num("1"), num("9")} {
				rows = append(rows, row{"level": level, "city": city, "score": score})
			}
		}
	}
	rows = append(rows, row{}, row{"level": str("vip")}, row{"score": num("9")})
	for _, c := range []struct {
		conditions string
		rests      bool
	}{
		{`when: changed(level)`, true},
		{`when: changed(level) and level == "vip"`, true},
		{`when: level == "vip" and (changed(level) and score > 5)`, true},
		{`when: changed(level) or changed(city)`, true},
		{`when: (changed(level) and level == "vip") or (city == "a" and changed(city))`, true},
		{`when: (changed(level) or changed(city)) and not (level == "vip" and changed(score))`, true},
		{`when: changed(city) and not changed(level)`, true},
		{`when: not (not changed(level) or level == "normal")`, true},
		{`when: not not changed(level)`, true},
		{`when: changed(level) == true and changed(level) != false`, true},
		{`when: 'changed(level) ? level == "vip" : changed(city)'`, true},
		{`when: 'changed(level) ? level == "vip" : false'`, true},
		{`when: has(level) and changed(level) and level == "vip"`, true},
		{`when: ['level == "vip"', 'changed(level) or changed(city)']`, true},
		{`{when: always, unless: not changed(level)}`, true},
		{`{when: level == "vip", unless: ['score > 5', 'not (changed(level) or changed(city))']}`, true},

		{`when: level == "vip"`, false},
		{`when: changed(level) or level == "vip"`, false},
		{`when: level == "vip" or city == "a" or changed(level)`, false},
		{`when: (changed(level) and level == "vip") or city == "a"`, false},
		{`when: not changed(level)`, false},
		{`when: not (changed(level) and level == "vip")`, false},
		{`when: not (changed(level) or level == "vip")`, false},
		{`when: not not not changed(level)`, false},
		{`when: changed(level) == false`, false},
		{`when: changed(level) == (city == "a")`, false},
		{`when: 'changed(level) ? level == "vip" : true'`, false},
		{`when: ['level == "vip"', 'changed(level) or city == "a"']`, false},
		{`{when: always, unless: changed(level)}`, false},
		{`{when: level == "vip", unless: 'not (changed(level) and score > 5)'}`, false}, // without a score that is not met, whatever changed
	} {
		text := c.conditions
		if strings.HasPrefix(text, "{") {
			when, unless, _ := strings.Cut(strings.Trim(text, "{}"), ", unless: ")
			text = when + "\n    unless: " + unless
		}
		yaml := rule("any-rule", "profile.changed", "    "+text+"\n    push: {body: b}")
		told := 0
		set, l := load(t, yaml, demoAccount())
		for _, d := range l {
			if d.Code == "N404" {
				told++
			}
		}
		if rests := set != nil; rests != c.rests || told > 1 || !rests && told != 1 {
			t.Errorf("%s: loads is %t\n%s", c.conditions, rests, show(l))
		}
		if set == nil {
			continue
		}
		for _, x := range rows {
			for name, before := range map[string]row{"did not change": x, "is seen first": {}} {
				if v := set.AskProfile(set.Rule("any-rule"), intent.EventRef{Type: "profile.changed"}, "u-1", before.get, x.get); v.Match {
					t.Errorf("%s holds of %v, which %s", c.conditions, x, name)
				}
			}
		}
	}
}
