package ledger

import (
	"bytes"
	"slices"
	"time"
)

// Ended is a call that predecessors made and booked. The vendor's limit of a minute or a second still counts it when a new owner begins.
type Ended struct {
	Account, Lane string
	Weight        int
	Users         []string  // tag calls
	At            time.Time // it arrived by then, if its outcome was clear
	NotAfter      time.Time // otherwise by then
	Unclear       bool      // its record says that the outcome was not; that of a tag call is gone
}

// EndedFor is how long before the last record a State knows the Ended of.
const EndedFor = 2 * time.Minute

// AskedLately reports whether a take-over asks for what stood under a key of the ledger before its last record: of a call that has ended, what its
// start said. Where that is gone, every lane waits until the vendor cannot count the call any more.
func AskedLately(key []byte) bool { return bytes.HasPrefix(key, []byte(AttemptKey(""))) }

// ends notes the outcome of a call, appended at a time. before is its record until then.
func (s *State) ends(id string, before *Attempt, at time.Time) {
	after := s.Attempts[id]
	switch {
	case after != nil && after.State == Started:
		return
	case before == nil && after == nil: // the cleaner took what stood here before
		s.Gap = later(s.Gap, at)
		return
	case before == nil: // the cleaner left the last of several
		before = after
	case before.State != Started: // booked already, forgotten now
		return
	}
	e := Ended{Account: before.Account, Lane: before.Lane, Weight: before.Weight, Users: before.Users, At: at, NotAfter: before.NotAfter}
	if after != nil {
		e.Unclear = after.State == Unknown || after.State == Again
	}
	s.Ended = append(s.Ended, e)
	if n := len(s.Ended); n&(n-1) == 0 { // now and then: what is kept is at most twice what is needed
		s.trimEnded(at)
	}
}

// trimEnded forgets what was over long before a time.
func (s *State) trimEnded(now time.Time) {
	s.Ended = slices.DeleteFunc(s.Ended, func(e Ended) bool { return later(e.At, e.NotAfter).Before(now.Add(-EndedFor)) })
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
