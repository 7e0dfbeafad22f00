package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/failpoint"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/pulse"
)

// actor owns one partition: its ledger, its accounts, their quota. Everything in it belongs to the goroutine of run,
// except inbox, results and the channels.
type actor struct {
	opt *Options
	p   int32
	log *zap.Logger

	w      books
	clock  *clock
	luck   *rand.Rand // spreads what would go again at once
	pos    ledger.Position
	gen    *ledger.Genesis
	isNew  bool // the genesis record is not written yet
	timers *timers

	accounts map[string]*account // by identity
	keys     []string            // of the accounts, sorted
	items    map[itemKey]*item   // every intent without a fate
	packer   *ledger.Packer
	warm     []*item // whose records are unpacked
	hot      int     // of them, after the last cool
	berths   map[berth]*berth
	docks    []*berth         // of profile intents that wait, by number
	spot     []byte           // room to pack them
	restored bool             // nothing was decided since the take-over
	calls    map[string]*call // in flight, ours and those a predecessor left open
	kept     map[string]*ledger.Attempt
	seen     map[seenKey]int64 // until when, in unix nanoseconds
	seenOld  [2][]seenEntry    // users, broadcasts: in the order they expire
	taken    map[string]*ledger.Taken
	pauses   map[string]ledger.Pause
	sends    map[string]*ledger.Sends
	counts   map[string]bool // sends that the next commit writes
	once     map[string]ledger.Once
	onceEnds *timers
	onceLost int // forgotten for want of room since the last sweep
	maxOnce  int
	kills    map[string]ledger.Kill
	last     ledger.Fate // that was given
	doomed   []*item     // of killed and removed rules, not suppressed yet
	extends  map[string]ledger.Extension
	edits    edits
	spans    spans
	longer   []*item           // of extended rules, whose later expiry is not written yet
	stray    map[string]*item  // intents for an account the settings do not have
	found    []*ledger.Pending // stray intents whose account the settings have again, until the first turn

	pulse     pulse.Pulse
	newer     atomic.Pointer[string] // not nil: why no more intents are taken in
	ordered   []*call                // started by commands of this turn
	inbox     inbox
	results   chan result
	quitting  sync.Once     // closes quit
	quit      chan struct{} // closed: resolve what is in flight, release, end
	done      chan struct{}
	ctx       context.Context // cancelled: somebody else owns the partition, stop calls now
	lose      context.CancelCauseFunc
	untrimmed atomic.Bool     // it was said that old intents cannot be deleted
	callCtx   context.Context // of calls: ends with ctx, and in a drain that would take too long
	cut       context.CancelCauseFunc
	txnCtx    context.Context // of commits: ends with ctx, and in a drain that would take too long
	tear      context.CancelCauseFunc
	failed    func(error)
	aside     func(within time.Duration, do func(context.Context)) // beside; a Model does it at once
	sweepEach time.Duration                                        // how often chores are done
	stopping  bool
	rejoin    error // not nil: the next commit makes us a new member of the group
	past      *past // not nil: the partition went on by an assumption, and not all of what was there then is read
	flying    int   // calls of ours in flight
	wg        sync.WaitGroup

	wake      time.Time // when anything may become possible, decided by plan
	lastClock time.Time // local time of the last skew measurement
	lastSweep time.Time
	lastTaken time.Time // when the caps of users were last swept
	lastBeat  time.Time
	behind    [2]int64 // positions at the last two beats, a day ago at least: what lies below the first may be deleted
}

// inbox is where the poll loop leaves records, so that it never waits for an actor (design.md 3.9).
type inbox struct {
	mu       sync.Mutex
	records  []*kgo.Record
	commands []command
	wake     chan struct{}
	short    int
	onShort  func() // the partition's fetching was paused: resume it when fewer than short records wait
}

func (b *inbox) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// put returns how many records wait.
func (b *inbox) put(rs []*kgo.Record) int {
	b.mu.Lock()
	b.records = append(b.records, rs...)
	n := len(b.records)
	b.mu.Unlock()
	b.poke()
	return n
}

func (b *inbox) command(c command) {
	b.mu.Lock()
	b.commands = append(b.commands, c)
	b.mu.Unlock()
	b.poke()
}

