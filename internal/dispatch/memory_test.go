package dispatch

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// What an actor holds for each user who waits while the vendor cannot be reached, everything included: a day's backlog of a million has to fit into
// a small machine. Not parallel, so that nothing else allocates meanwhile.
func TestBytesOfAPendingUser(t *testing.T) {
	n := int(seeds(20_000))
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		of   func(testing.TB, int, time.Time) *intent.Intent
		most int // about a tenth more than was measured
	}{{"tags", profileOf, 207}, {"push", pushOf, 600}} {
		t.Run(c.name, func(t *testing.T) {
			m := outageModel(at)
			before := heapBytes()
			for i := range n {
				m.Take(c.of(t, i, at))
			}
			m.Advance(at.Add(15 * time.Second)) // the vendor's tags are read
			per := int(heapBytes()-before) / n
			if m.Pending() != n {
				t.Fatalf("%d of %d wait", m.Pending(), n)
			}
			t.Logf("%d bytes", per)
			if per > c.most {
				t.Errorf("%d bytes a user, at most %d", per, c.most)
			}
		})
	}
}

// What it costs to take in what will wait: decode, gates, queues, and making it small.
func BenchmarkIntake(b *testing.B) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		of   func(testing.TB, int, time.Time) *intent.Intent
	}{{"tags", profileOf}, {"push", pushOf}} {
		b.Run(c.name, func(b *testing.B) {
			m := outageModel(at)
			b.ReportAllocs()
			for i := range b.N {
				m.Take(c.of(b, i, at))
			}
		})
	}
}

// noPushes is a vendor whose service for users was switched off.
type noPushes struct{ *stubVendor }

func (v noPushes) Route(in *intent.Intent) (Route, error) {
	if in.Action == intent.Push {
		return Route{}, errors.New("the account has no pushes to users")
	}
	return v.stubVendor.Route(in)
}

// Pushes that a new owner cannot send by its settings are packed as well, and take no places of broadcasts.
func TestWhatHasNoRouteIsPacked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	for i := range 3 {
		a.admit(b.intent(fmt.Sprint("e", i), "r", fmt.Sprint("u", i), intent.Push), int64(i))
	}
	b.commit(a)
	a = b.byHand(func(ac *Account, _ *Options) { ac.Vendor = noPushes{b.vendor} })
	a.cool()
	for _, it := range a.items {
		if it.warm != nil || it.state != paused {
			t.Errorf("%s is %s and unpacked", it.id(), it.state)
		}
	}
	if ac := a.accounts["stub:k"]; len(a.items) != 3 || ac.pushes.n != 3 || ac.casts.n != 0 {
		t.Errorf("%d wait, %d count as pushes, %d as broadcasts", len(a.items), ac.pushes.n, ac.casts.n)
	}
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC() // what has a finalizer goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// outageModel is an actor whose vendor cannot be reached.
func outageModel(at time.Time) *Model {
	ac := &Account{Name: "main", Key: "rongcloud:8luwapkv8s7pl", Vendor: &stubVendor{}, Timeout: time.Second, TagDelay: 5 * time.Second, KeepForeign: true, Lanes: map[string]Policy{
		"user":       {Rate: 100, MaxBatch: 100, Parallel: 4},
		LaneTag:      {Rate: 100, MaxBatch: 1, Parallel: 4, Repeatable: true, Endpoint: "/user/tag/set.json"},
		LaneTagBatch: {Rate: 10, MaxBatch: 1000, Parallel: 4, Repeatable: true, Endpoint: "/user/tag/batch/set.json"},
		LaneTagGet:   {Rate: 100, MaxBatch: 50, Parallel: 4, Repeatable: true}}}
	opt := Options{Rules: func() Rules { return stubRules{} }, Render: render, Users: func() Users { return stubUsers{} }, Zone: time.UTC, Accounts: []*Account{ac}}
	return NewModel(opt, ModelEnd{Send: func(Departure) Outcome { return Outcome{Class: ClassNotSent} }}, at)
}

// profileOf is the i-th user's profile event, as stage 2 reads it.
func profileOf(t testing.TB, i int, at time.Time) *intent.Intent {
	text := func(s string) intent.Value { return intent.Value{Type: event.String, Str: s} }
	in := &intent.Intent{Event: intent.EventRef{ID: fmt.Sprintf("p-%09d", i), Type: "profile.changed", Time: at, Topic: "crm.profiles", Partition: int32(i % 12), Offset: int64(i) + 1000000},
		Rule: "tags", RuleSet: "9f86d081884c7d65", Account: "main", Key: "rongcloud:8luwapkv8s7pl", Target: fmt.Sprintf("u-%06d", i), Action: intent.Tags,
		Profile: &intent.Profile{Version: at.UnixMilli(), Fields: map[string]intent.Value{"city": text(fmt.Sprintf("c%02d", i%20)), "level": text("l1"), "lang": text("zh-07"), "gender": text("g1"), "points": text("5012")}}}
	in.ID = intent.MakeID(in.Position(), in.Rule, in.Target)
	return reread(t, in)
}

// pushOf is the i-th user's push with texts of its own.
func pushOf(t testing.TB, i int, at time.Time) *intent.Intent {
	in := &intent.Intent{Event: intent.EventRef{ID: fmt.Sprintf("o-%09d", i), Type: "order.paid", Time: at, Topic: "shop.orders", Partition: int32(i % 12), Offset: int64(i) + 1000000},
		Rule: "order-paid", RuleSet: "9f86d081884c7d65", Revision: "4b227777d4dd1fc6", Account: "main", Key: "rongcloud:8luwapkv8s7pl", Target: fmt.Sprintf("u-%06d", i), Action: intent.Push, Class: "service",
		Content: &intent.Content{Title: fmt.Sprintf("Order o-%09d", i), Body: fmt.Sprintf("林晓, your order o-%09d of ¥5,012.50 from r-07 is on its way", i), Link: fmt.Sprintf("app://orders/o-%09d", i)},
		Policy:  intent.Policy{Expire: at.Add(72 * time.Hour), PerUser: []intent.Cap{{N: 3, Each: "day"}}}}
	in.ID = intent.MakeID(in.Position(), in.Rule, in.Target)
	return reread(t, in)
}

func reread(t testing.TB, in *intent.Intent) *intent.Intent {
	b, err := in.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if in, err = intent.Decode(b); err != nil {
		t.Fatal(err)
	}
	return in
}
