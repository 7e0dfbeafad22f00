// Package pulse tells whether a loop turns: how long it has worked since it last waited for something to do. It also spaces out the attempts
// of one that fails.
//
// A loop that waits turns, however long: without events, without Kafka, without a vendor. So what it says can end a process (/livez)
// without making an outage worse.
package pulse

import (
	"sync/atomic"
	"time"
)

// Limit is how long one turn may take. The longest that is bounded is a turn of stage 2: a commit of 20 s and two questions for the
// broker's time of 5 s each.
const Limit = time.Minute

// Pulse is one loop's. The zero value waits.
type Pulse struct{ since atomic.Int64 } // unix nanoseconds; 0: it waits

// Works says that a turn begins.
func (p *Pulse) Works(now time.Time) { p.since.Store(now.UnixNano()) }

// Waits says that it is over.
func (p *Pulse) Waits() { p.since.Store(0) }

// Stuck gives how long a turn has lasted that takes longer than Limit, else 0.
func (p *Pulse) Stuck(now time.Time) time.Duration {
	since := p.since.Load()
	if since == 0 {
		return 0
	}
	if d := now.Sub(time.Unix(0, since)); d > Limit {
		return d
	}
	return 0
}
