package rongcloud

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func TestEveryTryIsSignedAfresh(t *testing.T) {
	v := newVendor(t, nil, say("200 OK", ok200))
	secret := "sandbox-secret-01"
	clock := time.UnixMilli(1767225600000)
	c := newClient(t, Options{Hosts: []string{v.url()}, Secret: func() Secret { return NewSecret(secret) }, Now: func() time.Time { return clock }})
	for range 2 {
		if _, err := call(t, c, tagSet, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		secret, clock = "rotated", clock.Add(time.Millisecond)
	}
	got := v.requests()
	for i, want := range []struct{ secret, timestamp string }{{"sandbox-secret-01", "1767225600000"}, {"rotated", "1767225600001"}} {
		h := got[i].header
		if h.Get("App-Key") != "sbx-app-key-01" || h.Get("Timestamp") != want.timestamp || len(h.Get("Nonce")) > 18 ||
			h.Get("Signature") != signature(want.secret, h.Get("Nonce"), want.timestamp) {
			t.Errorf("request %d is not signed with %s at %s: %v", i, want.secret, want.timestamp, h)
		}
		if h.Get("X-Request-ID") != "call-1-1" || h.Get("Content-Type") != "application/json" || got[i].path != "POST /user/tag/set.json" || got[i].body != `{"a":1}` {
			t.Errorf("request %d: %+v", i, got[i])
		}
		for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key", "Accept-Encoding", "Expect"} {
			if h.Get(name) != "" {
				t.Errorf("request %d has %s", i, name)
			}
		}
	}
	if got[0].header.Get("Nonce") == got[1].header.Get("Nonce") {
		t.Error("the nonce was used twice")
	}
}

// Fail-over: what each kind of failure on the primary does to this call and to the next one.
func TestFailOver(t *testing.T) {
	reset := func(_ request, c net.Conn) bool { _ = c.(*net.TCPConn).SetLinger(0); return false }
	for _, tc := range []struct {
		name    string
		primary func(request, net.Conn) bool // nil: refuses connections
		ep      Endpoint
		class   Class // of the first call
		backup  int   // requests of the first call that reach the backup
		next    string
	}{
		{"refused: this call goes over", nil, push, OK, 1, "backup"},
		{"reset after the request, a push: never again", reset, push, Unknown, 0, "backup"},
		{"reset after the request, tags: the caller repeats", reset, tagSet, RetrySafe, 0, "backup"},
		{"502: the next call goes over", say("502 Bad Gateway", "<html>"), push, Unknown, 0, "backup"},
		{"code 1000", say("500 X", `{"code":1000}`), tagSet, RetrySafe, 0, "backup"},
		{"refused by the vendor: stay", say("400 X", `{"code":1002}`), push, Permanent, 0, "primary"},
		{"too often: stay", say("429 X", `{"code":1008}`), push, RetryLater, 0, "primary"},
		{"wrong signature: stay", say("401 X", `{"code":1004}`), push, Config, 0, "primary"},
		{"well: stay", say("200 OK", ok200), push, OK, 0, "primary"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			primary := newVendor(t, nil, func(r request, c net.Conn) bool { return tc.primary(r, c) })
			if tc.primary == nil {
				_ = primary.ln.Close()
			}
			backup := newVendor(t, nil, say("200 OK", ok200))
			c := newClient(t, Options{Hosts: []string{primary.url(), backup.url()}})
			a, err := call(t, c, tc.ep, 20*time.Second)
			got := OK
			if err != nil {
				got = err.Class
			}
			if got != tc.class || len(backup.requests()) != tc.backup {
				t.Errorf("class %s with %d requests at the backup; want %s, %d (%v)", got, len(backup.requests()), tc.class, tc.backup, err)
			}
			if tc.backup == 1 {
				if id := backup.requests()[0].header.Get("X-Request-ID"); id != "call-1-2" || a.RequestID != id || a.Host != backup.ln.Addr().String() {
					t.Errorf("the second try is %s, the answer %+v", id, a)
				}
			}
			want := map[string]string{"primary": primary.ln.Addr().String(), "backup": backup.ln.Addr().String()}[tc.next]
			if c.Host() != want {
				t.Errorf("the next call goes to %s, want %s", c.Host(), tc.next)
			}
		})
	}
}

