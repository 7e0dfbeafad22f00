// Package bound counts the fewest calls that any scheduler could have made, with nothing of the scheduler under test in it.
package bound

import (
	"fmt"
	"slices"
	"time"
)

// Change is one change of a user's tag set. Changes are given in order of At, and a user's next set always differs.
type Change struct {
	At   time.Duration // since the scenario began
	User int
	Set  int
}

// Calls is a lower bound of the calls of every scheduler that has each set that stands for `stale` at the vendor within `stale`
// of the change, where one call carries one set for up to `capacity` users.
//
// Which changes force a call: one whose set stood for longer than `stale`, and whose predecessor did too (or is the user's first). The
// predecessor was at the vendor by then, it differs, so the user must be in a call with the new set in [At, At+stale]. Changes
// that were replaced sooner, and those right after them, may or may not need a call: they are left out, which only lowers the
// bound.
func Calls(changes []Change, stale time.Duration, capacity int) (int, error) {
	last := map[int]int{} // user -> index of the previous change
	stood := make([]bool, len(changes))
	prev := make([]int, len(changes))
	for i, c := range changes {
		if i > 0 && c.At < changes[i-1].At {
			return 0, fmt.Errorf("lower bound: change %d is earlier than the one before it", i)
		}
		stood[i], prev[i] = true, -1 // until a successor says otherwise
		if p, ok := last[c.User]; ok {
			prev[i] = p
			stood[p] = c.At-changes[p].At > stale
		}
		last[c.User] = i
	}
	forced := map[int][]time.Duration{} // set -> times, ascending
	for i, c := range changes {
		if stood[i] && (prev[i] < 0 || stood[prev[i]]) {
			forced[c.Set] = append(forced[c.Set], c.At)
		}
	}
	n := 0
	for _, at := range forced {
		n += Stab(at, stale, capacity)
	}
	return n, nil
}

// Stab is the least number of points in time such that each window [at, at+length] is given one that lies in it, and no point is
// given to more than capacity windows. Several points may be equal.
//
// Greedy is optimal. Sort the windows; as all have one length, a later beginning is a later end. Take an optimal solution in
// which point t serves window i and point s < t serves window j, with i before j. Then at(i) ≤ at(j) ≤ s < t ≤ end(i) ≤
// end(j), so both may be exchanged; repeated, this makes every point serve a run of consecutive windows without changing how
// many a point serves. So the least number of points is the least number of runs, where a run is allowed if its last window
// begins before its first ends and it is no longer than the capacity. Every part of an allowed run is allowed, so making each
// run, from the left, as long as it can be is best: by induction its k-th run ends at or behind the k-th of any solution.
func Stab(at []time.Duration, length time.Duration, capacity int) int {
	at = slices.Sorted(slices.Values(at))
	n := 0
	for i := 0; i < len(at); n++ {
		end := at[i] + length
		run := 0
		for i < len(at) && at[i] <= end && run < capacity {
			i++
			run++
		}
	}
	return n
}
