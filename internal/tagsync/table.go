package tagsync

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// Table is the profile table of one account: a row for each user, packed. A row with five short fields takes about 70 bytes instead of
// 900, which is what lets millions of users stay in memory (design.md 3: at most 200 bytes a user). Get unpacks a row; what is changed
// in it is kept by Put. A nil Table is empty.
//
// Beside the row stands what the user waits with (Wait), as bytes that only their owner understands: an outage lets most users wait, and
// another index by user would cost more than what it finds.
//
// A packed row is
//
//	flags | RewriteAt | SetAt | stamps | fields (name, type, stamp, value) | acked | had | foreign | may
//
// in varints. Names, types and tags are numbers in the table's words; a word beyond the first maxWords is written out.
type Table struct {
	index  index
	lines  [][]line // by number, in pieces of linePiece
	used   uint32   // numbers ever given
	free   []uint32 // those that are free again
	n      int      // users
	waits  int      // of them, those who wait
	words  []string
	wordNo map[string]int
	row, b []byte // room
}

// line is a user, "" where the number is free:
//
//	length of the id * 2 + 1 if the user waits | id | length of the row, if the user waits | row | what the user waits with
type line string

const linePiece = 256

// parts divides a line; they are parts of it.
func (e line) parts() (user, row, waits string) {
	r := reader{row: string(e)}
	n := r.uvarint()
	if user = r.text(n >> 1); n&1 == 0 {
		return user, r.row, ""
	}
	return user, r.text(r.uvarint()), r.row
}

func (e line) user() string {
	r := reader{row: string(e)}
	return r.text(r.uvarint() >> 1)
}

// maxWords bounds the words: tags made of ids would otherwise be kept for ever.
const maxWords = 1 << 16

// NewTable gives an empty table.
func NewTable() *Table { return &Table{index: newIndex(), wordNo: map[string]int{}} }

// Len is how many users are known.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return t.n
}

func (t *Table) at(i uint32) *line { return &t.lines[i/linePiece][i%linePiece] }

func (t *Table) find(user string) uint32 {
	if t == nil {
		return none
	}
	return t.index.find(user, t)
}

func (t *Table) isID(i uint32, id string) bool { return t.at(i).user() == id }

func (t *Table) hashOf(i uint32, seed maphash.Seed) uint64 {
	return maphash.String(seed, t.at(i).user())
}

// Users walks the ids, in no order. The table may change meanwhile: who stays is seen once.
func (t *Table) Users() iter.Seq[string] {
	return t.walk(func(e line) (string, bool) { return strings.Clone(e.user()), true }) // it may be kept, the row is written anew
}

// walk gives what of finds in each line, where it finds anything.
func (t *Table) walk(of func(line) (string, bool)) iter.Seq[string] {
	return func(yield func(string) bool) {
		if t == nil || t.used == 0 {
			return
		}
		end := t.used             // who comes later is not waited for: there may always be one more
		from := rand.Uint32N(end) // else those with low numbers would always be first
		see := func(i uint32) bool {
			e := *t.at(i)
			if e == "" {
				return true
			}
			s, ok := of(e)
			return !ok || yield(s)
		}
		for i := from; i < end; i++ {
			if !see(i) {
				return
			}
		}
		for i := range from {
			if !see(i) {
				return
			}
		}
	}
}

// Get gives a user's row, nil when there is none.
func (t *Table) Get(user string) *User {
	i := t.find(user)
	if i == none {
		return nil
	}
	_, row, _ := t.at(i).parts()
	return t.unpack(row)
}

// Put keeps a row.
func (t *Table) Put(user string, u *User) {
	t.row = t.pack(t.row[:0], u)
	i := t.find(user)
	if i != none {
		_, _, waits := t.at(i).parts()
		t.set(i, user, t.row, waits)
		return
	}
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		if t.used%linePiece == 0 {
			t.lines = append(t.lines, make([]line, linePiece))
		}
		i = t.used
		t.used++
	}
	t.set(i, user, t.row, "")
	t.index.add(i, t)
	t.n++
}

