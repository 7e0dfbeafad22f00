package ruletest_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/ruletest"
)

const userWhenRules = `version: 1
rules:
  - name: thanks
    event: order.paid
    mode: live
    class: marketing
    when: amount > 500
    user_when: push_ok and level == "vip"
    push: {title: "t", body: "b"}
    limits: {quiet: none, expire: 12h}
    tests:
      - {name: sent, event: {amount: 501}, profile: {push_ok: true, level: vip}, expect: {push: {title: "t"}}}
      - {name: not agreed, event: {amount: 501}, profile: {push_ok: false, level: vip}, expect: {suppressed: opted-out}, why: push_ok}
      - {name: unknown, event: {amount: 501}, expect: {suppressed: opted-out}}
      - {name: bad reason, event: {amount: 501}, profile: {push_ok: false, level: vip}, expect: {suppressed: opted-out}, why: amount > 500}
      - {name: too little, event: {amount: 499}, expect: no match, why: amount > 500}
`

// A condition on the profile table is asked when the push would leave; it decides, explains and counts as the others do.
func TestUserWhenDecidesAndIsCovered(t *testing.T) {
	events, err := os.ReadFile("../../rules/events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files, err := rules.ReadFS(os.DirFS("../../rules"))
	if err != nil {
		t.Fatal(err)
	}
	in := []rules.File{{Name: "events.yaml", Data: events}, {Name: "rules.yaml", Data: []byte(userWhenRules)}}
	for _, f := range files {
		if len(f.Name) > 8 && f.Name[:8] == "samples/" {
			in = append(in, f)
		}
	}
	set, list := rules.LoadFiles(in, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	b := app.AnyBench(set, nil)
	rep := ruletest.Run(ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Request: b.Request, Snapshots: &ruletest.Snapshots{}})
	for _, r := range rep.Results {
		if want := r.Name != "bad reason"; r.OK != want {
			t.Errorf("%s: passed is %t: %v", r.Name, r.OK, r.Diffs)
		}
	}
	var open []string
	for _, o := range rep.Coverage.Open {
		open = append(open, o.Text+" never "+o.Never)
	}
	if diff := cmp.Diff([]string(nil), open); diff != "" || rep.Coverage.Clauses != 3 {
		t.Errorf("%d clauses (-want +got):\n%s", rep.Coverage.Clauses, diff)
	}
}
