package app

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// Bench is stage 2 on a table: what a dispatch.Model of it needs, and what its calls would be at the vendor. It has no connection and
// no secret, so nothing can leave.
type Bench struct {
	Options    dispatch.Options  // for dispatch.NewModel
	Identities map[string]string // account -> identity, which stage 1 writes into an intent's Key
}

// NewBench makes the accounts as the settings have them.
func NewBench(s *settings.Settings, live func() dispatch.Rules) *Bench {
	b := &Bench{Identities: map[string]string{}}
	var accounts []*dispatch.Account
	for i := range s.Accounts {
		ac := stageAccount(&s.Accounts[i], newVendor(&s.Accounts[i]))
		accounts = append(accounts, ac)
		b.Identities[ac.Name] = ac.Key
	}
	b.Options = stageTwo(s, accounts)
	b.Options.Rules = live
	return b
}

// AnyBench is for rules without settings at hand: every account that they name is a RongCloud one with the standard quota that may do
// everything, and nobody's consent is asked.
func AnyBench(set *rules.Set, live func() dispatch.Rules) *Bench {
	s := &settings.Settings{Zone: set.Zone()}
	day := []*time.Location{set.Zone(), time.UTC}
	for _, r := range set.Rules {
		if r.Account == "" || slices.ContainsFunc(s.Accounts, func(a settings.Account) bool { return a.Name == r.Account }) {
			continue
		}
		s.Accounts = append(s.Accounts, settings.Account{Name: r.Account, Vendor: "rongcloud", AppKey: r.Account, Sender: "system", Platforms: []string{"ios", "android"},
			AllowEveryone: true, Broadcast: true, PushPlus: true, Quota: settings.Quota{Hour: 2, Day: 3, DayZones: day, Shared: true}, Timeout: 6 * time.Second,
			Tags: settings.Tags{Delay: 5 * time.Second, KeepForeign: true}})
	}
	return NewBench(s, live)
}

// Request is the body that a call would have at the vendor, as JSON also where the vendor takes a form. The error is a refusal before
// anything leaves.
func (b *Bench) Request(d dispatch.Departure) (json.RawMessage, error) {
	i := slices.IndexFunc(b.Options.Accounts, func(ac *dispatch.Account) bool { return ac.Name == d.Account })
	if i < 0 {
		return nil, fmt.Errorf("no account %s", d.Account)
	}
	v, ok := b.Options.Accounts[i].Vendor.(vendor)
	if !ok {
		return nil, fmt.Errorf("account %s makes no requests", d.Account)
	}
	body, contentType, err := v.body(d.Call)
	if err != nil || !strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		return body, err
	}
	return formJSON(body)
}

// formLists are the fields of forms that may stand several times (rongcloud.md, E3 and E8).
var formLists = []string{"toUserId", "userIds"}

// formJSON gives a form as a JSON object; what may stand several times is a list, also where it stands once.
func formJSON(body []byte) (json.RawMessage, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fmt.Errorf("read the form again: %w", err)
	}
	out := map[string]any{}
	for k, vs := range form {
		out[k] = vs[0]
		if slices.Contains(formLists, k) {
			out[k] = vs
		}
	}
	return json.Marshal(out)
}
