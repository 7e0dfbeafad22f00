package embedded

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// passOn moves one record from "in" to "out" in a transaction with the group's offset, as stage 1 does.
func passOn(t *testing.T, s *kgo.GroupTransactSession) {
	t.Helper()
	ctx := t.Context()
	for {
		fs := s.PollRecords(ctx, 1)
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		if fs.NumRecords() == 0 {
			continue
		}
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if err := s.ProduceSync(ctx, &kgo.Record{Topic: "out", Value: r.Value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		})
		if ok, err := s.End(ctx, kgo.TryCommit); err != nil || !ok {
			t.Fatalf("committed %v, %v", ok, err)
		}
		return
	}
}

// groupOffset is what the group would begin with at the next start.
func groupOffset(t *testing.T, dir string) int64 {
	t.Helper()
	b, err := Start(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	os, err := kadm.NewClient(cl).FetchOffsets(context.WithoutCancel(t.Context()), "g")
	if err != nil {
		t.Fatal(err)
	}
	o, ok := os.Lookup("in", 0)
	if !ok {
		return -1
	}
	return o.At
}

// cutEntries cuts groups.log before the entry that commits offset, or in its middle.
func cutEntries(t *testing.T, dir string, offset int64, torn bool) {
	t.Helper()
	path := filepath.Join(dir, "groups.log")
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for whole := 0; ; {
		_, n, ok := unframe(log[whole:])
		if !ok {
			t.Fatalf("no commit of %d in groups.log", offset)
		}
		have, _ := groupOffsets(log[:whole+n])
		if have["g/in/0"] == offset {
			if torn {
				whole += n / 2
			}
			if err := os.Truncate(path, int64(whole)); err != nil {
				t.Fatal(err)
			}
			return
		}
		whole += n
	}
}

// A process killed between the marker of a commit and the group's offsets has committed both. One killed before the marker has
// committed neither.
func TestOffsetsOfACommitAreThereWithItsRecords(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	b, err := Start(ctx, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(b.Addrs()...), kgo.TransactionalID("t"+b.TxnSuffix()), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("in"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := kadm.NewClient(in).CreateTopics(ctx, 1, 1, nil, "in", "out"); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"one", "two"} {
		if err := in.ProduceSync(ctx, &kgo.Record{Topic: "in", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	passOn(t, s)
	passOn(t, s)
	killed := func() string {
		d := t.TempDir()
		if err := os.CopyFS(d, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, torn := range []bool{false, true} {
		d := killed()
		cutEntries(t, d, 2, torn)
		if at := groupOffset(t, d); at != 2 {
			t.Errorf("torn %v: the group goes on at %d, the marker of the second record is written", torn, at)
		}
		if at := groupOffset(t, d); at != 2 {
			t.Errorf("torn %v: the group goes on at %d after one more start", torn, at)
		}
	}
	d := killed()
	cutEntries(t, d, 2, false)
	cutLastBatch(t, d, "out-0")
	if at := groupOffset(t, d); at != 1 {
		t.Errorf("the group goes on at %d, the second transaction has no marker", at)
	}
	d = killed()
	cutEntries(t, d, 2, false)
	staged := filepath.Join(d, stagedFile)
	raw, err := os.ReadFile(staged)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(staged, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if at := groupOffset(t, d); at != 1 {
		t.Errorf("the group goes on at %d by a damaged file", at)
	}
}
