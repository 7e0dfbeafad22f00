package dispatch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// ruleFiles are tag rules that a test edits: each user gets <prefix>_<city>, with no prefix nothing.
type ruleFiles struct {
	stubRules
	prefix, files string
	asked         int
}

func (r *ruleFiles) Tags(_ string, get func(string) (intent.Value, bool), _ []string) []string {
	r.asked++
	if v, _ := get("city"); v.Str != "" && r.prefix != "" {
		return []string{r.prefix + "_" + v.Str}
	}
	return nil
}

func (r *ruleFiles) Gives(_, tag string) bool { return strings.HasPrefix(tag, r.prefix) }

func (r *ruleFiles) TagRules(string) (tags, files string) { return r.prefix, r.files }

// edited gives an actor whose users, all with the city bj, were evaluated by the rules city_<city>.
func (b *bundle) edited(n int) (*actor, *ruleFiles) {
	b.t.Helper()
	files := &ruleFiles{prefix: "city", files: "1"}
	a := b.byHand(func(_ *Account, o *Options) { o.Rules = func() Rules { return files } })
	a.plan()
	var users []string
	for i := range n {
		users = append(users, fmt.Sprintf("u%04d", i))
	}
	b.knownUsers(a, users...)
	a.plan()
	b.commit(a)
	return a, files
}

// writes turns the actor until its re-evaluation stands where it must, and gives the sets that were written by user.
func (b *bundle) writes(a *actor, until ledger.TagState, o func(*call) Outcome) (sets map[string][]string) {
	b.t.Helper()
	sets = map[string][]string{}
	deadline := time.Now().Add(20 * time.Second)
	for a.accounts["stub:k"].retags.rec.State != until || len(a.calls) > 0 {
		if time.Now().After(deadline) {
			b.t.Fatalf("it never comes to %s: %+v", until, a.accounts["stub:k"].retags.rec)
		}
		for _, c := range a.plan() {
			for _, u := range c.users {
				if sets[u] != nil {
					b.t.Errorf("%s is written twice", u)
				}
				sets[u] = c.set
			}
			a.resolve(result{c, o(c)})
		}
		b.commit(a)
	}
	return sets
}

func (a *actor) left() float64 {
	return testutil.ToFloat64(a.opt.Metrics.retagsLeft.WithLabelValues("main"))
}

func TestAFewUsersAreWrittenAtOnceWhenTagRulesChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(100)
	ac := a.accounts["stub:k"]
	ac.change("u0007", func(u *tagsync.User) { u.Acked = []string{"town_bj"} })                                    // differs no more
	ac.change("u0008", func(u *tagsync.User) { u.Foreign, u.Acked = []string{"vip"}, []string{"city_bj", "vip"} }) // somebody else's tag stays
	files.prefix = "town"
	b.begun(a)
	sets := b.writes(a, ledger.TagsSettled, fine)
	if len(sets) != 99 || sets["u0007"] != nil || !slices.Equal(sets["u0000"], []string{"town_bj"}) || !slices.Equal(sets["u0008"], []string{"town_bj", "vip"}) {
		t.Errorf("%d users written, u0007 %v, u0000 %v, u0008 %v", len(sets), sets["u0007"], sets["u0000"], sets["u0008"])
	}
	rec := b.readLedger().Changes["stub:k"]
	if rec.Rules != "town" || rec.Users != 99 || rec.Written != 99 || rec.Limit != 100 || a.left() != 0 {
		t.Errorf("on record %+v, %v left", rec, a.left())
	}
	if more := a.plan(); len(more) != 0 {
		t.Errorf("%d calls more", len(more))
	}
}

// Whose set is on its way is left, once.
func TestWhoIsLeftIsCountedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(2500)
	ac := a.accounts["stub:k"]
	files.prefix, ac.MaxChange = "town", 1
	b.begun(a)
	for ac.retags.rec.State == ledger.TagsCounting {
		a.plan()
	}
	out := 0
	for rec := ac.retags.rec; rec.Part < 1; rec = ac.retags.rec {
		for _, c := range a.plan() {
			a.resolve(result{c, fine(c)})
		}
		b.commit(a)
		if out = max(out, len(ac.retags.out)); rec.Part < 1 && a.left() != 2500 {
			t.Fatalf("%v are left of 2500 before the first part is done", a.left())
		}
	}
	if out == 0 || a.left() <= 0 || a.left() >= 2500 {
		t.Errorf("%d were out, %v are left after the first part", out, a.left())
	}
}

