package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
	"github.com/notifier/notifier/internal/tagsync"
)

// repeating gives the lanes of a vendor that drops repeats: named users one by one, mixed in batches of up to 4, or equal in lists from 3 on.
func repeating(ac *Account, _ *Options) {
	p := ac.Lanes["user"]
	p.Within, p.Parallel, p.Rate, p.Window, p.Limits = 10*time.Minute, 10, 1_000_000, time.Millisecond, nil // unscarce, and nothing has to wait
	p.Forms = []Form{{Endpoint: "/list", Least: 3, Most: 10, Class: "marketing", Weight: 5}, {Endpoint: "/batch", Least: 2, Most: 4, Mixed: true, Weight: 2, Tries: 3}, {Endpoint: "/single", Least: 1, Most: 1, Tries: 3}}
	ac.Lanes["user"] = p
	c := ac.Lanes["broadcast"]
	c.Tries, c.Within = 2, 10*time.Minute
	ac.Lanes["broadcast"] = c
}

var (
	lost     = Outcome{Class: ClassRetrySafe, Detail: "no answer"}
	accepted = Outcome{Class: ClassOK}
)

// due lets the pause after a call that did not get through be over, and comes to the time of those that are made again.
func due(a *actor, l *lane) []*call {
	l.notBefore, l.backoff = time.Time{}, 0
	for _, c := range l.again {
		for l.due(c).After(a.clock.now()) { // a clock that was ahead goes slower
			passes(a, l.due(c).Sub(a.clock.now()))
		}
	}
	return a.plan()
}

// passes lets time go by.
func passes(a *actor, d time.Duration) {
	if machine := a.clock.machine; d > 0 {
		a.clock.machine = func() time.Time { return machine().Add(d) }
	}
}

func endpointsOf(calls []*call) (out []string) {
	for _, c := range calls {
		out = append(out, fmt.Sprint(c.vendor.Endpoint, len(c.vendor.Users), " try ", c.vendor.Try))
	}
	return out
}

// An ambiguous push is made again as it was, and is in the ledger all the while; what the last try says counts.
func TestAnAmbiguousPushIsMadeAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		answers []Outcome
		want    []string
	}{
		{"the second try is accepted", []Outcome{lost, accepted}, []string{"e1 SENT"}},
		{"the third is", []Outcome{lost, lost, accepted}, []string{"e1 SENT"}},
		{"none is", []Outcome{lost, lost, lost}, []string{"e1 UNKNOWN"}},
		{"the second is refused: the first may have been done", []Outcome{lost, {Class: ClassPermanent, Code: 20001}}, []string{"e1 UNKNOWN"}},
		{"so it may if we cannot build it again", []Outcome{lost, {Class: ClassPermanent, Invalid: true}}, []string{"e1 UNKNOWN"}},
		{"the second does not take the user", []Outcome{lost, {Class: ClassOK, Users: map[string]UserOutcome{"u-e1": {Refused: true}}}}, []string{"e1 UNKNOWN"}},
		{"the first is refused", []Outcome{{Class: ClassPermanent, Code: 20001}}, []string{"e1 DEAD(rejected-by-vendor)"}},
		{"refusals for now are no tries", []Outcome{lost, {Class: ClassNotSent}, {Class: ClassRetryLater}, {Class: ClassNotSent}, accepted}, []string{"e1 SENT"}},
		{"a vendor that cannot drop repeats", []Outcome{{Class: ClassUnknown}}, []string{"e1 UNKNOWN"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(repeating)
			l := a.accounts["stub:k"].lanes["user"]
			b.push(a, "e1")
			var first *Call
			for i, o := range tc.answers {
				calls := due(a, l)
				if len(calls) != 1 {
					t.Fatalf("try %d: %v leave", i+1, endpointsOf(calls))
				}
				v := calls[0].vendor
				if first == nil {
					first = v
				}
				if v.First != first.First || !v.Began.Equal(first.Began) || v.Content != first.Content || v.Endpoint != "/single" || i > 0 && v.Try < 2 {
					t.Errorf("try %d is %+v, the first was %+v", i+1, v, first)
				}
				b.commit(a)
				st := b.readLedger()
				if len(st.Attempts) != 1 || len(st.Pending) != 1 || st.Attempts[v.ID].State != ledger.Started {
					t.Errorf("try %d: attempts on record %+v", i+1, st.Attempts)
				}
				a.resolve(result{calls[0], o})
				b.commit(a)
				for _, at := range b.readLedger().Attempts {
					if (at.State == ledger.Again) == at.Next.IsZero() || at.State == ledger.Again && !at.Next.Equal(l.due(l.again[0]).UTC()) {
						t.Errorf("try %d: on record %s, made again at %s", i+1, at.State, at.Next)
					}
				}
			}
			if got := kinds(b.fates(1)); !slices.Equal(got, tc.want) {
				t.Errorf("fates %v, want %v", got, tc.want)
			}
			if n := len(b.readLedger().Attempts); n != 0 && tc.want[0] != "e1 UNKNOWN" || len(a.items) != 0 {
				t.Errorf("%d attempts on record, %d pending", n, len(a.items))
			}
		})
	}
}

