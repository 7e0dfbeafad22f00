package ledger

import "time"

// TagChange says by which tag rules the known users of an account were last evaluated and, when the rules change, how far that is. There
// is one record an account.
//
//	settled ──► counting ─┬─► writing ──► settled
//	   ▲                  └─► approval ─┬─► writing
//	   └── the rules change             └─► rejected ──► counting, at the next reload
type TagChange struct {
	V       int       `json:"v"`
	Rules   string    `json:"rules"`              // the tag rules, by a fingerprint
	RuleSet string    `json:"rule_set,omitempty"` // the files they came in, when they were evaluated
	State   TagState  `json:"state"`
	At      time.Time `json:"at"`              // when it came into the state
	Waits   time.Time `json:"waits,omitzero"`  // the owner took over with other rules: it evaluates by them from then on
	ID      string    `json:"id,omitempty"`    // of the count: what an approval names
	Known   int       `json:"known,omitempty"` // users, when they were counted
	Users   int       `json:"users,omitempty"` // of them, those who get other tags
	Limit   int       `json:"limit,omitempty"` // more of them must be approved
	Tags    []TagTurn `json:"tags,omitempty"`  // what they get and lose: the most frequent, at most MaxTagTurns
	Others  int       `json:"others,omitempty"`

	By  string `json:"by,omitempty"` // approved or rejected it
	Why string `json:"why,omitempty"`

	Parts   int `json:"parts,omitempty"` // into how many the users are divided while they are written, at most CheckParts
	Part    int `json:"part,omitempty"`  // cursor: parts that are done
	Written int `json:"written,omitempty"`
	Refused int `json:"refused,omitempty"`

	Table *Keeping `json:"table,omitempty"` // nil: an older release wrote it
}

// Keeping says whether an account's rules and settings let it keep the profile table, and since when. It is in the account's TagChange,
// since an older release refuses a ledger with a record of a kind that it does not know, and reads past a key.
type Keeping struct {
	Kept  bool      `json:"kept"`
	Since time.Time `json:"since"`
	Late  bool      `json:"late,omitempty"` // events went by before: of users who had none since, nothing is known
}

// TagState is where a TagChange stands.
type TagState string

const (
	TagsSettled  TagState = "settled"
	TagsCounting TagState = "counting"
	TagsApproval TagState = "approval"
	TagsWriting  TagState = "writing"
	TagsRejected TagState = "rejected"
)

// TagTurn is how many users get a tag and how many lose it.
type TagTurn struct {
	Tag    string `json:"tag"`
	Gains  int    `json:"gains,omitempty"`
	Losses int    `json:"losses,omitempty"`
}

// MaxTagTurns bounds the tags that a TagChange names; Others counts the rest.
const MaxTagTurns = 20

// TagsTarget is the target of a command on an account's change of tags. No intent has such an id: a number follows its topic.
func TagsTarget(account string) string { return "tags/" + account }
