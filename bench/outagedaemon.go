package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/ledger"
)

// outageLimit is what the runbook says to set for a container of 256 MiB: nine tenths of it.
const outageLimit = "GOMEMLIMIT=230MiB"

// outageDaemon weighs a daemon process whose vendor is gone: all its users are known and their tags sent, the vendor goes, and each of them
// changes. Then the daemon is restarted, the vendor still gone.
func outageDaemon(ctx context.Context, l *lab) ([]report.Result, error) {
	if err := l.kafka(ctx); err != nil {
		return nil, err
	}
	users := l.size(1_000_000, 5_000)
	var held, most, again, againMost, ready []float64
	for round := range l.rounds {
		o, err := l.outageRound(ctx, fmt.Sprintf("outage-%d", round), users)
		if err != nil {
			return nil, err
		}
		held, most, again, againMost, ready = append(held, o.held), append(most, o.most), append(again, o.again), append(againMost, o.againMost), append(ready, o.ready.Seconds())
		fmt.Fprintf(os.Stderr, "   %d users wait: %.1f MB, at most %.1f MB since the start; after a restart %.1f MB, at most %.1f MB, ready in %.1f s\n", users, o.held, o.most, o.again, o.againMost, o.ready.Seconds())
	}
	detail := fmt.Sprintf("%d users, 5 short fields, %s, broker in another process; checked: all wait, before and after the restart, and the books balance", users, outageLimit)
	goal := report.Goals{First: 256, Less: true}
	var out []report.Result
	for _, x := range []struct {
		name, what, unit string
		rounds           []float64
		goal             report.Goals
	}{
		{"outage-daemon", "resident memory of the daemon, the vendor gone and every user waiting with changed tags", "MB", held, goal},
		{"outage-daemon-most", "the most it was since the start of the process", "MB", most, report.Goals{}},
		{"outage-daemon-restart", "resident memory after a restart in the outage", "MB", again, goal},
		{"outage-daemon-restart-most", "the most it was since then", "MB", againMost, report.Goals{}},
		{"outage-daemon-ready", "start of the process to ready with all that waits restored", "s", ready, report.Goals{}},
	} {
		r, err := report.New(x.name, x.what, x.unit, "shared", x.rounds, x.goal, detail)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

type outageRound struct {
	held, most, again, againMost float64 // MB
	ready                        time.Duration
}

func (l *lab) outageRound(ctx context.Context, name string, users int) (o outageRound, err error) {
	if err = l.makeTopics(ctx, 4, load.Topic, load.ProfileTopic); err != nil {
		return
	}
	t := ledger.TopicsOf(name)
	defer l.deleteTopics(context.WithoutCancel(ctx), load.Topic, load.ProfileTopic, t.Intents, t.Ledger, t.Fates, t.Dead, t.Control)
	v, err := startVendor()
	if err != nil {
		return
	}
	defer v.close()
	d, err := l.newDaemon(ctx, name, v)
	if err != nil {
		return
	}
	d.env = []string{outageLimit}
	if _, err = d.start(ctx); err != nil {
		return
	}
	defer func() {
		if d.Kill(); err != nil {
			err = fmt.Errorf("%w\n%s", err, d.Tail())
		}
	}()
	if err = l.feedChange(ctx, users, 0); err != nil {
		return
	}
	if err = d.waits(ctx, users, 0); err != nil {
		return o, fmt.Errorf("wait until all users are known and sent: %w", err)
	}
	v.close()
	if err = l.feedChange(ctx, users, 1); err != nil {
		return
	}
	if err = d.waits(ctx, users, users); err != nil {
		return o, fmt.Errorf("wait until all users wait: %w", err)
	}
	if o.held, o.most, err = d.weight(ctx); err != nil {
		return
	}
	if code := d.Stop(30 * time.Second); code != 0 {
		return o, fmt.Errorf("the daemon ended with code %d", code)
	}
	if o.ready, err = d.start(ctx); err != nil {
		return
	}
	if err = d.waits(ctx, users, users); err != nil {
		return o, fmt.Errorf("wait until all users wait again: %w", err)
	}
	o.again, o.againMost, err = d.weight(ctx)
	return
}

// feedChange produces one profile event a user, in which the city is another one than in the change before.
func (l *lab) feedChange(ctx context.Context, users, change int) error {
	cl, err := l.client(kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(20_000))
	if err != nil {
		return err
	}
	defer cl.Close()
	promise := kgo.AbortingFirstErrPromise(cl)
	at := time.Now().UnixMilli()
	for i := range users {
		user, b := load.Profile(1, i, at)
		if change > 0 {
			b = bytes.Replace(b, []byte(`"p-`), fmt.Appendf(nil, `"q%d-`, change), 1) // another event
			b = bytes.Replace(b, []byte(`"city":"c`), fmt.Appendf(nil, `"city":"d%d`, change), 1)
		}
		cl.Produce(ctx, &kgo.Record{Topic: load.ProfileTopic, Key: []byte(user), Value: b}, promise.Promise())
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	return promise.Err()
}

// waits returns when as many users are known as there are, and so many intents wait.
func (d *daemon) waits(ctx context.Context, users, pending int) error {
	last := ""
	err := poll(ctx, 15*time.Minute, time.Second, func() (bool, error) {
		m, err := d.metrics(ctx)
		if err != nil {
			return false, err
		}
		last = fmt.Sprintf("%.0f users are known, %.0f intents wait", m["notifier_users_known"], m["notifier_pending"])
		if m["notifier_books_unbalanced"] != 0 {
			return false, fmt.Errorf("the books do not balance: %s", last)
		}
		return int(m["notifier_users_known"]) == users && int(m["notifier_pending"]) == pending, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s, want %d and %d", err, last, users, pending)
	}
	return nil
}

// weight is the resident memory in MB once it is settled, and the most it was.
func (d *daemon) weight(ctx context.Context) (now, most float64, err error) {
	if now, err = d.settled(ctx); err != nil {
		return
	}
	b, err := peak(d.pid)
	return now, float64(b) / (1 << 20), err
}
