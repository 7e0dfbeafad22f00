package getui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/notifier/notifier/test/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a vendor that hands out tokens t-1, t-2, ... and answers everything else by a function.
type fake struct {
	mu     sync.Mutex // guards the rest
	seen   []seen
	tokens int
	auth   func(n int) (status int, body string)  // nil: a token for a day
	answer func(r seen) (status int, body string) // nil: success
}

type seen struct{ call, token, body, id string }

const (
	appID  = "AppIdNotifierTest00001"
	secret = "ms-notifier-test-0001"
)

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s := seen{r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), "/v2/"+appID), r.Header.Get("token"), string(body), r.Header.Get("X-Request-ID")}
	f.mu.Lock()
	f.seen = append(f.seen, s)
	status, answer := 200, `{"code":0,"msg":"success","data":{"RASS_1":{"c-1":"successed_online"}}}`
	bad := schema.Request(r.Method, r.URL.EscapedPath(), body)
	switch {
	case bad != nil:
		status, answer = 400, fmt.Sprintf(`{"code":20001,"msg":%q}`, bad)
	case s.call == "POST /auth":
		f.tokens++
		answer = fmt.Sprintf(`{"code":0,"data":{"token":"t-%d","expire_time":"%d"}}`, f.tokens, time.Now().Add(24*time.Hour).UnixMilli())
		if f.auth != nil {
			if n, b := f.auth(f.tokens); b != "" {
				status, answer = n, b
			}
		}
	case f.answer != nil:
		if n, b := f.answer(s); n != 0 {
			status, answer = n, b
		}
	}
	f.mu.Unlock()
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func (f *fake) calls(call string) (out []seen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.seen {
		if s.call == call {
			out = append(out, s)
		}
	}
	return out
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	o.AppID, o.AppKey = appID, "ak-notifier-test-0001"
	if o.MasterSecret == nil {
		o.MasterSecret = func() Secret { return NewSecret(secret) }
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// virtual runs f in virtual time, with the fake on a network of pipes.
func virtual(t *testing.T, v *fake, f func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		ln, err := network.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: v}
		var serving sync.WaitGroup
		serving.Go(func() { _ = srv.Serve(ln) })
		c, err := New(Options{Host: "http://127.0.0.1", AppID: appID, AppKey: "ak-notifier-test-0001", MasterSecret: func() Secret { return NewSecret(secret) }, DialContext: network.DialContext})
		if err != nil {
			t.Fatal(err)
		}
		f(t, c)
		c.Close()
		_ = srv.Close()
		serving.Wait()
	})
}

var one = Single{ByCID, "c-1", silent("b0000000000000000000000000000001")}

func send(t *testing.T, c *Client, r Request) (*Answer, *Error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	a, err := Send(ctx, c, "call-1", r)
	if err == nil {
		return a, nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %T %v", err, err)
	}
	return nil, e
}

func TestACallIsAuthenticatedAndDecoded(t *testing.T) {
	v := &fake{}
	srv := httptest.NewServer(v)
	defer srv.Close()
	at := time.UnixMilli(1700000000000)
	c := newClient(t, Options{Host: srv.URL, Now: func() time.Time { return at }})
	a, e := send(t, c, one)
	if e != nil {
		t.Fatal(e)
	}
	if rs, err := one.Decode(a); err != nil || rs["c-1"] != (Outcome{Result: Online, Task: "RASS_1"}) || a.RequestID != "call-1-1" {
		t.Errorf("%v, %v, %+v", rs, err, a)
	}
	var auth struct{ Sign, Timestamp, AppKey string }
	if err := json.Unmarshal([]byte(v.calls("POST /auth")[0].body), &auth); err != nil || auth.Timestamp != "1700000000000" || auth.AppKey != "ak-notifier-test-0001" ||
		auth.Sign != "fd684cfbe23e8827e783fc44e84b4b5ddc4d2234cd5ea6951a0e1e60bdb93e83" {
		t.Errorf("auth %+v, %v", auth, err)
	}
	push := v.calls("POST /push/single/cid")
	if body, _ := one.Body(); len(push) != 1 || push[0].token != "t-1" || push[0].body != string(body) {
		t.Errorf("%+v", push)
	}
}

