package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, dir string) *Broker {
	t.Helper()
	b, err := Start(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func client(t *testing.T, b *Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func topic(t *testing.T, cl *kgo.Client, name string, configs map[string]string) {
	t.Helper()
	c := map[string]*string{}
	for k, v := range configs {
		c[k] = &v
	}
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, c, name); err != nil {
		t.Fatal(err)
	}
}

// values reads n values from the beginning of the topic.
func values(t *testing.T, b *Broker, name string, n int, opts ...kgo.Opt) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cl := client(t, b, append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().AtStart()}}))...)
	defer cl.Close()
	var got []string
	for len(got) < n {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("after %d of %d values: %v", len(got), n, err)
		}
		fs.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	return got
}

func TestDataAndAddressSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	cl := client(t, b)
	topic(t, cl, "t", nil)
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("kept")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	first := b.Addrs()[0]
	if addr, err := Address(dir); err != nil || addr != first {
		t.Errorf("Address = %q, %v; want %q", addr, err, first)
	}
	cl.Close()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil || b.Err() != nil {
		t.Errorf("second Close: %v, Err: %v", err, b.Err())
	}
	if _, err := Address(dir); err == nil || !strings.Contains(err.Error(), "the embedded broker in "+dir+" does not run") {
		t.Errorf("Address after Close: %v", err)
	}

	again := start(t, dir)
	if again.Addrs()[0] != first {
		t.Errorf("listens on %s, at the last start on %s", again.Addrs()[0], first)
	}
	if got := values(t, again, "t", 1); got[0] != "kept" {
		t.Errorf("got %q", got)
	}
	if again.TxnSuffix() == b.TxnSuffix() || len(b.TxnSuffix()) < 5 {
		t.Errorf("suffixes %q, %q: want two different ones", b.TxnSuffix(), again.TxnSuffix())
	}
}

func TestATakenPortIsNoObstacle(t *testing.T) {
	other := start(t, "")
	dir := t.TempDir()
	if err := writeAddress(dir, other.Addrs()[0]); err != nil {
		t.Fatal(err)
	}
	b := start(t, dir)
	if b.Addrs()[0] == other.Addrs()[0] {
		t.Error("two brokers on one port")
	}
	if addr, _ := Address(dir); addr != b.Addrs()[0] {
		t.Errorf("the file says %s, the broker is on %s", addr, b.Addrs()[0])
	}
}

func TestADirectoryHasOneBroker(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	if _, err := Address(t.TempDir()); err == nil {
		t.Error("found a broker in an empty directory")
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
	b.Close()
	start(t, dir)
}

// kfake's cleaner runs every hour by default and keeps one value per key. A week passes here.
func TestNothingIsEverCompactedOrExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net kfake.VirtualNetwork
		b, err := Start(t.Context(), Options{Listen: net.Listen, Port: 9092})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		dial := kgo.Dialer(net.DialContext)
		cl := client(t, b, dial)
		topic(t, cl, "ledger", map[string]string{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "segment.bytes": "200"})
		topic(t, cl, "fates", map[string]string{"cleanup.policy": "delete"})
		const n = 100
		for i := range n {
			for _, name := range []string{"ledger", "fates"} {
				rec := &kgo.Record{Topic: name, Key: []byte("one key"), Value: []byte(strconv.Itoa(i))}
				if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cl.Close()                     // a client looks around every few minutes
		time.Sleep(8 * 24 * time.Hour) // virtual
		for _, name := range []string{"ledger", "fates"} {
			for i, got := range values(t, b, name, n, dial) {
				if got != strconv.Itoa(i) {
					t.Fatalf("%s: value %d is %s", name, i, got)
				}
			}
		}
	})
}

