package rongcloud

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Whether a byte of the request left decides everything. One host, so no fail-over hides the answer.
func TestSentOrNot(t *testing.T) {
	never := func(request, net.Conn) bool { return true } // reads, never answers
	short := 150 * time.Millisecond
	enough := 20 * time.Second

	for _, tc := range []struct {
		name    string
		setup   func(t *testing.T) (o Options, v *vendor)
		timeout time.Duration
		class   Class
		sent    bool
		arrived int
		text    string // in the error
	}{
		{"refused", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, never)
			_ = v.ln.Close()
			return Options{Hosts: []string{v.url()}}, v
		}, enough, NotSent, false, 0, "refused"},
		{"no such name", func(t *testing.T) (Options, *vendor) {
			return Options{Hosts: []string{"https://vendor.invalid"}, DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.DNSError{Err: "no such host", Name: "vendor.invalid", IsNotFound: true}
			}}, nil
		}, enough, NotSent, false, 0, "no such host"},
		{"TLS certificate of nobody we trust", func(t *testing.T) (Options, *vendor) {
			s := quietTLS(t, nil)
			return Options{Hosts: []string{s.URL}}, nil
		}, enough, NotSent, false, 0, "TLS handshake"},
		{"TLS to a plain server", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, never)
			return Options{Hosts: []string{"https://" + v.ln.Addr().String()}}, nil
		}, enough, NotSent, false, 0, "TLS handshake"},
		{"TLS handshake that hangs", func(t *testing.T) (Options, *vendor) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = ln.Close() })
			return Options{Hosts: []string{"https://" + ln.Addr().String()}}, nil
		}, short, NotSent, false, 0, "TLS handshake"},
		{"time over while dialling", func(t *testing.T) (Options, *vendor) {
			return Options{Hosts: []string{"http://127.0.0.1:1"}, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}}, nil
		}, short, NotSent, false, 0, "deadline exceeded"},
		{"the deadline passed between connect and first byte", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, say("200 OK", ok200))
			return Options{Hosts: []string{v.url()}, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, addr)
				<-ctx.Done() // what a stopped process looks like: the connection is there, the time is gone
				return c, err
			}}, v
		}, short, NotSent, false, 0, "deadline exceeded"},
		{"a connection that takes no byte", func(t *testing.T) (Options, *vendor) {
			return Options{Hosts: []string{"http://127.0.0.1:1"}, DialContext: func(context.Context, string, string) (net.Conn, error) {
				a, b := net.Pipe()
				_ = b.Close()
				return a, nil
			}}, nil
		}, enough, NotSent, false, 0, "write request"},
		{"a connection that takes some bytes", func(t *testing.T) (Options, *vendor) {
			return Options{Hosts: []string{"http://127.0.0.1:1"}, DialContext: func(context.Context, string, string) (net.Conn, error) {
				a, b := net.Pipe()
				go func() {
					_, _ = io.ReadFull(b, make([]byte, 20))
					_ = b.Close()
				}()
				return a, nil
			}}, nil
		}, enough, Unknown, true, 0, "no complete answer"},
		{"reset after the request", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, func(_ request, c net.Conn) bool {
				_ = c.(*net.TCPConn).SetLinger(0)
				return false
			})
			return Options{Hosts: []string{v.url()}}, v
		}, enough, Unknown, true, 1, "no complete answer"},
		{"closed after the request", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, func(request, net.Conn) bool { return false })
			return Options{Hosts: []string{v.url()}}, v
		}, enough, Unknown, true, 1, "EOF"},
		{"reset after the headers", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, func(_ request, c net.Conn) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"code\"")
				return false
			})
			return Options{Hosts: []string{v.url()}}, v
		}, enough, Unknown, true, 1, "no complete answer"},
		{"never answered", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, never)
			return Options{Hosts: []string{v.url()}}, v
		}, short, Unknown, true, 1, "deadline exceeded"},
		{"not HTTP", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, func(_ request, c net.Conn) bool {
				_, _ = io.WriteString(c, "220 smtp ready\r\n\r\n")
				return false
			})
			return Options{Hosts: []string{v.url()}}, v
		}, enough, Unknown, true, 1, "malformed HTTP"},
		{"a body of 1 GiB", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, func(_ request, c net.Conn) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
				block := bytes.Repeat([]byte(" "), 64<<10)
				for range 1 << 30 / len(block) {
					if _, err := c.Write(block); err != nil {
						return false
					}
				}
				return true
			})
			return Options{Hosts: []string{v.url()}}, v
		}, enough, Unknown, true, 1, "longer than 1024 KiB"},
		{"headers without end", func(t *testing.T) (Options, *vendor) {
			v := newVendor(t, nil, func(_ request, c net.Conn) bool {
				_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
				for i := 0; err == nil; i++ {
					_, err = fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("a", 1000))
				}
				return false
			})
			return Options{Hosts: []string{v.url()}}, v
		}, enough, Unknown, true, 1, "longer than 1024 KiB"},
		{"a gzip bomb that nobody asked for", func(t *testing.T) (Options, *vendor) {
			var zipped bytes.Buffer
			w := gzip.NewWriter(&zipped)
			_, _ = io.CopyN(w, zeros{}, 16<<20)
			_ = w.Close()
			v := newVendor(t, nil, func(r request, c net.Conn) bool {
				_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", zipped.Len(), zipped.Bytes())
				return err == nil
			})
			return Options{Hosts: []string{v.url()}}, v
		}, enough, Unknown, true, 1, "HTTP 200"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o, v := tc.setup(t)
			_, err := call(t, newClient(t, o), push, tc.timeout)
			if err == nil {
				t.Fatal("the call succeeded")
			}
			if err.Class != tc.class || err.Sent != tc.sent {
				t.Errorf("class %s, sent %t; want %s, %t (%v)", err.Class, err.Sent, tc.class, tc.sent, err)
			}
			if !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %q: want it to say %q", err, tc.text)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %q", err)
			}
			if v != nil && len(v.requests()) != tc.arrived {
				t.Errorf("%d requests arrived, want %d", len(v.requests()), tc.arrived)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// quietTLS is a TLS server whose complaints about handshakes stay out of the test's output.
func quietTLS(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = discardLog()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestTimeOverBeforeTheCall(t *testing.T) {
	v := newVendor(t, nil, say("200 OK", ok200))
	other := newVendor(t, nil, say("200 OK", ok200))
	c := newClient(t, Options{Hosts: []string{v.url(), other.url()}})
	past, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	cancelled, cancel2 := context.WithTimeout(context.Background(), time.Hour)
	cancel2()
	for name, ctx := range map[string]context.Context{"past deadline": past, "cancelled": cancelled, "no deadline": context.Background()} {
		if _, err := callCtx(t, ctx, c, push); err == nil || err.Class != NotSent || err.Sent {
			t.Errorf("%s: %v, want not_sent", name, err)
		}
	}
	if n := len(v.requests()) + len(other.requests()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
	if c.Host() != v.ln.Addr().String() {
		t.Error("a caller out of time moved the client to the other host")
	}
}

func TestBadCallIDs(t *testing.T) {
	v := newVendor(t, nil, say("200 OK", ok200))
	c := newClient(t, Options{Hosts: []string{v.url()}})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, id := range []string{"", strings.Repeat("a", 31), "a b", "a\r\nX: y", "é"} {
		if _, err := c.Call(ctx, id, push, "application/json", nil); err == nil {
			t.Errorf("call id %q was taken", id)
		}
	}
	if _, err := c.Call(ctx, strings.Repeat("a", 30), push, "application/json", []byte("{}")); err != nil {
		t.Error(err)
	}
	if got := v.requests(); len(got) != 1 || len(got[0].header.Get("X-Request-ID")) > 36 {
		t.Errorf("requests: %+v", got)
	}
}

// Redirects are refused: nothing of the signed headers goes anywhere else.
func TestRedirectIsNotFollowed(t *testing.T) {
	evil := newVendor(t, nil, say("200 OK", ok200))
	for _, status := range []string{"301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"} {
		v := newVendor(t, nil, func(_ request, c net.Conn) bool {
			_, err := fmt.Fprintf(c, "HTTP/1.1 %s\r\nLocation: %s/push.json\r\nContent-Length: 0\r\n\r\n", status, evil.url())
			return err == nil
		})
		_, err := call(t, newClient(t, Options{Hosts: []string{v.url()}}), push, 20*time.Second)
		if err == nil || err.Class != Unknown || !strings.Contains(err.Message, "redirect") {
			t.Errorf("%s: %v", status, err)
		}
	}
	if n := len(evil.requests()); n != 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

func TestTLSIsVerifiedAndHTTP1(t *testing.T) {
	var proto, method string
	s := quietTLS(t, func(w http.ResponseWriter, r *http.Request) {
		proto, method = r.Proto, r.Method
		_, _ = io.WriteString(w, ok200)
	})
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := newClient(t, Options{Hosts: []string{s.URL}, RootCAs: roots})
	a, err := call(t, c, push, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if string(a.Body) != ok200 || proto != "HTTP/1.1" || method != "POST" {
		t.Errorf("answer %s over %s %s", a.Body, proto, method)
	}

	// The right authority, the wrong name.
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	c = newClient(t, Options{Hosts: []string{"https://other.example.org:" + port}, RootCAs: roots, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}})
	_, err = call(t, c, push, 20*time.Second)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || err.Class != NotSent {
		t.Errorf("a certificate for another name: %v", err)
	}
}

// A TLS record of which some bytes left cannot be read by the vendor, but the kernel had them: sent.
func TestBrokenTLSRecordCountsAsSent(t *testing.T) {
	s := quietTLS(t, nil)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := newClient(t, Options{Hosts: []string{s.URL}, RootCAs: roots, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		return tornConn{nc}, err
	}})
	if _, err := call(t, c, push, 20*time.Second); err == nil || err.Class != Unknown || !err.Sent {
		t.Errorf("error %v, want unknown", err)
	}
}

// tornConn breaks in the middle of the first long record of application data, which is the request.
type tornConn struct{ net.Conn }

func (c tornConn) Write(b []byte) (int, error) {
	const applicationData, longerThanFinished = 23, 200
	if b[0] != applicationData || len(b) < longerThanFinished {
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:5])
	_ = c.Close()
	return n, io.ErrClosedPipe
}
