package dispatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// crossing is stage 2 of two accounts in virtual time, with everything that may cross a push or a broadcast on its way: owners that die before
// a commit, behind it and with calls open, answers that never come and calls that arrive late, operators, edited rule files, settings
// without an account. It keeps its own books of what left and what the vendors did, and compares.
type crossing struct {
	t    *testing.T
	r    *rand.Rand
	seed uint64
	at   time.Time
	a    *actor

	accounts []*Account
	paper    map[string][]byte // the ledger, as it was committed
	sheet    []func()          // written since
	topic    [][]byte
	made     map[string]*intent.Intent // by event, rule and target
	control  []ledger.Command
	fates    []ledger.Fate
	rules    map[string]*crossRule
	set      int
	calm     bool
	skewed   bool
	down     map[string]Outcome // accounts whose vendor refuses everybody

	flights  []*flight
	arriving []*flight
	arrived  []arrival
	done     map[intent.ID]int    // deliveries by intent
	firsts   map[intent.ID]string // what was said of members of calls that were done: a vendor drops them when they come again
	sends    []*crossSend
	held     map[string]bool      // rules that are paused
	resumed  map[string]time.Time // rules, by the end of their last pause
	newest   map[string]int64     // the newest broadcast that has left, by account and merge key
	n        int
	wave     int // of equal pushes, so many are still to come: lists take them
	log      []string
	said     *zap.Logger // what an owner logs; nil: nothing
}

type crossRule struct {
	revision, text int
	off            bool
	gone           bool
}

// flight is a call on its way.
type flight struct {
	c       *call
	id      string
	account string
	lane    string
	hears   time.Time // when its owner hears the outcome
	arrives time.Time // zero: never
	does    bool
	o       Outcome
	call    *Call
}

type arrival struct {
	at            time.Time
	account, lane string
	attempt       string
	listed        int // what a list takes of the day
}

// crossSend is one member of a call that left.
type crossSend struct {
	in      *intent.Intent
	at      time.Time
	attempt string
	no      bool // it certainly was not done
	slot    bool // but has used a slot
}

// crossVendor is one account's vendor: it only knows its routes.
type crossVendor struct{ x *crossing }

func (v crossVendor) Route(in *intent.Intent) (Route, error) {
	if in.Action == intent.Broadcast {
		return Route{Lane: "broadcast", Endpoint: "cast"}, nil
	}
	return Route{Lane: "user", Endpoint: "user", Users: true}, nil
}
func (crossVendor) ValidUser(string) error { return nil }
func (v crossVendor) Probe(context.Context, string) Outcome {
	if !v.x.calm && v.x.r.IntN(3) == 0 {
		return Outcome{Class: ClassUnknown}
	}
	return Outcome{Class: ClassOK}
}
func (crossVendor) Send(context.Context, *Call) Outcome { panic("calls leave by turn") }
func (crossVendor) ReadTags(context.Context, string, []string) (map[string][]string, Outcome) {
	panic("nobody's tags are read")
}

const crossTimeout = 6 * time.Second

var (
	crossClassCap = intent.Cap{N: 3, In: 5 * time.Hour}
	crossListDay  = quota.Limit{N: 12, Day: true, Zone: time.UTC}
)

func newCrossing(t *testing.T, seed uint64) *crossing {
	x := &crossing{t: t, r: rand.New(rand.NewPCG(seed, 11)), seed: seed, at: noon, paper: map[string][]byte{}, made: map[string]*intent.Intent{}, rules: map[string]*crossRule{},
		down: map[string]Outcome{}, done: map[intent.ID]int{}, firsts: map[intent.ID]string{}, held: map[string]bool{}, resumed: map[string]time.Time{}, newest: map[string]int64{}}
	limits := []quota.Limit{{N: 2, Window: time.Hour}, {N: 7, Day: true, Zone: time.UTC}}
	scarce := Policy{Limits: limits, MaxBatch: 1, Parallel: 1, Late: 5 * time.Minute, Audiences: true}
	twice := scarce
	twice.Tries, twice.Within = 2, 10*time.Minute
	recall := Policy{Limits: limits, MaxBatch: 1, Parallel: 1, Late: 5 * time.Minute, Endpoint: "recall"}
	x.accounts = []*Account{
		{Name: "main", Key: "stub:k", Vendor: crossVendor{x}, MaxTags: 20, Timeout: crossTimeout, MaxPushes: 25, MaxBroadcasts: 10, Brake: intent.Cap{N: 9, In: time.Hour}, Lanes: map[string]Policy{
			"user": {Rate: 4, MaxBatch: 3, Parallel: 2, Late: time.Minute}, "broadcast": scarce, LaneRecall: recall}},
		{Name: "spare", Key: "stub:s", Vendor: crossVendor{x}, MaxTags: 20, Timeout: crossTimeout, Brake: intent.Cap{N: 7, In: time.Hour}, Lanes: map[string]Policy{
			"user": {Rate: 4, MaxBatch: 1, Parallel: 2, Late: time.Minute, Tries: 3, Within: 10 * time.Minute, Forms: []Form{
				{Endpoint: "list", Least: 5, Most: 7, Class: "marketing", Weight: 1, Day: crossListDay, DayName: "list"},
				{Endpoint: "batch", Least: 2, Most: 3, Mixed: true, Weight: 2, Tries: 2},
				{Endpoint: "single", Least: 1, Most: 1, Tries: 3}}},
			"broadcast": twice, LaneRecall: recall}},
	}
	for i := range 4 {
		x.rules[fmt.Sprint("r", i)] = &crossRule{revision: 1}
	}
	x.begin()
	return x
}

func (x *crossing) failf(format string, args ...any) {
	x.t.Helper()
	x.t.Errorf("seed %d, %s: %s", x.seed, x.at.Sub(noon), fmt.Sprintf(format, args...))
}

