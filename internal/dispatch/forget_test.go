package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Whom a command is about stands in its record and in the answer to whoever gave it. A log has no users.
func TestTheLogOfACommandHasNoUser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	core, said := observer.New(zap.InfoLevel)
	a := b.byHand(func(_ *Account, opt *Options) { opt.Log = zap.New(core) })
	waits := b.intent("waits", "r", "u-77", intent.Push)
	a.admit(waits, 10)
	for i, c := range []command{
		told(0, "c0", ledger.CmdForget, "u-77", nil),
		told(0, "c1", ledger.CmdVerify, "stub:k", map[string]string{"user": "u-77"}),
		told(0, "c2", ledger.CmdCancel, string(waits.ID), nil),
	} {
		c.Why, c.offset = "u-77 asked, 13800138000", int64(i)
		a.obey(c)
	}
	lines := said.FilterMessage("command").All()
	if len(lines) != 3 {
		t.Fatalf("%d lines, want one of each command", len(lines))
	}
	for _, line := range lines {
		if text := fmt.Sprint(line.ContextMap()); strings.Contains(text, "u-77") || strings.Contains(text, "13800138000") || !strings.Contains(text, "asked") {
			t.Errorf("said: %s", text)
		}
	}
}

// A user is forgotten: the tags at the vendor are cleared, then the row; what waits for the user is given up, caps are gone. Other users
// keep theirs. It goes on after a take-over.
func TestAUserIsForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stop := b.start(b.account(), nil)
	b.produce(b.profile("p1", "u1", 1, map[string]string{"city": "bj"}), b.profile("p2", "u2", 1, map[string]string{"city": "sh"}))
	b.fates(2)
	stop()

	a := b.byHand(nil)
	a.obey(told(0, "c0", ledger.CmdPause, "rule/r", nil))
	a.admit(b.intent("waits", "r", "u1", intent.Push), 10)
	a.admit(b.intent("other", "r", "u2", intent.Push), 11)
	for _, u := range []string{"u1", "x/u1"} { // the second is another user, with a slash
		id := takenID("stub:k", "rule/r", u)
		a.taken[id] = &ledger.Taken{At: []time.Time{a.clock.now()}}
		a.w.Put(ledger.TakenID(id), a.taken[id])
	}
	ans := ledger.Answer{OK: true}
	a.forgetUser(told(1, "c1", ledger.CmdForget, "u1", nil), &ans)
	if want := "1 row is cleared, tags first; 1 intent that waited is given up, 1 count of caps removed"; !ans.OK || ans.Text != want {
		t.Errorf("answer %+v, want %q", ans, want)
	}
	b.commit(a)
	st := b.readLedger()
	if u := st.Users["stub:k"].Get("u1"); u == nil || !u.Gone || len(u.Fields) != 0 || len(st.Taken) != 1 {
		t.Errorf("row %+v, caps %v: want no field, and the other user's caps", u, st.Taken)
	}
	a.lose(nil)

	before := len(b.vendor.seen())
	b.start(b.account(), nil) // another owner finishes it
	st = b.state("the row is gone", func(st *ledger.State) bool { return st.Users["stub:k"].Get("u1") == nil })
	if st.Users["stub:k"].Get("u2") == nil || len(st.Pending) != 1 {
		t.Errorf("users %v, %d pending: the other user was forgotten too", st.Users, len(st.Pending))
	}
	calls := b.vendor.seen()[before:]
	if len(calls) != 1 || !slices.Equal(calls[0].Users, []string{"u1"}) || len(calls[0].Tags) != 0 || !strings.HasPrefix(calls[0].Endpoint, "/user/tag/") {
		t.Errorf("calls %+v, want u1's tags cleared", calls)
	}
	if got := kinds(b.fates(3)); !slices.Contains(got, "waits SUPPRESSED(cancelled)") {
		t.Errorf("fates %v", got)
	}
	// A later event makes the user known again.
	b.produce(b.profile("p3", "u1", 1, map[string]string{"city": "gz"}))
	b.state("the user is known again", func(st *ledger.State) bool {
		u := st.Users["stub:k"].Get("u1")
		return u != nil && slices.Equal(u.Acked, []string{"city_gz"})
	})
}

// A tag call of the user is on its way: the clearing follows it.
func TestAUserIsForgottenWhileTagsAreOnTheirWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.gate = make(chan struct{})
	b.start(b.account(), nil)
	b.produce(b.profile("p1", "u1", 1, map[string]string{"city": "bj"}))
	b.until("the call", func() bool { return len(b.vendor.seen()) == 1 })
	if ans := b.command(ledger.Command{ID: "c1", Cmd: ledger.CmdForget, Target: "u1"}); !ans.OK {
		t.Errorf("answer %+v", ans)
	}
	close(b.vendor.gate)
	b.state("the row is gone", func(st *ledger.State) bool { return st.Position.Fates == 1 && st.Users["stub:k"].Get("u1") == nil })
	calls := b.vendor.seen()
	if last := calls[len(calls)-1]; len(calls) != 2 || len(last.Tags) != 0 {
		t.Errorf("calls %+v, want the user's tags cleared last", calls)
	}
}

// The tag call of a forgotten user that was on its way is refused: the clearing, which nobody has refused, follows all the same.
func TestAUserIsForgottenThoughTheCallOnItsWayIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.vendor.gate = make(chan struct{})
	b.vendor.answer = func(_ int, c *Call) Outcome {
		if len(c.Tags) > 0 {
			return Outcome{Class: ClassPermanent, Code: 1}
		}
		return Outcome{Class: ClassOK}
	}
	b.start(b.account(), nil)
	b.produce(b.profile("p1", "u1", 1, map[string]string{"city": "bj"}))
	b.until("the call", func() bool { return len(b.vendor.seen()) == 1 })
	if ans := b.command(ledger.Command{ID: "c1", Cmd: ledger.CmdForget, Target: "u1"}); !ans.OK {
		t.Errorf("answer %+v", ans)
	}
	close(b.vendor.gate)
	b.state("the row is gone", func(st *ledger.State) bool { return st.Position.Fates == 1 && st.Users["stub:k"].Get("u1") == nil })
	if calls := b.vendor.seen(); len(calls) != 2 || len(calls[1].Tags) != 0 {
		t.Errorf("calls %+v, want the user's tags cleared last", calls)
	}
}
