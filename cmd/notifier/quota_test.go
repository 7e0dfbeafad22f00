package main

import (
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
)

// The end of a reserve reads as in the rule file: the midnight at the end of the day is 24:00, not the one at its beginning.
func TestAReserveEndsAsItIsWritten(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	for want, at := range map[string]time.Time{
		"22:00": time.Date(2026, 11, 21, 22, 0, 0, 0, zone),
		"24:00": time.Date(2026, 11, 22, 0, 0, 0, 0, zone),
		"00:30": time.Date(2026, 11, 22, 0, 30, 0, 0, zone),
	} {
		if got := endOfDay(at); got != want {
			t.Errorf("%s is written %s, want %s", at, got, want)
		}
	}
}

// Of a share that is used up it is told until when.
func TestAShareThatIsUsedUpSaysUntilWhen(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	next := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC)
	for lang, want := range map[diag.Lang]string{diag.EN: " → used until 11-22 00:00 +08:00", diag.ZH: " → 已用完，到 11-22 00:00 +08:00"} {
		if got := shareNext(app.QuotaShare{Next: next}, zone, lang); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := shareNext(app.QuotaShare{}, zone, diag.EN); got != "" {
		t.Errorf("%q of one that is not", got)
	}
}

// What is paused is told apart from what waits for a slot.
func TestWhatIsPausedIsToldApart(t *testing.T) {
	for n, want := range map[int][2]string{0: {}, 1: {"  paused: 1 request   next: notifier pending list\n", "  暂停：1 个请求   下一步：notifier pending list\n"}, 2: {"  paused: 2 requests   next: notifier pending list\n", "  暂停：2 个请求   下一步：notifier pending list\n"}} {
		if got := [2]string{pausedWords(n, diag.EN), pausedWords(n, diag.ZH)}; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
