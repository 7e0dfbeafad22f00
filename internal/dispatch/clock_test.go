package dispatch

import (
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// The quota is counted in the broker's time: this machine's clock may be days off and changes nothing but the skew.
func TestTheClockIsTheBrokers(t *testing.T) {
	broker := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	local := broker.Add(-7 * time.Hour)
	now := local
	at := func(want time.Time, c *clock, what string) {
		t.Helper()
		if got := c.now(); !got.Equal(want) {
			t.Errorf("%s: it is %s, want %s", what, got, want)
		}
	}
	c := newClock(func() time.Time { return now }, broker, local, time.Time{})
	at(broker, c, "at the take-over")
	if c.bounded() || c.skew != -7*time.Hour {
		t.Errorf("skew %s is taken for small", c.skew)
	}
	now = local.Add(time.Minute)
	at(broker.Add(time.Minute), c, "a minute later")
	now = local.Add(30 * time.Second)
	at(broker.Add(time.Minute), c, "when this machine's clock goes back")

	now = local.Add(2 * time.Minute)
	if !c.measure(broker.Add(2*time.Minute+300*time.Millisecond), now.Add(-50*time.Millisecond), now.Add(50*time.Millisecond)) {
		t.Error("a quick commit measures nothing")
	}
	at(broker.Add(2*time.Minute+300*time.Millisecond), c, "after a measurement")
	if c.measure(broker.Add(time.Hour), now.Add(-3*time.Second), now) {
		t.Error("a slow commit is taken for a measurement")
	}
	if !c.measure(broker.Add(-time.Hour), now, now) {
		t.Error("a broker's clock that steps back is no measurement")
	}
	at(broker.Add(2*time.Minute+300*time.Millisecond), c, "when the broker's clock steps back")
}

// A predecessor's broker was ahead of ours: what it wrote must not lie in the future.
func TestTimeGoesOnFromTheStoredClock(t *testing.T) {
	t.Parallel()
	stored := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	now := stored.Add(-time.Hour)
	local := now
	c := newClock(func() time.Time { return now }, now, local, stored)
	if got := c.now(); !got.Equal(stored) {
		t.Errorf("it is %s, want %s", got, stored)
	}
	now = local.Add(time.Second)
	if got := c.now(); !got.Equal(stored.Add(time.Second / 2)) {
		t.Errorf("a second later it is %s", got)
	}
	if c.bounded() {
		t.Error("an hour ahead of the broker the quota of a day is not the vendor's")
	}
}

// The broker's clock was ahead for a while, or another broker's is: what was told then must not come back, but until the broker has caught up
// nobody may count a day's slots by it, at midnight least of all.
func TestAClockThatIsAheadFallsBackToTheBrokers(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	now := noon
	c := newClock(func() time.Time { return now }, noon, noon, time.Time{})
	measure := func(broker time.Time) {
		t.Helper()
		if !c.measure(broker, now, now) {
			t.Fatal("nothing is measured")
		}
	}
	now = noon.Add(time.Minute)
	measure(now.Add(5 * time.Minute))
	if c.bounded() {
		t.Error("5 minutes are taken for small")
	}
	was := c.now()
	for i := 1; i <= 20; i++ {
		now = now.Add(30 * time.Second)
		measure(now) // right again, as is this machine's clock
		got := c.now()
		if !got.After(was) {
			t.Fatalf("after %d measurements time stands still at %s", i, got)
		}
		ahead := got.Sub(now)
		if want := max(0, 5*time.Minute-time.Duration(i)*15*time.Second); (ahead - want).Abs() > 16*time.Second { // the first measurement finds the step
			t.Errorf("after %d measurements it is %s ahead, want about %s", i, ahead, want)
		}
		if c.bounded() != (ahead <= maxSkew) {
			t.Errorf("%s ahead, bounded: %t", ahead, c.bounded())
		}
		was = got
	}
	for range 2 {
		now = now.Add(30 * time.Second)
		measure(now)
	}
	if got := c.now(); !got.Equal(now) || !c.bounded() {
		t.Errorf("it is %s, the broker has %s; skew %s", got, now, c.skew)
	}
}

// Every commit stores the time: a new owner counts the windows of the limiters from it.
func TestEveryCommitStoresTheClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	for range 2 {
		a.w.Touch()
		before := a.clock.now()
		b.commit(a)
		if a.pos.Clock.Before(before.UTC()) {
			t.Errorf("the ledger's clock is %s, the commit was at %s", a.pos.Clock, before)
		}
	}
}