func (x *crossing) note(format string, args ...any) {
	x.log = append(x.log, x.at.Sub(noon).String()+" "+fmt.Sprintf(format, args...))
}

// begin makes the next owner from what is on paper.
func (x *crossing) begin() {
	st := ledger.NewState()
	st.Genesis = &ledger.Genesis{V: ledger.Version, Partitions: 1, Incarnation: "cross", At: noon}
	for key, value := range x.paper {
		if err := st.Apply(key, value); err != nil {
			x.t.Fatal(err)
		}
	}
	if !st.Balanced() {
		x.failf("the books on paper do not balance: %+v, %d pending", st.Position, len(st.Pending))
	}
	accounts := x.accounts
	if !x.calm && x.r.IntN(6) == 0 {
		i := x.r.IntN(2)
		accounts = x.accounts[i : i+1]
	}
	opt := &Options{Accounts: accounts, Rules: func() Rules { return stubRules{} }, Render: render, Zone: time.UTC, Live: x.live, Again: x.again,
		Users: func() Users { return stubUsers{} }, ClassCaps: map[string]intent.Cap{"marketing": crossClassCap},
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: cmp.Or(x.said, zap.NewNop()), DuplicatesUsers: 3 * time.Hour, DuplicatesBroadcasts: 3 * time.Hour}
	x.sheet = nil
	x.a = newActorIn(crossBooks{x: x}, func() time.Time { return x.at }, opt, 0, &ledger.TakenOver{State: st, Broker: x.at, Local: x.at}, func(error) {})
	x.a.aside = func(_ time.Duration, do func(context.Context)) { do(x.a.ctx) }
	if x.a.sweepEach = 10 * time.Minute; x.calm {
		x.a.sweepEach = time.Hour
	}
	for i := st.Position.Next; i < int64(len(x.topic)); i++ {
		x.a.inbox.put([]*kgo.Record{{Offset: i, Value: x.topic[i]}})
	}
	for i := st.Position.Control; i < int64(len(x.control)); i++ {
		x.a.inbox.command(command{x.control[i], i})
	}
	x.note("an owner of %d accounts", len(accounts))
}

// die lets the owner die: nobody hears what is on its way.
func (x *crossing) die() {
	for _, f := range x.flights { // they may still arrive, or come later
		if f.does && f.arrives.After(x.at) && x.r.IntN(2) == 0 {
			x.late(f)
		}
	}
	x.arriving = slices.DeleteFunc(x.arriving, func(f *flight) bool { return f.arrives.IsZero() })
	x.flights = nil
	x.at = x.at.Add(2 * time.Second)
	x.begin()
}

func (x *crossing) live() *Live {
	l := &Live{Set: fmt.Sprint(x.set), Rules: map[string]RuleStanding{}}
	for name, r := range x.rules {
		if !r.gone {
			st := RuleStanding{Revision: fmt.Sprint(r.revision)}
			if r.off {
				st.Off = "mode: off"
			}
			l.Rules[name] = st
		}
	}
	return l
}

func (x *crossing) again(_ context.Context, ins []*intent.Intent) (out []Again, err error) {
	if !x.calm && x.r.IntN(8) == 0 {
		return nil, errors.New("the broker is away")
	}
	for _, in := range ins {
		r := x.rules[in.Rule]
		first := *x.made[in.Event.ID+in.Rule+in.Target]
		first.Content = x.content(&first, r)
		out = append(out, Again{Revision: fmt.Sprint(r.revision), Text: intent.Text(&first)})
	}
	return out, nil
}

func (x *crossing) content(in *intent.Intent, r *crossRule) *intent.Content {
	c := &intent.Content{Title: in.Rule, Body: fmt.Sprint("text ", r.text)}
	if in.Action == intent.Broadcast && in.Merge == nil {
		c.Title += in.Event.ID
	}
	return c
}

// crossBooks keeps what is written until the commit.
type crossBooks struct {
	unwritten
	x *crossing
}

func (b crossBooks) write(f func()) { b.x.sheet = append(b.x.sheet, f) }
func (b crossBooks) Put(key string, v any) {
	value, err := json.Marshal(v)
	if p, ok := v.(*ledger.Pending); ok {
		value, err = p.Encode()
	}
	if err != nil {
		b.x.t.Fatal(err)
	}
	b.write(func() { b.x.paper[key] = value })
}
func (b crossBooks) Delete(key string) { b.write(func() { delete(b.x.paper, key) }) }
func (b crossBooks) Fate(f ledger.Fate) {
	b.write(func() {
		b.x.fates = append(b.x.fates, f)
		for _, s := range b.x.sends { // a human knows that it was not sent
			if f.Resolves == ledger.FateUnknown && f.Fate == ledger.Suppressed && s.in.ID == f.Intent {
				s.no, s.slot = true, true
			}
		}
		b.x.note("fate %s %s(%s) %s %s", f.Intent, f.Fate, f.Reason, f.Attempt, f.Detail)
	})
}
func (b crossBooks) Intent(_ string, value []byte) {
	b.write(func() { b.x.produce(value) })
}
func (b crossBooks) Answer(_ string, v any) {
	ans := v.(ledger.Answer)
	b.write(func() { b.x.note("answer %s %v %s", ans.ID, ans.OK, ans.Text) })
}
func (b crossBooks) AppendTime(context.Context) (time.Time, error) {
	if b.x.skewed {
		return b.x.at.Add(-3 * time.Second), nil
	}
	return b.x.at, nil
}
func (b crossBooks) Dirty() bool { return true }
func (b crossBooks) Commit(_ context.Context, pos ledger.Position) error {
	b.Put("s", pos)
	for _, f := range b.x.sheet {
		f()
	}
	b.x.sheet = nil
	return nil
}

func (x *crossing) produce(value []byte) {
	x.topic = append(x.topic, value)
	x.a.inbox.put([]*kgo.Record{{Offset: int64(len(x.topic) - 1), Value: value}})
}

