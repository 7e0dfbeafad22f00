package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// toApprove is a broadcast that people must approve within an hour.
func (b *bundle) toApprove(id string, people int) *intent.Intent {
	in := b.intent(id, "r", "*", intent.Broadcast)
	in.Policy.Approval = &intent.Approval{People: people, Within: time.Hour}
	return in
}

// said gives a person's word on a request, for the request as it is on record.
func (b *bundle) said(offset int64, cmd, by string, p *ledger.Pending) command {
	c := told(offset, by+cmd, cmd, string(p.Intent.ID), map[string]string{ledger.ArgAccount: p.Intent.Key})
	c.By, c.Expect = by, p.Mark()
	return c
}

// granted obeys a command and gives what was answered to it.
func (b *bundle) granted(a *actor, c command) string {
	b.t.Helper()
	a.obey(c)
	b.commit(a)
	if last := b.lastAnswer(); last.ID != c.ID || !last.OK {
		b.t.Fatalf("answer %+v, want %s granted", last, c.ID)
	}
	return b.lastAnswer().Text
}

func waits(a *actor) float64 {
	return testutil.ToFloat64(a.opt.Metrics.approvals.WithLabelValues("main"))
}

func TestTwoPeopleApproveAcrossATakeOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	in := b.toApprove("e1", 2)
	a.admit(in, 0)
	if calls := a.plan(); len(calls) != 0 {
		t.Fatalf("%d calls leave without approval", len(calls))
	}
	if n := waits(a); n != 1 {
		t.Errorf("%v requests are told to wait, want 1", n)
	}
	b.commit(a)
	p := b.readLedger().Pending[string(in.ID)]
	if p == nil || !p.AwaitsApproval() {
		t.Fatalf("on record: %+v", p)
	}
	if got := b.granted(a, b.said(0, ledger.CmdApprove, "li", p)); !strings.Contains(got, "1 of 2 approved: 1 more") {
		t.Errorf("the first is told %q", got)
	}

	a = b.byHand(nil) // before its first turn: the gates were not asked anew yet
	if got := b.refusal(a, b.said(1, ledger.CmdApprove, " LI ", p)); !strings.Contains(got, "has approved already; 1 more") {
		t.Errorf("the same person again: %q", got)
	}
	other := *p
	changed := *p.Intent
	changed.Content = &intent.Content{Title: "t", Body: "what somebody else saw"}
	other.Intent = &changed
	if got := b.refusal(a, b.said(2, ledger.CmdApprove, "wang", &other)); !strings.Contains(got, "not the one that was shown") {
		t.Errorf("approval of another text: %q", got)
	}
	if calls := a.plan(); len(calls) != 0 {
		t.Fatalf("%d calls leave with one of two approvals", len(calls))
	}
	if got := b.granted(a, b.said(3, ledger.CmdApprove, "wang", p)); got != "approved by li and wang: it is in the queue of lane main/broadcast now" {
		t.Errorf("the second is told %q", got)
	}
	if got := b.refusal(a, b.said(4, ledger.CmdApprove, "zhao", p)); !strings.Contains(got, "approved already, by li and wang") {
		t.Errorf("a third: %q", got)
	}
	if n := waits(a); n != 0 {
		t.Errorf("%v requests are told to wait, want none", n)
	}

	a = b.byHand(nil) // approved and not sent yet: nobody is asked again
	a.apply()
	calls := a.plan()
	if len(calls) != 1 || calls[0].vendor.Content.Body != "e1" {
		t.Fatalf("calls %+v, want the broadcast", calls)
	}
	a.resolve(result{calls[0], message})
	b.commit(a)
	f := b.fates(1)[0]
	if f.Fate != ledger.Sent || cmp.Diff([]string{"li", "wang"}, f.Approved) != "" {
		t.Errorf("fate %+v, want sent, with those who approved", f)
	}
	if got := b.refusal(a, b.said(5, ledger.CmdReject, "zhao", p)); !strings.Contains(got, "it has its fate") {
		t.Errorf("a rejection of what was sent: %q", got)
	}
}

func TestARejectedRequestIsNotSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	in := b.toApprove("e1", 1)
	a.admit(in, 0)
	b.commit(a)
	p := b.readLedger().Pending[string(in.ID)]
	b.granted(a, b.said(0, ledger.CmdReject, "li", p))
	f := b.fates(1)[0]
	if f.Fate != ledger.Suppressed || f.Reason != ledger.NotApproved || f.Kind != "operator" || f.By != "li" || f.Why != "wrong text" {
		t.Errorf("fate %+v", f)
	}
	if calls := a.plan(); len(calls) != 0 || len(a.items) != 0 || waits(a) != 0 {
		t.Errorf("%d calls, %d items, %v waiting after a rejection", len(calls), len(a.items), waits(a))
	}
	if st := b.readLedger(); !st.Balanced() {
		t.Error("the books do not balance")
	}
}

// within counts from when the request was complete: a merge may wait longer than people are given. What comes after that begins a new
// merge, so nobody approves a text that changes.
func TestApprovalEndsAndBeginsWithTheCompleteRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	skip := func(d time.Duration) { a.clock.base = a.clock.base.Add(d) }
	first, second := b.toApprove("e1", 1), b.toApprove("e2", 1)
	for _, in := range []*intent.Intent{first, second} {
		in.Merge = &intent.Merge{Key: "k", Wait: 2 * time.Hour, Keep: intent.KeepLatest, Vars: map[string]any{"x": in.Event.ID}}
	}
	a.admit(first, 0)
	if got := b.refusal(a, b.said(0, ledger.CmdApprove, "li", &ledger.Pending{Intent: first})); !strings.Contains(got, "more triggers may still come") {
		t.Errorf("approval of an open merge: %q", got)
	}
	skip(2 * time.Hour)
	a.apply()
	if it := a.items[itemOf(first.ID)]; it == nil || it.state != approval {
		t.Fatalf("the merge is closed: %+v, want it to wait for approval", it)
	}
	a.admit(second, 1)
	if it := a.items[itemOf(second.ID)]; it == nil || it.state != merging || waits(a) != 1 {
		t.Fatalf("a later trigger does not begin a new merge: %+v", it)
	}
	b.commit(a)
	p := b.readLedger().Pending[string(first.ID)]
	skip(59 * time.Minute)
	a.apply()
	if it := a.items[itemOf(first.ID)]; it == nil || it.state != approval {
		t.Fatalf("after 59 minutes: %+v", it)
	}
	skip(2 * time.Minute)
	if got := b.refusal(a, b.said(1, ledger.CmdApprove, "li", p)); !strings.Contains(got, "too late") {
		t.Errorf("approval after an hour: %q", got)
	}
	if d := cmp.Diff([]string{"e1 SUPPRESSED(not-approved)"}, kinds(b.fates(1))); d != "" {
		t.Error(d)
	}
	if calls := a.plan(); len(calls) != 0 || waits(a) != 0 {
		t.Errorf("%d calls, %v waiting", len(calls), waits(a))
	}
}

// The gates behind approval are asked at the release: quiet hours hold what was approved in the night, a pause too.
func TestLaterGatesActAtTheRelease(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	in := b.toApprove("e1", 1)
	m := time.Now().UTC().Hour()*60 + time.Now().UTC().Minute()
	in.Policy.Quiet = []intent.Quiet{{From: (m + 24*60 - 60) % (24 * 60), To: (m + 120) % (24 * 60)}}
	a.admit(in, 0)
	b.commit(a)
	if got := b.granted(a, b.said(0, ledger.CmdApprove, "li", b.readLedger().Pending[string(in.ID)])); !strings.Contains(got, "held by its quiet hours") {
		t.Errorf("answer %q", got)
	}
	paused := b.toApprove("e2", 1)
	a.admit(paused, 1)
	a.obey(told(1, "c", ledger.CmdPause, "rule/r", nil))
	b.commit(a)
	if got := b.granted(a, b.said(2, ledger.CmdApprove, "li", b.readLedger().Pending[string(paused.ID)])); !strings.Contains(got, "held by a pause") {
		t.Errorf("answer %q", got)
	}
	if calls := a.plan(); len(calls) != 0 {
		t.Errorf("%d calls leave", len(calls))
	}
}

