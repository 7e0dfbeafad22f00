package trace_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	otlptrace "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/notifier/notifier/internal/trace"
	"github.com/notifier/notifier/test/otlp"
)

const endpoint = "http://127.0.0.1:4318"

// bench is a tracer with its collector on a network of pipes, in virtual time.
type bench struct {
	*trace.Tracer
	net  kfake.VirtualNetwork
	to   *otlp.Collector
	logs *observer.ObservedLogs
	stop func()
}

func start(t *testing.T, c *otlp.Collector, change func(*trace.Options)) *bench {
	t.Helper()
	b := &bench{to: c, stop: func() {}}
	core, logs := observer.New(zapcore.DebugLevel)
	b.logs = logs
	if c != nil {
		l, err := b.net.Listen("tcp", "127.0.0.1:4318")
		if err != nil {
			t.Fatal(err)
		}
		b.stop = c.Serve(l)
	}
	o := trace.Options{Endpoint: endpoint, Share: 1, DialContext: b.net.DialContext, Log: zap.New(core), Resource: []trace.Attribute{trace.Text("service.name", "notifier")}}
	if change != nil {
		change(&o)
	}
	var err error
	if b.Tracer, err = trace.New(o); err != nil {
		t.Fatal(err)
	}
	go b.Run()
	return b
}

// close ends the tracer and gives the time that took.
func (b *bench) close(within time.Duration) time.Duration {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	b.Close(ctx)
	b.stop()
	return time.Since(began)
}

func (b *bench) begin() trace.Context {
	c, _, _ := b.Begin(nil)
	return c
}

// lost adds up what the log says was dropped, and gives its lines.
func (b *bench) lost() (n int64, lines int) {
	for _, e := range b.logs.All() {
		n += e.ContextMap()["spans"].(int64)
		lines++
	}
	return n, lines
}

func TestASpanArrivesAsItWasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, new(otlp.Collector), func(o *trace.Options) { o.Authorization = func() string { return "Bearer one" } })
		parent, at := b.begin(), time.Now().Add(-time.Hour)
		var links []trace.Context
		var names []string
		for range trace.MaxLinks + 2 {
			links = append(links, b.begin())
			h := links[len(links)-1].String()
			names = append(names, h[3:35]+"/"+h[36:52])
		}
		child := parent.Child()
		b.Emit(trace.Span{Context: child, Parent: parent.Span, Name: "call /x", Kind: trace.Client, Start: at, End: at.Add(time.Second), Links: links, Failed: "unknown",
			Attributes: []trace.Attribute{trace.Text("a", "文"), trace.Text("empty", ""), trace.Number("n", -3), trace.Number("zero", 0)}},
			trace.Span{Context: parent, Name: "evaluate", Kind: trace.Consumer, Start: at.Add(2 * time.Second), End: at})
		b.close(time.Second)
		got, problems := b.to.Spans()
		ph, ch := parent.String(), child.String()
		want := []otlp.Span{
			{Name: "call /x", Kind: otlptrace.Span_SPAN_KIND_CLIENT, Trace: ph[3:35], ID: ch[36:52], Parent: ph[36:52], Links: names[:trace.MaxLinks], Unlinked: 2, Failed: "unknown",
				Attributes: map[string]string{"a": "文", "empty": "", "n": "-3", "zero": "0"}, Resource: map[string]string{"service.name": "notifier"}, Start: at, End: at.Add(time.Second)},
			{Name: "evaluate", Kind: otlptrace.Span_SPAN_KIND_CONSUMER, Trace: ph[3:35], ID: ph[36:52],
				Attributes: map[string]string{}, Resource: map[string]string{"service.name": "notifier"},
				Start: at.Add(2 * time.Second), End: at.Add(2 * time.Second)},
		}
		if d := cmp.Diff(want, got); d != "" || len(problems) > 0 {
			t.Errorf("%v (-want +got):\n%s", problems, d)
		}
		_, headers := b.to.Requests()
		if len(headers) != 1 || headers[0].Get("Authorization") != "Bearer one" || headers[0].Get("traceparent") != "" {
			t.Errorf("headers: %v", headers)
		}
		if n, _ := b.lost(); n != 0 {
			t.Errorf("%d are lost", n)
		}
	})
}

// Spans wait for company for a second, and no longer; 512 go at once.
func TestSpansGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		c := &otlp.Collector{Answer: func(int, []otlp.Span) (int, int64) { at = append(at, time.Since(began)); return 0, 0 }}
		b := start(t, c, nil)
		for range 3 {
			b.Emit(trace.Span{Context: b.begin()})
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		for range 1000 {
			b.Emit(trace.Span{Context: b.begin()})
		}
		time.Sleep(time.Minute)
		b.close(time.Second)
		late := 900*time.Millisecond + time.Hour
		if d := cmp.Diff([]time.Duration{time.Second, late, late + time.Second}, at); d != "" {
			t.Errorf("requests (-want +got):\n%s", d)
		}
	})
}

