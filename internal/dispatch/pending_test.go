package dispatch

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

func cancelOf(offset int64, in *intent.Intent) command {
	return told(offset, "c", ledger.CmdCancel, string(in.ID), map[string]string{ledger.ArgAccount: in.Key})
}

// last is what the owner said last.
func (b *bundle) last() ledger.Answer {
	b.t.Helper()
	as := b.answers()
	if len(as) == 0 {
		b.t.Fatal("no answer")
	}
	return as[len(as)-1]
}

// One intent is given up wherever it waits, also by an owner that has just taken over; its neighbours go on, and so does a merge that
// begins anew under its key.
func TestACancelledIntentIsSuppressedAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	merge := func(event string) *intent.Intent {
		in := b.intent(event, "r", "u2", intent.Push)
		in.Merge = &intent.Merge{Key: "k", Wait: time.Hour, Keep: intent.KeepLatest, Vars: map[string]any{"x": "1"}}
		return in
	}
	queued, other, head := b.intent("queued", "r", "u1", intent.Push), b.intent("other", "r", "u3", intent.Push), merge("head")
	for i, in := range []*intent.Intent{queued, other, head, merge("second")} {
		a.admit(in, int64(i))
	}
	a.obey(cancelOf(0, queued))
	b.commit(a)
	a = b.byHand(nil) // it takes over what waits: no gate was asked yet
	a.obey(cancelOf(1, head))
	b.commit(a)
	if ans := b.last(); !ans.OK || ans.Text != "cancelled, with the 2 triggers merged into it" {
		t.Errorf("answer %+v", ans)
	}
	a.admit(merge("anew"), 9)
	a.apply()
	if calls := a.plan(); len(calls) != 1 || len(calls[0].items) != 1 || calls[0].items[0].p().Intent.Event.ID != "other" {
		t.Fatalf("%d calls, want the other's alone", len(calls))
	}
	a.obey(cancelOf(2, queued))
	b.commit(a)
	if ans := b.last(); ans.OK || !ans.Refused || ans.Text != "it is not pending any more: it has its fate; next: notifier fates" {
		t.Errorf("answer %+v", ans)
	}
	fs := b.fates(3)
	want := []string{"head SUPPRESSED(cancelled)", "queued SUPPRESSED(cancelled)", "second COALESCED"}
	if got := kinds(fs); !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v", got, want)
	}
	for _, f := range fs {
		if f.Fate == ledger.Suppressed && (f.Kind != "operator" || f.By != "li" || f.Why != "wrong text") {
			t.Errorf("%s: kind %q by %q why %q", f.Event.ID, f.Kind, f.By, f.Why)
		}
	}
	if st := b.readLedger(); !st.Balanced() || len(st.Pending) != 2 {
		t.Errorf("balanced %t, %d pending", st.Balanced(), len(st.Pending))
	}
}

// What is in flight keeps its outcome; what comes back as not sent can be cancelled then. Profile events cannot.
func TestWhatHasLeftCannotBeCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	in, p := b.intent("flying", "r", "u1", intent.Push), b.profile("p", "u2", 1, map[string]string{"city": "bj"})
	a.admit(in, 0)
	calls := a.plan()
	a.admit(p, 1)
	a.obey(cancelOf(0, in))
	b.commit(a)
	if ans := b.last(); ans.OK || ans.Text != "it is in flight: what has left cannot be cancelled; next: notifier fates" {
		t.Errorf("in flight: %+v", ans)
	}
	a.obey(cancelOf(1, p))
	b.commit(a)
	if ans := b.last(); ans.OK || ans.Text != "it is a profile event, whose fields are on record already: it cannot be cancelled" {
		t.Errorf("a profile event: %+v", ans)
	}
	a.resolve(result{calls[0], Outcome{Class: ClassNotSent}})
	a.obey(cancelOf(2, in))
	b.commit(a)
	if ans := b.last(); !ans.OK || ans.Text != "cancelled" {
		t.Errorf("after it came back: %+v", ans)
	}
	if got := kinds(b.fates(1)); got[0] != "flying SUPPRESSED(cancelled)" {
		t.Errorf("fates %v", got)
	}
}

// expires gives the expiry of each pending intent in the ledger, by event.
func (b *bundle) expires() map[string]time.Time {
	b.t.Helper()
	out := map[string]time.Time{}
	for _, p := range b.readLedger().Pending {
		out[p.Intent.Event.ID] = p.Intent.Policy.Expire
	}
	return out
}

