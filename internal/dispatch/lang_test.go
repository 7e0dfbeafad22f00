package dispatch

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Who is left out by a canary is on record before anything else is asked, and does not count as seen: the event may come again.
func TestWhoIsLeftOutByACanaryIsOnRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	out := func() *intent.Intent {
		in := b.intent("e1", "r", "out!", intent.Push) // an id that the vendor would refuse
		in.Canary, in.Content = true, nil
		return in
	}
	b.produce(out(), out(), b.intent("e1", "r", "u1", intent.Push))
	b.start(b.account(), nil)
	if d := cmp.Diff([]string{"e1 SENT", "e1 SUPPRESSED(canary)", "e1 SUPPRESSED(canary)"}, kinds(b.fates(3))); d != "" {
		t.Error(d)
	}
	b.state("balanced books", func(st *ledger.State) bool { return st.Balanced() && st.Position.Intents == 3 && len(st.Seen) == 1 })
}

// user_when is asked as the call leaves: what changed while the intent waited counts.
func TestUserWhenIsAskedAsTheCallLeaves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(_ *Account, o *Options) { o.Users = func() Users { return stubUsers{} } })
	profile := func(id, user string, version int64, level string) {
		a.admit(b.profile(id, user, version, map[string]string{"level": level}), b.offset)
	}
	profile("p1", "u1", 1, "vip")
	profile("p2", "u2", 1, "vip")
	for id, user := range map[string]string{"e1": "u1", "e2": "u2", "e3": "u3"} { // nobody knows u3
		in := b.intent(id, "r", user, intent.Push)
		in.UserWhen, in.Variant = "level is vip", "short"
		in.Merge = &intent.Merge{Key: "r|" + user, Wait: time.Hour, Keep: intent.KeepLatest}
		a.admit(in, b.offset)
	}
	profile("p3", "u2", 2, "normal") // while the merges wait
	for _, it := range slices.Collect(maps.Values(a.items)) {
		if it.p().Merged != nil {
			it.p().Merged.Closes = a.clock.now()
			a.fire(alarm{timerKey{kind: wakeItem}, it})
		}
	}
	for _, c := range a.plan() {
		a.resolve(result{c, accepted})
	}
	b.commit(a)
	got := map[string]string{}
	for _, f := range b.fates(int(a.pos.Fates)) {
		if strings.HasPrefix(f.Event.ID, "e") {
			got[f.Event.ID] = string(f.Fate) + " " + string(f.Reason) + " " + f.Detail + " " + f.Variant
		}
	}
	no := "SUPPRESSED opted-out user_when is not met: level is vip short"
	if d := cmp.Diff(map[string]string{"e1": "SENT   short", "e2": no, "e3": no}, got); d != "" {
		t.Error(d)
	}
}

// A merge has the variant whose text it has, when the shares are changed while it is open.
func TestAMergeNamesTheVariantOfItsText(t *testing.T) {
	t.Parallel()
	for keep, want := range map[intent.Keep]string{intent.KeepFirst: "long", intent.KeepLatest: "short"} {
		b := setup(t)
		a := b.byHand(nil)
		for i, variant := range []string{"long", "short"} {
			in := b.intent(variant, "r", "u1", intent.Push)
			in.Variant, in.Content.Body = variant, variant
			in.Merge = &intent.Merge{Key: "k", Wait: time.Hour, Keep: keep, Vars: map[string]any{"x": "1"}}
			a.admit(in, int64(i))
		}
		for _, it := range a.items {
			if in := it.p().Intent; in.Variant != want || in.Content.Body != want {
				t.Errorf("keep %s: variant %s with text %s, want %s", keep, in.Variant, in.Content.Body, want)
			}
		}
	}
}