// Who approves what the next gate suppresses is not told that it goes on; what another of its merge key overtakes goes out in that one.
func TestAnApprovedRequestThatAGateSuppresses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	in := b.toApprove("e1", 1)
	m := time.Now().UTC().Hour()*60 + time.Now().UTC().Minute()
	in.Policy.Quiet = []intent.Quiet{{From: (m + 24*60 - 60) % (24 * 60), To: (m + 120) % (24 * 60)}}
	in.Policy.DropOn = true
	a.admit(in, 0)
	b.commit(a)
	if got, want := b.refusal(a, b.said(0, ledger.CmdApprove, "li", b.readLedger().Pending[string(in.ID)])), "approved by li, but it is not sent: SUPPRESSED(quiet); next: notifier fates"; got != want {
		t.Errorf("answered %q, want %q", got, want)
	}
	older, newer := b.toApprove("e2", 1), b.intent("e3", "r", "*", intent.Broadcast)
	older.Merge, newer.Merge = &intent.Merge{Key: "k"}, &intent.Merge{Key: "k"}
	a.admit(older, 1)
	a.admit(newer, 2)
	b.commit(a)
	if got, want := b.granted(a, b.said(1, ledger.CmdApprove, "li", b.readLedger().Pending[string(older.ID)])), "approved by li: another of its merge key goes out in its place"; got != want {
		t.Errorf("answered %q, want %q", got, want)
	}
}

// A command of another account's is another owner's, and two people's approvals are two records of the control topic.
func TestApprovalsAreKeyedByPersonAndGoToOneOwner(t *testing.T) {
	t.Parallel()
	li, wang := ledger.Command{Cmd: ledger.CmdApprove, Target: "x", By: "li"}, ledger.Command{Cmd: ledger.CmdApprove, Target: "x", By: "wang"}
	if li.Key() == wang.Key() {
		t.Errorf("both have the key %s: one would hide the other", li.Key())
	}
	b := setup(t)
	a := b.byHand(nil)
	a.gen.Partitions = 4
	for i := range 8 {
		key := strings.Repeat("k", i)
		a.p = int32(ledger.HashPartition([]byte(key), 4)+1) % 4
		a.obey(told(int64(i), "c", ledger.CmdApprove, "x", map[string]string{ledger.ArgAccount: key}))
	}
	a.p = 0
	b.commit(a)
	if as := b.answers(); len(as) != 0 {
		t.Errorf("another partition's owner answers: %+v", as)
	}
}

// What people are asked about expires like all else: while it waits for them, and in the quiet hours of the night in which they approved it.
func TestApprovalInTheNightAndExpire(t *testing.T) {
	p := newPlay(t, nil)
	var wait []*intent.Intent
	for i, after := range []time.Duration{2 * time.Hour, 18 * time.Hour, 30 * time.Hour} { // from noon: before anybody approves, in the night, the next day
		in := p.toApprove(fmt.Sprint("e", i), 1)
		in.Policy.Approval.Within = 12 * time.Hour
		in.Policy.Quiet = []intent.Quiet{{From: 22 * 60, To: 8 * 60}}
		in.Policy.Expire = noon.Add(after)
		wait = append(wait, in)
	}
	p.Take(wait...)
	p.Advance(noon.Add(11 * time.Hour))
	for i, in := range wait[1:] {
		p.a.obey(p.bundle.said(int64(i), ledger.CmdApprove, "li", p.a.items[itemOf(in.ID)].p()))
		if s, ok := p.Stands(in.ID); !ok || s.Gate != "quiet" {
			t.Errorf("approved at 23:00, %s stands at %+v", in.Event.ID, s)
		}
	}
	p.Advance(noon.Add(48 * time.Hour))
	p.want([]string{"08:00:00 main/broadcast [x] slots=1 members=1"}, []string{"e0 SUPPRESSED(expired)", "e1 SUPPRESSED(expired)", "e2 SENT"})
}
