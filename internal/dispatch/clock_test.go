package dispatch

import (
	"testing"
	"time"
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

// What a predecessor sent just before it died counts at the vendor: nothing goes in the first window of a new owner.
func TestTheWindowsOfANewOwnerAreFull(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := time.Now()
	before := now.Add(-500 * time.Millisecond)
	ac := newAccount(b.account(), now, before)
	paced := 0
	for name, l := range ac.lanes {
		if l.pacer == nil {
			continue
		}
		paced++
		want := before.Add(l.Window)
		if name == LaneTagGet {
			want = now.Add(l.Window)
		}
		if at, err := l.pacer.At(now, 1); err != nil || at.Before(want) {
			t.Errorf("lane %s may start a call %s after the take-over (%v), want %s", name, at.Sub(now), err, want.Sub(now))
		}
	}
	if paced == 0 {
		t.Error("no lane is paced")
	}
}
