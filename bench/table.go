package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/tagsync"
)

// table weighs the profile table as the actor holds it: its table, each row built from the intent's wire form, with an
// acknowledged set.
func table(_ context.Context, l *lab) ([]report.Result, error) {
	set, err := load.Load(1)
	if err != nil {
		return nil, err
	}
	users := l.size(100_000, 5_000)
	var rounds []float64
	for range l.rounds {
		before := heap()
		rows := tagsync.NewTable()
		for i := range users {
			user, b := load.Profile(1, i, 1_700_000_000_000)
			in, err := stored(set.Decode(event.Record{Position: event.Position{Topic: load.ProfileTopic, Offset: int64(i)}, Value: b, Time: time.UnixMilli(1_700_000_000_000)}))
			if err != nil {
				return nil, fmt.Errorf("user %s: %w", user, err)
			}
			u := row(in)
			u.Acked, u.Foreign = set.Tags("main", u.Get, nil), []string{}
			rows.Put(in.Target, u)
		}
		per := float64(heap()-before) / float64(users)
		if err := readBack(rows, users); err != nil {
			return nil, err
		}
		rounds = append(rounds, per)
	}
	r, err := report.New("table", fmt.Sprintf("heap per known user, %d users with 5 short fields, after GC", users), "bytes", "in process", rounds,
		report.Goals{First: 200, Less: true}, "the table as the actor holds it; checked: every row reads back")
	return []report.Result{r}, err
}

// stored is the profile intent of an event as stage 2 reads it.
func stored(evs []event.Event, err error) (*intent.Intent, error) {
	if err != nil || len(evs) != 1 {
		return nil, fmt.Errorf("%d events, %w", len(evs), err)
	}
	ev := &evs[0]
	fields := map[string]intent.Value{}
	for i, f := range ev.Spec.Fields {
		fields[f.Name] = intent.Value{Type: ev.Values[i].Type, Str: ev.Values[i].Str}
	}
	in := &intent.Intent{Target: ev.User, Profile: &intent.Profile{Version: ev.Version, Fields: fields}}
	b, err := in.Encode()
	if err != nil {
		return nil, err
	}
	return intent.Decode(b)
}

// row is a user after one profile intent.
func row(in *intent.Intent) *tagsync.User {
	u := &tagsync.User{}
	u.Apply(in.Profile, 0)
	return u
}

func readBack(rows *tagsync.Table, users int) error {
	if rows.Len() != users {
		return fmt.Errorf("%d rows, want %d", rows.Len(), users)
	}
	for user := range rows.Users() {
		u := rows.Get(user)
		city, known := u.Get("city")
		if !known || len(u.Acked) != 2 || u.Acked[0] != "city_"+city.Str {
			return fmt.Errorf("user %s: city %+v, acknowledged %q", user, city, u.Acked)
		}
	}
	return nil
}

// heap is what is live.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // sync.Pool lets go only in the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
