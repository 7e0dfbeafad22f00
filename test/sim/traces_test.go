//go:build synctests

package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
	"github.com/notifier/notifier/internal/trace"
	"github.com/notifier/notifier/test/otlp"
)

// collector takes the daemons' spans.
func (w *world) collector(c *otlp.Collector) (stop func()) {
	w.t.Helper()
	l, err := w.net.Listen("tcp", "127.0.0.1:4318")
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Serve(l)
}

const withTraces = "tracing: {endpoint: \"http://127.0.0.1:4318\"}\n"

// parent is a trace context as a producer gives it: the n-th trace.
func parent(n, flags int) string { return fmt.Sprintf("00-%032x-%016x-%02x", n, 0xabc, flags) }

// traced writes an event whose producer is traced; header "" brings no context. All are in one partition, so their order is known.
func (w *world) traced(topic, header string, fields map[string]any) {
	w.t.Helper()
	b, err := json.Marshal(fields)
	if err != nil {
		w.t.Fatal(err)
	}
	r := &kgo.Record{Topic: topic, Key: []byte("k"), Value: b, Headers: []kgo.RecordHeader{{Key: "other", Value: []byte("canary-header")}}}
	if header != "" {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "traceparent", Value: []byte(header)},
			kgo.RecordHeader{Key: "tracestate", Value: []byte("shop=canary-state")}, kgo.RecordHeader{Key: "baggage", Value: []byte("userId=canary-baggage")})
	}
	if err := w.cl.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tracedOrder(header, user, product string) {
	id := w.id("canary-order")
	w.traced(orders, header, map[string]any{"order_id": id, "paid_at": now(), "user_id": user, "product": product})
}

func (w *world) tracedSale(header, product string) {
	id := w.id("canary-sale")
	w.traced(sales, header, map[string]any{"sale_id": id, "opened_at": now(), "city": "canary-city", "product": product})
}

// evaluateAlone runs stage 1 of a process whose stage 2 never runs, for a minute.
func (w *world) evaluateAlone(s *settings.Settings) {
	w.t.Helper()
	set, list := rules.LoadFiles(w.rules, app.RuleOptions(s))
	if set == nil {
		w.t.Fatal(list)
	}
	log := w.logger("stage1")
	tr, err := trace.New(trace.Options{Endpoint: s.Tracing.Endpoint, Share: s.Tracing.Share, DialContext: w.net.DialContext, Log: log})
	if err != nil {
		w.t.Fatal(err)
	}
	go tr.Run()
	m := consumer.NewMetrics(prometheus.NewRegistry())
	m.Known(set.Topics(), nil, nil)
	c := consumer.New(consumer.Options{Kafka: w.kafka, Topics: ledger.TopicsOf(prefix), Instance: "alone", Rules: func() consumer.Rules { return set },
		Accounts: map[string]string{"main": app.Identity(&s.Accounts[0])}, Start: consumer.Start{Set: true, Earliest: true},
		KeepDead: true, SessionTimeout: session, FetchMaxWait: fetchWait,
		Metrics: m, Log: log, Tracer: tr})
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := c.Run(ctx); err != nil {
		w.t.Fatal(err)
	}
	tr.Close(w.t.Context())
}

