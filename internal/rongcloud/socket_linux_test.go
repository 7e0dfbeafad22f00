package rongcloud

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// A call that is given up resets its connection, so that nothing of it is delivered afterwards.
func TestGivenUpCallIsReset(t *testing.T) {
	ended := make(chan error, 1)
	v := newVendor(t, nil, func(_ request, c net.Conn) bool {
		_, err := c.Read(make([]byte, 1))
		ended <- err
		return false
	})
	if _, err := call(t, newClient(t, Options{Hosts: []string{v.url()}}), push, 100*time.Millisecond); err == nil {
		t.Fatal("the call succeeded")
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the vendor saw %v, want a reset", err)
	}
}

// The kernel stops delivering when the call's time is over.
func TestUserTimeoutIsTheTimeLeft(t *testing.T) {
	var socket *net.TCPConn
	v := newVendor(t, nil, say("200 OK", ok200))
	c := newClient(t, Options{Hosts: []string{v.url()}, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		socket, _ = nc.(*net.TCPConn)
		return nc, err
	}})
	if _, err := call(t, c, push, time.Hour); err != nil {
		t.Fatal(err)
	}
	rc, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	if err := errors.Join(rc.Control(func(fd uintptr) { ms, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 0x12) }), err); err != nil {
		t.Fatal(err)
	}
	if left := time.Duration(ms) * time.Millisecond; left <= 0 || left > time.Hour {
		t.Errorf("TCP_USER_TIMEOUT is %s, want at most the hour of the call", left)
	}
}
