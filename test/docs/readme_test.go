//go:build !race

package docs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/notifier/notifier/test/schema"
)

// command is one line of a README's sh block: variables, then the words.
type command struct {
	env, args []string
}

// commands gives every command of a page's sh blocks, in order. Words may stand in single quotes; nothing else of a shell is
// used in the documents, and anything else fails here.
func commands(t *testing.T, page string) (out []command) {
	t.Helper()
	for _, b := range blocks(t, page) {
		if b.lang != "sh" || strings.Contains(b.body, "./test/kafka/up") || strings.Contains(b.body, "docs/first/kafka.yaml") { // test/kafka runs these
			continue
		}
		for line := range strings.SplitSeq(b.body, "\n") {
			var c command
			for _, w := range regexp.MustCompile(`'[^']*'|[^\s']+`).FindAllString(line, -1) {
				quoted := strings.HasPrefix(w, "'")
				if !quoted && strings.ContainsAny(w, "\"`$|&;<>*\\(){}") {
					t.Fatalf("%s: %q needs more of a shell than this test has", b, line)
				}
				if w = strings.Trim(w, "'"); !quoted && len(c.args) == 0 && strings.Contains(w, "=") {
					c.env = append(c.env, w)
				} else {
					c.args = append(c.args, w)
				}
			}
			out = append(out, c)
		}
	}
	return out
}

func (c command) String() string {
	return strings.Join(append(append([]string{}, c.env...), c.args...), " ")
}

// is reports whether a command begins with these words.
func (c command) is(words string) bool {
	return strings.HasPrefix(strings.Join(c.args, " ")+" ", words+" ")
}

// bin is where TestMain builds the programs of the documents' commands.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "notifier-docs-")
	if err == nil {
		bin = dir
		build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/notifier", "./docs/first")
		build.Dir, build.Stderr = root, os.Stderr
		err = build.Run()
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "build the programs of the documents:", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// newcomer is a checkout as README.md's reader has it, but with addresses that nobody else uses.
type newcomer struct {
	t        *testing.T
	dir      string
	env      []string
	listener string // where what was started takes requests
}

func arrive(t *testing.T) *newcomer {
	t.Helper()
	n := &newcomer{t: t, dir: t.TempDir(), env: append(os.Environ(), "NOTIFIER_ADMIN_LISTEN=127.0.0.1:0", "LANG=en_US.UTF-8", "NO_COLOR=1")}
	for _, f := range []string{"notifier.yaml", "rules/events.yaml", "rules/first.yaml"} {
		b, err := os.ReadFile(filepath.Join(root, "docs/first", f))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(n.dir, "docs/first", f)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// prepare makes the process of a command: `go run PACKAGE` becomes what it would build, because `go run` does not pass on signals.
func (n *newcomer) prepare(c command) *exec.Cmd {
	n.t.Helper()
	name := map[string]string{"./cmd/notifier": "notifier", "./docs/first": "first"}
	if len(c.args) < 3 || c.args[0] != "go" || c.args[1] != "run" || name[c.args[2]] == "" {
		n.t.Fatalf("README.md: this test does not know the command %q", c)
	}
	args := slices.Clone(c.args[3:])
	for i, a := range args {
		if a == "127.0.0.1:18080" { // a port of its own
			args[i] = "127.0.0.1:0"
		}
	}
	cmd := exec.Command(filepath.Join(bin, name[c.args[2]]), args...)
	cmd.Dir, cmd.Env = n.dir, append(n.env[:len(n.env):len(n.env)], c.env...)
	return cmd
}

// run runs a command to its end and gives what it printed.
func (n *newcomer) run(c command) string {
	n.t.Helper()
	out, err := n.prepare(c).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", c, err, out)
	}
	return string(out)
}

// until runs a command again and again until it ends well and prints a text: fates come a moment after events.
func (n *newcomer) until(c command, want string) string {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	for {
		out, err := n.prepare(c).CombinedOutput()
		if err == nil && bytes.Contains(out, []byte(want)) {
			return string(out)
		}
		if ctx.Err() != nil {
			n.t.Fatalf("%s: never printed %q: %v\n%s", c, want, err, out)
		}
	}
}

// patience bounds every wait; a loaded machine needs a part of it.
const patience = 90 * time.Second

// service is a command that runs until it is interrupted.
type service struct {
	n     *newcomer
	c     command
	cmd   *exec.Cmd
	lines chan string
	seen  bytes.Buffer
}

// start starts a command whose lines, of stdout and stderr, are waited for. What a sandbox takes meanwhile is held to the vendor's schemas.
func (n *newcomer) start(c command) *service {
	n.t.Helper()
	if c.is("go run ./cmd/notifier sandbox") {
		n.t.Cleanup(func() { n.hold(c.args[len(c.args)-1]) }) // behind the cleanup of launch: when it has ended
	}
	return n.launch(c)
}

func (n *newcomer) launch(c command) *service {
	n.t.Helper()
	s := &service{n: n, c: c, cmd: n.prepare(c), lines: make(chan string, 10000)}
	r, w := io.Pipe()
	s.cmd.Stdout, s.cmd.Stderr = w, w
	if err := s.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() {
		defer close(s.lines)
		for sc := bufio.NewScanner(r); sc.Scan(); {
			s.lines <- sc.Text()
		}
	}()
	ended := make(chan error, 1)
	go func() { err := s.cmd.Wait(); w.Close(); ended <- err }()
	n.t.Cleanup(func() { // Ctrl-C: it must end well
		_ = s.cmd.Process.Signal(syscall.SIGINT)
		hung := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
		defer hung.Stop()
		for line := range s.lines {
			s.seen.WriteString(line + "\n")
		}
		if err := <-ended; err != nil && !n.t.Failed() {
			n.t.Errorf("%s: after SIGINT: %v\n%s", c, err, s.seen.String())
		}
	})
	return s
}

// hold holds what a sandbox that has ended wrote to a file to the vendor's schemas.
func (n *newcomer) hold(arrivals string) {
	n.t.Helper()
	f, err := os.Open(filepath.Join(n.dir, arrivals))
	if err != nil {
		n.t.Error(err)
		return
	}
	defer f.Close()
	requests, bad := schema.Journal(f)
	for _, err := range bad {
		n.t.Errorf("a request breaks the vendor's schema: %v", err)
	}
	if requests == 0 {
		n.t.Errorf("%s holds no request", arrivals)
	}
}

// wait returns the next line that holds a text.
func (s *service) wait(want string) string {
	s.n.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				s.n.t.Fatalf("%s ended without %q:\n%s", s.c, want, s.seen.String())
			}
			s.seen.WriteString(line + "\n")
			if strings.Contains(line, want) {
				return line
			}
		case <-limit:
			s.n.t.Fatalf("%s: no %q in %s:\n%s", s.c, want, patience, s.seen.String())
		}
	}
}

