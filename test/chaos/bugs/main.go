// Command bugs proves that the tests can fail: it plants one bug after the other in a copy of the source tree and expects the check
// that the bug's file names to find it. It exits with 1 unless all are found.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/notifier/notifier/test/chaos/harness"
)

// maxKills is how far the crash test goes before a bug counts as missed.
const maxKills = 40

func main() {
	only := flag.String("only", "", "only bugs whose file name or check contains this")
	seed := flag.Uint64("seed", 1, "of the crash test")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	found, all, err := run(ctx, *only, *seed)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bugs:", err)
		os.Exit(2)
	}
	fmt.Printf("found %d of %d\n", found, all)
	if found < all {
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, seed uint64) (found, all int, err error) {
	root, err := harness.Root(ctx)
	if err != nil {
		return 0, 0, err
	}
	bugs, err := readBugs(filepath.Join(root, "test", "chaos", "bugs"))
	if err != nil {
		return 0, 0, err
	}
	dir, err := os.MkdirTemp("", "bugs-") // all copies stand in one place, so that go builds what they share once
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%-75s %-17s %-34s %s\n", "bug", "layer", "found by", "took")
	for _, b := range bugs {
		if !strings.Contains(filepath.Base(b.File)+" "+strings.Join(b.Check, " "), only) {
			continue
		}
		all++
		began := time.Now()
		by, err := hunt(ctx, root, filepath.Join(dir, "tree"), b, seed)
		if ctx.Err() != nil {
			return found, all, context.Cause(ctx)
		}
		if err != nil {
			by = "NOT FOUND: " + err.Error()
		} else {
			found++
		}
		fmt.Printf("%-75s %-17s %-34s %s\n", b.Name, b.Layer(), by, time.Since(began).Round(time.Second))
	}
	return found, all, nil
}

// hunt plants a bug in a copy of the tree and says what found it.
func hunt(ctx context.Context, root, tree string, b Bug, seed uint64) (by string, err error) {
	defer os.RemoveAll(tree)
	if err := copyTree(ctx, root, tree); err != nil {
		return "", err
	}
	if out, err := command(ctx, tree, "git", "apply", b.File); err != nil {
		return "", fmt.Errorf("the patch does not apply: %w\n%s", err, out)
	}
	if out, err := command(ctx, tree, "go", "vet", "./internal/...", "./cmd/..."); err != nil {
		return "", fmt.Errorf("the tree does not build: %w\n%s", err, out)
	}
	if b.Check[0] == "chaos" {
		return huntKills(ctx, tree, b, seed)
	}
	args, name := []string{"test", b.Check[1]}, b.Check[len(b.Check)-1]
	if b.Check[0] == "sim" {
		args = []string{"test", "-tags", "synctests", "./test/sim"}
	}
	out, err := command(ctx, tree, "go", append(args, "-timeout", "10m", "-count=1", "-run", "^"+name+"$")...)
	return name, judge(b, out, err)
}

// huntKills kills more and more often until the audit finds what the bug must show: the first thing that it finds may be another effect.
func huntKills(ctx context.Context, tree string, b Bug, seed uint64) (by string, err error) {
	err = errors.New("nothing was found")
	for n := 10; n <= maxKills; n *= 2 {
		out, failed := command(ctx, tree, "go", "run", "./test/chaos", "--kills", fmt.Sprint(n), "--seed", fmt.Sprint(seed), "--drain", "100s", "--keep", filepath.Join(tree, fmt.Sprint("kept-", n)))
		if failed == nil {
			continue
		}
		if err = judge(b, out, failed); err == nil {
			return fmt.Sprintf("%d kills", n), nil
		}
	}
	return "", fmt.Errorf("%d kills: %w", maxKills, err)
}

// judge is nil when a check failed in the way that its bug must make it fail.
func judge(b Bug, out string, err error) error {
	switch {
	case err == nil:
		return errors.New("the check passed")
	case !strings.Contains(out, b.Want):
		return fmt.Errorf("the check failed without %q:\n%.3000s", b.Want, out)
	}
	return nil
}

// copyTree copies the files that the repository has, as they are now.
func copyTree(ctx context.Context, from, to string) error {
	out, err := command(ctx, from, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return fmt.Errorf("list the tree: %w\n%s", err, out)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		b, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed, not committed yet
		}
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
