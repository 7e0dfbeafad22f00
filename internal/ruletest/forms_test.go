package ruletest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/ruletest"
)

// forms runs the tests of testdata/forms, some of which are meant to fail.
func forms(t *testing.T, change func(*ruletest.Options)) *ruletest.Report {
	t.Helper()
	set, list := rules.Load([]string{"testdata/forms"}, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	b := app.AnyBench(set, nil)
	o := ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Request: b.Request, Snapshots: &ruletest.Snapshots{}}
	if change != nil {
		change(&o)
	}
	return ruletest.Run(o)
}

// A runner that says PASS to everything would be worse than none: each form of expectation is seen to hold and not to hold.
func TestEachFormOfExpectationPassesAndFails(t *testing.T) {
	rep := forms(t, nil)
	if len(rep.Results) < 50 {
		t.Fatalf("only %d tests", len(rep.Results))
	}
	for _, r := range rep.Results {
		if bad := strings.HasPrefix(r.Name, "bad "); bad == r.OK {
			t.Errorf("%s/%s: passed is %t, diffs %v", r.Rule, r.Name, r.OK, r.Diffs)
		}
		if !r.OK && (len(r.Diffs) == 0 || r.Diffs[0].Expected == "" || r.Diffs[0].Got == "") {
			t.Errorf("%s/%s fails without saying how: %v", r.Rule, r.Name, r.Diffs)
		}
	}
}

// Nobody who reads Chinese has to read what was expected in English.
func TestDifferencesAreToldInChinese(t *testing.T) {
	var out strings.Builder
	if err := forms(t, nil).WriteText(&out, diag.ZH, false); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(out.String()) {
		for _, word := range []string{"     期望  ", "     实际  "} {
			if rest, ok := strings.CutPrefix(line, word); ok {
				if n++; rest[0] < 0x80 {
					t.Errorf("%s", line)
				}
			}
		}
	}
	if n < 40 || !strings.Contains(out.String(), "期望  一条推送：title ") {
		t.Errorf("%d lines\n%s", n, out.String())
	}
}

// What differs is shown as explain shows it: an escape stands only for what would steer the terminal.
func TestOrdinaryMarksAreShownAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	events := "version: 1\nevents:\n  order.paid: {topic: t, id: id, user: user, fields: {city: x}}\n"
	rule := "version: 1\nrules:\n  - name: vip\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    push: {title: \"优惠　来了\", body: 'b \"👨\u200d👩\u200d👧\" \\ 好'}\n" +
		"    tests:\n      - {name: a, event: {city: x}, expect: {push: {title: \"x\\u202e\\ny\"}}}\n      - {name: b, event: {city: x}, expect: {push: {body: x}}}\n"
	for name, text := range map[string]string{"events.yaml": events, "rules.yaml": rule} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, list := rules.Load([]string{dir}, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	b := app.AnyBench(set, nil)
	var out strings.Builder
	rep := ruletest.Run(ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Request: b.Request, Snapshots: &ruletest.Snapshots{}})
	if err := rep.WriteText(&out, diag.EN, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"优惠　来了"`, "\"b \\\"👨\u200d👩\u200d👧\\\" \\\\ 好\"", `"x\u202e\ny"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in\n%s", want, out.String())
		}
	}
}

// When it was sent before is told as people read it: in their zone, and a day is 24h.
func TestARepeatedSendIsToldInTheZoneOfTheSettings(t *testing.T) {
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte("version: 1\nevents:\n  order.paid: {topic: orders, id: id, user: user, fields: {order_id: o}}\n")},
		{Name: "r.yaml", Data: []byte(`version: 1
rules:
  - name: thanks
    event: order.paid
    mode: live
    class: service
    when: always
    push: {title: "t", body: "b"}
    limits: {once: {by: "${order_id}", in: 24h}}
    tests: [{name: twice, event: {order_id: o-1}, times: 2, expect: {push: {title: "t"}}}]
`)}}, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	b := app.AnyBench(set, nil)
	rep := ruletest.Run(ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Request: b.Request, Snapshots: &ruletest.Snapshots{}})
	for lang, want := range map[diag.Lang]string{diag.EN: "(once in 24h, sent 2026-01-05 12:00:00 +08:00)", diag.ZH: "（24h 内已经发过：2026-01-05 12:00:00 +08:00）"} {
		var out strings.Builder
		if err := rep.WriteText(&out, lang, false); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%v, want %s\n%s", err, want, out.String())
		}
	}
}

