package rules

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTemplates(t *testing.T) {
	values := map[string]value{"name": {text: "小明"}, "empty": {}, "n": {text: "1234.565"}, "big": {text: "90071992547409931"}, "at": {text: "2026-11-21T11:05:09+08:00"}, "list": {list: []string{"a", "b"}, isList: true}, "none": {isList: true},
		"ns": {list: []string{"1", "2.005"}, isList: true}, "ats": {list: []string{"2026-11-21T11:05:09+08:00", "2026-11-22T00:00:00+08:00"}, isList: true}, "q": {text: `a b&c=中/+`}, "family": {text: "👨‍👩‍👧‍👦👨‍👩‍👧‍👦é❤️x"}, "lower": {text: "svip"}}
	get := func(ref string) (value, bool) { v, ok := values[ref]; return v, ok }
	for src, want := range map[string]string{
		"plain":                                "plain",
		"${name}！":                             "小明！",
		"a ${ name } b":                        "a 小明 b",
		`${missing | default("您")}`:            "您",
		`${empty | default('it\'s')}`:          "it's",
		`${none | join | default("-")}`:        "-",
		`${missing | max(3) | default("x")}`:   "x",
		`${name | default("a|b}")}`:            "小明",
		`${missing | default("a|b}")}`:         "a|b}",
		"${n | money}":                         "1234.57",
		"${big | money}":                       "90071992547409931.00",
		"${at | date}":                         "2026-11-21 11:05",
		`${at | date("MM月DD日 HH:mm:ss YYYY")}`: "11月21日 11:05:09 2026",
		`${at | date("MM月DD日 24:00 前，第 1 场")}`: "11月21日 24:00 前，第 1 场", // digits are text
		`${at | date("YYYY-MM-DDTHH:mm:ss")}`:  "2026-11-21T11:05:09",
		"${ns | money}":                        "1.00、2.01", // each of a list
		`${ns | money | join("/")}`:            "1.00/2.01",
		`${ats | date("MM-DD") | join(" ")}`:   "11-21 11-22",
		`${missing | default("免费") | money}`:   "免费", // a default that is no number is written as it is
		`${missing | default("8") | money}`:    "8.00",
		`${missing | default("未知") | date}`:    "未知",
		"${list | join}":                       "a、b",
		`${list | join(" / ")}`:                "a / b",
		`${list | join("\n")}`:                 "a\nb",
		`${none | default("a\tb\\n\"c\\")}`:    "a\tb\\n\"c\\",
		"${list}":                              "a、b",
		"${q | urlencode}":                     "a%20b%26c%3D%E4%B8%AD%2F%2B",
		"${name | max(2)}":                     "小明",
		"${name | max(1)}":                     "…",
		"${family | max(3)}":                   "👨‍👩‍👧‍👦👨‍👩‍👧‍👦…",
		"${family | max(5)}":                   "👨‍👩‍👧‍👦👨‍👩‍👧‍👦é❤️x",
		"${lower | upper}":                     "SVIP",
		"$${name} $5 $ {":                      "${name} $5 $ {",
		"${empty}":                             "",
	} {
		tm, terr := parseTemplate(src)
		if terr != nil {
			t.Errorf("%s: %v", src, terr)
			continue
		}
		got, err := tm.render(get)
		if err != nil || got != want {
			t.Errorf("%s: got %q, want %q (%v)", src, got, want, err)
		}
		again, terr := parseTemplate(tm.String())
		if terr != nil {
			t.Errorf("%s is written as %s: %v", src, tm, terr)
		} else if g, err := again.render(get); g != want || err != nil {
			t.Errorf("%s is written as %s, which is %q", src, tm, g)
		}
	}
	for src, want := range map[string]string{"${missing}": "${missing} is missing", "${name | money}": "not a number", `${name | default("1") | money}`: "not a number", "${list | money}": "not a number", "${name | date}": "not a time", "${name}${missing}": "missing"} {
		tm, terr := parseTemplate(src)
		if terr != nil {
			t.Fatal(terr)
		}
		if got, err := tm.render(get); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v", src, got, err)
		}
	}
	for src, code := range map[string]string{
		"${": "N301", "${name": "N301", "${}": "N301", "${ | max(1)}": "N301", "${a{b}": "N301", "${name｝": "N301", "$｛name｝": "N301", "${name | nope}": "N303", "${name | max}": "N304", "${name | max(0)}": "N304", "${name | max(x)}": "N304", "${name | max(1": "N301",
		"${name | default}": "N304", "${name | upper(1)}": "N304", "${name |}": "N303", "${name | default(a)}": "N301", `${name | default("a"b")}`: "N301",
	} {
		if _, err := parseTemplate(src); err == nil || err.code != code {
			t.Errorf("%s: got %v, want %s", src, err, code)
		}
	}
}

// money never loses a digit and never asks for endless ones.
func TestMoney(t *testing.T) {
	for in, want := range map[string]string{"0.005": "0.01", "-0.005": "-0.01", "-0.001": "0.00", "-0.0010000000000000001": "0.00", "1": "1.00", "999999999999999999.994": "999999999999999999.99"} {
		if got, err := money(in); err != nil || got != want {
			t.Errorf("%s: got %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "1e999999999", "1/3", "0x10", "NaN", "1,000", "--1", strings.Repeat("9", 1001)} {
		if got, err := money(in); err == nil {
			t.Errorf("%s is %s", in, got)
		}
	}
}

// A template that parses reads the same when it is written and parsed again: what a held merge relies on.
func TestTemplatesSurviveWriting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := rapid.StringOf(rapid.SampledFrom([]rune("$${}|\"'\\() amaxnt1城，default\n\t"))).Draw(t, "src")
		if rapid.Bool().Draw(t, "wrap") {
			src = "x${a | default(\"" + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(src) + "\")}$"
		}
		get := func(ref string) (value, bool) { return value{text: "<" + ref + ">"}, len(ref)%2 == 1 }
		a, err := parseTemplate(src)
		if err != nil {
			return
		}
		b, err := parseTemplate(a.String())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", src, a.String(), err)
		}
		x, err1 := a.render(get)
		y, err2 := b.render(get)
		if x != y || (err1 == nil) != (err2 == nil) {
			t.Fatalf("%q gives %q, written as %q gives %q", src, x, a.String(), y)
		}
	})
}
