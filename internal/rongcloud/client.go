package rongcloud

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// readyTimeout bounds DNS, TCP and TLS of one try. Two hosts in turn take at most 5 s of the 6 s that an attempt has.
const readyTimeout = 2500 * time.Millisecond

// maxCallID: X-Request-ID is at most 36 characters; what is left of them holds "-" and the try number.
const maxCallID = 30

// Options are what a Client needs. Hosts, AppKey and Secret are required.
type Options struct {
	Hosts  []string // base URLs, primary first then backup, as DataCenter gives them; https, unless the host is loopback
	AppKey string
	Secret func() Secret // asked for every try, so that a rotated secret takes effect at once

	AllowHTTP   bool                                                              // plain http to any host; for tests
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer
	RootCAs     *x509.CertPool                                                    // nil: the system's
	Now         func() time.Time                                                  // the Timestamp header; nil: time.Now. Deadlines follow the real clock
}

// host is one base URL taken apart.
type host struct {
	url    url.URL
	addr   string // host:port
	secure bool
}

// Client calls one App Key's data centre. It is safe for concurrent use.
type Client struct {
	hosts  []*host
	appKey string
	secret func() Secret
	dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	roots  *x509.CertPool
	now    func() time.Time
	pool   pool

	// turn mod len(hosts) is the current host. Only the failure of a call that began under this very turn moves it
	// on, so a burst of failures on one host switches once.
	turn atomic.Uint64
}

// New checks the options; it opens no connection.
func New(o Options) (*Client, error) {
	if len(o.Hosts) == 0 {
		return nil, errors.New("rongcloud: no hosts: name a data centre or give hosts")
	}
	if o.AppKey == "" || strings.ContainsFunc(o.AppKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("rongcloud: app key %q: want visible ASCII", o.AppKey)
	}
	if o.Secret == nil {
		return nil, errors.New("rongcloud: no secret")
	}
	c := &Client{appKey: o.AppKey, secret: o.Secret, dialer: o.DialContext, roots: o.RootCAs, now: o.Now}
	if c.dialer == nil {
		c.dialer = new(net.Dialer).DialContext
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.pool.idle = make(map[*host][]*conn)
	for _, s := range o.Hosts {
		h, err := parseHost(s, o.AllowHTTP)
		if err != nil {
			return nil, err
		}
		c.hosts = append(c.hosts, h)
	}
	return c, nil
}

func parseHost(s string, allowHTTP bool) (*host, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("rongcloud: host %q: want https://name or https://name:port and nothing more", s)
	}
	h := &host{url: url.URL{Scheme: u.Scheme, Host: u.Host}, secure: u.Scheme == "https"}
	port := u.Port()
	switch {
	case h.secure:
		if port == "" {
			port = "443"
		}
	case u.Scheme == "http" && (allowHTTP || loopback(u.Hostname())):
		if port == "" {
			port = "80"
		}
	default:
		return nil, fmt.Errorf("rongcloud: host %q: use https; the signature covers neither path nor body, so TLS is what protects them", s)
	}
	h.addr = net.JoinHostPort(u.Hostname(), port)
	return h, nil
}

func loopback(name string) bool {
	a, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && a.IsLoopback()
}

// Close closes idle connections; calls under way finish.
func (c *Client) Close() { c.pool.close() }

// Host is the name of the current host.
func (c *Client) Host() string { return c.current(c.turn.Load()).url.Host }

func (c *Client) current(turn uint64) *host { return c.hosts[turn%uint64(len(c.hosts))] }

// Call sends one request and reads its whole answer before the context's deadline, which is the attempt's notAfter and
// must be there. callID, at most 30 characters of A-Z a-z 0-9 . _ -, is unique for each call; its tries carry
// X-Request-ID callID-1, callID-2. The error is always a *Error.
//
// Only a try of which no byte left is followed by another one, on the other host, at most one try a host.
func (c *Client) Call(ctx context.Context, callID string, ep Endpoint, contentType string, body []byte) (*Answer, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil, &Error{Class: NotSent, Path: ep.Path, err: errors.New("a call needs a deadline (the attempt's notAfter)")}
	}
	if !validCallID(callID) {
		return nil, &Error{Class: NotSent, Path: ep.Path, err: fmt.Errorf("call id %q: want 1 to %d characters of A-Z a-z 0-9 . _ -", callID, maxCallID)}
	}
	if err := expired(ctx, deadline); err != nil {
		return nil, &Error{Class: NotSent, Path: ep.Path, err: err}
	}
	for try := 1; ; try++ {
		turn := c.turn.Load()
		fresh := ep.Fresh || try > 1 // when one used connection was stale, the others may be
		answer, err := c.try(ctx, c.current(turn), callID+"-"+strconv.Itoa(try), ep, fresh, contentType, body)
		if err == nil {
			return answer, nil
		}
		if err.unavailable && !errors.Is(ctx.Err(), context.Canceled) {
			c.turn.CompareAndSwap(turn, turn+1)
		}
		if err.Class != NotSent || try >= len(c.hosts) || expired(ctx, deadline) != nil {
			return nil, err
		}
	}
}

