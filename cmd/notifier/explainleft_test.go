package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
	"github.com/notifier/notifier/internal/tagsync"
)

const leftRules = `version: 1
rules:
  - name: thanks
    event: order.paid
    account: [main, gt]
    mode: live
    class: service
    when: amount > 100
    push: {title: "t", body: "paid ${amount}"}
    limits: {expire: 12h, quiet: 22:00-08:00, per_user: 2 in 24h}
  - name: both
    event: order.paid
    account: gt
    mode: live
    class: service
    when: amount > 100
    push: {title: "t", body: "all ${count}, last ${latest.amount}"}
    merge: {wait: 10s, keep: list, one: {title: "t", body: "only ${amount}"}}
    limits: {expire: 12h}
  - name: now
    event: order.paid
    account: main
    mode: live
    class: service
    when: amount > 100
    push: {body: "level ${user.level | default(\"?\")}"}
  - name: asked
    event: order.paid
    account: main
    mode: live
    class: service
    when: amount > 100
    user_when: city == "bj" and level == "vip"
    push: {body: "b"}
`

var leftAt = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) // 14:00 in the zone of the rules

// left is an event that came, with the rules that are asked about it.
type left struct {
	t    *testing.T
	set  *rules.Set
	s    *settings.Settings
	ev   *event.Event
	opts explain.Options
}

// leftBy loads rules, with an account at each vendor, and decodes an order.
func leftBy(t *testing.T, text string) *left {
	t.Helper()
	inDir(t, map[string]string{"rules/events.yaml": testCatalogue, "rules/rules.yaml": text, "notifier.yaml": `version: 1
timezone: Asia/Shanghai
kafka: {brokers: ["127.0.0.1:1"], start: latest}
rules: rules/
accounts:
  main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: "${env:S}"}
  gt: {vendor: getui, app_id: a, app_key: k, master_secret: "${env:S}"}
`})
	var talk strings.Builder
	set, s, err := rulesToExplain(explainOptions{say: diag.EN, checkOptions: checkOptions{config: "notifier.yaml", paths: []string{"rules/"}}}, []string{"S=x"}, &talk)
	if err != nil {
		t.Fatal(err, talk.String())
	}
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "orders"}, Value: []byte(`{"id":"ord-1","at":"2026-11-21T06:00:00Z","user":"u1","amount":200}`), Time: leftAt})
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	return &left{t, set, s, &evs[0], explaining(explainOptions{}, set, s, leftAt.Add(time.Minute))}
}

// made is what a rule made of the event.
func (l *left) made(rule string) *intent.Intent {
	l.t.Helper()
	for _, in := range l.set.Evaluate(l.ev) {
		if in.Rule == rule {
			in.Key = l.opts.Identities[in.Account]
			return in
		}
	}
	l.t.Fatalf("no intent of %s", rule)
	return nil
}

func (l *left) show(past explain.Past, rule string, lang diag.Lang) (string, *explain.Rule) {
	l.t.Helper()
	past.Event, l.opts.Only = l.ev, rule
	rep := explain.Known(l.opts, past)
	rep.FateText = fateTextIn
	var out strings.Builder
	if err := rep.WriteText(&out, l.set.Zone(), lang); err != nil {
		l.t.Fatal(err)
	}
	return out.String(), rep.Rules[0]
}

func fated(in *intent.Intent, kind ledger.FateKind, reason ledger.Reason) ledger.Fate {
	return ledger.NewFate(in, kind, reason, leftAt.Add(time.Second))
}

