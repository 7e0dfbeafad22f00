//go:build synctests

package sim

import (
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// hears is how long the broker takes to hear that a client's end of a connection is closed.
const hears = 3 * session

// lateNetwork lets the broker hear late that a client is gone, as when its machine died. It must not hear of it while that client's
// JoinGroup waits for an answer: a group member whose answer finds a closed connection gets no session timer from kfake (groups.go,
// reply; a real broker starts it with the answer, heard or not). Such a member is gone for good and counted for ever, each JoinGroup of
// the others starts the rebalance's timer anew, and nobody joins the group any more. Seed 14 of TestWhateverHappens met it one time in four.
type lateNetwork struct{ *kfake.VirtualNetwork }

func (n lateNetwork) Listen(network, addr string) (net.Listener, error) {
	l, err := n.VirtualNetwork.Listen(network, addr)
	return lateListener{l}, err
}

type lateListener struct{ net.Listener }

func (l lateListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lateConn{Conn: nc, closed: make(chan struct{})}, nil
}

type lateConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{} // by the broker
}

func (c *lateConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		select {
		case <-time.After(hears):
		case <-c.closed:
		}
	}
	return n, err
}

// Write loses what the client's end does not take any more.
func (c *lateConn) Write(b []byte) (int, error) {
	if n, err := c.Conn.Write(b); err != nil {
		select {
		case <-c.closed:
			return n, err
		default:
		}
	}
	return len(b), nil
}

func (c *lateConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
