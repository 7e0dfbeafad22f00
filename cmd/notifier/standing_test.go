package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
)

// stands are the commands that status lists as given and not obeyed, as they are typed.
func (w *world) stands() (out []string) {
	w.t.Helper()
	code, text, talk := once(w.t, w.dir, "status", "--format", "json")
	var v app.StatusView
	if err := json.Unmarshal([]byte(text), &v); code != 0 || err != nil {
		w.t.Fatalf("status: exit %d %v %s %s", code, err, text, talk)
	}
	for _, c := range v.Commands {
		out = append(out, c.What+" by "+c.By)
	}
	return out
}

func TestManyCommandsThatStandAreNotAllNamed(t *testing.T) {
	var all []app.CommandView
	for i := range mostCommands + 3 {
		all = append(all, app.CommandView{Cmd: ledger.CmdKill, Target: "r", What: fmt.Sprint("kill r\n", i), By: "li", Partitions: []int32{0}})
	}
	var out bytes.Buffer
	sayCommands(&out, all, time.UTC, diag.EN)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 1+mostCommands || lines[0] != "stands  3 older commands   next: notifier status --format json" || !strings.HasPrefix(lines[1], `stands  "kill r\n3"  by li  since `) {
		t.Errorf("%d lines:\n%s", len(lines), out.String())
	}
}

// What is told to stand while no daemon runs is listed, can be taken back, and is obeyed when one starts: none of it vanishes, and a second word on
// a call without outcome is refused as it is while one runs.
func TestCommandsStandUntilADaemonRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broker, err := embedded.Start(t.Context(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	w.addr = broker.Addrs()[0]
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopics(t.Context(), 2, 1, nil, "orders", "profiles"); err != nil {
		t.Fatal(err)
	}
	w.settings("notifier.yaml", fmt.Sprintf("brokers: [%q], replication: 1", w.addr))
	p := w.run()
	if err := w.sbx.Arm(sandbox.Fault{Vendor: "rongcloud", Host: "*", Path: "/push/user.json", Kind: "reset_after", Times: 1}); err != nil {
		t.Fatal(err)
	}
	w.order("lost-1", "u-1")
	id := w.attempt("lost-1", "UNKNOWN")
	if code, _, talk := once(t, w.dir, "pause", "rule/thanks", "--why", "test", "--yes"); code != 0 {
		t.Fatal(code, talk)
	}
	w.order("held-1", "u-1")
	until(t, "what waits", func() bool { return w.pendingOf().Total == 1 })
	p.signal(syscall.SIGTERM)
	p.exits()
	if got := w.stands(); len(got) != 0 {
		t.Errorf("%q stand, all are obeyed", got)
	}

	var said []string
	give := func(what string, args ...string) { // and its terminal is closed: the command stands
		t.Helper()
		q := start(t, w.dir, append(args, "--why", "said so", "--yes")...)
		said = append(said, what)
		until(t, what+" among what stands", func() bool { return slices.Equal(w.stands(), said) })
		q.signal(syscall.SIGKILL)
		q.exits()
	}
	give("attempts resolve "+id+" --as sent by li", "attempts", "resolve", id, "--as", "sent", "--by", "li")
	if code, _, talk := once(t, w.dir, "attempts", "resolve", id, "--as", "not-sent", "--why", "again", "--by", "wang", "--yes"); code != exitGate || !strings.Contains(talk, "li said sent at 20") || !strings.Contains(talk, "a resolution is final; next: notifier status") {
		t.Errorf("a second resolution: exit %d %q", code, talk)
	}
	give("kill thanks by li", "kill", "thanks", "--by", "li")
	if _, out, _ := once(t, w.dir, "status"); !strings.Contains(out, "stands  kill thanks  by li: said so  since 20") || !strings.Contains(out, "not obeyed yet by the owners of partitions [0 1]   next: notifier revive thanks --why TEXT") {
		t.Errorf("status:\n%s", out)
	}
	if code, _, talk := once(t, w.dir, "revive", "thanks", "--why", "a mistake"); code != exitUsage || !strings.Contains(talk, "the kill by li of 20") || !strings.Contains(talk, "stands and is obeyed first, what the rule holds then is given up") {
		t.Errorf("revive asks: exit %d %q", code, talk)
	}
	give("revive thanks by wang", "revive", "thanks", "--by", "wang")
	give("resume rule/thanks by li", "resume", "rule/thanks", "--by", "li")

	start(t, w.dir, "run", "-c", "notifier.yaml")
	until(t, "an end of what stood", func() bool { return len(w.stands()) == 0 })
	w.order("new-1", "u-1")
	until(t, "the push after it", func() bool { return w.sent("new-1") == 1 })
	if _, out, _ := once(t, w.dir, "fates", "held-1"); !strings.Contains(out, "killed") || !strings.Contains(out, "by li: said so") {
		t.Errorf("what the rule held when it was killed:\n%s", out)
	}
	if _, out, _ := once(t, w.dir, "fates", "lost-1"); !strings.Contains(out, "resolves UNKNOWN, by li: said so") {
		t.Errorf("what was resolved:\n%s", out)
	}
	for _, cmd := range []string{ledger.CmdResolve, ledger.CmdKill, ledger.CmdRevive} {
		if got := w.commands(cmd); len(got) != 1 {
			t.Errorf("%s is on record %d times", cmd, len(got))
		}
	}
	if n := w.sent("held-1") + w.sent("lost-1"); n != 1 {
		t.Errorf("%d calls for what was killed or resolved, want the one without outcome", n)
	}
}
