package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/tagsync"
)

// State is what the records of one ledger partition add up to.
type State struct {
	Genesis  *Genesis
	Owner    *Owner // the last one written, ours excluded by the take-over
	Position Position
	Pending  map[string]*Pending       // by intent id
	Attempts map[string]*Attempt       // by attempt id
	Users    map[string]*tagsync.Table // by account
	Taken    map[string]*Taken         // by account/scope/user
	Sends    map[string]*Sends         // by account/rule/what
	Once     map[string]Once           // by account/rule/hash
	Seen     map[string]Seen           // by hash
	Pauses   map[string]Pause          // by scope
	Kills    map[string]Kill           // by rule
	Extends  map[string]Extension      // by rule
	Lanes    map[string]LaneState
	Checks   map[string]*Check     // by account/command id
	Changes  map[string]*TagChange // by account
	Ended    []Ended               // calls whose outcome a take-over found written lately, oldest first
	Gap      time.Time             // when the outcome of a call was written that is not known any more; zero: of all it is
	Records  int                   // records read, tombstones included
	Sizes    Sizes

	packer *Packer           // of a take-over: what is pending is packed at once, see Waiting
	packed map[string]Packed // instead of Pending, by intent id
	tags   map[idKey]string  // of profile intents, see PackTags: with their users before them
	room   []byte
}

// NewState gives an empty State.
func NewState() *State {
	return &State{Pending: map[string]*Pending{}, Attempts: map[string]*Attempt{}, Users: map[string]*tagsync.Table{}, Taken: map[string]*Taken{},
		Sends: map[string]*Sends{}, Once: map[string]Once{},
		Seen: map[string]Seen{}, Pauses: map[string]Pause{}, Kills: map[string]Kill{}, Extends: map[string]Extension{}, Lanes: map[string]LaneState{}, Checks: map[string]*Check{}, Changes: map[string]*TagChange{}, Sizes: Sizes{}}
}

// Of reports whether the partition is that of an account: it has the account's users, intents, attempts or counts.
func (s *State) Of(identity string) bool {
	if s.Users[identity] != nil {
		return true
	}
	for _, p := range s.Pending {
		if p.Intent.Key == identity {
			return true
		}
	}
	for _, a := range s.Attempts {
		if a.Account == identity {
			return true
		}
	}
	prefix := identity + "/"
	return begins(s.Taken, prefix) || begins(s.Sends, prefix) || begins(s.Once, prefix)
}

