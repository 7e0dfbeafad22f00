package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/diag"
)

func TestATimeThatWas(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, zone)
	for in, want := range map[string]time.Time{
		"09:03": time.Date(2026, 11, 21, 9, 3, 0, 0, zone), "23:50": time.Date(2026, 11, 20, 23, 50, 0, 0, zone),
		"20m ago": now.Add(-20 * time.Minute), "2026-11-21 08:00": time.Date(2026, 11, 21, 8, 0, 0, 0, zone),
	} {
		if got, err := parsePast(in, now, zone, diag.EN); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "soon", "2026-11-21 10:01"} {
		if got, err := parsePast(in, now, zone, diag.EN); err == nil {
			t.Errorf("%q is %v", in, got)
		}
	}
}

// Somebody sent from the console: the hour's slots are used, also for the process that comes after a crash.
func TestQuotaCharge(t *testing.T) {
	t.Parallel()
	w := newCastWorld(t)
	w.edit("notifier.yaml", "{hour: 20, day: 20}", "{hour: 2, day: 3}")
	p := w.run()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--at", "1m ago", "--count", "2", "--yes"}, exitUsage, "--why is missing"},
		{[]string{"--at", "1m ago", "--count", "2", "--why", "console"}, exitUsage, "2 slots of main/broadcast count as used by somebody else"},
		{[]string{"--at", "1m ago", "--why", "console", "--yes"}, exitUsage, "--count is"},
		{[]string{"--count", "2", "--why", "console", "--yes"}, exitUsage, "--at is missing"},
		{[]string{"--at", "72h ago", "--count", "2", "--why", "console", "--yes"}, exitGate, "counts in no window any more"},
	} {
		if code, _, talk := once(t, w.dir, append([]string{"quota", "charge", "main/broadcast"}, c.args...)...); code != c.code || !strings.Contains(talk, c.says) {
			t.Errorf("%v: exit %d %q, want %d %q", c.args, code, talk, c.code, c.says)
		}
	}
	for target, says := range map[string]string{"main/user": `names no lane with slots: main/broadcast, main/recall`, "mian/broadcast": `no account "mian": main`, "main": "names no lane"} {
		if code, _, talk := once(t, w.dir, "quota", "charge", target, "--at", "1m ago", "--count", "1", "--why", "x", "--yes"); code != exitUsage || !strings.Contains(talk, says) {
			t.Errorf("%s: exit %d %q, want %q", target, code, talk, says)
		}
	}
	if code, out, talk := once(t, w.dir, "quota", "charge", "main/broadcast", "--at", "1m ago", "--count", "2", "--why", "console", "--by", "li", "--yes"); code != 0 || !strings.Contains(out, "2 slots of main/broadcast are charged") {
		t.Fatalf("charge: exit %d %s %s", code, out, talk)
	}
	p.signal(syscall.SIGKILL)
	p.exits()
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	p.says(`"partition owned"`)
	w.amount("cast-1", 2000)
	until(t, "the broadcast to wait", func() bool { _, out, _ := once(t, w.dir, "quota"); return strings.Contains(out, "waiting: 1 request") })
	if _, out, _ := once(t, w.dir, "quota"); !strings.Contains(out, "last 60 min 2/2") || !strings.Contains(out, "external") || !strings.Contains(out, "2 slots, by li: console") {
		t.Errorf("quota:\n%s", out)
	}
	if _, out, _ := once(t, w.dir, "status"); !strings.Contains(out, "external  main/broadcast  somebody else used 2 slots in 24 h") {
		t.Errorf("status:\n%s", out)
	}
	if w.sent("cast-1") != 0 {
		t.Error("sent above the quota")
	}
}
