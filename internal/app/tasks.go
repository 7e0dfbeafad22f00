package app

import (
	"context"
	"sync"
)

// Tasks are goroutines that end together: the first error ends the context of all.
type Tasks struct {
	wg   sync.WaitGroup
	once sync.Once
	err  error
	end  context.CancelFunc
}

// NewTasks gives the context that the tasks share; it ends with ctx, at the first error, and when Wait returns.
func NewTasks(ctx context.Context) (*Tasks, context.Context) {
	ctx, end := context.WithCancel(ctx)
	return &Tasks{end: end}, ctx
}

// Go starts f.
func (t *Tasks) Go(f func() error) {
	t.wg.Go(func() {
		if err := f(); err != nil {
			t.once.Do(func() {
				t.err = err
				t.end()
			})
		}
	})
}

// Wait returns the first error when all have ended.
func (t *Tasks) Wait() error {
	t.wg.Wait()
	t.end()
	return t.err
}
