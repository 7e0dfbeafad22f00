package tagsync

import "hash/maphash"

// waiting is the users of Groups without a pointer in it: a million of them take about 62 bytes each, ids of 16 bytes included, and a
// collection of garbage need not look at them. (A map by id, a queue a group and a heap of deadlines took 227.) A user is a slot,
// known by its number.
//
//	table ──► slots ──► texts
//	 hash      id, group, neighbours in the group, deadline, place in the heap of deadlines
type waiting struct {
	seed  maphash.Seed
	table []uint32 // open addressing by the hash of the id, linear probes: number of the slot + 1; 0: nobody
	n     int      // users

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

func newWaiting() waiting { return waiting{seed: maphash.MakeSeed(), free: none} }

func (w *waiting) at(i uint32) *slot { return &w.slots[i/slotPiece][i%slotPiece] }

// id is a user's id; it is part of texts.
func (w *waiting) id(i uint32) []byte {
	at := w.at(i).text
	b := w.texts[at/textPiece][at%textPiece:]
	n := int(b[0]) | int(b[1])<<8
	return b[2 : 2+n]
}

// find gives the slot of a user, none for one who is not here.
func (w *waiting) find(user string) uint32 {
	if w.n == 0 {
		return none
	}
	mask := uint64(len(w.table) - 1)
	for p := maphash.String(w.seed, user) & mask; w.table[p] != 0; p = (p + 1) & mask {
		if i := w.table[p] - 1; string(w.id(i)) == user {
			return i
		}
	}
	return none
}

// add gives a user who is not here a slot, of which the caller fills in the rest.
func (w *waiting) add(user string) uint32 {
	if 4*(w.n+1) > 3*len(w.table) {
		w.grow()
	}
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
	w.enter(i, maphash.String(w.seed, user))
	w.n++
	return i
}

func (w *waiting) enter(i uint32, hash uint64) {
	mask := uint64(len(w.table) - 1)
	p := hash & mask
	for w.table[p] != 0 {
		p = (p + 1) & mask
	}
	w.table[p] = i + 1
}

func (w *waiting) grow() {
	old := w.table
	w.table = make([]uint32, max(16, 2*len(old)))
	for _, k := range old {
		if k != 0 {
			w.enter(k-1, maphash.Bytes(w.seed, w.id(k-1)))
		}
	}
}

// drop forgets a user.
func (w *waiting) drop(i uint32) {
	mask := uint64(len(w.table) - 1)
	p := maphash.Bytes(w.seed, w.id(i)) & mask
	for w.table[p] != i+1 {
		p = (p + 1) & mask
	}
	// Who stands behind moves up unless that were before their own place: a gap would end their search.
	for q := (p + 1) & mask; w.table[q] != 0; q = (q + 1) & mask {
		home := maphash.Bytes(w.seed, w.id(w.table[q]-1)) & mask
		if (q-home)&mask >= (q-p)&mask {
			w.table[p] = w.table[q]
			p = q
		}
	}
	w.table[p] = 0
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
	for _, k := range w.table {
		if k != 0 {
			w.at(k - 1).text = w.write(string(old.id(k - 1)))
		}
	}
}
