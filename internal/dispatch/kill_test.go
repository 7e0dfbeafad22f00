package dispatch

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// A killed rule loses what it holds, wherever that waits, and what comes later, also from a new owner, until it is revived; the other
// rules go on.
func TestAKilledRuleHoldsNothingUntilItIsRevived(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	merged := b.intent("merging", "r", "u2", intent.Push)
	merged.Merge = &intent.Merge{Key: "k", Wait: time.Hour, Keep: intent.KeepLatest, Vars: map[string]any{"x": "1"}}
	for i, in := range []*intent.Intent{b.intent("queued", "r", "u1", intent.Push), merged, b.intent("cast", "r", "*", intent.Broadcast), b.intent("other", "s", "u3", intent.Push)} {
		a.admit(in, int64(i))
	}
	b.commit(a)

	a = b.byHand(nil) // nothing was planned: it takes over four pending intents
	a.apply()
	a.inbox.command(told(0, "c1", ledger.CmdKill, "r", nil))
	a.apply()
	b.commit(a)
	as := b.answers()
	if last := as[len(as)-1]; !last.OK || last.Intents != 3 || last.Text != "killed, 3 intents are given up" {
		t.Errorf("answer %+v", last)
	}
	if n := len(b.readLedger().Pending); n != 1 {
		t.Errorf("%d intents are pending after the kill, want the other rule's alone", n)
	}

	a = b.byHand(nil)
	a.admit(b.intent("later", "r", "u4", intent.Push), 9)
	a.apply()
	calls := a.plan()
	if len(calls) != 1 || len(calls[0].items) != 1 || calls[0].items[0].p().Intent.Rule != "s" {
		t.Fatalf("%d calls, want the other rule's alone", len(calls))
	}
	a.obey(told(1, "c2", ledger.CmdRevive, "r", nil))
	a.admit(b.intent("later", "r", "u4", intent.Push), 10) // its source sends it again: what a kill refused is no duplicate
	if calls = a.plan(); len(calls) != 1 || calls[0].items[0].p().Intent.Event.ID != "later" {
		t.Fatalf("%d calls after revive, want one", len(calls))
	}
	b.commit(a)
	fs := b.fates(4)
	want := []string{"cast SUPPRESSED(killed)", "later SUPPRESSED(killed)", "merging SUPPRESSED(killed)", "queued SUPPRESSED(killed)"}
	if got := kinds(fs); !slices.Equal(got, want) || fs[0].By != "li" || fs[0].Kind != "operator" {
		t.Errorf("fates %v %+v, want %v", got, fs[0], want)
	}
	if st := b.readLedger(); !st.Balanced() || len(st.Kills) != 0 {
		t.Errorf("balanced %t, kills %v", st.Balanced(), st.Kills)
	}
}

// A call that had left when its rule was killed is counted, and what comes back as not sent is given up, not sent again.
func TestWhatHadLeftWhenItsRuleWasKilledDoesNotGoAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.intent("flying", "r", "u1", intent.Push), 0)
	calls := a.plan()
	b.commit(a)
	a.obey(told(0, "c1", ledger.CmdKill, "r", nil))
	a.resolve(result{calls[0], Outcome{Class: ClassNotSent}})
	a.sweep()
	if calls = a.plan(); len(calls) != 0 {
		t.Errorf("%d calls, want none", len(calls))
	}
	b.commit(a)
	if as := b.answers(); as[len(as)-1].Flying != 1 || as[len(as)-1].Intents != 0 {
		t.Errorf("answer %+v", as[len(as)-1])
	}
	if got := kinds(b.fates(1)); got[0] != "flying SUPPRESSED(killed)" {
		t.Errorf("fates %v", got)
	}
}

// A call of several users that is refused after the kill is not split and tried again.
func TestARefusedCallOfAKilledRuleIsNotSplit(t *testing.T) {
	t.Parallel()
	for _, users := range []int{1, 2} { // one alone is doubted, the fifth in a row
		b := setup(t)
		a := b.byHand(nil)
		l := a.accounts["stub:k"].lanes["user"]
		want := []string{}
		for i := range users {
			id := string(rune('a' + i))
			a.admit(b.intent(id, "r", "u"+id, intent.Push), int64(i))
			want = append(want, id+" SUPPRESSED(killed)")
		}
		calls := a.plan()
		b.commit(a)
		a.obey(told(0, "c1", ledger.CmdKill, "r", nil))
		if l.refused = "before"; users == 1 {
			l.refusals = maxRefusals - 1
		}
		a.resolve(result{calls[0], Outcome{Class: ClassPermanent, Code: 1002}})
		if a.open(l); len(a.plan()) != 0 {
			t.Errorf("%d users: a call of a killed rule leaves", users)
		}
		a.apply()
		b.commit(a)
		if got := kinds(b.fates(users)); !slices.Equal(got, want) {
			t.Errorf("fates %v", got)
		}
	}
}

