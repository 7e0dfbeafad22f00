package dispatch

import (
	"encoding/binary"
	"iter"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// A profile intent that waits for its tags to be sent is no item: there may be one for every user, and an item with its places in the indexes is
// three times what is its own. It stands in its user's entry of the profile table, as the number of its berth and what ledger.PackTags made of it.
// Whoever needs it gets it as an item (askedBy), and cool puts it back at the end of the turn. In the counts it is queued all the while.

// asks reports whether a user's profile intent waits.
func (ac *account) asks(user string) bool {
	if ac.asked[user] != nil {
		return true
	}
	_, ok := ac.users.Waits(user)
	return ok
}

// askedBy is the user's profile intent that waits, nil if there is none.
func (a *actor) askedBy(ac *account, user string) *item {
	if it := ac.asked[user]; it != nil {
		return it
	}
	s, ok := ac.users.Waits(user)
	if !ok {
		return nil
	}
	b, packed := a.parked(s)
	it := &item{berth: b, tags: true, state: queued}
	it.heat(a.packer.UnpackTags(packed, user))
	a.packer.DropTags(packed)
	ac.users.Release(user)
	a.items[itemOf(it.id())] = it
	ac.asked[user] = it
	return it
}

// parked reads what stands in a user's entry.
func (a *actor) parked(s string) (*berth, string) {
	var room [binary.MaxVarintLen64]byte
	n, size := binary.Uvarint(room[:copy(room[:], s)])
	return a.docks[n], s[size:]
}

// park puts an item into its user's entry. False: it is none that can stand there.
func (a *actor) park(it *item) bool {
	if !it.tags || it.state != queued || it.rare != nil || it.ac == nil {
		return false
	}
	if _, ok := a.spans.since[it]; ok {
		return false
	}
	ac, in := it.ac, it.warm.Intent
	if ac.asked[in.Target] != it {
		return false
	}
	packed, ok := a.packer.PackTags(binary.AppendUvarint(a.spot[:0], a.dock(it.berth)), it.warm)
	if a.spot = packed; !ok {
		return false
	}
	if !ac.users.Wait(in.Target, packed) {
		_, size := binary.Uvarint(packed)
		a.packer.DropTags(string(packed[size:]))
		return false
	}
	a.packer.Drop(it.packed)
	delete(a.items, itemOf(in.ID))
	delete(ac.asked, in.Target)
	it.packed, it.warm, it.state = ledger.Packed{}, nil, gone
	return true
}

// dock is the number of a berth.
func (a *actor) dock(b *berth) uint64 {
	for i, o := range a.docks {
		if o == b {
			return uint64(i)
		}
	}
	a.docks = append(a.docks, b)
	return uint64(len(a.docks) - 1)
}

// pending is how many intents have no fate.
func (a *actor) pending() int {
	n := len(a.items)
	for _, ac := range a.accounts {
		n += ac.users.Waiting()
	}
	return n
}

// waits reports whether an intent has no fate yet.
func (a *actor) waits(in *intent.Intent) bool {
	if a.items[itemOf(in.ID)] != nil {
		return true
	}
	ac := a.accounts[in.Key]
	if ac == nil || in.Profile == nil {
		return false
	}
	s, ok := ac.users.Waits(in.Target)
	if !ok {
		return false
	}
	_, packed := a.parked(s)
	return a.packer.UnpackTags(packed, in.Target).Intent.ID == in.ID
}

// find is the item of an id, nil if it has its fate. An id that is not an item's is looked for in the entries of all users: only what a person
// asks is looked for so.
func (a *actor) find(id intent.ID) *item {
	if it := a.items[itemOf(id)]; it != nil {
		return it
	}
	for _, ac := range a.accounts {
		for user := range ac.users.WhoWaits() {
			if !strings.Contains(string(id), "/"+user) {
				continue
			}
			s, _ := ac.users.Waits(user)
			if _, packed := a.parked(s); a.packer.UnpackTags(packed, user).Intent.ID == id {
				return a.askedBy(ac, user)
			}
		}
	}
	return nil
}

// allParked walks the profile intents that wait and are no items.
func (a *actor) allParked() iter.Seq2[*account, *ledger.Pending] {
	return func(yield func(*account, *ledger.Pending) bool) {
		for _, ac := range a.accounts {
			for user := range ac.users.WhoWaits() {
				s, ok := ac.users.Waits(user)
				if !ok {
					continue
				}
				if _, packed := a.parked(s); !yield(ac, a.packer.UnpackTags(packed, user)) {
					return
				}
			}
		}
	}
}

// parkedSince counts those of each berth, and when the oldest of them was taken in.
func (a *actor) parkedSince() map[*berth]queueOf {
	out := map[*berth]queueOf{}
	for _, ac := range a.accounts {
		for s := range ac.users.AllThatWaits() {
			b, packed := a.parked(s)
			l := out[b]
			if at := ledger.TagsAt(packed); l.n == 0 || at.Before(l.since) {
				l.since = at
			}
			l.n++
			out[b] = l
		}
	}
	return out
}

// queueOf is how many wait, and since when the first of them.
type queueOf struct {
	n     int
	since time.Time
}

// retagAll decides anew what every user needs whose profile intent waits, in the first turn after a take-over: writing is allowed then.
func (a *actor) retagAll() {
	if !a.restored {
		return
	}
	a.restored = false
	for _, key := range a.keys {
		ac := a.accounts[key]
		for user := range ac.asked {
			a.retag(ac, user)
		}
		for user := range ac.users.WhoWaits() {
			a.retag(ac, user)
			a.coolMany()
		}
	}
}
