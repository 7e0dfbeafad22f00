package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/notifier/notifier/test/chaos/audit"
	"github.com/notifier/notifier/test/chaos/rig"
)

// accounts: two that do everything, and eight more so that many kills can meet an open broadcast, at 2 an hour each.
func accounts() (all []rig.Account, shops []string) {
	all = []rig.Account{{Name: "main", Tags: true}, {Name: "second", Tags: true}}
	for i := range 8 {
		all = append(all, rig.Account{Name: fmt.Sprintf("cast-%d", i+1)})
	}
	for _, a := range all {
		shops = append(shops, a.Name)
	}
	return all, shops
}

// faults make calls last, so that kills find them open, and some end unclear. A late call arrives within the second that the
// daemon still charges.
var faults = []rig.Fault{
	{Kind: "late", Probability: 0.005, DelayMS: 600},
	{Kind: "timeout_after", Probability: 0.005},
	{Kind: "reset_after", Probability: 0.005},
	{Kind: "reset_before", Probability: 0.005},
	{Kind: "http_5xx", Probability: 0.005},
	{Path: "/push.json", Kind: "timeout_after", Probability: 0.9, DelayMS: 700},
	{Kind: "timeout_after", Probability: 0.5, DelayMS: 250},
}

// run is one chaos run.
type run struct {
	t       *testing.T
	random  *rand.Rand
	sandbox *rig.Sandbox
	daemon  *rig.Daemon
	feeder  *rig.Feeder
	kills   []time.Time
	starts  []time.Time
	ready   []time.Duration // from a start to /readyz
	seen    int             // kills whose condition was seen from outside
}

// 100 SIGKILLs on the embedded set-up, each while an attempt is open or 50 intents are pending: nothing lost, no broadcast doubled,
// no overrun. A run in which under 30 % of the kills hit anything proves too little and fails.
func TestSIGKILL(t *testing.T) {
	if testing.Short() {
		t.Log("-short: only the audit is tested")
		return
	}
	ctx, dir, seed := t.Context(), folder(t), uint64(*seedFlag)
	all, shops := accounts()
	program := binary(t)
	r := &run{t: t, random: rand.New(rand.NewPCG(seed, 2)), feeder: rig.NewFeeder(seed, shops)}
	var err error
	if r.sandbox, err = rig.StartSandbox(ctx, program, dir, seed, all); err != nil {
		t.Fatal(err)
	}
	defer r.sandbox.Stop(5 * time.Second)
	for _, f := range faults {
		f.Times = -1
		if err := r.sandbox.Arm(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := filepath.Abs("rules")
	if err != nil {
		t.Fatal(err)
	}
	if r.daemon, err = rig.NewDaemon(program, dir, rules, r.sandbox, all); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for k := range *killsFlag {
		r.cycle(ctx, k)
	}
	killing := time.Since(began)

	began = time.Now()
	if err := r.sandbox.Disarm(ctx); err != nil {
		t.Fatal(err)
	}
	r.start()
	defer r.daemon.Kill()
	r.awaitReady(ctx, 0)
	in := r.drain(ctx, all, shops)
	draining := time.Since(began)
	if code := r.daemon.Stop(15 * time.Second); code != 0 {
		t.Errorf("after SIGTERM the daemon ended with code %d\n%s", code, r.daemon.Tail())
	}

	journal, err := os.Open(r.sandbox.Journal)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	in.Journal = journal
	report, err := audit.Check(in)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(r.ready)
	t.Logf("seed %d: %d kills in %s, drained in %s\nrestart to ready: p50 %s, p99 %s (%d)\n%d kills met their condition as seen from outside\n%s", seed, len(r.kills), killing.Round(time.Second),
		draining.Round(time.Second), audit.Percentile(r.ready, 50), audit.Percentile(r.ready, 99), len(r.ready), r.seen, report)
	if len(report.Problems) > 0 {
		t.Errorf("%d problems", len(report.Problems))
	}
	judge(t, r.sandbox.Journal)
	if hits, open, _ := report.Hits(); hits*10 < len(r.kills)*3 {
		t.Errorf("only %d of %d kills hit an open attempt or 50 pending intents (%d an open attempt): the run proves too little", hits, len(r.kills), open)
	}
}

func (r *run) start() {
	r.t.Helper()
	if err := r.daemon.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.starts = append(r.starts, r.daemon.Started)
}

// cycle starts the daemon, feeds it, waits for a moment worth a kill, and kills it. One kill in eight comes at any time, also
// while the daemon starts.
func (r *run) cycle(ctx context.Context, k int) {
	r.start()
	fctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { r.feed(fctx) })
	if k > 0 && r.random.IntN(8) == 0 {
		r.pause(time.Duration(r.random.IntN(600)) * time.Millisecond)
	} else {
		r.awaitReady(ctx, k)
		r.awaitMoment(ctx)
		r.pause(time.Duration(r.random.IntN(40)) * time.Millisecond)
	}
	if r.daemon.Ended() {
		r.t.Fatalf("before kill %d the daemon ended by itself\n%s", k, r.daemon.Tail())
	}
	r.kills = append(r.kills, r.daemon.Kill())
	stop()
	wg.Wait()
}

// pause is a part of the schedule, not a wait for something.
func (r *run) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.daemon.Done():
	}
}

