package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
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
    merge: {by: all, wait: 50m}
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
	if code != 0 || !strings.Contains(out, "event profile.changed p-1") || !strings.Contains(out, "SENT") || !strings.Contains(out, "rule city-tag") || !strings.Contains(out, "slots 0, built again\n") || !strings.Contains(out, `"tags":["city_北京"]`) {
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
	// What became part of another intent names that one's event, while it waits and after it.
	w.order("ord-2", "u-1")
	until(t, "the merge", func() bool { _, out, _ := once(t, w.dir, "fates", "ord-2"); return strings.Contains(out, "COALESCED") })
	into := func(when string) {
		t.Helper()
		code, out, talk := once(t, w.dir, "explain", "ord-2", "--rule", "later")
		if code != 0 || !strings.Contains(out, "/later/u-1, of event ord-1\n") || strings.Contains(out, "if nothing stopped it") {
			t.Errorf("%s: exit %d\n%s%s", when, code, out, talk)
		}
	}
	into("pending")
	if code, out, talk := once(t, w.dir, "pending", "cancel", string(w.pendingOf("--rule", "later").Pending[0].Intent), "--why", "x", "--yes"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, talk)
	}
	into("cancelled")
	if code, out, talk := once(t, w.dir, "explain", "ord-1", "--rule", "later"); code != 0 || !strings.Contains(out, "no text: 2 triggers were merged into it") {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	if code, out, talk := once(t, w.dir, "explain", "ord-2", "--format", "json"); code != 0 || !strings.Contains(out, "\"into_events\": {\n") || !strings.Contains(out, `/later/u-1": "ord-1"`) {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	// An id that a producer uses twice is two events, each told with its own values.
	w.order("ord-7", "u-7")
	w.produce("orders", fmt.Sprintf(`{"id":"ord-7","at":%q,"user":"u-8","amount":300}`, time.Now().Add(time.Second).Format(time.RFC3339)))
	until(t, "both", func() bool { _, out, _ := once(t, w.dir, "fates", "ord-7"); return strings.Count(out, "SENT") == 2 })
	code, out, talk = once(t, w.dir, "explain", "ord-7", "--rule", "thanks")
	one, two, ok := strings.Cut(out, "user u-8")
	if code != 0 || !ok || !strings.Contains(one, "user u-7") || !strings.Contains(one, "paid 200 in ord-7") || strings.Contains(one, "300") || !strings.Contains(two, "300 > 100") || !strings.Contains(two, "paid 300 in ord-7") || strings.Contains(two, "u-7") {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	w.write("other/events.yaml", testCatalogue)
	w.write("other/rules.yaml", strings.Replace(testRules, "city_${city}", "from_${city}", 1))
	code, out, talk = once(t, w.dir, "explain", "--user", "u-1", "--rules", "other", "--format", "json")
	if code != 0 || !strings.Contains(out, `"notifier.explain-user/v1"`) || !strings.Contains(out, `"state": "to be set"`) || !strings.Contains(out, `"state": "to be removed"`) {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	// Where no rule asks the table, what other profile events said of the user has no part in it.
	w.write("plain/events.yaml", testCatalogue)
	w.write("plain/rules.yaml", "version: 1\nrules:\n  - name: thanks\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    push: {body: \"b\"}\n    limits: {expire: 1h}\n")
	w.produce("profiles", fmt.Sprintf(`{"id":"p-2","at":%q,"user":"u-1","city":"上海"}`, time.Now().Format(time.RFC3339)))
	code, out, talk = once(t, w.dir, "explain", "p-1", "--rules", "plain")
	if code != 0 || !strings.Contains(out, "event profile.changed p-1") {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	// A piece of an id is none; the ids that it is a piece of are named.
	if code, out, talk = once(t, w.dir, "explain", "rd-1"); code != exitUsage || out != "" || !strings.Contains(talk, `no event has the id "rd-1", but it is a piece of ord-1; next: notifier explain ord-1`) {
		t.Errorf("a piece of an id: exit %d\n%s%s", code, out, talk)
	}
	for _, args := range [][]string{{"explain", "--user", "u-9"}, {"explain", "--user", "u-1", "--rule", "nope"}, {"explain", "--user", "u-1", "--since", "1h"}, {"explain", "ord-9"}, {"explain", "ord-1", "--event", "x.json"}, {"explain", "ord-1", "--now", "1h"}, {"explain", "ord-1", "--rule", "nope"}} {
		if code, out, talk = once(t, w.dir, args...); code != exitUsage || out != "" || !strings.Contains(talk, "notifier: ") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, talk)
		}
	}
}

// Of what waits in a stopped lane the quota is not to blame; what has left, or may have, has not been held by anything.
func TestExplainOfAStoppedLaneAndOfAnUnknownOutcome(t *testing.T) {
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(testCatalogue)}, {Name: "rules.yaml", Data: []byte(strings.NewReplacer("push: {", "broadcast: {audience: {all_of: [vip]}, ", "limits: {expire: 1h}", "approval: {people: 1, within: 30m}\n    limits: {expire: 1h}").Replace(testRules))}}, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "orders"}, Value: []byte(`{"id":"ord-1","at":"2026-11-21T14:00:00Z","user":"u-1","amount":200}`), Time: at})
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	in := set.Evaluate(&evs[0])[0]
	show := func(past explain.Past, lang diag.Lang) string {
		t.Helper()
		past.Event = &evs[0]
		var out strings.Builder
		if err := explain.Known(explaining(explainOptions{}, set, nil, at), past).WriteText(&out, time.UTC, lang); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	stuck := []explain.Waiting{explain.Waits(&ledger.Pending{Intent: in, At: at}, explain.Stands{State: app.StateStopped, Stopped: "credentials", Holds: "the lane is stopped: credentials", Lane: "main/broadcast"})}
	for lang, want := range map[diag.Lang][]string{
		diag.EN: {"HELD lane stopped (credentials)", "✗ lane stopped (credentials) next: notifier status --why --rule thanks"},
		diag.ZH: {"暂缓：通道停止（凭证）", "✗ 通道停止（凭证）         下一步：notifier status --why --rule thanks", "✓ 批准：30m 内要 1 人"},
	} {
		got := show(explain.Past{Pending: stuck}, lang)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q is missing\n%s", lang, w, got)
			}
		}
		if strings.Contains(got, "quota") || strings.Contains(got, "配额") || strings.Contains(got, "名额：") {
			t.Errorf("%s: the quota is blamed\n%s", lang, got)
		}
	}
	for kind, says := range map[ledger.FateKind]string{ledger.FateUnknown: "built again", ledger.Sent: "built again", ledger.Suppressed: "if nothing stopped it"} {
		got := show(explain.Past{Fates: []ledger.Fate{ledger.NewFate(in, kind, "", at)}}, diag.EN)
		if !strings.Contains(got, says) || says == "built again" && strings.Contains(got, "if nothing") {
			t.Errorf("%s: want %q\n%s", kind, says, got)
		}
	}
}

