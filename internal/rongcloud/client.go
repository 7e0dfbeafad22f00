package rongcloud

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/notifier/notifier/internal/wire"
)

// The vendor's terms for connections.
const (
	// maxUses: the vendor wants fewer than 80 requests a connection, since long-lived ones defeat its load balancing.
	maxUses = 79
	// maxAge: idle below 55 s (an older page: life below 60 s). Counting from the dial keeps both.
	maxAge = 50 * time.Second
	// maxBody bounds an answer's body (section 10.1). Tags of 50 users with every character escaped are about 100 KiB.
	maxBody = 1 << 20
)

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

// Client calls one App Key's data centre. It is safe for concurrent use.
type Client struct {
	hosts  []*wire.Host
	appKey string
	secret func() Secret
	now    func() time.Time
	lines  *wire.Lines

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
	c := &Client{appKey: o.AppKey, secret: o.Secret, now: o.Now,
		lines: wire.New(wire.Options{MaxUses: maxUses, MaxAge: maxAge, MaxBody: maxBody, DialContext: o.DialContext, RootCAs: o.RootCAs})}
	if c.now == nil {
		c.now = time.Now
	}
	for _, s := range o.Hosts {
		h, err := wire.ParseHost(s, o.AllowHTTP)
		if err != nil {
			return nil, fmt.Errorf("rongcloud: %w", err)
		}
		c.hosts = append(c.hosts, h)
	}
	return c, nil
}

// Close closes idle connections; calls under way finish.
func (c *Client) Close() { c.lines.Close() }

// Host is the name of the current host.
func (c *Client) Host() string { return c.current(c.turn.Load()).URL.Host }

func (c *Client) current(turn uint64) *wire.Host { return c.hosts[turn%uint64(len(c.hosts))] }

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
	if err := wire.Expired(ctx, deadline); err != nil {
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
		if err.Class != NotSent || try >= len(c.hosts) || wire.Expired(ctx, deadline) != nil {
			return nil, err
		}
	}
}

// try signs and sends once.
func (c *Client) try(ctx context.Context, h *wire.Host, requestID string, ep Endpoint, fresh bool, contentType string, body []byte) (*Answer, *Error) {
	fail := &Error{Class: NotSent, Path: ep.Path, Host: h.URL.Host, RequestID: requestID}
	k, used, err := c.lines.Connect(ctx, h, fresh)
	if err != nil {
		fail.err, fail.unavailable = err, true
		return nil, fail
	}
	secret := c.secret().Reveal()
	nonce, timestamp := newNonce(), strconv.FormatInt(c.now().UnixMilli(), 10)
	sig := signature(secret, nonce, timestamp)
	req, err := c.request(h, requestID, ep, contentType, body, nonce, timestamp, sig)
	if err != nil {
		c.lines.Put(k)
		fail.err = err
		return nil, fail
	}
	resp, got, sent, err := k.Exchange(ctx, req)
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
	c.lines.Put(k)
	v := classify(ep.Repeatable, resp.StatusCode, got)
	if v.class == OK {
		return &Answer{Body: got, HTTPStatus: resp.StatusCode, RequestID: requestID, Host: h.URL.Host, Date: wire.Date(resp.Header)}, nil
	}
	fail.Date = wire.Date(resp.Header)
	fail.Class, fail.Code, fail.HTTPStatus, fail.unavailable, fail.Sent = v.class, v.code, resp.StatusCode, v.unavailable, true
	fail.Message = wire.Cut(wire.Redact(v.message, secret, sig, nonce))
	fail.RetryAfter = wire.RetryAfter(resp.Header.Get("Retry-After"), c.now())
	return nil, fail
}

func (c *Client) request(h *wire.Host, requestID string, ep Endpoint, contentType string, body []byte, nonce, timestamp, sig string) (*http.Request, error) {
	u := h.URL
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
