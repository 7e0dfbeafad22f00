package main

import (
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/bench/bound"
	"github.com/notifier/notifier/internal/rongpush"
)

// tumbling is how many calls fixed windows need.
func tumbling(changes []bound.Change, stale time.Duration) (calls int) {
	type window struct {
		n   int64
		set int
	}
	users := map[window]map[int]bool{}
	for _, c := range changes {
		w := window{int64(c.At / stale), c.Set}
		if users[w] == nil {
			users[w] = map[int]bool{}
		}
		users[w][c.User] = true
	}
	for _, us := range users {
		calls += (len(us) + rongpush.MaxBatchUsers - 1) / rongpush.MaxBatchUsers
	}
	return calls
}

// The bound is close enough to tell a good schedule from fixed windows, which are what it was chosen over.
func TestFixedWindowsAreFarFromTheBound(t *testing.T) {
	s := scenario{rate: 278, sets: 500, users: 1_000_000, stale: time.Second, length: time.Minute}
	changes := s.changes(1)
	least, err := bound.Calls(changes, s.stale, rongpush.MaxBatchUsers)
	if err != nil {
		t.Fatal(err)
	}
	n, err := coalesce(changes, s.stale)
	if err != nil {
		t.Fatal(err)
	}
	if n < least {
		t.Errorf("%d calls are fewer than the lower bound %d", n, least)
	}
	fixed := tumbling(changes, s.stale)
	if float64(n) > 1.05*float64(least) || float64(fixed) < 1.1*float64(least) {
		t.Errorf("lower bound %d, deadline batching %d, fixed windows %d: want the second within 5 %%, the third 10 %% off or more", least, n, fixed)
	}
}

func TestChangesAreOrderedAndAlwaysChange(t *testing.T) {
	changes := scenario{rate: 1000, sets: 2, users: 1_000, stale: time.Second, length: 10 * time.Second}.changes(1)
	if n := len(changes); n < 9_500 || n > 10_500 {
		t.Errorf("%d changes in 10 s at 1,000 a second", n)
	}
	if !slices.IsSortedFunc(changes, func(a, b bound.Change) int { return int(a.At - b.At) }) {
		t.Error("not in order")
	}
	set := map[int]int{}
	for _, c := range changes {
		if s, ok := set[c.User]; ok && s == c.Set {
			t.Fatalf("user %d changes from %d to %d", c.User, s, c.Set)
		}
		set[c.User] = c.Set
	}
}
