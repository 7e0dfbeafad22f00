package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
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
		logged, logs := observer.New(zap.WarnLevel)
		l, err := newLiveRules(Options{Settings: &settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud"}}}, RuleFiles: read, Log: zap.New(logged)}, prometheus.NewRegistry())
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
			if is := l.standing.Load(); is.Stale != (failure != "") || len(is.Rules) != live {
				t.Errorf("stage 2 is told of %d rules, out of date: %t; failure %q", len(is.Rules), is.Stale, l.failure())
			}
		}
		after(5*time.Second, 2, "")
		broken := func(condition string) string {
			return strings.Replace(head, "when: always", "when: '"+condition+"'", 1)
		}
		var keys, bomb strings.Builder
		for i := range 300_000 {
			fmt.Fprintf(&keys, "k%d: v\n", i)
		}
		bomb.WriteString("a: &a [x, x, x, x, x, x, x, x, x]\n")
		for c := 'b'; c < 'k'; c++ {
			fmt.Fprintf(&bomb, "%c: &%c [%s]\n", c, c, strings.Repeat("*"+string(c-1)+", ", 9))
		}
		for name, hostile := range map[string]string{
			"a MiB of brackets": strings.Repeat("(", 1<<20), "an alias bomb": bomb.String(), "300,000 keys": keys.String(), "deep nesting": "a: " + strings.Repeat("[", 100_000), "a condition of brackets": broken(strings.Repeat("(", 4000)),
			"a huge text":           head + "  - {name: huge-rule, event: order.paid, mode: live, class: service, when: always, push: {body: \"" + strings.Repeat("x", 200<<10) + "\"}}\n",
			"a pattern without end": broken(`event.id matches "` + strings.Repeat("(a+)+", 200) + `"`), "a pattern that doubles": broken(`event.id matches "((((a{30}){30}){30}){30}){30}"`),
			"many lists": head + strings.Repeat("  - x: [1, 2]\n", 7_000), "a tag": "version: 1\nrules: !!x\n",
		} {
			disk.Store(hostile)
			after(10*time.Second, 2, "*")
			if t.Failed() {
				t.Fatal(name)
			}
		}
		disk.Store(head) // behind another mistake
		after(10*time.Second, 2, "r.yaml N109 ")
		if n := logs.FilterField(zap.String("code", "N109")).Len(); n != 1 {
			t.Errorf("N109 is logged %d times", n)
		}
		disk.Store("") // no file with rules: that is of no file and no line
		after(10*time.Second, 2, "*")
		if strings.Contains(l.failure(), ":0") {
			t.Errorf("a place that is none: %s", l.failure())
		}
		disk.Store(whole)
		after(5*time.Second, 2, "")
		disk.Store(head)
		after(10*time.Second, 2, "r.yaml N109 ")
		disk.Store(whole) // the writer went on
		after(10*time.Second, 2, "")
		disk.Store(head)
		after(58*time.Second, 2, "r.yaml N109 ")
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

// Who asks for a reload has it at once, or hears what is wrong with the files; the last good set stays then.
func TestAReloadThatIsAskedForDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := "version: 1\nrules:\n" + reloadRule("first-rule")
		whole := first + reloadRule("second-rule")
		var disk atomic.Value
		disk.Store(whole)
		read := func() ([]rules.File, error) {
			return []rules.File{{Name: "events.yaml", Data: []byte(reloadCatalogue)}, {Name: "r.yaml", Data: []byte(disk.Load().(string))}}, nil
		}
		l, err := newLiveRules(Options{Settings: &settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud"}}}, RuleFiles: read, Log: zap.NewNop()}, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.watch(ctx) }()
		began, set := time.Now(), l.set()
		if err := l.now(ctx); err != nil || l.set() != set {
			t.Errorf("nothing has changed: %v, another set: %v", err, l.set() != set)
		}
		disk.Store(first) // the beginning of the live file: by itself it would take a minute
		if err := l.now(ctx); err != nil || len(l.set().Rules) != 1 {
			t.Errorf("%v, %d rules, want 1", err, len(l.set().Rules))
		}
		disk.Store("version: 1\nrules: !!x\n")
		if err := l.now(ctx); err == nil || len(l.set().Rules) != 1 || l.failure() == "" {
			t.Errorf("a file with errors: %v, %d rules, failure %q", err, len(l.set().Rules), l.failure())
		}
		disk.Store(first)
		if err := l.now(ctx); err != nil || l.failure() != "" {
			t.Errorf("the live files are back: %v, failure %q", err, l.failure())
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %s", d)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := l.now(ctx); err == nil {
			t.Error("nobody reloads any more, and no error")
		}
	})
}

