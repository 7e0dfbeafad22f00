package diag

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A line that begins with more than the key above it is not taken for its sibling because no width makes it its value.
func TestAKeyIsNotLeftWithoutItsValue(t *testing.T) {
	lines := strings.Split("rules:\n\t- name: x\n\t  push:\n\t\ttitle: t\n\t\tbody: b\n    mode: live", "\n")
	if out, unclear := Indented(lines); unclear != 4 {
		t.Errorf("line %d is unclear, given %q", unclear, out)
	}
}

// Whatever white space stands before lines: what is moved stays where it is the second time, and each line keeps its text.
func TestIndentedTwiceIsIndentedOnce(t *testing.T) {
	parts := []string{"\t", "\u3000", " ", "  ", "\u00a0", "- ", "-", "a: ", "b:", "c: x", "|", "\n", "\n", "\n", "\"", "[", "]", "{", "}", ",", "#", "：", "x"}
	r := rand.New(rand.NewPCG(1, 2))
	moved := 0
	for range 3000 {
		var b strings.Builder
		for range 1 + r.IntN(25) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		lines := strings.Split(b.String(), "\n")
		out, unclear := Indented(lines)
		if unclear > 0 {
			if !formOf(lines[unclear-1]).odd || !slices.Equal(out, lines) {
				t.Fatalf("%q: unclear is line %d, given %q", lines, unclear, out)
			}
			continue
		}
		if !slices.Equal(out, lines) {
			moved++
		}
		for i := range lines {
			if strings.TrimLeft(out[i], looksLike) != strings.TrimLeft(lines[i], looksLike) {
				t.Fatalf("%q: line %d became %q", lines, i+1, out[i])
			}
		}
		if again, unclear := Indented(out); unclear > 0 || !slices.Equal(again, out) {
			t.Fatalf("%q became %q, and then %q (%d)", lines, out, again, unclear)
		}
	}
	if moved < 300 {
		t.Errorf("only %d were moved", moved)
	}
}