// A text that cannot have left is not shown as the one that did, nor the gates of another version of the rule; an edit of another rule
// is none of this one's.
func TestExplainShowsNoTextThatNeverLeft(t *testing.T) {
	then := leftBy(t, leftRules)
	in, now := then.made("thanks"), then.made("now")
	older := fated(in, ledger.Sent, "")
	older.Revision = "" // of an older release
	const edited, gone = "no text: the rule files were edited since", "no text: the records and rules as they are now do not make it any more"
	text := strings.Replace(leftRules, "paid ${amount}", "thanks for ${amount}", 1)
	for _, c := range []struct {
		name, rules string
		fate        ledger.Fate
		want        []string
		absent      []string
	}{
		{"the same rule", leftRules, fated(in, ledger.Sent, ""), []string{"built again\n", `"paid 200"`, "✓ quiet 22:00-08:00"}, []string{"no text"}},
		{"of an older release", leftRules, older, []string{"built again\n"}, []string{"no text"}},
		{"another rule was edited", strings.Replace(leftRules, `body: "b"`, `body: "c"`, 1), fated(in, ledger.Sent, ""), []string{"built again\n", `"paid 200"`}, []string{"no text"}},
		{"of an older release, another rule was edited", strings.Replace(leftRules, `body: "b"`, `body: "c"`, 1), older, []string{edited, ")  "}, []string{"200\""}},
		{"its text was edited", text, fated(in, ledger.Sent, ""), []string{"live)                    SENT\n", edited}, []string{"built again", "thanks for"}},
		{"unknown", text, fated(in, ledger.FateUnknown, ""), []string{edited}, []string{"built again", "thanks for"}},
		{"superseded", text, fated(in, ledger.Suppressed, ledger.SupersededByRule), []string{"✗ superseded-by-rule-change", edited}, []string{"thanks for"}},
		{"capped", text, fated(in, ledger.Suppressed, ledger.Capped), []string{"✗ capped                   SUPPRESSED capped\n", edited}, []string{"thanks for", "per_user"}},
		{"its quiet hours were edited", strings.Replace(leftRules, "22:00-08:00", "13:00-15:00", 1), fated(in, ledger.Sent, ""), []string{edited}, []string{"quiet", "14:00\n"}},
		{"it does not match now", strings.Replace(leftRules, "when: amount > 100", "when: amount > 1000", 1), fated(in, ledger.Sent, ""),
			[]string{"SENT  (the rules and records as they are now say: no match)", "← decided", gone}, []string{"MATCH"}},
		{"it does not match now, and was capped", strings.Replace(leftRules, "when: amount > 100", "when: amount > 1000", 1), fated(in, ledger.Suppressed, ledger.Capped),
			[]string{"SUPPRESSED capped  (the rules", "✗ capped", gone}, []string{"MATCH"}},
		{"the user's fields", leftRules, fated(now, ledger.Sent, ""), []string{"no text: it has ${user.…} or ${now}"}, []string{"level ?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := leftBy(t, c.rules).show(explain.Past{Fates: []ledger.Fate{c.fate}}, c.fate.Rule, diag.EN)
			for _, w := range c.want {
				if !strings.Contains(got, w) {
					t.Errorf("%q is missing\n%s", w, got)
				}
			}
			for _, w := range c.absent {
				if strings.Contains(got, w) {
					t.Errorf("%q is there\n%s", w, got)
				}
			}
		})
	}
}

// A merged text is made of events that are not asked about here: it is not shown as that of a single trigger.
func TestExplainShowsNoSingleTextOfAMerge(t *testing.T) {
	l := leftBy(t, leftRules)
	in := l.made("both")
	past := explain.Past{Fates: []ledger.Fate{fated(in, ledger.Sent, "")}, Merged: map[intent.ID]int{in.ID: 1}}
	if got, _ := l.show(past, "both", diag.EN); !strings.Contains(got, "no text: 2 triggers were merged into it") || strings.Contains(got, "only 200") {
		t.Errorf("%s", got)
	}
	if got, _ := l.show(past, "both", diag.ZH); !strings.Contains(got, "不显示文案：它由 2 次触发合并而成，合并后的文案没有保存\n") {
		t.Errorf("%s", got)
	}
	past.Merged = nil
	if got, _ := l.show(past, "both", diag.EN); !strings.Contains(got, `"only 200"`) {
		t.Errorf("%s", got)
	}
}

