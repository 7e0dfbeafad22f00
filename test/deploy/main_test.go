//go:build !race

// What is tested here runs in processes of its own, where the race detector does not look.

// Package deploy holds true what stands in deploy/ and what operators see of a running daemon: its metrics, the alerts and dashboards
// that ask for them, and that it runs where its container, its unit and its manifests put it. It needs neither Docker nor a cluster.
package deploy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// root is the checkout, seen from this package.
const root = "../.."

// What deploy/build.sh is told, so that the tests know what the program says of itself.
const (
	version  = "v1.2.3-test"
	revision = "0123456789abcdef0123456789abcdef01234567"
)

// program is the released build.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "notifier-deploy-")
	if err == nil {
		program = filepath.Join(dir, "notifier")
		build := exec.Command("bash", filepath.Join(root, "deploy/build.sh"), program)
		build.Env, build.Stderr = append(os.Environ(), "VERSION="+version, "REVISION="+revision), os.Stderr
		err = build.Run()
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "deploy/build.sh:", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// output runs a command to its end and gives what it printed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// ran runs the program with just this environment, and gives what it printed and its exit code.
func ran(t *testing.T, env []string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append([]string{"LANG=en_US.UTF-8"}, env...)
	b, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// patience bounds every wait; a loaded machine needs a part of it.
const patience = 90 * time.Second

// daemon is a process of `notifier run`.
type daemon struct {
	t     *testing.T
	cmd   *exec.Cmd
	end   chan struct{}
	admin string // host:port
	token string // admin.token, if there is one

	mu  sync.Mutex // guards below
	log bytes.Buffer
}

// start starts the program with the embedded broker and the rules that come with it. change may alter the command before it starts.
func start(t *testing.T, change func(*exec.Cmd)) *daemon {
	t.Helper()
	dir := t.TempDir()
	settings := filepath.Join(dir, "notifier.yaml")
	text := strings.ReplaceAll(string(read(t, "test/deploy/testdata/notifier.yaml")), "RULES", absolute(t, "rules"))
	if err := os.WriteFile(settings, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, cmd: exec.Command(program, "run", "-c", settings), end: make(chan struct{})}
	d.cmd.Dir = dir
	d.cmd.Env = append(os.Environ(), "VENDOR_SECRET=not-a-secret", "NOTIFIER_KAFKA_EMBEDDED="+filepath.Join(dir, "data"), "LANG=en_US.UTF-8")
	if change != nil {
		change(d.cmd)
	}
	d.run()
	return d
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	p, err := filepath.Abs(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (d *daemon) run() {
	d.t.Helper()
	r, err := d.cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() {
		defer close(d.end)
		for sc := bufio.NewScanner(r); sc.Scan(); {
			d.mu.Lock()
			d.log.WriteString(sc.Text() + "\n")
			d.mu.Unlock()
		}
		_ = d.cmd.Wait()
	}()
	d.t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.end
		if d.t.Failed() {
			d.t.Logf("%v said:\n%s", d.cmd.Args, d.said())
		}
	})
}

func (d *daemon) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// until waits for a condition, and gives up when the process ends before.
func (d *daemon) until(what string, ok func() bool) {
	d.t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-d.end:
			if !ok() {
				d.t.Fatalf("the process ended before: %s", what)
			}
			return
		case <-limit:
			d.t.Fatalf("waited in vain for: %s", what)
		case <-tick.C:
		}
	}
}

// ready waits until the daemon is ready to work, and finds its address.
func (d *daemon) ready() {
	d.t.Helper()
	d.until("its address in the log", func() bool {
		for line := range strings.SplitSeq(d.said(), "\n") {
			var l struct{ Msg, Admin string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "notifier runs" {
				d.admin = l.Admin
			}
		}
		return d.admin != ""
	})
	d.until("/readyz", func() bool { code, _ := d.get("/readyz"); return code == http.StatusOK })
}

func (d *daemon) get(path string) (code int, body string) {
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://"+d.admin+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	if d.token != "" {
		req.Header.Set("Authorization", "Bearer "+d.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// drain ends the daemon as systemd, Docker and Kubernetes do, and gives the exit code.
func (d *daemon) drain() int {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	return d.ended()
}

// ended waits for the end and gives the exit code.
func (d *daemon) ended() int {
	d.t.Helper()
	select {
	case <-d.end:
	case <-time.After(patience):
		d.t.Fatal("the process did not end")
	}
	return d.cmd.ProcessState.ExitCode()
}
