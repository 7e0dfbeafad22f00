package app

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/settings"
)

// Where the vendor states a limit per second or minute, a refusal for now although we kept it is somebody else's doing. Push Plus has no
// documented limit, and Getui's refusals say more than that.
func TestLanesWhoseLimitIsStated(t *testing.T) {
	t.Parallel()
	stated := func(lanes map[string]dispatch.Policy) (names []string) {
		for _, name := range slices.Sorted(maps.Keys(lanes)) {
			if lanes[name].Stated {
				names = append(names, name)
			}
		}
		return names
	}
	if d := cmp.Diff([]string{"online", "tag", "tag-batch", "tag-get", "user"}, stated(rongLanes(rongQuota{Hour: 2, Day: 3}, late))); d != "" {
		t.Error(d)
	}
	if got := stated(getuiLanes(&settings.Account{})); got != nil {
		t.Errorf("Getui: %v", got)
	}
}
