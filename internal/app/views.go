package app

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// LanesOf names the lanes of an account.
func LanesOf(ac *settings.Account) []string { return slices.Sorted(maps.Keys(lanesOf(ac))) }

// QuotaView is what `notifier quota` shows (cli.md 5).
type QuotaView struct {
	Schema   string         `json:"schema"`
	Accounts []QuotaAccount `json:"accounts"`
}

// QuotaAccount is one account of a QuotaView.
type QuotaAccount struct {
	Account string      `json:"account"`
	Stopped bool        `json:"stopped,omitempty"` // its partition is, as QuotaOf cannot know: what is used is not known, whatever Lanes say
	Lanes   []QuotaLane `json:"lanes"`
	Days    []QuotaDay  `json:"days,omitempty"`
	Reads   *QuotaRest  `json:"reads_rest,omitempty"`
}

// QuotaDay is what one kind of call to users may use of a day. They go another way when it is used up, so nothing waits for it.
type QuotaDay struct {
	Name string `json:"name"` // account/list
	QuotaWindow
}

// QuotaLane is one scarce lane.
type QuotaLane struct {
	Lane    string        `json:"lane"`
	Windows []QuotaWindow `json:"windows"`
	Next    time.Time     `json:"next"`
	Others  time.Time     `json:"next_others,omitzero"` // of the rules for which no slots are reserved, if that is later
	Held    *QuotaHold    `json:"held,omitempty"`       // after a take-over: then Next is not before it ends
	Flying  int           `json:"in_flight,omitempty"`  // requests that have left: they do not wait
	Waiting int           `json:"waiting"`
	Paused  int           `json:"paused,omitempty"` // requests that a pause or a kill holds: they do not wait for a slot
	Merged  int           `json:"merged"`           // triggers that came together in those that wait
	Charges []QuotaCharge `json:"charges"`

	Reserves []QuotaReserve `json:"reserves"` // of the live rules
	Shares   []QuotaShare   `json:"shares"`
	Forecast Forecast       `json:"forecast"`

	free    time.Time         // when a slot is, whatever else holds the lane
	outlook *dispatch.Outlook // of a lane that carries audiences
}

// QuotaHold is a lane that waits for the open call of an owner before: until then nobody knows whether it arrives.
type QuotaHold struct {
	Attempt string    `json:"attempt"`
	Until   time.Time `json:"until"`
}

// QuotaWindow is one window of a lane.
type QuotaWindow struct {
	Window string `json:"window"` // 1h rolling, day Asia/Shanghai
	Used   int    `json:"used"`
	Limit  int    `json:"limit"`
}

// QuotaCharge is one call that counts.
type QuotaCharge struct {
	At      time.Time `json:"at"`
	Rule    string    `json:"rule"`
	Attempt string    `json:"attempt"`
	State   string    `json:"state"`
	Source  string    `json:"source"` // own, unknown, external
	Slots   int       `json:"slots"`
	By      string    `json:"by,omitempty"` // external, if an operator told it: who, why
	Why     string    `json:"why,omitempty"`
}

// QuotaOf computes the view from the ledgers, with the planner's own arithmetic. set is nil where the rule files cannot be read: then
// reserves and shares are not told.
func QuotaOf(s *settings.Settings, set *rules.Set, states map[int32]*ledger.State, now time.Time) QuotaView {
	v := QuotaView{Schema: "notifier.quota/v1", Accounts: []QuotaAccount{}}
	for i := range s.Accounts {
		ac := &s.Accounts[i]
		lanes := lanesOf(ac)
		qa := QuotaAccount{Account: ac.Name, Reads: restOf(s, ac, states, now)}
		for _, name := range slices.Sorted(maps.Keys(lanes)) {
			qa.Days = append(qa.Days, quotaDays(ac, lanes[name], states, now)...)
			if pol := lanes[name]; len(pol.Limits) > 0 {
				qa.Lanes = append(qa.Lanes, quotaLane(s, set, ac, name, pol, states, now))
			}
		}
		v.Accounts = append(v.Accounts, qa)
	}
	return v
}

func quotaDays(ac *settings.Account, pol dispatch.Policy, states map[int32]*ledger.State, now time.Time) (out []QuotaDay) {
	for _, f := range pol.Forms {
		if f.Day.N == 0 {
			continue
		}
		d := QuotaDay{Name: ac.Name + "/" + f.DayName, QuotaWindow: QuotaWindow{Window: windowName(f.Day), Limit: f.Day.N}}
		for _, st := range states { // one of them holds the account
			d.Used += f.DayUsed(st, Identity(ac), now)
		}
		out = append(out, d)
	}
	return out
}