// turn does what the actor's loop does, and lets owners die in the middle.
func (x *crossing) turn() {
	var held []*flight // calls that the clocks held back
	for {
		x.arrive()
		for _, f := range held {
			x.heard(f)
		}
		held = nil
		for i := 0; i < len(x.flights); i++ {
			if f := x.flights[i]; !f.hears.After(x.at) {
				x.flights = slices.Delete(x.flights, i, i+1)
				i--
				x.heard(f)
				x.a.resolve(result{f.c, f.o})
			}
		}
		x.a.apply()
		calls := x.a.plan()
		if x.dies(60) {
			x.note("dies before the commit")
			x.die()
			continue
		}
		if !x.a.commit() {
			x.t.Fatal("the commit failed")
		}
		x.resumes()
		x.a.cool()
		for _, c := range calls {
			x.starts(c)
		}
		if len(calls) > 0 && x.dies(15) {
			x.note("dies before the calls leave")
			x.die()
			continue
		}
		planned := slices.Clone(calls)
		left := x.a.vetted(calls, x.at)
		for _, c := range left {
			x.leave(c)
		}
		for _, c := range planned {
			if !slices.Contains(left, c) {
				held = append(held, &flight{c: c, id: c.attempt.ID, o: Outcome{Class: ClassNotSent}})
			}
		}
		if x.dies(80) {
			x.note("dies")
			held = nil
			x.die()
			continue
		}
		x.a.inbox.mu.Lock()
		more := len(x.a.inbox.records) + len(x.a.inbox.commands)
		x.a.inbox.mu.Unlock()
		if len(calls) == 0 && len(x.a.results) == 0 && more == 0 && len(x.a.doomed) == 0 {
			if !x.calm || x.at.Truncate(time.Hour).Equal(x.at) {
				x.check()
			}
			return
		}
	}
}

func (x *crossing) dies(n int) bool { return !x.calm && x.r.IntN(n) == 0 }

// resumes notes rules that are let go.
func (x *crossing) resumes() {
	for name := range x.rules {
		_, held := x.paper["x/rule/"+name]
		if x.held[name] && !held {
			x.resumed[name] = x.at
		}
		x.held[name] = held
	}
}

// starts books the members of calls that are on record now.
func (x *crossing) starts(c *call) {
	at := c.attempt
	x.note("call %s %s/%s %s try %d %v", at.ID, c.lane.ac.Name, c.lane.name, at.Endpoint, c.vendor.Try, at.Members)
	if c.lane.name != LaneRecall && c.vendor.Try == 1 {
		for _, it := range c.items {
			x.allowed(c, it)
			x.sends = append(x.sends, &crossSend{in: it.p().Intent, at: at.At, attempt: at.ID})
		}
	}
	for _, it := range c.items {
		if m := it.p().Intent.Merge; m != nil && !it.route.Users && m.Keep != intent.KeepFirst {
			newest := x.newest[it.ac.Key+m.Key]
			if c.vendor.Try > 1 && it.order() < newest {
				x.failf("%s is made again, and a newer one of its merge key has left", it.id())
			}
			x.newest[it.ac.Key+m.Key] = max(newest, it.order())
		}
	}
	if c.vendor.Try > 1 {
		for i, it := range c.items {
			x.wanted(c, it)
			if c.vendor.Intents[i].ID != it.p().Intent.ID {
				x.failf("call %s says %s in the place of %s", at.ID, c.vendor.Intents[i].ID, it.p().Intent.ID)
			}
		}
	}
}

// wanted fails the test if nobody wants a member to be sent any more.
func (x *crossing) wanted(c *call, it *item) {
	in, now := it.p().Intent, c.attempt.At
	for _, scope := range []string{"all", "account/" + c.lane.ac.Name, "lane/" + c.lane.full(), "rule/" + in.Rule, "off/" + in.Rule} {
		if _, ok := x.paper["x/"+scope]; ok && !x.brakes(scope, now) {
			x.failf("%s leaves while %s is paused: %s", in.ID, scope, x.paper["x/"+scope])
		}
	}
	if quietUntil(in.Policy.Quiet, now, time.UTC).After(now) {
		x.failf("%s leaves in its quiet hours", in.ID)
	}
	if _, ok := x.paper["k/"+in.Rule]; ok {
		x.failf("%s leaves and its rule is killed", in.ID)
	}
	if r := x.rules[in.Rule]; r.off || r.gone {
		x.failf("%s leaves and its rule is %+v", in.ID, r)
	}
}

// allowed fails the test if a member may not leave.
func (x *crossing) allowed(c *call, it *item) {
	in, now := it.p().Intent, c.attempt.At
	pol := in.Policy
	if !pol.Expire.IsZero() && !pol.Expire.After(now) {
		x.failf("%s leaves at %s and expired at %s", in.ID, now, pol.Expire)
	}
	if pol.Approval != nil && !it.p().Approved() {
		x.failf("%s leaves without approval", in.ID)
	}
	x.wanted(c, it)
	full := func(what string, n int, since time.Time, of func(*crossSend) bool) {
		if got := x.sent(since, of); got >= n {
			x.failf("%s leaves, one too many: %s: %d since %s", in.ID, what, got, since)
		}
	}
	for _, c := range pol.PerUser {
		full("per user "+CapText(c), c.N, capStart(c, now, time.UTC), sameUser(in))
	}
	if in.Class == "marketing" && in.Action == intent.Push {
		full("class", crossClassCap.N, capStart(crossClassCap, now, time.UTC), sameClass(in))
	}
	for _, c := range pol.RuleCaps {
		full("rule "+CapText(c), c.N, capStart(c, now, time.UTC), sameRule(in))
	}
	if c := pol.Share; c != nil {
		full("share", c.N, capStart(*c, now, time.UTC), sameRule(in))
	}
	if o := pol.Once; o != nil {
		full("once", 1, now.Add(-o.In), sameOnce(in))
	}
	since := now.Add(-c.lane.ac.Brake.In)
	if at := x.resumed[in.Rule]; at.After(since) {
		since = at.Add(-1)
	}
	full("brake", c.lane.ac.Brake.N, since, sameRule(in))
}

