// Package link is the network between one daemon and the brokers of a cluster: a TCP proxy in front of each broker, which tests
// make slow, silent or gone.
//
// Silence is what a cut cable is to both ends: connections stay open, new ones are taken, and nothing comes through. What was sent
// into the silence arrives when it ends, also if the sender has given up since: late requests are the danger of a cut.
package link

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Link is the way of one daemon to the brokers.
type Link struct {
	mu      sync.Mutex
	proxies []*proxy
	slow    time.Duration
	met     int // what was slowed down, held up or broken since the link was last whole
	closed  bool
}

// proxy stands in front of one broker.
type proxy struct {
	link     *Link
	listener net.Listener // nil while the broker is down
	address  string
	broker   string
	open     chan struct{} // closed while bytes pass; guarded by the link's lock
	gone     bool          // connections are torn
	conns    map[net.Conn]bool
}

// New begins to listen, once for each broker's address.
func New(brokers []string) (*Link, error) {
	l := &Link{}
	for _, b := range brokers {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("link: %w", err)
		}
		p := &proxy{link: l, listener: ln, address: ln.Addr().String(), broker: b, open: make(chan struct{}), conns: map[net.Conn]bool{}}
		close(p.open)
		l.proxies = append(l.proxies, p)
		go p.accept(ln)
	}
	return l, nil
}

// Addresses are where the brokers are to be reached by this link, in their order.
func (l *Link) Addresses() []string {
	var out []string
	for _, p := range l.proxies {
		out = append(out, p.address)
	}
	return out
}

// Slow makes everything take longer, by d each way.
func (l *Link) Slow(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow = d
}

// Silence lets nothing pass to and from these brokers (from 0), or all if none is named.
func (l *Link) Silence(brokers ...int) {
	l.each(brokers, func(p *proxy) {
		select {
		case <-p.open:
			p.open = make(chan struct{})
		default:
		}
	})
}

// Tear breaks the connections to these brokers, or all, and every new one.
func (l *Link) Tear(brokers ...int) {
	l.each(brokers, func(p *proxy) {
		p.gone = true
		l.met += len(p.conns)
		for c := range p.conns {
			reset(c)
		}
	})
}

// Down refuses connections to a broker that is down, as its machine does: one that is taken and closed says something else to a client.
func (l *Link) Down(broker int) {
	l.each([]int{broker}, func(p *proxy) {
		if p.listener != nil {
			_ = p.listener.Close()
			p.listener = nil
		}
	})
}

// Up takes connections to a broker again.
func (l *Link) Up(broker int) (err error) {
	l.each([]int{broker}, func(p *proxy) {
		if p.listener != nil || l.closed {
			return
		}
		var ln net.Listener
		if ln, err = net.Listen("tcp", p.address); err != nil {
			err = fmt.Errorf("link to %s: %w", p.broker, err)
			return
		}
		p.listener = ln
		go p.accept(ln)
	})
	return err
}

// Heal makes the link whole and quick again. It tells how much met what it was before: reads that were slowed down or held up, connections that
// were broken or had to wait. With 0 nobody has noticed.
func (l *Link) Heal() (met int) {
	l.Slow(0)
	l.each(nil, func(p *proxy) {
		p.gone = false
		p.release()
		met, l.met = met+l.met, 0
	})
	return met
}

// Close ends the link for good.
func (l *Link) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.each(nil, func(p *proxy) {
		if p.listener != nil {
			_ = p.listener.Close()
		}
		for c := range p.conns {
			_ = c.Close()
		}
		p.release()
	})
}

func (l *Link) each(which []int, do func(*proxy)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(which) == 0 {
		for _, p := range l.proxies {
			do(p)
		}
		return
	}
	for _, i := range which {
		do(l.proxies[i])
	}
}

// release lets bytes pass. The link's lock is held.
func (p *proxy) release() {
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// gate waits until bytes may pass. With Close it opens as well; what is written then fails.
func (p *proxy) gate() {
	for {
		p.link.mu.Lock()
		open := p.open
		select {
		case <-open:
			p.link.mu.Unlock()
			return
		default:
			p.link.met++
			p.link.mu.Unlock()
			<-open
		}
	}
}

// hold registers a connection, so that Tear and Close reach it; false if it must not live.
func (p *proxy) hold(c net.Conn) bool {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	if p.gone || p.link.closed {
		p.link.met++
		reset(c)
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) drop(c net.Conn) {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	_ = c.Close()
	delete(p.conns, c)
}

// reset ends a connection as a torn one ends: with an error at the other side.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // it may be closed already
	}
	_ = c.Close()
}

func (p *proxy) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return // closed
		}
		if p.hold(c) {
			go p.serve(c)
		}
	}
}

func (p *proxy) serve(client net.Conn) {
	defer p.drop(client)
	p.gate()
	broker, err := net.DialTimeout("tcp", p.broker, 5*time.Second)
	if err != nil {
		reset(client) // the broker has just gone
		return
	}
	defer p.drop(broker)
	if !p.hold(broker) {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.pump(broker, client) })
	wg.Go(func() { p.pump(client, broker) })
	wg.Wait()
}

// piece is something that was read, and when it may be written.
type piece struct {
	bytes []byte
	due   time.Time
}

// pump carries one direction. Reading goes on while pieces wait, so that a slow link has a delay and not a low rate.
func (p *proxy) pump(to, from net.Conn) {
	pieces := make(chan piece, 256)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				p.link.mu.Lock()
				due := time.Now().Add(p.link.slow)
				if p.link.slow > 0 {
					p.link.met++
				}
				p.link.mu.Unlock()
				pieces <- piece{b[:n], due}
			}
			if err != nil {
				return
			}
		}
	}()
	failed := false
	for x := range pieces {
		if failed {
			continue // the reader must come to its end
		}
		time.Sleep(time.Until(x.due))
		p.gate()
		if _, err := to.Write(x.bytes); err != nil {
			failed = true
			_ = from.Close()
		}
	}
	p.gate() // the end of a connection comes no sooner than its bytes
	if c, ok := to.(*net.TCPConn); ok {
		if err := c.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			_ = c.Close()
		}
	}
}
