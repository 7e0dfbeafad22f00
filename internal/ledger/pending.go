package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/notifier/notifier/internal/intent"
)

// pendingBinary is the first byte of a Pending record: its version, below '{', with which those of older releases begin. A take-over
// waits until all of them are read, and the wire form of an intent, nine tenths of a record, takes a fraction of the time of its JSON.
//
//	version | length | intent | seq | seconds of at | nanoseconds of at | length | the rest as JSON, if there is any
//
// in varints; seq and seconds are zigzag.
const pendingBinary = 2

// Encode gives the record.
func (p *Pending) Encode() ([]byte, error) {
	if p.Intent == nil {
		return nil, errors.New("a pending record without an intent")
	}
	wire, err := p.Intent.Encode()
	if err != nil {
		return nil, err
	}
	return p.frame(make([]byte, 0, len(wire)+64), wire)
}

// frame appends the record around the wire form of its intent.
func (p *Pending) frame(b, wire []byte) ([]byte, error) {
	var tail []byte
	rest := *p
	rest.Intent, rest.Seq, rest.At = nil, 0, time.Time{}
	if rest != (Pending{}) {
		var err error
		if tail, err = json.Marshal(&rest); err != nil {
			return nil, err
		}
	}
	b = append(b, pendingBinary)
	b = append(binary.AppendUvarint(b, uint64(len(wire))), wire...)
	b = binary.AppendVarint(b, p.Seq)
	b = binary.AppendUvarint(binary.AppendVarint(b, p.At.Unix()), uint64(p.At.Nanosecond()))
	return append(binary.AppendUvarint(b, uint64(len(tail))), tail...), nil
}

// decodePending reads the record of this release and of those before.
func decodePending(key string, value []byte) (*Pending, error) {
	p := new(Pending)
	if len(value) == 0 || value[0] == '{' {
		return p, decode(key, value, p)
	}
	if err := p.decode(value, intent.Decode); err != nil {
		return nil, fmt.Errorf("read ledger: record %q: %w", key, err)
	}
	return p, nil
}

func (p *Pending) decode(value []byte, read func(wire []byte) (*intent.Intent, error)) error {
	if value[0] != pendingBinary {
		return fmt.Errorf("version %d, this binary reads up to %d: %w", value[0], pendingBinary, ErrNewer)
	}
	r := varints{b: value[1:]}
	wire := r.bytes()
	seq, seconds, nanos := r.signed(), r.signed(), r.unsigned()
	tail := r.bytes()
	if r.bad || len(r.b) > 0 {
		return errors.New("it is cut off or damaged")
	}
	if len(tail) > 0 {
		if err := json.Unmarshal(tail, p); err != nil {
			return err
		}
	}
	p.Seq, p.At = seq, time.Unix(seconds, int64(nanos)).UTC()
	var err error
	if p.Intent, err = read(wire); errors.Is(err, intent.ErrNewer) {
		return errors.Join(err, ErrNewer)
	}
	return err
}

// varints reads what Encode wrote; bad: it was not that.
type varints struct {
	b   []byte
	bad bool
}

func (r *varints) unsigned() uint64 {
	n, size := binary.Uvarint(r.b)
	r.pass(size)
	return n
}

func (r *varints) signed() int64 {
	n, size := binary.Varint(r.b)
	r.pass(size)
	return n
}

// pass goes on behind a number of some bytes; none or less: there was no number.
func (r *varints) pass(size int) {
	if size <= 0 {
		r.b, r.bad = nil, true
		return
	}
	r.b = r.b[size:]
}

func (r *varints) bytes() []byte {
	n := r.unsigned()
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// pending folds a Pending record in.
func (s *State) pending(key, rest string, value []byte) error {
	if value == nil {
		delete(s.Pending, rest)
		if s.packer != nil {
			s.unpack(rest)
		}
		return nil
	}
	p, err := decodePending(key, value)
	if err != nil {
		return err
	}
	if s.packer != nil {
		if in := p.Intent; in.Profile != nil && !p.Stray { // its fields are in the user's row
			in.Profile.Fields = nil
		}
		if err := s.pack(rest, p); err != nil {
			return fmt.Errorf("read ledger: record %q: %w", key, err)
		}
		return nil
	}
	s.Pending[rest] = p
	return nil
}

// encode gives the value of a ledger record: JSON, but for what there may be a million of.
func encode(v any) ([]byte, error) {
	switch p := v.(type) {
	case *Pending:
		return p.Encode()
	case Pending:
		return p.Encode()
	}
	return json.Marshal(v)
}
