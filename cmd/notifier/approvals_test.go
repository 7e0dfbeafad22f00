package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
)

// Who decides reads the request in the user's language.
func TestApprovalsInTheUsersLanguage(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	v := app.ApprovalsView{Approvals: []app.ApprovalView{
		{ID: "3f9c2a1b07", Request: &app.ApprovalOf{Event: "n-1", Rule: "notice", Owner: "growth", Lane: "main/broadcast", Endpoint: "/push.json", Slots: 1, Audience: &intent.Audience{Everyone: true},
			Content: &intent.Content{Title: "停服", Body: "今晚停服"}, Problem: "too long", People: 2, Approved: []ledger.Consent{{By: "li", Why: "read"}}, Expires: at.Add(30 * time.Minute)}},
		{ID: "3f9c2a1b08", Request: &app.ApprovalOf{Event: "n-2", Rule: "sale", Lane: "main/broadcast", Endpoint: "/push.json", Slots: 2, Audience: &intent.Audience{AllOf: []string{"a", "b"}, AnyOf: []string{"c"}, NoneOf: []string{"d"}, Package: "com.x"},
			Content: &intent.Content{Body: "b"}, People: 1, Expires: at}},
		{ID: "tags/main", Since: at, Tags: &app.TagChangeView{ID: "8c1f", Known: 90, Users: 7, Limit: 3, Others: 4, Turns: []ledger.TagTurn{{Tag: "vip", Gains: 5, Losses: 2}}}},
	}}
	for lang, want := range map[diag.Lang]string{
		diag.EN: `3f9c2a1b07  notice  main/broadcast /push.json  1 slot  to everyone
  problem   it cannot leave like this: too long
  title     停服
  body      今晚停服
  event     n-1
  owner     growth
  approved  1 of 2: li read
  until     2026-11-21 14:30:00 +00:00, then it is suppressed (not-approved)
3f9c2a1b08  sale  main/broadcast /push.json  2 slots  to all of a b, any of c, none of d, package com.x
  body      b
  event     n-2
  approved  0 of 1
  until     2026-11-21 14:00:00 +00:00, then it is suppressed (not-approved)
tags/main@8c1f  7 of 90 known users get other tags, more than tags.max_change allows (3)
  vip                            +5 -2
  and 4 tags more
  waits since 2026-11-21 14:00:00 +00:00; rejected, the tags stay as they are and the next reload asks again
next: notifier approvals approve ID, or notifier approvals reject ID --why TEXT
`,
		diag.ZH: `3f9c2a1b07  notice  main/broadcast /push.json  1 个名额  发给全部用户
  问题      照这样发不出去：too long
  标题      停服
  正文      今晚停服
  事件      n-1
  负责人    growth
  批准      已有 1 人，要 2 人：li read
  截止      2026-11-21 14:30:00 +00:00，之后不发（not-approved）
3f9c2a1b08  sale  main/broadcast /push.json  2 个名额  发给 同时有 a b，任一 c，排除 d，包名 com.x
  正文      b
  事件      n-2
  批准      已有 0 人，要 1 人
  截止      2026-11-21 14:00:00 +00:00，之后不发（not-approved）
tags/main@8c1f  7 个用户的标签会变，已知用户共 90 个，超过了 tags.max_change 允许的 3 个
  vip                            +5 -2
  另有 4 个标签
  自 2026-11-21 14:00:00 +00:00 起等待；驳回的话标签不变，下次重新加载规则时再问
下一步：notifier approvals approve ID，或 notifier approvals reject ID --why 原因
`} {
		var out strings.Builder
		if err := printApprovals(&out, "text", &v, time.UTC, lang); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lang, diff)
		}
	}
	var none strings.Builder
	if err := printApprovals(&none, "text", &app.ApprovalsView{}, time.UTC, diag.ZH); err != nil || none.String() != "没有等待批准的请求\n" {
		t.Errorf("%v %q", err, none.String())
	}
}

const approvalRules = `version: 1
rules:
  - name: notice
    owner: growth
    event: order.paid
    mode: live
    class: service
    when: amount > 1000
    broadcast: {audience: everyone, title: "Notice", body: "message ${event.id}", link: "app://x"}
    limits: {expire: 1h}
    approval: {people: 2, within: 30m}
`

