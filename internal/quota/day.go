package quota

import "time"

// A span of instants, half-open: [start, end).
type interval struct{ start, end time.Time }

// touches reports whether the closed interval [from, to] meets the half-open day.
func (d interval) touches(from, to time.Time) bool {
	return from.Before(d.end) && !to.Before(d.start)
}

// daysTouched returns the natural days of zone that the closed interval [from, to] touches, oldest first.
// One date on each side is looked at too, because dates may overlap (see dayOf).
func daysTouched(from, to time.Time, zone *time.Location) []interval {
	y, m, d := from.In(zone).Date()
	date := time.Date(y, m, d-1, 0, 0, 0, 0, time.UTC)
	y, m, d = to.In(zone).Date()
	last := time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)

	var days []interval
	for ; !date.After(last); date = date.AddDate(0, 0, 1) {
		if day, ok := dayOf(date, zone); ok && day.touches(from, to) {
			days = append(days, day)
		}
	}
	return days
}

// dayOf returns the shortest interval that holds every instant whose date in zone is that of date, which is
// given as a midnight in UTC. It is not always 24 h, does not always begin at 00:00, and false means the
// date does not exist (Samoa skipped 2011-12-30). Where clocks were set back across midnight (St. John's,
// 00:01 to 23:01) two dates overlap for an hour, in which a call counts for both: the safe side.
//
// time.Date is not enough: for a midnight that does not exist it may answer with 23:00 of the day before.
func dayOf(date time.Time, zone *time.Location) (day interval, ok bool) {
	// No zone is further than 16 h from UTC, so these bounds hold the whole date.
	at, limit := date.Add(-16*time.Hour), date.Add((24+16)*time.Hour)
	for at.Before(limit) {
		local := at.In(zone)
		_, offset := local.Zone()
		shift := time.Duration(offset) * time.Second
		start, end := date.Add(-shift), date.Add(24*time.Hour-shift)

		zs, ze := local.ZoneBounds() // where this offset holds; zero when unbounded
		if !zs.IsZero() && start.Before(zs) {
			start = zs
		}
		if !ze.IsZero() && end.After(ze) {
			end = ze
		}
		if start.Before(end) {
			if !ok {
				day.start = start
			}
			day.end, ok = end, true
		}
		if ze.IsZero() {
			break
		}
		at = ze
	}
	return day, ok
}
