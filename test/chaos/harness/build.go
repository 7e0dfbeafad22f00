package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Root is the source tree that the working directory belongs to.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/notifier/notifier").Output()
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Build makes the program under test, with failpoints.
func Build(ctx context.Context, root, dir string, flags ...string) (string, error) {
	path := filepath.Join(dir, "notifier")
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-tags", "failpoints", "-o", path}, flags...), "./cmd/notifier")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build notifier: %w\n%s", err, out)
	}
	return path, nil
}

// Judge holds every request that the vendor got to the schemas of its contract, and returns what it has to say.
func Judge(ctx context.Context, root, journal string) (problem string, err error) {
	in, err := os.Open(journal)
	if err != nil {
		return "", err
	}
	defer in.Close()
	cmd := exec.CommandContext(ctx, "go", "run", "./test/schema/journal")
	cmd.Dir, cmd.Stdin = root, in
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Sprintf("the vendor's schemas: %v: %.4000s", err, out), nil
	}
	return "", nil
}
