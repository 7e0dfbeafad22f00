package dispatch

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// An owner that comes soon says until when a predecessor's open call holds what it touches; one that comes when that is past does not.
func TestNothingIsSaidToBeHeldUntilATimeThatIsPast(t *testing.T) {
	for _, test := range []struct {
		after time.Duration
		held  bool
	}{{time.Second, true}, {time.Hour, false}} {
		x, push := brakes(t, 9)
		x.a.admit(push("1", "main"), 0)
		if calls := x.a.plan(); len(calls) != 1 || !x.a.commit() {
			t.Fatalf("%d calls, want one, committed", len(calls))
		}
		core, said := observer.New(zap.WarnLevel)
		x.said, x.at = zap.New(core), x.at.Add(test.after)
		x.begin()
		told := 0
		for _, e := range said.All() {
			if !strings.Contains(e.Message, "a predecessor left a call open") {
				continue
			}
			told++
			until, held := e.ContextMap()["until"].(time.Time)
			if held != test.held || held && !until.After(x.at) || strings.Contains(e.Message, "is held") != held {
				t.Errorf("after %s, at %s: %s %v", test.after, x.at, e.Message, e.ContextMap())
			}
		}
		if told != 1 {
			t.Errorf("after %s it is told %d times, want once", test.after, told)
		}
	}
}