// When the tries come: after seconds, and in the middle of the time that there is; never when what it delivers would be stale.
func TestWhenACallIsMadeAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		expire time.Duration // 0: it does not
		lane   string
		want   []time.Duration // after the first try
	}{
		{"to a user", 0, "user", []time.Duration{15 * time.Second, 5 * time.Minute}},
		{"to a user, soon stale", 40 * time.Second, "user", []time.Duration{time.Second, 20 * time.Second}},
		{"to an audience", 0, "broadcast", []time.Duration{5 * time.Minute}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(repeating)
			at := a.clock.machine()
			a.clock.machine = func() time.Time { return at }
			l := a.accounts["stub:k"].lanes[tc.lane]
			in := b.intent("e1", "r", "u", intent.Push)
			if tc.lane == "broadcast" {
				in = b.intent("e1", "r", intent.Everyone, intent.Broadcast)
			}
			if tc.expire > 0 {
				in.Policy.Expire = a.clock.now().Add(tc.expire)
			}
			a.admit(in, b.offset)
			began := a.clock.now()
			a.resolve(result{a.plan()[0], lost})
			for i, want := range tc.want {
				for _, early := range []time.Duration{time.Millisecond, 0} {
					at = at.Add(began.Add(want - early).Sub(a.clock.now()))
					l.notBefore, l.backoff = time.Time{}, 0
					calls := a.plan()
					if early > 0 && (len(calls) != 0 || a.wake.After(began.Add(want))) {
						t.Fatalf("repeat %d: %v leave %s too early, and the actor looks again %s after the first", i+1, endpointsOf(calls), early, a.wake.Sub(began))
					}
					if early == 0 {
						if len(calls) != 1 {
							t.Fatalf("repeat %d: %v leave after %s", i+1, endpointsOf(calls), want)
						}
						a.resolve(result{calls[0], lost})
					}
				}
			}
			b.commit(a)
			if got := kinds(b.fates(1)); !slices.Equal(got, []string{"e1 UNKNOWN"}) {
				t.Errorf("fates %v", got)
			}
		})
	}
}

// row says something of a user in the profile table.
func row(a *actor, user string, version int64, fields ...string) {
	ac := a.accounts["stub:k"]
	u := ac.users.Get(user)
	if u == nil {
		u = &tagsync.User{}
	}
	p := &intent.Profile{Version: version, Fields: map[string]intent.Value{}}
	for i := 0; i < len(fields); i += 2 {
		p.Fields[fields[i]] = intent.Value{Type: "string", Str: fields[i+1]}
	}
	u.Apply(p, version)
	ac.users.Put(user, u)
}

func forget(a *actor, user string) {
	a.forgetUser(told(1, "c", ledger.CmdForget, user, nil), &ledger.Answer{})
}

// A repeat may be what delivers: of a rule that was paused or killed since, of a push that has expired, to a user who has opted out or in quiet hours
// none leaves. Whoever was in the same call with such a member is called again without it, in their own time.
func TestNothingUnwantedIsMadeAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		expire time.Duration // of e1
		do     func(*actor)
		want   []string
	}{
		{"nobody asks the user any more", 30 * time.Minute, func(a *actor) { row(a, "u1", 2, "push_ok", "false") }, []string{"e1 UNKNOWN", "e2 SENT"}},
		{"user_when is not met any more", 30 * time.Minute, func(a *actor) { row(a, "u1", 2, "level", "none") }, []string{"e1 UNKNOWN", "e2 SENT"}},
		{"in quiet hours", 30 * time.Minute, func(a *actor) { passes(a, 3*time.Minute) }, []string{"e1 UNKNOWN", "e2 SENT"}},
		{"killed", 30 * time.Minute, func(a *actor) { a.kill(order(1, ledger.CmdKill, "r"), &ledger.Answer{}) }, []string{"e1 UNKNOWN", "e2 SENT"}},
		{"paused", 30 * time.Minute, func(a *actor) { a.pauseScope(order(1, ledger.CmdPause, "rule/r"), &ledger.Answer{}) }, []string{"e1 UNKNOWN", "e2 SENT"}},
		{"switched off in the rule files", 30 * time.Minute, func(a *actor) {
			a.opt.Live = func() *Live {
				return &Live{Set: "off", Rules: map[string]RuleStanding{"r": {Off: "mode: off"}, "s": {}}}
			}
		}, []string{"e1 UNKNOWN", "e2 SENT"}},
		{"removed from the rule files", 30 * time.Minute, func(a *actor) {
			a.opt.Live = func() *Live { return &Live{Set: "gone", Rules: map[string]RuleStanding{"s": {}}} }
		}, []string{"e1 UNKNOWN", "e2 SENT"}},
		{"expired", 10 * time.Second, func(a *actor) { passes(a, 20*time.Second) }, []string{"e1 UNKNOWN", "e2 SENT"}},
		{"forgotten", 30 * time.Minute, func(a *actor) { forget(a, "u1") }, []string{"e1 UNKNOWN", "e2 SENT"}},
		{"both forgotten", 30 * time.Minute, func(a *actor) { forget(a, "u1"); forget(a, "u2") }, []string{"e1 UNKNOWN", "e2 UNKNOWN"}},
		{"too late for all", 30 * time.Minute, func(a *actor) { passes(a, time.Hour) }, []string{"e1 UNKNOWN", "e2 UNKNOWN"}},
		{"neither", 30 * time.Minute, func(*actor) {}, []string{"e1 SENT", "e2 SENT"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(func(ac *Account, o *Options) {
				repeating(ac, o)
				o.Consent, o.Users = Consent{Marketing: "push_ok"}, func() Users { return stubUsers{} }
			})
			row(a, "u1", 1, "push_ok", "true", "level", "vip")
			now := a.clock.now()
			minute := now.UTC().Hour()*60 + now.UTC().Minute()
			for i, rule := range []string{"r", "s"} {
				in := b.intent(fmt.Sprint("e", i+1), rule, fmt.Sprint("u", i+1), intent.Push)
				in.Content.Body = rule
				if i == 0 {
					in.Policy.Expire = now.Add(tc.expire)
					in.Class, in.UserWhen = "marketing", "level is vip"
					in.Policy.Quiet = []intent.Quiet{{From: (minute + 2) % 1440, To: (minute + 100) % 1440}}
				}
				a.admit(in, b.offset)
			}
			first := a.plan()
			if got := endpointsOf(first); !slices.Equal(got, []string{"/batch2 try 1"}) {
				t.Fatalf("%v leave", got)
			}
			a.resolve(result{first[0], lost})
			b.commit(a)
			tc.do(a)
			for _, c := range due(a, first[0].lane) {
				for i, in := range c.vendor.Intents {
					if in.Target != c.vendor.Users[i] || c.items[i].p().Intent.ID != in.ID {
						t.Errorf("intents %v to users %v", c.vendor.Intents, c.vendor.Users)
					}
				}
				a.resolve(result{c, accepted})
			}
			b.commit(a)
			if got := kinds(b.fates(2)); !slices.Equal(got, tc.want) {
				t.Errorf("fates %v, want %v", got, tc.want)
			}
			unknown, st := 0, b.readLedger()
			for _, at := range st.Attempts { // for `attempts resolve`
				if at.Lane != first[0].lane.name { // of the tags of who is forgotten
					continue
				}
				unknown += len(at.Affected)
				if at.State != ledger.Unknown || len(at.Members) > 0 {
					t.Errorf("on record %+v", at)
				}
			}
			if want := strings.Count(strings.Join(tc.want, ""), "UNKNOWN"); unknown != want || len(st.Pending) != 0 {
				t.Errorf("attempts tell of %d UNKNOWN, want %d; %d pending", unknown, want, len(st.Pending))
			}
		})
	}
}

