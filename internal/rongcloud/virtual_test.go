package rongcloud

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// virtual runs f in virtual time with a vendor on a network of pipes, so that six seconds of silence take none.
func virtual(t *testing.T, answer func(request, net.Conn) bool, f func(t *testing.T, c *Client, v *vendor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		ln, err := network.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		v := newVendor(t, ln, answer)
		f(t, newClient(t, Options{Hosts: []string{"http://127.0.0.1"}, DialContext: network.DialContext}), v)
	})
}

// What ends a call that the vendor stretches is the deadline, to the moment.
func TestTheDeadlineBoundsEverything(t *testing.T) {
	for name, answer := range map[string]func(request, net.Conn) bool{
		"silence": func(request, net.Conn) bool { return true },
		"headers, then silence": func(_ request, c net.Conn) bool {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")
			return err == nil
		},
		"a dripping body": func(_ request, c net.Conn) bool {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			for err == nil {
				time.Sleep(time.Second) // virtual
				_, err = io.WriteString(c, " ")
			}
			return false
		},
		"dripping interim answers": func(_ request, c net.Conn) bool {
			var err error
			for err == nil {
				time.Sleep(time.Second)
				_, err = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, answer, func(t *testing.T, c *Client, v *vendor) {
				begin := time.Now()
				_, err := call(t, c, push, 6*time.Second)
				if err == nil || err.Class != Unknown || !err.Sent {
					t.Errorf("error %v, want unknown", err)
				}
				if took := time.Since(begin); took != 6*time.Second {
					t.Errorf("the call took %s, want 6 s", took)
				}
			})
		})
	}
}

// A host that takes no connection costs readyTimeout, and the other host still has time.
func TestHangingConnectLeavesTimeForTheOtherHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		deaf, err := network.Listen("tcp", "127.0.0.1:81") // nobody accepts
		if err != nil {
			t.Fatal(err)
		}
		defer deaf.Close()
		ln, err := network.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		v := newVendor(t, ln, say("200 OK", ok200))
		c := newClient(t, Options{Hosts: []string{"http://127.0.0.1:81", "http://127.0.0.1:80"}, DialContext: network.DialContext})
		begin := time.Now()
		a, e := call(t, c, push, 6*time.Second)
		if e != nil || a.RequestID != "call-1-2" || time.Since(begin) >= 3*time.Second || len(v.requests()) != 1 {
			t.Errorf("%+v, %v after %s", a, e, time.Since(begin))
		}
	})
}

// A connection is idle for less than 55 s and lives for less than 60 s, also when no call comes to notice.
func TestIdleConnectionsGo(t *testing.T) {
	virtual(t, say("200 OK", ok200), func(t *testing.T, c *Client, v *vendor) {
		begin := time.Now()
		if _, err := call(t, c, push, 6*time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(70 * time.Second) // virtual
		v.mu.Lock()
		defer v.mu.Unlock()
		if len(v.ends) != 1 || v.ends[0].Sub(begin) >= 55*time.Second || v.ends[0].Sub(begin) < 40*time.Second {
			t.Errorf("the connection began %s and ended %v", begin, v.ends)
		}
	})

	virtual(t, say("200 OK", ok200), func(t *testing.T, c *Client, v *vendor) {
		for range 12 { // every 10 s: never idle for long
			if _, err := call(t, c, push, 6*time.Second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		count := make(map[int]int)
		for _, r := range v.requests() {
			count[r.conn]++
		}
		if count[1] != 5 {
			t.Errorf("connection 1 carried %d requests 10 s apart, want 5 (50 s)", count[1])
		}
	})
}

// Without a socket to look at, a connection the vendor closed refuses the first byte: not sent, tried again.
func TestClosedPipeIsNotSent(t *testing.T) {
	virtual(t, func(r request, c net.Conn) bool {
		_, _ = io.WriteString(c, httpAnswer("200 OK", ok200))
		return r.conn > 1
	}, func(t *testing.T, c *Client, v *vendor) {
		if _, err := call(t, c, push, 6*time.Second); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the vendor has closed
		_, err := call(t, c, push, 6*time.Second)
		if err == nil || err.Class != NotSent || err.Sent {
			t.Errorf("error %v, want not_sent", err)
		}
		if _, err := call(t, c, push, 6*time.Second); err != nil {
			t.Error(err)
		}
	})
}

// A connection that was stale says nothing about the host: the second try stays there. A new one that takes no byte
// does: the second try goes over.
func TestOnlyANewConnectionBlamesTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		var vendors []*vendor
		for _, addr := range []string{"127.0.0.1:80", "127.0.0.1:81"} {
			ln, err := network.Listen("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			vendors = append(vendors, newVendor(t, ln, func(r request, c net.Conn) bool {
				_, _ = io.WriteString(c, httpAnswer("200 OK", ok200))
				return false
			}))
		}
		broken := false
		c := newClient(t, Options{Hosts: []string{"http://127.0.0.1:80", "http://127.0.0.1:81"}, DialContext: func(ctx context.Context, n, addr string) (net.Conn, error) {
			nc, err := network.DialContext(ctx, n, addr)
			if broken && addr == "127.0.0.1:80" {
				_ = nc.Close()
			}
			return nc, err
		}})
		for i, want := range []struct{ id, host string }{{"call-1-1", "127.0.0.1:80"}, {"call-1-2", "127.0.0.1:80"}, {"call-1-2", "127.0.0.1:80"}} {
			a, err := call(t, c, push, 6*time.Second)
			if err != nil || a.RequestID != want.id || a.Host != want.host {
				t.Errorf("call %d: %+v, %v; want %v", i, a, err, want)
			}
			synctest.Wait() // the vendor has closed
		}
		broken = true
		a, err := call(t, c, Endpoint{Path: "/push.json", Fresh: true}, 6*time.Second)
		if err != nil || a.RequestID != "call-1-2" || a.Host != "127.0.0.1:81" || c.Host() != "127.0.0.1:81" {
			t.Errorf("a connection that takes no byte: %+v, %v", a, err)
		}
		if n := len(vendors[0].requests()) + len(vendors[1].requests()); n != 4 {
			t.Errorf("%d requests for 4 calls", n)
		}
	})
}
