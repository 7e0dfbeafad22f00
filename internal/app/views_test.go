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
	// of a lane without slots an episode is one record, which lasts
	st.Attempts["e"] = &ledger.Attempt{ID: "e", Account: "rongcloud:k", Lane: "user", State: ledger.External, At: now.Add(-25 * time.Hour), Until: now.Add(-23 * time.Hour), Weight: 7}
	// what an operator told, to the minute, was used when that began
	st.Attempts["f"] = &ledger.Attempt{ID: "f", Account: "rongcloud:k", Lane: "recall", State: ledger.External, At: now.Add(-10 * time.Minute), Until: now.Add(-9 * time.Minute), Weight: 1, By: "li"}
	st.Pending["p"] = &ledger.Pending{Intent: &intent.Intent{Key: "rongcloud:k", Action: intent.Broadcast, Audience: &intent.Audience{AllOf: []string{"vip"}}}}
	st.Checks["rongcloud:k/c1"] = &ledger.Check{ID: "c1", Cmd: ledger.CmdResync, By: "li", At: now, Part: 3, Parts: 64, Results: ledger.Drift{Checked: 900}}
	st.Checks["rongcloud:k/c2"] = &ledger.Check{ID: "c2", Cmd: ledger.CmdVerify}
	states := map[int32]*ledger.State{0: st}
	v := StatusOf(s, states, nil, now)
	if d := cmp.Diff([]ExternalView{{Lane: "main/broadcast", N: 2, Last: now.Add(-time.Hour)}, {Lane: "main/recall", N: 1, Last: now.Add(-10 * time.Minute)}, {Lane: "main/user", N: 7, Last: now.Add(-23 * time.Hour), Refusals: true}}, v.External); d != "" {
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
	for vendor, want := range map[string]string{"rongcloud": "broadcast recall", "getui": "app recall tag"} {
		if got := strings.Join(ScarceLanes(&settings.Account{Vendor: vendor, Quota: settings.Quota{Hour: 2, Day: 3, DayZones: []*time.Location{time.UTC}, Shared: true}}), " "); got != want {
			t.Errorf("%s: %s, want %s", vendor, got, want)
		}
	}
}

// A broadcast with a message and one without take from one budget, or, as the settings say, each from its own (settings.md,
// quota.broadcast.shared). What a message used under the other reading goes on to count in both.
func TestBroadcastsWithAMessageHaveSlotsOfTheirOwnIfNotShared(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	account := func(shared bool) settings.Account {
		return settings.Account{Name: "main", Vendor: "rongcloud", AppKey: "k", Timeout: 6 * time.Second, Broadcast: true,
			Quota: settings.Quota{Hour: 2, Day: 3, DayZones: []*time.Location{time.UTC}, Shared: shared}}
	}
	// sent is a broadcast to everyone, by the lane it takes under these settings.
	sent := func(id string, shared, message bool) *ledger.Attempt {
		ac := account(shared)
		in := &intent.Intent{Action: intent.Broadcast, Audience: &intent.Audience{Everyone: true}, Content: &intent.Content{}}
		if message {
			in.Content.Message = &intent.Message{Type: "RC:TxtMsg"}
		}
		route, err := newVendor(&ac).Route(in)
		if err != nil {
			t.Fatal(err)
		}
		at := now.Add(-30 * time.Minute)
		return &ledger.Attempt{ID: id, Account: "rongcloud:k", Lane: route.Lane, Endpoint: route.Endpoint, State: ledger.OK, At: at, Until: at, Weight: 1}
	}
	for _, c := range []struct {
		name   string
		shared bool // now
		sent   []*ledger.Attempt
		want   map[string]int // used of the hour
	}{
		{"shared", true, []*ledger.Attempt{sent("a", true, false), sent("b", true, true)}, map[string]int{"main/broadcast": 2, "main/recall": 0}},
		{"each its own", false, []*ledger.Attempt{sent("a", false, false), sent("b", false, true)},
			map[string]int{"main/broadcast": 1, "main/broadcast-message": 1, "main/recall": 0}},
		{"no longer shared", false, []*ledger.Attempt{sent("a", true, false), sent("b", true, true)},
			map[string]int{"main/broadcast": 2, "main/broadcast-message": 1, "main/recall": 0}},
		{"shared again", true, []*ledger.Attempt{sent("a", false, false), sent("b", false, true)}, map[string]int{"main/broadcast": 2, "main/recall": 0}},
	} {
		st := ledger.NewState()
		for _, at := range c.sent {
			st.Attempts[at.ID] = at
		}
		s := &settings.Settings{Zone: time.UTC, Accounts: []settings.Account{account(c.shared)}}
		got := map[string]int{}
		for _, l := range QuotaOf(s, nil, map[int32]*ledger.State{0: st}, now).Accounts[0].Lanes {
			got[l.Lane] = l.Windows[0].Used
			if free := !l.Next.After(now); free != (l.Windows[0].Used < 2) {
				t.Errorf("%s: %s with %d of 2 used is free at %s", c.name, l.Lane, l.Windows[0].Used, l.Next)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
