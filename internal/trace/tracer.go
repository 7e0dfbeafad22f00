package trace

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	queueSize = 4096             // spans that may wait, about 2 MiB
	maxBatch  = 512              // spans of a request, about 200 KiB
	linger    = time.Second      // how long a span waits for company
	maxTries  = 5                // of a batch that the collector cannot take now
	firstWait = time.Second      // after a try that failed; it doubles
	tryWithin = 10 * time.Second // a request with its answer
	tellEvery = time.Minute      // that spans were dropped is said no more often
	maxAnswer = 64 << 10         // what is read of an answer
)

// Options are what a Tracer needs. Endpoint is required.
type Options struct {
	Endpoint      string        // http or https base URL of the collector; /v1/traces is added
	Authorization func() string // of the header, asked for every request; nil: none
	Share         float64       // of the events that bring no context: so many begin a trace, 0 to 1
	Resource      []Attribute   // who we are

	DialContext func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer
	Log         *zap.Logger
}

// Tracer takes spans and sends them. It is safe for concurrent use. A nil Tracer is tracing that is off: whoever has one does nothing.
type Tracer struct {
	opt    Options
	url    string
	client *http.Client
	queue  chan Span
	least  uint64 // of the last 7 bytes of a trace id: from there on it is sampled

	dropped atomic.Int64
	why     string // of the last that were dropped by the collector; the sender's own

	closing chan struct{}
	done    chan struct{}
	life    context.Context // of requests
	end     context.CancelFunc
}

// New makes a Tracer; it opens no connection. Run sends.
func New(o Options) (*Tracer, error) {
	u, err := url.Parse(o.Endpoint)
	if err == nil && u.User != nil || err != nil && strings.Contains(o.Endpoint, "@") { // it stands in the log with every loss
		return nil, errors.New("the tracing endpoint has a login: want http://host:port or https://host:port")
	}
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("tracing endpoint %q: want http://host:port or https://host:port", o.Endpoint)
	}
	dial := o.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	t := &Tracer{opt: o, url: strings.TrimSuffix(u.String(), "/") + "/v1/traces", queue: make(chan Span, queueSize),
		least: uint64((1 - o.Share) * (1 << 56)), closing: make(chan struct{}), done: make(chan struct{})}
	t.life, t.end = context.WithCancel(context.Background())
	// One collector, one connection: no redirects, and the environment's proxy is not asked.
	t.client = &http.Client{Timeout: tryWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: onlyTo(address(u), dial), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxConnsPerHost: 1, IdleConnTimeout: tellEvery,
			MaxResponseHeaderBytes: maxAnswer}}
	return t, nil
}

// address is where a URL leads: host:port.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// onlyTo lets a connection go nowhere but to the collector of the settings. It may stand inside, so what its name leads to is not judged.
func onlyTo(collector string, dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr != collector {
			return nil, fmt.Errorf("%s is not the collector of the settings", addr)
		}
		return dial(ctx, network, addr)
	}
}

// Begin gives the span of an event with this header, and what it continues. ok is false for a trace that is not recorded: by its producer's
// decision, or, if the event brings no context, by the share.
func (t *Tracer) Begin(header []byte) (c Context, parent [8]byte, ok bool) {
	if from, sampled, known := Parse(header); known {
		return from.Child(), from.Span, sampled
	}
	c = root()
	if binary.BigEndian.Uint64(c.Trace[8:])&(1<<56-1) < t.least {
		return Context{}, parent, false
	}
	return c.Child(), parent, true
}

// Emit takes spans that have ended. It never waits: what the queue has no room for is dropped.
func (t *Tracer) Emit(spans ...Span) {
	for i := range spans {
		select {
		case t.queue <- spans[i]:
		default:
			t.dropped.Add(int64(len(spans) - i))
			return
		}
	}
}

// Drop counts spans that their maker had no room for.
func (t *Tracer) Drop(n int) { t.dropped.Add(int64(n)) }

