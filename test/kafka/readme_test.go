package kafka

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/test/kafka/fleet"
	"github.com/notifier/notifier/test/kafka/proc"
)

// The commands of README.md's "The same on a real Kafka", in their order, in both languages the same. Other ports are taken, and the
// programs are built before instead of by `go run`, which passes no signals on.
func TestTheReadmeOnARealKafka(t *testing.T) {
	commands := readmeCommands(t, "README.md", "## The same on a real Kafka")
	if zh := readmeCommands(t, "README.zh-CN.md", "## 换成真正的 Kafka"); strings.Join(zh, "\n") != strings.Join(commands, "\n") {
		t.Errorf("README.zh-CN.md has other commands:\n%s", strings.Join(zh, "\n"))
	}
	if len(commands) != 4 {
		t.Fatalf("four commands expected, got %q", commands)
	}
	realKafka(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := workDir(t)
	programs := map[string]string{"./cmd/notifier": shared.notifier}
	for _, pkg := range []string{"./test/kafka/up", "./docs/first"} {
		programs[pkg] = filepath.Join(dir, filepath.Base(pkg))
		build := exec.Command("go", "build", "-o", programs[pkg], pkg)
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", pkg, err, out)
		}
	}
	s := sandbox(t, dir, fleet.App{Key: "sbx-app-key-01", Secret: "sandbox-secret-01"})
	port := "0"
	env := []string{"NOTIFIER_ADMIN_LISTEN=127.0.0.1:0", "NOTIFIER_ACCOUNTS_MAIN_HOSTS=" + s.Primary, "LANG=en_US.UTF-8"}
	prepare := func(line string) (path string, args, own []string) {
		m := regexp.MustCompile(`^((?:[A-Z_]+=\S+ )*)go run (\S+)(.*)$`).FindStringSubmatch(line)
		if m == nil || programs[m[2]] == "" {
			t.Fatalf("this test does not know %q", line)
		}
		for _, a := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(strings.ReplaceAll(m[3], "19092", port), -1) {
			args = append(args, strings.Trim(a, "'"))
		}
		return programs[m[2]], args, append(strings.Fields(strings.ReplaceAll(m[1], "19092", port)), env...)
	}
	start := func(line, says string) string {
		path, args, own := prepare(line)
		log := filepath.Join(dir, filepath.Base(path)+".log")
		p, err := proc.Start(proc.Options{Name: line, Path: path, Args: args, Env: own, Dir: root, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if code := p.Stop(20 * time.Second); code != 0 {
				t.Errorf("%s: exit code %d", line, code)
			}
		})
		for deadline := time.Now().Add(2 * time.Minute); ; {
			b, err := os.ReadFile(log)
			if err == nil && strings.Contains(string(b), says) {
				return string(b)
			}
			select {
			case <-p.Done():
				t.Fatalf("%s: ended without %q:\n%s", line, says, b)
			case <-time.After(50 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: never said %q:\n%s", line, says, b)
			}
		}
	}
	said := start(commands[0], "runs at")
	port = regexp.MustCompile(`runs at 127\.0\.0\.1:(\d+)`).FindStringSubmatch(said)[1]
	env = append(env, "NOTIFIER_KAFKA_BROKERS=127.0.0.1:"+port)
	start(commands[1], "notifier runs")
	run := func(line string) (string, error) {
		path, args, own := prepare(line)
		cmd := exec.Command(path, args...)
		cmd.Dir, cmd.Env = root, append(os.Environ(), own...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(commands[2]); err != nil {
		t.Fatalf("%s: %v\n%s", commands[2], err, out)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		out, err := run(commands[3])
		if err == nil && strings.Contains(out, "SENT") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v\n%s", commands[3], err, out)
		}
	}
}

// readmeCommands gives the lines of a section's sh blocks.
func readmeCommands(t *testing.T, page, heading string) (out []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", page))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(b), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)\n```").FindAllStringSubmatch(section, -1) {
		out = append(out, strings.Split(m[1], "\n")...)
	}
	return out
}
