package fleet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/test/chaos/ports"
	"github.com/notifier/notifier/test/kafka/proc"
)

// Daemon is one `notifier run` with its own settings file, instance name and admin address. It can be killed and
// started again; its log goes on in the same file.
type Daemon struct {
	*proc.Process
	Instance string
	admin    string
	binary   string
	settings string
	dir      string
	env      []string
}

// NewDaemon writes the settings file of an instance; Start runs it.
func NewDaemon(binary, dir, instance string, s Settings) (*Daemon, error) {
	admin, err := ports.Address()
	if err != nil {
		return nil, err
	}
	d := &Daemon{Instance: instance, admin: admin, binary: binary, dir: dir, settings: filepath.Join(dir, instance+".yaml")}
	for _, a := range s.Accounts {
		d.env = append(d.env, secretVariable(a.Name)+"="+a.App.Secret)
	}
	if err := os.WriteFile(d.settings, []byte(s.yaml(instance, admin)), 0o644); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", instance, err)
	}
	return d, nil
}

// Start runs the daemon. It does not wait until it is ready.
func (d *Daemon) Start() error {
	p, err := proc.Start(proc.Options{
		Name: "notifier " + d.Instance, Path: d.binary, Args: []string{"run", "-c", d.settings},
		Env: d.env, Dir: d.dir, Log: filepath.Join(d.dir, d.Instance+".log"),
	})
	if err != nil {
		return err
	}
	d.Process = p
	return nil
}

// Settings is the path of the instance's settings file.
func (d *Daemon) Settings() string { return d.settings }

// Environ is the environment in which the settings file is complete: the test's own and the accounts' secrets.
func (d *Daemon) Environ() []string { return append(os.Environ(), d.env...) }

// Ready waits until /readyz answers 200: the instance's partitions are restored.
func (d *Daemon) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := "no answer yet"
	for {
		if code, body, err := d.Get(ctx, "/readyz"); err != nil {
			last = err.Error()
		} else if last = fmt.Sprintf("HTTP %d: %s", code, body); code == http.StatusOK {
			return nil
		}
		select {
		case <-d.Done():
			return fmt.Errorf("notifier %s ended before it was ready\n%s", d.Instance, d.Tail())
		case <-ctx.Done():
			return fmt.Errorf("notifier %s is not ready: %s\n%s", d.Instance, last, d.Tail())
		case <-tick.C:
		}
	}
}

// Owns reports whether the instance's metrics say that it owns the partition of the intents topic.
func (d *Daemon) Owns(ctx context.Context, partition int32) bool {
	_, body, err := d.Get(ctx, "/metrics")
	if err != nil {
		return false
	}
	label := fmt.Sprintf("partition=%q", strconv.Itoa(int(partition)))
	in := bufio.NewScanner(strings.NewReader(body))
	for in.Scan() {
		series, value, ok := strings.Cut(in.Text(), " ")
		if ok && strings.HasPrefix(series, "notifier_partition_owned{") && strings.Contains(series, label) && value != "0" {
			return true
		}
	}
	return false
}

// Get asks the admin listener.
func (d *Daemon) Get(ctx context.Context, path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
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
