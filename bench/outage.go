package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
)

// outage weighs what an actor holds when the vendor has been gone for a day: a million users whose tags wait, each of whom changed twice, and a
// million pushes, which is as many as may wait.
func outage(_ context.Context, l *lab) ([]report.Result, error) {
	set, err := load.Load(1)
	if err != nil {
		return nil, err
	}
	n := l.size(1_000_000, 20_000)
	var tags, pushes []float64
	for range l.rounds {
		t, err := outageOf(set, n, tagsThatWait)
		if err != nil {
			return nil, err
		}
		p, err := outageOf(set, n, pushesThatWait)
		if err != nil {
			return nil, err
		}
		tags, pushes = append(tags, t), append(pushes, p)
		fmt.Fprintf(os.Stderr, "   %d users wait after a day: %.0f MiB; %d pushes: %.0f MiB\n", n, t, n, p)
	}
	goal := report.Goals{First: 256, Less: true}
	a, err := report.New("outage-tags", fmt.Sprintf("live heap of an actor after an outage of a day, %d users who changed twice, after GC", n), "MiB", "in process", tags, goal,
		"the rows of the profile table, the intents that wait, and what is remembered against duplicates; checked: one intent a user waits")
	if err != nil {
		return nil, err
	}
	b, err := report.New("outage-pushes", fmt.Sprintf("live heap of an actor in an outage, %d pushes, as many as may wait, after GC", n), "MiB", "in process", pushes, goal,
		"intents with their texts, and what is remembered against duplicates; checked: all wait")
	return []report.Result{a, b}, err
}

// outageOf gives an actor's heap in MiB when n intents wait for a vendor that cannot be reached.
func outageOf(set *rules.Set, n int, fill func(*dispatch.Model, *rules.Set, string, int) error) (float64, error) {
	table := app.AnyBench(set, func() dispatch.Rules { return set })
	before := heap()
	m := dispatch.NewModel(table.Options, dispatch.ModelEnd{Send: func(dispatch.Departure) dispatch.Outcome { return dispatch.Outcome{Class: dispatch.ClassNotSent} }}, pendingFrom)
	if err := fill(m, set, table.Identities["main"], n); err != nil {
		return 0, err
	}
	held := (float64(heap()) - float64(before)) / (1 << 20)
	if waits := m.Pending(); waits != n {
		return 0, fmt.Errorf("%d of %d intents wait", waits, n)
	}
	return held, nil
}

// tagsThatWait are users who change twice, half a day apart.
func tagsThatWait(m *dispatch.Model, set *rules.Set, key string, n int) error {
	for change := range 2 {
		for i := range n {
			_, b := load.Profile(uint64(change), i, m.Now().UnixMilli())
			if change > 0 {
				b = bytes.Replace(b, []byte(`"p-`), []byte(`"q-`), 1) // another event of the user
			}
			in, err := taken(set, b, i+change*n)
			if err != nil {
				return err
			}
			in.Key = key
			m.Take(in)
		}
		m.Advance(m.Now().Add(12 * time.Hour))
	}
	return nil
}

// pushesThatWait come in one moment, so that none expires.
func pushesThatWait(m *dispatch.Model, set *rules.Set, key string, n int) error {
	r := rand.New(rand.NewPCG(1, 9))
	for i := range n {
		evs, err := set.Decode(event.Record{Position: event.Position{Topic: load.Topic, Offset: int64(i)}, Value: load.Order(r, load.OrderID(i), load.Hit, pendingFrom.UnixMilli()), Time: pendingFrom})
		if err != nil {
			return err
		}
		for _, in := range set.Evaluate(&evs[0]) {
			b, err := in.Encode()
			if err != nil {
				return err
			}
			if in, err = intent.Decode(b); err != nil {
				return err
			}
			in.Key = key
			m.Take(in)
		}
	}
	return nil
}
