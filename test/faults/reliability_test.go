package faults

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// named are tests as RELIABILITY.md and SECURITY.md name them: `FOLDER TestName`.
var named = regexp.MustCompile("`((?:internal|test|cmd)/[a-z/]+ (?:Test|Fuzz)[A-Za-z0-9]+)`")

// What RELIABILITY.md says attacks a promise is there.
func TestWhatAttacksAPromiseExists(t *testing.T) { namedTestsExist(t, "RELIABILITY.md", 25) }

// What SECURITY.md says attacks a control is there, and each control that concerns a daemon without a console has somebody who does.
func TestWhatAttacksAControlExists(t *testing.T) {
	page := namedTestsExist(t, "SECURITY.md", 50)
	for n := 1; n <= 41; n++ {
		id := fmt.Sprintf("S-%02d", n)
		row := regexp.MustCompile("(?m)^\\| " + id + " .*\\|$").FindString(page)
		switch {
		case n >= 21 && n <= 28: // a console's
		case !named.MatchString(row):
			t.Errorf("SECURITY.md: no test attacks %s", id)
		}
	}
}

// namedTestsExist gives a page whose named tests, at least some, are all there.
func namedTestsExist(t *testing.T, page string, least int) string {
	t.Helper()
	b, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	all := named.FindAllStringSubmatch(string(b), -1)
	if len(all) < least {
		t.Fatalf("%s: only %d tests are named", page, len(all))
	}
	for _, m := range all {
		if err := exists(m[1]); err != nil {
			t.Errorf("%s: %v", page, err)
		}
	}
	return string(b)
}

// Who finds a weakness is told where to say so, and how long it takes.
func TestTheWayToReportAWeaknessIsThere(t *testing.T) {
	b, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	report := regexp.MustCompile(`(?s)## Report a weakness\n(.*?)\n## `).FindString(string(b))
	for _, want := range []string{"private vulnerability reporting", "within 3 days", "within 7"} {
		if !strings.Contains(report, want) {
			t.Errorf("SECURITY.md does not say %q where it tells how to report a weakness", want)
		}
	}
}
