package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// knownUsers gives an actor users with the city bj, acknowledged.
func (b *bundle) knownUsers(a *actor, users ...string) *account {
	ac := a.accounts["stub:k"]
	for _, user := range users {
		u := &tagsync.User{}
		u.Apply(b.profile("p", user, 1, map[string]string{"city": "bj"}).Profile, 1)
		u.Acked, u.Foreign = []string{"city_bj"}, []string{}
		ac.users.Put(user, u)
		a.keepUser(ac, user, u)
	}
	return ac
}

// reading turns the actor until a read has left: the windows of a new owner begin full. It gives the calls that leave with it.
func (b *bundle) reading(a *actor) (calls []*call) {
	b.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for a.accounts["stub:k"].lanes[LaneTagGet].running == 0 {
		if time.Now().After(deadline) {
			b.t.Fatal("no read leaves")
		}
		calls = append(calls, a.plan()...)
	}
	return calls
}

// untilEnd turns the actor until its checks are done; tag calls are answered by o, in the order they leave.
func (b *bundle) untilEnd(a *actor, o func(c *call) Outcome) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for ac := a.accounts["stub:k"]; len(ac.checks) > 0; {
		if time.Now().After(deadline) {
			b.t.Fatalf("the check does not end: %+v", ac.checks[0])
		}
		calls := a.plan()
		for range ac.lanes[LaneTagGet].running {
			a.resolve(<-a.results)
		}
		for _, c := range calls {
			a.resolve(result{c, o(c)})
		}
		b.commit(a)
	}
}

func fine(*call) Outcome { return Outcome{Class: ClassOK, Code: 200} }

func (b *bundle) lastAnswer() ledger.Answer {
	b.t.Helper()
	as := b.answers()
	if len(as) == 0 {
		b.t.Fatal("no answer")
	}
	return as[len(as)-1]
}

func verify(offset int64, args map[string]string) command {
	return told(offset, fmt.Sprint("v", offset), ledger.CmdVerify, "stub:k", args)
}

func TestVerifyFindsDriftAndRepairWritesOurSetAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) { ac.KeepForeign = true })
	ac := b.knownUsers(a, "equal", "missing", "extra", "theirs", "kept", "left")
	ac.change("kept", func(u *tagsync.User) { u.Acked, u.Foreign = []string{"city_bj", "vip"}, []string{"vip"} })
	ac.change("left", func(u *tagsync.User) { u.Acked, u.Foreign = []string{"city_bj", "vip"}, []string{"vip"} })
	at := map[string][]string{"equal": {"city_bj"}, "missing": {}, "extra": {"city_sh", "city_bj"}, "theirs": {"new", "city_bj"}, "kept": {"vip", "city_bj"}, "left": {"city_bj"}}
	b.vendor.read = func(u string) []string { return at[u] }

	a.obey(verify(0, map[string]string{"sample": "100"}))
	b.untilEnd(a, fine)
	got := *b.lastAnswer().Drift
	slices.SortFunc(got.Users, func(x, y ledger.UserDrift) int { return len(x.User) - len(y.User) })
	want := ledger.Drift{Checked: 6, Differ: 2, Missing: 1, Extra: 1, Foreign: 2, Users: []ledger.UserDrift{{User: "extra", Extra: []string{"city_sh"}},
		{User: "theirs", Foreign: []string{"new"}}, {User: "missing", Missing: []string{"city_bj"}}}}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	if n := len(b.vendor.seen()); n != 0 || len(a.calls) != 0 {
		t.Errorf("%d calls: a verify changes nothing", n)
	}
	if g := gaugeOf(t, a.opt.Metrics.drift.WithLabelValues("main")); g != 2 {
		t.Errorf("%v users are told to differ, want 2", g)
	}
	if u := ac.users.Get("theirs"); !slices.Equal(u.Foreign, []string{"new"}) || !slices.Equal(a.wanted(ac, u), []string{"city_bj", "new"}) {
		t.Errorf("a tag that is not ours is not recorded: %+v", u)
	}
	if u := ac.users.Get("left"); len(u.Foreign) != 0 || !slices.Equal(a.wanted(ac, u), []string{"city_bj"}) {
		t.Errorf("the next write brings back a tag that its owner took away: %+v", u)
	}

	sets := map[string][]string{}
	a.obey(verify(1, map[string]string{"sample": "100", "repair": "true"}))
	b.untilEnd(a, func(c *call) Outcome {
		for _, u := range c.users {
			sets[u], at[u] = c.set, c.set
		}
		return Outcome{Class: ClassOK}
	})
	if d := cmp.Diff(map[string][]string{"missing": {"city_bj"}, "extra": {"city_bj"}}, sets); d != "" {
		t.Error(d)
	}
	if d := b.lastAnswer().Drift; d.Differ != 2 || d.Repaired != 2 || d.Foreign != 0 {
		t.Errorf("answer %+v, want 2 repaired and nothing new of others", d)
	}
	if g := gaugeOf(t, a.opt.Metrics.drift.WithLabelValues("main")); g != 0 {
		t.Errorf("%v users are told to differ after the repair", g)
	}
	a.obey(verify(2, map[string]string{"user": "missing"}))
	b.untilEnd(a, fine)
	if d := b.lastAnswer().Drift; d.Checked != 1 || d.Differ != 0 {
		t.Errorf("answer %+v, want the user mended", d)
	}
	if st := b.readLedger(); len(st.Checks) != 0 {
		t.Errorf("checks %+v are left on record", st.Checks)
	}
}

