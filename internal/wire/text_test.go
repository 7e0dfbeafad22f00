package wire

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestCutIsBoundedAndPrintable(t *testing.T) {
	for _, s := range []string{"", "plain", strings.Repeat("国", 500), strings.Repeat("a", 254) + "国国", "a\x00b\nc\x1b[31m", "\xff\xfe" + strings.Repeat("\xff", 400)} {
		got := Cut(s)
		if len(got) > 3*maxText+len("…") || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\n\x1b") {
			t.Errorf("Cut(%q) = %q", s, got)
		}
	}
	if got := Cut(strings.Repeat("a", 254) + "国国"); got != strings.Repeat("a", 254)+"…" {
		t.Errorf("a rune was cut in two: %q", got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-1": 0, "999999999": time.Hour, "soon": 0,
		"Thu, 01 Jan 2026 00:00:09 GMT": 9 * time.Second, "Wed, 31 Dec 2025 00:00:09 GMT": 0,
	} {
		if got := RetryAfter(s, now); got != want {
			t.Errorf("RetryAfter(%q) = %s, want %s", s, got, want)
		}
	}
}

// A wall clock past the deadline stops the call though the monotonic one has time left.
func TestWallClockPastTheDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := Expired(ctx, time.Now().Add(time.Minute)); err != nil {
		t.Errorf("a minute left: %v", err)
	}
	if err := Expired(ctx, time.Now().Round(0).Add(-time.Second)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wall clock past: %v", err)
	}
}
