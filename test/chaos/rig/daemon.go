package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/test/chaos/audit"
	"github.com/notifier/notifier/test/chaos/ports"
)

// Prefix is the prefix of the daemon's own topics and groups.
const Prefix = "notifier"

const partitions = 4 // of each topic that has several

// Daemon is one `notifier run`, with an embedded broker or beside others at brokers of their own. It can be killed and started again, with another
// program as well; its log goes on in the same file.
type Daemon struct {
	*Process
	Name    string // kafka.instance
	Program string // of the next start
	Started time.Time

	dir      string
	data     string   // of the embedded broker
	brokers  []string // nil: embedded
	settings string
	admin    string
}

// Setup is what the processes of a test have in common.
type Setup struct {
	Dir      string // for settings, logs and data
	Rules    string
	Vendor   *Sandbox
	Accounts []Account
	Brokers  []string // nil: the process has one of its own
}

// NewDaemon writes the settings; Start runs the daemon.
func NewDaemon(name, program string, s Setup) (*Daemon, error) {
	admin, err := ports.Address()
	if err != nil {
		return nil, err
	}
	d := &Daemon{Name: name, Program: program, dir: s.Dir, data: filepath.Join(s.Dir, "data"), brokers: s.Brokers, settings: filepath.Join(s.Dir, name+".yaml"), admin: admin}
	kafka := fmt.Sprintf("embedded: %q", d.data)
	if s.Brokers != nil {
		kafka = fmt.Sprintf("brokers: [%s], replication: %d", strings.Join(s.Brokers, ", "), len(s.Brokers))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `version: 1
kafka: {%s, partitions: %d, prefix: %s, start: earliest, instance: %s}
rules: %q
admin: {listen: %q}
log: {level: info, format: json}
accounts:
`, kafka, partitions, Prefix, name, s.Rules, d.admin)
	for _, a := range s.Accounts {
		if a.Getui {
			fmt.Fprintf(&b, `  %s:
    {vendor: getui, host: %q, app_id: app-%s, app_key: %s, master_secret: "${env:CHAOS_SECRET}", identify: %s,
     brake: 1000000 in 10m, tags: {delay: 200ms}, quota: {tags: %s}, timeout: 1s}
`, a.Name, s.Vendor.Primary, a.Name, a.Key(), a.identify(), a.tagQuota())
			continue
		}
		fmt.Fprintf(&b, `  %s:
    {vendor: rongcloud, hosts: [%q, %q], app_key: %s, secret: "${env:CHAOS_SECRET}", brake: 1000000 in 10m, tags: {delay: 200ms}, timeout: 1s}
`, a.Name, s.Vendor.Primary, s.Vendor.Backup, a.Key())
	}
	if err := os.WriteFile(d.settings, []byte(b.String()), 0o644); err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return d, nil
}

// identify is what a user's id is at Getui.
func (a Account) identify() string {
	if a.Alias {
		return "alias"
	}
	return "cid"
}

// tagQuota is the account's quota.tags in the settings.
func (a Account) tagQuota() string {
	if a.TagDay > 0 {
		return fmt.Sprintf("{minute: %d, day: %d}", TagMinute, a.TagDay)
	}
	return fmt.Sprintf("{minute: %d}", TagMinute)
}

// Start runs the daemon with variables of its environment. It does not wait until it is ready.
func (d *Daemon) Start(env ...string) error {
	d.Started = time.Now()
	p, err := start("notifier "+d.Name, d.Program, []string{"run", "-c", d.settings}, append(env, "CHAOS_SECRET="+secret), filepath.Join(d.dir, d.Name+".log"), nil)
	if err != nil {
		return err
	}
	d.Process = p
	return nil
}

// Address is that of the broker. Where it is embedded its process wrote it: empty before the first start, and it may be that of a broker
// that has died.
func (d *Daemon) Address() string {
	if d.brokers != nil {
		return d.brokers[0]
	}
	b, err := os.ReadFile(filepath.Join(d.data, "address"))
	if err != nil {
		return "" // not written yet
	}
	return strings.TrimSpace(string(b))
}

// Ready reports whether /readyz answers 200: every partition of this process is owned and restored. says is what it answers otherwise.
func (d *Daemon) Ready(ctx context.Context) (ok bool, says string) {
	code, body, err := d.get(ctx, "/readyz")
	if err != nil {
		return false, err.Error()
	}
	return code == http.StatusOK, body
}

// Metrics is /metrics.
func (d *Daemon) Metrics(ctx context.Context) (string, error) {
	_, body, err := d.get(ctx, "/metrics")
	return body, err
}

// Load is what the daemon's metrics say of its work.
type Load struct {
	Pending  int // intents without fate
	InFlight int // of these, in a call; also in one that a predecessor left open
	Begun    int // intents that this process began a call for
}

// Load asks for the metrics; without an answer all is zero.
func (d *Daemon) Load(ctx context.Context) (l Load) {
	body, err := d.Metrics(ctx)
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

// Told asks the program what it says of the tags of an account: how many wait, until when, and for which events.
func (d *Daemon) Told(ctx context.Context, account string) (told audit.Told, err error) {
	lane := account + "/tag"
	var quota struct {
		Accounts []struct {
			Lanes []struct {
				Lane    string    `json:"lane"`
				Waiting int       `json:"waiting"`
				Next    time.Time `json:"next"`
			} `json:"lanes"`
		} `json:"accounts"`
	}
	if err := d.ask(ctx, &quota, "quota"); err != nil {
		return told, err
	}
	for _, a := range quota.Accounts {
		for _, l := range a.Lanes {
			if l.Lane == lane {
				told.Waiting, told.Until = l.Waiting, l.Next
			}
		}
	}
	var pending struct {
		Pending []struct {
			Event string `json:"event"`
		} `json:"pending"`
	}
	if err := d.ask(ctx, &pending, "pending", "list", "--lane", lane, "--limit", "0"); err != nil {
		return told, err
	}
	for _, p := range pending.Pending {
		told.Events = append(told.Events, p.Event)
	}
	return told, nil
}

// ask runs a command of the program that reads, and decodes its JSON.
func (d *Daemon) ask(ctx context.Context, out any, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.Program, append(args, "-c", d.settings, "--format", "json")...)
	cmd.Env = append(os.Environ(), "CHAOS_SECRET="+secret)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	b, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("notifier %s: %w\n%s", strings.Join(args, " "), err, talk.String())
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("notifier %s: %w\n%s", strings.Join(args, " "), err, b)
	}
	return nil
}
