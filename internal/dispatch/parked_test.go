package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// A profile event that waits takes no item between turns, and is all the same what it was: it is counted, shown and found, is taken in once, gives
// way to a newer one, and is sent when the vendor is back.
func TestAProfileEventThatWaitsIsParked(t *testing.T) {
	gone := true
	var m *Metrics
	p := newPlay(t, func(ac *Account, o *Options) {
		ac.TagDelay = 0
		o.Metrics = NewMetrics(prometheus.NewRegistry())
		m = o.Metrics
	})
	send := p.end.Send
	p.end.Send = func(d Departure) Outcome {
		if gone {
			return Outcome{Class: ClassNotSent}
		}
		return send(d)
	}
	var ins []*intent.Intent
	for i := range 5 {
		in := p.profile(fmt.Sprint("e", i), fmt.Sprint("u", i), 1, map[string]string{"city": "bj"})
		in.Event.Time, in.Profile.Version = noon, noon.UnixMilli()
		ins = append(ins, in)
	}
	p.Take(ins...)
	p.Advance(noon.Add(time.Hour))
	ac := p.a.accounts["stub:k"]
	parked := func(n int) {
		t.Helper()
		if len(p.a.items) != 0 || len(ac.asked) != 0 || ac.users.Waiting() != n || p.Pending() != n {
			t.Fatalf("%d items, %d asked, %d parked, %d pending: want %d parked", len(p.a.items), len(ac.asked), ac.users.Waiting(), p.Pending(), n)
		}
		counted := 0.0
		for _, lane := range ac.names {
			counted += gaugeOf(t, m.pending.WithLabelValues("main/"+lane, queued.String()))
		}
		if int(counted) != n {
			t.Fatalf("%v are counted, want %d", counted, n)
		}
	}
	parked(5)
	var shown []string
	p.Each(func(in *intent.Intent, gate string) { shown = append(shown, in.Event.ID+" "+in.Target+" "+gate) })
	if slices.Sort(shown); !slices.Equal(shown, []string{"e0 u0 quota", "e1 u1 quota", "e2 u2 quota", "e3 u3 quota", "e4 u4 quota"}) {
		t.Errorf("shown: %q", shown)
	}
	if s, ok := p.Stands(ins[1].ID); !ok || s.Gate != "quota" || !strings.HasPrefix(s.Lane, "main/tag") {
		t.Errorf("it stands at %+v, %v", s, ok)
	}
	if _, ok := p.Stands("t/0/1/tags/u77"); ok {
		t.Error("somebody stands there who never came")
	}
	p.Take() // the end of a turn
	parked(5)
	var ans ledger.Answer
	p.a.cancel(order(0, ledger.CmdCancel, string(ins[1].ID)), &ans)
	if !ans.Refused || !strings.Contains(ans.Text, "profile event") {
		t.Errorf("cancelled: %+v", ans)
	}
	p.a.oldest(p.Now())
	oldest := 0.0
	for _, lane := range ac.names {
		oldest = max(oldest, gaugeOf(t, m.oldest.WithLabelValues("main/"+lane)))
	}
	if oldest != time.Hour.Seconds() {
		t.Errorf("the oldest has waited for %v s", oldest)
	}
	again := *ins[2]
	newer := p.profile("newer", "u3", noon.UnixMilli()+1, map[string]string{"city": "sh"})
	p.Take(&again, newer)
	parked(5)
	p.want(nil, []string{"e2 SUPPRESSED(duplicate)", "e3 COALESCED"})
	if len(p.said) == 2 && p.said[slices.IndexFunc(p.said, func(f ledger.Fate) bool { return f.Fate == ledger.Coalesced })].Into != newer.ID {
		t.Errorf("coalesced: %+v", p.said)
	}
	gone = false
	p.Advance(noon.Add(2 * time.Hour))
	parked(0)
	if got, want := kinds(p.said), []string{"e0 SENT", "e1 SENT", "e2 SENT", "e2 SUPPRESSED(duplicate)", "e3 COALESCED", "e4 SENT", "newer SENT"}; !slices.Equal(got, want) {
		t.Errorf("fates %q, want %q", got, want)
	}
}

// The next owner parks what it finds, however many they are, decides for each of them what its user needs, and takes its counts back when it goes.
func TestWhatIsParkedSurvivesATakeOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 3
	a := b.byHand(nil)
	for i := range n {
		a.admit(b.profile(fmt.Sprint("p", i), fmt.Sprint("u", i), 1, map[string]string{"city": "bj"}), int64(i))
	}
	b.commit(a)
	a.cool()
	if a.pending() != n || len(a.items) != 0 {
		t.Fatalf("%d pending, %d items", a.pending(), len(a.items))
	}
	a = b.byHand(nil)
	a.cool()
	ac := a.accounts["stub:k"]
	if a.pending() != n || len(a.items) != 0 {
		t.Fatalf("after a take-over: %d pending, %d items", a.pending(), len(a.items))
	}
	if a.wake.IsZero() {
		t.Error("it waits for something else before its first turn")
	}
	a.apply()
	for i := range n {
		if user := fmt.Sprint("u", i); !ac.reading[user] || !ac.asks(user) {
			t.Errorf("%s waits for nothing", user)
		}
	}
	if books := a.pos.Intents - a.pos.Fates; books != int64(a.pending()) {
		t.Errorf("%d without a fate, %d pending", books, a.pending())
	}
	a.cool()
	gauge := a.opt.Metrics.pending.WithLabelValues("main/"+LaneTag, queued.String())
	if was := gaugeOf(t, gauge); was != n {
		t.Errorf("%v are counted", was)
	}
	if a.retire(); gaugeOf(t, gauge) != 0 {
		t.Errorf("%v are counted when another process has them", gaugeOf(t, gauge))
	}
}

// What a fate is on record for since the copy of a lost ledger was made is parked no more.
func TestWhatHasAFateIsNotParkedFromACopy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(nil)
	var ins []*intent.Intent
	for i := range 3 {
		in := b.profile(fmt.Sprint("p", i), fmt.Sprint("u", i), 1, map[string]string{"city": "bj"})
		ins = append(ins, in)
		a.admit(in, int64(i))
	}
	b.commit(a)
	a = b.byHand(nil)
	a.past = &past{before: 3, forgot: true, fated: map[intent.ID]bool{ins[1].ID: true}, lost: map[string][]ledger.Fate{}}
	a.sift()
	ac := a.accounts["stub:k"]
	if a.pending() != 2 || ac.asks("u1") || !ac.asks("u0") || !ac.asks("u2") || a.pos.Fates != 1 {
		t.Errorf("%d pending, %d fates; u1 asks: %v", a.pending(), a.pos.Fates, ac.asks("u1"))
	}
	b.commit(a)
	if st := b.readLedger(); len(st.Pending) != 2 || st.Pending[string(ins[1].ID)] != nil || !st.Balanced() {
		t.Errorf("on record: %d pending", len(st.Pending))
	}
}
