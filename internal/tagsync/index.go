package tagsync

import "hash/maphash"

// index finds the number that stands for an id, without a pointer and without the id: who has both tells it whether they belong together.
// It is divided in parts by the hash, so that it grows a little at a time.
type index struct {
	seed  maphash.Seed
	parts [indexParts][]uint32 // open addressing, linear probes: number + 1; 0: nobody
	n     [indexParts]int
}

const indexParts = 64

// named knows the ids of an index's numbers.
type named interface {
	isID(i uint32, id string) bool
	hashOf(i uint32, seed maphash.Seed) uint64
}

func newIndex() index { return index{seed: maphash.MakeSeed()} }

// part is where a hash belongs.
func part(hash uint64) int { return int(hash >> 58) }

// find gives the number of an id, none for one that is not here.
func (x *index) find(id string, by named) uint32 {
	hash := maphash.String(x.seed, id)
	table := x.parts[part(hash)]
	if len(table) == 0 {
		return none
	}
	mask := uint64(len(table) - 1)
	for p := hash & mask; table[p] != 0; p = (p + 1) & mask {
		if i := table[p] - 1; by.isID(i, id) {
			return i
		}
	}
	return none
}

// add takes in a number whose id is not here.
func (x *index) add(i uint32, by named) {
	hash := by.hashOf(i, x.seed)
	k := part(hash)
	if old := x.parts[k]; 8*(x.n[k]+1) > 7*len(old) {
		x.parts[k] = make([]uint32, max(8, 2*len(old)))
		for _, m := range old {
			if m != 0 {
				enter(x.parts[k], m-1, by.hashOf(m-1, x.seed))
			}
		}
	}
	enter(x.parts[k], i, hash)
	x.n[k]++
}

func enter(table []uint32, i uint32, hash uint64) {
	mask := uint64(len(table) - 1)
	p := hash & mask
	for table[p] != 0 {
		p = (p + 1) & mask
	}
	table[p] = i + 1
}

// drop forgets a number, whose id is still known.
func (x *index) drop(i uint32, by named) {
	hash := by.hashOf(i, x.seed)
	k := part(hash)
	table := x.parts[k]
	mask := uint64(len(table) - 1)
	p := hash & mask
	for table[p] != i+1 {
		p = (p + 1) & mask
	}
	// Who stands behind moves up unless that were before their own place: a gap would end their search.
	for q := (p + 1) & mask; table[q] != 0; q = (q + 1) & mask {
		home := by.hashOf(table[q]-1, x.seed) & mask
		if (q-home)&mask >= (q-p)&mask {
			table[p] = table[q]
			p = q
		}
	}
	table[p] = 0
	if x.n[k]--; x.n[k] == 0 {
		x.parts[k] = nil
	}
}

// each calls f for every number.
func (x *index) each(f func(i uint32)) {
	for _, table := range x.parts {
		for _, m := range table {
			if m != 0 {
				f(m - 1)
			}
		}
	}
}
