package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/failpoint"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/member"
	"github.com/notifier/notifier/internal/pulse"
)

// Dispatcher runs an actor for each partition of <prefix>.intents that the group gives to this process.
type Dispatcher struct {
	opt Options
	log *zap.Logger

	pulse  pulse.Pulse // of the poll loop
	pauses *pulse.Pauses

	mu       sync.Mutex       // guards all below
	claims   map[int32]*claim // until nothing of the partition is left with us
	actors   map[int32]*actor // of claims, while they are not told to end
	halted   map[int32]*ledger.HaltError
	commands map[string]command // the control topic's commands by key, for actors that come later
	ready    bool               // the first assignment of this membership was taken over
	newer    string             // not "": a newer release wrote the ledger, so this process owns nothing
}

// ErrInstanceTaken means that another process uses our instance name. Going on would throw the two out in turn.
var ErrInstanceTaken = errors.New("another process uses this kafka.instance name")

// New makes a Dispatcher; Run starts it.
func New(opt Options) *Dispatcher {
	if opt.SessionTimeout == 0 {
		opt.SessionTimeout = 10 * time.Second
	}
	if opt.Heartbeat == 0 { // those that are left learn of a death by their next one: the rest of a second is for what then has to be read
		opt.Heartbeat = min(500*time.Millisecond, opt.SessionTimeout/5)
	}
	// A partition that a rebalance brings, while a fetch of our others waits at the broker, is first asked for when that one ends. Records end a fetch
	// at once, so a short wait costs idle requests only.
	if opt.FetchMaxWait == 0 {
		opt.FetchMaxWait = 100 * time.Millisecond
	}
	if opt.DuplicatesUsers == 0 {
		opt.DuplicatesUsers = defaultDuplicatesUsers
	}
	if opt.DuplicatesBroadcasts == 0 {
		opt.DuplicatesBroadcasts = defaultDuplicatesBroadcasts
	}
	d := &Dispatcher{opt: opt, log: opt.Log, pauses: pulse.NewPauses(), claims: map[int32]*claim{}, actors: map[int32]*actor{}, halted: map[int32]*ledger.HaltError{}, commands: map[string]command{}}
	for _, ac := range opt.Accounts {
		opt.Metrics.lanes(ac)
	}
	return d
}

// Run works until ctx ends, then resolves what is in flight and releases the ledger. A partition whose ledger cannot be
// written is left and comes back through a new membership (design.md 3.8).
func (d *Dispatcher) Run(ctx context.Context) error {
	for {
		began := time.Now()
		err := d.member(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrInstanceTaken) {
			return err
		}
		if errors.Is(err, ledger.ErrNewer) {
			d.tooOld(err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(newerPause):
			}
			continue
		}
		d.mu.Lock()
		d.ready = false // it owns nothing until it is a member again
		d.mu.Unlock()
		pause := d.pauses.After(time.Since(began))
		d.log.Warn("left the dispatch group, coming back as a new member", zap.Error(err), zap.Duration("in", pause))
		if d.pauses.Wait(ctx, pause); ctx.Err() != nil {
			return nil
		}
	}
}

// KafkaRotated tries at once what failed for the password or the certificates that were.
func (d *Dispatcher) KafkaRotated() { d.pauses.Cut() }

// newerPause is how long a process that is too old for the ledger stays away from the group. It looks again, because the cleaner may have
// removed what it could not read, and seldom, because each look takes partitions from those who can.
const newerPause = 10 * time.Minute

// tooOld says that this process takes no partition: others of the newer release do, for it has left the group.
func (d *Dispatcher) tooOld(err error) {
	d.log.Error("a newer release has written the ledger: this process takes no partition; upgrade it, see docs/upgrade.md#too-old", zap.Error(err), zap.Duration("looks_again_in", newerPause))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready, d.newer = false, err.Error()
}

