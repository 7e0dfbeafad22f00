package intent

import (
	"encoding/json"
	"testing"
	"time"
)

func BenchmarkEncode(b *testing.B) {
	event := EventRef{ID: "o-000000017", Type: "order", Time: time.UnixMilli(1795230000123).UTC(), Topic: "shop.orders", Partition: 4, Offset: 991823}
	push := &Intent{V: Version, ID: "shop.orders/4/991823/rule-00017/u-000017", Event: event, Rule: "rule-00017", RuleSet: "9f86d081884c7d65", Account: "main", Key: "rongcloud:bench", Target: "u-000017", Action: Push, Class: "service",
		Content: &Content{Title: "Order o-000000017", Body: "林晓, your order o-000000017 of ¥5,012.50 from r-07 is on its way", Link: "app://orders/o-000000017"}, Policy: Policy{Expire: time.UnixMilli(1795489200123).UTC()}}
	tags := &Intent{V: Version, ID: "users/4/991823/tags/u-000017", Event: event, Rule: "tags", RuleSet: "9f86d081884c7d65", Account: "main", Key: "rongcloud:bench", Target: "u-000017", Action: Tags,
		Profile: &Profile{Version: 1795230000123, Fields: map[string]Value{"city": {"string", "c07", nil}, "level": {"string", "l1", nil}, "lang": {"string", "zh-07", nil}, "gender": {"string", "g1", nil}, "points": {"number", "5012", nil}}}}
	for _, c := range []struct {
		name string
		in   *Intent
	}{{"push", push}, {"tags", tags}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.in.Encode(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+" by encoding-json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(c.in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
