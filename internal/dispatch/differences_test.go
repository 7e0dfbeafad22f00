package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// desk is one actor in virtual time whose vendor keeps tags by differences. What it commits stays when the actor dies: the next one begins with it.
type desk struct {
	t     *testing.T
	at    time.Time
	a     *actor
	ac    *Account
	paper map[string][]byte // the ledger
	fates []ledger.Fate

	tags   map[string][]string                         // at the vendor
	answer func(n int, c *Call) (o Outcome, does bool) // to call n, from 1; nil: it is done
	reads  func(user string) *Outcome                  // not nil: what a read is refused with
	slow   time.Duration                               // from a call to when it is done
	frozen bool                                        // calls leave and nobody hears of them
	late   []lateCall
	log    []string // calls: time, what
	n      int
	seq    int64
}

type lateCall struct {
	at time.Time
	c  *Call
}

const (
	deskAdd, deskTake, deskSet = "add", "take", "set"
	deskLate                   = time.Minute
	deskTimeout                = 6 * time.Second
)

// deskRules give city_<city> and level_<level>.
type deskRules struct{ stubRules }

func (deskRules) Tags(_ string, get func(string) (intent.Value, bool), current []string) (tags []string) {
	for _, field := range []string{"city", "level"} {
		switch v, known := get(field); {
		case !known:
			for _, t := range current {
				if strings.HasPrefix(t, field+"_") {
					tags = append(tags, t)
				}
			}
		case v.Str != "":
			tags = append(tags, field+"_"+v.Str)
		}
	}
	slices.Sort(tags)
	return tags
}

func (deskRules) Gives(_, tag string) bool {
	return strings.HasPrefix(tag, "city_") || strings.HasPrefix(tag, "level_")
}

func (deskRules) ProfilePushes(*intent.Intent, func(string) (intent.Value, bool), func(string) (intent.Value, bool)) []*intent.Intent {
	return nil
}

func newDesk(t *testing.T, day int) *desk {
	d := &desk{t: t, at: noon, paper: map[string][]byte{}, tags: map[string][]string{}}
	d.ac = &Account{Name: "main", Key: "stub:k", Vendor: d, MaxTags: 20, Timeout: deskTimeout, KeepForeign: true, Lanes: map[string]Policy{
		LaneTag: {Limits: []quota.Limit{{N: 100, Window: time.Minute}, {N: day, Day: true, Zone: time.UTC}}, Endpoint: deskAdd, Remove: deskTake, Replace: deskSet,
			PerUser: quota.Limit{N: 1, Day: true, Zone: time.UTC}, MaxBatch: 1000, Parallel: 1, Repeatable: true, Late: deskLate},
		LaneTagGet: {Rate: 69, Window: 10 * time.Minute, MaxBatch: 1, Parallel: 2, Repeatable: true, Late: deskLate},
	}}
	d.begin()
	d.to(15 * time.Minute) // reads begin with a full window
	return d
}

// begin makes the next owner from what is on paper.
func (d *desk) begin() {
	st := ledger.NewState()
	st.Genesis = &ledger.Genesis{V: ledger.Version, Partitions: 1, Incarnation: "desk", At: noon}
	for key, value := range d.paper {
		if err := st.Apply(key, value); err != nil {
			d.t.Fatal(err)
		}
	}
	opt := &Options{Accounts: []*Account{d.ac}, Rules: func() Rules { return deskRules{} }, Render: render, Zone: time.UTC,
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: zap.NewNop(), DuplicatesUsers: defaultDuplicatesUsers, DuplicatesBroadcasts: defaultDuplicatesBroadcasts}
	d.a = newActorIn(deskBooks{d: d}, func() time.Time { return d.at }, opt, 0, &ledger.TakenOver{State: st, Broker: d.at, Local: d.at}, func(error) {})
	d.a.aside = func(_ time.Duration, do func(context.Context)) { do(d.a.ctx) }
}

// die lets the process die and the next one take over after a moment.
func (d *desk) die() {
	d.frozen = false
	d.at = d.at.Add(2 * time.Second)
	d.begin()
	d.turn()
}

