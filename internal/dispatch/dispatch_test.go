package dispatch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

func TestPushesWithEqualContentShareACall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.produce(b.intent("e1", "r", "u1", intent.Push), b.intent("e2", "r", "u2", intent.Push), b.intent("e1", "r", "u1", intent.Push), b.intent("e3", "r", "bad!", intent.Push))
	b.start(b.account(), nil)
	got := kinds(b.fates(4))
	if d := cmp.Diff([]string{"e1 SENT", "e1 SUPPRESSED(duplicate)", "e2 SENT", "e3 DEAD(bad-field)"}, got); d != "" {
		t.Error(d)
	}
	if calls := b.vendor.seen(); len(calls) != 1 || len(calls[0].Users) != 2 {
		t.Errorf("calls %+v, want one for two users", calls)
	}
	b.state("balanced books", func(st *ledger.State) bool { return st.Balanced() && st.Position.Intents == 4 && len(st.Attempts) == 0 })
}

func TestTagsNewestWinsAndUnchangedIsNotSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ac := b.account()
	b.produce(b.profile("p1", "u1", 10, map[string]string{"city": "bj"}), b.profile("p2", "u1", 20, map[string]string{"city": "sh"}), b.profile("p3", "u1", 15, map[string]string{"city": "gz"}),
		b.profile("p4", "u2", 1, map[string]string{"city": "sh"}), b.profile("p5", "u3", 1, map[string]string{"name": "x"}))
	b.start(ac, nil)
	if d := cmp.Diff([]string{"p1 COALESCED", "p2 SENT", "p3 SUPPRESSED(stale)", "p4 SENT", "p5 SUPPRESSED(unchanged)"}, kinds(b.fates(5))); d != "" {
		t.Error(d)
	}
	b.produce(b.profile("p6", "u1", 30, map[string]string{"city": "sh"}))
	if got := kinds(b.fates(6)); got[5] != "p6 SUPPRESSED(unchanged)" {
		t.Error(got)
	}
	calls := b.vendor.seen()
	if len(calls) != 1 || len(calls[0].Users) != 2 || calls[0].Tags[0] != "city_sh" {
		t.Errorf("calls %+v, want one batch of two users with city_sh", calls)
	}
}

// What the vendor has while a call is under way is not known: a user who goes back meanwhile to the acknowledged set is written again.
func TestAChangeBackWhileACallIsUnderWayIsNotUnchanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start(b.account(), nil)
	b.produce(b.profile("p1", "u1", 10, map[string]string{"city": "bj"}))
	b.fates(1)
	gate := make(chan struct{})
	b.vendor.mu.Lock()
	b.vendor.gate = gate
	b.vendor.mu.Unlock()
	b.produce(b.profile("p2", "u1", 20, map[string]string{"city": "sh"}))
	b.until("the second call is under way", func() bool { return len(b.vendor.seen()) == 2 })
	b.produce(b.profile("p3", "u1", 30, map[string]string{"city": "bj"}))
	b.state("the third event is taken in", func(st *ledger.State) bool { return st.Position.Intents == 3 })
	close(gate)
	if d := cmp.Diff([]string{"p1 SENT", "p2 SENT", "p3 SENT"}, kinds(b.fates(3))); d != "" {
		t.Error(d)
	}
	if calls := b.vendor.seen(); len(calls) != 3 || !slices.Equal(calls[2].Tags, []string{"city_bj"}) {
		t.Errorf("calls %+v, want three, the last with city_bj", calls)
	}
}

func TestAmbiguousTagCallIsRepeatedAndWrittenOnceMoreWhenItCanNoLongerArrive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.answer = func(n int, c *Call) Outcome {
		if n == 1 {
			return Outcome{Class: ClassRetrySafe, Detail: "reset"}
		}
		return Outcome{Class: ClassOK, Code: 200}
	}
	ac := b.account()
	ac.Timeout = 2 * time.Second // the other set is written before the first call can no longer arrive
	b.start(ac, nil)
	b.produce(b.profile("p1", "u1", 10, map[string]string{"city": "bj"}))
	if d := cmp.Diff([]string{"p1 SENT"}, kinds(b.fates(1))); d != "" {
		t.Error(d)
	}
	b.produce(b.profile("p2", "u1", 20, map[string]string{"city": "sh"}))
	if d := cmp.Diff([]string{"p1 SENT", "p2 SENT"}, kinds(b.fates(2))); d != "" {
		t.Error(d)
	}
	b.state("acknowledged after the rewrite", func(st *ledger.State) bool {
		u := st.Users["stub:k"].Get("u1")
		return u != nil && len(u.Acked) == 1 && u.RewriteAt.IsZero()
	})
	var sets []string
	for _, c := range b.vendor.seen() {
		sets = append(sets, c.Tags...)
	}
	if d := cmp.Diff([]string{"city_bj", "city_bj", "city_sh", "city_sh"}, sets); d != "" {
		t.Errorf("the ambiguous call, its repeat, another set, and that once more when the first can no longer arrive: %s", d)
	}
}

