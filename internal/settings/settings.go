// Package settings is notifier.yaml: what engineers write once, loaded strictly and with every mistake named.
//
// Load is the only way in. A value comes from a flag, else the environment (NOTIFIER_KAFKA_BROKERS), else the
// file, else the default; Entries tells which, for `notifier config show`. Findings have the form and the engine
// of the rule files (package diag), several in one run. References like ${env:NAME} and ${file:/path} stand for
// a whole value; secrets must be one, and are a [Secret], which never prints.
//
// The package opens no connection and checks nothing that needs one.
package settings

import (
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// Settings is a loaded file. Paths are ready to use: those written in the file are relative to its directory.
type Settings struct {
	Zone       *time.Location // timezone: days, quiet hours, from/until
	Kafka      Kafka
	Rules      string // directory
	Admin      Admin
	Log        Log
	Tracing    Tracing
	Events     Events
	KeepDead   bool                  // dead.payload: keep
	UserLimits map[string]intent.Cap // by class
	Consent    Consent
	Accounts   []Account // by name
	Entries    []Entry   // every value, in the order of the reference file

	places map[string]*diag.Node // of the fields that consent names, by path
}

// Place is where a field of consent is named (consent.never): in the file, or in the variable that stands for it. It is nil if none is.
func (s *Settings) Place(path string) *diag.Node { return s.places[path] }

// Kafka is the cluster, or the embedded broker: exactly one of Brokers and Embedded is set.
type Kafka struct {
	Brokers     []string
	Embedded    string // data directory
	Prefix      string
	Partitions  int
	Replication int
	Start       Start
	Instance    string
	TLS         *TLS  // nil: plain
	SASL        *SASL // nil: none
}

// Start is where a new consumer group begins. Without a value a new group is an error, which only a look at the
// group can tell.
type Start struct {
	Set    bool
	Latest bool
	At     time.Time // zero: latest or earliest

	place *diag.Node // where it is missing
}

// Missing is the finding of a new group without a start, at its place in the file.
func (s Start) Missing() diag.List {
	if s.place == nil {
		return nil
	}
	return diag.List{*s.place.Error("N114", diag.Text{EN: "`kafka.start` is missing and the consumer group is new", ZH: "缺少 `kafka.start`，而消费组是新的"},
		diag.Text{EN: "add `start: latest`, or earliest, or a time like 2026-11-21T09:00:00+08:00", ZH: "请加上 `start: latest`，或 earliest，或时间，例如 2026-11-21T09:00:00+08:00"})}
}

// TLS holds paths of PEM files; all may be empty (the system's roots, no client certificate).
type TLS struct{ CA, Cert, Key string }

// SASL is how clients log in at the brokers.
type SASL struct {
	Mechanism string // PLAIN | SCRAM-SHA-256 | SCRAM-SHA-512
	User      string
	Password  *Secret
}

// Admin is the HTTP listener for health, metrics and status.
type Admin struct {
	Listen string
	Token  *Secret // nil: none, possible on loopback only
}

// Log says what is logged and how.
type Log struct {
	Level string // debug | info | warn | error
	JSON  bool
}

// Tracing is where spans go.
type Tracing struct {
	Endpoint      string // base URL of an OTLP/HTTP collector; "": off
	Authorization *Secret
	Share         float64 // of the events that bring no trace context: so many begin a trace
}

// Events bounds what is taken in. A duplicate is recognised for these times.
type Events struct {
	MaxBytes            int
	DuplicateUsers      time.Duration
	DuplicateBroadcasts time.Duration
}

// Consent names bool fields of profile events, "" for none. They are obeyed when the call leaves.
type Consent struct {
	Never     string // true: nothing may be sent
	Marketing string // must be true for class marketing
	Service   string // must be true for class service
}

// Account is one RongCloud App Key, or one app at Getui.
type Account struct {
	Name       string
	Vendor     string // rongcloud | getui
	DataCenter string // exactly one of DataCenter and Hosts is set; Getui has one host
	Hosts      []string
	AppKey     string
	Secret     *Secret
	Sender     string
	Platforms  []string // ios | android | harmonyos
	AppID      string   // Getui
	Identify   string   // Getui: alias | cid, what a user id is there

	AllowEveryone  bool
	ApprovalWaived bool
	Broadcast      bool // services.broadcast
	PushPlus       bool // services.push_plus
	FastTag        bool // services.fast_tag
	Quota          Quota
	Brake          Rate
	Tags           Tags
	Timeout        time.Duration
}

// Quota is the limits of the scarce lane.
type Quota struct {
	Hour, Day int
	Rolling   bool // day_window: a rolling 24 h instead of the natural day
	DayZones  []*time.Location
	Shared    bool // /push.json and /message/broadcast.json take from one budget
	Pushes    int  // Getui: of pushes to users, in a second
	Minute    int  // Getui: of pushes to audiences, beside Day
	Lists     int  // Getui: users a day by list pushes, each call counting as one more
	TagMinute int  // Getui: changes of tags
	TagDay    int  // the same
}

// Rate is N within In.
type Rate struct {
	N  int
	In time.Duration
}

// Tags is how tag sets are kept in step.
type Tags struct {
	Delay       time.Duration
	KeepForeign bool    // foreign: keep
	MaxChange   float64 // share of the known users, 0.01 for 1%
	Verify      Rate    // users whose tags at the vendor are compared with ours; zero: off
}

// Entry is one value with its origin. Value is as written, a secret is ***.
type Entry struct {
	Path   string `json:"path"`   // kafka.brokers
	Value  string `json:"value"`  // "" when there is none
	Origin string `json:"origin"` // flag | env NAME | file.yaml:LINE | default
}
