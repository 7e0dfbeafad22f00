package app

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// lost is a world where an account's App Key was changed while a call was open and another intent waited.
func lost(t *testing.T) WhyFacts {
	t.Helper()
	f := calm(t, "live")
	for _, id := range []string{"left", "waits"} {
		f.wait(id, func(p *ledger.Pending) { p.Intent.Key = "rongcloud:old" })
	}
	f.States[0].Attempts["A-0-1"] = &ledger.Attempt{ID: "A-0-1", Account: "rongcloud:old", Lane: "broadcast", Rule: "sale", State: ledger.Started, Owner: "gone-1", At: f.Now.Add(-time.Hour), Members: []intent.ID{"left"}}
	return f
}

func TestACallOfAnAccountThatTheSettingsLackIsUndecided(t *testing.T) {
	t.Parallel()
	english := regexp.MustCompile(`[a-z]{2,}(,? [a-z]{2,}){2,}`)
	f := lost(t)
	got := map[intent.ID]string{}
	for _, x := range PendingOf(f.Settings, f.Set, f.States, PendingFilter{}, f.Now).Pending {
		got[x.Intent] = x.Lane + " " + x.State + " " + x.Holds
	}
	if d := cmp.Diff(map[intent.ID]string{"left": "main/broadcast in_flight " + noAccount, "waits": "main/none paused " + noAccount}, got); d != "" {
		t.Error(d)
	}
	if v := IdleOf(IdleFacts{Settings: f.Settings, Set: f.Set, States: f.States, Now: f.Now}); v.Idle || v.Busy["in_flight"] != 1 || v.Held["paused"] != 1 {
		t.Errorf("%+v", v)
	}
	if d := cmp.Diff([]MissingView{{Identity: "rongcloud:old", Account: "main", Intents: 2, Calls: 1}}, StatusOf(f.Settings, f.States, nil, f.Now).Missing); d != "" {
		t.Error(d)
	}
	takeOver := slices.Index(WhyGates, "take-over")
	for _, f.Rule = range []string{"", "sale"} {
		s := WhyOf(f).Steps[takeOver]
		if !s.Fault || !strings.Contains(s.What, "call A-0-1 of lane rongcloud:old/broadcast open, and its account is not in the settings") || !strings.Contains(s.Next, "rongcloud:old") || !s.Since.Equal(f.Now.Add(-time.Hour)) {
			t.Errorf("of rule %q: %+v", f.Rule, s)
		}
		if zh := WhyZH(s.What) + WhyZH(s.Next); english.MatchString(zh) {
			t.Errorf("English is left in %s", zh)
		}
	}
	if f.Rule = "another"; WhyOf(f).Steps[takeOver].Holds {
		t.Error("of another rule")
	}
	f.Rule = ""
	for _, settled := range []ledger.AttemptState{ledger.OK, ledger.Unknown} {
		if f.States[0].Attempts["A-0-1"].State = settled; WhyOf(f).Steps[takeOver].Holds {
			t.Errorf("%s is no open call", settled)
		}
	}
}

// A pause does not hide that intents wait for an account: no resume lets them go.
func TestAPauseDoesNotHideALostAccount(t *testing.T) {
	t.Parallel()
	english := regexp.MustCompile(`[a-z]{2,}(,? [a-z]{2,}){2,}`)
	f := lost(t)
	pauses := slices.Index(WhyGates, "pauses")
	const alone = "1 intent is held, the first of rule sale: its account is not in the settings"
	if s := WhyOf(f).Steps[pauses]; s.What != alone {
		t.Errorf("%+v", s)
	}
	for _, p := range []ledger.Pause{{By: "li", Why: "wrong"}, {By: "li", Why: "wrong", Resuming: &ledger.Resuming{By: "li"}}} {
		f.States[0].Pauses["all"] = p
		s := WhyOf(f).Steps[pauses]
		if !strings.HasPrefix(s.What, "all is paused by li: wrong") || !strings.HasSuffix(s.What, "; beside that "+alone) {
			t.Errorf("%+v", s)
		}
		if zh := WhyZH(s.What); english.MatchString(zh) {
			t.Errorf("English is left in %s", zh)
		}
	}
}
