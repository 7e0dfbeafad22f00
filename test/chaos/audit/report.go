package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Hits counts the kills that hit an open attempt or at least 50 pending intents; open and scarce count those with an open
// attempt, and with an open broadcast.
func (r *Report) Hits() (hits, open, scarce int) {
	for _, c := range r.Crashes {
		if c.Hit() {
			hits++
		}
		if c.Open > 0 {
			open++
		}
		if c.Scarce > 0 {
			scarce++
		}
	}
	return hits, open, scarce
}

// The promise has three words; each is the sum of these kinds of problems.
var (
	lostKinds    = []string{"lost", "lost push", "broker lost an event", "intent missing", "dead letter missing"}
	doubledKinds = []string{"broadcast doubled", "push doubled", "two fates", "intent twice", "dead letter twice", "doubles"}
	overrunKinds = []string{"overrun"}
)

// Broken counts the problems that break each word of the promise. Others may remain.
func (r *Report) Broken() (lost, doubled, overruns int) {
	for _, p := range r.Problems {
		kind, _, _ := strings.Cut(p, ":")
		switch {
		case slices.Contains(lostKinds, kind):
			lost++
		case slices.Contains(doubledKinds, kind):
			doubled++
		case slices.Contains(overrunKinds, kind):
			overruns++
		}
	}
	return lost, doubled, overruns
}

// Percentile of sorted durations, 0 for none.
func Percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[(len(d)-1)*p/100].Round(time.Millisecond)
}

// String is the report for people, with at most 60 problems.
func (r *Report) String() string {
	var b strings.Builder
	hits, open, scarce := r.Hits()
	fmt.Fprintf(&b, "%d kills: %d with an open attempt or 50 pending, %d with an open attempt, %d with an open broadcast\n", len(r.Crashes), hits, open, scarce)
	fmt.Fprintf(&b, "%d events: %d match nothing, %d dead letters; %d intents, %d UNKNOWN (%d by lists), %d broadcasts wait for a slot, %d profile intents for the next day\n",
		r.Events, r.Quiet, r.Dead, r.Intents, r.Unknown, r.ListsUnknown, r.Pending, r.Undone)
	fmt.Fprintf(&b, "restart to first call: p50 %s, p99 %s (%d processes made one)\n", Percentile(r.FirstCall, 50), Percentile(r.FirstCall, 99), len(r.FirstCall))
	fmt.Fprintf(&b, "tag calls that told the vendor nothing new: %d, of these because their process was killed (at Getui pushes that came again and were dropped): %d; users written beyond one for each SENT: %d\n",
		r.Needless, r.Repeats, r.Rewrites)
	fmt.Fprintf(&b, "refused because an earlier call came late: %d\n", r.Refused)
	for _, part := range []struct {
		name string
		m    map[string]int
	}{{"fate", r.Fates}, {"executed", r.Calls}, {"fault", r.Faults}} {
		for _, k := range slices.Sorted(maps.Keys(part.m)) {
			fmt.Fprintf(&b, "  %6d %s %s\n", part.m[k], part.name, k)
		}
	}
	fmt.Fprintf(&b, "%d problems\n", len(r.Problems))
	for i, p := range r.Problems {
		if i == 60 {
			b.WriteString("  ...\n")
			break
		}
		fmt.Fprintf(&b, "  %s\n", p)
	}
	return b.String()
}
