package sandbox

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// connection is one client connection, counted for the vendor's rule of fewer than
// 80 requests each.
type connection struct {
	number int64
	resets int64 // world.resets when calls was counted: a reset starts anew. Guarded by Server.mu, as calls is
	calls  int
}

// count adds a call and returns how many this connection has carried.
func (c *connection) count(w *world) int {
	if c.resets != w.resets {
		c.resets, c.calls = w.resets, 0
	}
	c.calls++
	return c.calls
}

type connectionKey struct{}

// host is one of the two listeners. It can close and come back on the same port.
type host struct {
	name   string // primary, backup
	addr   string // concrete after the first listen
	listen func(network, addr string) (net.Listener, error)
	server *http.Server
	serves sync.WaitGroup

	mu       sync.Mutex // guards what follows
	listener net.Listener
	down     bool                  // closed by a fault
	revive   *time.Timer           // set while a fault with a delay holds it closed
	waiting  map[net.Conn]struct{} // connections without a request under way
}

func (h *host) open() error {
	l, err := h.listen("tcp", h.addr)
	if err != nil {
		return fmt.Errorf("listen on %s for the %s host: %w", h.addr, h.name, err)
	}
	h.listener, h.addr = l, l.Addr().String()
	h.serves.Go(func() { _ = h.server.Serve(l) }) // ends when the listener closes
	return nil
}

func (h *host) url() string { return "http://" + h.addr }

// state follows the connections, so that refuse can close those at rest.
func (h *host) state(c net.Conn, state http.ConnState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		h.waiting[c] = struct{}{}
		if h.down {
			_ = c.Close()
		}
	default:
		delete(h.waiting, c)
	}
}

// refuse closes the listener and every connection at rest; a call under way, such
// as the control call that asked for this, still gets its answer. After delayMS,
// if above 0, the host comes back by itself.
func (h *host) refuse(delayMS int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delayMS > 0 {
		h.stopRevival()
		h.revive = time.AfterFunc(time.Duration(delayMS)*time.Millisecond, func() { _ = h.reopen() })
	}
	if h.down {
		return
	}
	h.down = true
	h.server.SetKeepAlivesEnabled(false)
	_ = h.listener.Close()
	for c := range h.waiting {
		_ = c.Close()
	}
}

func (h *host) refusing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down
}

func (h *host) reopen() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopRevival()
	if !h.down {
		return nil
	}
	h.server.SetKeepAlivesEnabled(true)
	if err := h.open(); err != nil {
		return err
	}
	h.down = false
	return nil
}

func (h *host) stopRevival() {
	if h.revive != nil {
		h.revive.Stop()
		h.revive = nil
	}
}

func (h *host) close() {
	h.mu.Lock()
	h.stopRevival()
	h.down = false // a later reopen finds nothing to do
	if h.listener != nil {
		_ = h.listener.Close()
	}
	h.mu.Unlock()
	_ = h.server.Close()
	h.serves.Wait()
}
