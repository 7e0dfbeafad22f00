package dispatch

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/notifier/notifier/internal/ledger"
)

// trims are books that commit, and may not delete.
type trims struct {
	books
	below []int64
}

func (t *trims) Touch()      {}
func (t *trims) Dirty() bool { return false }
func (t *trims) Trim(_ context.Context, below int64) error {
	t.below = append(t.below, below)
	return errors.New("TOPIC_AUTHORIZATION_FAILED")
}

// What an owner deletes lies below its position of a day ago, two beats; that it has no right to is said once, not every twelve hours.
func TestIntentsOfADayAgoAreDeletedAndARefusalIsSaidOnce(t *testing.T) {
	t.Parallel()
	core, said := observer.New(zap.WarnLevel)
	w := &trims{}
	a := &actor{opt: &Options{}, log: zap.New(core), w: w, clock: newClock(time.Now, time.Now(), time.Now(), time.Time{})}
	a.aside = func(_ time.Duration, do func(context.Context)) { do(t.Context()) }
	for i := range 5 {
		a.pos = ledger.Position{Next: int64(100 * (i + 1))}
		a.beat()
	}
	if len(w.below) != 3 || w.below[0] != 100 || w.below[2] != 300 {
		t.Errorf("deleted below %v, want 100, 200, 300 at the third, fourth and fifth beat", w.below)
	}
	if n := said.Len(); n != 1 {
		t.Errorf("said %d times: %v", n, said.All())
	}
}
