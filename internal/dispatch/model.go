package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// Model is stage 2 in virtual time: the actor that the daemon runs, with its gates, lanes, quota and merges, but without Kafka, without
// a goroutine and without a vendor. Time stands still until Advance moves it, and a call has its outcome in the moment it leaves. It is
// what `test`, `explain` and `backtest` ask: nothing can be sent from it. Not for use by several goroutines.
type Model struct {
	a   *actor
	at  time.Time
	seq int64 // of the next intent, as its offset would be
	end ModelEnd

	handed []*intent.Intent // to the next account of their rule, until they are taken in
}

// ModelEnd is what stands around a Model instead of a vendor and the topics.
type ModelEnd struct {
	Send func(Departure) Outcome // nil: every call is accepted
	Fate func(ledger.Fate)       // nil: nobody asks
}

// Departure is a call that leaves.
type Departure struct {
	Call    *Call
	Account string // its name
	Lane    string // account/lane
	At      time.Time
	Slots   int              // of a scarce lane; 0: the lane is none
	Members []*intent.Intent // what it delivers; a rewrite of tags has none
}

// Standing says where an intent without fate stands.
type Standing struct {
	Gate  string    // merge, approval, quiet, quota, paused
	Lane  string    // account/lane
	Until time.Time // when that gate is asked again; zero: nobody knows
	Turn  Turn      // of an audience that waits for a slot: why
}

// restedFor is how long before its start a Model's account was last used: whatever a window counts is free again.
const restedFor = time.Hour