func begins[V any](m map[string]V, prefix string) bool {
	for key := range m {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// ErrNewer means that a newer release wrote the ledger: this one must not own the partition.
var ErrNewer = errors.New("ledger record of a newer version")

// Apply folds one record in. It fails on a key or value it cannot read: a ledger that is not understood must not be acted on.
func (s *State) Apply(key string, value []byte) error {
	if err := s.pass(key, value); err != nil {
		return err
	}
	kind, rest, _ := strings.Cut(key, "/")
	switch kind {
	case "g":
		return one(value, &s.Genesis)
	case "o":
		return one(value, &s.Owner)
	case "s":
		if value == nil {
			s.Position = Position{}
			return nil
		}
		return decode(key, value, &s.Position)
	case "p":
		return s.pending(key, rest, value)
	case "a":
		if err := into(s.Attempts, key, rest, value); err != nil || value == nil {
			return err
		}
		return known(key, s.Attempts[rest])
	case "u":
		return s.user(key, rest, value)
	case "c":
		return into(s.Taken, key, rest, value)
	case "w":
		return into(s.Sends, key, rest, value)
	case "n":
		return plain(s.Once, key, rest, value)
	case "d":
		return plain(s.Seen, key, rest, value)
	case "x":
		return plain(s.Pauses, key, rest, value)
	case "k":
		return plain(s.Kills, key, rest, value)
	case "e":
		return plain(s.Extends, key, rest, value)
	case "l":
		return plain(s.Lanes, key, rest, value)
	case "v":
		return into(s.Checks, key, rest, value)
	case "tc":
		return into(s.Changes, key, rest, value)
	}
	return fmt.Errorf("read ledger: unknown key %q: %w", key, ErrNewer)
}

// pass counts a record without folding it in: a later one of its key has been read.
func (s *State) pass(key string, value []byte) error {
	s.Records++
	if v := versionOf(value); v > Version {
		return fmt.Errorf("read ledger: record %q of version %d, this binary reads up to %d: %w", key, v, Version, ErrNewer)
	}
	s.Sizes.note(key, value)
	return nil
}

// known refuses an attempt of a newer release: who takes a state it does not know for an end would make the call once more.
func known(key string, at *Attempt) error {
	switch at.State {
	case Started, OK, Refused, Unknown, NotSent, Again, External, Resolved:
		return nil
	}
	return fmt.Errorf("read ledger: record %q: version %d, state %q: %w", key, at.V, at.State, ErrNewer)
}

// versionOf reads the version with which a record begins: {"v":2,... A kind that has none is of version 1; a release that changes what a
// kind means writes a version in front. It is looked at before anything is decoded, since a newer record may have any form.
func versionOf(value []byte) int {
	digits, ok := bytes.CutPrefix(value, []byte(`{"v":`))
	if !ok {
		return 1
	}
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' || n > 1<<20 {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}

func one[T any](value []byte, dst **T) error {
	if value == nil {
		*dst = nil
		return nil
	}
	x := new(T)
	if err := decode("", value, x); err != nil {
		return err
	}
	*dst = x
	return nil
}

func into[T any](m map[string]*T, key, rest string, value []byte) error {
	if value == nil {
		delete(m, rest)
		return nil
	}
	x := new(T)
	if err := decode(key, value, x); err != nil {
		return err
	}
	m[rest] = x
	return nil
}

func plain[T any](m map[string]T, key, rest string, value []byte) error {
	if value == nil {
		delete(m, rest)
		return nil
	}
	var x T
	if err := decode(key, value, &x); err != nil {
		return err
	}
	m[rest] = x
	return nil
}

func decode(key string, value []byte, x any) error {
	if err := json.Unmarshal(value, x); err != nil {
		return fmt.Errorf("read ledger: record %q: %w", key, err)
	}
	return nil
}

// user folds a row of the profile table in; an account's identity holds no slash.
func (s *State) user(key, rest string, value []byte) error {
	account, user, ok := strings.Cut(rest, "/")
	if !ok {
		return fmt.Errorf("read ledger: key %q names no user", key)
	}
	t := s.Users[account]
	if value == nil {
		if t != nil {
			t.Delete(user)
		}
		return nil
	}
	u := new(tagsync.User)
	if err := decode(key, value, u); err != nil {
		return err
	}
	if t == nil {
		t = tagsync.NewTable()
		s.Users[account] = t
	}
	t.Put(user, u)
	return nil
}

// KnownUsers counts the rows of all accounts.
func (s *State) KnownUsers() (n int) {
	for _, t := range s.Users {
		n += t.Len()
	}
	return n
}

// Keys of the records.
func PendingKey(id string) string              { return "p/" + id }
func AttemptKey(id string) string              { return "a/" + id }
func UserKey(account, user string) string      { return "u/" + account + "/" + user }
func TakenKey(account, scope, u string) string { return "c/" + account + "/" + scope + "/" + u }
func TakenID(id string) string                 { return "c/" + id }
func SendsKey(id string) string                { return "w/" + id }
func OnceKey(id string) string                 { return "n/" + id }
func SeenKey(hash string) string               { return "d/" + hash }
func PauseKey(scope string) string             { return "x/" + scope }
func KillKey(rule string) string               { return "k/" + rule }
func ExtendKey(rule string) string             { return "e/" + rule }
func LaneKey(account, lane string) string      { return "l/" + account + "/" + lane }
func CheckKey(account, command string) string  { return "v/" + account + "/" + command }
func TagChangeKey(account string) string       { return "tc/" + account }

const (
	genesisKey  = "g"
	ownerKey    = "o"
	positionKey = "s"
)

// Balanced says whether the partition's books hold: intents taken in = fates given + pending.
func (s *State) Balanced() bool {
	return s.Position.Intents == s.Position.Fates+int64(len(s.Pending))
}

// Clock is the latest broker time the ledger knows of.
func (s *State) Clock() time.Time { return s.Position.Clock }
