// Package systemd tells the service manager where the daemon stands, in the protocol of sd_notify(3): a datagram of KEY=VALUE lines to the
// socket that the manager named in NOTIFY_SOCKET. It does what a unit of Type=notify needs, and no more: no watchdog, no file
// descriptors.
package systemd

import (
	"fmt"
	"net"
	"strings"
)

// Manager is the service manager. nil is none: nothing is told then.
type Manager struct{ addr *net.UnixAddr }

// FromEnv finds the manager that started this process: nil without NOTIFY_SOCKET, a path or, with @ before it, an abstract name.
func FromEnv(getenv func(string) string) (*Manager, error) {
	name := getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil, nil
	}
	if name[0] != '/' && name[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q: it must begin with / or @", name)
	}
	return &Manager{&net.UnixAddr{Name: name, Net: "unixgram"}}, nil
}

// Ready says that the start, or a reload, is over.
func (m *Manager) Ready(status string) error { return m.send("READY=1", "STATUS="+status) }

// Reloading says that a reload has begun; Ready ends it.
func (m *Manager) Reloading() error { return m.send("RELOADING=1") }

// Stopping says that the drain has begun.
func (m *Manager) Stopping(status string) error { return m.send("STOPPING=1", "STATUS="+status) }

func (m *Manager) send(lines ...string) error {
	if m == nil {
		return nil
	}
	for i, l := range lines { // a status may be an error of several lines
		lines[i] = strings.ReplaceAll(l, "\n", " ")
	}
	c, err := net.DialUnix("unixgram", nil, m.addr)
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}
