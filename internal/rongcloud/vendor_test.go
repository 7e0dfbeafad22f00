package rongcloud

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// request is what a fake vendor read.
type request struct {
	path, body string
	header     http.Header
	conn       int // number of the connection, from 1
}

// vendor is a server that answers with raw bytes, so that it can break every rule of HTTP. answer gets a complete
// request and its connection; when it returns false the connection is closed.
type vendor struct {
	ln     net.Listener
	answer func(r request, c net.Conn) bool

	mu    sync.Mutex // guards the rest
	conns []net.Conn
	seen  []request
	ends  []time.Time // when connections ended
}

// say answers every request alike and keeps the connection.
func say(status, body string) func(request, net.Conn) bool {
	return func(_ request, c net.Conn) bool {
		_, err := io.WriteString(c, httpAnswer(status, body))
		return err == nil
	}
}

func httpAnswer(status, body string) string {
	return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// newVendor starts a vendor on ln, or on loopback.
func newVendor(t *testing.T, ln net.Listener, answer func(request, net.Conn) bool) *vendor {
	t.Helper()
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	v := &vendor{ln: ln, answer: answer}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			v.mu.Lock()
			v.conns = append(v.conns, c)
			number := len(v.conns)
			v.mu.Unlock()
			serving.Go(func() { v.serve(c, number) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		v.mu.Lock()
		for _, c := range v.conns {
			_ = c.Close()
		}
		v.mu.Unlock()
		serving.Wait()
	})
	return v
}

func (v *vendor) serve(c net.Conn, number int) {
	defer func() {
		_ = c.Close()
		v.mu.Lock()
		v.ends = append(v.ends, time.Now())
		v.mu.Unlock()
	}()
	br := bufio.NewReader(c)
	for {
		hr, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(hr.Body)
		if err != nil {
			return
		}
		r := request{path: hr.Method + " " + hr.RequestURI, body: string(body), header: hr.Header, conn: number}
		v.mu.Lock()
		v.seen = append(v.seen, r)
		v.mu.Unlock()
		if !v.answer(r, c) {
			return
		}
	}
}

func (v *vendor) requests() []request {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]request(nil), v.seen...)
}

func (v *vendor) url() string { return "http://" + v.ln.Addr().String() }

// newClient fills in what a test does not care about.
func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	if o.AppKey == "" {
		o.AppKey = "sbx-app-key-01"
	}
	if o.Secret == nil {
		o.Secret = func() Secret { return NewSecret("sandbox-secret-01") }
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var (
	push   = Endpoint{Path: "/push.json"}
	scarce = Endpoint{Path: "/push.json", Fresh: true}
	tagSet = Endpoint{Path: "/user/tag/set.json", Repeatable: true}
)

const ok200 = `{"code":200,"id":"x"}`

// call makes one call with time enough; err is nil or the client's.
func call(t *testing.T, c *Client, ep Endpoint, timeout time.Duration) (*Answer, *Error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return callCtx(t, ctx, c, ep)
}

func callCtx(t *testing.T, ctx context.Context, c *Client, ep Endpoint) (*Answer, *Error) {
	t.Helper()
	a, err := c.Call(ctx, "call-1", ep, "application/json", []byte(`{"a":1}`))
	if err == nil {
		return a, nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %T %v: want *Error", err, err)
	}
	if a != nil {
		t.Errorf("an answer beside the error %v", err)
	}
	if s := err.Error(); strings.Contains(s, "sandbox-secret-01") {
		t.Errorf("the secret is in the error: %s", s)
	}
	return nil, e
}
