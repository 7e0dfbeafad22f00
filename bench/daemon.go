package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/test/chaos/ports"
	"github.com/notifier/notifier/test/kafka/proc"
)

// daemon is one `notifier run`.
type daemon struct {
	*proc.Process
	name, binary, settings, log, admin string
	pid                                int
	env                                []string // beside the secret
}

// newDaemon writes the settings and rules of a daemon that begins at the start of the topics.
func (l *lab) newDaemon(ctx context.Context, name string, v *vendor) (*daemon, error) {
	// Everything else is the product's default.
	return l.newDaemonOf(ctx, name, load.Files(ruleCount), fmt.Sprintf(`version: 1
kafka: {brokers: [%q], prefix: %s, partitions: 4, replication: 1, start: earliest, instance: bench}
rules: rules
log: {level: warn, format: json}
accounts:
  main:
    vendor: rongcloud
    hosts: [%q]
    app_key: %s
    secret: "${env:BENCH_SECRET}"
    sender: system
    brake: 1000000 in 10m
    tags: {delay: 5s}
`, strings.Join(l.brokers, `", "`), name, v.url, load.App))
}

// newDaemonOf writes rules and settings of a daemon; it adds where it listens.
func (l *lab) newDaemonOf(ctx context.Context, name string, files []rules.File, settings string) (*daemon, error) {
	binary, err := l.daemon(ctx)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(l.tmp, name)
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			return nil, err
		}
	}
	admin, err := ports.Address()
	if err != nil {
		return nil, err
	}
	d := &daemon{name: name, binary: binary, admin: admin, settings: filepath.Join(dir, "notifier.yaml"), log: filepath.Join(dir, "log")}
	settings += fmt.Sprintf("admin: {listen: %q}\n", admin)
	return d, os.WriteFile(d.settings, []byte(settings), 0o644)
}

// fork runs the daemon.
func (d *daemon) fork() (err error) {
	d.Process, err = proc.Start(proc.Options{Name: d.name, Path: d.binary, Args: []string{"run", "-c", d.settings}, Dir: filepath.Dir(d.settings),
		Env: append([]string{"BENCH_SECRET=secret"}, d.env...), Log: d.log})
	return err
}

// start runs the daemon and waits until it is ready; it returns how long that took.
func (d *daemon) start(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	known := children(filepath.Base(d.binary))
	if err := d.fork(); err != nil {
		return 0, err
	}
	for pid := range children(filepath.Base(d.binary)) {
		if !known[pid] {
			d.pid = pid
		}
	}
	err := poll(ctx, 120*time.Second, 10*time.Millisecond, func() (bool, error) {
		select {
		case <-d.Done():
			return false, fmt.Errorf("the daemon ended before it was ready\n%s", d.Tail())
		default:
		}
		res, err := http.Get("http://" + d.admin + "/readyz")
		if err != nil {
			return false, nil // it does not listen yet
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		d.Kill()
		return 0, fmt.Errorf("%s is not ready: %w\n%s", d.name, err, d.Tail())
	}
	return time.Since(began), nil
}

// metrics sums the samples of each series name; a histogram gives name_sum and name_count, and a rule's fates stand under
// name/RULE/FATE as well.
func (d *daemon) metrics(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.admin+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&b)
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", d.name, err)
	}
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); h != nil {
				out[name+"_sum"] += h.GetSampleSum()
				out[name+"_count"] += float64(h.GetSampleCount())
			}
			v := m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
			out[name] += v
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if fate := labels["fate"]; fate != "" {
				out[name+"/"+labels["rule"]+"/"+fate] += v
			}
		}
	}
	return out, nil
}

// poll asks until the answer is yes.
func poll(ctx context.Context, patience, every time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}