// try signs and sends once.
func (c *Client) try(ctx context.Context, h *host, requestID string, ep Endpoint, fresh bool, contentType string, body []byte) (*Answer, *Error) {
	fail := &Error{Class: NotSent, Path: ep.Path, Host: h.url.Host, RequestID: requestID}
	k, used, err := c.connect(ctx, h, fresh)
	if err != nil {
		fail.err, fail.unavailable = err, true
		return nil, fail
	}
	secret := c.secret().Reveal()
	nonce, timestamp := newNonce(), strconv.FormatInt(c.now().UnixMilli(), 10)
	sig := signature(secret, nonce, timestamp)
	req, err := c.request(h, requestID, ep, contentType, body, nonce, timestamp, sig)
	if err != nil {
		c.pool.put(k)
		fail.err = err
		return nil, fail
	}
	resp, got, sent, err := k.exchange(ctx, req)
	if err != nil {
		fail.Sent, fail.err = sent, err
		fail.unavailable = sent || !used // a used connection that broke before a byte left says nothing of the host
		if sent {
			fail.Class = Unknown
			if ep.Repeatable {
				fail.Class = RetrySafe
			}
		}
		return nil, fail
	}
	c.pool.put(k)
	v := classify(ep.Repeatable, resp.StatusCode, got)
	if v.class == OK {
		return &Answer{Body: got, HTTPStatus: resp.StatusCode, RequestID: requestID, Host: h.url.Host}, nil
	}
	fail.Class, fail.Code, fail.HTTPStatus, fail.unavailable, fail.Sent = v.class, v.code, resp.StatusCode, v.unavailable, true
	fail.Message = cut(redact(v.message, secret, sig, nonce)) // in this order: a cut secret would not be found
	fail.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), c.now())
	return nil, fail
}

// connect gives a connection that is ready for a request: a used one, unless fresh, or a new one.
func (c *Client) connect(ctx context.Context, h *host, fresh bool) (k *conn, used bool, err error) {
	if !fresh {
		if k := c.pool.get(h); k != nil {
			return k, true, nil
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("no connection within %s", readyTimeout))
	defer cancel()
	nc, err := c.dialer(ctx, "tcp", h.addr)
	if err != nil {
		return nil, false, fmt.Errorf("connect: %w", causeOf(ctx, err))
	}
	raw := &countConn{Conn: nc}
	if !h.secure {
		return newConn(h, raw, raw), false, nil
	}
	t := tls.Client(raw, &tls.Config{
		ServerName: h.url.Hostname(), RootCAs: c.roots, MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}, // HTTP/2 would carry everything over one connection
	})
	if err := t.HandshakeContext(ctx); err != nil {
		raw.abort()
		return nil, false, fmt.Errorf("TLS handshake: %w", causeOf(ctx, err))
	}
	return newConn(h, t, raw), false, nil
}

// causeOf adds why a context ended to the error that its end caused.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

func (c *Client) request(h *host, requestID string, ep Endpoint, contentType string, body []byte, nonce, timestamp, sig string) (*http.Request, error) {
	u := h.url
	u.Path = ep.Path
	req, err := http.NewRequest(http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "notifier")
	req.Header.Set("App-Key", c.appKey)
	req.Header.Set("Nonce", nonce)
	req.Header.Set("Timestamp", timestamp)
	req.Header.Set("Signature", sig)
	req.Header.Set("X-Request-ID", requestID)
	req.Header.Set("Content-Type", contentType)
	return req, nil
}

func validCallID(s string) bool {
	return s != "" && len(s) <= maxCallID && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	})
}

// redact keeps what signs a request out of errors, even when the far side echoes it.
func redact(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, redacted)
		}
	}
	return s
}

// retryAfter reads the header in either of its forms; the vendor documents none. At most an hour: a longer wait is the
// quota's business.
func retryAfter(s string, now time.Time) time.Duration {
	if s == "" {
		return 0
	}
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(min(max(n, 0), 3600)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return min(max(t.Sub(now), 0), time.Hour)
	}
	return 0
}
