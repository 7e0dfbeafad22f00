package rig

import (
	"fmt"
	"testing"
	"time"
)

// A backlog that shrinks has all the time it needs, a daemon that tries the same for ever has not.
func TestADrainThatTurnsInACircleIsOver(t *testing.T) {
	p, now := Patience{Most: time.Minute}, time.Now()
	for n := 100; n > 0; n-- {
		if now = now.Add(50 * time.Second); p.Over(fmt.Sprint(n, " intents without fate"), now) {
			t.Fatalf("over with %d intents left", n)
		}
	}
	for range 3 {
		for _, left := range []string{"1 intents without fate, 1 open attempts", "1 intents without fate, 0 open attempts"} {
			now = now.Add(20 * time.Second)
			p.Over(left, now)
		}
	}
	if !p.Over("1 intents without fate, 1 open attempts", now.Add(time.Second)) {
		t.Error("it turns in a circle for two minutes and is not over")
	}
}
