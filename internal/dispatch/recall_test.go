package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// told gives a command as the control topic has it.
func told(offset int64, id, cmd, target string, args map[string]string) command {
	return command{ledger.Command{V: 1, ID: id, Cmd: cmd, Target: target, Args: args, By: "li", Why: "wrong text"}, offset}
}

// broadcasted sends one broadcast with an outcome and gives its attempt.
func (b *bundle) broadcasted(a *actor, id string, o Outcome) *ledger.Attempt {
	b.t.Helper()
	a.admit(b.intent(id, "r", "*", intent.Broadcast), b.offset)
	calls := a.plan()
	if len(calls) != 1 {
		b.t.Fatalf("%d calls, want the broadcast", len(calls))
	}
	a.resolve(result{calls[0], o})
	return calls[0].attempt
}

var message = Outcome{Class: ClassOK, Code: 200, VendorID: "id-1", Sender: "system", MessageUID: "uid-1"}

// refusal obeys a command and gives why it was refused.
func (b *bundle) refusal(a *actor, c command) string {
	b.t.Helper()
	a.obey(c)
	b.commit(a)
	as := b.answers()
	last := as[len(as)-1]
	if last.ID != c.ID || last.OK || !last.Refused || len(a.ordered) != 0 {
		b.t.Fatalf("answer %+v, %d calls, want a refusal", last, len(a.ordered))
	}
	return last.Text
}

func TestAMessageBroadcastIsRecalledOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	sent := b.broadcasted(a, "e1", message)
	b.commit(a)

	a = b.byHand(nil) // what a recall names is on record, whoever owns the partition now
	a.obey(told(0, "c1", ledger.CmdRecall, sent.ID, nil))
	calls := a.plan()
	if len(calls) != 1 || calls[0].lane.name != LaneRecall || calls[0].vendor.Recall == nil {
		t.Fatalf("calls %+v, want the recall", calls)
	}
	if r := *calls[0].vendor.Recall; r.Sender != "system" || r.MessageUID != "uid-1" || !r.SentAt.Equal(sent.At) {
		t.Errorf("the recall names %+v, want what is on record of %+v", r, sent)
	}
	b.commit(a)
	if at := b.readLedger().Attempts[calls[0].attempt.ID]; at == nil || at.State != ledger.Started || at.Recalls != sent.ID || at.Command != "c1" || at.By != "li" {
		t.Errorf("before the call leaves the ledger has %+v", at)
	}
	if got := b.refusal(a, told(1, "c2", ledger.CmdRecall, sent.ID, nil)); !strings.Contains(got, "a recall of it is in flight") {
		t.Errorf("a second recall meanwhile: %q", got)
	}
	a.resolve(result{calls[0], Outcome{Class: ClassOK, Code: 200}})
	b.commit(a)
	as := b.answers()
	if last := as[len(as)-1]; last.ID != "c1" || !last.OK || last.Outcome != ledger.OK || last.Attempt != calls[0].attempt.ID {
		t.Errorf("answer %+v", last)
	}
	fs := b.fates(2)
	f := fs[1]
	if f.Fate != ledger.Sent || f.Resolves != ledger.Sent || f.Kind != "operator" || f.By != "li" || f.Event.ID != "e1" || f.Intent != fs[0].Intent || f.Lane != "main/recall" || !strings.Contains(f.Detail, "recalled "+sent.ID) {
		t.Errorf("fate record %+v", f)
	}
	if got := b.refusal(a, told(2, "c3", ledger.CmdRecall, sent.ID, nil)); !strings.Contains(got, "recalled already") {
		t.Errorf("a second recall: %q", got)
	}
	if got := b.refusal(a, told(3, "c4", ledger.CmdRecall, calls[0].attempt.ID, nil)); !strings.Contains(got, "is a recall itself") {
		t.Errorf("a recall of the recall: %q", got)
	}
	if !b.readLedger().Balanced() {
		t.Error("the books do not balance")
	}
}

func TestWhatCannotBeRecalledIsSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o    Outcome
		want string
	}{
		"push-only": {Outcome{Class: ClassOK, Code: 200, VendorID: "id"}, "no recall exists"},
		"no uid":    {Outcome{Class: ClassOK, Code: 200, Sender: "system"}, "no messageUID"},
		"unknown":   {Outcome{Class: ClassUnknown, Sender: "system"}, "id of what it sent is not known"},
		"refused":   {Outcome{Class: ClassPermanent, Code: 1002, Sender: "system"}, "nothing to recall"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(nil)
			at := b.broadcasted(a, "e1", c.o)
			if got := b.refusal(a, told(0, "c1", ledger.CmdRecall, at.ID, nil)); !strings.Contains(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if got := b.refusal(a, told(1, "c2", ledger.CmdRecall, at.ID+"0", nil)); !strings.Contains(got, "no such attempt on record") {
				t.Errorf("an attempt that is not on record: %q", got)
			}
			a.obey(told(2, "c3", ledger.CmdRecall, "AAAAAA-9-1", nil))
			b.commit(a)
			if n := len(b.answers()); n != 2 {
				t.Errorf("%d answers, want none for another partition's attempt", n)
			}
		})
	}
}

