package embedded

import (
	"errors"
	"net"
)

// listener wraps every connection, so that all of them end together and none speaks after a failure.
func (b *Broker) listener(listen func(network, addr string) (net.Listener, error)) func(string, string) (net.Listener, error) {
	return func(network, addr string) (net.Listener, error) {
		l, err := listen(network, addr)
		if err != nil {
			return nil, err
		}
		b.mu.Lock()
		b.lns = append(b.lns, l)
		b.mu.Unlock()
		return &trackedListener{l, b}, nil
	}
}

type trackedListener struct {
	net.Listener
	b *Broker
}

func (l *trackedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t := &trackedConn{c, l.b}
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if l.b.ended {
		c.Close()
		return nil, net.ErrClosed
	}
	l.b.conns[t] = struct{}{}
	return t, nil
}

type trackedConn struct {
	net.Conn
	b *Broker
}

var errStopped = errors.New("the embedded broker has stopped")

// Write refuses once the broker has ended: Close may come while a reply waits in kfake's queue.
func (c *trackedConn) Write(p []byte) (int, error) {
	select {
	case <-c.b.done:
		return 0, errStopped
	default:
		return c.Conn.Write(p)
	}
}

func (c *trackedConn) Close() error {
	c.b.mu.Lock()
	delete(c.b.conns, c)
	c.b.mu.Unlock()
	return c.Conn.Close()
}