// begun lets the actor see that the rules have changed.
func (b *bundle) begun(a *actor) *ledger.TagChange {
	b.t.Helper()
	if calls := a.plan(); len(calls) != 0 {
		b.t.Fatalf("%d calls leave before anybody has counted", len(calls))
	}
	b.commit(a)
	return a.accounts["stub:k"].retags.rec
}

func TestMoreThanMaxChangeWaitsForAHumanAndARejectionLeavesTheTags(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(300)
	ac := a.accounts["stub:k"]
	ac.MaxChange = 0.5
	files.prefix, files.files = "", "2" // the rule was deleted
	b.begun(a)
	if sets := b.writes(a, ledger.TagsApproval, fine); len(sets) != 0 {
		t.Fatalf("%d users lose their tags unasked", len(sets))
	}
	rec := b.readLedger().Changes["stub:k"]
	want := []ledger.TagTurn{{Tag: "city_bj", Losses: 300}}
	if rec.Users != 300 || rec.Limit != 150 || rec.Known != 300 || cmp.Diff(want, rec.Tags) != "" || waits(a) != 1 || a.left() != 300 {
		t.Errorf("on record %+v, %v waiting, %v left", rec, waits(a), a.left())
	}
	say := func(offset int64, cmd, expect string) command {
		c := told(offset, fmt.Sprint(cmd, offset), cmd, ledger.TagsTarget("stub:k"), map[string]string{ledger.ArgAccount: "stub:k"})
		c.Expect = expect
		return c
	}
	if got := b.refusal(a, say(0, ledger.CmdApprove, "another")); !strings.Contains(got, "not the one that was shown") {
		t.Errorf("approval of another count: %q", got)
	}
	files.prefix = "edited" // this moment: what was shown is not what would be written
	if got := b.refusal(a, say(1, ledger.CmdApprove, rec.ID)); !strings.Contains(got, "the rules have changed since") {
		t.Errorf("approval of rules that are not live: %q", got)
	}
	files.prefix, files.files = "", "2b" // a reload of other rules while it waits is no reason to ask again
	if calls := a.plan(); len(calls) != 0 || a.accounts["stub:k"].retags.rec.ID != rec.ID {
		t.Errorf("%d calls, asked anew by a reload that changes no tag rule", len(calls))
	}
	b.granted(a, say(2, ledger.CmdReject, rec.ID))
	if calls := a.plan(); len(calls) != 0 || waits(a) != 0 || b.readLedger().Changes["stub:k"].State != ledger.TagsRejected {
		t.Errorf("%d calls, %v waiting after the rejection", len(calls), waits(a))
	}
	if got := b.refusal(a, say(3, ledger.CmdApprove, rec.ID)); !strings.Contains(got, "no change of tags") {
		t.Errorf("approval of what was rejected: %q", got)
	}
	files.files = "3" // a reload of other rules: it is asked again
	b.begun(a)
	b.writes(a, ledger.TagsApproval, fine)
	if waits(a) != 1 {
		t.Error("the reload after a rejection does not ask again")
	}

	a = b.byHand(func(_ *Account, o *Options) { o.Rules = func() Rules { return files } }) // waits also for the next owner
	if calls := a.plan(); len(calls) != 0 || waits(a) != 1 {
		t.Errorf("%d calls, %v waiting at the next owner", len(calls), waits(a))
	}
	got := b.granted(a, say(4, ledger.CmdApprove, a.accounts["stub:k"].retags.rec.ID))
	if !strings.Contains(got, "300 users") {
		t.Errorf("answer %q", got)
	}
	sets := b.writes(a, ledger.TagsSettled, fine)
	if len(sets) != 300 || len(sets["u0000"]) != 0 {
		t.Errorf("%d users written, u0000 with %v", len(sets), sets["u0000"])
	}
	if rec := b.readLedger().Changes["stub:k"]; rec.By != "li" || rec.Written != 300 {
		t.Errorf("on record %+v", rec)
	}
}

