package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// A profile event that waits takes no item between turns, and is all the same what it was: it is counted, shown and found, is taken in once, gives
// way to a newer one, and is sent when the vendor is back.
func TestAProfileEventThatWaitsIsParked(t *testing.T) {
	gone := true
	var m *Metrics
	p := newPlay(t, func(ac *Account, o *Options) {
		ac.TagDelay = 0
		o.Metrics = NewMetrics(prometheus.NewRegistry())
		m = o.Metrics
	})
	send := p.end.Send
	p.end.Send = func(d Departure) Outcome {
		if gone {
			return Outcome{Class: ClassNotSent}
		}
		return send(d)
	}
	var ins []*intent.Intent
	for i := range 5 {
		in := p.profile(fmt.Sprint("e", i), fmt.Sprint("u", i), 1, map[string]string{"city": "bj"})
		in.Event.Time, in.Profile.Version = noon, noon.UnixMilli()
		ins = append(ins, in)
	}
	p.Take(ins...)
	p.Advance(noon.Add(time.Hour))
	ac := p.a.accounts["stub:k"]
	parked := func(n int) {
		t.Helper()
		if len(p.a.items) != 0 || len(ac.asked) != 0 || ac.users.Waiting() != n || p.Pending() != n {
			t.Fatalf("%d items, %d asked, %d parked, %d pending: want %d parked", len(p.a.items), len(ac.asked), ac.users.Waiting(), p.Pending(), n)
		}
		stand := map[string]float64{}
		for b, l := range p.a.parkedSince() {
			stand["main/"+b.route.Lane] += float64(l.n)
		}
		counted := 0.0
		for _, lane := range ac.names {
			at := gaugeOf(t, m.pending.WithLabelValues("main/"+lane, queued.String()))
			if counted += at; at != stand["main/"+lane] {
				t.Fatalf("in lane %s %v are counted, and %v stand there", lane, at, stand["main/"+lane])
			}
		}
		if int(counted) != n || p.a.needs().Pending != n {
			t.Fatalf("%v are counted, %d on record, want %d", counted, p.a.needs().Pending, n)
		}
		if books := gaugeOf(t, m.unbalanced); books != 0 {
			t.Fatalf("the books are off by %v", books)
		}
	}
	parked(5)
	var shown []string
	p.Each(func(in *intent.Intent, gate string) { shown = append(shown, in.Event.ID+" "+in.Target+" "+gate) })
	if slices.Sort(shown); !slices.Equal(shown, []string{"e0 u0 quota", "e1 u1 quota", "e2 u2 quota", "e3 u3 quota", "e4 u4 quota"}) {
		t.Errorf("shown: %q", shown)
	}
	if s, ok := p.Stands(ins[1].ID); !ok || s.Gate != "quota" || !strings.HasPrefix(s.Lane, "main/tag") {
		t.Errorf("it stands at %+v, %v", s, ok)
	}
	if _, ok := p.Stands("t/0/1/tags/u77"); ok {
		t.Error("somebody stands there who never came")
	}
	p.Take() // the end of a turn
	parked(5)
	var ans ledger.Answer
	p.a.cancel(order(0, ledger.CmdCancel, string(ins[1].ID)), &ans)
	if !ans.Refused || !strings.Contains(ans.Text, "profile event") {
		t.Errorf("cancelled: %+v", ans)
	}
	p.a.oldest(p.Now())
	oldest := 0.0
	for _, lane := range ac.names {
		oldest = max(oldest, gaugeOf(t, m.oldest.WithLabelValues("main/"+lane)))
	}
	if oldest != time.Hour.Seconds() {
		t.Errorf("the oldest has waited for %v s", oldest)
	}
	again := *ins[2]
	newer := p.profile("newer", "u3", noon.UnixMilli()+1, map[string]string{"city": "sh"})
	p.Take(&again, newer)
	parked(5)
	p.want(nil, []string{"e2 SUPPRESSED(duplicate)", "e3 COALESCED"})
	if len(p.said) == 2 && p.said[slices.IndexFunc(p.said, func(f ledger.Fate) bool { return f.Fate == ledger.Coalesced })].Into != newer.ID {
		t.Errorf("coalesced: %+v", p.said)
	}
	ans = ledger.Answer{OK: true}
	p.a.askedBy(ac, "u0") // one is an item meanwhile
	p.a.kill(order(1, ledger.CmdKill, "tags"), &ans)
	p.a.extend(told(2, "c2", ledger.CmdExtend, "tags", map[string]string{ledger.ArgFor: "1h"}), &ledger.Answer{})
	p.a.revive(order(3, ledger.CmdRevive, "tags"), &ledger.Answer{})
	p.Take()
	if parked(5); ans.Intents != 0 {
		t.Errorf("%d profile events are given up by a kill", ans.Intents)
	}
	gone = false
	p.Advance(noon.Add(2 * time.Hour))
	parked(0)
	if got, want := kinds(p.said), []string{"e0 SENT", "e1 SENT", "e2 SENT", "e2 SUPPRESSED(duplicate)", "e3 COALESCED", "e4 SENT", "newer SENT"}; !slices.Equal(got, want) {
		t.Errorf("fates %q, want %q", got, want)
	}
}