// Many calls that begin without a token ask for one together.
func TestOneRequestForAToken(t *testing.T) {
	virtual(t, &fake{}, func(t *testing.T, c *Client) {
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() {
				if _, e := send(t, c, one); e != nil {
					t.Error(e)
				}
			})
		}
		calls.Wait()
	})
	v := &fake{}
	virtual(t, v, func(t *testing.T, c *Client) {
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() { send(t, c, one) })
		}
		calls.Wait()
		if n := len(v.calls("POST /auth")); n != 1 {
			t.Errorf("%d requests for a token", n)
		}
	})
}

// With less than an hour to live a token is renewed beside the calls; they go on with the old one.
func TestATokenIsRenewedBeforeItsEnd(t *testing.T) {
	v := &fake{}
	virtual(t, v, func(t *testing.T, c *Client) {
		for _, step := range []struct {
			after time.Duration
			token string
			auths int
		}{{0, "t-1", 1}, {22*time.Hour + 59*time.Minute, "t-1", 1}, {2 * time.Minute, "t-1", 2}, {time.Second, "t-2", 2}, {30 * time.Hour, "t-3", 3}} {
			time.Sleep(step.after) // virtual
			if _, e := send(t, c, one); e != nil {
				t.Fatal(e)
			}
			synctest.Wait()
			calls := v.calls("POST /push/single/cid")
			if got := calls[len(calls)-1].token; got != step.token || len(v.calls("POST /auth")) != step.auths {
				t.Errorf("after %s: token %s, %d requests for one; want %s, %d", step.after, got, len(v.calls("POST /auth")), step.token, step.auths)
			}
		}
	})
}

// 10001: once more with a new token and the same body.
func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	v := &fake{answer: func(s seen) (int, string) {
		if s.token == "t-1" {
			return 401, `{"code":10001,"msg":"token t-1 is over"}`
		}
		return 0, ""
	}}
	virtual(t, v, func(t *testing.T, c *Client) {
		if _, e := send(t, c, GetTags{"c-1"}); e == nil || e.Class != Config || len(v.calls("POST /auth")) != 1 {
			t.Errorf("a token that is refused at once: %v, %d requests for one; want config and no second within 10 s", e, len(v.calls("POST /auth")))
		} else if strings.Contains(e.Error(), "t-1") {
			t.Errorf("the token is in the error: %v", e)
		}
		time.Sleep(10 * time.Second)
		a, e := send(t, c, one)
		if e != nil || a.RequestID != "call-1-1" {
			t.Errorf("%+v, %v: the refused token is not used again", a, e)
		}
	})

	v = &fake{}
	v.answer = func(s seen) (int, string) {
		if s.token == "t-1" && len(v.seen) > 3 {
			return 401, `{"code":10001}`
		}
		return 0, ""
	}
	virtual(t, v, func(t *testing.T, c *Client) {
		send(t, c, one)
		time.Sleep(time.Minute)
		send(t, c, one)
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if _, e := send(t, c, one); e != nil {
					t.Error(e)
				}
			})
		}
		calls.Wait()
		if n := len(v.calls("POST /auth")); n != 2 {
			t.Errorf("%d requests for a token, want one more for all that were refused", n)
		}
		bodies := map[string]bool{}
		for _, s := range v.calls("POST /push/single/cid") {
			bodies[s.body] = true
		}
		if len(bodies) != 1 {
			t.Errorf("the second try had another body: %v", bodies)
		}
	})
}

// A storm of 10001 although /auth succeeds: at most a request for a token every 10 s.
func TestATokenStormIsNotAnswered(t *testing.T) {
	v := &fake{answer: func(seen) (int, string) { return 401, `{"code":10001}` }}
	virtual(t, v, func(t *testing.T, c *Client) {
		for range 60 {
			if _, e := send(t, c, one); e == nil || e.Class != Config && e.Class != NotSent {
				t.Errorf("%v", e)
			}
			time.Sleep(time.Second)
		}
		if n := len(v.calls("POST /auth")); n > 6 {
			t.Errorf("%d requests for a token in a minute", n)
		}
	})
}