// set writes a line.
func (t *Table) set(i uint32, user string, row []byte, waits string) {
	head := uint64(len(user)) << 1
	if waits != "" {
		head |= 1
	}
	t.b = append(binary.AppendUvarint(t.b[:0], head), user...)
	if waits != "" {
		t.b = binary.AppendUvarint(t.b, uint64(len(row)))
	}
	t.b = append(append(t.b, row...), waits...)
	*t.at(i) = line(t.b)
}

// Delete forgets a user, and what the user waits with.
func (t *Table) Delete(user string) {
	i := t.find(user)
	if i == none {
		return
	}
	t.Release(user)
	t.index.drop(i, t)
	*t.at(i) = ""
	t.free = append(t.free, i)
	t.n--
}

// Wait lets a user wait with something, instead of what it was before. False: there is no such user, or nothing to wait with.
func (t *Table) Wait(user string, with []byte) bool {
	i := t.find(user)
	if i == none || len(with) == 0 {
		return false
	}
	_, row, waits := t.at(i).parts()
	if waits == "" {
		t.waits++
	}
	t.row = append(t.row[:0], row...)
	t.set(i, user, t.row, string(with))
	return true
}

// Waits gives what a user waits with.
func (t *Table) Waits(user string) (with string, ok bool) {
	i := t.find(user)
	if i == none {
		return "", false
	}
	_, _, with = t.at(i).parts()
	return with, with != ""
}

// Release lets a user wait no longer.
func (t *Table) Release(user string) {
	i := t.find(user)
	if i == none {
		return
	}
	_, row, waits := t.at(i).parts()
	if waits == "" {
		return
	}
	t.waits--
	t.row = append(t.row[:0], row...)
	t.set(i, user, t.row, "")
}

// Waiting is how many users wait.
func (t *Table) Waiting() int {
	if t == nil {
		return 0
	}
	return t.waits
}

// WhoWaits walks those who wait, in no order. The table may change meanwhile.
func (t *Table) WhoWaits() iter.Seq[string] {
	return t.walk(func(e line) (string, bool) {
		user, _, waits := e.parts()
		if waits == "" {
			return "", false
		}
		return strings.Clone(user), true
	})
}

// AllThatWaits walks what they wait with, in no order. The table may not change meanwhile.
func (t *Table) AllThatWaits() iter.Seq[string] {
	return t.walk(func(e line) (string, bool) {
		_, _, waits := e.parts()
		return waits, waits != ""
	})
}

// Rewrites walks the users whose tags are to be written once more or cleared (RewriteAt), and says who of them is gone. It unpacks no row.
func (t *Table) Rewrites() iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		gone := false
		of := func(e line) (string, bool) {
			user, row, _ := e.parts()
			gone = row[0]&isGone != 0
			return strings.Clone(user), row[0]&hasRewrite != 0
		}
		for user := range t.walk(of) {
			if !yield(user, gone) {
				return
			}
		}
	}
}

// Flags of a packed row.
const (
	isGone = 1 << iota
	hasAcked
	hasHad
	hasForeign
	hasRewrite
	hasSet
	hasMay
	isAnew
)

// stamp is what the fields of one event share.
type stamp struct{ version, offset int64 }

