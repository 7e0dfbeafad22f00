// Command chaos kills the daemon with its embedded broker, again and again, and audits what the vendor got. It exits with 1 unless
// nothing was lost, doubled or sent beyond the vendor's quota.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/notifier/notifier/test/chaos/audit"
	"github.com/notifier/notifier/test/chaos/harness"
)

// options are the flags of the program; the test sets its own.
type options struct {
	kills   int
	seed    uint64
	vendor  string
	program string
	keep    string
	drain   time.Duration
	record  bool
	upgrade string // from which revision; "": no upgrade
}

func main() {
	var o options
	flag.IntVar(&o.kills, "kills", 100, "how often the daemon is killed")
	flag.Uint64Var(&o.seed, "seed", 1, "of the input, the faults and the moments")
	flag.StringVar(&o.vendor, "vendor", "rongcloud", "where the accounts are: rongcloud or getui")
	flag.StringVar(&o.program, "notifier", "", "a notifier built with -tags failpoints (default: built from this tree)")
	flag.StringVar(&o.keep, "keep", "", "keep settings, logs, data and journals of all rounds in this folder, which must be new")
	flag.DurationVar(&o.drain, "drain", 6*time.Minute, "how long what is left of a round may say nothing new")
	flag.BoolVar(&o.record, "record", false, "add the run to "+harness.RunsFile+"; then go run ./test/chaos/figures")
	flag.Var((*revision)(&o.upgrade), "upgrade", "two daemons, upgraded from a `revision` and rolled back in turn (default "+harness.Previous+")")
	parse(os.Args[1:], &o.upgrade)
	if o.kills < 1 || flag.NArg() > 0 || o.vendor != "rongcloud" && o.vendor != audit.Getui {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	res, err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
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

// revision is a flag that may stand alone: --upgrade, --upgrade REV, --upgrade=REV.
type revision string

func (r *revision) String() string   { return string(*r) }
func (r *revision) IsBoolFlag() bool { return true }
func (r *revision) Set(s string) error {
	if *r = revision(s); s == "true" {
		*r = harness.Previous
	}
	return nil
}

// parse reads the flags. What stands behind a bare --upgrade is its revision.
func parse(args []string, upgrade *string) {
	_ = flag.CommandLine.Parse(args) // it ends the process by itself
	if rest := flag.Args(); *upgrade == harness.Previous && len(rest) > 0 {
		*upgrade = rest[0]
		_ = flag.CommandLine.Parse(rest[1:])
	}
}

// run prepares a folder and a program, and does the kills. The folder of a run with problems stays.
func run(ctx context.Context, o options, say io.Writer) (res *harness.Result, err error) {
	h := harness.Options{Kills: o.kills, Seed: o.seed, Vendor: o.vendor, Program: o.program, Keep: o.keep != "", Drain: o.drain, Say: say}
	if h.Root, err = harness.Root(ctx); err != nil {
		return nil, err
	}
	if h.Dir, err = folder(o.keep); err != nil {
		return nil, err
	}
	if h.Program == "" {
		if h.Program, err = harness.Build(ctx, h.Root, h.Dir); err != nil {
			return nil, err
		}
	} else if h.Program, err = filepath.Abs(h.Program); err != nil {
		return nil, err
	}
	if o.upgrade != "" {
		if h.Old, err = harness.BuildOld(ctx, h.Root, h.Dir, o.upgrade, h.Program); err != nil {
			return nil, err
		}
		fmt.Fprintf(say, "upgrade from %s and back\n%s", h.Old, h.Old.Warning())
	}
	if res, err = harness.Run(ctx, h); err != nil {
		return nil, errors.Join(err, fmt.Errorf("everything is in %s", h.Dir))
	}
	rows, never, err := res.Rows(h.Root)
	if err != nil {
		return nil, err
	}
	res.Never = never
	fmt.Fprint(say, res.Cells(), rows)
	if h.Old != nil {
		fmt.Fprint(say, h.Old.Warning())
	}
	if o.record {
		if err := res.Entry(strings.TrimPrefix(o.vendor, "rongcloud"), o.seed, time.Now()).Append(filepath.Join(h.Root, harness.RunsFile)); err != nil {
			return nil, err
		}
	}
	if h.Keep || len(res.Problems) > 0 {
		fmt.Fprintf(say, "settings, logs, data and journals are in %s\n", h.Dir)
		return res, nil
	}
	return res, os.RemoveAll(h.Dir)
}

func folder(keep string) (string, error) {
	if keep == "" {
		return os.MkdirTemp("", "chaos-")
	}
	if err := os.Mkdir(keep, 0o755); err != nil {
		return "", err
	}
	return filepath.Abs(keep)
}