// Whatever the collector does, Emit does not wait, memory is bounded, and what is dropped is told once a minute, to the span.
func TestACollectorThatFailsHoldsNothingUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(n int, spans []otlp.Span) (int, int64) // nil: nobody listens
		taken  int                                         // of 10,000; at least
		why    string
	}{
		{"nobody listens", nil, 0, ""},
		{"it is overloaded for good", func(int, []otlp.Span) (int, int64) { return 503, 0 }, 0, "the collector answers 503"},
		{"it is overloaded for a while", func(n int, _ []otlp.Span) (int, int64) { return map[bool]int{true: 429}[n < 4], 0 }, 4096, "more than the collector takes"},
		{"it refuses", func(int, []otlp.Span) (int, int64) { return 401, 0 }, 0, "the collector answers 401"},
		{"it leads elsewhere", func(int, []otlp.Span) (int, int64) { return 307, 0 }, 0, "the collector answers 307"},
		{"it takes all but one of each request", func(int, []otlp.Span) (int, int64) {
			time.Sleep(time.Millisecond) // not before all are emitted, however the two take turns
			return 0, 1
		}, 4096, "the collector takes only some"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var to *otlp.Collector
				if c.answer != nil {
					to = &otlp.Collector{Answer: c.answer}
				}
				b := start(t, to, nil)
				synctest.Wait()
				began, one := time.Now(), trace.Span{Context: b.begin()}
				for range 10_000 {
					b.Emit(one)
				}
				if d := time.Since(began); d != 0 {
					t.Errorf("Emit took %s", d)
				}
				time.Sleep(10 * time.Minute)
				n, lines := b.lost()
				taken := 0
				if to != nil {
					spans, problems := to.Spans()
					if taken = len(spans); len(problems) > 0 {
						t.Error(problems)
					}
				}
				if bodies := requests(to); c.why == "the collector takes only some" {
					taken -= len(bodies)
				}
				if int(n)+taken != 10_000 || lines > 10 || lines == 0 {
					t.Errorf("%d taken, %d told in %d lines", taken, n, lines)
				}
				if taken < c.taken-16 || taken > c.taken+512 {
					t.Errorf("%d are taken", taken)
				}
				last := b.logs.All()[lines-1].ContextMap()["why"].(string)
				if c.why != "" && last != c.why && !slices.ContainsFunc(b.logs.All(), func(e observer.LoggedEntry) bool { return e.ContextMap()["why"] == c.why }) {
					t.Errorf("the reason is %q, want %q", last, c.why)
				}
				b.close(time.Second)
			})
		})
	}
}

func requests(c *otlp.Collector) [][]byte {
	if c == nil {
		return nil
	}
	bodies, _ := c.Requests()
	return bodies
}

// A collector that does not answer at the end gets no more time than there is.
func TestTheEndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		b := start(t, &otlp.Collector{Answer: func(int, []otlp.Span) (int, int64) { <-hang; return 0, 0 }}, nil)
		for range 2000 {
			b.Emit(trace.Span{Context: b.begin()})
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		b.Close(ctx)
		if d := time.Since(began); d != 1500*time.Millisecond {
			t.Errorf("the end took %s", d)
		}
		if n, _ := b.lost(); n != 2000 {
			t.Errorf("%d of 2000 are told as dropped", n)
		}
		close(hang)
		b.stop()
	})
}

// Nothing but the collector of the settings is dialled, and no proxy is asked.
func TestOnlyTheCollectorIsDialled(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	t.Setenv("http_proxy", "http://127.0.0.1:9")
	for e, want := range map[string]string{"http://collector.example:4318": "collector.example:4318",
		"http://collector.example/base/": "collector.example:80", "https://[::1]": "[::1]:443"} {
		var mu sync.Mutex
		var dialled []string
		tr, err := trace.New(trace.Options{Endpoint: e, Log: zap.NewNop(), DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			dialled = append(dialled, addr)
			return nil, fmt.Errorf("no")
		}})
		if err != nil {
			t.Fatal(err)
		}
		go tr.Run()
		tr.Emit(trace.Span{Context: trace.Context{Trace: [16]byte{1}, Span: [8]byte{1}}})
		tr.Close(t.Context())
		if len(dialled) != 1 || dialled[0] != want {
			t.Errorf("%s: dialled %v, want %s", e, dialled, want)
		}
	}
	for _, e := range []string{"", "collector:4318", "ftp://collector", "http://", "http://u:hush@collector", "http://u:hush@collector:x"} {
		if _, err := trace.New(trace.Options{Endpoint: e}); err == nil || !strings.Contains(err.Error(), "http") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", e, err)
		}
	}
}

// What is no answer at all is not repeated either, though net/http quotes it.
func TestWhatIsNoAnswerIsNotRepeated(t *testing.T) {
	for _, says := range []string{"canary\r\n", "HTTP/1.1 canary\r\n\r\n", "HTTP/1.1 200 OK\r\ncanary\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: canary\r\n\r\n", "HTTP/1.1 307 Elsewhere\r\nLocation: http://canary:port/%zz\r\n\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, nil, nil)
			l, err := b.net.Listen("tcp", "127.0.0.1:4318")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
						_, _ = c.Write([]byte(says))
					}
					_ = c.Close()
				}
			}()
			b.Emit(trace.Span{Context: b.begin()})
			b.close(10 * time.Second)
			_ = l.Close()
			for _, e := range b.logs.All() {
				if why := e.ContextMap()["why"].(string); strings.Contains(why, "canary") || why == "" {
					t.Errorf("%q is told as %q", says, why)
				}
			}
			if n, _ := b.lost(); n != 1 {
				t.Errorf("%q: %d dropped", says, n)
			}
		})
	}
}

// What the far side says is in no error and no log.
func TestWhatACollectorSaysIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil, nil)
		l, err := b.net.Listen("tcp", "127.0.0.1:4318")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(bytes.Repeat([]byte("canary"), 1<<20))
		})}
		go func() { _ = s.Serve(l) }()
		b.Emit(trace.Span{Context: b.begin()})
		b.close(10 * time.Second)
		_ = s.Close()
		for _, e := range b.logs.All() {
			if strings.Contains(fmt.Sprint(e), "canary") {
				t.Error(e)
			}
		}
		if n, _ := b.lost(); n != 1 {
			t.Errorf("%d dropped", n)
		}
	})
}
