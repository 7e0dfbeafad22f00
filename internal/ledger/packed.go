package ledger

import (
	"cmp"
	"errors"
	"hash/maphash"
	"iter"
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
	number int // in Packer.list, -1: in none yet
}

// Packer packs. It keeps what is shared as long as somebody holds it, and belongs to one goroutine.
type Packer struct {
	kinds   map[string]*kind
	list    []*kind       // of those that PackTags names by number; nil: the number is free
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
	of, err := k.kindOf()
	if err != nil {
		return Packed{}, err
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

// kindOf is the kind of the intent that was split last. It is kept by whoever packs one of it.
func (k *Packer) kindOf() (*kind, error) {
	var err error
	if k.wire, err = k.halves.Shared.Append(k.wire[:0]); err != nil {
		return nil, err
	}
	if of := k.kinds[string(k.wire)]; of != nil {
		return of, nil
	}
	shared, err := intent.Decode(k.wire) // of its own memory: what it was cut from goes
	if err != nil {
		return nil, err
	}
	return &kind{key: string(k.wire), shared: shared, number: -1}, nil
}

// number names a kind until it is let go.
func (k *Packer) number(of *kind) int {
	if of.number < 0 {
		if of.number = slices.Index(k.list, nil); of.number < 0 {
			of.number = len(k.list)
			k.list = append(k.list, nil)
		}
		k.list[of.number] = of
	}
	return of.number
}

// let forgets one of a kind.
func (k *Packer) let(of *kind) {
	if of.n--; of.n > 0 {
		return
	}
	delete(k.kinds, of.key)
	if of.number >= 0 {
		k.list[of.number], of.number = nil, -1
	}
}

// Drop forgets a packed record; it can still be unpacked.
func (k *Packer) Drop(x Packed) {
	if x.kind != nil {
		k.let(x.kind)
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
func (s *State) packPending() {
	s.packer, s.packed, s.tags = NewPacker(), map[string]Packed{}, map[idKey]string{}
}

// idKey is an intent's id as a key in memory: two hashes of it with random seeds. No two ids of a process have the same.
type idKey [2]uint64

var idSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func idKeyOf(id string) idKey {
	return idKey{maphash.String(idSeeds[0], id), maphash.String(idSeeds[1], id)}
}

// pack keeps a record in place of the one that its intent had before.
func (s *State) pack(id string, p *Pending) error {
	s.unpack(id)
	with, ok := s.packer.PackTags(appendText(s.room[:0], p.Intent.Target), p)
	if s.room = with; ok {
		s.tags[idKeyOf(id)] = string(with)
		return nil
	}
	x, err := s.packer.Pack(p, Packed{})
	if err == nil {
		s.packed[id] = x
	}
	return err
}

func (s *State) unpack(id string) {
	if x, ok := s.packed[id]; ok {
		s.packer.Drop(x)
		delete(s.packed, id)
		return
	}
	key := idKeyOf(id)
	if with, ok := s.tags[key]; ok {
		_, b := tagsOf(with)
		s.packer.DropTags(b)
		delete(s.tags, key)
	}
}

// tagsOf divides an entry of State.tags.
func tagsOf(with string) (user, packed string) {
	r := varints{b: []byte(with)}
	user = string(r.bytes())
	return user, with[len(with)-len(r.b):]
}

// PendingCount is how many records are pending, packed or not.
func (s *State) PendingCount() int { return len(s.Pending) + len(s.packed) + len(s.tags) }

// Waiting gives what is pending, packed, in the order in which it came in, and who packed it. Profile intents are apart, in no order: there may
// be one for every user, and each is let go as it is given. What Apply packed the state lets go.
func (s *State) Waiting() (*Packer, []Waiting, iter.Seq[*Pending], error) {
	k, packed, tags := s.packer, s.packed, s.tags
	if s.packer, s.packed, s.tags = nil, nil, nil; k == nil {
		k = NewPacker()
	}
	out := make([]Waiting, 0, len(s.Pending)+len(packed))
	for _, p := range s.Pending {
		x, err := k.Pack(p, Packed{})
		if err != nil {
			return nil, nil, nil, err
		}
		out = append(out, Waiting{x, p.Seq})
	}
	for _, x := range packed {
		p, err := x.Pending()
		if err != nil {
			return nil, nil, nil, err
		}
		out = append(out, Waiting{x, p.Seq})
	}
	slices.SortFunc(out, func(x, y Waiting) int { return cmp.Compare(x.Seq, y.Seq) })
	return k, out, func(yield func(*Pending) bool) {
		for key, with := range tags {
			delete(tags, key)
			user, b := tagsOf(with)
			p := k.UnpackTags(b, user)
			if k.DropTags(b); !yield(p) {
				return
			}
		}
	}, nil
}
