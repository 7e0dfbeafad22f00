package dispatch

import (
	"testing"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Consent is asked when the call leaves: who opts out while a push waits gets none.
func TestAnOptOutCountsWhenTheCallLeaves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(_ *Account, o *Options) { o.Consent = Consent{Marketing: "push_ok"} })
	for i, user := range []string{"leaves", "stays"} {
		a.admit(b.profile("p-"+user, user, 1, map[string]string{"push_ok": "true"}), int64(i))
	}
	a.obey(told(0, "c1", ledger.CmdPause, "lane/main/user", nil))
	for i, user := range []string{"leaves", "stays"} {
		in := b.intent("e-"+user, "r", user, intent.Push)
		in.Class = "marketing"
		a.admit(in, int64(10+i))
	}
	for _, c := range a.plan() {
		if c.lane.name == "user" {
			t.Fatal("a paused lane sends")
		}
	}
	a.admit(b.profile("p2", "leaves", 2, map[string]string{"push_ok": "false"}), 20)
	a.obey(told(1, "c2", ledger.CmdResume, "lane/main/user", nil))
	var users []string
	for _, c := range a.plan() {
		if c.lane.name == "user" {
			users = append(users, c.users...)
			for _, it := range c.items {
				users = append(users, it.p().Intent.Target)
			}
		}
	}
	for _, u := range users {
		if u != "stays" {
			t.Errorf("a call for %s", u)
		}
	}
	if len(users) == 0 {
		t.Error("who stayed gets nothing")
	}
	b.commit(a)
	opted := false
	for _, f := range b.fates(1) {
		opted = opted || f.User == "leaves" && f.Reason == ledger.OptedOut
	}
	if !opted {
		t.Error("no fate says opted-out")
	}
}
