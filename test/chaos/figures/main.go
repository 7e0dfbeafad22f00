// Command figures writes the runs on record (test/chaos/runs.jsonl, see go run ./test/chaos --record) into RELIABILITY.md.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/notifier/notifier/test/chaos/harness"
)

func main() {
	if err := write(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context) error {
	root, err := harness.Root(ctx)
	if err != nil {
		return err
	}
	runs, err := harness.Entries(filepath.Join(root, harness.RunsFile))
	if err != nil {
		return err
	}
	path := filepath.Join(root, "RELIABILITY.md")
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := harness.WithTable(string(page), runs)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
