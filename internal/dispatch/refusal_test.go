package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

var badParameter = Outcome{Class: ClassPermanent, Code: 1002, Detail: "parameter"}

// push takes in a push with a content of its own, so that it goes alone.
func (b *bundle) push(a *actor, id string) *item {
	in := b.intent(id, "r", "u-"+id, intent.Push)
	in.Content.Body = id
	a.admit(in, b.offset)
	return a.items[itemOf(in.ID)]
}

// retry lets a closed lane's pause be over, and its probe be answered.
func (b *bundle) retry(a *actor, l *lane) {
	b.t.Helper()
	if l.closed == nil {
		b.t.Fatal("the lane is open")
	}
	l.closed.Retry = a.clock.now()
	a.plan()
	if !l.probing {
		b.t.Fatal("no probe leaves")
	}
	a.resolve(<-a.results)
}

func bodies(calls []*call) (out []string) {
	for _, c := range calls {
		out = append(out, c.vendor.Content.Body)
	}
	return out
}

// A wrong setting looks like bad events (an unknown App Key is answered as a parameter error): the fifth refusal in a row is not
// believed any more, and a topic is not dead-lettered.
func TestRefusalsOfDifferentEventsInARowStopTheLane(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) {
		p := ac.Lanes["user"]
		p.Parallel = 100
		ac.Lanes["user"] = p
	})
	l := a.accounts["stub:k"].lanes["user"]
	for i := range 8 {
		b.push(a, fmt.Sprint("e", i))
	}
	calls := a.plan()
	if len(calls) != 8 {
		t.Fatalf("%d calls in flight together, want 8", len(calls))
	}
	for _, c := range calls {
		a.resolve(result{c, badParameter})
	}
	if l.closed == nil || l.closed.Reason != "breaker" || len(a.items) != 4 || a.pos.Fates != 4 {
		t.Fatalf("lane %+v, %d pending, %d fates: want it closed, four DEAD and four kept", l.closed, len(a.items), a.pos.Fates)
	}
	if g := gaugeOf(t, a.opt.Metrics.held.WithLabelValues("main/user", "breaker")); g != 1 {
		t.Error("notifier_lane_held does not tell it")
	}
	b.commit(a)
	if st := b.readLedger(); len(st.Pending) != 4 || st.Lanes["stub:k/user"].Refusals != maxRefusals {
		t.Errorf("%d pending on record, lane %+v", len(st.Pending), st.Lanes["stub:k/user"])
	}

	first := l.closedFor
	b.retry(a, l)
	good := b.push(a, "good")
	if calls = a.plan(); len(calls) != 1 || calls[0].items[0] != good {
		t.Fatalf("%v leave after the probe, want one, and not what was refused", bodies(calls))
	}
	a.resolve(result{calls[0], badParameter})
	if l.closed == nil || l.closedFor != 2*first || good.state != gone {
		t.Fatalf("a refused trial: %+v for %s, state %q: want it closed for twice %s and the request DEAD", l.closed, l.closedFor, good.state, first)
	}

	b.retry(a, l) // somebody mended the setting
	if calls = a.plan(); len(calls) != 1 {
		t.Fatalf("%v leave after the probe, want one", bodies(calls))
	}
	a.resolve(result{calls[0], Outcome{Class: ClassOK}})
	calls = a.plan()
	if len(calls) != 3 || l.closed != nil || l.refusals != 0 {
		t.Fatalf("%v leave after a success, want the three that were kept", bodies(calls))
	}
	for _, c := range calls {
		a.resolve(result{c, Outcome{Class: ClassOK}})
	}
	b.commit(a)
	words := map[ledger.FateKind]int{}
	for _, f := range b.fates(9) {
		words[f.Fate]++
	}
	if words[ledger.Dead] != 5 || words[ledger.Sent] != 4 {
		t.Errorf("fates %v, want 5 DEAD and 4 SENT", words)
	}
}

func TestSomeRefusalsAreBelieved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	l := a.accounts["stub:k"].lanes["user"]
	for i := range 20 { // one in five is fine
		b.push(a, fmt.Sprint("e", i))
		o := badParameter
		if i%5 == 4 {
			o = Outcome{Class: ClassOK}
		}
		a.resolve(result{a.plan()[0], o})
	}
	for i := range 10 { // users of one event
		in := b.intent("one", "r", fmt.Sprint("v", i), intent.Push)
		a.admit(in, b.offset)
		a.resolve(result{a.plan()[0], badParameter})
	}
	for i := range 10 { // refused by us
		b.push(a, fmt.Sprint("f", i))
		a.resolve(result{a.plan()[0], Outcome{Class: ClassPermanent, Invalid: true}})
	}
	if l.closed != nil || len(a.items) != 0 {
		t.Errorf("lane %+v with %d pending, want it open", l.closed, len(a.items))
	}
}