// giveBack leaves commands for the next turn, before those that came meanwhile.
func (b *inbox) giveBack(cs []command) {
	b.mu.Lock()
	b.commands = append(cs[:len(cs):len(cs)], b.commands...)
	b.mu.Unlock()
	b.poke()
}

// maxTurn bounds the records of one turn, and so the size of a transaction and the wait of everything else.
const maxTurn = 5000

func (b *inbox) take() ([]*kgo.Record, []command) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.records), maxTurn)
	rs, cs := b.records[:n:n], b.commands
	b.records, b.commands = b.records[n:], nil
	if len(b.records) > 0 {
		b.poke()
	} else {
		b.records = nil
	}
	if b.onShort != nil && len(b.records) < b.short {
		b.onShort()
		b.onShort = nil
	}
	return rs, cs
}

func newActor(opt *Options, p int32, t *ledger.TakenOver, failed func(error)) *actor {
	a := newActorIn(t.Writer, time.Now, opt, p, t, failed)
	a.luck = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	return a
}

// newActorIn makes an actor that writes to w and reads the machine's clock by machine: a Model has its own. Its luck is always the same.
func newActorIn(w books, machine func() time.Time, opt *Options, p int32, t *ledger.TakenOver, failed func(error)) *actor {
	now := machine()
	a := &actor{opt: opt, p: p, log: opt.Log.With(zap.Int32("partition", p)), w: w, clock: newClock(machine, t.Broker, t.Local, t.State.Clock()), luck: rand.New(rand.NewPCG(uint64(p), 0)), pos: t.State.Position,
		gen: t.State.Genesis, isNew: t.New, timers: newTimers(), accounts: map[string]*account{}, items: map[itemKey]*item{}, packer: ledger.NewPacker(), berths: map[berth]*berth{}, calls: map[string]*call{},
		kept: map[string]*ledger.Attempt{}, seen: map[seenKey]int64{}, taken: t.State.Taken, pauses: t.State.Pauses, kills: t.State.Kills, extends: t.State.Extends, stray: map[string]*item{}, counts: map[string]bool{}, onceEnds: newTimers(), maxOnce: maxOnce,
		inbox: inbox{wake: make(chan struct{}, 1)}, edits: edits{jobs: map[string]*recheck{}}, results: make(chan result, 8192), quit: make(chan struct{}), done: make(chan struct{}), failed: failed,
		lastClock: now, lastSweep: now.Add(-sweepEvery), lastBeat: now, sweepEach: sweepEvery}
	a.aside = a.beside
	a.ctx, a.lose = context.WithCancelCause(context.Background())
	a.callCtx, a.cut = context.WithCancelCause(a.ctx)
	a.txnCtx, a.tear = context.WithCancelCause(a.ctx)
	reads := now
	if t.New && a.gen.Assumed == nil { // nobody was here before
		reads = time.Time{}
	}
	for _, ac := range opt.Accounts {
		if ledger.HashPartition([]byte(ac.Key), a.gen.Partitions) == int(p) {
			a.accounts[ac.Key] = newAccount(ac, reads, a.machineTime(t.State.Clock()), a.machineTime(t.State.Gap))
		}
	}
	a.keys = slices.Sorted(maps.Keys(a.accounts))
	a.restore(t.State)
	return a
}

// run is the actor's life: one iteration is apply, plan, commit, act.
func (a *actor) run() {
	defer close(a.done)
	defer a.wg.Wait() // calls end with a.ctx or by their own deadline
	defer a.lose(nil)
	defer a.stopChecks()
	defer a.pulse.Waits()
	for {
		a.pulse.Waits()
		if !a.wait() {
			a.w.Close()
			return
		}
		a.pulse.Works(a.clock.machine())
		a.heed()
		a.apply()
		a.heed()
		if a.stopping && a.flying == 0 {
			a.release()
			return
		}
		var calls []*call
		if !a.stopping {
			calls = a.plan()
			if len(calls) > 0 {
				failpoint.Here(failpoint.Planned)
			}
		}
		began := a.clock.machine()
		if !a.commit() {
			return
		}
		a.act(a.vetted(calls, began))
		a.cool()
	}
}

