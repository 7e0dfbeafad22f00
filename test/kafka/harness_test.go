package kafka

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/kafka/fleet"
)

// readAll sees what is committed, nothing of an aborted transaction, and finds the end behind the markers of both.
func TestReadAllEndsBehindTransactions(t *testing.T) {
	ctx := t.Context()
	client := newClient(t, kgo.TransactionalID("harness-read-all"))
	makeTopic(t, client, "harness.read", 2, int16(shared.cluster.Nodes()), nil)
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		value := []string{"a", "aborted", "b", "aborted too"}[i]
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "harness.read", Key: []byte("k"), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	topics, err := readAll(ctx, realKafka(t), "harness.read", "harness.absent")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range topics["harness.read"] {
		got = append(got, string(r.Value))
	}
	if want := []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

// The handles on the sandbox do what the real test relies on.
func TestSandboxObeys(t *testing.T) {
	realKafka(t)
	ctx := t.Context()
	app := fleet.App{Key: "harness", Secret: "secret-of-harness"}
	s := sandbox(t, t.TempDir(), app)
	if err := s.SetTags(ctx, app, "u1", []string{"b", "a"}); err != nil {
		t.Fatal(err)
	}
	tags, err := s.Tags(ctx, app)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(slices.Values(tags["u1"])); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("tags of u1: %v, want a and b", got)
	}
	for _, kind := range []string{"http_5xx", "late", "timeout_after", "reset_after"} {
		if err := s.Arm(ctx, fleet.Fault{Path: "/user/tag/set.json", Kind: kind, Times: -1, Probability: 1, DelayMS: 1}); err != nil {
			t.Errorf("arm %s: %v", kind, err)
		}
	}
	if err := s.SetTags(ctx, app, "u1", []string{}); err == nil {
		t.Error("an armed http_5xx did not disturb")
	}
	if err := s.Disarm(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.SetTags(ctx, app, "u2", []string{}); err != nil {
		t.Errorf("disturbed after disarming: %v", err)
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	journal, err := os.ReadFile(s.Journal)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(journal), "\n"); stats.Calls != 3 || lines != 3 {
		t.Errorf("%d calls in the stats, %d in the journal, want 3", stats.Calls, lines)
	}
}
