package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/pulse"
)

// standing is a vendor whose check of a user does not return until it is let go.
type standing struct {
	*stubVendor
	at, gate chan struct{}
}

func (s standing) ValidUser(string) error {
	s.at <- struct{}{}
	<-s.gate
	return nil
}

// A turn without end is what /livez must tell; an owner that waits is not stuck.
func TestAnOwnerThatDoesNotTurnIsStuck(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ac := b.account()
	v := standing{b.vendor, make(chan struct{}, 1), make(chan struct{})}
	ac.Vendor = v
	d := New(b.options(ac))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	defer func() { stop(); <-done }()
	later := func() []string { return d.Stuck(time.Now().Add(2 * pulse.Limit)) }
	b.until("the partition is owned and its owner waits", func() bool { return len(d.Status().Owned) == 1 && len(later()) == 0 })
	b.produce(b.intent("e1", "r", "u-1", intent.Push))
	<-v.at
	if got := later(); len(got) != 1 || len(d.Stuck(time.Now())) != 0 {
		t.Errorf("in two minutes %v, now %v", got, d.Stuck(time.Now()))
	}
	close(v.gate)
	b.until("it turns again", func() bool { return len(later()) == 0 })
	b.fates(1)
}

// A process whose ledger cannot be written any more owns nothing: it is not ready until it is a member again.
func TestWhoHasLeftTheGroupIsNotReady(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := New(b.options(b.account()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx)
	}()
	defer func() { cancel(); <-done }()
	b.until("it owns the partition", func() bool { return d.Status().Ready })
	if _, err := kadm.NewClient(b.cl).DeleteTopics(t.Context(), b.topics.Ledger); err != nil {
		t.Fatal(err)
	}
	b.produce(b.intent("e1", "r", "u1", intent.Push))
	b.until("it owns nothing and says so", func() bool { st := d.Status(); return !st.Ready && len(st.Owned) == 0 })
}
