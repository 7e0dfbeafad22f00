package chaos

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

var (
	killsFlag  = flag.Int("kills", number("CHAOS_KILLS", 100), "how often the daemon is killed")
	seedFlag   = flag.Int("seed", number("CHAOS_SEED", 1), "seed of the input, the faults and the moments")
	binaryFlag = flag.String("notifier", "", "a notifier binary to test; default: build ../../cmd/notifier")
	keepFlag   = flag.String("keep", "", "keep settings, logs, data and the vendor's journal in this folder, which must be new")
)

// number is a default that the environment may change.
func number(name string, or int) int {
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		fmt.Fprintf(os.Stderr, "chaos: %s=%q is not a number\n", name, text)
		os.Exit(2)
	}
	return n
}

// folder is where the run's files go.
func folder(t *testing.T) string {
	t.Helper()
	if *keepFlag == "" {
		return t.TempDir()
	}
	if err := os.Mkdir(*keepFlag, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(*keepFlag)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// binary is the program under test.
func binary(t *testing.T) string {
	t.Helper()
	if *binaryFlag != "" {
		path, err := filepath.Abs(*binaryFlag)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := filepath.Join(t.TempDir(), "notifier")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/notifier")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build notifier: %v\n%s", err, out)
	}
	return path
}

// judge holds every request that the vendor got to the schemas of its contract.
func judge(t *testing.T, journal string) {
	t.Helper()
	in, err := os.Open(journal)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./test/schema/journal")
	cmd.Dir, cmd.Stdin = filepath.Join("..", ".."), in
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the vendor's schemas: %v\n%.4000s", err, out)
		return
	}
	t.Logf("%s", out)
}
