package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// slowSet has three rules that match; on the clock of its watchdog the second takes `took`, of a processor `spent`.
func slowSet(t *testing.T, took, spent time.Duration) (s *Set, told *[]Parked) {
	t.Helper()
	s = benchSet(t, 3, func(int) string { return `kind == "k07" and region startsWith "r"` })
	at, n, per := time.Duration(0), 0, 6
	s.watch.clock = func() time.Duration {
		if n++; n%per == 4 { // the second of three has just been asked
			at += took
		}
		return at
	}
	s.watch.spent = func(f func()) time.Duration { f(); return spent }
	told = new([]Parked)
	s.OnPark(func(p Parked) { *told = append(*told, p); per = 1 << 30 })
	return s, told
}

func TestARuleThatIsSlowThreeTimesIsParked(t *testing.T) {
	s, told := slowSet(t, 51*time.Millisecond, 51*time.Millisecond)
	for range 10 {
		if got := len(s.Evaluate(order(s, "k07"))); got != 3 {
			t.Fatalf("%d intents", got)
		}
	}
	s.Took(50 * time.Millisecond)
	if s.watch.left.Load() != 0 {
		t.Error("50 ms are suspected")
	}
	s.Took(51 * time.Millisecond)
	for i := range 3 {
		if len(*told) > 0 {
			t.Errorf("parked after %d times", i)
		}
		for _, in := range s.Evaluate(order(s, "k07")) {
			if in.Dead != "" {
				t.Errorf("%s is dead: %s", in.Rule, in.DeadDetail)
			}
		}
	}
	slow := s.Rules[1].Name
	if len(*told) != 1 || (*told)[0].Rule != slow || (*told)[0].On != "event o-000123456" || !strings.Contains((*told)[0].String(), slow) || !slices.Equal(s.ParkedRules(), *told) {
		t.Fatalf("parked: %v, told %v", s.ParkedRules(), *told)
	}
	for range 2 { // the others go on, and its events have a fate
		for _, in := range s.Evaluate(order(s, "k07")) {
			parked := in.Dead == intent.RenderError && strings.Contains(in.DeadDetail, "parked") && in.Content == nil
			if parked != (in.Rule == slow) || in.Target != "u-123456" {
				t.Errorf("%s: dead %q %q", in.Rule, in.Dead, in.DeadDetail)
			}
		}
	}
	if len(*told) != 1 {
		t.Errorf("told %d times", len(*told))
	}
	if got := s.Evaluate(order(s, "none")); got != nil {
		t.Errorf("an event that the index keeps from it: %v", got)
	}
}

// A machine that stands still makes every rule look slow. What counts is what the rule takes of a processor.
func TestAStandingMachineParksNoRule(t *testing.T) {
	s, told := slowSet(t, time.Second, time.Millisecond)
	s.Took(time.Second)
	for range 100 {
		s.Evaluate(order(s, "k07"))
	}
	if len(*told) > 0 || len(s.ParkedRules()) > 0 {
		t.Errorf("parked: %v", *told)
	}
}

func TestSuspicionEnds(t *testing.T) {
	s, told := slowSet(t, 0, time.Second)
	s.Took(time.Second)
	for range suspicion/3 + 2 {
		s.Evaluate(order(s, "k07"))
	}
	if left := s.watch.left.Load(); left > 0 || len(*told) > 0 {
		t.Errorf("%d still to be timed, parked %v", left, *told)
	}
	s.watch.clock = func() time.Duration { t.Error("the clock is asked on the usual way"); return 0 }
	s.Evaluate(order(s, "k07"))
}

// What the watchdog needs for a second time is allocated only while it watches.
func TestTheWatchdogAllocatesNothingOnTheUsualWay(t *testing.T) {
	s := benchSet(t, 2, func(int) string { return `kind == "k07"` })
	e := order(s, "k07")
	usual := testing.AllocsPerRun(100, func() { s.Evaluate(e) })
	s.Took(time.Second)
	watched := testing.AllocsPerRun(100, func() { s.Evaluate(e) })
	if usual >= watched {
		t.Errorf("%.0f allocations, and %.0f under watch", usual, watched)
	}
}

// Over the profile table each eighth evaluation is timed. A parked tag rule neither gives nor takes tags; a parked push has a fate.
func TestTheWatchdogSeesTheProfileTable(t *testing.T) {
	s, l := load(t, `  - {name: city-tag, event: profile.changed, tags: ["city_${city}"]}
  - {name: level-tag, event: profile.changed, when: level != "normal", tags: ["level_${level}"]}
  - {name: level-up, event: profile.changed, mode: live, class: service, when: changed(level), push: {body: b}}
`, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	row := func(level string) func(string) (intent.Value, bool) {
		return func(name string) (intent.Value, bool) {
			v := map[string]string{"city": "a", "level": level}[name]
			return intent.Value{Type: event.String, Str: v}, v != ""
		}
	}
	at := time.Duration(0)
	s.watch.clock = func() time.Duration { at += 60 * time.Millisecond; return at } // everything is slow
	s.watch.spent = func(f func()) time.Duration { f(); return time.Second }
	for i := range 8 {
		if s.watch.left.Load() > 0 {
			t.Errorf("suspected after %d", i)
		}
		s.Tags("main", row("vip"), nil)
	}
	if s.watch.left.Load() == 0 {
		t.Fatal("eight slow evaluations are not suspected")
	}
	for range 3 {
		s.Tags("main", row("vip"), nil)
	}
	if got := s.Tags("main", row("normal"), []string{"city_b", "level_vip", "other"}); !slices.Equal(got, []string{"city_b", "level_vip"}) {
		t.Errorf("tags %v, want those that parked rules could have given", got)
	}
	in := &intent.Intent{ID: "x", Event: intent.EventRef{ID: "e", Type: "profile.changed", Time: time.Unix(1, 0)}, Account: "main", Target: "u", Action: intent.Tags, Profile: &intent.Profile{}}
	for i := range 4 {
		out := s.ProfilePushes(in, row("normal"), row("vip"))
		if len(out) != 1 || (out[0].Dead != "") != (i == 3) {
			t.Errorf("%d: %+v", i, out)
		}
	}
	if got := fmt.Sprint(len(s.ParkedRules())); got != "3" {
		t.Errorf("%s parked", got)
	}
}

func TestProcessorTimeCounts(t *testing.T) {
	n := 0
	if took := processorTime(func() {
		for i := range 200_000_000 {
			n += i & 1
		}
	}); took <= 0 || n == 0 {
		t.Errorf("a hundred million steps took %s", took)
	}
}

// A rule that is parked stays so when nothing is timed any more, also where its text is the same for every event.
func TestAParkedRuleIsNotAsked(t *testing.T) {
	s := mustLoad(t, rule("parked", "order.paid", "    when: always\n    push: {body: b}")+rule("healthy", "order.paid", "    when: always\n    push: {body: b}"), demoAccount())
	s.Park(Parked{Rule: "parked"})
	got := s.Evaluate(happen(t, s, "orders", paid))
	if len(got) != 2 || !strings.Contains(got[0].DeadDetail, "rule parked is parked") || got[1].Dead != "" {
		t.Errorf("got %+v", got)
	}
	only := s.Only(s.Rule("parked"), Live)
	if got := only.Evaluate(happen(t, only, "orders", paid)); len(got) != 1 || got[0].Dead == "" {
		t.Errorf("alone: got %+v", got)
	}
}
