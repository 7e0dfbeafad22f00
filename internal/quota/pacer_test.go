package quota

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const pacerWindow = 1200 * time.Millisecond

var epoch = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

func TestANewPacerIsFull(t *testing.T) {
	p := NewPacer(100, pacerWindow, epoch)
	if at, err := p.At(epoch, 1); err != nil || at.Sub(epoch) != pacerWindow {
		t.Errorf("first call at +%s, %v; want +1.2s", at.Sub(epoch), err)
	}
	if _, ok := p.Start(epoch.Add(pacerWindow-1), epoch.Add(7*time.Second), 1); ok {
		t.Error("a call started inside the first window")
	}
	if _, ok := p.Start(epoch.Add(pacerWindow), epoch.Add(7*time.Second), 1); !ok {
		t.Error("no call could start after the first window")
	}
}

func TestACallIsChargedUntilAWindowAfterItsOutcome(t *testing.T) {
	p := NewPacer(10, pacerWindow, epoch)
	now := epoch.Add(time.Minute)
	notAfter := now.Add(6 * time.Second)
	id, ok := p.Start(now, notAfter, 10)
	if !ok {
		t.Fatal("the lane is free")
	}
	if at, _ := p.At(now, 1); !at.Equal(notAfter.Add(pacerWindow)) {
		t.Errorf("while it is open: next at +%s, want +7.2s", at.Sub(now))
	}
	done := now.Add(300 * time.Millisecond)
	p.Done(id, done)
	p.Done(id, done.Add(time.Millisecond)) // a second report changes nothing
	if at, _ := p.At(done, 1); !at.Equal(done.Add(pacerWindow)) {
		t.Errorf("after its outcome: next at +%s, want +1.5s", at.Sub(now))
	}
	if used, n := p.Used(done.Add(pacerWindow)); used != 0 || n != 10 {
		t.Errorf("used %d of %d after the window", used, n)
	}
}

func TestACallWithoutOutcomeEndsAtItsNotAfter(t *testing.T) {
	p := NewPacer(10, pacerWindow, epoch)
	now := epoch.Add(time.Minute)
	id, _ := p.Start(now, now.Add(6*time.Second), 10)
	end := now.Add(6*time.Second + pacerWindow)
	if _, ok := p.Start(end.Add(-1), end.Add(6*time.Second), 1); ok {
		t.Error("a call started while the unknown one may still count")
	}
	p.Done(id, end) // too late to matter
	if _, ok := p.Start(end, end.Add(6*time.Second), 1); !ok {
		t.Error("no call could start after it")
	}
}

func TestHoldKeepsRoomForCallsOfAPredecessor(t *testing.T) {
	p := NewPacer(10, pacerWindow, epoch)
	p.Hold(epoch.Add(6*time.Second), 10)
	if at, _ := p.At(epoch, 1); at.Sub(epoch) != 6*time.Second+pacerWindow {
		t.Errorf("next at +%s, want +7.2s", at.Sub(epoch))
	}
}

func TestAnEarlierEndIsNotHiddenBehindALaterOne(t *testing.T) {
	p := NewPacer(10, pacerWindow, epoch)
	now := epoch.Add(time.Minute)
	id, _ := p.Start(now, now.Add(6*time.Second), 5)
	p.Hold(now.Add(20*time.Second), 5)
	p.Done(id, now)
	if at, _ := p.At(now, 5); !at.Equal(now.Add(pacerWindow)) {
		t.Errorf("next at +%s, want +1.2s", at.Sub(now))
	}
	if used, _ := p.Used(now.Add(pacerWindow)); used != 5 {
		t.Errorf("used %d, want the 5 on hold", used)
	}
}

func TestAPacerRefusesWhatNeverFits(t *testing.T) {
	p := NewPacer(100, pacerWindow, epoch)
	if _, err := p.At(epoch, 101); !errors.Is(err, ErrNever) {
		t.Errorf("got %v", err)
	}
	if _, ok := p.Start(epoch.Add(time.Hour), epoch.Add(2*time.Hour), 101); ok {
		t.Error("it started")
	}
}

func TestCallsAreSpreadOverTheWindow(t *testing.T) {
	p := NewPacer(100, pacerWindow, epoch)
	now := epoch.Add(time.Minute)
	started := 0
	for {
		if _, ok := p.Start(now, now.Add(6*time.Second), 1); !ok {
			break
		}
		started++
	}
	if started != 10 {
		t.Errorf("%d calls at one instant, want a tenth of the limit", started)
	}
	if at, _ := p.At(now, 1); at.Sub(now) > 13*time.Millisecond || at.Sub(now) < 11*time.Millisecond {
		t.Errorf("the next is %s later, want 12ms", at.Sub(now))
	}
}

// Calls arrive anywhere between start and outcome (or notAfter when the outcome is lost): no second at the
// vendor holds more than the limit. And At is exact: Start succeeds there, not before.
func TestNoSecondAtTheVendorIsOverrun(t *testing.T) {
	type arrival struct {
		at     time.Time
		weight int
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(rt, "n")
		p := NewPacer(n, pacerWindow, epoch)
		// The predecessor filled its last second until the instant of the take-over.
		arrivals := []arrival{{epoch, n}}
		type flight struct {
			id              ID
			start, notAfter time.Time
			weight          int
		}
		var open []flight
		now := epoch
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(rt, "ms")) * time.Millisecond)
			if len(open) > 0 && rapid.Bool().Draw(rt, "finish") {
				i := rapid.IntRange(0, len(open)-1).Draw(rt, "which")
				f := open[i]
				open = append(open[:i], open[i+1:]...)
				end := now
				if end.After(f.notAfter) {
					end = f.notAfter
				}
				if !rapid.Bool().Draw(rt, "lost") {
					p.Done(f.id, now)
				} else {
					end = f.notAfter
				}
				at := f.start.Add(time.Duration(rapid.Int64Range(0, int64(end.Sub(f.start))).Draw(rt, "arrival")))
				arrivals = append(arrivals, arrival{at, f.weight})
				continue
			}
			weight := rapid.IntRange(1, n).Draw(rt, "weight")
			at, err := p.At(now, weight)
			if err != nil {
				rt.Fatal(err)
			}
			if at.After(now) {
				if rapid.Bool().Draw(rt, "do not wait") {
					continue
				}
				if early := at.Add(-time.Microsecond); early.After(now) {
					if _, ok := p.Start(early, early.Add(time.Second), weight); ok {
						rt.Fatalf("At said %s, Start allowed it earlier", at)
					}
				}
				now = at
			}
			notAfter := now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(rt, "timeout")) * time.Millisecond)
			id, ok := p.Start(now, notAfter, weight)
			if !ok {
				rt.Fatalf("At said %s, Start refused there", at)
			}
			open = append(open, flight{id, now, notAfter, weight})
		}
		for _, f := range open {
			arrivals = append(arrivals, arrival{f.notAfter, f.weight})
		}
		for _, a := range arrivals {
			used := 0
			for _, b := range arrivals {
				if b.at.After(a.at.Add(-time.Second)) && !b.at.After(a.at) {
					used += b.weight
				}
			}
			if used > n {
				rt.Fatalf("%d of %d in the second before %s", used, n, a.at)
			}
		}
	})
}
