//go:build synctests

package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
)

// Membership of a group costs a heartbeat each fifth of the session time-out and a fetch each FetchMaxWait: long ones make days cheap. New
// records end a fetch at once, whatever the wait.
const (
	session   = 5 * time.Minute
	fetchWait = 10 * time.Minute
)

// daemon is one process: everything app.New makes, with a cable of its own to the network.
type daemon struct {
	w      *world
	name   string
	app    *app.App
	log    *zap.Logger
	cable  *cable
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, once done is closed
}

// defaultAccount is an account of the settings file for the sandbox's default app.
const defaultAccount = `
  main:
    app_key: ` + sandbox.DefaultKey + `
    secret: "${file:%[1]s/secret}"
%[2]s`

// settingsFile gives notifier.yaml. accounts are complete, without the keys all have.
func (w *world) settingsFile(instance string, port, partitions int, accounts string) *settings.Settings {
	w.t.Helper()
	start := ""
	if w.begin != "" {
		start = "start: " + w.begin
	}
	zone := ""
	if w.zone != "" {
		zone = "timezone: " + w.zone + "\n"
	}
	path := w.write(instance+".yaml", zone+w.keys+fmt.Sprintf(`
version: 1
kafka:
  brokers: ["127.0.0.1:%d"]
  prefix: %s
  partitions: %d
  replication: 1
  %s
  instance: %s
admin: {listen: "127.0.0.1:%d"}
accounts:%s`, brokerPort, w.prefix, partitions, start, instance, port, accounts))
	s, ds := settings.Load(path, nil, nil)
	if ds.Errors() > 0 {
		w.t.Fatal(ds)
	}
	return s
}

// hosts are the keys of an account that lead it to the sandbox.
const hosts = `
    vendor: rongcloud
    hosts: ["http://127.0.0.1:8080", "http://127.0.0.1:8081"]
`

// one gives the settings of one daemon with the default account; more are further keys of the account.
func (w *world) one(more string) *settings.Settings {
	if _, err := os.Stat(filepath.Join(w.dir, "secret")); err != nil {
		w.write("secret", sandbox.DefaultSecret)
	}
	return w.settingsFile("a", 8088, 1, fmt.Sprintf(defaultAccount, w.dir, hosts+more))
}

// start starts a daemon and returns when Run has been called.
func (w *world) start(s *settings.Settings) *daemon {
	w.t.Helper()
	d, err := w.try(s)
	if err != nil {
		w.t.Fatal("start:", err)
	}
	return d
}

// try starts a daemon, or tells why it did not start.
func (w *world) try(s *settings.Settings) (*daemon, error) {
	ctx, cancel := context.WithCancel(context.Background())
	d := &daemon{w: w, name: s.Kafka.Instance, log: w.logger(s.Kafka.Instance), cable: newCable(w, s.Kafka.Instance), cancel: cancel, done: make(chan struct{})}
	if w.dial != nil {
		d.cable.dial = w.dial
	}
	a, err := app.New(ctx, app.Options{Settings: s, Log: d.log, RuleFiles: func() ([]rules.File, error) { return w.ruleFiles(s.Kafka.Instance) },
		Listen: w.net.Listen, DialContext: d.cable.DialContext, SessionTimeout: w.live, Heartbeat: w.live / 5, FetchMaxWait: w.wait})
	if err != nil {
		cancel()
		return nil, err
	}
	d.app = a
	go func() {
		defer close(d.done)
		d.err = a.Run(ctx)
	}()
	return d, nil
}

// stop ends a daemon as SIGTERM does.
func (d *daemon) stop() {
	d.w.t.Helper()
	began := time.Now()
	d.log.Info("stopped by the test")
	hit("P1", 1)
	d.cancel()
	select {
	case <-d.done:
	case <-time.After(20 * time.Second):
		stacks := make([]byte, 4<<20)
		d.w.t.Logf("not drained after 20 s:\n%s", stacks[:runtime.Stack(stacks, true)])
		<-d.done
	}
	d.app.Close()
	d.w.left(d.name)
	if took := time.Since(began); d.err != nil || took > 10*time.Second {
		d.w.t.Errorf("%s: a clean stop took %s and ended with %v", began.Format("02 15:04:05.000"), took, d.err)
	}
}

// kill ends a daemon as SIGKILL does, as far as anybody outside can see: from one moment on nothing comes from it any more.
func (d *daemon) kill() {
	d.log.Info("killed by the test")
	if d.merging() > 0 {
		hit("Q5", 1)
	}
	d.cable.cut()
	d.cancel()
	<-d.done
	d.app.Close()
	d.w.left(d.name)
}

// merging is how many intents wait to be merged, inFlight how many are in a call.
func (d *daemon) merging() int  { return d.pendingIn("merging") }
func (d *daemon) inFlight() int { return d.pendingIn("in_flight") }

func (d *daemon) pendingIn(state string) (n int) {
	d.w.t.Helper()
	mfs, err := d.app.Registry().Gather()
	if err != nil {
		d.w.t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() != "notifier_pending" {
			continue
		}
		for _, m := range mf.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == state {
					n += int(m.GetGauge().GetValue())
				}
			}
		}
	}
	return n
}

// logger writes the daemon's warnings to the test's log, with virtual time.
func (w *world) logger(name string) *zap.Logger {
	enc := zap.NewDevelopmentEncoderConfig()
	enc.EncodeTime = zapcore.TimeEncoderOfLayout("02 15:04:05.000")
	level := zapcore.WarnLevel
	if os.Getenv("SIM_LOG") != "" {
		level = zapcore.InfoLevel
	}
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.AddSync(logWriter{w}), level)).Named(name)
}

type logWriter struct{ w *world }

