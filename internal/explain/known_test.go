package explain

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// The fates and what is pending are told also when the record is gone from its topic.
func TestAnEventWhoseRecordIsGoneKeepsItsFates(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	ref := intent.EventRef{ID: "ord-1", Type: "order.paid", Time: at, Topic: "orders", Partition: 4, Offset: 99}
	in := func(rule string) *intent.Intent {
		return &intent.Intent{ID: intent.ID("i/" + rule), Event: ref, Rule: rule, Target: "u-1", Action: intent.Push}
	}
	held := in("held")
	held.Policy.Approval = &intent.Approval{People: 1, Within: time.Hour}
	fates := []ledger.Fate{ledger.NewFate(in("sent"), ledger.Sent, "", at), ledger.NewFate(in("capped"), ledger.Suppressed, ledger.Capped, at)}
	waiting := []Waiting{Waits(&ledger.Pending{Intent: held, At: at}, Stands{State: "approval"}),
		Waits(&ledger.Pending{Intent: in("merging"), At: at, Merged: &ledger.Merged{Count: 3, Closes: at.Add(time.Hour)}}, Stands{State: "merging", Until: at.Add(time.Hour)})}
	waiting = append(waiting, Waits(&ledger.Pending{Intent: in("stuck"), At: at}, Stands{State: "stopped", Stopped: "credentials", Holds: "the lane is stopped: credentials", Lane: "main/user"}))
	waiting = append(waiting, Waits(&ledger.Pending{Intent: in("behind"), At: at}, Stands{State: "quota", Holds: "take-over: an owner before left call A-0-1 open", Lane: "main/broadcast", Until: at.Add(time.Minute)}))
	waiting = append(waiting, Waits(&ledger.Pending{Intent: in("left"), At: at}, Stands{State: "in_flight", Holds: "take-over: an owner before left call A-0-1 open", Lane: "main/broadcast", Until: at.Add(time.Minute)}))
	waiting = append(waiting, Waits(&ledger.Pending{Intent: in("cannot"), At: at}, Stands{State: "quota", Holds: "it cannot leave like this, and is DEAD when its turn comes: why", Lane: "main/broadcast", Until: at.Add(time.Minute)}))
	waiting = append(waiting, Waits(&ledger.Pending{Intent: in("flies"), At: at}, Stands{State: "in_flight", Lane: "main/broadcast", Until: at.Add(time.Minute)}))
	lang := diag.EN
	show := func(only string) string {
		rep := Known(Options{Only: only}, Past{Fates: fates, Pending: waiting})
		rep.Name(ref, "u-1")
		var b strings.Builder
		if err := rep.WriteText(&b, time.UTC, lang); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := `event order.paid ord-1  user u-1  2026-11-21 14:00:00 +00:00  orders[4]@99  the record is gone from the topic
  rule sent                                       SENT
     = to u-1  2026-11-21 14:00:00
  rule capped                                     SUPPRESSED capped
     = to u-1  2026-11-21 14:00:00
  rule held                                       PENDING  waits for approval: notifier approvals list
     = to u-1  since 2026-11-21 14:00:00
  rule merging                                    PENDING  waits for merge until 2026-11-21 15:00:00, 3 triggers so far
     = to u-1  since 2026-11-21 14:00:00
  rule stuck                                      PENDING  lane stopped (credentials); next: notifier status --why --rule stuck
     = to u-1  since 2026-11-21 14:00:00
  rule behind                                     PENDING  take-over: an owner before left call A-0-1 open until 2026-11-21 14:01:00; next: notifier status --why --rule behind
     = to u-1  since 2026-11-21 14:00:00
  rule left                                       PENDING  take-over: an owner before left call A-0-1 open until 2026-11-21 14:01:00; next: notifier status --why --rule left
     = to u-1  since 2026-11-21 14:00:00
  rule cannot                                     PENDING  it cannot leave like this, and is DEAD when its turn comes: why; not before 2026-11-21 14:01:00; next: notifier status --why --rule cannot
     = to u-1  since 2026-11-21 14:00:00
  rule flies                                      PENDING  waits for the vendor's answer
     = to u-1  since 2026-11-21 14:00:00
`
	if diff := cmp.Diff(want, show("")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	lang = diag.ZH
	if got := show("stuck"); !strings.Contains(got, "待发  通道停止（凭证）；下一步：notifier status --why --rule stuck") {
		t.Errorf("in Chinese:\n%s", got)
	}
	if got := show("behind"); !strings.Contains(got, "待发  接管：前一个实例留下的请求 A-0-1 还没有结果，到 2026-11-21 14:01:00；下一步：notifier status --why --rule behind") {
		t.Errorf("in Chinese:\n%s", got)
	}
	if lang = diag.EN; waiting[2].Stopped != "credentials" {
		t.Errorf("%+v", waiting[2])
	}
	if got := show("capped"); strings.Count(got, "rule ") != 1 || !strings.Contains(got, "rule capped") {
		t.Errorf("one rule:\n%s", got)
	}
}

// A rule without conditions has no clause: for machines that is an empty list.
func TestARuleWithoutConditionsHasAListOfClauses(t *testing.T) {
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte("version: 1\nevents:\n  ping: {topic: pings, id: id, user: user}\n")},
		{Name: "r.yaml", Data: []byte("version: 1\nrules:\n  - {name: ping-push, event: ping, mode: live, class: service, when: always, push: {title: t, body: b}}\n")}}, rules.Options{AnyAccount: true})
	if set == nil {
		t.Fatal(list)
	}
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "pings"}, Value: []byte(`{"id":"p-1","user":"u-1"}`), Time: at})
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	out, err := json.Marshal(Known(Options{Set: set, Now: at}, Past{Event: &evs[0]}))
	if err != nil || !strings.Contains(string(out), `"clauses":[]`) || strings.Contains(string(out), ":null") {
		t.Errorf("%v %s", err, out)
	}
}

// Without fields and without a rule there is still something to say; without rules that can be asked there is not.
func TestAnEventThatNoRuleIsAbout(t *testing.T) {
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte("version: 1\nevents:\n  ping: {topic: pings, id: id, user: user}\n  pong: {topic: pongs, id: id, user: user}\n")},
		{Name: "r.yaml", Data: []byte("version: 1\nrules:\n  - {name: pong-push, event: pong, mode: live, class: service, when: always, push: {title: t, body: b}}\n")}}, rules.Options{AnyAccount: true})
	if set == nil {
		t.Fatal(list)
	}
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "pings"}, Value: []byte(`{"id":"p-1","user":"u-1"}`), Time: at})
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	show := func(rep *Report) string {
		var b strings.Builder
		if err := rep.WriteText(&b, time.UTC, diag.EN); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := show(Known(Options{Set: set, Now: at}, Past{Event: &evs[0]})); !strings.Contains(got, "0 of 0 fields found") || !strings.Contains(got, "no rule is about event ping") {
		t.Errorf("%s", got)
	}
	rep := Known(Options{}, Past{})
	rep.Name(intent.EventRef{ID: "p-1", Type: "ping", Topic: "pings", Time: at}, "u-1")
	rep.Gone = false // the rule files have errors
	if got := show(rep); strings.Contains(got, "fields found") || strings.Contains(got, "no rule is about") {
		t.Errorf("%s", got)
	}
}
