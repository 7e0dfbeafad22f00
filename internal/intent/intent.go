// Package intent holds the Intent, the one thing that stage 1 hands to stage 2, and its wire form.
//
// An intent is one delivery that a rule wants for one target. It is durable in <prefix>.intents, and it is
// self-contained: stage 2 can plan, merge, render and send it without the rule file that made it, so a held
// intent keeps the revision that made it. The exception is a profile intent, which carries the changed fields:
// tag rules and changed() pushes are decided in stage 2, where the profile table is.
package intent

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/event"
)

// Version of the wire form; a reader refuses what is newer. Versions are bytes below '{', with which version 1 begins: JSON. Version 3
// has fields that may not be passed over.
const (
	Version       = 3
	versionBinary = 2
	versionJSON   = 1
)

// MaxBytes bounds one encoded intent, so that a ledger transaction can never be too large to commit (design.md 3.8): even as JSON, as
// older releases wrote it and which writes a byte with up to six, 384 KiB are well below the broker's limit of a record.
const MaxBytes = 64 << 10

// ID is topic/partition/offset/rule/target.
type ID string

// MakeID builds the id of an intent.
func MakeID(p event.Position, rule, target string) ID {
	var room [128]byte
	return ID(appendID(room[:0], p, rule, target))
}

func appendID(b []byte, p event.Position, rule, target string) []byte {
	b = append(append(b, p.Topic...), '/')
	b = append(strconv.AppendInt(b, int64(p.Partition), 10), '/')
	b = append(strconv.AppendInt(b, p.Offset, 10), '/')
	b = append(append(b, rule...), '/')
	return append(b, target...)
}

// Action is what a rule does.
type Action string

const (
	Tags      Action = "tags"
	Push      Action = "push"
	Broadcast Action = "broadcast"
)

// Everyone is the target of an intent for an audience.
const Everyone = "*"

// RenderError is the reason of an intent whose text or audience cannot be rendered.
const RenderError = "render-error"

