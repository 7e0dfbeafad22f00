package dispatch

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

func chargeOf(at time.Time, n string) map[string]string {
	return map[string]string{ledger.ArgAccount: "stub:k", ledger.ArgAt: at.UTC().Format(time.RFC3339Nano), ledger.ArgCount: n}
}

// Slots that somebody else used are not used again, also not by the next owner, and a command that comes twice counts once.
func TestUseByOthersThatIsToldIsObeyedAndKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	half := a.clock.now().Add(-30 * time.Minute)
	a.obey(told(0, "c1", ledger.CmdCharge, "stub:k/broadcast", chargeOf(half, "2")))
	a.obey(told(0, "c1", ledger.CmdCharge, "stub:k/broadcast", chargeOf(half, "2")))
	a.admit(b.intent("cast", "r", "*", intent.Broadcast), 0)
	if calls := a.plan(); len(calls) != 0 {
		t.Fatal("a broadcast left although both slots of the hour were used by somebody else")
	}
	b.commit(a)
	as := b.answers()
	if last := as[len(as)-1]; !last.OK || !strings.Contains(last.Text, "2 slots of main/broadcast are charged as used by somebody else, 2 in 1h: 2/2") {
		t.Errorf("answer %+v", last)
	}
	a = b.byHand(nil)
	a.apply()
	if calls := a.plan(); len(calls) != 0 {
		t.Fatal("the next owner does not know of the use")
	}
	l := a.accounts["stub:k"].lanes["broadcast"]
	// A minute within which it was, an hour, and the guard.
	if next, from := a.slot(l, 1, a.clock.now()), half.Add(time.Hour+toldWithin); next.Before(from) || next.After(from.Add(time.Minute)) {
		t.Errorf("next slot at %s, want a little after %s", next, from)
	}
	if n := len(b.readLedger().Attempts); n != 1 {
		t.Errorf("%d charges on record, want 1", n)
	}
	for _, at := range b.readLedger().Attempts {
		if at.State != ledger.External || at.By != "li" || at.Why != "wrong text" || at.Weight != 2 {
			t.Errorf("on record: %+v", at)
		}
	}
}

func TestWhatCannotBeCharged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	now := a.clock.now()
	for i, c := range []struct {
		target string
		args   map[string]string
		says   string
	}{
		{"stub:k/nowhere", chargeOf(now, "1"), "no slots to charge"},
		{"stub:k/broadcast", chargeOf(now, "0"), "no number of slots"},
		{"stub:k/broadcast", chargeOf(now, "many"), "no number of slots"},
		{"stub:k/broadcast", chargeOf(now.Add(time.Hour), "1"), "in the future"},
		{"stub:k/broadcast", chargeOf(now.Add(-49*time.Hour), "1"), "more than 48h ago"},
	} {
		ans := ledger.Answer{OK: true}
		a.charge(told(int64(i), "c", ledger.CmdCharge, c.target, c.args), &ans)
		if ans.OK || !ans.Refused || !strings.Contains(ans.Text, c.says) {
			t.Errorf("%s %v: %+v, want %q", c.target, c.args, ans, c.says)
		}
	}
	if len(a.kept) != 0 {
		t.Errorf("charged: %v", a.kept)
	}
}
