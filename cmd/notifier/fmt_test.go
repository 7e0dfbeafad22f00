package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
)

const unformatted = `version: 1
rules:
  - title: 感谢
    name: thanks
    event: order.paid
    mode: live
    class: service
    when： always
    push: {body: 好, title: 好的}
`

const formattedRules = `version: 1
rules:
  - name: thanks
    title: 感谢
    event: order.paid
    mode: live
    class: service
    when: always
    push: {body: "好", title: "好的"}
`

func TestFmt(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "rules.yaml")
	if err := os.WriteFile(name, []byte(unformatted), 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink(name, link); err != nil {
		t.Fatal(err)
	}
	run := func(diff bool, paths ...string) (code int, out, talk string) {
		t.Helper()
		var o, e bytes.Buffer
		err := format(paths, diff, diag.EN, &o, &e)
		if x, ok := errors.AsType[*exitError](err); ok {
			return x.code, o.String(), e.String() + err.Error()
		} else if err != nil {
			t.Fatal(err)
		}
		return 0, o.String(), e.String()
	}
	code, out, _ := run(true, name)
	want := strings.ReplaceAll(`--- NAME
+++ NAME (formatted)
@@ -1,9 +1,9 @@
 version: 1
 rules:
-  - title: 感谢
-    name: thanks
+  - name: thanks
+    title: 感谢
     event: order.paid
     mode: live
     class: service
-    when： always
-    push: {body: 好, title: 好的}
+    when: always
+    push: {body: "好", title: "好的"}
`, "NAME", name)
	if code != exitFindings || out != want {
		t.Errorf("exit %d, printed\n%s\nwant\n%s", code, out, want)
	}
	if code, out, _ := run(false, link); code != 0 || out != link+"\n" {
		t.Errorf("exit %d, printed %q", code, out)
	}
	got, err := os.ReadFile(name)
	if err != nil || string(got) != formattedRules {
		t.Errorf("wrote %q, %v", got, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is no link any more", err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
		t.Error("mode", info.Mode(), err)
	}
	if code, out, talk := run(false, name); code != 0 || out != "" || !strings.Contains(talk, "1 file, all in the canonical form") {
		t.Errorf("formatted again: exit %d, %q %q", code, out, talk)
	}
	if code, _, _ := run(true, name); code != 0 {
		t.Errorf("a formatted file: exit %d", code)
	}
	if err := os.WriteFile(name, []byte("version: 1\nrules: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, talk := run(false, name); code != exitFindings || !strings.Contains(talk, "notifier check") {
		t.Errorf("what cannot be read: exit %d, %q", code, talk)
	}
	settings := filepath.Join(dir, "notifier.yaml")
	if err := os.WriteFile(settings, []byte("version: 1\ntimezone: UTC\nkafka: {brokers: [k:9092]}\nrules: rules/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, talk := run(true, settings); code != exitUsage || out != "" || !strings.HasSuffix(talk, "is the settings file, not a rule file; next: notifier config check -c "+settings) {
		t.Errorf("the settings: exit %d, %q %q", code, out, talk)
	}
	if code, out, _ := run(false, dir); code != exitFindings || out != "" {
		t.Errorf("a folder with the settings in it: exit %d, %q", code, out)
	}
	unclear := "version: 1\nrules:\n  - name: thanks\n    push:\n      title: 好的\n\tbody: 好\n    mode: live\n"
	if err := os.WriteFile(name, []byte(unclear), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, talk := run(false, name)
	if got, err := os.ReadFile(name); code != exitFindings || out != "" || !strings.Contains(talk, "error: "+name+":6: ") || err != nil || string(got) != unclear {
		t.Errorf("a line that may belong to two places: exit %d, %q, %q, wrote %q, %v", code, out, talk, got, err)
	}
	if code, _, _ := run(false, filepath.Join(dir, "nowhere")); code != exitUsage {
		t.Errorf("no such folder: exit %d", code)
	}
}

// Whatever two files are, the printed hunks turn one into the other.
func TestDiffTurnsOneIntoTheOther(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := func(n int) string {
			var b strings.Builder
			for range n {
				fmt.Fprintf(&b, "%c\n", 'a'+r.IntN(4))
			}
			return b.String()
		}
		a := text(1 + r.IntN(30))
		b := a
		for range 1 + r.IntN(4) {
			lines := strings.SplitAfter(strings.TrimSuffix(b, "\n"), "\n")
			i := r.IntN(len(lines))
			switch r.IntN(3) {
			case 0:
				lines = slices.Delete(lines, i, i+1)
			case 1:
				lines = slices.Insert(lines, i, "new\n")
			default:
				lines[i] = "other\n"
			}
			if b = strings.TrimSuffix(strings.Join(lines, ""), "\n") + "\n"; b == "\n" {
				b = "x\n"
			}
		}
		var out bytes.Buffer
		if err := writeDiff(&out, "f", a, b); err != nil {
			t.Fatal(err)
		}
		if got := patched(t, a, out.String()); got != b {
			t.Fatalf("seed %d: from\n%sto\n%sthe diff is\n%sand gives\n%s", seed, a, b, out.String(), got)
		}
	}
}

// patched applies hunks as patch does, and fails where a line is not the one that the hunk says.
func patched(t *testing.T, text, diff string) string {
	t.Helper()
	src := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	var out []string
	at := 0
	for _, line := range strings.Split(strings.TrimSuffix(diff, "\n"), "\n")[2:] {
		var from, n, to, m int
		if k, _ := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &from, &n, &to, &m); k == 4 {
			for ; at < from-1; at++ {
				out = append(out, src[at])
			}
			if n == 0 {
				from++
			}
			if len(out) != to-1 && m > 0 {
				t.Fatalf("hunk %q begins behind %d lines", line, len(out))
			}
			continue
		}
		if line[0] != '+' {
			if src[at] != line[1:] {
				t.Fatalf("hunk line %q, the file has %q", line, src[at])
			}
			at++
		}
		if line[0] != '-' {
			out = append(out, line[1:])
		}
	}
	return strings.Join(append(out, src[at:]...), "\n") + "\n"
}
