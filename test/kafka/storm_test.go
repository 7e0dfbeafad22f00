package kafka

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/notifier/notifier/test/kafka/kills"
)

// Three brokers and two daemons: all brokers are restarted in turn, a few of both are killed, and the network between them is slow,
// silent and torn, while events flow. Nothing is lost, nothing doubled, no limit overrun. `go run ./storm` is the long form.
func TestBrokersDaemonsAndTheNetworkFail(t *testing.T) {
	realKafka(t)
	t.Parallel() // most of its time it waits: for copies to catch up, and a minute in the end for what may arrive late
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	res, err := kills.Run(t.Context(), kills.Options{Kills: *killsFlag, BrokerKills: *brokerKillsFlag, Seed: *seedFlag, Root: root, Program: shared.notifier, Lib: shared.lib,
		Dir: workDir(t), Keep: *keepFlag != "", Drain: 4 * time.Minute, Say: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(res.Cells())
	t.Log(res.Line())
	for _, p := range res.Problems {
		t.Error(p)
	}
	if why := res.Vacuous(); why != "" {
		t.Error("proves too little:", why)
	}
}
