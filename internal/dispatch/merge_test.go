package dispatch

import (
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
)

// With extend, a merge closes a wait after its latest trigger but never later than max_wait after the first; without, a wait after the first.
func TestWhenAMergeCloses(t *testing.T) {
	const wait, longest = 5 * time.Minute, 12 * time.Minute
	for _, c := range []struct {
		name   string
		extend bool
		closes []time.Duration // after the first trigger, as each trigger leaves it; they come every four minutes
		end    time.Duration
		count  int
	}{
		{"extended", true, []time.Duration{5 * time.Minute, 9 * time.Minute, longest}, longest, 3},
		{"not extended", false, []time.Duration{5 * time.Minute, 5 * time.Minute}, 5 * time.Minute, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, push := brakes(t, 9)
			start, n := x.at, int64(0)
			trigger := func() *intent.Intent {
				in := push(string(rune('1'+n)), "main")
				in.Target = "u"
				in.ID = intent.MakeID(in.Position(), in.Rule, in.Target)
				in.Merge = &intent.Merge{Key: "k", Wait: wait, Vars: map[string]any{"x": in.Event.ID}}
				if c.extend {
					in.Merge.Extend, in.Merge.MaxWait = true, longest
				}
				x.a.admit(in, n)
				n++
				x.turn()
				return in
			}
			var first *item
			for i, want := range c.closes {
				x.at = start.Add(time.Duration(i) * 4 * time.Minute)
				in := trigger()
				if i == 0 {
					first = x.a.items[itemOf(in.ID)]
				}
				if first.state != merging || first.p().Merged.Count != i+1 {
					t.Fatalf("after trigger %d: %+v", i+1, first)
				}
				if got := first.p().Merged.Closes.Sub(start); got != want {
					t.Errorf("after trigger %d it closes at %s, want %s", i+1, got, want)
				}
				if at, _ := x.a.timers.wakesAt(first); at.Sub(start) != want {
					t.Errorf("after trigger %d it wakes at %s, want %s", i+1, at.Sub(start), want)
				}
			}
			x.at = start.Add(c.end - time.Millisecond)
			x.turn()
			if first.state != merging || first.p().Merged.Count != c.count {
				t.Fatalf("just before %s: %+v", c.end, first)
			}
			x.at = start.Add(c.end)
			x.turn()
			if first.p().Merged != nil {
				t.Fatalf("at %s it is open: %+v", c.end, first)
			}
			if in := trigger(); x.a.items[itemOf(in.ID)] == nil || x.a.items[itemOf(in.ID)].p().Merged == nil {
				t.Error("a trigger at the end does not begin a new merge")
			}
			x.check()
		})
	}
}
