package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRunsOnRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	at := time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	small, large, bad := full(), full(), full()
	small.Kills, large.Kills, bad.Kills = 20, 200, 10
	upgrade := full()
	upgrade.Old = &Release{Commit: "abc"}
	if e := (&Result{Old: &Release{}}).Entry("", 7, at); e.Upgrade != "HEAD" {
		t.Errorf("an upgrade without history is on record as %+v", e)
	}
	users := small.Entry("", 9, at)
	users.Repeats, users.Rewrites = 0, 50
	bad.Lost, bad.Problems = 1, []string{"an intent is lost", "a fate is not the vendor's"}
	frozen := small.Entry("", 8, at)
	frozen.Freezes = 2
	storm := small.Entry("", 7, at)
	storm.Brokers = 5
	for _, r := range []Entry{storm, small.Entry("", 7, at), large.Entry("", 7, at), small.Entry("", 7, at), small.Entry("getui", 7, at), bad.Entry("", 7, at), small.Entry("", 8, at), upgrade.Entry("", 7, at), users, frozen} {
		if err := r.Append(path); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := Entries(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(strings.Split(Table(runs), "\n")[2:], "\n"), "| `go run ./test/kafka/storm --broker-kills 5 --kills 20 --seed 7` | 2026-03-01 | 20 (80) | 3 | 3 | 0 | 0 | 0 | 0 | 12.50 | 1.65 | 300ms, 300ms |\n"+
		"| `go run ./test/chaos --kills 200 --seed 7` | 2026-03-01 | 200 (80) | 3 | 3 | 0 | 0 | 0 | 0 | 1.25 | 0.17 | 300ms, 300ms |\n"+
		"| `go run ./test/chaos --vendor getui --kills 20 --seed 7` | 2026-03-01 | 20 (80) | 3 | 3 | 0 | 0 | 0 | 0 | 12.50 | 1.65 | 300ms, 300ms |\n"+
		"| `go run ./test/chaos --kills 10 --seed 7` | 2026-03-01 | 10 (80) | 3 | 3 | 1 | 0 | 0 | 1 | 25.00 | 3.30 | 300ms, 300ms |\n"+
		"| `go run ./test/chaos --kills 20 --seed 8` | 2026-03-01 | 20 (80) | 3 | 3 | 0 | 0 | 0 | 0 | 12.50 | 1.65 | 300ms, 300ms |\n"+
		"| `go run ./test/chaos --upgrade abc --kills 100 --seed 7` | 2026-03-01 | 100 (80) | 3 | 3 | 0 | 0 | 0 | 0 | 2.50 | 0.33 | 300ms, 300ms |\n"+
		"| `go run ./test/chaos --kills 20 --seed 9` | 2026-03-01 | 20 (80) | 3 | 3 | 0 | 0 | 0 | 0 | 12.50 | 2.50 users | 300ms, 300ms |\n"+
		"| `go run ./test/chaos --freezes 2 --kills 20 --seed 8` | 2026-03-01 | 20 (80) | 3 | 3 | 0 | 0 | 0 | 0 | 12.50 | 1.65 | 300ms, 300ms |\n"+
		"| **all 8** |  | 410 (640) | 24 | 24 | 1 | 0 | 0 | 1 | 4.88 |  |  |\n"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// RELIABILITY.md tells the runs on record.
func TestThePageTellsTheRunsOnRecord(t *testing.T) {
	root, err := Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	runs, err := Entries(filepath.Join(root, RunsFile))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "RELIABILITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := WithTable(string(page), runs)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != want {
		t.Error("RELIABILITY.md does not tell the runs on record: go run ./test/chaos/figures")
	}
}
