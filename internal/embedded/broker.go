package embedded

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Options says where the broker keeps its data and where it listens.
type Options struct {
	Dir    string                                           // data directory, created if missing; "" keeps everything in memory
	Listen func(network, addr string) (net.Listener, error) // nil: TCP on loopback
	Port   int                                              // 0: that of the last start if it is free, else any
	Logger *zap.Logger                                      // nil: silent

	// Lately says of which keys a reader asks what they were lately, also where it was replaced since; nil: of none. A start that compacts
	// leaves that for [KeepYoung].
	Lately func(key []byte) bool
}

// Broker is a running broker. All methods may be called from any goroutine.
type Broker struct {
	cluster *kfake.Cluster
	addrs   []string
	suffix  string
	unlock  func() error
	staged  *os.File      // nil without a directory
	stop    chan struct{} // ends the watch
	watch   sync.WaitGroup
	close   sync.Once

	mu     sync.Mutex // guards what follows
	err    error
	ended  bool
	done   chan struct{}
	lns    []net.Listener
	conns  map[net.Conn]struct{}
	closed error
}

// ErrLocked is returned by Start when another process, or another broker of this one, has the directory.
var ErrLocked = errors.New("the data directory is in use")

// ErrFailed is in what Err returns of a broker that could not go on: its disk is full, or fails.
var ErrFailed = errors.New("embedded broker stopped")

// Start starts a broker and returns when it listens. ctx bounds the start only; Close ends the broker.
func Start(ctx context.Context, o Options) (*Broker, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Listen == nil {
		o.Listen = net.Listen
	}
	b := &Broker{
		suffix: bootSuffix(),
		unlock: func() error { return nil },
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		conns:  map[net.Conn]struct{}{},
	}
	ports := []int{o.Port}
	opts := []kfake.Opt{kfake.ClusterID("notifier-embedded"), kfake.GroupMinSessionTimeout(100 * time.Millisecond), kfake.BrokerConfigs(configs)}
	if o.Dir != "" {
		unlock, err := lock(o.Dir)
		if err != nil {
			return nil, err
		}
		b.unlock = unlock
		if err := probe(o.Dir); err != nil {
			return nil, errors.Join(err, unlock())
		}
		open, err := mend(o.Dir)
		if err == nil && !open { // what kfake has yet to abort stays until the next start
			c := compaction{dir: o.Dir, above: compactAbove, upTo: compactUpTo, lately: o.Lately, now: time.Now(), log: o.Logger.Named("broker")}
			err = c.run()
		}
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		opts = append(opts, kfake.DataDir(o.Dir))
		if last := lastPort(o.Dir); o.Port == 0 && last != 0 {
			ports = []int{last, 0}
		}
	}
	opts = append(opts, kfake.WithLogger(&logger{zap: o.Logger.Named("broker"), broken: b.fail}), kfake.ListenFn(b.listener(o.Listen)))

	var err error
	for _, port := range ports { // only listening may fail for a port: retry with the next one
		b.cluster, err = kfake.NewCluster(append(opts, kfake.Ports(port))...)
		var busy *net.OpError
		if err == nil || !errors.As(err, &busy) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded broker on %q: %w", o.Dir, err), b.unlock())
	}
	b.addrs = b.cluster.ListenAddrs()
	b.cluster.ControlKey(int16(kmsg.JoinGroup), impatient)
	b.cluster.ControlKey(int16(kmsg.GetTelemetrySubscriptions), b.incurious)
	if o.Dir != "" {
		if err := b.stage(o.Dir); err != nil {
			return nil, errors.Join(err, b.Close())
		}
		if err := writeAddress(o.Dir, b.addrs[0]); err != nil {
			return nil, errors.Join(err, b.Close())
		}
		b.watch.Go(func() { b.watchDir(o.Dir) })
	}
	return b, nil
}

// impatient lets a rebalance wait a third of a session for the members that are not heard of, whatever they ask for. kfake begins that
// time anew with every JoinGroup, counts one too few of those who wait after a member left while its SyncGroup was waiting, and gives no
// session time-out to a member whose answer finds a closed connection (groups.go: rebalance, removeMember, reply). So two or three members
// who try again each rebalance time-out + 10 s would meet before its end for ever, and nobody would join any more: with three of them a third
// of that time is the most that always passes between two.
func impatient(r kmsg.Request) (kmsg.Response, error, bool) {
	j := r.(*kmsg.JoinGroupRequest)
	j.RebalanceTimeoutMillis = min(j.RebalanceTimeoutMillis, j.SessionTimeoutMillis/3)
	return nil, nil, false
}