func (l logWriter) Write(b []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.w.quiet {
		l.w.unsaid = append(l.w.unsaid, string(b[:len(b)-1]))
	} else {
		l.w.t.Logf("%s", b[:len(b)-1])
	}
	return len(b), nil
}

// tell gives the log of a quiet world whose test failed.
func (w *world) tell() {
	if !w.t.Failed() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.unsaid {
		w.t.Log(line)
	}
}

// cable is a daemon's way to the network; it can be cut, as a whole or to Kafka.
type cable struct {
	name  string // of the instance
	sent  *calls
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	mu    sync.Mutex
	conns map[net.Conn]string // by address
	gone  func(addr string) bool
	dials map[string]int
	delay atomic.Int64 // nanoseconds that a write takes
	kafka kafkaFaults
	since time.Time // when Kafka went, while it is gone
}

func newCable(w *world, name string) *cable {
	return &cable{name: name, sent: &w.sent, dial: w.net.DialContext, conns: map[net.Conn]string{}, gone: func(string) bool { return false }, dials: map[string]int{}}
}

var errCut = errors.New("the cable is cut")

func (c *cable) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c.mu.Lock()
	c.dials[addr]++
	gone := c.gone(addr)
	c.mu.Unlock()
	if gone {
		return nil, errCut
	}
	nc, err := c.dial(ctx, network, addr)
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		hit("V10", 1)
	}
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone(addr) {
		nc.Close()
		return nil, errCut
	}
	if isKafka(addr) {
		nc = &frames{Conn: nc, faults: &c.kafka, asked: map[int32]asked{}}
	}
	t := &tracked{Conn: nc, c: c}
	c.conns[t] = addr
	return t, nil
}

// cut closes every connection and lets none come; cutKafka those to the broker.
func (c *cable) cut() { c.set(func(string) bool { return true }) }

func (c *cable) cutKafka() { c.set(isKafka) }

func isKafka(addr string) bool { return strings.HasSuffix(addr, fmt.Sprint(":", brokerPort)) }

func (c *cable) mend() { c.set(func(string) bool { return false }) }

func (c *cable) set(gone func(addr string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = gone
	broker := fmt.Sprint("127.0.0.1:", brokerPort)
	switch now := time.Now(); {
	case gone(broker) && c.since.IsZero():
		c.since = now
	case !gone(broker) && !c.since.IsZero():
		if now.Sub(c.since) > session { // it goes on, and holds what it held
			hit("K2", 1)
			hit("K5", 1)
			hit("T6", 1)
		}
		c.since = time.Time{}
	}
	for t, addr := range c.conns {
		if gone(addr) {
			nc := t.(*tracked).Conn
			if f, ok := nc.(*frames); ok && slices.Contains(f.waits(), int16(kmsg.EndTxn)) {
				hit("K6", 1)
				hit("K7", 1)
			}
			nc.Close()
			delete(c.conns, t)
		}
	}
}

// dialled counts the connections asked for, to an address.
func (c *cable) dialled(addr string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dials[addr]
}

type tracked struct {
	net.Conn
	c *cable

	mu    sync.Mutex
	waits string // the id of the request to the vendor of which nothing has come back, nor an end of the connection
}

// asks gives the id of a call to the vendor that begins with these bytes.
func asks(b []byte) (id string, ok bool) {
	_, rest, ok := strings.Cut(string(b), "\r\nX-Request-Id: ")
	id, _, _ = strings.Cut(rest, "\r\n")
	return id, ok
}

func (t *tracked) wait(id string) (before string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, t.waits = t.waits, id
	return before
}

func (t *tracked) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.wait("")
	return n, err
}

func (t *tracked) Write(b []byte) (int, error) {
	if d := time.Duration(t.c.delay.Load()); d > 0 {
		time.Sleep(d) // virtual
	}
	if id, ok := asks(b); ok {
		t.wait(id)
		t.c.sent.mu.Lock()
		t.c.sent.by[id] = t.c.name
		t.c.sent.mu.Unlock()
	}
	return t.Conn.Write(b)
}

func (t *tracked) Close() error {
	if id := t.wait(""); id != "" {
		t.c.sent.mu.Lock()
		t.c.sent.gaveUp[id] = true
		t.c.sent.mu.Unlock()
	}
	t.c.mu.Lock()
	delete(t.c.conns, t)
	t.c.mu.Unlock()
	return t.Conn.Close()
}

// calls gives what the daemon's own metrics say of its calls to the vendor, by lane and class: also those that reached nobody.
func (d *daemon) calls() map[string]int {
	d.w.t.Helper()
	mfs, err := d.app.Registry().Gather()
	if err != nil {
		d.w.t.Fatal(err)
	}
	out := map[string]int{}
	for _, mf := range mfs {
		if mf.GetName() != "notifier_calls_total" && mf.GetName() != "notifier_vendor_calls_total" {
			continue
		}
		for _, m := range mf.GetMetric() {
			key := ""
			for _, p := range m.GetLabel() {
				key += p.GetValue() + " "
			}
			if n := int(m.GetCounter().GetValue()); n > 0 {
				out[key] += n
			}
		}
	}
	return out
}

// owned gives the partitions that a daemon says it owns.
func (d *daemon) owned() (out []int32) {
	d.w.t.Helper()
	mfs, err := d.app.Registry().Gather()
	if err != nil {
		d.w.t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() != "notifier_partition_owned" {
			continue
		}
		for _, m := range mf.GetMetric() {
			for _, l := range m.GetLabel() {
				if p, err := strconv.Atoi(l.GetValue()); err == nil && m.GetGauge().GetValue() == 1 {
					out = append(out, int32(p))
				}
			}
		}
	}
	return out
}