func TestWhatAuthSays(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		status     int
		class      Class
		again      time.Duration // until /auth is asked again
	}{
		{"a wrong sign", `{"code":20001,"msg":"sign is invalid"}`, 400, Config, 10 * time.Second},
		{"a wrong sign, the other code", `{"code":10001}`, 401, Config, 10 * time.Second},
		{"too often", `{"code":10003}`, 401, NotSent, 61 * time.Second},
		{"starting", `{"code":2}`, 200, NotSent, 10 * time.Second},
		{"a gateway's 502", `<html>`, 502, NotSent, 10 * time.Second},
		{"no token", `{"code":0,"data":{}}`, 200, NotSent, 10 * time.Second},
		{"a token that would break the header", `{"code":0,"data":{"token":"a\r\nb","expire_time":1}}`, 200, NotSent, 10 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := &fake{auth: func(n int) (int, string) {
				if n == 1 {
					return tc.status, tc.body
				}
				return 0, ""
			}}
			virtual(t, v, func(t *testing.T, c *Client) {
				for _, after := range []time.Duration{0, tc.again - time.Second} {
					time.Sleep(after)
					if _, e := send(t, c, one); e == nil || e.Class != tc.class || e.Sent {
						t.Errorf("after %s: %v, want %s", after, e, tc.class)
					}
					if n := len(v.calls("POST /auth")); n != 1 {
						t.Errorf("after %s: %d requests for a token", after, n)
					}
				}
				time.Sleep(time.Second)
				if _, e := send(t, c, one); e != nil {
					t.Errorf("after the pause: %v", e)
				}
			})
		})
	}
}

// A token is as good until its end when /auth does not answer.
func TestAFailedRenewalKeepsTheOldToken(t *testing.T) {
	v := &fake{auth: func(n int) (int, string) {
		if n > 1 {
			return 502, "<html>"
		}
		return 0, ""
	}}
	virtual(t, v, func(t *testing.T, c *Client) {
		for _, after := range []time.Duration{0, 23*time.Hour + 30*time.Minute, time.Minute} {
			time.Sleep(after)
			if _, e := send(t, c, one); e != nil {
				t.Errorf("after %s: %v", after, e)
			}
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		if _, e := send(t, c, one); e == nil || e.Class != NotSent {
			t.Errorf("after its end: %v", e)
		}
	})
}

// Whether a byte left decides.
func TestSentOrNot(t *testing.T) {
	reset := func(w http.ResponseWriter) {
		nc, _, _ := w.(http.Hijacker).Hijack()
		_ = nc.(*net.TCPConn).SetLinger(0)
		_ = nc.Close()
	}
	v := &fake{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/auth") {
			v.ServeHTTP(w, r)
			return
		}
		reset(w)
	}))
	defer srv.Close()
	c := newClient(t, Options{Host: srv.URL})
	if _, e := send(t, c, one); e == nil || e.Class != RetrySafe || !e.Sent || e.Class.Executed() != "unknown" {
		t.Errorf("a reset single push: %+v", e)
	}
	if _, e := send(t, c, List{ByCID, "RASL_1", []string{"c-1"}}); e == nil || e.Class != Unknown || !e.Sent {
		t.Errorf("a reset list push: %+v", e)
	}
	dead := newClient(t, Options{Host: "http://127.0.0.1:1"})
	if _, e := send(t, dead, one); e == nil || e.Class != NotSent || e.Sent || e.Class.Executed() != "no" {
		t.Errorf("no connection: %+v", e)
	}
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for name, ctx := range map[string]context.Context{"past": past, "without deadline": t.Context()} {
		if _, err := Send(ctx, c, "call-1", one); err == nil || err.(*Error).Class != NotSent {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A push to an audience takes a fresh connection: one that the vendor is just closing cannot cost a slot of the day.
func TestPushesToAudiencesTakeAFreshConnection(t *testing.T) {
	v := &fake{answer: func(seen) (int, string) { return 200, `{"code":0,"data":{"taskid":"RASA_1"}}` }}
	var mu sync.Mutex
	conns := 0
	srv := httptest.NewUnstartedServer(v)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			mu.Lock()
			conns++
			mu.Unlock()
		}
	}
	srv.Start()
	defer srv.Close()
	c := newClient(t, Options{Host: srv.URL})
	for _, step := range []struct {
		r    Request
		want int
	}{{one, 1}, {one, 1}, {Everybody{true, paid()}, 2}, {Matching{[]Condition{{"custom_tag", []string{"a"}, "or"}}, paid()}, 3}, {FastTag{"a", paid()}, 4}, {one, 4}} {
		if _, e := send(t, c, step.r); e != nil {
			t.Fatal(e)
		}
		mu.Lock()
		if conns != step.want {
			t.Errorf("%T: %d connections, want %d", step.r, conns, step.want)
		}
		mu.Unlock()
	}
}

