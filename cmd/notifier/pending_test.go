package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
)

// pendingOf reads the list as JSON.
func (w *world) pendingOf(args ...string) (v app.PendingView) {
	w.t.Helper()
	code, out, talk := once(w.t, w.dir, append([]string{"pending", "list", "--format", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &v); code != 0 || err != nil {
		w.t.Fatalf("pending list: exit %d %v %s %s", code, err, out, talk)
	}
	return v
}

func TestPending(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("rules/rules.yaml", testRules+`  - name: digest
    event: order.paid
    mode: live
    class: service
    when: amount > 5000
    merge: {wait: 30m}
    push: {title: "Digest", body: "${count} orders"}
    limits: {expire: 2h}
`)
	p := w.run()
	if code, out, _ := once(t, w.dir, "pending", "list"); code != 0 || out != "nothing is pending\n" {
		t.Errorf("an empty list: exit %d %q", code, out)
	}
	if code, _, talk := once(t, w.dir, "pause", "rule/thanks", "--why", "test", "--yes"); code != 0 {
		t.Fatal(code, talk)
	}
	for i := range 3 {
		w.order(fmt.Sprintf("held-%d", i), fmt.Sprintf("u-%d", i))
	}
	w.amount("big-1", 6000)
	w.amount("big-2", 7000)
	until(t, "what waits", func() bool {
		v := w.pendingOf()
		return v.Total == 6 && v.Pending[0].Triggers == 2
	})
	if code, out, talk := once(t, w.dir, "fates", "big-1"); code != 0 || !strings.Contains(out, "event big-1 has no fate yet: 2 intents pending, the first of rule ") || !strings.Contains(out, "next: notifier explain big-1") {
		t.Errorf("fates of a pending event: exit %d\n%s%s", code, out, talk)
	}
	// The event comes again: its duplicate has a fate, the first of it has none yet.
	w.order("held-0", "u-0")
	until(t, "the duplicate's fate", func() bool {
		_, out, _ := once(t, w.dir, "fates", "held-0")
		return strings.Contains(out, "duplicate")
	})
	if code, out, _ := once(t, w.dir, "fates", "held-0"); code != 0 || !strings.HasSuffix(out, "\nthese are not all fates of event held-0: 1 intent pending, the first of rule thanks (paused)   next: notifier explain held-0\n") {
		t.Errorf("fates of an event and its duplicate: exit %d\n%s", code, out)
	}
	if code, out, talk := once(t, w.dir, "fates", "held-0", "--format", "json"); code != 0 || !strings.Contains(out, `"pending": 1`) {
		t.Errorf("as JSON: exit %d\n%s%s", code, out, talk)
	}
	if code, out, talk := once(t, w.dir, "fates", "held-0", "--format", "jsonl"); code != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(talk, "these are not all fates of event held-0: 1 intent pending") {
		t.Errorf("as lines: exit %d\n%s%s", code, out, talk)
	}
	v := w.pendingOf("--limit", "2")
	if first := v.Pending[0]; len(v.Pending) != 2 || v.More != 4 || first.Rule != "digest" || first.State != "merging" || first.Next.IsZero() || first.Lane != "main/user" || v.States["paused"] != 5 {
		t.Errorf("the list: %+v", v)
	}
	_, out, _ := once(t, w.dir, "pending", "list", "--limit", "2")
	for _, want := range []string{"merging", "2 triggers", "pause rule/thanks", "6 pending: 1 merging, 5 paused", "4 more; next: --limit 0"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if code, out, talk := once(t, w.dir, "pending", "list", "--rule", "thanks", "--state", "paused", "--lane", "main/user", "--format", "jsonl", "--limit", "3"); code != 0 || strings.Count(out, "\n") != 3 || !strings.Contains(talk, "2 more") {
		t.Errorf("jsonl: exit %d %s %s", code, out, talk)
	}
	ids := map[string]app.PendingItem{}
	for _, x := range w.pendingOf().Pending {
		ids[x.Rule+" "+x.Event] = x
	}
	held, merged := ids["thanks held-0"], ids["digest big-1"]
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"list --state waiting", exitUsage, `unknown --state "waiting": merging, approval`},
		{"list --lane main/usr", exitUsage, `no lane "usr"`},
		{"list --rule thanx", exitUsage, `no rule "thanx"`},
		{"list --limit -1", exitUsage, "--limit is a number"},
		{"cancel " + held.ID + " --yes", exitUsage, "--why is missing"},
		{"cancel " + held.ID + " --why x", exitUsage, "event held-0, rule thanks, to u-0, given up for good\nnotifier: not on a terminal"},
		{"cancel 0123456789 --why x --yes", exitUsage, `nothing with the id "0123456789" is pending`},
		{"extend --rule thanks --by 2h --yes", exitUsage, "--why is missing"},
		{"extend --rule thanks --by 2h --why x", exitUsage, "extend thanks by 2h: what it holds now expires later, 5 intents\nnotifier: not on a terminal"},
		{"extend --rule thanks --by li --why x --yes", exitUsage, "say how much later"},
		{"extend --rule thanks --by 91d --why x --yes", exitUsage, "say how much later, up to 90d"},
		{"extend --by 2h --why x --yes", exitUsage, "--rule is missing"},
		{"extend --rule thanx --by 2h --why x --yes", exitUsage, `no rule "thanx"`},
		{"extend --rule city-tag --by 2h --why x --yes", exitUsage, "holds nothing that expires"},
	} {
		if code, _, talk := once(t, w.dir, append([]string{"pending"}, strings.Fields(c.args)...)...); code != c.code || !strings.Contains(talk, c.says) {
			t.Errorf("%s: exit %d %q, want %d %q", c.args, code, talk, c.code, c.says)
		}
	}
	if code, out, talk := once(t, w.dir, "pending", "cancel", held.ID, "--why", "ordered twice", "--by", "li", "--yes"); code != 0 || out != "cancelled\n" {
		t.Fatalf("cancel: exit %d %s %s", code, out, talk)
	}
	if code, out, talk := once(t, w.dir, "pending", "cancel", string(merged.Intent), "--why", "no digest", "--by", "li", "--yes"); code != 0 || !strings.Contains(out, "with the 2 triggers merged into it") {
		t.Fatalf("cancel of a merge: exit %d %s %s", code, out, talk)
	}
	if _, out, _ := once(t, w.dir, "fates", "held-0"); !strings.Contains(out, "SUPPRESSED") || !strings.Contains(out, "cancelled") || !strings.Contains(out, "by li: ordered twice") {
		t.Errorf("fates:\n%s", out)
	}
	if code, _, talk := once(t, w.dir, "pending", "cancel", held.ID, "--why", "x", "--yes"); code != exitGate || !strings.Contains(talk, "has its fate since") {
		t.Errorf("a second cancel: exit %d %q", code, talk)
	}
	if code, out, talk := once(t, w.dir, "pending", "extend", "--rule", "thanks", "--by", "1d", "--why", "incident", "--yes"); code != 0 || !strings.Contains(out, "4 intents expire 24h later") {
		t.Fatalf("extend: exit %d %s %s", code, out, talk)
	}
	p.signal(syscall.SIGKILL)
	p.exits()
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	p.says(`"partition owned"`)
	v = w.pendingOf("--rule", "thanks")
	for _, x := range v.Pending {
		if was := ids["thanks "+x.Event].Expire; !x.Expire.Equal(was.Add(24 * time.Hour)) {
			t.Errorf("%s expires %v after a restart, before the extension %v", x.Event, x.Expire, was)
		}
	}
	if v.Total != 4 {
		t.Errorf("%d pending after a restart, want 4", v.Total)
	}
	if code, _, talk := once(t, w.dir, "resume", "rule/thanks", "--why", "test", "--yes"); code != 0 {
		t.Fatal(code, talk)
	}
	until(t, "the others to be sent", func() bool { return w.sent("held-1") == 1 && w.sent("held-2") == 1 })
	if w.sent("held-0") != 0 {
		t.Error("what was cancelled was sent")
	}
	if id := ledger.ApprovalID(held.Intent); id != held.ID {
		t.Errorf("id %s, want %s", held.ID, id)
	}
}

// The vendor's answer is held back: what has left is listed as such, and cannot be cancelled.
func TestACallInFlightIsNotCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit("notifier.yaml", "tags: {delay: 100ms}", "tags: {delay: 100ms}\n    timeout: 30s") // it flies as long as the commands below take
	w.run()
	if err := w.sbx.Arm(sandbox.Fault{Vendor: "rongcloud", Host: "*", Path: rongpush.PushUser.Path, Kind: "timeout_after", Times: 1}); err != nil {
		t.Fatal(err)
	}
	w.order("flying", "u-1")
	var v app.PendingView
	until(t, "a call in flight", func() bool {
		v = w.pendingOf("--state", "in_flight")
		return v.Total == 1
	})
	if code, out, talk := once(t, w.dir, "pending", "cancel", v.Pending[0].ID, "--why", "x", "--yes"); code != exitGate || !strings.Contains(talk, "it is in flight: what has left cannot be cancelled") {
		t.Errorf("cancel: exit %d %s %s", code, out, talk)
	}
	if w.sent("flying") != 1 {
		t.Error("the call did not leave")
	}
	// A pause returns when the fleet obeys, and says what had left.
	if code, out, talk := once(t, w.dir, "pause", "account/main", "--why", "x", "--yes"); code != 0 || !strings.Contains(out, "1 call had left already\ndone: pause account/main") || strings.Count(out, "(one): paused") != 2 {
		t.Errorf("pause: exit %d %s %s", code, out, talk)
	}
}

