package event

import (
	"fmt"
	"strings"
	"testing"
)

// bigOrder is nested JSON of about 1 KB, of which an entry reads eight paths.
func bigOrder(kind string) []byte {
	items := strings.Repeat(`{"sku":"SKU-00000017","name":"desk lamp","quantity":2,"price":118.50},`, 4)
	return fmt.Appendf(nil, `{"schema":"order/3","event_id":"o-000000017","kind":%q,"ts":1795230000123,"trace":{"span":"00f067aa0ba902b7","parent":"4bf92f3577b34da6","host":"app-07"},`+
		`"user":{"id":"u-000017","name":"林晓","level":"vip","vip":true,"since":1600000000},"store":{"id":"s-0017","region":"r-07","city":"北京"},"items":[%s],`+
		`"payment":{"amount":5012.50,"currency":"CNY","method":"card","fee":3},"ship":{"name":"林晓","street":"17 Lake Road","zip":"000017"},"note":%q}`,
		kind, items[:len(items)-1], strings.Repeat("leave at the door ", 20))
}

func bigOrders(name string) *Spec {
	return NewSpec(Spec{Name: name, Topics: []string{"orders"}, Kind: Business, ID: "event_id", User: "user.id", Time: TimeSpec{Path: "ts"}, Match: []Match{{"kind", []string{name}}},
		Fields: []Field{{Name: "kind", Path: "kind"}, {Name: "amount", Path: "payment.amount", Type: Number}, {Name: "store", Path: "store.id"}, {Name: "region", Path: "store.region"}, {Name: "name", Path: "user.name"}}})
}

func BenchmarkDecode(b *testing.B) {
	many := make([]*Spec, 30)
	for i := range many {
		many[i] = bigOrders(fmt.Sprint("kind-", i))
	}
	for _, c := range []struct {
		name  string
		specs []*Spec
		value []byte
	}{
		{"order", []*Spec{bigOrders("paid")}, bigOrder("paid")},
		{"no entry", []*Spec{bigOrders("paid")}, bigOrder("other")},
		{"last of 30 entries", many, bigOrder("kind-29")},
		{"escaped text", []*Spec{bigOrders("paid")}, []byte(strings.ReplaceAll(string(bigOrder("paid")), "林晓", `\u6797\u6653`))},
	} {
		b.Run(c.name, func(b *testing.B) {
			cat, r := NewCatalogue(c.specs, 0), Record{Position: Position{Topic: "orders"}, Value: c.value, Time: broker}
			b.SetBytes(int64(len(c.value)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := cat.Decode(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The way of stage 1: events are written over those of the record before.
func BenchmarkDecodeInto(b *testing.B) {
	cat, r := NewCatalogue([]*Spec{bigOrders("paid")}, 0), Record{Position: Position{Topic: "orders"}, Value: bigOrder("paid"), Time: broker}
	var room []Event
	b.SetBytes(int64(len(r.Value)))
	b.ReportAllocs()
	for b.Loop() {
		evs, err := cat.DecodeInto(room, r)
		if err != nil {
			b.Fatal(err)
		}
		room = evs
	}
}
