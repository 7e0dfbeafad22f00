package main

import (
	"bytes"
	"strings"
	"testing"
)

// Where only approved cryptography may be used, the daemon says in one line why it cannot start, instead of a panic at the first call.
func TestOnlyApprovedCryptographyIsRefusedInOneLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cmd := command(t, w.dir, "run", "-c", "notifier.yaml")
	cmd.Env = append(cmd.Env, "GODEBUG=fips140=only")
	var talk bytes.Buffer
	cmd.Stderr = &talk
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != exitSettings || !strings.Contains(talk.String(), "notifier: account main: RongCloud's signature is SHA-1") || strings.Contains(talk.String(), "panic") {
		t.Errorf("exit %d, want %d:\n%s", code, exitSettings, talk.String())
	}
}
