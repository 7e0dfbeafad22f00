package app

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// PendingView is what `notifier pending list` shows: what leaves next first, at most PendingFilter.Limit of it.
type PendingView struct {
	Schema  string         `json:"schema"`
	Pending []PendingItem  `json:"pending"`
	Total   int            `json:"total"` // that the filter lets through
	More    int            `json:"more"`  // of them not shown
	States  map[string]int `json:"states"`
}

// StateStopped is where the view differs from notifier_pending, which counts it as quota: not for a slot it waits, its lane is stopped.
const StateStopped = "stopped"

// PendingItem is an intent without a fate. The states are those of notifier_pending, and StateStopped.
type PendingItem struct {
	ID       string        `json:"id"` // short, for the command line
	Intent   intent.ID     `json:"intent"`
	Event    string        `json:"event"`
	Rule     string        `json:"rule"`
	Target   string        `json:"target"`
	Action   intent.Action `json:"action"`
	Lane     string        `json:"lane"` // account/lane
	State    string        `json:"state"`
	Holds    string        `json:"holds,omitempty"`     // what holds it: a pause, a kill, a stopped lane
	Stopped  string        `json:"stopped,omitempty"`   // why its lane is stopped
	Waits    string        `json:"waits,omitempty"`     // of an audience that has no slot: why, as dispatch.Turn says it
	Next     time.Time     `json:"not_before,omitzero"` // zero: people or an operator decide
	Expire   time.Time     `json:"expire,omitzero"`     // zero: never
	Triggers int           `json:"triggers,omitempty"`  // of an open merge
	At       time.Time     `json:"at"`                  // taken in
	turn     dispatch.Turn
	priority intent.Priority
	seq      int64
}

// Turn is the turn of an audience that has no slot.
func (p *PendingItem) Turn() dispatch.Turn { return p.turn }

// PendingFilter says which intents to show; empty fields let all through.
type PendingFilter struct {
	Rule, Lane, State string
	Event, Target     string
	Limit             int // 0: all
}

// PendingOf computes the view from the ledgers. set is nil where the rule files cannot be read: then nobody knows what rules reserve.
func PendingOf(s *settings.Settings, set *rules.Set, states map[int32]*ledger.State, f PendingFilter, now time.Time) PendingView {
	v := PendingView{Schema: "notifier.pending/v1", Pending: []PendingItem{}, States: map[string]int{}}
	slots := map[string]*QuotaLane{}
	for _, a := range QuotaOf(s, set, states, now).Accounts {
		for i := range a.Lanes {
			slots[a.Lanes[i].Lane] = &a.Lanes[i]
		}
	}
	accounts := pendingAccounts(s)
	for _, st := range states {
		flying, open := flyingOf(st), openOf(st, accounts)
		for _, p := range st.Pending {
			if f.Rule != "" && p.Intent.Rule != f.Rule || f.Event != "" && p.Intent.Event.ID != f.Event || f.Target != "" && p.Intent.Target != f.Target {
				continue
			}
			it := pendingItem(s, st, p, accounts[p.Intent.Key], flying, open, slots, now)
			if f.Lane != "" && it.Lane != f.Lane || f.State != "" && it.State != f.State {
				continue
			}
			v.States[it.State]++
			v.Pending = append(v.Pending, it)
		}
	}
	slices.SortFunc(v.Pending, func(a, b PendingItem) int { return leavesBefore(&a, &b) })
	v.Total = len(v.Pending)
	if f.Limit > 0 && v.Total > f.Limit {
		v.Pending, v.More = v.Pending[:f.Limit], v.Total-f.Limit
	}
	return v
}

// FindPending finds pending intents by an id or the short form of one, which more than one may have.
func FindPending(states map[int32]*ledger.State, id string) (found []*ledger.Pending) {
	for _, st := range states {
		if p := st.Pending[id]; p != nil {
			return []*ledger.Pending{p}
		}
		for _, p := range st.Pending {
			if ledger.ApprovalID(p.Intent.ID) == id {
				found = append(found, p)
			}
		}
	}
	return found
}

