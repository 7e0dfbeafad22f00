package intent

import (
	"testing"
	"time"
)

func TestNextAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, zone, now, at, want string }{
		{"later today", "Asia/Shanghai", "2026-11-21T07:00:00+08:00", "09:00", "2026-11-21T09:00:00+08:00"},
		{"this very moment", "Asia/Shanghai", "2026-11-21T09:00:00+08:00", "09:00", "2026-11-21T09:00:00+08:00"},
		{"a moment too late", "Asia/Shanghai", "2026-11-21T09:00:00.001+08:00", "09:00", "2026-11-22T09:00:00+08:00"},
		{"the day is the zone's, not UTC's", "America/New_York", "2026-11-21T03:00:00Z", "23:00", "2026-11-20T23:00:00-05:00"},
		{"over the end of a year", "Asia/Shanghai", "2026-12-31T10:00:00+08:00", "09:00", "2027-01-01T09:00:00+08:00"},
		{"a leap day", "Asia/Shanghai", "2028-02-28T10:00:00+08:00", "09:00", "2028-02-29T09:00:00+08:00"},
		{"after a leap day", "Asia/Shanghai", "2028-02-29T10:00:00+08:00", "09:00", "2028-03-01T09:00:00+08:00"},
		{"no leap day in 2100", "Asia/Shanghai", "2100-02-28T10:00:00+08:00", "09:00", "2100-03-01T09:00:00+08:00"},
		{"the night has 23 hours", "America/New_York", "2026-03-07T09:30:00-05:00", "09:00", "2026-03-08T09:00:00-04:00"},
		{"the night has 25 hours", "Europe/Berlin", "2026-10-24T09:30:00+02:00", "09:00", "2026-10-25T09:00:00+01:00"},
		{"a time that does not exist is when the clocks jump", "America/New_York", "2026-03-08T01:00:00-05:00", "02:30", "2026-03-08T03:00:00-04:00"},
		{"the same in Berlin", "Europe/Berlin", "2026-03-29T00:30:00+01:00", "02:30", "2026-03-29T03:00:00+02:00"},
		{"and is not made up for later", "Europe/Berlin", "2026-03-29T03:00:01+02:00", "02:30", "2026-03-30T02:30:00+02:00"},
		{"the edges of the gap", "Europe/Berlin", "2026-03-29T00:30:00+01:00", "02:00", "2026-03-29T03:00:00+02:00"},
		{"behind the gap", "Europe/Berlin", "2026-03-29T00:30:00+01:00", "03:00", "2026-03-29T03:00:00+02:00"},
		{"of a time that is twice the first", "America/New_York", "2026-11-01T00:30:00-04:00", "01:30", "2026-11-01T01:30:00-04:00"},
		{"not the second", "America/New_York", "2026-11-01T01:30:01-04:00", "01:30", "2026-11-02T01:30:00-05:00"},
		{"the first in Berlin", "Europe/Berlin", "2026-10-25T00:30:00+02:00", "02:30", "2026-10-25T02:30:00+02:00"},
		{"after the hour that is twice", "Europe/Berlin", "2026-10-25T00:30:00+02:00", "03:00", "2026-10-25T03:00:00+01:00"},
		{"midnight does not exist", "America/Santiago", "2026-09-05T12:00:00-04:00", "00:00", "2026-09-06T01:00:00-03:00"},
		{"half an hour of summer time", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", "02:15", "2026-10-04T02:30:00+11:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339Nano, c.now)
		if err != nil {
			t.Fatal(err)
		}
		of, err := time.Parse("15:04", c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := NextAt(now, of.Hour()*60+of.Minute(), zone).In(zone).Format(time.RFC3339); got != c.want {
			t.Errorf("%s: the next %s in %s after %s is %s, want %s", c.name, c.at, c.zone, c.now, got, c.want)
		}
	}
}

// Whatever the zone, the next time of day is not before now, within 25 hours, and shown by the clocks or passed over by them.
func TestNextAtIsWithinADay(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for now := time.Date(2028, 1, 1, 0, 7, 0, 0, time.UTC); now.Year() == 2028; now = now.Add(7*time.Hour + 13*time.Minute) {
			for minute := 0; minute < 24*60; minute += 30 {
				got := NextAt(now, minute, zone)
				if wait := got.Sub(now); wait < 0 || wait > 25*time.Hour {
					t.Fatalf("%s: %d after %s is %s away", name, minute, now.In(zone), wait)
				}
				local := got.In(zone)
				if shown := local.Hour()*60 + local.Minute(); shown != minute {
					before := got.Add(-time.Second).In(zone)
					if last := before.Hour()*60 + before.Minute(); last >= minute && last < 23*60 || shown < minute {
						t.Fatalf("%s: %d after %s: %s shows %d, and the clocks did not pass over it", name, minute, now.In(zone), local, shown)
					}
				}
			}
		}
	}
}
