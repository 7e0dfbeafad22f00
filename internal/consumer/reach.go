package consumer

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"
)

// reach knows whether stage 1 can work: most often Kafka does not answer when it cannot. It goes by what stage 1 asks anyhow: the group's lag every ten seconds, and what a membership begins
// with.
type reach struct {
	mu    sync.Mutex // guards below
	since time.Time  // zero: it can
	last  error

	aborts time.Time // since when transactions are aborted and none was committed; zero: the last one was
	cause  error
	told   time.Time
}

// abortsFor is how long nothing but aborted transactions is no rebalance any more.
const abortsFor = 10 * time.Second

// aborted books that a transaction was aborted, and tells whether that is to be said: the first, and one a minute of those that follow it.
func (c *Consumer) aborted(cause error, now time.Time) (say bool) {
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	r := &c.reach
	if r.aborts.IsZero() {
		r.aborts, r.told = now, time.Time{}
	}
	r.cause = cmp.Or(cause, errRebalance)
	if say = now.Sub(r.told) >= tellAgain; say {
		r.told = now
	}
	c.tellDown(now)
	return say
}

// errRebalance is why a transaction is aborted that nothing is wrong with.
var errRebalance = errors.New("its partitions are another's now")

// committed books that a transaction was not aborted.
func (c *Consumer) committed() {
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	if c.reach.aborts.IsZero() {
		return
	}
	c.reach.aborts = time.Time{}
	c.tellDown(time.Now())
}

// tellDown sets the metric; c.reach.mu is held.
func (c *Consumer) tellDown(now time.Time) {
	down := 0.0
	if !c.reach.since.IsZero() || c.reach.stuck(now) {
		down = 1
	}
	c.opt.Metrics.down.Set(down)
}

func (r *reach) stuck(now time.Time) bool {
	return !r.aborts.IsZero() && now.Sub(r.aborts) >= abortsFor
}

// failed books that something could not be asked, or that a membership ended, and tells whether that is new; answers that all is well.
func (c *Consumer) failed(err error, now time.Time) (first bool) {
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	if c.reach.last = err; c.reach.since.IsZero() {
		c.reach.since, first = now, true
	}
	c.tellDown(now)
	return first
}

func (c *Consumer) answers() {
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	c.reach.since, c.reach.last = time.Time{}, nil
	c.tellDown(time.Now())
}

// Down says since when stage 1 cannot work, and why; "" when it can.
func (c *Consumer) Down() string {
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	switch r := &c.reach; {
	case r.since.IsZero() && r.stuck(time.Now()):
		return fmt.Sprintf("stage 1 has committed nothing since %s, its transactions are aborted: %v", r.aborts.UTC().Format(time.RFC3339), r.cause)
	case r.since.IsZero():
		return ""
	}
	return fmt.Sprintf("stage 1 cannot work since %s: %v", c.reach.since.UTC().Format(time.RFC3339), c.reach.last)
}
