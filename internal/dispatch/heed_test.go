package dispatch

import (
	"testing"

	"github.com/notifier/notifier/internal/intent"
)

// An actor that is told to end makes no more calls, however much else is ready: a drain has ten seconds.
func TestAnEndIsHeededBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 6 { // which of what is ready is taken is luck
		a := b.byHand(nil)
		a.admit(b.intent("e", "r", "u", intent.Push), b.offset)
		a.stop(true)
		a.inbox.poke()
		a.results <- result{}
		a.run()
	}
	if calls := b.vendor.seen(); len(calls) > 0 {
		t.Errorf("%d calls were made", len(calls))
	}
}
