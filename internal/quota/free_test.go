package quota

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	testSpan  = 66 * time.Second // timeout 6 s + late 60 s
	testGuard = 10 * time.Second // 6 s timeout + 2 x 2 s skew
)

// The limits of the scarce RongCloud lane.
func scarce(t testing.TB) []Limit {
	return []Limit{
		{N: 2, Window: time.Hour},
		{N: 3, Day: true, Zone: zone(t, "Asia/Shanghai")},
		{N: 3, Day: true, Zone: time.UTC},
	}
}

func call1(t testing.TB, from, to string) Charge {
	return Charge{From: instant(t, from), To: instant(t, to), Weight: 1}
}

func TestFreeAtTheEdgesOfWindowsAndDays(t *testing.T) {
	ok := func(at string) Charge { // answered within 2 s
		from := instant(t, at)
		return Charge{From: from, To: from.Add(2 * time.Second), Weight: 1}
	}
	shanghai := []Limit{{N: 1, Day: true, Zone: zone(t, "Asia/Shanghai")}}
	utc := []Limit{{N: 1, Day: true}}
	for _, c := range []struct {
		name    string
		limits  []Limit
		charges []Charge
		now     string
		want    string
	}{
		{"nothing used", scarce(t), nil, "2026-11-21T03:00:00Z", "2026-11-21T03:00:00Z"},
		{"one of two in the hour", scarce(t), []Charge{ok("2026-11-21T02:59:00Z")}, "2026-11-21T03:00:00Z", "2026-11-21T03:00:00Z"},
		{"hour full: an hour after the first outcome, and the guard", scarce(t),
			[]Charge{ok("2026-11-21T02:30:00Z"), ok("2026-11-21T02:40:00Z")}, "2026-11-21T03:00:00Z", "2026-11-21T03:30:12Z"},
		{"an open call is charged until its last moment", scarce(t),
			[]Charge{call1(t, "2026-11-21T02:59:00Z", "2026-11-21T03:05:06Z"), call1(t, "2026-11-21T02:58:00Z", "2026-11-21T03:04:06Z")},
			"2026-11-21T03:00:00Z", "2026-11-21T04:04:16Z"},
		{"day full: until both midnights, Shanghai's 16:00Z and then UTC's", scarce(t),
			[]Charge{ok("2026-11-21T01:00:00Z"), ok("2026-11-21T03:00:00Z"), ok("2026-11-21T05:00:00Z")},
			"2026-11-21T10:00:00Z", "2026-11-22T00:00:10Z"},
		{"Shanghai's day alone: used before 16:00Z", shanghai, []Charge{ok("2026-11-21T15:00:00Z")},
			"2026-11-21T15:30:00Z", "2026-11-21T16:00:10Z"},
		{"within the guard of midnight the charge is in both days", shanghai, []Charge{ok("2026-11-21T15:59:50Z")},
			"2026-11-21T15:59:59Z", "2026-11-22T16:00:10Z"},
		{"just outside the guard it is in one", shanghai, []Charge{ok("2026-11-21T15:59:47Z")},
			"2026-11-21T15:59:59Z", "2026-11-21T16:00:10Z"},
		{"a straddling unknown call is in both days", utc, []Charge{call1(t, "2026-11-20T23:59:00Z", "2026-11-21T00:00:06Z")},
			"2026-11-21T12:00:00Z", "2026-11-22T00:00:10Z"},
		{"a call may not straddle into a full day", utc, []Charge{call1(t, "2026-11-22T00:10:00Z", "2026-11-22T00:10:01Z")},
			"2026-11-21T23:59:00Z", "2026-11-23T00:00:10Z"},
		{"a day full of calls that another clock stamped ahead", utc, []Charge{call1(t, "2026-11-21T00:10:00Z", "2026-11-21T00:10:01Z")},
			"2026-11-20T23:58:43Z", "2026-11-22T00:00:10Z"},
		{"23 h day", shanghai, []Charge{ok("1986-05-04T01:00:00Z")}, "1986-05-04T02:00:00Z", "1986-05-04T15:00:10Z"},
		{"25 h day", shanghai, []Charge{ok("1986-09-14T01:00:00Z")}, "1986-09-14T02:00:00Z", "1986-09-14T16:00:10Z"},
		{"used up years ahead by a corrupt stamp", utc, []Charge{call1(t, "2026-11-21T00:00:00Z", "9000-01-01T12:00:00Z")},
			"2026-11-21T12:00:00Z", "9000-01-02T00:00:10Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Free(c.limits, c.charges, 1, instant(t, c.now), testSpan, testGuard)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(instant(t, c.want)) {
				t.Errorf("got %s, want %s", got.UTC().Format(time.RFC3339Nano), c.want)
			}
		})
	}
}

