package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// 70 is for faults of the program: a path that cannot be used and a full disk are none.
func TestPathsAndDisksAreNoInternalFaults(t *testing.T) {
	for what, c := range map[string]struct {
		args []string
		code int
	}{
		"a data directory below a file": {[]string{"demo", "--data", "/dev/null/x", "--for", "1s"}, exitUsage},
		"a shell nobody knows":          {[]string{"completion", "foo"}, exitUsage},
		"a format nobody knows":         {[]string{"attempts", "--format", "yaml"}, exitUsage},
	} {
		if code, _, _, err := runLine(t, c.args...); code != c.code || err == nil {
			t.Errorf("%s: exit %d, %v, want %d", what, code, err, c.code)
		}
	}
	full := fmt.Errorf("embedded broker: %w", &fs.PathError{Op: "write", Path: "data/x", Err: syscall.ENOSPC})
	if code := exitCode(full, true); code != exitUnreachable {
		t.Errorf("a full disk: exit %d, want %d", code, exitUnreachable)
	}
	if code := exitCode(fmt.Errorf("write the findings: %w", &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}), true); code != exitUsage {
		t.Errorf("an output that is full: exit %d, want %d", code, exitUsage)
	}
	for _, errno := range []syscall.Errno{syscall.EFBIG, syscall.EDQUOT, syscall.EIO} {
		stopped := fmt.Errorf("%w: a write failed: %w", embedded.ErrFailed, &fs.PathError{Op: "write", Path: "data/x", Err: errno})
		if code := exitCode(stopped, true); code != exitUnreachable {
			t.Errorf("a broker that stopped, %v: exit %d, want %d", errno, code, exitUnreachable)
		}
	}
	if code := exitCode(fmt.Errorf("start: %w", &fs.PathError{Op: "write", Path: "data/x", Err: syscall.EDQUOT}), true); code != exitUnreachable {
		t.Errorf("a start without room: exit %d, want %d", code, exitUnreachable)
	}
	if code := exitCode(fmt.Errorf("impossible"), true); code != exitInternal {
		t.Errorf("a fault of the program: exit %d, want %d", code, exitInternal)
	}
}

// The vendor's secret belongs to the daemon's user: whoever only looks, or tells the daemon something, gets as far as Kafka without it.
func TestOnlyWhoSignsCallsNeedsTheVendorsSecret(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close() // nobody answers there
	dir := t.TempDir()
	file := filepath.Join(dir, "notifier.yaml")
	text := "version: 1\nkafka: {brokers: [" + addr + "], start: latest}\nrules: rules/\naccounts:\n  main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${file:not-for-you}\"}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]int{
		"status": exitUnreachable, "status --why": exitUnreachable, "quota": exitUnreachable, "fates": exitUnreachable, "attempts": exitUnreachable, "pending list": exitUnreachable,
		"pause all --why w --yes": exitUnreachable, "approvals list": exitUnreachable, "user show u1": exitUnreachable, "dead ls": exitUnreachable,
		"run": exitSettings, "doctor": exitSettings, "config check": exitSettings,
	} {
		if code, _, out, err := runLine(t, append(strings.Fields(line), "-c", file)...); code != want {
			t.Errorf("%s: exit %d, want %d: %v\n%s", line, code, want, err, out)
		}
	}
}

// An address that this user may not take, or a folder that is another's, is not mended by stopping a process or by --help.
func TestWhatThisUserMayNotNamesTheCure(t *testing.T) {
	for what, c := range map[string]struct {
		err  error
		code int
		want string
	}{
		"a port below 1024":        {fmt.Errorf("%w: %w", app.ErrListen, &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}), exitSettings, "a port that this user may take"},
		"another machine's":        {fmt.Errorf("%w: %w", app.ErrListen, &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)}), exitSettings, "an address of this machine"},
		"a taken port":             {fmt.Errorf("%w: %w", app.ErrListen, &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}), exitSettings, "stop what has the address"},
		"a folder of another user": {fmt.Errorf("lock: %w", &fs.PathError{Op: "open", Path: "data/lock", Err: syscall.EACCES}), exitUsage, "let this user at it"},
		"a flag":                   {errors.New("unknown flag"), exitUsage, "--help"},
	} {
		if next := nextFor(newRootCmd(new(bool)), c.code, c.err); !strings.Contains(next, c.want) {
			t.Errorf("%s: %q, want %q", what, next, c.want)
		}
	}
}

// Who cannot read the ledger of a newer release is sent to that release, not to `doctor`.
func TestALedgerOfANewerReleaseNamesTheCure(t *testing.T) {
	err := unreachable(fmt.Errorf("read ledger: %w", ledger.ErrNewer))
	if next := nextFor(newRootCmd(new(bool)), exitCode(err, true), err); !strings.Contains(next, "docs/upgrade") {
		t.Errorf("next: %q", next)
	}
}

