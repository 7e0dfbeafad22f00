package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/kafka/broker"
)

// The harness itself: a cluster of three goes on after one node is killed, and takes it back.
func TestClusterSurvivesTheKillOfANode(t *testing.T) {
	realKafka(t)
	ctx := t.Context()
	c, err := broker.Start(ctx, shared.lib, t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	makeTopic(t, client, "survives", 6, 3, nil)
	produce := func(value string) {
		t.Helper()
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "survives", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatalf("produce %s: %v", value, err)
		}
	}
	produce("before")
	c.Kill(1)
	for range 6 {
		produce("while node 2 is down")
	}
	if err := c.Restart(ctx, 1); err != nil {
		t.Fatal(err)
	}
	produce("after")
}