// Open holes are filled when the text is fixed, and never again: what is held does not follow the profile.
func TestOpenHolesAreFilledOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.gate = make(chan struct{})
	text := func(id, user string) *intent.Intent {
		in := b.intent(id, "r", user, intent.Push)
		in.Content = &intent.Content{Title: "t", Body: "dear ${level}", Open: true}
		return in
	}
	b.produce(b.profile("p1", "u1", 1, map[string]string{"level": "vip"}))
	stop := b.start(b.account(), func(o *Options) { o.Zone = time.UTC })
	b.fates(1)
	held := text("e1", "u1")
	minute := (time.Now().UTC().Hour()*60 + time.Now().UTC().Minute() + 1) % (24 * 60)
	held.Policy.Quiet = []intent.Quiet{{From: (minute + 24*60 - 30) % (24 * 60), To: (minute + 30) % (24 * 60)}}
	b.produce(held, text("e2", "u2"))
	if got := kinds(b.fates(2)); !slices.Contains(got, "e2 DEAD(render-error)") {
		t.Errorf("got %v, want a missing field dead", got)
	}
	fixed := func(st *ledger.State) bool {
		for _, p := range st.Pending {
			if c := p.Intent.Content; p.Intent.Event.ID == "e1" && (c.Open || c.Body != "dear vip") {
				return false
			}
		}
		return len(st.Pending) == 1
	}
	b.state("the text is fixed", fixed)
	b.produce(b.profile("p2", "u1", 2, map[string]string{"level": "normal"}))
	b.fates(3)
	stop()
	b.start(b.account(), nil)
	b.produce(b.profile("p3", "u1", 3, map[string]string{"level": "svip"}))
	b.fates(4)
	b.state("the text is the same after a restart", fixed)
}

// second is another account at another vendor, in the same partition.
func (b *bundle) second(v *stubVendor) *Account {
	ac := b.account()
	ac.Name, ac.Key, ac.Vendor = "second", "stub:k2", v
	return ac
}

// listed is a push or broadcast that may go through either account.
func (b *bundle) listed(id, user string, action intent.Action) *intent.Intent {
	in := b.intent(id, "r", user, action)
	in.Event.Topic, in.Event.Offset = "t", b.offset
	in.ID = intent.MakeID(in.Position(), in.Rule, in.Target)
	in.Next = []string{"gone-from-the-settings", "second"}
	return in
}

// order types a command on the control topic.
func (b *bundle) order(id, cmd, target string) {
	b.t.Helper()
	c := ledger.Command{V: 1, ID: id, Cmd: cmd, Target: target, By: "li", Why: "test"}
	v, err := json.Marshal(c)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: b.topics.Control, Key: []byte(c.Key()), Value: v}).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) startTwo(first *Account, second *stubVendor) (stop func()) {
	return b.start(first, func(o *Options) { o.Accounts = append(o.Accounts, b.second(second)) })
}

// An account whose calls do not leave is given up: each intent ends once as COALESCED into one of the next account, which is sent.
func TestWhatTheFirstAccountCannotSendGoesToTheNext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.answer = func(int, *Call) Outcome { return Outcome{Class: ClassNotSent, Detail: "unreachable"} }
	second := &stubVendor{}
	stop := b.startTwo(b.account(), second)
	alone := b.intent("e9", "r", "u9", intent.Push) // names one account
	twice := b.listed("e1", "u1", intent.Push)      // the second event of its record
	twice.ID += "#2"
	b.produce(twice, b.listed("e2", "u2", intent.Push), alone)
	fs := b.fates(4)
	if d := cmp.Diff([]string{"e1 COALESCED", "e1 SENT", "e2 COALESCED", "e2 SENT"}, kinds(fs)); d != "" {
		t.Error(d)
	}
	for _, f := range fs {
		switch {
		case f.Fate == ledger.Coalesced && (f.Account != "main" || f.Lane != "main/user" || !strings.HasPrefix(f.Detail, "handed over to account second: ")):
			t.Errorf("fate %+v", f)
		case f.Fate == ledger.Sent && (f.Account != "second" || f.Lane != "second/user" || !strings.Contains(string(f.Intent), "/r@second/") || f.Rule != "r"):
			t.Errorf("fate %+v", f)
		case f.Event.ID == "e1" && !strings.HasSuffix(string(f.Intent), "/u1#2"):
			t.Errorf("fate %+v lost which event of the record it is", f)
		}
	}
	if calls := second.seen(); len(calls) != 1 || len(calls[0].Users) != 2 {
		t.Errorf("calls %+v, want one for two users", calls)
	}
	if n := len(b.vendor.seen()); n < maxNotSent {
		t.Errorf("the first account was tried %d times, want %d at least", n, maxNotSent)
	}
	stop()
	b.startTwo(b.account(), second) // nothing of it comes back
	b.state("one waits, as it must", func(st *ledger.State) bool { return st.Balanced() && len(st.Pending) == 1 && st.Position.Intents == 5 })
	if n := len(second.seen()); n != 1 {
		t.Errorf("%d calls after a restart", n)
	}
}

