package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/kafka/broker"
	"github.com/notifier/notifier/test/kafka/proc"
)

// lab is what the benches share: sizes, folders, and the broker, which starts when the first bench asks for it.
type lab struct {
	rounds  int
	quick   bool
	profile string
	dir     string // of this module
	root    string // of the product's
	tmp     string

	brokers []string
	pid     int    // of the broker
	kind    string // what the broker is, for the report
	stop    func()
	binary  string
}

func newLab(ctx context.Context, rounds int, quick bool, profile string) (*lab, error) {
	l := &lab{rounds: rounds, quick: quick, profile: profile, stop: func() {}}
	var err error
	if l.root, err = moduleDir(ctx, "github.com/notifier/notifier"); err != nil {
		return nil, err
	}
	l.dir = filepath.Join(l.root, "bench")
	if l.tmp, err = os.MkdirTemp("", "notifier-bench-"); err != nil {
		return nil, err
	}
	if profile != "" {
		if err := os.MkdirAll(profile, 0o755); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func moduleDir(ctx context.Context, module string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find the sources of %s: run this in the repository or in bench/: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (l *lab) close() {
	l.stop()
	os.RemoveAll(l.tmp)
}

// size is n, or much less with -quick.
func (l *lab) size(n, quick int) int {
	if l.quick {
		return quick
	}
	return n
}

// kafka starts the broker once: Apache Kafka where java and mvn are, else kfake in a process of its own.
func (l *lab) kafka(ctx context.Context) error {
	if l.brokers != nil {
		return nil
	}
	if err := broker.Tools(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: using kfake, whose figures say nothing of Kafka's\n", err)
		return l.kfake()
	}
	start, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	lib, err := broker.Fetch(start, filepath.Join(l.root, "test", "kafka", ".cache"))
	if err != nil {
		return err
	}
	before := children("java")
	c, err := broker.Start(start, lib, filepath.Join(l.tmp, "kafka"), broker.Options{Nodes: 1})
	if err != nil {
		return err
	}
	l.brokers, l.kind, l.stop = c.Brokers(), "Kafka "+broker.Version, c.Stop
	for pid := range children("java") {
		if !before[pid] {
			l.pid = pid
		}
	}
	return nil
}

func (l *lab) kfake() error {
	p, err := l.serving("kfake", &l.brokers)
	if err != nil {
		return err
	}
	l.kind, l.stop = "kfake", p.Kill
	for pid := range children(filepath.Base(os.Args[0])) {
		l.pid = pid
	}
	return nil
}

// serving runs a child that serves until it is killed, and reads where from the line of JSON that it prints.
func (l *lab) serving(role string, where any) (*proc.Process, error) {
	ready, line := io.Pipe()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := proc.Start(proc.Options{Name: role, Path: self, Args: []string{childArg, role, "{}"}, Log: filepath.Join(l.tmp, role+".log"), Out: line})
	if err != nil {
		return nil, err
	}
	go func() { <-p.Done(); line.Close() }()
	if err := json.NewDecoder(ready).Decode(where); err != nil {
		return nil, fmt.Errorf("start %s: %w\n%s", role, err, p.Tail())
	}
	return p, nil
}

// daemon builds the notifier once.
func (l *lab) daemon(ctx context.Context) (string, error) {
	if l.binary != "" {
		return l.binary, nil
	}
	out := filepath.Join(l.tmp, "notifier")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "./cmd/notifier")
	cmd.Dir = l.root
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the daemon: %w\n%s", err, b)
	}
	l.binary = out
	return out, nil
}

// client is a Kafka client; a record of it leaves at once.
func (l *lab) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(l.brokers...), kgo.ProducerLinger(0)}, opts...)...)
}

func (l *lab) makeTopics(ctx context.Context, partitions int32, topics ...string) error {
	cl, err := l.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	rs, err := kadm.NewClient(cl).CreateTopics(ctx, partitions, 1, nil, topics...)
	if err != nil {
		return err
	}
	return rs.Error()
}

func (l *lab) deleteTopics(ctx context.Context, topics ...string) {
	cl, err := l.client()
	if err != nil {
		return
	}
	defer cl.Close()
	_, _ = kadm.NewClient(cl).DeleteTopics(ctx, topics...) // only to spare the disk
}

// read gives each record of a topic that is committed now to f.
func (l *lab) read(ctx context.Context, topic string, f func(*kgo.Record)) error {
	cl, err := l.client(kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	for len(left) > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				f(r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return nil
}
