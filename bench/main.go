// Command bench prints ratios that were measured in one run, each bench checking its own answer against the plain path in the
// same run: a bench whose check fails prints no figure.
//
//	go run ./bench                        # all, 5 rounds; writes README.md's table and results.json
//	go run ./bench -only calls            # one
//	go run ./bench -quick                 # does it work? small sizes, 2 rounds, writes nothing
//	go run ./bench -only throughput -profile /tmp/prof
//
// Sides of a ratio run by turns (A B A B), each in a process of its own where Kafka is part of it. The exit code is 1 only when a
// bench could not run or its check failed: no time is ever asserted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/notifier/notifier/bench/report"
)

// bench is one entry of the list; run gives its figures, or an error when it cannot run or its answer is wrong.
type bench struct {
	name string
	run  func(context.Context, *lab) ([]report.Result, error)
}

var benches = []bench{
	{"calls", calls},
	{"table", table},
	{"throughput", throughput},
	{"profile", profiles},
	{"latency", latency},
	{"memory", memory},
	{"recovery", recovery},
	{"flat", flat},
	{"extract", extract},
	{"nomatch", nomatch},
	{"load", loading},
	{"http", calling},
	{"pending", pending},
	{"outage", outage},
	{"outage-daemon", outageDaemon},
	{"restore", restore},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childArg {
		if err := child(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench child:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var names []string
	for _, b := range benches {
		names = append(names, b.name)
	}
	only := flag.String("only", "", "one bench: "+strings.Join(names, ", "))
	rounds := flag.Int("rounds", 5, "rounds of each side")
	quick := flag.Bool("quick", false, "small sizes and 2 rounds, to see that it works; writes nothing")
	profile := flag.String("profile", "", "write profiles of CPU and heap of the last round of throughput and profile into this folder")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unknown argument %q", flag.Arg(0))
	case *only != "" && !slices.Contains(names, *only):
		return fmt.Errorf("-only %s: one of %s", *only, strings.Join(names, ", "))
	case *rounds < 1:
		return fmt.Errorf("-rounds %d: at least 1", *rounds)
	}
	if *quick {
		*rounds = min(*rounds, 2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := newLab(ctx, *rounds, *quick, *profile)
	if err != nil {
		return err
	}
	defer l.close()
	var results []report.Result
	var failed []error
	for _, b := range benches {
		if *only != "" && b.name != *only {
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s\n", b.name)
		rs, err := b.run(ctx, l)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: no figure: %w", b.name, err))
			fmt.Fprintln(os.Stderr, failed[len(failed)-1])
			if ctx.Err() != nil {
				break
			}
			continue
		}
		for _, r := range rs {
			fmt.Println(r.Line())
		}
		results = append(results, rs...)
	}
	if *quick || len(results) == 0 || *rounds < 5 {
		fmt.Fprintln(os.Stderr, "fewer than 5 rounds or small sizes: README.md and results.json are left as they are")
		return errors.Join(failed...)
	}
	return errors.Join(append(failed, write(l.dir, results))...)
}

// write puts the figures beside this source.
func write(dir string, fresh []report.Result) error {
	path := filepath.Join(dir, "results.json")
	old, err := report.ReadJSON(path)
	if err != nil {
		return err
	}
	rs := report.Merge(old, fresh)
	if err := report.WriteJSON(path, rs); err != nil {
		return err
	}
	return report.WriteReadme(filepath.Join(dir, "README.md"), rs)
}
