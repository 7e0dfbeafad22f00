package app

import (
	"context"
	"errors"
	"testing"
)

func TestTheFirstErrorEndsAllTasks(t *testing.T) {
	tasks, ctx := NewTasks(t.Context())
	first := errors.New("first")
	tasks.Go(func() error { return first })
	tasks.Go(func() error {
		<-ctx.Done() // without the first task's error this waits for ever
		return errors.New("second")
	})
	if err := tasks.Wait(); err != first {
		t.Errorf("Wait gives %v, want the first error", err)
	}

	tasks, ctx = NewTasks(context.Background())
	tasks.Go(func() error { return nil })
	if err := tasks.Wait(); err != nil || ctx.Err() == nil {
		t.Errorf("Wait gives %v and the context %v, want nil and an ended context", err, ctx.Err())
	}
}
