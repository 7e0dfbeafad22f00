package dispatch

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/trace"
)

// Rules is what stage 2 asks of the rule files that are live now. It is called from several actors at once.
type Rules interface {
	// Tags gives the set a user deserves in an account; get reads the profile table, current is what the vendor has.
	Tags(account string, get func(string) (intent.Value, bool), current []string) []string
	// Gives reports whether a tag could come from a rule of ours.
	Gives(account, tag string) bool
	// HasProfile reports whether an account keeps the profile table.
	HasProfile(account string) bool
	// TagRules names an account's tag rules by what they decide, and the files that they come in.
	TagRules(account string) (tags, files string)
	// Reserves gives the scarce slots of the day that are kept for live rules of an account.
	Reserves(account string) []intent.Reserve
	// ProfilePushes gives the intents of the push rules on a profile event.
	ProfilePushes(in *intent.Intent, before, after func(string) (intent.Value, bool)) []*intent.Intent
}

// Render fills the texts of a closed merge; it needs no rule file.
type Render func(c *intent.Content, m *intent.Merge, items []map[string]any, count int) (*intent.Content, error)

// Consent names the profile fields that allow or forbid pushes; "" asks nothing.
type Consent struct {
	Never     string // true: nothing is sent to the user
	Marketing string // not true: no marketing is sent to the user; unknown counts as not given
	Service   string // the same for class service
}

// Options are what a Dispatcher needs.
type Options struct {
	Kafka     []kgo.Opt
	Topics    ledger.Topics
	TxnSuffix string
	Instance  string
	Accounts  []*Account
	Rules     func() Rules // the live rule set
	Render    Render
	Users     func() Users                                             // the live rule set
	Live      func() *Live                                             // how the rules stand in the live files; nil: they never change
	Again     func(context.Context, []*intent.Intent) ([]Again, error) // evaluates the events of intents again, each by its rule in the live files
	Zone      *time.Location
	Consent   Consent
	ClassCaps map[string]intent.Cap // user_limits, by class
	Tracer    *trace.Tracer         // nil: off

	DuplicatesUsers      time.Duration // horizon of the duplicate table; 0: 24 h
	DuplicatesBroadcasts time.Duration // 0: 720 h

	SessionTimeout time.Duration // 0: 10 s
	Heartbeat      time.Duration // 0: 500 ms, or a fifth of a shorter session
	FetchMaxWait   time.Duration // 0: 100 ms
	Metrics        *Metrics
	Log            *zap.Logger
}

// How long an event is remembered, so that a repeated one does nothing.
const (
	defaultDuplicatesUsers      = 24 * time.Hour
	defaultDuplicatesBroadcasts = 720 * time.Hour
)
