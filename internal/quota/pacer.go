package quota

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// Pacer bounds a lane counted per second. The bound is a rolling window of whole calls: at most N units of
// weight (calls, or receivers) may be on their way or have ended within the last Window. A call is on its
// way from Start to Done, or until its notAfter when nobody says how it ended. A rate limiter in front
// spreads the calls over the window; it never allows what the window forbids.
//
// Not safe for use by several goroutines: its lane's owner has it. Give it times of one monotonic clock
// (time.Now has it): what a jump ahead has freed stays free.
type Pacer struct {
	n      int
	window time.Duration

	limiter *rate.Limiter
	burst   int

	used  int           // weight of open and ended
	open  []*call       // by notAfter; those done stay until they reach the front
	byID  map[ID]*call  // open and not done
	ended []endedWeight // by free
	next  ID
}

// ID names a started call.
type ID uint64

type call struct {
	id       ID
	notAfter time.Time
	weight   int
	done     bool
}

// endedWeight takes up room until free.
type endedWeight struct {
	free   time.Time
	weight int
}

// NewPacer returns a pacer that allows n units of weight in any window (give the vendor's second plus an
// allowance, 1.2 s). It begins full, because it does not know what its predecessor did: the first call may
// start a window after now.
func NewPacer(n int, window time.Duration, now time.Time) *Pacer {
	burst := max(1, n/10)
	p := &Pacer{
		n: n, window: window,
		limiter: rate.NewLimiter(rate.Limit(float64(n)/window.Seconds()), burst), burst: burst,
		byID: map[ID]*call{},
	}
	p.end(now.Add(window), n)
	return p
}

// Hold takes up room for a call that is not ours to follow, and that may arrive until notAfter: an open
// attempt of a predecessor, or the whole lane after the vendor said that it is full.
func (p *Pacer) Hold(notAfter time.Time, weight int) {
	p.end(notAfter.Add(p.window), weight)
}

// At returns the earliest time, not before now, at which a call of this weight may start if no other call
// ends early. The error is ErrNever.
func (p *Pacer) At(now time.Time, weight int) (time.Time, error) {
	if weight > p.n {
		return time.Time{}, fmt.Errorf("a call of weight %d under the limit %d in %s: %w", weight, p.n, p.window, ErrNever)
	}
	p.advance(now)
	at := p.paced(now, weight)
	if t := p.room(now, p.n-weight); t.After(at) {
		at = t
	}
	return at, nil
}

// Start takes up room for a call that starts now and whose last byte may leave until notAfter. It is false,
// and nothing is taken, when the call may not start yet.
func (p *Pacer) Start(now, notAfter time.Time, weight int) (ID, bool) {
	p.advance(now)
	if weight > p.n-p.used || !p.limiter.AllowN(now, min(weight, p.burst)) {
		return 0, false
	}
	p.next++
	c := &call{id: p.next, notAfter: notAfter, weight: weight}
	p.used += weight
	p.byID[c.id] = c
	at := len(p.open) // calls of one lane share a time-out, so this is nearly always the end
	for at > 0 && p.open[at-1].notAfter.After(notAfter) {
		at--
	}
	p.open = slices.Insert(p.open, at, c)
	return c.id, true
}

// Done says that the call has an outcome now: it arrived before, or never will. Its room is free a window
// later. A call whose outcome is unknown is not reported: it ends at its notAfter by itself. An unknown id
// does nothing.
func (p *Pacer) Done(id ID, now time.Time) {
	p.advance(now)
	c, ok := p.byID[id]
	if !ok {
		return
	}
	p.finish(c, now)
}

// Used returns the weight that takes up room at now, and how much there is in all.
func (p *Pacer) Used(now time.Time) (used, n int) {
	p.advance(now)
	return p.used, p.n
}

// advance forgets what no longer takes up room, and ends the calls whose time is over.
func (p *Pacer) advance(now time.Time) {
	for len(p.open) > 0 && (p.open[0].done || !p.open[0].notAfter.After(now)) {
		if c := p.open[0]; !c.done {
			p.finish(c, c.notAfter)
		}
		p.open[0], p.open = nil, p.open[1:]
	}
	for len(p.ended) > 0 && !p.ended[0].free.After(now) {
		p.used -= p.ended[0].weight
		p.ended = p.ended[1:]
	}
}

func (p *Pacer) finish(c *call, at time.Time) {
	c.done = true
	delete(p.byID, c.id)
	p.used -= c.weight
	p.end(at.Add(p.window), c.weight)
}

func (p *Pacer) end(free time.Time, weight int) {
	p.used += weight
	at := len(p.ended)
	for at > 0 && p.ended[at-1].free.After(free) {
		at--
	}
	p.ended = slices.Insert(p.ended, at, endedWeight{free, weight})
}

// room returns when at most room is still taken up, if every open call ends at its notAfter.
func (p *Pacer) room(now time.Time, room int) time.Time {
	at, used := now, p.used
	later := func(t time.Time, weight int) {
		used -= weight
		if t.After(at) {
			at = t
		}
	}
	i, j := 0, 0
	for used > room {
		for j < len(p.open) && p.open[j].done {
			j++
		}
		switch {
		case j == len(p.open) || i < len(p.ended) && !p.ended[i].free.After(p.open[j].notAfter.Add(p.window)):
			later(p.ended[i].free, p.ended[i].weight)
			i++
		default:
			later(p.open[j].notAfter.Add(p.window), p.open[j].weight)
			j++
		}
	}
	return at
}

// paced returns when the rate limiter lets a call pass. A call heavier than the burst pays the burst: the
// window counts the rest.
func (p *Pacer) paced(now time.Time, weight int) time.Time {
	missing := float64(min(weight, p.burst)) - p.limiter.TokensAt(now)
	if missing <= 0 {
		return now
	}
	return now.Add(time.Duration(missing/float64(p.limiter.Limit())*float64(time.Second)) + 1)
}
