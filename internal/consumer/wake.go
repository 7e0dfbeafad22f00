package consumer

import (
	"context"
	"sync"
)

// waker ends the poll that waits for events when something else is to be done between two polls: where nothing is produced it would wait for
// ever.
type waker struct {
	mu   sync.Mutex // guards below
	wake context.CancelFunc
	due  bool // something came since the turn began
}

// poke lets the loop begin its next turn at once.
func (w *waker) poke() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.due = true; w.wake != nil {
		w.wake()
	}
}

// turn begins one: what was poked for before is looked at in it.
func (w *waker) turn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = false
}

// polling gives the context of a poll.
func (w *waker) polling(ctx context.Context) (context.Context, context.CancelFunc) {
	pc, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wake = cancel; w.due {
		cancel()
	}
	return pc, cancel
}