func TestTestsAreChosenByRuleAndName(t *testing.T) {
	rep := forms(t, func(o *ruletest.Options) { o.Run = regexp.MustCompile("^level-up/first") })
	if len(rep.Results) != 1 || rep.Results[0].Name != "first sight" {
		t.Errorf("%+v", rep.Results)
	}
	// Of rules whose tests were not chosen nothing is said: they may well have some.
	if c := rep.Coverage; c.Both != 0 || c.Clauses != 2 || len(c.Untested) != 0 || len(c.Open) != 2 || c.Open[0].Rule != "level-up" || c.Open[1].Rule != "level-up" {
		t.Errorf("coverage of one test: %+v", c)
	}
}

func TestCoverageNamesWhatIsNotProved(t *testing.T) {
	whole := forms(t, nil).Coverage
	if whole.Both != whole.Clauses || len(whole.Open)+len(whole.Untested) != 0 {
		t.Errorf("all tests: %+v", whole)
	}
	part := forms(t, func(o *ruletest.Options) { o.Run = regexp.MustCompile("^thanks/(no match|bad why)$") }).Coverage
	var open []string
	for _, o := range part.Open {
		if o.Rule == "thanks" {
			open = append(open, o.Text+" "+o.Never)
		}
	}
	if diff := cmp.Diff([]string{"amount > 500 true", `level == "vip" false`, "amount > 9000 true"}, open); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// user_when is asked only when a call is to leave, so its clauses are covered by tests that come so far, and the others by all.
func TestCoverageCountsWhatIsAskedOfTheUser(t *testing.T) {
	part := forms(t, func(o *ruletest.Options) { o.Run = regexp.MustCompile("^asks-the-user/(asked and met|nobody asks)$") }).Coverage
	var open []string
	for _, o := range part.Open {
		if o.Rule == "asks-the-user" {
			open = append(open, o.Text+" "+o.Never)
		}
	}
	if diff := cmp.Diff([]string{"push_ok false", `level == "vip" false`}, open); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSnapshotsHoldTheRequests(t *testing.T) {
	src, err := os.ReadFile("testdata/forms/forms.yaml")
	if err != nil {
		t.Fatal(err)
	}
	events, err := os.ReadFile("testdata/forms/events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sample, err := os.ReadFile("testdata/forms/samples/order.paid.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(update bool, text string) *ruletest.Report {
		t.Helper()
		files := []rules.File{{Name: dir + "/events.yaml", Data: events}, {Name: dir + "/forms.yaml", Data: []byte(text)}, {Name: dir + "/samples/order.paid.json", Data: sample}}
		set, list := rules.LoadFiles(files, app.AnyRuleOptions())
		if set == nil {
			t.Fatal(list)
		}
		b := app.AnyBench(set, nil)
		shots := &ruletest.Snapshots{Update: update}
		rep := ruletest.Run(ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Request: b.Request, Run: regexp.MustCompile("snapshot"), Snapshots: shots})
		if update {
			if changed, err := shots.Write(true); err != nil || len(changed) > 1 {
				t.Fatal(changed, err)
			}
		}
		return rep
	}
	text := string(src)
	if rep := run(false, text); rep.Failed() != 1 || !strings.Contains(rep.Results[0].Diffs[0].Got, "--update") {
		t.Errorf("without a snapshot: %+v", rep.Results)
	}
	run(true, text)
	path := filepath.Join(dir, "snapshots", "thanks.json")
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `"endpoint": "/push/user.json"`) || !strings.Contains(string(b), "812.00 元") {
		t.Fatalf("%s: %v", b, err)
	}
	if rep := run(false, text); rep.Failed() != 0 {
		t.Errorf("the same rule: %+v", rep.Results[0].Diffs)
	}
	const want = `      "title": "VIP",
-     "pushContent": "812.00 元",
+     "pushContent": "812.00 块",
      "ios": {
`
	changed := strings.Replace(text, "${amount | money} 元", "${amount | money} 块", 1)
	if rep := run(false, changed); rep.Failed() != 1 || rep.Results[0].Diffs[0].Lines != want {
		t.Errorf("another text: %+v", rep.Results)
	}
	run(true, strings.Replace(text, "name: a snapshot", "name: another snapshot", 1))
	if b, err := os.ReadFile(path); err != nil || strings.Contains(string(b), `"a snapshot"`) || !strings.Contains(string(b), `"another snapshot"`) {
		t.Errorf("a snapshot of no test stays on file: %s %v", b, err)
	}
}
