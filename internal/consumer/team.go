package consumer

import (
	"iter"
	"runtime"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// team is the evaluators of a session, one for each processor.
type team []*evaluator

// share is how many records an evaluator takes at a time: enough that the hand-over costs nothing beside them (a few
// microseconds against milliseconds), few enough that what they become is on its way while the next are evaluated.
const share = 256

// stretch is of how many records the time is taken together, for the watchdog of the rules.
const stretch = 16

func (c *Consumer) newTeam(parts int) team {
	t := make(team, runtime.GOMAXPROCS(0))
	for i := range t {
		t[i] = c.newEvaluator(parts)
	}
	return t
}

// begin forgets what the last transaction counted.
func (t team) begin() {
	for _, e := range t {
		e.n = newCounts()
		e.traced.begin()
	}
}

// evaluate gives what the records become, in the order of the records, by one revision of the rules.
func (t team) evaluate(rules Rules, records []*kgo.Record) iter.Seq[*kgo.Record] {
	for _, e := range t {
		e.rules = rules
	}
	return func(yield func(*kgo.Record) bool) {
		for len(records) > 0 {
			var wg sync.WaitGroup
			busy := 0
			for ; busy < len(t) && len(records) > 0; busy++ {
				e, n := t[busy], min(share, len(records))
				mine := records[:n]
				records = records[n:]
				wg.Go(func() { e.all(mine) })
			}
			wg.Wait()
			for _, e := range t[:busy] {
				for _, out := range e.out {
					if !yield(out) {
						return
					}
				}
			}
		}
	}
}

// all evaluates the records in turn.
func (e *evaluator) all(records []*kgo.Record) {
	clear(e.out)
	e.out, e.now = e.out[:0], time.Now()
	began := time.Now()
	for i, r := range records {
		e.evaluate(r)
		if i%stretch == stretch-1 { // asking for each record would cost what the evaluation costs
			now := time.Now()
			e.rules.Took(now.Sub(began))
			began = now
		}
	}
}

// count adds what the transaction counted, once it is committed, and gives its spans away: what an aborted one made is made again.
func (t team) count(m *Metrics) {
	for _, e := range t {
		m.add(&e.n)
		if to := e.c.opt.Tracer; to != nil {
			to.Emit(e.traced.spans...)
			to.Drop(e.traced.lost)
		}
	}
}
