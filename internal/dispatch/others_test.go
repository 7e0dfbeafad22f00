package dispatch

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

// crowd is an actor whose lanes have the vendor's stated limits, a clock that the test sets forward, and what it says.
type crowd struct {
	*bundle
	a     *actor
	ahead time.Duration
	n     int
	said  *observer.ObservedLogs
}

func (b *bundle) crowd(change func(*Account)) *crowd {
	c := &crowd{bundle: b}
	core, said := observer.New(zap.ErrorLevel)
	c.said = said
	c.a = b.byHand(func(ac *Account, opt *Options) {
		opt.Log = zap.New(core)
		for name, pol := range ac.Lanes {
			if name != "broadcast" && name != LaneRecall {
				pol.Rate, pol.Limits, pol.Stated, pol.Late = 100, nil, true, time.Minute
				ac.Lanes[name] = pol
			}
		}
		if change != nil {
			change(ac)
		}
	})
	c.a.clock.machine = func() time.Time { return time.Now().Add(c.ahead) }
	return c
}

// pushed makes a push of its own, whose outcome is o.
func (c *crowd) pushed(o Outcome) {
	c.t.Helper()
	c.n++
	in := c.intent(fmt.Sprint("e", c.n), "r", fmt.Sprint("u", c.n), intent.Push)
	in.Content.Body = fmt.Sprint(c.n)
	c.a.admit(in, c.offset)
	c.left(o)
}

// left answers the call that leaves next.
func (c *crowd) left(o Outcome) {
	c.t.Helper()
	c.until("a call leaves", func() bool {
		calls := c.a.plan()
		for _, x := range calls {
			c.a.resolve(result{x, o})
		}
		c.ahead += 100 * time.Millisecond
		return len(calls) == 1
	})
}

// holds checks what is on record of others, what is told, and how often the log said it.
func (c *crowd) holds(when, lane string, refusals, episodes int) {
	c.t.Helper()
	n, records := 0, 0
	for _, at := range c.a.kept {
		if at.State == ledger.External {
			n, records = n+at.Weight, records+1
		}
		if at.State == ledger.External && at.Lane != lane {
			c.t.Errorf("%s: external use of lane %s", when, at.Lane)
		}
	}
	lines := c.said.FilterMessage(othersSaid).Len()
	if n != refusals || records != episodes || lines != episodes {
		c.t.Errorf("%s: %d refusals in %d episodes on record, %d lines in the log; want %d in %d", when, n, records, lines, refusals, episodes)
	}
}

func (c *crowd) gauge(when, lane string, want float64) {
	c.t.Helper()
	if got := gaugeOf(c.t, c.a.opt.Metrics.contested.WithLabelValues("main/"+lane)); got != want {
		c.t.Errorf("%s: notifier_quota_contested is %v, want %v", when, got, want)
	}
}

var often = Outcome{Class: ClassRetryLater, Code: 1008, Detail: "call frequency exceeded"}

// rongcloud.md 6: a 1008 with a free ledger means that somebody else uses the App Key, in lanes that are limited per second as well. It is
// said once an episode, counted, and over after an hour without.
func TestOthersInALanePerSecondAreToldOnceAnEpisode(t *testing.T) {
	t.Parallel()
	c := setup(t).crowd(nil)
	c.ahead += 10 * time.Minute
	c.pushed(Outcome{Class: ClassOK})
	c.holds("all well", "user", 0, 0)
	c.gauge("all well", "user", 0)
	c.pushed(often)
	c.holds("refused", "user", 1, 1)
	c.gauge("refused", "user", 1)
	c.left(often)
	c.left(Outcome{Class: ClassOK})
	c.holds("refused again", "user", 2, 1)
	c.ahead += 50 * time.Minute
	c.pushed(often)
	c.holds("within the hour", "user", 3, 1)
	c.ahead += 50 * time.Minute
	c.a.chores()
	c.gauge("50 minutes later", "user", 3)
	c.ahead += 11 * time.Minute
	c.a.chores()
	c.gauge("an hour later", "user", 0)
	c.left(often)
	c.holds("another time", "user", 4, 2)
	c.gauge("another time", "user", 1)
}

// Reads of tags are in no ledger, and their refusals are told as well.
func TestOthersWhoReadTagsAreTold(t *testing.T) {
	t.Parallel()
	c := setup(t).crowd(func(ac *Account) { ac.KeepForeign = true })
	c.vendor.refuse = func([]string) *Outcome { return &often }
	c.ahead += 10 * time.Minute
	c.a.admit(c.profile("p1", "u1", 1, map[string]string{"city": "bj"}), c.offset)
	c.reading(c.a)
	c.a.resolve(<-c.a.results)
	c.holds("a read is refused", LaneTagGet, 1, 1)
	c.gauge("a read is refused", LaneTagGet, 1)
}

