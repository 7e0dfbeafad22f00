package app

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// ApprovalsView is what `notifier approvals list` shows.
type ApprovalsView struct {
	Schema    string         `json:"schema"`
	Approvals []ApprovalView `json:"approvals"`
}

// ApprovalView is one thing that waits for people: a request as it would leave, or a change of tags.
type ApprovalView struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"` // request, tags
	Account string          `json:"account"`
	Since   time.Time       `json:"since"`
	Request *ApprovalOf     `json:"request,omitempty"`
	Tags    *TagChangeView  `json:"tags,omitempty"`
	key     string          // identity of the account
	pending *ledger.Pending // of a request
}

// TagChangeView is what a change of tag rules does to the known users of an account, and how far it is.
type TagChangeView struct {
	Account string           `json:"account"`
	State   ledger.TagState  `json:"state"`
	At      time.Time        `json:"at"`             // since when it is in the state
	Waits   time.Time        `json:"waits,omitzero"` // a new owner has other rules, and goes by them from then on
	ID      string           `json:"id,omitempty"`
	Known   int              `json:"known"`
	Users   int              `json:"users"` // who get other tags
	Limit   int              `json:"limit"`
	Turns   []ledger.TagTurn `json:"turns"` // gains and losses by tag, the most frequent
	Others  int              `json:"others"`
	Part    int              `json:"part"`
	Parts   int              `json:"parts"`
	Written int              `json:"written"`
	Refused int              `json:"refused"`
	By      string           `json:"by,omitempty"`
	Why     string           `json:"why,omitempty"`
}

func tagChangeView(account string, c *ledger.TagChange) TagChangeView {
	return TagChangeView{Account: account, State: c.State, At: c.At.UTC(), Waits: c.Waits, ID: c.ID, Known: c.Known, Users: c.Users, Limit: c.Limit,
		Turns: append([]ledger.TagTurn{}, c.Tags...), Others: c.Others, Part: c.Part, Parts: c.Parts, Written: c.Written, Refused: c.Refused, By: c.By, Why: c.Why}
}

// ApprovalOf is a request that waits: where it would go, to whom, and what it says.
type ApprovalOf struct {
	Intent   intent.ID        `json:"intent"`
	Event    string           `json:"event"`
	Rule     string           `json:"rule"`
	Owner    string           `json:"owner,omitempty"` // of the rule, in the rule files as they are now
	Lane     string           `json:"lane,omitempty"`
	Endpoint string           `json:"endpoint,omitempty"`
	Slots    int              `json:"slots"`
	Audience *intent.Audience `json:"audience,omitempty"`
	Content  *intent.Content  `json:"content,omitempty"`
	Body     json.RawMessage  `json:"body,omitempty"` // as the vendor would get it; a form body as a text
	Problem  string           `json:"problem,omitempty"`
	People   int              `json:"people"`
	Approved []ledger.Consent `json:"approved"`
	Expires  time.Time        `json:"expires"`
}

// Command is a person's word on it, to be sent to the owner of Key's partition.
func (v *ApprovalView) Command(what, by, why string) ledger.Command {
	c := ledger.Command{Cmd: what, Args: map[string]string{ledger.ArgAccount: v.key}, By: by, Why: why}
	if v.Tags != nil {
		c.Target, c.Expect = ledger.TagsTarget(v.key), v.Tags.ID
	} else {
		c.Target, c.Expect = string(v.pending.Intent.ID), v.pending.Mark()
	}
	return c
}

// Shown is the ID with, of a change of tags, the count that is shown: an approval by this name is for nothing else.
func (v *ApprovalView) Shown() string {
	if v.Tags != nil {
		return v.ID + "@" + v.Tags.ID
	}
	return v.ID
}

// Key is the identity of the account, which decides the partition.
func (v *ApprovalView) Key() string { return v.key }

// ApprovalsOf computes the view from the ledgers, oldest first. set gives the owners of rules and may be nil.
func ApprovalsOf(s *settings.Settings, set *rules.Set, states map[int32]*ledger.State) ApprovalsView {
	v := ApprovalsView{Schema: "notifier.approvals/v1", Approvals: []ApprovalView{}}
	for _, st := range states {
		for _, p := range st.Pending {
			if p.AwaitsApproval() {
				v.Approvals = append(v.Approvals, requestView(s, set, p))
			}
		}
		for key, c := range st.Changes {
			if c.State == ledger.TagsApproval {
				account := accountName(s, key)
				t := tagChangeView(account, c)
				v.Approvals = append(v.Approvals, ApprovalView{ID: "tags/" + account, Kind: "tags", Account: account, Since: t.At, Tags: &t, key: key})
			}
		}
	}
	slices.SortFunc(v.Approvals, func(a, b ApprovalView) int { return a.Since.Compare(b.Since) })
	return v
}

// accountName is the name of an identity in the settings, or the identity.
func accountName(s *settings.Settings, key string) string {
	for i := range s.Accounts {
		if Identity(&s.Accounts[i]) == key {
			return s.Accounts[i].Name
		}
	}
	return key
}

func requestView(s *settings.Settings, set *rules.Set, p *ledger.Pending) ApprovalView {
	in := p.Intent
	r := &ApprovalOf{Intent: in.ID, Event: in.Event.ID, Rule: in.Rule, Audience: in.Audience, Content: in.Content, People: in.Policy.Approval.People,
		Approved: append([]ledger.Consent{}, p.Approval.By...), Expires: p.ApprovalEnds().UTC()}
	if set != nil {
		if rl := set.Rule(in.Rule); rl != nil {
			r.Owner = rl.Owner
		}
	}
	v := ApprovalView{ID: ledger.ApprovalID(in.ID), Kind: "request", Account: in.Account, Since: p.Approval.Since.UTC(), Request: r, key: in.Key, pending: p}
	for i := range s.Accounts {
		if ac := &s.Accounts[i]; Identity(ac) == in.Key {
			v.Account = ac.Name
			if err := r.build(ac, in); err != nil {
				r.Problem = err.Error()
			}
			return v
		}
	}
	r.Problem = "the settings have no account for it"
	return v
}

// build fills in the request as it would leave.
func (r *ApprovalOf) build(ac *settings.Account, in *intent.Intent) error {
	vendor := newVendor(ac)
	route, err := vendor.Route(in)
	if err != nil {
		return err
	}
	r.Lane, r.Endpoint = ac.Name+"/"+route.Lane, route.Endpoint
	if len(lanesOf(ac)[route.Lane].Limits) > 0 {
		r.Slots = 1
	}
	body, err := bodyOf(vendor, route.Endpoint, in)
	if err != nil {
		return err
	}
	if r.Body = body; !json.Valid(body) {
		r.Body, err = json.Marshal(string(body))
	}
	return err
}

// bodyOf is what the vendor would get of one intent to an audience.
func bodyOf(v vendor, endpoint string, in *intent.Intent) ([]byte, error) {
	body, _, err := v.body(&dispatch.Call{Endpoint: endpoint, Content: in.Content, Audience: in.Audience, First: in.ID, Intents: []*intent.Intent{in}, Began: time.Now()})
	return body, err
}
