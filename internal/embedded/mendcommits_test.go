package embedded

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cutLastBatch takes the last batch and its index entry from a partition's first segment.
func cutLastBatch(t *testing.T, dir, partition string) {
	t.Helper()
	dat := filepath.Join(dir, "partitions", partition, "0.dat")
	data, err := os.ReadFile(dat)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for at := 0; at+batchHeader <= len(data); at += 12 + int(binary.BigEndian.Uint32(data[at+8:])) {
		last = at
	}
	if err := os.Truncate(dat, int64(last)); err != nil {
		t.Fatal(err)
	}
	idx := filepath.Join(dir, "partitions", partition, "0.idx")
	st, err := os.Stat(idx)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(idx, st.Size()-indexEntry); err != nil {
		t.Fatal(err)
	}
}

// A process killed between the markers of a commit has committed: all of the transaction is there at the next start. One that
// has no marker at all is aborted, also when it shares a partition with the first.
func TestACommitOfSomePartitionsIsACommitOfAll(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	b, err := Start(ctx, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.TransactionalID("t"+b.TxnSuffix()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopics(ctx, 1, 1, nil, "x", "y", "z"); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"first", "torn"} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, topic := range []string{"x", "y"} {
			if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "z", Value: []byte("open")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	killed := t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	cutLastBatch(t, killed, "y-0") // the marker of "torn" in y was not written yet
	b2, err := Start(ctx, Options{Dir: killed})
	if err != nil {
		t.Fatal(err)
	}
	defer b2.Close()
	for topic, want := range map[string][]string{"x": {"first", "torn", "later"}, "y": {"first", "torn", "later"}, "z": {"later"}} {
		if got := committedUntilLater(t, b2, topic); !slices.Equal(got, want) {
			t.Errorf("%s: read %q, want %q", topic, got, want)
		}
	}
}

// committedUntilLater produces "later" and reads what is committed up to it.
func committedUntilLater(t *testing.T, b *Broker, topic string) (got []string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("later")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for len(got) == 0 || got[len(got)-1] != "later" {
		fs := cl.PollFetches(t.Context())
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	return got
}