// A broadcast that waits to be made again is not, once a newer one of its merge key has left: users would see the older state last. Neither by the next
// owner, who never saw the newer one.
func TestAnOvertakenBroadcastIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		key   string
		keep  intent.Keep
		later bool // the older one waits for a person meanwhile, and leaves last
		next  bool // another owner makes it again
		want  []string
	}{
		{"the same key", "m", intent.KeepLatest, false, false, []string{"b1 UNKNOWN", "b2 SENT"}},
		{"the same key, the next owner", "m", intent.KeepLatest, false, true, []string{"b1 UNKNOWN", "b2 SENT"}},
		{"another key", "n", intent.KeepLatest, false, false, []string{"b1 SENT", "b2 SENT"}},
		{"another key, the next owner", "n", intent.KeepLatest, false, true, []string{"b1 SENT", "b2 SENT"}},
		{"the first counts", "m", intent.KeepFirst, false, false, []string{"b1 SENT", "b2 SENT"}},
		{"the older one leaves", "m", intent.KeepLatest, true, false, []string{"b1 SENT", "b2 SENT"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			scarce := func(ac *Account, o *Options) {
				repeating(ac, o)
				c := ac.Lanes["broadcast"]
				c.Limits = []quota.Limit{{N: 9, Window: time.Hour}}
				ac.Lanes["broadcast"] = c
			}
			a := b.byHand(scarce)
			l := a.accounts["stub:k"].lanes["broadcast"]
			take := func(event, key string, approval *intent.Approval) *item {
				in := b.intent(event, "r", intent.Everyone, intent.Broadcast)
				in.Merge, in.Policy.Approval = &intent.Merge{Key: key, Keep: tc.keep}, approval
				a.admit(in, b.offset)
				it := a.items[itemOf(in.ID)]
				if m := it.p().Merged; m != nil { // its window is over
					m.Closes = a.clock.now()
					a.gate(it)
				}
				return it
			}
			if tc.later {
				older := take("b1", "m", &intent.Approval{People: 1, Within: time.Hour})
				take("b2", "m", nil)
				a.resolve(result{a.plan()[0], lost})
				older.p().Intent.Policy.Approval = nil // somebody has approved it
				a.gate(older)
			} else {
				take("b1", "m", nil)
				a.resolve(result{a.plan()[0], lost})
				take("b2", tc.key, nil)
			}
			l.notBefore = time.Time{}
			for _, c := range a.plan() {
				a.resolve(result{c, accepted})
			}
			b.commit(a)
			if tc.next {
				clock := a.clock
				a = b.byHand(scarce)
				a.clock = clock
				l = a.accounts["stub:k"].lanes["broadcast"]
			}
			for _, c := range due(a, l) {
				a.resolve(result{c, accepted})
			}
			b.commit(a)
			got := kinds(b.fates(2))
			if slices.Sort(got); !slices.Equal(got, tc.want) {
				t.Errorf("fates %v, want %v", got, tc.want)
			}
		})
	}
}

