package load_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/rules"
)

func evaluate(t *testing.T, set *rules.Set, topic string, value []byte) (intents int) {
	t.Helper()
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: topic}, Value: value, Time: time.UnixMilli(1)})
	if err != nil || len(evs) != 1 {
		t.Fatalf("%d events, %v, from %s", len(evs), err, value)
	}
	for _, in := range set.Evaluate(&evs[0]) {
		if in.Dead != "" {
			t.Fatalf("%s: %s", in.ID, in.DeadDetail)
		}
		intents++
	}
	return intents
}

// The ratios speak of 1 KB and about two matches, whatever the number of rules.
func TestAboutTwoRulesMatchAnOrderOfOneKilobyte(t *testing.T) {
	for _, n := range []int{100, 1000} {
		set, err := load.Load(n)
		if err != nil {
			t.Fatal(err)
		}
		const orders = 2000
		intents, size := 0, 0
		for b := range load.Orders(1, orders, 1) {
			intents += evaluate(t, set, load.Topic, b)
			size += len(b)
		}
		if per := float64(intents) / orders; per < 1.8 || per > 2.2 {
			t.Errorf("%d rules: %.2f intents an event, want about 2", n, per)
		}
		if mean := size / orders; mean < 970 || mean > 1030 {
			t.Errorf("%d bytes an event, want 1 KB", mean)
		}
	}
}

func TestOrdersFollowFromTheSeed(t *testing.T) {
	var a, b, other [][]byte
	for x := range load.Orders(1, 10, 1) {
		a = append(a, x)
	}
	for x := range load.Orders(1, 10, 1) {
		b = append(b, x)
	}
	for x := range load.Orders(2, 10, 1) {
		other = append(other, x)
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			t.Fatalf("order %d differs for one seed", i)
		}
		if bytes.Equal(a[i], other[i]) {
			t.Fatalf("order %d is the same for another seed", i)
		}
	}
}

func TestAProfileMakesOneIntent(t *testing.T) {
	set, err := load.Load(100)
	if err != nil {
		t.Fatal(err)
	}
	_, b := load.Profile(1, 7, 1)
	if n := evaluate(t, set, load.ProfileTopic, b); n != 1 {
		t.Errorf("%d intents, want 1", n)
	}
}
