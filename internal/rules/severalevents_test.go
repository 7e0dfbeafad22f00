package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
)

const twoEvents = `version: 1
events:
  a.one:
    topic: a
    id: id
    user: u
    fields: {amount: {path: a, type: number, alias: 金额}, level: {path: l, values: [normal, vip], default: normal, alias: 等级}, city: {path: c, alias: 城市}}
  b.one:
    topic: b
    id: id
    user: u
    fields: {amount: {path: a, type: number}, price: {path: p, type: number, alias: 金额}, level: {path: l, values: [normal, vip, svip], alias: 等级}, city: c}
  user.one:
    topic: x
    kind: profile
    update: patch
    id: id
    user: u
    fields: {rank: {path: r, alias: 名次, values: [a, b]}, age: {path: g, type: number, alias: 年龄}}
  user.two:
    topic: y
    kind: profile
    update: patch
    id: id
    user: u
    fields: {rank: {path: r, values: [b, c]}, score: {path: s, type: number, alias: 名次}}
`

// A rule on several events is judged by all of them, in whatever order it names them.
func TestNamesAndValuesOfSeveralEvents(t *testing.T) {
	for rest, want := range map[string]string{
		`when: amount > 5`:                        "",
		`when: 等级 == "svip"`:                      "",
		`when: level == "SVIP"`:                   "N206",
		`when: level in ["normal", "vip"]`:        "",
		`when: level != "svip" or amount > 5`:     "W223 W223", // amount and level, of which one event has a default
		`when: amount > 5 and 金额 > 5`:             "N202",
		`when: amount > 5 and 城市 == "a"`:          "N202",
		`{when: amount > 5, body: "${金额} 元"}`:     "N202",
		`{when: amount > 5, body: "${city}"}`:     "",
		`{when: amount > 5, test: {城市: a}}`:       "N202",
		`{when: amount > 5, test: {level: svip}}`: "",
		`{when: amount > 5, user: 年龄 > 5}`:        "",
		`{when: amount > 5, user: rank == "a"}`:   "",
		`{when: amount > 5, user: 名次 > 5}`:        "N202",
	} {
		var told []string
		for _, events := range []string{"[a.one, b.one]", "[b.one, a.one]"} {
			keys := map[string]string{"when": strings.TrimPrefix(rest, "when: "), "body": "b", "test": "{amount: 1}"}
			if inner, ok := strings.CutPrefix(rest, "{"); ok {
				for key := range strings.SplitSeq(strings.TrimSuffix(inner, "}"), ", ") {
					name, value, _ := strings.Cut(key, ": ")
					if keys[name] = value; name == "body" {
						keys[name] = strings.Trim(value, `"`)
					}
				}
			}
			if strings.HasPrefix(keys["test"], "{") && !strings.HasSuffix(keys["test"], "}") {
				keys["test"] += "}"
			}
			text := "version: 1\nrules:\n  - name: any-rule\n    event: " + events + "\n    mode: live\n    class: service\n    when: " + single(keys["when"]) + "\n    push: {body: " + single(keys["body"]) + "}\n    tests: [{name: t, event: " + keys["test"] + ", expect: no match}]\n"
			if u := keys["user"]; u != "" {
				text += "    user_when: " + single(u) + "\n"
			}
			_, l := LoadFiles([]File{{"events.yaml", []byte(twoEvents)}, {"r.yaml", []byte(text)}}, demoAccount())
			for _, d := range l {
				told = append(told, d.Code)
				if d.Code == "N202" && (d.Severity != diag.Error || d.Hint.EN == "") {
					t.Errorf("%s: no cure\n%s", rest, show(l))
				}
			}
		}
		slices.Sort(told)
		if len(strings.Fields(want)) == 1 {
			want += " " + want // in either order
		}
		if got := strings.Join(told, " "); got != want {
			t.Errorf("%s\n got %s\nwant %s", rest, got, want)
		}
	}
}
