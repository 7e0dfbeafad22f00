package app

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

const reloadCatalogue = "version: 1\nevents:\n  order.paid: {topic: orders, id: id, user: user}\n"

func reloadRule(name string) string {
	return "  - {name: " + name + ", event: order.paid, mode: live, class: service, when: always, push: {body: b}}\n"
}

// Hostile files change nothing; a rule file that is only the beginning of the live one takes effect after a minute without a
// change, not before (N109).
func TestFilesThatMustNotTakeEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, log := observer.New(zap.WarnLevel)
		head := "version: 1\nrules:\n" + reloadRule("first-rule")
		whole := head + reloadRule("second-rule")
		var disk atomic.Value
		disk.Store(whole)
		read := func() ([]rules.File, error) {
			files := []rules.File{{Name: "events.yaml", Data: []byte(reloadCatalogue)}, {Name: "r.yaml", Data: []byte(disk.Load().(string))}}
			if disk.Load().(string) == "" {
				files = files[:1]
			}
			return files, nil
		}
		l, err := newLiveRules(Options{Settings: &settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud"}}}, RuleFiles: read, Log: zap.New(core)}, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.watch(ctx) }()
		after := func(d time.Duration, live int, failure string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if n := len(l.set().Rules); n != live || (failure == "") != (l.failure() == "") || (failure != "*" && !strings.HasPrefix(l.failure(), failure)) {
				t.Errorf("%d rules live, want %d; failure %q, want %q", n, live, l.failure(), failure)
			}
		}
		after(5*time.Second, 2, "")
		for _, hostile := range []string{strings.Repeat("(", 1<<20), "a: " + strings.Repeat("[", 100_000), head + strings.Repeat("  - x: [1, 2]\n", 7_000), "version: 1\nrules: !!x\n"} {
			disk.Store(hostile)
			after(10*time.Second, 2, "*")
		}
		disk.Store(head) // straight after another failure: it is another one, and said once
		after(10*time.Second, 2, "N109: r.yaml")
		if n := log.FilterField(zap.String("code", "N109")).Len(); n != 1 {
			t.Errorf("N109 was logged %d times", n)
		}
		disk.Store("") // no file with rules: that is of no file and no line
		after(10*time.Second, 2, "*")
		if strings.Contains(l.failure(), ":0") {
			t.Errorf("a place that is none: %s", l.failure())
		}
		disk.Store(whole)
		after(5*time.Second, 2, "")
		disk.Store(head)
		after(10*time.Second, 2, "N109: r.yaml")
		disk.Store(whole) // the writer went on
		after(10*time.Second, 2, "")
		disk.Store(head)
		after(58*time.Second, 2, "N109: r.yaml")
		after(5*time.Second, 1, "")
		disk.Store(whole)
		after(4*time.Second, 2, "")
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The files change between the reading at the start and the first look at them: Kafka was slow to answer.
func TestAnEditWhileTheDaemonStartsTakesEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := "version: 1\nrules:\n" + reloadRule("first-rule")
		var disk atomic.Value
		disk.Store(first)
		read := func() ([]rules.File, error) {
			return []rules.File{{Name: "events.yaml", Data: []byte(reloadCatalogue)}, {Name: "r.yaml", Data: []byte(disk.Load().(string))}}, nil
		}
		l, err := newLiveRules(Options{Settings: &settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud"}}}, RuleFiles: read, Log: zap.NewNop()}, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		disk.Store(first + reloadRule("second-rule"))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.watch(ctx) }()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := len(l.set().Rules); n != 2 {
			t.Errorf("%d rules live, the files have 2", n)
		}
		stop()
		<-done
	})
}
