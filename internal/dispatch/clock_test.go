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
	if got := c.now(); !got.Equal(stored.Add(time.Second)) {
		t.Errorf("a second later it is %s", got)
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