// getui.md 8.4: on the first try it is a mistake of ours or of whoever runs us, and more than one push may have it.
func TestAPushWhoseIDTheVendorHasHadIsDeadWithAnAlarm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.crowd(nil)
	c.pushed(badParameter)
	if n := c.said.Len(); n != 0 {
		t.Errorf("%d errors in the log after an ordinary refusal, want none", n)
	}
	c.pushed(Outcome{Class: ClassPermanent, Code: 20001, IDTaken: true, Detail: "not sent: had it"})
	if got := c.said.FilterMessage("the vendor has had another push under the id of this one").All(); len(got) != 1 || got[0].ContextMap()["intent"] == nil || got[0].ContextMap()["detail"] != "not sent: had it" {
		t.Errorf("%v in the log, want one error that names the intent", got)
	}
	b.commit(c.a)
	if got, want := fmt.Sprint(kinds(b.fates(2))), "[e1 DEAD(rejected-by-vendor) e2 DEAD(rejected-by-vendor)]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestATagSetThatIsRefusedEverywhereIsKeptForWhoMendsTheRule(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	var users []string
	for i := range 16 {
		users = append(users, fmt.Sprint("u", i))
	}
	ac := b.knownUsers(a, users...)
	for _, u := range users {
		a.admit(b.profile("p-"+u, u, 2, map[string]string{"city": "bad tag"}), b.offset)
	}
	for range 100 {
		calls := a.plan()
		if len(calls) == 0 {
			break
		}
		for _, c := range calls {
			a.resolve(result{c, badParameter})
		}
	}
	if ac.lanes[LaneTag].closed == nil || len(a.items) < 8 {
		t.Fatalf("%d of 16 intents are left, lane %+v: want no more than the first few DEAD", len(a.items), ac.lanes[LaneTag].closed)
	}
	if len(a.items)+int(a.pos.Fates) != 16 {
		t.Errorf("%d pending and %d fates of 16", len(a.items), a.pos.Fates)
	}
}

func TestReadsThatAreRefusedAreSplitAndDoubtedToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.refuse = func(users []string) *Outcome {
		if slices.Contains(users, "u3") {
			return &badParameter
		}
		return nil
	}
	for _, u := range []string{"u1", "u2", "u3", "u4", "u5"} {
		b.produce(b.profile("p-"+u, u, 1, map[string]string{"city": "bj"}))
	}
	b.start(b.account(), nil)
	if got, want := kinds(b.fates(5)), "[p-u1 SENT p-u2 SENT p-u3 DEAD(rejected-by-vendor) p-u4 SENT p-u5 SENT]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}

	b = setup(t)
	b.vendor.refuse = func([]string) *Outcome { return &badParameter }
	for i := range 12 {
		b.produce(b.profile(fmt.Sprint("p", i), fmt.Sprint("u", i), 1, map[string]string{"city": "bj"}))
	}
	b.start(b.account(), nil)
	st := b.state("a closed lane of reads", func(st *ledger.State) bool { return st.Lanes["stub:k/"+LaneTagGet].Reason == "breaker" })
	if len(st.Pending) < 8 {
		t.Errorf("%d of 12 intents are left, want all but the first four", len(st.Pending))
	}
}

// rongcloud.md 3: after 1008 a lane that is limited per second waits a second or more, and not always equally long.
func TestARefusalForNowIsWaitedOutWithAJitter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) {
		pol := ac.Lanes["user"]
		pol.Rate, pol.Window, pol.Limits = 100, 0, nil
		ac.Lanes["user"] = pol
	})
	at := a.clock.machine()
	a.clock.machine = func() time.Time { return at }
	l := a.accounts["stub:k"].lanes["user"]
	for asked, least := range map[time.Duration]time.Duration{0: second, 300 * time.Millisecond: second, time.Second: second, 5 * time.Second: 5 * time.Second} {
		waits := map[time.Duration]bool{}
		for range 20 {
			a.later(l, at, Outcome{Class: ClassRetryLater, Code: 1008, Wait: asked})
			wait := l.notBefore.Sub(a.clock.now())
			if wait < time.Second || wait < least || wait > least+second/4 {
				t.Errorf("asked for %s it waits %s, want %s to %s", asked, wait, least, least+second/4)
			}
			if ok, until := a.ready(l, a.clock.now()); ok || !until.Equal(l.notBefore) {
				t.Errorf("ready is %t until %s, want %s", ok, until, l.notBefore)
			}
			waits[wait] = true
		}
		if len(waits) < 10 {
			t.Errorf("asked for %s: %d different waits of 20", asked, len(waits))
		}
	}
	if a.later(l, at, Outcome{Class: ClassRetryLater, Wait: time.Hour}); l.notBefore.Sub(a.clock.now()) != time.Hour {
		t.Errorf("asked for an hour it waits %s", l.notBefore.Sub(a.clock.now()))
	}
}