func TestACallBeforeAFullDayStaysClearOfIt(t *testing.T) {
	limits := []Limit{{N: 1, Day: true}}
	full := []Charge{call1(t, "2026-11-22T00:10:00Z", "2026-11-22T00:10:01Z")} // stamped ahead by another clock
	// The last harmless start: its span and the guard end just before midnight.
	now := instant(t, "2026-11-22T00:00:00Z").Add(-testSpan - testGuard - time.Nanosecond)
	if day, ok := limits[0].lastFull(full, 0, now, testSpan, testGuard); ok {
		t.Errorf("start at %s was held for the day %v", now, day)
	}
	now = now.Add(time.Nanosecond)
	if _, ok := limits[0].lastFull(full, 0, now, testSpan, testGuard); !ok {
		t.Errorf("start at %s may arrive in a full day", now)
	}
}

func TestACallHeavierThanALimitIsRefusedByName(t *testing.T) {
	_, err := Free([]Limit{{N: 5, Window: time.Minute}, {N: 3, Day: true}}, nil, 4, time.Now(), 0, 0)
	if !errors.Is(err, ErrNever) || err.Error() != "a call of weight 4 under the limit 3 per day UTC: heavier than the limit" {
		t.Errorf("got %v", err)
	}
}

func TestUsedTellsWhatFreeWillDo(t *testing.T) {
	now := instant(t, "2026-11-21T16:30:00Z") // 00:30 in Shanghai
	charges := []Charge{
		call1(t, "2026-11-21T14:00:00Z", "2026-11-21T14:00:01Z"),
		call1(t, "2026-11-21T15:40:00Z", "2026-11-21T15:40:01Z"),
		call1(t, "2026-11-21T16:10:00Z", "2026-11-21T16:10:01Z"),
	}
	got := Used(scarce(t), charges, now, testSpan, testGuard)
	for i, want := range []struct {
		used int
		next string
	}{
		{2, "2026-11-21T16:40:11Z"},
		{1, "2026-11-21T16:30:00Z"},
		{3, "2026-11-22T00:00:10Z"},
	} {
		if got[i].Used != want.used || !got[i].Next.Equal(instant(t, want.next)) {
			t.Errorf("%s: got %d, next %s; want %d, next %s", got[i].Limit, got[i].Used,
				got[i].Next.UTC().Format(time.RFC3339), want.used, want.next)
		}
	}
	if u := Used([]Limit{{N: 0, Window: time.Hour}}, nil, now, 0, 0); !u[0].Next.IsZero() {
		t.Errorf("a limit of 0 has a next slot: %s", u[0].Next)
	}
}