// After an App Key was changed while a call was open, status names the account that is missing, the call is listed with its identity, and who
// resolves it too early is told what it waits for.
func TestACallOfAnAccountThatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit("notifier.yaml", "tags: {delay: 100ms}", "tags: {delay: 100ms}\n    timeout: 30s") // it flies as long as the commands below take
	w.run()
	if err := w.sbx.Arm(sandbox.Fault{Vendor: "rongcloud", Host: "*", Path: rongpush.PushUser.Path, Kind: "timeout_after", Times: 1}); err != nil {
		t.Fatal(err)
	}
	w.order("flying", "u-1")
	until(t, "a call in flight", func() bool { return w.pendingOf("--state", "in_flight").Total == 1 })
	b, err := os.ReadFile(filepath.Join(w.dir, "notifier.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("changed.yaml", strings.Replace(string(b), "app_key: "+sandbox.DefaultKey, "app_key: another", 1))

	const lost = "rongcloud:" + sandbox.DefaultKey
	if code, out, talk := once(t, w.dir, "status", "-c", "changed.yaml"); code != exitFindings || !strings.Contains(out, "no account  main "+lost+" is not in the settings, for it wait: 1 intent, 1 call without an outcome yet   next: put account "+lost+" back in notifier.yaml and restart; notifier -c changed.yaml attempts\n") {
		t.Errorf("status: exit %d\n%s%s", code, out, talk)
	}
	if code, out, talk := once(t, w.dir, "status", "-c", "changed.yaml", "--lang", "zh"); code != exitFindings || !strings.Contains(out, "缺账号  设置里没有 main "+lost+"，等着它的有：1 个待发任务、1 个还没有结果的请求   下一步：把账号 "+lost+" 放回 notifier.yaml 并重启；notifier -c changed.yaml attempts\n") {
		t.Errorf("status: exit %d\n%s%s", code, out, talk)
	}
	if code, out, _ := once(t, w.dir, "status"); code != 0 || strings.Contains(out, "no account") {
		t.Errorf("with the account: exit %d\n%s", code, out)
	}
	code, out, talk := once(t, w.dir, "attempts", "-c", "changed.yaml")
	if code != 0 || !strings.Contains(out, lost+"/user") {
		t.Errorf("attempts: exit %d\n%s%s", code, out, talk)
	}
	id := ""
	for _, line := range strings.Split(out, "\n") {
		if strings.Contains(line, lost) {
			id, _, _ = strings.Cut(line, " ")
		}
	}
	if code, out, talk := once(t, w.dir, "attempts", "resolve", id, "--as", "sent", "--why", "x", "--yes"); code != exitGate || !strings.Contains(out, "the call is open since 20") || !strings.Contains(out, "next: notifier attempts "+id) {
		t.Errorf("resolve: exit %d\n%s%s", code, out, talk)
	}
}

// What waits in a stopped lane is listed as that, with the command that tells more.
func TestAStoppedLaneInTheListOfWhatIsPending(t *testing.T) {
	v := app.PendingView{Total: 1, States: map[string]int{app.StateStopped: 1},
		Pending: []app.PendingItem{{ID: "3f", Event: "ord-1", Target: "u-1", Rule: "thanks", Lane: "main/user", State: app.StateStopped, Stopped: "credentials", Holds: "the lane is stopped: credentials"}}}
	var out, talk strings.Builder
	if err := printPending(&out, &talk, "text", &v, time.UTC, diag.EN); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "stopped  -           never    lane stopped (credentials)   next: notifier status --why --rule thanks\n1 pending: 1 stopped\n") || strings.Contains(got, "quota") {
		t.Errorf("%s", got)
	}
}
