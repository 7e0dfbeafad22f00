//go:build !race

package deploy

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/settings"
)

// drain is how long `notifier run` drains at most, as cmd/notifier/run.go says.
func drain(t *testing.T) time.Duration {
	t.Helper()
	m := regexp.MustCompile(`drainTime = (\d+) \* time\.Second`).FindSubmatch(read(t, "cmd/notifier/run.go"))
	if m == nil {
		t.Fatal("cmd/notifier/run.go does not say drainTime in seconds any more")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * time.Second
}

// load reads settings as the program would with this environment, and lets `notifier config check` say that they are good. The files of
// ${file:DIR/NAME} are made; secrets is DIR, "" if the settings have none, and given are their names.
func load(t *testing.T, file, secrets string, env []string) (s *settings.Settings, given []string) {
	t.Helper()
	text := string(read(t, file))
	dir := t.TempDir()
	for _, m := range regexp.MustCompile(`\$\{file:([^}]+)\}`).FindAllStringSubmatch(text, -1) {
		if secrets == "" || filepath.Dir(m[1]) != secrets {
			t.Fatalf("%s refers to %s, secrets are in %q", file, m[1], secrets)
		}
		given = append(given, filepath.Base(m[1]))
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(m[1])), []byte("a-secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if secrets != "" {
		text = strings.ReplaceAll(text, secrets, dir)
	}
	path := filepath.Join(dir, "notifier.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, list := settings.Load(path, env, nil)
	if s == nil || len(list) > 0 {
		t.Fatalf("%s: %v", file, list)
	}
	out, code := ran(t, env, "config", "check", "-c", path)
	if code != 0 || !strings.Contains(out, ": ok, ") {
		t.Errorf("%s: notifier config check: exit %d\n%s", file, code, out)
	}
	return s, given
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// exists fails unless a path of the checkout is there, a folder or a file as the caller says it is.
func exists(t *testing.T, who, path string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, path)); err != nil {
		t.Errorf("%s names %s: %v", who, path, err)
	}
}
