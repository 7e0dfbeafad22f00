//go:build !race

// What is tested here runs in processes of its own, where the race detector does not look.

package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// line is a `$ notifier ...` of the manual with what stands below it.
type line struct {
	at   block
	args []string // without notifier
	says string
}

// Beside a command may stand what it does, at a distance.
var aside = regexp.MustCompile(`\s{3,}.*$`)

// lines gives the commands of a page: of text blocks those behind `$ `, of sh blocks all that begin with notifier.
func lines(t *testing.T, page string) (out []line) {
	t.Helper()
	for _, b := range blocks(t, page) {
		var open *line
		for l := range strings.SplitSeq(b.body, "\n") {
			cmd, ok := strings.CutPrefix(l, "$ notifier ")
			if b.lang == "sh" {
				cmd, ok = strings.CutPrefix(l, "notifier ")
			}
			switch {
			case ok:
				out = append(out, line{at: b, args: words(t, b, aside.ReplaceAllString(cmd, ""))})
				open = &out[len(out)-1]
			case open != nil && b.lang == "text":
				open.says += l + "\n"
			}
		}
	}
	return out
}

// words splits as a shell does, as far as the manual needs one.
func words(t *testing.T, b block, s string) (out []string) {
	t.Helper()
	for _, w := range regexp.MustCompile(`'[^']*'|"[^"]*"|[^\s'"]+`).FindAllString(s, -1) {
		if quoted := w[0] == '\'' || w[0] == '"'; quoted {
			w = w[1 : len(w)-1]
		} else if strings.ContainsAny(w, "`$|&;<>*\\(){}") {
			t.Fatalf("%s: %q needs more of a shell than this test has", b, s)
		}
		out = append(out, w)
	}
	return out
}

// alone are the commands of the manual that need no Kafka, by their first words, with the folder they are run in (of testdata/examples;
// "" is the checkout) and the exit code. The longest that fits counts.
var alone = []struct {
	words, dir string
	code       int
}{
	{"check --strict docs/cookbook/rules", "", 0},
	{"test --coverage docs/cookbook/rules", "", 0},
	{"test -c docs/moving/getui.yaml docs/moving/rules", "", 0},
	{"test -c docs/moving/rongcloud.yaml docs/moving/rules", "", 0},
	{"test -c docs/moving/both.yaml docs/moving/failover", "", 0},
	{"explain --lang en --event order.json", "explain", 0},
	{"explain --lang zh --event order.json", "explain", 0},
	{"check", "explain", 0},
	{"new rule", "explain", 0},
	{"fmt --diff", "editing", 1},
	{"explain-code", "editing", 0},
	{"schema", "editing", 0},
	{"completion", "editing", 0},
	{"test", "testing", 1},
	{"test --lang zh", "testing-zh", 1},
	{"backtest --from orders.jsonl", "backtest", 1},
	{"backtest --lang en --from orders.jsonl", "backtest", 1},
	{"backtest --lang zh --from orders.jsonl", "backtest", 1},
}

func runs(l line) (dir string, code int, ok bool) {
	best := -1
	for i, a := range alone {
		if strings.HasPrefix(strings.Join(l.args, " ")+" ", a.words+" ") && (best < 0 || len(a.words) > len(alone[best].words)) {
			best = i
		}
	}
	if best < 0 {
		return "", 0, false
	}
	return alone[best].dir, alone[best].code, true
}

// notifier runs the program in a folder, as somebody with an English terminal.
func notifier(t *testing.T, dir string, env []string, args ...string) (out, talk string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "notifier"), args...)
	var a, b bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(append(os.Environ(), "LANG=en_US.UTF-8", "LC_ALL=en_US.UTF-8", "NO_COLOR=1"), env...), &a, &b
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return a.String(), b.String(), cmd.ProcessState.ExitCode()
}

// What the manual says that a command prints is what it prints.
func TestCommandsOfTheManualPrintWhatItSays(t *testing.T) {
	n, compared := 0, 0
	for _, p := range pages(t) {
		for _, l := range lines(t, p) {
			dir, want, ok := runs(l)
			if !ok {
				continue
			}
			n++
			where := filepath.Join("testdata/examples", dir)
			switch {
			case dir == "":
				where = root
			case l.args[0] == "new": // it writes
				there := t.TempDir()
				if err := os.CopyFS(there, os.DirFS(where)); err != nil {
					t.Fatal(err)
				}
				where = there
			}
			out, talk, code := notifier(t, where, nil, l.args...)
			if code != want {
				t.Errorf("%s: notifier %s: exit %d, want %d\n%s%s", l.at, strings.Join(l.args, " "), code, want, out, talk)
			}
			if l.says == "" {
				continue
			}
			compared++
			if diff := cmp.Diff(l.says, out); diff != "" {
				t.Errorf("%s: notifier %s (-manual +program):\n%s\n%s", l.at, strings.Join(l.args, " "), diff, out)
			}
		}
	}
	if n < 12 || compared < 6 {
		t.Errorf("only %d commands were run, of %d the output was compared", n, compared)
	}
}