// A late arrival that says what was written last does no harm: nothing is written after it.
func TestAnAmbiguousTagCallIsRepeatedOnceWhileTheSetStays(t *testing.T) {
	t.Parallel()
	a := setup(t).byHand(nil)
	ac := a.accounts["stub:k"]
	at := a.clock.now()
	row := func() *tagsync.User { return ac.users.Get("u1") }
	first := &tagsync.User{Acked: []string{}, Foreign: []string{}}
	ac.users.Put("u1", first)
	call := func(after time.Duration, set ...string) *call {
		return &call{lane: ac.lanes[LaneTag], users: []string{"u1"}, set: set, attempt: &ledger.Attempt{At: at.Add(after), NotAfter: at.Add(after + time.Minute)}}
	}
	for _, c := range []struct {
		name  string
		do    func()
		acked []string // nil: not certain
		may   []string
	}{
		{"unclear", func() { a.unclearTags(call(0, "x")) }, nil, []string{"x"}},
		{"its repeat", func() { a.acknowledged(call(time.Second, "x")) }, []string{"x"}, []string{"x"}},
		{"another set", func() { a.acknowledged(call(2*time.Second, "y")) }, nil, []string{"x"}},
		{"the same again", func() { a.acknowledged(call(3*time.Second, "y")) }, nil, []string{"x"}},
		{"the first one again", func() { a.acknowledged(call(4*time.Second, "x")) }, []string{"x"}, []string{"x"}},
		{"unclear once more", func() { a.unclearTags(call(5*time.Second, "x")) }, nil, []string{"x"}},
		{"unclear with another set", func() { a.unclearTags(call(6*time.Second, "y")) }, nil, nil},
		{"and with the first", func() { a.unclearTags(call(7*time.Second, "x")) }, nil, nil},
		{"its repeat, while either may arrive", func() { a.acknowledged(call(8*time.Second, "x")) }, nil, nil},
		{"unclear when the others are over", func() { a.unclearTags(call(time.Hour, "z")) }, nil, []string{"z"}},
		{"written after everything", func() { a.acknowledged(call(2*time.Hour, "z")) }, []string{"z"}, nil},
	} {
		c.do()
		if u := row(); !slices.Equal(u.Acked, c.acked) || (u.Acked == nil) != (c.acked == nil) || !slices.Equal(u.May, c.may) || (u.May == nil) != (c.may == nil) {
			t.Errorf("%s: acknowledged %q, may arrive %q; want %q, %q", c.name, u.Acked, u.May, c.acked, c.may)
		}
	}
	for _, c := range []struct {
		name string
		u    tagsync.User
		over bool
	}{
		{"nothing else was written", tagsync.User{Acked: []string{"x"}, May: []string{"x"}}, true},
		{"it is not certain", tagsync.User{Had: []string{"x"}, May: []string{"x"}}, false},
		{"another set was", tagsync.User{Acked: []string{"y"}, May: []string{"x"}}, false},
		{"nobody knows what may have arrived", tagsync.User{Acked: []string{"x"}}, false},
		{"it is not what the row deserves", tagsync.User{Acked: []string{"x"}, May: []string{"x"}, Gone: true}, false},
	} {
		c.u.RewriteAt, c.u.Foreign = a.clock.now(), []string{}
		ac.unqueue("u1")
		ac.users.Put("u1", &c.u)
		a.retag(ac, "u1")
		if over := row().RewriteAt.IsZero(); over != c.over || ac.groups.Waits("u1") == c.over {
			t.Errorf("%s: over %v, waits for a call %v", c.name, over, ac.groups.Waits("u1"))
		}
	}
}