// The try at the backup is signed for itself: one with the primary's nonce and time would be taken for a replay.
func TestFailOverSignsAfresh(t *testing.T) {
	primary, backup := newVendor(t, nil, say("200 OK", ok200)), newVendor(t, nil, say("200 OK", ok200))
	var kept bytes.Buffer // what would have gone to the primary
	clock := time.UnixMilli(1767225600000)
	c := newClient(t, Options{Hosts: []string{primary.url(), backup.url()},
		Now: func() time.Time { clock = clock.Add(time.Millisecond); return clock },
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil && addr == primary.ln.Addr().String() {
				nc = stuck{nc, &kept}
			}
			return nc, err
		}})
	if _, err := call(t, c, scarce, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	first, err := http.ReadRequest(bufio.NewReader(&kept))
	if err != nil {
		t.Fatalf("the try at the primary: %v", err)
	}
	got := backup.requests()
	if len(got) != 1 || len(primary.requests()) != 0 {
		t.Fatalf("%d requests at the backup, %d at the primary; want 1, 0", len(got), len(primary.requests()))
	}
	for _, name := range []string{"Nonce", "Timestamp", "Signature", "X-Request-ID"} {
		if a, b := first.Header.Get(name), got[0].header.Get(name); a == "" || b == "" || a == b {
			t.Errorf("%s is %q in the first try and %q in the second", name, a, b)
		}
	}
	for i, h := range []http.Header{first.Header, got[0].header} {
		if want := signature("sandbox-secret-01", h.Get("Nonce"), h.Get("Timestamp")); h.Get("Signature") != want {
			t.Errorf("try %d is signed %s, want %s", i+1, h.Get("Signature"), want)
		}
	}
}

// stuck is a connection that no byte leaves; it keeps what was to be written.
type stuck struct {
	net.Conn
	kept *bytes.Buffer
}

func (s stuck) Write(b []byte) (int, error) {
	s.kept.Write(b)
	return 0, errors.New("stuck")
}

func TestBothHostsRefuse(t *testing.T) {
	var dials []string
	c := newClient(t, Options{Hosts: []string{"http://127.0.0.1:1", "http://127.0.0.1:2"}, DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		dials = append(dials, addr)
		return nil, fmt.Errorf("refused")
	}})
	_, err := call(t, c, push, 20*time.Second)
	if err == nil || err.Class != NotSent || err.RequestID != "call-1-2" {
		t.Errorf("error %v, want not_sent after try 2", err)
	}
	if got := strings.Join(dials, " "); got != "127.0.0.1:1 127.0.0.1:2" {
		t.Errorf("dialled %s, want each host once", got)
	}
}

// Many calls that fail on one host together move the client once, not back and forth.
func TestBurstOfFailuresSwitchesOnce(t *testing.T) {
	const n = 20
	var together sync.WaitGroup
	together.Add(n)
	primary := newVendor(t, nil, func(_ request, c net.Conn) bool {
		together.Done()
		together.Wait() // all are under way before any fails
		return false
	})
	backup := newVendor(t, nil, say("200 OK", ok200))
	c := newClient(t, Options{Hosts: []string{primary.url(), backup.url()}})
	var calls sync.WaitGroup
	for range n {
		calls.Go(func() {
			if _, err := call(t, c, push, 20*time.Second); err == nil || err.Class != Unknown {
				t.Errorf("error %v, want unknown", err)
			}
		})
	}
	calls.Wait()
	if c.turn.Load() != 1 || c.Host() != backup.ln.Addr().String() {
		t.Errorf("the host changed %d times, now %s", c.turn.Load(), c.Host())
	}
	if _, err := call(t, c, push, 20*time.Second); err != nil {
		t.Error(err)
	}
}

// A caller that gives up says nothing about the host.
func TestCancelledCallKeepsTheHost(t *testing.T) {
	arrived := make(chan bool, 1)
	v := newVendor(t, nil, func(request, net.Conn) bool { arrived <- true; return true })
	c := newClient(t, Options{Hosts: []string{v.url(), "http://127.0.0.1:1"}})
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	go func() { <-arrived; cancel() }()
	_, err := callCtx(t, ctx, c, push)
	if err == nil || err.Class != Unknown || !err.Sent {
		t.Errorf("error %v, want unknown", err)
	}
	if c.Host() != v.ln.Addr().String() {
		t.Error("the host changed")
	}
}