func TestForeignTagsAreDriftWhereTheyAreDropped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	b.knownUsers(a, "u1")
	b.vendor.tags = []string{"city_bj", "theirs"}
	a.obey(verify(0, map[string]string{"sample": "1"}))
	b.untilEnd(a, fine)
	if d := b.lastAnswer().Drift; d.Differ != 1 || d.Extra != 1 || d.Foreign != 0 {
		t.Errorf("answer %+v, want one tag too many", d)
	}
}

// What a read says of a user whose tags were on their way meanwhile is worth nothing.
func TestAChangeOnItsWayIsNoDrift(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	ac := b.knownUsers(a, "before", "during", "within", "unclear", "waiting", "quiet")
	ac.change("unclear", func(u *tagsync.User) { u.Acked = nil })
	b.vendor.tags = []string{"city_old"} // of everybody: each comparison would be drift
	a.admit(b.profile("p1", "before", 2, map[string]string{"city": "sh"}), 1)
	first := a.plan()
	a.obey(verify(0, map[string]string{"sample": "100"}))
	if calls := b.reading(a); len(first) != 1 || len(calls) != 0 {
		t.Fatalf("%v %v, want the call of one user and a read of the others", first, calls)
	}
	a.admit(b.profile("p2", "during", 2, map[string]string{"city": "sh"}), 2)
	a.admit(b.profile("p3", "within", 2, map[string]string{"city": "sh"}), 3)
	for _, c := range a.plan() {
		if slices.Contains(c.users, "within") || slices.Contains(c.users, "during") {
			a.resolve(result{c, Outcome{Class: ClassOK}})
		}
	}
	a.admit(b.profile("p4", "during", 3, map[string]string{"city": "gz"}), 4)
	a.plan()
	a.admit(b.profile("p5", "waiting", 2, map[string]string{"city": "sh"}), 5)
	a.resolve(<-a.results)
	b.commit(a)
	if d := b.lastAnswer().Drift; d.Checked != 1 || d.Unsettled != 5 || len(d.Users) != 1 || d.Users[0].User != "quiet" {
		t.Errorf("answer %+v, want only the user compared of whom nothing was on its way", d)
	}
}

