package app

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// QuotaReserve is what a live rule keeps of a lane's slots of today.
type QuotaReserve struct {
	Rule  string    `json:"rule"`
	Slots int       `json:"slots"`
	Left  int       `json:"left"` // still kept: 0 when they are used, the time is over or the rule is killed
	Until time.Time `json:"until"`
}

// QuotaShare is the most that a rule may take, and what it took.
type QuotaShare struct {
	Rule  string `json:"rule"`
	Limit string `json:"limit"`
	Used  int    `json:"used"`
	Slots int    `json:"slots"`
}

// routed reports whether a pending intent waits in a lane.
func routed(ac *settings.Account, in *intent.Intent, lane string) bool {
	if in.Profile != nil {
		return lane == dispatch.LaneTag
	}
	route, err := newVendor(ac).Route(in)
	return in.Action == intent.Broadcast && err == nil && route.Lane == lane
}

// divide tells how a lane's slots are divided between the rules.
func (l *QuotaLane) divide(s *settings.Settings, set *rules.Set, ac *settings.Account, states map[int32]*ledger.State, now time.Time) {
	l.Reserves, l.Shares = []QuotaReserve{}, []QuotaShare{}
	if set == nil {
		return
	}
	lane := strings.TrimPrefix(l.Lane, ac.Name+"/")
	pol := lanesOf(ac)[lane]
	var attempts []*ledger.Attempt
	kills := map[string]ledger.Kill{}
	for _, st := range states {
		maps.Copy(kills, st.Kills)
		for _, at := range st.Attempts {
			if at.Account == Identity(ac) && dispatch.CountsIn(at, lane, pol) {
				attempts = append(attempts, at)
			}
		}
	}
	all := dispatch.LaneReserves(newVendor(ac), set.Reserves(ac.Name), lane)
	kept := dispatch.Reserved(all, kills, attempts, now, s.Zone)
	for _, r := range all {
		if !r.Holds(now) {
			continue
		}
		q := QuotaReserve{Rule: r.Rule, Slots: r.N, Until: dispatch.ReservedTill(r, now, s.Zone).UTC()}
		if i := slices.IndexFunc(kept, func(k dispatch.Kept) bool { return k.Rule == r.Rule }); i >= 0 {
			q.Left = kept[i].Left
		}
		l.Reserves = append(l.Reserves, q)
	}
	for _, r := range set.Rules {
		share := r.Share()
		if share == nil || r.Account != ac.Name || r.Mode != rules.Live || !routed(ac, r.Like(), lane) {
			continue
		}
		q := QuotaShare{Rule: r.Name, Limit: dispatch.CapText(*share), Slots: share.N}
		for _, st := range states {
			q.Used += dispatch.ShareUsed(st.Sends, Identity(ac), r.Name, *share, now, s.Zone)
		}
		l.Shares = append(l.Shares, q)
	}
}
