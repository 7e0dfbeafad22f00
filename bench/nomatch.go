package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/event"
)

// nomatch counts what is allocated for an event that no rule matches, the usual one: by decode and evaluate, and by evaluate alone.
func nomatch(_ context.Context, l *lab) ([]report.Result, error) {
	k := load.NewKind("types", ruleCount)
	set, err := load.Compile(k.Files())
	if err != nil {
		return nil, err
	}
	v, err := newNaive(k, ruleCount)
	if err != nil {
		return nil, err
	}
	e := &evaluating{set: set}
	r := rand.New(rand.NewPCG(1, 3))
	for i := range flatOrders {
		b := load.Order(r, load.OrderID(i), load.Miss, 1_700_000_000_000)
		e.records = append(e.records, event.Record{Position: event.Position{Topic: load.Topic, Offset: int64(i)}, Value: b, Time: time.UnixMilli(1_700_000_000_000)})
		if hits, err := v.matches(nil, b); err != nil || len(hits) > 0 {
			return nil, fmt.Errorf("the naive way finds %d matches, %w, in %s", len(hits), err, b)
		}
	}
	var events []event.Event
	for _, rec := range e.records {
		evs, err := set.Decode(rec)
		if err != nil {
			return nil, err
		}
		events = append(events, evs...)
	}
	passes := l.size(16, 2)
	if err := e.turn(0, 1); err != nil { // what is made once and used again
		return nil, err
	}
	var both, alone []float64
	for range l.rounds {
		n, err := allocations(func() error {
			for t := range turns {
				if err := e.turn(t, passes); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		m, err := allocations(func() error {
			for range passes {
				for i := range events {
					e.made.Empty()
					e.n += len(set.EvaluateInto(&e.made, &events[i]))
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		both, alone = append(both, n/float64(flatOrders*passes)), append(alone, m/float64(flatOrders*passes))
	}
	if e.n != 0 {
		return nil, fmt.Errorf("%d intents, the naive way finds none", e.n)
	}
	g := report.Goals{First: 10, Zero: true, Less: true}
	detail := fmt.Sprintf("%d rules, kind types; checked: the naive way finds no match either", ruleCount)
	a, err := report.New("nomatch", "allocations for an event that no rule matches, decode and evaluate", "allocations", "in process", both, g, detail)
	if err != nil {
		return nil, err
	}
	b, err := report.New("nomatch-evaluate", "allocations for an event that no rule matches, evaluate alone", "allocations", "in process", alone, g, detail)
	return []report.Result{a, b}, err
}

// allocations counts those of a stretch of work.
func allocations(work func() error) (float64, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := work()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs), err
}
