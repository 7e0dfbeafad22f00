package quota

import (
	"testing"
	"time"
	_ "time/tzdata"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestADayIsWhatTheCalendarOfItsZoneSays(t *testing.T) {
	for _, c := range []struct {
		zone, date, start, end string // no start: the date does not exist
	}{
		{"UTC", "2026-11-21", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"},
		{"Asia/Shanghai", "2026-11-21", "2026-11-20T16:00:00Z", "2026-11-21T16:00:00Z"},
		// Shanghai kept summer time from 1986 to 1991.
		{"Asia/Shanghai", "1986-05-04", "1986-05-03T16:00:00Z", "1986-05-04T15:00:00Z"}, // 23 h
		{"Asia/Shanghai", "1986-09-14", "1986-09-13T15:00:00Z", "1986-09-14T16:00:00Z"}, // 25 h
		{"Asia/Shanghai", "1991-04-14", "1991-04-13T16:00:00Z", "1991-04-14T15:00:00Z"},
		{"Asia/Shanghai", "1991-09-15", "1991-09-14T15:00:00Z", "1991-09-15T16:00:00Z"},
		{"America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"},
		{"America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		// Summer time began at midnight: 2018-11-04 has no 00:00.
		{"America/Sao_Paulo", "2018-11-03", "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		// It ended at midnight: 2018-02-17 has 23:00 twice.
		{"America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"},
		// At 00:01 clocks went back to 23:01: two dates overlap.
		{"America/St_Johns", "2010-11-06", "2010-11-06T02:30:00Z", "2010-11-07T03:30:00Z"},
		{"America/St_Johns", "2010-11-07", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"},
		{"Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"}, // half an hour
		{"Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"Pacific/Apia", "2011-12-30", "", ""},
		{"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
	} {
		date, err := time.Parse(time.DateOnly, c.date)
		if err != nil {
			t.Fatal(err)
		}
		day, ok := dayOf(date, zone(t, c.zone))
		if ok != (c.start != "") {
			t.Errorf("%s %s: exists = %v", c.zone, c.date, ok)
			continue
		}
		if ok && (!day.start.Equal(instant(t, c.start)) || !day.end.Equal(instant(t, c.end))) {
			t.Errorf("%s %s: got %s .. %s, want %s .. %s", c.zone, c.date,
				day.start.UTC().Format(time.RFC3339), day.end.UTC().Format(time.RFC3339), c.start, c.end)
		}
	}
}

// Every instant belongs to the day of its date, in zones with every kind of odd day.
func TestEveryInstantIsInsideTheDayOfItsDate(t *testing.T) {
	for _, name := range []string{"UTC", "Asia/Shanghai", "America/New_York", "America/St_Johns", "America/Sao_Paulo",
		"Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		z := zone(t, name)
		for _, year := range []int{1986, 1991, 2010, 2011, 2018, 2026} {
			end := time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC)
			for at := time.Date(year, 1, 1, 0, 7, 0, 0, time.UTC); at.Before(end); at = at.Add(29 * time.Minute) {
				y, m, d := at.In(z).Date()
				day, ok := dayOf(time.Date(y, m, d, 0, 0, 0, 0, time.UTC), z)
				if !ok || at.Before(day.start) || !at.Before(day.end) {
					t.Fatalf("%s: %s is outside its day %v", name, at.In(z), day)
				}
			}
		}
	}
}

// Around a midnight that happens twice an interval may begin on the later date and end on the earlier one.
func TestDaysTouchedWhereDatesOverlap(t *testing.T) {
	stJohns := zone(t, "America/St_Johns")
	for _, c := range []struct {
		name, from, to string
		want           int
	}{
		{"inside the first minute of the new date", "2010-11-07T02:30:10Z", "2010-11-07T02:30:20Z", 2},
		{"from it back into the old date", "2010-11-07T02:30:30Z", "2010-11-07T02:40:00Z", 2},
		{"over it, old date at both ends", "2010-11-07T02:29:00Z", "2010-11-07T02:50:00Z", 2},
		{"before it", "2010-11-07T02:00:00Z", "2010-11-07T02:29:59Z", 1},
		{"after both", "2010-11-07T03:30:00Z", "2010-11-07T04:00:00Z", 1},
	} {
		if got := daysTouched(instant(t, c.from), instant(t, c.to), stJohns); len(got) != c.want {
			t.Errorf("%s: got %v, want %d days", c.name, got, c.want)
		}
	}
}
