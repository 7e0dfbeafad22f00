package main

import (
	"flag"
	"os"
	"strconv"
	"testing"
	"time"
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
	res, err := run(t.Context(), options{kills: *killsFlag, seed: uint64(*seedFlag), drain: 4 * time.Minute}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(res.Line())
	for _, p := range res.Problems {
		t.Error(p)
	}
	if why := res.Vacuous(); why != "" {
		t.Error("proves too little:", why)
	}
}
