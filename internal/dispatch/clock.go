package dispatch

import "time"

// clock follows the broker's clock by this machine's monotonic one, so that a step of the wall clock moves nothing
// (design.md 3.7). It never goes back: a stored time is always in its past. Where the broker's clock stepped back it goes on at half the
// speed until the two agree, and the skew says so: days and windows counted by it would not be the vendor's.
type clock struct {
	machine func() time.Time // this machine's clock, with its monotonic reading; a Model has its own

	base  time.Time     // the broker's time ...
	local time.Time     // ... when the monotonic clock stood here
	ahead time.Duration // how far what was told by then lay ahead of base
	last  time.Time
	skew  time.Duration // wall clock minus broker's clock, or this clock minus it, at the last measurement; the worst bound
}

// maxSkew closes the scarce lanes: their guard pays for two clocks that are each this far off.
const maxSkew = 2 * time.Second

func newClock(machine func() time.Time, broker, local, stored time.Time) *clock {
	c := &clock{machine: machine, base: broker, local: local, last: stored}
	c.ahead = max(0, stored.Sub(broker)) // a predecessor's broker was ahead: its time goes on
	c.skew = worst(local.Round(0).Sub(broker), c.ahead)
	return c
}

// now is the broker's time, as well as we know it.
func (c *clock) now() time.Time {
	if t := c.at(c.machine()); t.After(c.last) {
		c.last = t
	}
	return c.last
}

// at is the time when the monotonic clock stands at local.
func (c *clock) at(local time.Time) time.Time {
	passed := local.Sub(c.local)
	return c.base.Add(passed + max(0, c.ahead-passed/2))
}

// measure takes in the broker's time of an append that happened between two moments of the local clock. The true skew lies
// between the two differences; the one that is further from zero is what may be.
// It is false when they lie too far apart to bound anything: a slow commit is no skew.
func (c *clock) measure(broker, began, ended time.Time) bool {
	if ended.Sub(began) > maxSkew {
		return false
	}
	mid := began.Add(ended.Sub(began) / 2)
	ahead := max(0, c.at(mid).Sub(broker))
	c.base, c.local, c.ahead = broker, mid, ahead
	c.skew = worst(began.Round(0).Sub(broker), ended.Round(0).Sub(broker), ahead)
	return true
}

// worst is the one that is furthest from zero.
func worst(ds ...time.Duration) (out time.Duration) {
	for _, d := range ds {
		if d.Abs() > out.Abs() {
			out = d
		}
	}
	return out
}

// bounded reports whether the skew is small enough for the guard of the scarce lanes.
func (c *clock) bounded() bool { return c.skew.Abs() <= maxSkew }
