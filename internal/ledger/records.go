package ledger

import (
	"cmp"
	"fmt"
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

	Assumed *Assumption `json:"assumed,omitempty"` // it began, or went on, because operators said so
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

// Pending is an intent that has no fate yet. Its record is binary, see Encode; its JSON is that of older releases.
type Pending struct {
	Intent   *intent.Intent `json:"intent,omitempty"`
	Seq      int64          `json:"seq"` // its offset in intents; a newer intent has a higher one
	At       time.Time      `json:"at"`  // taken in
	Merged   *Merged        `json:"merged,omitempty"`
	LeavesAt time.Time      `json:"leaves_at,omitzero"` // send_at: found when it first came to that gate
	Stray    bool           `json:"stray,omitempty"`    // its account was not in the settings: no gate has seen it, a profile is not in the table
	Approval *Approval      `json:"approval,omitempty"` // since it began to wait for people
	Extended int64          `json:"extended,omitempty"` // Mark of the last Extension that moved its expiry
	Left     time.Time      `json:"left,omitzero"`      // the expiry with which its open call left, if an Extension moved it since
	Made     string         `json:"made,omitempty"`     // intent.Text as the rule made it, once stage 2 has filled the texts
	Linked   string         `json:"linked,omitempty"`   // trace contexts of what was coalesced into it, between commas, at most MaxMerged
}

// Text identifies what the rule made, whatever stage 2 has filled in since.
func (p *Pending) Text() string {
	return cmp.Or(p.Made, p.Intent.Made, intent.Text(p.Intent))
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
	Again    AttemptState = "again"    // ambiguous, and made again under the same request ids; its members wait for that
	External AttemptState = "external" // not ours: the vendor said the quota is used and our books say it is not
	Resolved AttemptState = "resolved" // was unknown, a human said what happened; or was ambiguous and made again
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
	Affected []Fate       `json:"affected,omitempty"` // unknown: the fates a resolution will correct; a message broadcast: those a recall speaks of
	Booked   *Booked      `json:"booked,omitempty"`   // unknown: what a resolution as not sent gives back
	By       string       `json:"by,omitempty"`       // resolved, or ordered by a command: who, why
	Why      string       `json:"why,omitempty"`

	Try   int       `json:"try,omitempty"`  // of the calls that are made again: 2 is the first repeat
	Next  time.Time `json:"next,omitzero"`  // Again: when it is made again at the earliest
	Began time.Time `json:"began,omitzero"` // when the first of them started

	Sender     string `json:"sender,omitempty"`      // of a message; "": a push without one
	MessageUID string `json:"message_uid,omitempty"` // what a recall names
	Recalls    string `json:"recalls,omitempty"`     // this call takes back what that attempt sent
	Command    string `json:"command,omitempty"`     // that asked for this call and waits for its outcome
}

// Booked is what the members of a call without outcome have taken of the limits of their rules, by the ids of those counts. A call that an older
// release made has none.
type Booked struct {
	Users []string    `json:"users,omitempty"` // of Taken
	Once  []string    `json:"once,omitempty"`
	Rules []BookedCap `json:"rules,omitempty"` // of Sends, each for one member
}

// BookedCap is a limit of a rule over all its recipients.
type BookedCap struct {
	intent.Cap
	ID string `json:"id"`
}

// Taken holds the times at which sends to one user were counted, oldest first.
type Taken struct {
	At    []time.Time `json:"at"`
	Until time.Time   `json:"until,omitzero"` // the latest may count until then; zero: for a month
}

// Sends counts the sends of one rule for one of its limits, oldest first. Sends of one rolling window are counted in up to
// SendsParts parts and a part counts until its last send is a window old; a calendar period is one part, kept
// for as long as it could count in any timezone.
type Sends struct {
	Parts []SendsPart `json:"parts"`
	Until time.Time   `json:"until"` // when it may be forgotten
}

// SendsPart is what was sent around one time.
type SendsPart struct {
	At time.Time `json:"at"` // of the last send
	N  int       `json:"n"`
}

// SendsParts is into how many parts a rolling window is divided.
const SendsParts = 60

// Once is a send that must not be repeated before Until.
type Once struct {
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
}

// Seen remembers a duplicate key until Until.
type Seen struct {
	Until time.Time `json:"until"`
}

// Pause is an operator's pause of a scope: all, broadcasts, account/X, lane/X/Y or rule/X; or off/RULE, that of the rule files.
type Pause struct {
	By  string    `json:"by"`
	Why string    `json:"why"`
	At  time.Time `json:"at"`
	ID  string    `json:"id"`

	Brake   bool   `json:"brake,omitempty"`   // the rule's own brake did it
	Tripped *Pause `json:"tripped,omitempty"` // the rule's own brake had done it before an operator did

	Resuming *Resuming `json:"resuming,omitempty"` // it is lifted once what an older revision made has been evaluated again
}

// OfBrake is the brake's part of a pause, nil if it has none. Both parts are one record of the ledger: an older release, which would not
// know a scope of brakes, holds the rule all the same.
func (p Pause) OfBrake() *Pause {
	if p.Brake {
		p.Resuming = nil
		return &p
	}
	return p.Tripped
}

// Resuming says who lifts a pause.
type Resuming struct {
	By  string    `json:"by"`
	Why string    `json:"why"`
	At  time.Time `json:"at"`
	ID  string    `json:"id,omitempty"` // of the command
}

// Kill says that a rule was given up: what comes of it is SUPPRESSED until it is revived.
type Kill struct {
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

	Refusals int `json:"refusals,omitempty"` // requests of different events refused in a row, if that closed it
	Misses   int `json:"misses,omitempty"`   // not 0: it is not closed, but so many calls in a row did not get through
}

// Check is a comparison of the vendor's tags with ours that an operator asked for. It is on record while it goes on, so that the
// next owner goes on with it, and a resync afterwards too, for `status`.
type Check struct {
	V       int       `json:"v"`
	ID      string    `json:"id"`  // of the command
	Cmd     string    `json:"cmd"` // tags-verify, tags-resync
	User    string    `json:"user,omitempty"`
	Sample  int       `json:"sample,omitempty"`
	Repair  bool      `json:"repair,omitempty"`
	By      string    `json:"by"`
	Why     string    `json:"why,omitempty"`
	At      time.Time `json:"at"`
	Parts   int       `json:"parts"` // into how many the users are divided, at most CheckParts; a part is what is read again after a take-over
	Part    int       `json:"part"`  // cursor of a resync: parts that are done
	Ended   time.Time `json:"ended,omitzero"`
	Results Drift     `json:"results"` // of the parts that are done
}

// CheckParts bounds Check.Parts: each walks all users once.
const CheckParts = 64

// Drift counts what comparisons found.
type Drift struct {
	Checked   int `json:"checked"`   // users compared
	Unsettled int `json:"unsettled"` // users not compared: a change of theirs is on its way, or the last write was unclear
	Differ    int `json:"differ"`    // users whose tags at the vendor are not what we acknowledged
	Missing   int `json:"missing"`   // tags of ours that the vendor does not have
	Extra     int `json:"extra"`     // tags that we did not set
	Foreign   int `json:"foreign"`   // users with a change of tags that are not ours: recorded and kept, no drift
	Repaired  int `json:"repaired"`  // users whose set was written again
	Refused   int `json:"refused"`   // users that the vendor refused to read or to write

	Users []UserDrift `json:"users,omitempty"` // the first of them, at most MaxDriftUsers
}

// String tells the counts.
func (d Drift) String() string {
	s := fmt.Sprintf("%d users compared, %d differ (%d tags missing, %d too many), %d repaired", d.Checked, d.Differ, d.Missing, d.Extra, d.Repaired)
	for _, x := range []struct {
		n    int
		text string
	}{{d.Foreign, "with other tags that are not ours"}, {d.Unsettled, "not compared, a change is on its way"}, {d.Refused, "refused by the vendor"}} {
		if x.n > 0 {
			s += fmt.Sprintf(", %d %s", x.n, x.text)
		}
	}
	return s
}

// UserDrift is what differs for one user.
type UserDrift struct {
	User    string   `json:"user"`
	Missing []string `json:"missing,omitempty"`
	Extra   []string `json:"extra,omitempty"`
	Foreign []string `json:"foreign,omitempty"` // at the vendor, new to us, not ours
}

// MaxDriftUsers bounds the users a report names.
const MaxDriftUsers = 20

// MaxMerged bounds the triggers a merge keeps in full; the count goes on (design.md 3.8).
const MaxMerged = 20

// MaxMergedBytes bounds them by size: a ledger record must fit into a batch.
const MaxMergedBytes = 256 << 10