// toApprove waits until an event's request waits for people and gives its id.
func (w *world) toApprove(event string) (v app.ApprovalView) {
	w.t.Helper()
	until(w.t, event+" waits for approval", func() bool {
		code, out, _ := once(w.t, w.dir, "approvals", "list", "--format", "json")
		var list app.ApprovalsView
		if code != 0 || json.Unmarshal([]byte(out), &list) != nil {
			return false
		}
		for _, v = range list.Approvals {
			if v.Request != nil && v.Request.Event == event {
				return true
			}
		}
		return false
	})
	return v
}

func TestApprovals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("rules/rules.yaml", approvalRules)
	w.edit("notifier.yaml", "    tags: {delay: 100ms}", "    tags: {delay: 100ms}\n    allow: [everyone]\n    quota: {broadcast: {hour: 20, day: 20}}")
	p := w.run()
	if code, out, _ := once(t, w.dir, "approvals", "list"); code != 0 || !strings.Contains(out, "nothing waits for approval") {
		t.Errorf("an empty list: exit %d %s", code, out)
	}
	w.amount("a-1", 2000)
	v := w.toApprove("a-1")
	id := v.ID
	code, out, _ := once(t, w.dir, "approvals", "list")
	for _, want := range []string{id + "  notice  main/broadcast /push.json  1 slot  to everyone", "title     Notice", "body      message a-1", "link      app://x", "owner     growth", "approved  0 of 2", "then it is suppressed", "next: notifier approvals approve ID"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("list: exit %d, %q is not in\n%s", code, want, out)
		}
	}
	if !regexp.MustCompile(`until     \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:00`).MatchString(out) {
		t.Errorf("list without its end:\n%s", out)
	}
	if code, out, _ := once(t, w.dir, "approvals", "list", "--format", "jsonl"); code != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"id":"`+id+`"`) {
		t.Errorf("as jsonl: exit %d %s", code, out)
	}
	refused := func(code int, says string, args ...string) {
		t.Helper()
		if got, _, talk := once(t, w.dir, append([]string{"approvals"}, args...)...); got != code || !strings.Contains(talk, says) {
			t.Errorf("%v: exit %d %q, want %d %q", args, got, talk, code, says)
		}
	}
	refused(exitUsage, "confirm with --yes", "approve", id)
	refused(exitUsage, "不在终端上，没有做任何事；请加 --yes 确认", "approve", id, "--lang", "zh")
	refused(exitUsage, `没有 ID 是 "0123456789" 的请求在等待批准`, "approve", "0123456789", "--yes", "--lang", "zh")
	refused(exitUsage, "--why is missing", "reject", id, "--yes")
	refused(exitUsage, "--by is empty", "approve", id, "--yes", "--by", " ")
	refused(exitUsage, `nothing with the id "0123456789"`, "approve", "0123456789", "--yes")
	if code, out, talk := once(t, w.dir, "approvals", "approve", id, "--yes", "--by", "li", "--lang", "zh"); code != 0 || !strings.Contains(out, "要 2 人批准，已有 1 人") {
		t.Fatalf("the first approval: exit %d %s %s", code, out, talk)
	}
	refused(exitGate, "li has approved already", "approve", id, "--yes", "--by", "li")
	refused(exitGate, "li 已经批准过", "approve", id, "--yes", "--by", "li", "--lang", "zh")

	p.signal(syscall.SIGKILL)
	p.exits()
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	p.says(`"partition owned"`)
	if n := w.sent("message a-1"); n != 0 {
		t.Fatalf("%d calls left with one of two approvals", n)
	}
	if code, out, _ := once(t, w.dir, "approvals", "list"); code != 0 || !strings.Contains(out, "1 of 2: li") {
		t.Errorf("list after a restart: exit %d\n%s", code, out)
	}
	if code, out, talk := once(t, w.dir, "approvals", "approve", string(v.Request.Intent), "--yes", "--by", "wang", "--why", "read it"); code != 0 || !strings.Contains(out, "approved by li and wang") {
		t.Fatalf("the second approval: exit %d %s %s", code, out, talk)
	}
	until(t, "the broadcast", func() bool { return w.sent("message a-1") == 1 })
	for _, e := range w.sbx.Journal(0) {
		if e.Path == "/push.json" && compact(t, e.Body) != compact(t, v.Request.Body) {
			t.Errorf("what left is not what was shown:\n%s\n%s", e.Body, v.Request.Body)
		}
	}
	w.attempt("a-1", "SENT")
	refused(exitGate, "has its fate since", "approve", id, "--yes", "--by", "zhao")
	refused(exitGate, "起已有处理结果", "approve", id, "--yes", "--by", "zhao", "--lang", "zh")
	if _, out, _ := once(t, w.dir, "fates", "a-1"); !strings.Contains(out, "approved by li and wang") {
		t.Errorf("fates:\n%s", out)
	}

	w.amount("a-2", 2000)
	id = w.toApprove("a-2").ID
	if code, out, talk := once(t, w.dir, "approvals", "reject", id, "--yes", "--by", "li", "--why", "wrong date"); code != 0 || !strings.Contains(out, "suppressed (not-approved)") {
		t.Fatalf("reject: exit %d %s %s", code, out, talk)
	}
	if _, out, _ := once(t, w.dir, "fates", "a-2"); !strings.Contains(out, "SUPPRESSED") || !strings.Contains(out, "not-approved") || !strings.Contains(out, "by li: wrong date") {
		t.Errorf("fates:\n%s", out)
	}
	if code, out, _ := once(t, w.dir, "fates"); code != 0 || !strings.Contains(out, "2 intents = 2 fates + 0 pending ✓") {
		t.Errorf("books: exit %d\n%s", code, out)
	}
	if n := w.sent("message a-2"); n != 0 {
		t.Errorf("%d calls of what was rejected", n)
	}
}

// The account may not reach everyone any more when people decide: whoever approves is told that it will not leave.
func TestAnApprovalOfWhatCannotLeaveSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("rules/rules.yaml", approvalRules)
	w.edit("notifier.yaml", "    tags: {delay: 100ms}", "    tags: {delay: 100ms}\n    allow: [everyone]\n    quota: {broadcast: {hour: 20, day: 20}}")
	p := w.run()
	w.amount("a-1", 2000)
	id := w.toApprove("a-1").ID
	p.signal(syscall.SIGKILL)
	p.exits()
	w.edit("notifier.yaml", "    allow: [everyone]\n", "")
	w.write("rules/rules.yaml", strings.Replace(approvalRules, "audience: everyone", "audience: {all_of: [vip]}", 1)) // else it does not start
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	p.says(`"partition owned"`)
	problem := w.toApprove("a-1").Request.Problem
	if problem == "" {
		t.Fatal("it can leave")
	}
	for _, by := range [][3]string{{"li", "en", "but it cannot leave like this, and is DEAD when its turn comes: " + problem + "   next: mend the account or the rule, or notifier pending cancel " + id + "\n"},
		{"wang", "zh", "但照这样发不出去，轮到时成为 DEAD：" + problem + "   下一步：改账号或规则，或 notifier pending cancel " + id + "\n"}} {
		if code, out, talk := once(t, w.dir, "approvals", "approve", id, "--yes", "--by", by[0], "--lang", by[1]); code != 0 || !strings.HasSuffix(out, by[2]) {
			t.Errorf("exit %d\n%s%s", code, out, talk)
		}
	}
	until(t, "its fate", func() bool {
		_, out, _ := once(t, w.dir, "fates", "a-1")
		return strings.Contains(out, "DEAD")
	})
}

func compact(t *testing.T, b []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(v)
}

// changeName is how a change of tags is listed.
var changeName = regexp.MustCompile(`tags/main@[0-9a-f]{10}`)

// A tag rule is edited while the daemon runs: more users than max_change (at least 100) would get other tags, so a human decides.
func TestAChangeOfTagRulesIsApproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	const users = 120
	w.profiles(users)
	tags := func() map[string]int {
		n := map[string]int{}
		for _, set := range w.sbx.Tags(sandbox.DefaultKey) {
			n[strings.Join(set, " ")]++
		}
		return n
	}
	until(t, "the tags at the vendor", func() bool { return tags()["city_bj"] == users })
	until(t, "the fates", func() bool {
		_, out, _ := once(t, w.dir, "fates")
		return strings.Contains(out, "120 intents = 120 fates + 0 pending")
	})
	w.edit("rules/rules.yaml", "city_${city}", "town_${city}")
	p.says("they wait for approval")
	_, out, _ := once(t, w.dir, "approvals", "list")
	for _, want := range []string{"  120 of 120 known users get other tags, more than tags.max_change allows (100)", "city_bj", "+0 -120", "town_bj", "+120 -0"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if _, out, _ := once(t, w.dir, "status"); !strings.Contains(out, "approval  1 wait for people") || !strings.Contains(out, "tag rules  main  changed: 120 of 120 known users") {
		t.Errorf("status:\n%s", out)
	}
	if code, out, talk := once(t, w.dir, "approvals", "reject", "tags/main", "--yes", "--by", "li", "--why", "not before Monday"); code != 0 || !strings.Contains(out, "stay as they are") {
		t.Fatalf("reject: exit %d %s %s", code, out, talk)
	}
	if _, out, _ := once(t, w.dir, "status"); !strings.Contains(out, "rejected by li: not before Monday") {
		t.Errorf("status:\n%s", out)
	}
	if code, _, talk := once(t, w.dir, "approvals", "approve", "tags/main", "--yes"); code != exitGate || !strings.Contains(talk, "no change of tags of account main waits") {
		t.Errorf("approve of what was rejected: exit %d %s", code, talk)
	}
	if tags()["city_bj"] != users {
		t.Errorf("after the rejection: %v", tags())
	}
	rejected := changeName.FindString(out)
	w.edit("rules/rules.yaml", "Thanks", "Thank you") // another reload asks again
	listed := ""
	until(t, "it is asked again", func() bool {
		_, out, _ := once(t, w.dir, "approvals", "list")
		listed = changeName.FindString(out)
		return listed != ""
	})
	if rejected == "" || listed == rejected {
		t.Errorf("two counts have one name, %q", listed)
	}
	w.edit("rules/rules.yaml", "town_${city}", "village_${city}") // behind the back of whoever has looked at the list
	until(t, "the second edit is counted", func() bool {
		_, out, _ := once(t, w.dir, "approvals", "list")
		return strings.Contains(out, "village_bj")
	})
	for _, what := range [][]string{{"approve"}, {"reject", "--why", "w"}} {
		if code, _, talk := once(t, w.dir, append([]string{"approvals", what[0], listed, "--yes", "--by", "li"}, what[1:]...)...); code != exitGate ||
			!strings.Contains(talk, "look again") {
			t.Errorf("%s of what is not there any more: exit %d %s", what[0], code, talk)
		}
	}
	_, out, _ = once(t, w.dir, "approvals", "list")
	if listed = changeName.FindString(out); listed == "" {
		t.Fatalf("the second edit does not wait:\n%s", out)
	}
	if code, out, talk := once(t, w.dir, "approvals", "approve", listed, "--yes", "--by", "li"); code != 0 || !strings.Contains(out, "approved: the tags of 120 users") {
		t.Fatalf("approve: exit %d %s %s", code, out, talk)
	}
	until(t, "the new tags at the vendor", func() bool { return tags()["village_bj"] == users })
	until(t, "the second change ends", func() bool {
		_, out, _ := once(t, w.dir, "status")
		return !strings.Contains(out, "tag rules  main")
	})
	w.edit("rules/rules.yaml", "village_${city}", "hamlet_${city}")
	until(t, "the third edit is counted", func() bool {
		_, out, _ := once(t, w.dir, "approvals", "list")
		return strings.Contains(out, "hamlet_bj")
	})
	// Without a revision it is what the command shows.
	if code, out, talk := once(t, w.dir, "approvals", "approve", "tags/main", "--yes", "--by", "li"); code != 0 ||
		!strings.Contains(out, "approved: the tags of 120 users") || !strings.Contains(talk, "hamlet_bj") || !changeName.MatchString(talk) {
		t.Fatalf("approve: exit %d %s %s", code, out, talk)
	}
	until(t, "the third edit at the vendor", func() bool { return tags()["hamlet_bj"] == users })
	until(t, "the end", func() bool {
		_, out, _ := once(t, w.dir, "status")
		return !strings.Contains(out, "tag rules  main")
	})
}

// profiles tells of users who live in bj.
func (w *world) profiles(n int) {
	w.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.broker()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	var rs []*kgo.Record
	for i := range n {
		rs = append(rs, &kgo.Record{Topic: "profiles", Value: fmt.Appendf(nil, `{"id":"p-%d","at":%q,"user":"u-%d","city":"bj"}`, i, time.Now().Format(time.RFC3339), i)})
	}
	if err := cl.ProduceSync(w.t.Context(), rs...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}
