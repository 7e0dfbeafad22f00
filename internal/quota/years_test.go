package quota

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

var years = flag.Int("years", 1000, "how many years of quota are simulated")

// account is the vendor: it counts arrivals under every documented reading, and forgets what no window can hold any more. It shares no
// code with Free.
type account struct {
	shanghai *time.Location
	over     map[string]int
	recent   []arrival // of the last three days, unordered
}

type arrival struct {
	time.Time
	hour          int64
	utc, shanghai int // days
}

func calendarDay(t time.Time) int {
	y, m, d := t.Date()
	return y*400 + int(m)*31 + d
}

func (v *account) arrive(t time.Time) {
	hour, clock, utc, sh := 0, 0, 0, 0
	at := arrival{t, t.Unix() / 3600, calendarDay(t.UTC()), calendarDay(t.In(v.shanghai))}
	kept := v.recent[:0]
	for _, b := range v.recent {
		if at.Sub(b.Time) > 72*time.Hour {
			continue
		}
		kept = append(kept, b)
		if b.After(at.Add(-time.Hour)) && b.Before(at.Add(time.Hour)) { // a late one may come in before an earlier one
			hour++
		}
		if b.hour == at.hour {
			clock++
		}
		if b.utc == at.utc {
			utc++
		}
		if b.shanghai == at.shanghai {
			sh++
		}
	}
	v.recent = append(kept, at)
	if hour > 1 && v.inOneHour(t) {
		v.over["rolling hour"]++
	}
	for reading, over := range map[string]bool{"clock hour": clock > 1, "day UTC": utc > 2, "day Shanghai": sh > 2} {
		if over {
			v.over[reading]++
		}
	}
}

// inOneHour reports whether an arrival is one of three within an hour.
func (v *account) inOneHour(at time.Time) bool {
	for _, from := range v.recent {
		if from.After(at) || at.Sub(from.Time) >= time.Hour {
			continue
		}
		n := 0
		for _, b := range v.recent {
			if !b.Before(from.Time) && b.Before(from.Add(time.Hour)) {
				n++
			}
		}
		if n > 2 {
			return true
		}
	}
	return false
}

// freeSince is when a slot became free by plain counting, without a guard after it: of the moments at which anything changes, the first
// at which no placement of what may have arrived fills a window. A call within the guard of midnight may count for both days: nobody can
// know for which, and that slot is not counted as free.
func freeSince(charges []Charge, from, to time.Time, span time.Duration, shanghai *time.Location) time.Time {
	moments := []time.Time{from}
	for _, c := range charges {
		moments = append(moments, c.To, c.To.Add(time.Hour))
	}
	for _, zone := range []*time.Location{time.UTC, shanghai} {
		y, m, d := from.In(zone).Date()
		for i := range 4 {
			moments = append(moments, time.Date(y, m, d+i, 0, 0, 0, 0, zone))
		}
	}
	first := to
	for _, t := range moments {
		if !t.Before(from) && t.Before(first) && allowed(charges, t, span, shanghai) {
			first = t
		}
	}
	return first
}

func allowed(charges []Charge, t time.Time, span time.Duration, shanghai *time.Location) bool {
	hour := 0
	for _, c := range charges {
		if c.To.After(t.Add(-time.Hour)) {
			hour++
		}
	}
	if hour > 1 {
		return false
	}
	for _, zone := range []*time.Location{time.UTC, shanghai} {
		for _, end := range []time.Time{t, t.Add(span)} {
			y, m, d := end.In(zone).Date()
			begins, ends := time.Date(y, m, d, 0, 0, 0, 0, zone), time.Date(y, m, d+1, 0, 0, 0, 0, zone)
			n := 0
			for _, c := range charges {
				if c.From.Add(-testGuard).Before(ends) && !c.To.Add(testGuard).Before(begins) {
					n++
				}
			}
			if n > 2 {
				return false
			}
		}
	}
	return true
}

// year is one year of an account whose queue is never empty.
type year struct {
	calls int
	over  map[string]int
	worst time.Duration // the longest that a slot stayed free, beyond what a clock that is off explains
}

