package bound

import (
	"math/rand/v2"
	"testing"
	"time"
)

// least tries every way to put windows into groups that a common point can serve.
func least(at []time.Duration, length time.Duration, capacity int) int {
	best := len(at)
	var groups [][]time.Duration
	var put func(i int)
	put = func(i int) {
		if len(groups) >= best && i < len(at) {
			return
		}
		if i == len(at) {
			best = min(best, len(groups))
			return
		}
		for g := range groups {
			lo, hi := at[i], at[i]
			for _, x := range groups[g] {
				lo, hi = min(lo, x), max(hi, x)
			}
			if len(groups[g]) < capacity && hi <= lo+length {
				groups[g] = append(groups[g], at[i])
				put(i + 1)
				groups[g] = groups[g][:len(groups[g])-1]
			}
		}
		groups = append(groups, []time.Duration{at[i]})
		put(i + 1)
		groups = groups[:len(groups)-1]
	}
	put(0)
	return best
}

func TestStabIsTheLeast(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		at := make([]time.Duration, r.IntN(8))
		for i := range at {
			at[i] = time.Duration(r.IntN(12))
		}
		length, capacity := time.Duration(r.IntN(5)), 1+r.IntN(4)
		if got, want := Stab(at, length, capacity), least(at, length, capacity); got != want {
			t.Fatalf("Stab(%v, %d, %d) = %d, want %d", at, length, capacity, got, want)
		}
	}
}

// fewest is the optimum of the whole problem by trying all: time in whole steps, at each step any subset of (user, call) with the
// user's present set.
func fewest(changes []Change, stale time.Duration, capacity, users int) int {
	end := time.Duration(0)
	for _, c := range changes {
		end = max(end, c.At+stale)
	}
	best := len(changes)
	at := make([]int, users)     // present set, 0 is none
	vendor := make([]int, users) // what the vendor has
	since := make([]time.Duration, users)
	var step func(now time.Duration, calls int)
	step = func(now time.Duration, calls int) {
		if calls >= best {
			return
		}
		if now > end {
			best = calls
			return
		}
		saved := [3][]int{}
		saved[0] = append(saved[0], at...)
		savedSince := append([]time.Duration(nil), since...)
		for _, c := range changes {
			if c.At == now {
				at[c.User], since[c.User] = c.Set, now
			}
		}
		saved[1] = append(saved[1], vendor...)
		for subset := range 1 << users { // who is sent now
			sets := map[int]int{}
			for u := range users {
				if subset>>u&1 == 1 {
					vendor[u] = at[u]
					sets[at[u]]++
				}
			}
			more, late := 0, false
			for _, n := range sets {
				more += (n + capacity - 1) / capacity
			}
			for u := range users {
				late = late || vendor[u] != at[u] && now-since[u] >= stale
			}
			if !late {
				step(now+1, calls+more)
			}
			copy(vendor, saved[1])
		}
		copy(at, saved[0])
		copy(since, savedSince)
	}
	step(0, 0)
	return best
}

func TestCallsIsNeverAboveTheOptimum(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tight := 0
	for range 60 {
		var changes []Change
		const users = 3
		now := make([]int, users)
		for at := range time.Duration(6) {
			if u := r.IntN(users + 1); u < users {
				set := 1 + r.IntN(2)
				if set == now[u] {
					set = 3 - set
				}
				now[u] = set
				changes = append(changes, Change{at, u, set})
			}
		}
		stale, capacity := time.Duration(1+r.IntN(3)), 1+r.IntN(2)
		got, err := Calls(changes, stale, capacity)
		if err != nil {
			t.Fatal(err)
		}
		want := fewest(changes, stale, capacity, users)
		if got > want {
			t.Fatalf("Calls(%v, %d, %d) = %d, but %d calls suffice", changes, stale, capacity, got, want)
		}
		if got == want {
			tight++
		}
	}
	if tight < 30 {
		t.Errorf("the bound is reached in %d of 60 cases: too loose to measure against", tight)
	}
}

func TestCallsRefusesDisorder(t *testing.T) {
	if _, err := Calls([]Change{{At: 2}, {At: 1}}, 1, 1); err == nil {
		t.Error("no error for changes that are not in order")
	}
}
