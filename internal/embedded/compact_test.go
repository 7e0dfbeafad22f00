package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const (
	compactedParts = 3
	keepTombstones = "3000000000000" // of 1970 as well
)

// asked are keys of which a reader asks what they were lately.
func asked(key []byte) bool { return bytes.HasPrefix(key, []byte("asked")) }

// compactAll does at dir what a start does, however short its logs are.
func compactAll(t *testing.T, dir string, now time.Time, step func()) {
	t.Helper()
	if _, err := mend(dir); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	c := compaction{dir: dir, above: 0, upTo: compactUpTo, lately: asked, now: now, log: zap.New(core), step: step}
	if err := c.run(); err != nil {
		t.Fatal(err)
	}
	for _, l := range logs.All() {
		if cause := fmt.Sprint(l.ContextMap()["error"]); !strings.Contains(cause, "starts within its last batch") {
			t.Errorf("%s: %v", l.Message, l.ContextMap())
		}
	}
}

func copied(t *testing.T, dir string) string {
	t.Helper()
	d := t.TempDir()
	if err := os.CopyFS(d, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return d
}

// seen is a record as a reader sees it.
type seen struct {
	value  string // "" is a tombstone
	offset int64
	time   int64
}

// view is what readers see of a topic: for each partition its records, in order, by key.
type view struct {
	starts, ends [compactedParts]int64
	committed    [compactedParts][]keyedSeen
	uncommitted  [compactedParts][]keyedSeen
}

type keyedSeen struct {
	key string
	seen
}

// readTopic reads all of a topic up to the records that it writes at each end.
func readTopic(t *testing.T, b *Broker, topic string) (v view) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cl := client(t, b)
	defer cl.Close()
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(compactedParts) {
		start, _ := starts.Lookup(topic, p)
		end, _ := ends.Lookup(topic, p)
		v.starts[p], v.ends[p] = start.Offset, end.Offset
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: p, Key: []byte("end"), Value: []byte("end")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	at := map[int32]kgo.Offset{}
	for p := range int32(compactedParts) {
		at[p] = kgo.NewOffset().AtStart()
	}
	v.committed = readFrom(t, b, topic, at, kgo.ReadCommitted())
	v.uncommitted = readFrom(t, b, topic, at, kgo.ReadUncommitted())
	return v
}

// readFrom reads partitions up to "end".
func readFrom(t *testing.T, b *Broker, topic string, at map[int32]kgo.Offset, level kgo.IsolationLevel) (all [compactedParts][]keyedSeen) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cl := client(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}), kgo.FetchIsolationLevel(level), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	defer cl.Close()
	for left := len(at); left > 0; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("%v: %v", at, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if string(r.Key) == "end" {
				left--
				return
			}
			all[r.Partition] = append(all[r.Partition], keyedSeen{string(r.Key), seen{string(r.Value), r.Offset, r.Timestamp.UnixMilli()}})
		})
	}
	return all
}

// lastOf is the last record of each key, of those that count.
func lastOf(records []keyedSeen, counts func(keyedSeen) bool, tombstones bool) map[string]seen {
	m := map[string]seen{}
	for _, r := range records {
		if counts(r) {
			m[r.key] = r.seen
		}
	}
	if !tombstones {
		maps.DeleteFunc(m, func(_ string, s seen) bool { return s.value == "" })
	}
	return m
}

