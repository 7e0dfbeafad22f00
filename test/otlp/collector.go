// Package otlp is an OpenTelemetry collector for tests: it takes spans by OTLP over HTTP and reads them with OpenTelemetry's own code, so
// what it understands any collector does.
package otlp

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	trace "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is one that was taken.
type Span struct {
	Name       string
	Kind       trace.Span_SpanKind
	Trace, ID  string
	Parent     string   // "": it begins its trace
	Links      []string // trace/span
	Unlinked   int      // links that were too many to be told
	Attributes map[string]string
	Resource   map[string]string
	Start, End time.Time
	Failed     string // the message of an error; "": it is none
}

// At names a span as links do.
func (s Span) At() string { return s.Trace + "/" + s.ID }

// Collector takes what comes. The zero Collector takes everything.
type Collector struct {
	// Answer decides on a request, by its number from 1: a status; 0 takes it. rejected tells the sender that so many of it were not taken.
	Answer func(n int, spans []Span) (status int, rejected int64)

	mu       sync.Mutex
	spans    []Span
	raw      [][]byte
	headers  []http.Header
	problems []string
	came     chan struct{} // closed when something comes
	n        int
}

// ServeHTTP takes a request.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var req collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.UnmarshalOptions{}.Unmarshal(body, &req)
	}
	c.mu.Lock()
	c.n++
	n := c.n
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || err != nil {
		c.problems = append(c.problems, fmt.Sprintf("%s %s of %s: %v", r.Method, r.URL, r.Header.Get("Content-Type"), err))
	}
	c.raw = append(c.raw, body)
	c.headers = append(c.headers, r.Header.Clone())
	c.mu.Unlock()
	spans := c.read(&req)
	status, rejected := 0, int64(0)
	if c.Answer != nil {
		status, rejected = c.Answer(n, spans)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if status == 0 {
		c.spans = append(c.spans, spans...)
		status = http.StatusOK
	}
	if c.came != nil {
		close(c.came)
		c.came = nil
	}
	answer := &collector.ExportTraceServiceResponse{}
	if rejected > 0 {
		answer.PartialSuccess = &collector.ExportTracePartialSuccess{RejectedSpans: rejected, ErrorMessage: "too many"}
	}
	b, err := proto.Marshal(answer)
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func (c *Collector) read(req *collector.ExportTraceServiceRequest) (out []Span) {
	if len(req.ProtoReflect().GetUnknown()) > 0 {
		c.problem("fields that OTLP does not know")
	}
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				if len(s.ProtoReflect().GetUnknown()) > 0 || len(s.TraceId) != 16 || len(s.SpanId) != 8 || s.Flags&1 == 0 {
					c.problem(fmt.Sprintf("span %v", s))
				}
				x := Span{Name: s.Name, Kind: s.Kind, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
					Unlinked:   int(s.DroppedLinksCount),
					Attributes: c.words(s.Attributes), Resource: c.words(rs.GetResource().GetAttributes()),
					Start: time.Unix(0, int64(s.StartTimeUnixNano)), End: time.Unix(0, int64(s.EndTimeUnixNano))}
				if s.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR {
					x.Failed = s.Status.Message
				}
				for _, l := range s.Links {
					if len(l.TraceId) != 16 || len(l.SpanId) != 8 {
						c.problem(fmt.Sprintf("link %v", l))
					}
					x.Links = append(x.Links, hex.EncodeToString(l.TraceId)+"/"+hex.EncodeToString(l.SpanId))
				}
				out = append(out, x)
			}
		}
	}
	return out
}

func (c *Collector) words(kvs []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range kvs {
		switch v := kv.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			out[kv.Key] = fmt.Sprint(v.IntValue)
		default:
			c.problem(fmt.Sprintf("attribute %v", kv))
		}
	}
	return out
}

func (c *Collector) problem(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, what)
}

// Spans gives what was taken, by their beginnings, and what was wrong with the requests.
func (c *Collector) Spans() (spans []Span, problems []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans = slices.Clone(c.spans)
	slices.SortStableFunc(spans, func(a, b Span) int { return a.Start.Compare(b.Start) })
	return spans, slices.Clone(c.problems)
}

// Requests gives the bodies and headers as they came.
func (c *Collector) Requests() (bodies [][]byte, headers []http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.raw), slices.Clone(c.headers)
}

// Wait returns when enough holds for the spans taken; the error is ctx's end.
func (c *Collector) Wait(ctx context.Context, enough func([]Span) bool) error {
	for {
		c.mu.Lock()
		if c.came == nil {
			c.came = make(chan struct{})
		}
		came, spans := c.came, slices.Clone(c.spans)
		c.mu.Unlock()
		if enough(spans) {
			return nil
		}
		select {
		case <-came:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Serve takes requests at a listener until stop is called.
func (c *Collector) Serve(l net.Listener) (stop func()) {
	s := &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	return func() {
		_ = s.Close()
		<-done
	}
}
