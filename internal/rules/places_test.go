package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
)

// applied writes the first cure of a list into a file, where its finding says; false when there is none.
func applied(text string, l diag.List) (string, bool) {
	for _, d := range l {
		if d.Fix == "" {
			continue
		}
		lines := strings.Split(text, "\n")
		r := []rune(lines[d.Line-1])
		lines[d.Line-1] = string(r[:d.Column-1]) + d.Fix + string(r[d.EndColumn-1:])
		return strings.Join(lines, "\n"), true
	}
	return text, false
}

// However a condition or a text is written, its mistakes are shown where they are, and the cures, written there, mend them.
func TestCuresMendConditionsAndTextsInEveryForm(t *testing.T) {
	for _, c := range []struct{ name, when, body, places string }{
		{"one line", `amount > 500 and city = “北京” and level == "VIP"`, "b", "7:33 7:35 7:53"},
		{"folded", ">-\n      amount > 500 and\n      city = “北京”\n\n      and level == \"VIP\"", ">\n        您好 ${ctiy}\n        您好 ${city ｜ default(“x”)}", "9:12 9:14 11:20 14:14 15:19 15:29"},
		{"literal", "|\n      amount > 500 and\n      city = “北京”\n      and levle == \"vip\"", "|-\n        您好\n        您好 ${ctiy | default(\"x\")}", "9:12 9:14 10:11 14:14"},
		{"plain over lines", "amount > 500\n      and city = “北京”\n      and level == VIP", "b\n        您好 ${ctiy}", "8:16 8:18 9:20 12:14"},
		{"single quotes over lines", "'amount > 500\n      and (city == ''a'' or city = “北京”)\n      and level == \"VIP\"'", "'it''s\n        您好 ${ctiy}'", "8:34 8:36 9:20 12:14"},
		{"double quotes over lines", "\"amount > 500 and \\\n      (city == \\\"a\\\" or city = “北京”)\n      and level == \\\"VIP\\\"\"", "\"\\\"x\\\"\n\n        您好 ${ctiy | default(\\\"x\\\")}\"", "8:30 8:32 9:20 13:14"},
		{"a list of forms", "\n      - amount => 500\n      - >-\n        city = “北京”\n        and level == \"VIP\"\n      - \"level = \\\n         \\\"vip\\\"\"", "b", "8:16 10:14 10:16 11:22 12:16"},
	} {
		text := rule("any-rule", "order.paid", "    when: "+c.when+"\n    push:\n      body: "+c.body+"\n    tests: [{name: n, event: {}, expect: no match}]")
		text = "version: 1\nrules:\n" + text
		var list diag.List
		for round := 0; round < 20; round++ {
			var l diag.List
			_, l = LoadFiles([]File{{"events.yaml", readFile(t, "testdata/events.yaml")}, {"r.yaml", []byte(text)}}, demoAccount())
			if round == 0 {
				list = l
				var at []string
				for _, d := range l {
					if d.Severity == diag.Error {
						at = append(at, fmt.Sprintf("%d:%d", d.Line, d.Column))
					}
				}
				if got := strings.Join(at, " "); got != c.places {
					t.Errorf("%s: at %s, want %s\n%s\n%s", c.name, got, c.places, text, show(l))
				}
			}
			again, did := applied(text, l)
			if !did {
				if l.Errors() > 0 {
					t.Errorf("%s: cured as the findings say:\n%s\n%s", c.name, text, show(l))
				}
				break
			}
			text = again
		}
		if len(list) == 0 {
			t.Errorf("%s: nothing found", c.name)
		}
	}
}
