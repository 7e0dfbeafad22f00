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

	Next time.Time `json:"next,omitzero"` // when it may take one again; zero: now
}

// routed reports whether a pending intent waits in a lane.
func routed(ac *settings.Account, in *intent.Intent, lane string) bool {
	if in.Profile != nil {
		return lane == dispatch.LaneTag
	}
	route, err := newVendor(ac).Route(in)
	return in.Action == intent.Broadcast && err == nil && route.Lane == lane
}

// outlookOf is a lane with slots as the ledgers have it. With a nil set, of rule files that cannot be read, nothing is reserved.
func outlookOf(s *settings.Settings, set *rules.Set, ac *settings.Account, lane string, pol dispatch.Policy, states map[int32]*ledger.State) *dispatch.Outlook {
	o := &dispatch.Outlook{Key: Identity(ac), Limits: pol.Limits, Sends: map[string]*ledger.Sends{}, Kills: map[string]ledger.Kill{}, Zone: s.Zone}
	o.Span, o.Guard = dispatch.SpanAndGuard(ac.Timeout, pol)
	for _, st := range states {
		maps.Copy(o.Kills, st.Kills)
		for _, at := range st.Attempts {
			if at.Account == o.Key && dispatch.CountsIn(at, lane, pol) {
				o.Attempts, o.Charges = append(o.Attempts, at), append(o.Charges, dispatch.ChargeOf(at, pol))
			}
		}
		for id, sent := range st.Sends {
			if strings.HasPrefix(id, o.Key+"/") {
				o.Sends[id] = sent
			}
		}
	}
	if set != nil {
		o.Reserves = dispatch.LaneReserves(newVendor(ac), set.Reserves(ac.Name), lane)
	}
	return o
}

// divide tells how a lane's slots are divided between the rules.
func (l *QuotaLane) divide(s *settings.Settings, set *rules.Set, ac *settings.Account, o *dispatch.Outlook, states map[int32]*ledger.State, now time.Time) {
	l.Reserves, l.Shares = []QuotaReserve{}, []QuotaShare{}
	if set == nil {
		return
	}
	kept := dispatch.Reserved(o.Reserves, o.Kills, o.Attempts, now, s.Zone)
	for _, r := range o.Reserves {
		if !r.Holds(now) {
			continue
		}
		q := QuotaReserve{Rule: r.Rule, Slots: r.N, Until: dispatch.ReservedTill(r, now, s.Zone).UTC()}
		if i := slices.IndexFunc(kept, func(k dispatch.Kept) bool { return k.Rule == r.Rule }); i >= 0 {
			q.Left = kept[i].Left
		}
		l.Reserves = append(l.Reserves, q)
	}
	lane := strings.TrimPrefix(l.Lane, ac.Name+"/")
	for _, r := range set.Rules {
		share := r.Share()
		if share == nil || r.Account != ac.Name || r.Mode != rules.Live || !routed(ac, r.Like(), lane) {
			continue
		}
		q := QuotaShare{Rule: r.Name, Limit: dispatch.CapText(*share), Slots: share.N}
		for _, st := range states {
			q.Used += dispatch.ShareUsed(st.Sends, Identity(ac), r.Name, *share, now, s.Zone)
		}
		if next := dispatch.ShareFree(o.Sends, o.Key, r.Name, *share, now, s.Zone); next.After(now) {
			q.Next = next.UTC()
		}
		l.Shares = append(l.Shares, q)
	}
}
