package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/notifier/notifier/test/kafka/proc"
)

// childArg makes this program a side of a bench: `bench child ROLE JSON`. A role prints one line of JSON.
const childArg = "child"

// job is what a child is told.
type job struct {
	Brokers []string
	Prefix  string // stage1: of our topics
	Topic   string // what is read
	Events  int    // how many
	Rules   int
	Profile string // a file for a CPU profile; "" is none
	Vendor  string // post: where hits are posted
}

// consumed is what a consumer of a topic took, from its first record to its last; joining and loading are not in it.
type consumed struct {
	Events  int
	Timed   int // how many of them were worked on while the clock ran
	Bytes   int64
	Seconds float64
	CPU     float64 // seconds, user and system
}

func child(args []string) error {
	if len(args) != 2 {
		return errors.New("want a role and a job")
	}
	var j job
	if err := json.Unmarshal([]byte(args[1]), &j); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var out any
	var err error
	switch args[0] {
	case "kfake":
		c, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return err
		}
		defer c.Close()
		if err := json.NewEncoder(os.Stdout).Encode(c.ListenAddrs()); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	case "sink":
		return sink(ctx)
	case "bare":
		out, err = bare(ctx, j)
	case "stage1":
		out, err = stage1(ctx, j)
	case "post":
		return post(ctx, j)
	default:
		return fmt.Errorf("no role %q", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// side runs a child and waits for its answer.
func (l *lab) side(ctx context.Context, p placement, role string, j job, out any) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b, err := json.Marshal(j)
	if err != nil {
		return err
	}
	cmd := p.command(self, childArg, role, string(b))
	log := filepath.Join(l.tmp, role+".log")
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd.Stderr = f
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	derr := json.NewDecoder(stdout).Decode(out)
	if err := cmd.Wait(); err != nil || derr != nil {
		tail, _ := os.ReadFile(log)
		return fmt.Errorf("%s: %w\n%s", role, errors.Join(err, derr), tail[max(0, len(tail)-2000):])
	}
	return nil
}

// background runs a child until stop is called.
func (l *lab) background(role string, j job) (*proc.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	return proc.Start(proc.Options{Name: role, Path: self, Args: []string{childArg, role, string(b)}, Log: filepath.Join(l.tmp, role+".log")})
}

// meter times a stretch of work and its CPU.
type meter struct {
	began time.Time
	cpu   time.Duration
	file  *os.File
}

func startMeter(profile string) (*meter, error) {
	m := &meter{}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
		m.file = f
	}
	m.began, m.cpu = time.Now(), cpuTime()
	return m, nil
}

func (m *meter) stop(events, timed int, bytes int64) (*consumed, error) {
	c := &consumed{Events: events, Timed: timed, Bytes: bytes, Seconds: time.Since(m.began).Seconds(), CPU: (cpuTime() - m.cpu).Seconds()}
	if m.file == nil {
		return c, nil
	}
	pprof.StopCPUProfile()
	if err := m.file.Close(); err != nil {
		return c, err
	}
	runtime.GC() // what is live is known then; what was allocated stands in the same profile
	f, err := os.Create(strings.TrimSuffix(m.file.Name(), ".pprof") + "-heap.pprof")
	if err != nil {
		return c, err
	}
	return c, errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rate is events a second.
func (c consumed) rate() float64 { return float64(c.Timed) / c.Seconds }

// cost is microseconds of CPU an event.
func (c consumed) cost() float64 { return c.CPU * 1e6 / float64(c.Timed) }
