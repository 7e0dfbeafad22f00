package ledger

import "strings"

// Sizes are how large records are by their kind, the part of a ledger key before the slash: the mean, in bytes of key and value before
// compression, of all that were read and written. Keeping each record's size would cost more memory than the profile table.
type Sizes map[string]*struct{ records, bytes int64 }

func (s Sizes) note(key string, value []byte) {
	if value == nil {
		return
	}
	kind, _, _ := strings.Cut(key, "/")
	k := s[kind]
	if k == nil {
		k = new(struct{ records, bytes int64 })
		s[kind] = k
	}
	k.records++
	k.bytes += int64(len(key) + len(value))
}

// of is how much so many records of a kind take.
func (s Sizes) of(kind string, records int) int64 {
	k := s[kind]
	if k == nil {
		return 0
	}
	return k.bytes * int64(records) / k.records
}

// Needs counts the records that a ledger partition needs, by what they are about.
type Needs struct{ Pending, Attempts, Users, Taken, Sends, Once, Seen, Others int }

// LiveBytes estimates how many bytes those records take, before compression; what the partition has beyond that, the broker has still to
// compact away.
func (w *Writer) LiveBytes(n Needs) int64 {
	s := w.sizes
	return s.of("p", n.Pending) + s.of("a", n.Attempts) + s.of("u", n.Users) + s.of("c", n.Taken) + s.of("w", n.Sends) + s.of("n", n.Once) + s.of("d", n.Seen) +
		s.of(positionKey, 1+n.Others) // the position, owner, genesis and what else there are few of
}
