package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"
)

// readyTimeout bounds DNS, TCP and TLS of one try. Two hosts in turn take at most 5 s of the 6 s that an attempt has.
const readyTimeout = 2500 * time.Millisecond

// Options are a vendor's terms for connections. All but DialContext and RootCAs are required.
type Options struct {
	MaxUses int           // requests a connection carries
	MaxAge  time.Duration // from the dial; an idle connection is closed then also when no call comes
	MaxBody int64         // bytes of an answer's body

	DialContext func(ctx context.Context, network, addr string) (net.Conn, error) // nil: a net.Dialer that refuses names which lead inside
	RootCAs     *x509.CertPool                                                    // nil: the system's
}

// Lines makes connections and keeps the idle ones. It is safe for concurrent use.
type Lines struct {
	opt  Options
	pool pool
}

// New makes no connection yet.
func New(o Options) *Lines {
	if o.DialContext == nil {
		o.DialContext = dialOut
	}
	l := &Lines{opt: o}
	l.pool.idle = make(map[*Host][]*Conn)
	return l
}

// Connect gives a connection that is ready for a request: a used one, unless fresh, or a new one. No byte of a request has left.
func (l *Lines) Connect(ctx context.Context, h *Host, fresh bool) (k *Conn, used bool, err error) {
	if !fresh {
		if k := l.pool.get(h); k != nil {
			return k, true, nil
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("no connection within %s", readyTimeout))
	defer cancel()
	nc, err := l.opt.DialContext(ctx, "tcp", h.addr)
	if err != nil {
		return nil, false, fmt.Errorf("connect: %w", causeOf(ctx, err))
	}
	raw := &countConn{Conn: nc}
	if !h.secure {
		return newConn(h, &l.opt, raw, raw), false, nil
	}
	t := tls.Client(raw, &tls.Config{
		ServerName: h.URL.Hostname(), RootCAs: l.opt.RootCAs, MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}, // HTTP/2 would carry everything over one connection
	})
	if err := t.HandshakeContext(ctx); err != nil {
		raw.abort()
		return nil, false, fmt.Errorf("TLS handshake: %w", causeOf(ctx, err))
	}
	return newConn(h, &l.opt, t, raw), false, nil
}

// Put gives a connection back after a complete exchange.
func (l *Lines) Put(k *Conn) { l.pool.put(k) }

// Close closes idle connections; calls under way finish.
func (l *Lines) Close() { l.pool.close() }

// causeOf adds why a context ended to the error that its end caused.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}
