package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTextsFromOutsideCannotSteerTheTerminal(t *testing.T) {
	for in, want := range map[string]string{"ord-1": "ord-1", "林晓 x": "林晓 x", "a\x1b[2Kb": `"a\x1b[2Kb"`, "a\nSENT": `"a\nSENT"`, "": ""} {
		if got := tame(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}

// holdGolden compares what a command printed with a file, or writes the file with -update.
func holdGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
