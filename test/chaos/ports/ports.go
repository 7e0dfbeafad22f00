// Package ports finds ports for processes that are told where to listen. They lie below those that systems give to connections and to
// listeners that ask for any port: one of these could take a port before its process does, or between two lives of it.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// first and last are the range: above the ports of services, below Linux's ip_local_port_range and other systems'.
const first, last = 10000, 32767

var (
	mu   sync.Mutex
	next = first + rand.IntN(last-first+1) // elsewhere than another process of tests beside this one
	used int
)

// Free gives n ports of 127.0.0.1 on which nobody listens. No port is given twice to one process.
func Free(n int) ([]int, error) {
	mu.Lock()
	defer mu.Unlock()
	var out []int
	for len(out) < n {
		if used > last-first {
			return nil, errors.New("every port for tests was tried")
		}
		port := next
		used++
		if next++; next > last {
			next = first
		}
		switch l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); {
		case err == nil:
			out = append(out, port)
			if err := l.Close(); err != nil {
				return nil, fmt.Errorf("find a free port: %w", err)
			}
		case !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("find a free port: %w", err)
		}
	}
	return out, nil
}

// Address is one of them, as host:port.
func Address() (string, error) {
	p, err := Free(1)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p[0])), nil
}
