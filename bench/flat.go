package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
)

// flatOrders is how many distinct orders are evaluated by turns: 4 MB of them, more than the processor's near caches hold.
const flatOrders = 4096

// flat measures decode and evaluate of one order with 10 rules, and with up to 100,000, by turns in this process.
func flat(_ context.Context, l *lab) ([]report.Result, error) {
	sizes := []int{10, 1000, 10_000, 100_000}
	if l.quick {
		sizes = []int{10, 1000, 2000}
	}
	goals := map[int]report.Goals{
		1000:    {First: 1.4, Goal: 1.15, Moonshot: 1.05, Less: true},
		10_000:  {First: 2.5, Goal: 1.3, Moonshot: 1.1, Less: true},
		100_000: {Goal: 2, Moonshot: 1.3, Less: true},
	}
	var out []report.Result
	for _, kind := range load.KindNames {
		of := slices.Clone(sizes)
		if kind == "mixed" {
			of[0] = 200
		}
		took, err := l.flatness(kind, of)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		for i, n := range of[1:] {
			var ratio []float64
			for _, t := range took {
				ratio = append(ratio, t[i+1]/t[0])
			}
			g := goals[n]
			if kind == "mixed" && n == 10_000 {
				g.Goal = 2
			}
			if kind == "mixed" && n == 100_000 {
				g.Goal = 3
			}
			r, err := report.New(fmt.Sprintf("flat-%s-%d", kind, n), fmt.Sprintf("CPU time an event with %d rules / with %d, kind %s, decode and evaluate", n, of[0], kind), "x", "in process", ratio, g,
				fmt.Sprintf("%.0f ns and %.0f ns (medians), two matches an event; checked: the rules that match are those of gjson and the VM asked for every rule", median(took, i+1), median(took, 0)))
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
	}
	r, err := l.againstNaive(l.size(10_000, 1000))
	return append(out, r...), err
}

// median is of the i-th size over the rounds.
func median(rounds [][]float64, i int) float64 {
	var v []float64
	for _, r := range rounds {
		v = append(v, r[i])
	}
	return report.Median(v)
}

// evaluating is a rule set with the orders it is asked about, and the memory that stage 1 would use again.
type evaluating struct {
	set     *rules.Set
	records []event.Record
	room    []event.Event
	made    intent.Room
	n       int // intents
}

// kindOf loads a kind and checks a sample of its orders against the naive way.
func kindOf(kind string, n, orders, checked int) (*evaluating, error) {
	k := load.NewKind(kind, n)
	set, err := load.Compile(k.Files())
	if err != nil {
		return nil, err
	}
	e := &evaluating{set: set}
	for i, b := range k.Orders(1, orders) {
		e.records = append(e.records, event.Record{Position: event.Position{Topic: load.Topic, Offset: int64(i)}, Value: b, Time: time.UnixMilli(1_700_000_000_000)})
	}
	v, err := newNaive(k, n)
	if err != nil {
		return nil, err
	}
	return e, e.agrees(k, v, checked)
}

// agrees checks the first orders against the naive way.
func (e *evaluating) agrees(k load.KindSet, v *naive, n int) error {
	var hits []int
	for i := range min(n, len(e.records)) {
		ins, err := e.one(i)
		if err != nil {
			return err
		}
		if hits, err = v.matches(hits, e.records[i].Value); err != nil {
			return err
		}
		if len(hits) != len(ins) || len(hits) == 0 {
			return fmt.Errorf("%d rules match, the naive way finds %d: %s", len(ins), len(hits), e.records[i].Value)
		}
		for j, in := range ins {
			if in.Rule != k.Name(hits[j]) || in.Dead != "" {
				return fmt.Errorf("%s matches, the naive way finds %s: %s", in.Rule, k.Name(hits[j]), e.records[i].Value)
			}
		}
	}
	return nil
}

// one decodes and evaluates the i-th order, as stage 1 does.
func (e *evaluating) one(i int) ([]*intent.Intent, error) {
	evs, err := e.set.DecodeInto(e.room, e.records[i])
	if err != nil || len(evs) != 1 {
		return nil, fmt.Errorf("order %d: %d events, %w", i, len(evs), err)
	}
	e.room = evs
	e.made.Empty()
	return e.set.EvaluateInto(&e.made, &evs[0]), nil
}

// turn does its share of the orders, passes times.
func (e *evaluating) turn(t, passes int) error {
	share := len(e.records) / turns
	for range passes {
		for i := t * share; i < (t+1)*share; i++ {
			ins, err := e.one(i)
			if err != nil {
				return err
			}
			e.n += len(ins)
		}
	}
	return nil
}

// flatness gives ns an event for each size, by round.
func (l *lab) flatness(kind string, sizes []int) (rounds [][]float64, err error) {
	const passes = 4
	var all []*evaluating
	var sides []func(int) error
	for _, n := range sizes {
		e, err := kindOf(kind, n, flatOrders, max(20, min(500, 2_000_000/n)))
		if err != nil {
			return nil, fmt.Errorf("%d rules: %w", n, err)
		}
		all = append(all, e)
		sides = append(sides, func(t int) error { return e.turn(t, passes) })
	}
	if _, err := byTurns(sides...); err != nil { // warm
		return nil, err
	}
	for range l.rounds {
		took, err := byTurns(sides...)
		if err != nil {
			return nil, err
		}
		var ns []float64
		for i, d := range took {
			if all[i].n != all[0].n && kind != "mixed" {
				return nil, fmt.Errorf("%d matches with %d rules, %d with %d", all[i].n, sizes[i], all[0].n, sizes[0])
			}
			ns = append(ns, d.each(flatOrders*passes))
		}
		fmt.Fprintf(os.Stderr, "   %s: %v rules: %.0f ns an event\n", kind, sizes, ns)
		rounds = append(rounds, ns)
	}
	return rounds, nil
}

// againstNaive sets the same work beside gjson and the VM asked for every rule.
func (l *lab) againstNaive(n int) ([]report.Result, error) {
	const orders = 16 * turns
	k := load.NewKind("in", n)
	e, err := kindOf("in", n, flatOrders, 0)
	if err != nil {
		return nil, err
	}
	v, err := newNaive(k, n)
	if err != nil {
		return nil, err
	}
	if err := e.agrees(k, v, orders); err != nil {
		return nil, err
	}
	var ratio, plain, ours []float64
	var hits []int
	found := 0
	for range l.rounds {
		took, err := byTurns(func(t int) error {
			for i := t * orders / turns; i < (t+1)*orders/turns; i++ {
				if hits, err = v.matches(hits, e.records[i].Value); err != nil {
					return err
				}
				found += len(hits)
			}
			return nil
		}, func(t int) error { return e.turn(t, 1) })
		if err != nil {
			return nil, err
		}
		a, b := took[0].each(orders), took[1].each(flatOrders)
		ratio, plain, ours = append(ratio, a/b), append(plain, a), append(ours, b)
	}
	if found*flatOrders != e.n*orders {
		return nil, fmt.Errorf("the naive way found %d matches in %d orders, ours %d in %d", found, orders, e.n, flatOrders)
	}
	r, err := report.New("flat-naive", fmt.Sprintf("CPU time an event with gjson and the VM asked for every rule / decode and evaluate, %d rules, kind in", n), "x", "in process", ratio,
		report.Goals{First: 80, Goal: 250, Moonshot: 1000}, fmt.Sprintf("%.0f ns and %.0f ns (medians); checked: the rules that match are the same", report.Median(plain), report.Median(ours)))
	return []report.Result{r}, err
}
