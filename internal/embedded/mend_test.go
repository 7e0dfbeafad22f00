package embedded

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A process killed between a batch and its index entry had its transaction open: nobody may read that batch as committed, in this
// run or in the next.
func TestABatchWithoutIndexEntryIsNotCommitted(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	b, err := Start(ctx, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.TransactionalID("t"+b.TxnSuffix()), kgo.DefaultProduceTopic("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, nil, "x"); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"committed", "open"} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if value == "committed" {
			if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What is on disk now is what SIGKILL would leave; the last index entry is not there yet.
	killed := t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	idx := filepath.Join(killed, "partitions", "x-0", "0.idx")
	st, err := os.Stat(idx)
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() != 3*indexEntry {
		t.Fatalf("the index has %d bytes, want an entry for each of two batches and a marker", st.Size())
	}
	if err := os.Truncate(idx, st.Size()-indexEntry-3); err != nil { // and a torn one
		t.Fatal(err)
	}
	b2, err := Start(ctx, Options{Dir: killed})
	if err != nil {
		t.Fatal(err)
	}
	defer b2.Close()
	reader, err := kgo.NewClient(kgo.SeedBrokers(b2.Addrs()...), kgo.ConsumeTopics("x"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DefaultProduceTopic("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := reader.ProduceSync(ctx, kgo.StringRecord("later")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) == 0 || got[len(got)-1] != "later" {
		fs := reader.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	if len(got) != 2 || got[0] != "committed" {
		t.Errorf("read %q, want what was committed and what came later", got)
	}
}
