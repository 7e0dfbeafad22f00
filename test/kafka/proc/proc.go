// Package proc runs one child process whose output goes to a file: a broker, the sandbox, a notifier.
//
// Children die with the test process where the system can do that (Linux), so that a test that times out leaves no
// broker behind. Signals go to exactly the process that was started, never to a name.
package proc

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Process is a running or ended child.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed after Wait
	err  error         // valid once done is closed
}

// Options say what to run. Log is a file that is appended to, so that a restarted process keeps its history.
type Options struct {
	Name string // for messages
	Path string
	Args []string
	Env  []string // added to the environment of the test
	Dir  string
	Log  string    // stderr, and stdout unless Stdout is set
	Out  io.Writer // stdout
}

// Start runs the process.
func Start(o Options) (*Process, error) {
	if err := os.MkdirAll(filepath.Dir(o.Log), 0o755); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	f, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	defer f.Close() // the child has its own descriptor
	cmd := exec.Command(o.Path, o.Args...)
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.Dir = o.Dir
	cmd.Stderr = f
	cmd.Stdout = f
	if o.Out != nil {
		cmd.Stdout = o.Out
	}
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	p := &Process{name: o.Name, log: o.Log, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill sends SIGKILL and waits for the end. A process that has ended already is no error.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Stop sends SIGTERM, and SIGKILL when the process has not ended after patience. It returns the exit code, -1 for a
// process that a signal ended.
func (p *Process) Stop(patience time.Duration) int {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		p.Kill()
	}
	return p.cmd.ProcessState.ExitCode()
}

// Wait waits for the end and returns the exit code; the error is ctx's.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s still runs: %w\n%s", p.name, context.Cause(ctx), p.Tail())
	}
}

// Output returns the whole log file.
func (p *Process) Output() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Tail returns the end of the log file, for messages.
func (p *Process) Tail() string {
	const most = 4000
	s := p.Output()
	if len(s) > most {
		s = "..." + s[len(s)-most:]
	}
	return fmt.Sprintf("--- %s ---\n%s", p.log, strings.TrimSpace(s))
}