// An extension moves what its rule holds now, once, and a take-over in the middle of its writing goes on with it; a rule that keeps nothing
// with an expiry, later intents and other rules stay as they are.
func TestAnExtensionMovesOnceAlsoAcrossATakeOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	expiring := func(event, rule string, action intent.Action) *intent.Intent {
		in := b.intent(event, rule, map[intent.Action]string{intent.Push: "u-" + event, intent.Broadcast: "*"}[action], action)
		in.Policy.Expire = at
		return in
	}
	never := b.intent("never", "r", "u-n", intent.Push)
	take := func(in *intent.Intent) { // the ledger's position must fit the topic's end
		b.produce(in)
		a.admit(in, a.pos.Next)
		a.pos.Next++
	}
	for _, in := range []*intent.Intent{expiring("held", "r", intent.Push), expiring("cast", "r", intent.Broadcast), expiring("other", "s", intent.Push), never} {
		take(in)
	}
	extend := func(offset int64, by string) command {
		return told(offset, "c", ledger.CmdExtend, "r", map[string]string{ledger.ArgFor: by})
	}
	a.obey(extend(0, "2h"))
	if a.obey(extend(1, "2h")) { // its writing goes on: the owner dies before it is this one's turn
		t.Error("a second extension did not wait for the first")
	}
	b.commit(a)
	as := b.answers()
	if n := len(as); n != 1 || as[0].Text != "2 intents expire 2h later" || as[0].Intents != 2 {
		t.Fatalf("answers %+v", as)
	}
	if st := b.readLedger(); len(st.Extends) != 1 {
		t.Fatalf("%d extensions on record while they are written, want 1", len(st.Extends))
	}
	if got := b.expires(); !got["held"].Equal(at) {
		t.Fatalf("written before its turn: %v", got)
	}

	a = b.byHand(nil) // the owner died before it had written any
	a.keep(a.items[itemOf(a.longer[0].id())])
	take(expiring("later", "r", intent.Push))
	b.commit(a)
	a = b.byHand(nil) // and the next one when it had written one
	for _, it := range a.items {
		if it.p().Intent.Event.ID == "held" && !expiresAt(a, it).Equal(at.Add(2*time.Hour)) {
			t.Errorf("the timer of %s is %v", it.id(), expiresAt(a, it))
		}
	}
	a.writeExtended()
	b.commit(a)
	want := map[string]time.Time{"held": at.Add(2 * time.Hour), "cast": at.Add(2 * time.Hour), "other": at, "never": {}, "later": at}
	got := b.expires()
	for event, w := range want {
		if !got[event].Equal(w) {
			t.Errorf("%s expires %v, want %v", event, got[event], w)
		}
	}
	if st := b.readLedger(); len(st.Extends) != 0 || !st.Balanced() {
		t.Errorf("extensions %v, balanced %t", st.Extends, st.Balanced())
	}

	a = b.byHand(nil)
	a.obey(extend(2, "1h")) // a second time, on top; the later one too
	a.writeExtended()
	b.commit(a)
	if got := b.expires(); !got["held"].Equal(at.Add(3*time.Hour)) || !got["later"].Equal(at.Add(time.Hour)) {
		t.Errorf("after a second extension: %v", got)
	}
	for i, by := range []string{"", "-1h", "0s", "3000h", "2d"} {
		a.obey(extend(int64(3+i), by))
		b.commit(a)
		if ans := b.last(); ans.OK || !ans.Refused {
			t.Errorf("extension by %q: %+v", by, ans)
		}
	}
}

// Two extensions that come together both count, one after the other.
func TestASecondExtensionIsOnTopOfTheFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	in := b.intent("e1", "r", "u", intent.Push)
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	in.Policy.Expire = at
	a.obey(told(0, "c0", ledger.CmdPause, "rule/r", nil))
	a.admit(in, 0)
	a.pos.Next = 1
	for i, id := range []string{"c1", "c2"} {
		a.inbox.command(told(int64(1+i), id, ledger.CmdExtend, "r", map[string]string{ledger.ArgFor: "2h"}))
	}
	for range 2 {
		a.apply()
		b.commit(a)
	}
	if got := b.expires()["e1"]; !got.Equal(at.Add(4*time.Hour)) || a.pos.Control != 3 {
		t.Errorf("it expires %v, position %d, want both extensions: %v", got, a.pos.Control, at.Add(4*time.Hour))
	}
}

// A rule may hold a million: a turn writes a bounded number of them.
func TestAnExtensionIsWrittenInSlices(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	const n = maxTurn + 1
	for i := range n {
		in := b.intent("e", "r", "u", intent.Push)
		in.Event.ID = string(in.ID)
		in.Policy.Expire = time.Now().Add(time.Hour)
		a.admit(in, int64(i))
	}
	a.pos.Next = n
	a.obey(told(0, "c", ledger.CmdExtend, "r", map[string]string{ledger.ArgFor: "1h"}))
	a.writeExtended()
	if len(a.longer) != 1 || len(a.extends) != 1 {
		t.Errorf("%d left after a turn, %d extensions, want 1 and 1", len(a.longer), len(a.extends))
	}
	a.writeExtended()
	if len(a.longer) != 0 || len(a.extends) != 0 {
		t.Errorf("%d left after two turns, %d extensions", len(a.longer), len(a.extends))
	}
}