// What another account has now is told by what became of it there: in the headline and with its request.
func TestExplainFollowsAFailOver(t *testing.T) {
	l := leftBy(t, leftRules)
	in := l.made("thanks")
	over := fated(in, ledger.Coalesced, "")
	over.Into, over.Detail = "orders/0/0/thanks@gt/u1", "handed over to account gt: lane main/user is stopped: credentials"
	there := *in
	there.ID, there.Account = over.Into, "gt"
	got, r := l.show(explain.Past{Fates: []ledger.Fate{over, fated(&there, ledger.Sent, "")}}, "thanks", diag.EN)
	if !strings.Contains(got, "live)                    SENT\n") || len(r.Requests) != 1 || r.Requests[0].Account != "gt" || !strings.Contains(string(r.Requests[0].Body), "paid 200") || len(r.Targets) != 1 {
		t.Errorf("%s", got)
	}
	got, _ = l.show(explain.Past{Fates: []ledger.Fate{over}}, "thanks", diag.EN) // its fate was deleted by age
	if !strings.Contains(got, "live)                    COALESCED\n") || !strings.Contains(got, "✗ vendor") {
		t.Errorf("%s", got)
	}
	there.Key = l.opts.Identities["gt"]
	waits := explain.Waits(&ledger.Pending{Intent: &there, At: leftAt}, explain.Stands{State: "quota", Lane: "gt/push"})
	if got, r = l.show(explain.Past{Fates: []ledger.Fate{over}, Pending: []explain.Waiting{waits}}, "thanks", diag.EN); !strings.Contains(got, "live)                    HELD quota\n") || len(r.Targets) != 1 {
		t.Errorf("%s", got)
	}
}

// A request says how long it is good for from when it leaves or left.
func TestExplainShowsHowLongARequestIsGoodFor(t *testing.T) {
	l := leftBy(t, leftRules)
	in := l.made("both")
	wants := func(past explain.Past, want time.Duration) {
		t.Helper()
		_, r := l.show(past, "both", diag.EN)
		var body struct{ Settings struct{ TTL int64 } }
		if len(r.Requests) != 1 || json.Unmarshal(r.Requests[0].Body, &body) != nil || body.Settings.TTL != want.Milliseconds() {
			t.Errorf("want %d: %+v", want.Milliseconds(), r.Requests)
		}
	}
	p := &ledger.Pending{Intent: in, At: leftAt, Merged: &ledger.Merged{Count: 1, Items: []map[string]any{in.Merge.Vars}, Closes: leftAt.Add(10 * time.Minute)}}
	wants(explain.Past{Pending: []explain.Waiting{explain.Waits(p, explain.Stands{State: "merging", Lane: "gt/push", Until: p.Merged.Closes})}}, 12*time.Hour-10*time.Minute)
	wants(explain.Past{Fates: []ledger.Fate{fated(in, ledger.Sent, "")}}, 12*time.Hour-time.Second)
}

// What expires before the gate opens does not leave then, and its request is none that will.
func TestExplainSaysWhatWillExpire(t *testing.T) {
	l := leftBy(t, leftRules)
	in := l.made("thanks")
	in.Policy.Expire = leftAt.Add(5 * time.Minute)
	for until, wants := range map[time.Time][]string{
		leftAt.Add(17 * time.Minute): {"HELD quiet until 2026-11-21 14:17, then SUPPRESSED expired\n", "if nothing stopped it", "waits for quiet until 2026-11-21 14:17:00, expires before, at 2026-11-21 14:05:00\n"},
		in.Policy.Expire:             {"then SUPPRESSED expired\n"}, // it expires first
		leftAt.Add(4 * time.Minute):  {"HELD quiet until 2026-11-21 14:04\n", "slots 0\n", "waits for quiet until 2026-11-21 14:04:00\n"},
	} {
		got, _ := l.show(explain.Past{Pending: []explain.Waiting{explain.Waits(&ledger.Pending{Intent: in, At: leftAt}, explain.Stands{State: "quiet", Lane: "main/user", Until: until})}}, "thanks", diag.EN)
		for _, w := range wants {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q is missing\n%s", until, w, got)
			}
		}
	}
	got, _ := l.show(explain.Past{Pending: []explain.Waiting{explain.Waits(&ledger.Pending{Intent: in, At: leftAt}, explain.Stands{State: "quota", Lane: "main/user", Until: leftAt.Add(17 * time.Minute)})}}, "thanks", diag.EN)
	for _, w := range []string{"HELD quota until 2026-11-21 14:17, then SUPPRESSED expired\n", "waits for a free slot until 2026-11-21 14:17:00, expires before, at 2026-11-21 14:05:00: notifier quota\n"} {
		if !strings.Contains(got, w) {
			t.Errorf("quota: %q is missing\n%s", w, got)
		}
	}
}

