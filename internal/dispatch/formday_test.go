package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
)

var shanghai = time.FixedZone("Asia/Shanghai", 8*3600)

// listsADay gives lists a limit of n a day.
func listsADay(n int) func(*Account, *Options) {
	return func(ac *Account, o *Options) {
		repeating(ac, o)
		p := ac.Lanes["user"]
		p.Late, p.Forms[0].Day, p.Forms[0].DayName = time.Minute, quota.Limit{N: n, Day: true, Zone: shanghai}, "list"
		ac.Lanes["user"] = p
	}
}

// at lets an actor's clock stand at a time of the next day in Shanghai.
func at(a *actor, hour, minute, second int) {
	y, m, d := a.clock.now().In(shanghai).Date()
	to := time.Date(y, m, d+1, hour, minute, second, 0, shanghai)
	a.clock = newClock(func() time.Time { return to }, to, to, time.Time{})
}

// marketing admits equal pushes to n users.
func (b *bundle) marketing(a *actor, event string, n int) {
	for i := range n {
		in := b.intent(fmt.Sprint(event, i), "r", fmt.Sprint("u", i), intent.Push)
		in.Class = "marketing"
		a.admit(in, b.offset)
	}
}

// A form takes no more users in a day than it may, each call counting as one more; the rest goes another way at once, and the next owner knows.
func TestAFormKeepsItsDay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(listsADay(14)) // 6 and 1, 6 and 1
	at(a, 12, 0, 0)
	for i, want := range [][]string{{"/list6 try 1"}, {"/list6 try 1"}, {"/batch4 try 1", "/batch2 try 1"}} {
		b.marketing(a, fmt.Sprint("e", i, "-"), 6)
		calls := a.plan()
		if got := endpointsOf(calls); !slices.Equal(got, want) {
			t.Fatalf("%d: %v leave, want %v", i, got, want)
		}
		for _, c := range calls {
			a.resolve(result{c, accepted})
		}
	}
	a.gauges(a.clock.now())
	form := a.accounts["stub:k"].lanes["user"].Forms[0]
	if n := gaugeOf(t, a.opt.Metrics.quotaUsed.WithLabelValues("main/list", form.Day.String(), "own")); n != 14 {
		t.Errorf("the metric says %v", n)
	}
	b.commit(a)
	st := b.readLedger()
	if n := form.DayUsed(st, "stub:k", a.clock.now()); n != 14 {
		t.Errorf("the ledger says %d", n)
	}
	next := b.byHand(listsADay(14))
	next.clock = a.clock
	b.marketing(next, "n", 6)
	if got := endpointsOf(next.plan()); !slices.Equal(got, []string{"/batch4 try 1", "/batch2 try 1"}) {
		t.Errorf("of the next owner %v leave", got)
	}
}

// What is left of the day is used by a shorter list.
func TestAFormTakesWhatIsLeftOfItsDay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(listsADay(5))
	at(a, 12, 0, 0)
	b.marketing(a, "e", 6)
	if got := endpointsOf(a.plan()); !slices.Equal(got, []string{"/list4 try 1", "/batch2 try 1"}) {
		t.Errorf("%v leave", got)
	}
}

// A call is certainly of one day, wherever it is on its way: with the time-out of this account, a minute for being late and the guard.
func TestAFormRestsAroundMidnight(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		hour, minute, second int
		list                 bool
	}{
		{23, 58, 0, true},
		{23, 59, 30, false},
		{23, 59, 59, false},
		{24, 0, 0, false},
		{24, 0, 5, false},
		{24, 1, 0, true},
	} {
		t.Run(fmt.Sprint(tc.hour, " ", tc.minute, " ", tc.second), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(listsADay(100))
			at(a, tc.hour, tc.minute, tc.second)
			b.marketing(a, "e", 4)
			want := "/batch4 try 1"
			if tc.list {
				want = "/list4 try 1"
			}
			if got := endpointsOf(a.plan()); !slices.Equal(got, []string{want}) {
				t.Errorf("%v leave, want %s", got, want)
			}
		})
	}
}

// Where nobody can tell the vendor's day its lists rest, as scarce lanes do.
func TestAFormRestsWhileTheClocksDiffer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(listsADay(100))
	at(a, 12, 0, 0)
	for _, tc := range []struct {
		skew time.Duration
		want string
	}{{maxSkew + 1, "/batch4 try 1"}, {maxSkew, "/list4 try 1"}} {
		a.clock.skew = tc.skew
		b.marketing(a, tc.skew.String(), 4)
		if got := endpointsOf(a.plan()); !slices.Equal(got, []string{tc.want}) {
			t.Errorf("with a skew of %s %v leave, want %s", tc.skew, got, tc.want)
		}
	}
}

// The count begins anew with the vendor's day.
func TestTheDayOfAFormBeginsAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(listsADay(7))
	at(a, 23, 0, 0)
	for i, want := range []string{"/list6 try 1", "/list6 try 1"} {
		b.marketing(a, fmt.Sprint("e", i, "-"), 6)
		calls := a.plan()
		if got := endpointsOf(calls); !slices.Equal(got, []string{want}) {
			t.Fatalf("day %d: %v leave", i, got)
		}
		a.resolve(result{calls[0], accepted})
		at(a, 1, 0, 0)
	}
}

// What certainly was not sent gives its users back, and not the call, whose message may have been stored. What may have been sent stays counted,
// also when it was refused.
func TestWhatALostListTakesOfTheDay(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		o    Outcome
		used int
	}{
		{accepted, 7},
		{Outcome{Class: ClassUnknown}, 7},
		{Outcome{Class: ClassRetryLater, Wait: time.Minute, Alone: true}, 7},
		{Outcome{Class: ClassRetryLater, Wait: time.Hour, Alone: true}, 100}, // the vendor says that all of it is used
		{Outcome{Class: ClassNotSent}, 1},
		{Outcome{Class: ClassPermanent, Invalid: true}, 1},
		{Outcome{Class: ClassPermanent, Code: 20001}, 7},
	} {
		t.Run(fmt.Sprintf("%+v", tc.o), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := b.byHand(listsADay(100))
			at(a, 12, 0, 0)
			b.marketing(a, "e", 6)
			calls := a.plan()
			a.resolve(result{calls[0], tc.o})
			st := &ledger.State{Sends: a.sends}
			if n := calls[0].lane.Forms[0].DayUsed(st, "stub:k", a.clock.now()); n != tc.used {
				t.Errorf("%d used, want %d", n, tc.used)
			}
		})
	}
}

// Where the ledger was lost nobody knows what lists have used: they rest for the day.
func TestAfterALossFormsRestForTheDay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(listsADay(100))
	at(a, 12, 0, 0)
	gen := *a.gen
	gen.Assumed = &ledger.Assumption{At: a.clock.now(), Accounts: map[string]ledger.Use{"stub:k": {N: 1}}}
	a.gen, a.isNew = &gen, true
	a.assumed()
	b.marketing(a, "e", 4)
	if got := endpointsOf(a.plan()); !slices.Equal(got, []string{"/batch4 try 1"}) {
		t.Errorf("%v leave", got)
	}
}
