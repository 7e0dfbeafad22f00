package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/notifier/notifier/test/chaos/harness"
)

// A patch that does not apply any more plants nothing.
func TestEveryPatchStillApplies(t *testing.T) {
	t.Parallel()
	root, err := harness.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bugs, err := readBugs(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(bugs) != 20 {
		t.Errorf("%d bugs, want 20", len(bugs))
	}
	for _, b := range bugs {
		file := root + "/test/chaos/bugs/" + b.File
		if out, err := command(t.Context(), root, "git", "apply", "--check", file); err != nil {
			t.Errorf("%s: %v\n%s", b.File, err, out)
		}
		if b.Check[0] != "chaos" {
			pkg := strings.TrimPrefix(b.Check[1], "./")
			if b.Check[0] == "sim" {
				pkg = "test/sim"
			}
			if out, err := command(t.Context(), root, "grep", "-rqs", "func "+b.Check[len(b.Check)-1]+"(", pkg); err != nil {
				t.Errorf("%s: its check %s is not in %s %s", b.File, b.Check[len(b.Check)-1], pkg, out)
			}
		}
	}
}

// A check that fails for another reason has not found the bug.
func TestAFailureMustBeTheBugs(t *testing.T) {
	t.Parallel()
	b := Bug{Want: "lost: "}
	failed := errors.New("exit status 1")
	for _, c := range []struct {
		out  string
		err  error
		want bool
	}{{"problem: lost: x", failed, true}, {"problem: wrong tags", failed, false}, {"lost: ", nil, false}} {
		if err := judge(b, c.out, c.err); (err == nil) != c.want {
			t.Errorf("output %q with error %v: %v", c.out, c.err, err)
		}
	}
}
