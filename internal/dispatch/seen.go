package dispatch

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// seenKey is the duplicate key of an intent: event id, rule and target in its account, never the offset (design.md 2). Every push of a day is
// remembered by one.
type seenKey [16]byte

func seenOf(in *intent.Intent) seenKey { return newSeenKey(in.Key, in.Event.ID, in.Rule, in.Target) }

func newSeenKey(account, event, rule, target string) seenKey {
	h := sha256.New()
	for _, s := range []string{account, event, rule, target} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return seenKey(h.Sum(nil)[:16])
}

// String is the key in the ledger.
func (k seenKey) String() string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// readSeenKey reads it; what is no such key was not written by us.
func readSeenKey(s string) (k seenKey, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return seenKey(append(b, make([]byte, len(k))...)), err == nil && len(b) == len(k)
}

// SeenHash is under what an event that was acted on is remembered: account, event, rule, target.
func SeenHash(account, event, rule, target string) string {
	return newSeenKey(account, event, rule, target).String()
}

// seenEntry is in the order in which they are forgotten.
type seenEntry struct {
	key   seenKey
	until int64
}

// remember writes the duplicate key, in the transaction that takes the intent in.
func (a *actor) remember(key seenKey, in *intent.Intent, now time.Time) {
	class, horizon := 0, a.opt.DuplicatesUsers
	if in.Target == intent.Everyone {
		class, horizon = 1, a.opt.DuplicatesBroadcasts
	}
	until := now.Add(horizon).UTC()
	a.seen[key] = until.UnixNano()
	a.seenOld[class] = append(a.seenOld[class], seenEntry{key, until.UnixNano()})
	a.w.Put(ledger.SeenKey(key.String()), ledger.Seen{Until: until})
}

// unsee forgets it before its time: its source may send the event again.
func (a *actor) unsee(in *intent.Intent) {
	key := seenOf(in)
	if _, ok := a.seen[key]; ok {
		delete(a.seen, key)
		a.w.Delete(ledger.SeenKey(key.String()))
	}
}

// forgetSeen forgets those whose time is over.
func (a *actor) forgetSeen(now time.Time) {
	for i := range a.seenOld {
		q := a.seenOld[i]
		for len(q) > 0 && q[0].until <= now.UnixNano() {
			if until, ok := a.seen[q[0].key]; ok && until <= now.UnixNano() {
				delete(a.seen, q[0].key)
				a.w.Delete(ledger.SeenKey(q[0].key.String()))
			}
			q = q[1:]
		}
		a.seenOld[i] = q
	}
}

// restoreSeen takes over what predecessors remember.
func (a *actor) restoreSeen(st *ledger.State, now time.Time) {
	for s, seen := range st.Seen {
		key, ok := readSeenKey(s)
		if !ok {
			continue
		}
		until := seen.Until.UnixNano()
		a.seen[key] = until
		class := 0
		if seen.Until.Sub(now) > a.opt.DuplicatesUsers { // at worst it waits in the other queue a little longer
			class = 1
		}
		a.seenOld[class] = append(a.seenOld[class], seenEntry{key, until})
	}
	for i := range a.seenOld {
		slices.SortFunc(a.seenOld[i], func(x, y seenEntry) int { return cmp.Compare(x.until, y.until) })
	}
}