// While it waits to be made again nothing touches it: it may have been sent.
func TestWhatMayHaveBeenSentIsTouchedByNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	l := a.accounts["stub:k"].lanes["user"]
	in := b.intent("e1", "r", "u", intent.Push)
	in.Policy.Expire = a.clock.now().Add(time.Hour)
	in.Policy.PerUser = []intent.Cap{{N: 1, In: time.Hour}}
	a.admit(in, b.offset)
	a.resolve(result{a.plan()[0], lost})
	it := a.items[itemOf(in.ID)]
	a.fire(alarm{timerKey{kind: expireItem}, it})
	a.fire(alarm{timerKey{kind: wakeItem}, it})
	var ans ledger.Answer
	a.kill(order(1, ledger.CmdKill, "r"), &ans)
	if it.state != inFlight || ans.Intents != 0 || ans.Flying != 1 {
		t.Fatalf("state %q, %d given up, %d told to be on their way", it.state, ans.Intents, ans.Flying)
	}
	a.revive(order(1, ledger.CmdRevive, "r"), &ans)
	for _, scope := range []string{"rule/r", "lane/main/user"} {
		ans = ledger.Answer{}
		if a.pauseScope(order(2, ledger.CmdPause, scope), &ans); ans.Flying != 1 {
			t.Errorf("paused %s: %d told to be on their way", scope, ans.Flying)
		}
		a.lift(scope)
	}
	calls := due(a, l)
	if len(calls) != 1 {
		t.Fatal("it is not made again")
	}
	a.resolve(result{calls[0], accepted})
	b.commit(a)
	if got := kinds(b.fates(1)); !slices.Equal(got, []string{"e1 SENT"}) {
		t.Errorf("fates %v", got)
	}
	if n := len(a.taken[takenID("stub:k", "rule/r", "u")].At); n != 1 {
		t.Errorf("it counts %d times for the user", n)
	}
}

// What could not be made again in its time is UNKNOWN, for a human.
func TestNotMadeAgainInItsTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	l := a.accounts["stub:k"].lanes["user"]
	b.push(a, "e1")
	a.resolve(result{a.plan()[0], lost})
	a.close(l, "breaker", "down")
	l.again[0].vendor.Began = a.clock.now().Add(-10 * time.Minute)
	if calls := a.plan(); len(calls) != 0 {
		t.Fatalf("%v leave", endpointsOf(calls))
	}
	b.commit(a)
	if got := kinds(b.fates(1)); !slices.Equal(got, []string{"e1 UNKNOWN"}) {
		t.Errorf("fates %v", got)
	}
	st := b.readLedger()
	for _, at := range st.Attempts {
		if at.State != ledger.Unknown || len(at.Affected) != 1 || len(at.Members) != 0 {
			t.Errorf("on record %+v", at)
		}
	}
	if len(st.Attempts) != 1 || len(st.Pending) != 0 {
		t.Errorf("%d attempts, %d pending on record", len(st.Attempts), len(st.Pending))
	}
}

// A call that has to wait does not hide the end of one behind it: what expires first is UNKNOWN first, and the actor looks in time.
func TestEachCallThatWaitsHasItsOwnEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	at := a.clock.machine()
	a.clock.machine = func() time.Time { return at }
	l := a.accounts["stub:k"].lanes["user"]
	b.push(a, "e1")
	first := a.plan()[0]
	in := b.intent("e2", "r", "u2", intent.Push)
	in.Policy.Expire = a.clock.now().Add(time.Minute)
	a.admit(in, b.offset)
	second := a.plan()[0]
	a.resolve(result{first, lost})
	a.resolve(result{second, lost})
	a.pauseScope(order(1, ledger.CmdPause, "lane/main/user"), &ledger.Answer{})
	at = at.Add(55 * time.Second) // both are due
	l.notBefore = time.Time{}
	if calls := a.plan(); len(calls) != 0 || a.wake.After(in.Policy.Expire) {
		t.Fatalf("%v leave a paused lane; the actor looks again %s after the second has expired", endpointsOf(calls), a.wake.Sub(in.Policy.Expire))
	}
	at = at.Add(5 * time.Second)
	a.plan()
	b.commit(a)
	if got := kinds(b.fates(1)); !slices.Equal(got, []string{"e2 UNKNOWN"}) {
		t.Errorf("fates %v", got)
	}
	if len(l.again) != 1 || l.again[0] != first {
		t.Errorf("%v wait", endpointsOf(l.again))
	}
}

// The next owner makes again what its predecessor had to, under the same try.
func TestTheNextOwnerMakesItAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	b.push(a, "e1")
	b.push(a, "e2")
	calls := a.plan()
	if got := endpointsOf(calls); !slices.Equal(got, []string{"/batch2 try 1"}) {
		t.Fatalf("%v leave", got)
	}
	first := *calls[0].vendor
	a.resolve(result{calls[0], lost})
	b.commit(a)
	a = b.byHand(repeating)
	calls = due(a, a.accounts["stub:k"].lanes["user"])
	if got := endpointsOf(calls); !slices.Equal(got, []string{"/batch2 try 2"}) {
		t.Fatalf("the next owner: %v leave", got)
	}
	v := calls[0].vendor
	if v.First != first.First || !v.Began.Equal(first.Began) || !slices.Equal(v.Users, first.Users) || v.Intents[1].Content.Body != first.Intents[1].Content.Body {
		t.Errorf("%+v, the first was %+v", v, first)
	}
	b.commit(a) // and dies with this try open
	a = b.byHand(repeating)
	for _, c := range a.calls {
		a.fire(alarm{timerKey: timerKey{settleCall, c.attempt.ID}})
	}
	calls = due(a, a.accounts["stub:k"].lanes["user"])
	if got := endpointsOf(calls); !slices.Equal(got, []string{"/batch2 try 3"}) {
		t.Fatalf("the third owner: %v leave", got)
	}
	a.resolve(result{calls[0], lost})
	b.commit(a)
	if got := kinds(b.fates(2)); !slices.Equal(got, []string{"e1 UNKNOWN", "e2 UNKNOWN"}) {
		t.Errorf("fates %v", got)
	}
}