// A repair and a newer event of the same user race: the newest wins, in one call.
func TestARepairWritesWhatTheNewestEventAsksFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) { ac.TagDelay = time.Hour })
	ac := b.knownUsers(a, "u1")
	b.vendor.tags = []string{}
	a.obey(verify(0, map[string]string{"user": "u1", "repair": "true"}))
	b.reading(a)
	a.resolve(<-a.results)
	if ac.users.Get("u1").Acked != nil || !ac.groups.Waits("u1") {
		t.Fatalf("no repair waits: %+v", ac.users.Get("u1"))
	}
	a.admit(b.profile("p2", "u1", 2, map[string]string{"city": "sh"}), 2)
	b.commit(a)

	a = b.byHand(nil) // the repair is on record: the next owner makes it too
	ac = a.accounts["stub:k"]
	a.apply()
	ac.lanes[LaneTagGet].notBefore = a.clock.now().Add(time.Hour) // the check looks when the repair is done
	calls := a.plan()
	if len(calls) != 1 || !slices.Equal(calls[0].set, []string{"city_sh"}) || len(calls[0].items) != 1 {
		t.Fatalf("calls %+v, want one with the newest set and the event's intent", calls)
	}
	a.resolve(result{calls[0], Outcome{Class: ClassOK}})
	if !slices.Equal(ac.users.Get("u1").Acked, []string{"city_sh"}) {
		t.Errorf("acknowledged %v", ac.users.Get("u1").Acked)
	}
	b.vendor.tags = []string{"city_sh"}
	ac.lanes[LaneTagGet].notBefore = time.Time{}
	b.untilEnd(a, fine) // the command is still answered, by the new owner
	if d := b.lastAnswer().Drift; d.Checked != 1 || d.Differ != 0 {
		t.Errorf("answer %+v", d)
	}
}

func TestAResyncGoesOnAfterATakeOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	var users []string
	for i := range 4000 {
		users = append(users, fmt.Sprint("u", i))
	}
	b.knownUsers(a, users...)
	b.vendor.tags = []string{"city_bj"}
	b.vendor.read = func(u string) []string {
		if u == "u7" || u == "u3999" {
			return nil
		}
		return []string{"city_bj"}
	}
	sync := func(offset int64) command {
		return told(offset, fmt.Sprint("s", offset), ledger.CmdResync, "stub:k", nil)
	}
	a.obey(sync(0))
	b.commit(a)
	if last := b.lastAnswer(); !last.OK || last.ID != "s0" {
		t.Fatalf("answer %+v, want one at once", last)
	}
	if got := b.refusal(a, sync(1)); got == "" {
		t.Error("a second resync beside the first")
	}
	key, sets := "stub:k/s0", map[string]int{}
	write := func(c *call) Outcome {
		for _, u := range c.users {
			sets[u]++
		}
		return Outcome{Class: ClassOK}
	}
	for b.readLedger().Checks[key].Part < 2 {
		for _, c := range a.plan() {
			a.resolve(result{c, write(c)})
		}
		for range a.accounts["stub:k"].lanes[LaneTagGet].running {
			a.resolve(<-a.results)
		}
		b.commit(a)
	}
	read := len(b.vendor.reads)
	a.stopChecks()

	a = b.byHand(nil)
	a.apply()
	if k := a.accounts["stub:k"].checks[0]; k.part < 2 || k.Checked < 1000 {
		t.Errorf("the new owner goes on with %+v, want part 2 and what was counted", k)
	}
	b.untilEnd(a, write)
	rec := b.readLedger().Checks[key]
	if rec == nil || rec.Ended.IsZero() || rec.Results.Checked != 4000 || rec.Results.Differ != 2 || sets["u7"] != 1 || sets["u3999"] != 1 || len(sets) != 2 {
		t.Errorf("record %+v, sets %v: want each user once and two written again", rec, sets)
	}
	if again := len(b.vendor.reads) - read; again > 65 {
		t.Errorf("%d reads after the take-over, want none of the parts that were done", again)
	}
	a.obey(sync(2))
	b.commit(a)
	if st := b.readLedger(); len(st.Checks) != 1 || st.Checks[key] != nil {
		t.Errorf("records %v, want only the one that goes on", st.Checks)
	}
}

