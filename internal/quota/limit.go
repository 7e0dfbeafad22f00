package quota

import (
	"errors"
	"fmt"
	"time"
)

// Limit allows N units of weight in every Window (rolling), or in every natural day of Zone when Day is set.
// A rolling window also holds for clock-aligned windows of the same length, since each of those is one of
// the rolling windows.
type Limit struct {
	N      int
	Window time.Duration  // rolling; unused when Day
	Day    bool           // natural day by the calendar of Zone, whatever its length
	Zone   *time.Location // nil is UTC
}

func (l Limit) String() string {
	if l.Day {
		return fmt.Sprintf("%d per day %s", l.N, l.zone())
	}
	return fmt.Sprintf("%d in %s", l.N, l.Window)
}

func (l Limit) zone() *time.Location {
	if l.Zone == nil {
		return time.UTC
	}
	return l.Zone
}

// Charge is the part of the limits that one call takes: it may arrive at the vendor anywhere in [From, To].
// To is the time of the outcome, or notAfter + late while the outcome is open or when it is unknown.
type Charge struct {
	From, To time.Time
	Weight   int
}

// ErrNever is returned for a call heavier than a limit: it can never start.
var ErrNever = errors.New("heavier than the limit")

// fits reports whether a call of this weight can ever pass the limit.
func (l Limit) fits(weight int) error {
	if weight > l.N {
		return fmt.Errorf("a call of weight %d under the limit %s: %w", weight, l, ErrNever)
	}
	return nil
}