// live lets a year pass. Owners change now and then, each with a clock of its own, up to skew off; calls end, fail, or are never
// answered and arrive late.
func live(seed uint64, limits []Limit, guard time.Duration, shanghai *time.Location) year {
	const timeout, late, skew = 6 * time.Second, 5 * time.Minute, 2 * time.Second
	r := rand.New(rand.NewPCG(seed, 11))
	upTo := func(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d) + 1)) }
	v := &account{shanghai: shanghai, over: map[string]int{}}
	y := year{over: v.over}
	now := time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC() // of the vendor
	end := now.AddDate(1, 0, 0)
	var charges []Charge
	off, owner, since := upTo(2*skew)-skew, now, now
	for now.Before(end) {
		if r.IntN(40) == 0 {
			off, owner = upTo(2*skew)-skew, now
		}
		clock := now.Add(off)
		at, err := Free(limits, charges, 1, clock, timeout+late, guard)
		if err != nil {
			panic(err) // weight 1 under limits of 2 and 3
		}
		if at.After(clock) {
			now = now.Add(at.Sub(clock))
			continue
		}
		if idle := clock.Sub(freeSince(charges, since.Add(off), clock, timeout+late, shanghai)); len(charges) > 0 && owner.Before(since) {
			y.worst = max(y.worst, idle)
		}
		y.calls++
		c := Charge{From: clock, To: clock.Add(timeout + late), Weight: 1}
		switch r.IntN(10) {
		case 0: // never answered: it arrives whenever it likes, or not at all
			if r.IntN(3) > 0 {
				v.arrive(now.Add(upTo(timeout + late)))
			}
			now = now.Add(timeout)
		default:
			latency := upTo(timeout)
			v.arrive(now.Add(upTo(latency)))
			now = now.Add(latency)
			c.To = now.Add(off)
		}
		since = now
		charges = append(charges, c)
		for len(charges) > 0 && clock.Sub(charges[0].To) > 48*time.Hour { // as the ledger keeps them
			charges = charges[1:]
		}
		if r.IntN(50) == 0 { // a quiet time
			now = now.Add(upTo(48 * time.Hour))
			since = now
		}
	}
	return y
}

// Years in which a request always waits: no reading of the vendor's windows is overrun, whatever arrives late and whoever's clock is off,
// and no slot stays free for longer than the guard and a second.
func TestYearsOfQuota(t *testing.T) {
	limits, shanghai := scarce(t), zone(t, "Asia/Shanghai")
	n := *years
	if raced {
		n /= 20 // nothing here runs beside anything else
	}
	var mu sync.Mutex
	var all year
	next := make(chan uint64)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := range next {
				y := live(seed, limits, testGuard, shanghai)
				mu.Lock()
				all.calls += y.calls
				all.worst = max(all.worst, y.worst)
				if len(y.over) > 0 {
					t.Errorf("year %d: overruns %v", seed, y.over)
				}
				if y.worst > testGuard+time.Second {
					t.Errorf("year %d: a slot stayed free for %s", seed, y.worst)
				}
				mu.Unlock()
			}
		})
	}
	for seed := range uint64(n) {
		next <- seed
	}
	close(next)
	wg.Wait()
	if all.calls < 500*n {
		t.Errorf("%d calls in %d years: the quota was not used", all.calls, n)
	}
	t.Logf("%d years, %d calls, 0 overruns of 4 readings, a slot stayed free for at most %s", n, all.calls, all.worst)
}

// The judge of those years sees what it should: without the guard, and without each limit.
func TestYearsWithoutAGuardOverrun(t *testing.T) {
	limits, shanghai := scarce(t), zone(t, "Asia/Shanghai")
	run := func(limits []Limit, guard time.Duration) map[string]int {
		over := map[string]int{}
		for seed := range uint64(20) {
			for reading, n := range live(seed, limits, guard, shanghai).over {
				over[reading] += n
			}
		}
		return over
	}
	if over := run(limits, 0); over["rolling hour"] == 0 || over["day UTC"] == 0 || over["day Shanghai"] == 0 {
		t.Errorf("without the guard: %v", over)
	}
	for i, reading := range []string{"rolling hour", "day Shanghai", "day UTC"} {
		without := append(append([]Limit{}, limits[:i]...), limits[i+1:]...)
		if over := run(without, testGuard); over[reading] == 0 {
			t.Errorf("without its limit no overrun of the %s: %v", reading, over)
		}
	}
}