// life writes to the topic as several producers do, some of them in transactions, and leaves some of these open. Every value is new.
func life(t *testing.T, b *Broker, topic string, r *rand.Rand, steps int) {
	t.Helper()
	ctx := t.Context()
	plain := []*kgo.Client{client(t, b), client(t, b, kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(kgo.NoCompression()))}
	var txns []*kgo.Client
	for i := range 3 {
		txns = append(txns, client(t, b, kgo.TransactionalID(strconv.Itoa(i)+b.TxnSuffix())))
	}
	n := r.IntN(1 << 30)
	records := func(parts int) (rs []*kgo.Record) {
		first := r.IntN(compactedParts)
		for i := range 1 + r.IntN(4) {
			n++
			rec := &kgo.Record{Topic: topic, Partition: int32((first + i%parts) % compactedParts), Key: []byte(strconv.Itoa(r.IntN(8))),
				Value: []byte(strconv.Itoa(n)), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(r.IntN(1_000_000)))}
			if r.IntN(5) == 0 {
				rec.Value = nil
				rec.Key = []byte("gone" + strconv.Itoa(r.IntN(3)))
			}
			if r.IntN(3) == 0 {
				rec.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}
			}
			rs = append(rs, rec)
		}
		return rs
	}
	open := map[int]bool{}
	for range steps {
		if r.IntN(3) == 0 {
			if err := plain[r.IntN(len(plain))].ProduceSync(ctx, records(1)...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		i := r.IntN(len(txns))
		if !open[i] {
			if err := txns[i].BeginTransaction(); err != nil {
				t.Fatal(err)
			}
		}
		if err := txns[i].ProduceSync(ctx, records(compactedParts)...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if open[i] = r.IntN(3) == 0; !open[i] {
			if err := txns[i].EndTransaction(ctx, kgo.TransactionEndTry(r.IntN(4) > 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What readers see of a compacted topic is what they would have seen without, for any history, of which the last part is what SIGKILL leaves.
func TestCompactionChangesNothingThatLives(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			byKey := seed < 20 // else it is a topic of which nothing that was committed goes
			r := rand.New(rand.NewPCG(seed, 1))
			dir := t.TempDir()
			b := start(t, dir)
			tombstones := seed%2 == 0
			policy, retention, lag := "compact", "0", "0"
			if !byKey {
				policy = "delete"
			}
			if tombstones {
				retention = keepTombstones
			}
			half := seed%5 == 2 // of it is too young
			if half {
				lag = "1000000"
			}
			if _, err := kadm.NewClient(client(t, b)).CreateTopic(t.Context(), compactedParts, 1, map[string]*string{"cleanup.policy": &policy, "delete.retention.ms": &retention, "min.compaction.lag.ms": &lag}, "a b"); err != nil {
				t.Fatal(err)
			}
			life(t, b, "a b", r, 50)
			now := time.Now()
			if half {
				now = time.UnixMilli(1_700_000_000_000 + 1_000_000 + 500_000)
			}
			life(t, b, "a b", r, 12)
			if seed%3 == 0 { // some of it is of a run before
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				b = start(t, dir)
				life(t, b, "a b", r, 20)
			}
			killed := copied(t, dir)
			if seed%4 == 1 { // in the middle of a commit, perhaps
				cutLastBatch(t, killed, "a%20b-1")
			}
			compactedDir := copied(t, killed)
			compactAll(t, compactedDir, now, nil)
			var tails [compactedParts]int64 // where they begin
			fewer := 0
			for p := range compactedParts {
				name := fmt.Sprintf("a%%20b-%d", p)
				l, err := readLog(filepath.Join(compactedDir, "partitions", name))
				if err != nil {
					t.Fatal(err)
				}
				old, err := readLog(filepath.Join(killed, "partitions", name))
				if err != nil {
					t.Fatal(err)
				}
				plain := func(l *partitionLog) (raw []string) {
					for _, b := range l.batches {
						if b.attributes()&(transactional|control) == 0 && b.transaction().producer >= 0 {
							raw = append(raw, string(b.raw))
						}
					}
					return raw
				}
				if !byKey && !slices.Equal(plain(l), plain(old)) {
					t.Errorf("partition %d: what was written without a transaction is not as it was", p)
				}
				tails[p] = l.batches[len(l.batches)-1].first()
				if len(l.batches) < len(old.batches)/2 {
					fewer++
				}
			}
			if fewer < compactedParts && byKey || fewer == 0 {
				t.Errorf("%d partitions were compacted", fewer)
			}

			whole := readTopic(t, start(t, killed), "a b")
			cb := start(t, compactedDir)
			got := readTopic(t, cb, "a b")
			if got.starts != whole.starts || got.ends != whole.ends {
				t.Errorf("from %v to %v, without compaction from %v to %v", got.starts, got.ends, whole.starts, whole.ends)
			}
			all := func(keyedSeen) bool { return true }
			for p := range compactedParts {
				isCommitted := map[int64]bool{}
				for _, rec := range whole.committed[p] {
					isCommitted[rec.offset] = true
				}
				if !byKey && !slices.Equal(got.committed[p], whole.committed[p]) {
					t.Errorf("partition %d, committed: %v, without compaction %v", p, got.committed[p], whole.committed[p])
				}
				want := lastOf(whole.committed[p], all, tombstones)
				if have := lastOf(got.committed[p], all, tombstones); !maps.Equal(have, want) {
					t.Errorf("partition %d, committed: %v, without compaction %v", p, have, want)
				}
				if have := lastOf(got.uncommitted[p], func(k keyedSeen) bool { return isCommitted[k.offset] }, tombstones); !maps.Equal(have, want) {
					t.Errorf("partition %d, of the uncommitted: %v, without compaction %v", p, have, want)
				}
				for _, rec := range got.committed[p] {
					if !isCommitted[rec.offset] {
						t.Errorf("partition %d: %v is not committed", p, rec)
					}
				}
				for _, rec := range got.uncommitted[p] {
					if !isCommitted[rec.offset] && rec.offset < tails[p] {
						t.Errorf("partition %d: %v of an aborted transaction is kept", p, rec)
					}
				}
				// A reader may go on anywhere.
				from := whole.starts[p] + r.Int64N(whole.ends[p]-whole.starts[p])
				rest := readFrom(t, cb, "a b", map[int32]kgo.Offset{int32(p): kgo.NewOffset().At(from)}, kgo.ReadCommitted())[p]
				wantRest := slices.DeleteFunc(slices.Clone(got.committed[p]), func(k keyedSeen) bool { return k.offset < from })
				if !slices.Equal(rest, wantRest) {
					t.Errorf("partition %d from %d: %v, want %v", p, from, rest, wantRest)
				}
			}
			goOn(t, cb, "a b", "0"+cb.TxnSuffix())
			if err := cb.Close(); err != nil {
				t.Fatal(err)
			}
			goOn(t, start(t, compactedDir), "a b", "1"+cb.TxnSuffix())
		})
	}
}

// goOn commits a record in each partition, and reads it.
func goOn(t *testing.T, b *Broker, topic, id string) {
	t.Helper()
	cl := client(t, b, kgo.TransactionalID(id))
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	at := map[int32]kgo.Offset{}
	for p := range int32(compactedParts) {
		rec := &kgo.Record{Topic: topic, Partition: p, Key: []byte("end"), Value: []byte(id)}
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		at[p] = kgo.NewOffset().At(rec.Offset)
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	readFrom(t, b, topic, at, kgo.ReadCommitted())
}

// commit writes each value in a transaction of its own, under its key; "open" is left open.
func commit(t *testing.T, cl *kgo.Client, topic string, keysAndValues ...string) {
	t.Helper()
	for i := 0; i < len(keysAndValues); i += 2 {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte(keysAndValues[i]), Value: []byte(keysAndValues[i+1])}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if keysAndValues[i+1] == "open" {
			return
		}
		if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAStartJoinsWhatIsLong(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cl := client(t, b, kgo.TransactionalID("t"+b.TxnSuffix()))
	topic(t, client(t, b), "ledger", map[string]string{"cleanup.policy": "compact"})
	topic(t, client(t, b), "fates", map[string]string{"cleanup.policy": "delete"})
	for i := range compactAbove + 1 {
		commit(t, cl, "ledger", strconv.Itoa(i%50), strconv.Itoa(i))
		commit(t, cl, "fates", strconv.Itoa(i%50), strconv.Itoa(i))
	}
	topic(t, client(t, b), "short", map[string]string{"cleanup.policy": "compact"})
	commit(t, cl, "short", "a", "1", "a", "2", "a", "3")
	killed := copied(t, dir)
	batches := func(name string) int { return len(logOf(t, killed, name).batches) }
	const before = 2 * (compactAbove + 1)
	var after []byte
	for run := range 2 {
		core, logs := observer.New(zap.InfoLevel)
		b, err := Start(t.Context(), Options{Dir: killed, Logger: zap.New(core)})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if batches("ledger") != 2 || batches("fates") != 2 || batches("short") != 6 {
			t.Errorf("run %d: ledger has %d batches, fates %d, short %d", run, batches("ledger"), batches("fates"), batches("short"))
		}
		said := logs.FilterMessage("compacted a partition of the embedded broker").All()
		data, err := os.ReadFile(filepath.Join(killed, "partitions", "ledger-0", "0.dat"))
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			if after = data; len(said) != 2 || said[0].ContextMap()["batches_before"] != int64(before) || said[0].ContextMap()["batches"] != int64(2) {
				t.Errorf("the log says %v", said)
			}
		} else if len(said) != 0 || !bytes.Equal(data, after) {
			t.Errorf("the second start compacted again: %v", said)
		}
		if _, err := os.Stat(filepath.Join(killed, compactionDir)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", compactionDir, err)
		}
	}
}

func logOf(t *testing.T, dir, name string) *partitionLog {
	t.Helper()
	l, err := readLog(filepath.Join(dir, "partitions", name+"-0"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A log is bounded by its keys. What was replaced lately stays where a reader asks for it, and in a topic that wants it.
func TestWhatIsAskedForStaysForAWhile(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cl := client(t, b, kgo.TransactionalID("t"+b.TxnSuffix()))
	topic(t, client(t, b), "ledger", map[string]string{"cleanup.policy": "compact"})
	topic(t, client(t, b), "lagging", map[string]string{"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"})
	const commits, keys = 30, 5
	for i := range commits {
		for _, key := range []string{"asked", "not"} {
			commit(t, cl, "ledger", key+strconv.Itoa(i%keys), strconv.Itoa(i))
			commit(t, cl, "lagging", key+strconv.Itoa(i%keys), strconv.Itoa(i))
		}
	}
	for _, c := range []struct {
		after           time.Duration
		ledger, lagging int
	}{{0, commits + keys, 2 * commits}, {KeepYoung + time.Minute, 2 * keys, 2 * commits}, {2 * time.Hour, 2 * keys, 2 * keys}} {
		killed := copied(t, dir)
		compactAll(t, killed, time.Now().Add(c.after), nil)
		records := func(name string) (n int) {
			for _, b := range logOf(t, killed, name).batches {
				if b.attributes()&control == 0 {
					n += b.records()
				}
			}
			return n
		}
		if records("ledger") != c.ledger || records("lagging") != c.lagging {
			t.Errorf("after %s: ledger has %d records, lagging %d", c.after, records("ledger"), records("lagging"))
		}
	}
}

// Where the beginning of a log was aborted, it begins where it did, also before a batch that stays as it is.
func TestALogWhoseBeginningWasAbortedKeepsItsStart(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cl := client(t, b, kgo.TransactionalID("t"+b.TxnSuffix()))
	topic(t, client(t, b), "events", map[string]string{"cleanup.policy": "delete"})
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte("never")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if err := client(t, b).ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte("plain")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	commit(t, cl, "events", "a", "1", "a", "2", "a", "3", "a", "4", "a", "5", "end", "")
	killed := copied(t, dir)
	compactAll(t, killed, time.Now(), nil)
	l, err := readLog(filepath.Join(killed, "partitions", "events-0"))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.batches) != 4 || l.start != 0 { // nothing, the plain one, the others joined, the last marker
		t.Errorf("%d batches from %d on", len(l.batches), l.start)
	}
	var got []string
	for _, rec := range readFrom(t, start(t, killed), "events", map[int32]kgo.Offset{0: kgo.NewOffset().At(0)}, kgo.ReadCommitted())[0] {
		got = append(got, rec.value)
	}
	if strings.Join(got, " ") != "plain 1 2 3 4 5" {
		t.Errorf("from the start on: %v", got)
	}
}

// A log that is too long to be in memory is left as it is, and that is said.
func TestAVeryLongLogIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cl := client(t, b, kgo.TransactionalID("t"+b.TxnSuffix()))
	topic(t, client(t, b), "ledger", map[string]string{"cleanup.policy": "compact"})
	commit(t, cl, "ledger", "a", "1", "a", "2", "a", "3")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, upTo := range []int{-1, 0} { // a byte less than it has, and what it has
		core, logs := observer.New(zap.WarnLevel)
		l, err := readLog(filepath.Join(dir, "partitions", "ledger-0"))
		if err != nil {
			t.Fatal(err)
		}
		size = max(size, l.bytes())
		c := compaction{dir: dir, upTo: int64(size + upTo), now: time.Now(), log: zap.New(core)}
		if err := c.run(); err != nil {
			t.Fatal(err)
		}
		after, err := readLog(filepath.Join(dir, "partitions", "ledger-0"))
		if err != nil {
			t.Fatal(err)
		}
		if left, warned := len(after.batches) == 6, len(logs.All()) == 1; left != (upTo < 0) || warned != (upTo < 0) {
			t.Errorf("at %+d: %d batches, and the log says %v", upTo, len(after.batches), logs.All())
		}
	}
}

// A process may be killed at any moment of a compaction.
func TestAKilledCompactionLosesNothing(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cl := client(t, b, kgo.TransactionalID("t"+b.TxnSuffix()))
	compact, always := "compact", keepTombstones
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), compactedParts, 1, map[string]*string{"cleanup.policy": &compact, "delete.retention.ms": &always}, "x"); err != nil {
		t.Fatal(err)
	}
	life(t, b, "x", rand.New(rand.NewPCG(1, 1)), 40)
	killed := filepath.Join(t.TempDir(), "data[1]*")
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	var images []string
	compactAll(t, killed, time.Now(), func() { images = append(images, copied(t, killed)) })
	whole := readTopic(t, start(t, copied(t, dir)), "x")
	if len(images) != 4*compactedParts+1 {
		t.Fatalf("%d moments", len(images))
	}
	for p := range compactedParts { // as well as while the file was being written
		torn := copied(t, images[2*p+1])
		if err := os.Truncate(filepath.Join(torn, compactionDir, "new", fmt.Sprintf("x-%d", p), "0.dat"), 70); err != nil {
			t.Fatal(err)
		}
		images = append(images, torn)
	}
	for i, image := range images {
		for run := range 2 {
			b := start(t, image)
			got := readTopic(t, b, "x")
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			for p := range compactedParts {
				all := func(keyedSeen) bool { return true }
				want, have := lastOf(whole.committed[p], all, true), lastOf(got.committed[p], all, true)
				if !maps.Equal(have, want) || got.starts != whole.starts || run == 0 && got.ends != whole.ends {
					t.Errorf("moment %d, run %d, partition %d: %v of %v to %v, want %v of %v to %v", i, run, p, have, got.starts, got.ends, want, whole.starts, whole.ends)
				}
			}
			if _, err := os.Stat(filepath.Join(image, compactionDir)); !os.IsNotExist(err) {
				t.Errorf("moment %d: %s is left: %v", i, compactionDir, err)
			}
		}
	}
}

// The data of a transaction that was open when the process was killed goes, and with it what tells kfake to fence its producer. It is
// fenced all the same: what it writes next is the rest of that transaction.
func TestAProducerWhoseRecordsAreGoneIsFenced(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cl := client(t, b, kgo.TransactionalID("outlives"), kgo.RecordDeliveryTimeout(5*time.Second))
	topic(t, client(t, b), "x", map[string]string{"cleanup.policy": "compact"})
	commit(t, cl, "x", "a", "1", "a", "2", "b", "open")
	if err := client(t, b).ProduceSync(t.Context(), &kgo.Record{Topic: "x", Key: []byte("c"), Value: []byte("3")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	killed := copied(t, dir)
	port := lastPort(dir)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	compactAll(t, killed, time.Now().Add(time.Hour), nil)
	again, err := Start(t.Context(), Options{Dir: killed, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	err = cl.ProduceSync(t.Context(), &kgo.Record{Topic: "x", Key: []byte("d"), Value: []byte("rest")}).FirstErr()
	if err == nil {
		err = cl.EndTransaction(t.Context(), kgo.TryCommit)
	}
	if err == nil {
		t.Error("the rest of a transaction is committed, its beginning is gone")
	}
	cl.Close()
	// Whoever comes with its id goes on, and hides nothing.
	commit(t, client(t, again, kgo.TransactionalID("outlives")), "x", "e", "5")
	if got := values(t, again, "x", 3, kgo.FetchIsolationLevel(kgo.ReadCommitted())); !slices.Equal(got, []string{"2", "3", "5"}) {
		t.Errorf("committed: %v", got)
	}
}

// A log whose records are all gone still starts and ends where it did.
func TestALogOfTombstonesKeepsItsPlace(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cl := client(t, b)
	topic(t, cl, "x", map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "1"})
	for range 4 {
		for _, value := range [][]byte{[]byte("v"), nil} {
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "x", Key: []byte("k"), Value: value, Timestamp: time.UnixMilli(1)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "x", Key: []byte("last"), Value: []byte("last")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	// What was deleted stays deleted, if the broker was closed since.
	if _, err := kadm.NewClient(cl).DeleteRecords(t.Context(), kadm.Offsets{"x": {0: {Topic: "x", At: 2}}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	compactAll(t, dir, time.Now(), nil)
	l, err := readLog(filepath.Join(dir, "partitions", "x-0"))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.batches) != 2 || l.start != 2 || l.batches[1].last() != 8 {
		t.Errorf("%d batches, from %d", len(l.batches), l.start)
	}
	b = start(t, dir)
	if got := values(t, b, "x", 1); !slices.Equal(got, []string{"last"}) {
		t.Errorf("read %v", got)
	}
	for _, at := range []int64{2, 3, 7} {
		cl := client(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"x": {0: kgo.NewOffset().At(at)}}), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
		fs := cl.PollFetches(t.Context())
		if err := fs.Err(); err != nil || fs.Records()[0].Offset != 8 {
			t.Errorf("from %d: %v, %v", at, fs.Records(), err)
		}
	}
}

// madeBatch is one as a producer or a broker writes it; a marker is a commit.
func madeBatch(first int64, attributes uint16, t transaction, key string) logBatch {
	j := joiner{log: &partitionLog{start: first}}
	rest := binary.AppendVarint(nil, int64(len(key)))
	rest = append(append(rest, key...), 2, 'v', 0)
	from := logBatch{raw: make([]byte, batchHeader)}
	j.add(logRecord{offset: first, time: 1, rest: rest}, from)
	j.flush()
	b := j.log.batches[0]
	binary.BigEndian.PutUint16(b.raw[21:], attributes)
	binary.BigEndian.PutUint64(b.raw[43:], uint64(t.producer))
	binary.BigEndian.PutUint16(b.raw[51:], uint16(t.epoch))
	b.open = attributes == transactional
	return b
}

// What this kfake never writes, or takes for something else than mend does, is left alone.
func TestALogOfAnotherKindIsLeftAlone(t *testing.T) {
	const committing, aborting = "\x00\x00\x00\x01", "\x00\x00\x00\x00"
	a, b := transaction{7, 1}, transaction{7, 2}
	data := func(first int64, t transaction) logBatch { return madeBatch(first, transactional, t, "k") }
	marker := func(first int64, t transaction, key string) logBatch {
		return madeBatch(first, transactional|control, t, key)
	}
	last := madeBatch(9, 0, transaction{-1, -1}, "k")
	unlike := data(1, a)
	unlike.open = false
	for _, c := range []struct {
		name    string
		batches []logBatch
		says    string
	}{
		{"a commit", []logBatch{data(1, a), marker(2, a, committing), data(3, b), marker(4, b, committing), last}, ""},
		{"an abort by the broker", []logBatch{data(1, a), marker(2, b, aborting), last}, ""},
		{"an epoch for two transactions", []logBatch{data(1, a), marker(2, a, committing), data(3, a), marker(4, a, committing), last}, "the commit at 4 is the second one"},
		{"an open one before a commit", []logBatch{data(1, a), data(2, b), marker(3, b, committing), last}, "the commit at 3 is not of the records before it"},
		{"an index of another log", []logBatch{unlike, marker(2, a, committing), last}, "the index says something else of the batch at 1"},
		{"one batch, deleted in part", []logBatch{madeBatch(0, 0, transaction{-1, -1}, "k")}, "starts within its last batch"},
	} {
		l := &partitionLog{start: 1, batches: c.batches}
		_, dropped, err := l.compact(func(logRecord) bool { return true }, 0)
		if c.says == "" && (err != nil || dropped != nil) || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, dropped %v", c.name, err, dropped)
		}
	}
}

// Joined batches stay within what a reader takes at once, and offsets within what a batch can say.
func TestJoinedBatchesAreBounded(t *testing.T) {
	l := &partitionLog{start: 5}
	value := binary.AppendVarint(nil, 100<<10)
	value = append(append(value, make([]byte, 100<<10)...), 0)
	at := []int64{20, 21, 22, 23, 1 << 33, 1<<33 + 1<<32}
	for _, offset := range at {
		b := madeBatch(offset, 0, transaction{-1, -1}, strconv.FormatInt(offset, 10))
		j := joiner{log: &partitionLog{start: offset}}
		rest := binary.AppendVarint(nil, int64(len(strconv.FormatInt(offset, 10))))
		rest = append(append(rest, strconv.FormatInt(offset, 10)...), value...)
		j.add(logRecord{offset: offset, time: offset, rest: rest}, b)
		j.flush()
		l.batches = append(l.batches, j.log.batches[0])
	}
	fresh, _, err := l.compact(func(logRecord) bool { return true }, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got, times []int64
	for i, b := range fresh.batches {
		if len(b.raw) > joinBytes {
			t.Errorf("a batch of %d bytes", len(b.raw))
		}
		if i > 0 && b.first() <= fresh.batches[i-1].last() {
			t.Errorf("a batch from %d after one to %d", b.first(), fresh.batches[i-1].last())
		}
		if err := b.each(func(r logRecord) { got, times = append(got, r.offset), append(times, r.time) }); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(got, at) || !slices.Equal(times, at) || fresh.batches[0].first() != 5 || len(fresh.batches) != 4 {
		t.Errorf("%d batches from %d: %v at %v", len(fresh.batches), fresh.batches[0].first(), got, times)
	}
}
