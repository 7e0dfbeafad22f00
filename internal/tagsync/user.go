// Package tagsync keeps what is known of each user and decides which tag calls are worth making: the rows of the profile
// table, and the groups of users who wait for the same tag set.
//
// It is a pure core: no goroutine, no clock, no I/O. Which tags a row deserves is the rules' business (rules.Set.Tags);
// when a call may leave is the planner's (package dispatch).
//
// What it promises: a field changes only to a newer stamp (invariant NEWEST-WINS), a field nobody ever spoke of stays
// unknown, which is not the same as absent, and a user waits in at most one group.
package tagsync

import (
	"slices"
	"time"

	"github.com/notifier/notifier/internal/intent"
)

// Field is one field of a profile with the stamp of the event that set it. The zero Value is a field known to be absent.
type Field struct {
	intent.Value
	Version int64 `json:"ver"` // event.Event.Version: newer wins
	Offset  int64 `json:"off"` // of its intent: later wins among equals
}

// User is one row of the profile table. Its JSON is the ledger's record.
type User struct {
	Fields    map[string]Field `json:"f,omitempty"`
	Acked     []string         `json:"acked"`               // what the vendor certainly has; null: nothing is certain
	Had       []string         `json:"had,omitempty"`       // while Acked is not certain: the set of the last call, so that what an unknown field gave stays; beside Acked: all that the vendor may have
	Foreign   []string         `json:"foreign"`             // tags at the vendor that no rule of ours gives, kept in the set; null: not read
	RewriteAt time.Time        `json:"rewrite_at,omitzero"` // an ambiguous call may arrive until then: write once more after it (design.md 3.5)
	May       []string         `json:"may,omitzero"`        // until RewriteAt: the set of everything that may arrive; null: there are several, or nobody knows
	SetAt     time.Time        `json:"set_at,omitzero"`     // where the whole set may be replaced only so often: when it last was, or may have been
	Gone      bool             `json:"gone,omitempty"`      // the user was deleted upstream: clear the tags, then the row
	Anew      bool             `json:"anew,omitempty"`      // fields were cleared since the tags were last as they should be: what an unknown field gave does not stay
}

// Change is what one profile event did to a row.
type Change struct {
	Stale   bool              // every field it speaks of already has a newer stamp
	Touched bool              // at least one stamp or value changed: the row must be written
	Before  map[string]Former // the fields that got another value, or their first one
}

// Former is a field before a change. Known is false at a first sight.
type Former struct {
	Value intent.Value
	Known bool
}

// Apply folds a profile event in. Fields with an older or equal stamp are taken over, the others stay.
func (u *User) Apply(p *intent.Profile, offset int64) Change {
	c := Change{Stale: len(p.Fields) > 0 || p.Gone}
	if p.Gone {
		u.clear(p.Version, offset, &c)
		return c
	}
	for name, v := range p.Fields {
		old, known := u.Fields[name]
		if known && !newer(p.Version, offset, old) {
			continue
		}
		c.Stale, c.Touched = false, true
		if !known || !equal(old.Value, v) {
			if c.Before == nil {
				c.Before = map[string]Former{}
			}
			c.Before[name] = Former{old.Value, known}
		}
		if u.Fields == nil {
			u.Fields = map[string]Field{}
		}
		u.Fields[name] = Field{Value: v, Version: p.Version, Offset: offset}
	}
	if c.Touched {
		u.Gone = false
	}
	return c
}

// clear removes the fields with an older stamp; if none is newer the user is gone.
func (u *User) clear(version, offset int64, c *Change) {
	left := false
	for name, f := range u.Fields {
		if newer(version, offset, f) {
			delete(u.Fields, name)
			c.Stale, c.Touched, u.Anew = false, true, true
		} else {
			left = true
		}
	}
	if !left {
		c.Stale, c.Touched, u.Gone, u.Anew = false, true, true, true
	}
}

func newer(version, offset int64, f Field) bool {
	return version > f.Version || version == f.Version && offset > f.Offset
}

func equal(a, b intent.Value) bool {
	return a.Type == b.Type && a.Str == b.Str && slices.Equal(a.List, b.List)
}

// Get reads a field; known is false for a field nobody ever spoke of.
func (u *User) Get(name string) (v intent.Value, known bool) {
	if u == nil {
		return intent.Value{}, false
	}
	f, ok := u.Fields[name]
	return f.Value, ok
}

// Overlay reads the row as it was before a Change.
func (u *User) Overlay(before map[string]Former) func(string) (intent.Value, bool) {
	return func(name string) (intent.Value, bool) {
		if f, ok := before[name]; ok {
			return f.Value, f.Known
		}
		return u.Get(name)
	}
}
