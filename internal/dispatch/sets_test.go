package dispatch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// newSetDesk is a desk whose vendor replaces whole sets, one user's or those of many.
func newSetDesk(t *testing.T) *desk {
	d := &desk{t: t, at: noon, paper: map[string][]byte{}, tags: map[string][]string{}}
	pol := func(rate, batch int) Policy {
		return Policy{Rate: rate, Endpoint: deskSet, MaxBatch: batch, Parallel: 4, Repeatable: true, Late: deskLate}
	}
	d.ac = &Account{Name: "main", Key: "stub:k", Vendor: d, MaxTags: 20, Timeout: deskTimeout, KeepForeign: true,
		Lanes: map[string]Policy{LaneTag: pol(100, 1), LaneTagBatch: pol(10, 1000), LaneTagGet: pol(100, 20)}}
	d.begin()
	d.to(15 * time.Minute)
	return d
}

// Of sets that are replaced, too, the newest is what stays, whatever is lost, comes late or dies; and of who is gone nothing stays, not even a row.
func TestSetsComeToRest(t *testing.T) {
	for seed := range seeds(60) {
		d := newSetDesk(t)
		r := rand.New(rand.NewPCG(seed, 7))
		calm := false
		d.answer = func(n int, c *Call) (Outcome, bool) {
			if calm {
				return Outcome{}, true
			}
			switch r.IntN(12) {
			case 0:
				return noAnswer, true
			case 1:
				return noAnswer, false
			case 2, 3:
				d.late = append(d.late, lateCall{d.at.Add(time.Duration(r.IntN(66)) * time.Second), c})
				return noAnswer, false
			case 4:
				d.frozen = d.frozen || r.IntN(2) == 0
				if d.frozen && r.IntN(2) == 0 {
					d.late = append(d.late, lateCall{d.at.Add(time.Duration(r.IntN(66)) * time.Second), c})
					return Outcome{}, false
				}
			}
			return Outcome{}, true
		}
		d.reads = func(string) *Outcome {
			if !calm && r.IntN(4) == 0 {
				return &noAnswer
			}
			return nil
		}
		newest := map[string][2]string{}
		for range 40 {
			user := fmt.Sprint("u", r.IntN(4))
			f := newest[user]
			fields := ""
			if r.IntN(6) == 0 {
				f, fields = [2]string{}, "gone"
			} else {
				f[r.IntN(2)] = fmt.Sprint(r.IntN(3))
				for i, name := range []string{"city", "level"} {
					if f[i] != "" {
						fields += " " + name + "=" + f[i]
					}
				}
			}
			newest[user] = f
			d.at = d.at.Add(time.Millisecond)
			if d.event(user, fields); r.IntN(12) == 0 {
				d.at = d.at.Add(time.Millisecond)
				d.a.forgetUser(told(0, "c", ledger.CmdForget, user, nil), &ledger.Answer{})
				d.turn()
				newest[user] = [2]string{}
			}
			if d.frozen || r.IntN(15) == 0 {
				d.die()
			}
			d.to(time.Duration(r.IntN(40)) * time.Second)
		}
		calm = true
		if d.frozen {
			d.die()
		}
		d.to(time.Hour)
		ac := d.a.accounts["stub:k"]
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
			if u := ac.users.Get(user); (u == nil) != (want == nil) || u != nil && (!u.RewriteAt.IsZero() || !slices.Equal(u.Acked, want)) {
				t.Errorf("seed %d: %s should have %v, the row says %+v", seed, user, want, u)
			}
		}
		if len(d.fates) != 40 || d.a.pending() > 0 {
			t.Errorf("seed %d: %d fates and %d pending of 40", seed, len(d.fates), d.a.pending())
		}
		if t.Failed() {
			t.Log(d.log)
			return
		}
	}
}

// Who is gone and comes back before the tags are cleared begins anew: what the old fields gave goes, whichever call was under way.
func TestWhoComesBackBringsNoOldTags(t *testing.T) {
	for name, begin := range map[string]func() *desk{"sets": func() *desk { return newSetDesk(t) }, "differences": func() *desk { return newDesk(t, 10_000) }} {
		for _, tc := range []struct {
			name string
			play func(*desk)
		}{
			{"gone", func(d *desk) { d.event("u1", "gone") }},
			{"forgotten", func(d *desk) {
				d.at = d.at.Add(time.Second)
				d.a.forgetUser(told(0, "c", ledger.CmdForget, "u1", nil), &ledger.Answer{})
			}},
			{"gone, and a process dies", func(d *desk) { d.event("u1", "gone"); d.die() }},
			{"forgotten while a call is under way", func(d *desk) {
				d.answer = loses(d.n+1, true)
				d.a.opt.Accounts[0].TagDelay = 0
				d.event("u1", "city=c")
				d.at = d.at.Add(time.Second)
				d.a.forgetUser(told(0, "c", ledger.CmdForget, "u1", nil), &ledger.Answer{})
			}},
		} {
			d := begin()
			d.event("u1", "city=a level=1")
			d.to(5 * time.Minute)
			d.a.opt.Accounts[0].TagDelay = 10 * time.Second
			tc.play(d)
			d.at = d.at.Add(time.Second)
			d.event("u1", "city=b")
			d.to(10 * time.Minute)
			if u := d.a.accounts["stub:k"].users.Get("u1"); u == nil || u.Anew || !slices.Equal(d.tags["u1"], []string{"city_b"}) {
				t.Errorf("%s, %s: the vendor has %q, the row says %+v; calls %q", name, tc.name, d.tags["u1"], u, d.log)
			}
		}
	}
}

// Clocks may stand still for a moment: who is forgotten in the moment in which a call leaves is forgotten all the same.
func TestWhoIsForgottenAsACallLeavesLosesWhatItGave(t *testing.T) {
	d := newSetDesk(t)
	d.event("u1", "city=a")
	d.to(5 * time.Minute)
	d.frozen = true
	d.event("u1", "city=b")
	d.frozen = false
	d.a.forgetUser(told(0, "c", ledger.CmdForget, "u1", nil), &ledger.Answer{})
	if len(d.a.calls) != 1 {
		t.Fatalf("%d calls are on their way", len(d.a.calls))
	}
	for _, c := range d.a.calls {
		d.a.resolve(result{c, accepted})
	}
	d.turn()
	d.to(5 * time.Minute)
	if u := d.a.accounts["stub:k"].users.Get("u1"); u != nil || len(d.tags["u1"]) != 0 {
		t.Errorf("the vendor has %q, the row says %+v; calls %q", d.tags["u1"], u, d.log)
	}
}

// Whose tags are as they should be by the time that nothing can arrive any more, without another call, has begun anew: what unknown fields give
// from then on stays.
func TestWhoNeedsNoCallHasBegunAnew(t *testing.T) {
	d := newSetDesk(t)
	d.event("u1", "city=a")
	d.to(5 * time.Minute)
	ac := d.a.accounts["stub:k"]
	ac.change("u1", func(u *tagsync.User) { u.Anew, u.May, u.RewriteAt = true, u.Acked, d.at })
	n := d.n
	d.a.retag(ac, "u1")
	d.turn()
	if u := ac.users.Get("u1"); u.Anew || !u.RewriteAt.IsZero() || d.n != n {
		t.Errorf("after %d calls the row says %+v", d.n-n, u)
	}
}