// incurious asks no client for its own metrics (KIP-714): kfake wants all of them every 30 s and throws them away.
func (b *Broker) incurious(r kmsg.Request) (kmsg.Response, error, bool) {
	b.cluster.KeepControl() // for whoever asks next
	res := r.ResponseKind().(*kmsg.GetTelemetrySubscriptionsResponse)
	res.ClientInstanceID = r.(*kmsg.GetTelemetrySubscriptionsRequest).ClientInstanceID
	if res.ClientInstanceID == [16]byte{} {
		rand.Read(res.ClientInstanceID[:])
	}
	res.PushIntervalMillis = int32(time.Hour.Milliseconds()) // until it may ask again
	return res, nil, true
}

// stage sees to it that the group offsets of a transaction are on disk before the transaction ends.
func (b *Broker) stage(dir string) error {
	s, err := newStager(dir, func(id [16]byte) string {
		if t := b.cluster.TopicIDInfo(id); t != nil {
			return t.Topic
		}
		return ""
	})
	if err != nil {
		return err
	}
	b.staged = s.file
	b.cluster.ControlKey(int16(kmsg.TxnOffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.offsets(r.(*kmsg.TxnOffsetCommitRequest))
		return nil, nil, false
	})
	b.cluster.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if err := s.end(r.(*kmsg.EndTxnRequest)); err != nil {
			b.fail(err)
			return nil, err, true
		}
		return nil, nil, false
	})
	return nil
}

// Addrs returns the addresses to give a client as seed brokers.
func (b *Broker) Addrs() []string { return b.addrs }

// TxnSuffix is what every transactional id used with this broker must end with. It differs at every start, and
// a client that outlives the broker must not go on with the old one.
func (b *Broker) TxnSuffix() string { return b.suffix }

// Done is closed when the broker failed or was closed; Err tells which.
func (b *Broker) Done() <-chan struct{} { return b.done }

// Err is why the broker stopped serving by itself, nil while it serves and after Close.
func (b *Broker) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Close writes what is to be kept, ends every connection and frees the directory. It returns Err, and what
// could not be written.
func (b *Broker) Close() error {
	b.close.Do(func() {
		close(b.stop)
		b.watch.Wait()
		b.cluster.Close()
		if b.staged != nil {
			b.staged.Close() // nothing is buffered
		}
		b.end(nil)
		b.closed = errors.Join(b.Err(), b.unlock())
	})
	return b.closed
}

// fail stops serving at once, without an answer to anybody: what they would hear may not be true. It is called
// from inside kfake's only goroutine, before the reply to the request that could not be written.
func (b *Broker) fail(err error) { b.end(fmt.Errorf("%w: %w", ErrFailed, err)) }

func (b *Broker) end(err error) {
	b.mu.Lock()
	if b.err == nil {
		b.err = err
	}
	first := !b.ended
	b.ended = true
	lns, conns := b.lns, b.conns
	b.lns, b.conns = nil, nil
	b.mu.Unlock()

	if first {
		close(b.done)
	}
	for _, l := range lns {
		l.Close()
	}
	for c := range conns {
		c.Close()
	}
}

// configs are the broker's settings. A time that never comes is written as ten years: larger ones overflow.
var configs = func() map[string]string {
	tenYears := 10 * 365 * 24 * time.Hour
	return map[string]string{
		"log.cleaner.backoff.ms":     strconv.FormatInt(tenYears.Milliseconds(), 10), // the cleaner: never
		"log.retention.ms":           "-1",
		"log.retention.bytes":        "-1",
		"offsets.retention.minutes":  strconv.FormatInt(int64(tenYears.Minutes()), 10), // a lost offset stops a partition
		"default.replication.factor": "1",
		"min.insync.replicas":        "1",
		"message.max.bytes":          strconv.Itoa(8 << 20),
		// KIP-848 groups: hand over within a second instead of five.
		"group.consumer.heartbeat.interval.ms": "500",
		"group.consumer.session.timeout.ms":    "10000",
	}
}()

func bootSuffix() string {
	var random [4]byte
	rand.Read(random[:]) // never fails
	return "-" + hex.EncodeToString(random[:])
}