// The next owner parks what it finds, however many they are, decides for each of them what its user needs, and takes its counts back when it goes.
func TestWhatIsParkedSurvivesATakeOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 3
	a := b.byHand(nil)
	for i := range n {
		a.admit(b.profile(fmt.Sprint("p", i), fmt.Sprint("u", i), 1, map[string]string{"city": "bj"}), int64(i))
	}
	b.commit(a)
	a.cool()
	if a.pending() != n || len(a.items) != 0 {
		t.Fatalf("%d pending, %d items", a.pending(), len(a.items))
	}
	a = b.byHand(nil)
	a.cool()
	ac := a.accounts["stub:k"]
	if a.pending() != n || len(a.items) != 0 {
		t.Fatalf("after a take-over: %d pending, %d items", a.pending(), len(a.items))
	}
	if a.wake.IsZero() {
		t.Error("it waits for something else before its first turn")
	}
	a.apply()
	for i := range n {
		if user := fmt.Sprint("u", i); !ac.reading[user] || !ac.asks(user) {
			t.Errorf("%s waits for nothing", user)
		}
	}
	if books := a.pos.Intents - a.pos.Fates; books != int64(a.pending()) {
		t.Errorf("%d without a fate, %d pending", books, a.pending())
	}
	a.cool()
	gauge := a.opt.Metrics.pending.WithLabelValues("main/"+LaneTag, queued.String())
	if was := gaugeOf(t, gauge); was != n {
		t.Errorf("%v are counted", was)
	}
	if a.retire(); gaugeOf(t, gauge) != 0 {
		t.Errorf("%v are counted when another process has them", gaugeOf(t, gauge))
	}
}

// What a fate is on record for since the copy of a lost ledger was made is parked no more.
func TestWhatHasAFateIsNotParkedFromACopy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	var ins []*intent.Intent
	for i := range 3 {
		in := b.profile(fmt.Sprint("p", i), fmt.Sprint("u", i), 1, map[string]string{"city": "bj"})
		ins = append(ins, in)
		a.admit(in, int64(i))
	}
	b.commit(a)
	a = b.byHand(nil)
	a.past = &past{before: 3, forgot: true, fated: map[intent.ID]bool{ins[1].ID: true}, lost: map[string][]ledger.Fate{}}
	a.cool()
	a.sift()
	a.cool()
	for i, in := range ins {
		if !a.passed(in, int64(i)) { // it would have a second fate, as a duplicate of itself
			t.Errorf("%s is taken in again", in.ID)
		}
	}
	ac := a.accounts["stub:k"]
	if a.pending() != 2 || ac.asks("u1") || !ac.asks("u0") || !ac.asks("u2") || a.pos.Fates != 1 {
		t.Errorf("%d pending, %d fates; u1 asks: %v", a.pending(), a.pos.Fates, ac.asks("u1"))
	}
	b.commit(a)
	if st := b.readLedger(); len(st.Pending) != 2 || st.Pending[string(ins[1].ID)] != nil || !st.Balanced() {
		t.Errorf("on record: %d pending", len(st.Pending))
	}
}

