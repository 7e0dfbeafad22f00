package docs

import (
	"strings"
	"testing"
	"unicode"
)

// Every page says in both languages what, why and how to mend, and of what is no error how to silence it.
func TestPagesAreWhole(t *testing.T) {
	codes := Codes()
	if len(codes) < 80 {
		t.Fatalf("%d codes", len(codes))
	}
	parts := map[string][]string{"en": {"Why. ", "Fix. ", "Silence. "}, "zh": {"原因。", "改法。", "消除告警。"}}
	for _, c := range codes {
		for lang, p := range map[string]Page{"en": c.EN, "zh": c.ZH} {
			if p.Title == "" || p.Text == "" || strings.Contains(p.Text, "```") || strings.Contains(p.Text, "**") || strings.Contains(p.Text, "\n## ") {
				t.Errorf("%s %s: %+v", c.Code, lang, p)
			}
			if han := strings.ContainsFunc(p.Title, func(r rune) bool { return unicode.Is(unicode.Han, r) }); han != (lang == "zh") {
				t.Errorf("%s %s: title %q", c.Code, lang, p.Title)
			}
			for i, mark := range parts[lang] {
				if want := i < 2 || c.Code[0] != 'N'; strings.Contains(p.Text, "\n\n"+mark) != want {
					t.Errorf("%s %s: has %q: %t", c.Code, lang, mark, !want)
				}
			}
		}
	}
}