func quotaOf(ac *settings.Account) rongQuota {
	return rongQuota{Hour: ac.Quota.Hour, Day: ac.Quota.Day, Rolling: ac.Quota.Rolling, Zones: ac.Quota.DayZones, Split: !ac.Quota.Shared}
}

func quotaLane(s *settings.Settings, set *rules.Set, ac *settings.Account, name string, pol dispatch.Policy, states map[int32]*ledger.State, now time.Time) QuotaLane {
	l := QuotaLane{Lane: ac.Name + "/" + name, Charges: []QuotaCharge{}}
	o := outlookOf(s, set, ac, name, pol, states)
	for _, at := range o.Attempts {
		source := dispatch.SourceOf(at)
		if pol.Remove != "" && source == "own" { // thousands a day
			continue
		}
		l.Charges = append(l.Charges, QuotaCharge{At: at.At, Rule: at.Rule, Attempt: at.ID, State: string(at.State), Source: source, Slots: at.Weight, By: at.By, Why: at.Why})
	}
	var waiting []*ledger.Pending
	from := now // nothing leaves before
	of := &pendingAccount{name: ac.Name, lanes: map[string]dispatch.Policy{name: pol}}
	for _, st := range states {
		flying := flyingOf(st)
		if o, ok := openOf(st, map[string]*pendingAccount{o.Key: of})[o.Key+"/"+name]; ok {
			l.Held = &QuotaHold{o.at.ID, o.until.UTC()}
			from = later(from, o.until)
		}
		for _, p := range st.Pending {
			if p.Intent.Key == Identity(ac) && routed(ac, p.Intent, name) {
				if flying[p.Intent.ID] != nil {
					l.Flying++
					continue
				}
				if _, killed := st.Kills[p.Intent.Rule]; killed && p.Intent.Profile == nil || pausedBy(st, p.Intent.Rule, of, name) != "" {
					l.Paused++
					continue
				}
				l.Waiting++
				waiting = append(waiting, p)
				if p.Merged != nil && p.Merged.Count > 1 {
					l.Merged += p.Merged.Count
				}
			}
		}
	}
	slices.SortFunc(l.Charges, func(a, b QuotaCharge) int { return a.At.Compare(b.At) })
	for _, u := range quota.Used(o.Limits, o.Charges, now, o.Span, o.Guard) {
		l.Windows = append(l.Windows, QuotaWindow{Window: windowName(u.Limit), Used: u.Used, Limit: u.Limit.N})
	}
	if next, err := quota.Free(o.Limits, o.Charges, 1, now, o.Span, o.Guard); err == nil {
		l.free = next.UTC()
	}
	if l.Next = l.free; l.Held != nil && !l.Next.IsZero() {
		l.Next = later(l.Next, l.Held.Until)
	}
	l.divide(s, set, ac, o, states, now)
	if pol.Audiences {
		l.outlook = o
		if t := o.Leaves(&intent.Intent{}, now); t.Kept && t.At.After(l.Next) {
			l.Others = t.At.UTC()
		}
		l.Forecast = forecast(*o, waiting, now, from)
	}
	return l
}

// windowName tells a window of time without its limit.
func windowName(l quota.Limit) string {
	if l.Day {
		return "day " + cmp.Or(l.Zone, time.UTC).String()
	}
	switch {
	case l.Window%time.Hour == 0:
		return fmt.Sprintf("%dh rolling", l.Window/time.Hour)
	case l.Window%time.Minute == 0:
		return fmt.Sprintf("%dm rolling", l.Window/time.Minute)
	}
	return l.Window.String() + " rolling"
}

// Forecast is what becomes of the requests that wait for slots if no other comes and nothing but slots holds them.
type Forecast struct {
	Today   int       `json:"today"` // leave before midnight in the settings' zone
	Later   int       `json:"later"`
	Expire  int       `json:"expire"` // before they may have a slot
	Expires time.Time `json:"first_expires,omitzero"`
	More    int       `json:"more,omitempty"` // beyond the first maxForecast: not asked
}

const (
	maxForecast = 100
	maxLooks    = 1000 // at the queue
)