// to moves on by a time; what becomes due happens in its moment.
func (d *desk) to(by time.Duration) {
	end := d.at.Add(by)
	for {
		next := d.a.nextChore()
		if at, ok := d.a.timers.next(); ok && at.Before(next) {
			next = at
		}
		if w := d.a.wake; !w.IsZero() && w.Before(next) {
			next = w
		}
		for _, l := range d.late {
			if l.at.Before(next) {
				next = l.at
			}
		}
		if least := d.at.Add(time.Millisecond); next.Before(least) {
			next = least
		}
		if next.After(end) {
			d.at = end
			return
		}
		d.at = next
		d.turn()
	}
}

func (d *desk) turn() {
	for i := 0; i < len(d.late); i++ {
		if l := d.late[i]; !l.at.After(d.at) {
			d.do(l.c)
			d.late = slices.Delete(d.late, i, i+1)
			i--
		}
	}
	for {
		d.a.apply()
		calls := d.a.plan()
		if !d.a.commit() {
			d.t.Fatal("the commit failed")
		}
		d.a.cool()
		for _, c := range calls {
			if o, heard := d.leave(c.vendor); heard {
				d.a.resolve(result{c, o})
			}
		}
		if len(calls) == 0 && len(d.a.results) == 0 {
			d.balances()
			return
		}
	}
}

// balances fails the test unless what is pending is so on paper as well, and all else has a fate.
func (d *desk) balances() {
	d.t.Helper()
	paper := 0
	for key := range d.paper {
		if strings.HasPrefix(key, "p/") {
			paper++
		}
	}
	if n := d.a.pending(); n != paper || int64(n) != d.a.pos.Intents-d.a.pos.Fates {
		d.t.Fatalf("%d are pending, %d on paper; %d were taken in and have %d fates", n, paper, d.a.pos.Intents, d.a.pos.Fates)
	}
}

// leave is a call on its way.
func (d *desk) leave(c *Call) (o Outcome, heard bool) {
	d.n++
	d.log = append(d.log, fmt.Sprintf("%s %s %s %s", d.at.Sub(noon.Add(15*time.Minute)).Round(time.Second), c.Endpoint, strings.Join(c.Tags, ","), strings.Join(slices.Sorted(slices.Values(c.Users)), ",")))
	does := true
	if d.answer != nil {
		o, does = d.answer(d.n, c)
	}
	switch {
	case does && d.slow > 0:
		d.late = append(d.late, lateCall{d.at.Add(d.slow), c})
	case does:
		d.do(c)
	}
	if o.Class == "" {
		o.Class = ClassOK
	}
	return o, !d.frozen
}

func (d *desk) do(c *Call) {
	for _, u := range c.Users {
		had := without(d.tags[u], c.Tags)
		switch c.Endpoint {
		case deskAdd:
			had = append(had, c.Tags...)
		case deskSet:
			had = slices.Clone(c.Tags)
		}
		slices.Sort(had)
		d.tags[u] = had
	}
}

// event is a profile event; fields are "city=a level=b".
func (d *desk) event(user, fields string) {
	d.seq++
	id := fmt.Sprintf("e%d", d.seq)
	in := &intent.Intent{ID: intent.ID(fmt.Sprintf("t/0/%d/tags/%s", d.seq, user)), Event: intent.EventRef{ID: id, Type: "e", Time: d.at.UTC(), Topic: "t", Offset: d.seq},
		Rule: "tags", Account: "main", Key: "stub:k", Target: user, Action: intent.Tags, Profile: &intent.Profile{Version: d.at.UnixMilli(), Fields: map[string]intent.Value{}}}
	in.Profile.Gone = fields == "gone"
	for _, f := range strings.Fields(fields) {
		if name, value, ok := strings.Cut(f, "="); ok {
			in.Profile.Fields[name] = intent.Value{Type: "string", Str: value}
		}
	}
	d.a.admit(in, d.seq)
	d.turn()
}

// together are events that are taken in in one moment.
func (d *desk) together(fields string, users ...string) {
	d.a.opt.Accounts[0].TagDelay = time.Second
	for _, u := range users {
		d.event(u, fields)
	}
	d.to(2 * time.Second)
	d.a.opt.Accounts[0].TagDelay = 0
}

