package dispatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// limitedPush is a push of a rule with limits.
func (b *bundle) limitedPush(id, user string, p intent.Policy) *intent.Intent {
	in := b.intent(id, "r", user, intent.Push)
	in.Policy = p
	return in
}

func (b *bundle) wantFates(n int, want ...string) {
	b.t.Helper()
	if d := cmp.Diff(want, kinds(b.fates(n))); d != "" {
		b.t.Error(d)
	}
}

// Once and the cap of a rule hold over a restart; what certainly did not happen is given back, what is unknown is kept.
func TestOnceAndRuleCapsSurviveARestart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		class Class
		again string // the second event of another user under the cap, after the first had this outcome
		first string
	}{{ClassOK, "SUPPRESSED(capped)", "SENT"}, {ClassUnknown, "SUPPRESSED(capped)", "UNKNOWN"}, {ClassPermanent, "SENT", "DEAD(rejected-by-vendor)"}} {
		t.Run(string(c.class), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.vendor.answer = func(n int, _ *Call) Outcome {
				if n == 1 {
					return Outcome{Class: c.class, Code: 1002}
				}
				return Outcome{Class: ClassOK, Code: 200}
			}
			p := intent.Policy{Once: &intent.Once{By: "o1", In: time.Hour}, RuleCaps: []intent.Cap{{N: 1, Each: "month"}}}
			stop := b.start(b.account(), nil)
			b.produce(b.limitedPush("e1", "u1", p))
			b.wantFates(1, "e1 "+c.first)
			b.state("the call is booked", func(st *ledger.State) bool { return st.Position.Fates == 1 && st.Balanced() })
			stop()
			b.start(b.account(), nil)
			same := "SUPPRESSED(repeated)"
			if c.class == ClassPermanent {
				same = "SENT"
			}
			b.produce(b.limitedPush("e2", "u1", intent.Policy{Once: p.Once}))
			b.wantFates(2, "e1 "+c.first, "e2 "+same)
			b.produce(b.limitedPush("e3", "u3", intent.Policy{RuleCaps: p.RuleCaps}))
			b.wantFates(3, "e1 "+c.first, "e2 "+same, "e3 "+c.again)
		})
	}
}

// A call of several receivers does not pass the cap: so many go, the others are capped.
func TestARuleCapIsExactOverOneCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := intent.Policy{RuleCaps: []intent.Cap{{N: 2, In: time.Hour}}}
	b.produce(b.limitedPush("e1", "u1", p), b.limitedPush("e2", "u2", p), b.limitedPush("e3", "u3", p))
	b.start(b.account(), nil)
	b.wantFates(3, "e1 SENT", "e2 SENT", "e3 SUPPRESSED(capped)")
}

