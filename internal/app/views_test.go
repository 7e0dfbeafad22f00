package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

func TestStatusTellsWhatOthersUsedAndHowFarAResyncIs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := &settings.Settings{Zone: time.UTC, Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", AppKey: "k", Timeout: 6 * time.Second,
		Quota: settings.Quota{Hour: 2, Day: 3, DayZones: []*time.Location{time.UTC}, Shared: true}, Broadcast: true}}}
	st := ledger.NewState()
	for id, at := range map[string]*ledger.Attempt{"a": {State: ledger.External, At: now.Add(-time.Hour)}, "b": {State: ledger.External, At: now.Add(-2 * time.Hour)},
		"c": {State: ledger.External, At: now.Add(-30 * time.Hour)}, "d": {State: ledger.OK, At: now.Add(-time.Hour)}} {
		at.ID, at.Account, at.Lane, at.Until, at.Weight = id, "rongcloud:k", "broadcast", at.At, 1
		st.Attempts[id] = at
	}
	st.Pending["p"] = &ledger.Pending{Intent: &intent.Intent{Key: "rongcloud:k", Action: intent.Broadcast, Audience: &intent.Audience{AllOf: []string{"vip"}}}}
	st.Checks["rongcloud:k/c1"] = &ledger.Check{ID: "c1", Cmd: ledger.CmdResync, By: "li", At: now, Part: 3, Parts: 64, Results: ledger.Drift{Checked: 900}}
	st.Checks["rongcloud:k/c2"] = &ledger.Check{ID: "c2", Cmd: ledger.CmdVerify}
	states := map[int32]*ledger.State{0: st}
	v := StatusOf(s, states, nil, now)
	if d := cmp.Diff([]ExternalView{{Lane: "main/broadcast", N: 2, Last: now.Add(-time.Hour)}}, v.External); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]ResyncView{{Account: "main", By: "li", At: now, Part: 3, Parts: 64, Results: ledger.Drift{Checked: 900}}}, v.Resyncs); d != "" {
		t.Error(d)
	}
	for _, l := range QuotaOf(s, nil, states, now).Accounts[0].Lanes {
		want := map[string]int{"main/broadcast": 1}[l.Lane]
		if l.Waiting != want {
			t.Errorf("%d requests wait in %s, want %d", l.Waiting, l.Lane, want)
		}
	}
}

// Slots that others used can be charged at either vendor.
func TestLanesWithSlotsOfBothVendors(t *testing.T) {
	t.Parallel()
	for vendor, want := range map[string]string{"rongcloud": "broadcast recall", "getui": "app tag"} {
		if got := strings.Join(ScarceLanes(&settings.Account{Vendor: vendor, Quota: settings.Quota{Hour: 2, Day: 3, DayZones: []*time.Location{time.UTC}, Shared: true}}), " "); got != want {
			t.Errorf("%s: %s, want %s", vendor, got, want)
		}
	}
}
