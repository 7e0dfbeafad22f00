package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// pendingWorld is an account with one of everything that can wait.
func pendingWorld(now time.Time) (*settings.Settings, *ledger.State) {
	s := &settings.Settings{Zone: time.UTC, Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", AppKey: "k", Timeout: 6 * time.Second,
		Quota: settings.Quota{Hour: 1, Day: 3, DayZones: []*time.Location{time.UTC}, Shared: true}, Broadcast: true}}}
	st := ledger.NewState()
	add := func(id, rule, key string, action intent.Action, fill func(*ledger.Pending)) {
		p := &ledger.Pending{Intent: &intent.Intent{ID: intent.ID(id), Rule: rule, Key: key, Account: "main", Action: action}, Seq: int64(len(st.Pending))}
		if action == intent.Broadcast {
			p.Intent.Audience = &intent.Audience{AllOf: []string{"vip"}}
		}
		if fill != nil {
			fill(p)
		}
		st.Pending[id] = p
	}
	const key = "rongcloud:k"
	add("stray", "r", "rongcloud:other", intent.Push, nil)
	add("paused", "held", key, intent.Push, nil)
	add("killed", "dead", key, intent.Push, nil)
	add("approval", "r", key, intent.Broadcast, func(p *ledger.Pending) { p.Intent.Policy.Approval = &intent.Approval{People: 1} })
	add("merging", "r", key, intent.Push, func(p *ledger.Pending) {
		p.Merged = &ledger.Merged{Count: 3, Closes: now.Add(10 * time.Minute)}
	})
	add("quiet", "r", key, intent.Push, func(p *ledger.Pending) { p.LeavesAt = now.Add(5 * time.Minute) })
	add("cast", "r", key, intent.Broadcast, nil)
	add("normal", "r", key, intent.Push, nil)
	add("soon", "r", key, intent.Push, func(p *ledger.Pending) { p.Intent.Policy.Expire = now.Add(time.Minute) })
	add("urgent", "r", key, intent.Push, func(p *ledger.Pending) { p.Intent.Policy.Priority = intent.Urgent })
	add("flying", "r", key, intent.Push, nil)
	st.Attempts["a"] = &ledger.Attempt{ID: "a", Account: key, Lane: "user", State: ledger.Started, At: now, Members: []intent.ID{"flying"}}
	st.Attempts["b"] = &ledger.Attempt{ID: "b", Account: key, Lane: laneBroadcast, State: ledger.OK, At: now.Add(-time.Minute), Until: now.Add(-time.Minute), Weight: 1}
	st.Pauses["rule/held"] = ledger.Pause{}
	st.Kills["dead"] = ledger.Kill{}
	return s, st
}

// What a brake holds is not said to be held by a person.
func TestPendingTellsABrakeFromAPause(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s, st := pendingWorld(now)
	brake := ledger.Pause{By: "brake", Why: "the rule sent 5 in 10m0s", Brake: true}
	for want, p := range map[string]ledger.Pause{"pause rule/held": {By: "li"}, "brake rule/held": brake, "pause and brake rule/held": {By: "li", Tripped: &brake}} {
		st.Pauses["rule/held"] = p
		if v := PendingOf(s, nil, map[int32]*ledger.State{0: st}, PendingFilter{Rule: "held"}, now); len(v.Pending) != 1 || v.Pending[0].Holds != want {
			t.Errorf("%+v: held by %+v, want %s", p, v.Pending, want)
		}
	}
}