// brakes reports whether a pause of this moment is a brake's: those beside the one too many leave.
func (x *crossing) brakes(scope string, now time.Time) bool {
	p := x.a.pauses[scope]
	return p.Brake && p.At.Equal(now)
}

func sameRule(in *intent.Intent) func(*crossSend) bool {
	return func(s *crossSend) bool { return s.in.Key == in.Key && s.in.Rule == in.Rule }
}
func sameUser(in *intent.Intent) func(*crossSend) bool {
	return func(s *crossSend) bool {
		return s.in.Action == intent.Push && s.in.Key == in.Key && s.in.Rule == in.Rule && s.in.Target == in.Target
	}
}
func sameClass(in *intent.Intent) func(*crossSend) bool {
	return func(s *crossSend) bool {
		return s.in.Action == intent.Push && s.in.Key == in.Key && s.in.Class == in.Class && s.in.Target == in.Target
	}
}
func sameOnce(in *intent.Intent) func(*crossSend) bool {
	return func(s *crossSend) bool {
		return s.in.Key == in.Key && s.in.Rule == in.Rule && s.in.Target == in.Target && s.in.Policy.Once != nil && s.in.Policy.Once.By == in.Policy.Once.By
	}
}

// sent counts what may have been sent after a time.
func (x *crossing) sent(since time.Time, of func(*crossSend) bool) (n int) {
	for _, s := range x.sends {
		if !s.no && s.at.After(since) && of(s) {
			n++
		}
	}
	return n
}

// leave lets a call leave; what becomes of it is thrown here.
func (x *crossing) leave(c *call) {
	v := *c.vendor
	v.Intents = slices.Clone(v.Intents)
	f := &flight{c: c, id: c.attempt.ID, account: c.lane.ac.Key, lane: c.lane.name, call: &v, hears: x.at}
	if x.r.IntN(2) == 0 {
		f.hears = x.at.Add(time.Duration(x.r.IntN(6000)) * time.Millisecond)
	}
	f.arrives = x.at.Add(time.Duration(x.r.Int64N(int64(f.hears.Sub(x.at)) + 1)))
	f.o, f.does = Outcome{Class: ClassOK}, true
	if v.Endpoint == "cast" {
		f.o.Sender, f.o.MessageUID = "system", "uid-"+f.id
	}
	down, isDown := x.down[c.lane.ac.Key]
	switch n := x.r.IntN(24); {
	case x.calm:
	case isDown && n < 16:
		f.o, f.does = down, false
		if down.Class == ClassNotSent {
			f.arrives = time.Time{}
		}
	case n < 3:
		f.o = Outcome{Class: ClassUnknown, Detail: "reset"}
		if n == 0 || c.lane.tries(v.Endpoint) > 1 {
			f.o.Class = ClassRetrySafe
		}
		x.late(f)
	case n < 5:
		f.o, f.does = Outcome{Class: ClassPermanent, Target: n == 3}, false
	case n < 6:
		f.o, f.does, f.arrives = Outcome{Class: ClassPermanent, Invalid: true}, false, time.Time{}
	case n < 8:
		f.o, f.does, f.arrives = Outcome{Class: ClassNotSent}, false, time.Time{}
	case n < 9:
		f.o, f.does = Outcome{Class: ClassRetryLater, Wait: time.Duration(x.r.IntN(100)) * time.Second, Alone: x.r.IntN(2) == 0}, false
	case n < 10 && len(v.Users) > 0 && c.lane.tries(v.Endpoint) < 2: // it would say so each time
		f.o.Users = map[string]UserOutcome{v.Users[x.r.IntN(len(v.Users))]: {Refused: true}}
	}
	x.flights = append(x.flights, f)
	if !f.arrives.IsZero() {
		x.arriving = append(x.arriving, f)
	}
}

// late lets a call arrive as late as it may, or never.
func (x *crossing) late(f *flight) {
	f.arrives = time.Time{}
	if x.r.IntN(3) > 0 {
		left := f.c.deadline.Add(f.c.lane.Late).Sub(x.at)
		f.arrives = x.at.Add(time.Duration(x.r.Int64N(int64(left))))
		f.does = x.r.IntN(4) > 0
	}
}

func (x *crossing) arrive() {
	for i := 0; i < len(x.arriving); i++ {
		f := x.arriving[i]
		if f.arrives.IsZero() || f.arrives.After(x.at) {
			continue
		}
		x.arriving = slices.Delete(x.arriving, i, i+1)
		i--
		v := arrival{at: f.arrives, account: f.account, lane: f.lane, attempt: f.id}
		if f.call.Endpoint == "list" {
			v.listed = len(f.call.Users) + 1
		}
		x.arrived = append(x.arrived, v)
		if f.does {
			x.do(f)
		}
	}
}

func (x *crossing) do(f *flight) {
	v := f.call
	if v.Recall != nil {
		return
	}
	for _, in := range v.Intents {
		if f.o.Users[in.Target].Refused {
			continue
		}
		if f.c.lane.tries(v.Endpoint) > 1 {
			said := in.Content.Body + in.Policy.Expire.String()
			if before, ok := x.firsts[in.ID]; ok {
				if before != said {
					x.failf("%s says %q of %s again, it was %q", f.id, said, in.ID, before)
				}
				continue
			}
			x.firsts[in.ID] = said
		}
		if x.done[in.ID]++; x.done[in.ID] > 1 {
			x.failf("%s is delivered twice", in.ID)
		}
	}
	x.note("done %s", f.id)
}

