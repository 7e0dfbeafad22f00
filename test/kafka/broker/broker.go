// Package broker runs a real Apache Kafka on this machine for a test: one node or three, on free ports, from the
// jars that Maven fetches.
//
// A Cluster is up when every node answers a metadata request that lists all of them. Kill is SIGKILL of one node, Leave an
// orderly end; Restart brings it back on the same ports with the same data. Several clusters may run side by side.
package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/chaos/ports"
	"github.com/notifier/notifier/test/kafka/link"
	"github.com/notifier/notifier/test/kafka/proc"
)

// patience bounds what takes seconds on a quiet machine and minutes on one that is shared.
const patience = 4 * time.Minute

// Cluster is a running Kafka.
type Cluster struct {
	lib    string
	opt    Options
	nodes  []*node
	links  []*link.Link
	Secure *Secure // nil: everybody may do everything
}

// Options say what to run: nodes, and who may come in how.
type Options struct {
	Nodes  int  // 1 or 3
	Secure bool // listeners with TLS beside the open one, and rights
	Links  int  // so many daemons come by a link of their own
	Heap   int  // MiB of each node; 0: 512
	Port   int  // of the first node's open listener; 0: a free one
	// Uncompacted topics keep every record for an hour: an audit reads the whole ledger.
	Uncompacted bool
}

type node struct {
	id               int
	port, controller int
	sasl, mutual     int   // ports of a secure cluster
	far              []int // ports behind the links
	dir, data        string
	proc             *proc.Process // nil while it is down
}

// Start runs a cluster with data and logs under dir, and waits until it is ready. On an error nothing is left running.
func Start(ctx context.Context, lib, dir string, o Options) (*Cluster, error) {
	c := &Cluster{lib: lib, opt: o}
	n := o.Nodes
	each := 4 + o.Links
	free, err := ports.Free(each * n)
	if err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	if o.Port != 0 {
		free[0] = o.Port
	}
	for i := range n {
		d := filepath.Join(dir, fmt.Sprintf("node-%d", i+1))
		p := free[each*i : each*(i+1)]
		c.nodes = append(c.nodes, &node{id: i + 1, port: p[0], controller: p[1], sasl: p[2], mutual: p[3], far: p[4:], dir: d, data: filepath.Join(d, "data")})
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	if o.Secure {
		if c.Secure, err = newSecure(dir, c.nodes); err != nil {
			return nil, err
		}
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails, see its documentation
	id[0] &= 0x7f        // the text must not begin with a dash, which the tool would take for an option
	for _, n := range c.nodes {
		if err := c.format(ctx, n, base64.RawURLEncoding.EncodeToString(id)); err != nil {
			c.Stop()
			return nil, err
		}
	}
	for i := range c.nodes {
		if err := c.start(i); err != nil {
			c.Stop()
			return nil, err
		}
	}
	if err := c.ready(ctx, n); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Brokers are the seed addresses.
func (c *Cluster) Brokers() []string {
	var out []string
	for _, n := range c.nodes {
		out = append(out, fmt.Sprintf("127.0.0.1:%d", n.port))
	}
	return out
}

// connect makes the links. They are there before the brokers, which name their addresses to clients.
func (c *Cluster) connect() error {
	for i := range c.opt.Links {
		var addrs []string
		for _, n := range c.nodes {
			addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", n.far[i]))
		}
		l, err := link.New(addrs)
		if err != nil {
			c.Stop()
			return fmt.Errorf("start kafka: %w", err)
		}
		c.links = append(c.links, l)
	}
	return nil
}

// Link is the way of daemon i (from 0) to the brokers.
func (c *Cluster) Link(i int) *link.Link { return c.links[i] }

// Nodes is how many nodes the cluster has, up or down.
func (c *Cluster) Nodes() int { return len(c.nodes) }

// Kill ends node i (from 0) with SIGKILL.
func (c *Cluster) Kill(i int) {
	if p := c.nodes[i].proc; p != nil {
		p.Kill()
		c.nodes[i].proc = nil
		c.down(i)
	}
}

func (c *Cluster) down(i int) {
	for _, l := range c.links {
		l.Down(i)
	}
}

// Leave ends node i as an operator does: it hands over what it leads. One that takes too long is killed.
func (c *Cluster) Leave(i int) {
	if p := c.nodes[i].proc; p != nil {
		p.Stop(30 * time.Second)
		c.nodes[i].proc = nil
		c.down(i)
	}
}

// InSync waits until every partition has all its copies, so that the next node may go.
func (c *Cluster) InSync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return fmt.Errorf("copies: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		behind := "no answer yet"
		if topics, err := admin.ListTopicsWithInternal(ctx); err == nil {
			behind = late(topics)
		}
		if behind == "" {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("copies do not catch up: %s", behind)
		}
	}
}

// late names a partition without leader or with too few copies in sync; "" for none.
func late(topics kadm.TopicDetails) string {
	for topic, t := range topics {
		for p, d := range t.Partitions {
			if d.Leader < 0 || len(d.ISR) < len(d.Replicas) {
				return fmt.Sprintf("%s[%d] has %v of %v", topic, p, d.ISR, d.Replicas)
			}
		}
	}
	return ""
}

// Restart brings node i back after Kill or Leave and waits until all nodes are members again.
func (c *Cluster) Restart(ctx context.Context, i int) error {
	if err := c.start(i); err != nil {
		return err
	}
	if err := c.answers(ctx, c.nodes[i], len(c.nodes)); err != nil {
		return err
	}
	for _, l := range c.links {
		if err := l.Up(i); err != nil {
			return err
		}
	}
	return c.ready(ctx, len(c.nodes))
}

// Stop ends all nodes. Their data is of no further use, so nobody waits for an orderly shutdown.
func (c *Cluster) Stop() {
	for i := range c.nodes {
		c.Kill(i)
	}
	for _, l := range c.links {
		l.Close()
	}
}

func (c *Cluster) format(ctx context.Context, n *node, cluster string) error {
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return fmt.Errorf("format kafka node %d: %w", n.id, err)
	}
	if err := os.WriteFile(filepath.Join(n.dir, "server.properties"), []byte(c.properties(n)), 0o644); err != nil {
		return fmt.Errorf("format kafka node %d: %w", n.id, err)
	}
	if err := os.WriteFile(filepath.Join(n.dir, "log4j2.properties"), log4j, 0o644); err != nil {
		return fmt.Errorf("format kafka node %d: %w", n.id, err)
	}
	args := append(c.java(n), "kafka.tools.StorageTool", "format", "--cluster-id", cluster, "--config", filepath.Join(n.dir, "server.properties"))
	if out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format kafka node %d: %w\n%s", n.id, err, out)
	}
	return nil
}

