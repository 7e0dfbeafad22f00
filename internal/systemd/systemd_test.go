package systemd

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

func env(socket string) func(string) string {
	return func(name string) string {
		if name == "NOTIFY_SOCKET" {
			return socket
		}
		return ""
	}
}

func TestTheManagerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	m, err := FromEnv(env(path))
	if err != nil || m == nil {
		t.Fatal(m, err)
	}
	for _, c := range []struct {
		tell func() error
		want string
	}{
		{func() error { return m.Ready("3 rules") }, "READY=1\nSTATUS=3 rules"},
		{m.Reloading, "RELOADING=1"},
		{func() error { return m.Ready("an error\nSTOPPING=1") }, "READY=1\nSTATUS=an error STOPPING=1"},
		{func() error { return m.Stopping("draining") }, "STOPPING=1\nSTATUS=draining"},
	} {
		if err := c.tell(); err != nil {
			t.Fatal(err)
		}
		if err := sock.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1000)
		n, err := sock.Read(b)
		if err != nil || string(b[:n]) != c.want {
			t.Errorf("told %q, want %q (%v)", b[:n], c.want, err)
		}
	}
}

// Without a manager nothing is told, and nothing fails; a manager that is gone is an error to log.
func TestNoManager(t *testing.T) {
	m, err := FromEnv(env(""))
	if m != nil || err != nil || m.Ready("") != nil || m.Reloading() != nil || m.Stopping("") != nil {
		t.Error(m, err)
	}
	if _, err := FromEnv(env("relative")); err == nil {
		t.Error("a relative path was accepted")
	}
	gone, err := FromEnv(env(filepath.Join(t.TempDir(), "gone")))
	if err != nil || gone.Ready("") == nil {
		t.Error("nobody listens, and no error")
	}
}
