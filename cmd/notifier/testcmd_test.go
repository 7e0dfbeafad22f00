package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testVIP = `version: 1
rules:
  - name: vip-beijing-thanks
    event: order.paid
    mode: live
    class: service
    when:
      - amount >= 500
      - city in ["北京", "上海"]
    push: {title: "亲爱的会员，感谢支持", body: "b"}
    tests:
      - {name: 501 元的北京 VIP, event: {amount: 501, city: 北京}, expect: {push: {title: "亲爱的会员，感谢支持"}}}
      - {name: 刚好 500 元，不发, event: {amount: 500, city: 北京}, expect: no match}
      - {name: 一天两次, event: {amount: 501, city: 北京}, times: 2, snapshot: true}
      - {name: 少于 500 元, event: {amount: 499, city: 北京}, expect: no match, why: amount >= 500}
  - name: city-thanks
    event: order.paid
    mode: live
    class: service
    when: city == "北京"
    push: {body: "b"}
`

func runTest(o testOptions) (out, talk string, code int) {
	var a, b bytes.Buffer
	if o.paths == nil {
		o.paths = []string{"rules/"}
	}
	if o.format == "" {
		o.format = "text"
	}
	if o.lang == "" {
		o.lang = "en"
	}
	err := runTests(o, nil, &a, &b)
	if e, ok := errors.AsType[*exitError](err); ok {
		return a.String(), b.String() + e.Error(), e.code
	} else if err != nil {
		return a.String(), b.String() + err.Error(), -1
	}
	return a.String(), b.String(), 0
}

func testFiles() map[string]string {
	return map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": testVIP}
}

// Every format is testdata/test/FORMAT.LANG.txt, with the exit code.
func TestTestFormats(t *testing.T) {
	golden, err := filepath.Abs("testdata/test")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ format, lang string }{{"text", "en"}, {"text", "zh"}, {"text", "both"}, {"json", "both"}, {"junit", "both"}} {
		inDir(t, testFiles())
		o := testOptions{coverage: true}
		o.format, o.lang = c.format, c.lang
		out, _, code := runTest(o)
		got := out + fmt.Sprintf("exit %d\n", code)
		file := filepath.Join(golden, c.format+"."+c.lang+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		var any struct {
			XMLName xml.Name `json:"-"`
			Schema  string   `json:"schema" xml:"-"`
		}
		switch {
		case c.format == "json" && (json.Unmarshal([]byte(out), &any) != nil || any.Schema != "notifier.test/v1"):
			t.Errorf("no notifier.test/v1: %s", out)
		case c.format == "junit" && (xml.Unmarshal([]byte(out), &any) != nil || any.XMLName.Local != "testsuites"):
			t.Errorf("no JUnit: %s", out)
		}
	}
}

func TestTestExitCodesAgreeWithTheText(t *testing.T) {
	good := strings.Replace(testVIP, "      - {name: 刚好 500 元，不发, event: {amount: 500, city: 北京}, expect: no match}\n", "", 1)
	good = strings.Replace(good, "      - {name: 一天两次, event: {amount: 501, city: 北京}, times: 2, snapshot: true}\n", "", 1)
	none := good[:strings.Index(good, "    tests:")] + good[strings.Index(good, "  - name: city-thanks"):]
	for _, c := range []struct {
		name  string
		rules string
		o     testOptions
		code  int
		says  string
	}{
		{"all pass", good, testOptions{}, 0, "2 tests, 2 passed, 0 failed"},
		{"one fails", testVIP, testOptions{}, exitFindings, "4 tests, 2 passed, 2 failed"},
		{"one is chosen", testVIP, testOptions{run: "501"}, 0, "1 test, 1 passed, 0 failed"},
		{"coverage of what is chosen", testVIP, testOptions{run: "501", coverage: true}, 0, "coverage: clauses 0/2 proved both ways; never false: amount >= 500 (rules/vip.yaml:8); never false: city in [...] (rules/vip.yaml:9)\n"},
		{"none is chosen", testVIP, testOptions{run: "502"}, exitUsage, "no tests were run"},
		{"no tests", none, testOptions{}, exitUsage, "no tests were run"},
		{"a wrong filter", testVIP, testOptions{run: "("}, exitUsage, "--run"},
		{"wrong rules", strings.Replace(good, "city ==", "citty ==", 1), testOptions{}, exitFindings, "N202"},
		{"wrong rules for machines", strings.Replace(good, "city ==", "citty ==", 1), testOptions{checkOptions: checkOptions{format: "json"}}, exitFindings, `"diagnostics":[{"code":"N202"`},
		{"wrong rules for CI", strings.Replace(good, "city ==", "citty ==", 1), testOptions{checkOptions: checkOptions{format: "junit"}}, exitFindings, "N202"},
		{"a folder without rule files, as check", good, testOptions{checkOptions: checkOptions{paths: []string{"empty"}}}, exitUsage, "no rule files in empty: name a folder with .yaml files"},
		{"no such path", good, testOptions{checkOptions: checkOptions{paths: []string{"ruels"}}}, exitUsage, "N117"},
		{"one file", good, testOptions{checkOptions: checkOptions{paths: []string{"rules/vip.yaml"}}}, 0, "2 tests"},
		{"another format", good, testOptions{checkOptions: checkOptions{format: "github"}}, exitUsage, "junit"},
		{"no such settings", good, testOptions{checkOptions: checkOptions{config: "nope.yaml"}}, exitSettings, "settings"},
		{"the snapshots are written", testVIP, testOptions{update: true, run: "两次"}, 0, "written: rules/snapshots/vip-beijing-thanks.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inDir(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": c.rules, "empty/readme.md": "x"})
			out, talk, code := runTest(c.o)
			if code != c.code || !strings.Contains(out+talk, c.says) {
				t.Errorf("exit %d, want %d and %q:\n%s%s", code, c.code, c.says, out, talk)
			}
		})
	}
}

