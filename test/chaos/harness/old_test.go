package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/notifier/notifier/test/chaos/rig"
)

func TestWhichProgramIsTheOldOne(t *testing.T) {
	run := func(dir string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=n", "-c", "user.email=n@example.com", "-C", dir}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	run(dir, "init", "-q", full)
	var commits []string
	for range 3 {
		run(full, "commit", "-q", "--allow-empty", "-m", "c")
		commits = append(commits, run(full, "rev-parse", "--short", "HEAD"))
	}
	clone := func(name, depth string) string {
		to := filepath.Join(dir, name)
		run(dir, "clone", "-q", "--depth", depth, "file://"+full, to)
		return to
	}
	archive := filepath.Join(full, "unpacked") // within a repository, but not of it
	if err := os.Mkdir(archive, 0o755); err != nil {
		t.Fatal(err)
	}
	one, two := clone("one", "1"), clone("two", "2")
	for _, c := range []struct{ name, root, revision, commit, note string }{
		{"the previous commit", full, Previous, commits[1], ""},
		{"a commit by its name", full, commits[0], commits[0], ""},
		{"the previous one of a short clone", two, Previous, commits[1], ""},
		{"another one of a short clone", two, commits[0], commits[1], "HISTORY IS CUT OFF: " + commits[0] + " is not in this clone"},
		{"a clone of one commit", one, Previous, commits[2], "which is the newest as well"},
		{"an archive", archive, Previous, "", "NO HISTORY"},
		{"no repository", dir, Previous, "", "NO HISTORY"},
	} {
		old, err := findOld(t.Context(), c.root, c.revision)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if old.Commit != c.commit || !strings.Contains(old.Note, c.note) || (c.note == "") != (old.Warning() == "") {
			t.Errorf("%s: got %+v, want commit %q and note %q", c.name, old, c.commit, c.note)
		}
	}
	if _, err := findOld(t.Context(), full, "nosuch"); err == nil || !strings.Contains(err.Error(), "nosuch") {
		t.Errorf("a commit that does not exist: %v", err)
	}
}

// Where there is no history both programs are this tree's, and a run still upgrades and rolls back.
func TestWithoutHistoryTheProgramsAreToldApart(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "notifier")
	if err := os.WriteFile(program, []byte("it"), 0o755); err != nil {
		t.Fatal(err)
	}
	old, err := BuildOld(t.Context(), dir, dir, Previous, program)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(old.Program); err != nil || string(text) != "it" {
		t.Errorf("the old program is %q: %v", text, err)
	}
	r := &round{opt: Options{Program: program, Old: old}, daemon: &rig.Daemon{Program: old.Program}, changes: map[string]int{}}
	for _, want := range []string{"new", "old", "new"} {
		if r.swap(); r.release(r.daemon) != want {
			t.Errorf("it has the %s program, want the %s one", r.release(r.daemon), want)
		}
	}
	if r.changes["upgrade"] != 2 || r.changes["roll back"] != 1 {
		t.Errorf("changes: %v", r.changes)
	}
}
