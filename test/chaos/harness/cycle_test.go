package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/notifier/notifier/test/chaos/rig"
)

// A daemon that does not come to the failpoint of a drain must have ended as one that was asked to.
func TestADrainThatFailsIsAProblem(t *testing.T) {
	for code, problems := range map[string]int{"0": 0, "3": 1} {
		dir := t.TempDir()
		program := filepath.Join(dir, "program")
		if err := os.WriteFile(program, []byte("#!/bin/sh\nexit "+code+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		d, err := rig.NewDaemon("one", program, rig.Setup{Dir: dir, Vendor: &rig.Sandbox{}})
		if err != nil {
			t.Fatal(err)
		}
		r := &round{daemon: d, missed: map[string]int{}}
		if err := r.start(""); err != nil {
			t.Fatal(err)
		}
		if err := r.endAt(t.Context(), "released"); err != nil {
			t.Fatal(err)
		}
		if len(r.problems) != problems || problems > 0 && !strings.Contains(r.problems[0], "ended with code "+code) || len(r.drains) != 1 || r.missed["released"] != 1 {
			t.Errorf("code %s: problems %q, %d drains, missed %v", code, r.problems, len(r.drains), r.missed)
		}
	}
}
