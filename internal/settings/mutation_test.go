package settings

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
)

// The reference file, cut at every byte and damaged by seed: it never panics; it is refused with a place, or each value that is still
// there is what it was, unless the damage lies in a line of that value.
func TestDamagedSettingsAreRefusedOrSayTheSame(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../notifier.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "notifier.yaml")
	read := func(data []byte) (*Settings, diag.List) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(path, []string{"RONGCLOUD_SECRET=hush-hush"}, nil)
	}
	values := func(s *Settings) map[string]string {
		out := map[string]string{}
		for _, e := range s.Entries {
			out[e.Path] = e.Value
		}
		return out
	}
	s, list := read(src)
	if s == nil {
		t.Fatal(codes(list))
	}
	want := values(s)
	refused, same, other := 0, 0, 0
	try := func(what string, data []byte, touched []int) {
		s, list := read(data)
		if s == nil {
			if refused++; !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Severity == diag.Error && d.Line > 0 && d.Column > 0 }) {
				t.Fatalf("%s: no place:\n%s", what, codes(list))
			}
			return
		}
		before, after := strings.Split(string(src), "\n"), strings.Split(string(data), "\n")
		changed := false
		for key, v := range values(s) {
			if old, ok := want[key]; !ok || old == v {
				continue
			}
			changed = true
			// A value stands in its own line, or goes back to its default when a key above it is lost.
			if !slices.ContainsFunc(touched, func(l int) bool {
				return slices.ContainsFunc(strings.Split(key, "."), func(part string) bool {
					return l < len(before) && strings.Contains(before[l], part) || l < len(after) && strings.Contains(after[l], part)
				})
			}) {
				t.Fatalf("%s in lines %v: %s is silently %q, was %q:\n%s", what, touched, key, v, want[key], data)
			}
		}
		if changed {
			other++
		} else {
			same++
		}
	}
	every, mutations := 3, 4000
	if underRace { // one goroutine reads one file: the detector sees in a few what it sees in all
		every, mutations = 29, 400
	}
	for cut := 0; cut < len(src); cut += every {
		s, list := read(src[:cut])
		if s == nil && !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Severity == diag.Error && d.Line > 0 && d.Column > 0 }) {
			t.Fatalf("cut at %d: no place:\n%s", cut, codes(list))
		}
	}
	rnd := rand.New(rand.NewPCG(7, 1))
	const marks = ":\"'#[]{}|&*!%@,>- \t\n?$：，”　０"
	for n := range mutations {
		i := rnd.IntN(len(src))
		j := min(len(src), i+1+rnd.IntN(12))
		first, last := strings.Count(string(src[:i]), "\n"), strings.Count(string(src[:j]), "\n")
		touched := []int{first, last}
		var data []byte
		what := ""
		switch rnd.IntN(5) {
		case 0:
			what = "a flipped bit"
			data = slices.Clone(src)
			data[i] ^= byte(1 << rnd.IntN(8))
		case 1:
			what, data = "deleted bytes", slices.Delete(slices.Clone(src), i, j)
		case 2:
			what, data = "doubled bytes", slices.Insert(slices.Clone(src), j, src[i:j]...)
		case 3:
			lines := strings.SplitAfter(string(src), "\n")
			k, m := rnd.IntN(len(lines)), rnd.IntN(len(lines))
			lines[k], lines[m] = lines[m], lines[k]
			what, data, touched = "swapped lines", []byte(strings.Join(lines, "")), []int{k, m}
		default:
			r := []rune(marks)
			what, data = "an inserted mark", slices.Insert(slices.Clone(src), i, []byte(string(r[rnd.IntN(len(r))]))...)
		}
		try(fmt.Sprintf("mutation %d, %s", n, what), data, touched)
	}
	t.Logf("%d refused, %d say the same, %d say something else where they are damaged", refused, same, other)
	if refused == 0 || same == 0 || other == 0 {
		t.Error("one kind of end is missing: the corpus proves nothing")
	}
}