// Nothing of a secret is in what people see, even when the vendor echoes it.
func TestNothingSecretIsShown(t *testing.T) {
	v := &fake{auth: func(n int) (int, string) {
		if n == 1 {
			return 400, `{"code":20001,"msg":"sign is invalid: ` + secret + `"}`
		}
		return 0, ""
	}}
	srv := httptest.NewServer(v)
	defer srv.Close()
	at := time.UnixMilli(1700000000000)
	c := newClient(t, Options{Host: srv.URL, Now: func() time.Time { return at }})
	_, e := send(t, c, one)
	out := fmt.Sprintf("%v %+v %v %+v %#v", e, *e, c.tokens.lastErr, c, Options{MasterSecret: func() Secret { return NewSecret(secret) }})
	v.answer = func(s seen) (int, string) {
		return 400, `{"code":20001,"msg":"bad token ` + s.token + ` of ` + secret + `"}`
	}
	at = at.Add(time.Minute)
	_, e = send(t, c, one)
	out += fmt.Sprintf("%v %+v %v", e, *e, NewSecret(secret))
	for _, s := range []string{secret, "fd684cfbe23e8827e783fc44e84b4b5ddc4d2234cd5ea6951a0e1e60bdb93e83", "bad token t-"} {
		if strings.Contains(out, s) {
			t.Errorf("%q was shown: %s", s, out)
		}
	}
	if e == nil || e.Code != 20001 {
		t.Errorf("%v", e)
	}
}

func TestNewRefuses(t *testing.T) {
	good := Options{AppID: "a", AppKey: "k", MasterSecret: func() Secret { return NewSecret("s") }}
	for name, spoil := range map[string]func(*Options){
		"no app id": func(o *Options) { o.AppID = "" }, "an app id with a slash": func(o *Options) { o.AppID = "a/b" }, "no key": func(o *Options) { o.AppKey = "" },
		"no secret": func(o *Options) { o.MasterSecret = nil }, "plain http": func(o *Options) { o.Host = "http://restapi.getui.com" }, "a path": func(o *Options) { o.Host = "https://a.example/v2" },
	} {
		o := good
		if spoil(&o); true {
			if _, err := New(o); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
	}
	c, err := New(good)
	if err != nil || c.host.URL.Host != "restapi.getui.com" {
		t.Errorf("%v", err)
	}
	c.Close()
}

func TestDropToken(t *testing.T) {
	v := &fake{}
	srv := httptest.NewServer(v)
	defer srv.Close()
	c := newClient(t, Options{Host: srv.URL})
	if err := c.DropToken(t.Context(), "d"); err != nil {
		t.Errorf("without a token: %v", err)
	}
	send(t, c, one)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	if err := c.DropToken(ctx, "d"); err != nil || len(v.calls("DELETE /auth/t-1")) != 1 {
		t.Errorf("%v, %+v", err, v.seen)
	}
}
