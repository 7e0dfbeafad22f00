package ledger

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A transaction may end when the client has stored the partitions of what it wrote to, not before.
func TestTopicsAreAwaitedBeforeATransactionEnds(t *testing.T) {
	kc, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(kc.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, "written"); err != nil {
		t.Fatal(err)
	}
	r := &kgo.Record{Topic: "written", Value: []byte("x")}
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := AwaitTopics(t.Context(), cl, []*kgo.Record{r, r}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("given up")
	cancel(gone)
	if err := AwaitTopics(ctx, cl, []*kgo.Record{r, {Topic: "not stored yet"}}); !errors.Is(err, gone) {
		t.Errorf("of a topic that the client does not know: %v", err)
	}
}