// member is one membership of the group.
func (d *Dispatcher) member(ctx context.Context) error {
	o := &d.opt
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	membership := ctx
	group := o.Topics.Prefix + "-dispatch"
	topic := o.Topics.Intents
	life, end := context.WithCancel(context.Background())
	defer end()
	var (
		cl  *kgo.Client
		err error
	)
	made := make(chan struct{}) // cl
	cl, err = kgo.NewClient(append(slices.Clone(o.Kafka), kgo.WithContext(life),
		kgo.ConsumerGroup(group), kgo.InstanceID(o.Instance), kgo.ConsumeTopics(topic), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(o.SessionTimeout), kgo.HeartbeatInterval(o.Heartbeat), kgo.RebalanceTimeout(o.SessionTimeout+10*time.Second),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchMaxWait(o.FetchMaxWait), kgo.MaxDecompressBatchBytes(ledger.MaxBatch),
		kgo.AdjustFetchOffsetsFn(func(ctx context.Context, m map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			err := d.assigned(ctx, membership, m[topic], fail)
			<-made
			member.FetchTogether(cl, m, nil)
			return m, err
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, cl *kgo.Client, m map[string][]int32) {
			d.drop(m[topic], true)
			cl.ResumeFetchPartitions(m) // a pause outlives the assignment, and nobody else would end it when the partition comes back
		}),
		kgo.OnPartitionsLost(func(_ context.Context, cl *kgo.Client, m map[string][]int32) {
			d.drop(m[topic], false)
			cl.ResumeFetchPartitions(m)
		}),
	)...)
	if err != nil {
		return fmt.Errorf("dispatch: %w", err)
	}
	close(made)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctlCtx, stopControl := context.WithCancel(context.WithoutCancel(ctx))
	defer stopControl()
	wg.Go(func() {
		if err := d.control(ctlCtx, fail); err != nil && ctlCtx.Err() == nil {
			fail(err)
		}
	})
	said := map[int32]time.Time{} // when reading a partition failed last and was logged: an outage repeats itself every few seconds
	for ctx.Err() == nil {
		fs := cl.PollRecords(ctx, 20000)
		if fs.IsClientClosed() {
			break
		}
		d.pulse.Works(time.Now())
		fs.EachError(func(t string, p int32, err error) {
			switch {
			case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			case errors.Is(err, kerr.FencedInstanceID):
				fail(fmt.Errorf("%w: %q", ErrInstanceTaken, o.Instance))
			case errors.Is(err, kgo.ErrMaxDecompress):
				d.park(p, err.Error()+"; next: notifier skip", "batch")
			case errors.Is(err, kerr.OffsetOutOfRange) && !d.owns(p): // a stopped one
			case errors.Is(err, kerr.OffsetOutOfRange):
				d.park(p, fmt.Sprintf("the ledger's position in %s[%d] is not in the log any more", t, p), "offset")
			case time.Since(said[p]) < time.Minute:
			default:
				said[p] = time.Now()
				d.log.Warn("reading intents", zap.String("topic", t), zap.Int32("partition", p), zap.Error(err))
			}
		})
		fs.EachPartition(func(p kgo.FetchTopicPartition) { d.deliver(cl, p) })
		d.pulse.Waits()
		cl.AllowRebalance()
	}
	cause := context.Cause(ctx)
	// Leaving resolves what is in flight and releases; the poll loop is over, so no rebalance waits for us.
	d.drop(d.claimed(), true)
	if !errors.Is(cause, ErrInstanceTaken) {
		if err := member.Leave(cl, group, o.Instance); err != nil {
			d.log.Warn("could not leave the dispatch group: others wait for the session time-out", zap.Error(err))
		}
	}
	defer time.AfterFunc(member.CloseWithin, end).Stop()
	cl.CloseAllowingRebalance()
	return cause
}

// claim is a partition that the group gave us: its take-over, and the actor that came of it. It outlives the question that began it, for a
// rebalance meanwhile asks again: what is read of the ledger by then is not read twice.
type claim struct {
	cancel context.CancelFunc
	done   chan struct{} // the take-over has ended, and what follows is set
	next   int64         // where to read on
	err    error
	actor  *actor // nil: the take-over failed, or the partition is stopped
	told   bool   // the group knows next; d.mu guards it
	retire sync.Once
}

// errAgain should not happen within a membership: the partition's topic was made anew.
var errAgain = errors.New("the group gave a partition that it had given before")