// quietTonight are quiet hours that hold now and end in about two hours, in UTC.
func quietTonight(now time.Time) (hours string, until time.Time) {
	until = now.UTC().Truncate(time.Minute).Add(2 * time.Hour)
	return now.UTC().Add(-time.Hour).Format("15:04") + "-" + until.Format("15:04"), until
}

// What an EVENT_ID prints is what the ledger, the fates and the user's row say: what holds it until when, what its limits have used,
// the request, the rules that decided; and for an event that no rule wanted, the clause that decided.
func TestExplainOfARealEventSaysWhatHoldsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hours, until2 := quietTonight(time.Now())
	w.edit("notifier.yaml", "version: 1", "version: 1\ntimezone: UTC")
	w.edit("rules/rules.yaml", "limits: {expire: 1h}", fmt.Sprintf(`limits: {expire: 1h, per_user: 1 in 24h}
  - name: night
    event: order.paid
    mode: live
    class: service
    when: amount > 100
    user_when: level == "vip"
    push: {body: "night ${amount}"}
    limits: {expire: 12h, quiet: %q, when_quiet: hold, per_user: 3 in 24h, rule: 100 in 1h}
  - name: level-up
    event: profile.changed
    mode: live
    class: service
    when: changed(level) and level == "vip"
    push: {body: "you are ${level}, were ${before.level}"}
    limits: {expire: 1h}`, hours))
	w.run()
	profile := func(id, level string) {
		w.produce("profiles", fmt.Sprintf(`{"id":%q,"at":%q,"user":"u-1","level":%q}`, id, time.Now().Format(time.RFC3339Nano), level))
	}
	profile("p-1", "normal")
	until(t, "the first profile event", func() bool { code, _, _ := once(t, w.dir, "fates", "p-1"); return code == 0 }) // the next may be in another partition
	profile("p-2", "vip")
	until(t, "the level-up", func() bool { return w.sent("you are vip, were normal") == 1 })
	w.order("ord-1", "u-1")
	until(t, "the push", func() bool { return w.sent("paid 200 in ord-1") == 1 })
	w.order("ord-2", "u-1")
	w.amount("ord-3", 50)
	w.produce("orders", `{"id":"ord-4"`)
	until(t, "the fates", func() bool {
		_, a, _ := once(t, w.dir, "fates", "p-2")
		_, b, _ := once(t, w.dir, "fates", "ord-2")
		return strings.Contains(a, "SENT") && strings.Contains(b, "capped")
	})
	says := func(args []string, wants ...string) {
		t.Helper()
		code, out, talk := once(t, w.dir, append([]string{"explain"}, args...)...)
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q is missing, exit %d\n%s%s", args, want, code, out, talk)
			}
		}
	}
	says([]string{"p-2", "--rule", "level-up"}, `✓ changed(level)`, "normal", "SENT", `"pushContent":"you are vip, were normal"`, "/push/user.json  slots 0, built again")
	says([]string{"p-1", "--rule", "level-up"}, "NO MATCH", "✗ changed(level)")
	says([]string{"ord-2"}, "HELD quiet until "+until2.Format("2006-01-02 15:04"), "✗ quiet "+hours, "→ hold until", "– per_user 3 in 24h        0 used", "– rule 100 in 1h           0 used",
		`– user_when level == "vip" "vip" == "vip"`, `{"userIds":["u-1"],"notification":{"pushContent":"night 200"}}`, "PENDING  waits for quiet until", "  rules ")
	says([]string{"ord-2", "--rule", "thanks"}, "SUPPRESSED capped", "✗ per_user 1 in 24h        1 used; last ", "if nothing stopped it", `"paid 200 in ord-2"`)
	says([]string{"ord-3"}, "event order.paid ord-3", "NO MATCH", "✗ amount > 100", "50 > 100 → false   ← decided, rules/rules.yaml:")
	says([]string{"--user", "u-1", "--rule", "night"}, "rule night", `✓ level == "vip"`, "on its way: rule night")
	says([]string{"--user", "u-1", "--rule", "city-tag"}, "rule city-tag", "the rule gives no tag")
	says([]string{"--user", "u-1", "--rule", "thanks"}, "it asks the event, not the user")
	w.edit("rules/rules.yaml", "when: amount > 100\n    push: {title", "when: amount > 1000\n    push: {title") // and the record still is what happened
	says([]string{"ord-1", "--rule", "thanks"}, "the rules and records as they are now say: no match", "← decided", "SENT")
	w.edit("rules/rules.yaml", "when: amount > 1000", "when: amuont > 1000")
	if code, out, talk := once(t, w.dir, "explain", "ord-1"); code != exitFindings || !strings.Contains(out, "SENT  vendor code 200, main/user") || strings.Contains(out, "no rule is about") || strings.Contains(out, "gone") || !strings.Contains(talk, "N202") || !strings.Contains(talk, "no clause was asked; next: notifier check") {
		t.Errorf("with broken rules: exit %d\n%s%s", code, out, talk)
	}
	if code, out, talk := once(t, w.dir, "explain", "ord-3"); code != exitFindings || out != "" || !strings.Contains(talk, "the rules have errors") {
		t.Errorf("with broken rules, of no fate: exit %d\n%s%s", code, out, talk)
	}
	w.edit("rules/rules.yaml", "when: amuont > 1000", "when: amount > 1000")
	if code, out, talk := once(t, w.dir, "explain", "ord-4"); code != exitUsage || !strings.Contains(talk, "names it and is no usable event") || !strings.Contains(talk, "next: notifier dead ls") {
		t.Errorf("a dead letter: exit %d\n%s%s", code, out, talk)
	}
	if code, out, talk := once(t, w.dir, "explain", "ord-9"); code != exitUsage || !strings.Contains(talk, "nothing is known") || !strings.Contains(talk, "orders, profiles") {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
}

