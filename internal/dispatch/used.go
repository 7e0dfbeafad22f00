package dispatch

import (
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// What a ledger has counted of the limits that an intent carries, for who reads it from outside. A ledger that is nil has counted nothing.

// UserUsed is how many sends to a user count for a limit now, and the last of them. scope is rule/NAME or class/NAME.
func UserUsed(st *ledger.State, key, scope, user string, c intent.Cap, now time.Time, zone *time.Location) (n int, last time.Time) {
	if st == nil || st.Taken[takenID(key, scope, user)] == nil {
		return 0, last
	}
	since := capStart(c, now, zone)
	for _, at := range st.Taken[takenID(key, scope, user)].At {
		if at.After(since) {
			n++
		}
		last = at
	}
	return n, last
}

// UserUsedThen is UserUsed as of a time that has passed. mine: a send at that time is one of those counted and is left out. It is not
// known where what counted then may be forgotten, or was taken back since, and where more sends than its own left within call before
// that time: a send is counted when its call starts, and nobody knows which of them it was.
func UserUsedThen(st *ledger.State, key, scope, user string, c intent.Cap, at time.Time, mine bool, call time.Duration, zone *time.Location) (n int, last time.Time, known bool) {
	if st == nil || st.Taken[takenID(key, scope, user)] == nil {
		return 0, last, false
	}
	all, since := st.Taken[takenID(key, scope, user)].At, capStart(c, at, zone)
	if len(all) == intent.MaxPerUser && all[0].After(since) {
		return 0, last, false
	}
	end := 0
	for end < len(all) && !all[end].After(at) {
		end++
	}
	if mine {
		if end == 0 || !all[end-1].After(since) {
			return 0, last, false
		}
		if end > 1 && all[end-2].After(at.Add(-call)) {
			return 0, last, false
		}
		end--
	}
	for _, t := range all[:end] {
		if t.After(since) {
			n++
		}
		last = t
	}
	return n, last, !mine || n < c.N // or it had not left
}

// RuleUsed is the same of a rule's limit over all its recipients.
func RuleUsed(st *ledger.State, key, rule string, c intent.Cap, now time.Time, zone *time.Location) (n int, last time.Time) {
	if st == nil {
		return 0, last
	}
	s := st.Sends[key+"/"+rule+"/"+window(c)]
	if s != nil && len(s.Parts) > 0 {
		last = s.Parts[len(s.Parts)-1].At
	}
	return sentSince(s, capStart(c, now, zone)), last
}

// OnceSent is when `once` was taken by an earlier send that still counts; zero: it was not.
func OnceSent(st *ledger.State, in *intent.Intent, now time.Time) time.Time {
	o := in.Policy.Once
	if st == nil || o == nil {
		return time.Time{}
	}
	if rec, ok := st.Once[onceKey(in.Key, in)]; ok && rec.At.Add(o.In).After(now) {
		return rec.At
	}
	return time.Time{}
}