// Where a record waits by itself is where the actor has it.
func TestWaitsAgreesWithTheGates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	ins := map[state]*intent.Intent{}
	for _, s := range []state{merging, approval, quiet, queued} {
		in := b.intent(string(s), "r", "u-"+string(s), intent.Push)
		switch s {
		case merging:
			in.Merge = &intent.Merge{Key: "k", Wait: time.Hour, Keep: intent.KeepLatest, Vars: map[string]any{"x": "1"}}
		case approval:
			in.Policy.Approval = &intent.Approval{People: 1, Within: time.Hour}
		case quiet:
			now := a.clock.now().UTC()
			m := now.Hour()*60 + now.Minute()
			in.Policy.Quiet = []intent.Quiet{{From: (m + 1430) % 1440, To: (m + 120) % 1440}}
		}
		ins[s] = in
		a.admit(in, int64(len(ins)))
	}
	at := b.intent("at", "r", "u-at", intent.Push)
	later := (a.clock.now().UTC().Hour()*60 + 180) % 1440
	at.Policy.SendAt = &later
	a.admit(at, 9)
	for _, it := range a.items {
		where, until := Waits(it.p(), a.clock.now(), time.UTC)
		wake, timed := a.timers.wakesAt(it)
		if where != it.state.String() || it.state == approval || timed != !until.IsZero() || timed && !wake.Equal(until) {
			if where == approval.String() && it.state == approval && until.IsZero() { // its timer is its end
				continue
			}
			t.Errorf("%s: %s until %v, the actor has it %s until %v", it.p().Intent.Event.ID, where, until, it.state, wake)
		}
	}
	if len(a.items) != 5 {
		t.Errorf("%d items", len(a.items))
	}
}

// Who waits for a time of day and for the end of quiet hours stands in one place, and is told apart when it expires.
func TestAnExpirySaysWhichTimeWasWaitedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	now := a.clock.now().UTC()
	later := (now.Hour()*60 + now.Minute() + 180) % 1440
	hours := []intent.Quiet{{From: (later + 1440 - 240) % 1440, To: later}}
	for i, p := range []intent.Policy{{SendAt: &later}, {Quiet: hours}, {SendAt: &later, Quiet: hours}} {
		in := b.intent(fmt.Sprint("e", i), "r", fmt.Sprint("u", i), intent.Push)
		in.Policy = p
		a.admit(in, int64(i))
		a.expired(a.items[itemOf(in.ID)])
	}
	b.commit(a)
	got := map[string]string{}
	for _, f := range b.fates(3) {
		got[f.Event.ID] = f.Detail
	}
	want := map[string]string{"e0": "while it waited for send_at", "e1": "while it waited for quiet", "e2": "while it waited for quiet"}
	if !maps.Equal(got, want) {
		t.Errorf("details %v, want %v", got, want)
	}
}

// Who gives way when too many wait goes by the expiry as it is after an extension.
func TestTheBacklogGoesByTheExtendedExpiry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) { ac.MaxPushes = 2 })
	for i, x := range []struct {
		event, rule string
		in          time.Duration
	}{{"extended", "r", time.Hour}, {"soonest", "s", 2 * time.Hour}, {"last", "s", 10 * time.Hour}} {
		if x.event == "last" {
			a.pos.Next = int64(i)
			a.obey(told(0, "c", ledger.CmdExtend, "r", map[string]string{ledger.ArgFor: "5h"}))
		}
		in := b.intent(x.event, x.rule, "u-"+x.event, intent.Push)
		in.Policy.Expire = time.Now().Add(x.in)
		a.admit(in, int64(i))
	}
	a.pos.Next = 0 // none of them is in the topic
	b.commit(a)
	if got := kinds(b.fates(1)); !slices.Equal(got, []string{"soonest SUPPRESSED(no-quota)"}) {
		t.Errorf("fates %v", got)
	}
}

// Who comes when too many wait is asked as everybody else is: it gives way itself if it is the least urgent.
func TestTheLeastUrgentGivesWayAlsoIfItIsTheLastToCome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) { ac.MaxPushes = 2 })
	for i, x := range []struct {
		event string
		prio  intent.Priority
	}{{"high", intent.High}, {"middle", intent.Normal}, {"low", intent.Low}, {"high2", intent.High}, {"low2", intent.Low}, {"urgent", intent.Urgent}} {
		in := b.intent(x.event, "r", "u-"+x.event, intent.Push)
		in.Policy.Priority, in.Policy.Expire = x.prio, time.Now().Add(time.Hour)
		a.admit(in, int64(i))
	}
	var left []string
	for _, it := range a.items {
		left = append(left, it.p().Intent.Event.ID)
	}
	if slices.Sort(left); !slices.Equal(left, []string{"high2", "urgent"}) {
		t.Errorf("%v wait", left)
	}
	a.pos.Next = 0 // none of them is in the topic
	b.commit(a)
	if got, want := kinds(b.fates(4)), []string{"high SUPPRESSED(no-quota)", "low SUPPRESSED(no-quota)", "low2 SUPPRESSED(no-quota)", "middle SUPPRESSED(no-quota)"}; !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v", got, want)
	}
}

// expiresAt is the last time at which a timer ends an item, zero: none does.
func expiresAt(a *actor, it *item) (at time.Time) {
	for _, e := range a.timers.items[expireItem] {
		if e.it == it && e.stands(expireItem) {
			at = time.Unix(0, e.at)
		}
	}
	return at
}
