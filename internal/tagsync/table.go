package tagsync

import (
	"encoding/binary"
	"iter"
	"maps"
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
// A packed row is
//
//	flags | RewriteAt | SetAt | stamps | fields (name, type, stamp, value) | acked | had | foreign | may
//
// in varints. Names, types and tags are numbers in the table's words; a word beyond the first maxWords is written out.
type Table struct {
	rows  map[string]string
	words []string
	index map[string]int
}

// maxWords bounds the words: tags made of ids would otherwise be kept for ever.
const maxWords = 1 << 16

// NewTable gives an empty table.
func NewTable() *Table { return &Table{rows: map[string]string{}, index: map[string]int{}} }

// Len is how many users are known.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.rows)
}

// Users walks the ids, in no order. The table may change meanwhile: who stays is seen once.
func (t *Table) Users() iter.Seq[string] {
	if t == nil {
		return func(func(string) bool) {}
	}
	return maps.Keys(t.rows)
}

// Get gives a user's row, nil when there is none.
func (t *Table) Get(user string) *User {
	if t == nil {
		return nil
	}
	row, ok := t.rows[user]
	if !ok {
		return nil
	}
	return t.unpack(row)
}

// Put keeps a row.
func (t *Table) Put(user string, u *User) {
	if _, ok := t.rows[user]; !ok {
		user = strings.Clone(user) // it may be cut from something larger
	}
	t.rows[user] = string(t.pack(u))
}

// Delete forgets a user.
func (t *Table) Delete(user string) { delete(t.rows, user) }

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

func (t *Table) pack(u *User) []byte {
	flags := byte(0)
	for i, on := range []bool{u.Gone, u.Acked != nil, u.Had != nil, u.Foreign != nil, !u.RewriteAt.IsZero(), !u.SetAt.IsZero(), u.May != nil, u.Anew} {
		if on {
			flags |= 1 << i
		}
	}
	b := append(make([]byte, 0, 128), flags)
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
	n, ok := t.index[w]
	if !ok {
		if len(t.words) == maxWords {
			return append(binary.AppendUvarint(append(b, 0), uint64(len(w))), w...)
		}
		w = strings.Clone(w)
		t.words = append(t.words, w)
		n = len(t.words)
		t.index[w] = n
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