// feed produces events from the moment that this process's broker listens until it is gone.
func (r *run) feed(ctx context.Context) {
	for ctx.Err() == nil {
		addr := r.daemon.Broker()
		if c, err := net.DialTimeout("tcp", addr, time.Second); addr != "" && err == nil {
			c.Close()
			if err := r.feeder.Run(ctx, addr); err != nil {
				r.t.Error(err)
			}
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (r *run) awaitReady(ctx context.Context, k int) {
	r.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !r.daemon.Ready(ctx) {
		if r.daemon.Ended() || time.Now().After(deadline) {
			r.t.Fatalf("after kill %d the daemon is not ready: ended %v\n%s", k, r.daemon.Ended(), r.daemon.Tail())
		}
		r.pause(10 * time.Millisecond)
	}
	r.ready = append(r.ready, time.Since(r.daemon.Started))
}

// awaitMoment waits for a moment worth a kill, as the daemon's metrics tell: this process has begun calls and one is open, or, one
// time in four, 50 intents are pending before it could begin any. If that does not come, the kill comes anyway; the ledger tells
// in the end which kills hit something.
func (r *run) awaitMoment(ctx context.Context) {
	begun := 1 + r.random.IntN(24)
	if r.random.IntN(4) == 0 {
		begun = 0
	}
	deadline := time.Now().Add(3 * time.Second)
	for time.Now().Before(deadline) && !r.daemon.Ended() {
		if l := r.daemon.Load(ctx); l.Begun >= begun && (l.InFlight > 0 && begun > 0 || l.Pending >= 50) {
			r.seen++
			return
		}
		r.pause(5 * time.Millisecond)
	}
}

// drain waits until stage 1 has read everything and only broadcasts without a slot are pending, and reads it all.
func (r *run) drain(ctx context.Context, all []rig.Account, shops []string) audit.Input {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	reader, err := rig.NewReader(r.daemon.Broker())
	if err != nil {
		r.t.Fatal(err)
	}
	defer reader.Close()
	for {
		if r.daemon.Ended() {
			r.t.Fatalf("the daemon ended while it drained\n%s", r.daemon.Tail())
		}
		unread, err := reader.Unread(ctx)
		if err != nil {
			r.t.Fatal(err)
		}
		if err := reader.CatchUp(ctx); err != nil {
			r.t.Fatal(err)
		}
		in := r.input(reader, shops)
		left, err := audit.Left(in)
		if err != nil {
			r.t.Fatal(err)
		}
		if unread > 0 {
			left = fmt.Sprintf("stage 1 has %d records to read; %s", unread, left)
		}
		if left != "" {
			select {
			case <-ctx.Done():
				r.t.Errorf("not drained: %s\n%s", left, r.daemon.Tail())
			case <-time.After(500 * time.Millisecond):
				continue
			}
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		in.Tags = map[string]map[string][]string{}
		for _, a := range all {
			if !a.Tags {
				continue
			}
			if in.Tags[a.Name], err = r.sandbox.Tags(ctx, a); err != nil {
				r.t.Fatal(err)
			}
		}
		stats, err := r.sandbox.Stats(ctx)
		if err != nil {
			r.t.Fatal(err)
		}
		in.Overruns, in.Doubles = stats.Overruns, stats.Doubles
		return in
	}
}

func (r *run) input(reader *rig.Reader, shops []string) audit.Input {
	in := audit.Input{Shops: shops, Acked: r.feeder.Acked, Kills: r.kills, Starts: r.starts}
	for _, t := range rig.EventTopics {
		in.Events = append(in.Events, reader.Topic[t]...)
	}
	own := func(name string) []audit.Record { return reader.Topic[rig.Prefix+"."+name] }
	in.Intents, in.Fates, in.Dead, in.Ledger = own("intents"), own("fates"), own("dead"), own("ledger")
	return in
}
