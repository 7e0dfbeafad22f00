package main

import "testing"

func TestTextsFromOutsideCannotSteerTheTerminal(t *testing.T) {
	for in, want := range map[string]string{"ord-1": "ord-1", "林晓 x": "林晓 x", "a\x1b[2Kb": `"a\x1b[2Kb"`, "a\nSENT": `"a\nSENT"`, "": ""} {
		if got := tame(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}
