package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/event"
)

const benchCatalogue = `version: 1
events:
  order:
    topic: orders
    id: id
    user: user
    fields:
      kind: kind
      amount: {path: amount, type: number}
      store: store
      region: region
      name: name
      vip: {path: vip, type: bool}
`

// benchSet has n rules on one event, each with its own text and the condition that when gives.
func benchSet(b testing.TB, n int, when func(i int) string) *Set {
	b.Helper()
	files := []File{{"events.yaml", []byte(benchCatalogue)}}
	for from := 0; from < n; from += 500 { // a file has at most 256 KiB
		var text strings.Builder
		for i := from; i < min(n, from+500); i++ {
			text.WriteString(rule(fmt.Sprintf("rule-%05d", i), "order", fmt.Sprintf("    when: '%s'\n    push: {title: \"Order ${event.id}\", body: \"${name}, your order ${event.id} of ${amount | money} from ${region} is on its way\", link: \"app://orders/${event.id}\"}", when(i))))
		}
		files = append(files, File{fmt.Sprintf("r-%05d.yaml", from), []byte("version: 1\nrules:\n" + text.String())})
	}
	s, l := LoadFiles(files, demoAccount())
	if s == nil {
		b.Fatal(show(l))
	}
	return s
}

// order is an event of the kind k07, with which two rules of each workload match.
func order(s *Set, kind string) *event.Event {
	known := func(t event.Type, text string) event.Value {
		v, ok := event.Parse(t, text)
		if !ok {
			panic(text)
		}
		return v
	}
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	return &event.Event{Spec: s.Catalogue.Spec("order"), ID: "o-000123456", User: "u-123456", Time: at, Pos: event.Position{Topic: "orders", Partition: 3, Offset: 1_000_007},
		Values: []event.Value{known(event.String, kind), known(event.Number, "812.5"), known(event.String, "s-0007"), known(event.String, "r-11"), known(event.String, "林晓"), known(event.Bool, "false")}}
}

// workloads are conditions of n rules of which two match order(s, "k07").
var workloads = []struct {
	name string
	when func(n int) func(i int) string
}{
	{"types", func(n int) func(int) string { // 50 kinds; of a kind's rules the first two ask for less than the order has
		return func(i int) string { return fmt.Sprintf(`kind == "k%02d" and amount >= %d`, i%50, 800+i/50/2*100) }
	}},
	{"store", func(n int) func(int) string {
		return func(i int) string { return fmt.Sprintf(`kind == "k07" and store == "s-%04d"`, i%(n/2)) }
	}},
	{"in", func(n int) func(int) string {
		return func(i int) string {
			return fmt.Sprintf(`kind in ["k%02d", "x", "y"] and amount < %d`, i%50, 5000-i/50/2*5000)
		}
	}},
	{"program", func(n int) func(int) string { // the last conjunct is not simple
		return func(i int) string {
			return fmt.Sprintf(`kind == "k%02d" and amount >= %d and region startsWith "r"`, i%50, 800+i/50/2*100)
		}
	}},
}

// One event with two matches whose texts are written: the time must not grow with the rules.
func BenchmarkEvaluateTwoMatches(b *testing.B) {
	for _, w := range workloads {
		for _, n := range []int{100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/rules=%d", w.name, n), func(b *testing.B) {
				s := benchSet(b, n, w.when(n))
				e := order(s, "k07")
				if got := len(s.Evaluate(e)); got != 2 {
					b.Fatalf("%d matches, want 2", got)
				}
				b.ReportAllocs()
				for b.Loop() {
					s.Evaluate(e)
				}
			})
		}
	}
}

// One event that no rule matches, the usual one.
func BenchmarkEvaluateNoMatch(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			s := benchSet(b, n, workloads[0].when(n))
			e := order(s, "none")
			b.ReportAllocs()
			for b.Loop() {
				if s.Evaluate(e) != nil {
					b.Fatal("it matched")
				}
			}
		})
	}
}

// The same two matches with every rule's program asked: what the index saves.
func BenchmarkAskEveryRule(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			s := benchSet(b, n, workloads[0].when(n))
			e := order(s, "k07")
			b.ReportAllocs()
			for b.Loop() {
				s.askAll(s.business["order"], e)
			}
		})
	}
}

func BenchmarkMoney(b *testing.B) {
	for _, s := range []string{"812.50", "812.5", "0.005", "123456789012345678.9"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := money(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