// What a rule has made that is not in the rule files any more will not leave, whatever else it waits for.
func TestExplainSaysThatADeletedRuleSendsNothing(t *testing.T) {
	l := leftBy(t, leftRules)
	in := l.made("thanks")
	in.Rule, in.Policy.Expire = "deleted", leftAt.Add(24*time.Hour)
	st := ledger.NewState()
	st.Pending[string(in.ID)] = &ledger.Pending{Intent: in, At: leftAt}
	states := map[int32]*ledger.State{0: st}
	text := func(lang diag.Lang) string {
		t.Helper()
		rep := explain.Known(l.opts, explain.Past{Pending: waits(l.s, l.set, states, app.PendingFilter{}, leftAt.Add(9*time.Hour))})
		var out strings.Builder
		if err := rep.WriteText(&out, l.set.Zone(), lang); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := text(diag.EN); !strings.Contains(got, "waits for quiet until 2026-11-22 08:00:00; the rule is not in the rule files: it will be given up\n") {
		t.Errorf("%s", got)
	}
	st.Pauses["off/deleted"] = ledger.Pause{By: "the rule files", Why: dispatch.GoneFromSet, At: leftAt}
	if got := text(diag.EN); !strings.Contains(got, "until 2026-11-22 08:00:00; the rule is not in the rule files: it is given up from 14:02:00 on, unless the rule comes back\n") {
		t.Errorf("%s", got)
	}
	if got := text(diag.ZH); !strings.Contains(got, "；规则文件里没有这条规则：14:02:00 起作废，除非规则恢复\n") {
		t.Errorf("%s", got)
	}
	st.Pauses["off/deleted"] = ledger.Pause{By: "the rule files", Why: "mode: off", At: leftAt}
	if got := text(diag.EN); !strings.Contains(got, "; the rule files hold it as well (mode: off)\n") {
		t.Errorf("%s", got)
	}
	past := explain.Past{Pending: waits(l.s, l.set, states, app.PendingFilter{}, leftAt)}
	for rule, known := range map[string]bool{"": true, "thanks": true, "deleted": true, "delete": false} { // --rule
		if err := ruleKnown(explainOptions{rule: rule}, l.set, past); (err == nil) != known {
			t.Errorf("--rule %q: %v", rule, err)
		}
	}
}

// A user_when that is not met is told clause by clause, with the values that there are: those of now.
func TestExplainTellsWhichPartOfUserWhenIsNotMet(t *testing.T) {
	l := leftBy(t, leftRules)
	in := l.made("asked")
	row := &tagsync.User{}
	row.Apply(&intent.Profile{Version: 1, Fields: map[string]intent.Value{"city": {Type: event.String, Str: "sh"}, "level": {Type: event.String, Str: "vip"}}}, 1)
	st := ledger.NewState()
	st.Users[in.Key] = tagsync.NewTable()
	st.Users[in.Key].Put("u1", row)
	l.opts.Ledger = func(string) *ledger.State { return st }
	f := fated(in, ledger.Suppressed, ledger.OptedOut)
	f.Detail = "user_when is not met: " + in.UserWhen
	clauses := "       ✗ city == \"bj\"             \"sh\" == \"bj\" → false\n       ✓ level == \"vip\"           \"vip\" == \"vip\"\n"
	if got, _ := l.show(explain.Past{Fates: []ledger.Fate{f}}, "asked", diag.EN); !strings.Contains(got, "SUPPRESSED opted-out\n       by the user's fields as they are now:\n"+clauses) {
		t.Errorf("%s", got)
	}
	waits := explain.Waits(&ledger.Pending{Intent: in, At: leftAt}, explain.Stands{State: "quota", Lane: "main/user"})
	if got, _ := l.show(explain.Past{Pending: []explain.Waiting{waits}}, "asked", diag.EN); !strings.Contains(got, clauses) || strings.Contains(got, "as they are now:") {
		t.Errorf("%s", got)
	}
	if got, _ := l.show(explain.Past{Fates: []ledger.Fate{fated(in, ledger.Sent, "")}}, "asked", diag.EN); strings.Contains(got, `"sh"`) {
		t.Errorf("what the fields are now says nothing of what left\n%s", got)
	}
}

// Of several sends that were on their way together nobody can say which was whose, unless the call is on record.
func TestExplainOfABurstCountsNoneTwice(t *testing.T) {
	l := leftBy(t, leftRules)
	in := l.made("thanks")
	st := ledger.NewState()
	st.Taken[in.Key+"/rule/thanks/u1"] = &ledger.Taken{At: []time.Time{leftAt.Add(-time.Hour), leftAt.Add(800 * time.Millisecond), leftAt.Add(900 * time.Millisecond)}}
	l.opts.Ledger = func(string) *ledger.State { return st }
	f := fated(in, ledger.Sent, "")
	f.Attempt = "a-1"
	if got, _ := l.show(explain.Past{Fates: []ledger.Fate{f}}, "thanks", diag.EN); !strings.Contains(got, "✓ per_user 2 in 24h\n") {
		t.Errorf("%s", got)
	}
	st.Attempts["a-1"] = &ledger.Attempt{ID: "a-1", At: leftAt.Add(800 * time.Millisecond)}
	if got, _ := l.show(explain.Past{Fates: []ledger.Fate{f}}, "thanks", diag.EN); !strings.Contains(got, "✓ per_user 2 in 24h        1 used; last 13:00\n") {
		t.Errorf("%s", got)
	}
}

// What a newer request replaced while it waited for a slot had its own merge behind it.
func TestExplainOfWhatANewerRequestReplaced(t *testing.T) {
	l := leftBy(t, leftRules)
	f := fated(l.made("both"), ledger.Coalesced, "")
	f.Into, f.Detail = "orders/0/7/both/u1", "while it waited for a slot a newer request took its place"
	if got, _ := l.show(explain.Past{Fates: []ledger.Fate{f}}, "both", diag.EN); !strings.Contains(got, "✓ merge, wait 10s\n") || !strings.Contains(got, "✗ quota                    COALESCED: while it waited for a slot a newer request took its place\n") {
		t.Errorf("%s", got)
	}
	if got, _ := l.show(explain.Past{Fates: []ledger.Fate{f}}, "both", diag.ZH); !strings.Contains(got, "✗ 配额                     COALESCED 已并入：等名额期间被更新的一条取代\n") {
		t.Errorf("%s", got)
	}
}

// Where it is not certain what the vendor has, its last word says why.
func TestExplainOfAUserTellsTheVendorsNo(t *testing.T) {
	tags := func(kind ledger.FateKind, reason ledger.Reason, after time.Duration) ledger.Fate {
		return ledger.Fate{Account: "gt", Action: intent.Tags, Fate: kind, Reason: reason, Detail: "the vendor has no such user", At: leftAt.Add(after)}
	}
	no := tags(ledger.Dead, ledger.RejectedByVendor, time.Second)
	for name, c := range map[string]struct {
		fates []ledger.Fate
		want  string
	}{
		"none":            {nil, ""},
		"refused":         {[]ledger.Fate{tags(ledger.Sent, "", 0), no}, no.Detail},
		"written since":   {[]ledger.Fate{no, tags(ledger.FateUnknown, "", time.Minute)}, ""},
		"unchanged since": {[]ledger.Fate{no, tags(ledger.Suppressed, ledger.Unchanged, time.Minute)}, no.Detail},
	} {
		u := explain.User{Accounts: []explain.Account{{Account: "main", Certain: true}, {Account: "gt"}}}
		refusals(&u, c.fates)
		if u.Accounts[0].Refused != "" || u.Accounts[1].Refused != c.want {
			t.Errorf("%s: %+v", name, u.Accounts)
		}
	}
}