func (t *Table) pack(b []byte, u *User) []byte {
	flags := byte(0)
	for i, on := range []bool{u.Gone, u.Acked != nil, u.Had != nil, u.Foreign != nil, !u.RewriteAt.IsZero(), !u.SetAt.IsZero(), u.May != nil, u.Anew} {
		if on {
			flags |= 1 << i
		}
	}
	b = append(b, flags)
	if flags&hasRewrite != 0 {
		b = binary.AppendVarint(b, u.RewriteAt.UnixNano())
	}
	if flags&hasSet != 0 {
		b = binary.AppendVarint(b, u.SetAt.UnixNano())
	}
	names := slices.Sorted(maps.Keys(u.Fields))
	var stamps []stamp
	for _, name := range names {
		if s := stampOf(u.Fields[name]); !slices.Contains(stamps, s) {
			stamps = append(stamps, s)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(stamps)))
	last := stamp{}
	for _, s := range stamps { // they are near each other
		b = binary.AppendVarint(binary.AppendVarint(b, s.version-last.version), s.offset-last.offset)
		last = s
	}
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		f := u.Fields[name]
		b = t.word(t.word(b, name), string(f.Type))
		if len(stamps) > 1 {
			b = binary.AppendUvarint(b, uint64(slices.Index(stamps, stampOf(f))))
		}
		list := uint64(0)
		if len(f.List) > 0 {
			list = 1
		}
		b = append(binary.AppendUvarint(b, uint64(len(f.Str))<<1|list), f.Str...)
		if list == 1 {
			b = binary.AppendUvarint(b, uint64(len(f.List)))
			for _, s := range f.List {
				b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
			}
		}
	}
	for _, tags := range [][]string{u.Acked, u.Had, u.Foreign, u.May} {
		if tags == nil {
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(tags)))
		for _, tag := range tags {
			b = t.word(b, tag)
		}
	}
	return b
}

func stampOf(f Field) stamp { return stamp{f.Version, f.Offset} }

// word writes the number of a word, or 0 and the word.
func (t *Table) word(b []byte, w string) []byte {
	n, ok := t.wordNo[w]
	if !ok {
		if len(t.words) == maxWords {
			return append(binary.AppendUvarint(append(b, 0), uint64(len(w))), w...)
		}
		w = strings.Clone(w)
		t.words = append(t.words, w)
		n = len(t.words)
		t.wordNo[w] = n
	}
	return binary.AppendUvarint(b, uint64(n))
}

func (t *Table) unpack(row string) *User {
	r := reader{row: row, words: t.words}
	flags := r.byte()
	u := &User{Gone: flags&isGone != 0, Anew: flags&isAnew != 0}
	if flags&hasRewrite != 0 {
		u.RewriteAt = time.Unix(0, r.varint()).UTC()
	}
	if flags&hasSet != 0 {
		u.SetAt = time.Unix(0, r.varint()).UTC()
	}
	stamps := make([]stamp, r.uvarint())
	last := stamp{}
	for i := range stamps {
		last.version += r.varint()
		last.offset += r.varint()
		stamps[i] = last
	}
	if n := int(r.uvarint()); n > 0 {
		u.Fields = make(map[string]Field, n)
		for range n {
			name, kind, at := r.word(), r.word(), 0
			if len(stamps) > 1 {
				at = int(r.uvarint())
			}
			size := r.uvarint()
			f := Field{Value: intent.Value{Type: event.Type(kind), Str: r.text(size >> 1)}, Version: stamps[at].version, Offset: stamps[at].offset}
			if size&1 == 1 {
				f.List = make([]string, r.uvarint())
				for i := range f.List {
					f.List[i] = r.text(r.uvarint())
				}
			}
			u.Fields[name] = f
		}
	}
	for _, part := range []struct {
		flag byte
		tags *[]string
	}{{hasAcked, &u.Acked}, {hasHad, &u.Had}, {hasForeign, &u.Foreign}, {hasMay, &u.May}} {
		if flags&part.flag == 0 {
			continue
		}
		tags := part.tags
		*tags = make([]string, r.uvarint())
		for j := range *tags {
			(*tags)[j] = r.word()
		}
	}
	return u
}

// reader reads what pack wrote; texts are parts of the row.
type reader struct {
	row   string
	words []string
}

func (r *reader) byte() byte {
	b := r.row[0]
	r.row = r.row[1:]
	return b
}

func (r *reader) uvarint() (n uint64) {
	for shift := 0; ; shift += 7 {
		b := r.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}

func (r *reader) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1) // as encoding/binary
}

func (r *reader) text(n uint64) string {
	s := r.row[:n]
	r.row = r.row[n:]
	return s
}

func (r *reader) word() string {
	if n := r.uvarint(); n > 0 {
		return r.words[n-1]
	}
	return r.text(r.uvarint())
}