// heard books an outcome, in the commit in which its owner does.
func (x *crossing) heard(f *flight) {
	x.note("heard %s: %s", f.id, f.o.Class)
	if f.c.vendor.Try > 1 {
		return // whatever it says, it says nothing of the first try
	}
	o := f.o
	x.sheet = append(x.sheet, func() {
		for _, s := range x.sends {
			if s.attempt != f.id {
				continue
			}
			switch o.Class {
			case ClassOK:
				s.no = o.Users[s.in.Target].Refused
			case ClassPermanent, ClassConfig, ClassRetryLater:
				s.no, s.slot = true, !o.Invalid
			case ClassNotSent:
				s.no = true
			}
		}
	})
}

// check compares the actor's books with ours.
func (x *crossing) check() {
	a := x.a
	now := a.clock.now()
	if n := a.pos.Intents - a.pos.Fates; n != int64(len(a.items)) {
		x.failf("%d intents have no fate, and %d wait", n, len(a.items))
	}
	in := map[*item]int{}
	for _, c := range a.calls {
		for _, it := range c.items {
			in[it]++
		}
	}
	backlogs, mayGive := map[*backlog]int{}, map[*item]bool{}
	for _, ac := range a.accounts {
		for _, it := range slices.Concat(ac.pushes.heap, ac.casts.heap) {
			mayGive[it] = true
		}
		for _, l := range ac.lanes {
			for _, c := range l.again {
				for _, it := range c.items {
					in[it]++
				}
			}
			running := 0
			for _, c := range a.calls {
				if c.lane == l {
					running++
				}
			}
			if running != l.running {
				x.failf("lane %s: %d calls run, it counts %d", l.full(), running, l.running)
			}
			n := 0
			for _, g := range l.queue.groups {
				m := 0
				for _, it := range g.items {
					if it.group == g {
						m++
						in[it]++
					}
				}
				if m != int(g.n) {
					x.failf("lane %s: a group of %d counts %d", l.full(), m, g.n)
				}
				n += m
			}
			if n != l.queue.n || len(l.queue.heap) != len(l.queue.groups) {
				x.failf("lane %s: %d wait in %d groups, it counts %d in %d", l.full(), n, len(l.queue.groups), l.queue.n, len(l.queue.heap))
			}
			for _, it := range slices.Concat(append(l.halves, l.casts)...) {
				in[it]++
			}
		}
	}
	for _, it := range a.items {
		want := 0
		switch it.state {
		case inFlight, queued:
			want = 1
		case merging, quiet, approval:
			if _, ok := a.timers.wakesAt(it); !ok {
				x.failf("%s is %s and nothing wakes it", it.id(), it.state)
			}
		}
		if it.ac != nil {
			if b := it.ac.backlog(it); b != nil {
				backlogs[b]++
				if !mayGive[it] {
					x.failf("%s is never asked to give way", it.id())
				}
			}
		} else if it.state == inFlight {
			want = 0
		}
		if in[it] != want {
			x.failf("%s is %s (%s) and stands in %d places", it.id(), it.state, it.doom(), in[it])
		}
		if it.state == queued && a.pausedItem(it) && a.pausedRule(it.p().Intent) && !slices.ContainsFunc(it.ac.lanes[it.route.Lane].halves, func(h []*item) bool { return slices.Contains(h, it) }) {
			x.failf("%s is in the queue and its rule is paused", it.id())
		}
	}
	for _, ac := range a.accounts {
		if backlogs[&ac.pushes] != ac.pushes.n || backlogs[&ac.casts] != ac.casts.n {
			x.failf("account %s counts %d pushes and %d broadcasts, there are %d and %d", ac.Name, ac.pushes.n, ac.casts.n, backlogs[&ac.pushes], backlogs[&ac.casts])
		}
		for key, it := range ac.merges {
			if it.state != merging {
				x.failf("%s is an open merge of %s and %s", it.id(), key, it.state)
			}
		}
	}
	x.checkCounts(now)
	x.checkCharges()
}

// checkCounts holds the limits' counts against what left: never too few, nor too many for what was not done.
func (x *crossing) checkCounts(now time.Time) {
	asked := map[string]bool{}
	for _, s := range x.sends {
		in := s.in
		count := func(what string, got, least, most int) {
			if got < least || got > most {
				x.failf("%s of %s: %d are counted, %d to %d left", what, in.ID, got, least, most)
			}
		}
		fresh := func(key string) bool {
			if asked[key] {
				return false
			}
			asked[key] = true
			return true
		}
		taken := func(scope string, c intent.Cap, of func(*crossSend) bool) {
			if in.Action != intent.Push || !fresh(in.Key+scope+in.Target+CapText(c)) {
				return
			}
			since, got := capStart(c, now, time.UTC), 0
			if t := x.a.taken[takenID(in.Key, scope, in.Target)]; t != nil {
				for _, at := range t.At {
					if at.After(since) {
						got++
					}
				}
			}
			n := x.sent(since, of)
			count(scope, got, n, n)
		}
		for _, c := range in.Policy.PerUser {
			taken("rule/"+in.Rule, c, sameUser(in))
		}
		if in.Class == "marketing" {
			taken("class/marketing", crossClassCap, sameClass(in))
		}
		for _, c := range in.Policy.RuleCaps {
			if !fresh(in.Key + in.Rule + CapText(c)) {
				continue
			}
			since := capStart(c, now, time.UTC)
			count("rule", sentSince(x.a.sends[in.Key+"/"+in.Rule+"/"+window(c)], since), x.sent(since, sameRule(in)), x.sent(since.Add(-c.In/ledger.SendsParts), sameRule(in)))
		}
		if c := in.Policy.Share; c != nil && fresh(in.Key+in.Rule+"share") {
			since := capStart(*c, now, time.UTC)
			got := sentSince(x.a.sends[in.Key+"/"+in.Rule+"/"+shareCount(*c)], since)
			slots := 0
			for _, s := range x.sends {
				if (!s.no || s.slot) && s.at.After(since.Add(-c.In/ledger.SendsParts)) && sameRule(in)(s) {
					slots++
				}
			}
			count("share", got, x.sent(since, sameRule(in)), slots)
		}
		if o := in.Policy.Once; o != nil && fresh(in.Key+in.Rule+in.Target+o.By) {
			got := 0
			if rec, ok := x.a.once[onceKey(in.Key, in)]; ok && rec.Until.After(now) {
				got = 1
			}
			n := x.sent(now.Add(-o.In), sameOnce(in))
			count("once", got, n, n)
		}
	}
}