func (d *desk) Route(*intent.Intent) (Route, error)   { return Route{}, fmt.Errorf("no route") }
func (d *desk) ValidUser(string) error                { return nil }
func (d *desk) Probe(context.Context, string) Outcome { return Outcome{Class: ClassOK} }
func (d *desk) Send(context.Context, *Call) Outcome   { panic("calls leave by turn") }
func (d *desk) ReadTags(_ context.Context, _ string, users []string) (map[string][]string, Outcome) {
	out := map[string][]string{}
	for _, u := range users {
		d.log = append(d.log, fmt.Sprintf("%s read %s", d.at.Sub(noon.Add(15*time.Minute)).Round(time.Second), u))
		if d.reads != nil {
			if o := d.reads(u); o != nil {
				return nil, *o
			}
		}
		out[u] = slices.Clone(d.tags[u])
	}
	return out, Outcome{Class: ClassOK}
}

// deskBooks keeps what is committed. A commit is one with the turn, so records are kept as they are put.
type deskBooks struct {
	unwritten
	d *desk
}

func (b deskBooks) Put(key string, v any) {
	value, err := json.Marshal(v)
	if p, ok := v.(*ledger.Pending); ok {
		value, err = p.Encode()
	}
	if err != nil {
		b.d.t.Fatal(err)
	}
	b.d.paper[key] = value
}
func (b deskBooks) Delete(key string)                             { delete(b.d.paper, key) }
func (b deskBooks) Fate(f ledger.Fate)                            { b.d.fates = append(b.d.fates, f) }
func (b deskBooks) AppendTime(context.Context) (time.Time, error) { return b.d.at, nil }
func (b deskBooks) Dirty() bool                                   { return true }
func (b deskBooks) Commit(_ context.Context, pos ledger.Position) error {
	b.Put("s", pos)
	return nil
}

var noAnswer = Outcome{Class: ClassRetrySafe, Detail: "reset"}

// loses answers the first calls with a lost answer, done or not.
func loses(first int, does bool) func(int, *Call) (Outcome, bool) {
	return func(n int, _ *Call) (Outcome, bool) {
		if n <= first {
			return noAnswer, does
		}
		return Outcome{}, true
	}
}

var failedOnce = Outcome{Class: ClassRetryLater, Code: 23001, Wait: 5 * time.Second, Once: true}

// fails23001 refuses calls that hold what bad says, for good from the second try.
func fails23001(bad func(*Call) bool) func(int, *Call) (Outcome, bool) {
	return func(_ int, c *Call) (Outcome, bool) {
		switch {
		case !bad(c):
			return Outcome{}, true
		case c.Try > 1:
			return Outcome{Class: ClassPermanent, Code: 23001}, false
		}
		return failedOnce, false
	}
}