// parkedPlay is a play whose vendor takes no call while gone, with n users whose profile events are parked.
func parkedPlay(t *testing.T, n int, gone *bool) (*play, *account) {
	t.Helper()
	p := newPlay(t, func(ac *Account, _ *Options) { ac.TagDelay = 0 })
	send := p.end.Send
	p.end.Send = func(d Departure) Outcome {
		if *gone {
			return Outcome{Class: ClassNotSent}
		}
		return send(d)
	}
	var ins []*intent.Intent
	for i := range n {
		ins = append(ins, p.profile(fmt.Sprint("e", i), fmt.Sprint("u", i), 1, map[string]string{"city": "bj"}))
	}
	for _, in := range ins {
		in.Event.Time = noon
	}
	p.Take(ins...)
	p.Advance(noon.Add(time.Minute))
	ac := p.a.accounts["stub:k"]
	if ac.users.Waiting() != n {
		t.Fatalf("%d of %d are parked", ac.users.Waiting(), n)
	}
	return p, ac
}

// A user whose profile event is parked asks for tags: what the vendor has is compared with nothing, counts as no difference, and the row stays.
func TestWhoseProfileEventIsParkedStillAsks(t *testing.T) {
	gone := true
	p, ac := parkedPlay(t, 2, &gone)
	for _, user := range []string{"u0", "u1"} {
		ac.unqueue(user)
		ac.change(user, func(u *tagsync.User) {
			u.Acked, u.Had, u.Foreign, u.RewriteAt = []string{}, nil, []string{}, time.Time{}
		})
	}
	delete(ac.reading, "u0")
	if ac.settled("u0") {
		t.Error("what the vendor has is taken for settled")
	}
	if _, _, differs := p.a.differs(ac, "u0"); differs {
		t.Error("it counts as a user whom changed rules give other tags")
	}
	ac.change("u0", func(u *tagsync.User) { u.Gone = true })
	p.a.dropGone(ac, "u0")
	if ac.users.Get("u0") == nil || !ac.asks("u0") || p.Pending() != 2 {
		t.Errorf("the row went, and its intent with it: %d pending", p.Pending())
	}
	ans := ledger.Answer{OK: true}
	p.a.decide(command{ledger.Command{V: 1, ID: "c", Cmd: ledger.CmdApprove, Target: "t/0/1/tags/u0", By: "li"}, 0}, &ans)
	if !ans.Refused || !strings.Contains(ans.Text, "needs no approval") {
		t.Errorf("approved: %+v", ans)
	}
}

// Of a user who is forgotten while a profile event is parked, the tags are cleared and the row goes; the event has its fate.
func TestAUserIsForgottenWhoseProfileEventIsParked(t *testing.T) {
	gone := true
	p, ac := parkedPlay(t, 2, &gone)
	p.a.askedBy(ac, "u0")
	p.a.forgetUser(told(0, "c", ledger.CmdForget, "u0", nil), &ledger.Answer{OK: true})
	p.Take()
	if ac.users.Waiting() != 2 {
		t.Fatalf("%d are parked", ac.users.Waiting())
	}
	gone = false
	p.Advance(noon.Add(time.Hour))
	if ac.users.Get("u0") != nil || ac.users.Get("u1") == nil || p.Pending() != 0 {
		t.Errorf("row %+v, %d pending", ac.users.Get("u0"), p.Pending())
	}
	if got, want := kinds(p.said), []string{"e0 SENT", "e1 SENT"}; !slices.Equal(got, want) {
		t.Errorf("fates %q, want %q", got, want)
	}
}

