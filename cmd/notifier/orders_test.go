package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
)

const castRules = `version: 1
rules:
  - name: city-tag
    event: profile.changed
    tags: ["city_${city}"]
  - name: notice
    event: order.paid
    mode: live
    class: service
    when: amount > 1000
    broadcast:
      audience: {all_of: ["vip"]}
      title: "Notice"
      body: "message ${event.id}"
      message: {type: RC:TxtMsg, content: {content: "message ${event.id}"}}
    limits: {expire: 1h}
  - name: plain
    event: order.paid
    mode: live
    class: service
    when: amount > 500 and amount < 600
    broadcast: {audience: {all_of: ["vip"]}, title: "Notice", body: "plain ${event.id}"}
    limits: {expire: 1h}
  - name: online
    event: order.paid
    mode: live
    class: service
    when: amount > 600 and amount < 700
    broadcast:
      audience: online
      title: "Notice"
      body: "online ${event.id}"
      message: {type: RC:TxtMsg, content: {content: "online ${event.id}"}}
    limits: {expire: 1h}
`

func (w *world) amount(id string, amount int) {
	w.t.Helper()
	w.produce("orders", fmt.Sprintf(`{"id":%q,"at":%q,"user":"u","amount":%d}`, id, time.Now().Format(time.RFC3339), amount))
}

// attempt waits for the attempt of a fate and gives its id.
func (w *world) attempt(event, fate string) (id string) {
	w.t.Helper()
	until(w.t, event+" "+fate, func() bool {
		_, out, _ := once(w.t, w.dir, "fates", event, "--format", "jsonl")
		if !strings.Contains(out, `"fate":"`+fate+`"`) {
			return false
		}
		_, rest, _ := strings.Cut(out, `"attempt":"`)
		id, _, _ = strings.Cut(rest, `"`)
		return id != ""
	})
	return id
}

// recalls gives the recalls that reached the vendor.
func (w *world) recalls() (out []map[string]string) {
	for _, e := range w.sbx.Journal(0) {
		if e.Path == rongpush.BroadcastRecall.Path {
			var v map[string]string
			if err := json.Unmarshal(e.Body, &v); err != nil {
				w.t.Fatal(err)
			}
			out = append(out, v)
		}
	}
	return out
}

// fresh gives the vendor empty windows and an empty journal; the daemon's own limit is higher.
func (w *world) fresh() {
	w.t.Helper()
	if err := w.sbx.Reset(w.sbx.StartSetup()); err != nil {
		w.t.Fatal(err)
	}
}

func newCastWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.write("rules/rules.yaml", castRules)
	w.edit("notifier.yaml", "    tags: {delay: 100ms}", "    tags: {delay: 100ms}\n    allow: [everyone]\n    approval: waived\n    sender: shop\n    quota: {broadcast: {hour: 20, day: 20}}")
	return w
}

