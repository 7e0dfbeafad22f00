package embedded

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A transaction that is open when the broker is closed is nobody's at the next start: it must not hide what is committed then.
func TestATransactionThatWasOpenAtTheEndHidesNothing(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	write := func(b *Broker, values ...string) {
		t.Helper()
		cl := client(t, b, kgo.TransactionalID("t"+b.TxnSuffix()), kgo.DefaultProduceTopic("x"))
		for i, value := range values {
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := cl.ProduceSync(ctx, &kgo.Record{Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if i == len(values)-1 && value == "open" {
				return
			}
			if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := start(t, dir)
	topic(t, client(t, b), "x", nil)
	write(b, "before", "open")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if open, err := mend(dir); err != nil || !open {
		t.Errorf("mend says that nothing is open: %v", err)
	}
	b = start(t, dir)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if open, err := mend(dir); err != nil || open {
		t.Errorf("mend says that something is open: %v", err)
	}
	b = start(t, dir)
	write(b, "after")
	if got := values(t, b, "x", 2, kgo.FetchIsolationLevel(kgo.ReadCommitted())); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("committed: %v", got)
	}
}
