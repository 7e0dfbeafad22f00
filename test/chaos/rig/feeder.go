package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/chaos/audit"
)

// Feeder makes events and produces them while a broker is there. What the broker acknowledged is in Acked; a record in flight at
// a kill may be in the topic or not, and the audit reads the topics to know.
type Feeder struct {
	Acked []audit.Place
	Gifts bool           // also orders that are gifts to many, which go to accounts at Getui
	Met   map[string]int // faults of the input that the broker acknowledged: "again", a bad record of "shop.orders", an older one of "shop.profiles"

	random *rand.Rand
	shops  []string
	user   func(int) string
	n      int
	clock  int64 // ms; the time of the newest event
	again  []*kgo.Record
	faults map[*kgo.Record]string // of a batch: what Met counts when it is acknowledged
}

// NewFeeder makes the same events for the same seed. shops are the accounts that broadcasts go through, user the id of the n-th user.
func NewFeeder(seed uint64, shops []string, user func(int) string) *Feeder {
	return &Feeder{Met: map[string]int{}, faults: map[*kgo.Record]string{}, random: rand.New(rand.NewPCG(seed, 1)), shops: shops, user: user, clock: time.Now().Add(-time.Hour).UnixMilli()}
}

const (
	users  = 240
	cities = 6
	pace   = 100 * time.Millisecond // between two batches
	phase  = 600                    // events after which the sales move to the next shop, so that its two slots an hour are met fresh
)

// Run produces to the brokers until ctx ends; what comes while none of them is there is lost.
func (f *Feeder) Run(ctx context.Context, brokers ...string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0), kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(2*time.Second), kgo.RetryTimeout(time.Second), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	defer cl.Close()
	t := time.NewTicker(pace)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		clear(f.faults)
		for _, r := range cl.ProduceSync(ctx, f.batch()...) {
			if r.Err == nil {
				if fault := f.faults[r.Record]; fault != "" {
					f.Met[fault]++
				}
				f.Acked = append(f.Acked, audit.Place{Topic: r.Record.Topic, Partition: r.Record.Partition, Offset: r.Record.Offset, Event: string(r.Record.Headers[0].Value)})
			}
		}
	}
}

// batch is 1 to 8 events, at times a burst. A few were produced before: a producer upstream that repeats itself.
func (f *Feeder) batch() []*kgo.Record {
	n := 1 + f.random.IntN(8)
	if f.random.IntN(40) == 0 {
		n = 80
	}
	var out []*kgo.Record
	for range n {
		out = append(out, f.event())
	}
	if len(f.again) > 0 && f.random.IntN(3) == 0 {
		i := f.random.IntN(len(f.again))
		old := f.again[i]
		out = append(out, &kgo.Record{Topic: old.Topic, Key: old.Key, Value: old.Value, Headers: old.Headers})
		f.faults[out[len(out)-1]] = "again"
	}
	return out
}

func (f *Feeder) event() *kgo.Record {
	f.n++
	f.clock += 1 + f.random.Int64N(20)
	user := f.user(f.random.IntN(users))
	at := f.clock
	switch k := f.random.IntN(1000); {
	case k < 10: // not JSON: a dead letter
		bad := f.record("shop.orders", user, fmt.Sprintf("bad-%d", f.n), []byte(`{"id":`))
		f.faults[bad] = bad.Topic
		return bad
	case k < 20:
		id := fmt.Sprintf("sale-%d", f.n)
		return f.json("shop.sales", id, id, map[string]any{"id": id, "at": at, "city": fmt.Sprintf("c%d", f.random.IntN(cities)), "shop": f.shops[f.n/phase%len(f.shops)]})
	case k < 50 && f.Gifts:
		return f.gift(user)
	case k < 500:
		older := f.random.IntN(5) == 0
		if older {
			at -= f.random.Int64N(2000) // older than what the user may have got already
		}
		id := fmt.Sprintf("profile-%d", f.n)
		m := map[string]any{"id": id, "at": at, "user": user}
		switch f.random.IntN(3) {
		case 0:
			m["city"] = fmt.Sprintf("c%d", f.random.IntN(cities))
		case 1:
			m["level"] = []string{"normal", "vip"}[f.random.IntN(2)]
		default:
			m["city"], m["level"] = fmt.Sprintf("c%d", f.random.IntN(cities)), "vip"
		}
		r := f.json("shop.profiles", user, id, m)
		if older {
			f.faults[r] = r.Topic
		}
		return r
	}
	id := fmt.Sprintf("order-%d", f.n)
	var team []string
	for i := range 2 + f.random.IntN(3) {
		team = append(team, f.user((f.n*7+i*31)%users))
	}
	return f.json("shop.orders", user, id, map[string]any{"id": id, "at": at, "user": user, "amount": f.random.IntN(300), "team": team})
}

// gift is for up to 30 people by alias and as many devices, all with one text: ten or more go as a list. Its time is now, since its pushes keep for
// two minutes only, and it never comes again, because then it could be stale instead of a duplicate.
func (f *Feeder) gift(user string) *kgo.Record {
	id := fmt.Sprintf("gift-%d", f.n)
	var aliases, devices []string
	first := f.random.IntN(users)
	for i := range 1 + f.random.IntN(30) {
		aliases, devices = append(aliases, Alias((first+i)%users)), append(devices, Device((first+i)%users))
	}
	b, err := json.Marshal(map[string]any{"id": id, "at": time.Now().UnixMilli(), "user": user, "amount": 0, "gift": "yes", "team": aliases, "devices": devices})
	if err != nil { // texts and numbers
		panic(err)
	}
	return f.record("shop.orders", user, id, b)
}

// Device is the n-th user's at Getui's sandbox, which knows it.
func Device(n int) string { return fmt.Sprintf("bulk-cid-%04d", n) }

// Alias is the n-th user's alias there, once it is bound.
func Alias(n int) string { return fmt.Sprintf("u%d", n) }

// Aliases are those of all users, with their devices.
func Aliases() map[string]string {
	out := map[string]string{}
	for n := range users {
		out[Alias(n)] = Device(n)
	}
	return out
}

func (f *Feeder) json(topic, key, id string, v any) *kgo.Record {
	b, err := json.Marshal(v)
	if err != nil { // maps of texts and numbers
		panic(err)
	}
	r := f.record(topic, key, id, b)
	if len(f.again) < 64 {
		f.again = append(f.again, r)
	} else {
		f.again[f.random.IntN(64)] = r
	}
	return r
}

func (f *Feeder) record(topic, key, id string, value []byte) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: []byte(key), Value: value, Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(id)}}}
}