// Run sends until Close.
func (t *Tracer) Run() {
	defer close(t.done)
	defer t.client.CloseIdleConnections()
	var batch []Span
	due := time.NewTimer(linger)
	due.Stop()
	minute := time.NewTicker(tellEvery)
	defer minute.Stop()
	for {
		select {
		case s := <-t.queue:
			if batch = append(batch, s); len(batch) == 1 {
				due.Reset(linger)
			}
			if len(batch) < maxBatch {
				continue
			}
		case <-due.C:
		case <-minute.C:
			t.tell()
			continue
		case <-t.closing:
			t.last(batch)
			return
		}
		due.Stop()
		t.send(batch)
		batch = batch[:0]
	}
}

// last sends what there is, all makers of spans having ended.
func (t *Tracer) last(batch []Span) {
	for {
		select {
		case s := <-t.queue:
			batch = append(batch, s)
			if len(batch) < maxBatch {
				continue
			}
		default:
		}
		if len(batch) == 0 {
			t.tell()
			return
		}
		t.send(batch)
		batch = batch[:0]
	}
}

// Close lets Run send what waits, until ctx ends; then the rest is dropped. Nobody may call Emit any more.
func (t *Tracer) Close(ctx context.Context) {
	close(t.closing)
	defer context.AfterFunc(ctx, t.end)()
	<-t.done
	t.end()
}

// send brings a batch to the collector, or drops it. One that cannot be taken now is tried again while the queue fills; at the end once.
func (t *Tracer) send(batch []Span) {
	body := request(t.opt.Resource, batch)
	wait := firstWait
	for try := 1; ; try++ {
		refused, again, err := t.post(body)
		if err == nil {
			if refused > 0 {
				t.dropped.Add(min(refused, int64(len(batch)))) // whatever it says
				t.why = "the collector takes only some"
			}
			return
		}
		if !again || try == maxTries || !t.pause(wait) {
			t.dropped.Add(int64(len(batch)))
			t.why = err.Error()
			return
		}
		wait *= 2
	}
}

// pause is false when the process ends.
func (t *Tracer) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.closing:
		return false
	}
}

// post makes one request. again: the same may be taken later. An error holds nothing that the collector said.
func (t *Tracer) post(body []byte) (refused int64, again bool, err error) {
	req, err := http.NewRequestWithContext(t.life, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	req.Header.Set("User-Agent", "notifier")
	req.Header.Set("Content-Type", "application/x-protobuf")
	if t.opt.Authorization != nil {
		req.Header.Set("Authorization", t.opt.Authorization())
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return 0, true, unsaid(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode >= 502 && resp.StatusCode <= 504:
		return 0, true, fmt.Errorf("the collector answers %d", resp.StatusCode)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return 0, false, fmt.Errorf("the collector answers %d", resp.StatusCode)
	case err != nil: // it has taken them
		return 0, false, nil
	}
	return rejected(answer), false, nil
}

// unsaid leaves out of an error what the far side said: net/http quotes what it cannot read of an answer, and textproto repeats a header line.
func unsaid(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok { // the URL is known
		err = ue.Err
	}
	if _, ok := errors.AsType[textproto.ProtocolError](err); ok {
		return errors.New("the collector's answer cannot be read")
	}
	if why, _, quotes := strings.Cut(err.Error(), `"`); quotes {
		return errors.New(strings.TrimRight(why, " :"))
	}
	return err
}

// tell says what was dropped since it was last said.
func (t *Tracer) tell() {
	n := t.dropped.Swap(0)
	if n == 0 {
		return
	}
	why := t.why
	if why == "" {
		why = "more than the collector takes"
	}
	t.why = ""
	t.opt.Log.Warn("spans were dropped, nothing else is lost: look at tracing.endpoint and the collector", zap.Int64("spans", n),
		zap.String("endpoint", t.opt.Endpoint), zap.String("why", why))
}