// The row of a user who is gone goes as well, once nothing can arrive any more.
func TestTheRowOfAUserWhoIsGoneGoesAfterAnUnclearCall(t *testing.T) {
	t.Parallel()
	a := setup(t).byHand(nil)
	ac := a.accounts["stub:k"]
	ac.users.Put("u1", &tagsync.User{Gone: true, Acked: []string{"x"}, Foreign: []string{}})
	call := func(after time.Duration) *call {
		at := a.clock.now().Add(after)
		return &call{lane: ac.lanes[LaneTag], users: []string{"u1"}, set: []string{}, attempt: &ledger.Attempt{At: at, NotAfter: at.Add(time.Second)}}
	}
	a.unclearTags(call(0))
	a.acknowledged(call(time.Millisecond))
	u := ac.users.Get("u1")
	if u == nil || u.Acked == nil || u.RewriteAt.IsZero() {
		t.Fatalf("the row says %+v; the unclear call may still arrive", u)
	}
	u.RewriteAt = a.clock.now()
	ac.users.Put("u1", u)
	a.retag(ac, "u1")
	if u := ac.users.Get("u1"); u != nil {
		t.Errorf("the row is still there: %+v", u)
	}
}

// What a predecessor's open tag call said is not said again where the vendor has it.
func TestATagCallThatAPredecessorLeftOpenIsReadBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		has   []string
		read  *Outcome
		late  bool // nobody could be asked in time
		again bool // it is made again
	}{
		{name: "the vendor has it", has: []string{"city_sh"}},
		{name: "the vendor has the set before", has: []string{"city_bj"}, again: true},
		{name: "the vendor has nothing", again: true},
		{name: "the vendor has more", has: []string{"city_sh", "x"}, again: true},
		{name: "the read does not get through", has: []string{"city_sh"}, read: &Outcome{Class: ClassNotSent}, again: true},
		{name: "no read could start", has: []string{"city_sh"}, late: true, again: true},
	} {
		b := setup(t)
		a := b.byHand(nil)
		b.knownUsers(a, "u1")
		a.admit(b.profile("p1", "u1", 2, map[string]string{"city": "sh"}), 0)
		if calls := a.plan(); len(calls) != 1 || calls[0].set[0] != "city_sh" {
			t.Fatalf("%s: calls %+v", c.name, calls)
		}
		b.commit(a)
		b.vendor.tags, b.vendor.reads = c.has, nil
		if c.read != nil {
			b.vendor.refuse = func([]string) *Outcome { return c.read }
		}
		a = b.byHand(nil)
		ac := a.accounts["stub:k"]
		for id, open := range a.calls {
			if c.late {
				open.askBy = a.clock.now()
			}
			deadline := time.Now().Add(10 * time.Second)
			for a.fire(alarm{timerKey: timerKey{settleCall, id}}); !c.late && ac.lanes[LaneTagGet].running == 0; a.fire(alarm{timerKey: timerKey{settleCall, id}}) {
				if time.Now().After(deadline) {
					t.Fatalf("%s: no read leaves", c.name)
				}
			}
			if !c.late {
				if ac.busy["u1"] == nil {
					t.Errorf("%s: the user is free while it is asked", c.name)
				}
				a.resolve(<-a.results)
			}
		}
		calls := a.plan()
		b.commit(a)
		if again := len(calls) == 1; again != c.again || len(a.calls) != len(calls) {
			t.Errorf("%s: made again %v, %d calls open", c.name, again, len(a.calls))
		}
		u := ac.users.Get("u1")
		if (u.Acked != nil) == c.again || !slices.Equal(u.May, []string{"city_sh"}) || u.RewriteAt.IsZero() {
			t.Errorf("%s: the row says %+v; the call may still arrive", c.name, u)
		}
		if fates := b.readLedger().Position.Fates; fates == 1 == c.again {
			t.Errorf("%s: %d fates", c.name, fates)
		}
	}
}

func TestAmbiguousPushIsUnknownAndNeverRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.answer = func(int, *Call) Outcome { return Outcome{Class: ClassUnknown, Detail: "time-out"} }
	stop := b.start(b.account(), nil)
	b.produce(b.intent("e1", "r", "u1", intent.Push))
	if d := cmp.Diff([]string{"e1 UNKNOWN"}, kinds(b.fates(1))); d != "" {
		t.Error(d)
	}
	stop()
	b.start(b.account(), nil)
	b.produce(b.intent("e1", "r", "u1", intent.Push), b.intent("e2", "r", "u2", intent.Push))
	b.fates(3)
	if n := len(b.vendor.seen()); n != 2 {
		t.Errorf("%d calls, want 2: one for each event", n)
	}
	st := b.state("an attempt kept for a human", func(st *ledger.State) bool { return len(st.Attempts) == 2 })
	for _, at := range st.Attempts {
		if at.State != ledger.Unknown || len(at.Affected) != 1 {
			t.Errorf("attempt %+v", at)
		}
	}
}