// design.md 3.12: three unclear outcomes in a row close the lane; a read-only call probes; one call may pass; the pause doubles.
func TestTheBreaker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	l := a.accounts["stub:k"].lanes["user"]
	unclear := Outcome{Class: ClassUnknown, Detail: "time-out"}
	for i := range 3 {
		if l.closed != nil {
			t.Fatalf("closed after %d", i)
		}
		b.push(a, fmt.Sprint("e", i))
		a.resolve(result{a.plan()[0], unclear})
	}
	for i := range 5 {
		b.push(a, fmt.Sprint("w", i))
	}
	if calls := a.plan(); l.closed == nil || l.closed.Reason != "breaker" || len(calls) != 0 {
		t.Fatalf("%v leave, lane %+v", bodies(calls), l.closed)
	}
	if l.closedFor != firstPause || l.closed.Retry.Sub(a.clock.now()) > firstPause {
		t.Errorf("the first pause is %s until %s", l.closedFor, l.closed.Retry)
	}
	b.vendor.probes = []Outcome{unclear}
	b.retry(a, l)
	if l.closed == nil || l.closedFor != 2*firstPause || len(a.plan()) != 0 {
		t.Fatalf("after a probe in vain: %+v for %s", l.closed, l.closedFor)
	}
	b.retry(a, l)
	calls := a.plan()
	if l.closed != nil || len(calls) != 1 {
		t.Fatalf("%v leave after a good probe, want one", bodies(calls))
	}
	a.resolve(result{calls[0], unclear})
	if l.closed == nil || l.closedFor != 4*firstPause {
		t.Fatalf("one more unclear: %+v for %s, want %s", l.closed, l.closedFor, 4*firstPause)
	}
	b.retry(a, l)
	calls = a.plan()
	a.resolve(result{calls[0], Outcome{Class: ClassOK}})
	if calls = a.plan(); len(calls) != 3 || l.closedFor != 0 {
		t.Errorf("%v leave after a success, want the rest", bodies(calls))
	}
	for range 9 {
		a.close(l, "breaker", "")
	}
	if l.closedFor != maxPause {
		t.Errorf("the pause grows to %s, want at most %s", l.closedFor, maxPause)
	}
}

// Wrong credentials close all lanes of the account; one probe speaks for all of them, and then one call in each lane goes ahead.
func TestOneProbeSpeaksForAnAccountsCredentials(t *testing.T) {
	t.Parallel()
	for _, code := range []int{1001, 1004, 1006, 2007, 1002, 401} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(nil)
			ac := a.accounts["stub:k"]
			wrong := Outcome{Class: ClassConfig, Code: code, Detail: "App-Key"}
			for i := range 3 {
				b.push(a, fmt.Sprint("e", i))
			}
			for _, c := range a.plan() {
				a.resolve(result{c, wrong})
			}
			retry := a.clock.now().Add(firstPause)
			for name, l := range ac.lanes {
				if l.closed == nil || l.closed.Reason != "credentials" || l.closed.Retry.After(retry) {
					t.Fatalf("lane %s: %+v", name, l.closed)
				}
			}
			if len(a.items) != 3 || a.pos.Fates != 0 {
				t.Fatalf("%d pending, %d fates: want all kept", len(a.items), a.pos.Fates)
			}
			due := func() (probes int) {
				for _, l := range ac.lanes {
					l.closed.Retry = a.clock.now()
				}
				a.plan()
				for _, l := range ac.lanes {
					if l.probing {
						probes++
					}
				}
				return probes
			}
			b.vendor.probes = []Outcome{wrong}
			if n := due(); n != 1 {
				t.Fatalf("%d probes, want one for the account", n)
			}
			a.resolve(<-a.results)
			for name, l := range ac.lanes {
				if l.closed == nil || l.closedFor != 2*firstPause {
					t.Fatalf("lane %s after a probe in vain: %+v", name, l.closed)
				}
			}
			if n := due(); n != 1 {
				t.Fatalf("%d probes", n)
			}
			a.resolve(<-a.results)
			calls := a.plan()
			if len(calls) != 1 {
				t.Fatalf("%v leave at once, want one to find out", bodies(calls))
			}
			a.resolve(result{calls[0], Outcome{Class: ClassOK}})
			if calls = a.plan(); len(calls) != 2 {
				t.Errorf("%v leave, want the rest", bodies(calls))
			}
			for name, l := range ac.lanes {
				if g := gaugeOf(t, a.opt.Metrics.held.WithLabelValues("main/"+name, "credentials")); l.closed != nil || g != 0 {
					t.Errorf("lane %s: %+v, gauge %v", name, l.closed, g)
				}
			}
		})
	}
}