// A call to an audience is repeated once at most, and each of its tries takes a slot; one that never left takes none.
func TestABroadcastIsMadeAgainOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	l := a.accounts["stub:k"].lanes["broadcast"]
	in := b.intent("b1", "r", intent.Everyone, intent.Broadcast)
	a.admit(in, b.offset)
	a.resolve(result{a.plan()[0], lost})
	calls := due(a, l)
	a.resolve(result{calls[0], Outcome{Class: ClassNotSent}})
	if u := a.used(l, a.clock.now()); u[0].Used != 1 {
		t.Errorf("%d slots used by one call that may have arrived", u[0].Used)
	}
	calls = due(a, l)
	if len(calls) != 1 || calls[0].vendor.Try != 2 {
		t.Fatalf("%v leave", endpointsOf(calls))
	}
	a.resolve(result{calls[0], lost})
	if u := a.used(l, a.clock.now()); u[0].Used != 2 {
		t.Errorf("%d slots used by two", u[0].Used)
	}
	if calls = due(a, l); len(calls) != 0 {
		t.Errorf("%v leave after the second", endpointsOf(calls))
	}
	b.commit(a)
	if got := kinds(b.fates(1)); !slices.Equal(got, []string{"b1 UNKNOWN"}) {
		t.Errorf("fates %v", got)
	}
}

// Which form a call takes: by how many wait, by their class, by whether they are equal.
func TestForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		class string
		equal int // with one content
		other int // each with its own
		want  []string
	}{
		{"one alone", "service", 1, 0, []string{"/single1 try 1"}},
		{"different texts", "service", 0, 3, []string{"/batch3 try 1"}},
		{"more than a batch", "service", 5, 0, []string{"/batch4 try 1", "/single1 try 1"}},
		{"equal and marketing", "marketing", 6, 0, []string{"/list6 try 1"}},
		{"too few equal", "marketing", 2, 1, []string{"/batch3 try 1"}},
		{"more than a list", "marketing", 12, 0, []string{"/list10 try 1", "/batch2 try 1"}},
		{"different and marketing", "marketing", 0, 4, []string{"/batch4 try 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(repeating)
			for i := range tc.equal + tc.other {
				in := b.intent(fmt.Sprint("e", i), "r", fmt.Sprint("u", i), intent.Push)
				in.Class = tc.class
				if i >= tc.equal {
					in.Content.Body = fmt.Sprint(i)
				}
				a.admit(in, b.offset)
			}
			calls := a.plan()
			if got := endpointsOf(calls); !slices.Equal(got, tc.want) {
				t.Fatalf("%v leave, want %v", got, tc.want)
			}
			for _, c := range calls {
				if c.attempt.Endpoint != c.vendor.Endpoint || len(c.vendor.Intents) != len(c.vendor.Users) {
					t.Errorf("%+v", c.attempt)
				}
				for i, in := range c.vendor.Intents {
					if in.Target != c.vendor.Users[i] {
						t.Errorf("%s's content is for %s", c.vendor.Users[i], in.Target)
					}
				}
			}
		})
	}
}

// A form whose own limit is used up rests; its users go by another until then.
func TestAFormRests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	l := a.accounts["stub:k"].lanes["user"]
	take := func(event string) {
		for i := range 4 {
			in := b.intent(fmt.Sprint(event, i), "r", fmt.Sprint("u", i), intent.Push)
			in.Class = "marketing"
			a.admit(in, b.offset)
		}
	}
	take("a")
	calls := a.plan()
	if got := endpointsOf(calls); !slices.Equal(got, []string{"/list4 try 1"}) {
		t.Fatalf("%v leave", got)
	}
	a.resolve(result{calls[0], Outcome{Class: ClassRetryLater, Wait: time.Hour, Alone: true}})
	calls = a.plan()
	if got := endpointsOf(calls); !slices.Equal(got, []string{"/batch4 try 1"}) {
		t.Fatalf("while lists rest %v leave", got)
	}
	a.resolve(result{calls[0], accepted})
	l.rest("/list", a.clock.now())
	take("b")
	if got := endpointsOf(a.plan()); !slices.Equal(got, []string{"/list4 try 1"}) {
		t.Fatalf("afterwards %v leave", got)
	}
}

// A batch that the vendor refuses for its minute may be more than a minute has: after the pause users go one by one, for as long again.
func TestABatchThatIsTooMuchForAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	at := a.clock.machine()
	a.clock.machine = func() time.Time { return at }
	take := func(event string) {
		for i := range 2 {
			b.push(a, fmt.Sprint(event, i))
		}
	}
	full := Outcome{Class: ClassRetryLater, Wait: time.Minute}
	for i, step := range []struct {
		after time.Duration
		o     Outcome
		want  []string
	}{
		{0, full, []string{"/batch2 try 1"}},
		{50 * time.Second, full, nil},
		{11 * time.Second, accepted, []string{"/single1 try 1", "/single1 try 1", "/single1 try 1", "/single1 try 1"}},
		{61 * time.Second, accepted, []string{"/batch2 try 1"}},
	} {
		at = at.Add(step.after)
		if i != 2 {
			take(fmt.Sprint("e", i, "-"))
		}
		calls := a.plan()
		if i == 1 {
			if len(calls) > 0 {
				t.Errorf("in the pause %v leave", endpointsOf(calls))
			}
			continue
		}
		if got := endpointsOf(calls); !slices.Equal(got, step.want) {
			t.Fatalf("step %d: %v leave, want %v", i, got, step.want)
		}
		for _, c := range calls {
			a.resolve(result{c, step.o})
		}
	}
}