// heed looks whether the actor is to end. wait takes any of what is ready, and with a backlog there is always more: turns would go by, each with
// new calls, before it were the end's turn. A turn of thousands of records is long on a busy machine, hence before and after it.
func (a *actor) heed() {
	select {
	case <-a.quit:
		a.stopping = true
	default:
	}
}

// wait returns when there is something to do; false when the partition was lost.
func (a *actor) wait() bool {
	d := time.Hour
	if !a.stopping {
		if at, ok := a.timers.next(); ok {
			d = min(d, at.Sub(a.clock.now()))
		}
		if !a.wake.IsZero() {
			d = min(d, a.wake.Sub(a.clock.now()))
		}
		d = min(d, a.nextChore().Sub(a.clock.machine()))
	}
	if a.ctx.Err() != nil {
		return false
	}
	t := time.NewTimer(max(0, d))
	defer t.Stop()
	quit := a.quit
	if a.stopping {
		quit = nil
	}
	select {
	case <-a.inbox.wake:
	case r := <-a.results:
		a.resolve(r)
	case <-quit:
	case <-a.ctx.Done():
		return false
	case <-t.C:
	}
	return true
}

// apply takes into memory everything that is ready: outcomes first, since they free what is planned next.
func (a *actor) apply() {
	for more := true; more; {
		select {
		case r := <-a.results:
			a.resolve(r)
		default:
			more = false
		}
	}
	if a.stopping {
		return // what is not taken in stays in Kafka: the position does not pass it
	}
	records, commands := a.inbox.take()
	a.obeyAll(commands)
	a.unstrand()
	for _, r := range records {
		a.intake(r)
	}
	a.coolMany()
	a.rotated()
	a.writeForgotten()
	a.retagAll()
	now := a.clock.now()
	for {
		k, ok := a.timers.pop(now)
		if !ok {
			break
		}
		a.fire(k)
		a.coolMany()
	}
	a.sweep()
	a.writeExtended()
	a.chores()
}

// commit writes what this turn decided. A failure means that the partition is not ours any more (FENCED).
func (a *actor) commit() bool {
	if a.isNew {
		a.w.WriteGenesis(a.gen)
		a.isNew = false
	}
	a.writeCounts()
	if !a.w.Dirty() {
		return true
	}
	a.pos.Clock = a.clock.now().UTC()
	ctx, cancel := context.WithTimeout(a.txnCtx, 20*time.Second)
	defer cancel()
	began := a.clock.machine()
	err := a.w.Commit(ctx, a.pos)
	ended := a.clock.machine()
	a.opt.Metrics.commitSeconds.WithLabelValues(partLabel(a.p)).Observe(ended.Sub(began).Seconds())
	if err != nil {
		if a.stopping { // nobody hears of failed any more
			a.log.Warn(notReleased, zap.Error(err))
		}
		a.lose(err)
		a.w.Close()
		a.failed(fmt.Errorf("partition %d: %w", a.p, err))
		return false
	}
	a.tellSpans()
	if a.rejoin != nil {
		a.failed(a.rejoin)
		a.rejoin = nil
	}
	if ended.Sub(a.lastClock) > 30*time.Second {
		a.measure(began, ended)
	}
	return true
}

// measure asks the broker when the last append happened.
func (a *actor) measure(began, ended time.Time) bool {
	ctx, cancel := context.WithTimeout(a.ctx, 5*time.Second)
	defer cancel()
	at, err := a.w.AppendTime(ctx)
	if err != nil {
		a.log.Warn("clock skew unknown: the broker did not tell its time", zap.Error(err))
		return false
	}
	a.lastClock = a.clock.machine()
	was := a.clock.bounded()
	if !a.clock.measure(at, began, ended) {
		return false
	}
	a.opt.Metrics.skew.Set(a.clock.skew.Seconds())
	if was && !a.clock.bounded() {
		a.log.Error("clock skew above 2 s: scarce lanes are closed, mend NTP on this machine or the broker", zap.Duration("skew", a.clock.skew))
	}
	return true
}

