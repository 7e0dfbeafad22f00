package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/docs"
	"github.com/notifier/notifier/internal/diag"
)

func explained(t *testing.T, code, format string, lang diag.Lang) string {
	t.Helper()
	var b bytes.Buffer
	if err := explainCode(&b, code, format, lang); err != nil {
		t.Fatalf("%s: %v", code, err)
	}
	return b.String()
}

func TestExplainCodeShowsThePage(t *testing.T) {
	en := explained(t, "w113", "text", diag.EN)
	want := "warning[W113]: The text ends before ` #`\n\nBehind ` #` everything is a comment.\n\nWhy. The rest of the text would be lost without a sign.\n\n" +
		"Fix. Put the text in double quotes.\n\nSilence. If it is a comment, write a space behind the `#`.\n\n    wrong: body: 第 #1 名\n    right: body: \"第 #1 名\"\n"
	if diff := cmp.Diff(want, en); diff != "" {
		t.Errorf("en (-want +got):\n%s", diff)
	}
	zh := explained(t, "W113", "text", diag.ZH)
	want = "warning[W113]: 文字在 ` #` 处断了\n\n` #` 之后都是注释。\n\n原因。后面的文字会悄悄丢掉。\n\n改法。文字加双引号。\n\n消除告警。如果本来就是注释，在 `#` 后面加一个空格。\n\n    错：body: 第 #1 名\n    对：body: \"第 #1 名\"\n"
	if diff := cmp.Diff(want, zh); diff != "" {
		t.Errorf("zh (-want +got):\n%s", diff)
	}
	if both := explained(t, "W113", "text", diag.Both); both != en+"\n"+zh {
		t.Errorf("both:\n%s", both)
	}
	var j struct {
		Schema string
		Codes  []codePage
	}
	if err := json.Unmarshal([]byte(explained(t, "I410", "json", diag.EN)), &j); err != nil || j.Schema != "notifier.explain-code/v1" || len(j.Codes) != 1 || j.Codes[0].Severity != diag.Advice || j.Codes[0].Text.ZH == "" {
		t.Errorf("%v %+v", err, j)
	}
}

func TestExplainCodeWithoutACodeListsAll(t *testing.T) {
	out := explained(t, "", "text", diag.Both)
	if n := strings.Count(out, "\n"); n != len(docs.Codes()) || !strings.Contains(out, "N101  error    Unknown key · 没有这个配置项\n") {
		t.Errorf("%d lines:\n%s", n, out)
	}
}

func TestExplainCodeKnowsWhatWasMeant(t *testing.T) {
	for code, want := range map[string]string{"N1011": "did you mean N101?", "101": "did you mean N101?", "N1O1": "did you mean N101?", "W599": "there are W503, W504, W505", "wehn": "`notifier explain-code` lists them"} {
		err := explainCode(new(bytes.Buffer), code, "text", diag.EN)
		if err == nil || exitCode(err, true) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// Each code that stands in the program's sources has a page, and no page speaks of a code that the program never gives.
func TestEveryCodeOfTheProgramIsExplained(t *testing.T) {
	code := regexp.MustCompile(`\b([NWI][1-9][0-9]{2})\b`)
	emitted := map[string]bool{}
	err := filepath.WalkDir("../../internal", func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		src, err := os.ReadFile(p)
		for _, m := range code.FindAllStringSubmatch(string(src), -1) {
			emitted[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, c := range docs.Codes() {
		explained[c.Code] = true
	}
	if diff := cmp.Diff(emitted, explained); diff != "" {
		t.Errorf("(-emitted +explained):\n%s", diff)
	}
}

// Each code has a golden of its finding as a terminal shows it, in English and in Chinese, in the testdata of the package that finds it.
func TestEveryCodeHasAGoldenInBothLanguages(t *testing.T) {
	shown := regexp.MustCompile(`(?m)^(?:error|warning|note)\[([NWI][1-9][0-9]{2})\]: (.+)$`)
	quoted := regexp.MustCompile("`[^`]*`|\"[^\"]*\"")
	var en, zh = map[string]bool{}, map[string]bool{}
	for _, dir := range []string{"diag", "rules", "settings", "app"} {
		err := filepath.WalkDir("../../internal/"+dir+"/testdata", func(p string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || filepath.Ext(p) != ".txt" {
				return err
			}
			text, err := os.ReadFile(p)
			for _, m := range shown.FindAllStringSubmatch(string(text), -1) {
				words := quoted.ReplaceAllString(m[2], "")
				han := strings.ContainsFunc(words, func(r rune) bool { return unicode.Is(unicode.Han, r) })
				both := strings.Contains(m[2], " · ")
				en[m[1]], zh[m[1]] = en[m[1]] || !han || both, zh[m[1]] || han
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range docs.Codes() {
		if !en[c.Code] || !zh[c.Code] {
			t.Errorf("%s has no golden: English %t, Chinese %t", c.Code, en[c.Code], zh[c.Code])
		}
	}
}
