package dispatch

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

const (
	sweepEvery = time.Minute
	beatEvery  = 12 * time.Hour      // both transactional ids are used: Kafka forgets one after 7 days (design.md 8)
	keepScarce = 48 * time.Hour      // scarce attempts, for the windows and for `notifier quota`
	keepTaken  = 32 * 24 * time.Hour // a month; what a longer cap counted says itself how long, see ledger.Taken
	sweepTaken = 24 * time.Hour      // they may be millions, and a day more of 32 is nothing

)

// nextChore is when chores does something: the beat waits for a sweep. A time before that would be waited for in a busy loop.
func (a *actor) nextChore() time.Time { return a.lastSweep.Add(a.sweepEach) }

// chores forgets what no longer counts, once a minute.
func (a *actor) chores() {
	local := a.clock.machine()
	if local.Sub(a.lastSweep) < a.sweepEach {
		return
	}
	a.lastSweep = local
	now := a.clock.now()
	a.forgetSeen(now)
	for id, at := range a.kept {
		switch at.State {
		case ledger.Started, ledger.Again, ledger.Unknown:
		default:
			if now.Sub(at.Until) > keepScarce {
				delete(a.kept, id)
				a.w.Delete(ledger.AttemptKey(id))
			}
		}
	}
	if local.Sub(a.lastTaken) >= sweepTaken {
		a.lastTaken = local
		for id, t := range a.taken {
			if len(t.At) == 0 || now.Sub(t.At[len(t.At)-1]) > keepTaken && !t.Until.After(now) {
				delete(a.taken, id)
				a.w.Delete("c/" + id)
			}
		}
	}
	a.sweepLimits(now)
	for _, ac := range a.accounts {
		if ac.byDifferences() {
			ac.recent.forget(ac.lanes[LaneTag].Late, now)
			a.sumUp(ac, now)
		}
	}
	a.sweepStalled(now)
	a.sweepEpisodes(now)
	if books := a.pos.Intents - a.pos.Fates - int64(a.pending()); books != 0 {
		a.opt.Metrics.unbalanced.Set(float64(books))
		a.log.Error("the books do not balance: intents taken in minus fates minus pending", zap.Int64("difference", books))
	}
	a.gauges(now)
	a.oldest(now)
	a.opt.Metrics.liveBytes.WithLabelValues(partLabel(a.p)).Set(float64(a.w.LiveBytes(a.needs())))
	a.aside(5*time.Second, func(ctx context.Context) {
		if n, intents, err := a.w.Size(ctx); err == nil { // a cluster may not tell: then the series stay as they were
			a.opt.Metrics.ledgerBytes.WithLabelValues(partLabel(a.p)).Set(float64(n))
			a.opt.Metrics.intentsBytes.WithLabelValues(partLabel(a.p)).Set(float64(intents))
		}
	})
	if local.Sub(a.lastBeat) >= beatEvery {
		a.beat()
	}
}

// beat uses both transactional ids, so that Kafka does not forget one in a quiet week, and trims the intents topic.
func (a *actor) beat() {
	a.lastBeat = a.clock.machine()
	a.w.Touch()
	if !a.commit() {
		return
	}
	a.w.Touch()
	below := a.behind[0]
	a.behind = [2]int64{a.behind[1], a.pos.Next}
	if below == 0 {
		return
	}
	a.aside(10*time.Second, func(ctx context.Context) {
		if err := a.w.Trim(ctx, below); err != nil && a.untrimmed.CompareAndSwap(false, true) { // once: without the right it fails for ever
			a.log.Warn("intents that were taken in a day ago could not be deleted: give Delete on the topic, or watch notifier_intents_bytes", zap.Error(err))
		}
	})
}

// needs counts what the ledger holds for this actor.
func (a *actor) needs() ledger.Needs {
	n := ledger.Needs{Pending: a.pending(), Attempts: len(a.kept), Taken: len(a.taken), Sends: len(a.sends), Once: len(a.once), Seen: len(a.seen),
		Others: len(a.pauses) + len(a.kills) + len(a.extends)}
	for _, ac := range a.accounts {
		n.Users += ac.users.Len()
	}
	return n
}

// oldest tells for each lane how long its oldest intent has waited, whatever for. It looks at all of them, once a minute: a million take
// tens of milliseconds, an index would cost more at every intent.
func (a *actor) oldest(now time.Time) {
	since := map[*lane]time.Time{}
	note := func(b *berth, at time.Time) {
		if b.ac == nil || b.ac.lanes[b.route.Lane] == nil {
			return
		}
		l := b.ac.lanes[b.route.Lane]
		if old, ok := since[l]; !ok || at.Before(old) {
			since[l] = at
		}
	}
	for _, it := range a.items {
		note(it.berth, it.since())
	}
	for b, l := range a.parkedSince() {
		note(b, l.since)
	}
	for _, ac := range a.accounts {
		for _, l := range ac.lanes {
			age := time.Duration(0)
			if at, ok := since[l]; ok {
				age = max(0, now.Sub(at))
			}
			a.opt.Metrics.oldest.WithLabelValues(l.full()).Set(age.Seconds())
		}
	}
}

// gauges tells the scarce lanes' quota.
func (a *actor) gauges(now time.Time) {
	m := a.opt.Metrics
	for _, ac := range a.accounts {
		for _, l := range ac.lanes {
			a.dayGauges(l, now)
			if !l.scarce() {
				continue
			}
			span, guard := SpanAndGuard(l.ac.Timeout, l.Policy)
			for source, charges := range a.chargesBySource(l) {
				for _, u := range quota.Used(l.Limits, charges, now, span, guard) {
					m.quotaUsed.WithLabelValues(l.full(), u.Limit.String(), source).Set(float64(u.Used))
				}
			}
			for _, limit := range l.Limits {
				m.quotaNext.WithLabelValues(l.full(), limit.String()).Set(float64(a.slotUnder(l, []quota.Limit{limit}, 1, now).Unix()))
			}
		}
	}
}
