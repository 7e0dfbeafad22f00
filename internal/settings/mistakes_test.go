package settings

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
)

var update = flag.Bool("update", false, "write the golden files")

// mistakes loads each testdata/mistakes/CODE-*.yaml, and one file that is not there; by name.
func mistakes(t *testing.T) map[string]diag.List {
	t.Helper()
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	out := map[string]diag.List{}
	for _, f := range append(files, "testdata/mistakes/N700.yaml") {
		s, l := Load(f, []string{"RONGCLOUD_SECRET=s", "EMPTY="}, nil)
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		if s != nil || len(l) == 0 {
			t.Errorf("%s loads", name)
		}
		out[name] = l
	}
	return out
}

// Each mistake is shown exactly as in testdata/mistakes/NAME.txt, in English and in Chinese; the name begins with its code.
func TestEachMistakeIsShownAsWritten(t *testing.T) {
	for name, l := range mistakes(t) {
		var got bytes.Buffer
		for _, lang := range []diag.Lang{diag.EN, diag.ZH} {
			if err := diag.WriteText(&got, l, lang); err != nil {
				t.Fatal(err)
			}
			if lang == diag.EN {
				got.WriteString("----\n")
			}
		}
		if !strings.HasPrefix(name, l[0].Code) {
			t.Errorf("%s: the first finding is %s", name, l[0].Code)
		}
		golden := "testdata/mistakes/" + name + ".txt"
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What is said in Chinese is Chinese, also what stands between backticks if it is a sentence, and each mistake says how to mend it.
func TestFindingsAreInBothLanguagesAndHaveACure(t *testing.T) {
	english := regexp.MustCompile(`[A-Za-z\']+ [A-Za-z\']+ [A-Za-z\']+`)
	for name, l := range mistakes(t) {
		for _, d := range l {
			for _, s := range []diag.Text{d.Message, d.Hint, d.Note} {
				if english.MatchString(s.ZH) {
					t.Errorf("%s: %s in Chinese: %s", name, d.Code, s.ZH)
				}
				if (s.EN == "") != (s.ZH == "") || s.EN != "" && s.EN == s.ZH || strings.ContainsFunc(s.EN, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
					t.Errorf("%s: %s: %q and %q", name, d.Code, s.EN, s.ZH)
				}
			}
			if d.Hint.EN == "" && d.Note.EN == "" {
				t.Errorf("%s: %s has no cure: %s", name, d.Code, d.Message.EN)
			}
		}
	}
}
