package dispatch

import (
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

// A lane that is limited per second has no slots to book, yet a refusal for now says there what it says on a scarce lane: our pacer kept the
// limit that the vendor states, so somebody else calls with this App Key. Refusals that follow each other are one episode: one line in the
// log, and one record of external use that counts them, so that the next owner and `status` know of it.
//
// Not every such refusal is proof. What we gave up waiting for, or what a predecessor sent, may still arrive and takes from the vendor's second
// then, although our window has let go of it; so for as long nothing is said (doubt). All else of ours is counted: a call from its start to a
// window after its outcome, and reads of tags leave room for the probes and for `doctor`, which no pacer counts.

// episodeFor is how long after the last refusal of an episode another one is of the same.
const episodeFor = time.Hour

// othersSaid is the log's line, of all lanes.
const othersSaid = "the vendor says that the quota is used, our ledger says that it is free: somebody else uses this App Key"

// doubt notes that a call of ours that may start or go on until notAfter may arrive late.
func (l *lane) doubt(notAfter time.Time) {
	if t := notAfter.Add(l.Late + l.Window); t.After(l.certain) {
		l.certain = t
	}
}

// others books that a call of a paced lane was refused for now.
func (a *actor) others(l *lane, began time.Time, o Outcome) {
	if !l.Stated || began.Before(l.certain) {
		return
	}
	now := a.clock.now()
	if l.episode == nil {
		l.episode = a.external(l, now, 0, o.Detail)
		a.log.Error(othersSaid, laneField(l.full()), detailField(o.Detail))
	}
	at := l.episode
	at.Weight++
	at.Until, at.Detail = now.UTC(), o.Detail
	a.w.Put(ledger.AttemptKey(at.ID), at)
	a.opt.Metrics.contested.WithLabelValues(l.full()).Set(float64(at.Weight))
}

// restoreEpisode goes on with a predecessor's.
func (a *actor) restoreEpisode(l *lane, at *ledger.Attempt, now time.Time) {
	if l.Stated && at.State == ledger.External && now.Sub(at.Until) <= episodeFor && (l.episode == nil || at.Until.After(l.episode.Until)) {
		l.episode = at
		a.opt.Metrics.contested.WithLabelValues(l.full()).Set(float64(at.Weight))
	}
}

// sweepEpisodes ends those that nothing was added to for a while.
func (a *actor) sweepEpisodes(now time.Time) {
	for _, ac := range a.accounts {
		for _, l := range ac.lanes {
			if l.episode != nil && now.Sub(l.episode.Until) > episodeFor {
				l.episode = nil
				a.opt.Metrics.contested.WithLabelValues(l.full()).Set(0)
			}
		}
	}
}