// What a predecessor sent just before it died counts at the vendor: a new owner has the room that is left, and no more.
func TestTheWindowsOfANewOwnerHoldWhatWasSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := time.Now()
	at := func(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	ac := b.account()
	for name, pol := range ac.Lanes {
		pol.Window = 0 // a second and an allowance
		ac.Lanes[name] = pol
	}
	user := ac.Lanes["user"].Rate
	ended := func(lane string, weight, ms int) ledger.Ended {
		return ledger.Ended{Account: ac.Key, Lane: lane, Weight: weight, At: at(ms), NotAfter: at(ms + 4000)}
	}
	unclear := ended("user", user, -500)
	unclear.Unclear = true
	late := ended("user", user, -100)
	late.NotAfter = at(-700) // it was booked by a successor, long after it could arrive
	rewritten := ended(LaneTag, ac.Lanes[LaneTag].Rate, -900)
	rewritten.Users = []string{"clear", "unclear"}
	for _, c := range []struct {
		name   string
		st     ledger.State
		lane   string
		weight int
		want   time.Time // zero: at once
	}{
		{"nothing was sent", ledger.State{}, "user", 1, time.Time{}},
		{"the window is full", ledger.State{Ended: []ledger.Ended{ended("user", user, -500)}}, "user", 1, at(700)},
		{"half of it is", ledger.State{Ended: []ledger.Ended{ended("user", user/2, -500)}}, "user", 1, time.Time{}},
		{"half of it is, and more is wanted", ledger.State{Ended: []ledger.Ended{ended("user", user/2, -500)}}, "user", user/2 + 1, at(700)},
		{"in two calls", ledger.State{Ended: []ledger.Ended{ended("user", user/2, -500), ended("user", user/2, -300)}}, "user", 1, at(700)},
		{"it was another lane", ledger.State{Ended: []ledger.Ended{ended(LaneTag, ac.Lanes[LaneTag].Rate, -500)}}, "user", 1, time.Time{}},
		{"it is long ago", ledger.State{Ended: []ledger.Ended{ended("user", user, -1300)}}, "user", 1, time.Time{}},
		{"a call may still arrive", ledger.State{Ended: []ledger.Ended{unclear}}, "user", 1, unclear.NotAfter.Add(second)},
		{"a tag call may still arrive", ledger.State{Ended: []ledger.Ended{rewritten}}, LaneTag, 1, rewritten.NotAfter.Add(second)},
		{"it was booked late", ledger.State{Ended: []ledger.Ended{late}}, "user", 1, at(500)},
		{"some call is not known any more", ledger.State{Gap: at(-300)}, "user", 1, at(900)},
		{"reads of tags are in no ledger", ledger.State{}, LaneTagGet, 1, now.Add(second)},
	} {
		a := &actor{clock: newClock(func() time.Time { return now }, now, now, now), accounts: map[string]*account{}}
		a.accounts[ac.Key] = newAccount(ac, now, now, a.machineTime(c.st.Gap))
		users := a.accounts[ac.Key].users
		users.Put("clear", &tagsync.User{})
		users.Put("unclear", &tagsync.User{RewriteAt: at(60_000)})
		a.restoreWindows(&c.st)
		if c.want.IsZero() {
			c.want = now
		}
		if got, err := a.accounts[ac.Key].lanes[c.lane].pacer.At(now, c.weight); err != nil || !got.Equal(c.want) {
			t.Errorf("%s: a call of weight %d may start in %s (%v), want %s", c.name, c.weight, got.Sub(now), err, c.want.Sub(now))
		}
	}
}

// Where nobody was before, tags can be read at once: whoever tries the program out does not wait for a window of minutes. A second owner does.
func TestTheFirstOwnerReadsTagsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	slow := func(ac *Account, _ *Options) {
		pol := ac.Lanes[LaneTagGet]
		pol.Window = 10 * time.Minute
		ac.Lanes[LaneTagGet] = pol
	}
	for _, first := range []bool{true, false} {
		a := b.byHand(slow)
		now := a.clock.now()
		if wait := a.slot(a.accounts[b.account().Key].lanes[LaneTagGet], 1, now).Sub(now); first != (wait <= 0) || !first && wait < 9*time.Minute {
			t.Errorf("the first owner %t: a read waits %s", first, wait)
		}
		a.plan()
		b.commit(a)
	}
}

func TestANewOwnerKnowsWhatItsPredecessorSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	slow := func(ac *Account) {
		pol := b.account().Lanes["user"]
		pol.Window = time.Minute
		ac.Lanes["user"] = pol
	}
	ac := b.account()
	slow(ac)
	stop := b.start(ac, nil)
	b.produce(b.intent("e1", "r", "u1", intent.Push), b.intent("e2", "r", "u2", intent.Push), b.intent("e3", "r", "u3", intent.Push))
	b.fates(3)
	stop()
	a := b.byHand(func(ac *Account, _ *Options) { slow(ac) })
	l := a.accounts[ac.Key].lanes["user"]
	if used, _ := l.pacer.Used(a.clock.machine()); used != 3 {
		t.Errorf("%d receivers count in the last minute, want 3", used)
	}
}