// assigned takes over the partitions that the group gave us and sets their offsets from the ledger: the group's own offsets are
// never trusted (design.md 3.2). A stopped partition is kept without an actor. It fails only when the group withdraws its question: an error
// would make the group's client give up every partition as lost, where leaving as a member resolves what is in flight.
func (d *Dispatcher) assigned(ctx, membership context.Context, m map[int32]kgo.Offset, fail context.CancelCauseFunc) error {
	claims := map[int32]*claim{}
	for _, p := range slices.Sorted(maps.Keys(m)) {
		c := d.claim(membership, p, fail)
		if c == nil {
			<-ctx.Done()
			return ctx.Err()
		}
		claims[p] = c
	}
	for p, c := range claims {
		select {
		case <-c.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		m[p] = kgo.NewOffset().At(c.next).WithEpoch(-1)
	}
	if !d.tell(claims, fail) {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// tell reports whether the group may be told where to read on.
func (d *Dispatcher) tell(claims map[int32]*claim, fail context.CancelCauseFunc) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range claims {
		if c.told {
			fail(errAgain)
		}
		if c.told || c.err != nil {
			return false
		}
	}
	for _, c := range claims {
		c.told = true
	}
	d.ready, d.newer = true, ""
	return true
}

// claim begins to take over a partition, or returns what has begun; nil: a member that leaves takes nothing more.
func (d *Dispatcher) claim(membership context.Context, p int32, fail context.CancelCauseFunc) *claim {
	d.mu.Lock()
	defer d.mu.Unlock()
	if membership.Err() != nil { // under the lock: what is claimed when a member begins to drop, it drops
		return nil
	}
	if c := d.claims[p]; c != nil {
		return c
	}
	ctx, cancel := context.WithCancel(membership)
	c := &claim{cancel: cancel, done: make(chan struct{})}
	d.claims[p] = c
	go func() {
		defer close(c.done)
		if c.actor, c.next, c.err = d.takeOver(ctx, p, func(err error) { fail(err) }); c.err != nil && ctx.Err() == nil {
			fail(c.err)
		}
	}()
	return c
}

func (d *Dispatcher) takeOver(ctx context.Context, p int32, failed func(error)) (_ *actor, next int64, err error) {
	o := &d.opt
	lo := ledger.Options{Kafka: o.Kafka, Topics: o.Topics, TxnSuffix: o.TxnSuffix, Instance: o.Instance, Partition: p, Assume: d.assumption}
	t, err := ledger.TakeOver(ctx, lo)
	if errors.Is(err, ledger.ErrNewer) && ctx.Err() == nil { // else it is another partition's, for which this membership ended
		o.Metrics.parked.WithLabelValues(partLabel(p), "newer").Set(1)
	}
	if halt, ok := errors.AsType[*ledger.HaltError](err); ok {
		d.park(p, halt.What, "genesis")
		d.mu.Lock()
		d.halted[p] = halt
		d.mu.Unlock()
		if d.assumption(halt.Halt) != nil { // said meanwhile
			failed(errAssumed)
		}
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	past, err := pastOf(ctx, lo, t.State, t.New)
	if err != nil {
		t.Writer.Close()
		return nil, 0, fmt.Errorf("take over partition %d: %w", p, err)
	}
	pending := t.State.PendingCount() // the actor takes them out of the state
	a := newActor(o, p, t, failed)
	a.past = past
	a.assumed()
	failpoint.Here(failpoint.Restored)
	prev := "nobody"
	if t.State.Owner != nil {
		prev = t.State.Owner.Instance
	}
	d.log.Info("partition owned", zap.Int32("partition", p), zap.String("before", prev), zap.Int("records", t.State.Records), zap.Int("pending", pending),
		zap.Int("users", t.State.KnownUsers()), zap.Int64("next", t.State.Position.Next), zap.Duration("took", t.Took))
	d.mu.Lock()
	for _, c := range d.commands {
		a.inbox.commands = append(a.inbox.commands, c)
	}
	slices.SortFunc(a.inbox.commands, func(x, y command) int { return int(x.offset - y.offset) })
	d.actors[p] = a
	delete(d.halted, p)
	d.mu.Unlock()
	o.Metrics.owned.WithLabelValues(partLabel(p)).Set(1)
	for _, reason := range parkReasons {
		o.Metrics.parked.WithLabelValues(partLabel(p), reason).Set(0)
	}
	a.w.Unhalt()
	a.w.Touch() // the genesis of a new ledger is written at once: stage 1 waits for it
	a.inbox.poke()
	go a.run() // drop and Run wait for a.done
	return a, t.State.Position.Next, nil
}

// park says that a partition stays without an actor until a human has looked.
func (d *Dispatcher) park(p int32, what, reason string) {
	d.opt.Metrics.parked.WithLabelValues(partLabel(p), reason).Set(1)
	d.log.Error("partition stopped, nothing is sent from it", zap.Int32("partition", p), zap.String("what", what))
}

// pauseAt bounds what waits for an actor; its partition is not fetched until it has caught up.
const pauseAt = 100_000

func (d *Dispatcher) deliver(cl *kgo.Client, p kgo.FetchTopicPartition) {
	if len(p.Records) == 0 {
		return
	}
	d.mu.Lock()
	a := d.actors[p.Partition]
	d.mu.Unlock()
	if a == nil {
		return // a stopped partition; the ledger's position has not moved, so nothing is lost
	}
	if a.inbox.put(p.Records) < pauseAt {
		return
	}
	part := map[string][]int32{p.Topic: {p.Partition}}
	cl.PauseFetchPartitions(part)
	a.inbox.whenShort(pauseAt/2, func() { cl.ResumeFetchPartitions(part) })
}

func (d *Dispatcher) claimed() []int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.claims))
}

