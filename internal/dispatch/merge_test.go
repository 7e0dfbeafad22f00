package dispatch

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
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

// A text that a merge does not use takes nobody down. What lacks a value of the text of several leaves alone, is dead beside others, and never
// takes these with it; what lacks one of the text of a single trigger is dead only when it is alone in the end.
func TestTriggersThatFitOneOfTheTextsOfAMerge(t *testing.T) {
	type trigger struct{ has, fate string } // the texts it has the values of; what it has become when the merge has closed, "" if it leaves
	one, several, both := "one", "several", "one several"
	for _, keep := range []intent.Keep{intent.KeepLatest, intent.KeepFirst, intent.KeepList} {
		for _, triggers := range [][]trigger{
			{{one, ""}},
			{{several, "DEAD"}},
			{{several, ""}, {several, "COALESCED"}},
			{{one, "DEAD"}, {both, ""}},
			{{both, ""}, {one, "DEAD"}},
			{{one, "DEAD"}, {several, ""}, {both, "COALESCED"}},
			{{several, ""}, {both, "COALESCED"}, {one, "DEAD"}},
			{{several, "DEAD"}, {one, "DEAD"}}, // the first is alone in the end
		} {
			x, push := brakes(t, 9)
			x.a.opt.Render = func(c *intent.Content, m *intent.Merge, items []map[string]any, count int) (*intent.Content, error) {
				needs := several
				if count == 1 && m.One != nil {
					needs = one
				}
				for _, it := range items {
					if !strings.Contains(it["has"].(string), needs) {
						return nil, errors.New("${" + needs + "} is missing")
					}
				}
				return c, nil
			}
			for i, tr := range triggers {
				in := push(string(rune('1'+i)), "main")
				in.Target = "u"
				in.ID = intent.MakeID(in.Position(), in.Rule, in.Target)
				in.Merge = &intent.Merge{Key: "k", Keep: keep, Wait: time.Minute, One: &intent.One{Title: "one"}, Vars: map[string]any{"has": tr.has}}
				x.a.admit(in, int64(i))
				x.turn()
			}
			x.at = x.at.Add(time.Minute)
			x.turn()
			fates := map[string]string{}
			for _, f := range x.fates {
				if fates[f.Event.ID] = string(f.Fate); f.Fate == ledger.Dead && (f.Reason != ledger.RenderError || !strings.Contains(f.Detail, "is missing")) {
					t.Errorf("%s, %v: %+v", keep, triggers, f)
				}
			}
			for i, tr := range triggers {
				if got := fates[string(rune('1'+i))]; got != tr.fate {
					t.Errorf("%s, %v: trigger %d is %q, want %q", keep, triggers, i+1, got, tr.fate)
				}
			}
			if left := len(x.flights); left != len(triggers)-len(fates) {
				t.Errorf("%s, %v: %d calls leave", keep, triggers, left)
			}
			x.check()
		}
	}
}
