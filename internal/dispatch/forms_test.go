package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/quota"
)

// listsOnly gives the lane of a vendor that takes equal texts in lists of at least 4, and everybody else one by one.
func listsOnly(ac *Account, o *Options) {
	repeating(ac, o)
	p := ac.Lanes["user"]
	p.Forms = []Form{{Endpoint: "/list", Least: 4, Most: 10, Class: "marketing", Weight: 5}, {Endpoint: "/single", Least: 1, Most: 1, Tries: 3}}
	ac.Lanes["user"] = p
}

// goingTo admits equal marketing pushes to n users; those from the given one on have expired by the time the call could leave.
func (b *bundle) goingTo(a *actor, n, expired int) {
	for i := range n {
		in := b.intent(fmt.Sprint("e", i), "r", fmt.Sprint("u", i), intent.Push)
		in.Class = "marketing"
		if i >= expired {
			in.Policy.Expire = a.clock.now().Add(time.Hour)
		}
		a.admit(in, b.offset)
	}
	for _, it := range a.items {
		if !it.expire().IsZero() {
			it.p().Intent.Policy.Expire = a.clock.now().Add(-time.Second)
		}
	}
}

// Whoever is left of a call when the last gates were asked goes by a form that takes them: who is said to be SENT was in a call.
func TestACallThatShrankTakesAFormThatFits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(listsOnly)
	b.goingTo(a, 6, 3)
	var users []string
	for calls := a.plan(); len(calls) > 0; calls = a.plan() {
		for _, c := range calls {
			if c.vendor.Endpoint != "/list" && len(c.vendor.Users) > 1 {
				t.Errorf("%s is called for %v", c.vendor.Endpoint, c.vendor.Users)
			}
			users = append(users, c.vendor.Users...)
			a.resolve(result{c, accepted})
		}
	}
	if slices.Sort(users); !slices.Equal(users, []string{"u0", "u1", "u2"}) {
		t.Errorf("calls to %v", users)
	}
	b.commit(a)
	want := []string{"e0 SENT", "e1 SENT", "e2 SENT", "e3 SUPPRESSED(expired)", "e4 SUPPRESSED(expired)", "e5 SUPPRESSED(expired)"}
	if got := kinds(b.fates(6)); !slices.Equal(got, want) {
		t.Errorf("fates %v", got)
	}
}

// The halves of a refused list may be too short for another: then they go one by one.
func TestTheHalvesOfARefusedListTakeAFormThatFits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(listsOnly)
	b.goingTo(a, 6, 6)
	refused := Outcome{Class: ClassPermanent, Code: 1}
	calls := a.plan()
	if got := endpointsOf(calls); !slices.Equal(got, []string{"/list6 try 1"}) {
		t.Fatalf("%v leave", got)
	}
	a.resolve(result{calls[0], refused})
	sent := 0
	for calls := due(a, calls[0].lane); len(calls) > 0; calls = a.plan() {
		for _, c := range calls {
			sent += len(c.vendor.Users)
			if c.vendor.Endpoint != "/single" || len(c.vendor.Users) != 1 {
				t.Errorf("%s is called for %v", c.vendor.Endpoint, c.vendor.Users)
			}
			a.resolve(result{c, accepted})
		}
	}
	if sent != 6 {
		t.Errorf("%d users in calls", sent)
	}
	b.commit(a)
	b.fates(6)
}

// A call whose form is another than the one a slot was asked for waits for a slot of its own: nothing leaves uncounted.
func TestACallThatShrankIsCountedAsWhatItIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(ac *Account, o *Options) {
		repeating(ac, o)
		p := ac.Lanes["user"]
		p.Rate, p.Window = 6, time.Hour
		p.Forms[0].Weight, p.Forms[1].Weight, p.Forms[1].Most = 5, 2, 10
		ac.Lanes["user"] = p
	})
	l := a.accounts["stub:k"].lanes["user"]
	first := b.intent("x", "r", "ux", intent.Push) // first in the queue and alone with its text: a batch
	a.admit(first, b.offset)
	b.goingTo(a, 4, 4)
	a.items[itemOf(first.ID)].p().Intent.Policy.Expire = a.clock.now().Add(-time.Second)
	l.pacer = quota.NewPacer(6, l.Window, a.clock.machine().Add(-2*l.Window))
	l.pacer.Hold(a.clock.machine(), 4) // 2 of 6 are free
	a.plan()
	if used, n := l.pacer.Used(a.clock.machine()); used > n {
		t.Errorf("%d of %d used", used, n)
	}
	for _, c := range a.calls {
		if c.attempt.Endpoint == "/list" {
			t.Errorf("a list of weight 5 left for a slot of weight 2: %+v", c.attempt)
		}
	}
}
