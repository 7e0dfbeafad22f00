package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/rules"
)

// liveRules is the rule set that is live, and what watches the files. A bad file never takes effect: the last good set stays.
type liveRules struct {
	p        atomic.Pointer[rules.Set]
	standing atomic.Pointer[dispatch.Live] // of p, for stage 2
	opt      rules.Options
	read     func() ([]rules.File, error)
	log      *zap.Logger
	asked    chan chan error // now asks watch

	success *prometheus.GaugeVec
	last    prometheus.Gauge
	ok      prometheus.Gauge
	info    *prometheus.GaugeVec

	mu     sync.Mutex // guards below
	loaded []func(*rules.Set)
	failed string

	files []rules.File // of the live set; watch's alone
}

// RulesError means that the rule files have errors: exit code 1 of check, 3 of run.
type RulesError struct {
	List    diag.List
	Sources map[string][]byte
}

func (e *RulesError) Error() string {
	return "the rule files have " + errorsIn(e.List)
}

func newLiveRules(opt Options, reg prometheus.Registerer) (*liveRules, error) {
	l := &liveRules{opt: RuleOptions(opt.Settings), read: opt.RuleFiles, log: opt.Log.Named("rules"), asked: make(chan chan error)}
	if l.read == nil {
		l.read = func() ([]rules.File, error) {
			files, ds := rules.Read([]string{opt.Settings.Rules})
			if ds.Errors() > 0 {
				return nil, &RulesError{List: ds}
			}
			return files, nil
		}
	}
	l.success = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_rules_loaded", Help: "Rules of the live set, by mode."}, []string{"mode"})
	l.info = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_rules_info", Help: "The live rule set."}, []string{"hash"})
	l.ok = prometheus.NewGauge(prometheus.GaugeOpts{Name: "notifier_rules_last_reload_success", Help: "0 while the files on disk have errors and an older set is live."})
	l.last = prometheus.NewGauge(prometheus.GaugeOpts{Name: "notifier_rules_last_reload_success_timestamp_seconds", Help: "When a rule set last went live."})
	reg.MustRegister(l.success, l.info, l.ok, l.last)
	files, err := l.read()
	if err != nil {
		return nil, err
	}
	set, ds := rules.LoadFiles(files, l.opt)
	if set == nil {
		return nil, &RulesError{List: ds, Sources: sources(files)}
	}
	l.files = files
	l.swap(set)
	return l, nil
}

func sources(files []rules.File) map[string][]byte {
	m := map[string][]byte{}
	for _, f := range files {
		m[f.Name] = f.Data
	}
	return m
}

func (l *liveRules) set() *rules.Set { return l.p.Load() }

// onLoad calls f with the live set now and with every later one.
func (l *liveRules) onLoad(f func(*rules.Set)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loaded = append(l.loaded, f)
	f(l.set())
}

// swap makes a set live. It is the last step: everything that can fail has been done.
func (l *liveRules) swap(s *rules.Set) {
	old := l.p.Swap(s)
	l.standing.Store(standings(s))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.info.WithLabelValues(s.Hash).Set(1)
	if old != nil && old.Hash != s.Hash { // a series for every edit would stay for as long as the process runs
		l.info.DeleteLabelValues(old.Hash)
	}
	for _, m := range []rules.Mode{rules.Live, rules.Shadow, rules.Canary, rules.Off} {
		l.success.WithLabelValues(string(m)).Set(float64(s.Modes()[m]))
	}
	l.ok.Set(1)
	l.last.SetToCurrentTime()
	l.failed = ""
	for _, f := range l.loaded {
		f(s)
	}
}

func (l *liveRules) failure() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *liveRules) fail(msg string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = msg
	l.ok.Set(0)
	if is := l.standing.Load(); !is.Stale {
		stale := *is
		stale.Stale = true
		l.standing.Store(&stale)
	}
}

// Files are looked at every second, by content, so that every way to change them is seen: saving, renaming, a ConfigMap's
// symlink. A change takes effect when the bytes have been the same for two seconds (interrupted writes).
const (
	lookEvery = time.Second
	settled   = 2 * time.Second
	finished  = time.Minute // a file that is the beginning of the live one takes effect only then: N109
)