// A finding without a place is told without one.
func TestAReloadThatRemovesEveryRuleSaysSo(t *testing.T) {
	files := []rules.File{{Name: "events.yaml", Data: []byte(reloadCatalogue)}, {Name: "r.yaml", Data: []byte("version: 1\nrules:\n" + reloadRule("first-rule"))}}
	l, err := newLiveRules(Options{Settings: &settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud"}}}, RuleFiles: func() ([]rules.File, error) { return files, nil }, Log: zap.NewNop()}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.reload(files[:1]); err == nil || err.Error() != "1 error: N110 there are no rules" {
		t.Errorf("got %v", err)
	}
	if err := l.reload([]rules.File{files[0], {Name: "r.yaml", Data: []byte("version: 1\nrules: []\n")}}); err == nil || !strings.Contains(err.Error(), "r.yaml:2:8 N110 ") {
		t.Errorf("got %v", err)
	}
}

// A catalogue without the field that consent names would let pushes to blocked users leave.
func TestACatalogueThatLosesAFieldOfConsentIsRefused(t *testing.T) {
	profile := reloadCatalogue + "  profile.changed: {topic: users, kind: profile, update: patch, id: id, user: user, fields: {city: city, blocked: {path: b, type: bool}}}\n"
	files := func(catalogue string) []rules.File {
		return []rules.File{{Name: "events.yaml", Data: []byte(catalogue)}, {Name: "r.yaml", Data: []byte("version: 1\nrules:\n" + reloadRule("first-rule"))}}
	}
	s := &settings.Settings{Consent: settings.Consent{Never: "blocked"}, Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud"}}}
	begin := func(catalogue string) (*liveRules, error) {
		return newLiveRules(Options{Settings: s, RuleFiles: func() ([]rules.File, error) { return files(catalogue), nil }, Log: zap.NewNop()}, prometheus.NewRegistry())
	}
	if _, err := begin(reloadCatalogue); err == nil || !strings.Contains(err.Error(), "N708") {
		t.Errorf("it starts: %v", err)
	}
	l, err := begin(profile)
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range []string{reloadCatalogue, strings.Replace(profile, "blocked:", "bolcked:", 1), strings.Replace(profile, "type: bool", "type: string", 1)} {
		before := l.set()
		if err := l.reload(files(lost)); err == nil || !strings.Contains(err.Error(), "N708") || l.set() != before {
			t.Errorf("%v\n%s", err, lost)
		}
	}
}

// A pipe among the rule files ended reloading for ever with everything green: whoever read it waited for a writer.
func TestAPipeAmongTheRuleFilesIsNamedAndReloadingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("events.yaml", reloadCatalogue)
		write("r.yaml", "version: 1\nrules:\n"+reloadRule("first-rule"))
		s := &settings.Settings{Rules: dir, Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud"}}}
		l, err := newLiveRules(Options{Settings: s, Log: zap.NewNop()}, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.watch(ctx) }()
		pipe := filepath.Join(dir, "pipe.yaml")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		write("r.yaml", "version: 1\nrules:\n"+reloadRule("first-rule")+reloadRule("second-rule"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(l.set().Rules) != 1 || !strings.Contains(l.failure(), "N117") || !strings.Contains(l.failure(), pipe) {
			t.Errorf("with the pipe: %d rules, failure %q", len(l.set().Rules), l.failure())
		}
		if err := os.Remove(pipe); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(l.set().Rules) != 2 || l.failure() != "" {
			t.Errorf("without it: %d rules, failure %q", len(l.set().Rules), l.failure())
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
