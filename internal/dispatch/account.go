package dispatch

import (
	"context"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/quota"
)

// Account is one vendor application as the actor sees it.
type Account struct {
	Name   string // of the settings; for people
	Key    string // identity, vendor:AppKey
	Vendor Vendor
	Lanes  map[string]Policy

	Timeout       time.Duration                // of one call, body included
	KeepForeign   bool                         // tags that no rule of ours gives are kept
	MaxTags       int                          // tags of one user
	Fit           func(tags []string) []string // what of a set that rules give the vendor takes; nil: all of it
	Writable      func(tag string) bool        // whether a set that replaces a user's may hold it; nil: any
	TagDelay      time.Duration                // the longest time a changed set may wait to be batched
	MaxChange     float64                      // share of the known users, at least minChange: when more get other tags because the rules changed, a human decides
	VerifyUsers   int                          // users whose tags at the vendor are compared with ours in any VerifyIn; 0: none
	VerifyIn      time.Duration
	Brake         intent.Cap // a rule that sends more pauses itself, unless it has a brake of its own; N 0: none
	MaxPushes     int        // pending; 0: 1,000,000
	MaxBroadcasts int        // pending; 0: 10,000

	Rotations func() int64 // how often its credentials became others; nil: never
}

func (ac *Account) rotations() int64 {
	if ac.Rotations == nil {
		return 0
	}
	return ac.Rotations()
}

// Policy is what a lane allows.
type Policy struct {
	Rate       int           // calls or receivers in any Window, paced; 0: Limits rule
	Window     time.Duration // of Rate; 0: 1.2 s, the vendor's second and an allowance for the way
	Stated     bool          // Rate is what the vendor states: who is refused for now although we kept it is not alone with the App Key
	Limits     []quota.Limit // scarce lanes
	MaxBatch   int           // users in one call
	Parallel   int           // calls in flight
	Audiences  bool          // carries broadcasts
	Endpoint   string        // of the lanes that no route leads to: tags, recall
	Remove     string        // of LaneTag, where a call changes one tag of many users: Endpoint gives the tag, this takes it. "": calls replace sets
	Replace    string        // there: it replaces the set of one user, as often as PerUser allows. "": nothing does
	PerUser    quota.Limit   // of Replace
	Repeatable bool          // tags and reads: an ambiguous call may be made again, whatever it holds by then
	Tries      int           // how often a push that stays ambiguous is made in all, the same each time; 0: once
	Within     time.Duration // and for how long after the first try
	Forms      []Form        // the first that fits makes a call to named users; none: the route's endpoint, up to MaxBatch
	Late       time.Duration // how long after notAfter an ambiguous call may still arrive and is charged
	Also       []Counted     // attempts of other lanes that take from these limits too
}

// Form is one way to call for named users. A lane has several where a vendor's endpoints differ in how many users they take.
type Form struct {
	Endpoint    string
	Least, Most int         // users of a call
	Class       string      // only for intents of this class; "": all
	Mixed       bool        // the users' contents may differ; otherwise they are equal
	Weight      int         // of a call in the lane's Rate; 0: its users
	Tries       int         // as in Policy
	Day         quota.Limit // users whom the vendor takes by calls of this form in a day, each call counting as one more; N 0: as many as come
	DayName     string      // of Day in listings, metrics and the ledger: forms of an account with one name have one day
}

// Counted are attempts of a lane with an endpoint, "" being any.
type Counted struct{ Lane, Endpoint string }

// Lane names that the planner knows by their work. A vendor may have others.
const (
	LaneTag      = "tag"       // one user a call; all changes of tags where the vendor changes one tag of many users a call (Policy.Remove)
	LaneTagBatch = "tag-batch" // one set for many users
)

// second is how long a call counts in a lane that is limited per second: the vendor's second and an allowance for the way
// (design.md 3, Quota).
const second = 1200 * time.Millisecond

// Vendor makes calls for one account. Implementations are safe for concurrent use.
type Vendor interface {
	// Route says which endpoint and lane an intent takes; an error means that no endpoint can do it.
	Route(*intent.Intent) (Route, error)
	// Send makes one call and says what is known of it. It ends by ctx's deadline.
	Send(ctx context.Context, c *Call) Outcome
	// Probe makes one harmless read-only call: is the vendor there, and are the credentials good?
	Probe(ctx context.Context, id string) Outcome
	// ReadTags reads the tag sets of users; it changes nothing. Users that the vendor does not know have none.
	ReadTags(ctx context.Context, id string, users []string) (map[string][]string, Outcome)
	// ValidUser reports why the vendor would refuse a user id.
	ValidUser(id string) error
}

// Route is where an intent goes.
type Route struct {
	Lane     string
	Endpoint string
	Users    bool // named users, who can be grouped in one call; otherwise an audience
}

// Call is one HTTP call as the planner describes it.
type Call struct {
	ID       string // X-Request-ID is <ID>-<try>
	Endpoint string
	Users    []string
	Tags     []string // tag calls: the whole set
	Content  *intent.Content
	Audience *intent.Audience
	Recall   *Recall          // calls of LaneRecall
	First    intent.ID        // of the first member: seeds what the vendor may use to drop repeats
	Intents  []*intent.Intent // what it delivers; with a Mixed Form each has a content of its own
	Try      int              // from 1; a later one has the same members as the first
	Began    time.Time        // when the first try started
}

// Class says what is known of a call; the values are metric labels (metrics.md).
type Class string

const (
	ClassOK         Class = "ok"
	ClassPermanent  Class = "permanent"   // refused for what is in it, not done
	ClassConfig     Class = "config"      // refused for who we are, not done
	ClassRetryLater Class = "retry_later" // refused for now, not done
	ClassRetrySafe  Class = "retry_safe"  // unclear, but repeating is harmless
	ClassNotSent    Class = "not_sent"    // certainly never left
	ClassUnknown    Class = "unknown"     // may have been done
)

// Classes is every Class, for metrics that exist from the start.
var Classes = []Class{ClassOK, ClassPermanent, ClassConfig, ClassRetryLater, ClassRetrySafe, ClassNotSent, ClassUnknown}

// Outcome is what a Vendor knows of a call afterwards.
type Outcome struct {
	Class    Class
	Code     int           // the vendor's own code, 0 if none came
	VendorID string        // the vendor's id of the message, if any
	Detail   string        // for people: never a secret, never a body
	Head     string        // how Detail begins in our own words: the call, its address, the status
	Foot     string        // how it ends in them: the request id
	Invalid  bool          // with ClassPermanent: we refused to build it, nothing left
	Target   bool          // with ClassPermanent: who it is for is at fault, which says nothing of the lane
	IDTaken  bool          // with ClassPermanent: the vendor has had a push under its id that was not ours
	Service  bool          // with ClassConfig: this endpoint is not ours to use; otherwise it is the credentials
	Wait     time.Duration // with ClassRetryLater: how long, if the vendor lets us know
	Alone    bool          // with Wait: only this endpoint is meant, the lane's other forms may go on
	Once     bool          // with Wait, of a change of tags: the same call may go once more; refused again it is ClassPermanent

	Users map[string]UserOutcome // with ClassOK: what became of users where that differs; who is not in it was accepted. With ClassPermanent: the culprits, if known
	Some  map[string][]string    // of a read: tags that only some of a user's devices have

	Sender     string // of a message that was sent, whatever became of it; set with MessageUID of whatever else can be recalled
	MessageUID string // the vendor's id of what can be recalled
}

// UserOutcome is what became of one user of an accepted call.
type UserOutcome struct {
	Refused  bool // the vendor did not take it for this user
	VendorID string
	Detail   string
}
