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
		`when: amount > 5`:                                 "",
		`when: 等级 == "svip"`:                               "",
		`when: level == "SVIP"`:                            "N206",
		`when: level in ["normal", "vip"]`:                 "",
		`when: level != "svip" or amount > 5`:              "W223 W223", // amount and level, of which one event has a default
		`when: amount > 5 and 金额 > 5`:                      "N202",
		`when: amount > 5 and 城市 == "a"`:                   "N202",
		`{when: amount > 5, body: "${金额} 元"}`:              "N202",
		`{when: amount > 5, body: "${city}"}`:              "",
		`{when: amount > 5, test: {城市: a}}`:                "N202",
		`{when: amount > 5, test: {level: svip}}`:          "",
		`{when: amount > 5, test: {level: svip, city: a}}`: "",
		`{when: amount > 5, test: {level: SVIP}}`:          "N560",
		`{when: amount > 5, user: 年龄 > 5}`:                 "",
		`{when: amount > 5, user: rank == "a"}`:            "",
		`{when: amount > 5, user: 名次 > 5}`:                 "N202",
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
				for _, alias := range []string{"金额", "城市", "名次"} { // they do not mean one field in all events
					if strings.Contains(d.Note.EN+d.Note.ZH, alias) {
						t.Errorf("%s: %s is offered\n%s", rest, alias, show(l))
					}
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

// A test is of one event, and takes no value that only another event of its rule has.
func TestValuesOfATestAreThoseOfItsEvent(t *testing.T) {
	const events = `version: 1
events:
  a.one: {topic: a, id: id, user: u, sample: a.json, fields: {amount: {path: a, type: number}, level: {path: l, values: [normal, vip]}, tags: {path: t, type: list, values: [x]}}}
  b.one: {topic: b, id: id, user: u, fields: {amount: {path: a, type: number}, level: {path: l, values: [normal, gold]}, tags: {path: t, type: list, values: [y]}}}
`
	for test, want := range map[string]string{
		"event: {level: vip, amount: 3}":               "a.one",
		"event: {level: gold, amount: 3}":              "b.one",
		"event: {level: normal}":                       "a.one",
		"event: {level: normal, tags: [y]}":            "b.one",
		"event: {level: vip, tags: [y]}":               "N560 x",
		"event: {level: silver, amount: 3}":            "N560 normal, vip",
		"sample: a.one, with: {level: gold}":           "N560 normal, vip",
		"sample: a.one, with: {level: vip, tags: [x]}": "a.one",
	} {
		text := "version: 1\nrules:\n  - {name: any-rule, event: [a.one, b.one], mode: live, class: service, when: 'level == \"gold\"', push: {body: b}, tests: [{name: t, " + test + ", expect: no match}]}\n"
		s, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"a.json", []byte(`{"id": "1", "u": "u"}`)}, {"r.yaml", []byte(text)}}, demoAccount())
		got := codes(l)
		if s != nil {
			got = strings.TrimSpace(got + " " + s.Rule("any-rule").Tests[0].Event)
		} else if len(l) == 1 {
			got += strings.TrimPrefix(l[0].Note.EN, "values:")
		}
		if got != want {
			t.Errorf("%s: got %s, want %s\n%s", test, got, want, show(l))
		}
	}
}

// Events of one topic whose match exclude each other need no warning: no record is both.
func TestEventsOfOneTopicThatExcludeEachOther(t *testing.T) {
	for _, c := range []struct{ kind, a, b, want string }{
		{"business", "{type: x}", "{type: y}", ""},
		{"business", "{type: [x, z], v: '1'}", "{v: '1', type: y}", ""},
		{"business", "{type: [x, y]}", "{type: y}", "W221"},
		{"business", "{type: x}", "{kind: y}", "W221"},
		{"business", "{type: x}", "{type: y}\n    format: cloudevents", "W221"}, // where `type` is something else
		{"profile\n    update: patch", "{type: x}", "{type: y}", "W221"},        // a tombstone is both
		{"profile\n    update: patch", "{header.type: x}", "{header.type: y}", ""},
	} {
		when := "amount > 1"
		if c.kind != "business" {
			when = "changed(amount) and amount > 1"
		}
		entry := func(name, match string) string {
			return "  " + name + ":\n    topic: a\n    kind: " + c.kind + "\n    id: id\n    user: u\n    fields: {amount: {path: a, type: number}}\n    match: " + match + "\n"
		}
		text := "version: 1\nrules:\n  - {name: any-rule, event: [a.one, b.one], mode: live, class: service, when: " + when + ", push: {body: b}, tests: [{name: t, event: {amount: 1}, expect: no match}]}\n"
		_, l := LoadFiles([]File{{"events.yaml", []byte("version: 1\nevents:\n" + entry("a.one", c.a) + entry("b.one", c.b))}, {"r.yaml", []byte(text)}}, demoAccount())
		if got := codes(l); got != c.want {
			t.Errorf("%+v: got %s\n%s", c, got, show(l))
		}
	}
}
