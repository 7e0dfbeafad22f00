package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// placement is where broker and service run.
type placement struct {
	name            string
	broker, service string // CPU lists of taskset; "" is everywhere
}

// shared leaves it to the scheduler.
func shared() placement {
	return placement{name: fmt.Sprintf("shared: broker and service on the same %d CPUs", runtime.NumCPU())}
}

// placements are what this machine can do: taskset and a second CPU make it possible to give the service a CPU of its own.
func placements() []placement {
	all := []placement{shared()}
	if _, err := exec.LookPath("taskset"); err == nil && runtime.NumCPU() >= 2 {
		last := strconv.Itoa(runtime.NumCPU() - 1)
		rest := "0"
		if runtime.NumCPU() > 2 {
			rest = fmt.Sprintf("0-%d", runtime.NumCPU()-2)
		}
		all = append([]placement{{name: "pinned: service on one CPU, broker on the other", broker: rest, service: last}}, all...)
	}
	return all
}

// place moves the broker.
func (p placement) place(pid int) error {
	cpus := p.broker
	if cpus == "" {
		cpus = fmt.Sprintf("0-%d", runtime.NumCPU()-1)
	}
	if _, err := exec.LookPath("taskset"); err != nil || pid == 0 {
		return nil // nothing was ever pinned
	}
	if out, err := exec.Command("taskset", "-a", "-c", "-p", cpus, strconv.Itoa(pid)).CombinedOutput(); err != nil {
		return fmt.Errorf("pin the broker: %w: %s", err, out)
	}
	return nil
}

// command runs the service there.
func (p placement) command(path string, args ...string) *exec.Cmd {
	if p.service == "" {
		return exec.Command(path, args...)
	}
	return exec.Command("taskset", append([]string{"-c", p.service, path}, args...)...)
}

// children are the processes of a name that this process started.
func children(name string) map[int]bool {
	out := map[int]bool{}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return out
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		// pid (name, cut to 15 bytes) state ppid
		open, shut := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		if open < 0 || shut < open {
			continue
		}
		rest := strings.Fields(string(b[shut+1:]))
		if len(rest) < 2 || rest[1] != strconv.Itoa(os.Getpid()) || string(b[open+1:shut]) != name[:min(len(name), 15)] {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:open]))); err == nil {
			out[pid] = true
		}
	}
	return out
}

// resident is the resident memory of a process in bytes.
func resident(pid int) (int64, error) { return memoryOf(pid, "VmRSS:") }

// peak is the most that it was.
func peak(pid int) (int64, error) { return memoryOf(pid, "VmHWM:") }

func memoryOf(pid int, what string) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("resident memory: %w", err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), what); ok {
			kb, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("resident memory: no %s of process %d", what, pid)
}
