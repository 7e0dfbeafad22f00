//go:build synctests

package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// approvedSales is ruleFile with sales that two people must approve within an hour.
var approvedSales = strings.Replace(ruleFile, "    limits: {quiet: none, expire: 240h}\n", "    limits: {quiet: none, expire: 240h}\n    approval: {people: 2, within: 1h}\n", 1)

// waiting gives what waits for approval.
func (w *world) waiting(s *settings.Settings) []app.ApprovalView {
	w.t.Helper()
	states, err := w.reader().Ledgers(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return app.ApprovalsOf(s, nil, states).Approvals
}

// request is what waits for an event.
func (w *world) request(s *settings.Settings, event string) *app.ApprovalView {
	w.t.Helper()
	for _, v := range w.waiting(s) {
		if v.Request != nil && v.Request.Event == event {
			return &v
		}
	}
	w.t.Fatalf("nothing waits for %s", event)
	return nil
}

// decide sends a person's word and gives the answer.
func (w *world) decide(v *app.ApprovalView, what, by string) ledger.Answer {
	w.t.Helper()
	as, err := w.reader().Send(w.t.Context(), v.Command(what, by, "test"), 0, time.Minute)
	if err != nil || len(as) != 1 {
		w.t.Fatalf("%s by %s: answers %+v, %v", what, by, as, err)
	}
	return as[0]
}

// Two people approve, with a kill between them and an edit of the rule: what they saw leaves, once. What nobody approves does not, what
// is rejected neither, and what was approved under a pause leaves when that ends.
func TestTwoPeopleApproveWithAKillAndAnEditBetweenThem(t *testing.T) {
	simulate(t, setup{rules: approvedSales, quiet: true}, func(t *testing.T, w *world) {
		s := w.one("")
		d := w.start(s)
		time.Sleep(time.Minute)
		first := w.sale("c0", "first")
		time.Sleep(10 * time.Minute)
		shown := w.request(s, first)
		if a := w.decide(shown, ledger.CmdApprove, "li"); !a.OK {
			t.Fatalf("the first approval: %+v", a)
		}
		d.kill()
		w.edit(strings.Replace(approvedSales, `body: "${product}"`, `body: "edited ${product}"`, 1))
		d = w.start(s)
		time.Sleep(time.Minute)
		if n := w.arrivals("/push.json"); n != 0 {
			t.Fatalf("%d calls with one of two approvals", n)
		}
		if a := w.decide(shown, ledger.CmdApprove, "li"); a.OK || !a.Refused {
			t.Errorf("one person twice: %+v", a)
		}
		if a := w.decide(shown, ledger.CmdApprove, "wang"); !a.OK {
			t.Errorf("the second approval: %+v", a)
		}
		time.Sleep(time.Minute)

		late, no := w.sale("c1", "late"), w.sale("c2", "rejected")
		time.Sleep(59 * time.Minute)
		lost := w.request(s, late)
		w.decide(lost, ledger.CmdApprove, "li")
		if a := w.decide(w.request(s, no), ledger.CmdReject, "li"); !a.OK {
			t.Errorf("a rejection: %+v", a)
		}
		time.Sleep(2 * time.Minute)
		if a := w.decide(lost, ledger.CmdApprove, "wang"); a.OK {
			t.Errorf("an approval after an hour: %+v", a)
		}

		if _, err := w.reader().Send(t.Context(), ledger.Command{Cmd: ledger.CmdPause, Target: "broadcasts", By: "li"}, -1, time.Minute); err != nil {
			t.Fatal(err)
		}
		held := w.sale("c3", "held")
		time.Sleep(time.Minute)
		v := w.request(s, held)
		w.decide(v, ledger.CmdApprove, "li")
		w.decide(v, ledger.CmdApprove, "wang")
		time.Sleep(3 * time.Hour)
		if n := w.arrivals("/push.json"); n != 1 {
			t.Errorf("%d calls while broadcasts are paused, want the first alone", n)
		}
		if _, err := w.reader().Send(t.Context(), ledger.Command{Cmd: ledger.CmdResume, Target: "broadcasts", By: "li"}, -1, time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		d.stop()

		want := map[string]string{first: "SENT", late: "SUPPRESSED(not-approved)", no: "SUPPRESSED(not-approved)", held: "SENT"}
		words := w.words()
		for event, fate := range want {
			if words[event] != fate {
				t.Errorf("%s is %q, want %s", event, words[event], fate)
			}
		}
		var sent []string
		for _, e := range w.executed("/push.json") {
			sent = append(sent, text(e))
		}
		if strings.Join(sent, ", ") != "first, edited held" {
			t.Errorf("sent: %q, want what was shown, once each", sent)
		}
		if left := w.waiting(s); len(left) != 0 {
			t.Errorf("waiting: %+v", left)
		}
		w.books(4)
	})
}