func TestDifferences(t *testing.T) {
	for _, tc := range []struct {
		name  string
		day   int // changes a day; 0: enough
		play  func(*desk)
		calls []string // since the first event
		fates []string
		tags  map[string][]string
	}{
		{"users of one tag share a call", 0, func(d *desk) { d.together("city=a", "u1", "u2", "u3") },
			[]string{"1s add city_a u1,u2,u3"}, []string{"e1 SENT", "e2 SENT", "e3 SENT"}, map[string][]string{"u1": {"city_a"}, "u3": {"city_a"}}},
		{"a user who moves needs two calls, once the first can be made", 0, func(d *desk) {
			d.together("city=a", "u1", "u2")
			d.together("city=b", "u1", "u2")
			d.to(5 * time.Minute)
		}, []string{"1s add city_a u1,u2", "3s add city_b u1,u2", "1m1s take city_a u1,u2"},
			[]string{"e1 SENT", "e2 SENT", "e3 SENT", "e4 SENT"}, map[string][]string{"u1": {"city_b"}, "u2": {"city_b"}}},
		{"what is so already needs none", 0, func(d *desk) { d.event("u1", "city=a"); d.event("u1", "city=a") },
			[]string{"0s add city_a u1"}, []string{"e1 SENT", "e2 SUPPRESSED(unchanged)"}, map[string][]string{"u1": {"city_a"}}},
		{"a field that nobody speaks of changes nothing, nor do tags of others", 0, func(d *desk) {
			d.tags["u1"] = []string{"theirs"}
			d.event("u1", "city=a")
			d.event("u1", "level=1")
		}, []string{"0s add city_a u1", "0s add level_1 u1"}, []string{"e1 SENT", "e2 SENT"}, map[string][]string{"u1": {"city_a", "level_1", "theirs"}}},
		{"one alone with two changes is read and replaced, once a day", 0, func(d *desk) {
			d.tags["u1"] = []string{"theirs"}
			d.event("u1", "city=a level=1")
			d.to(5 * time.Minute)
			d.event("u1", "city=b level=2")
			d.to(5 * time.Minute)
		}, []string{"0s read u1", "0s set city_a,level_1,theirs u1", "5m0s add city_b u1", "5m0s add level_2 u1", "5m0s take city_a u1", "5m0s take level_1 u1"},
			[]string{"e1 SENT", "e2 SENT"},
			map[string][]string{"u1": {"city_b", "level_2", "theirs"}}},
		{"without reads it goes by single tags", 0, func(d *desk) {
			d.reads = func(string) *Outcome { return &Outcome{Class: ClassPermanent, Code: 20001} }
			d.event("u1", "city=a level=1")
		}, []string{"0s read u1", "0s add city_a u1", "0s add level_1 u1"}, []string{"e1 SENT"}, map[string][]string{"u1": {"city_a", "level_1"}}},

		{"an answer is lost, the call was done: again when it cannot arrive any more", 0, func(d *desk) {
			d.answer = loses(1, true)
			d.event("u1", "city=a")
			d.to(time.Minute) // 6 s of time-out and the minute are not over
			d.event("u2", "city=a")
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "1m0s add city_a u2", "1m6s add city_a u1"}, []string{"e1 SENT", "e2 SENT"}, map[string][]string{"u1": {"city_a"}, "u2": {"city_a"}}},
		{"an answer is lost, the call comes last of all: what it gave is taken", 0, func(d *desk) {
			d.answer = func(n int, c *Call) (Outcome, bool) {
				if n == 1 {
					d.late = append(d.late, lateCall{d.at.Add(deskTimeout + deskLate - time.Second), c})
					return noAnswer, false
				}
				return Outcome{}, true
			}
			d.together("city=a", "u1", "u2")
			d.together("city=b", "u1", "u2")
			d.to(5 * time.Minute)
		}, []string{"1s add city_a u1,u2", "1m7s add city_b u1,u2", "1m7s take city_a u1,u2"},
			[]string{"e1 COALESCED", "e2 COALESCED", "e3 SENT", "e4 SENT"}, map[string][]string{"u1": {"city_b"}, "u2": {"city_b"}}},
		{"taking away is lost and comes late: what is wanted again is given again", 0, func(d *desk) {
			d.event("u1", "city=a")
			d.to(2 * time.Minute)
			d.answer = func(n int, c *Call) (Outcome, bool) {
				if n == 2 {
					d.late = append(d.late, lateCall{d.at.Add(deskTimeout + deskLate - time.Second), c})
					return noAnswer, false
				}
				return Outcome{}, true
			}
			d.event("u1", "city=")
			d.event("u1", "city=a")
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "2m0s take city_a u1", "3m6s add city_a u1"}, []string{"e1 SENT", "e2 COALESCED", "e3 SENT"}, map[string][]string{"u1": {"city_a"}}},
		{"a replacement is lost, it was done: the read shows it", 0, func(d *desk) {
			d.answer = loses(1, true)
			d.event("u1", "city=a level=1")
			d.to(5 * time.Minute)
		}, []string{"0s read u1", "0s set city_a,level_1 u1", "1m6s read u1"}, []string{"e1 SENT"}, map[string][]string{"u1": {"city_a", "level_1"}}},
		{"a replacement is lost, it was not done: by single tags today", 0, func(d *desk) {
			d.answer = loses(1, false)
			d.event("u1", "city=a level=1")
			d.to(5 * time.Minute)
		}, []string{"0s read u1", "0s set city_a,level_1 u1", "1m6s read u1", "1m6s add city_a u1", "1m6s add level_1 u1"},
			[]string{"e1 SENT"}, map[string][]string{"u1": {"city_a", "level_1"}}},

		{"the day's quota ends: the rest waits for midnight, with more users a call", 2, func(d *desk) {
			d.event("u1", "city=a")
			d.event("u2", "city=b")
			d.event("u3", "city=c")
			d.to(10 * time.Minute)
			d.event("u3", "city=d") // the newest counts
			d.event("u4", "city=d")
			d.to(11 * time.Hour)
			if n := d.a.accounts["stub:k"].diffs.Len(); n != 2 {
				d.t.Errorf("%d users wait, want 2", n)
			}
			d.to(2 * time.Hour)
		}, []string{"0s add city_a u1", "0s add city_b u2", "11h45m10s add city_d u3,u4"},
			[]string{"e1 SENT", "e2 SENT", "e3 COALESCED", "e4 SENT", "e5 SENT"}, map[string][]string{"u3": {"city_d"}, "u4": {"city_d"}}},
		{"the vendor says that the day is used up, and the process dies", 0, func(d *desk) {
			full := true
			d.answer = func(int, *Call) (Outcome, bool) {
				if full {
					return Outcome{Class: ClassRetryLater, Code: 30011, Wait: 11*time.Hour + 46*time.Minute}, false
				}
				return Outcome{}, true
			}
			d.event("u1", "city=a")
			d.to(time.Hour)
			d.die()
			d.event("u2", "city=b")
			full = false
			d.to(10 * time.Hour)
			if len(d.log) != 1 {
				d.t.Errorf("the next owner called before midnight: %v", d.log)
			}
			d.to(3 * time.Hour)
		}, []string{"0s add city_a u1", "11h45m10s add city_a u1", "11h45m10s add city_b u2"}, []string{"e1 SENT", "e2 SENT"}, map[string][]string{"u1": {"city_a"}, "u2": {"city_b"}}},
		{"a lost call counts, and so does one that a dead process left open", 2, func(d *desk) {
			d.answer = loses(1, false)
			d.event("u1", "city=a")
			d.to(time.Second)
			d.frozen = true
			d.event("u2", "city=b")
			d.die()
			d.to(10 * time.Hour)
		}, []string{"0s add city_a u1", "1s add city_b u2"}, nil, map[string][]string{"u1": nil, "u2": {"city_b"}}},

		{"the process dies with a call open, done: its users are held, others are not", 0, func(d *desk) {
			d.frozen = true
			d.event("u1", "city=a")
			d.die()
			d.event("u2", "city=b")
			d.event("u1", "city=c")
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "2s add city_b u2", "1m6s add city_c u1", "1m6s take city_a u1"},
			[]string{"e1 COALESCED", "e2 SENT", "e3 SENT"}, map[string][]string{"u1": {"city_c"}, "u2": {"city_b"}}},
		{"the process dies with a call open that comes late", 0, func(d *desk) {
			d.answer = func(n int, c *Call) (Outcome, bool) {
				if n == 1 {
					d.late = append(d.late, lateCall{d.at.Add(deskTimeout + deskLate - time.Second), c})
				}
				return Outcome{}, n != 1
			}
			d.frozen = true
			d.event("u1", "city=a")
			d.die()
			d.event("u1", "city=b")
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "1m6s add city_b u1", "1m6s take city_a u1"}, []string{"e1 COALESCED", "e2 SENT"}, map[string][]string{"u1": {"city_b"}}},
		{"the process dies with a replacement open: by single tags, for reads begin with a full window", 0, func(d *desk) {
			d.frozen = true
			d.event("u1", "city=a level=1")
			d.die()
			d.to(5 * time.Minute)
		}, []string{"0s read u1", "0s set city_a,level_1 u1", "2m6s add city_a u1", "2m6s add level_1 u1"}, []string{"e1 SENT"}, map[string][]string{"u1": {"city_a", "level_1"}}},
		{"the process dies after an answer was lost", 0, func(d *desk) {
			d.answer = loses(1, true)
			d.event("u1", "city=a")
			if !d.wrote(`"state":"started"`, `"detail":"reset"`) {
				d.t.Error("the ledger does not tell a lost answer from a call under way")
			}
			d.to(10 * time.Second)
			d.die()
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "1m6s add city_a u1"}, []string{"e1 SENT"}, map[string][]string{"u1": {"city_a"}}},
		{"the process dies between two calls of one user", 1, func(d *desk) {
			d.together("city=a", "u1", "u2")
			d.to(12 * time.Hour)
			d.together("city=b", "u1", "u2")
			d.die()
			d.to(25 * time.Hour)
		}, []string{"1s add city_a u1,u2", "12h0m3s add city_b u1,u2", "35h45m10s take city_a u1,u2"},
			[]string{"e1 SENT", "e2 SENT", "e3 SENT", "e4 SENT"}, map[string][]string{"u1": {"city_b"}, "u2": {"city_b"}}},
		{"a tag goes to and fro: it is changed back after a minute", 0, func(d *desk) {
			d.event("u1", "city=a")
			d.to(10 * time.Second)
			d.event("u1", "city=")
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "1m0s take city_a u1"}, []string{"e1 SENT", "e2 SENT"}, map[string][]string{"u1": nil}},
		{"also by the next owner", 0, func(d *desk) {
			d.event("u1", "city=a")
			d.to(10 * time.Second)
			d.die()
			d.event("u1", "city=")
			d.event("u2", "city=a")
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "12s add city_a u2", "1m0s take city_a u1"}, []string{"e1 SENT", "e2 SENT", "e3 SENT"}, map[string][]string{"u1": nil, "u2": {"city_a"}}},
		{"nor does the next owner replace a set that something accepted could still change", 0, func(d *desk) {
			d.event("u1", "city=a")
			d.to(10 * time.Second)
			d.die()
			d.to(20 * time.Second)
			d.event("u1", "city=b level=1")
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "32s add city_b u1", "32s add level_1 u1", "1m0s take city_a u1"},
			[]string{"e1 SENT", "e2 SENT"}, map[string][]string{"u1": {"city_b", "level_1"}}},

		{"an operation fails: once more", 0, func(d *desk) {
			d.answer = func(n int, _ *Call) (Outcome, bool) {
				if n == 1 {
					return failedOnce, false
				}
				return Outcome{}, true
			}
			d.together("city=a", "u1", "u2")
			d.to(time.Minute)
		}, []string{"1s add city_a u1,u2", "6s add city_a u1,u2"}, []string{"e1 SENT", "e2 SENT"}, map[string][]string{"u1": {"city_a"}, "u2": {"city_a"}}},
		{"an operation fails twice: dead, and the next event asks again", 0, func(d *desk) {
			d.answer = fails23001(func(c *Call) bool { return c.Tags[0] == "city_a" })
			d.event("u1", "city=a")
			d.to(2 * time.Hour)
			d.event("u1", "city=b")
			d.to(time.Hour)
		}, []string{"0s add city_a u1", "5s add city_a u1", "2h0m0s add city_b u1"}, []string{"e1 DEAD(rejected-by-vendor)", "e2 SENT"}, map[string][]string{"u1": {"city_b"}}},
		{"an operation fails twice for one of four", 0, func(d *desk) {
			d.answer = fails23001(func(c *Call) bool { return slices.Contains(c.Users, "u2") })
			d.together("city=a", "u1", "u2", "u3", "u4")
			d.to(time.Hour)
		}, []string{"1s add city_a u1,u2,u3,u4", "6s add city_a u1,u2,u3,u4", "6s add city_a u1,u2", "6s add city_a u3,u4", "6s add city_a u1", "6s add city_a u2"},
			[]string{"e1 SENT", "e2 DEAD(rejected-by-vendor)", "e3 SENT", "e4 SENT"}, map[string][]string{"u1": {"city_a"}, "u2": nil, "u4": {"city_a"}}},
		{"parts of what was refused take turns with the rest", 0, func(d *desk) {
			d.answer = func(_ int, c *Call) (Outcome, bool) {
				if c.Tags[0] == "city_a" {
					return Outcome{Class: ClassPermanent, Code: 20001}, false
				}
				return Outcome{}, true
			}
			d.ac.Lanes[LaneTag] = func(p Policy) Policy { p.Limits[0].N = 1; return p }(d.ac.Lanes[LaneTag])
			d.begin()
			d.together("city=a", "u1", "u2")
			d.event("u3", "city=b")
			d.to(10 * time.Minute)
		}, []string{"1s add city_a u1,u2", "1m11s add city_a u1", "2m21s add city_b u3", "3m31s add city_a u2"},
			[]string{"e1 DEAD(rejected-by-vendor)", "e2 DEAD(rejected-by-vendor)", "e3 SENT"}, map[string][]string{"u3": {"city_b"}}},
		{"a replacement fails: by single tags", 0, func(d *desk) {
			d.answer = func(_ int, c *Call) (Outcome, bool) {
				if c.Endpoint == deskSet {
					return failedOnce, false
				}
				return Outcome{}, true
			}
			d.event("u1", "city=a level=1")
			d.to(time.Minute)
		}, []string{"0s read u1", "0s set city_a,level_1 u1", "5s add city_a u1", "5s add level_1 u1"}, []string{"e1 SENT"}, map[string][]string{"u1": {"city_a", "level_1"}}},
		{"the vendor does not know one of the users it took", 0, func(d *desk) {
			d.answer = func(_ int, c *Call) (Outcome, bool) {
				d.do(&Call{Endpoint: c.Endpoint, Users: []string{"u1"}, Tags: c.Tags})
				return Outcome{Users: map[string]UserOutcome{"u2": {Refused: true, Detail: "no such user"}}}, false
			}
			d.together("city=a", "u1", "u2")
		}, []string{"1s add city_a u1,u2"}, []string{"e1 SENT", "e2 DEAD(rejected-by-vendor)"}, nil},
		{"and names one of those it refused: the others go as they are", 0, func(d *desk) {
			d.answer = func(_ int, c *Call) (Outcome, bool) {
				if slices.Contains(c.Users, "u2") {
					return Outcome{Class: ClassPermanent, Target: true, Users: map[string]UserOutcome{"u2": {Refused: true}}}, false
				}
				return Outcome{}, true
			}
			d.together("city=a", "u1", "u2", "u3")
		}, []string{"1s add city_a u1,u2,u3", "1s add city_a u1,u3"}, []string{"e1 SENT", "e2 DEAD(rejected-by-vendor)", "e3 SENT"}, nil},

		{"a user who is gone loses all tags", 0, func(d *desk) {
			d.tags["u1"] = []string{"theirs"}
			d.event("u1", "city=a")
			d.to(2 * time.Minute)
			d.event("u1", "gone")
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "2m0s read u1", "2m0s take city_a u1", "2m0s take theirs u1"}, []string{"e1 SENT", "e2 SENT"}, map[string][]string{"u1": nil}},
		{"one who is gone while what was accepted is not made yet loses that too", 0, func(d *desk) {
			d.slow = 40 * time.Second
			d.event("u1", "city=a")
			d.to(5 * time.Second)
			d.event("u1", "gone")
			d.to(5 * time.Minute)
		}, []string{"0s add city_a u1", "5s read u1", "1m0s take city_a u1"}, []string{"e1 SENT", "e2 SENT"}, map[string][]string{"u1": nil}},
		{"one who is gone and whose read fails twice loses those we know of", 0, func(d *desk) {
			d.tags["u1"] = []string{"theirs"}
			d.event("u1", "city=a")
			d.to(2 * time.Minute)
			d.reads = func(string) *Outcome { return &failedOnce }
			d.event("u1", "gone")
			d.to(time.Hour)
		}, []string{"0s add city_a u1", "2m0s read u1", "2m5s read u1", "2m5s take city_a u1"}, []string{"e1 SENT", "e2 SENT"}, map[string][]string{"u1": {"theirs"}}},
		{"each time one is gone a read may fail once", 0, func(d *desk) {
			failed := true
			d.reads = func(string) *Outcome {
				if failed = !failed; failed {
					return nil
				}
				return &failedOnce
			}
			for range 2 {
				d.event("u1", "city=a")
				d.tags["u1"] = append(d.tags["u1"], "theirs")
				d.to(2 * time.Minute)
				d.event("u1", "gone")
				d.to(8 * time.Minute)
			}
		}, []string{"0s add city_a u1", "2m0s read u1", "2m5s read u1", "2m5s take city_a u1", "2m5s take theirs u1",
			"10m0s add city_a u1", "12m0s read u1", "12m5s read u1", "12m5s take city_a u1", "12m5s take theirs u1"},
			[]string{"e1 SENT", "e2 SENT", "e3 SENT", "e4 SENT"}, map[string][]string{"u1": nil}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			day := tc.day
			if day == 0 {
				day = 10_000
			}
			d := newDesk(t, day)
			tc.play(d)
			if diff := cmp.Diff(tc.calls, d.log); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.fates, kinds(d.fates)); diff != "" {
				t.Errorf("fates (-want +got):\n%s", diff)
			}
			for user, want := range tc.tags {
				if !slices.Equal(want, d.tags[user]) {
					t.Errorf("%s has %v, want %v", user, d.tags[user], want)
				}
			}
			d.agrees()
		})
	}
}

