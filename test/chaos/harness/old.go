package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Release is the program that is upgraded, and rolled back to.
type Release struct {
	Program string
	Commit  string // "": of this tree, there is no history
	Note    string // not "": why it is not the one that was asked for
}

func (r *Release) String() string {
	if r.Commit == "" {
		return "this same tree"
	}
	return r.Commit
}

// Warning is the Note in a line that nobody overlooks, or nothing.
func (r *Release) Warning() string {
	if r.Note == "" {
		return ""
	}
	return "\n*** " + r.Note + " ***\n\n"
}

// Previous is the revision before this one.
const Previous = "HEAD~1"

// BuildOld builds the program of a revision in a folder below dir. program is this tree's, by its whole path.
func BuildOld(ctx context.Context, root, dir, revision, program string) (*Release, error) {
	old, err := findOld(ctx, root, revision)
	if err != nil {
		return nil, err
	}
	if old.Commit == "" { // a name of its own: by the path it is known which program a daemon has
		old.Program = filepath.Join(dir, "old-notifier")
		if err := os.Symlink(program, old.Program); err != nil {
			return nil, fmt.Errorf("the old program: %w", err)
		}
		return old, nil
	}
	tree := filepath.Join(dir, "old")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return nil, err
	}
	if err := unpack(ctx, root, tree, old.Commit); err != nil {
		return nil, fmt.Errorf("the tree of %s: %w", old.Commit, err)
	}
	if old.Program, err = Build(ctx, tree, tree); err != nil {
		return nil, fmt.Errorf("the tree of %s: %w", old.Commit, err)
	}
	return old, nil
}

// findOld finds the commit of a revision. Previous, and any revision in a clone that is cut off, may not be there: then the oldest commit
// that is takes its place, and in a tree without history this tree itself. The Note says so.
func findOld(ctx context.Context, root, revision string) (*Release, error) {
	const nothing = "nothing is shown about records of another release"
	if !hasHistory(ctx, root) {
		return &Release{Note: "NO HISTORY: this tree is no clone of the repository, or there is no git, so the old program is the new one: " + nothing}, nil
	}
	commit, err := git(ctx, root, "rev-parse", "--verify", "--quiet", "--short", revision+"^{commit}")
	if err == nil {
		return &Release{Commit: commit}, nil
	}
	shallow, err := git(ctx, root, "rev-parse", "--is-shallow-repository")
	if err != nil {
		return nil, err
	}
	if revision != Previous && shallow != "true" {
		return nil, fmt.Errorf("%s has no commit %q: give another to --upgrade", root, revision)
	}
	all, err := git(ctx, root, "rev-list", "--topo-order", "--abbrev-commit", "HEAD")
	if err != nil {
		return nil, err
	}
	commits := strings.Fields(all)
	old := &Release{Commit: commits[len(commits)-1]}
	old.Note = fmt.Sprintf("HISTORY IS CUT OFF: %s is not in this clone (git fetch --deepen 1 gets more), so the old program is of its oldest commit, %s", revision, old.Commit)
	if len(commits) == 1 {
		old.Note += ", which is the newest as well: " + nothing
	}
	return old, nil
}

// hasHistory says whether the tree is a repository of its own: an archive may be unpacked within another one.
func hasHistory(ctx context.Context, root string) bool {
	top, err := git(ctx, root, "rev-parse", "--show-toplevel")
	if err != nil {
		return false
	}
	a, err := os.Stat(top)
	if err != nil {
		return false
	}
	b, err := os.Stat(root)
	return err == nil && os.SameFile(a, b)
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// unpack writes the tree of a commit.
func unpack(ctx context.Context, root, to, commit string) error {
	var tree, said bytes.Buffer
	archive := exec.CommandContext(ctx, "git", "-C", root, "archive", commit)
	archive.Stdout, archive.Stderr = &tree, &said
	if err := archive.Run(); err != nil {
		return fmt.Errorf("git archive: %w\n%s", err, said.Bytes())
	}
	tar := exec.CommandContext(ctx, "tar", "-x", "-C", to)
	tar.Stdin = &tree
	if out, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w\n%s", err, out)
	}
	return nil
}
