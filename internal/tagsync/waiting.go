package tagsync

import "hash/maphash"

// waiting is the users of Groups without a pointer in it: a million of them take about 62 bytes each, ids of 16 bytes included, and a
// collection of garbage need not look at them. (A map by id, a queue a group and a heap of deadlines took 227.) A user is a slot,
// known by its number.
//
//	index ──► slots ──► texts
//	 hash      id, group, neighbours in the group, deadline, place in the heap of deadlines
type waiting struct {
	index index
	n     int // users

	slots [][]slot // pieces of slotPiece
	used  uint32   // slots ever given
	free  uint32   // the first that is free again, the others follow in next; none

	texts      [][]byte // the ids, each with two bytes of length before it; pieces of textPiece
	live, dead int      // bytes in texts
}

type slot struct {
	deadline   int64  // unix nanoseconds
	text       uint32 // piece of texts * textPiece + place in it
	group      uint32 // number in Groups.list
	prev, next uint32 // in the group, oldest first
	place      uint32 // in Groups.due
}

const (
	none      = ^uint32(0)
	slotPiece = 256
	textPiece = 4096
)

func newWaiting() waiting { return waiting{index: newIndex(), free: none} }

func (w *waiting) at(i uint32) *slot { return &w.slots[i/slotPiece][i%slotPiece] }

// id is a user's id; it is part of texts.
func (w *waiting) id(i uint32) []byte {
	at := w.at(i).text
	b := w.texts[at/textPiece][at%textPiece:]
	n := int(b[0]) | int(b[1])<<8
	return b[2 : 2+n]
}

// find gives the slot of a user, none for one who is not here.
func (w *waiting) find(user string) uint32 { return w.index.find(user, w) }

func (w *waiting) isID(i uint32, id string) bool { return string(w.id(i)) == id }

func (w *waiting) hashOf(i uint32, seed maphash.Seed) uint64 { return maphash.Bytes(seed, w.id(i)) }

// add gives a user who is not here a slot, of which the caller fills in the rest.
func (w *waiting) add(user string) uint32 {
	i := w.free
	if i != none {
		w.free = w.at(i).next
	} else {
		if w.used%slotPiece == 0 {
			w.slots = append(w.slots, make([]slot, slotPiece))
		}
		i = w.used
		w.used++
	}
	*w.at(i) = slot{text: w.write(user)}
	w.index.add(i, w)
	w.n++
	return i
}

// drop forgets a user.
func (w *waiting) drop(i uint32) {
	w.index.drop(i, w)
	size := 2 + len(w.id(i))
	w.live, w.dead = w.live-size, w.dead+size
	w.at(i).next, w.free = w.free, i
	w.n--
	switch {
	case w.n == 0 && w.used > slotPiece: // what a burst took is given back
		*w = newWaiting()
	case w.dead > w.live+textPiece:
		w.compact()
	}
}

// write keeps an id, of 64 KiB at most; the decoder lets 512 bytes through. One longer than a piece has a piece to itself.
func (w *waiting) write(user string) uint32 {
	size := 2 + len(user)
	last := len(w.texts) - 1
	if last < 0 || len(w.texts[last])+size > textPiece {
		w.texts = append(w.texts, make([]byte, 0, textPiece))
		last++
	}
	at := uint32(last*textPiece + len(w.texts[last]))
	w.texts[last] = append(append(w.texts[last], byte(len(user)), byte(len(user)>>8)), user...)
	w.live += size
	return at
}

// compact writes the ids of those who are here anew, once those of others take more room.
func (w *waiting) compact() {
	old := *w
	w.texts, w.live, w.dead = nil, 0, 0
	w.index.each(func(i uint32) { w.at(i).text = w.write(string(old.id(i))) })
}
