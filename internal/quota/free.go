package quota

import (
	"slices"
	"time"
)

// Free returns the earliest time, not before now, at which a call of this weight can start: it may then
// arrive anywhere in [start, start+span], and no placement of its arrival and those of charges exceeds any
// limit, window edges widened by guard. The answer holds for these charges only; ask again after each change.
//
// It is exact for charges that began by now, and on the safe side for those stamped later (another owner's
// clock). The error is ErrNever, naming the limit.
func Free(limits []Limit, charges []Charge, weight int, now time.Time, span, guard time.Duration) (time.Time, error) {
	for _, l := range limits {
		if err := l.fits(weight); err != nil {
			return time.Time{}, err
		}
	}
	// Each limit alone may only push the start later; go round until none does.
	at := now
	for moved := true; moved; {
		moved = false
		for _, l := range limits {
			if t := l.earliest(charges, weight, at, span, guard); t.After(at) {
				at, moved = t, true
			}
		}
	}
	return at, nil
}

// earliest is Free for one limit that fits the weight.
func (l Limit) earliest(charges []Charge, weight int, at time.Time, span, guard time.Duration) time.Time {
	room := l.N - weight
	if !l.Day {
		// Of the windows that may hold the new call, the one that ends when it starts holds the most.
		return roomAt(charges, room, at, l.Window+guard)
	}
	// While too many charges may still arrive, every day they touch is full: begin after that, which also
	// bounds the walk below.
	at = roomAt(charges, room, at, 0)
	for {
		full, ok := l.lastFull(charges, room, at, span, guard)
		if !ok {
			return at
		}
		at = full.end.Add(guard)
	}
}

// roomAt returns the earliest time, not before at, when charges of at most room remain, each remaining until
// keep after its To.
func roomAt(charges []Charge, room int, at time.Time, keep time.Duration) time.Time {
	used := 0
	var held []Charge
	for _, c := range charges {
		if c.To.Add(keep).After(at) {
			used += c.Weight
			held = append(held, c)
		}
	}
	if used <= room {
		return at
	}
	slices.SortFunc(held, func(a, b Charge) int { return a.To.Compare(b.To) })
	for _, c := range held {
		if used <= room {
			break
		}
		used -= c.Weight
		at = c.To.Add(keep)
	}
	return at
}

// lastFull returns the latest day in which charges leave no room, of those that a call started at `at` may
// fall into.
func (l Limit) lastFull(charges []Charge, room int, at time.Time, span, guard time.Duration) (interval, bool) {
	days := daysTouched(at.Add(-guard), at.Add(span+guard), l.zone())
	for _, day := range slices.Backward(days) {
		if usedIn(day, charges, guard) > room {
			return day, true
		}
	}
	return interval{}, false
}

// usedIn adds up the charges that may fall into the day, its edges widened by guard.
func usedIn(day interval, charges []Charge, guard time.Duration) int {
	used := 0
	for _, c := range charges {
		if day.touches(c.From.Add(-guard), c.To.Add(guard)) {
			used += c.Weight
		}
	}
	return used
}

// Usage is one limit as it stands.
type Usage struct {
	Limit Limit
	Used  int       // what may lie in the window that ends now, or in the day of now (without the guard)
	Next  time.Time // earliest start of a call of weight 1 under this limit alone; zero if the limit is 0
}

// Used reports how far each limit is used at now, for listings and metrics. span and guard are those given
// to Free, so that Next tells what Free will do.
func Used(limits []Limit, charges []Charge, now time.Time, span, guard time.Duration) []Usage {
	usage := make([]Usage, 0, len(limits))
	for _, l := range limits {
		u := Usage{Limit: l}
		if l.Day {
			for _, day := range daysTouched(now, now, l.zone()) {
				u.Used = max(u.Used, usedIn(day, charges, 0))
			}
		} else {
			for _, c := range charges {
				if c.To.Add(l.Window).After(now) {
					u.Used += c.Weight
				}
			}
		}
		if l.fits(1) == nil {
			u.Next = l.earliest(charges, 1, now, span, guard)
		}
		usage = append(usage, u)
	}
	return usage
}
