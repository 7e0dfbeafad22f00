package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestExplainOfARealEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit("rules/rules.yaml", "limits: {expire: 1h}", `limits: {expire: 1h}
  - name: later
    event: order.paid
    mode: live
    class: service
    when: amount > 150
    push: {body: "later"}
    merge: {by: "${event.id}", wait: 50m}
    limits: {expire: 2h}
  - name: huge
    event: order.paid
    mode: live
    class: service
    when: amount > 9000
    push: {body: "huge"}`)
	w.run()
	w.order("ord-1", "u-1")
	w.produce("profiles", fmt.Sprintf(`{"id":"p-1","at":%q,"user":"u-1","city":"北京"}`, time.Now().Format(time.RFC3339)))
	until(t, "the push", func() bool { return w.sent("paid 200 in ord-1") == 1 })
	until(t, "the fates", func() bool {
		_, a, _ := once(t, w.dir, "fates", "p-1")
		_, b, _ := once(t, w.dir, "fates", "ord-1")
		return strings.Contains(a, "SENT") && strings.Contains(b, "SENT")
	})
	code, out, talk := once(t, w.dir, "explain", "ord-1")
	for _, want := range []string{"event order.paid ord-1  user u-1", "orders[", "1 of 1 fields found", "✓ amount > 100", "SENT  vendor code 200, main/user /push/user.json",
		"PENDING  waits for merge until", "✗ amount > 9000            200 > 9000 → false", "← decided, rules/rules.yaml:25", "what became of it"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() || code != 0 {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	code, out, talk = once(t, w.dir, "explain", "p-1")
	if code != 0 || !strings.Contains(out, "event profile.changed p-1") || !strings.Contains(out, "SENT") || !strings.Contains(out, "rule city-tag") {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	code, out, talk = once(t, w.dir, "explain", "ord-1", "--rule", "thanks", "--format", "json")
	var got struct {
		Schema string
		Rules  []struct{ Rule, Verdict string }
		Fates  []struct{ Fate, Rule string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || fmt.Sprint(got) != "{notifier.explain/v1 [{thanks match}] [{SENT thanks}]}" {
		t.Errorf("exit %d, %v, %v\n%s%s", code, err, got, out, talk)
	}
	code, out, talk = once(t, w.dir, "explain", "--user", "u-1")
	for _, want := range []string{"user u-1\n  account main\n", `✓ city_北京                rule city-tag "city_${city}", rules/rules.yaml:3`, "city = 北京", "on its way: rule later"} {
		if !strings.Contains(out, want) || code != 0 {
			t.Errorf("%q is missing, exit %d\n%s%s", want, code, out, talk)
		}
	}
	w.write("other/events.yaml", testCatalogue)
	w.write("other/rules.yaml", strings.Replace(testRules, "city_${city}", "from_${city}", 1))
	code, out, talk = once(t, w.dir, "explain", "--user", "u-1", "--rules", "other", "--format", "json")
	if code != 0 || !strings.Contains(out, `"notifier.explain-user/v1"`) || !strings.Contains(out, `"state": "to be set"`) || !strings.Contains(out, `"state": "to be removed"`) {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	for _, args := range [][]string{{"explain", "--user", "u-9"}, {"explain", "--user", "u-1", "--rule", "later"}, {"explain", "ord-9"}, {"explain", "ord-1", "--event", "x.json"}, {"explain", "ord-1", "--now", "1h"}, {"explain", "ord-1", "--rule", "nope"}} {
		if code, out, talk = once(t, w.dir, args...); code != exitUsage || out != "" || !strings.Contains(talk, "notifier: ") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, talk)
		}
	}
}
