package ledger

import (
	"time"

	"github.com/notifier/notifier/internal/intent"
)

// Version of the ledger's records; a reader refuses what is newer.
const Version = 1

// Genesis fixes what the ledger belongs to (design.md 3.3). It is also copied to the control topic for stage 1.
type Genesis struct {
	V           int       `json:"v"`
	Partitions  int       `json:"partitions"`
	IntentsID   string    `json:"intents_id"`
	LedgerID    string    `json:"ledger_id"`
	Incarnation string    `json:"incarnation"`
	At          time.Time `json:"at"`
}

// Owner says who writes this partition. Round is 1 or 2: a take-over writes it once through each transactional id.
type Owner struct {
	V        int       `json:"v"`
	Instance string    `json:"instance"`
	Nonce    string    `json:"nonce"`
	Round    int       `json:"round"`
	At       time.Time `json:"at"`
	Released bool      `json:"released,omitempty"`
}

// Position is where the owner stands.
type Position struct {
	Next        int64     `json:"next"`    // next offset of <prefix>.intents
	Control     int64     `json:"control"` // next offset of <prefix>.control
	AttemptSeq  int64     `json:"attempt_seq"`
	Clock       time.Time `json:"clock"`   // broker time of the commit: nothing stored is later
	Intents     int64     `json:"intents"` // intents ever taken in, and fates ever given: the books
	Fates       int64     `json:"fates"`
	Resolutions int64     `json:"resolutions,omitempty"`
}

// Pending is an intent that has no fate yet.
type Pending struct {
	Intent *intent.Intent `json:"intent"`
	Seq    int64          `json:"seq"` // its offset in intents; a newer intent has a higher one
	At     time.Time      `json:"at"`  // taken in
	Merged *Merged        `json:"merged,omitempty"`
	Stray  bool           `json:"stray,omitempty"` // its account was not in the settings: no gate has seen it, a profile is not in the table
}

// Merged is an open merge, kept with the intent that began it.
type Merged struct {
	Count  int              `json:"count"`
	Items  []map[string]any `json:"items"` // oldest first, at most MaxMerged, the last is the latest
	Bytes  int              `json:"bytes"` // of Items as JSON, at most MaxMergedBytes
	Closes time.Time        `json:"closes"`
}

// AttemptState is where a call stands; see the drawing in doc.go.
type AttemptState string

const (
	Started  AttemptState = "started"
	OK       AttemptState = "ok"
	Refused  AttemptState = "refused"
	Unknown  AttemptState = "unknown"
	NotSent  AttemptState = "not-sent"
	External AttemptState = "external" // not ours: the vendor said the quota is used and our books say it is not
	Resolved AttemptState = "resolved" // was unknown, a human said what happened
)

// Attempt is one HTTP call: in the ledger before it starts and resolved after (design.md 2).
type Attempt struct {
	V        int          `json:"v"`
	ID       string       `json:"id"`
	Account  string       `json:"account"` // identity, vendor:AppKey
	Lane     string       `json:"lane"`    // bucket: broadcast, user, tag, ...
	Endpoint string       `json:"endpoint"`
	Owner    string       `json:"owner"` // nonce of the owner that made it
	Rule     string       `json:"rule,omitempty"`
	Title    string       `json:"title,omitempty"`
	State    AttemptState `json:"state"`
	At       time.Time    `json:"at"`
	NotAfter time.Time    `json:"not_after"`
	Until    time.Time    `json:"until,omitzero"` // end of the charge; zero while started
	Weight   int          `json:"weight"`
	Members  []intent.ID  `json:"members,omitempty"`
	Users    []string     `json:"users,omitempty"` // tag calls: every user in it
	Set      []string     `json:"set,omitempty"`   // tag calls
	Code     int          `json:"code,omitempty"`
	VendorID string       `json:"vendor_id,omitempty"`
	Detail   string       `json:"detail,omitempty"`
	Affected []Fate       `json:"affected,omitempty"` // unknown: the fates a resolution will correct
	By       string       `json:"by,omitempty"`       // resolved: who, why
	Why      string       `json:"why,omitempty"`
}

// Taken holds the times at which sends to one user were counted, oldest first.
type Taken struct {
	At []time.Time `json:"at"`
}

// Seen remembers a duplicate key until Until.
type Seen struct {
	Until time.Time `json:"until"`
}

// Pause is an operator's pause of a scope: all, broadcasts, account/X, lane/X/Y or rule/X.
type Pause struct {
	By  string    `json:"by"`
	Why string    `json:"why"`
	At  time.Time `json:"at"`
	ID  string    `json:"id"`
}

// LaneState is why a lane sends nothing.
type LaneState struct {
	Reason string    `json:"reason"` // credentials, service, breaker, clock, takeover
	Detail string    `json:"detail"`
	Since  time.Time `json:"since"`
	Retry  time.Time `json:"retry"` // when it is tried again
	Pause  int64     `json:"pause"` // the present back-off in ms; doubles
}

// MaxMerged bounds the triggers a merge keeps in full; the count goes on (design.md 3.8).
const MaxMerged = 20

// MaxMergedBytes bounds them by size: a ledger record must fit into a batch.
const MaxMergedBytes = 256 << 10