// A service that is not enabled closes its own lane only, keeps the events, and is tried by the next real call.
func TestAServiceThatIsNotEnabledStopsItsLane(t *testing.T) {
	t.Parallel()
	for _, code := range []int{404, 1007, 1009} {
		b := setup(t)
		a := b.byHand(nil)
		ac := a.accounts["stub:k"]
		at := b.broadcasted(a, "b1", Outcome{Class: ClassConfig, Code: code, Service: true, Detail: "not enabled"})
		l := ac.lanes["broadcast"]
		if l.closed == nil || l.closed.Reason != "service" || at.State != ledger.Refused || len(a.items) != 1 {
			t.Fatalf("code %d: lane %+v, attempt %s, %d pending", code, l.closed, at.State, len(a.items))
		}
		b.push(a, "e1")
		if calls := a.plan(); len(calls) != 1 || calls[0].lane.name != "user" {
			t.Errorf("code %d: %v leave, want the push of another lane", code, bodies(calls))
		}
		if wait := l.closed.Retry.Sub(a.clock.now()); wait < 9*time.Minute || wait > firstCostly {
			t.Errorf("code %d: tried again after %s, which takes a slot", code, wait)
		}
		if got := a.tryNow("lane/main/user"); len(got) != 0 {
			t.Errorf("code %d: %v", code, got)
		}
		a.obey(told(1, "r", ledger.CmdResume, "lane/main/broadcast", nil))
		calls := a.plan()
		if len(calls) != 1 || calls[0].lane != l {
			t.Fatalf("code %d: %v leave after the pause, want the broadcast as the trial", code, bodies(calls))
		}
		a.resolve(result{calls[0], Outcome{Class: ClassOK}})
		if l.closed != nil || len(a.items) != 1 {
			t.Errorf("code %d: %+v after a success", code, l.closed)
		}
	}
}

// tags.foreign: keep. The vendor's tags are read before the first write, also if the owner that read them is not the one that writes.
func TestForeignTagsAreKeptAcrossATakeOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.tags = []string{"theirs"}
	keep := func(ac *Account, _ *Options) { ac.KeepForeign = true }
	a := b.byHand(keep)
	a.admit(b.profile("p1", "u1", 1, map[string]string{"city": "bj"}), 0)
	if calls := b.reading(a); len(calls) != 0 {
		t.Fatal("a write leaves before the read is answered")
	}
	b.commit(a) // it dies here: the answer is lost

	a = b.byHand(keep)
	a.apply()
	if calls := b.reading(a); len(calls) != 0 {
		t.Fatal("the new owner writes without a look")
	}
	a.resolve(<-a.results)
	b.commit(a) // it dies here: what was read is on record

	a = b.byHand(keep)
	a.apply()
	calls := a.plan()
	if len(calls) != 1 || strings.Join(calls[0].set, " ") != "city_bj theirs" {
		t.Fatalf("calls %+v, want one that keeps what is not ours", calls)
	}
	if n := len(b.vendor.reads); n != 2 {
		t.Errorf("%d reads, want no third: the row knows", n)
	}
}

// Lanes without work are not closed for longer by every new incident: what one lane proves of the credentials holds for all.
func TestTheNextIncidentBeginsWithAShortPause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	l := a.accounts["stub:k"].lanes["user"]
	for i := range 3 {
		b.push(a, fmt.Sprint("e", i))
		a.resolve(result{a.plan()[0], Outcome{Class: ClassConfig, Code: 1001}})
		if l.closed == nil || l.closedFor != firstPause {
			t.Fatalf("incident %d: %+v for %s, want %s", i, l.closed, l.closedFor, firstPause)
		}
		b.retry(a, l)
		a.resolve(result{a.plan()[0], Outcome{Class: ClassOK}})
	}
}

// Whoever asks for a comparison learns at once that its lane is held.
func TestVerifySaysThatItsLaneIsHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	ask := func() ledger.Answer {
		var ans ledger.Answer
		if a.checkTags(command{Command: ledger.Command{ID: "c", Cmd: ledger.CmdVerify, Target: "stub:k", Args: map[string]string{"sample": "10"}}}, &ans) {
			t.Error("it waits")
		}
		return ans
	}
	a.pauses["lane/main/"+LaneTagGet] = ledger.Pause{}
	if ans := ask(); !ans.Refused || !strings.Contains(ans.Text, "paused") {
		t.Errorf("%+v", ans)
	}
	delete(a.pauses, "lane/main/"+LaneTagGet)
	a.close(a.accounts["stub:k"].lanes[LaneTagGet], "service", "1007")
	if ans := ask(); !ans.Refused || !strings.Contains(ans.Text, "service") {
		t.Errorf("%+v", ans)
	}
}