// forecast lets requests leave one after the other as the queue would: the first in its order of those that may have a slot.
func forecast(o dispatch.Outlook, waiting []*ledger.Pending, now, from time.Time) (f Forecast) {
	o.Sort(waiting)
	if f.More = len(waiting) - maxForecast; f.More > 0 {
		waiting = waiting[:maxForecast]
	}
	f.More = max(0, f.More)
	y, m, d := now.In(o.Zone).Date()
	midnight := intent.Wall(y, m, d+1, 0, 0, 0, o.Zone)
	o.Charges, o.Attempts, o.Sends = slices.Clone(o.Charges), slices.Clone(o.Attempts), maps.Clone(o.Sends)
	expired := func(p *ledger.Pending, at time.Time) bool {
		e := p.Intent.Policy.Expire
		return !e.IsZero() && !e.After(at)
	}
	for at, looks := from, 0; len(waiting) > 0; looks++ {
		var next time.Time
		leaves := -1
		for i, p := range waiting {
			if expired(p, at) {
				continue
			}
			t := o.Turn(p.Intent, at)
			if !t.At.After(at) {
				leaves = i
				break
			}
			if next.IsZero() || t.At.Before(next) {
				next = t.At
			}
		}
		if leaves >= 0 {
			o.Send(waiting[leaves].Intent, at)
			if waiting = slices.Delete(waiting, leaves, leaves+1); at.Before(midnight) {
				f.Today++
			} else {
				f.Later++
			}
			continue
		}
		if next.IsZero() || looks >= maxLooks { // the rest has no slot in time
			break
		}
		at = next
	}
	for _, p := range waiting {
		f.Expire++
		if e := p.Intent.Policy.Expire; f.Expires.IsZero() || !e.IsZero() && e.Before(f.Expires) {
			f.Expires = e
		}
	}
	return f
}

// StatusView is what `notifier status` shows.
type StatusView struct {
	Schema       string                      `json:"schema"`
	Instances    []ledger.Instance           `json:"instances"` // that run, and the rules they go by
	Partitions   []PartitionView             `json:"partitions"`
	Pauses       map[string]ledger.Pause     `json:"pauses"`
	Kills        map[string]ledger.Kill      `json:"kills"`        // by rule
	Lanes        map[string]ledger.LaneState `json:"lanes"`        // stopped ones, by account/lane
	Halts        map[int32]ledger.Halt       `json:"halts"`        // stopped partitions
	Lost         []string                    `json:"lost_offsets"` // event partitions that are stopped, topic/partition: what is to be read next is not in the log
	Unknown      int                         `json:"unknown"`
	External     []ExternalView              `json:"external"` // what in the last 24 h somebody else used
	Resyncs      []ResyncView                `json:"resyncs"`
	Approvals    int                         `json:"approvals"`     // requests and changes of tags that wait for people
	LateProfiles []LateProfilesView          `json:"late_profiles"` // accounts that have not known their users for long
	TagChanges   []TagChangeView             `json:"tag_changes"`   // accounts whose users are not, or not by all, at their present tag rules
	Commands     []CommandView               `json:"commands"`      // that stand: not all owners have obeyed them
	Missing      []MissingView               `json:"missing_accounts"`
	Balanced     bool                        `json:"balanced"`
}

// ExternalView is what others used of a lane in the last 24 h: slots, or where a lane has none how many of our calls found its limit used up.
type ExternalView struct {
	Lane     string    `json:"lane"`
	N        int       `json:"n"`
	Last     time.Time `json:"last"`
	Refusals bool      `json:"refusals,omitempty"` // n are refused calls
}

// MissingView is an account for which something waits and that the settings do not have: it was removed, or its App Key was changed.
type MissingView struct {
	Identity string `json:"identity"`          // vendor:key, as it was
	Account  string `json:"account,omitempty"` // its name then, if an intent knows it
	Intents  int    `json:"intents"`           // that wait for it
	Calls    int    `json:"calls"`             // left open, whose outcome is decided when the account is back
}

// missingOf finds what waits for accounts that the settings do not have.
func missingOf(accounts map[string]*pendingAccount, states map[int32]*ledger.State) []MissingView {
	found := map[string]*MissingView{}
	of := func(identity string) *MissingView {
		if found[identity] == nil {
			found[identity] = &MissingView{Identity: identity}
		}
		return found[identity]
	}
	for _, st := range states {
		for _, p := range st.Pending {
			if in := p.Intent; accounts[in.Key] == nil {
				m := of(in.Key)
				m.Account, m.Intents = in.Account, m.Intents+1
			}
		}
		for _, at := range st.Attempts {
			if accounts[at.Account] == nil && undecided(at) {
				of(at.Account).Calls++
			}
		}
	}
	out := []MissingView{}
	for _, identity := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[identity])
	}
	return out
}

// ResyncView is a resync of an account's tags, or how the last one ended.
type ResyncView struct {
	Account string       `json:"account"`
	By      string       `json:"by"`
	At      time.Time    `json:"at"`
	Part    int          `json:"part"`
	Parts   int          `json:"parts"`
	Ended   time.Time    `json:"ended,omitzero"`
	Results ledger.Drift `json:"results"`
}

// LateProfilesView is an account whose profile table began after events had gone by: of a user without a profile event since then
// nothing is known.
type LateProfilesView struct {
	Account string    `json:"account"`
	Since   time.Time `json:"since"`
	Users   int       `json:"users"` // known
}