// A newer profile event that is parked while an older one of its user is in flight takes its place when that call comes back as not made.
func TestANewerProfileEventIsParkedBehindACall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	ac := a.accounts["stub:k"]
	ac.users.Put("u1", &tagsync.User{Acked: []string{}, Foreign: []string{}})
	older, newer := b.profile("older", "u1", 1, map[string]string{"city": "bj"}), b.profile("newer", "u1", 2, map[string]string{"city": "sh"})
	a.admit(older, 0)
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	a.cool()
	a.admit(newer, 1)
	a.cool()
	if ac.users.Waiting() != 1 || len(a.items) != 1 || a.pending() != 2 {
		t.Fatalf("%d are parked, %d items", ac.users.Waiting(), len(a.items))
	}
	a.resolve(result{calls[0], Outcome{Class: ClassNotSent}})
	a.cool()
	if a.pending() != 1 || ac.users.Waiting() != 1 || a.pos.Fates != 1 {
		t.Errorf("%d pending, %d parked, %d fates", a.pending(), ac.users.Waiting(), a.pos.Fates)
	}
	if it := a.askedBy(ac, "u1"); it == nil || it.id() != newer.ID || it.order() != 1 {
		t.Errorf("u1 waits with %+v", it)
	}
	b.commit(a)
	if got, want := kinds(b.fates(1)), []string{"older COALESCED"}; !slices.Equal(got, want) {
		t.Errorf("fates %q, want %q", got, want)
	}
}

// If a ledger holds two of one user that wait, the newer one asks, whichever is read first.
func TestOfTwoThatWaitTheNewerAsks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 20
	a := b.byHand(nil)
	for i := range n {
		in := b.profile(fmt.Sprint("older", i), fmt.Sprint("u", i), 1, map[string]string{"city": "bj"})
		a.admit(in, int64(i))
		newer := learnt(b.profile(fmt.Sprint("newer", i), in.Target, 2, nil))
		a.w.Put(ledger.PendingKey(string(newer.ID)), &ledger.Pending{Intent: newer, Seq: int64(n + i), At: a.clock.now().UTC()})
	}
	b.commit(a)
	a = b.byHand(nil)
	a.cool()
	ac := a.accounts["stub:k"]
	for i := range n {
		if it := a.askedBy(ac, fmt.Sprint("u", i)); it == nil || it.order() != int64(n+i) {
			t.Errorf("u%d asks with %v", i, it.id())
		}
	}
}

// The gauge of how long the oldest waits tells of the oldest that is parked, not of any.
func TestTheOldestThatIsParkedIsTold(t *testing.T) {
	gone := true
	p, ac := parkedPlay(t, 2, &gone)
	p.Advance(noon.Add(time.Hour))
	later := []*intent.Intent{p.profile("later", "u8", 1, map[string]string{"city": "bj"}), p.profile("later", "u9", 1, map[string]string{"city": "bj"})} // two: a batch, as before
	later[0].Event.Time, later[1].Event.Time = noon, noon
	p.Take(later...)
	p.Advance(noon.Add(time.Hour + time.Minute))
	if ac.users.Waiting() != 4 {
		t.Fatalf("%d are parked", ac.users.Waiting())
	}
	oldest := 0.0
	p.a.oldest(p.Now())
	for _, lane := range ac.names {
		oldest = max(oldest, gaugeOf(t, p.a.opt.Metrics.oldest.WithLabelValues("main/"+lane)))
	}
	if want := p.Now().Sub(noon).Seconds(); oldest != want {
		t.Errorf("the oldest has waited for %v s, want %v", oldest, want)
	}
}

// A profile event that was parked while the pushes behind it were restored is looked at in the first turn like any other.
func TestOneProfileEventBeforeManyPushesIsRestored(t *testing.T) {
	d := newSetDesk(t)
	d.answer = func(int, *Call) (Outcome, bool) { return Outcome{Class: ClassNotSent}, false }
	d.event("u1", "city=a")
	for i := range maxWarm + 2 {
		in := &intent.Intent{ID: intent.ID(fmt.Sprint("t/0/", i, "/r/u2")), Event: intent.EventRef{ID: "e", Type: "e", Time: d.at}, Rule: "r", Account: "main", Key: "stub:k", Target: "u2", Action: intent.Push}
		deskBooks{d: d}.Put(ledger.PendingKey(string(in.ID)), &ledger.Pending{Intent: in, Seq: int64(100 + i), At: d.at})
	}
	d.begin()
	if ac := d.a.accounts["stub:k"]; len(ac.asked) != 0 || ac.users.Waiting() != 1 || !d.a.restored || d.a.wake.IsZero() {
		t.Errorf("%d ask, %d are parked, looked at in the first turn: %v", len(ac.asked), ac.users.Waiting(), d.a.restored)
	}
}

