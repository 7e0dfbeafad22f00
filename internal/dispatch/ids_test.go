package dispatch

import (
	"slices"
	"testing"

	"github.com/notifier/notifier/internal/intent"
)

// pushRules make the ids of pushes as the rules do: of the record, whatever stands behind the id of the profile's intent.
type pushRules struct{ stubRules }

func (r pushRules) ProfilePushes(in *intent.Intent, before, after func(string) (intent.Value, bool)) []*intent.Intent {
	out := r.stubRules.ProfilePushes(in, before, after)
	for _, push := range out {
		push.ID = intent.MakeID(in.Position(), push.Rule, push.Target)
	}
	return out
}

// A record of a topic that was made again stands where one of the old topic stood. The push that follows from it is another all the same,
// and the second event of one record has a push of its own.
func TestThePushesOfAProfileAreAsDifferentAsItsIntents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.byHand(func(_ *Account, o *Options) { o.Rules = func() Rules { return pushRules{} } })
	levels := []string{"", "silver", "gold", "platinum", "black"}
	for i, c := range []struct {
		rule string
		tail intent.ID
	}{{"tags", ""}, {"tags", "#2"}, {"tags", "~Zx9"}, {"tags@main", "#2~Zx9"}} {
		if i == 0 {
			first := b.profile("p", "u1", 1, map[string]string{"level": levels[0]})
			a.admit(first, 0)
		}
		in := b.profile("p"+levels[i+1], "u1", int64(i+2), map[string]string{"level": levels[i+1]})
		in.Event.Topic, in.Event.Offset = "profiles", 7
		in.ID = intent.MakeID(in.Position(), c.rule, in.Target) + c.tail
		a.admit(in, int64(i+1))
		if want := intent.MakeID(in.Position(), "level-up", "u1") + c.tail; a.items[itemOf(want)] == nil {
			var have []intent.ID
			for _, it := range a.items {
				have = append(have, it.id())
			}
			slices.Sort(have)
			t.Errorf("no push %q waits; these do: %q", want, have)
		}
	}
}