// pendingAccount is what the view asks of an account.
type pendingAccount struct {
	name   string
	vendor vendor
	lanes  map[string]dispatch.Policy
}

func pendingAccounts(s *settings.Settings) map[string]*pendingAccount {
	out := map[string]*pendingAccount{}
	for i := range s.Accounts {
		ac := &s.Accounts[i]
		out[Identity(ac)] = &pendingAccount{ac.Name, newVendor(ac), lanesOf(ac)}
	}
	return out
}

// noAccount is what holds the intents of an account that was removed, or got another identity.
const noAccount = "its account is not in the settings"

// pendingItem says where one intent stands: in a call, or held by an operator, or at the gate that its record names.
func pendingItem(s *settings.Settings, st *ledger.State, p *ledger.Pending, ac *pendingAccount, flying map[intent.ID]*ledger.Attempt, open map[string]leftOpen, slots map[string]*QuotaLane, now time.Time) PendingItem {
	in := p.Intent
	it := PendingItem{ID: ledger.ApprovalID(in.ID), Intent: in.ID, Event: in.Event.ID, Rule: in.Rule, Target: in.Target, Action: in.Action,
		Expire: in.Policy.Expire, At: p.At.UTC(), priority: in.Policy.Priority, seq: p.Seq}
	if p.Merged != nil {
		it.Triggers = p.Merged.Count
	}
	if ac == nil {
		it.Lane, it.State, it.Holds = in.Account+"/none", "paused", noAccount
		if at := flying[in.ID]; at != nil { // what became of its call is asked when the account is back
			it.Lane, it.State = in.Account+"/"+at.Lane, "in_flight"
		}
		return it
	}
	lane, endpoint := dispatch.LaneTag, ""
	if in.Profile == nil {
		route, err := ac.vendor.Route(in)
		if err != nil {
			it.Lane, it.State, it.Holds = ac.name+"/none", "paused", err.Error()
			return it
		}
		lane, endpoint = route.Lane, route.Endpoint
	}
	it.Lane = ac.name + "/" + lane
	if at := flying[p.Intent.ID]; at != nil {
		next := at.Next // its answer was lost
		if ofPredecessor(st, at) {
			pol := ac.lanes[at.Lane]
			next, it.Holds = pol.Settles(at), takenOver(at)
		}
		it.State, it.Next = "in_flight", later(now, next).UTC()
		return it
	}
	if _, ok := st.Kills[in.Rule]; ok && in.Profile == nil {
		it.State, it.Holds = "paused", "the rule is killed"
		return it
	}
	it.State, it.Next = dispatch.Waits(p, now, s.Zone)
	if it.State != "quota" {
		return it
	}
	if scope := pausedBy(st, in.Rule, ac, lane); scope != "" {
		it.State, it.Holds = "paused", scope
		return it
	}
	it.Next = now
	if l := slots[it.Lane]; l != nil && l.outlook != nil && in.Action == intent.Broadcast {
		if t := l.outlook.Leaves(in, now); t.At.After(now) {
			it.Next, it.Waits, it.turn = t.At, t.Why, t
		}
	} else if l != nil && l.free.After(it.Next) {
		it.Next = l.free
	}
	if o, ok := open[in.Key+"/"+lane]; ok && !o.until.Before(it.Next) {
		it.Next, it.Holds, it.Waits, it.turn = o.until, takenOver(o.at), "", dispatch.Turn{}
	}
	if it.Holds == "" && in.Action == intent.Broadcast && in.Content != nil && p.Merged == nil { // the texts of a merge are not rendered yet
		if _, err := bodyOf(ac.vendor, endpoint, in); err != nil {
			it.Holds = dispatch.CannotLeave + err.Error()
		}
	}
	if l, ok := st.Lanes[in.Key+"/"+lane]; ok {
		it.State, it.Stopped, it.Holds = StateStopped, l.Reason, "the lane is stopped: "+l.Reason
		if l.Retry.After(it.Next) {
			it.Next = l.Retry
		}
	}
	it.Next = it.Next.UTC()
	return it
}