// What is ambiguous is UNKNOWN and goes nowhere; what waits behind it, in a lane that is closed for it, does.
func TestNothingIsHandedOverAfterAnAmbiguousOutcome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.answer = func(int, *Call) Outcome { return Outcome{Class: ClassUnknown, Detail: "deadline"} }
	second := &stubVendor{}
	first := b.account()
	lane := first.Lanes["user"]
	lane.MaxBatch, lane.Parallel = 1, 1
	first.Lanes["user"] = lane
	b.startTwo(first, second)
	for i, id := range []string{"e1", "e2", "e3"} {
		b.produce(b.listed(id, "u"+id, intent.Push))
		b.fates(i + 1)
	}
	b.produce(b.listed("e4", "ue4", intent.Push))
	if d := cmp.Diff([]string{"e1 UNKNOWN", "e2 UNKNOWN", "e3 UNKNOWN", "e4 COALESCED", "e4 SENT"}, kinds(b.fates(5))); d != "" {
		t.Error(d)
	}
	if calls := second.seen(); len(calls) != 1 || calls[0].Users[0] != "ue4" {
		t.Errorf("the next account sent %+v, want e4 alone", calls)
	}
}

// Wrong credentials close an account: broadcasts go to the next as well. An operator's pause holds what it holds.
func TestAClosedAccountHandsOverAndAPausedOneDoesNot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bad := Outcome{Class: ClassConfig, Code: 1004, Detail: "signature"}
	b.vendor.answer = func(int, *Call) Outcome { return bad }
	b.vendor.probes = slices.Repeat([]Outcome{bad}, 100)
	second := &stubVendor{}
	b.startTwo(b.account(), second)
	in := b.listed("b1", "*", intent.Broadcast)
	in.Merge = &intent.Merge{Key: "r|x", Keep: intent.KeepLatest, Vars: map[string]any{"x": "1"}}
	b.produce(in)
	fs := b.fates(2)
	if d := cmp.Diff([]string{"b1 COALESCED", "b1 SENT"}, kinds(fs)); d != "" {
		t.Error(d)
	}
	if calls := second.seen(); len(calls) != 1 || calls[0].Content.Body != "b1 1 first=1 last=1" {
		t.Errorf("calls %+v, want the text as the merge closed it", calls)
	}
	b.order("c1", "pause", "lane/main/user")
	b.state("the lane is paused", func(st *ledger.State) bool { return len(st.Pauses) == 1 })
	b.produce(b.listed("e1", "u1", intent.Push))
	b.state("the push waits", func(st *ledger.State) bool {
		return len(st.Pending) == 1 && st.Position.Intents == 3
	})
	b.order("c2", "resume", "lane/main/user")
	if d := cmp.Diff([]string{"b1 COALESCED", "b1 SENT", "e1 COALESCED", "e1 SENT"}, kinds(b.fates(4))); d != "" {
		t.Error(d)
	}
}

// An account that works again is used again, without a word from anybody.
func TestTheFirstAccountIsUsedAgainOnceItWorks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.answer = func(n int, _ *Call) Outcome {
		if n <= maxNotSent {
			return Outcome{Class: ClassNotSent, Detail: "unreachable"}
		}
		return Outcome{Class: ClassOK, Code: 200}
	}
	second := &stubVendor{}
	b.startTwo(b.account(), second)
	b.produce(b.listed("e1", "u1", intent.Push))
	b.fates(2)
	b.until("a push through the first account", func() bool {
		id := "f" + string(rune('a'+b.offset))
		b.produce(b.listed(id, "u", intent.Push))
		for _, f := range b.fates(2) {
			if f.Fate == ledger.Sent && f.Account == "main" {
				return true
			}
		}
		return false
	})
}