func TestRecall(t *testing.T) {
	t.Parallel()
	w := newCastWorld(t)
	p := w.run()
	w.amount("cast-1", 2000)
	sent := w.attempt("cast-1", "SENT")
	if code, _, talk := once(t, w.dir, "recall", sent); code != exitUsage || !strings.Contains(talk, "confirm with --yes") {
		t.Errorf("without --yes: exit %d %q", code, talk)
	}
	code, out, talk := once(t, w.dir, "recall", sent, "--yes", "--why", "wrong text", "--by", "li")
	if code != 0 || !strings.Contains(out, "recalled "+sent) {
		t.Fatalf("recall: exit %d %s %s", code, out, talk)
	}
	got := w.recalls()
	if len(got) != 1 || got[0]["fromUserId"] != "shop" || got[0]["messageUID"] == "" || len(got[0]["sentTime"]) != 13 {
		t.Fatalf("recalls at the vendor: %v", got)
	}
	if code, _, talk := once(t, w.dir, "recall", sent, "--yes"); code != exitGate || !strings.Contains(talk, "recalled already") {
		t.Errorf("a second recall: exit %d %q", code, talk)
	}
	if _, out, _ := once(t, w.dir, "attempts"); !strings.Contains(out, "main/recall") || !strings.Contains(out, "recalls "+sent+", by li") || !strings.Contains(out, "/message/broadcast/recall.json") {
		t.Errorf("attempts:\n%s", out)
	}
	if code, out, _ := once(t, w.dir, "fates", "cast-1"); code != 0 || !strings.Contains(out, "main/broadcast /push.json") || !strings.Contains(out, "resolves SENT, by li: wrong text") {
		t.Errorf("fates:\n%s", out)
	}
	if code, out, _ := once(t, w.dir, "fates"); code != 0 || !strings.Contains(out, "1 intents = 1 fates + 0 pending ✓") {
		t.Errorf("books: exit %d\n%s", code, out)
	}
	if _, out, _ := once(t, w.dir, "quota"); !strings.Contains(out, "main/recall") {
		t.Errorf("quota:\n%s", out)
	}

	w.fresh()
	w.amount("plain-1", 550)
	w.amount("online-1", 650)
	for _, c := range []struct {
		id   string
		code int
		says string
	}{
		{w.attempt("plain-1", "SENT"), exitUsage, "no recall exists"},
		{w.attempt("online-1", "SENT"), exitUsage, "/message/online/broadcast.json in lane main/online: no recall exists"},
		{"AAAAAA-0-9", exitUsage, "no attempt"},
		{"nonsense", exitUsage, "no attempt's id"},
	} {
		if code, _, talk := once(t, w.dir, "recall", c.id, "--yes"); code != c.code || !strings.Contains(talk, c.says) {
			t.Errorf("recall %s: exit %d %q, want %d %q", c.id, code, talk, c.code, c.says)
		}
	}

	if err := w.sbx.Arm(sandbox.Fault{Vendor: "rongcloud", Host: "*", Path: "/push.json", Kind: "reset_after", Times: 1}); err != nil {
		t.Fatal(err)
	}
	w.amount("cast-2", 2000)
	if code, _, talk := once(t, w.dir, "recall", w.attempt("cast-2", "UNKNOWN"), "--yes"); code != exitUsage || !strings.Contains(talk, "no known outcome") {
		t.Errorf("of an unknown attempt: exit %d %q", code, talk)
	}

	// The answer to a recall is lost: nobody knows, and it is never repeated.
	w.fresh()
	w.amount("cast-3", 2000)
	third := w.attempt("cast-3", "SENT")
	if err := w.sbx.Arm(sandbox.Fault{Vendor: "rongcloud", Host: "*", Path: rongpush.BroadcastRecall.Path, Kind: "reset_after", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if code, _, talk := once(t, w.dir, "recall", third, "--yes"); code != exitUnreachable || !strings.Contains(talk, "unknown, it is not repeated") {
		t.Errorf("an unclear recall: exit %d %q", code, talk)
	}
	p.signal(syscall.SIGKILL)
	p.exits()
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	p.says(`"partition owned"`)
	if code, _, talk := once(t, w.dir, "recall", third, "--yes"); code != exitGate || !strings.Contains(talk, "never repeated") {
		t.Errorf("after an unclear one: exit %d %q", code, talk)
	}
	if n := len(w.recalls()); n != 1 {
		t.Errorf("%d recalls of it reached the vendor, want 1", n)
	}
	w.amount("cast-4", 2000)
	if code, _, talk := once(t, w.dir, "recall", w.attempt("cast-4", "SENT"), "--yes"); code != exitGate || !strings.Contains(talk, "no slot is free in lane main/recall") {
		t.Errorf("a third in the hour: exit %d %q", code, talk)
	}
}

// byOthers sets a user's tags at the vendor as somebody else would.
func (w *world) byOthers(user string, tags ...string) {
	w.t.Helper()
	cl, err := rongcloud.New(rongcloud.Options{Hosts: []string{w.sbx.Ready().Primary}, AppKey: sandbox.DefaultKey,
		Secret: func() rongcloud.Secret { return rongcloud.NewSecret(sandbox.DefaultSecret) }})
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	if _, err := rongpush.Send(ctx, cl, "others", rongpush.SetTags{User: user, Tags: tags}); err != nil {
		w.t.Fatal(err)
	}
}

func TestTagsVerifyAndResync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	tags := func(user string) string {
		out := slices.Clone(w.sbx.Tags(sandbox.DefaultKey)[user])
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	for i := range 5 {
		w.produce("profiles", fmt.Sprintf(`{"id":"p-%d","at":%q,"user":"u-%d","city":"bj"}`, i, time.Now().Format(time.RFC3339), i))
	}
	until(t, "the tags on record", func() bool {
		_, out, _ := once(t, w.dir, "fates")
		return strings.Contains(out, "5 intents = 5 fates + 0 pending")
	})
	if code, out, talk := once(t, w.dir, "tags", "verify"); code != 0 || !strings.Contains(out, "account main: 5 users compared, 0 differ") {
		t.Fatalf("verify: exit %d %s %s", code, out, talk)
	}
	w.byOthers("u-1")
	w.byOthers("u-2", "city_bj", "city_old", "theirs")
	w.byOthers("u-3", "city_bj", "theirs")
	code, out, talk := once(t, w.dir, "tags", "verify", "--sample", "100")
	for _, want := range []string{"5 users compared, 2 differ (1 tags missing, 1 too many), 0 repaired, 2 with other tags that are not ours", "u-1  missing city_bj", "u-2  too many city_old  not ours, kept theirs"} {
		if code != exitFindings || !strings.Contains(out, want) {
			t.Errorf("verify: exit %d, want %q in\n%s%s", code, want, out, talk)
		}
	}
	if code, out, _ := once(t, w.dir, "tags", "verify", "--user", "u-1", "--repair", "--yes"); code != 0 || !strings.Contains(out, "1 users compared, 1 differ (1 tags missing, 0 too many), 1 repaired") {
		t.Errorf("repair of a user: exit %d %s", code, out)
	}
	if tags("u-1") != "city_bj" || tags("u-2") != "city_bj city_old theirs" {
		t.Errorf("u-1 has %s, u-2 %s", tags("u-1"), tags("u-2"))
	}
	if code, out, talk := once(t, w.dir, "tags", "resync", "--yes", "--why", "test", "--by", "li"); code != 0 || !strings.Contains(out, "a resync of 5 users has begun") {
		t.Errorf("resync: exit %d %s %s", code, out, talk)
	}
	until(t, "the resync's end", func() bool {
		_, out, _ := once(t, w.dir, "status")
		return strings.Contains(out, "resync  main  by li") && strings.Contains(out, "ended") && strings.Contains(out, "5 users compared, 1 differ (0 tags missing, 1 too many), 1 repaired")
	})
	if tags("u-2") != "city_bj theirs" || tags("u-3") != "city_bj theirs" {
		t.Errorf("u-2 has %s, u-3 %s, want the tags that are not ours kept", tags("u-2"), tags("u-3"))
	}
	if code, out, _ := once(t, w.dir, "tags", "verify", "--format", "json"); code != 0 || !strings.Contains(out, `"notifier.tags/v1"`) || !strings.Contains(out, `"checked": 5`) {
		t.Errorf("verify as JSON: exit %d %s", code, out)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"tags", "verify", "--user", "nobody"}, exitUsage, "no account knows user"},
		{[]string{"tags", "verify", "--account", "mian"}, exitUsage, `no account "mian": main`},
		{[]string{"tags", "verify", "--user", "u-1", "--sample", "3"}, exitUsage, "exclude each other"},
		{[]string{"tags", "verify", "--sample", "0"}, exitUsage, "--sample is 1 to 50000"},
		{[]string{"tags", "verify", "--repair"}, exitUsage, "confirm with --yes"},
		{[]string{"tags", "resync"}, exitUsage, "confirm with --yes"},
	} {
		if code, _, talk := once(t, w.dir, c.args...); code != c.code || !strings.Contains(talk, c.says) {
			t.Errorf("%v: exit %d %q, want %d %q", c.args, code, talk, c.code, c.says)
		}
	}
}