// madeUp are names of the manual that no cluster has: a command may refuse them, and says that it does not know them.
var madeUp = []string{"SYYBMN-1-91", "3f9c2a1b07", "u-77", "flash-sale-by-city", "ord-88231", "broadcasts",
	"0@17", "dead"}

// madeUpStates are what the manual's commands speak of and no fresh cluster is in: they are refused with just these words.
var madeUpStates = map[string]string{"quota assume": "is not stopped", "skip": "only the record at which it stands"}

// endless reports whether a command runs until it is stopped.
func endless(args []string) bool {
	return slices.Contains([]string{"sandbox", "demo", "run"}, args[0]) || slices.Contains(args, "--follow")
}

// The commands of the manual that need Kafka are run against a daemon. What they name may not be there; that they are commands with
// these flags, and end with an answer, is what is held.
func TestCommandsOfTheManualAreAnsweredByADaemon(t *testing.T) {
	n := arrive(t)
	cs := commands(t, "README.md")
	for _, c := range cs {
		switch {
		case c.is("go run ./cmd/notifier sandbox"):
			var ready struct{ Rongcloud string }
			if err := json.Unmarshal([]byte(n.start(c).wait("rongcloud")), &ready); err != nil {
				t.Fatal(err)
			}
			n.env = append(n.env, "NOTIFIER_ACCOUNTS_MAIN_HOSTS="+ready.Rongcloud, "RONGCLOUD_SECRET=sandbox-secret-01")
		case c.is("go run ./cmd/notifier run"):
			daemon := n.start(c)
			admin := regexp.MustCompile(`"admin": ?"([^"]+)"`).FindStringSubmatch(daemon.wait("notifier runs"))
			if admin == nil {
				t.Fatal("the daemon does not say where it listens")
			}
			n.listener = admin[1]
			daemon.wait("new topics begin")
		}
	}
	requested := 0
	for _, p := range pages(t) {
		for _, r := range requests(t, p) {
			if strings.Contains(r.url, daemonOfTheManual) {
				requested++
				n.answered(r)
			}
		}
	}
	if requested == 0 {
		t.Error("no page asks the daemon anything")
	}
	done := map[string]bool{}
	for _, p := range pages(t) {
		for _, l := range lines(t, p) {
			cmd := strings.Join(l.args, " ")
			if _, _, ok := runs(l); ok || done[cmd] || endless(l.args) && l.args[0] != "fates" {
				continue
			}
			done[cmd] = true
			args := append(slices.Clone(l.args), "-c", "docs/first/notifier.yaml")
			if endless(l.args) { // it shows what comes
				shows := n.start(command{args: append([]string{"go", "run", "./cmd/notifier"}, args...)})
				shows.wait("following")
				n.run(command{args: []string{"go", "run", "./docs/first", "shop.orders", `{"id": "followed", "user": "u-77", "amount": 812}`}})
				shows.wait("followed")
				continue
			}
			out, talk, code := notifier(t, n.dir, n.env, args...)
			if code == 2 && strings.Contains(talk, "--yes") {
				out, talk, code = notifier(t, n.dir, n.env, append(args, "--yes")...)
			}
			unknown := slices.ContainsFunc(madeUp, func(w string) bool { return strings.Contains(cmd, w) && strings.Contains(talk+out, w) })
			for what, refusal := range madeUpStates {
				unknown = unknown || strings.HasPrefix(cmd, what) && strings.Contains(talk, refusal)
			}
			if code != 0 && !unknown {
				t.Errorf("%s: notifier %s: exit %d\n%s%s", l.at, cmd, code, out, talk)
			}
			if strings.Contains(talk, "unknown flag") || strings.Contains(talk, "unknown command") || code == 70 {
				t.Errorf("%s: notifier %s: exit %d\n%s%s", l.at, cmd, code, out, talk)
			}
		}
	}
	if len(done) < 20 {
		t.Errorf("only %d commands were run", len(done))
	}
}

// Each command that whoever edits rules types has an example in the manual that is run, in both languages.
func TestEveryCommandForRulesIsRunFromTheManual(t *testing.T) {
	for _, want := range []string{"check", "test", "explain", "backtest", "fmt", "new rule", "schema", "explain-code", "completion"} {
		found := map[bool]bool{}
		for _, p := range pages(t) {
			for _, l := range lines(t, p) {
				if _, _, ok := runs(l); ok && strings.HasPrefix(strings.Join(l.args, " ")+" ", want+" ") {
					found[strings.Contains(p, "zh-CN")] = true
				}
			}
		}
		if !found[true] || !found[false] {
			t.Errorf("notifier %s: run from a page in Chinese %t, in English %t", want, found[true], found[false])
		}
	}
}
