package getui

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/wire"
)

// DefaultHost is the vendor's address.
const DefaultHost = "https://restapi.getui.com"

// The terms for connections. The vendor documents none; these are below the usual idle times of gateways.
const (
	maxUses = 1000
	maxAge  = 50 * time.Second
	// maxBody bounds an answer's body; the longest is a list push by alias with details: 1000 aliases with up to 10 cids, about 800 KiB.
	maxBody = 1 << 20
)

// maxCallID: X-Request-ID is at most 36 characters; what is left of them holds "-" and the try number.
const maxCallID = 30

// Secret is a master secret, or a token, that no printer can show.
type Secret = wire.Secret

// NewSecret wraps s.
func NewSecret(s string) Secret { return wire.NewSecret(s) }

// Options are what a Client needs. AppID, AppKey and MasterSecret are required.
type Options struct {
	Host         string // base URL; "": DefaultHost. https, unless the host is loopback
	AppID        string
	AppKey       string
	MasterSecret func() Secret // asked for every token, so that a rotated one takes effect with the next

	AllowHTTP   bool                                                              // plain http to any host; for tests
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer
	RootCAs     *x509.CertPool                                                    // nil: the system's
	Now         func() time.Time                                                  // timestamps and the life of tokens; nil: time.Now. Deadlines follow the real clock
}

// Client calls one app. It is safe for concurrent use.
type Client struct {
	host   *wire.Host
	appID  string
	appKey string
	secret func() Secret
	now    func() time.Time
	lines  *wire.Lines
	tokens tokens
}

// New checks the options; it opens no connection and asks for no token.
func New(o Options) (*Client, error) {
	if o.Host == "" {
		o.Host = DefaultHost
	}
	h, err := wire.ParseHost(o.Host, o.AllowHTTP)
	if err != nil {
		return nil, fmt.Errorf("getui: %w", err)
	}
	if err := errors.Join(ValidAppID(o.AppID), visible("app key", o.AppKey)); err != nil {
		return nil, fmt.Errorf("getui: %w", err)
	}
	if o.MasterSecret == nil {
		return nil, errors.New("getui: no master secret")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Client{host: h, appID: o.AppID, appKey: o.AppKey, secret: o.MasterSecret, now: o.Now,
		lines: wire.New(wire.Options{MaxUses: maxUses, MaxAge: maxAge, MaxBody: maxBody, DialContext: o.DialContext, RootCAs: o.RootCAs})}
	c.tokens.start(o.Now, func(ctx context.Context) (token, error) { return c.authenticate(ctx, c.secret().Reveal()) })
	return c, nil
}

// ValidAppID reports why s cannot be an app id: it is a part of every path.
func ValidAppID(s string) error {
	if strings.ContainsAny(s, "/?#%") {
		return fmt.Errorf("app id %q: no / ? # %%", s)
	}
	return visible("app id", s)
}

func visible(what, s string) error {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%s %q: want visible ASCII", what, s)
	}
	return nil
}

// String names the app and nothing secret.
func (c *Client) String() string { return "getui app " + c.appID }

// Close closes idle connections and ends a request for a token; calls under way finish.
func (c *Client) Close() {
	c.tokens.close()
	c.lines.Close()
}

