package dispatch

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// A lane is stalled when its calls do not get through and it is not closed: connections are refused, or repeatable calls stay without an
// answer. It tries by itself, with one call after ever longer pauses; that it does is on record like a closed lane, because whoever
// looks would otherwise find that nothing holds.

// stallAfter is how many calls in a row that did not get through make a lane stalled.
const stallAfter = 3

// missed books one more of them.
func (a *actor) missed(l *lane, detail string) {
	l.misses++
	if l.closed != nil || l.misses < stallAfter {
		return
	}
	st := ledger.LaneState{Reason: "breaker", Detail: fmt.Sprintf("%d calls in a row did not get through, the last: %s", l.misses, detail), Since: a.clock.now().UTC(), Retry: l.notBefore.UTC(), Misses: l.misses}
	if l.stalled != nil {
		st.Since = l.stalled.Since
	} else {
		a.log.Error("calls do not get through: the lane's intents are kept, it goes on trying", laneField(l.full()), zap.Int("calls", l.misses), detailField(detail))
		a.opt.Metrics.held.WithLabelValues(l.full(), st.Reason).Set(1)
	}
	l.stalled = &st
	a.w.Put(ledger.LaneKey(l.ac.Key, l.name), st)
}

// answered books that the vendor said something.
func (a *actor) answered(l *lane) {
	l.misses = 0
	if l.stalled == nil {
		return
	}
	a.log.Info("calls get through again", laneField(l.full()))
	a.unstall(l)
}

func (a *actor) unstall(l *lane) {
	a.opt.Metrics.held.WithLabelValues(l.full(), l.stalled.Reason).Set(0)
	a.w.Delete(ledger.LaneKey(l.ac.Key, l.name))
	l.stalled = nil
}

// sweepStalled lets go of lanes that have not tried for a while although they could: nothing waits for them any more, so they hold nothing.
func (a *actor) sweepStalled(now time.Time) {
	for _, ac := range a.accounts {
		for _, l := range ac.lanes {
			if l.stalled != nil && l.running == 0 && now.After(l.stalled.Retry.Add(2*maxBackoff)) {
				a.unstall(l)
			}
		}
	}
}