// EventRef names the event an intent comes from.
type EventRef struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Time      time.Time `json:"time"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
}

// Intent is one delivery a rule wants for one target.
type Intent struct {
	V       int      `json:"v"`
	ID      ID       `json:"id"`
	Event   EventRef `json:"event"`
	Rule    string   `json:"rule"` // "tags" for profile intents
	RuleSet string   `json:"rule_set"`
	Account string   `json:"account"`
	Key     string   `json:"key"`    // the account's identity, vendor:AppKey; set by stage 1
	Target  string   `json:"target"` // user id, or "*" for an audience
	Action  Action   `json:"action"`
	Shadow  bool     `json:"shadow,omitempty"`
	Class   string   `json:"class,omitempty"` // marketing | service

	Profile  *Profile  `json:"profile,omitempty"`  // action tags
	Audience *Audience `json:"audience,omitempty"` // action broadcast
	Content  *Content  `json:"content,omitempty"`  // rendered; with Merge: the templates, rendered when the merge closes
	Merge    *Merge    `json:"merge,omitempty"`
	Policy   Policy    `json:"policy,omitzero"`

	Revision string `json:"revision,omitempty"` // of the rule alone: an edit of another rule leaves it as it is
	Made     string `json:"made,omitempty"`     // handed over by another account: Text as the rule made it, before stage 2 filled the texts

	Dead       string `json:"dead,omitempty"` // render-error: the rule matched but its text or audience cannot be made; stage 2 records the fate
	DeadDetail string `json:"dead_detail,omitempty"`

	Canary   bool     `json:"canary,omitempty"`    // the rule's canary leaves this user out: stage 2 records the fate; no content
	UserWhen string   `json:"user_when,omitempty"` // a condition over the profile table, asked when the call leaves
	Variant  string   `json:"variant,omitempty"`   // which of the rule's texts this is
	Next     []string `json:"next,omitempty"`      // names of the accounts to try after this one, in their order

	Trace string `json:"trace,omitempty"` // trace context of the event's evaluation, if it is recorded
}

// Profile is what a profile event says of a user.
type Profile struct {
	Version int64            `json:"ver"`            // newer wins, see event.Event.Version
	Gone    bool             `json:"gone,omitempty"` // the user is gone: clear the tags and the entry
	Fields  map[string]Value `json:"fields"`         // only the fields the event speaks of; a snapshot speaks of all it declares
}

// Value is a field's value in the profile table. The zero Value means absent (cleared), which is not the same as unknown.
type Value struct {
	Type event.Type `json:"t,omitempty"`
	Str  string     `json:"s,omitempty"`
	List []string   `json:"l,omitempty"`
}

// Audience is whom a broadcast reaches. Exactly one of Everyone, Online or a filter.
type Audience struct {
	Everyone bool     `json:"everyone,omitempty"`
	Online   bool     `json:"online,omitempty"`
	AllOf    []string `json:"all_of,omitempty"`
	AnyOf    []string `json:"any_of,omitempty"`
	NoneOf   []string `json:"none_of,omitempty"`
	Package  string   `json:"package,omitempty"`
}

// Key is the audience as text, equal for equal audiences: part of a merge key.
func (a *Audience) Key() string {
	switch {
	case a == nil:
		return ""
	case a.Everyone:
		return "everyone"
	case a.Online:
		return "online"
	}
	return fmt.Sprintf("all=%s any=%s none=%s package=%s", strings.Join(a.AllOf, ","), strings.Join(a.AnyOf, ","), strings.Join(a.NoneOf, ","), a.Package)
}

// Content is the neutral text of a notification. A vendor package maps it to its own fields.
type Content struct {
	Title     string            `json:"title,omitempty"`
	Body      string            `json:"body,omitempty"`
	Link      string            `json:"link,omitempty"`
	Image     string            `json:"image,omitempty"`
	Group     string            `json:"group,omitempty"`
	Badge     *int              `json:"badge,omitempty"`
	Data      map[string]string `json:"data,omitempty"`
	Platforms []string          `json:"platforms,omitempty"`
	Message   *Message          `json:"message,omitempty"`
	RongCloud json.RawMessage   `json:"rongcloud,omitempty"` // vendor extras, checked at load
	Getui     json.RawMessage   `json:"getui,omitempty"`     // the same of another vendor: each account takes its own
	Open      bool              `json:"open,omitempty"`      // the texts have holes that stage 2 fills when it fixes them: ${user.x}, ${now}

	// What the texts have of personal fields, to be left out of logs; with Merge: the fields' names. It is not in the JSON, of which Text and an
	// approval's mark are made: they are the same in releases that do not know it.
	Personal []string `json:"-"`
}

// Message makes a push or broadcast an in-app message with its notification.
type Message struct {
	From    string            `json:"from,omitempty"` // "" is the account's sender
	Type    string            `json:"type"`           // objectName
	Content map[string]string `json:"content"`
	Extra   string            `json:"extra,omitempty"`
}

// Keep says which trigger's values a merged text uses when it names none.
type Keep string

const (
	KeepLatest Keep = "latest"
	KeepFirst  Keep = "first"
	KeepList   Keep = "list"
)

// Merge makes several triggers one request.
type Merge struct {
	Key     string         `json:"key"`              // rule + recipient or audience + `by`; the account is implied
	Wait    time.Duration  `json:"wait,omitempty"`   // from the first trigger; 0: only while the lane has no slot
	Extend  bool           `json:"extend,omitempty"` // Wait runs from the last trigger, but no longer than MaxWait from the first
	MaxWait time.Duration  `json:"max_wait,omitempty"`
	Keep    Keep           `json:"keep"`
	One     *One           `json:"one,omitempty"`  // the text for a single trigger
	Vars    map[string]any `json:"vars,omitempty"` // this trigger's field values: string, or []any of strings
}

// One is the text used when a merge held a single trigger.
type One struct {
	Title string `json:"title,omitempty"`
	Body  string `json:"body,omitempty"`
}

// Priority orders the queue; it passes no gate.
type Priority int8

const (
	Low Priority = iota - 1
	Normal
	High
	Urgent
)

// Policy is what stage 2 obeys for the intent.
type Policy struct {
	Priority Priority  `json:"priority,omitempty"`
	Expire   time.Time `json:"expire,omitzero"` // zero: never
	PerUser  []Cap     `json:"per_user,omitempty"`
	Quiet    []Quiet   `json:"quiet,omitempty"`
	DropOn   bool      `json:"drop_quiet,omitempty"` // when_quiet: drop
	Approval *Approval `json:"approval,omitempty"`
	NoCaps   bool      `json:"no_caps,omitempty"` // per_user: none, also above the settings' user_limits
	SendAt   *int      `json:"send_at,omitempty"` // minute of the day, in the settings' zone, at which it may leave: NextAt

	Once        *Once `json:"once,omitempty"`
	RuleCaps    []Cap `json:"rule_caps,omitempty"`     // over all sends of the rule
	Brake       *Cap  `json:"brake,omitempty"`         // the rule pauses itself above it; nil: the account's
	Share       *Cap  `json:"share,omitempty"`         // scarce slots the rule may take (limits.quota)
	DropNoQuota bool  `json:"drop_no_quota,omitempty"` // no_quota: drop
}

// Once lets one send through for the rule, the recipient and By.
type Once struct {
	By string        `json:"by"` // rendered
	In time.Duration `json:"in"`
}

// MaxPerUser bounds N of a limit per user: so many times are kept for each.
const MaxPerUser = 200

// Cap is a limit of sends: to one user, or of a rule.
type Cap struct {
	N    int           `json:"n"`
	In   time.Duration `json:"in,omitempty"`  // rolling
	Each string        `json:"per,omitempty"` // calendar: day | week | month, in the settings' zone
}

// Quiet is a time of day, in minutes from midnight in the settings' zone, half-open; From > To wraps over midnight.
type Quiet struct {
	From     int   `json:"from"`
	To       int   `json:"to"`
	Weekdays uint8 `json:"days,omitempty"` // bit 0 is Sunday; 0 is every day
}

// Approval holds a request until people approve it.
type Approval struct {
	People int           `json:"people"`
	Within time.Duration `json:"within"`
}

// Position is where the intent's record stands.
func (in *Intent) Position() event.Position {
	return event.Position{Topic: in.Event.Topic, Partition: in.Event.Partition, Offset: in.Event.Offset}
}
