package dispatch

import (
	"fmt"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Sixteen calls that were in flight together and time out together are one piece of news: the lane closes once, for the first
// pause, not for the tenth doubling of it.
func TestCallsThatFailTogetherCloseALaneOnce(t *testing.T) {
	t.Parallel()
	const n = 16
	b := setup(t)
	b.vendor.gate = make(chan struct{})
	b.vendor.answer = func(int, *Call) Outcome { return Outcome{Class: ClassUnknown, Detail: "time-out"} }
	ac := b.account()
	user := ac.Lanes["user"]
	user.Parallel = n
	ac.Lanes["user"] = user
	ac.Timeout = 20 * time.Second
	b.start(ac, nil)
	var ins []*intent.Intent
	for i := range n {
		in := b.intent(fmt.Sprintf("e%d", i), "r", fmt.Sprintf("u%d", i), intent.Push)
		in.Content.Body = in.Event.ID
		ins = append(ins, in)
	}
	b.produce(ins...)
	b.state("sixteen open attempts", func(st *ledger.State) bool { return len(st.Attempts) == n })
	close(b.vendor.gate)
	b.fates(n)
	st := b.state("a closed lane", func(st *ledger.State) bool { return len(st.Lanes) == 1 })
	if got := time.Duration(st.Lanes["stub:k/user"].Pause) * time.Millisecond; got != firstPause {
		t.Errorf("the lane pauses for %s, want %s", got, firstPause)
	}
}

// A process that was killed with calls open says nothing of the vendor: its successor goes on at full speed.
func TestCallsOfADeadPredecessorDoNotCloseALane(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := &lane{stepped: now}
	if l.news(now.Add(-time.Second)) {
		t.Error("a call that began before the take-over counts")
	}
	if !l.news(now.Add(time.Millisecond)) {
		t.Error("a call that began after the take-over does not count")
	}
}
