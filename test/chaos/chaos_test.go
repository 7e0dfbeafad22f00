package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/notifier/notifier/test/chaos/harness"
)

var (
	killsFlag = flag.Int("kills", number("CHAOS_KILLS", 100), "how often the daemon is killed")
	seedFlag  = flag.Int("seed", number("CHAOS_SEED", 1), "seed of the input, the faults and the moments")
)

// number is a default that the environment may change.
func number(name string, or int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return or
}

// 100 SIGKILLs on the embedded set-up, at moments worth it, at each failpoint and at any time, with processes frozen and drained
// between them: nothing lost, nothing doubled, no overrun. A run in which too little was hit fails.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Log("-short: only the audit is tested")
		return
	}
	res, err := run(t.Context(), options{vendor: "rongcloud", kills: *killsFlag, seed: uint64(*seedFlag), drain: harness.Drain}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	judge(t, res)
}

// A rolling upgrade from the previous commit's program to this one's, a roll-back and an upgrade again, with two daemons, killed in between.
// Where there is no previous commit the log says from what: see harness.BuildOld.
func TestRollingUpgrade(t *testing.T) {
	if testing.Short() {
		t.Log("-short: only the audit is tested")
		return
	}
	res, err := run(t.Context(), options{vendor: "rongcloud", kills: 20, seed: uint64(*seedFlag), drain: harness.Drain, upgrade: harness.Previous}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if w := res.Old.Warning(); w != "" {
		fmt.Fprint(os.Stderr, w)
	}
	judge(t, res)
}

func judge(t *testing.T, res *harness.Result) {
	t.Helper()
	t.Log(res.Line())
	for _, p := range res.Problems {
		t.Error(p)
	}
	if why := res.Vacuous(); why != "" {
		t.Error("proves too little:", why)
	}
}