// A batch that is made again and refused for a minute's limit goes in halves, each member under what it had: whole it might never get through, and all
// of them would be UNKNOWN. The next owner knows of those that still wait.
func TestABatchMadeAgainThatIsTooMuchForAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	for i := range 4 {
		b.push(a, fmt.Sprint("e", i))
	}
	full := Outcome{Class: ClassRetryLater, Wait: time.Minute}
	answer := func(o Outcome, want ...string) {
		t.Helper()
		calls := due(a, a.accounts["stub:k"].lanes["user"])
		if got := endpointsOf(calls); !slices.Equal(got, want) {
			t.Fatalf("%v leave, want %v", got, want)
		}
		b.commit(a)
		if n := len(b.readLedger().Pending); n != len(a.items) {
			t.Errorf("%d pending on record, %d here", n, len(a.items))
		}
		for _, c := range calls {
			a.resolve(result{c, o})
		}
		b.commit(a)
	}
	answer(lost, "/batch4 try 1")
	answer(full, "/batch4 try 2")
	answer(full, "/batch2 try 2")                      // half of it
	answer(accepted, "/batch2 try 2", "/batch1 try 2") // the others, and half of the half
	a = b.byHand(repeating)
	answer(accepted, "/batch1 try 3")
	if got := kinds(b.fates(4)); !slices.Equal(got, []string{"e0 SENT", "e1 SENT", "e2 SENT", "e3 SENT"}) || len(b.readLedger().Attempts) != 0 {
		t.Errorf("fates %v, on record %v", got, b.readLedger().Attempts)
	}
}

// A user is in a mixed call once, or the answer could not tell the two apart.
func TestAUserIsInACallOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	for i, u := range []string{"u", "u", "v"} {
		in := b.intent(fmt.Sprint("e", i), "r", u, intent.Push)
		in.Content.Body = fmt.Sprint(i)
		a.admit(in, b.offset)
	}
	var got []string
	for _, c := range a.plan() {
		got = append(got, fmt.Sprint(c.vendor.Users))
	}
	if !slices.Equal(got, []string{"[u v]", "[u]"}) && !slices.Equal(got, []string{"[u]", "[u v]"}) && !slices.Equal(got, []string{"[u]", "[u]", "[v]"}) {
		t.Errorf("calls to %v", got)
	}
}

// Each user of an accepted call has the fate of its own outcome; who was refused has the send given back.
func TestUsersOfOneCallHaveFatesOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	for _, id := range []string{"e1", "e2", "e3"} {
		in := b.intent(id, "r", "u-"+id, intent.Push)
		in.Content.Body = id
		in.Policy.PerUser = []intent.Cap{{N: 1, In: time.Hour}}
		a.admit(in, b.offset)
	}
	c := a.plan()[0]
	a.resolve(result{c, Outcome{Class: ClassOK, VendorID: "T", Users: map[string]UserOutcome{"u-e1": {VendorID: "T1"}, "u-e2": {Refused: true, Detail: "no such user"}}}})
	b.commit(a)
	fs := b.fates(3)
	if got := kinds(fs); !slices.Equal(got, []string{"e1 SENT", "e2 DEAD(rejected-by-vendor)", "e3 SENT"}) {
		t.Errorf("fates %v", got)
	}
	for _, f := range fs {
		want := map[string]string{"e1": "T1", "e2": "", "e3": "T"}[f.Event.ID]
		if f.VendorID != want || f.Endpoint != "/batch" || f.Attempt != c.attempt.ID || (f.Detail != "") != (f.Event.ID == "e2") {
			t.Errorf("%+v", f)
		}
	}
	for user, n := range map[string]int{"u-e1": 1, "u-e2": 0, "u-e3": 1} {
		got := 0
		if tk := a.taken[takenID("stub:k", "rule/r", user)]; tk != nil {
			got = len(tk.At)
		}
		if got != n {
			t.Errorf("%s: %d sends counted, want %d", user, got, n)
		}
	}
	if len(a.items) != 0 || a.pos.Fates != 3 {
		t.Errorf("%d pending, %d fates", len(a.items), a.pos.Fates)
	}
}

// A batch that is made again: who is not taken this time may have been sent to the time before. Nothing is given back, nothing leaves again,
// not by halves and not by another account, and a human decides on these alone.
func TestARefusedRepeatTakesNothingBack(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		again Outcome
		want  []string
	}{
		{"of all", Outcome{Class: ClassPermanent, Code: 20001, Detail: "parameter"}, []string{"e1 UNKNOWN", "e2 UNKNOWN", "e3 UNKNOWN"}},
		{"of one user", Outcome{Class: ClassOK, Users: map[string]UserOutcome{"u-e2": {Refused: true, Detail: "ignored"}}}, []string{"e1 SENT", "e2 UNKNOWN", "e3 SENT"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(repeating)
			l := a.accounts["stub:k"].lanes["user"]
			for _, id := range []string{"e1", "e2", "e3"} {
				in := b.intent(id, "r", "u-"+id, intent.Push)
				in.Content.Body = id
				in.Policy.PerUser = []intent.Cap{{N: 1, In: time.Hour}}
				in.Next = []string{"other"}
				a.admit(in, b.offset)
			}
			a.resolve(result{a.plan()[0], lost})
			again := due(a, l)
			if len(again) != 1 || again[0].vendor.Try != 2 {
				t.Fatalf("%v leave", endpointsOf(again))
			}
			a.resolve(result{again[0], tc.again})
			b.commit(a)
			if l.unclear != 0 || l.backoff != 0 {
				t.Errorf("the vendor has answered, and the lane counts %d ambiguous outcomes and pauses %s", l.unclear, l.backoff)
			}
			got := kinds(b.fates(3))
			if slices.Sort(got); !slices.Equal(got, tc.want) {
				t.Errorf("fates %v, want %v", got, tc.want)
			}
			for _, u := range []string{"u-e1", "u-e2", "u-e3"} {
				if tk := a.taken[takenID("stub:k", "rule/r", u)]; tk == nil || len(tk.At) != 1 {
					t.Errorf("%s: the send is not counted any more", u)
				}
			}
			if calls := due(a, l); len(calls) != 0 || len(a.items) != 0 {
				t.Errorf("%v leave, %d pending", endpointsOf(calls), len(a.items))
			}
			unknown := 0
			for _, w := range tc.want {
				if w[3:] == "UNKNOWN" {
					unknown++
				}
			}
			at := b.readLedger().Attempts[again[0].attempt.ID]
			if at == nil || at.State != ledger.Unknown || len(at.Affected) != unknown {
				t.Errorf("the attempt for a human is %+v", at)
			}
		})
	}
}

