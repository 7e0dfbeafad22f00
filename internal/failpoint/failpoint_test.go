package failpoint

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// Words that only a binary with failpoints holds: the variable, and names that are no words of the daemon elsewhere.
var words = []string{"NOTIFIER_FAILPOINT", FirstByte, FullRequest, "internal/failpoint.Here", "internal/ledger.(*Writer).startsCall"}

func build(t *testing.T, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notifier")
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-o", path}, args...), "../../cmd/notifier")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheBinaryThatShipsHasNoFailpoints(t *testing.T) {
	t.Parallel()
	b := build(t)
	for _, w := range words {
		if bytes.Contains(b, []byte(w)) {
			t.Errorf("the binary holds %q", w)
		}
	}
}

func TestTheTaggedBinaryHasThem(t *testing.T) {
	t.Parallel()
	b := build(t, "-tags", "failpoints")
	for _, w := range words {
		if !bytes.Contains(b, []byte(w)) {
			t.Errorf("the tagged binary does not hold %q: the other test proves nothing", w)
		}
	}
}

// A name that no code reaches would be a crash test that kills nothing.
func TestEachNameIsUsedOnce(t *testing.T) {
	src, err := os.ReadFile("failpoint.go")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^\t(\w+) += "`).FindAllSubmatch(src, -1)
	if len(names) != 12 {
		t.Fatalf("%d names, want 12", len(names))
	}
	files, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	for _, n := range names {
		if got := bytes.Count(all, []byte("failpoint.Here(failpoint."+string(n[1])+")")); got != 1 {
			t.Errorf("%s is used %d times, want once", n[1], got)
		}
	}
}
