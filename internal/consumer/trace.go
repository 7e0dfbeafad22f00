package consumer

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/trace"
)

// maxSpans is what an evaluator keeps of one transaction, as many as may wait to be sent in all.
const maxSpans = 4096

// traced are the spans of an evaluator's share. An event that no rule matches is counted, nothing more (design.md 2): it has none.
type traced struct {
	spans []trace.Span
	lost  int
	began time.Time // of the record at hand
	kept  int       // spans before the record at hand
}

func (t *traced) begin() { t.spans, t.lost = t.spans[:0], 0 }

// record begins with a record. When tracing is off the clock is not asked.
func (t *traced) record(on *trace.Tracer) {
	if on != nil {
		t.began, t.kept = time.Now(), len(t.spans)
	}
}

// undo forgets what the record at hand has made.
func (t *traced) undo() { t.spans = t.spans[:t.kept] }

// span is the evaluation of an event while it goes on; the zero span is not recorded.
type span struct {
	trace.Context
	parent [8]byte
}

// carry begins the span of an event, and lets its intents carry it on. A record that is several events has several.
func (e *evaluator) carry(r *kgo.Record, intents []*intent.Intent) (s span) {
	if e.c.opt.Tracer == nil {
		return span{}
	}
	var ok bool
	if s.Context, s.parent, ok = e.c.opt.Tracer.Begin(parentOf(r)); !ok {
		return span{}
	}
	carried := s.String()
	for _, in := range intents {
		in.Trace = carried
	}
	return s
}

// evaluated ends the span of an event that rules matched, or of what becomes a dead letter for a reason.
func (e *evaluator) evaluated(s span, r *kgo.Record, event string, intents int, dead string) {
	switch {
	case s == span{}:
		return
	case len(e.traced.spans) == maxSpans:
		e.traced.lost++
		return
	}
	name := "evaluate"
	if event != "" {
		name += " " + event
	}
	e.traced.spans = append(e.traced.spans, trace.Span{Context: s.Context, Parent: s.parent, Name: name, Kind: trace.Consumer, Start: e.traced.began, End: time.Now(), Failed: dead,
		Attributes: []trace.Attribute{trace.Text("messaging.system", "kafka"), trace.Text("messaging.operation.name", "evaluate"), trace.Text("messaging.operation.type", "process"),
			trace.Text("messaging.destination.name", r.Topic), trace.Text("messaging.destination.partition.id", strconv.Itoa(int(r.Partition))),
			trace.Number("messaging.kafka.offset", r.Offset), trace.Number("notifier.intents", int64(intents))}})
}

// parentOf is the trace context of a record, as it came.
func parentOf(r *kgo.Record) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == trace.Header {
			return r.Headers[i].Value
		}
	}
	return nil
}