// tellLate is how long status tells of it. Nobody knows when the last user has been heard of again.
const tellLate = 30 * 24 * time.Hour

// PartitionView is one partition of a StatusView.
type PartitionView struct {
	Partition int32  `json:"partition"`
	Owner     string `json:"owner"`
	Next      int64  `json:"next"`
	Intents   int64  `json:"intents"`
	Fates     int64  `json:"fates"`
	Pending   int    `json:"pending"`
	Users     int    `json:"users"`
}

// StatusOf computes the view from the ledgers.
func StatusOf(s *settings.Settings, states map[int32]*ledger.State, halts map[int32]ledger.Halt, now time.Time) StatusView {
	v := StatusView{Schema: "notifier.status/v1", Pauses: map[string]ledger.Pause{}, Kills: map[string]ledger.Kill{}, Lanes: map[string]ledger.LaneState{}, Halts: halts, Lost: []string{}, Instances: []ledger.Instance{}, External: []ExternalView{}, Resyncs: []ResyncView{}, LateProfiles: []LateProfilesView{}, TagChanges: []TagChangeView{}, Commands: []CommandView{}, Missing: missingOf(pendingAccounts(s), states), Balanced: true}
	names, stated := map[string]string{}, map[string]bool{}
	for i := range s.Accounts {
		id := Identity(&s.Accounts[i])
		names[id] = s.Accounts[i].Name
		for name, pol := range lanesOf(&s.Accounts[i]) {
			stated[id+"/"+name] = pol.Stated
		}
	}
	for _, p := range slices.Sorted(maps.Keys(states)) {
		st := states[p]
		pv := PartitionView{Partition: p, Owner: "nobody", Next: st.Position.Next, Intents: st.Position.Intents, Fates: st.Position.Fates, Pending: len(st.Pending), Users: st.KnownUsers()}
		if st.Owner != nil {
			pv.Owner = st.Owner.Instance
			if st.Owner.Released {
				pv.Owner += " (released)"
			}
		}
		v.Partitions = append(v.Partitions, pv)
		maps.Copy(v.Pauses, st.Pauses)
		maps.Copy(v.Kills, st.Kills)
		for key, l := range st.Lanes {
			v.Lanes[laneName(names, key)] = l
		}
		external := map[string]*ExternalView{}
		for _, a := range st.Attempts {
			switch {
			case a.State == ledger.Unknown:
				v.Unknown++
			case a.State == ledger.External && now.Sub(a.Until) < 24*time.Hour:
				lane := laneName(names, a.Account+"/"+a.Lane)
				if external[lane] == nil {
					external[lane] = &ExternalView{Lane: lane, Refusals: stated[a.Account+"/"+a.Lane]}
				}
				external[lane].N += a.Weight
				last := a.Until
				if a.By != "" { // an operator told it, to the minute: it is charged until the end of that
					last = a.At
				}
				if last.After(external[lane].Last) {
					external[lane].Last = last
				}
			}
		}
		for _, lane := range slices.Sorted(maps.Keys(external)) {
			v.External = append(v.External, *external[lane])
		}
		for _, key := range slices.Sorted(maps.Keys(st.Checks)) {
			if c := st.Checks[key]; c.Cmd == ledger.CmdResync {
				account := strings.TrimSuffix(laneName(names, key), "/"+c.ID)
				v.Resyncs = append(v.Resyncs, ResyncView{Account: account, By: c.By, At: c.At, Part: c.Part, Parts: c.Parts, Ended: c.Ended, Results: c.Results})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(st.Changes)) {
			if c := st.Changes[key]; c.State != ledger.TagsSettled || !c.Waits.IsZero() {
				v.TagChanges = append(v.TagChanges, tagChangeView(accountName(s, key), c))
			}
			if t := st.Changes[key].Table; t != nil && t.Late && now.Sub(t.Since) < tellLate {
				v.LateProfiles = append(v.LateProfiles, LateProfilesView{Account: accountName(s, key), Since: t.Since, Users: st.Users[key].Len()})
			}
		}
		v.Balanced = v.Balanced && st.Balanced()
	}
	v.Approvals = len(ApprovalsOf(s, nil, states).Approvals)
	return v
}

// laneName puts the account's name for its identity, identity/lane.
func laneName(names map[string]string, key string) string {
	for id, name := range names {
		if len(key) > len(id) && key[:len(id)] == id && key[len(id)] == '/' {
			return name + key[len(id):]
		}
	}
	return key
}

// ScarceLanes are the lanes of an account that have slots.
func ScarceLanes(ac *settings.Account) (out []string) {
	lanes := lanesOf(ac)
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		if len(lanes[name].Limits) > 0 {
			out = append(out, name)
		}
	}
	return out
}
