package consumer

import (
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
}

// failed books that something could not be asked, or that a membership ended, and tells whether that is new; answers that all is well.
func (c *Consumer) failed(err error, now time.Time) (first bool) {
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	if c.reach.last = err; c.reach.since.IsZero() {
		c.reach.since, first = now, true
	}
	c.opt.Metrics.down.Set(1)
	return first
}

func (c *Consumer) answers() {
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	c.reach.since, c.reach.last = time.Time{}, nil
	c.opt.Metrics.down.Set(0)
}

// Down says since when stage 1 cannot work, and why; "" when it can.
func (c *Consumer) Down() string {
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	if c.reach.since.IsZero() {
		return ""
	}
	return fmt.Sprintf("stage 1 cannot work since %s: %v", c.reach.since.UTC().Format(time.RFC3339), c.reach.last)
}
