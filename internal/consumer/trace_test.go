package consumer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/trace"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func evaluatorWith(tr *trace.Tracer, rules Rules) *evaluator {
	c := New(Options{Topics: ledger.TopicsOf("n"), Accounts: map[string]string{"main": "stub:k"}, Log: zap.NewNop(), Tracer: tr})
	e := c.newEvaluator(1)
	e.n, e.rules = newCounts(), rules
	return e
}

func carrying(key, value string) *kgo.Record {
	return &kgo.Record{Topic: "events", Value: []byte(value), Headers: []kgo.RecordHeader{{Key: key, Value: []byte(traceparent)}}}
}

// Tracing that is off looks at no header: an event with a trace context takes no allocation more than one with another header, and its
// intents are the same to the byte.
func TestTracingThatIsOffCostsNothing(t *testing.T) {
	e := evaluatorWith(nil, stubRules{})
	wire := map[string][]byte{}
	allocs := map[string]float64{}
	for _, header := range []string{"other-words", trace.Header} {
		r := carrying(header, "x")
		allocs[header] = testing.AllocsPerRun(slabSize*20, func() {
			e.evaluate(r)
			wire[header] = e.out[0].Value
			e.out = e.out[:0]
		})
	}
	if allocs["other-words"] != allocs[trace.Header] || e.traced.spans != nil || !e.traced.began.IsZero() {
		t.Errorf("%v allocations, %d spans, begun at %v", allocs, len(e.traced.spans), e.traced.began)
	}
	if !bytes.Equal(wire["other-words"], wire[trace.Header]) {
		t.Errorf("intents %q and %q", wire["other-words"], wire[trace.Header])
	}
}

// Each event that has intents has a span, which they carry; what becomes a dead letter has one in place of what it made; what no rule
// matches has none.
func TestSpansOfRecords(t *testing.T) {
	tr, err := trace.New(trace.Options{Endpoint: "http://127.0.0.1:1", Share: 0})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		record *kgo.Record
		rules  Rules
		want   []string
		events int // whose intents carry a span
	}{
		{"an event", carrying(trace.Header, "x"), stubRules{}, []string{"evaluate e 1 "}, 1},
		{"two intents", carrying(trace.Header, "twice"), stubRules{}, []string{"evaluate e 2 "}, 1},
		{"nothing matches", carrying(trace.Header, "quiet"), stubRules{}, nil, 0},
		{"nobody's", carrying(trace.Header, "nobody's"), stubRules{}, nil, 0},
		{"no context, and no share", carrying("tracestate", "x"), stubRules{}, nil, 0},
		{"undecodable", carrying(trace.Header, "bad"), stubRules{}, []string{"evaluate e 0 bad-field"}, 0},
		{"two events, one at fault", carrying(trace.Header, "half"), stubRules{}, []string{"evaluate f 0 bad-field", "evaluate e 1 "}, 1},
		{"too large", carrying(trace.Header, "huge"), stubRules{}, []string{"evaluate e 0 too-large"}, 0},
		{"the second event panics", carrying(trace.Header, "x"), half{}, []string{"evaluate 0 undecodable"}, 0},
		{"a dead letter without context", carrying("tracestate", "bad"), stubRules{}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := evaluatorWith(tr, c.rules)
			e.evaluate(c.record)
			var got []string
			spans := map[string]bool{}
			for _, s := range e.traced.spans {
				intents := 0
				for i := range 3 {
					if slices.Contains(s.Attributes, trace.Number("notifier.intents", int64(i))) {
						intents = i
					}
				}
				got = append(got, fmt.Sprintf("%s %d %s", s.Name, intents, s.Failed))
				spans[s.String()] = true
				if parent, _, _ := trace.Parse([]byte(traceparent)); s.Parent != parent.Span || s.Trace != parent.Trace || s.End.Before(s.Start) {
					t.Errorf("span %+v", s)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			carried := map[string]bool{}
			for _, r := range e.out {
				if r.Topic != "n.intents" {
					continue
				}
				in, err := intent.Decode(r.Value)
				if err != nil {
					t.Fatal(err)
				}
				if in.Trace != "" {
					carried[in.Trace] = true
					if !spans[in.Trace] {
						t.Errorf("an intent carries %s, which no span has", in.Trace)
					}
				}
			}
			if len(carried) != c.events {
				t.Errorf("%d contexts are carried, want %d", len(carried), c.events)
			}
		})
	}
}

