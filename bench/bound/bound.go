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

// Calls is a lower bound of the calls of every scheduler that has each set that stands for longer than `stale` at the vendor
// within `stale` of the change, where one call gives up to `capacity` users one set, which is the one that stands for them.
//
// Which changes force a call: one whose set stood that long and cannot be at the vendor already. What may be there is the last
// set before it that stood so long (that one certainly arrived), or any that stood since. Such a user must be in a call with the
// new set in [At, At+stale]. Every other change may or may not need a call and is left out, which only lowers the bound.
func Calls(changes []Change, stale time.Duration, capacity int) (int, error) {
	last := map[int]int{} // user -> index of the latest change
	stood := make([]bool, len(changes))
	for i, c := range changes {
		if i > 0 && c.At < changes[i-1].At {
			return 0, fmt.Errorf("lower bound: change %d is earlier than the one before it", i)
		}
		if p, ok := last[c.User]; ok {
			stood[p] = c.At-changes[p].At > stale
		}
		stood[i] = true // until a successor says otherwise
		last[c.User] = i
	}
	there := map[int][]int{}            // user -> sets that may be at the vendor
	forced := map[int][]time.Duration{} // set -> times, ascending
	for i, c := range changes {
		if stood[i] {
			if !slices.Contains(there[c.User], c.Set) {
				forced[c.Set] = append(forced[c.Set], c.At)
			}
			there[c.User] = there[c.User][:0]
		}
		there[c.User] = append(there[c.User], c.Set)
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
