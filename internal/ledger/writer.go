package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/failpoint"
)

// Options say which ledger partition, and how to reach it.
type Options struct {
	Kafka     []kgo.Opt // brokers, dialer, TLS, SASL
	Topics    Topics
	TxnSuffix string // embedded broker only: differs at every boot (design.md 8)
	Instance  string
	Partition int32
	Incarnate func() string // names a new ledger; nil: from the clock

	Assume func(Halt) *Assumption // what operators said of a stopped partition; nil: nothing, it stays stopped
}

// Topics are the names of our own topics.
type Topics struct {
	Prefix                                string
	Intents, Ledger, Fates, Dead, Control string
}

// TopicsOf gives the names under a prefix.
func TopicsOf(prefix string) Topics {
	return Topics{prefix, prefix + ".intents", prefix + ".ledger", prefix + ".fates", prefix + ".dead", prefix + ".control"}
}

// ErrLost means that this process does not own the partition any more, or cannot know. Nothing may be sent, and the
// partition comes back only through a new take-over: the state in memory may hold what was never committed.
var ErrLost = errors.New("ledger ownership lost")

// Writer writes one ledger partition as its only owner. It is not safe for concurrent use: one actor holds it.
//
// Two transactional ids are used in turn, because a broker makes the next transaction of one id wait for the last
// markers (about 20 ms against 1 ms). Both belong to the partition, so a take-over fences both.
type Writer struct {
	opt   Options
	cl    [2]*kgo.Client
	turn  int
	nonce string
	buf   []*kgo.Record
	at    map[string]int // ledger key -> place in buf: the last write of a key in a transaction wins
	lost  bool

	touched bool
	sizes   Sizes
}

// Nonce names this ownership.
func (w *Writer) Nonce() string { return w.nonce }

// Put writes a ledger record in the next Commit.
func (w *Writer) Put(key string, v any) {
	b, err := encode(v)
	if err != nil { // our own record types can always be encoded
		panic("encode ledger record " + key + ": " + err.Error())
	}
	w.put(key, b)
}

// Delete writes a tombstone in the next Commit.
func (w *Writer) Delete(key string) { w.put(key, nil) }

func (w *Writer) put(key string, value []byte) {
	w.sizes.note(key, value)
	if i, ok := w.at[key]; ok {
		w.buf[i].Value = value
		return
	}
	w.at[key] = len(w.buf)
	w.buf = append(w.buf, &kgo.Record{Topic: w.opt.Topics.Ledger, Partition: w.opt.Partition, Key: []byte(key), Value: value})
}

// Fate records a fate in the next Commit.
func (w *Writer) Fate(f Fate) {
	w.buf = append(w.buf, &kgo.Record{Topic: w.opt.Topics.Fates, Key: []byte(f.Event.ID), Value: f.Encode()})
}

// Dead writes a dead letter in the next Commit.
func (w *Writer) Dead(r *kgo.Record) { w.buf = append(w.buf, r) }

// Intent writes to the intents topic in the next Commit: an intent that another account takes over, by that account's identity.
func (w *Writer) Intent(key string, value []byte) {
	w.buf = append(w.buf, &kgo.Record{Topic: w.opt.Topics.Intents, Key: []byte(key), Value: value})
}

// Answer writes a record to the control topic in the next Commit.
func (w *Writer) Answer(key string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("encode answer " + key + ": " + err.Error())
	}
	w.buf = append(w.buf, &kgo.Record{Topic: w.opt.Topics.Control, Key: []byte(key), Value: b})
}

// Unhalt removes a Halt of this partition from the control topic in the next Commit.
func (w *Writer) Unhalt() {
	w.buf = append(w.buf, &kgo.Record{Topic: w.opt.Topics.Control, Key: []byte(HaltKey(w.opt.Partition))})
}

// Touch makes the next Commit write, if only the position.
func (w *Writer) Touch() { w.touched = true }

// Dirty reports whether the next Commit would write anything.
func (w *Writer) Dirty() bool { return len(w.buf) > 0 || w.touched }

// Commit writes everything buffered, and the position, in ONE transaction. Any error is ErrLost (design.md 3.8): nothing
// goes through the other id afterwards and the buffer is not replayed.
func (w *Writer) Commit(ctx context.Context, pos Position) error {
	if w.lost {
		return ErrLost
	}
	w.Put(positionKey, pos)
	w.touched = false
	w.turn++
	if err := w.commit(ctx, w.cl[w.turn%2]); err != nil {
		w.lost = true
		return fmt.Errorf("%w: commit partition %d: %w", ErrLost, w.opt.Partition, err)
	}
	return nil
}

