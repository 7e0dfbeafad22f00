package dispatch

import (
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

// notifier_oldest_pending_seconds is the age of a lane's oldest intent, and 0 where nothing waits or another process tells it.
func TestTheOldestIntentOfALaneIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	user, now := a.opt.Metrics.oldest.WithLabelValues("main/user"), a.clock.now()
	older, younger := b.push(a, "older"), b.push(a, "younger")
	older.p.At, younger.p.At = now.Add(-time.Hour), now.Add(-time.Minute)
	a.oldest(now)
	if got := gaugeOf(t, user); got != 3600 {
		t.Errorf("the oldest has waited %g s, want 3600", got)
	}
	if got := gaugeOf(t, a.opt.Metrics.oldest.WithLabelValues("main/broadcast")); got != 0 {
		t.Errorf("a lane without intents: %g s", got)
	}
	a.fate(older, ledger.Suppressed, ledger.Cancelled, nil)
	a.oldest(now)
	if got := gaugeOf(t, user); got != 60 {
		t.Errorf("after the oldest has its fate: %g s, want 60", got)
	}
	a.retire()
	if got := gaugeOf(t, user); got != 0 {
		t.Errorf("after another process took over: %g s", got)
	}
}