// The brake pauses the rule, the pause survives a restart, resume ends it and the count begins anew.
func TestABrakePausesItsRuleUntilResumed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ac := func() *Account {
		a := b.account()
		a.Brake = intent.Cap{N: 2, In: time.Hour}
		return a
	}
	stop := b.start(ac(), nil)
	b.produce(b.intent("e1", "r", "u1", intent.Push), b.intent("e2", "r", "u2", intent.Push), b.intent("e3", "r", "u3", intent.Push), b.intent("x1", "other", "u1", intent.Push))
	b.wantFates(3, "e1 SENT", "e2 SENT", "x1 SENT")
	st := b.state("the rule is paused", func(st *ledger.State) bool { return st.Pauses["rule/r"].Brake && len(st.Pending) == 1 })
	if p := st.Pauses["rule/r"]; p.Why != "the rule sent 2 in 1h" {
		t.Errorf("pause %+v", p)
	}
	stop()
	b.start(ac(), nil)
	b.produce(b.intent("e4", "r", "u4", intent.Push))
	b.state("it is held", func(st *ledger.State) bool { return len(st.Pending) == 2 && st.Pauses["rule/r"].Brake })
	v, err := json.Marshal(ledger.Command{V: 1, ID: "c1", Cmd: ledger.CmdResume, Target: "rule/r", By: "li", At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cl.ProduceSync(t.Context(), &kgo.Record{Topic: b.topics.Control, Key: []byte("cmd/resume/rule/r"), Value: v}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.wantFates(5, "e1 SENT", "e2 SENT", "e3 SENT", "e4 SENT", "x1 SENT")
}

// A rule's quota bounds its slots; no_quota: drop does not wait; a reserve is seen by others only.
func TestSlotsAreDividedBetweenRules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cast := func(id, rule string, p intent.Policy) *intent.Intent {
		in := b.intent(id, rule, intent.Everyone, intent.Broadcast)
		in.Policy = p
		return in
	}
	share := &intent.Cap{N: 1, Each: "day"}
	ac := b.account()
	l := ac.Lanes["broadcast"]
	l.Limits[0].Window, l.Limits[0].N = 24*time.Hour, 3
	ac.Lanes["broadcast"] = l
	reserves := []intent.Reserve{{Rule: "kept", N: 1, Until: 24 * 60, Like: b.intent("like", "kept", intent.Everyone, intent.Broadcast)}}
	b.start(ac, func(o *Options) { o.Rules = func() Rules { return stubRules{reserves: reserves} } })
	b.produce(cast("s1", "shared", intent.Policy{Share: share}))
	b.wantFates(1, "s1 SENT")
	b.produce(cast("s2", "shared", intent.Policy{Share: share, DropNoQuota: true}), cast("s3", "shared", intent.Policy{Share: share}))
	b.wantFates(2, "s1 SENT", "s2 SUPPRESSED(no-quota)")
	b.produce(cast("o1", "other", intent.Policy{}))
	b.wantFates(3, "o1 SENT", "s1 SENT", "s2 SUPPRESSED(no-quota)")
	b.produce(cast("o2", "other", intent.Policy{DropNoQuota: true}))
	b.wantFates(4, "o1 SENT", "o2 SUPPRESSED(no-quota)", "s1 SENT", "s2 SUPPRESSED(no-quota)")
	b.produce(cast("k1", "kept", intent.Policy{DropNoQuota: true}))
	b.wantFates(5, "k1 SENT", "o1 SENT", "o2 SUPPRESSED(no-quota)", "s1 SENT", "s2 SUPPRESSED(no-quota)")
	b.state("s3 waits for its day", func(st *ledger.State) bool { return len(st.Pending) == 1 })
}

// A killed rule sends nothing until it is revived, so what is reserved for it goes to the others; revived, it has its reserve again.
func TestAKilledRuleReservesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reserves := []intent.Reserve{{Rule: "storm", N: 3, Until: 24 * 60, Like: b.intent("like", "storm", intent.Everyone, intent.Broadcast)}}
	a := b.byHand(func(ac *Account, o *Options) {
		l := ac.Lanes["broadcast"]
		l.Limits[0].Window, l.Limits[0].N = 24*time.Hour, 3
		ac.Lanes["broadcast"] = l
		o.Rules = func() Rules { return stubRules{reserves: reserves} }
	})
	next := int64(0)
	leaves := func(id string) int {
		a.admit(b.intent(id, "sale", intent.Everyone, intent.Broadcast), next)
		next++
		return len(a.plan())
	}
	if leaves("s1") != 0 {
		t.Fatal("a reserved slot is used")
	}
	a.obey(told(0, "c1", ledger.CmdKill, "storm", nil))
	if calls := a.plan(); len(calls) != 1 {
		t.Errorf("%d calls once the rule is killed", len(calls))
	}
	a.obey(told(1, "c2", ledger.CmdRevive, "storm", nil))
	if leaves("s2") != 0 {
		t.Error("the revived rule has no reserve")
	}
}

