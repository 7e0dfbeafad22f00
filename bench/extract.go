package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/event"
)

// extracted are the fields of an order that are read: of five the first five.
var extracted = []event.Field{
	{Name: "id", Path: "event_id"},
	{Name: "kind", Path: "kind"},
	{Name: "user", Path: "user.id"},
	{Name: "region", Path: "store.region"},
	{Name: "amount", Path: "payment.amount", Type: event.Number},
	{Name: "name", Path: "user.name"},
	{Name: "level", Path: "user.level"},
	{Name: "store", Path: "store.id"},
	{Name: "at", Path: "ts", Type: event.Number},
	{Name: "zip", Path: "ship.zip"},
}

// extract sets the decoder, which checks the JSON, reads every declared field and gives each its type, beside gjson asked for the
// same paths one by one.
func extract(_ context.Context, l *lab) ([]report.Result, error) {
	passes := l.size(20, 4)
	orders := load.NewKind("types", 100).Orders(1, flatOrders)
	var out []report.Result
	for _, n := range []int{5, 10} {
		fields := append([]event.Field(nil), extracted[:n]...)
		for i := range fields {
			if fields[i].Type == "" {
				fields[i].Type = event.String
			}
		}
		catalogue := event.NewCatalogue([]*event.Spec{event.NewSpec(event.Spec{Name: "order", Topics: []string{load.Topic}, Kind: event.Business, ID: "event_id", Fields: fields})}, 0)
		var room []event.Event
		ours := func(i int) (*event.Event, error) {
			evs, err := catalogue.DecodeInto(room, event.Record{Position: event.Position{Topic: load.Topic}, Value: orders[i], Time: time.UnixMilli(1)})
			if err != nil || len(evs) != 1 {
				return nil, fmt.Errorf("%d events, %w, of %s", len(evs), err, orders[i])
			}
			room = evs
			return &evs[0], nil
		}
		found := make([]gjson.Result, n)
		plain := func(i int) error {
			if !gjson.ValidBytes(orders[i]) {
				return fmt.Errorf("not JSON: %s", orders[i])
			}
			for j := range fields {
				found[j] = gjson.GetBytes(orders[i], fields[j].Path)
			}
			return nil
		}
		for i := range orders {
			ev, err := ours(i)
			if err != nil {
				return nil, err
			}
			if err := plain(i); err != nil {
				return nil, err
			}
			for j, want := range found {
				v := ev.Values[j]
				if !v.OK() || !want.Exists() || (v.Type == event.Number && v.Num != want.Num) || (v.Type == event.String && v.Str != want.Str) {
					return nil, fmt.Errorf("%s: %+v, gjson finds %q, in %s", fields[j].Path, v, want.Raw, orders[i])
				}
			}
		}
		share := len(orders) / turns
		through := func(f func(int) error) func(int) error {
			return func(t int) error {
				for range passes {
					for i := t * share; i < (t+1)*share; i++ {
						if err := f(i); err != nil {
							return err
						}
					}
				}
				return nil
			}
		}
		sides := []func(int) error{through(plain), through(func(i int) error { _, err := ours(i); return err })}
		if _, err := byTurns(sides...); err != nil { // warm
			return nil, err
		}
		var ratio, a, b []float64
		for range l.rounds {
			took, err := byTurns(sides...)
			if err != nil {
				return nil, err
			}
			a, b = append(a, took[0].each(len(orders)*passes)), append(b, took[1].each(len(orders)*passes))
			ratio = append(ratio, a[len(a)-1]/b[len(b)-1])
		}
		r, err := report.New(fmt.Sprintf("extract-%d", n), fmt.Sprintf("CPU time of gjson.GetBytes one by one / of our decoder, %d fields of an order of 1 KB, validity checked by both", n), "x", "in process", ratio,
			report.Goals{First: 1, Goal: 3, Moonshot: 5}, fmt.Sprintf("%.0f ns and %.0f ns (medians), ours with typed values, exact decimals and the event around them; checked: every field of %d orders is the same", report.Median(a), report.Median(b), len(orders)))
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
