package getui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	// staleBefore: a token with less life left is renewed, as the vendor's own SDK does.
	staleBefore = time.Hour
	// refreshPause keeps a replica at 6 tokens a minute; the 100 a minute are for all of an app.
	refreshPause = 10 * time.Second
	// throttlePause is how long /auth is left alone after it said 10003, whose window is a minute.
	throttlePause = 61 * time.Second
	// authTimeout bounds one request for a token. It belongs to no call: whoever waits for it has a deadline of its own.
	authTimeout = 6 * time.Second
)

// The calls about the token itself.
var (
	authEndpoint = Endpoint{Method: http.MethodPost, Name: "/auth", Lane: LaneAuth, Repeatable: true}
	dropEndpoint = Endpoint{Method: http.MethodDelete, Name: "/auth/{token}", Lane: LaneAuth, Repeatable: true}
)

type token struct {
	value   string
	expires time.Time
}

// tokens keeps the app's token and sees to it that one request for a new one is under way at most.
type tokens struct {
	now  func() time.Time
	auth func(context.Context) (token, error)

	ctx     context.Context
	cancel  context.CancelFunc
	flights sync.WaitGroup

	mu      sync.Mutex // guards the rest
	current token
	refused string    // a token that the vendor did not know
	next    time.Time // no request for a token before
	lastErr error     // of the last request for one
	flight  *flight
}

// flight is a request for a token under way.
type flight struct {
	done chan struct{} // closed when t and err are there
	t    token
	err  error
}

func (m *tokens) start(now func() time.Time, auth func(context.Context) (token, error)) {
	m.now, m.auth = now, auth
	m.ctx, m.cancel = context.WithCancel(context.Background())
}

// close ends a request for a token and waits for its end.
func (m *tokens) close() {
	m.cancel()
	m.flights.Wait()
}

// get gives a token that is not refused, "" being none. While there is a good one, nobody waits: a new one is fetched beside.
func (m *tokens) get(ctx context.Context, refused string) (token, error) {
	m.mu.Lock()
	now := m.now()
	if refused != "" && refused == m.current.value { // somebody else may have replaced it already
		m.refused = refused
	}
	good := m.current.value != "" && m.current.value != m.refused && now.Before(m.current.expires)
	if good && now.Add(staleBefore).Before(m.current.expires) {
		defer m.mu.Unlock()
		return m.current, nil
	}
	f := m.flight
	if f == nil && now.Before(m.next) {
		defer m.mu.Unlock()
		if good {
			return m.current, nil
		}
		return token{}, m.tooSoon()
	}
	if f == nil {
		f = &flight{done: make(chan struct{})}
		m.flight, m.next = f, now.Add(refreshPause)
		m.flights.Go(func() { m.refresh(f) })
	}
	t := m.current
	m.mu.Unlock()
	if good {
		return t, nil
	}
	select {
	case <-f.done:
		return f.t, f.err
	case <-ctx.Done():
		return token{}, context.Cause(ctx)
	}
}

// tooSoon says why no token is asked for now: what the last request for one ended with, if that was no success.
func (m *tokens) tooSoon() error {
	if m.lastErr != nil {
		return m.lastErr
	}
	return fmt.Errorf("the vendor refuses a token that is less than %s old", refreshPause)
}

func (m *tokens) refresh(f *flight) {
	ctx, cancel := context.WithTimeout(m.ctx, authTimeout)
	defer cancel()
	f.t, f.err = m.auth(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flight, m.lastErr = nil, f.err
	switch e, ok := errors.AsType[*Error](f.err); {
	case f.err == nil:
		m.current = f.t
	case ok && e.Wait == Minute:
		m.next = m.now().Add(throttlePause)
	}
	close(f.done)
}

// authenticate asks for a token.
func (c *Client) authenticate(ctx context.Context, secret string) (token, error) {
	timestamp := strconv.FormatInt(c.now().UnixMilli(), 10)
	sig := sign(c.appKey, timestamp, secret)
	body, err := json.Marshal(struct {
		Sign      string `json:"sign"`
		Timestamp string `json:"timestamp"`
		AppKey    string `json:"appkey"`
	}{sig, timestamp, c.appKey})
	if err != nil {
		return token{}, err
	}
	answer, refused := c.try(ctx, "auth-"+timestamp, authEndpoint, "/auth", "", body, secret, sig)
	if refused != nil {
		return token{}, refused
	}
	var data struct {
		Token   string `json:"token"`
		Expires number `json:"expire_time"`
	}
	if err := json.Unmarshal(answer.Data, &data); err != nil || data.Token == "" || visible("token", data.Token) != nil {
		return token{}, &Error{Class: RetrySafe, Method: authEndpoint.Method, Name: authEndpoint.Name, RequestID: answer.RequestID, HTTPStatus: answer.HTTPStatus, Sent: true,
			err: errors.New("code 0 without a usable token")}
	}
	return token{data.Token, time.UnixMilli(int64(data.Expires))}, nil
}

// DropToken takes back the token in use, if there is one; the next call asks for another.
func (c *Client) DropToken(ctx context.Context, callID string) error {
	c.tokens.mu.Lock()
	t := c.tokens.current.value
	c.tokens.current = token{}
	c.tokens.mu.Unlock()
	if t == "" {
		return nil
	}
	if _, err := c.try(ctx, callID+"-1", dropEndpoint, "/auth/"+url.PathEscape(t), t, nil); err != nil {
		return err
	}
	return nil
}