// What became of a real event reads in Chinese to its end: the fate's own words, and what holds what is pending.
func TestExplainOfARealEventInChinese(t *testing.T) {
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(testCatalogue)}, {Name: "rules.yaml", Data: []byte(testRules)}}, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "orders"}, Value: []byte(`{"id":"ord-1","at":"2026-11-21T14:00:00Z","user":"u-1","amount":200}`), Time: at})
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	in := set.Evaluate(&evs[0])[0]
	show := func(past explain.Past) string {
		t.Helper()
		past.Event = &evs[0]
		rep := explain.Known(explaining(explainOptions{}, set, nil, at), past)
		rep.FateText = fateTextIn
		var out strings.Builder
		if err := rep.WriteText(&out, time.UTC, diag.ZH); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	fate := func(kind ledger.FateKind, reason ledger.Reason, more func(*ledger.Fate)) explain.Past {
		f := ledger.NewFate(in, kind, reason, at)
		more(&f)
		return explain.Past{Fates: []ledger.Fate{f}}
	}
	asking := *in
	asking.Policy.Approval = &intent.Approval{People: 1, Within: 30 * time.Minute}
	asked := &ledger.Pending{Intent: &asking, At: at, Approval: &ledger.Approval{Since: at}}
	waits := func(holds string) explain.Past {
		return explain.Past{Pending: []explain.Waiting{explain.Waits(&ledger.Pending{Intent: in, At: at}, explain.Stands{State: "paused", Holds: holds, Lane: "main/user"})}}
	}
	for _, c := range []struct {
		past explain.Past
		want string
	}{
		{fate(ledger.Suppressed, ledger.Expired, func(f *ledger.Fate) {
			f.Detail = "while it waited for paused, by the brake: the rule sent 500 in 10m0s"
		}),
			"SUPPRESSED 不发  expired，暂停期间过期，自动刹车：规则已发 500 in 10m\n"},
		{fate(ledger.Sent, "", func(f *ledger.Fate) {
			f.Code, f.Lane, f.Endpoint, f.Variant, f.Approved = 200, "main/user", "/push/user.json", "b", []string{"ann", "bo"}
		}), "SENT 已发出  厂商代码 200，文案 b，main/user /push/user.json，批准人 ann、bo\n"},
		{fate(ledger.Coalesced, "", func(f *ledger.Fate) { f.Into = "orders/0/2/thanks/u-1" }), "COALESCED 已并入  并入 orders/0/2/thanks/u-1\n"},
		{fate(ledger.FateUnknown, "", func(f *ledger.Fate) { f.Attempt = "a-1" }), "UNKNOWN 结果未知  按已用掉名额计算；`notifier attempts resolve a-1`\n"},
		{fate(ledger.FateUnknown, "", func(f *ledger.Fate) { f.Attempt, f.Detail = "a-1", ledger.LostWaiting }), "等待期间账本丢失：可能已发出，除 `notifier quota assume` 说的以外不占名额；"},
		{fate(ledger.Suppressed, ledger.Killed, func(f *ledger.Fate) { f.By, f.Why = "ann", "wrong text" }), "不发  killed，操作人 ann：wrong text\n"},
		{fate(ledger.Sent, "", func(f *ledger.Fate) { f.Resolves, f.By = ledger.FateUnknown, "ann" }), "已发出  针对 UNKNOWN，操作人 ann\n"},
		{explain.Past{Pending: []explain.Waiting{explain.Waits(asked, explain.Stands{State: "approval", Lane: "main/broadcast"})}}, "待发  在等批准，到 2026-11-21 14:30:00：notifier approvals list\n"},
		{explain.Past{Pending: []explain.Waiting{explain.Waits(asked, explain.Stands{State: "approval", Lane: "main/broadcast"})}}, "暂缓（批准）到 2026-11-21 14:30\n"},
		{waits("pause rule/thanks"), "待发  暂停：暂停 rule/thanks；下一步：notifier status --why --rule thanks\n"},
		{waits("brake rule/thanks"), "待发  暂停：刹车 rule/thanks；下一步：notifier status --why --rule thanks\n"},
		{waits("pause and brake rule/thanks"), "待发  暂停：暂停和刹车 rule/thanks；下一步：notifier status --why --rule thanks\n"},
		{waits("the rule files: mode: off"), "待发  暂停：规则文件：mode: off；下一步："},
		{waits("the rule files: the rule is not in the rule files"), "待发  暂停：规则文件：里面没有这条规则；下一步："},
		{waits("the rule is killed"), "待发  暂停：规则已作废；下一步："},
		{waits("its account is not in the settings"), "待发  暂停：设置里没有它的账号；下一步："},
	} {
		if got := show(c.past); !strings.Contains(got, c.want) {
			t.Errorf("%q is missing\n%s", c.want, got)
		}
	}
}