// vetted drops the scarce calls whose own commit does not prove that the clocks agree (design.md 3.7): they certainly do not
// leave, so their charge is given back. The others go.
func (a *actor) vetted(calls []*call, began time.Time) []*call {
	scarce := false
	for _, c := range calls {
		scarce = scarce || c.lane.scarce()
	}
	if !scarce {
		return calls
	}
	proven := a.measure(began, a.clock.machine()) && a.clock.bounded()
	out := calls[:0]
	for _, c := range calls {
		if c.lane.scarce() && !proven {
			a.results <- result{c, Outcome{Class: ClassNotSent, Detail: "clock skew not bounded at the commit of the attempt"}}
			continue
		}
		out = append(out, c)
	}
	return out
}

// act lets the calls leave: their attempts are committed (ATTEMPT-FIRST).
func (a *actor) act(calls []*call) {
	for _, c := range calls {
		failpoint.Here(failpoint.Committed)
		a.wg.Go(func() {
			c.began = a.clock.machine()
			o := c.send(a.callCtx, c.began)
			c.ended = a.clock.machine()
			failpoint.Here(failpoint.Answered)
			a.results <- result{c, o}
		})
	}
}

// beside does something that may take its time in a goroutine of its own.
func (a *actor) beside(within time.Duration, do func(context.Context)) {
	a.wg.Go(func() {
		ctx, cancel := context.WithTimeout(a.ctx, within)
		defer cancel()
		do(ctx)
	})
}

// ask asks the vendor something beside the actor; what it finds comes back as a result.
func (a *actor) ask(within time.Duration, question func(context.Context) result) {
	a.aside(within, func(ctx context.Context) { a.results <- question(ctx) })
}

const notReleased = "the ledger could not be released: the next owner will check the open attempts"

// release writes that nothing is in flight and lets go.
func (a *actor) release() {
	ctx, cancel := context.WithTimeout(a.txnCtx, 2*time.Second)
	defer cancel()
	if a.isNew {
		a.w.WriteGenesis(a.gen)
	}
	a.writeCounts()
	a.pos.Clock = a.clock.now().UTC()
	if err := a.w.Release(ctx, a.pos, a.pos.Clock); err != nil {
		a.log.Warn(notReleased, zap.Error(err))
		return
	}
	a.tellSpans()
	failpoint.Here(failpoint.Released)
	a.log.Info("partition released", zap.Int("pending", a.pending()), zap.Int64("next", a.pos.Next))
}

// drainCalls is how long calls in flight may go on in a drain: what is left of its 10 s is for two commits and for leaving the groups. It is
// above the default time-out of a call; of an account with a longer one, calls that take longer end without an answer. drainCommits is when a
// commit without the broker's answer is given up: leaving the group takes up to a second then, and closing the client two.
const (
	drainCalls   = 6200 * time.Millisecond
	drainCommits = 6900 * time.Millisecond
)

var (
	errDrained = errors.New("the process ends: the call was cut off without an answer")
	errTorn    = errors.New("the process ends: the broker did not answer a commit")
)

// stop ends the actor; clean lets calls in flight end and releases the ledger. One that ends in peace may still be stopped at once.
func (a *actor) stop(clean bool) {
	if !clean {
		a.lose(errors.New("partition lost"))
	}
	time.AfterFunc(drainCalls, func() { a.cut(errDrained) })
	time.AfterFunc(drainCommits, func() { a.tear(errTorn) })
	a.quitting.Do(func() { close(a.quit) })
}

// fate writes what became of an intent and removes it, in the same transaction (ONE-FATE).
func (a *actor) fate(it *item, kind ledger.FateKind, reason ledger.Reason, fill func(*ledger.Fate)) {
	f := ledger.NewFate(it.p().Intent, kind, reason, a.clock.now())
	if it.route.Lane != "" && it.ac != nil {
		f.Lane, f.Endpoint = it.ac.Name+"/"+it.route.Lane, it.route.Endpoint
	}
	f.Approved = it.p().Approval.Names()
	if fill != nil {
		fill(&f)
	}
	a.endItem(it, &f)
	a.forget(it)
	a.w.Delete(ledger.PendingKey(string(it.id())))
	a.record(f)
}

// record writes the fate of an intent that has no pending record.
func (a *actor) record(f ledger.Fate) {
	a.w.Fate(f)
	a.last = f
	a.pos.Fates++
	a.opt.Metrics.fate(f)
	if e := a.log.Check(zap.DebugLevel, "fate"); e != nil { // not committed yet: one that never is, the next owner tells again
		e.Write(eventField(f.Event.ID), ruleField(f.Rule), zap.String("fate", string(f.Fate)), reasonField(string(f.Reason)), attemptField(f.Attempt), laneField(f.Lane))
	}
}

