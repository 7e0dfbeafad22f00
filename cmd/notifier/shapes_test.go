package main

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// What scripts read of the lists and of status: the names of the keys, the form of the times, and what is left out where there is none.
func TestTheShapesOfJSON(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	none := &settings.Settings{}

	q := app.QuotaOf(none, nil, nil, at)
	q.Accounts = []app.QuotaAccount{{Account: "main", Lanes: []app.QuotaLane{{
		Lane: "main/broadcast", Windows: []app.QuotaWindow{{Window: "1h rolling", Used: 1, Limit: 2}, {Window: "day Asia/Shanghai", Used: 2, Limit: 3}}, Next: at.Add(time.Hour), Others: at.Add(2 * time.Hour), Waiting: 2, Paused: 1, Merged: 3,
		Charges: []app.QuotaCharge{{At: at, Rule: "sale", Attempt: "K3F7QA-0-91", State: "sent", Source: "own", Slots: 1},
			{At: at, Source: "external", Slots: 1, By: "li", Why: "sent from the console"}},
		Reserves: []app.QuotaReserve{{Rule: "notice", Slots: 1, Until: at.Add(2 * time.Hour), Left: 1}},
		Shares:   []app.QuotaShare{{Rule: "sale", Used: 1, Slots: 1, Limit: "1 per day", Next: at.Add(time.Hour)}},
		Forecast: app.Forecast{Today: 1, Later: 1, Expire: 1, Expires: at.Add(3 * time.Hour), More: 1},
	}}, Days: []app.QuotaDay{{Name: "main/list", QuotaWindow: app.QuotaWindow{Window: "day Asia/Shanghai", Used: 51, Limit: 2000000}}}}, {Account: "spare", Stopped: true, Lanes: []app.QuotaLane{}}}

	halts := map[int32]ledger.Halt{1: {V: 1, Partition: 1, Instance: "two", What: "the ledger was lost", At: at, ID: "h-1", Partitions: 2, IntentsID: "i", LedgerID: "l", End: 9}}
	tags := app.TagChangeView{Account: "main", State: ledger.TagsApproval, At: at, ID: "8c1f02ab9d", Known: 90, Users: 40, Limit: 30, Turns: []ledger.TagTurn{{Tag: "city_北京", Gains: 4}, {Tag: "city_上海", Losses: 2}}, Others: 1, Parts: 4}
	st := app.StatusOf(none, nil, halts, at)
	st.Instances = []ledger.Instance{{V: 1, Name: "one", Version: "v1.2.3", RuleSet: "41c9", Since: at, Failed: "N202", FailedAt: at, Parked: "slow", Started: at}}
	st.Partitions = []app.PartitionView{{Partition: 0, Owner: "one", Next: 9, Intents: 8, Fates: 6, Pending: 2, Users: 5}}
	st.Pauses["rule/sale"] = ledger.Pause{By: "li", Why: "wrong text", At: at, ID: "c-1", Brake: true, Resuming: &ledger.Resuming{By: "wang", Why: "mended", At: at, ID: "c-2"}}
	st.Kills["old"] = ledger.Kill{By: "li", Why: "gone", At: at, ID: "c-3"}
	st.Lanes["main/user"] = ledger.LaneState{Reason: "credentials", Detail: "1004", Since: at, Retry: at.Add(time.Minute), Pause: 60000, Refusals: 1, Misses: 1}
	st.Unknown, st.Approvals = 1, 2
	st.External = []app.ExternalView{{Lane: "main/broadcast", N: 1, Last: at}}
	st.Resyncs = []app.ResyncView{{Account: "main", By: "li", At: at, Part: 1, Parts: 4, Ended: at, Results: ledger.Drift{Checked: 9, Differ: 1, Missing: 1, Repaired: 1}}}
	st.LateProfiles = []app.LateProfilesView{{Account: "spare", Since: at, Users: 3}}
	st.TagChanges = []app.TagChangeView{tags}
	st.Missing = []app.MissingView{{Identity: "rongcloud:old", Account: "main", Intents: 2, Calls: 1}}
	st.Commands = app.CommandsOf(none, []ledger.Standing{{Command: ledger.Command{V: 1, ID: "c-4", Cmd: ledger.CmdResolve, Target: "K3F7QA-0-91", Args: map[string]string{"as": "sent"}, By: "li", Why: "seen", At: at}, Offset: 9, Partitions: []int32{0}}})

	p := app.PendingOf(none, nil, nil, app.PendingFilter{}, at)
	p.Pending = []app.PendingItem{
		{ID: "3f9c2a1b07", Intent: "orders-0-1/sale", Event: "ord-1", Rule: "sale", Target: "u-1", Action: intent.Push, Lane: "main/user", State: "merging", Next: at, Expire: at.Add(time.Hour), Triggers: 2, At: at},
		{ID: "3f9c2a1b08", Intent: "orders-0-2/sale", Event: "ord-2", Rule: "sale", Target: "u-2", Action: intent.Push, Lane: "main/user", State: "stopped", Holds: "lane main/user", Stopped: "credentials", At: at},
		{ID: "3f9c2a1b09", Intent: "sales-0-3/sale", Event: "s-3", Rule: "sale", Target: "*", Action: intent.Broadcast, Lane: "main/broadcast", State: "quota", Waits: "the slot is reserved for notice", Next: at.Add(2 * time.Hour), At: at}}
	p.Total, p.More, p.States = 4, 1, map[string]int{"merging": 1, "stopped": 2, "quota": 1}

	a := app.ApprovalsOf(none, nil, nil)
	a.Approvals = []app.ApprovalView{{ID: "3f9c2a1b07", Kind: "request", Account: "main", Since: at, Request: &app.ApprovalOf{
		Intent: "notices-0-1/notice", Event: "n-1", Rule: "notice", Owner: "growth", Lane: "main/broadcast", Endpoint: "/push.json", Slots: 1, Audience: &intent.Audience{Everyone: true},
		Content: &intent.Content{Title: "停服", Body: "今晚停服", Link: "app://notice"}, Body: json.RawMessage(`{"platform":["ios"]}`), Problem: "too long", People: 2,
		Approved: []ledger.Consent{{By: "li", Why: "read", At: at}}, Expires: at.Add(30 * time.Minute)}},
		{ID: "tags/main", Kind: "tags", Account: "main", Since: at, Tags: &tags}}

	attempts := []*ledger.Attempt{{V: 1, ID: "K3F7QA-0-91", Account: "rongcloud:key", Lane: "broadcast", Endpoint: "/push.json", Owner: "K3F7QA", Rule: "sale", Title: "北京闪购开始", State: ledger.Unknown, At: at, NotAfter: at.Add(time.Minute), Until: at.Add(time.Hour),
		Weight: 1, Members: []intent.ID{"sales-0-1/sale"}, Code: 1008, VendorID: "p-1", Detail: "no answer", Try: 2, Began: at},
		{V: 1, ID: "K3F7QA-0-92", Account: "rongcloud:key", Lane: "tag", Endpoint: "/user/tag/set.json", Owner: "K3F7QA", State: ledger.Started, At: at, NotAfter: at.Add(time.Minute), Weight: 1, Users: []string{"u-1"}, Set: []string{"city_北京"}}}

	for name, show := range map[string]func(io.Writer) error{
		"quota":     func(w io.Writer) error { return printJSON(w, q) },
		"status":    func(w io.Writer) error { return printJSON(w, st) },
		"pending":   func(w io.Writer) error { return printPending(w, io.Discard, "json", &p, time.UTC, diag.EN) },
		"approvals": func(w io.Writer) error { return printApprovals(w, "json", &a, time.UTC, diag.EN) },
		"attempts":  func(w io.Writer) error { return printAttempts(w, "json", attempts, none, diag.EN) },
	} {
		var out bytes.Buffer
		if err := show(&out); err != nil {
			t.Fatal(name, err)
		}
		holdGolden(t, filepath.Join("testdata", "shapes", name+".json.txt"), out.String())
	}
}
