// Command storm kills brokers of a cluster of three and the two daemons on it, and shakes the network between them, again and again. Then it
// audits what the vendor got. It exits with 1 unless nothing was lost, doubled or sent beyond the vendor's quota.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/notifier/notifier/test/chaos/harness"
	"github.com/notifier/notifier/test/kafka/broker"
	"github.com/notifier/notifier/test/kafka/kills"
)

func main() {
	var o kills.Options
	var keep string
	var record bool
	flag.IntVar(&o.Kills, "kills", 100, "how often a daemon is killed")
	flag.IntVar(&o.BrokerKills, "broker-kills", 20, "how often a broker is killed")
	flag.Uint64Var(&o.Seed, "seed", 1, "of the input, the faults and the moments")
	flag.StringVar(&o.Program, "notifier", "", "a notifier that is built already (default: built from this tree)")
	flag.StringVar(&keep, "keep", "", "keep settings, logs, data and journals of all rounds in this folder, which must be new")
	flag.DurationVar(&o.Drain, "drain", 4*time.Minute, "how long a round may come no nearer to rest")
	flag.BoolVar(&record, "record", false, "add the run to "+harness.RunsFile+"; then go run ./test/chaos/figures")
	flag.Parse()
	if o.Kills < 1 || o.BrokerKills < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	o.Say, o.Keep = os.Stdout, keep != ""
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	res, err := run(ctx, o, keep, record)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		os.Exit(2)
	}
	for i, p := range res.Problems {
		if i == 60 {
			fmt.Println("problem: and", len(res.Problems)-i, "more")
			break
		}
		fmt.Println("problem:", p)
	}
	vacuous := res.Vacuous()
	if vacuous != "" {
		fmt.Println("proves too little:", vacuous)
	}
	fmt.Println(res.Line())
	if len(res.Problems) > 0 || vacuous != "" {
		os.Exit(1)
	}
}

// run prepares a folder, Kafka's jars and a program, and does the kills. The folder of a run with problems stays.
func run(ctx context.Context, o kills.Options, keep string, record bool) (res *kills.Result, err error) {
	if err := broker.Tools(); err != nil {
		return nil, err
	}
	if o.Root, err = harness.Root(ctx); err != nil {
		return nil, err
	}
	if o.Dir, err = folder(keep); err != nil {
		return nil, err
	}
	if o.Lib, err = broker.Fetch(ctx, filepath.Join(o.Root, "test", "kafka", ".cache")); err != nil {
		return nil, err
	}
	if o.Program == "" {
		o.Program = filepath.Join(o.Dir, "notifier")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.Program, "./cmd/notifier")
		build.Dir = o.Root
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build notifier: %w\n%s", err, out)
		}
	} else if o.Program, err = filepath.Abs(o.Program); err != nil {
		return nil, err
	}
	if res, err = kills.Run(ctx, o); err != nil {
		return nil, errors.Join(err, fmt.Errorf("everything is in %s", o.Dir))
	}
	fmt.Fprint(o.Say, res.Cells())
	if record {
		e := res.Entry("", o.Seed, time.Now())
		e.Brokers = res.BrokerKills
		if err := e.Append(filepath.Join(o.Root, harness.RunsFile)); err != nil {
			return nil, err
		}
	}
	if o.Keep || len(res.Problems) > 0 {
		fmt.Fprintf(o.Say, "settings, logs, data and journals are in %s\n", o.Dir)
		return res, nil
	}
	return res, os.RemoveAll(o.Dir)
}

func folder(keep string) (string, error) {
	if keep == "" {
		return os.MkdirTemp("", "storm-")
	}
	if err := os.Mkdir(keep, 0o755); err != nil {
		return "", err
	}
	return filepath.Abs(keep)
}