// checkCharges holds what the scarce lanes are charged with against what arrived.
func (x *crossing) checkCharges() {
	for _, v := range x.arrived {
		if v.lane == "user" || x.at.Sub(v.at) > 47*time.Hour {
			continue
		}
		at := x.a.kept[v.attempt]
		if at == nil || at.State == ledger.NotSent || at.Weight < 1 {
			x.failf("call %s arrived at %s and is not charged: %+v", v.attempt, v.at.Sub(noon), at)
			continue
		}
		if ac := x.a.accounts[v.account]; ac != nil {
			if ch := ChargeOf(at, ac.lanes[v.lane].Policy); v.at.Before(ch.From.Add(-maxSkew)) || v.at.After(ch.To.Add(maxSkew)) {
				x.failf("call %s arrived at %s, its charge is of %s to %s", v.attempt, v.at, ch.From, ch.To)
			}
		}
	}
}

// quotas fails the test if more arrived than the vendors allow.
func (x *crossing) quotas() {
	by := map[string][]time.Time{}
	for _, v := range x.arrived {
		if v.lane != "user" {
			by[v.account+"/"+v.lane] = append(by[v.account+"/"+v.lane], v.at)
		}
	}
	days := map[time.Time]int{}
	for _, v := range x.arrived {
		if day := v.at.Truncate(24 * time.Hour); v.listed > 0 {
			if days[day] += v.listed; days[day] > crossListDay.N {
				x.failf("lists took %d of the day of %s", days[day], v.at)
			}
		}
	}
	for lane, ats := range by {
		slices.SortFunc(ats, time.Time.Compare)
		for i, at := range ats {
			hour, day := 0, 0
			for _, b := range ats[:i+1] {
				if at.Sub(b) < time.Hour {
					hour++
				}
				if at.Truncate(24 * time.Hour).Equal(b.Truncate(24 * time.Hour)) {
					day++
				}
			}
			if hour > 2 || day > 7 {
				x.failf("lane %s: %d arrived in the hour and %d on the day of %s", lane, hour, day, at)
			}
		}
	}
}

