package load_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
)

// workload is distinct records and a rule set for them.
func workload(b *testing.B, n int) (*rules.Set, []event.Record) {
	b.Helper()
	set, err := load.Load(n)
	if err != nil {
		b.Fatal(err)
	}
	var records []event.Record
	for v := range load.Orders(1, 1000, 1) {
		records = append(records, event.Record{Position: event.Position{Topic: load.Topic, Offset: int64(len(records))}, Value: v, Time: time.UnixMilli(1)})
	}
	return set, records
}

// One order of 1 KB to an Event with seven paths read: what stage 1 pays for every event.
func BenchmarkDecodeOrder(b *testing.B) {
	set, records := workload(b, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := set.Decode(records[i%len(records)]); err != nil {
			b.Fatal(err)
		}
	}
}

// An index by equality finds the candidates; two match.
func BenchmarkEvaluateOrder(b *testing.B) {
	for _, n := range []int{50, 100, 1000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			set, records := workload(b, n)
			var events []event.Event
			for _, r := range records {
				evs, err := set.Decode(r)
				if err != nil {
					b.Fatal(err)
				}
				events = append(events, evs...)
			}
			intents := 0
			var room intent.Room
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				room.Empty()
				intents += len(set.EvaluateInto(&room, &events[i%len(events)]))
			}
			b.ReportMetric(float64(intents)/float64(b.N), "intents/op")
		})
	}
}

// Distinct orders of each kind of rules, decoded beforehand: what the search and two short texts cost.
func BenchmarkEvaluateKind(b *testing.B) {
	for _, kind := range load.KindNames {
		for _, n := range []int{200, 10_000} {
			b.Run(fmt.Sprintf("%s/rules=%d", kind, n), func(b *testing.B) {
				k := load.NewKind(kind, n)
				set, err := load.Compile(k.Files())
				if err != nil {
					b.Fatal(err)
				}
				var events []event.Event
				for _, v := range k.Orders(1, 4096) {
					evs, err := set.Decode(event.Record{Position: event.Position{Topic: load.Topic}, Value: v, Time: time.UnixMilli(1)})
					if err != nil {
						b.Fatal(err)
					}
					events = append(events, evs...)
				}
				var room intent.Room
				for i := 0; b.Loop(); i++ {
					room.Empty()
					set.EvaluateInto(&room, &events[i%len(events)])
				}
			})
		}
	}
}

// A profile event of 300 bytes to the intent in its wire form: all that stage 1 does with it.
func BenchmarkProfile(b *testing.B) {
	set, err := load.Load(100)
	if err != nil {
		b.Fatal(err)
	}
	var records []event.Record
	for i := range 4096 {
		_, v := load.Profile(1, i, 1_700_000_000_000)
		records = append(records, event.Record{Position: event.Position{Topic: load.ProfileTopic, Offset: int64(i)}, Value: v, Time: time.UnixMilli(1)})
	}
	var room []event.Event
	var made intent.Room
	var wire []byte
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		evs, err := set.DecodeInto(room, records[i%len(records)])
		if err != nil {
			b.Fatal(err)
		}
		room = evs
		made.Empty()
		for _, in := range set.EvaluateInto(&made, &evs[0]) {
			if wire, err = in.Append(wire[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// One rendered push to its wire form.
func BenchmarkEncodeIntent(b *testing.B) {
	set, records := workload(b, 100)
	var intents []*intent.Intent
	for _, r := range records {
		evs, err := set.Decode(r)
		if err != nil {
			b.Fatal(err)
		}
		intents = append(intents, set.Evaluate(&evs[0])...)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := intents[i%len(intents)].Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
