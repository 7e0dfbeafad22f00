package rig

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Prefix is the prefix of the daemon's own topics and groups.
const Prefix = "notifier"

// Daemon is one `notifier run`. It can be killed and started again; its log goes on in the same file.
type Daemon struct {
	*Process
	Started  time.Time
	binary   string
	dir      string
	name     string
	data     string // of the embedded broker
	settings string
	admin    string
}

// NewDaemon writes the settings of a daemon with an embedded broker; Start runs it.
func NewDaemon(binary, dir, rules string, s *Sandbox, accounts []Account) (*Daemon, error) {
	data := filepath.Join(dir, "data")
	d, err := newDaemon(binary, dir, "notifier", fmt.Sprintf("{embedded: %q, prefix: %s, start: earliest, instance: one}", data, Prefix), rules, s, accounts)
	if err != nil {
		return nil, err
	}
	d.data = data
	return d, nil
}

// NewMember writes the settings of a daemon that works with others on a Kafka of its own; Start runs it.
func NewMember(binary, dir, instance string, brokers []string, rules string, s *Sandbox, accounts []Account) (*Daemon, error) {
	kafka := fmt.Sprintf("{brokers: %s, prefix: %s, start: earliest, instance: %s, replication: %d}", "[\""+strings.Join(brokers, "\", \"")+"\"]", Prefix, instance, len(brokers))
	return newDaemon(binary, dir, instance, kafka, rules, s, accounts)
}

func newDaemon(binary, dir, name, kafka, rules string, s *Sandbox, accounts []Account) (*Daemon, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	d := &Daemon{binary: binary, dir: dir, name: name, settings: filepath.Join(dir, name+".yaml"), admin: l.Addr().String()}
	l.Close()
	var b strings.Builder
	fmt.Fprintf(&b, `version: 1
kafka: %s
rules: %q
admin: {listen: %q}
log: {level: info, format: json}
accounts:
`, kafka, rules, d.admin)
	for _, a := range accounts {
		if a.Getui {
			fmt.Fprintf(&b, `  %s:
    {vendor: getui, host: %q, app_id: app-%s, app_key: %s, master_secret: "${env:CHAOS_SECRET}", identify: cid, brake: 1000000 in 10m, timeout: 1s}
`, a.Name, s.Primary, a.Name, a.Key())
			continue
		}
		fmt.Fprintf(&b, `  %s:
    {vendor: rongcloud, hosts: [%q, %q], app_key: %s, secret: "${env:CHAOS_SECRET}", brake: 1000000 in 10m, tags: {delay: 200ms}, timeout: 1s}
`, a.Name, s.Primary, s.Backup, a.Key())
	}
	if err := os.WriteFile(d.settings, []byte(b.String()), 0o644); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return d, nil
}

// Start runs the daemon with variables of its environment. It does not wait until it is ready.
func (d *Daemon) Start(env ...string) error {
	d.Started = time.Now()
	p, err := start("notifier "+d.name, d.binary, []string{"run", "-c", d.settings}, append(env, "CHAOS_SECRET="+secret), filepath.Join(d.dir, d.name+".log"), nil)
	if err != nil {
		return err
	}
	d.Process = p
	return nil
}

// Broker is the address of the embedded broker as its process wrote it; empty before the first start. It may be that of a broker
// that has died.
func (d *Daemon) Broker() string {
	b, err := os.ReadFile(filepath.Join(d.data, "address"))
	if err != nil {
		return "" // not written yet
	}
	return strings.TrimSpace(string(b))
}

// Ready reports whether /readyz answers 200: every partition is owned and restored.
func (d *Daemon) Ready(ctx context.Context) bool {
	code, _, err := d.get(ctx, "/readyz")
	return err == nil && code == http.StatusOK
}

// Load is what the daemon's metrics say of its work.
type Load struct {
	Pending  int // intents without fate
	InFlight int // of these, in a call; also in one that a predecessor left open
	Begun    int // intents that this process began a call for
}

// Load asks for the metrics; without an answer all is zero.
func (d *Daemon) Load(ctx context.Context) (l Load) {
	_, body, err := d.get(ctx, "/metrics")
	if err != nil {
		return l
	}
	in := bufio.NewScanner(strings.NewReader(body))
	for in.Scan() {
		series, value, _ := strings.Cut(in.Text(), " ")
		n, err := strconv.Atoi(value)
		if err != nil {
			continue
		}
		switch {
		case strings.HasPrefix(series, "notifier_event_to_call_seconds_count{"):
			l.Begun += n
		case strings.HasPrefix(series, "notifier_pending{"):
			l.Pending += n
			if strings.Contains(series, `state="in_flight"`) {
				l.InFlight += n
			}
		}
	}
	return l
}

func (d *Daemon) get(ctx context.Context, path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.admin+path, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}