func TestKillAndRevive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	if code, _, talk := once(t, w.dir, "pause", "rule/thanks", "--why", "test", "--yes"); code != 0 {
		t.Fatal(code, talk)
	}
	w.order("held-1", "u-1")
	until(t, "a pending intent", func() bool {
		_, out, _ := once(t, w.dir, "status")
		return strings.Contains(out, "+ 1 pending")
	})
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"kill", "thanks", "--yes"}, "--why is missing"},
		{[]string{"kill", "thanks", "--why", "x"}, "what it holds now is given up for good, 1 intent\nnotifier: not on a terminal"},
		{[]string{"kill", "thanx", "--why", "x", "--yes"}, `no rule "thanx": city-tag, thanks`},
		{[]string{"kill", "city-tag", "--why", "x", "--yes"}, "is a tag rule"},
		{[]string{"revive", "thanks", "--why", "x", "--yes"}, `rule "thanks" is not killed`},
	} {
		if code, _, talk := once(t, w.dir, c.args...); code != exitUsage || !strings.Contains(talk, c.says) {
			t.Errorf("%v: exit %d %q, want %q", c.args, code, talk, c.says)
		}
	}
	if code, out, talk := once(t, w.dir, "kill", "thanks", "--why", "wrong text", "--by", "li", "--yes"); code != 0 || !strings.Contains(out, "killed, 1 intent is given up") {
		t.Fatalf("kill: exit %d %s %s", code, out, talk)
	}
	if _, out, _ := once(t, w.dir, "fates", "held-1"); !strings.Contains(out, "killed") || strings.Count(out, "by li: wrong text") != 1 {
		t.Errorf("fates:\n%s", out)
	}
	p.signal(syscall.SIGKILL)
	p.exits()
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	p.says(`"partition owned"`)
	if code, _, talk := once(t, w.dir, "resume", "rule/thanks", "--why", "test", "--yes"); code != 0 {
		t.Fatal(code, talk)
	}
	w.order("late-1", "u-1")
	until(t, "the next one to be suppressed", func() bool {
		_, out, _ := once(t, w.dir, "fates", "late-1")
		return strings.Contains(out, "killed")
	})
	if _, out, _ := once(t, w.dir, "status"); !strings.Contains(out, "killed  thanks  by li: wrong text") {
		t.Errorf("status:\n%s", out)
	}
	if code, _, talk := once(t, w.dir, "revive", "thanks", "--why", "mended", "--yes"); code != 0 {
		t.Fatal(code, talk)
	}
	w.order("new-1", "u-1")
	until(t, "the push after revive", func() bool { return w.sent("new-1") == 1 })
	if w.sent("held-1")+w.sent("late-1") != 0 {
		t.Error("a killed rule sent")
	}
}
