// Package consumer is stage 1: it reads the domain events of the catalogue's topics, evaluates the rules, and writes intents
// and dead letters exactly once, in one Kafka transaction with the offsets it has read.
//
// It keeps no state, so any number of instances may run. A record that cannot be decoded becomes a dead letter and never
// stops the line. What becomes of an intent is stage 2's business (package dispatch).
package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/failpoint"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/member"
	"github.com/notifier/notifier/internal/pulse"
	"github.com/notifier/notifier/internal/trace"
)

// Rules are the live rule files as stage 1 sees them.
type Rules interface {
	Topics() []string
	DecodeInto(room []event.Event, r event.Record) ([]event.Event, error)
	EvaluateInto(*intent.Room, *event.Event) []*intent.Intent
	Took(time.Duration) // a few records, one after the other
}

// Start is where a NEW group begins; it never applies to a topic the group has read before.
type Start struct {
	Set      bool // false: a new group is an error, nobody decided
	Earliest bool
	At       time.Time // else latest
}

func (s Start) offset() kgo.Offset {
	switch {
	case s.Earliest:
		return kgo.NewOffset().AtStart()
	case !s.At.IsZero():
		return kgo.NewOffset().AfterMilli(s.At.UnixMilli())
	}
	return kgo.NewOffset().AtEnd()
}

// Options are what a Consumer needs.
type Options struct {
	Kafka     []kgo.Opt
	Topics    ledger.Topics
	TxnSuffix string
	Instance  string
	Rules     func() Rules
	Accounts  map[string]string // name -> identity, vendor:AppKey
	Start     Start
	KeepDead  bool          // dead letters keep the record, not only its position
	Tracer    *trace.Tracer // nil: off

	SessionTimeout time.Duration // 0: 10 s
	Heartbeat      time.Duration // 0: 500 ms, or a fifth of a shorter session
	FetchMaxWait   time.Duration // 0: 100 ms
	Metrics        *Metrics
	Log            *zap.Logger
}

// Consumer is stage 1 of one process.
type Consumer struct {
	opt  Options
	log  *zap.Logger
	read readTimes

	pulse  pulse.Pulse
	pauses *pulse.Pauses
	reach  reach

	waker waker
	skips skips

	madeAgain madeAgain

	mu       sync.Mutex                           // guards below
	blocked  map[string]map[int32]bool            // partitions that stand at a batch that cannot be unpacked
	troubles map[partition]trouble                // of partitions that are not read
	begun    map[string]map[int32]kgo.EpochOffset // where partitions without commits begin: committed by the poll loop before anything is read
	kept     map[string]map[int32]kgo.EpochOffset // partitions without commits begin there, not later

	settled atomic.Bool // where a new group begins is committed
}

// Errors that trying again does not cure.
var (
	ErrInstanceTaken = errors.New("another process uses this kafka.instance name")
	ErrNoStart       = errors.New("kafka.start is not set and the group is new")
)

// maxPoll bounds the records of one transaction: 5 s of work at the slowest, half the transaction's time-out.
const maxPoll = 5000

// idleCommit is how long offsets wait for company when no record matched.
const idleCommit = 200 * time.Millisecond

// A poll of at least backlog records says that more wait. The transaction then takes them in as well, for as long as backlogCommit,
// since a commit costs 10 to 40 ms in which the broker works and we do not; an aborted one repeats no more than that, and a frozen
// process holds others back for txnTimeout in any case. backlogWait is
// how long the next fetch may take to arrive.
const (
	backlog       = 1000
	backlogCommit = time.Second
	backlogWait   = 20 * time.Millisecond
)

// What may wait for the broker's acknowledgement: a transaction of a backlog, in memory that is bounded.
const (
	maxBufferedRecords = 100_000
	maxBufferedBytes   = 64 << 20
)

// txnTimeout bounds how long a frozen instance's open transaction holds back everybody's read_committed reading.
const txnTimeout = 10 * time.Second

// drainCommit is how long a transaction may take to end in a drain: what is left of its 10 s is for leaving the group, up to a second, and for
// closing the client, two.
const drainCommit = 6900 * time.Millisecond

// New makes a Consumer; Run starts it.
func New(opt Options) *Consumer {
	if opt.SessionTimeout == 0 {
		opt.SessionTimeout = 10 * time.Second
	}
	if opt.Heartbeat == 0 { // those that are left learn of a death by their next one: the rest of a second is for what then has to be read
		opt.Heartbeat = min(500*time.Millisecond, opt.SessionTimeout/5)
	}
	if opt.FetchMaxWait == 0 { // short: see dispatch.New
		opt.FetchMaxWait = 100 * time.Millisecond
	}
	return &Consumer{opt: opt, log: opt.Log, pauses: pulse.NewPauses()}
}

// Stuck says what does not turn any more; "" is good.
func (c *Consumer) Stuck(now time.Time) string {
	if d := c.pulse.Stuck(now); d > 0 {
		return fmt.Sprintf("stage 1 has worked on one batch for %s", d.Round(time.Second))
	}
	return ""
}

