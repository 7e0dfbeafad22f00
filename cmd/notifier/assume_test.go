package main

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
)

// Of what was lost operators have said what it used: its COST is 0, and nothing else is said of it.
func TestWhatWasLostTakesNoSlotOfItsOwn(t *testing.T) {
	for detail, want := range map[string]string{
		ledger.LostWaiting: "takes no slot beside what `notifier quota assume` said; `notifier attempts resolve a-1`",
		"timed out":        "counted as used; `notifier attempts resolve a-1`",
	} {
		if got := fateTextIn(&ledger.Fate{Fate: ledger.FateUnknown, Attempt: "a-1", Detail: detail}, time.UTC, diag.EN); !strings.Contains(got, want) ||
			strings.Contains(got, "counted") != (detail == "timed out") {
			t.Errorf("%s: %s", detail, got)
		}
	}
	for weight, want := range []string{"   takes no slot beside what `notifier quota assume` said, `notifier attempts resolve a-1`",
		"   counted as used, `notifier attempts resolve a-1`"} {
		if got := chargeNote(app.QuotaCharge{Source: "unknown", Attempt: "a-1", Slots: weight}, diag.EN); got != want {
			t.Errorf("%d slots: %q", weight, got)
		}
	}
}

// assumed lets the stopped partitions of a world whose ledger was lost go on. ord-1 was sent before, ord-2 came meanwhile.
func (w *world) assumed() {
	t := w.t
	t.Helper()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"main", "--used", "2", "--yes"}, "--why is missing"},
		{[]string{"main", "--why", "x", "--yes"}, "--used is how many slots are used"},
		{[]string{"mian", "--used", "2", "--why", "x", "--yes"}, `no account "mian": main`},
		{[]string{"main", "--used", "2", "--why", "x"}, "it goes on with 2 slots of each scarce lane of main used; what waited and has no fate becomes UNKNOWN"},
	} {
		if code, _, talk := once(t, w.dir, append([]string{"quota", "assume"}, c.args...)...); code != exitUsage || !strings.Contains(talk, c.says) {
			t.Errorf("assume %v: exit %d %q, want %q", c.args, code, talk, c.says)
		}
	}
	if code, out, talk := once(t, w.dir, "quota", "assume", "main", "--used", "2", "--why", "console shows 2", "--by", "li", "--yes"); code != 0 || !strings.Contains(out, "goes on, 2 slots of each scarce lane count as used; the ledger was lost") {
		t.Fatalf("assume: exit %d %s %s", code, out, talk)
	}
	until(t, "what came meanwhile to be sent", func() bool { return w.sent("ord-2") == 1 })
	w.order("ord-1", "u-1") // its source sends it again: the old intents are still there, so it is known
	until(t, "the repetition to be known", func() bool {
		_, out, _ := once(t, w.dir, "fates", "ord-1")
		return strings.Contains(out, "duplicate")
	})
	if w.sent("ord-1") != 1 {
		t.Errorf("ord-1 was sent %d times", w.sent("ord-1"))
	}
	until(t, "nothing to be stopped", func() bool { code, _, _ := once(t, w.dir, "status"); return code == 0 })
	if _, out, _ := once(t, w.dir, "quota"); !strings.Contains(out, "last 60 min 2/2") || !strings.Contains(out, "2 slots, by li: console shows 2") {
		t.Errorf("quota:\n%s", out)
	}
	if n := len(w.commands(ledger.CmdAssume)); n != 1 {
		t.Errorf("%d records of it on control, want 1", n)
	}
	if code, _, talk := once(t, w.dir, "quota", "assume", "main", "--used", "0", "--why", "again", "--yes"); code != exitGate || !strings.Contains(talk, "is not stopped") {
		t.Errorf("once more: exit %d %q", code, talk)
	}
	// A call of the lost ledger cannot be resolved any more, which is not to say that there never was one.
	if old := w.attempt("ord-1", "SENT"); old == "" {
		t.Error("no attempt of ord-1")
	} else if code, _, talk := once(t, w.dir, "attempts", "resolve", old, "--as", "sent", "--why", "x", "--yes"); code != exitGate || !strings.Contains(talk, "attempt "+old+" is of a ledger that was lost") || !strings.Contains(talk, "next: notifier attempts "+old) {
		t.Errorf("a call of the lost ledger: exit %d %q", code, talk)
	}
}
