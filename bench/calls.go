package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/notifier/notifier/bench/bound"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/tagsync"
)

// scenario is a stream of profile changes: rate a second, over sets, each to be at the vendor within stale.
type scenario struct {
	name   string
	rate   float64
	sets   int
	skew   float64 // Zipf exponent of the sets' frequencies, above 1; 0: all are as frequent
	users  int
	stale  time.Duration
	length time.Duration
	goals  report.Goals
}

// calls counts the vendor calls of tagsync.Groups in virtual time against a lower bound that knows nothing of it.
func calls(_ context.Context, l *lab) ([]report.Result, error) {
	bounded := report.Goals{First: 1.05, Goal: 1.02, Moonshot: 1.005, Less: true}
	hour := time.Hour
	if l.quick {
		hour = 5 * time.Minute
	}
	var out []report.Result
	base := scenario{name: "calls", rate: 278, sets: 500, skew: 1.1, users: 1_000_000, stale: time.Minute, length: hour, goals: bounded}
	with := func(name string, change func(*scenario)) scenario {
		s := base
		s.name = name
		change(&s)
		return s
	}
	for i, s := range []scenario{
		base,
		with("calls-even", func(s *scenario) { s.skew = 0 }),
		with("calls-1s", func(s *scenario) { s.stale, s.length = time.Second, hour/2 }),
		with("calls-5m", func(s *scenario) { s.stale, s.length = 5*time.Minute, 2*hour }),
		with("calls-20000", func(s *scenario) { s.sets = 20_000 }),
		with("calls-100k", func(s *scenario) { s.users = 100_000 }),
	} {
		var ratio, saved []float64
		detail := ""
		for round := range l.rounds {
			changes := s.changes(uint64(round + 1))
			n, err := coalesce(changes, s.stale)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			least, err := bound.Calls(changes, s.stale, rongpush.MaxBatchUsers)
			if err != nil {
				return nil, err
			}
			if least > n {
				return nil, fmt.Errorf("%s: %d calls are fewer than the lower bound %d: one of the two is wrong", s.name, n, least)
			}
			ratio, saved = append(ratio, float64(n)/float64(least)), append(saved, float64(len(changes))/float64(n))
			detail = fmt.Sprintf("last round: %d changes, %d calls, at least %d; checked: every set in time", len(changes), n, least)
		}
		what := fmt.Sprintf("vendor calls / lower bound, %g changes/s of %d users over %d tag sets (%s), staleness %s", s.rate, s.users, s.sets, s.frequency(), s.stale)
		r, err := report.New(s.name, what, "x", "in process, virtual time", ratio, s.goals, detail)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
		if i == 0 {
			r, err := report.New("calls-saved", "changes / vendor calls (one call an event would be 1), same scenario as calls", "x", "in process, virtual time", saved,
				report.Goals{First: 30, Goal: 39}, detail)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
	}
	return out, nil
}

func (s scenario) frequency() string {
	if s.skew == 0 {
		return "all as frequent"
	}
	return fmt.Sprintf("Zipf %g", s.skew)
}

// changes is a Poisson stream over users and sets, in order; a user's next set always differs.
func (s scenario) changes(seed uint64) []bound.Change {
	r := rand.New(rand.NewPCG(seed, 11))
	now := make([]int32, s.users) // present set + 1
	draw := func() int { return r.IntN(s.sets) }
	if s.skew != 0 {
		z := rand.NewZipf(r, s.skew, 1, uint64(s.sets-1))
		draw = func() int { return int(z.Uint64()) }
	}
	var out []bound.Change
	for at := time.Duration(0); ; {
		at += time.Duration(r.ExpFloat64() / s.rate * float64(time.Second))
		if at > s.length {
			return out
		}
		u, set := r.IntN(s.users), draw()
		if now[u] == int32(set+1) {
			set = (set + 1) % s.sets
		}
		now[u] = int32(set + 1)
		out = append(out, bound.Change{At: at, User: u, Set: set})
	}
}

// coalesce drives tagsync.Groups as the dispatcher does (dispatch/tags.go: retag, planTags) with a vendor that is always free,
// and returns the number of calls. It checks with its own books that every user is in a call with the set that stands, by the
// deadline of the first change that was not yet sent, and that no user is in a call for nothing.
func coalesce(changes []bound.Change, stale time.Duration) (calls int, err error) {
	type state struct {
		set, vendor int // + 1
		since       time.Duration
		waits       bool
	}
	users := map[int]*state{}
	waiting := 0
	names := map[string]int{}
	epoch := time.Unix(1_700_000_000, 0)
	g := tagsync.NewGroups(rongpush.MaxBatchUsers)
	due := func(now time.Duration) error {
		for {
			key, _, ok := g.Due(epoch.Add(now))
			if !ok {
				return nil
			}
			list, set := g.Take(key, rongpush.MaxBatchUsers)
			if len(list) == 0 {
				return fmt.Errorf("a call for nobody, set %q", set)
			}
			calls++
			for _, name := range list {
				u := users[names[name]]
				switch {
				case !u.waits:
					return fmt.Errorf("user %s is in a call for nothing", name)
				case len(set) != 1 || set[0] != setName(u.set):
					return fmt.Errorf("user %s is given %q, the set that stands is %s", name, set, setName(u.set))
				case now > u.since+stale:
					return fmt.Errorf("user %s is served %s after the change, at most %s is allowed", name, now-u.since, stale)
				}
				u.vendor, u.waits = u.set, false
				waiting--
			}
		}
	}
	advance := func(to time.Duration) error {
		for {
			at, ok := g.NextDeadline()
			if !ok || at.Sub(epoch) > to {
				return nil
			}
			if err := due(at.Sub(epoch)); err != nil {
				return err
			}
		}
	}
	for _, c := range changes {
		if err := advance(c.At); err != nil {
			return 0, err
		}
		name := fmt.Sprintf("u%d", c.User)
		names[name] = c.User
		u := users[c.User]
		if u == nil {
			u = &state{}
			users[c.User] = u
		}
		u.set = c.Set + 1
		if u.set == u.vendor { // back to what the vendor has: SUPPRESSED(unchanged)
			g.Remove(name)
			if u.waits {
				u.waits = false
				waiting--
			}
			continue
		}
		if !u.waits {
			u.waits, u.since = true, c.At
			waiting++
		}
		g.Add(name, []string{setName(u.set)}, epoch.Add(c.At+stale))
		if err := due(c.At); err != nil { // a group that fills a call leaves at once
			return 0, err
		}
	}
	if err := advance(changes[len(changes)-1].At + stale); err != nil {
		return 0, err
	}
	if waiting != 0 || g.Len() != 0 {
		return 0, fmt.Errorf("%d users were never served, %d wait in the groups", waiting, g.Len())
	}
	return calls, nil
}

func setName(i int) string { return fmt.Sprintf("set_%d", i) }