// drawn draws the spans of a trace, each under its parent, in the order of names; links are drawn as the trace and span they lead to.
func drawn(spans []otlp.Span, id string) []string {
	names := map[string]string{}
	for _, s := range spans {
		names[s.At()] = s.Trace[28:] + " " + s.Name
	}
	var out []string
	for _, s := range spans {
		if s.Trace != id {
			continue
		}
		up := names[s.Trace+"/"+s.Parent]
		switch {
		case s.Parent == "":
			up = "nothing"
		case up == "" && s.Parent == fmt.Sprintf("%016x", 0xabc):
			up = "the producer"
		case up == "":
			up = "LOST"
		default:
			up = up[5:]
		}
		line := s.Name + " under " + up
		var links []string
		for _, l := range s.Links {
			links = append(links, names[l])
		}
		slices.Sort(links)
		if len(links) > 0 {
			line += ", with " + strings.Join(links, ", ")
		}
		if fate := s.Attributes["notifier.fate"]; fate != "" {
			line += ": " + fate
		}
		if s.Failed != "" {
			line += " FAILED " + s.Failed
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func hex32(n int) string { return fmt.Sprintf("%032x", n) }

const tracedRules = `
version: 1
defaults: {owner: sim}
rules:
  - name: sale
    event: sale.opened
    mode: live
    class: marketing
    when: always
    broadcast: {audience: {all_of: ["city_${city}"]}, title: "Sale", body: "${count} ${latest.product}"}
    merge: {wait: 5m}
    limits: {quiet: none, expire: 240h}
  - name: order
    event: order.paid
    mode: live
    class: service
    when: product != "unwanted"
    push: {title: "Thanks", body: "${product}"}
    limits: {quiet: none, expire: 3h}
`

// A trace goes from its producer's header through both stages to the vendor call, also when stage 1 and stage 2 are different processes,
// and when the process dies that had taken the intents in. What is merged, and what shares a call, is linked. Users, texts, ids of events,
// headers and secrets are in no span, and no trace context is in a call.
func TestATraceGoesFromTheProducerToTheVendor(t *testing.T) {
	simulate(t, setup{rules: tracedRules, keys: withTraces, quiet: true}, func(t *testing.T, w *world) {
		c := new(otlp.Collector)
		defer w.collector(c)()
		s := w.one("")
		d := w.start(s)
		time.Sleep(time.Minute)
		d.stop() // there is a ledger now

		w.tracedOrder(parent(1, 1), "canary-user-1", "canary-lamp")
		w.tracedOrder(parent(2, 0), "canary-user-2", "canary-not-recorded")
		w.tracedOrder("", "canary-user-3", "canary-no-context")
		w.tracedOrder(parent(4, 1), "canary-user-4", "canary-together")
		w.tracedOrder(parent(5, 1), "canary-user-5", "canary-together")
		w.tracedOrder(parent(6, 1), "canary-user-6", "unwanted")
		w.traced(orders, parent(7, 1), map[string]any{"order_id": "canary-broken"})
		for i := range 3 {
			w.tracedSale(parent(10+i, 1), fmt.Sprint("canary-", i))
		}
		w.evaluateAlone(s)
		if spans, _ := c.Spans(); len(spans) == 0 || slices.ContainsFunc(spans, func(s otlp.Span) bool { return !strings.HasPrefix(s.Name, "evaluate") }) {
			t.Errorf("stage 1 alone tells %v", spans)
		}
		d = w.start(s)
		time.Sleep(2 * time.Minute)
		d.kill() // the merge is open
		time.Sleep(20 * time.Minute)
		d = w.start(s)
		time.Sleep(6 * session)
		d.stop()

		spans, problems := c.Spans()
		if len(problems) > 0 {
			t.Error(problems)
		}
		own := ""
		for _, s := range spans {
			if s.Parent == "" {
				own = s.Trace
			}
		}
		for _, x := range []struct {
			trace string
			want  []string
		}{
			{hex32(1), []string{"call /push/user.json under wait order", "evaluate order.paid under the producer", "wait order under evaluate order.paid"}},
			{hex32(2), nil},
			{own, []string{"call /push/user.json under wait order", "evaluate order.paid under nothing", "wait order under evaluate order.paid"}},
			{hex32(4), []string{"call /push/user.json under wait order, with 0005 wait order", "evaluate order.paid under the producer", "wait order under evaluate order.paid"}},
			{hex32(5), []string{"evaluate order.paid under the producer", "wait order under evaluate order.paid"}},
			{hex32(6), nil},
			{hex32(7), []string{"evaluate order.paid under the producer FAILED bad-field"}},
			{hex32(10), []string{"call /push.json under wait sale, with 000b coalesce sale, 000c coalesce sale",
				"evaluate sale.opened under the producer", "wait sale under evaluate sale.opened"}},
			{hex32(11), []string{"coalesce sale under evaluate sale.opened: COALESCED", "evaluate sale.opened under the producer"}},
			{hex32(12), []string{"coalesce sale under evaluate sale.opened: COALESCED", "evaluate sale.opened under the producer"}},
		} {
			if d := cmp.Diff(x.want, drawn(spans, x.trace)); d != "" {
				t.Errorf("trace %s (-want +got):\n%s", x.trace, d)
			}
		}
		for _, s := range spans {
			if s.End.Before(s.Start) || s.Resource["service.name"] != "notifier" && s.Resource["service.name"] != "" {
				t.Errorf("%+v", s)
			}
			if s.Name == "wait sale" && s.End.Sub(s.Start) < 5*time.Minute {
				t.Errorf("the merge waited %s", s.End.Sub(s.Start))
			}
		}
		bodies, headers := c.Requests()
		for i, b := range bodies {
			for _, canary := range []string{"canary", sandbox.DefaultSecret} {
				if bytes.Contains(b, []byte(canary)) || strings.Contains(fmt.Sprint(headers[i]), canary) {
					t.Errorf("request %d holds %q: %q", i, canary, b)
				}
			}
		}
		attempts := map[string]bool{}
		for _, e := range w.vendor.Journal(0) {
			attempts[e.Headers["X-Request-Id"]] = true
			attempts[e.Headers["X-Request-ID"]] = true
			for h, v := range e.Headers {
				if slices.Contains([]string{"Traceparent", "Tracestate", "Baggage"}, http.CanonicalHeaderKey(h)) || strings.Contains(v, hex32(1)) || strings.Contains(v, "canary-state") || strings.Contains(v, "canary-baggage") {
					t.Errorf("a call to the vendor has %s: %s", h, v)
				}
			}
		}
		for _, s := range spans {
			if id, ok := s.Attributes["notifier.attempt"]; ok && !attempts[id+"-1"] {
				t.Errorf("%s names attempt %s, which the vendor does not know", s.Name, id)
			}
		}
		if b, err := w.reader().Books(t.Context()); err != nil || !b.Balanced() || b.Intents != 8 || b.Dead != 1 {
			t.Errorf("books: %+v, %v", b, err)
		}
	})
}

const tracedTags = `  - name: city-tag
    event: profile.changed
    tags: ["city_${city}"]
  - name: level-up
    event: profile.changed
    mode: live
    class: service
    when: changed(level) and level == "vip"
    push: {body: "now ${level}"}
    limits: {expire: 1h}
`

// What a profile event leads to is its trace: the tags, which the newest event gives, and the pushes that follow from the change. A call that
// was under way when its process died is told by the next owner, as what became of it.
func TestTracesOfProfilesAndOfCallsThatDied(t *testing.T) {
	simulate(t, setup{rules: tracedRules + tracedTags, keys: withTraces, quiet: true}, func(t *testing.T, w *world) {
		c := new(otlp.Collector)
		defer w.collector(c)()
		s := w.one("")
		d := w.start(s)
		time.Sleep(time.Minute)
		profile := func(n int, fields map[string]any) {
			w.traced(profiles, parent(n, 1), map[string]any{"event_id": fmt.Sprint("canary-profile-", n), "ts": now(), "user_id": "canary-user", "profile": fields})
		}
		profile(1, map[string]any{"city": "bj", "level": "normal"})
		time.Sleep(time.Minute)
		profile(2, map[string]any{"city": "sh"})
		time.Sleep(time.Second)
		profile(3, map[string]any{"city": "gz", "level": "vip"})
		time.Sleep(time.Minute)
		if err := w.vendor.Arm(sandbox.Fault{Kind: "timeout_after", Path: "/push/user.json"}); err != nil {
			t.Fatal(err)
		}
		w.tracedOrder(parent(4, 1), "canary-user", "canary-lamp")
		time.Sleep(2 * time.Second)
		d.kill()
		d = w.start(s)
		time.Sleep(6 * session)
		d.stop()
		spans, problems := c.Spans()
		if len(problems) > 0 {
			t.Error(problems)
		}
		for n, want := range map[int][]string{
			1: {"call /user/tag/set.json under wait tags", "evaluate profile.changed under the producer", "wait tags under evaluate profile.changed"},
			2: {"coalesce tags under evaluate profile.changed: COALESCED", "evaluate profile.changed under the producer"},
			3: {"call /push/user.json under wait level-up", "call /user/tag/set.json under wait tags, with 0002 coalesce tags", "evaluate profile.changed under the producer",
				"wait level-up under evaluate profile.changed", "wait tags under evaluate profile.changed"},
			4: {"call /push/user.json under evaluate order.paid FAILED unknown", "evaluate order.paid under the producer", "wait order under evaluate order.paid"},
		} {
			if d := cmp.Diff(want, drawn(spans, hex32(n))); d != "" {
				t.Errorf("trace %d (-want +got):\n%s", n, d)
			}
		}
		bodies, _ := c.Requests()
		if slices.ContainsFunc(bodies, func(b []byte) bool { return bytes.Contains(b, []byte("canary")) || bytes.Contains(b, []byte("city_")) }) {
			t.Error("a span holds a user, an event id or a tag")
		}
	})
}

// A collector that takes requests and never answers holds up no event, no call and no drain, not even one that has calls to wait for.
func TestACollectorThatHangsHoldsNothingUp(t *testing.T) {
	simulate(t, setup{rules: tracedRules, keys: withTraces, quiet: true}, func(t *testing.T, w *world) {
		never := make(chan struct{})
		asked := 0
		stop := w.collector(&otlp.Collector{Answer: func(int, []otlp.Span) (int, int64) { asked++; <-never; return 0, 0 }})
		defer stop()
		defer close(never)
		d := w.start(w.one("    brake: 100000 in 10m\n"))
		time.Sleep(time.Minute)
		for range 10 {
			for i := range 500 {
				w.order(fmt.Sprint("u", i), w.id("product"))
			}
			time.Sleep(time.Minute)
		}
		words := w.words()
		for id, n := range w.events {
			if id == "order" && (n != 5000 || len(words) != n) {
				t.Errorf("%d fates of %d events", len(words), n)
			}
		}
		if err := w.vendor.Arm(sandbox.Fault{Kind: "timeout_after", Times: -1, DelayMS: 120_000}); err != nil {
			t.Fatal(err)
		}
		last := w.order("u1", "lamp")
		time.Sleep(time.Second)
		d.stop() // within 10 s
		if got := w.words()[last]; got != "UNKNOWN" || asked == 0 {
			t.Errorf("the push in flight is %q; the collector was asked %d times", got, asked)
		}
		if n := w.said("spans were dropped"); n == 0 || n > 12 {
			t.Errorf("it was said %d times that spans are dropped", n)
		}
		w.books(5001)
	})
}

// said counts the lines of a quiet world's log that hold words.
func (w *world) said(words string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.unsaid {
		if strings.Contains(line, words) {
			n++
		}
	}
	return n
}

// Getui's calls are traced alike. Its peer here refuses every call with a trace context.
func TestATraceGoesToGetui(t *testing.T) {
	simulate(t, setup{rules: tracedRules, keys: withTraces, quiet: true}, func(t *testing.T, w *world) {
		p := new(peer)
		defer w.getui(p)()
		c := new(otlp.Collector)
		defer w.collector(c)()
		d := w.start(w.second(""))
		time.Sleep(time.Minute)
		w.tracedOrder(parent(1, 1), "u1", "canary-lamp")
		time.Sleep(time.Minute)
		d.stop()
		spans, problems := c.Spans()
		got := drawn(spans, hex32(1))
		if len(problems) > 0 || len(got) != 3 || !strings.HasPrefix(got[0], "call /push/single/") || !strings.HasSuffix(got[0], " under wait order") {
			t.Errorf("%v %q", problems, got)
		}
		joined := 0
		for _, s := range spans {
			if id, ok := s.Attributes["notifier.attempt"]; ok {
				joined++
				if !p.ids[id+"-1"] {
					t.Errorf("%s names attempt %s, X-Request-ID were %v", s.Name, id, p.ids)
				}
			}
		}
		if joined == 0 {
			t.Error("no span names an attempt")
		}
	})
}

// Without tracing.endpoint nothing listens to a record's trace context: no connection, no span, nothing in the intents and the ledger.
func TestTracingIsOffByDefault(t *testing.T) {
	simulate(t, setup{rules: tracedRules, quiet: true}, func(t *testing.T, w *world) {
		c := new(otlp.Collector)
		defer w.collector(c)()
		d := w.start(w.one(""))
		time.Sleep(time.Minute)
		w.tracedOrder(parent(1, 1), "u1", "lamp")
		w.tracedSale(parent(2, 1), "one")
		w.tracedSale(parent(3, 1), "two")
		time.Sleep(time.Minute)
		if n := d.cable.dialled("127.0.0.1:4318"); n != 0 {
			t.Errorf("%d connections to a collector", n)
		}
		d.stop()
		if bodies, _ := c.Requests(); len(bodies) > 0 {
			t.Errorf("%d requests to a collector", len(bodies))
		}
		cl, err := kgo.NewClient(append(slices.Clone(w.kafka), kgo.ConsumeTopics(prefix+".intents", prefix+".ledger"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		intents := 0
		for ctx.Err() == nil {
			cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if r.Topic == prefix+".intents" {
					intents++
				}
				if bytes.Contains(r.Value, []byte("00-0000")) || len(r.Headers) > 0 {
					t.Errorf("a record of %s holds a trace context: %q %v", r.Topic, r.Value, r.Headers)
				}
			})
		}
		if intents != 3 {
			t.Errorf("%d intents, want 3", intents)
		}
	})
}