// A broadcast whose repeat is refused may have reached everybody.
func TestABroadcastWhoseRepeatIsRefusedIsUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	l := a.accounts["stub:k"].lanes["broadcast"]
	a.admit(b.intent("b1", "r", intent.Everyone, intent.Broadcast), b.offset)
	a.resolve(result{a.plan()[0], lost})
	a.resolve(result{due(a, l)[0], Outcome{Class: ClassPermanent, Code: 30016}})
	b.commit(a)
	if got := kinds(b.fates(1)); !slices.Equal(got, []string{"b1 UNKNOWN"}) {
		t.Errorf("fates %v", got)
	}
	if u := a.used(l, a.clock.now()); u[0].Used != 2 {
		t.Errorf("%d slots used by two calls that may have arrived", u[0].Used)
	}
}

// That users are not known says nothing of the lane, however many there are.
func TestUnknownUsersDoNotStopTheLane(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	l := a.accounts["stub:k"].lanes["user"]
	for i := range 2 * maxRefusals {
		b.push(a, fmt.Sprint("e", i))
		a.resolve(result{a.plan()[0], Outcome{Class: ClassPermanent, Target: true}})
	}
	if l.closed != nil || l.refusals != 0 || a.pos.Fates != 2*maxRefusals {
		t.Errorf("lane %+v, %d refusals, %d fates", l.closed, l.refusals, a.pos.Fates)
	}
}

// A vendor that says how long its limit stands is believed, also on a scarce lane.
func TestTheVendorsWaitIsObeyed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	lanes := a.accounts["stub:k"].lanes
	b.push(a, "e1")
	a.admit(b.intent("b1", "r", intent.Everyone, intent.Broadcast), b.offset)
	for _, c := range a.plan() {
		a.resolve(result{c, Outcome{Class: ClassRetryLater, Wait: time.Hour}})
	}
	for _, name := range []string{"user", "broadcast"} {
		if wait := lanes[name].notBefore.Sub(a.clock.now()); wait < 59*time.Minute || wait > time.Hour {
			t.Errorf("%s waits %s", name, wait)
		}
	}
	if n := len(a.items); n != 2 || len(a.plan()) != 0 {
		t.Errorf("%d pending", n)
	}
	if u := a.used(lanes["broadcast"], a.clock.now()); u[0].Used != 1 {
		t.Errorf("%d slots used: nobody else's is counted when the vendor says how long", u[0].Used)
	}
}

// An account whose vendor keeps no tags has the profile table all the same: its pushes ask it.
func TestAnAccountWithoutTagsKnowsItsUsers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	noTags := func(ac *Account, o *Options) {
		repeating(ac, o)
		for _, name := range []string{LaneTag, LaneTagBatch, LaneTagGet} {
			delete(ac.Lanes, name)
		}
		o.Users = func() Users { return stubUsers{} }
	}
	a := b.byHand(noTags)
	a.admit(b.profile("p1", "u", 1, map[string]string{"level": "vip", "city": "bj"}), b.offset)
	a.admit(b.profile("p0", "u", 0, map[string]string{"level": "none"}), b.offset)
	a.admit(b.profile("p2", "v", 1, map[string]string{"level": "none"}), b.offset)
	for _, u := range []string{"u", "v"} {
		in := b.intent("e-"+u, "r", u, intent.Push)
		in.UserWhen = "level is vip"
		a.admit(in, b.offset)
	}
	for _, c := range a.plan() {
		a.resolve(result{c, accepted})
	}
	b.commit(a)
	want := []string{"e-u SENT", "e-v SUPPRESSED(opted-out)", "p0 SUPPRESSED(stale)", "p1 SUPPRESSED(unchanged)", "p2 SUPPRESSED(unchanged)"}
	if got := kinds(b.fates(5)); !slices.Equal(got, want) || len(a.items) != 0 {
		t.Errorf("fates %v, want %v; %d pending", got, want, len(a.items))
	}
	a = b.byHand(noTags) // a take-over, and rules that changed since
	a.plan()
	if a.accounts["stub:k"].users.Len() != 2 || len(a.items) != 0 {
		t.Errorf("the next owner knows %v", a.accounts["stub:k"].users)
	}
	gone := b.profile("p3", "u", 2, nil)
	gone.Profile.Gone = true
	a.admit(gone, b.offset)
	if a.accounts["stub:k"].users.Get("u") != nil {
		t.Error("a user who is gone stays in the table")
	}
	b.commit(a)
}

