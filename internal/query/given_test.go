package query

import (
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

// A command that nobody answered stands, and is read by whoever looks.
func TestWhatNobodyAnsweredStands(t *testing.T) {
	r, _, _ := written(t)
	if _, err := r.Send(t.Context(), ledger.Command{Cmd: ledger.CmdKill, Target: "r", By: "me", Why: "test"}, -1, 50*time.Millisecond); err == nil {
		t.Fatal("somebody answered")
	}
	g, err := r.Given(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	passed := ledger.NewState()
	passed.Position.Control = 1000
	got := g.Standing(map[int32]*ledger.State{0: passed})
	if len(got) != 1 || got[0].Cmd != ledger.CmdKill || got[0].By != "me" || !slices.Equal(got[0].Partitions, []int32{1}) {
		t.Errorf("%+v stand, %v", got, err)
	}
}

// Of several who said what became of an attempt the one counts whose word is in the fate, not the last: the others were refused.
func TestAResolutionIsTheOneThatTookEffect(t *testing.T) {
	said := []ledger.Command{
		{Cmd: ledger.CmdResolve, Target: "A-0-1", By: "li", Why: "seen", Args: map[string]string{"as": "sent"}},
		{Cmd: ledger.CmdResolve, Target: "A-0-1", By: "li", Why: "seen", Args: map[string]string{"as": "not-sent"}},
		{Cmd: ledger.CmdResolve, Target: "A-0-1", By: "wang", Why: "gone", Args: map[string]string{"as": "not-sent"}},
	}
	for _, c := range []struct {
		f    ledger.Fate
		want *ledger.Command
	}{
		{ledger.Fate{Attempt: "A-0-1", Kind: "operator", By: "li", Why: "seen", Fate: ledger.Sent}, &said[0]},
		{ledger.Fate{Attempt: "A-0-1", Kind: "operator", By: "li", Why: "seen", Fate: ledger.Suppressed}, &said[1]},
		{ledger.Fate{Attempt: "A-0-1", Kind: "operator", By: "wang", Why: "gone", Fate: ledger.Suppressed}, &said[2]},
		{ledger.Fate{Attempt: "A-0-1", Kind: "operator", By: "li", Why: "seen", Fate: ledger.Sent, Detail: ledger.OfRecall + "not-sent"}, &said[1]},
		{ledger.Fate{Attempt: "A-0-1", Kind: "operator", By: "zhao", Why: "seen", Fate: ledger.Sent}, nil},
		{ledger.Fate{Attempt: "A-0-2", Kind: "operator", By: "li", Why: "seen", Fate: ledger.Sent}, nil},
		{ledger.Fate{Attempt: "A-0-1", By: "li", Why: "seen", Fate: ledger.Sent}, nil},
	} {
		if got := resolvedBy(&c.f, "A-0-1", said); got != c.want {
			t.Errorf("%+v is by %+v, want %+v", c.f, got, c.want)
		}
	}
}