func TestPendingListsWhatLeavesNextFirst(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s, st := pendingWorld(now)
	states := map[int32]*ledger.State{0: st}
	v := PendingOf(s, nil, states, PendingFilter{}, now)
	var got []string
	for _, x := range v.Pending {
		got = append(got, fmt.Sprintf("%s %s %s %s", x.Intent, x.Lane, x.State, x.Holds))
	}
	want := []string{"flying main/user in_flight ", "urgent main/user quota ", "soon main/user quota ", "normal main/user quota ", "quiet main/user quiet ", "merging main/user merging ",
		"cast main/broadcast quota ", "approval main/broadcast approval ", "stray main/none paused its account is not in the settings", "paused main/user paused pause rule/held", "killed main/user paused the rule is killed"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if cast := v.Pending[6]; !cast.Next.After(now.Add(50 * time.Minute)) {
		t.Errorf("the hour's only slot is used: not before %v", cast.Next)
	}
	if v.Total != 11 || v.More != 0 || v.States["quota"] != 4 || v.States["paused"] != 3 {
		t.Errorf("%+v", v)
	}
	v = PendingOf(s, nil, states, PendingFilter{Rule: "r", Lane: "main/user", State: "quota", Limit: 2}, now)
	if len(v.Pending) != 2 || v.Total != 3 || v.More != 1 || v.Pending[0].Intent != "urgent" {
		t.Errorf("filtered: %+v", v)
	}
	st.Attempts["a"].State = ledger.Again // it may have been sent: it is no more in the queue than while it flies
	st.Attempts["a"].Next = now.Add(5 * time.Minute)
	if v = PendingOf(s, nil, states, PendingFilter{State: "in_flight"}, now); v.Total != 1 || v.Pending[0].Intent != "flying" || !v.Pending[0].Next.Equal(now.Add(5*time.Minute)) {
		t.Errorf("to be made again: %+v", v)
	}
	st.Pauses["broadcasts"] = ledger.Pause{}
	if v = PendingOf(s, nil, states, PendingFilter{Lane: "main/broadcast", State: "paused"}, now); v.Total != 1 || v.Pending[0].Holds != "pause broadcasts" {
		t.Errorf("with broadcasts paused: %+v", v)
	}
	st.Lanes["rongcloud:k/user"] = ledger.LaneState{Reason: "breaker", Retry: now.Add(time.Hour)}
	v = PendingOf(s, nil, states, PendingFilter{Rule: "r", State: StateStopped}, now)
	if i := slices.IndexFunc(v.Pending, func(x PendingItem) bool { return x.Intent == "urgent" }); v.Pending[i].Holds != "the lane is stopped: breaker" || v.Pending[i].Stopped != "breaker" || !v.Pending[i].Next.Equal(now.Add(time.Hour)) {
		t.Errorf("in a stopped lane: %+v", v.Pending[i])
	}
}

// What the account cannot carry as it is waits for its turn to be DEAD: that there is no free slot is not all that is to be said of it.
func TestPendingSaysOfWhatCannotLeaveThatItCannot(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s, st := pendingWorld(now)
	s.Accounts[0].Platforms = []string{"ios"}
	cast := func(change func(*ledger.Pending)) PendingItem {
		p := *st.Pending["cast"]
		in := *p.Intent
		p.Intent, in.Content, in.Audience = &in, &intent.Content{Title: "t", Body: "b"}, &intent.Audience{Everyone: true}
		change(&p)
		one := ledger.NewState()
		one.Attempts, one.Lanes, one.Pending["cast"] = st.Attempts, st.Lanes, &p
		return PendingOf(s, nil, map[int32]*ledger.State{0: one}, PendingFilter{}, now).Pending[0]
	}
	as := func(*ledger.Pending) {}
	if x := cast(as); x.State != "quota" || x.Waits == "" || !strings.HasPrefix(x.Holds, dispatch.CannotLeave) || len(x.Holds) == len(dispatch.CannotLeave) {
		t.Errorf("to everyone, which the account does not allow: %+v", x)
	}
	if x := cast(func(p *ledger.Pending) { p.Merged = &ledger.Merged{Count: 2} }); x.Holds != "" {
		t.Errorf("a merge whose texts are not rendered: %+v", x)
	}
	if x := cast(func(p *ledger.Pending) { p.Intent.Audience = &intent.Audience{AllOf: []string{"vip"}} }); x.Holds != "" {
		t.Errorf("to a tag: %+v", x)
	}
	s.Accounts[0].AllowEveryone = true
	if x := cast(as); x.Holds != "" {
		t.Errorf("to everyone: %+v", x)
	}
}

func TestFindPendingKnowsBothIDs(t *testing.T) {
	t.Parallel()
	_, st := pendingWorld(time.Now())
	states := map[int32]*ledger.State{0: ledger.NewState(), 1: st}
	for _, id := range []string{"quiet", ledger.ApprovalID("quiet")} {
		if got := FindPending(states, id); len(got) != 1 || got[0].Intent.ID != "quiet" {
			t.Errorf("%s: %v", id, got)
		}
	}
	if got := FindPending(states, "nothing"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// After a take-over the call that an owner before left open is in flight, and its lane waits for it: pending and quota say until when, as
// `status --why` does.
func TestAfterATakeOverALaneIsHeld(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s, st := pendingWorld(now)
	s.Accounts[0].Quota.Hour = 2 // another slot is free
	st.Owner = &ledger.Owner{Instance: "b", Nonce: "b-1"}
	notAfter := now.Add(-4 * time.Second)
	st.Attempts["a"].Owner = "b-1"
	st.Attempts["b"] = &ledger.Attempt{ID: "b", Account: "rongcloud:k", Lane: laneBroadcast, State: ledger.Started, Owner: "a-1", At: now.Add(-10 * time.Second), NotAfter: notAfter, Until: notAfter.Add(lateScarce), Weight: 1, Members: []intent.ID{"cast"}}
	next := *st.Pending["cast"].Intent
	next.ID = "next"
	st.Pending["next"] = &ledger.Pending{Intent: &next, Seq: 99}
	states, until := map[int32]*ledger.State{0: st}, notAfter.Add(time.Minute)

	got := map[intent.ID]string{}
	for _, x := range PendingOf(s, nil, states, PendingFilter{Lane: "main/broadcast"}, now).Pending {
		got[x.Intent] = fmt.Sprintf("%s %s %s", x.State, x.Next.Format(time.TimeOnly), x.Holds)
	}
	const why = " take-over: an owner before left call b open"
	if d := cmp.Diff(map[intent.ID]string{"cast": "in_flight 12:00:56" + why, "next": "quota 12:00:56" + why, "approval": "approval 00:00:00 "}, got); d != "" {
		t.Error(d)
	}
	i := slices.IndexFunc(QuotaOf(s, nil, states, now).Accounts[0].Lanes, func(l QuotaLane) bool { return l.Lane == "main/broadcast" })
	l := QuotaOf(s, nil, states, now).Accounts[0].Lanes[i]
	if d := cmp.Diff(&QuotaHold{"b", until}, l.Held); d != "" || l.Flying != 1 || l.Waiting != 2 || !l.Next.Equal(until) {
		t.Errorf("%s%d in flight, %d wait, next %v", d, l.Flying, l.Waiting, l.Next)
	}
	v := WhyOf(WhyFacts{Settings: s, States: states, Now: now})
	if i := slices.Index(WhyGates, "take-over"); !v.Steps[i].Holds || !strings.Contains(v.Steps[i].What, "call b of lane main/broadcast open") || !strings.Contains(v.Steps[i].What, "12:00:56") || v.Steps[i-1].Holds {
		t.Errorf("%+v", v.Steps[i-1:i+1])
	}

	st.Attempts["b"].Owner = "b-1" // our own: it flies, and no lane is held
	l = QuotaOf(s, nil, states, now).Accounts[0].Lanes[i]
	if v := PendingOf(s, nil, states, PendingFilter{State: "in_flight", Lane: "main/broadcast"}, now); l.Held != nil || l.Flying != 1 || l.Next.After(now) || v.Total != 1 || v.Pending[0].Holds != "" {
		t.Errorf("held %+v, %d in flight, next %v, %+v", l.Held, l.Flying, l.Next, v)
	}
}
