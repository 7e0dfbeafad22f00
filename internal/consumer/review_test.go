package consumer

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/notifier/notifier/internal/intent"
)

// The owners of the partitions begin one after the other. Intents in a partition that has not begun would stop it.
func TestNothingIsProducedBeforeEveryPartitionHasBegun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, topic := range []string{b.topics.Intents, b.topics.Ledger} {
		if _, err := b.adm.UpdatePartitions(t.Context(), 2, topic); err != nil {
			t.Fatal(err)
		}
	}
	b.genesisOf(0)
	c := New(b.options())
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if n, err := c.waitGenesis(ctx); err == nil {
		t.Fatalf("%d partitions, but only one of two has begun", n)
	}
	b.genesisOf(1)
	if n, err := c.waitGenesis(t.Context()); n != 2 || err != nil {
		t.Errorf("%d partitions, %v; want 2", n, err)
	}
}

// NO-RESET: where the group stands is not in the log any more. The partition stops and says so; what is still there, before the
// gap or behind it, is not read as if nothing had been.
func TestALostOffsetStopsThePartition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	stop := b.start(b.options())
	b.produce("e0", "e1")
	b.read(b.topics.Intents, 2)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.produce("e2", "e3", "e4")
	if _, err := b.adm.DeleteRecords(t.Context(), kadm.Offsets{"events": {0: kadm.Offset{Topic: "events", Partition: 0, At: 4}}}); err != nil {
		t.Fatal(err)
	}
	opt := b.options()
	b.start(opt)
	b.until("the loss is counted", func() bool { return testutil.ToFloat64(opt.Metrics.lost.WithLabelValues("events")) > 0 })
	for _, r := range b.read(b.topics.Intents, 2) {
		if in, err := intent.Decode(r.Value); err != nil || in.Event.ID > "e1" {
			t.Errorf("%v %v was evaluated behind a gap", in, err)
		}
	}
	if os, err := b.adm.FetchOffsets(t.Context(), "n-evaluate"); err != nil {
		t.Error(err)
	} else if o, _ := os.Lookup("events", 0); o.At != 2 {
		t.Errorf("the group stands at %d, want 2 until a human has looked", o.At)
	}
}