// The cursor: what is done is not looked at again, what is not done is.
func TestTheNextOwnerGoesOnAtTheCursor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(2500)
	ac := a.accounts["stub:k"]
	files.prefix, ac.MaxChange = "town", 1
	b.begun(a)
	first := map[string]bool{}
	for rec := ac.retags.rec; rec.Part < 1; rec = ac.retags.rec {
		for _, c := range a.plan() {
			for _, u := range c.users {
				first[u] = true
			}
			a.resolve(result{c, fine(c)})
		}
		b.commit(a)
	}
	for u := range first { // by hand: the cursor alone keeps them from being written again
		ac.change(u, func(u *tagsync.User) { u.Acked = []string{"city_bj"} })
		a.w.Put(ledger.UserKey(ac.Key, u), ac.users.Get(u))
	}
	b.commit(a)

	files.asked = 0
	a = b.byHand(func(ac *Account, o *Options) { o.Rules = func() Rules { return files }; ac.MaxChange = 1 })
	sets := b.writes(a, ledger.TagsSettled, fine)
	if len(first)+len(sets) != 2500 || len(first) < 500 || len(sets) < 500 {
		t.Errorf("%d users written by the first owner, %d by the next, want 2500 in all", len(first), len(sets))
	}
	for u := range sets {
		if first[u] {
			t.Errorf("%s was done and is written again", u)
			break
		}
	}
}

func TestANewOwnerWithOtherRulesWaitsTwoMinutes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, files := b.edited(10)
	old := *files
	files.prefix = "town"
	own := func(f *ruleFiles) *actor {
		return b.byHand(func(_ *Account, o *Options) { o.Rules = func() Rules { return f } })
	}
	a := own(files)
	a.plan()
	b.commit(a)
	if rec := b.readLedger().Changes["stub:k"]; rec.Rules != "city" || rec.State != ledger.TagsSettled || rec.Waits.IsZero() {
		t.Fatalf("on record %+v, want it to wait", rec)
	}
	if d := a.wake.Sub(a.clock.now()); d <= time.Minute || d > 2*time.Minute {
		t.Errorf("it looks again in %s", d)
	}
	a.clock.base = a.clock.base.Add(119 * time.Second)
	if calls := a.plan(); len(calls) != 0 || a.accounts["stub:k"].retags.rec.State != ledger.TagsSettled {
		t.Error("it begins before two minutes are over")
	}

	a = own(&old) // the partition goes on to an instance whose files agree
	a.plan()
	b.commit(a)
	if rec := b.readLedger().Changes["stub:k"]; !rec.Waits.IsZero() || rec.State != ledger.TagsSettled {
		t.Errorf("on record %+v, want nothing to wait for", rec)
	}

	a = own(files)
	a.plan()
	a.clock.base = a.clock.base.Add(121 * time.Second)
	a.plan()
	if sets := b.writes(a, ledger.TagsSettled, fine); len(sets) != 10 {
		t.Errorf("%d users written after two minutes, want 10", len(sets))
	}
}

// Whoever changes by an event goes first, and gets what the present rules give; nobody is written twice.
func TestEventsGoBeforeTheReEvaluation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(50)
	ac := a.accounts["stub:k"]
	for _, name := range []string{LaneTag, LaneTagBatch} {
		ac.lanes[name].Parallel = 1
	}
	files.prefix = "town"
	for i := range 50 { // 50 sets of one user each
		ac.change(fmt.Sprintf("u%04d", i), func(u *tagsync.User) {
			u.Apply(b.profile("p", "x", 2, map[string]string{"city": fmt.Sprint("c", i)}).Profile, 2)
		})
	}
	for n := 0; len(a.calls) == 0 && n < 10; n++ {
		a.plan()
	}
	calls := slices.Collect(maps.Values(a.calls))
	if len(calls) != 2 || ac.later.Len() != 48 {
		t.Fatalf("%d calls in flight, %d users wait, want both lanes full", len(calls), ac.later.Len())
	}
	a.admit(b.profile("p2", "u0049", 3, map[string]string{"city": "sh"}), 3)
	a.admit(b.profile("p3", "new", 3, map[string]string{"city": "sh"}), 4)
	ac.change("new", func(u *tagsync.User) { u.Foreign, u.Acked = []string{}, []string{} })
	a.retag(ac, "new")
	for _, c := range calls[:1] {
		a.resolve(result{c, fine(c)})
	}
	next := a.plan()
	if len(next) != 1 || !slices.Equal(next[0].set, []string{"town_sh"}) || len(next[0].items) != len(next[0].users) {
		t.Fatalf("next %+v, want what the events ask for", next)
	}
}