// /dev/full fails every write with ENOSPC, as a full disk does.
func fullAt(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.RemoveAll(path), os.Symlink("/dev/full", path)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatCouldNotBeWrittenIsNeverAcknowledged(t *testing.T) {
	// Left to itself kfake answers "committed" in the last three cases, and forgets it at the next start.
	txn := func(t *testing.T, b *Broker) *kgo.Client {
		return client(t, b, kgo.TransactionalID("x"+b.TxnSuffix()), kgo.RequestRetries(1), kgo.RecordDeliveryTimeout(3*time.Second))
	}
	for _, c := range []struct {
		name string
		full string // path below the directory
		act  func(ctx context.Context, t *testing.T, b *Broker, full func()) error
	}{
		{"a batch", "partitions/t-0/0.dat", func(ctx context.Context, t *testing.T, b *Broker, full func()) error {
			full()
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			cl := client(t, b, kgo.DisableIdempotentWrite(), kgo.RecordDeliveryTimeout(time.Second)) // an idempotent one tries for ever
			return cl.ProduceSync(ctx, &kgo.Record{Topic: "t"}).FirstErr()
		}},
		{"the marker of a commit", "partitions/t-0/1.dat", func(ctx context.Context, t *testing.T, b *Broker, full func()) error {
			full()
			cl := txn(t, b)
			if err := errors.Join(cl.BeginTransaction(), cl.ProduceSync(ctx, &kgo.Record{Topic: "t"}).FirstErr()); err != nil {
				t.Fatal(err)
			}
			return cl.EndTransaction(ctx, kgo.TryCommit)
		}},
		{"the state of a producer", "pids.log", func(ctx context.Context, t *testing.T, b *Broker, full func()) error {
			full()
			_, _, err := txn(t, b).ProducerID(ctx)
			return err
		}},
		{"the offset of a group", "groups.log", func(ctx context.Context, t *testing.T, b *Broker, full func()) error {
			full()
			var offsets kadm.Offsets
			offsets.Add(kadm.Offset{Topic: "t", Partition: 0, At: 7, LeaderEpoch: -1})
			_, err := kadm.NewClient(client(t, b, kgo.RequestRetries(1))).CommitOffsets(ctx, "g", offsets)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			b := start(t, dir)
			admin := client(t, b)
			topic(t, admin, "t", map[string]string{"segment.bytes": "1"}) // a file per batch
			admin.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := c.act(ctx, t, b, func() { fullAt(t, filepath.Join(dir, c.full)) }); err == nil {
				t.Error("the client was told that it was written")
			}
			select {
			case <-b.Done():
			default:
				t.Fatal("the broker still serves")
			}
			if err := b.Err(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left") {
				t.Errorf("Err = %v", err)
			}
		})
	}
}

func TestAFullOrMissingDirectoryIsFoundByTheProbe(t *testing.T) {
	dir := t.TempDir()
	if err := probe(dir); err != nil {
		t.Fatal(err)
	}
	if err := probe("/proc"); !errors.Is(err, syscall.ENOSPC) { // reports no free space at all
		t.Errorf("a file system without space: %v", err)
	}
	fullAt(t, filepath.Join(dir, probeFile))
	if err := probe(dir); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("a failing write: %v", err)
	}
	if _, err := Start(t.Context(), Options{Dir: "/proc/notifier"}); err == nil {
		t.Error("started in a directory that cannot be created")
	}
}

func ExampleStart() {
	b, err := Start(context.Background(), Options{}) // in memory
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	cl, _ := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.TransactionalID("me"+b.TxnSuffix()))
	defer cl.Close()
	fmt.Println(cl.Ping(context.Background()))
	// Output: <nil>
}

// Nobody reads what clients would tell of themselves, so nobody is asked: each client that offers it hears that none is wanted, and keeps its id.
func TestNoClientIsAskedForItsMetrics(t *testing.T) {
	t.Parallel()
	cl := client(t, start(t, ""))
	var id [16]byte
	for n := range 3 {
		req := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
		req.ClientInstanceID = id
		res, err := req.RequestWith(t.Context(), cl)
		if err != nil || res.ErrorCode != 0 || len(res.RequestedMetrics) != 0 || res.PushIntervalMillis < 60_000 {
			t.Fatalf("time %d: %+v, %v", n, res, err)
		}
		if n > 0 && res.ClientInstanceID != id || res.ClientInstanceID == [16]byte{} {
			t.Errorf("time %d: id %x after %x", n, res.ClientInstanceID, id)
		}
		id = res.ClientInstanceID
	}
}
