package dispatch

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// What goes to the next account asks nobody again: it is merged and approved, and its time of day has come. All else goes along, above all
// until when it may be sent.
func TestWhatIsHandedOverHasPassedItsGates(t *testing.T) {
	t.Parallel()
	noon := 12 * 60
	in := &intent.Intent{ID: "t/0/1/r/u", Event: intent.EventRef{ID: "e", Topic: "t", Offset: 1}, Rule: "r", Account: "main", Key: "stub:k", Next: []string{"second", "third"}, Target: "u", Action: intent.Push,
		Content: &intent.Content{Body: "b"}, Class: "marketing", Merge: &intent.Merge{Key: "m"},
		Policy: intent.Policy{Priority: 2, Expire: time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC), Approval: &intent.Approval{People: 1, Within: time.Hour}, SendAt: &noon,
			Quiet: []intent.Quiet{{From: 60, To: 120}}, PerUser: []intent.Cap{{N: 1, In: time.Hour}}}}
	want := *in
	want.ID, want.Account, want.Key, want.Next, want.Made = "t/0/1/r@second/u", "second", "stub:s", []string{"third"}, intent.Text(in)
	want.Merge, want.Policy.Approval, want.Policy.SendAt = nil, nil, nil
	if d := cmp.Diff(&want, handed(&ledger.Pending{Intent: in}, &Account{Name: "second", Key: "stub:s"}, []string{"third"})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// Broadcasts are known as duplicates for as long as their setting says, pushes for as long as theirs.
func TestEachKindIsADuplicateForItsOwnTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(_ *Account, o *Options) { o.DuplicatesUsers, o.DuplicatesBroadcasts = time.Hour, 3*time.Hour })
	now := a.clock.now()
	push, cast := b.intent("e1", "r", "u", intent.Push), b.intent("e2", "r", intent.Everyone, intent.Broadcast)
	a.remember(seenOf(push), push, now)
	a.remember(seenOf(cast), cast, now)
	for _, c := range []struct {
		after      time.Duration
		push, cast bool
	}{{59 * time.Minute, true, true}, {61 * time.Minute, false, true}, {181 * time.Minute, false, false}} {
		a.forgetSeen(now.Add(c.after))
		_, p := a.seen[seenOf(push)]
		_, k := a.seen[seenOf(cast)]
		if p != c.push || k != c.cast {
			t.Errorf("after %s: the push is known %t, the broadcast %t; want %t, %t", c.after, p, k, c.push, c.cast)
		}
	}
}