func TestReadmeBeginsWithTheDemoAndTheTests(t *testing.T) {
	cs := commands(t, "README.md")
	if len(cs) < 2 || cs[0].String() != "go run ./cmd/notifier demo" || cs[1].String() != "go test ./..." {
		t.Errorf("README.md must begin with the demo and the tests, got %v", cs)
	}
}

func TestDemoOfTheReadme(t *testing.T) {
	n := arrive(t)
	n.start(commands(t, "README.md")[0]).wait("events") // ended by SIGINT, with balanced books, in the cleanup
}

// Every command of README.md's first notification, in its order.
func TestFirstNotificationOfTheReadme(t *testing.T) {
	n := arrive(t)
	var daemon *service
	var printed []string
	arrivals := ""
	for _, c := range commands(t, "README.md")[2:] {
		switch {
		case c.is("go run ./cmd/notifier sandbox"):
			arrivals = c.args[len(c.args)-1]
			var ready struct{ Rongcloud string }
			if err := json.Unmarshal([]byte(n.start(c).wait("rongcloud")), &ready); err != nil || ready.Rongcloud == "" {
				t.Fatalf("the sandbox's first line: %v", err)
			}
			n.env = append(n.env, "NOTIFIER_ACCOUNTS_MAIN_HOSTS="+ready.Rongcloud)
		case c.is("go run ./cmd/notifier run"):
			daemon = n.start(c)
			daemon.wait("new topics begin")
		case c.is("go run ./cmd/notifier fates o-1"):
			n.until(c, "SENT")
		case c.is("go run ./cmd/notifier check"): // after the edit that the text asks for
			n.edit("docs/first/rules/first.yaml", `title: "感谢支持"`, `title: "my own title"`)
			if out := n.run(c); !strings.Contains(out, "0 errors, 0 warnings") {
				t.Errorf("%s:\n%s", c, out)
			}
			daemon.wait("rules reloaded")
		case c.is("go run ./cmd/notifier fates"):
			printed = append(printed, n.until(c, "o-3"))
		default:
			n.run(c)
		}
	}
	if len(printed) != 1 || strings.Contains(printed[0], "o-2") || !strings.Contains(printed[0], "2 intents = 2 fates + 0 pending ✓") {
		t.Errorf("the last list of fates: %q", printed)
	}
	b, err := os.ReadFile(filepath.Join(n.dir, arrivals))
	if err != nil {
		t.Fatal(err)
	}
	requests := strings.Split(strings.TrimSpace(string(b)), "\n")
	if last := requests[len(requests)-1]; len(requests) != 2 || !strings.Contains(last, "my own title") || !strings.Contains(last, "250.00") {
		t.Errorf("the sandbox had:\n%s", b)
	}
}

func (n *newcomer) edit(file, old, new string) {
	n.t.Helper()
	name := filepath.Join(n.dir, file)
	b, err := os.ReadFile(name)
	if err != nil {
		n.t.Fatal(err)
	}
	edited := bytes.Replace(b, []byte(old), []byte(new), 1)
	if bytes.Equal(b, edited) {
		n.t.Fatalf("%s has no %s", file, old)
	}
	if err := os.WriteFile(name, edited, 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// Commands that the documents name exist, or stand in the README's list of what is not there yet.
func TestCommandsInTheDocumentsExist(t *testing.T) {
	n := arrive(t)
	help := n.run(command{args: []string{"go", "run", "./cmd/notifier", "--help"}})
	name := regexp.MustCompile("(?m)(?:`|^\\$ |`[A-Z_]+=\\S+ )notifier ([a-z][a-z-]+)")
	for _, p := range pages(t) {
		seen := map[string]bool{}
		for _, m := range name.FindAllStringSubmatch(text(t, p), -1) {
			if !seen[m[1]] && !regexp.MustCompile(`(?m)^  `+m[1]+` `).MatchString(help) {
				t.Errorf("%s: there is no command `notifier %s`", p, m[1])
			}
			seen[m[1]] = true
		}
	}
	for _, p := range bilingual("README.md") { // both lists: what is there, what is not
		section := text(t, p)
		for line := range strings.SplitSeq(section, "\n") {
			there := strings.Contains(line, "`run`, `demo`") || strings.Contains(line, "`run`、`demo`")
			missing := strings.Contains(line, "`doctor`")
			if !there && !missing {
				continue
			}
			for _, m := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(line, -1) {
				if exists := regexp.MustCompile(`(?m)^  ` + m[1] + ` `).MatchString(help); exists != there {
					t.Errorf("%s: `%s` stands in the wrong list", p, m[1])
				}
			}
		}
	}
}
