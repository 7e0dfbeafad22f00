package harness

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/notifier/notifier/test/chaos/audit"
	"github.com/notifier/notifier/test/chaos/rig"
)

// failpoints are the names of internal/failpoint, and how often a process comes there within a second or two at the least.
var failpoints = []string{"polled", "evaluated", "stage1", "fenced", "restored", "planned", "produced", "committed", "first-byte", "full-request", "answered", "released"}

func often(name string) int {
	switch name {
	case "fenced", "restored", "released":
		return 4 // one for each partition
	case "polled", "evaluated", "stage1":
		return 8
	}
	return 20
}

// patience is how long a process may take to come to its failpoint once it is ready: most come within a second, and one that does not come
// is killed where it is.
const patience = 8 * time.Second

// How long a process may take to be ready, and to end. They only tell a process that never does from a machine that is busy: what it takes is
// measured elsewhere.
const (
	readyWithin = 2 * time.Minute
	endsWithin  = time.Minute
)

// A frozen process wakes up after its calls' time is over, or after its session with the group is (10 s).
var frozenFor = map[string]time.Duration{"briefly": 1500 * time.Millisecond, "session": 11 * time.Second}

// cycle starts the daemon, feeds it, and ends it: of twenty cycles eight at a failpoint, one in peace, one after it was frozen, and
// the others at a moment worth it or, one in eight, at any time, also while the daemon starts.
func (r *round) cycle(ctx context.Context, n int) error {
	return r.fed(ctx, func() error { return r.life(ctx, n) })
}

// life starts the daemon whose turn it is and ends it as the cycle's number says.
func (r *round) life(ctx context.Context, n int) error {
	name, env := "", ""
	switch {
	case n%20 == 7, r.frozen(n):
	case n%5 == 1 || n%5 == 4:
		name = failpoints[r.turn%len(failpoints)]
		r.turn++
		env = fmt.Sprintf("%s:kill:%d", name, 1+r.random.IntN(often(name)))
	}
	if err := r.start(env); err != nil {
		return err
	}
	return r.end(ctx, n, name)
}

// fed feeds events while something is done.
func (r *round) fed(ctx context.Context, do func() error) error {
	fctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var fed error
	d := r.daemon
	wg.Go(func() { fed = r.feed(fctx, d) })
	err := do()
	stop()
	wg.Wait()
	if err == nil {
		err = fed
	}
	return err
}

// end ends the running process as the cycle's number says.
func (r *round) end(ctx context.Context, n int, name string) error {
	switch {
	case name != "":
		return r.endAt(ctx, name)
	case n > 0 && n%20 != 7 && !r.frozen(n) && r.random.IntN(8) == 0:
		r.pause(time.Duration(r.random.IntN(600)) * time.Millisecond)
		return r.kill(n)
	}
	if err := r.awaitReady(ctx); err != nil {
		return err
	}
	r.awaitMoment(ctx)
	switch {
	case n%20 == 7:
		r.terminate()
		return nil
	case r.frozen(n):
		if err := r.freeze(ctx, n); err != nil {
			return err
		}
	}
	r.pause(time.Duration(r.random.IntN(40)) * time.Millisecond)
	return r.kill(n)
}

func (r *round) start(env string) error {
	if err := r.remember(); err != nil {
		return err
	}
	var vars []string
	if env != "" {
		vars = []string{"NOTIFIER_FAILPOINT=" + env}
	}
	if err := r.daemon.Start(vars...); err != nil {
		return err
	}
	at := r.moment(r.daemon.Started)
	at.Release = r.release(r.daemon)
	r.starts = append(r.starts, at)
	return nil
}

// remember keeps what the ledger on the disk of a daemon's own broker holds: the start that follows may compact it, and the audit folds
// all of it.
func (r *round) remember() error {
	if r.broker != nil {
		return nil
	}
	records, err := r.daemon.Past(ledgerTopic)
	if err != nil {
		return err
	}
	for _, rec := range records {
		r.ledger[place{rec.Partition, rec.Offset}] = rec
	}
	return nil
}