// java gives the arguments before the main class. Little heap and a quick compiler: nodes, two daemons and the
// tests share one machine.
func (c *Cluster) java(n *node) []string {
	heap := c.opt.Heap
	if heap == 0 {
		heap = 512
	}
	return []string{"-Xms256m", fmt.Sprintf("-Xmx%dm", heap), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + filepath.Join(n.dir, "log4j2.properties"), "-cp", filepath.Join(c.lib, "*")}
}

func (c *Cluster) start(i int) error {
	n := c.nodes[i]
	p, err := proc.Start(proc.Options{
		Name: fmt.Sprintf("kafka node %d", n.id),
		Path: "java",
		Args: append(c.java(n), "kafka.Kafka", filepath.Join(n.dir, "server.properties")),
		Log:  filepath.Join(n.dir, "log"),
	})
	if err != nil {
		return err
	}
	n.proc = p
	return nil
}

// ready polls until every running node says that want nodes are registered brokers, which in KRaft includes an elected controller. Each
// is asked: the others take one that was just killed for alive.
func (c *Cluster) ready(ctx context.Context, want int) error {
	for _, n := range c.nodes {
		if n.proc == nil {
			continue
		}
		if err := c.answers(ctx, n, want); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) answers(ctx context.Context, n *node, want int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(fmt.Sprintf("127.0.0.1:%d", n.port)), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return fmt.Errorf("start kafka: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		attempt, stop := context.WithTimeout(ctx, 3*time.Second)
		brokers, err := admin.ListBrokers(attempt)
		stop()
		if err == nil && len(brokers) >= want {
			return nil
		}
		if last = err; err == nil {
			last = fmt.Errorf("%d of %d brokers registered", len(brokers), want)
		}
		select {
		case <-tick.C:
		case <-n.proc.Done():
			return fmt.Errorf("kafka node %d ended while starting\n%s", n.id, n.proc.Tail())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("kafka node %d was not ready in time: %w", n.id, last), errors.New(n.proc.Tail()))
		}
	}
}
