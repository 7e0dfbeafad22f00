package app

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
	"github.com/notifier/notifier/internal/tagsync"
)

// UserView is what `notifier user show` shows: everything that the ledger holds under one user's id.
type UserView struct {
	Schema     string          `json:"schema"`
	User       string          `json:"user"`
	Accounts   []UserAccount   `json:"accounts"`
	Pending    []PendingItem   `json:"pending"`
	Duplicates []UserDuplicate `json:"duplicates"` // events that do nothing if they come again
	Fates      int             `json:"fates"`      // on record: notifier fates --user
}

// UserAccount is what one account holds.
type UserAccount struct {
	Account  string                   `json:"account"`
	Fields   map[string]tagsync.Field `json:"fields"`
	Tags     []string                 `json:"tags"`      // that the vendor acknowledged
	Certain  bool                     `json:"certain"`   // false: the outcome of the last write is not known, Tags is what it wrote
	InFlight []string                 `json:"in_flight"` // the set of a call that has not been answered; null: none
	Foreign  []string                 `json:"foreign"`   // of the tags, those that no rule of ours gives
	Gone     bool                     `json:"gone"`      // being cleared
	Known    bool                     `json:"known"`     // the account has a row of the user
	Caps     map[string][]time.Time   `json:"caps"`      // when sends were counted, by rule/NAME or class/NAME
}

// UserDuplicate is an event that is remembered.
type UserDuplicate struct {
	Account string    `json:"account"`
	Event   string    `json:"event"`
	Rule    string    `json:"rule"`
	Until   time.Time `json:"until"`
}

// Empty reports whether nothing at all is held.
func (v *UserView) Empty() bool {
	return len(v.Accounts)+len(v.Pending)+len(v.Duplicates)+v.Fates == 0
}

// UserOf computes the view from the ledgers and the user's fates.
func UserOf(s *settings.Settings, states map[int32]*ledger.State, fates []ledger.Fate, user string, now time.Time) UserView {
	v := UserView{Schema: "notifier.user/v1", User: user, Accounts: []UserAccount{}, Pending: []PendingItem{}, Duplicates: []UserDuplicate{}, Fates: len(fates)}
	for i := range s.Accounts {
		ac := &s.Accounts[i]
		if a := userAccount(ac.Name, Identity(ac), states, user); a != nil {
			v.Accounts = append(v.Accounts, *a)
		}
		for _, f := range fates {
			if f.Account != ac.Name {
				continue
			}
			for _, st := range states {
				if seen, ok := st.Seen[dispatch.SeenHash(Identity(ac), f.Event.ID, f.Rule, f.User)]; ok && seen.Until.After(now) {
					d := UserDuplicate{ac.Name, f.Event.ID, f.Rule, seen.Until.UTC()}
					if !slices.Contains(v.Duplicates, d) {
						v.Duplicates = append(v.Duplicates, d)
					}
				}
			}
		}
	}
	for _, p := range PendingOf(s, nil, states, PendingFilter{}, now).Pending {
		if p.Target == user {
			v.Pending = append(v.Pending, p)
		}
	}
	return v
}

func userAccount(name, key string, states map[int32]*ledger.State, user string) *UserAccount {
	a := &UserAccount{Account: name, Fields: map[string]tagsync.Field{}, Tags: []string{}, Foreign: []string{}, Certain: true, Caps: map[string][]time.Time{}}
	for _, p := range slices.Sorted(maps.Keys(states)) {
		st := states[p]
		if u := st.Users[key].Get(user); u != nil {
			a.Known, a.Gone, a.Certain = true, u.Gone, u.Acked != nil && u.Had == nil
			maps.Copy(a.Fields, u.Fields)
			if a.Tags = u.Acked; u.Had != nil || u.Acked == nil {
				a.Tags = append([]string{}, u.Had...)
			}
			a.Foreign = append(a.Foreign, u.Foreign...)
		}
		for id, t := range st.Taken {
			if scope, ok := strings.CutPrefix(id, key+"/"); ok {
				if parts := strings.SplitN(scope, "/", 3); len(parts) == 3 && parts[2] == user {
					a.Caps[parts[0]+"/"+parts[1]] = t.At
				}
			}
		}
		for _, at := range st.Attempts {
			if at.Account == key && at.State == ledger.Started && slices.Contains(at.Users, user) {
				a.InFlight = append([]string{}, at.Set...)
			}
		}
	}
	if !a.Known && len(a.Caps) == 0 && a.InFlight == nil {
		return nil
	}
	return a
}
