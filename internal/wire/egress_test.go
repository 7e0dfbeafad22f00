package wire

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// Where a vendor's name may lead, and where not.
func TestPublicAddresses(t *testing.T) {
	for a, want := range map[string]bool{
		"8.8.8.8": true, "114.114.114.114": true, "1.1.1.1": true, "172.15.255.255": true, "172.32.0.1": true, "100.63.255.255": true, "100.128.0.0": true,
		"2400:3200::1": true, "2606:4700:4700::1111": true, "64:ff9b::808:808": true, "2002:808:808::1": true, "::ffff:8.8.8.8": true,

		"127.0.0.1": false, "127.255.255.254": false, "0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"169.254.169.254": false, "169.254.0.1": false, "100.64.0.1": false, "100.100.100.200": false, "192.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.1": false,
		"203.0.113.1": false, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::7f00:1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "fec0::1": false, "ff02::1": false, "2001:db8::1": false,
		"::ffff:127.0.0.1": false, "::ffff:100.64.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "64:ff9b::a00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false,
		"2002:7f00:1::1": false, "2002:a9fe:a9fe::1": false,
	} {
		if got := public(netip.MustParseAddr(a)); got != want {
			t.Errorf("public(%s) = %t", a, got)
		}
	}
}

// A name that leads to this machine is refused at the connection, though something listens there: what a lying name service would do.
func TestANameThatLeadsInsideIsNotDialled(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	const name = "api.vendor.test"
	lie(t)
	_, err = dialOut(t.Context(), "tcp", net.JoinHostPort(name, port))
	if err == nil || !strings.Contains(err.Error(), "not on the internet") {
		t.Errorf("%s: got %v, want that it is refused", name, err)
	}
	for _, host := range []string{"127.0.0.1", "localhost"} { // said by the settings
		c, err := dialOut(t.Context(), "tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		_ = c.Close()
	}
	for _, bad := range []struct{ host, address string }{{"localhost", "10.0.0.1:443"}, {"localhost", "8.8.8.8:443"}, {"api.rong-api.com", "[::ffff:127.0.0.1]:443"}, {"api.rong-api.com", "169.254.169.254:80"}, {"api.rong-api.com", "nonsense"}} {
		if allowed(bad.host, bad.address) == nil {
			t.Errorf("%s may lead to %s", bad.host, bad.address)
		}
	}
}

// lie makes the name service say that every name is this machine.
func lie(t *testing.T) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12 // the question's name, then its type and class; what follows (EDNS) is left out
			for b[end] != 0 {
				end += int(b[end]) + 1
			}
			q := b[12 : end+5]
			answers := byte(0)
			if n > end+2 && b[end+2] == 1 { // A
				answers = 1
			}
			out := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0}, q...)
			if answers == 1 {
				out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
			}
			if _, err := pc.WriteTo(out, from); err != nil {
				return
			}
		}
	}()
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = old; _ = pc.Close(); <-done })
}

// An error stands in a log: a login in an address is not in it.
func TestAnAddressWithALoginIsRefusedUnseen(t *testing.T) {
	for _, s := range []string{"https://u:hush@api.vendor.test", "https://u:hush@api.vendor.test:x", "u:hush@api.vendor.test"} {
		if _, err := ParseHost(s, true); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// What is used when nobody gives a dialer is the one that refuses.
func TestLinesDialOutByDefault(t *testing.T) {
	lie(t)
	h, err := ParseHost("https://api.vendor.test", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := New(Options{MaxUses: 1, MaxAge: 1, MaxBody: 1}).Connect(t.Context(), h, true); err == nil || !strings.Contains(err.Error(), "not on the internet") {
		t.Errorf("got %v", err)
	}
}