// A call that was in flight when the user was looked at was for the rules of its time.
func TestAUserInFlightIsWrittenAgainAfterwards(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(1)
	ac := a.accounts["stub:k"]
	a.admit(b.profile("p2", "u0000", 2, map[string]string{"city": "sh"}), 2)
	calls := a.plan()
	if len(calls) != 1 || !slices.Equal(calls[0].set, []string{"city_sh"}) {
		t.Fatalf("calls %+v", calls)
	}
	files.prefix = "town"
	for n := 0; !ac.retags.walked && n < 10; n++ {
		a.plan()
	}
	a.resolve(result{calls[0], fine(calls[0])})
	got := b.writes(a, ledger.TagsSettled, fine)
	if !slices.Equal(got["u0000"], []string{"town_sh"}) {
		t.Errorf("written %v, want the set of the present rules", got)
	}
}

func TestAReloadStartsOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(90)
	ac := a.accounts["stub:k"]
	ac.TagDelay = time.Hour // what is found waits for company
	files.prefix = "town"
	for ac.later.Len() < 90 {
		a.plan()
	}
	files.prefix = "city" // the edit is taken back
	if calls := a.plan(); len(calls) != 0 {
		t.Fatalf("%d calls", len(calls))
	}
	if sets := b.writes(a, ledger.TagsSettled, fine); len(sets) != 0 || ac.later.Len() != 0 || len(ac.retags.out) != 0 {
		t.Errorf("%d users written, %d wait", len(sets), ac.later.Len())
	}
}

// Nothing may block the actor: a turn evaluates a bounded number of users.
// What was written for rules that are gone is not counted for those that came.
func TestAReloadCountsAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(5)
	files.prefix = "town"
	b.begun(a)
	var calls []*call
	for len(calls) == 0 {
		calls = a.plan()
	}
	a.resolve(result{calls[0], Outcome{Class: ClassPermanent, Code: 1002}}) // all five: split
	for _, c := range a.plan() {
		a.resolve(result{c, fine(c)})
		files.prefix = "ville" // the second half is for rules that are gone already
	}
	b.writes(a, ledger.TagsSettled, fine)
	if rec := b.readLedger().Changes["stub:k"]; rec.Rules != "ville" || rec.Written != 5 || rec.Refused != 0 {
		t.Errorf("on record %+v, want five written", rec)
	}
}

func TestATurnEvaluatesASlice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(5000)
	files.prefix = "town"
	turns := 0
	for a.accounts["stub:k"].retags.rec.State != ledger.TagsApproval {
		files.asked = 0
		a.plan()
		if turns++; files.asked > maxSlice {
			t.Fatalf("%d users evaluated in a turn, want at most %d", files.asked, maxSlice)
		}
		if a.accounts["stub:k"].retags.rec.State == ledger.TagsCounting && a.wake.After(a.clock.now()) {
			t.Fatal("there is more to count, and nothing wakes the actor")
		}
	}
	if turns < 5 {
		t.Errorf("%d turns", turns)
	}
}

// Who has an event on its way gets what the present rules give by that: a count shows only what the edit does. Who is in a call is looked
// at when it is over, also if the last acknowledged set is the right one.
func TestUsersOnTheirWayAreNotCountedAndNotForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, files := b.edited(3)
	ac := a.accounts["stub:k"]
	a.admit(b.profile("p2", "u0000", 2, map[string]string{"city": "sh"}), 2)
	calls := a.plan() // u0000 is in a call with city_sh
	ac.TagDelay = time.Hour
	a.admit(b.profile("p3", "u0001", 3, map[string]string{"city": "gz"}), 3) // u0001 waits
	files.prefix = "town"
	ac.change("u0000", func(u *tagsync.User) { u.Acked = []string{"town_sh"} }) // as if the rule had been like this before
	if rec := b.begun(a); rec.Users != 1 || rec.State != ledger.TagsWriting {
		t.Fatalf("counted %+v, want u0002 alone", rec)
	}
	a.plan()
	if out := slices.Sorted(maps.Keys(ac.retags.out)); !slices.Equal(out, []string{"u0000", "u0002"}) {
		t.Errorf("looked after: %v, want the user in a call and the one who differs", out)
	}
	if len(calls) != 1 {
		t.Errorf("calls %+v", calls)
	}
}
