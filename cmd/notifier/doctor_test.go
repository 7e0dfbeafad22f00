package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if code, out, _ := once(t, w.dir, "doctor"); code != exitUnreachable || strings.Count(out, "does not run") != 1 || strings.Count(out, "start `notifier run`") != 1 || !strings.Contains(out, "next: notifier run -c notifier.yaml") {
		t.Errorf("before the first start: exit %d, want %d\n%s", code, exitUnreachable, out)
	}
	p := w.run()
	code, out, talk := once(t, w.dir, "doctor", "--format", "json")
	var r struct {
		Schema   string
		Errors   int
		Findings []struct{ Check, State, Next string }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s%s", err, out, talk)
	}
	for _, f := range r.Findings {
		if f.State == "error" {
			t.Errorf("a healthy daemon has %+v", f)
		}
	}
	if code != 0 || r.Schema != "notifier.doctor/v1" || r.Errors != 0 || len(r.Findings) < 8 {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out, _ := once(t, w.dir, "doctor", "--lang", "zh"); code != 0 || !strings.Contains(out, "本机时钟与厂商一致") || !strings.Contains(out, "错误 0 个") {
		t.Errorf("in Chinese: exit %d\n%s", code, out)
	}
	for _, args := range [][]string{{"--format", "xml"}, {"--lang", "fr"}, {"extra"}} {
		if code, _, talk := once(t, w.dir, append([]string{"doctor"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit %d, want %d: %s", args, code, exitUsage, talk)
		}
	}
	if code, out, _ := once(t, w.dir, "doctor", "-c", "none.yaml"); code != exitSettings || !strings.Contains(out, "none.yaml N700") {
		t.Errorf("without settings: exit %d\n%s", code, out)
	}

	// A bundle of a daemon that has seen people: nothing of theirs, and nothing that an operator wrote, is in it.
	w.produce("orders", fmt.Sprintf(`{"id":"canary-event","at":%q,"user":"canary-user","amount":13800138000}`, time.Now().Format(time.RFC3339)))
	w.produce("orders", `{"id":"canary-dead"`)
	until(t, "the push", func() bool { return w.sent("canary-event") == 1 })
	if code, _, talk := once(t, w.dir, "pause", "rule/thanks", "--why", "canary-why of 13900139000", "--by", "canary-operator", "--yes"); code != 0 {
		t.Fatal(talk)
	}
	w.produce("orders", fmt.Sprintf(`{"id":"canary-held","at":%q,"user":"canary-user","amount":200}`, time.Now().Format(time.RFC3339)))
	until(t, "a pending intent", func() bool {
		_, out, _ := once(t, w.dir, "status")
		return strings.Contains(out, "+ 1 pending")
	})
	if code, _, talk := once(t, w.dir, "doctor", "--bundle", "b.tar.gz"); code != 0 || !strings.Contains(talk, "written: b.tar.gz") {
		t.Fatalf("exit %d: %s", code, talk)
	}
	body := gunzip(t, filepath.Join(w.dir, "b.tar.gz"))
	for _, canary := range []string{"canary", "13800138000", "13900139000", sandbox.DefaultSecret} {
		if strings.Contains(body, canary) {
			t.Errorf("the bundle holds %s", canary)
		}
	}
	for _, want := range []string{`"pending": 1`, `"rule/thanks"`, `"notifier.ledger"`, "accounts.main.secret\t***"} {
		if !strings.Contains(body, want) {
			t.Errorf("the bundle lacks %s:\n%s", want, body)
		}
	}
	if st, err := os.Stat(filepath.Join(w.dir, "b.tar.gz")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the bundle's mode: %v %v", st.Mode(), err)
	}
	if code, _, talk := once(t, w.dir, "doctor", "--bundle", "b.tar.gz"); code != exitUsage || !strings.Contains(talk, "is there already") {
		t.Errorf("over a file: exit %d %s", code, talk)
	}
	if strings.Contains(p.said(), sandbox.DefaultSecret) {
		t.Error("the log holds the secret")
	}
}

// gunzip gives all bytes of an archive: whatever is in it is in there.
func gunzip(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