// flyingOf are the attempts of what has left and has no outcome yet.
func flyingOf(st *ledger.State) map[intent.ID]*ledger.Attempt {
	out := map[intent.ID]*ledger.Attempt{}
	for _, at := range st.Attempts {
		if undecided(at) {
			for _, id := range at.Members {
				out[id] = at
			}
		}
	}
	return out
}

// leftOpen is a call of a predecessor that holds its lane.
type leftOpen struct {
	at    *ledger.Attempt
	until time.Time
}

// openOf are the lanes, identity/lane, that wait after a take-over, each with the call that is waited for longest.
func openOf(st *ledger.State, accounts map[string]*pendingAccount) map[string]leftOpen {
	out := map[string]leftOpen{}
	for _, at := range st.Attempts {
		ac := accounts[at.Account]
		if ac == nil || !ofPredecessor(st, at) {
			continue
		}
		pol := ac.lanes[at.Lane]
		key := at.Account + "/" + at.Lane
		if o := (leftOpen{at, pol.Settles(at)}); pol.HeldBy(at) && (out[key].at == nil || o.until.After(out[key].until)) {
			out[key] = o
		}
	}
	return out
}

// ofPredecessor reports whether an open call was made by an owner before the present one.
func ofPredecessor(st *ledger.State, at *ledger.Attempt) bool {
	return at.State == ledger.Started && st.Owner != nil && at.Owner != st.Owner.Nonce
}

// undecided reports whether the outcome of a call is on nobody's record yet.
func undecided(at *ledger.Attempt) bool {
	return at.State == ledger.Started || at.State == ledger.Again
}

func takenOver(at *ledger.Attempt) string {
	return "take-over: an owner before left call " + at.ID + " open"
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// pausedBy names the pause that holds a lane or a rule.
func pausedBy(st *ledger.State, rule string, ac *pendingAccount, lane string) string {
	scopes := []string{"all", "account/" + ac.name, "lane/" + ac.name + "/" + lane, "rule/" + rule, "off/" + rule}
	if ac.lanes[lane].Audiences {
		scopes = append(scopes, "broadcasts")
	}
	for _, scope := range scopes {
		if _, ok := st.Pauses[scope]; ok {
			if strings.HasPrefix(scope, "off/") {
				return "the rule files: " + st.Pauses[scope].Why
			}
			return holder(scope, st.Pauses[scope])
		}
	}
	return ""
}

// holder is a pause of operators or a brake that holds something.
func holder(scope string, p ledger.Pause) string {
	switch {
	case p.Brake:
		return "brake " + scope
	case p.Tripped != nil:
		return "pause and brake " + scope
	}
	return "pause " + scope
}

// leavesBefore orders by what leaves next: what has left, then by time, priority, the earliest expiry and age, as the queues do; what
// waits for people or an operator is last.
func leavesBefore(a, b *PendingItem) int {
	rank := func(x *PendingItem) int {
		switch {
		case x.State == "in_flight":
			return 0
		case !x.Next.IsZero():
			return 1
		case x.State == "approval":
			return 2
		}
		return 3
	}
	soon := func(x, y time.Time) int { // zero is never
		if x.IsZero() != y.IsZero() {
			if x.IsZero() {
				return 1
			}
			return -1
		}
		return x.Compare(y)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Next.Compare(b.Next), cmp.Compare(b.priority, a.priority), soon(a.Expire, b.Expire),
		cmp.Compare(a.seq, b.seq), strings.Compare(string(a.Intent), string(b.Intent)))
}