func TestARecallTakesASlotOfItsOwnLaneAndIsNotHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) {
		p := ac.Lanes["broadcast"]
		p.Limits[0].N = 10
	})
	offset := int64(0)
	next := func(cmd, target string) command {
		offset++
		return told(offset, cmd+target, cmd, target, nil)
	}
	recall := func(o Outcome) {
		a.obey(next(ledger.CmdRecall, b.broadcasted(a, "e", message).ID))
		for _, c := range a.plan() {
			a.resolve(result{c, o})
		}
	}
	at := b.broadcasted(a, "e0", message)
	a.obey(next(ledger.CmdPause, "all"))
	if got := b.refusal(a, next(ledger.CmdRecall, at.ID)); !strings.Contains(got, "is paused") {
		t.Errorf("while all is paused: %q", got)
	}
	a.obey(next(ledger.CmdResume, "all"))
	a.obey(next(ledger.CmdPause, "broadcasts")) // the first thing to do before a recall does not hold it
	a.obey(next(ledger.CmdRecall, at.ID))
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatalf("%d calls while broadcasts are paused, want the recall", len(calls))
	}
	a.resolve(result{calls[0], Outcome{Class: ClassNotSent}}) // gives its slot back
	a.obey(next(ledger.CmdResume, "broadcasts"))
	a.accounts["stub:k"].lanes[LaneRecall].notBefore = time.Time{}
	clear(a.seen)
	recall(Outcome{Class: ClassOK})
	clear(a.seen)
	recall(Outcome{Class: ClassPermanent, Code: 1002})
	if got := b.refusal(a, next(ledger.CmdRecall, at.ID)); !strings.Contains(got, "no slot is free in lane main/recall before") {
		t.Errorf("a third recall in the hour: %q", got)
	}
}

// The owner dies between the commit of a recall and its answer: its successor tells the command that nobody knows, and makes no
// second call; a human's word frees the attempt for another recall.
func TestARecallThatItsOwnerDidNotSurviveIsUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	sent := b.broadcasted(a, "e1", message)
	a.obey(told(5, "c1", ledger.CmdRecall, sent.ID, nil))
	recall := a.plan()[0].attempt
	b.commit(a)

	a = b.byHand(nil)
	a.obey(told(5, "c1", ledger.CmdRecall, sent.ID, nil)) // the control topic is read from the start
	if calls := a.plan(); len(calls) != 0 || len(a.ordered) != 0 {
		t.Fatalf("calls %+v, want none: the command was applied", calls)
	}
	if got := b.refusal(a, told(6, "c2", ledger.CmdRecall, sent.ID, nil)); !strings.Contains(got, "in flight") {
		t.Errorf("while the open call may arrive: %q", got)
	}
	a.fire(alarm{timerKey: timerKey{settleCall, recall.ID}})
	b.commit(a)
	as := b.answers()
	if last := as[len(as)-1]; last.ID != "c1" || last.OK || last.Outcome != ledger.Unknown || !strings.Contains(last.Text, "not repeated") {
		t.Errorf("answer %+v", last)
	}
	if got := b.refusal(a, told(7, "c3", ledger.CmdRecall, sent.ID, nil)); !strings.Contains(got, "never repeated") {
		t.Errorf("after the unclear one: %q", got)
	}
	a.obey(told(8, "c4", ledger.CmdResolve, recall.ID, map[string]string{"as": "not-sent"}))
	if got := b.refusal(a, told(9, "c5", ledger.CmdResolve, recall.ID, map[string]string{"as": "sent"})); !strings.Contains(got, "is resolved as not-sent already, by "+recall.By) {
		t.Errorf("a second word on it: %q", got)
	}
	b.commit(a)
	fs := b.fates(3)
	if f := fs[2]; f.Fate != ledger.Sent || f.Resolves != ledger.Sent || !strings.Contains(f.Detail, "not-sent") {
		t.Errorf("the broadcast was sent, whatever became of its recall: %+v", f)
	}
	a.obey(told(10, "c6", ledger.CmdRecall, sent.ID, nil))
	if calls := a.plan(); len(calls) != 1 {
		t.Errorf("%d calls, want a new recall after a human said that the first did not leave", len(calls))
	}
}

