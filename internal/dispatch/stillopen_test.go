package dispatch

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Nobody's word counts on a call that is open: whoever gives it is told since when it is, and who or what decides.
func TestWhoResolvesAnOpenCallIsToldWhatDecides(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	a.admit(b.intent("e1", "r", "*", intent.Broadcast), 0)
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want one", len(calls))
	}
	b.commit(a)
	at := *calls[0].attempt
	n := int64(0)
	refused := func(a *actor, want string) {
		t.Helper()
		n++
		got := b.refusal(a, told(n, "c"+at.ID+string(rune('a'+n)), ledger.CmdResolve, at.ID, map[string]string{"as": "sent"}))
		if !strings.HasPrefix(got, "the call is open since "+at.At.UTC().Format(time.RFC3339)+" and not without outcome yet: ") || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if AnswerZH(got) == got {
			t.Errorf("%q has no Chinese", got)
		}
	}
	refused(a, "the vendor's answer or the time-out decides; next: notifier attempts "+at.ID)
	a = b.byHand(nil)
	refused(a, "it is judged at "+at.NotAfter.Add(lateHold).UTC().Format(time.RFC3339)+" at the latest; next: notifier attempts "+at.ID)
	a = b.byHand(func(ac *Account, _ *Options) { ac.Key = "stub:other" })
	refused(a, "it is judged when lane stub:k/broadcast is back in the settings; next: put the account back")
}