func TestTestKnowsTheSettings(t *testing.T) {
	rules := strings.Replace(testVIP, "class: service", "class: marketing", 1)
	inDir(t, map[string]string{"rules/events.yaml": checkCatalogue + "  user.changed: {topic: users, kind: profile, update: patch, id: id, user: user, fields: {ok: {path: ok, type: bool}}}\n", "rules/vip.yaml": rules,
		"notifier.yaml": "version: 1\nkafka: {brokers: [k1:9092], start: latest}\nconsent: {marketing: ok}\naccounts:\n  main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:S}\"}\n"})
	var a, b bytes.Buffer
	err := runTests(testOptions{checkOptions: checkOptions{paths: []string{"rules/"}, format: "text", lang: "en"}, run: "501"}, []string{"S=x"}, &a, &b)
	if e, ok := errors.AsType[*exitError](err); !ok || e.code != exitFindings || !strings.Contains(a.String(), "suppressed: opted-out") || b.String() != "" {
		t.Errorf("%v\n%s%s", err, a.String(), b.String())
	}
}

// What came instead reads in Chinese to its end: what stage 1 and stage 2 add to a reason, too.
func TestFailedTestsInChinese(t *testing.T) {
	inDir(t, map[string]string{
		"rules/events.yaml": "version: 1\nevents:\n  order.paid:\n    topic: t\n    id: id\n    time: at\n    user: user\n    fields:\n      city: city\n      amount: {path: fen, type: number, scale: 0.01, required: true}\n      ok: {path: ok, type: bool}\n" +
			"  profile.changed:\n    topic: p\n    kind: profile\n    update: patch\n    id: id\n    time: at\n    user: user\n    fields: {push_ok: {path: push_ok, type: bool}}\n",
		"rules/r.yaml": `version: 1
rules:
  - name: thanks
    event: order.paid
    mode: live
    class: service
    when: amount >= 500
    user_when: push_ok
    push: {title: "${city}", body: "付 ${amount} 元"}
    limits: {quiet: 22:00-08:00, brake: 1 in 10m, expire: 1h}
    tests:
      - {name: 没同意, event: {amount: 500, city: 北京}, profile: {push_ok: false}, expect: {push: {}}}
      - {name: 没城市, event: {amount: 500}, profile: {push_ok: true}, expect: {push: {}}}
      - {name: 没金额, event: {city: 北京}, profile: {push_ok: true}, expect: {push: {}}}
      - {name: 夜里, event: {amount: 500, city: 北京}, profile: {push_ok: true}, now: 2026-01-05T23:00:00+08:00, expect: {push: {}}}
      - {name: 夜里过期, event: {amount: 500, city: 北京}, profile: {push_ok: true}, now: 2026-01-05T23:00:00+08:00, expect: {held: quiet, leaves_at: 2026-01-06T08:00:00+08:00}}
      - {name: 刹车, event: {amount: 500, city: 北京}, profile: {push_ok: true}, times: 2, after: 2h, expect: {push: {}}}
      - {name: 别的原因, event: {amount: 499, city: 北京}, expect: no match, why: amount > 500}
      - {name: 分, event: {amount: 500, city: 北京}, profile: {push_ok: true}, expect: {push: {body: "付 500.00 元"}}}
`})
	o := testOptions{}
	o.lang = "zh"
	out, talk, code := runTest(o)
	for _, want := range []string{
		"实际  不发：opted-out（user_when 不成立：push_ok）\n",
		"实际  死信：render-error（${city} 没有值）\n",
		"实际  不是可用的事件，成了死信：必须有的字段 amount 没有值\n",
		"实际  暂缓：quiet，到 2026-01-06T08:00:00+08:00\n",
		"实际  一直没有发出：不发：expired（等待免打扰时段结束期间过期）\n",
		"实际  不发：expired（暂停期间过期，自动刹车：规则已发 1 in 10m）\n",
		"实际  因为 amount >= 500，而且规则里没有条件 `amount > 500`\n",
		"500.00 >= 500 → true",
		"PASS thanks/分\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() || code != exitFindings {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
}
