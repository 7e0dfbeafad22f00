package pulse

import (
	"testing"
	"time"
)

func TestALoopThatWaitsTurnsAndOneThatWorksTooLongDoesNot(t *testing.T) {
	var p Pulse
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	if d := p.Stuck(now.Add(24 * time.Hour)); d != 0 {
		t.Errorf("it never worked: stuck for %s", d)
	}
	p.Works(now)
	if d := p.Stuck(now.Add(Limit)); d != 0 {
		t.Errorf("a turn that may be that long: stuck for %s", d)
	}
	if d := p.Stuck(now.Add(Limit + time.Second)); d != Limit+time.Second {
		t.Errorf("a turn that is too long: stuck for %s", d)
	}
	p.Waits()
	if d := p.Stuck(now.Add(24 * time.Hour)); d != 0 {
		t.Errorf("it waits: stuck for %s", d)
	}
}
