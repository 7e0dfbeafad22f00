package pulse

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPausesGrowUntilSomebodyCutsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPauses()
		var got []time.Duration
		for range 8 {
			began := time.Now()
			p.Wait(t.Context(), p.After(time.Second))
			got = append(got, time.Since(began))
		}
		if got[0] != 250*time.Millisecond || got[1] != 500*time.Millisecond || got[7] != 10*time.Second {
			t.Errorf("pauses %v, want 250 ms, twice that, and at last 10 s", got)
		}
		began := time.Now()
		time.AfterFunc(3*time.Second, func() { p.Cut(); p.Cut() })
		p.Wait(t.Context(), p.After(time.Second))
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("a pause that was cut after 3 s took %s", d)
		}
		if d := p.After(time.Second); d != 250*time.Millisecond {
			t.Errorf("the pause after one that was cut is %s, want the shortest", d)
		}
		p.After(time.Second)
		if d := p.After(2 * time.Minute); d != 250*time.Millisecond {
			t.Errorf("the pause after two good minutes is %s, want the shortest", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for len(p.cut) > 0 {
			<-p.cut
		}
		began = time.Now()
		if p.Wait(ctx, time.Hour); time.Since(began) != 0 {
			t.Error("the end did not end a pause")
		}
	})
}