// A record that an operator skips gives no second fate to a profile event that is parked under the same id: its event was read anew.
func TestASkippedRecordOfWhatIsParkedHasNoFate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	in, other := b.profile("p1", "u1", 1, map[string]string{"city": "bj"}), b.profile("p2", "u2", 1, map[string]string{"city": "bj"})
	a.admit(in, 0)
	a.cool()
	b.produce(in, other)
	for i, fates := range []int64{0, 1} {
		ans := ledger.Answer{OK: true}
		if a.skip(told(int64(i), "c", ledger.CmdSkip, fmt.Sprintf("n.intents/0@%d", a.pos.Next), nil), &ans); !ans.OK {
			t.Fatalf("answer %+v", ans)
		}
		if a.pos.Fates != fates || a.pos.Intents-a.pos.Fates != 1 || a.pending() != 1 {
			t.Errorf("after %d: %d fates of %d intents, %d pending", i, a.pos.Fates, a.pos.Intents, a.pending())
		}
	}
}

// What was in a call already and is traced stays an item: when it began to wait again is known of the item.
func TestWhatIsTracedAndWaitsAgainIsNotParked(t *testing.T) {
	gone := true
	p, ac := parkedPlay(t, 2, &gone)
	it := p.a.askedBy(ac, "u1")
	p.a.spans.since = map[*item]time.Time{it: p.Now()}
	p.a.cool()
	if ac.asked["u1"] != it || it.state != queued || ac.users.Waiting() != 1 || !p.a.waitsSince(it).Equal(p.Now()) {
		t.Errorf("%d are parked, it waits since %v", ac.users.Waiting(), p.a.waitsSince(it))
	}
}

// However many wait, a take-over unpacks a bounded number of them at a time.
func TestATakeOverOfManyParkedIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = maxWarm + 500
	a := b.byHand(nil)
	for i := range n {
		in := learnt(b.profile(fmt.Sprint("p", i), fmt.Sprint("u", i), 1, nil))
		a.w.Put(ledger.UserKey(in.Key, in.Target), &tagsync.User{})
		a.w.Put(ledger.PendingKey(string(in.ID)), &ledger.Pending{Intent: in, Seq: int64(i), At: a.clock.now().UTC()})
	}
	b.commit(a)
	if a = b.byHand(nil); len(a.warm) > maxWarm+1 || a.pending() != n {
		t.Errorf("%d are unpacked, %d pending, want %d", len(a.warm), a.pending(), n)
	}
}

// However many are parked, a walk over them unpacks a bounded number at a time.
func TestAWalkOverWhatIsParkedIsBounded(t *testing.T) {
	const n = maxWarm + 3*maxTurn
	gone := true
	p, ac := parkedPlay(t, n, &gone)
	for name, walk := range map[string]func(){
		"the first turn": func() { p.a.restored = true; p.a.retagAll() },
		"all that wait":  func() { p.Each(func(*intent.Intent, string) {}) },
		"a ledger that is lost": func() {
			p.a.past = &past{forgot: true}
			p.a.sift()
			p.a.past = nil
		},
	} {
		if walk(); len(p.a.warm) > maxWarm+1 {
			t.Errorf("%s: %d are unpacked", name, len(p.a.warm))
		}
		if p.a.cool(); ac.users.Waiting() != n || p.Pending() != n {
			t.Errorf("%s: %d are parked, %d pending, want %d", name, ac.users.Waiting(), p.Pending(), n)
		}
	}
	fated := map[intent.ID]bool{}
	for _, in := range p.a.allParked() {
		fated[in.Intent.ID] = true
	}
	p.a.past = &past{forgot: true, fated: fated, lost: map[string][]ledger.Fate{}}
	fates := p.a.pos.Fates
	if p.a.sift(); p.Pending() != 0 || p.a.pos.Fates-fates != n || len(p.a.warm) > maxWarm+1 {
		t.Errorf("%d pending, %d fates, %d unpacked", p.Pending(), p.a.pos.Fates-fates, len(p.a.warm))
	}
}