func (c *Consumer) group() string { return GroupOf(c.opt.Topics) }

// GroupOf is the consumer group of stage 1.
func GroupOf(t ledger.Topics) string { return t.Prefix + "-evaluate" }

// Run works until ctx ends; the transaction that is open then is finished. It returns an error only when trying again is useless.
func (c *Consumer) Run(ctx context.Context) error {
	for {
		began := time.Now()
		err := c.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrInstanceTaken) || errors.Is(err, ErrNoStart) {
			return err
		}
		c.failed(err, time.Now())
		pause := c.pauses.After(time.Since(began))
		c.log.Warn("evaluation begins anew", zap.Error(err), zap.Duration("in", pause))
		if c.pauses.Wait(ctx, pause); ctx.Err() != nil {
			return nil
		}
	}
}

// KafkaRotated tries at once what failed for the password or the certificates that were.
func (c *Consumer) KafkaRotated() { c.pauses.Cut() }

// RulesChanged says that a reload may have brought topics: with kafka.start latest each begins where it ends when we look.
func (c *Consumer) RulesChanged() { c.waker.poke() }

// session is one membership of the group. A fatal transactional error needs a new one.
func (c *Consumer) session(ctx context.Context) error {
	o := &c.opt
	topics := o.Rules().Topics() // asked once, before they are begun: a reload between two questions would be missed for ever
	c.unkeep(topics)
	known, left, err := c.begin(ctx, topics) // before the ledger is waited for: with `latest` each moment counts
	if err != nil {
		return err
	}
	if len(left) == 0 {
		c.settled.Store(true)
	}
	parts, err := c.waitGenesis(ctx)
	if err != nil {
		return err
	}
	life, end := context.WithCancel(context.Background())
	defer end()
	var s *kgo.GroupTransactSession
	made := make(chan struct{}) // s
	s, err = kgo.NewGroupTransactSession(append(slices.Clone(o.Kafka), kgo.WithContext(life),
		kgo.TransactionalID(o.Topics.Prefix+"-evaluate-"+o.Instance+o.TxnSuffix), kgo.TransactionTimeout(txnTimeout),
		kgo.ConsumerGroup(c.group()), kgo.InstanceID(o.Instance), kgo.ConsumeTopics(topics...), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(o.SessionTimeout), kgo.HeartbeatInterval(o.Heartbeat), kgo.RebalanceTimeout(o.SessionTimeout+5*time.Second),
		kgo.ConcurrentTransactionsBackoff(time.Millisecond), kgo.ProducerLinger(0), kgo.MaxBufferedRecords(maxBufferedRecords), kgo.MaxBufferedBytes(maxBufferedBytes), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(o.Start.offset()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(o.FetchMaxWait), kgo.MaxDecompressBatchBytes(ledger.MaxBatch),
		kgo.AdjustFetchOffsetsFn(func(ctx context.Context, m map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			if err := c.recognise(ctx, topicsOf(m)); err != nil {
				return m, err
			}
			err := c.beginPartitions(ctx, m, known)
			<-made
			if err == nil {
				err = c.stopBeyond(ctx, s.Client(), m)
			}
			member.FetchTogether(s.Client(), m, c.stopped)
			return m, err
		}),
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
			if topic == o.Topics.Intents {
				return func(r *kgo.Record, _ int) int { return int(r.Partition) }
			}
			return func(r *kgo.Record, n int) int { return ledger.HashPartition(r.Key, n) }
		})),
	)...)
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	close(made)
	defer func() {
		defer time.AfterFunc(member.CloseWithin, end).Stop()
		s.Close()
	}()
	// Asked for at once and not with the first event: this ends the transaction that a predecessor of our name left open, which holds
	// back everybody's reading until then.
	if _, _, err := s.Client().ProducerID(ctx); err != nil {
		return fmt.Errorf("evaluate: begin the transactional id: %w", err)
	}
	c.answers()
	team := c.newTeam(parts)
	var wg sync.WaitGroup
	defer wg.Wait()
	lc, stopLag := context.WithCancel(ctx)
	defer stopLag()
	wg.Go(func() { c.watchLag(lc, s.Client()) })
	wg.Go(func() { c.watchLeft(lc, s.Client(), left) })
	c.skips.reset()
	wg.Go(func() { c.watchSkips(lc) })
	defer c.unblockAll()
	began := time.Now()
	for ctx.Err() == nil {
		c.waker.turn()
		if now := o.Rules().Topics(); !slices.Equal(now, topics) { // a reload brought others; records of those that went are ignored
			c.unkeep(now)
			if err := c.noteNew(ctx, s.Client(), topics, now); err != nil {
				return err
			}
			s.Client().AddConsumeTopics(now...)
			topics = now
		}
		if err := c.obeySkips(ctx, s, began); err != nil {
			return err
		}
		pc, cancel := c.waker.polling(ctx)
		fs := s.PollRecords(pc, maxPoll)
		cancel()
		if err := c.taken(ctx, s, fs); err != nil {
			return err
		}
		if fs.NumRecords() == 0 {
			continue
		}
		failpoint.Here(failpoint.Polled)
		if err := c.transaction(ctx, s, fs, team); err != nil {
			return err
		}
	}
	if err := member.Leave(s.Client(), c.group(), o.Instance); err != nil {
		c.log.Warn("could not leave the evaluate group: others wait for the session time-out", zap.Error(err))
	}
	return nil
}

