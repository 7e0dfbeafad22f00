package app

import (
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// QuotaRest is a lane of reads of tags that rests since its owner's start: reads are on no record, so its window begins full.
type QuotaRest struct {
	Lane  string    `json:"lane"`
	Until time.Time `json:"until"`
}

// worthTelling is from how long a window on its rest is told: others are over before anybody looks.
const worthTelling = time.Minute

// restOf tells until when an account's reads of tags rest, nil if they do not. An owner that began the ledger has nobody's reads to mind.
func restOf(s *settings.Settings, ac *settings.Account, states map[int32]*ledger.State, now time.Time) *QuotaRest {
	reads := lanesOf(ac)[dispatch.LaneTagGet]
	if reads.Window < worthTelling {
		return nil
	}
	st := states[int32(ledger.HashPartition([]byte(Identity(ac)), s.Kafka.Partitions))]
	if st == nil || st.Owner == nil || st.Owner.Released {
		return nil
	}
	if g := st.Genesis; g != nil && g.Assumed == nil && st.Owner.At.Sub(g.At) < clocksOff {
		return nil
	}
	until := st.Owner.At.Add(reads.Window)
	if !until.After(now) {
		return nil
	}
	return &QuotaRest{Lane: ac.Name + "/" + dispatch.LaneTagGet, Until: until.UTC()}
}

// clocksOff is how far the clock of an owner, by which it says when it began, may be ahead of the broker's, by which the ledger's beginning is told.
const clocksOff = 5 * time.Second