// to moves on; what becomes due happens in its moment.
func (x *crossing) to(by time.Duration) {
	for end := x.at.Add(by); ; {
		next := x.a.nextChore()
		sooner := func(at time.Time) {
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if at, ok := x.a.timers.next(); ok {
			sooner(at)
		}
		sooner(x.a.wake)
		for _, f := range x.flights {
			sooner(f.hears)
		}
		for _, f := range x.arriving {
			sooner(f.arrives)
		}
		if least := x.at.Add(time.Millisecond); next.Before(least) {
			next = least
		}
		if next.After(end) {
			if end.After(x.at) {
				x.at = end
			}
			return
		}
		x.at = next
		if x.turn(); x.t.Failed() {
			return
		}
	}
}

// event makes an intent of a random rule, as its files say it now.
func (x *crossing) event() {
	x.n++
	rule := fmt.Sprint("r", x.r.IntN(4))
	if x.wave > 0 {
		rule = "r0"
	}
	r := x.rules[rule]
	if r.off || r.gone {
		return
	}
	in := &intent.Intent{V: intent.Version, Event: intent.EventRef{ID: fmt.Sprint("e", x.n), Type: "e", Time: x.at.UTC(), Topic: "t", Offset: int64(x.n)}, Rule: rule, Account: "main", Key: "stub:k",
		Action: intent.Push, Target: fmt.Sprint("u", x.r.IntN(9)), Revision: fmt.Sprint(r.revision)}
	if x.r.IntN(20) == 0 && x.n > 5 {
		in.Event.ID = fmt.Sprint("e", x.n-x.r.IntN(5))
	}
	if x.r.IntN(2) == 0 {
		in.Next = []string{"spare"}
	}
	if x.r.IntN(3) == 0 {
		in.Account, in.Key, in.Next = "spare", "stub:s", nil
	}
	in.Policy.Priority = intent.Priority(x.r.IntN(3))
	if x.wave > 0 {
		in.Account, in.Key, in.Next, in.Target, in.Policy.Priority = "spare", "stub:s", nil, fmt.Sprint("u", x.wave), 1
	}
	if x.r.IntN(3) == 0 {
		in.Policy.Expire = x.at.Add(time.Duration(1+x.r.IntN(180)) * time.Minute).UTC()
	}
	switch rule {
	case "r0":
		in.Class = "marketing"
		in.Policy.PerUser = []intent.Cap{{N: 2, In: 2 * time.Hour}, {N: 5, Each: "day"}}
		if x.wave == 0 && x.r.IntN(2) == 0 {
			in.Policy.Quiet = []intent.Quiet{{From: 13 * 60, To: 14 * 60}, {From: 22 * 60, To: 8 * 60}}
		}
	case "r1":
		in.Class = "marketing"
		in.Policy.RuleCaps = []intent.Cap{{N: 8, In: 3 * time.Hour}, {N: 20, Each: "day"}}
		in.Policy.Once = &intent.Once{By: fmt.Sprint(x.r.IntN(2)), In: 90 * time.Minute}
		if x.r.IntN(3) == 0 {
			in.Merge = &intent.Merge{Key: rule + in.Target, Wait: 5 * time.Minute, Keep: []intent.Keep{intent.KeepLatest, intent.KeepFirst}[x.r.IntN(2)], Extend: x.r.IntN(2) == 0, MaxWait: 20 * time.Minute,
				Vars: map[string]any{"x": fmt.Sprint(x.n)}}
		}
	case "r2", "r3":
		in.Action, in.Target, in.Audience = intent.Broadcast, intent.Everyone, &intent.Audience{AllOf: []string{"x"}}
		if rule == "r2" {
			in.Policy.Share = &intent.Cap{N: 2, In: 3 * time.Hour}
			in.Policy.DropNoQuota = x.r.IntN(3) == 0
			in.Policy.RuleCaps = []intent.Cap{{N: 6, Each: "day"}}
			if x.r.IntN(3) == 0 {
				in.Policy.Approval = &intent.Approval{People: 1 + x.r.IntN(2), Within: 2 * time.Hour}
			}
		} else {
			in.Merge = &intent.Merge{Key: fmt.Sprint(rule, x.r.IntN(2)), Wait: time.Duration(x.r.IntN(3)) * 5 * time.Minute, Keep: []intent.Keep{intent.KeepLatest, intent.KeepFirst}[x.r.IntN(2)], Vars: map[string]any{"x": fmt.Sprint(x.n)}}
		}
	}
	in.Content = x.content(in, r)
	in.ID = intent.MakeID(in.Position(), in.Rule, in.Target)
	key := in.Event.ID + in.Rule + in.Target
	if x.made[key] == nil {
		x.made[key] = in
	}
	b, err := in.Encode()
	if err != nil {
		x.t.Fatal(err)
	}
	x.note("event %s %s -> %v, %+v", in.ID, in.Event.ID, in.Next, in.Policy)
	x.produce(b)
}

// tell gives a command.
func (x *crossing) tell(cmd, target string, args map[string]string, expect, by string) {
	c := ledger.Command{V: 1, ID: fmt.Sprint("c", len(x.control)), Cmd: cmd, Target: target, Args: args, Expect: expect, By: by, Why: "why", At: x.at.UTC()}
	x.note("%s %s %s %v", c.ID, cmd, target, args)
	x.control = append(x.control, c)
	x.a.inbox.command(command{c, int64(len(x.control) - 1)})
}

// some gives one of what a map holds, whatever its order.
func some[V any](r *rand.Rand, m map[string]V, is func(V) bool) (key string, v V) {
	var keys []string
	for k := range m {
		if is(m[k]) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return "", v
	}
	slices.Sort(keys)
	key = keys[r.IntN(len(keys))]
	return key, m[key]
}

func (x *crossing) byID() map[string]*item {
	out := map[string]*item{}
	for _, it := range x.a.items {
		out[string(it.id())] = it
	}
	return out
}

func (x *crossing) operate() {
	rule := fmt.Sprint("r", x.r.IntN(4))
	scopes := []string{"all", "broadcasts", "account/main", "lane/main/user", "lane/spare/broadcast", "rule/" + rule, "rule/" + rule, "rule/" + rule}
	switch x.r.IntN(14) {
	case 0:
		x.tell(ledger.CmdPause, scopes[x.r.IntN(len(scopes))], nil, "", "li")
	case 1, 2, 3:
		scope, _ := some(x.r, x.a.pauses, func(ledger.Pause) bool { return true })
		if scope == "" {
			scope = "all"
		}
		args := map[string]string{}
		if x.r.IntN(3) == 0 {
			args[ledger.ArgSend] = ledger.SendOld
		}
		x.tell(ledger.CmdResume, strings.Replace(scope, "off/", "rule/", 1), args, "", "li")
	case 4:
		if x.r.IntN(3) == 0 {
			x.tell(ledger.CmdKill, rule, nil, "", "li")
		}
	case 5:
		x.tell(ledger.CmdRevive, rule, nil, "", "li")
	case 6:
		x.tell(ledger.CmdExtend, rule, map[string]string{ledger.ArgFor: "45m"}, "", "li")
	case 7:
		if id, it := some(x.r, x.byID(), func(*item) bool { return true }); id != "" {
			x.tell(ledger.CmdCancel, id, map[string]string{ledger.ArgAccount: it.p().Intent.Key}, "", "li")
		}
	case 8, 9:
		if id, it := some(x.r, x.byID(), func(it *item) bool { return it.p().AwaitsApproval() }); id != "" {
			cmd := ledger.CmdApprove
			if x.r.IntN(5) == 0 {
				cmd = ledger.CmdReject
			}
			x.tell(cmd, id, map[string]string{ledger.ArgAccount: it.p().Intent.Key}, it.p().Mark(), []string{"li", "wang"}[x.r.IntN(2)])
		}
	case 10:
		scarce := x.r.IntN(2) == 0
		if id, _ := some(x.r, x.a.kept, func(at *ledger.Attempt) bool { return at.State == ledger.Unknown && (at.Lane != "user" || !scarce) }); id != "" {
			x.tell(ledger.CmdResolve, id, map[string]string{"as": []string{"sent", "not-sent"}[x.r.IntN(2)]}, "", "li")
		}
	case 11:
		key := []string{"stub:k", "stub:s"}[x.r.IntN(2)]
		x.tell(ledger.CmdCharge, key+"/broadcast", map[string]string{ledger.ArgAccount: key, ledger.ArgCount: "1", ledger.ArgAt: x.at.Add(-time.Minute).UTC().Format(time.RFC3339Nano)}, "", "li")
	case 12:
		if id, _ := some(x.r, x.a.kept, func(at *ledger.Attempt) bool { return at.MessageUID != "" }); id != "" {
			x.tell(ledger.CmdRecall, id, nil, "", "li")
		}
	case 13:
		r := x.rules[rule]
		x.set++
		switch x.r.IntN(4) {
		case 0:
			r.revision++
			r.text = x.r.IntN(2)
		case 1:
			r.revision++
		case 2:
			r.off = !r.off
		case 3:
			r.gone = !r.gone
		}
		x.note("edit %s: %+v", rule, *r)
	}
}

// Whatever crosses on the way of a push or a broadcast, each intent has one fate, and a true one; nothing is delivered twice, no limit is passed,
// none counts what was not done, every call that may have arrived is charged, and in the end nothing waits.
func TestWhateverCrossesEveryIntentHasOneTrueFate(t *testing.T) {
	for seed := range seeds(5) {
		if x := crossRun(t, seed); t.Failed() {
			for _, l := range x.log {
				t.Log(l)
			}
			return
		}
	}
}

// crossRun lets a day or two of one seed go by.
func crossRun(t *testing.T, seed uint64) *crossing {
	x := newCrossing(t, seed)
	for range 120 {
		for range x.r.IntN(5) * (1 + 3*(x.r.IntN(8)/7)) {
			x.event()
		}
		if x.r.IntN(6) == 0 {
			for x.wave = 6; x.wave > 0; x.wave-- {
				x.event()
			}
		}
		if x.r.IntN(3) > 0 {
			x.operate()
		}
		switch x.r.IntN(12) {
		case 0:
			x.down[[]string{"stub:k", "stub:s"}[x.r.IntN(2)]] = []Outcome{{Class: ClassConfig}, {Class: ClassConfig, Service: true}, {Class: ClassNotSent}, {Class: ClassUnknown}, {Class: ClassPermanent}, {Class: ClassRetryLater}}[x.r.IntN(6)]
		case 1, 2, 3:
			clear(x.down)
		case 4:
			x.skewed = !x.skewed && x.r.IntN(3) == 0
		case 5:
			x.die()
		}
		if x.turn(); t.Failed() {
			break
		}
		if x.to([]time.Duration{time.Duration(x.r.IntN(3000)) * time.Millisecond, time.Duration(x.r.IntN(300)) * time.Second, time.Duration(x.r.IntN(3000)) * time.Second}[cmp.Compare(x.r.IntN(6), 3)+1]); t.Failed() {
			break
		}
	}
	if !t.Failed() {
		x.rest()
	}
	return x
}

// rest lets all that holds go and looks at what became of everything.
func (x *crossing) rest() {
	x.calm, x.skewed = true, false
	x.set++
	for _, r := range x.rules {
		r.off, r.gone = false, false
	}
	x.die()
	x.turn()
	for _, scope := range slices.Sorted(maps.Keys(x.a.pauses)) {
		if !strings.HasPrefix(scope, "off/") {
			x.tell(ledger.CmdResume, scope, nil, "", "li")
		}
	}
	x.turn()
	for range 60 {
		if x.to(time.Hour); x.t.Failed() {
			return
		}
		for _, scope := range slices.Sorted(maps.Keys(x.a.pauses)) { // the brake
			x.tell(ledger.CmdResume, scope, nil, "", "li")
		}
		x.turn()
	}
	for _, it := range x.a.items {
		x.failf("%s waits for ever: %s in lane %s", it.id(), it.state, it.route.Lane)
	}
	fate := map[intent.ID]ledger.Fate{}
	ids := map[intent.ID]bool{}
	for _, f := range x.fates {
		if f.Resolves != "" {
			continue
		}
		if old, ok := fate[f.Intent]; ok {
			x.failf("%s has two fates: %s and %s", f.Intent, old.Fate, f.Fate)
		}
		fate[f.Intent] = f
	}
	for _, value := range x.topic {
		in, err := intent.Decode(value)
		if err != nil {
			x.t.Fatal(err)
		}
		ids[in.ID] = true
		f, ok := fate[in.ID]
		switch n := x.done[in.ID]; {
		case !ok:
			x.failf("%s has no fate", in.ID)
		case f.Fate == ledger.Sent && n != 1:
			x.failf("%s is SENT and was delivered %d times", in.ID, n)
		case f.Fate != ledger.Sent && f.Fate != ledger.FateUnknown && n != 0:
			x.failf("%s is %s(%s) and was delivered", in.ID, f.Fate, f.Reason)
		}
	}
	if len(ids) != len(fate) {
		x.failf("%d intents and %d fates", len(ids), len(fate))
	}
	for _, f := range fate {
		if f.Fate == ledger.Coalesced && !ids[f.Into] {
			x.failf("%s is COALESCED into %q, which does not exist", f.Intent, f.Into)
		}
	}
	x.quotas()
}

// A resolution keeps the charge, also where this owner's settings lack the account: the next ones may have it again, and the vendor has counted the call.
func TestWhatIsResolvedStaysChargedWhereItsAccountIsMissing(t *testing.T) {
	x := newCrossing(t, 0)
	x.calm = true
	at := &ledger.Attempt{V: ledger.Version, ID: "cross-0-7", Account: "stub:k", Lane: "broadcast", State: ledger.Unknown, At: x.at, NotAfter: x.at, Until: x.at, Weight: 1}
	x.a.w.Put(ledger.AttemptKey(at.ID), at)
	x.turn()
	both := x.accounts
	x.accounts = both[1:]
	x.begin()
	x.tell(ledger.CmdResolve, at.ID, map[string]string{"as": "sent"}, "", "li")
	x.turn()
	x.accounts = both
	x.begin()
	l := x.a.accounts["stub:k"].lanes["broadcast"]
	if got := x.a.used(l, x.a.clock.now())[0].Used; got != 1 || x.a.kept[at.ID].State != ledger.Resolved {
		t.Errorf("%d slots are used after the resolution, want 1", got)
	}
}
