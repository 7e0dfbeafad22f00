package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/rules"
)

// loading times the loader on many rules and weighs what it leaves in memory. Beside it stands what the expression compiler alone
// takes for the same conditions.
func loading(_ context.Context, l *lab) ([]report.Result, error) {
	n := l.size(10_000, 1000)
	k := load.NewKind("mixed", n)
	files := k.Files()
	v, err := newNaive(k, n)
	if err != nil {
		return nil, err
	}
	var took, per, compile []float64
	for range l.rounds {
		began := cpuTime()
		if _, err := newNaive(k, n); err != nil {
			return nil, err
		}
		compile = append(compile, (cpuTime() - began).Seconds())
		before := heap()
		began = cpuTime()
		set, err := load.Compile(files)
		if err != nil {
			return nil, err
		}
		took = append(took, (cpuTime() - began).Seconds())
		per = append(per, (float64(heap())-float64(before))/float64(n))
		if err := holds(k, set, v, n); err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "   %d rules: %.2f s, %.0f bytes a rule; expr alone %.2f s\n", n, took[len(took)-1], per[len(per)-1], compile[len(compile)-1])
	}
	detail := fmt.Sprintf("YAML, checks, compiler and index, %.0f rules/s; the expression compiler alone takes %.2f s; checked: the rules that match are those of the naive way",
		float64(n)/report.Median(took), report.Median(compile))
	a, err := report.New("load", fmt.Sprintf("CPU time to load %d rules, kind mixed", n), "s", "in process", took, scaled(report.Goals{First: 1, Goal: 0.4, Moonshot: 0.1, Less: true}, n), detail)
	if err != nil {
		return nil, err
	}
	b, err := report.New("load-heap", fmt.Sprintf("heap a rule after GC, %d rules, kind mixed", n), "bytes", "in process", per, report.Goals{First: 4 << 10, Goal: 3 << 10, Moonshot: 512, Less: true}, detail)
	return []report.Result{a, b}, err
}

// scaled makes the goals for 10,000 rules those for n.
func scaled(g report.Goals, n int) report.Goals {
	f := float64(n) / 10_000
	g.First, g.Goal, g.Moonshot = g.First*f, g.Goal*f, g.Moonshot*f
	return g
}

// holds checks that what was loaded is all of the rules and finds what the naive way finds.
func holds(k load.KindSet, set *rules.Set, v *naive, n int) error {
	if len(set.Rules) != n {
		return fmt.Errorf("%d rules are loaded, want %d", len(set.Rules), n)
	}
	e := &evaluating{set: set}
	for i, b := range k.Orders(1, 20) {
		e.records = append(e.records, event.Record{Position: event.Position{Topic: load.Topic, Offset: int64(i)}, Value: b, Time: time.UnixMilli(1_700_000_000_000)})
	}
	return e.agrees(k, v, len(e.records))
}
