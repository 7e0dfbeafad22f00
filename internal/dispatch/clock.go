package dispatch

import "time"

// clock follows the broker's clock by this machine's monotonic one, so that a step of the wall clock moves nothing
// (design.md 3.7). It never goes back: a stored time is always in its past.
type clock struct {
	machine func() time.Time // this machine's clock, with its monotonic reading; a Model has its own

	base  time.Time // the broker's time ...
	local time.Time // ... when the monotonic clock stood here
	last  time.Time
	skew  time.Duration // wall clock minus broker's clock, at the last measurement; the worse bound
}

// maxSkew closes the scarce lanes: their guard pays for two clocks that are each this far off.
const maxSkew = 2 * time.Second

func newClock(machine func() time.Time, broker, local, stored time.Time) *clock {
	c := &clock{machine: machine, base: broker, local: local, last: stored}
	if stored.After(broker) { // a predecessor's broker was ahead: its time goes on
		c.base = stored
	}
	c.skew = local.Round(0).Sub(broker)
	return c
}

// now is the broker's time, as well as we know it.
func (c *clock) now() time.Time {
	if t := c.base.Add(c.machine().Sub(c.local)); t.After(c.last) {
		c.last = t
	}
	return c.last
}

// measure takes in the broker's time of an append that happened between two moments of the local clock. The true skew lies
// between the two differences; the one that is further from zero is what may be.
// It is false when they lie too far apart to bound anything: a slow commit is no skew.
func (c *clock) measure(broker, began, ended time.Time) bool {
	if ended.Sub(began) > maxSkew {
		return false
	}
	lo, hi := began.Round(0).Sub(broker), ended.Round(0).Sub(broker)
	c.skew = lo
	if hi.Abs() > lo.Abs() {
		c.skew = hi
	}
	mid := began.Add(ended.Sub(began) / 2)
	if c.base.Add(mid.Sub(c.local)).Sub(broker) > time.Second {
		return true // the broker's clock stepped back: go on from what we had, so that time never stands still; the skew says so
	}
	c.base, c.local = broker, mid
	return true
}

// bounded reports whether the skew is small enough for the guard of the scarce lanes.
func (c *clock) bounded() bool { return c.skew.Abs() <= maxSkew }
