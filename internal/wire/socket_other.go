//go:build !linux

package wire

import (
	"net"
	"time"
)

// setUserTimeout is a linux socket option; elsewhere linger 0 alone has to do.
func setUserTimeout(net.Conn, time.Duration) {}

// stale cannot be told here: a connection that the vendor closed shows as an unknown outcome.
func stale(net.Conn) bool { return false }