// A read without an answer may arrive late as well, and take from the second of the next.
func TestARefusedReadMayBeOurOwnDoing(t *testing.T) {
	t.Parallel()
	c := setup(t).crowd(func(ac *Account) { ac.KeepForeign = true })
	answers := []Outcome{{Class: ClassUnknown, Detail: "time-out"}, often, often}
	c.vendor.refuse = func([]string) *Outcome {
		o := answers[0]
		answers = answers[1:]
		return &o
	}
	c.ahead += 10 * time.Minute
	c.a.admit(c.profile("p1", "u1", 1, map[string]string{"city": "bj"}), c.offset)
	for i, want := range []int{0, 0, 1} {
		c.reading(c.a)
		c.a.resolve(<-c.a.results)
		c.holds(fmt.Sprint("read ", i+1), LaneTagGet, want, want)
		c.ahead += time.Duration(i) * 70 * time.Second
	}
}

// What may be our own doing is not laid at others' door: a call of a predecessor, or one of ours without an answer, may arrive until a
// minute after its time and takes from the vendor's second then.
func TestARefusalThatMayBeOurOwnDoingIsNotOthers(t *testing.T) {
	t.Parallel()
	unclear := Outcome{Class: ClassUnknown, Detail: "time-out"}
	for name, tc := range map[string]struct {
		after  *Outcome // of a call of ours just before
		wait   time.Duration
		change func(*Account)
		want   int
	}{
		"just after a take-over":             {nil, 0, nil, 0},
		"while a predecessor's may arrive":   {nil, time.Minute, nil, 0},
		"when none may any more":             {nil, 64 * time.Second, nil, 1},
		"just after a call without answer":   {&unclear, 0, nil, 0},
		"while it may arrive":                {&unclear, time.Minute, nil, 0},
		"when it may not any more":           {&unclear, 64 * time.Second, nil, 1},
		"just after one that never left":     {&Outcome{Class: ClassNotSent}, 0, nil, 1},
		"just after one that was refused":    {&Outcome{Class: ClassPermanent, Code: 1002}, 0, nil, 1},
		"where the vendor states no limit":   {nil, time.Hour, func(ac *Account) { ac.Lanes["user"] = unstated(ac.Lanes["user"]) }, 0},
		"though the vendor names a wait":     {nil, time.Hour, nil, 1},
		"while its service is off, not more": {&Outcome{Class: ClassConfig, Code: 1009, Service: true}, firstPause, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t).crowd(tc.change)
			if tc.after != nil {
				c.ahead += 10 * time.Minute
				c.pushed(*tc.after)
			}
			c.ahead += tc.wait
			o := often
			if name == "though the vendor names a wait" {
				o.Wait = 3 * time.Second
			}
			if tc.after != nil && tc.after.Class == ClassConfig {
				c.left(o)
				if l := c.a.accounts["stub:k"].lanes["user"]; l.closed == nil || l.closed.Reason != "service" || l.closedFor != 2*firstPause {
					t.Errorf("the lane is %+v for %s, want still closed, for twice as long", l.closed, l.closedFor)
				}
			} else {
				c.pushed(o)
			}
			c.holds(name, "user", tc.want, tc.want)
			c.gauge(name, "user", float64(tc.want))
		})
	}
}

func unstated(pol Policy) Policy {
	pol.Stated = false
	return pol
}

// An episode goes on with the next owner: it is on record, and not said again.
func TestTheNextOwnerKnowsOfOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.crowd(nil)
	c.ahead += 10 * time.Minute
	c.pushed(often)
	b.commit(c.a)
	next := b.crowd(nil)
	next.n = c.n
	next.gauge("taken over", "user", 1)
	next.ahead += 10 * time.Minute
	next.pushed(often)
	n := 0
	for _, at := range next.a.kept {
		if at.State == ledger.External {
			n++
		}
	}
	if said := next.said.FilterMessage(othersSaid).Len(); said != 0 || n != 1 {
		t.Errorf("said %d times, %d records, want the predecessor's to go on", said, n)
	}
	next.gauge("refused", "user", 2)
	next.a.retire()
	next.gauge("given up", "user", 0)
}

// A scarce lane whose service is off is refused with 1008 when it is tried again (rongcloud.md 4, E4): that takes nobody's slots.
func TestARefusalForNowWhileTheServiceIsOffIsNotOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, _ *Options) {
		l := ac.Lanes["broadcast"]
		l.Limits = []quota.Limit{{N: 4, Window: time.Hour}}
		ac.Lanes["broadcast"] = l
	})
	b.broadcasted(a, "b1", Outcome{Class: ClassConfig, Code: 1009, Service: true, Detail: "not enabled"})
	l := a.accounts["stub:k"].lanes["broadcast"]
	l.closed.Retry = a.clock.now()
	calls := a.plan()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want the trial", len(calls))
	}
	a.resolve(result{calls[0], often})
	if u := a.used(l, a.clock.now())[0]; u.Used != 2 {
		t.Errorf("%d slots are used, want our two", u.Used)
	}
	if l.closed == nil || l.closed.Reason != "service" || l.closed.Detail != "not enabled" || l.closedFor != laterCostly {
		t.Errorf("the lane is %+v for %s", l.closed, l.closedFor)
	}
}