func TestRefusedCallIsSplitUntilTheCulpritIsAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.answer = func(_ int, c *Call) Outcome {
		for _, u := range c.Users {
			if u == "u3" {
				return Outcome{Class: ClassPermanent, Code: 1002}
			}
		}
		return Outcome{Class: ClassOK, Code: 200}
	}
	var ins []*intent.Intent
	for _, u := range []string{"u1", "u2", "u3", "u4", "u5"} {
		ins = append(ins, b.intent("e-"+u, "r", u, intent.Push))
	}
	b.produce(ins...)
	for _, u := range []string{"u1", "u2", "u3", "u4"} {
		b.produce(b.profile("p-"+u, u, 1, map[string]string{"city": "bj"}))
	}
	b.start(b.account(), nil)
	want := []string{"e-u1 SENT", "e-u2 SENT", "e-u3 DEAD(rejected-by-vendor)", "e-u4 SENT", "e-u5 SENT", "p-u1 SENT", "p-u2 SENT", "p-u3 DEAD(rejected-by-vendor)", "p-u4 SENT"}
	if d := cmp.Diff(want, kinds(b.fates(9))); d != "" {
		t.Error(d)
	}
}

func TestScarceLaneSendsWhatItsWindowAllowsByPriority(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ins []*intent.Intent
	for _, id := range []string{"b1", "b2", "b3"} {
		ins = append(ins, b.intent(id, "r", "*", intent.Broadcast))
	}
	ins[2].Policy.Priority = intent.Urgent
	b.produce(ins...)
	stop := b.start(b.account(), nil)
	if d := cmp.Diff([]string{"b1 SENT", "b3 SENT"}, kinds(b.fates(2))); d != "" {
		t.Error(d)
	}
	stop()
	b.start(b.account(), nil) // a new owner remembers the charges
	b.produce(b.intent("b4", "r", "*", intent.Broadcast))
	b.state("b2 and b4 wait", func(st *ledger.State) bool { return len(st.Pending) == 2 && st.Position.Intents == 4 })
	if n := len(b.vendor.seen()); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

func TestMergedTriggersAreOneRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, x := range []string{"1", "2", "3"} {
		in := b.intent("m"+x, "likes", "u1", intent.Push)
		in.Merge = &intent.Merge{Key: "likes/u1", Wait: 300 * time.Millisecond, Keep: intent.KeepLatest, Vars: map[string]any{"x": x}}
		b.produce(in)
	}
	b.start(b.account(), nil)
	fs := b.fates(3)
	if d := cmp.Diff([]string{"m1 SENT", "m2 COALESCED", "m3 COALESCED"}, kinds(fs)); d != "" {
		t.Error(d)
	}
	for _, f := range fs {
		if f.Fate == ledger.Coalesced && f.Into != "t/0/1/likes/u1" {
			t.Errorf("coalesced into %q", f.Into)
		}
	}
	if calls := b.vendor.seen(); len(calls) != 1 || calls[0].Content.Body != "hello 3 first=1 last=3" {
		t.Errorf("calls %+v", calls)
	}
}

func TestGates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.intent("old", "r", "u1", intent.Push)
	old.Policy.Expire = time.Now().Add(-time.Minute)
	shadow := b.intent("shadow", "r", "u1", intent.Push)
	shadow.Shadow = true
	dead := b.intent("dead", "r", "u1", intent.Push)
	dead.Dead, dead.DeadDetail = "render-error", "empty tag"
	quiet := b.intent("quiet", "r", "u1", intent.Push)
	quiet.Policy.Quiet, quiet.Policy.DropOn = []intent.Quiet{{From: 0, To: 24*60 - 1}, {From: 12 * 60, To: 11 * 60}}, true
	cap1, cap2 := b.intent("cap1", "capped", "u9", intent.Push), b.intent("cap2", "capped", "u9", intent.Push)
	for _, in := range []*intent.Intent{cap1, cap2} {
		in.Policy.PerUser = []intent.Cap{{N: 1, In: time.Hour}}
	}
	market := b.intent("market", "r", "u2", intent.Push)
	market.Class = "marketing"
	blocked := b.intent("blocked", "r", "u3", intent.Push)
	b.produce(b.profile("p3", "u3", 1, map[string]string{"blocked": "true"}))
	b.produce(old, shadow, dead, quiet, cap1, cap2, market, blocked)
	b.start(b.account(), func(o *Options) { o.Consent = Consent{Never: "blocked", Marketing: "push_ok"} })
	want := []string{"blocked SUPPRESSED(blocked)", "cap1 SENT", "cap2 SUPPRESSED(capped)", "dead DEAD(render-error)", "market SUPPRESSED(opted-out)", "old SUPPRESSED(expired)",
		"p3 SUPPRESSED(unchanged)", "quiet SUPPRESSED(quiet)", "shadow SUPPRESSED(shadow)"}
	if d := cmp.Diff(want, kinds(b.fates(9))); d != "" {
		t.Error(d)
	}
}

