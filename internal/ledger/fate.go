package ledger

import (
	"encoding/json"
	"time"

	"github.com/notifier/notifier/internal/intent"
)

// FateKind is what became of an intent.
type FateKind string

const (
	Sent        FateKind = "SENT"
	Coalesced   FateKind = "COALESCED"
	Suppressed  FateKind = "SUPPRESSED"
	Dead        FateKind = "DEAD"
	FateUnknown FateKind = "UNKNOWN"
)

// FateKinds is every kind, in the order listings use.
var FateKinds = []FateKind{Sent, Coalesced, Suppressed, Dead, FateUnknown}

// Reason is the closed set of reasons of SUPPRESSED and DEAD (design.md 2); it doubles as a metric label.
type Reason string

const (
	ReasonNone         Reason = ""
	Duplicate          Reason = "duplicate"
	Stale              Reason = "stale"
	Unchanged          Reason = "unchanged"
	Expired            Reason = "expired"
	Capped             Reason = "capped"
	Repeated           Reason = "repeated"
	QuietHours         Reason = "quiet"
	NoQuota            Reason = "no-quota"
	ShadowMode         Reason = "shadow"
	Canary             Reason = "canary"
	Blocked            Reason = "blocked"
	OptedOut           Reason = "opted-out"
	NotApproved        Reason = "not-approved"
	Cancelled          Reason = "cancelled"
	Killed             Reason = "killed"
	SupersededByRule   Reason = "superseded-by-rule-change"
	Undecodable        Reason = "undecodable"
	TooLarge           Reason = "too-large"
	BadField           Reason = "bad-field"
	RenderError        Reason = "render-error"
	RejectedByVendor   Reason = "rejected-by-vendor"
	SkippedByOperator  Reason = "skipped-by-operator"
	ReasonCallNotTaken Reason = "not-sent" // only on a resolution
)

// Reasons are what an intent's first fate may say, for metrics that exist from the start. Undecodable, too-large and skipped-by-operator
// are of dead letters, which are no intents.
var Reasons = map[FateKind][]Reason{
	Sent: {ReasonNone}, Coalesced: {ReasonNone}, FateUnknown: {ReasonNone},
	Suppressed: {Duplicate, Stale, Unchanged, Expired, Capped, Repeated, QuietHours, NoQuota, ShadowMode, Canary, Blocked, OptedOut, NotApproved, Cancelled, Killed, SupersededByRule},
	Dead:       {BadField, RenderError, RejectedByVendor},
}

// Fate is the record of <prefix>.fates, key = event id.
type Fate struct {
	V        int             `json:"v"`
	Intent   intent.ID       `json:"intent"`
	Event    intent.EventRef `json:"event"`
	Rule     string          `json:"rule"`
	RuleSet  string          `json:"rule_set"`
	Revision string          `json:"revision,omitempty"` // of the rule alone that made the intent
	User     string          `json:"user"`
	Account  string          `json:"account"`
	Lane     string          `json:"lane,omitempty"`
	Endpoint string          `json:"endpoint,omitempty"` // of the vendor, where the intent would leave or left
	Action   intent.Action   `json:"action"`
	Message  bool            `json:"message,omitempty"` // an in-app message with its notification
	Fate     FateKind        `json:"fate"`
	Reason   Reason          `json:"reason,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Into     intent.ID       `json:"into,omitempty"`
	Attempt  string          `json:"attempt,omitempty"`
	VendorID string          `json:"vendor_id,omitempty"`
	Code     int             `json:"code,omitempty"`
	Resolves FateKind        `json:"resolves,omitempty"` // a human's later word: UNKNOWN, this record corrects the first; SENT, it was recalled or not
	Variant  string          `json:"variant,omitempty"`  // which of the rule's texts
	Kind     string          `json:"kind,omitempty"`     // operator: the effect of a command
	By       string          `json:"by,omitempty"`
	Why      string          `json:"why,omitempty"`
	Approved []string        `json:"approved,omitempty"` // who approved the request
	At       time.Time       `json:"at"`
}

// LostWaiting is the detail of UNKNOWN where the ledger was lost: the attempt that speaks of it takes no slot, since operators said what
// was used.
const LostWaiting = "the ledger was lost while it waited: it may have been sent"

// NewFate fills what an intent says of itself.
func NewFate(in *intent.Intent, kind FateKind, reason Reason, at time.Time) Fate {
	return Fate{V: Version, Intent: in.ID, Event: in.Event, Rule: in.Rule, RuleSet: in.RuleSet, Revision: in.Revision, User: in.Target, Account: in.Account,
		Action: in.Action, Variant: in.Variant, Message: in.Content != nil && in.Content.Message != nil, Fate: kind, Reason: reason, At: at.UTC()}
}

// Encode gives the wire form.
func (f Fate) Encode() []byte {
	b, err := json.Marshal(f)
	if err != nil { // a struct of strings, numbers and times cannot fail
		panic("encode fate: " + err.Error())
	}
	return b
}