func (w *Writer) commit(ctx context.Context, cl *kgo.Client) error {
	if err := cl.BeginTransaction(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	promise := kgo.AbortingFirstErrPromise(cl)
	for _, r := range w.buf {
		cl.Produce(ctx, r, promise.Promise())
	}
	if err := cl.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	// kgo may turn a commit into an abort and return nil when a produce failed: check every promise before the end.
	if err := promise.Err(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := AwaitTopics(ctx, cl, w.buf); err != nil {
		return err
	}
	if failpoint.Enabled && w.startsCall() {
		failpoint.Here(failpoint.Produced)
	}
	if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	w.buf = w.buf[:0]
	clear(w.at)
	return nil
}

// AwaitTopics waits until the client has stored what it learned of the topics of records that it has flushed. It belongs between the
// flush and the end of every transaction: what waited for a topic's first metadata is sent before they are stored (franz-go 1.22,
// storePartitionsUpdate), and EndTransaction looks for what was written in what is stored. A commit that found nothing there would abort
// and return nil, and what this process takes for committed would not be there. Usually nothing is waited for.
func AwaitTopics(ctx context.Context, cl *kgo.Client, flushed []*kgo.Record) error {
	seen := map[string]bool{}
	for _, r := range flushed {
		if seen[r.Topic] {
			continue
		}
		seen[r.Topic] = true
		for {
			if leader, _, err := cl.PartitionLeader(r.Topic, r.Partition); leader >= 0 || err != nil { // -1 without an error: not stored
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("partitions of %s: %w", r.Topic, context.Cause(ctx))
			case <-time.After(100 * time.Microsecond):
			}
		}
	}
	return nil
}

// startsCall reports whether the next Commit holds an attempt.
func (w *Writer) startsCall() bool {
	for key := range w.at {
		if strings.HasPrefix(key, AttemptKey("")) {
			return true
		}
	}
	return false
}

// AppendTime is the broker's clock at the last append to the ledger partition (LogAppendTime, ListOffsets -3, KIP-734):
// asked after a commit it bounds the skew of this machine's clock.
func (w *Writer) AppendTime(ctx context.Context) (time.Time, error) {
	return appendTime(ctx, w.cl[0], w.opt.Topics.Ledger, w.opt.Partition)
}

// appendTime asks for the time of the partition's last append. A broker leaves it out (-1) while that append, or the marker behind it, is
// not below the high watermark yet: then it is asked again, for -1 taken for a time is 1969, when nothing had expired.
func appendTime(ctx context.Context, cl *kgo.Client, topic string, partition int32) (time.Time, error) {
	for pause := 2 * time.Millisecond; ; pause *= 2 {
		offs, err := kadm.NewClient(cl).ListMaxTimestampOffsets(ctx, topic)
		if err != nil {
			return time.Time{}, fmt.Errorf("ask the broker's time: %w", err)
		}
		o, ok := offs.Lookup(topic, partition)
		if !ok || o.Err != nil {
			return time.Time{}, fmt.Errorf("ask the broker's time of %s[%d]: %w", topic, partition, o.Err)
		}
		if o.Timestamp > 0 {
			return time.UnixMilli(o.Timestamp), nil
		}
		if pause > 2*time.Second {
			return time.Time{}, fmt.Errorf("the broker does not tell when %s[%d] was last written", topic, partition)
		}
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("ask the broker's time: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// Size is how many bytes the partition's replicas hold on the broker that has most of it, of the ledger and of the intents.
func (w *Writer) Size(ctx context.Context) (ledger, intents int64, err error) {
	var set kadm.TopicsSet
	set.Add(w.opt.Topics.Ledger, w.opt.Partition)
	set.Add(w.opt.Topics.Intents, w.opt.Partition)
	dirs, err := kadm.NewClient(w.cl[0]).DescribeAllLogDirs(ctx, set)
	if err != nil {
		return 0, 0, fmt.Errorf("size of the ledger: %w", err)
	}
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if p.Topic == w.opt.Topics.Ledger {
				ledger = max(ledger, p.Size)
			} else {
				intents = max(intents, p.Size)
			}
		})
	})
	return ledger, intents, nil
}

// Trim deletes intents below an offset (design.md 3, Topics): the ledger has them.
func (w *Writer) Trim(ctx context.Context, below int64) error {
	var os kadm.Offsets
	os.Add(kadm.Offset{Topic: w.opt.Topics.Intents, Partition: w.opt.Partition, At: below})
	rs, err := kadm.NewClient(w.cl[0]).DeleteRecords(ctx, os)
	if err != nil {
		return fmt.Errorf("trim %s[%d] below %d: %w", w.opt.Topics.Intents, w.opt.Partition, below, err)
	}
	return rs.Error()
}

// Release says that nothing of ours is in flight: the next owner needs no hold. Then it closes the writer.
func (w *Writer) Release(ctx context.Context, pos Position, at time.Time) error {
	defer w.Close()
	w.Put(ownerKey, Owner{V: Version, Instance: w.opt.Instance, Nonce: w.nonce, Round: 2, At: at.UTC(), Released: true})
	return w.Commit(ctx, pos)
}

// Close drops the connections. Without Release the next owner treats the open attempts as ambiguous.
func (w *Writer) Close() {
	for _, cl := range w.cl {
		if cl != nil {
			cl.Close()
		}
	}
}

func (w *Writer) client(i int) (*kgo.Client, error) {
	return kgo.NewClient(append(slices.Clone(w.opt.Kafka),
		kgo.TransactionalID(w.opt.Topics.Prefix+"-dispatch-"+strconv.Itoa(int(w.opt.Partition))+"-"+strconv.Itoa(i)+w.opt.TxnSuffix),
		kgo.TransactionTimeout(time.Minute), // long is harmless: a take-over aborts what is open at once
		kgo.ConcurrentTransactionsBackoff(time.Millisecond),
		kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
			if topic == w.opt.Topics.Ledger {
				return func(r *kgo.Record, _ int) int { return int(r.Partition) }
			}
			return func(r *kgo.Record, n int) int { return HashPartition(r.Key, n) }
		})),
	)...)
}

// HashPartition places a key on one of n partitions, the same way in every release.
func HashPartition(key []byte, n int) int {
	h := fnv.New64a()
	_, _ = h.Write(key)
	return int(h.Sum64() % uint64(n))
}
