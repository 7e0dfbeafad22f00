package consumer

import (
	"context"
	"testing"
	"time"
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