func TestChecksReadAfterEverythingElseAndSplitWhatIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) {
		p := ac.Lanes[LaneTagGet]
		p.Parallel = 4
		ac.Lanes[LaneTagGet], ac.TagDelay = p, time.Hour // a first read waits a moment for others
	})
	var users []string
	for i := range 20 {
		users = append(users, fmt.Sprint("u", i))
	}
	ac := b.knownUsers(a, users...)
	b.vendor.tags = []string{"city_bj"}
	b.vendor.refuse = func(users []string) *Outcome {
		if slices.Contains(users, "u3") {
			return &Outcome{Class: ClassPermanent, Code: 1002}
		}
		return nil
	}
	a.admit(b.profile("p1", "new", 1, map[string]string{"city": "bj"}), 1)
	a.obey(verify(0, map[string]string{"sample": "100"}))
	for l := ac.lanes[LaneTagGet]; a.slot(l, 1, a.clock.now()).After(a.clock.now()); { // the window of a new owner
	}
	ac.readBy = a.clock.now().Add(time.Hour)
	a.plan()
	if n := len(ac.comparing); n != 0 {
		t.Errorf("%d comparisons leave while a user waits for the first read", n)
	}
	ac.readBy = a.clock.now()
	b.untilEnd(a, fine)
	if d := b.lastAnswer().Drift; d.Checked+d.Unsettled != 20 || d.Refused != 1 || d.Differ != 0 {
		t.Errorf("answer %+v, want all but the one that is refused", d)
	}
}

func TestTheCanaryReadsSlowlyAndChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) { ac.VerifyUsers, ac.VerifyIn = 4, time.Hour })
	ac := b.knownUsers(a, "u1", "u2", "u3", "u4", "u5", "u6")
	b.vendor.tags = []string{}
	seen := map[string]bool{}
	a.plan()
	k := ac.checks[0]
	if len(b.vendor.reads) != 0 || k.at.Sub(a.clock.now()).Round(time.Minute) != time.Hour {
		t.Fatalf("the first read is due in %s, want an hour", k.at.Sub(a.clock.now()))
	}
	for range 4 { // a read ends where the walk ends, so six users take two reads or three
		k.at = a.clock.now()
		b.reading(a)
		if k.at.Sub(a.clock.now()).Round(time.Minute) != time.Hour {
			t.Fatalf("the next read is due in %s, want an hour", k.at.Sub(a.clock.now()))
		}
		a.resolve(<-a.results)
	}
	for _, r := range b.vendor.reads {
		for _, u := range r {
			seen[u] = true
		}
		if len(r) > 4 {
			t.Errorf("a read of %d users, want at most 4", len(r))
		}
	}
	if len(seen) != 6 || len(b.vendor.reads) > 4 {
		t.Errorf("%d users in %d reads, want all 6 in at most one read an hour", len(seen), len(b.vendor.reads))
	}
	if g := gaugeOf(t, a.opt.Metrics.drift.WithLabelValues("main")); g != 6 {
		t.Errorf("%v users are told to differ, want 6", g)
	}
	for user := range ac.users.Users() {
		if ac.users.Get(user).Acked == nil || ac.groups.Waits(user) {
			t.Errorf("the canary repairs %s", user)
		}
	}
}

func TestWhatIsWrongWithACheckIsSaid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	b.knownUsers(a, "u1")
	if got := b.refusal(a, verify(0, map[string]string{"sample": "50001"})); got != "a sample is 1 to 50000 users; all of them: notifier tags resync" {
		t.Errorf("a sample that is too large: %q", got)
	}
	if got := b.refusal(a, told(1, "c", ledger.CmdVerify, "stub:other", map[string]string{"sample": "1"})); got != "the account is not in this instance's settings" {
		t.Errorf("another account: %q", got)
	}
	a.obey(verify(2, map[string]string{"user": "nobody"}))
	b.commit(a)
	if last := b.lastAnswer(); !last.OK || last.Drift == nil || last.Text != "account main knows no user nobody" {
		t.Errorf("a user nobody knows: %+v", last)
	}
	for i := range int64(maxChecks) {
		a.obey(verify(3+i, map[string]string{"sample": "1"}))
	}
	if got := b.refusal(a, verify(20, map[string]string{"sample": "1"})); got != "8 checks of account main go on already" {
		t.Errorf("a ninth check: %q", got)
	}
}