// NewModel makes a Model that stands at a time, with accounts that have used no quota. Of opt it needs what is not about Kafka;
// Metrics and Log may be left out. The accounts' Vendors are asked for routes and never for a call.
func NewModel(opt Options, end ModelEnd, at time.Time) *Model {
	if opt.Metrics == nil {
		opt.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	opt.Log = cmp.Or(opt.Log, zap.NewNop())
	opt.DuplicatesUsers = cmp.Or(opt.DuplicatesUsers, defaultDuplicatesUsers)
	opt.DuplicatesBroadcasts = cmp.Or(opt.DuplicatesBroadcasts, defaultDuplicatesBroadcasts)
	accounts := opt.Accounts
	opt.Accounts = nil
	m := &Model{at: at.Add(-restedFor), end: end}
	for _, ac := range accounts {
		still := *ac
		still.Vendor, still.VerifyUsers = mute{ac.Vendor, func(user string) []string { return m.Tags(still.Key, user) }}, 0
		opt.Accounts = append(opt.Accounts, &still)
	}
	st := ledger.NewState()
	st.Genesis = &ledger.Genesis{V: ledger.Version, Partitions: 1, Incarnation: "model", At: m.at}
	m.a = newActorIn(unwritten{m}, m.Now, &opt, 0, &ledger.TakenOver{State: st, Broker: m.at, Local: m.at}, func(error) {})
	m.a.aside = func(_ time.Duration, do func(context.Context)) { do(m.a.ctx) }
	m.a.sweepEach = time.Hour // nothing is decided by chores, and a minute would be most of what a quiet week costs
	m.at = at
	return m
}

// Prompt is an account for a Model that asks what becomes of one event: changed tags wait for nobody who may join the call, and for no slot that
// others may have used.
func (ac *Account) Prompt() *Account {
	out := *ac
	out.TagDelay = 0
	if l, ok := ac.Lanes[LaneTag]; ok && l.Remove != "" {
		l.Limits = nil
		out.Lanes = maps.Clone(ac.Lanes)
		out.Lanes[LaneTag] = l
	}
	return &out
}

// Now is the time the model stands at.
func (m *Model) Now() time.Time { return m.at }

// Know puts a user into the profile table of an account, as if these fields had been known for long and their tags were at the vendor.
func (m *Model) Know(key, user string, fields map[string]intent.Value) error {
	ac := m.a.accounts[key]
	if ac == nil {
		return fmt.Errorf("no account %s", key)
	}
	u := &tagsync.User{Foreign: []string{}}
	u.Apply(&intent.Profile{Version: math.MinInt64, Fields: fields}, -1)
	u.Acked = m.a.wanted(ac, u)
	ac.users.Put(user, u)
	return nil
}

// Tags is the set of tags that the vendor has of a user; nil: nobody knows the user.
func (m *Model) Tags(key, user string) []string {
	if ac := m.a.accounts[key]; ac != nil && ac.users.Get(user) != nil {
		return slices.Clone(ac.users.Get(user).Acked)
	}
	return nil
}

// Spend uses n slots of every scarce lane that carries audiences, in this moment.
func (m *Model) Spend(key string, n int) error {
	ac := m.a.accounts[key]
	if ac == nil {
		return fmt.Errorf("no account %s", key)
	}
	for _, l := range ac.lanes {
		for i := 0; l.scarce() && l.Audiences && i < n; i++ {
			m.a.external(l, m.at, 1, "used before")
		}
	}
	return nil
}

// Take takes intents in, as stage 2 reads them from their topic, and lets leave what may leave now.
func (m *Model) Take(ins ...*intent.Intent) {
	for _, in := range ins {
		m.a.admit(in, m.seq)
		m.seq++
	}
	m.turn()
}

// Advance moves time on. What becomes due on the way happens in its moment.
func (m *Model) Advance(to time.Time) {
	for {
		at, ok := m.Next()
		if !ok || at.After(to) {
			break
		}
		m.at = at
		m.turn()
	}
	if to.After(m.at) {
		m.at = to
	}
}

// Next is when the model would next do something by itself; ok is false if nothing waits.
func (m *Model) Next() (at time.Time, ok bool) {
	if m.a.pending() == 0 && m.a.timers.none() && m.a.wake.IsZero() {
		return time.Time{}, false
	}
	at = m.a.nextChore()
	if t, ok := m.a.timers.next(); ok && t.Before(at) {
		at = t
	}
	if w := m.a.wake; !w.IsZero() && w.Before(at) {
		at = w
	}
	if least := m.at.Add(time.Millisecond); at.Before(least) { // this moment had its turns: whatever asks for another must not stop time
		at = least
	}
	return at, true
}

// turn does apply, plan, act until nothing more happens in this moment. There is nothing to commit to.
func (m *Model) turn() {
	for {
		m.a.apply()
		calls := m.a.plan()
		for _, c := range calls {
			m.a.resolve(result{c, m.depart(c)})
		}
		m.a.cool()
		handed := m.handed
		m.handed = nil
		for _, in := range handed {
			m.a.admit(in, m.seq)
			m.seq++
		}
		if len(calls) == 0 && len(m.a.results) == 0 && len(handed) == 0 {
			return
		}
	}
}

func (m *Model) depart(c *call) Outcome {
	if m.end.Send == nil {
		return Outcome{Class: ClassOK}
	}
	d := Departure{Call: c.vendor, Account: c.lane.ac.Name, Lane: c.lane.full(), At: m.at, Members: make([]*intent.Intent, len(c.items))}
	if c.lane.scarce() {
		d.Slots = c.attempt.Weight
	}
	for i, it := range c.items {
		d.Members[i] = it.p().Intent
	}
	return m.end.Send(d)
}

// Pending counts the intents without fate.
func (m *Model) Pending() int { return m.a.pending() }

// Each calls f for every intent without fate, with the gate that holds it, in no order.
func (m *Model) Each(f func(in *intent.Intent, gate string)) {
	m.a.cool() // what can be parked is
	for _, p := range m.a.allParked() {
		f(p.Intent, Gate(queued))
	}
	for _, it := range m.a.items {
		f(it.p().Intent, Gate(it.state))
		m.a.coolMany()
	}
}

// Stands says where an intent stands; ok is false when it has its fate.
func (m *Model) Stands(id intent.ID) (s Standing, ok bool) {
	it := m.a.find(id)
	if it == nil {
		return s, false
	}
	s.Gate = Gate(it.state)
	s.Until, _ = m.a.timers.wakesAt(it)
	if it.ac == nil {
		return s, true
	}
	s.Lane = it.ac.Name + "/" + it.route.Lane
	if l := it.ac.lanes[it.route.Lane]; l != nil && it.state == queued && it.route.Lane != LaneTag {
		if s.Until = m.a.slot(l, 1, m.at); l.scarce() && !it.route.Users {
			s.Turn = m.a.castAt(m.a.divide(l, m.at), l, it, m.at)
			s.Until = s.Turn.At
		}
	}
	return s, true
}

// Gate is the name of the gate that holds an intent in a state, as people write it.
func Gate(s state) string {
	if s == merging {
		return "merge"
	}
	return s.String()
}

// mute is a Vendor that knows its routes and makes no call. Who asks for tags gets those that the model's calls gave.
type mute struct {
	Vendor
	tags func(user string) []string
}

func (mute) Send(context.Context, *Call) Outcome   { return Outcome{Class: ClassNotSent} }
func (mute) Probe(context.Context, string) Outcome { return Outcome{Class: ClassOK} }
func (v mute) ReadTags(_ context.Context, _ string, users []string) (map[string][]string, Outcome) {
	out := map[string][]string{}
	for _, user := range users {
		out[user] = v.tags(user)
	}
	return out, Outcome{Class: ClassOK}
}

// unwritten are a Model's books: only fates are told, all else the actor has in memory.
type unwritten struct{ m *Model }

func (unwritten) Nonce() string                { return "model" }
func (unwritten) Put(string, any)              {}
func (unwritten) Delete(string)                {}
func (unwritten) Answer(string, any)           {}
func (unwritten) Dead(*kgo.Record)             {}
func (unwritten) Unhalt()                      {}
func (unwritten) WriteGenesis(*ledger.Genesis) {}
func (unwritten) Touch()                       {}
func (unwritten) Dirty() bool                  { return false }
func (unwritten) Close()                       {}

func (w unwritten) Fate(f ledger.Fate) {
	if w.m.end.Fate != nil {
		w.m.end.Fate(f)
	}
}

func (w unwritten) Intent(_ string, value []byte) {
	in, err := intent.Decode(value)
	if err != nil { // the actor encoded it
		panic("an intent that was handed over cannot be read: " + err.Error())
	}
	w.m.handed = append(w.m.handed, in)
}

func (unwritten) Commit(context.Context, ledger.Position) error             { return nil }
func (w unwritten) AppendTime(context.Context) (time.Time, error)           { return w.m.at, nil }
func (unwritten) Size(context.Context) (_, _ int64, err error)              { return 0, 0, nil }
func (unwritten) LiveBytes(ledger.Needs) int64                              { return 0 }
func (unwritten) Trim(context.Context, int64) error                         { return nil }
func (unwritten) Release(context.Context, ledger.Position, time.Time) error { return nil }
