package event

import (
	"slices"
	"strings"
)

// texts is memory for the texts and lists of many events, cut from pieces: an event costs no allocation of its own, and a piece is
// free again when nobody holds an event whose text is in it. A nil texts gives each its own memory, for events that are kept.
type texts struct {
	piece strings.Builder // only appended to, so what was cut from it stays
	items []string
}

// What texts allocates at once. A text of more than a sixteenth of a piece has memory of its own, so a piece is well used.
const (
	pieceSize  = 64 << 10
	pieceItems = 1 << 10
)

// room gives where a text of a size may be written, behind what stands there.
func (t *texts) room(size int) *strings.Builder {
	if t == nil || size > pieceSize/16 {
		b := new(strings.Builder)
		b.Grow(size)
		return b
	}
	if t.piece.Cap()-t.piece.Len() < size {
		t.piece.Reset()
		t.piece.Grow(pieceSize)
	}
	return &t.piece
}

// keep copies a text.
func (t *texts) keep(b []byte) string {
	if t == nil {
		return string(b)
	}
	to := t.room(len(b))
	from := to.Len()
	to.Write(b)
	return to.String()[from:]
}

// list gives an empty list that up to maxRead texts may be appended to. What was appended has to be given to took.
func (t *texts) list() []string {
	if t == nil {
		return make([]string, 0, 4)
	}
	if len(t.items) < maxRead {
		t.items = make([]string, pieceItems)
	}
	return t.items[:0:maxRead]
}

// took takes what a list fills out of what the next may have.
func (t *texts) took(list []string) []string {
	if t != nil {
		t.items = t.items[len(list):]
	}
	return slices.Clip(list)
}
