package intent

import "time"

// Wall is the moment at which the clocks of a zone show a time of a day. A time that the clocks pass over that day is the moment at
// which they jump; of one that they show twice it is the first.
func Wall(year int, month time.Month, day, hour, minute, second int, zone *time.Location) time.Time {
	t := time.Date(year, month, day, hour, minute, second, 0, zone)
	want := time.Date(year, month, day, hour, minute, second, 0, time.UTC)
	shown := onClock(t)
	began, ends := t.ZoneBounds()
	switch {
	case shown.After(want): // passed over, counted from before the jump
		return began
	case shown.Before(want): // passed over, counted from after it
		return ends
	case began.IsZero():
		return t
	}
	_, offset := t.Zone()
	_, before := began.Add(-time.Second).Zone()
	if first := t.Add(time.Duration(offset-before) * time.Second); first.Before(began) && onClock(first).Equal(want) {
		return first
	}
	return t
}

// onClock is what the clock shows, as a time that can be compared.
func onClock(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// NextAt is the first moment, not before now, at which the clocks of a zone show a minute of the day: see Wall.
func NextAt(now time.Time, minute int, zone *time.Location) time.Time {
	y, m, d := now.In(zone).Date()
	for ; ; d++ {
		if t := Wall(y, m, d, minute/60, minute%60, 0, zone); !t.Before(now) {
			return t
		}
	}
}