func TestChargesAreToldBySource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(hourAndDay)
	b.broadcasted(a, "e1", Outcome{Class: ClassOK})
	b.broadcasted(a, "e2", Outcome{Class: ClassUnknown})
	b.broadcasted(a, "e3", Outcome{Class: ClassRetryLater, Code: 1008})
	b.commit(a)
	for _, limit := range a.accounts["stub:k"].lanes["broadcast"].Limits { // the day has 12, and only the hour's 4 are booked
		got := map[string]float64{}
		for _, s := range chargeSources {
			got[s] = gaugeOf(t, a.opt.Metrics.quotaUsed.WithLabelValues("main/broadcast", limit.String(), s))
		}
		if got["own"] != 2 || got["unknown"] != 1 || got["external"] != 1 {
			t.Errorf("%s: used %v, want 2 own (one of them refused), 1 unknown, 1 external", limit, got)
		}
	}
}

// hourAndDay gives the broadcast lane 4 slots an hour and 12 a day.
func hourAndDay(ac *Account, _ *Options) {
	l := ac.Lanes["broadcast"]
	l.Limits = []quota.Limit{{N: 4, Window: time.Hour}, {N: 12, Window: 24 * time.Hour}}
	ac.Lanes["broadcast"] = l
}

// docs/vendor.md: 1008 on a scarce lane books the hour, and the second in a row the day too. An ambiguous outcome is no 1008, nor a
// 1008 an ambiguous outcome: it brings the breaker no nearer.
func TestTheSecondRefusalInARowBooksTheDay(t *testing.T) {
	t.Parallel()
	ok, unknown, often := Outcome{Class: ClassOK}, Outcome{Class: ClassUnknown}, Outcome{Class: ClassRetryLater, Code: 1008}
	for name, tc := range map[string]struct {
		outcomes []Outcome // two hours apart
		day      int       // of its 12 slots, those booked
		unclear  int
	}{
		"the first":                      {[]Outcome{often}, 4, 0},
		"the second":                     {[]Outcome{often, often}, 12, 0},
		"the first after an unknown":     {[]Outcome{unknown, often}, 5, 1},
		"the first after two":            {[]Outcome{unknown, unknown, often}, 6, 2},
		"after a success the first":      {[]Outcome{often, ok, often}, 9, 0},
		"two and an unknown":             {[]Outcome{often, unknown, often}, 12, 1},
		"after the breaker the first":    {[]Outcome{unknown, unknown, unknown, often}, 7, 2},
		"across the breaker the second":  {[]Outcome{often, unknown, unknown, unknown, often}, 12, 2},
		"an unknown after the day's end": {[]Outcome{often, often, unknown}, 13, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(hourAndDay)
			l := a.accounts["stub:k"].lanes["broadcast"]
			for i, o := range tc.outcomes {
				if l.closed != nil {
					b.retry(a, l)
				}
				for _, at := range a.kept {
					at.At, at.NotAfter, at.Until = at.At.Add(-2*time.Hour), at.NotAfter.Add(-2*time.Hour), at.Until.Add(-2*time.Hour)
				}
				if used := a.used(l, a.clock.now()); used[1].Used == 12 {
					l.Limits[1].N++ // the day has room again
				}
				b.broadcasted(a, fmt.Sprint("e", i), o)
			}
			used := a.used(l, a.clock.now())
			if used[1].Used != tc.day || l.unclear != tc.unclear || l.closed != nil {
				t.Errorf("%d slots of the day are booked, %d unclear in a row, lane %+v; want %d, %d, open", used[1].Used, l.unclear, l.closed, tc.day, tc.unclear)
			}
			if last := tc.outcomes[len(tc.outcomes)-1]; last.Class == ClassRetryLater && used[0].Used < 4 {
				t.Errorf("%d slots of the hour are booked, want all 4", used[0].Used)
			}
		})
	}
}

// What was made again is recalled by the attempt that it was made again as: the first one's answer never came.
func TestARecallOfWhatWasMadeAgainNamesTheRepeat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	l := a.accounts["stub:k"].lanes["broadcast"]
	a.admit(b.intent("b1", "r", intent.Everyone, intent.Broadcast), b.offset)
	first := a.plan()[0]
	b.commit(a)
	a.resolve(result{first, lost})
	if got := b.refusal(a, told(0, "c1", ledger.CmdRecall, first.attempt.ID, nil)); !strings.Contains(got, "waits to be made again") {
		t.Errorf("while it waits: %q", got)
	}
	again := due(a, l)[0]
	b.commit(a)
	if got, want := b.refusal(a, told(1, "c2", ledger.CmdRecall, first.attempt.ID, nil)), "next: notifier recall "+again.attempt.ID; !strings.HasSuffix(got, want) {
		t.Errorf("afterwards: %q, want %q", got, want)
	}
}
