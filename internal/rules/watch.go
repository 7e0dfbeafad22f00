package rules

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/notifier/notifier/internal/intent"
)

// The watchdog over evaluations. The loader bounds what a rule can take (work.go), by prices: where a price is wrong, a rule may hold up
// all the others, and a program cannot be interrupted. So a rule that took longer than slowAt three times is parked: it is not asked
// again until another set is live, and the others go on.
//
//	usual ──► suspected (a stretch of events took longer than slowAt) ──► each rule is timed, suspicion times ──► usual
//	                                                                          └─ three times slow ──► parked
//
// On the usual way nothing is timed here: who calls Evaluate in stretches asks the clock once for many events and says so: Took. Of
// evaluations over the profile table, which come one by one, each eighth is timed.
const (
	slowAt    = 50 * time.Millisecond
	slowTimes = 3
	suspicion = 20_000 // rules asked
)

// watch is the watchdog of one set.
type watch struct {
	left  atomic.Int64 // rules still to be timed
	calls atomic.Int64 // over the profile table
	some  atomic.Bool  // a rule is parked
	clock func() time.Duration
	spent func(func()) time.Duration // what f takes of a processor: a machine that stands still is no rule's fault

	mu     sync.Mutex // guards below
	tell   func(Parked)
	parked []Parked
}

// Parked is a rule that the watchdog has stopped.
type Parked struct {
	Rule string        `json:"rule"`
	Took time.Duration `json:"took_ns"` // of a processor, the third time
	On   string        `json:"on"`      // the event or user of the third
}

func (p Parked) String() string {
	return fmt.Sprintf("rule %s is parked: it took %s of a processor at once, %d times over %s (the last on %s); mend it, a changed rule file lets it act again",
		p.Rule, p.Took.Round(time.Millisecond), slowTimes, slowAt, p.On)
}

func newWatch() *watch {
	start := time.Now()
	return &watch{clock: func() time.Duration { return time.Since(start) }, spent: processorTime}
}

// Took says how long a stretch of evaluations took. After a slow one the next are timed rule by rule.
func (s *Set) Took(stretch time.Duration) {
	if stretch > slowAt {
		s.watch.left.Store(suspicion)
	}
}

// OnPark calls f for each rule that is parked from now on, in the goroutine that evaluated it.
func (s *Set) OnPark(f func(Parked)) {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.watch.tell = f
}

// ParkedRules gives the rules that are parked.
func (s *Set) ParkedRules() []Parked {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return append([]Parked(nil), s.watch.parked...)
}

// sample times a whole evaluation over the profile table, of each eighth.
func (w *watch) sample() (done func()) {
	if w.calls.Add(1)%8 != 0 || w.left.Load() > 0 {
		return func() {}
	}
	began := w.clock()
	return func() {
		if w.clock()-began > slowAt {
			w.left.Store(suspicion)
		}
	}
}

// timed does f, and does it once more with the processor's clock when it took long: f must have no effect but its result. A rule that
// was slow for the third time is parked.
func (w *watch) timed(r *Rule, on string, f func()) {
	w.left.Add(-1)
	began := w.clock()
	f()
	if w.clock()-began <= slowAt {
		return
	}
	took := w.spent(f)
	if took <= slowAt || r.slow.Add(1) != slowTimes {
		return
	}
	w.park(r, Parked{Rule: r.Name, Took: took, On: on})
}

func (w *watch) park(r *Rule, p Parked) {
	r.parked.Store(true)
	w.some.Store(true)
	w.mu.Lock()
	w.parked = append(w.parked, p)
	tell := w.tell
	w.mu.Unlock()
	if tell != nil {
		tell(p)
	}
}

// Park stops a rule of the set, as the watchdog does.
func (s *Set) Park(p Parked) { s.watch.park(s.Rule(p.Rule), p) }

// on reports whether a rule cannot be asked in the usual way.
func (w *watch) on(r *Rule) bool { return w.left.Load() > 0 || r.parked.Load() }

// awake is whether on may be true of any rule.
func (w *watch) awake() bool { return w.left.Load() > 0 || w.some.Load() }

// ask is one under the watchdog. What a parked rule would have wanted nobody knows, so its event has a fate of its own that says so.
func (s *Set) ask(out []*intent.Intent, r *Rule, a *subject, met func() bool) []*intent.Intent {
	if r.parked.Load() {
		target := a.user
		if r.Action == intent.Broadcast {
			target = intent.Everyone
		}
		if !r.alive(a.ev.Time) {
			return out
		}
		return append(out, s.dead(s.blank(r, a, target), fmt.Errorf("rule %s is parked: it took too long on other events and was not asked", r.Name)))
	}
	all, asked := out, false
	s.watch.timed(r, "event "+a.ev.ID, func() {
		if !asked {
			all, asked = s.one(out, r, a, met), true
			return
		}
		again := *a
		again.press = new(press)
		s.one(nil, r, &again, met)
	})
	return all
}
