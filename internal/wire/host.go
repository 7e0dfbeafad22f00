package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Host is one base URL taken apart.
type Host struct {
	URL    url.URL // scheme and host
	addr   string  // host:port
	secure bool
}

// ParseHost reads https://name or https://name:port; plain http is for this machine, and with allowHTTP for tests.
func ParseHost(s string, allowHTTP bool) (*Host, error) {
	if strings.Contains(s, "@") { // what stands before it may be a password
		return nil, errors.New("a host with a login: want https://name or https://name:port and nothing more")
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("host %q: want https://name or https://name:port and nothing more", s)
	}
	h := &Host{URL: url.URL{Scheme: u.Scheme, Host: u.Host}, secure: u.Scheme == "https"}
	port := u.Port()
	switch {
	case h.secure:
		if port == "" {
			port = "443"
		}
	case u.Scheme == "http" && (allowHTTP || loopback(u.Hostname())):
		if port == "" {
			port = "80"
		}
	default:
		return nil, fmt.Errorf("host %q: use https; TLS is what protects path and body", s)
	}
	h.addr = net.JoinHostPort(u.Hostname(), port)
	return h, nil
}

func loopback(name string) bool {
	a, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && a.IsLoopback()
}
