package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/ledger"
)

// memory weighs a daemon process that knows 100,000 users beside one that knows nobody, and then restarts it.
func memory(ctx context.Context, l *lab) ([]report.Result, error) {
	if err := l.kafka(ctx); err != nil {
		return nil, err
	}
	users := l.size(100_000, 5_000)
	if err := l.makeTopics(ctx, 4, load.Topic, load.ProfileTopic); err != nil {
		return nil, err
	}
	defer l.deleteTopics(context.WithoutCancel(ctx), load.Topic, load.ProfileTopic)
	v, err := startVendor()
	if err != nil {
		return nil, err
	}
	defer v.close()
	var none, known, per, again, ready []float64
	// The daemons that know nobody come first: they need the topic empty.
	for round := range l.rounds {
		d, err := l.newDaemon(ctx, fmt.Sprintf("memory-none-%d", round), v)
		if err != nil {
			return nil, err
		}
		if _, err := d.start(ctx); err != nil {
			return nil, err
		}
		rss, err := d.settled(ctx)
		d.Kill()
		if err != nil {
			return nil, err
		}
		none = append(none, rss)
	}
	want, err := l.feedProfiles(ctx, users)
	if err != nil {
		return nil, err
	}
	for round := range l.rounds {
		v.reset()
		name := fmt.Sprintf("memory-%d", round)
		d, err := l.newDaemon(ctx, name, v)
		if err != nil {
			return nil, err
		}
		first, second, took, err := l.weigh(ctx, d, v, want)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, d.Tail())
		}
		t := ledger.TopicsOf(name)
		l.deleteTopics(ctx, t.Intents, t.Ledger, t.Fates, t.Dead, t.Control)
		known, again, ready = append(known, first), append(again, second), append(ready, took.Seconds())
		per = append(per, (first-none[round])*(1<<20)/float64(users))
		fmt.Fprintf(os.Stderr, "   nobody %.1f MB, %d users %.1f MB; after a restart %.1f MB, ready in %.2f s\n", none[round], users, first, second, took.Seconds())
	}
	where := shared().name
	detail := fmt.Sprintf("%d users, 5 short fields, broker in another process; checked: all known, before and after the restart, and the vendor has every set the plain path gives", users)
	var out []report.Result
	for _, x := range []struct {
		name, what, unit string
		rounds           []float64
	}{
		{"memory", "resident memory of the daemon, all users taken in and their tags sent", "MB", known},
		{"memory-none", "resident memory of the daemon that knows nobody", "MB", none},
		{"memory-per-user", "(memory - memory-none) / users, the collector's headroom included", "bytes", per},
		{"memory-restart", "resident memory after a restart", "MB", again},
		{"restart", "start of the process to ready with all users restored", "s", ready},
	} {
		r, err := report.New(x.name, x.what, x.unit, where, x.rounds, report.Goals{}, detail)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if err := v.hold(ctx, l.root); err != nil {
		return nil, err
	}
	return out, nil
}

// weigh lets a daemon take in all users, then restarts it. It returns megabytes before and after, and the time to ready.
func (l *lab) weigh(ctx context.Context, d *daemon, v *vendor, want map[string][]string) (first, second float64, took time.Duration, err error) {
	if _, err = d.start(ctx); err != nil {
		return
	}
	defer func() { d.Kill() }()
	knows := func() error {
		return poll(ctx, 3*time.Minute, 100*time.Millisecond, func() (bool, error) {
			m, err := d.metrics(ctx)
			return err == nil && int(m["notifier_users_known"]) == len(want) && m["notifier_pending"] == 0, err
		})
	}
	if err = knows(); err != nil {
		return first, second, took, fmt.Errorf("wait until all users are known and sent: %w", err)
	}
	if err = v.has(want); err != nil {
		return
	}
	if first, err = d.settled(ctx); err != nil {
		return
	}
	if code := d.Stop(30 * time.Second); code != 0 {
		return first, second, took, fmt.Errorf("the daemon ended with code %d", code)
	}
	if took, err = d.start(ctx); err != nil {
		return
	}
	m, err := d.metrics(ctx)
	if err != nil {
		return
	}
	if n := int(m["notifier_users_known"]); n != len(want) {
		return first, second, took, fmt.Errorf("%d users are known when the restarted daemon says it is ready, want %d", n, len(want))
	}
	second, err = d.settled(ctx)
	return
}

// settled is the resident memory in MB once it has not changed by 1 MB for 3 s, at most 30 s from now: the collector and the
// scavenger take their time.
func (d *daemon) settled(ctx context.Context) (float64, error) {
	var seen []float64
	until := time.Now().Add(30 * time.Second)
	err := poll(ctx, time.Minute, 500*time.Millisecond, func() (bool, error) {
		b, err := resident(d.pid)
		if err != nil {
			return false, err
		}
		seen = append(seen, float64(b)/(1<<20))
		if len(seen) < 6 {
			return false, nil
		}
		last := seen[len(seen)-6:]
		return slices.Max(last)-slices.Min(last) < 1 || time.Now().After(until), nil
	})
	if err != nil {
		return 0, err
	}
	return seen[len(seen)-1], nil
}

// has checks that every user has the set that the plain path gives.
func (v *vendor) has(want map[string][]string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.bad != nil {
		return v.bad
	}
	if len(v.tags) != len(want) {
		return fmt.Errorf("the vendor was given sets of %d users, want %d", len(v.tags), len(want))
	}
	for user, set := range want {
		if !slices.Equal(v.tags[user], set) {
			return fmt.Errorf("the vendor has %q for %s, the plain path gives %q", v.tags[user], user, set)
		}
	}
	return nil
}

// feedProfiles produces one profile event a user and returns the sets that the plain path gives them.
func (l *lab) feedProfiles(ctx context.Context, users int) (map[string][]string, error) {
	set, err := load.Load(ruleCount)
	if err != nil {
		return nil, err
	}
	cl, err := l.client(kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	promise := kgo.AbortingFirstErrPromise(cl)
	want := map[string][]string{}
	at := time.Now().UnixMilli()
	for i := range users {
		user, b := load.Profile(1, i, at)
		in, err := stored(set.Decode(event.Record{Position: event.Position{Topic: load.ProfileTopic, Offset: int64(i)}, Value: b}))
		if err != nil {
			return nil, err
		}
		row := row(in)
		want[user] = set.Tags("main", row.Get, nil)
		cl.Produce(ctx, &kgo.Record{Topic: load.ProfileTopic, Key: []byte(user), Value: b}, promise.Promise())
	}
	if err := cl.Flush(ctx); err != nil {
		return nil, err
	}
	return want, promise.Err()
}