// An address that another process has is no internal fault. It is asked for before anything is made in Kafka.
func TestATakenAdminAddressIsToldBeforeAnythingIsMade(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "notifier.yaml")
	text := fmt.Sprintf("version: 1\nkafka: {brokers: [%q], start: latest}\nrules: %q\nadmin: {listen: %q}\naccounts:\n  main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:HOME}\"}\n",
		cluster.ListenAddrs()[0], dir, taken.Addr().String())
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600),
		os.WriteFile(filepath.Join(dir, "events.yaml"), []byte("version: 1\nevents:\n  e: {topic: t, id: id, user: user, fields: {x: x}}\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "r.yaml"), []byte("version: 1\nrules:\n  - {name: a-rule, event: e, mode: live, class: service, when: always, push: {body: b}}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	code, _, _, err := runLine(t, "run", "-c", path)
	if code != exitSettings || err == nil || !strings.Contains(err.Error(), "admin.listen") {
		t.Errorf("exit %d, %v, want %d", code, err, exitSettings)
	}
	if next := nextFor(newRootCmd(new(bool)), code, err); !strings.Contains(next, "admin.listen") {
		t.Errorf("next: %q", next)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if topics, err := kadm.NewClient(cl).ListTopics(t.Context()); err != nil || len(topics) > 0 {
		t.Errorf("topics %v, %v: want none", topics.Names(), err)
	}
}

// A panic is a fault of the program: not 2, with which Go ends and which blames the command line. What happened is told with its place.
func TestAPanicIsAnInternalFault(t *testing.T) {
	var talk strings.Builder
	code := faultless(&talk, func() int { panic("impossible") })
	if code != exitInternal || !strings.Contains(talk.String(), "notifier: internal fault: impossible") || !strings.Contains(talk.String(), "exit_test.go") {
		t.Errorf("exit %d, want %d\n%s", code, exitInternal, talk.String())
	}
	if code := faultless(&talk, func() int { return exitFindings }); code != exitFindings {
		t.Errorf("exit %d, want %d", code, exitFindings)
	}
}

// A call that waits to be made again says when, in the settings' zone.
func TestAttemptsSayWhenACallIsMadeAgain(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	again := &ledger.Attempt{ID: "A-0-1", At: at, State: ledger.Again, Next: at.Add(5 * time.Minute), Detail: "no answer"}
	var list, one bytes.Buffer
	s := &settings.Settings{Zone: time.FixedZone("", 8*3600)}
	if err := printAttempts(&list, "text", []*ledger.Attempt{again}, s, diag.EN); err != nil {
		t.Fatal(err)
	}
	printAttempt(&one, again, s, diag.EN)
	for _, text := range []string{list.String(), one.String()} {
		if !strings.Contains(text, "made again at 12:05:00 under the same id; no answer") {
			t.Errorf("got %q", text)
		}
	}
}

func TestAttemptsAsLinesOfJSON(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	if err := printAttempts(&out, "jsonl", []*ledger.Attempt{{ID: "A-0-1", At: at}, {ID: "A-0-2", At: at}}, &settings.Settings{Zone: time.UTC}, diag.EN); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"id":"A-0-1"`) || !strings.Contains(lines[1], `"id":"A-0-2"`) {
		t.Errorf("got %q", out.String())
	}
}

// What all partitions obey is 0, what all refuse 5, and 6 what only some obey, with the list.
func TestAnswersOfSomePartitionsArePartial(t *testing.T) {
	yes, no := ledger.Answer{Partition: 0, Instance: "a", OK: true, Text: "paused"}, ledger.Answer{Partition: 1, Instance: "b", Text: "not here"}
	for _, c := range []struct {
		answers []ledger.Answer
		code    int
		says    string
	}{
		{[]ledger.Answer{yes, yes}, 0, ""}, {[]ledger.Answer{no, no}, exitGate, "pause all was refused"}, {[]ledger.Answer{yes, no}, exitPartial, "pause all: 1 of 2 partitions refused"},
		{[]ledger.Answer{no, yes, no}, exitPartial, "pause all: 2 of 3 partitions refused"},
	} {
		cmd := &cobra.Command{}
		var out bytes.Buffer
		cmd.SetOut(&out)
		err := printAnswers(cmd, "pause all", c.answers, nil)
		code, says := 0, ""
		if x, ok := errors.AsType[*exitError](err); ok {
			code, says = x.code, x.Error()
		}
		if code != c.code || says != c.says || strings.Contains(out.String(), "done: pause all") != (c.code == 0) || strings.Count(out.String(), "partition ") != len(c.answers) {
			t.Errorf("%v: exit %d %q\n%s", c.answers, code, says, out.String())
		}
	}
}

// Of two letters one was not kept whole: the other is sent, and the exit code says that this was not all.
func TestAReplayOfSomeLettersIsPartial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.produce("orders", `{"id":"torn"`)
	w.produce("orders", `{"id":"`+strings.Repeat("x", 70<<10))
	until(t, "two letters", func() bool { _, out, _ := once(t, w.dir, "dead", "ls"); return strings.Contains(out, "2 dead letters") })
	code, out, talk := once(t, w.dir, "dead", "replay", "--reason", "undecodable", "--send", "--why", "mended", "--yes")
	if code != exitPartial || strings.Count(out, "left out: ") != 1 || !strings.Contains(out, "\n1 records sent") || !strings.Contains(talk, "1 of 2 dead letters could not be sent") {
		t.Errorf("exit %d, want %d\n%s%s", code, exitPartial, out, talk)
	}
}

// An answer that could not be written is none, however it was printed; what a command has changed its code tells all the same.
func TestAnAnswerThatIsNotWrittenIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, line := range []string{"status", "status --why", "status --partitions", "status --wait idle", "pending list", "quota", "dead ls", "approvals list", "fates", "attempts", "fates -c ./notifier.yaml", "version", "status --help", "pause all --why x --yes"} {
		cmd := command(t, w.dir, strings.Fields(line)...)
		var talk bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &talk
		_ = cmd.Run()
		want := exitUsage
		if strings.HasPrefix(line, "pause") {
			want = 0
		}
		if code := cmd.ProcessState.ExitCode(); code != want || strings.Count(talk.String(), "notifier: write /dev/stdout: no space left on device") != 1 {
			t.Errorf("%s: exit %d\n%s", line, code, talk.String())
		}
	}
}