// Free against a search in steps of one second by a second implementation, which knows days only as
// formatted dates and windows only as lists of seconds: never earlier, never later.
func TestFreeIsTheFirstSecondThatASearchFinds(t *testing.T) {
	zones := []*time.Location{time.UTC, zone(t, "Asia/Shanghai"), zone(t, "America/New_York"), zone(t, "Europe/Berlin"),
		zone(t, "America/Sao_Paulo"), zone(t, "Australia/Lord_Howe")}
	bases := []string{"2026-11-21T15:58:00Z", "2026-11-21T23:58:00Z", "1986-05-03T15:58:00Z", "1986-09-13T14:58:00Z",
		"2026-03-08T04:58:00Z", "2026-10-24T21:58:00Z", "2018-11-04T02:58:00Z", "2026-04-04T12:58:00Z"}
	moved := 0
	rapid.Check(t, func(rt *rapid.T) {
		second := func(label string, n int) time.Duration {
			return time.Duration(rapid.IntRange(0, n).Draw(rt, label)) * time.Second
		}
		base := instant(t, rapid.SampledFrom(bases).Draw(rt, "base"))
		now := base.Add(second("now", 240))
		limits := []Limit{{N: rapid.IntRange(1, 4).Draw(rt, "n"), Window: time.Second + second("window", 90)}}
		if rapid.Bool().Draw(rt, "day") {
			limits = append(limits, Limit{N: rapid.IntRange(1, 4).Draw(rt, "day n"), Day: true, Zone: rapid.SampledFrom(zones).Draw(rt, "zone")})
		}
		var charges []Charge
		for range rapid.IntRange(0, 5).Draw(rt, "charges") {
			from := now.Add(-second("ago", 300))
			charges = append(charges, Charge{From: from, To: from.Add(second("length", 400)), Weight: rapid.IntRange(1, 2).Draw(rt, "weight")})
		}
		span, guard, weight := second("span", 60), second("guard", 15), rapid.IntRange(1, 2).Draw(rt, "new weight")

		got, err := Free(limits, charges, weight, now, span, guard)
		if err != nil {
			return
		}
		if !possible(limits, charges, weight, got, span, guard) {
			rt.Fatalf("Free says %s, a placement there exceeds a limit", got)
		}
		step := time.Second
		for at := now; at.Before(got); at = at.Add(step) {
			moved++
			step = time.Second
			if at.Sub(now) > 10*time.Minute && got.Sub(at) > 10*time.Minute {
				step = 41 * time.Second // the long wait for a midnight
			}
			if possible(limits, charges, weight, at, span, guard) {
				rt.Fatalf("Free says %s, %s would do", got, at)
			}
		}
	})
	if moved == 0 {
		t.Error("no case in which Free had to wait")
	}
}

var formatted = map[*time.Location]map[int64]string{}

// dateOf formats the date, and remembers it: the search asks for the same seconds again and again.
func dateOf(at time.Time, zone *time.Location) string {
	if formatted[zone] == nil {
		formatted[zone] = map[int64]string{}
	}
	date, ok := formatted[zone][at.Unix()]
	if !ok {
		date = at.In(zone).Format(time.DateOnly)
		formatted[zone][at.Unix()] = date
	}
	return date
}

// possible answers by listing: no second in which the new call may arrive ends or begins a window with more
// than the limit, and no date it may fall on is full.
func possible(limits []Limit, charges []Charge, weight int, start time.Time, span, guard time.Duration) bool {
	for _, l := range limits {
		if l.Day {
			dates := map[string]bool{}
			for at := start.Add(-guard); !at.After(start.Add(span + guard)); at = at.Add(time.Second) {
				dates[dateOf(at, l.Zone)] = true
			}
			for date := range dates {
				used := weight
				for _, c := range charges {
					for at := c.From.Add(-guard); !at.After(c.To.Add(guard)); at = at.Add(time.Second) {
						if dateOf(at, l.Zone) == date {
							used += c.Weight
							break
						}
					}
				}
				if used > l.N {
					return false
				}
			}
			continue
		}
		window := l.Window + guard
		for arrival := start; !arrival.After(start.Add(span)); arrival = arrival.Add(time.Second) {
			used := weight
			for _, c := range charges { // worst case: as close before the new call as it may be
				last := c.To
				if last.After(arrival) {
					last = arrival
				}
				if arrival.Sub(last) < window {
					used += c.Weight
				}
			}
			if used > l.N {
				return false
			}
		}
	}
	return true
}
