package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
)

func TestTextsFromOutsideCannotSteerTheTerminal(t *testing.T) {
	for in, want := range map[string]string{"ord-1": "ord-1", "林晓 x": "林晓 x", "a\x1b[2Kb": `"a\x1b[2Kb"`, "a\nSENT": `"a\nSENT"`, "a\u202eb": `"a\u202eb"`, "": ""} {
		if got := diag.Tame(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}

// holdGolden compares what a command printed with a file, or writes the file with -update.
func holdGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// What stands in a file can neither move the cursor nor begin a line, which CI would take for a command: in keys, names, clauses, texts.
func TestTextsOfFilesCannotSteerTheTerminal(t *testing.T) {
	const steers = `\e[2J\u202e\n::error::x`
	rule := func(key, name string) string {
		return "version: 1\nrules:\n  - name: vip\n    event: order.paid\n    mode: live\n    class: service\n    " + key + ": 'city != \"\u202e\" and amount > 1'\n    push: {title: \"谢谢\", body: \"b" + steers + "\"}\n" +
			"    tests:\n      - {name: \"" + name + "\", event: {amount: 1, city: x}, expect: {push: {title: \"" + steers + "\"}}}\n"
	}
	plain := func(what, out string) {
		t.Helper()
		for line := range strings.SplitSeq(out, "\n") {
			if strings.ContainsFunc(line, diag.Steers) || strings.HasPrefix(line, "::error::") {
				t.Errorf("%s prints %q", what, line)
			}
		}
		if out == "" {
			t.Errorf("%s prints nothing", what)
		}
	}
	inDir(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/\x1b[2J.yaml": rule("\"wh"+steers+"\"", "n")})
	out, _, _ := runCheck(checkOptions{})
	plain("check", out)
	out, _, _ = runCheck(checkOptions{format: "github"})
	plain("check --format github", strings.ReplaceAll(out, "::error file", "file"))

	inDir(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": rule("when", steers), "e.json": `{"id":"1","user":"u\u202e","amount":2,"city":"x"}`})
	var b, talk bytes.Buffer
	o := testOptions{checkOptions: checkOptions{paths: []string{"rules/"}, format: "text", lang: "en"}, coverage: true}
	_ = runTests(o, nil, &b, &talk) // it fails, which is what is printed
	plain("test", b.String())
	b.Reset()
	if err := explainRecord(explainOptions{checkOptions: o.checkOptions, event: "e.json", say: diag.EN}, nil, nil, &b, &talk); err != nil {
		t.Fatal(err)
	}
	plain("explain", b.String())
}

// What --event names may have no end: a pipe, a device.
func TestARecordInHandIsBounded(t *testing.T) {
	inDir(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": checkRules})
	beyond := iotest.ErrReader(errors.New("read beyond what a record can be"))
	in := io.MultiReader(bytes.NewReader(make([]byte, maxRecord+1)), beyond)
	err := explainRecord(explainOptions{checkOptions: checkOptions{paths: []string{"rules/"}, format: "text"}, event: "-", say: diag.EN}, nil, in, io.Discard, io.Discard)
	if e, ok := errors.AsType[*exitError](err); !ok || e.code != exitUsage || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Errorf("it ends with %v", err)
	}
}

func TestColumnsStandBelowChineseHeadings(t *testing.T) {
	var b strings.Builder
	w := &columns{to: &b}
	fmt.Fprint(w, "编号\t事件\t说明\nK3F7QA\tord-1\tx\n")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "编号    事件   说明\nK3F7QA  ord-1  x\n"; b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