// A request that we refuse to build has used no slot, so it takes nothing from its rule's quota; one that the vendor refuses has.
func TestOnlyASlotCountsForARulesQuota(t *testing.T) {
	t.Parallel()
	for _, invalid := range []bool{true, false} {
		b := setup(t)
		a := b.byHand(nil)
		for i, id := range []string{"e1", "e2"} {
			in := b.intent(id, "r", intent.Everyone, intent.Broadcast)
			in.Policy.Share = &intent.Cap{N: 1, Each: "day"}
			a.admit(in, int64(i))
		}
		a.resolve(result{a.plan()[0], Outcome{Class: ClassPermanent, Code: 1002, Invalid: invalid}})
		if calls := a.plan(); len(calls) == 1 != invalid {
			t.Errorf("invalid %t: %d calls", invalid, len(calls))
		}
	}
}

// Calendar windows by the zone's own days, over both changes of its clocks and a leap day.
func TestCalendarWindowsFollowTheZone(t *testing.T) {
	for _, c := range []struct{ zone, each, at, from, to string }{
		{"America/New_York", "day", "2026-03-08T12:00:00-04:00", "2026-03-08T00:00:00-05:00", "2026-03-09T00:00:00-04:00"}, // 23 h
		{"America/New_York", "day", "2026-11-01T12:00:00-05:00", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"}, // 25 h
		{"Europe/Berlin", "day", "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"},
		{"Europe/Berlin", "week", "2026-10-25T23:59:00+01:00", "2026-10-19T00:00:00+02:00", "2026-10-26T00:00:00+01:00"},
		{"Europe/Berlin", "month", "2028-02-29T23:59:00+01:00", "2028-02-01T00:00:00+01:00", "2028-03-01T00:00:00+01:00"},
		{"Asia/Shanghai", "day", "2028-02-29T12:00:00+08:00", "2028-02-29T00:00:00+08:00", "2028-03-01T00:00:00+08:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		when := func(s string) time.Time {
			at, err := time.Parse(time.RFC3339, s)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		limit, from, to := intent.Cap{N: 1, Each: c.each}, when(c.from), when(c.to)
		if got := capEnd(limit, when(c.at), zone); !got.Equal(to) {
			t.Errorf("%+v ends %s", c, got)
		}
		for at, counts := range map[time.Time]bool{from.Add(-1): false, from: true, to.Add(-1): true} {
			if got := at.After(capStart(limit, when(c.at), zone)); got != counts {
				t.Errorf("%+v: %s counts: %t", c, at, got)
			}
			if got := together(limit, at, when(c.at), zone); got != counts {
				t.Errorf("%+v: %s is counted together: %t", c, at, got)
			}
		}
	}
}

// Quiet hours and days end when the clocks say so, in nights in which they jump too.
func TestEndsOfQuietHoursAndDaysWhereClocksJump(t *testing.T) {
	for _, c := range []struct{ zone, now, want string }{
		{"America/New_York", "2000-04-01T23:00:00-05:00", "2000-04-02T03:00:00-04:00"}, // there is no 02:30
		{"America/New_York", "2000-04-02T01:59:00-05:00", "2000-04-02T03:00:00-04:00"},
		{"Europe/Berlin", "2000-10-28T23:00:00+02:00", "2000-10-29T02:30:00+02:00"}, // the first of two
		{"Europe/Berlin", "2000-10-29T02:29:59+02:00", "2000-10-29T02:30:00+02:00"},
		{"Europe/Berlin", "2000-10-29T02:30:00+02:00", "2000-10-29T02:30:00+02:00"}, // not quiet
		{"Europe/Berlin", "2000-10-29T02:10:20+01:00", "2000-10-29T02:30:00+01:00"}, // the clocks show it again
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, _ := time.Parse(time.RFC3339, c.now)
		want, _ := time.Parse(time.RFC3339, c.want)
		if got := quietUntil([]intent.Quiet{{From: 22 * 60, To: 2*60 + 30}}, now, zone); !got.Equal(want) {
			t.Errorf("%s at %s: quiet until %s, want %s", c.zone, c.now, got.In(now.Location()), c.want)
		}
	}
	zone, err := time.LoadLocation("America/Sao_Paulo") // on 2000-10-08 the clocks jump at midnight: the day begins at 01:00
	if err != nil {
		t.Fatal(err)
	}
	begins := time.Date(2000, 10, 8, 3, 0, 0, 0, time.UTC)
	for _, now := range []time.Time{begins, begins.Add(20 * time.Hour)} {
		if got := capStart(intent.Cap{N: 1, Each: "day"}, now, zone); !got.Equal(begins.Add(-1)) {
			t.Errorf("at %s the day began after %s, want %s", now, got, begins.Add(-1))
		}
	}
}

// The end of quiet hours is one moment for all that they hold. Under a limit those that came first get the places.
func TestTheEndOfQuietHoursLetsTheOldestGoFirst(t *testing.T) {
	e := newPlay(t, nil)
	var want []string
	for i := range 40 {
		user, kind := fmt.Sprint("u", i%20), "SENT"
		in := e.push(fmt.Sprint("e", i), user, intent.Policy{Quiet: []intent.Quiet{{From: 11 * 60, To: 13 * 60}}, PerUser: []intent.Cap{{N: 1, In: 24 * time.Hour}}})
		e.Take(in)
		if i >= 20 {
			kind = "SUPPRESSED(capped)"
		}
		want = append(want, fmt.Sprintf("e%d %s", i, kind))
	}
	e.Advance(e.Now().Add(3 * time.Hour))
	slices.Sort(want)
	if got := kinds(e.said); !slices.Equal(got, want) {
		t.Errorf("fates %v, want %v", got, want)
	}
}

// What a human knows was not sent has used no cap, also after a take-over: the source's next event goes out. What was sent, and the
// counts of another rule's send of the same moment, stay.
func TestACallResolvedAsNotSentGivesTheLimitsBack(t *testing.T) {
	t.Parallel()
	for as, want := range map[string]string{"not-sent": "", "sent": "SUPPRESSED(capped)"} {
		t.Run(as, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			limited := func(id, rule, class string) *intent.Intent {
				in := b.intent(id, rule, "u1", intent.Push)
				in.Class, in.Policy.PerUser, in.Policy.RuleCaps = class, []intent.Cap{{N: 1, In: time.Hour}}, []intent.Cap{{N: 1, Each: "month"}}
				in.Policy.Once = &intent.Once{In: time.Hour}
				return in
			}
			options := func(o *Options) {
				o.ClassCaps = map[string]intent.Cap{"service": {N: 1, In: time.Hour}, "marketing": {N: 1, In: time.Hour}}
			}
			a := b.byHand(nil)
			options(a.opt)
			a.admit(limited("e1", "r", "service"), b.offset)
			a.admit(limited("e2", "other", "marketing"), b.offset+1)
			calls := a.plan()
			if len(calls) != 2 {
				t.Fatalf("%d calls, want 2", len(calls))
			}
			id := ""
			for _, c := range calls {
				o := Outcome{Class: ClassUnknown}
				if c.items[0].p().Intent.Rule == "other" {
					o = Outcome{Class: ClassOK}
				} else {
					id = c.attempt.ID
				}
				a.resolve(result{c, o})
			}
			b.commit(a)
			a = b.byHand(nil)
			options(a.opt)
			a.obey(told(0, "c1", ledger.CmdResolve, id, map[string]string{"as": as}))
			b.commit(a)
			a = b.byHand(nil)
			options(a.opt)
			for i, next := range []*intent.Intent{limited("e3", "r", "service"), limited("e4", "other", "marketing")} {
				a.admit(next, b.offset+2+int64(i))
			}
			left := 0
			for _, c := range a.plan() {
				if left++; c.items[0].p().Intent.Rule != "r" {
					t.Errorf("rule other sends once more")
				}
			}
			if (left == 1) != (want == "") {
				t.Errorf("%d calls leave after the resolution as %s", left, as)
			}
		})
	}
}
