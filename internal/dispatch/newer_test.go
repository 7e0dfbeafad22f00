package dispatch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// whenRead is called as the first record of a restore has come.
type whenRead func()

func (f whenRead) OnFetchRecordBuffered(*kgo.Record) { f() }

// A take-over that ends because another partition's ledger is of a newer release says nothing of its own.
func TestOnlyThePartitionWithANewerRecordIsParked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, end := context.WithCancelCause(t.Context())
	defer end(nil)
	o := b.options(b.account())
	o.Kafka = append(slices.Clone(o.Kafka), kgo.WithHooks(whenRead(func() { end(ledger.ErrNewer) })))
	d := New(o)
	if _, _, err := d.takeOver(ctx, 0, func(error) {}); !errors.Is(err, ledger.ErrNewer) {
		t.Fatalf("the take-over ends with %v", err)
	}
	if got := testutil.ToFloat64(d.opt.Metrics.parked.WithLabelValues("0", "newer")); got != 0 {
		t.Errorf("notifier_partition_parked{reason=newer} is %g", got)
	}
}

// A process that meets records of a newer release owns nothing, says so, and leaves the group to those who can read them.
func TestAnOlderReleaseTakesNoPartition(t *testing.T) {
	t.Parallel()
	for _, newer := range []struct{ key, value string }{{"a/X-0-1", `{"v":2,"id":"X-0-1"}`}, {"zz/1", `{}`}, {"p/t/0/9/r/u", `{"v":2}`}} {
		b := setup(t)
		b.produce(b.intent("e1", "r", "u1", intent.Push))
		if err := b.cl.ProduceSync(t.Context(), &kgo.Record{Topic: b.topics.Ledger, Key: []byte(newer.key), Value: []byte(newer.value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		d := New(b.options(b.account()))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := d.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		b.until("a word of it", func() bool { return d.Status().Newer != "" })
		st := d.Status()
		if st.Ready || len(st.Owned) > 0 || !strings.Contains(st.Newer, "newer version") {
			t.Errorf("%s: %+v", newer.key, st)
		}
		if got := testutil.ToFloat64(d.opt.Metrics.parked.WithLabelValues("0", "newer")); got != 1 {
			t.Errorf("%s: notifier_partition_parked{reason=newer} is %g", newer.key, got)
		}
		groups, err := kadm.NewClient(b.cl).DescribeGroups(t.Context(), "n-dispatch")
		if err != nil || len(groups["n-dispatch"].Members) > 0 {
			t.Errorf("%s: it is still in the group: %+v %v", newer.key, groups["n-dispatch"].Members, err)
		}
		cancel()
		<-done
		if n := len(b.vendor.seen()); n > 0 {
			t.Errorf("%s: %d calls", newer.key, n)
		}
	}
}