func TestChangedFieldMakesAPush(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start(b.account(), nil)
	b.produce(b.profile("p1", "u1", 1, map[string]string{"level": "normal"}))
	b.fates(1)
	b.produce(b.profile("p2", "u1", 2, map[string]string{"level": "vip"}))
	fs := b.fates(3)
	if d := cmp.Diff([]string{"p1 SUPPRESSED(unchanged)", "p2 SENT", "p2 SUPPRESSED(unchanged)"}, kinds(fs)); d != "" {
		t.Error(d)
	}
}

func TestWrongCredentialsKeepTheIntents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.answer = func(int, *Call) Outcome { return Outcome{Class: ClassConfig, Code: 1004, Detail: "signature"} }
	b.start(b.account(), nil)
	b.produce(b.intent("e1", "r", "u1", intent.Push), b.intent("b1", "r", "*", intent.Broadcast), b.profile("p1", "u1", 1, map[string]string{"city": "bj"}))
	st := b.state("all lanes closed", func(st *ledger.State) bool { return len(st.Lanes) == 6 && len(st.Pending) == 3 })
	for k, l := range st.Lanes {
		if l.Reason != "credentials" {
			t.Errorf("lane %s: %+v", k, l)
		}
	}
}

func TestForeignTagsAreReadBeforeTheFirstWriteAndKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ac := b.account()
	ac.KeepForeign = true
	b.vendor.tags = []string{"theirs", "city_old"}
	b.produce(b.profile("p1", "u1", 1, map[string]string{"city": "bj"}), b.profile("p2", "u2", 1, map[string]string{"city": "old"}))
	b.start(ac, nil)
	if d := cmp.Diff([]string{"p1 SENT", "p2 SUPPRESSED(unchanged)"}, kinds(b.fates(2))); d != "" {
		t.Error(d)
	}
	if calls := b.vendor.seen(); len(calls) != 1 || !slices.Equal(calls[0].Tags, []string{"city_bj", "theirs"}) {
		t.Errorf("calls %+v, want u1 with city_bj and the tag that is not ours", calls)
	}
}

// A tag of somebody else that no set may hold stays as long as nothing is to be written, and never keeps a user's own tags from being written.
func TestATagThatCannotBeWrittenKeepsNothingBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ac := b.account()
	ac.KeepForeign = true
	ac.Writable = func(tag string) bool { return !strings.Contains(tag, ".") }
	b.vendor.tags = []string{"theirs", "v1.0", "city_old"}
	b.produce(b.profile("p1", "u1", 1, map[string]string{"city": "bj"}), b.profile("p2", "u2", 1, map[string]string{"city": "old"}))
	b.start(ac, nil)
	if d := cmp.Diff([]string{"p1 SENT", "p2 SUPPRESSED(unchanged)"}, kinds(b.fates(2))); d != "" {
		t.Error(d)
	}
	if calls := b.vendor.seen(); len(calls) != 1 || !slices.Equal(calls[0].Tags, []string{"city_bj", "theirs"}) {
		t.Errorf("calls %+v, want u1 with city_bj and the tag that can be written", calls)
	}
}

func TestAnUnknownFieldRemovesNoTag(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.tags = []string{"city_old", "theirs"}
	b.produce(b.profile("p1", "u1", 1, map[string]string{"level": "vip"}))
	b.start(b.account(), nil)
	b.fates(1)
	for _, c := range b.vendor.seen() {
		if !slices.Contains(c.Tags, "city_old") {
			t.Errorf("call %+v took away a tag whose field nobody spoke of", c)
		}
	}
}
