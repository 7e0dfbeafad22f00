package faults

import (
	"os"
	"regexp"
	"testing"
)

// named are tests as RELIABILITY.md names them: `FOLDER TestName`.
var named = regexp.MustCompile("`((?:internal|test|cmd)/[a-z/]+ (?:Test|Fuzz)[A-Za-z0-9]+)`")

// What RELIABILITY.md says attacks a promise is there.
func TestWhatAttacksAPromiseExists(t *testing.T) {
	b, err := os.ReadFile("../../RELIABILITY.md")
	if err != nil {
		t.Fatal(err)
	}
	all := named.FindAllStringSubmatch(string(b), -1)
	if len(all) < 25 {
		t.Fatalf("only %d tests are named", len(all))
	}
	for _, m := range all {
		if err := exists(m[1]); err != nil {
			t.Error(err)
		}
	}
}
