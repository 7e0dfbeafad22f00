package consumer

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The lag of a topic is what the group has not committed of the partition that has most; the age is how old what was last read of it is, and
// 0 where nothing waits.
func TestTheLagOfATopicIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := New(b.options())
	m := c.opt.Metrics
	b.produce("e1", "e2", "e3", "e4", "e5")
	commit := func(at int64) {
		t.Helper()
		var os kadm.Offsets
		os.AddOffset("events", 0, at, -1)
		if err := b.adm.CommitAllOffsets(t.Context(), c.group(), os); err != nil {
			t.Fatal(err)
		}
		if err := c.tellLag(t.Context(), b.cl); err != nil {
			t.Fatal(err)
		}
	}
	c.read.note(&kgo.Record{Topic: "events", Timestamp: time.Now().Add(-time.Hour)})
	commit(2)
	if lag, age := testutil.ToFloat64(m.lag.WithLabelValues("events")), testutil.ToFloat64(m.age.WithLabelValues("events")); lag != 3 || age < 3600 {
		t.Errorf("2 of 5 are committed, the last was an hour old: lag %g, age %g s", lag, age)
	}
	commit(5)
	if lag, age := testutil.ToFloat64(m.lag.WithLabelValues("events")), testutil.ToFloat64(m.age.WithLabelValues("events")); lag != 0 || age != 0 {
		t.Errorf("all is committed: lag %g, age %g s", lag, age)
	}
}

// notifier_evaluate_down, by which NotifierEvaluateDown rings, is 1 from the first failure to the next answer.
func TestAStageOneThatCannotWorkIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := New(b.options())
	down := c.opt.Metrics.down
	for i, want := range []bool{true, false} {
		if first := c.failed(errors.New("no broker"), time.Now()); first != want {
			t.Errorf("failure %d is new: %t", i, first)
		}
		if n := testutil.ToFloat64(down); n != 1 || c.Down() == "" {
			t.Errorf("after failure %d: %g, %q", i, n, c.Down())
		}
	}
	c.answers()
	if n := testutil.ToFloat64(down); n != 0 || c.Down() != "" {
		t.Errorf("after an answer: %g, %q", n, c.Down())
	}
}