// What a kill gave up is not sent by a new owner that is told to revive before it has looked at it; nor does it wait for ever, wherever it is.
func TestReviveWaitsForWhatANewOwnerStillHasToGiveUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	stray := b.intent("stray", "r", "u3", intent.Push)
	stray.Key = "stub:other"
	later := b.intent("found", "r", "u4", intent.Push)
	later.Key = "stub:later"
	for i, in := range []*intent.Intent{b.intent("held", "r", "u1", intent.Push), b.intent("cast", "r", "*", intent.Broadcast), stray, later} {
		a.admit(in, int64(i))
	}
	a.obey(told(0, "c1", ledger.CmdKill, "r", nil))
	b.commit(a) // and dies before it has given any of it its fate

	a = b.byHand(func(ac *Account, o *Options) {
		ac.Vendor = noBroadcasts{b.vendor}
		found := *ac
		found.Name, found.Key = "later", "stub:later"
		o.Accounts = append(o.Accounts, &found)
	})
	a.inbox.command(told(1, "c2", ledger.CmdRevive, "r", nil))
	a.inbox.command(told(2, "c3", ledger.CmdPause, "rule/s", nil))
	a.apply()
	if calls := a.plan(); len(calls) != 0 || len(a.kills) != 1 || len(a.pauses) != 0 || a.pos.Control != 1 {
		t.Errorf("%d calls, kills %v, pauses %v, position %d, want both commands to wait", len(calls), a.kills, a.pauses, a.pos.Control)
	}
	b.commit(a)
	want := []string{"cast SUPPRESSED(killed)", "found SUPPRESSED(killed)", "held SUPPRESSED(killed)", "stray SUPPRESSED(killed)"}
	if got := kinds(b.fates(4)); !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v", got, want)
	}
	a.inbox.command(told(3, "c4", ledger.CmdPause, "rule/t", nil)) // it came meanwhile, and stays behind them
	a.apply()
	b.commit(a)
	var said []string
	for _, ans := range b.answers() {
		said = append(said, ans.ID+" "+ans.Text)
	}
	if want := []string{"c1 killed, 4 intents are given up", "c2 revived", "c3 paused", "c4 paused"}; !slices.Equal(said, want) {
		t.Errorf("answers %q, want %q", said, want)
	}
	if st := b.readLedger(); !st.Balanced() || len(st.Pending) != 0 {
		t.Errorf("balanced %t, %d pending", st.Balanced(), len(st.Pending))
	}
}

// noBroadcasts is a vendor whose service for broadcasts was switched off.
type noBroadcasts struct{ *stubVendor }

func (v noBroadcasts) Route(in *intent.Intent) (Route, error) {
	if in.Action == intent.Broadcast {
		return Route{}, errors.New("no service")
	}
	return v.stubVendor.Route(in)
}

// A call that a predecessor left open may have been made: its members are not killed, also while the settings lack their account.
func TestWhatMayHaveLeftIsNotKilled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.intent("e1", "r", "u1", intent.Push), 0)
	a.plan()
	b.commit(a)
	without := func(ac *Account, _ *Options) { ac.Name, ac.Key = "other", "stub:other" }
	a = b.byHand(without)
	a.obey(told(0, "c1", ledger.CmdKill, "r", nil))
	a.sweep()
	b.commit(a)
	a = b.byHand(without)
	a.apply()
	b.commit(a)
	if st := b.readLedger(); len(st.Pending) != 1 || st.Position.Fates != 0 {
		t.Fatalf("%d pending, %d fates", len(st.Pending), st.Position.Fates)
	}
	a = b.byHand(nil)
	for id := range a.calls {
		a.fire(alarm{timerKey: timerKey{settleCall, id}})
	}
	b.commit(a)
	if got := kinds(b.fates(1)); got[0] != "e1 UNKNOWN" {
		t.Errorf("fates %v", got)
	}
}

// What a kill gave up may be sent again by its source after revive, also by another owner: it is no duplicate, it was never sent.
func TestWhatAKillGaveUpIsNoDuplicate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.intent("e1", "r", "u1", intent.Push), 0)
	a.obey(told(0, "c1", ledger.CmdKill, "r", nil))
	a.sweep()
	a.obey(told(1, "c2", ledger.CmdRevive, "r", nil))
	b.commit(a)
	for range 2 {
		a.admit(b.intent("e1", "r", "u1", intent.Push), 1)
		if calls := a.plan(); len(calls) != 1 {
			t.Errorf("%d calls, want one", len(calls))
		}
		a = b.byHand(nil)
	}
}
