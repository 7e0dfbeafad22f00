package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// past is two topics of three partitions with a record a minute, spread over them; the reader has no group.
func past(t *testing.T, n int) (r *Reader, adm *kadm.Client, began time.Time) {
	t.Helper()
	kc, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	r = &Reader{Kafka: []kgo.Opt{kgo.SeedBrokers(kc.ListenAddrs()...), kgo.MetadataMinAge(20 * time.Millisecond)}}
	cl, err := kgo.NewClient(append(slices.Clone(r.Kafka), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	adm = kadm.NewClient(cl)
	for _, topic := range []string{"a", "b"} {
		if _, err := adm.CreateTopic(t.Context(), 3, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	began = time.Now().Add(-time.Duration(n) * time.Minute).Truncate(time.Millisecond)
	var all []*kgo.Record
	for i := range n {
		all = append(all, &kgo.Record{Topic: "ab"[i%2 : i%2+1], Partition: int32(i / 2 % 3), Timestamp: began.Add(time.Duration(i) * time.Minute), Value: fmt.Append(nil, i)})
	}
	if err := cl.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return r, adm, began
}

func TestHistoryIsInTheOrderOfTime(t *testing.T) {
	const n = 2000
	r, adm, began := past(t, n)
	for _, c := range []struct {
		since time.Time
		first int
	}{{time.Time{}, 0}, {began.Add(500 * time.Minute), 500}, {began.Add(n * time.Minute), n}} {
		var got, want []string
		most := -1
		for i := c.first; i < n; i++ {
			want = append(want, fmt.Sprint(i))
		}
		missing, err := r.History(t.Context(), []string{"a", "b", "c"}, c.since, func(n int) { most = n }, func(rec *kgo.Record) error { got = append(got, string(rec.Value)); return nil })
		if err != nil || !slices.Equal(missing, []string{"c"}) {
			t.Errorf("missing %v, %v", missing, err)
		}
		if most != len(want) {
			t.Errorf("since %s: at most %d records, want %d", c.since, most, len(want))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("since %s (-want +got):\n%s", c.since, diff)
		}
	}
	groups, err := adm.ListGroups(t.Context())
	if err != nil || len(groups) != 0 {
		t.Errorf("groups %v, %v: the reading left a trace", groups, err)
	}
}

func TestHistoryEndsWithItsReader(t *testing.T) {
	r, _, _ := past(t, 2000)
	enough := errors.New("enough")
	n := 0
	if _, err := r.History(t.Context(), []string{"a", "b"}, time.Time{}, func(int) {}, func(*kgo.Record) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
		t.Errorf("%d records, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := r.History(ctx, []string{"a", "b"}, time.Time{}, func(int) {}, func(*kgo.Record) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
