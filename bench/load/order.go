package load

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Kinds is how many kinds of order there are.
const Kinds = 50

// Two kinds more.
const (
	Hit  = "hit"  // one rule asks for it
	Miss = "miss" // no rule does
)

// Topic is the orders' topic in the catalogue.
const Topic = "bench.orders"

// Order is one nested JSON event of about 1,000 bytes. at is its time, unix milliseconds.
func Order(r *rand.Rand, id, kind string, at int64) []byte {
	d := draw(r)
	d.kind = kind
	return d.order(r, id, at)
}

// drawn is what rules ask of an order.
type drawn struct {
	kind          string
	store, region int
	vip           bool
	amount        float64
}

func draw(r *rand.Rand) drawn {
	return drawn{store: r.IntN(1000), region: r.IntN(30), vip: r.IntN(10) == 0, amount: float64(r.IntN(1_000_000)) / 100}
}

func (d *drawn) order(r *rand.Rand, id string, at int64) []byte {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var b strings.Builder
	b.Grow(1100)
	fmt.Fprintf(&b, `{"schema":"order/3","event_id":%q,"kind":%q,"ts":%d,`, id, d.kind, at)
	fmt.Fprintf(&b, `"trace":{"span":"%016x","parent":"%016x","host":"app-%02d"},`, r.Uint64(), r.Uint64(), r.IntN(40))
	fmt.Fprintf(&b, `"user":{"id":"u-%06d","name":%q,"level":%q,"vip":%t,"since":%d},`, r.IntN(200_000), pick("林晓", "王芳", "Chen Wei", "李娜", "Zhao"), pick("normal", "vip", "svip"), d.vip, 1500000000+r.IntN(200000000))
	fmt.Fprintf(&b, `"store":{"id":"s-%04d","region":"r-%02d","city":%q,"clerk":"c-%05d"},`, d.store, d.region, pick("北京", "上海", "广州", "深圳", "成都"), r.IntN(100_000))
	b.WriteString(`"items":[`)
	for i := range 4 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"sku":"SKU-%08d","name":%q,"quantity":%d,"price":%d.%02d}`, r.IntN(100_000_000), pick("耳机", "wool scarf", "desk lamp", "tea, 250 g", "notebook"), 1+r.IntN(4), r.IntN(2000), r.IntN(100))
	}
	fmt.Fprintf(&b, `],"payment":{"amount":%.2f,"currency":"CNY","method":%q,"channel":"pay-%02d","fee":%d,"reference":"%016x%016x"},`, d.amount, pick("card", "wallet", "transfer"), r.IntN(12), r.IntN(90), r.Uint64(), r.Uint64())
	fmt.Fprintf(&b, `"ship":{"name":%q,"street":"%d %s Road","zip":"%06d","phone":"138%08d"},"note":"`, pick("林晓", "王芳", "Chen Wei"), r.IntN(900), pick("Garden", "Lake", "Station"), r.IntN(1_000_000), r.IntN(100_000_000))
	for b.Len() < 990 {
		b.WriteString(pick("leave at the door ", "call first ", "gift wrap ", "no bag "))
	}
	b.WriteString(`"}`)
	return []byte(b.String())
}

// Orders gives n orders of kinds that the rules ask for, one after the other.
func Orders(seed uint64, n int, at int64) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		r := rand.New(rand.NewPCG(seed, 1))
		for i := range n {
			if !yield(Order(r, OrderID(i), kind(r.IntN(Kinds)), at)) {
				return
			}
		}
	}
}

// OrderID is the id of the i-th order.
func OrderID(i int) string { return fmt.Sprintf("o-%09d", i) }

func kind(i int) string { return fmt.Sprintf("k%02d", i) }
