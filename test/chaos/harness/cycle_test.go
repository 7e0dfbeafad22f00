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

// Of twenty processes as many are frozen as were asked for, and none whose end is another.
func TestHowManyAreFrozen(t *testing.T) {
	for asked, want := range []int{1, 1, 2, 3, MaxFreezes} {
		r := &round{opt: Options{Freezes: asked}}
		n := 0
		for i := 20; i < 40; i++ {
			if r.frozen(i) {
				n++
				if i%20 == 7 || i%5 == 1 || i%5 == 4 {
					t.Errorf("of %d, cycle %d is frozen", asked, i)
				}
			}
		}
		if n != want {
			t.Errorf("%d of twenty are frozen, %d were asked for", n, asked)
		}
	}
}
