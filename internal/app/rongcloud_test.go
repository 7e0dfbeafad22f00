package app

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/rongcloud"
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

// What a vendor said stands between words of ours, so that nothing is cut out of those.
func TestWhatIsOursInAnOutcome(t *testing.T) {
	t.Parallel()
	rong := outcome(nil, &rongcloud.Error{Path: "/push/user.json", Host: "10.0.0.1:80", Class: rongcloud.Permanent, HTTPStatus: 400, Code: 1002, Message: "bad 22", RequestID: "A-1-22-1"})
	used := getuiOutcome(&getui.Error{Method: "POST", Name: "/push/single/cid", Class: getui.Permanent, HTTPStatus: 400, Code: 20000, Message: "bad 22", Repeated: true, RequestID: "A-1-22-1"}, 1)
	for _, o := range []dispatch.Outcome{rong, used} {
		if o.Head == "" || o.Foot != " (request A-1-22-1)" || o.Detail != o.Head+": bad 22"+o.Foot {
			t.Errorf("%q between %q and %q", o.Detail, o.Head, o.Foot)
		}
	}
}
