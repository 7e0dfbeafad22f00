package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// dialOut connects to the host of the settings and nowhere else. What a name resolves to is judged at the very connection, so a name
// service that is wrong or lies cannot turn signed calls to a machine of ours, or to a cloud's metadata. An address in the settings
// instead of a name is somebody's own decision: a sandbox, a gateway.
func dialOut(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	if _, err := netip.ParseAddr(host); err != nil {
		d.Control = func(_, address string, _ syscall.RawConn) error { return allowed(host, address) }
	}
	return d.DialContext(ctx, network, addr)
}

// ErrInside: a vendor's name leads to an address that is not of the internet.
var ErrInside = errors.New("which is not on the internet")

// allowed judges what a name resolved to: ip:port.
func allowed(host, address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s leads to %s: %w", host, address, err)
	}
	switch a := ap.Addr(); {
	case host == "localhost" && a.Unmap().IsLoopback():
		return nil
	case host == "localhost" || !public(a):
		return fmt.Errorf("%s leads to %s, %w: nothing was sent; look at the name service", host, ap.Addr(), ErrInside)
	}
	return nil
}

// inner are networks that look global and are not (RFC 6890 and its registries), beside what netip tells by itself.
var inner = func() (out []netip.Prefix) {
	for _, s := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10"} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

// Addresses that carry an IPv4 address, and where: it is judged instead.
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
)

// public reports whether an address belongs to the internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return public(netip.AddrFrom4([4]byte(b[12:16])))
	case sixTo4.Contains(a):
		return public(netip.AddrFrom4([4]byte(b[2:6])))
	case !a.IsGlobalUnicast() || a.IsPrivate():
		return false
	}
	for _, p := range inner {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
