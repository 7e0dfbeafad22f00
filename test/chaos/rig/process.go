package rig

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Process is a running or ended child. It dies with the test process where the system can do that.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed after Wait
}

// start runs path. log is a file that is appended to, so that a restarted process keeps its history; out nil sends stdout there
// as well.
func start(name, path string, args, env []string, log string, out io.Writer) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer f.Close() // the child has its own descriptor
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr, cmd.Stdout = f, f
	if out != nil {
		cmd.Stdout = out
	}
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its state tells
		close(p.done)
	}()
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Kill sends SIGKILL, waits for the end, and returns the time just before the signal.
func (p *Process) Kill() time.Time {
	at := time.Now()
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
	return at
}

// Killed reports whether SIGKILL ended the process.
func (p *Process) Killed() bool {
	if !p.Ended() {
		return false
	}
	s, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && s.Signaled() && s.Signal() == syscall.SIGKILL
}

// Freeze stops the process where it is.
func (p *Process) Freeze() error { return p.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("%s to %s: %w", s, p.name, err)
	}
	return nil
}

// Terminate sends SIGTERM.
func (p *Process) Terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) } // it may have ended by itself

// Stop sends SIGTERM, and SIGKILL when the process has not ended after patience. It returns the exit code, -1 for a process that
// a signal ended.
func (p *Process) Stop(patience time.Duration) int {
	p.Terminate()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		p.Kill()
	}
	return p.cmd.ProcessState.ExitCode()
}

// Tail is the end of the log file, for messages.
func (p *Process) Tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(b) > 4000 {
		b = b[len(b)-4000:]
	}
	return fmt.Sprintf("--- %s ---\n%s", p.log, strings.TrimSpace(string(b)))
}