// whole is the ledger with what has been compacted of it since.
func (r *round) whole(now []audit.Record) []audit.Record {
	all := maps.Clone(r.ledger)
	for _, rec := range now {
		all[place{rec.Partition, rec.Offset}] = rec
	}
	r.compacted = len(all) - len(now)
	return slices.SortedFunc(maps.Values(all), func(a, b audit.Record) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
}

// place is where a record of the ledger stands.
type place struct {
	partition int32
	offset    int64
}

const ledgerTopic = rig.Prefix + ".ledger"

// moment is when something happened to the daemon whose turn it is.
func (r *round) moment(at time.Time) audit.Moment {
	return audit.Moment{At: at, Process: r.daemon.Name}
}

// kill sends SIGKILL to a process that must be alive.
func (r *round) kill(n int) error {
	if r.daemon.Ended() {
		return fmt.Errorf("in cycle %d the daemon ended by itself\n%s", n, r.daemon.Tail())
	}
	r.kills = append(r.kills, r.moment(r.daemon.Kill()))
	return nil
}

// endAt waits until the process has died at its failpoint. One that does not come there is killed where it is.
func (r *round) endAt(ctx context.Context, name string) error {
	over := time.NewTimer(readyWithin)
	defer over.Stop()
	for ready := false; !ready && !r.daemon.Ended(); {
		select {
		case <-over.C:
			return fmt.Errorf("the daemon is not ready\n%s", r.daemon.Tail())
		default:
		}
		ready, _ = r.daemon.Ready(ctx)
		r.pause(10 * time.Millisecond)
	}
	if name == "released" && !r.daemon.Ended() {
		r.awaitMoment(ctx)
		r.daemon.Terminate()
	}
	over.Reset(patience)
	select {
	case <-r.daemon.Done():
		if !r.daemon.Killed() {
			if name != "released" {
				return fmt.Errorf("on the way to failpoint %s the daemon ended by itself\n%s", name, r.daemon.Tail())
			}
			r.terminate() // it has ended: fewer partitions were released than the failpoint waited for
			r.missed[name]++
			return nil
		}
		r.fired[name]++
		r.kills = append(r.kills, r.moment(time.Now()))
	case <-over.C:
		r.missed[name]++
		r.kills = append(r.kills, r.moment(r.daemon.Kill()))
	}
	return nil
}

// terminate ends the process in peace: SIGTERM, everything in flight resolved, exit code 0.
func (r *round) terminate() {
	began := time.Now()
	if code := r.daemon.Stop(endsWithin); code != 0 {
		r.problem("after SIGTERM daemon %s ended with code %d\n%s", r.daemon.Name, code, r.daemon.Tail())
	}
	end := r.moment(time.Now())
	end.Began = began
	r.drains = append(r.drains, end)
}

// freeze stops the process for longer than its calls may take, every second time for longer than its session with the groups, and
// lets it go on. It must come back by itself.
func (r *round) freeze(ctx context.Context, n int) error {
	how := "briefly"
	if r.freezes["briefly"] > r.freezes["session"] {
		how = "session"
	}
	if err := r.daemon.Freeze(); err != nil {
		return err
	}
	r.pause(frozenFor[how])
	if err := r.daemon.Thaw(); err != nil {
		return err
	}
	r.freezes[how]++
	if err := r.awaitReady(ctx); err != nil {
		return fmt.Errorf("in cycle %d, frozen for %s: %w", n, frozenFor[how], err)
	}
	r.awaitMoment(ctx)
	return nil
}

// frozen reports whether the cycle's process is frozen first. The first freeze comes late in twenty, so that short runs have few.
func (r *round) frozen(n int) bool {
	return slices.Contains([]int{13, 3, 18, 8}[:max(r.opt.Freezes, 1)], n%20)
}

// pause is a part of the schedule, not a wait for something.
func (r *round) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.daemon.Done():
	}
}

// feed produces events from the moment that a daemon's broker listens until it is gone.
func (r *round) feed(ctx context.Context, d *rig.Daemon) error {
	for ctx.Err() == nil {
		addr := d.Address()
		if c, err := net.DialTimeout("tcp", addr, time.Second); addr != "" && err == nil {
			c.Close()
			return r.feeder.Run(ctx, addr)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (r *round) awaitReady(ctx context.Context) error {
	deadline := time.Now().Add(readyWithin)
	for {
		ok, says := r.daemon.Ready(ctx)
		if ok {
			break
		}
		if r.daemon.Ended() || time.Now().After(deadline) {
			return fmt.Errorf("after kill %d daemon %s is not ready: ended %v: %s\n%s", len(r.kills), r.daemon.Name, r.daemon.Ended(), says, r.daemon.Tail())
		}
		r.pause(10 * time.Millisecond)
	}
	r.ready = append(r.ready, time.Since(r.daemon.Started))
	return nil
}

// awaitMoment waits for a moment worth a kill, as the daemon's metrics tell: this process has begun calls and one is open, or, one
// time in four, 50 intents are pending before it could begin any. If that does not come, the kill comes anyway; the ledger tells
// in the end which kills hit something.
func (r *round) awaitMoment(ctx context.Context) {
	begun := 1 + r.random.IntN(24)
	if r.random.IntN(4) == 0 {
		begun = 0
	}
	deadline := time.Now().Add(3 * time.Second)
	for time.Now().Before(deadline) && !r.daemon.Ended() {
		if l := r.daemon.Load(ctx); l.Begun >= begun && (l.InFlight > 0 && begun > 0 || l.Pending >= 50) {
			return
		}
		r.pause(5 * time.Millisecond)
	}
}