// forget takes an item out of every index in memory.
func (a *actor) forget(it *item) {
	id := it.id()
	a.timers.stopWake(it)
	a.timers.stopExpire(it)
	delete(a.items, itemOf(id))
	a.packer.Drop(it.packed)
	delete(a.stray, string(id))
	delete(a.spans.since, it)
	if it.ac != nil {
		it.ac.forget(it)
	}
	a.setState(it, gone)
}

// setState moves an item between the states and keeps the counts.
func (a *actor) setState(it *item, s state) {
	if it.state == s {
		return
	}
	lane := "none"
	if it.ac != nil {
		lane = it.ac.Name + "/" + it.route.Lane
	}
	if it.state != gone {
		a.opt.Metrics.pending.WithLabelValues(lane, it.state.String()).Dec()
	}
	if s != gone {
		a.opt.Metrics.pending.WithLabelValues(lane, s.String()).Inc()
	}
	if it.ac != nil && (s == approval || it.state == approval) {
		by := -1.0
		if s == approval {
			by = 1
		}
		a.opt.Metrics.approvals.WithLabelValues(it.ac.Name).Add(by)
	}
	it.state = s
}

// keep writes an item's pending record.
func (a *actor) keep(it *item) { a.w.Put(ledger.PendingKey(string(it.id())), it.p()) }

// add makes an item of a pending record and indexes it.
func (a *actor) add(ac *account, p *ledger.Pending, r Route) *item {
	it := &item{berth: a.berth(ac, r), tags: p.Intent.Profile != nil}
	it.heat(p)
	a.items[itemOf(it.id())] = it
	if at := it.expire(); !at.IsZero() && p.Intent.Action != intent.Tags {
		a.timers.expire(it)
	}
	return it
}

// berth is the one that stands for all of its kind.
func (a *actor) berth(ac *account, r Route) *berth {
	b := berth{a, ac, r}
	if a.berths[b] == nil {
		a.berths[b] = &b
	}
	return a.berths[b]
}

// whenShort calls f once fewer than n records wait.
func (b *inbox) whenShort(n int, f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.short, b.onShort = n, f
	b.poke() // they may have been taken in since they were counted
}

// retire takes the actor's gauges back: another process tells them now.
func (a *actor) retire() {
	a.opt.Metrics.owned.WithLabelValues(partLabel(a.p)).Set(0)
	a.opt.Metrics.parked.WithLabelValues(partLabel(a.p), "newer").Set(0)
	a.opt.Metrics.ledgerBytes.WithLabelValues(partLabel(a.p)).Set(0)
	a.opt.Metrics.liveBytes.WithLabelValues(partLabel(a.p)).Set(0)
	a.opt.Metrics.intentsBytes.WithLabelValues(partLabel(a.p)).Set(0)
	for _, kind := range limitKinds {
		a.opt.Metrics.limitRecords.WithLabelValues(partLabel(a.p), kind).Set(0)
	}
	for _, it := range a.items {
		a.setState(it, gone)
	}
	for b, l := range a.parkedSince() {
		a.opt.Metrics.pending.WithLabelValues(b.ac.Name+"/"+b.route.Lane, queued.String()).Sub(float64(l.n))
	}
	for _, ac := range a.accounts {
		for _, l := range ac.lanes {
			a.opt.Metrics.forget(l)
		}
		a.opt.Metrics.users.WithLabelValues(ac.Name).Set(0)
		a.opt.Metrics.drift.WithLabelValues(ac.Name).Set(0)
		a.opt.Metrics.retagsLeft.WithLabelValues(ac.Name).Set(0)
		a.tellWaits(ac, false)
		for _, l := range ac.lanes {
			for _, st := range []*ledger.LaneState{l.closed, l.stalled} {
				if st != nil {
					a.opt.Metrics.held.WithLabelValues(l.full(), st.Reason).Set(0)
				}
			}
		}
	}
	for scope, p := range a.pauses {
		if rule, ok := ruleOf(scope); ok && p.OfBrake() != nil {
			a.opt.Metrics.brake.WithLabelValues(rule).Set(0)
		}
	}
}
