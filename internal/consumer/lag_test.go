package consumer

import (
	"errors"
	"strings"
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

// Transactions of which none is committed any more are no rebalance: stage 1 does not work, though Kafka answers.
func TestAbortsWithoutEndAreTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := New(b.options())
	down := c.opt.Metrics.down
	now := time.Now()
	cause := errors.New("MESSAGE_TOO_LARGE")
	hold := func(when string, want float64, says string) {
		t.Helper()
		if n, got := testutil.ToFloat64(down), c.Down(); n != want || !strings.Contains(got, says) || (got == "") != (says == "") {
			t.Errorf("%s: %g, %q", when, n, got)
		}
	}
	for i, x := range []struct {
		at  time.Duration // before now
		say bool
	}{{tellAgain + 5*time.Second, true}, {tellAgain + 4*time.Second, false}, {5 * time.Second, true}, {0, false}} {
		if say := c.aborted(cause, now.Add(-x.at)); say != x.say {
			t.Errorf("abort %d is said: %t", i, say)
		}
	}
	c.answers() // Kafka does
	hold("after a minute of aborts", 1, "MESSAGE_TOO_LARGE")
	c.committed()
	hold("after a commit", 0, "")
	c.aborted(nil, now.Add(-abortsFor/2))
	hold("in a rebalance", 0, "")
	c.failed(errors.New("no broker"), now)
	c.committed()
	hold("without Kafka", 1, "no broker")
}
