package wire

import (
	"slices"
	"sync"
	"time"
)

// maxIdle bounds the idle connections of a host; more calls than that in parallel dial for themselves.
const maxIdle = 32

// pool keeps idle connections, the latest used first. Each has a timer that closes it at MaxAge, so that it goes even
// when no call comes.
type pool struct {
	mu     sync.Mutex // guards the rest
	idle   map[*Host][]*Conn
	closed bool
}

// get takes an idle connection of a host; nil: dial.
func (p *pool) get(h *Host) *Conn {
	for {
		p.mu.Lock()
		list := p.idle[h]
		if len(list) == 0 {
			p.mu.Unlock()
			return nil
		}
		k := list[len(list)-1]
		p.idle[h] = list[:len(list)-1]
		p.mu.Unlock()
		k.timer.Stop()
		if k.reusable() && !stale(k.raw.Conn) {
			return k
		}
		_ = k.raw.Close()
	}
}

// put gives a connection back after a complete exchange, or closes it.
func (p *pool) put(k *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !k.reusable() || len(p.idle[k.host]) >= maxIdle {
		_ = k.raw.Close()
		return
	}
	k.timer = time.AfterFunc(k.opt.MaxAge-time.Since(k.born), func() { p.drop(k) })
	p.idle[k.host] = append(p.idle[k.host], k)
}

// drop closes a connection if it is still idle.
func (p *pool) drop(k *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle[k.host], k); i >= 0 {
		p.idle[k.host] = slices.Delete(p.idle[k.host], i, i+1)
		_ = k.raw.Close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, list := range p.idle {
		for _, k := range list {
			k.timer.Stop()
			_ = k.raw.Close()
		}
	}
	clear(p.idle)
}
