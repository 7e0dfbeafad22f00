package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/chaos/rig"
)

// buildNext makes the program of a next release: this one, but its ledger records have the next version.
func buildNext(t *testing.T, root, dir string) string {
	t.Helper()
	path := filepath.Join(root, "internal", "ledger", "records.go")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	next := bytes.Replace(src, []byte("\nconst Version = 1\n"), []byte("\nconst Version = 2\n"), 1)
	if bytes.Equal(src, next) {
		t.Fatalf("%s does not say const Version = 1", path)
	}
	replaced, overlay := filepath.Join(dir, "records.go"), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{path: replaced}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{replaced: next, overlay: text} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program, err := Build(t.Context(), root, dir, "-overlay", overlay)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// A daemon that is given a partition into which a next release has written takes none at all, says so, and goes on with stage 1. Nothing is
// sent until the next release is back, which sends everything once.
func TestADaemonThatIsTooOldTakesNoLane(t *testing.T) {
	if testing.Short() {
		t.Log("-short: no processes")
		return
	}
	root, err := Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{"this": "", "next": "", "run": ""}
	for name := range dirs {
		dirs[name] = filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dirs[name], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	this, err := Build(t.Context(), root, dirs["this"])
	if err != nil {
		t.Fatal(err)
	}
	next := buildNext(t, root, dirs["next"])
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	r, err := newRound(ctx, Options{Vendor: "rongcloud", Root: root, Program: next, Old: &Release{Program: this}, Drain: Drain}, dirs["run"], 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.sandbox.Disarm(ctx); err != nil { // an arrival that is late would be taken for a call of somebody who must not make one
		t.Fatal(err)
	}
	old, upgraded := r.daemons[0], r.daemons[1]
	upgraded.Program = next
	if err := r.fed(ctx, func() error { r.rollBack(ctx, t, old, upgraded); return nil }); err != nil {
		t.Fatal(err)
	}
	report, err := r.judge(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(r.problems, report.Problems...) {
		t.Error(p)
	}
	if report.Callers["old"] == 0 || report.Callers["new"] != 2 {
		t.Errorf("lives in which a call was made: %v", report.Callers)
	}
}

// rollBack lets both releases work, takes the newer one away, looks at the older one, and brings the newer one back.
func (r *round) rollBack(ctx context.Context, t *testing.T, old, upgraded *rig.Daemon) {
	t.Helper()
	if err := r.startAll(ctx); err != nil {
		t.Fatal(err)
	}
	for _, r.daemon = range r.daemons {
		until(ctx, t, r.daemon.Name+" makes calls", func() (bool, string) { return r.daemon.Load(ctx).Begun > 0, "none yet" })
	}
	r.terminate()
	const words = "a newer release has written the ledger, this process takes no partition"
	until(ctx, t, words, func() (bool, string) {
		ok, says := old.Ready(ctx)
		return !ok && strings.Contains(says, words), says
	})
	if log := old.Tail(); !strings.Contains(log, "a newer release has written the ledger: this process takes no partition; upgrade it") || !strings.Contains(log, "of version 2, this binary reads up to 1") {
		t.Errorf("the log does not say it:\n%s", log)
	}
	metrics, err := old.Metrics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	newer := 0
	for line := range strings.Lines(metrics) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "notifier_partition_owned{") && !strings.HasSuffix(line, " 0"):
			t.Errorf("it owns a partition: %s", line)
		case strings.HasPrefix(line, "notifier_partition_parked{") && strings.Contains(line, `reason="newer"`) && strings.HasSuffix(line, " 1"):
			newer++
		}
	}
	if newer == 0 {
		t.Error("no notifier_partition_parked{reason=newer} is 1")
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.broker.Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	until(ctx, t, "nobody in the group of stage 2", func() (bool, string) {
		groups, err := adm.DescribeGroups(ctx, rig.Prefix+"-dispatch")
		if err != nil {
			t.Fatal(err)
		}
		return len(groups[rig.Prefix+"-dispatch"].Members) == 0, "there are members"
	})
	before, intents := calls(t, r.sandbox.Journal), ends(ctx, t, adm)
	until(ctx, t, "stage 1 goes on", func() (bool, string) { return ends(ctx, t, adm) > intents+100, "no intents" })
	if after := calls(t, r.sandbox.Journal); after != before {
		t.Errorf("%d calls while nobody owned a partition", after-before)
	}
	r.daemon = upgraded
	if err := r.start(""); err != nil {
		t.Fatal(err)
	}
	if err := r.awaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "calls by the newer release", func() (bool, string) { return upgraded.Load(ctx).Begun > 0, "none yet" })
}

// until asks again until it is so. The deadline is the context's.
func until(ctx context.Context, t *testing.T, what string, ask func() (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		ok, says := ask()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within a minute: %s; it is: %s", what, says)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// calls counts the arrivals at the vendor.
func calls(t *testing.T, journal string) int {
	t.Helper()
	b, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// ends sums up the ends of the intents.
func ends(ctx context.Context, t *testing.T, adm *kadm.Client) (n int64) {
	t.Helper()
	list, err := adm.ListEndOffsets(ctx, rig.Prefix+".intents")
	if err == nil {
		err = list.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	list.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}