// What was accepted a moment ago is compared with nothing: the vendor may not have made it yet. The next owner knows that as well.
func TestWhatWasAcceptedAMomentAgoIsNotCompared(t *testing.T) {
	d := newDesk(t, 10_000)
	d.event("u1", "city=a")
	settled := func() bool { return d.a.accounts["stub:k"].settled("u1") }
	if settled() {
		t.Error("compared at once")
	}
	d.die()
	if settled() {
		t.Error("compared by the next owner")
	}
	d.to(3 * time.Minute)
	if !settled() {
		t.Error("never compared")
	}
}

// wrote reports whether a record of the paper holds all words.
func (d *desk) wrote(words ...string) bool {
	for _, value := range d.paper {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(string(value), w) }) {
			return true
		}
	}
	return false
}

// agrees fails the test unless the paper says of every user who waits for nothing what the vendor has, and as many charges as calls.
func (d *desk) agrees() {
	d.t.Helper()
	d.begin()
	ac := d.a.accounts["stub:k"]
	for user := range ac.users.Users() {
		u := ac.users.Get(user)
		if ac.asks(user) || !u.RewriteAt.IsZero() || u.Had != nil {
			continue
		}
		if got := without(d.tags[user], u.Foreign); !slices.Equal(without(u.Acked, u.Foreign), withoutTheirs(got)) {
			d.t.Errorf("on paper %s has %v, at the vendor %v", user, u.Acked, d.tags[user])
		}
	}
	for _, at := range d.a.kept {
		if len(at.Members) > 0 && at.State != ledger.Started {
			d.t.Errorf("attempt %s (%s) still names its members", at.ID, at.State)
		}
	}
}

