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
  - name: tell-another
    event: order.paid
    mode: live
    class: marketing
    when: amount > 500
    user_when: level == "vip"
    push: {to: "${order_id}", title: "t", body: "${user.level | upper}"}
    limits: {quiet: none, expire: 12h}
    tests:
      - {name: sent to another, event: {amount: 501, order_id: u-9}, profile: {level: vip}, expect: {push: {to: [u-9], body: VIP}}}
      - {name: another is none, event: {amount: 501, order_id: u-9}, profile: {level: normal}, expect: {suppressed: opted-out}, why: level == "vip"}
      - {name: again too little, event: {amount: 499, order_id: u-9}, profile: {level: vip}, expect: no match, why: amount > 500}
`

// A condition on the profile table is asked when the push would leave, of whom it goes to; it decides, explains and counts as the others do.
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
	if diff := cmp.Diff([]string(nil), open); diff != "" || rep.Coverage.Clauses != 5 {
		t.Errorf("%d clauses (-want +got):\n%s", rep.Coverage.Clauses, diff)
	}
}