// now reads the files at once, without waiting until they stand still: who asks says that they are complete. It returns what is wrong with
// them, and then the last good set stays.
func (l *liveRules) now(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case l.asked <- answer:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// summary says in a few words what is live.
func (l *liveRules) summary() string {
	return fmt.Sprintf("%d rules, rule set %s", len(l.set().Rules), l.set().Hash)
}

// watch reloads until ctx ends.
func (l *liveRules) watch(ctx context.Context) error {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	tried := l.files // what is live; the disk may hold something else by now
	seen := tried
	unlike := []rules.File{{}} // what no folder holds
	var since time.Time
	for {
		var answer chan error // of whom asked for a reload
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case answer = <-l.asked:
		}
		files, err := l.read()
		if err != nil {
			if answer != nil {
				answer <- err
			}
			if l.failure() != err.Error() { // once for each, not every second
				l.log.Error("the rule files cannot be read, the last good set stays", zap.Error(err))
			}
			l.fail(err.Error())
			tried = unlike
			continue
		}
		if answer != nil {
			seen, tried, since = files, files, time.Now()
			if sameFiles(files, l.files) && l.failure() == "" { // it is live
				answer <- nil
				continue
			}
			err := l.reload(files)
			if err != nil {
				l.fail(err.Error())
			}
			answer <- err
			continue
		}
		if !sameFiles(files, seen) {
			seen, since = files, time.Now()
			continue
		}
		if sameFiles(files, tried) || time.Since(since) < settled {
			continue
		}
		if cut := rules.CutShort(l.files, files); cut != "" && time.Since(since) < finished {
			if says := oneLine(rules.Unfinished(cut)); l.failure() != says {
				l.log.Warn("a rule file is the beginning of the live one, perhaps still being written: the live rules stay for a minute", zap.String("code", "N109"), zap.String("file", cut))
				l.fail(says)
			}
			tried = unlike // also the live content, when it comes back, is news
			continue
		}
		tried = files
		if err := l.reload(files); err != nil {
			l.log.Error("the rule files have errors, the last good set stays", zap.Error(err))
			l.fail(err.Error())
		}
	}
}

func sameFiles(a, b []rules.File) bool {
	return slices.EqualFunc(a, b, func(x, y rules.File) bool { return x.Name == y.Name && bytes.Equal(x.Data, y.Data) })
}

func (l *liveRules) reload(files []rules.File) error {
	set, ds := rules.LoadFiles(files, l.opt)
	if set == nil {
		return errors.New(errorsIn(ds))
	}
	if len(set.Rules) == 0 {
		return errors.New("N110: the reload would remove every rule")
	}
	old := l.set()
	added, changed, removed := compare(old, set, l.files, files)
	l.files = files
	l.swap(set)
	l.log.Info("rules reloaded", zap.String("rule_set", set.Hash), zap.Strings("added", added), zap.Strings("changed", changed), zap.Strings("removed", removed))
	return nil
}

// errorsIn says how many errors there are, and the first.
func errorsIn(ds diag.List) string {
	if n := ds.Errors(); n != 1 {
		return fmt.Sprintf("%d errors, the first: %s", n, firstError(ds))
	}
	return "1 error: " + firstError(ds)
}

func firstError(ds diag.List) string {
	for _, d := range ds.Sorted() {
		if d.Severity == diag.Error {
			return oneLine(d)
		}
	}
	return "none"
}

// compare names the rules that a reload adds, changes and removes.
func compare(old, now *rules.Set, oldFiles, files []rules.File) (added, changed, removed []string) {
	was, is := ruleTexts(old, oldFiles), ruleTexts(now, files)
	for _, r := range now.Rules {
		switch o := old.Rule(r.Name); {
		case o == nil:
			added = append(added, r.Name)
		case was[r.Name] != is[r.Name]:
			changed = append(changed, r.Name)
		}
	}
	for _, r := range old.Rules {
		if now.Rule(r.Name) == nil {
			removed = append(removed, r.Name)
		}
	}
	return added, changed, removed
}

// ruleTexts gives the source lines of each rule, up to the next rule of its file.
func ruleTexts(s *rules.Set, files []rules.File) map[string]string {
	starts := map[string][]int{}
	for _, r := range s.Rules {
		starts[r.File] = append(starts[r.File], r.Line)
	}
	src := sources(files)
	out := map[string]string{}
	for _, r := range s.Rules {
		lines := strings.Split(string(src[r.File]), "\n")
		end := len(lines) + 1
		for _, at := range starts[r.File] {
			if at > r.Line {
				end = min(end, at)
			}
		}
		if r.Line >= 1 && r.Line <= len(lines) {
			out[r.Name] = strings.TrimSpace(strings.Join(lines[r.Line-1:min(end-1, len(lines))], "\n"))
		}
	}
	return out
}

// oneLine is a finding for a log: its place as far as it has one, its code, what is wrong.
func oneLine(d diag.Diagnostic) string {
	place := ""
	switch {
	case d.File == "":
	case d.Line == 0:
		place = d.File + " "
	default:
		place = fmt.Sprintf("%s:%d:%d ", d.File, d.Line, d.Column)
	}
	return place + d.Code + " " + d.Message.EN
}
