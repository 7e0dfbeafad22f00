package rules

import (
	"strings"
	"testing"
)

// What can never be in a tag is an error with its cure, what only some values spoil is a warning, and what can be is neither.
func TestHolesThatAreNoTags(t *testing.T) {
	events := string(readFile(t, "testdata/events.yaml")) + `
      born: {path: born, type: time}
      bal: {path: account.bal, type: number, scale: 0.01}
      ok: {path: ok, type: bool}
      hob: {path: hob, type: list}
      bad: {path: bad, values: ["a b", "c/d"]}
      half: {path: half, values: [a, "b c"]}
      tenth: {path: tenth, type: number, scale: "10"}
      cities: {path: cities, type: list, values: ["北京", x]}
`
	for hole, want := range map[string]string{
		"born":                                   "N306 born | date(\"YYYY-MM-DD\")",
		`born | date("HH:mm")`:                   `N306 born | date("HH-mm")`,
		`born | date("YYYY年MM月DD日")`:             "",
		`born | date("YYYYMMDD")`:                "",
		`born | date("YYYY/MM/DD") | max(20)`:    `N306 born | date("YYYY-MM-DD")`,
		`born | date("HH:mm") | default("none")`: `W314 born | date("HH-mm") | default("none")`,
		"bal":                                    "N306 ",
		"bal | money":                            "N306 ",
		`bal | default("0")`:                     "",
		"score":                                  "",
		"score | money":                          "N306 score",
		"tenth":                                  "",
		"ok":                                     "",
		"ok | upper":                             "",
		"city":                                   "",
		"city | upper":                           "",
		"city | urlencode":                       "W314 city",
		"city | max(5)":                          "W314 city",
		"city | max(13)":                         "",
		"level | urlencode":                      "",
		"level | max(4)":                         "W314 level",
		"bad":                                    "N306 ",
		"bad | urlencode":                        "N306 ",
		`bad | default("none")`:                  "",
		"half":                                   "",
		"hob":                                    `W314 hob | join("_")`,
		`hob | join(",")`:                        `W314 hob | join("_")`,
		`hob | join("-")`:                        "",
		`hob | join("")`:                         "",
		"cities | urlencode":                     `W314 cities | join("_")`,
		`city | default("n/a")`:                  `W314 city | default("n-a")`,
		`city | default("没 有") | upper`:          `W314 city | default("没-有") | upper`,
		`city | urlencode | default("/a b/")`:    `W314 city | default("a-b")`,
		`city | default("/")`:                    "", // as without it
		`city | default("")`:                     "",
		`bad | default("n/a")`:                   `N306 bad | default("n-a")`,
	} {
		rules := "version: 1\nrules:\n  - name: x-y\n    event: profile.changed\n    tags: ['t_${" + hole + "}']\n"
		_, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte(rules)}}, demoAccount())
		got := ""
		for _, d := range l {
			got += d.Code + " " + d.Fix
			if d.Line != 5 || d.Column != len("    tags: ['t_${")+1 {
				t.Errorf("%s: at %d:%d", hole, d.Line, d.Column)
			}
			if d.Fix == "" && d.Hint.EN == "" {
				t.Errorf("%s: no cure", hole)
			}
			if d.Fix != "" {
				if _, again := LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte(strings.Replace(rules, hole, d.Fix, 1))}}, demoAccount()); len(again) > 0 {
					t.Errorf("%s: the cure %s gives\n%s", hole, d.Fix, show(again))
				}
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q\n%s", hole, got, want, show(l))
		}
	}
}

// Of an audience, any of the rule's events may fill the hole, with its own scale, values and default.
func TestHolesOfAnAudienceThatAreNoTags(t *testing.T) {
	events := string(readFile(t, "testdata/events.yaml")) + `
  a.one:
    topic: a
    id: id
    fields: {n: {path: n, type: number, scale: 0.01}, m: {path: m, type: number, scale: 0.01, default: "0"}}
  a.two:
    topic: b
    id: id
    fields: {n: {path: n, type: number}}
  plain:
    topic: p.q
    id: id
    fields: {x: x}
`
	for hole, want := range map[string]string{
		"a.one ${n}": "N306", "[a.one, a.two] ${n}": "", "a.one ${m}": "",
		"a.one ${event.time}": "N306", `a.one ${event.time | date("YYYYMM")}`: "", "a.one ${event.id}": "",
		"a.one ${event.type}": "N306", "plain ${event.type}": "", "[a.one, plain] ${event.type}": "", "a.one ${event.type | upper}": "N306", "plain ${event.type | default(\"x/y\")}": "",
		"a.one ${event.topic}": "", "plain ${event.topic}": "N306", "[a.one, plain] ${event.topic}": "", "a.one ${event.user}": "",
	} {
		i := strings.Index(hole, "$")
		rules := "version: 1\nrules:\n  - name: x-y\n    event: " + hole[:i] + "\n    mode: live\n    class: service\n    when: always\n    broadcast: {audience: {all_of: ['p_" + hole[i:] + "']}, body: b}\n    limits: {expire: 1h}\n"
		_, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte(rules)}}, demoAccount())
		got := ""
		for _, d := range l {
			if d.Code != "W307" {
				got += d.Code
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q\n%s", hole, got, want, show(l))
		}
	}
}

// What is no field of the profile is told once.
func TestTagsOfTheEventAreToldOnce(t *testing.T) {
	for _, hole := range []string{"event.type", "event.topic", "event.time"} {
		_, l := load(t, "  - {name: any-tag, event: profile.changed, tags: ['t_${"+hole+"}']}\n", demoAccount())
		if got := codes(l); got != "N302" {
			t.Errorf("%s: %s", hole, got)
		}
	}
}
