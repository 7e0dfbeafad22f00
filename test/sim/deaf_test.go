//go:build synctests

package sim

import (
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// deafNetwork never lets the broker hear that a client closed its end of a connection, as when the client's machine died. It must not
// hear of it while that client's JoinGroup waits for an answer: a group member whose answer finds a closed connection gets no session timer
// from kfake (groups.go, reply; a real broker starts it with the answer, heard or not). Such a member is gone for good and counted for ever,
// each JoinGroup of the others starts the rebalance's timer anew, and nobody joins the group any more. Seed 14 of TestWhateverHappens met it
// one time in four.
type deafNetwork struct{ *kfake.VirtualNetwork }

func (n deafNetwork) Listen(network, addr string) (net.Listener, error) {
	l, err := n.VirtualNetwork.Listen(network, addr)
	return deafListener{l}, err
}

type deafListener struct{ net.Listener }

func (l deafListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &deafConn{Conn: nc, closed: make(chan struct{})}, nil
}

type deafConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{} // by the broker
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		<-c.closed
	}
	return n, err
}

// Write loses what the client's end does not take any more.
func (c *deafConn) Write(b []byte) (int, error) {
	if n, err := c.Conn.Write(b); err != nil {
		select {
		case <-c.closed:
			return n, err
		default:
		}
	}
	return len(b), nil
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