// Of a producer's context only the parent is kept. tracestate and baggage are the producer's own words, which may name a user: they are in no
// span and in no intent, and so neither in the ledger nor in a call.
func TestOfAContextOnlyTheParentIsKept(t *testing.T) {
	tr, err := trace.New(trace.Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	e := evaluatorWith(tr, stubRules{})
	r := carrying(trace.Header, "x")
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: "tracestate", Value: []byte("shop=canary")}, kgo.RecordHeader{Key: "baggage", Value: []byte("userId=canary")})
	e.evaluate(r)
	if len(e.out) != 1 || len(e.traced.spans) != 1 {
		t.Fatalf("%d records, %d spans, want one of each", len(e.out), len(e.traced.spans))
	}
	in, err := intent.Decode(e.out[0].Value)
	if err != nil || in.Trace == "" {
		t.Errorf("the intent carries %q, %v", in.Trace, err)
	}
	if text := fmt.Sprintf("%s %+v %+v", e.out[0].Value, e.out[0].Headers, e.traced.spans); strings.Contains(text, "canary") {
		t.Errorf("the producer's words are in %s", text)
	}
}

// A transaction holds no more spans than may wait to be sent; the next begins with none.
func TestSpansOfATransactionAreBounded(t *testing.T) {
	tr, err := trace.New(trace.Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	e := evaluatorWith(tr, stubRules{})
	r := carrying(trace.Header, "x")
	for range maxSpans + 10 {
		e.evaluate(r)
		e.out = e.out[:0]
	}
	if len(e.traced.spans) != maxSpans || e.traced.lost != 10 {
		t.Errorf("%d spans, %d lost", len(e.traced.spans), e.traced.lost)
	}
	team{e}.begin()
	if len(e.traced.spans) != 0 || e.traced.lost != 0 {
		t.Errorf("%d spans, %d lost in a new transaction", len(e.traced.spans), e.traced.lost)
	}
}

// BenchmarkEvaluator is stage 1's own work on an event that one rule matches, tracing off and on.
func BenchmarkEvaluator(b *testing.B) {
	on, err := trace.New(trace.Options{Endpoint: "http://127.0.0.1:1", Share: 1})
	if err != nil {
		b.Fatal(err)
	}
	for name, tr := range map[string]*trace.Tracer{"off": nil, "on": on} {
		b.Run(name, func(b *testing.B) {
			e := evaluatorWith(tr, stubRules{})
			r := carrying(trace.Header, "x")
			b.ReportAllocs()
			for b.Loop() {
				e.evaluate(r)
				e.out, e.traced.spans = e.out[:0], e.traced.spans[:0]
			}
		})
	}
}

// exact makes an intent of as many bytes as there may be.
type exact struct {
	stubRules
	body string
}

func (x exact) EvaluateInto(_ *intent.Room, ev *event.Event) []*intent.Intent {
	in := x.stubRules.EvaluateInto(nil, ev)
	in[0].Content.Body = x.body
	return in
}

// An intent that has no room for a trace context is delivered without it.
func TestATraceMakesNoIntentTooLarge(t *testing.T) {
	size := func(tr *trace.Tracer, body int) (*intent.Intent, int) {
		e := evaluatorWith(tr, exact{body: strings.Repeat("x", body)})
		e.evaluate(carrying(trace.Header, "x"))
		if len(e.out) != 1 || e.out[0].Topic != "n.intents" {
			return nil, 0
		}
		in, err := intent.Decode(e.out[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		return in, len(e.out[0].Value)
	}
	_, n := size(nil, intent.MaxBytes/2)
	most := intent.MaxBytes/2 + intent.MaxBytes - n
	if _, n := size(nil, most); n != intent.MaxBytes {
		t.Fatalf("%d bytes, want %d", n, intent.MaxBytes)
	}
	tr, err := trace.New(trace.Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	for body, traced := range map[int]bool{most: false, most - 10: false, most - 100: true} {
		if in, n := size(tr, body); in == nil || (in.Trace != "") != traced || n > intent.MaxBytes {
			t.Errorf("a body of %d bytes: %d bytes, %+v", body, n, in)
		}
	}
}
