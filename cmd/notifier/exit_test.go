package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// 70 is for faults of the program: a path that cannot be used and a full disk are none.
func TestPathsAndDisksAreNoInternalFaults(t *testing.T) {
	for what, c := range map[string]struct {
		args []string
		code int
	}{
		"a data directory below a file": {[]string{"demo", "--data", "/dev/null/x", "--for", "1s"}, exitUsage},
		"a shell nobody knows":          {[]string{"completion", "foo"}, exitUsage},
		"a format nobody knows":         {[]string{"attempts", "--format", "yaml"}, exitUsage},
	} {
		if code, _, _, err := runLine(t, c.args...); code != c.code || err == nil {
			t.Errorf("%s: exit %d, %v, want %d", what, code, err, c.code)
		}
	}
	full := fmt.Errorf("embedded broker: %w", &fs.PathError{Op: "write", Path: "data/x", Err: syscall.ENOSPC})
	if code := exitCode(full, true); code != exitUnreachable {
		t.Errorf("a full disk: exit %d, want %d", code, exitUnreachable)
	}
	if code := exitCode(fmt.Errorf("impossible"), true); code != exitInternal {
		t.Errorf("a fault of the program: exit %d, want %d", code, exitInternal)
	}
}

// A call that waits to be made again says when, in the settings' zone.
func TestAttemptsSayWhenACallIsMadeAgain(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	again := &ledger.Attempt{ID: "A-0-1", At: at, State: ledger.Again, Next: at.Add(5 * time.Minute), Detail: "no answer"}
	var list, one bytes.Buffer
	s := &settings.Settings{Zone: time.FixedZone("", 8*3600)}
	if err := printAttempts(&list, "text", []*ledger.Attempt{again}, s); err != nil {
		t.Fatal(err)
	}
	printAttempt(&one, again, s)
	for _, text := range []string{list.String(), one.String()} {
		if !strings.Contains(text, "made again at 12:05:00 under the same id; no answer") {
			t.Errorf("got %q", text)
		}
	}
}

func TestAttemptsAsLinesOfJSON(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	if err := printAttempts(&out, "jsonl", []*ledger.Attempt{{ID: "A-0-1", At: at}, {ID: "A-0-2", At: at}}, &settings.Settings{Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"id":"A-0-1"`) || !strings.Contains(lines[1], `"id":"A-0-2"`) {
		t.Errorf("got %q", out.String())
	}
}