func TestConnectionsAreSharedButNotForLong(t *testing.T) {
	v := newVendor(t, nil, say("200 OK", ok200))
	c := newClient(t, Options{Hosts: []string{v.url()}})
	for range 200 {
		if _, err := call(t, c, tagSet, 20*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	count := make(map[int]int)
	for _, r := range v.requests() {
		count[r.conn]++
	}
	if len(count) != 3 {
		t.Errorf("200 requests took %d connections, want 3", len(count))
	}
	for n, uses := range count {
		if uses >= 80 {
			t.Errorf("connection %d carried %d requests", n, uses)
		}
	}
}

func TestScarceCallsTakeAFreshConnection(t *testing.T) {
	v := newVendor(t, nil, say("200 OK", ok200))
	c := newClient(t, Options{Hosts: []string{v.url()}})
	for _, ep := range []Endpoint{tagSet, scarce, scarce} {
		if _, err := call(t, c, ep, 20*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if r := v.requests(); r[1].conn == r[0].conn || r[2].conn == r[1].conn {
		t.Errorf("connections %d %d %d", r[0].conn, r[1].conn, r[2].conn)
	}
}

// The vendor closes an idle connection: the next push finds that out before it writes.
func TestStaleConnectionCostsNothing(t *testing.T) {
	closed := make(chan bool)
	v := newVendor(t, nil, func(r request, c net.Conn) bool {
		_, _ = io.WriteString(c, httpAnswer("200 OK", ok200)) // promises to keep the connection
		if r.conn == 1 {
			_ = c.Close()
			close(closed)
			return false
		}
		return true
	})
	c := newClient(t, Options{Hosts: []string{v.url()}})
	if _, err := call(t, c, push, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	<-closed
	if a, err := call(t, c, push, 20*time.Second); err != nil || a.RequestID != "call-1-1" {
		t.Fatalf("after the vendor closed: %v", err)
	}
	if r := v.requests(); len(r) != 2 || r[1].conn != 2 {
		t.Errorf("requests %+v", r)
	}
}

func TestConnectionIsDroppedWhenTheAnswerSaysSo(t *testing.T) {
	for name, answer := range map[string]string{
		"Connection: close":  "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + itoa(len(ok200)) + "\r\n\r\n" + ok200,
		"more than promised": httpAnswer("200 OK", ok200) + "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"code\":200}",
		"HTTP/1.0":           "HTTP/1.0 200 OK\r\nContent-Length: " + itoa(len(ok200)) + "\r\n\r\n" + ok200,
	} {
		v := newVendor(t, nil, func(_ request, c net.Conn) bool { _, err := io.WriteString(c, answer); return err == nil })
		c := newClient(t, Options{Hosts: []string{v.url()}})
		for range 2 {
			if a, err := call(t, c, push, 20*time.Second); err != nil || string(a.Body) != ok200 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r := v.requests(); len(r) != 2 || r[0].conn == r[1].conn {
			t.Errorf("%s: the connection was used again", name)
		}
	}
}

func TestInterimAndChunkedAnswers(t *testing.T) {
	v := newVendor(t, nil, func(_ request, c net.Conn) bool {
		_, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"cod\r\n7\r\ne\":200}\r\n0\r\n\r\n")
		return err == nil
	})
	c := newClient(t, Options{Hosts: []string{v.url()}})
	for range 2 {
		if a, err := call(t, c, push, 20*time.Second); err != nil || string(a.Body) != `{"code":200}` {
			t.Fatalf("%v", err)
		}
	}
	if r := v.requests(); r[1].conn != 1 {
		t.Error("the connection was not used again")
	}
}

// A vendor that refuses without reading everything: its answer counts although the write broke or not.
func TestAnswerAfterABrokenWrite(t *testing.T) {
	a, b := net.Pipe()
	go func() {
		_, _ = io.ReadFull(b, make([]byte, 20))
		go func() { _, _ = io.WriteString(b, httpAnswer("429 X", `{"code":1008}`)); _ = b.Close() }()
	}()
	c := newClient(t, Options{Hosts: []string{"http://127.0.0.1:1"}, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return halfPipe{a}, nil
	}})
	_, err := call(t, c, push, 20*time.Second)
	if err == nil || err.Class != RetryLater || err.Code != 1008 {
		t.Errorf("error %v, want the vendor's 1008", err)
	}
}

// halfPipe takes 20 bytes of a write and then breaks, while reading goes on.
type halfPipe struct{ net.Conn }

func (h halfPipe) Write(b []byte) (int, error) {
	n, err := h.Conn.Write(b[:20])
	if err == nil {
		err = io.ErrClosedPipe
	}
	return n, err
}

func TestErrorsShowNoSecretEvenWhenEchoed(t *testing.T) {
	for pad := range 20 { // the cut falls on every place of the secret
		v := newVendor(t, nil, func(r request, c net.Conn) bool {
			echo := "signature " + r.header.Get("Signature") + " nonce " + r.header.Get("Nonce") + strings.Repeat("x", pad) + strings.Repeat("sandbox-secret-01", 40)
			_, err := io.WriteString(c, httpAnswer("401 X", `{"code":1004,"errorMessage":"`+echo+`"}`))
			return err == nil
		})
		_, err := call(t, newClient(t, Options{Hosts: []string{v.url()}}), push, 20*time.Second)
		h := v.requests()[0].header
		for _, s := range []string{"sand", h.Get("Signature"), h.Get("Nonce")} {
			if strings.Contains(err.Error(), s) || strings.Contains(err.Message, s) {
				t.Errorf("%q is in %q", s, err)
			}
		}
		if err.Code != 1004 || err.HTTPStatus != 401 || err.Host != v.ln.Addr().String() || err.RequestID != "call-1-1" || !err.Sent {
			t.Errorf("error %+v", err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := Options{Hosts: []string{"https://a.example"}, AppKey: "k", Secret: func() Secret { return NewSecret("s") }}
	for name, break_ := range map[string]func(*Options){
		"no hosts":          func(o *Options) { o.Hosts = nil },
		"no key":            func(o *Options) { o.AppKey = "" },
		"key with newline":  func(o *Options) { o.AppKey = "a\nb" },
		"no secret":         func(o *Options) { o.Secret = nil },
		"plain http":        func(o *Options) { o.Hosts = []string{"http://api.rong-api.com"} },
		"path":              func(o *Options) { o.Hosts = []string{"https://a.example/v1"} },
		"query":             func(o *Options) { o.Hosts = []string{"https://a.example?x=1"} },
		"credentials":       func(o *Options) { o.Hosts = []string{"https://u:p@a.example"} },
		"no scheme":         func(o *Options) { o.Hosts = []string{"api.rong-api.com"} },
		"another scheme":    func(o *Options) { o.Hosts = []string{"ftp://a.example"} },
		"bad backup":        func(o *Options) { o.Hosts = append(o.Hosts, "http://b.example") },
		"looks like a loop": func(o *Options) { o.Hosts = []string{"http://127.0.0.1.example"} },
	} {
		o := good
		break_(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for _, h := range []string{"http://localhost:8080", "http://[::1]:1", "http://127.0.0.1:9/", "https://a.example:8443"} {
		o := good
		o.Hosts = []string{h}
		if _, err := New(o); err != nil {
			t.Errorf("%s: %v", h, err)
		}
	}
}

func TestDataCenters(t *testing.T) {
	for _, c := range []struct{ name, primary, backup string }{
		{"beijing", "https://api.rong-api.com", "https://api-b.rong-api.com"},
		{"singapore", "https://api.sg-light-api.com", "https://api-b.sg-light-api.com"},
		{"singapore-b", "https://api.sg-b-light-api.com", "https://api-b.sg-b-light-api.com"},
		{"north-america", "https://api.us-light-api.com", "https://api-b.us-light-api.com"},
		{"saudi-arabia", "https://api.sau-light-api.com", "https://api-b.sau-light-api.com"},
	} {
		hosts, err := DataCenter(c.name)
		if err != nil || !slices.Equal(hosts, []string{c.primary, c.backup}) {
			t.Errorf("%s: %v %v, want %s and %s", c.name, hosts, err, c.primary, c.backup)
		}
	}
	if _, err := DataCenter("peking"); err == nil || !strings.Contains(err.Error(), "beijing, singapore, singapore-b, north-america, saudi-arabia") {
		t.Errorf("unknown name: %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	v := newVendor(t, nil, func(r request, c net.Conn) bool {
		_, err := io.WriteString(c, httpAnswer("200 OK", `{"code":200,"id":"`+r.header.Get("X-Request-ID")+`"}`))
		return err == nil
	})
	c := newClient(t, Options{Hosts: []string{v.url()}})
	var calls sync.WaitGroup
	for g := range 16 {
		calls.Go(func() {
			for i := range 25 {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				id := strconv.Itoa(g) + "." + strconv.Itoa(i)
				a, err := c.Call(ctx, id, push, "application/json", []byte("{}"))
				cancel()
				if err != nil {
					t.Error(err)
				} else if want := `{"code":200,"id":"` + id + `-1"}`; string(a.Body) != want {
					t.Errorf("answer %s, want %s", a.Body, want)
				}
			}
		})
	}
	calls.Wait()
	count := make(map[int]int)
	nonces := make(map[string]bool)
	for _, r := range v.requests() {
		count[r.conn]++
		nonces[r.header.Get("Nonce")] = true
	}
	for n, uses := range count {
		if uses >= 80 {
			t.Errorf("connection %d carried %d requests", n, uses)
		}
	}
	if len(nonces) != 400 {
		t.Errorf("%d nonces for 400 requests", len(nonces))
	}
}
