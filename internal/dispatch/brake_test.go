package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// brakes gives an owner whose accounts wait for nothing, and an intent of a rule with a brake.
func brakes(t *testing.T, n int) (*crossing, func(id, account string) *intent.Intent) {
	x := newCrossing(t, 0)
	x.calm = true
	x.at = x.at.Add(time.Minute)
	x.begin()
	return x, func(id, account string) *intent.Intent {
		x.n++
		in := &intent.Intent{Event: intent.EventRef{ID: id, Type: "e", Time: x.at, Topic: "t", Offset: int64(x.n)}, Rule: "r0", Account: account, Key: map[string]string{"main": "stub:k", "spare": "stub:s"}[account],
			Action: intent.Push, Target: "u" + id, Class: "service", Revision: "1", Content: &intent.Content{Title: "t"}, Policy: intent.Policy{Brake: &intent.Cap{N: n, In: time.Hour}}}
		in.ID = intent.MakeID(in.Position(), in.Rule, in.Target)
		return in
	}
}

// A resume lets the count of a brake begin anew. What left before and comes back as not sent is not in the new count, and takes nothing off it.
func TestWhatLeftBeforeAResumeTakesNothingOffTheBrakesCount(t *testing.T) {
	x, push := brakes(t, 1)
	a := x.a
	a.admit(push("1", "main"), 0)
	before := a.plan()
	if len(before) != 1 {
		t.Fatalf("%d calls, want one", len(before))
	}
	a.obey(told(0, "c1", ledger.CmdPause, "rule/r0", nil))
	a.obey(told(1, "c2", ledger.CmdResume, "rule/r0", nil))
	x.at = x.at.Add(time.Second)
	a.admit(push("2", "main"), 1)
	after := a.plan()
	if len(after) != 1 {
		t.Fatalf("%d calls after the resume, want one", len(after))
	}
	a.resolve(result{after[0], Outcome{Class: ClassOK}})
	a.resolve(result{before[0], Outcome{Class: ClassNotSent}})
	x.at = x.at.Add(time.Minute)
	if calls := a.plan(); len(calls) != 0 || !a.pauses["rule/r0"].Brake {
		t.Errorf("%d calls leave after the one that the brake allows; pauses %v", len(calls), a.pauses)
	}
}

// An operator who pauses a rule whose brake has tripped does not take the brake off the record, and whoever resumes it is told of both.
func TestAPauseBesideABrakeLeavesBothOnRecord(t *testing.T) {
	x, push := brakes(t, 1)
	a := x.a
	a.admit(push("1", "main"), 0)
	a.admit(push("2", "main"), 1)
	if calls := a.plan(); len(calls) != 1 {
		t.Fatalf("%d calls, want one", len(calls))
	}
	tripped := a.pauses["rule/r0"]
	x.at = x.at.Add(time.Minute)
	for i, why := range []string{"lunch", "dinner"} {
		a.obey(told(int64(i), why, ledger.CmdPause, "rule/r0", nil))
		p := a.pauses["rule/r0"]
		if brake := p.OfBrake(); p.Brake || p.By != "li" || brake == nil || brake.Why != tripped.Why || !brake.At.Equal(tripped.At) {
			t.Fatalf("pause %+v, its brake %+v, want the operator's beside %+v", p, brake, tripped)
		}
	}
	x.turn()
	x.die()
	p, ans := x.a.pauses["rule/r0"], ledger.Answer{}
	x.a.resumeScope(told(2, "c3", ledger.CmdResume, "rule/r0", nil), &ans)
	if want := "the pause by li (" + p.Why + ") and the brake (" + tripped.Why + ") is released; resumed, "; !strings.HasPrefix(ans.Text, want) {
		t.Errorf("answered %q, want %q", ans.Text, want)
	}
	if len(x.a.pauses) != 0 {
		t.Errorf("left: %v", x.a.pauses)
	}
}

// Those that the brake stops while a call is put together are held, whatever form the call takes with the others: whoever is put back into the
// queue though its rule is paused would be there twice after the resume.
func TestWhatTheBrakeStopsInACallIsInNoQueue(t *testing.T) {
	x, push := brakes(t, 4)
	a := x.a
	for i := range 6 { // asked about as a list of 5 at least; of the 4 that may go a batch takes 3
		in := push(fmt.Sprint(i), "spare")
		in.Class = "marketing"
		a.admit(in, int64(i))
	}
	calls := a.plan()
	if len(calls) != 1 || len(calls[0].items) != 3 {
		t.Fatalf("calls %v, want a batch of 3", calls)
	}
	x.check()
	a.obey(told(0, "c1", ledger.CmdResume, "rule/r0", nil))
	x.check()
	a.resolve(result{calls[0], Outcome{Class: ClassOK}})
	x.turn()
	x.to(time.Minute)
	if len(a.items) != 0 {
		t.Errorf("%d wait", len(a.items))
	}
}

// A broadcast that was refused lets others try first, but not those whose own share of the slots is used up: it would wait for theirs.
func TestWhatWasRefusedWaitsForNobodysShare(t *testing.T) {
	x, push := brakes(t, 9)
	a := x.a
	cast := func(id, rule string) *intent.Intent {
		in := push(id, "main")
		in.Rule, in.Action, in.Target, in.Audience = rule, intent.Broadcast, intent.Everyone, &intent.Audience{AllOf: []string{"x"}}
		in.ID = intent.MakeID(in.Position(), in.Rule, in.Target)
		return in
	}
	refused, waits := cast("1", "r2"), cast("2", "r3")
	waits.Policy.Share = &intent.Cap{N: 0, Each: "day"}
	a.admit(refused, 0)
	a.admit(waits, 1)
	l := a.accounts["stub:k"].lanes["broadcast"]
	it := a.items[itemOf(refused.ID)]
	l.remove(it)
	l.halves, l.refusals = [][]*item{{it}}, maxRefusals
	if calls := a.plan(); len(calls) != 1 || calls[0].items[0] != it {
		t.Errorf("calls %v, want the one that was refused before", calls)
	}
	x.check()
}

// A trigger that extends a predecessor's merge in an owner's first turn takes it past no gate: it stands at merging, as before.
func TestAMergeThatIsExtendedInTheFirstTurnStandsAtMerging(t *testing.T) {
	x, push := brakes(t, 9)
	trigger := func(id string) *intent.Intent {
		in := push(id, "main")
		in.Target = "u"
		in.ID = intent.MakeID(in.Position(), in.Rule, in.Target)
		in.Merge = &intent.Merge{Key: "k", Wait: 5 * time.Minute, Extend: true, MaxWait: time.Hour, Vars: map[string]any{"x": id}}
		return in
	}
	first := trigger("1")
	x.a.admit(first, 0)
	x.turn()
	x.die()
	x.a.admit(trigger("2"), 1)
	x.turn()
	if it := x.a.items[itemOf(first.ID)]; it == nil || it.state != merging {
		t.Errorf("the merge is %+v", it)
	}
	x.check()
}
