package pulse

import (
	"context"
	"time"
)

// The first pause of a loop that fails, and the longest.
const (
	shortest = 250 * time.Millisecond
	longest  = 10 * time.Second
)

// Pauses are those of a loop that begins anew whenever it has failed: each twice the one before.
type Pauses struct {
	next time.Duration
	cut  chan struct{}
}

// NewPauses begins with the shortest.
func NewPauses() *Pauses { return &Pauses{next: shortest, cut: make(chan struct{}, 1)} }

// After gives the pause after an attempt that lasted so long. One that lasted a minute was no failure at the door.
func (p *Pauses) After(lasted time.Duration) (pause time.Duration) {
	if lasted > time.Minute {
		p.next = shortest
	}
	pause = p.next
	p.next = min(2*p.next, longest)
	return pause
}

// Wait waits for a pause to end, or to be cut short, or for ctx.
func (p *Pauses) Wait(ctx context.Context, pause time.Duration) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-p.cut:
		p.next = shortest
	}
}

// Cut ends the pause that is, or else the next one: what made the loop fail may be mended.
func (p *Pauses) Cut() {
	select {
	case p.cut <- struct{}{}:
	default: // somebody has said so already
	}
}
