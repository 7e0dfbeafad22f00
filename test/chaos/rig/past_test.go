package rig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The past is what was committed, in order, and what lies behind the last whole batch is not of it.
func TestThePastIsWhatWasCommitted(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	data := filepath.Join(dir, "data")
	b, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(data))
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.TransactionalID("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	const topic = "a.ledger"
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 2, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	write := func(end bool, commit kgo.TransactionEndTry, keys ...string) {
		t.Helper()
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for i, k := range keys {
			if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: int32(i % 2), Key: []byte(k), Value: []byte("v")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if !end {
			return
		}
		if err := cl.EndTransaction(ctx, commit); err != nil {
			t.Fatal(err)
		}
	}
	write(true, kgo.TryCommit, "one", "two", "three")
	write(true, kgo.TryAbort, "never", "either")
	write(true, kgo.TryCommit, "four")
	write(false, kgo.TryCommit, "open", "too")
	killed := filepath.Join(dir, "killed") // as a process leaves it that is killed now
	if err := os.CopyFS(killed, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	torn, err := filepath.Glob(filepath.Join(killed, "partitions", topic+"-0", "*.dat"))
	if err != nil || len(torn) != 1 {
		t.Fatal(torn, err)
	}
	f, err := os.OpenFile(torn[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(append(make([]byte, 8), 0, 0, 1, 0, 7)); err != nil { // the beginning of a batch of 256 bytes
		t.Fatal(err)
	}
	f.Close()
	past, err := (&Daemon{data: killed}).Past(topic)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int32][]string{}
	for _, r := range past {
		got[r.Partition] = append(got[r.Partition], r.Key)
	}
	if zero, one := strings.Join(got[0], " "), strings.Join(got[1], " "); zero != "one three four" || one != "two" {
		t.Errorf("partition 0 %q, partition 1 %q", zero, one)
	}
}