func withoutTheirs(tags []string) []string { return without(tags, []string{"theirs"}) }

// A user by differences is never in two calls, and of all users' rows the fold of what was done is what the vendor has: many users, lost answers
// and deaths at any moment.
func TestDifferencesComeToRest(t *testing.T) {
	for seed := range seeds(40) {
		d := newDesk(t, 10_000)
		r := rand.New(rand.NewPCG(seed, 3))
		d.answer = func(n int, c *Call) (Outcome, bool) {
			switch r.IntN(12) {
			case 0:
				return noAnswer, true
			case 1:
				return noAnswer, false
			case 2:
				d.late = append(d.late, lateCall{d.at.Add(time.Duration(r.IntN(66)) * time.Second), c})
				return noAnswer, false
			case 3:
				return failedOnce, false
			case 4:
				d.frozen = d.frozen || r.IntN(2) == 0
			}
			return Outcome{}, true
		}
		newest := map[string][2]string{}
		for range 40 {
			user := fmt.Sprint("u", r.IntN(4))
			f := newest[user]
			f[r.IntN(2)] = fmt.Sprint(r.IntN(3))
			newest[user] = f
			fields := ""
			for i, name := range []string{"city", "level"} {
				if f[i] != "" {
					fields += " " + name + "=" + f[i]
				}
			}
			d.at = d.at.Add(time.Millisecond)
			d.event(user, fields)
			if d.frozen || r.IntN(15) == 0 {
				d.die()
			}
			d.to(time.Duration(r.IntN(90)) * time.Second)
		}
		d.answer = nil
		if d.frozen {
			d.die()
		}
		d.to(time.Hour)
		for user, f := range newest {
			var want []string
			for i, name := range []string{"city_", "level_"} {
				if f[i] != "" {
					want = append(want, name+f[i])
				}
			}
			if !slices.Equal(want, d.tags[user]) {
				t.Errorf("seed %d: %s has %v, want %v", seed, user, d.tags[user], want)
			}
		}
		if len(d.fates) != 40 || d.a.pending() > 0 {
			t.Errorf("seed %d: %d fates and %d pending of 40", seed, len(d.fates), d.a.pending())
		}
		d.agrees()
	}
}
