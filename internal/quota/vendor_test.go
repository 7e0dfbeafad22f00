package quota

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// vendorOverruns counts, under each documented reading of 2 an hour and 3 a day, the arrivals that find the
// window full. It judges by plain counting, with the vendor's clock.
func vendorOverruns(arrivals []time.Time, shanghai *time.Location) map[string]int {
	over := map[string]int{}
	seen := map[string]int{}
	clocked := func(reading, key string, n int) {
		seen[reading+key]++
		if seen[reading+key] > n {
			over[reading]++
		}
	}
	for _, a := range arrivals {
		inHour := 0
		for _, b := range arrivals {
			if b.After(a.Add(-time.Hour)) && !b.After(a) {
				inHour++
			}
		}
		if inHour > 2 {
			over["rolling hour"]++
		}
		clocked("clock hour", a.UTC().Format("2006-01-02 15"), 2)
		clocked("day UTC", a.UTC().Format(time.DateOnly), 3)
		clocked("day Shanghai", a.In(shanghai).Format(time.DateOnly), 3)
	}
	return over
}

// simulate keeps the lane saturated for some days and returns when the calls arrived at the vendor. pick
// chooses a number of milliseconds in [0, n]: it decides clocks, latencies, where between its bounds each call
// arrives, and whether an answer is seen at all.
//
// Every stamp is read from a clock that is off by up to skew, and by another amount each time: owners differ
// and correct themselves.
func simulate(limits []Limit, start time.Time, calls int, skew, guard time.Duration, pick func(label string, n int) int) []time.Time {
	const timeout, late = 6 * time.Second, 60 * time.Second
	ms := func(label string, d time.Duration) time.Duration {
		return time.Duration(pick(label, int(d.Milliseconds()))) * time.Millisecond
	}
	local := func(at time.Time) time.Time { return at.Add(ms("clock", 2*skew) - skew) }

	now := start // the vendor's time
	var charges []Charge
	var arrivals []time.Time
	for len(arrivals) < calls {
		clock := local(now)
		at, err := Free(limits, charges, 1, clock, timeout+late, guard)
		if err != nil {
			panic(err) // weight 1 under limits of 2 and 3
		}
		if wait := at.Sub(clock); wait > 0 { // sleep by the local clock, then look again with another error
			now = now.Add(max(wait-ms("early", 2*skew), time.Millisecond))
			continue
		}
		c := Charge{From: clock, To: clock.Add(timeout + late), Weight: 1}
		if pick("outcome", 3) > 0 { // an answer: the arrival lies before it
			latency := ms("latency", timeout)
			arrivals = append(arrivals, now.Add(ms("arrival", latency)))
			now = now.Add(latency)
			c.To = local(now)
		} else { // none: it may arrive at any time until notAfter + late, while we go on
			arrivals = append(arrivals, now.Add(ms("arrival", timeout+late)))
			now = now.Add(timeout)
		}
		charges = append(charges, c)
		now = now.Add(ms("idle", time.Duration(pick("pause", 2))*20*time.Minute))
	}
	return arrivals
}

var starts = []string{"2026-11-21T15:59:30Z", "2026-11-21T23:59:50Z", "2026-11-21T07:13:00Z", "1986-05-03T14:00:00Z", "1986-09-13T14:59:58Z"}

func TestNoReadingOfTheVendorsWindowsIsOverrun(t *testing.T) {
	limits, shanghai := scarce(t), zone(t, "Asia/Shanghai")
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(label string, n int) int { return rapid.IntRange(0, n).Draw(rt, label) } // prefers the edges
		start := instant(t, rapid.SampledFrom(starts).Draw(rt, "start"))
		arrivals := simulate(limits, start, 15, 2*time.Second, testGuard, pick)
		if over := vendorOverruns(arrivals, shanghai); len(over) > 0 {
			rt.Fatalf("overruns %v at %v", over, arrivals)
		}
	})
}

// edges is an adversary: mostly one bound or the other, seldom something between.
func edges(seed uint64) func(string, int) int {
	r := rand.New(rand.NewPCG(seed, 7))
	return func(_ string, n int) int {
		switch r.IntN(5) {
		case 0, 1:
			return 0
		case 2, 3:
			return n
		}
		return r.IntN(n + 1)
	}
}

func TestTheGuardIsWhatPreventsOverruns(t *testing.T) {
	limits, shanghai := scarce(t), zone(t, "Asia/Shanghai")
	run := func(guard time.Duration, limits []Limit) map[string]int {
		total := map[string]int{}
		seeds := uint64(300)
		if raced { // nothing here runs at once
			seeds = 60
		}
		for seed := range seeds {
			start := instant(t, starts[seed%uint64(len(starts))])
			for reading, n := range vendorOverruns(simulate(limits, start, 60, 2*time.Second, guard, edges(seed)), shanghai) {
				total[reading] += n
			}
		}
		return total
	}
	if over := run(testGuard, limits); len(over) > 0 {
		t.Errorf("with the guard: %v", over)
	}
	// The least that is promised: twice the skew.
	if over := run(4*time.Second, limits); len(over) > 0 {
		t.Errorf("with a guard of twice the skew: %v", over)
	}
	// The same checker without the guard, and without each day: it must see the difference.
	over := run(0, limits)
	t.Logf("without the guard: %v", over)
	for _, reading := range []string{"rolling hour", "day UTC", "day Shanghai"} {
		if over[reading] == 0 {
			t.Errorf("without the guard no overrun of the %s was found: the checker is blind", reading)
		}
	}
	for i, reading := range map[int]string{0: "rolling hour", 1: "day Shanghai", 2: "day UTC"} {
		without := append(append([]Limit{}, limits[:i]...), limits[i+1:]...)
		if over := run(testGuard, without); over[reading] == 0 {
			t.Errorf("without its limit no overrun of the %s was found: %v", reading, over)
		}
	}
}

func ExampleFree() {
	at := func(s string) time.Time { t, _ := time.Parse(time.RFC3339, s); return t }
	limits := []Limit{{N: 2, Window: time.Hour}, {N: 3, Day: true}}
	used := []Charge{
		{From: at("2026-11-21T09:00:00Z"), To: at("2026-11-21T09:00:01Z"), Weight: 1},
		{From: at("2026-11-21T09:20:00Z"), To: at("2026-11-21T09:20:02Z"), Weight: 1},
	}
	next, _ := Free(limits, used, 1, at("2026-11-21T09:30:00Z"), 66*time.Second, 10*time.Second)
	fmt.Println(next.Format(time.TimeOnly))
	// Output: 10:00:11
}