// An extension of what is on its way changes nothing of the call: it is made again as it was, also by the next owner, since a vendor that
// drops repeats may take another text under the same id for another push. What comes back as not sent has the later expiry.
func TestAnExtensionDoesNotChangeWhatIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	at := a.clock.now().Add(time.Hour).UTC()
	in := b.intent("e1", "r", "u", intent.Push)
	in.Policy.Expire = at
	b.produce(in)
	a.admit(in, 0)
	a.pos.Next = 1
	first := a.plan()[0]
	extend := told(0, "c", ledger.CmdExtend, "r", map[string]string{ledger.ArgFor: "2h"})
	a.obey(extend)
	if got := first.vendor.Intents[0].Policy.Expire; !got.Equal(at) {
		t.Errorf("the call on its way expires %v", got)
	}
	a.resolve(result{first, lost})
	b.commit(a) // the extension is on record, the intent as it was
	for range 2 {
		a = b.byHand(repeating)
		a.writeExtended()
		b.commit(a)
	}
	calls := due(a, a.accounts["stub:k"].lanes["user"])
	if len(calls) != 1 || calls[0].vendor.Try != 2 || !calls[0].vendor.Intents[0].Policy.Expire.Equal(at) {
		t.Fatalf("%v leave, want the first once more, expiring %v: %+v", endpointsOf(calls), at, calls[0].vendor.Intents[0].Policy)
	}
	it := calls[0].items[0]
	if got := it.expire(); !got.Equal(at.Add(2 * time.Hour)) {
		t.Errorf("it expires %v", got)
	}
}

func TestWhatComesBackHasTheLaterExpiry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(repeating)
	at := a.clock.now().Add(time.Hour).UTC()
	in := b.intent("e1", "r", "u", intent.Push)
	in.Policy.Expire = at
	b.produce(in)
	a.admit(in, 0)
	a.pos.Next = 1
	first := a.plan()[0]
	a.obey(told(0, "c", ledger.CmdExtend, "r", map[string]string{ledger.ArgFor: "2h"}))
	a.writeExtended()
	a.resolve(result{first, Outcome{Class: ClassNotSent}})
	b.commit(a)
	calls := due(a, first.lane)
	b.commit(a)
	if got := calls[0].vendor.Intents[0].Policy.Expire; !got.Equal(at.Add(2 * time.Hour)) {
		t.Errorf("the next call expires %v", got)
	}
	a = b.byHand(repeating) // it is open
	for _, c := range a.calls {
		if got := c.vendor.Intents[0].Policy.Expire; !got.Equal(at.Add(2 * time.Hour)) {
			t.Errorf("for the next owner it expires %v", got)
		}
	}
	if len(a.calls) != 1 {
		t.Errorf("%d calls open", len(a.calls))
	}
}

// The copy of a lost ledger says that a push is to be made again, the fates say what became of it since: it is not made again. Of a call to
// two of which one has a fate the other is not made again either: as it was it cannot be.
func TestWhatHasAFateIsNotMadeAgainFromACopy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fated int
		open  bool // in the copy the call is on its way
	}{{1, false}, {2, false}, {1, true}, {2, true}} {
		fated := tc.fated
		b := setup(t)
		a := b.byHand(repeating)
		b.push(a, "e1")
		b.push(a, "e2")
		calls := a.plan()
		if got := endpointsOf(calls); !slices.Equal(got, []string{"/batch2 try 1"}) {
			t.Fatalf("%v leave", got)
		}
		if !tc.open {
			a.resolve(result{calls[0], lost})
		}
		b.commit(a)
		a = b.byHand(repeating)
		a.past = &past{before: 100, forgot: true, fated: map[intent.ID]bool{}, lost: map[string][]ledger.Fate{}}
		for _, it := range calls[0].items[:fated] {
			a.past.fated[it.p().Intent.ID] = true
		}
		a.sift()
		for _, c := range a.calls {
			a.fire(alarm{timerKey: timerKey{settleCall, c.attempt.ID}})
		}
		if calls := due(a, a.accounts["stub:k"].lanes["user"]); len(calls) != 0 {
			t.Errorf("%+v of 2 have a fate, and %v leave", tc, endpointsOf(calls))
		}
		a.writeForgotten()
		b.commit(a)
		if fated == 1 {
			if got := kinds(b.fates(1)); !slices.Equal(got, []string{"e2 UNKNOWN"}) {
				t.Errorf("fates %v", got)
			}
		}
		st := b.readLedger()
		for _, at := range st.Attempts {
			if at.State == ledger.Again {
				t.Errorf("still to be made again: %+v", at)
			}
		}
		if !st.Balanced() || len(st.Pending) != 0 {
			t.Errorf("%+v, %d pending", st.Position, len(st.Pending))
		}
	}
}

// What the copy of a lost ledger holds for an account that the settings did not have then is not sent either: they may have had it since.
func TestWhatACopyHoldsForAnAbsentAccountIsNotSent(t *testing.T) {
	t.Parallel()
	for _, fated := range []bool{true, false} {
		b := setup(t)
		a := b.byHand(nil)
		in := b.intent("e1", "r", "u1", intent.Push)
		in.Key = "stub:later"
		a.admit(in, b.offset)
		b.commit(a)
		a = b.byHand(func(ac *Account, o *Options) {
			found := *ac
			found.Name, found.Key = "later", "stub:later"
			o.Accounts = append(o.Accounts, &found)
		})
		a.past = &past{before: 100, forgot: true, fated: map[intent.ID]bool{in.ID: fated}, lost: map[string][]ledger.Fate{}}
		a.sift()
		a.apply()
		if calls := a.plan(); len(calls) != 0 {
			t.Errorf("with a fate on record %t: %v leave", fated, endpointsOf(calls))
		}
		b.commit(a)
		if st := b.readLedger(); !st.Balanced() || len(st.Pending) != 0 {
			t.Errorf("%+v, %d pending", st.Position, len(st.Pending))
		}
		if !fated {
			if got := kinds(b.fates(1)); !slices.Equal(got, []string{"e1 UNKNOWN"}) {
				t.Errorf("fates %v", got)
			}
		}
	}
}