// drop ends what works on partitions and returns when it has ended, whoever began to end it: the group gives a partition that it takes from a
// member which is leaving to another one as soon as this returns. clean: calls in flight may end, the ledger is released; otherwise somebody
// else may own the partitions already and calls stop now.
func (d *Dispatcher) drop(ps []int32, clean bool) {
	var wg sync.WaitGroup
	for _, p := range ps {
		d.mu.Lock()
		c := d.claims[p]
		d.mu.Unlock()
		if c != nil {
			wg.Go(func() { d.end(p, c, clean) })
		}
	}
	wg.Wait()
}

func (d *Dispatcher) end(p int32, c *claim, clean bool) {
	c.cancel()
	<-c.done
	d.release(p, c, false)
	if a := c.actor; a != nil {
		a.stop(clean)
		<-a.done
		c.retire.Do(a.retire)
	}
	d.release(p, c, true)
}

// release makes that nothing is given to a claim's actor any more and, at the end, that the group may give us the partition again.
func (d *Dispatcher) release(p int32, c *claim, ended bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.claims[p] != c {
		return
	}
	delete(d.actors, p)
	delete(d.halted, p)
	if ended {
		delete(d.claims, p)
	}
}

// control follows the control topic and hands every command to every actor; an actor skips what its position has passed.
func (d *Dispatcher) control(ctx context.Context, rejoin context.CancelCauseFunc) error {
	cl, err := kgo.NewClient(append(slices.Clone(d.opt.Kafka), kgo.ConsumeTopics(d.opt.Topics.Control), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(max(d.opt.FetchMaxWait, 500*time.Millisecond)))...)
	if err != nil {
		return fmt.Errorf("follow the control topic: %w", err)
	}
	defer cl.Close()
	for {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		fs.EachError(func(t string, p int32, err error) {
			d.log.Warn("reading commands", zap.String("topic", t), zap.Error(err))
		})
		var answers []ledger.Answer
		fs.EachRecord(func(r *kgo.Record) {
			if !ledger.IsCommand(string(r.Key)) || r.Value == nil {
				return
			}
			c := command{offset: r.Offset}
			if err := decodeCommand(r.Value, &c.Command); err != nil {
				d.log.Error("a command cannot be read and is passed over", zap.Int64("offset", r.Offset), zap.Error(err))
				return
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			// A new membership reads from the start: an old record must not hide the newer one, which an actor would then be given
			// after others that came later, and pass over.
			if c.offset >= d.commands[string(r.Key)].offset {
				d.commands[string(r.Key)] = c
			}
			for _, a := range d.actors {
				a.inbox.command(c)
			}
			if c.Cmd == ledger.CmdAssume {
				answers = append(answers, d.mind(c, rejoin)...)
			}
		})
		for _, ans := range answers {
			d.answer(ctx, ans)
		}
	}
}

// RulesChanged lets every actor look at the live rules: known users may have to be evaluated again.
func (d *Dispatcher) RulesChanged() { d.pokeAll() }

// CredentialsChanged lets every actor look whether closed lanes can be tried with other credentials.
func (d *Dispatcher) CredentialsChanged() { d.pokeAll() }

func (d *Dispatcher) pokeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.actors {
		a.inbox.poke()
	}
}

// Stuck says what does not turn any more.
func (d *Dispatcher) Stuck(now time.Time) (out []string) {
	if t := d.pulse.Stuck(now); t > 0 {
		out = append(out, fmt.Sprintf("stage 2 has handed out one batch for %s", t.Round(time.Second)))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range slices.Sorted(maps.Keys(d.actors)) {
		if t := d.actors[p].pulse.Stuck(now); t > 0 {
			out = append(out, fmt.Sprintf("the owner of partition %d has worked on one turn for %s", p, t.Round(time.Second)))
		}
	}
	return out
}

// Status is what /readyz and `status` tell of this process.
type Status struct {
	Ready  bool             `json:"ready"`
	Owned  []int32          `json:"owned"`
	Halted map[int32]string `json:"halted,omitempty"`
	Newer  string           `json:"newer,omitempty"` // why this process owns nothing: the ledger is a newer release's
}

// Status reports which partitions this process owns and which are stopped.
func (d *Dispatcher) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Status{Ready: d.ready, Newer: d.newer, Owned: slices.Sorted(maps.Keys(d.actors)), Halted: map[int32]string{}}
	for p, h := range d.halted {
		s.Halted[p] = h.What
	}
	for p, a := range d.actors {
		if what := a.newer.Load(); what != nil {
			s.Halted[p] = *what
		}
	}
	return s
}
