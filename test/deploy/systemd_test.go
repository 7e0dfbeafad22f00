//go:build !race

package deploy

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is a service manager's socket; what is told comes in order.
func manager(t *testing.T) (path string, told chan string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	told = make(chan string, 100)
	go func() {
		for b := make([]byte, 4096); ; {
			n, err := sock.Read(b)
			if err != nil { // closed
				close(told)
				return
			}
			told <- string(b[:n])
		}
	}()
	t.Cleanup(func() { _ = sock.Close() })
	return path, told
}

// The life of a unit of Type=notify: it is ready when it works, a reload begins and ends and says what is wrong with the files, and the
// drain is told before it is over.
func TestTheServiceManagerKnowsWhereTheDaemonStands(t *testing.T) {
	path, told := manager(t)
	folder := filepath.Join(t.TempDir(), "rules")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(root, "rules"))); err != nil {
		t.Fatal(err)
	}
	d := start(t, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path, "NOTIFIER_RULES="+folder) })
	expect := func(begins string, holds ...string) {
		t.Helper()
		select {
		case got := <-told:
			if !strings.HasPrefix(got, begins) {
				t.Fatalf("told %q, want %q", got, begins)
			}
			for _, h := range holds {
				if !strings.Contains(got, h) {
					t.Errorf("told %q, want %q in it", got, h)
				}
			}
		case <-d.end:
			t.Fatalf("the process ended before it said %s", begins)
		case <-time.After(patience):
			t.Fatalf("never told %s", begins)
		}
	}
	expect("READY=1\nSTATUS=", " rules, rule set ")
	d.ready()
	reload := func() {
		t.Helper()
		if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		expect("RELOADING=1")
	}
	broken := filepath.Join(folder, "broken.yaml")
	if err := os.WriteFile(broken, []byte("version: 1\nrules: [{name: }]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reload()
	expect("READY=1\nSTATUS=", "have errors", "broken.yaml")
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	reload()
	expect("READY=1\nSTATUS=", " rules, rule set ")
	if code := d.drain(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := <-told; !strings.HasPrefix(got, "STOPPING=1") {
		t.Errorf("at the end it told %q", got)
	}
}
