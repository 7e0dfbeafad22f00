package dispatch

import (
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// What counts against a reserve is what its own rule has sent or may have sent today; not what certainly did not happen, what the vendor
// refused, what others sent or what was sent before midnight.
func TestWhatAReserveHasServed(t *testing.T) {
	zone := time.FixedZone("CST", 8*60*60)
	now := time.Date(2026, 11, 30, 10, 0, 0, 0, zone)
	reserve := intent.Reserve{Rule: "storm", N: 2, Until: 20 * 60}
	sent := func(rule string, at time.Time, state ledger.AttemptState) *ledger.Attempt {
		return &ledger.Attempt{Rule: rule, At: at, State: state, Weight: 1}
	}
	early := time.Date(2026, 11, 30, 0, 0, 0, 0, zone)
	for _, c := range []struct {
		name    string
		attempt *ledger.Attempt
		left    int
	}{
		{"done", sent("storm", early, ledger.OK), 1},
		{"open", sent("storm", early, ledger.Started), 1},
		{"nobody knows", sent("storm", early, ledger.Unknown), 1},
		{"it never left", sent("storm", early, ledger.NotSent), 2},
		{"refused by the vendor", sent("storm", early, ledger.Refused), 2},
		{"another rule's", sent("sale", early, ledger.OK), 2},
		{"yesterday's", sent("storm", early.Add(-time.Second), ledger.OK), 2},
	} {
		kept := Reserved([]intent.Reserve{reserve}, nil, []*ledger.Attempt{c.attempt}, now, zone)
		if len(kept) != 1 || kept[0].Left != c.left || !kept[0].Till.Equal(time.Date(2026, 11, 30, 20, 0, 0, 0, zone)) {
			t.Errorf("%s: %+v, want %d left until 20:00", c.name, kept, c.left)
		}
	}
	for name, at := range map[string]time.Time{"its time of day is over": now.Add(10 * time.Hour), "both are used": now} {
		used := []*ledger.Attempt{sent("storm", early, ledger.OK), sent("storm", early, ledger.Unknown)}
		if name != "both are used" {
			used = nil
		}
		if kept := Reserved([]intent.Reserve{reserve}, nil, used, at, zone); len(kept) != 0 {
			t.Errorf("%s: %+v, want nothing kept", name, kept)
		}
	}
}
