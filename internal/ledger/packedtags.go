package ledger

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
)

// A profile intent that waits is mostly what others are too: its fields are in the user's row and the rest is its rule's. What is its own is
//
//	at | flags | kind | seq | partition | offset | event time | [version] | event id | [id, or its tail] | [trace] | [linked]
//
// in varints, times in nanoseconds, that of the event from at on backwards. The user is not in it. It lives in the memory of one process only.

// Flags of what is packed so.
const (
	tagsGone   = 1 << iota
	tagsMillis // the event's time is in milliseconds, from at's on
	tagsVersion
	tagsID
	tagsTrace
	tagsLinked
	tagsAccount // in the id the account stands beside the rule: the event is for several
	tagsTail    // the id goes on behind the user, as all of a topic that was made again do
)

// bareIntent is the wire form of an intent with nothing in it.
var bareIntent = func() []byte {
	b, err := new(intent.Intent).Append(nil)
	if err != nil {
		panic("an empty intent cannot be encoded: " + err.Error())
	}
	return b
}()

// PackTags appends a record of a profile intent that waits. False: there is more in it than that form has, and nothing was packed.
func (k *Packer) PackTags(b []byte, p *Pending) ([]byte, bool) {
	in := p.Intent
	rest := *p
	rest.Intent, rest.Seq, rest.At, rest.Linked = nil, 0, time.Time{}, ""
	if rest != (Pending{}) || in == nil || in.Profile == nil || len(in.Profile.Fields) > 0 || in.Target == "" {
		return b, false
	}
	at, event := p.At.UnixNano(), in.Event.Time.UnixNano()
	if !time.Unix(0, at).Equal(p.At) || !time.Unix(0, event).Equal(in.Event.Time) {
		return b, false
	}
	k.halves.Split(in)
	own := k.halves.Own
	id := own.ID
	own.ID, own.Target, own.Trace, own.Profile, own.Event = "", "", "", nil, intent.EventRef{}
	var err error
	if k.wire, err = own.Append(k.wire[:0]); err != nil || !bytes.Equal(k.wire, bareIntent) {
		return b, false
	}
	of, err := k.kindOf()
	if err != nil {
		return b, false
	}
	account, tail, id := partsOf(in, id)
	flags := uint64(0)
	for i, on := range []bool{in.Profile.Gone, event%1e6 == 0, in.Profile.Version != in.Event.Time.UnixMilli(), id != "", in.Trace != "", p.Linked != "", account, tail != ""} {
		if on {
			flags |= 1 << i
		}
	}
	b = binary.AppendVarint(b, at)
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendUvarint(b, uint64(k.number(of)))
	b = binary.AppendVarint(b, p.Seq)
	b = binary.AppendVarint(b, int64(in.Event.Partition))
	b = binary.AppendVarint(b, in.Event.Offset)
	if flags&tagsMillis != 0 {
		b = binary.AppendVarint(b, at/1e6-event/1e6)
	} else {
		b = binary.AppendVarint(b, at-event)
	}
	if flags&tagsVersion != 0 {
		b = binary.AppendVarint(b, in.Profile.Version)
	}
	b = appendText(b, in.Event.ID)
	if flags&tagsID != 0 {
		b = appendText(b, string(id))
	}
	if flags&tagsTail != 0 {
		b = appendText(b, tail)
	}
	if flags&tagsTrace != 0 {
		b = appendText(b, in.Trace)
	}
	if flags&tagsLinked != 0 {
		b = appendText(b, p.Linked)
	}
	of.n++
	k.kinds[of.key] = of
	return b, true
}

// partsOf says what an id adds to what its intent tells, if anything; whole is an id of another form.
func partsOf(in *intent.Intent, id intent.ID) (account bool, tail string, whole intent.ID) {
	if id == "" {
		return false, "", ""
	}
	for _, account = range []bool{false, true} {
		if tail, ok := strings.CutPrefix(string(id), string(idOf(in, account))); ok {
			return account, tail, ""
		}
	}
	return false, "", id
}

// idOf is the id of an intent for one account or for one of several.
func idOf(in *intent.Intent, account bool) intent.ID {
	rule := in.Rule
	if account {
		rule += "@" + in.Account
	}
	return intent.MakeID(in.Position(), rule, in.Target)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// UnpackTags is the record of a user's intent that PackTags packed; DropTags forgets it.
func (k *Packer) UnpackTags(s, user string) *Pending {
	r := varints{b: []byte(s)}
	at, flags, of := r.signed(), r.unsigned(), k.list[r.unsigned()]
	p := &Pending{Seq: r.signed(), At: time.Unix(0, at).UTC()}
	in := new(intent.Intent)
	*in = *of.shared
	in.V, in.Target = intent.Version, user
	in.Event.Partition, in.Event.Offset = int32(r.signed()), r.signed()
	if ago := r.signed(); flags&tagsMillis != 0 {
		in.Event.Time = time.UnixMilli(at/1e6 - ago).UTC()
	} else {
		in.Event.Time = time.Unix(0, at-ago).UTC()
	}
	in.Profile = &intent.Profile{Version: in.Event.Time.UnixMilli(), Gone: flags&tagsGone != 0}
	if flags&tagsVersion != 0 {
		in.Profile.Version = r.signed()
	}
	in.Event.ID = string(r.bytes())
	in.ID = idOf(in, flags&tagsAccount != 0)
	if flags&tagsID != 0 {
		in.ID = intent.ID(r.bytes())
	}
	if flags&tagsTail != 0 {
		in.ID += intent.ID(r.bytes())
	}
	if flags&tagsTrace != 0 {
		in.Trace = string(r.bytes())
	}
	if flags&tagsLinked != 0 {
		p.Linked = string(r.bytes())
	}
	if r.bad || len(r.b) > 0 { // packed by us, in this process
		panic("a profile intent that waits cannot be unpacked")
	}
	p.Intent = in
	return p
}

// DropTags forgets what PackTags packed.
func (k *Packer) DropTags(s string) {
	var room [3 * binary.MaxVarintLen64]byte // as much as is read of it
	r := varints{b: room[:copy(room[:], s)]}
	r.signed()
	r.unsigned()
	k.let(k.list[r.unsigned()])
}

// TagsAt is when what PackTags packed was taken in.
func TagsAt(s string) time.Time {
	var room [binary.MaxVarintLen64]byte
	at, _ := binary.Varint(room[:copy(room[:], s)])
	return time.Unix(0, at).UTC()
}
