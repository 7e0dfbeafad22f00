package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/embedded"
)

// runLine runs a command line in this process, with what main makes of its error.
func runLine(t *testing.T, args ...string) (code int, stdout, stderr string, err error) {
	t.Helper()
	started := false
	root := newRootCmd(&started)
	var out, talk bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&talk)
	root.SetArgs(args)
	if err = root.ExecuteContext(t.Context()); err != nil {
		code = exitCode(err, started)
	}
	return code, out.String(), talk.String(), err
}

func TestDemoPrintsNothingButJSON(t *testing.T) {
	for _, vendor := range []string{"rongcloud", "getui"} {
		t.Run(vendor, func(t *testing.T) { demoPrintsNothingButJSON(t, vendor) })
	}
}

func demoPrintsNothingButJSON(t *testing.T, vendor string) {
	code, out, talk, err := runLine(t, "demo", "--vendor", vendor, "--for", "5s", "--rate", "60", "--seed", "9", "--json")
	if err != nil || code != 0 {
		t.Fatalf("exit %d: %v\n%s%s", code, err, out, talk)
	}
	d := json.NewDecoder(strings.NewReader(out))
	var r struct {
		Schema   string
		Seed     int
		Events   int
		Balanced bool
	}
	if err := d.Decode(&r); err != nil || d.More() {
		t.Fatalf("not one JSON object (%v): %s", err, out)
	}
	if r.Schema != "notifier.demo/v1" || r.Seed != 9 || r.Events != 300 || !r.Balanced {
		t.Errorf("report %+v", r)
	}
	if !strings.Contains(talk, "events 300") || strings.Contains(talk, "\x1b") {
		t.Errorf("progress on something that is no terminal: %q", talk)
	}
}

// A stream that cannot show everything is a finding, named in the report.
func TestDemoExitsWithOneWhenSomethingIsMissing(t *testing.T) {
	code, out, talk, err := runLine(t, "demo", "--for", "1s", "--rate", "10")
	if code != exitFindings || !strings.Contains(out, "problem: nothing SENT of broadcast") {
		t.Errorf("exit %d (%v)\n%s%s", code, err, out, talk)
	}
}

func TestDemoWrongUse(t *testing.T) {
	for name, args := range map[string][]string{
		"no time at all":    {"--for", "0s"},
		"time backwards":    {"--for", "-1s"},
		"no rate":           {"--rate", "0"},
		"a rate beyond all": {"--rate", "1e9"},
		"not a rate":        {"--rate", "NaN"},
		"unknown vendor":    {"--vendor", "jiguang"},
		"an argument":       {"now"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, out, _, err := runLine(t, append([]string{"demo"}, args...)...); code != exitUsage || out != "" {
				t.Errorf("exit %d, %v, stdout %q", code, err, out)
			}
		})
	}
}

func TestDemoDataInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	b, err := embedded.Start(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	code, out, _, err := runLine(t, "demo", "--data", dir, "--for", "1s")
	if code != exitUsage || err == nil || !strings.Contains(err.Error(), dir) || out != "" {
		t.Errorf("exit %d, %v, stdout %q: want 2 and the directory's name", code, err, out)
	}
	if err := errors.Join(b.Close()); err != nil {
		t.Error(err)
	}
}

func TestDemoOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(dir, "probe")); err != nil {
		t.Fatal(err)
	}
	code, out, _, err := runLine(t, "demo", "--data", dir, "--for", "1s")
	if code != exitUnreachable || err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "no space left on device") || out != "" {
		t.Errorf("exit %d, %v, stdout %q: want %d, the directory's name and why", code, err, out, exitUnreachable)
	}
}

func TestDemoWithRulesThatHaveErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "events.yaml"), []byte("version: 1\nevents:\n  a: {topic: t, id: i, time: t, fieldz: {}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, talk, err := runLine(t, "demo", "--rules", dir, "--for", "1s")
	if code != exitFindings || !strings.Contains(talk, "fieldz") {
		t.Errorf("exit %d, %v\n%s", code, err, talk)
	}
	if code, _, talk, err := runLine(t, "demo", "--rules", filepath.Join(dir, "nowhere"), "--for", "1s"); code != exitFindings || !strings.Contains(talk, "nowhere") {
		t.Errorf("a folder that is not there: exit %d, %v\n%s", code, err, talk)
	}
}