// Call sends one request and reads its whole answer before the context's deadline, which is the attempt's notAfter and must be there.
// callID, at most 30 characters of A-Z a-z 0-9 . _ -, is unique for each call; its tries carry X-Request-ID callID-1, callID-2. The
// error is always a *Error. A second try follows only code 10001: the vendor did not know the token, so it did nothing.
func (c *Client) Call(ctx context.Context, callID string, ep Endpoint, path string, body []byte) (*Answer, error) {
	fail := &Error{Class: NotSent, Method: ep.Method, Name: ep.Name}
	deadline, ok := ctx.Deadline()
	switch {
	case !ok:
		fail.err = errors.New("a call needs a deadline (the attempt's notAfter)")
		return nil, fail
	case !validCallID(callID):
		fail.err = fmt.Errorf("call id %q: want 1 to %d characters of A-Z a-z 0-9 . _ -", callID, maxCallID)
		return nil, fail
	}
	if fail.err = wire.Expired(ctx, deadline); fail.err != nil {
		return nil, fail
	}
	t, err := c.tokens.get(ctx, "")
	if err != nil {
		return nil, c.noToken(fail, err)
	}
	answer, refused := c.try(ctx, callID+"-1", ep, path, t.value, body)
	if refused == nil {
		return answer, nil
	}
	if refused.Code != codeToken || refused.Class != Config || wire.Expired(ctx, deadline) != nil {
		return nil, refused
	}
	if t, err = c.tokens.get(ctx, t.value); err != nil {
		return nil, refused // what the vendor said of this call stands: it did nothing
	}
	if answer, refused = c.try(ctx, callID+"-2", ep, path, t.value, body); refused != nil {
		return nil, refused
	}
	return answer, nil
}

// codeToken: the token is wrong or over.
const codeToken = 10001

// noToken says of a call that it did not leave because there was no token for it.
func (c *Client) noToken(fail *Error, err error) *Error {
	fail.err = fmt.Errorf("no token: %w", err)
	if auth, ok := errors.AsType[*Error](err); ok {
		fail.Code, fail.HTTPStatus, fail.Date = auth.Code, auth.HTTPStatus, auth.Date
		if auth.Class == Config {
			fail.Class = Config
		}
	}
	return fail
}

// try sends once.
func (c *Client) try(ctx context.Context, requestID string, ep Endpoint, path, token string, body []byte, secrets ...string) (*Answer, *Error) {
	fail := &Error{Class: NotSent, Method: ep.Method, Name: ep.Name, RequestID: requestID}
	req, err := c.request(requestID, ep, path, token, body)
	if err != nil {
		fail.err = err
		return nil, fail
	}
	k, _, err := c.lines.Connect(ctx, c.host, ep.Fresh)
	if err != nil {
		fail.err = err
		return nil, fail
	}
	resp, got, sent, err := k.Exchange(ctx, req)
	if err != nil {
		fail.Sent, fail.err = sent, err
		if sent {
			fail.Class = Unknown
			if ep.Repeatable {
				fail.Class = RetrySafe
			}
		}
		return nil, fail
	}
	c.lines.Put(k)
	v := classify(ep, resp.StatusCode, got)
	if v.class == OK {
		return &Answer{Data: v.data, HTTPStatus: resp.StatusCode, RequestID: requestID, Date: wire.Date(resp.Header)}, nil
	}
	fail.Date = wire.Date(resp.Header)
	fail.Class, fail.Wait, fail.Code, fail.HTTPStatus, fail.Sent = v.class, v.wait, v.code, resp.StatusCode, true
	fail.Target, fail.Repeated, fail.Service = v.target, v.repeated, v.service
	fail.Message = wire.Cut(wire.Redact(v.message, append(secrets, token, c.secret().Reveal())...))
	fail.RetryAfter = wire.RetryAfter(resp.Header.Get("Retry-After"), c.now())
	return nil, fail
}

func (c *Client) request(requestID string, ep Endpoint, path, token string, body []byte) (*http.Request, error) {
	u := c.host.URL.String() + "/v2/" + c.appID + path
	var r *bytes.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := newRequest(ep.Method, u, r)
	if err != nil {
		return nil, errors.New("the path makes no URL")
	}
	req.Header.Set("User-Agent", "notifier")
	req.Header.Set("X-Request-ID", requestID)
	if token != "" {
		req.Header["token"] = []string{token} // lower case, as documented
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json;charset=utf-8")
	}
	return req, nil
}

// newRequest: a nil *bytes.Reader in an io.Reader would be a body.
func newRequest(method, u string, body *bytes.Reader) (*http.Request, error) {
	if body == nil {
		return http.NewRequest(method, u, nil)
	}
	return http.NewRequest(method, u, body)
}

func validCallID(s string) bool {
	return s != "" && len(s) <= maxCallID && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	})
}
