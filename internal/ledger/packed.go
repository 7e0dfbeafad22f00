package ledger

import (
	"cmp"
	"errors"
	"slices"

	"github.com/notifier/notifier/internal/intent"
)

// Packed is a Pending as it waits in memory: its record, but for what the intents of one rule and event type have in common, which all
// of them point to. An intent with its texts takes 1.3 KB as a Pending and about 0.2 KB packed.
type Packed struct {
	kind *kind
	own  string // as Pending.Encode has it, with the intent's own part
}

// kind is what the intents of one rule and event type share; n of them are packed.
type kind struct {
	key    string // its wire form
	shared *intent.Intent
	n      int
}

// Packer packs. It keeps what is shared as long as somebody holds it, and belongs to one goroutine.
type Packer struct {
	kinds   map[string]*kind
	halves  intent.Halves // room
	b, wire []byte
}

// NewPacker gives an empty Packer.
func NewPacker() *Packer { return &Packer{kinds: map[string]*kind{}} }

// Pack packs a record anew; old is what it was packed as before, which is not to be used any more, zero at first.
func (k *Packer) Pack(p *Pending, old Packed) (Packed, error) {
	if p.Intent == nil {
		return Packed{}, errors.New("a pending record without an intent")
	}
	k.halves.Split(p.Intent)
	var err error
	if k.wire, err = k.halves.Shared.Append(k.wire[:0]); err != nil {
		return Packed{}, err
	}
	of := k.kinds[string(k.wire)]
	if of == nil {
		shared, err := intent.Decode(k.wire) // of its own memory: what it was cut from goes
		if err != nil {
			return Packed{}, err
		}
		of = &kind{key: string(k.wire), shared: shared}
	}
	if k.wire, err = k.halves.Own.Append(k.wire[:0]); err != nil {
		return Packed{}, err
	}
	if k.b, err = p.frame(k.b[:0], k.wire); err != nil {
		return Packed{}, err
	}
	if of == old.kind && string(k.b) == old.own {
		return old, nil
	}
	of.n++
	k.kinds[of.key] = of
	k.Drop(old)
	return Packed{of, string(k.b)}, nil
}

// Drop forgets a packed record; it can still be unpacked.
func (k *Packer) Drop(x Packed) {
	if x.kind == nil {
		return
	}
	if x.kind.n--; x.kind.n == 0 {
		delete(k.kinds, x.kind.key)
	}
}

// Shared is what the record's intent has in common with others: rule, action, class, priority and the like. It is not to be changed.
func (x Packed) Shared() *intent.Intent { return x.kind.shared }

// Pending is the record.
func (x Packed) Pending() (*Pending, error) {
	p := new(Pending)
	return p, p.decode([]byte(x.own), func(wire []byte) (*intent.Intent, error) { return intent.DecodeOwn(x.kind.shared, wire) })
}

// Waiting is a pending record as a take-over hands it on.
type Waiting struct {
	Packed
	Seq int64
}

// packPending lets Apply pack what is pending instead of keeping it in Pending: a backlog must not need more memory at a take-over than before it.
func (s *State) packPending() { s.packer, s.packed = NewPacker(), map[string]Packed{} }

// PendingCount is how many records are pending, packed or not.
func (s *State) PendingCount() int { return len(s.Pending) + len(s.packed) }

// Waiting gives what is pending, packed, in the order in which it came in, and who packed it. What Apply packed the state lets go.
func (s *State) Waiting() (*Packer, []Waiting, error) {
	k, packed := s.packer, s.packed
	if s.packer, s.packed = nil, nil; k == nil {
		k = NewPacker()
	}
	out := make([]Waiting, 0, len(s.Pending)+len(packed))
	for _, p := range s.Pending {
		x, err := k.Pack(p, Packed{})
		if err != nil {
			return nil, nil, err
		}
		out = append(out, Waiting{x, p.Seq})
	}
	for _, x := range packed {
		p, err := x.Pending()
		if err != nil {
			return nil, nil, err
		}
		out = append(out, Waiting{x, p.Seq})
	}
	slices.SortFunc(out, func(x, y Waiting) int { return cmp.Compare(x.Seq, y.Seq) })
	return k, out, nil
}
