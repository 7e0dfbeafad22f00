package rules

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// The files are there to be copied by people who write rules, in Chinese or English: at least eight rules, and above each one a comment in
// both languages.
func TestEachRuleHasACommentForWhoeverCopiesIt(t *testing.T) {
	names, err := fs.Glob(Files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`^  - name: (\S+)$`)
	han, latin := regexp.MustCompile(`\p{Han}{2}`), regexp.MustCompile(`[A-Za-z]{3}.* [a-z]{2}`)
	rules := 0
	for _, name := range names {
		b, err := Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		comment := ""
		for line := range strings.Lines(string(b)) {
			line = strings.TrimRight(line, "\n")
			if c, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok {
				comment += c
				continue
			}
			if m := rule.FindStringSubmatch(line); m != nil {
				rules++
				if !han.MatchString(comment) || !latin.MatchString(comment) {
					t.Errorf("%s: above the rule %s stands %q: want a comment in both languages", name, m[1], comment)
				}
			}
			comment = ""
		}
	}
	if rules < 8 {
		t.Errorf("%d rules, want at least eight", rules)
	}
}