// taken is what follows every poll, before its records are worked on: a beginning that is committed later than the offsets of the
// partition's first records would take the group back before them.
func (c *Consumer) taken(ctx context.Context, s *kgo.GroupTransactSession, fs kgo.Fetches) error {
	if err := c.fetchErrors(s.Client(), fs); err != nil {
		return err
	}
	return c.commitBeginnings(ctx, s.Client())
}

func (c *Consumer) fetchErrors(cl *kgo.Client, fs kgo.Fetches) (fatal error) {
	fs.EachError(func(t string, p int32, err error) {
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		case errors.Is(err, kerr.FencedInstanceID):
			fatal = fmt.Errorf("%w: %q", ErrInstanceTaken, c.opt.Instance)
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			c.log.Warn("a topic of the catalogue does not exist: its events are read once it does", zap.String("topic", t))
		case errors.Is(err, kgo.ErrMaxDecompress):
			if big, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err); ok {
				c.block(big)
			}
		case errors.Is(err, kerr.OffsetOutOfRange), isDataLoss(err):
			c.lose(cl, partition{t, p}, err)
		case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
			c.anew(partition{t, p}, err)
		case c.Down() != "": // said once
		default:
			c.log.Warn("reading events", zap.String("topic", t), zap.Int32("partition", p), zap.Error(err))
		}
	})
	return fatal
}

// transaction evaluates what was polled and commits intents, dead letters and offsets together.
func (c *Consumer) transaction(ctx context.Context, s *kgo.GroupTransactSession, fs kgo.Fetches, team team) error {
	began := time.Now()
	c.pulse.Works(began)
	defer c.pulse.Waits()
	if err := s.Begin(); err != nil {
		return fmt.Errorf("evaluate: begin: %w", err)
	}
	promise := kgo.AbortingFirstErrPromise(s.Client())
	team.begin()
	pctx := context.WithoutCancel(ctx)
	for produced, more := 0, true; more; {
		fs.EachPartition(func(p kgo.FetchTopicPartition) {
			if n := len(p.Records); n > 0 {
				c.read.note(p.Records[n-1])
			}
		})
		polled := fs.Records()
		for out := range team.evaluate(c.opt.Rules(), polled) {
			s.Produce(pctx, out, promise.Promise())
			produced++
		}
		if fs, more = c.more(ctx, s, produced, len(polled), time.Since(began)); !more {
			break
		}
		if err := c.taken(ctx, s, fs); err != nil {
			return err
		}
	}
	// On shutdown the open transaction is finished, not torn, unless the broker does not answer.
	ec, cancel := context.WithTimeout(context.WithoutCancel(ctx), txnTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainCommit, cancel) })()
	perr := s.Client().Flush(ec)
	if perr == nil {
		perr = promise.Err()
	}
	failpoint.Here(failpoint.Evaluated)
	committed, err := s.End(ec, kgo.TransactionEndTry(perr == nil))
	if perr != nil && errors.Is(perr, kerr.ProducerFenced) || errors.Is(err, kerr.FencedInstanceID) {
		return fmt.Errorf("evaluate: %w", errors.Join(perr, err))
	}
	if err != nil {
		return fmt.Errorf("evaluate: end: %w", errors.Join(perr, err))
	}
	if !committed {
		if c.aborted(perr, time.Now()) {
			c.log.Warn("transaction aborted, its records are read again", zap.NamedError("produce", perr))
		}
		return nil
	}
	c.committed()
	failpoint.Here(failpoint.Stage1)
	team.count(c.opt.Metrics)
	c.opt.Metrics.txnSeconds.Observe(time.Since(began).Seconds())
	return nil
}

// more polls again within a transaction that has lasted for a while, or says that it should end.
//
// Where nothing matched there is no hurry, and a transaction that holds only offsets would meet the markers of the one before it:
// the broker answers CONCURRENT_TRANSACTIONS to a first request that is an offset commit, and kgo aborts. Where a backlog waits its
// commit, three round trips in turn, is shared by more records; with less than that a commit is due at once.
func (c *Consumer) more(ctx context.Context, s *kgo.GroupTransactSession, produced, polled int, lasted time.Duration) (kgo.Fetches, bool) {
	switch {
	case ctx.Err() != nil:
		return nil, false
	case produced == 0 && lasted < idleCommit:
		pc, cancel := context.WithTimeout(ctx, idleCommit-lasted)
		defer cancel()
		return s.PollRecords(pc, maxPoll), true
	case polled >= backlog && lasted < backlogCommit:
		pc, cancel := context.WithTimeout(ctx, backlogWait)
		defer cancel()
		return s.PollRecords(pc, maxPoll), true
	}
	return nil, false
}
