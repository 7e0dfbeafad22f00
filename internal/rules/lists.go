package rules

import (
	"cmp"
	"math"
	"slices"

	"github.com/notifier/notifier/internal/event"
)

// list is rules that an event asks together. A long one is divided by what the first clauses of its rules ask, so that ten
// thousand rules with the same key are not gone through one by one.
//
// A part of a first clause that does not hold always leaves the rule out rightly: what that clause lacks is counted by its
// group (see index), and later clauses would not be asked. A rule with a life of its own is in no group, so it is never told apart.
type list struct {
	plain  []posting  // one by one
	near   [2]posting // the memory of plain, as long as there are no more: one look less into memory far away
	keys   []key      // by the value of one more field
	ranges *ranges    // by what they ask of a number; nil: none
}

func newList() *list {
	l := &list{}
	l.plain = l.near[:0]
	return l
}

// short is how many rules are looked at one by one: fewer than a look into a map costs.
const short = 8

// maxCopies is in how many lists a rule may stand for its `in`s: two with 32 values each would be a thousand.
const maxCopies = 64

// ranges are rules by the interval that they ask of one number.
type ranges struct {
	slot int
	runs [3][]span // those with a least value alone, with a greatest alone, with both: together none could end the search
}

// span is a rule that asks for lo to hi. A run is sorted by lo, then hi.
type span struct {
	lo, hi, most float64 // most: the greatest hi up to here
	id           int32
	loOut, hiOut bool // the end itself does not belong to it
	sure         bool // as of a posting, where the number is there
}

func (s *span) holds(n float64) bool {
	return (n > s.lo || n == s.lo && !s.loOut) && (n < s.hi || n == s.hi && !s.hiOut)
}

// arranger divides the lists of an index while it is made.
type arranger struct {
	entries []entry
	short   int
	keys    [][]simple // by entry: the parts of its first clause that can be a key; none with a life of its own
}

func newArranger(entries []entry, short int) *arranger {
	a := &arranger{entries: entries, short: short, keys: make([][]simple, len(entries))}
	for i := range entries {
		if e := &entries[i]; e.grouped() {
			a.keys[i] = e.when[0].keys()
		}
	}
	return a
}

// divide divides a list whose rules are told apart by the fields asked already. All of them stand under their values of the fields in
// path.
func (a *arranger) divide(l *list, path, asked []int) {
	for len(l.plain) > a.short {
		slot, ok := a.telling(l.plain, asked)
		if !ok {
			break
		}
		k := newKey(slot)
		asked = append(slices.Clip(asked), slot)
		below := append(slices.Clip(path), slot)
		l.plain = slices.DeleteFunc(l.plain, func(p posting) bool {
			part := a.part(p.id, slot, asked)
			if part != nil {
				k.file(part, p)
			}
			return part != nil
		})
		k.each(func(sub *list) { a.divide(sub, below, asked) })
		l.keys = append(l.keys, k)
	}
	if len(l.plain) > a.short {
		a.byRange(l, path)
	}
	l.plain = slices.Clip(l.plain)
	for i := range l.plain {
		in := &l.plain[i]
		in.sure = a.sure(in.id, path, func(p *simple) bool {
			return p.op >= opLess && p.op == in.op && p.slot == int(in.slot) && p.num == in.num
		})
	}
}

// sure reports whether a rule matches wherever an event comes upon it: all that it asks is equality with the values that path led by, or
// told, which is asked where it stands. Then neither rule nor condition need be looked at.
func (a *arranger) sure(id int32, path []int, told func(*simple) bool) bool {
	e := &a.entries[id]
	if !e.grouped() || len(e.when) != 1 || !e.simple {
		return false
	}
	parts := e.when[0].parts
	for i := range parts {
		p := &parts[i]
		if told(p) || p.op == opHas && slices.Contains(path, p.slot) {
			continue
		}
		slot, ok := p.equality()
		if !ok || !slices.Contains(path, slot) {
			return false
		}
		for j := range parts {
			if other, ok := parts[j].equality(); ok && other == slot && j != i { // of two on one field, path knows one
				return false
			}
		}
	}
	return true
}

// telling gives the field with most values among the keys of the rules; false when there are no keys.
func (a *arranger) telling(in []posting, asked []int) (slot int, ok bool) {
	values := map[int]map[operand]bool{}
	for _, p := range in {
		for i := range a.keys[p.id] {
			s := a.keys[p.id][i].slot
			part := a.part(p.id, s, append(slices.Clip(asked), s))
			if part == nil || slices.Contains(asked, s) {
				continue
			}
			if values[s] == nil {
				values[s] = map[operand]bool{}
			}
			for v := range part.operands {
				values[s][v] = true
			}
		}
	}
	most := 0
	for s, v := range values {
		if len(v) > most || len(v) == most && s < slot {
			slot, most, ok = s, len(v), true
		}
	}
	return slot, ok
}

// part gives the part of a rule that asks for values of a field; nil when there is none, or when it would stand in too many lists.
func (a *arranger) part(id int32, slot int, asked []int) (found *simple) {
	copies := 1
	for i := range a.keys[id] {
		p := &a.keys[id][i]
		if slices.Contains(asked, p.slot) {
			copies *= max(1, len(p.strs), len(p.nums))
		}
		if p.slot == slot {
			found = p
		}
	}
	if copies > maxCopies {
		return nil
	}
	return found
}

// byRange takes the rules that ask for an interval of the number that has most different ones.
func (a *arranger) byRange(l *list, path []int) {
	asks := map[int]map[[2]float64]bool{}
	for _, p := range l.plain {
		for _, slot := range a.compared(p.id) {
			if asks[slot] == nil {
				asks[slot] = map[[2]float64]bool{}
			}
			s := a.entries[p.id].span(slot)
			asks[slot][[2]float64{s.lo, s.hi}] = true
		}
	}
	r, most := &ranges{}, a.short
	for slot, n := range asks {
		if len(n) > most || len(n) == most && slot < r.slot {
			r.slot, most = slot, len(n)
		}
	}
	if most == a.short {
		return
	}
	l.plain = slices.DeleteFunc(l.plain, func(p posting) bool {
		if !slices.Contains(a.compared(p.id), r.slot) {
			return false
		}
		s := a.entries[p.id].span(r.slot)
		s.id = p.id
		s.sure = a.sure(p.id, path, func(p *simple) bool { return p.op >= opLess && p.slot == r.slot })
		run := 2
		if math.IsInf(s.hi, 1) {
			run = 0
		} else if math.IsInf(s.lo, -1) {
			run = 1
		}
		r.runs[run] = append(r.runs[run], s)
		return true
	})
	for i := range r.runs {
		run := slices.Clip(r.runs[i])
		slices.SortFunc(run, func(a, b span) int {
			return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi), cmp.Compare(a.id, b.id))
		})
		most := math.Inf(-1)
		for j := range run {
			most = max(most, run[j].hi)
			run[j].most = most
		}
		r.runs[i] = run
	}
	l.ranges = r
}

// compared gives the numbers that the first clause of a rule compares; none with a life of its own.
func (a *arranger) compared(id int32) (slots []int) {
	if e := &a.entries[id]; e.grouped() {
		for _, p := range e.when[0].parts {
			if p.op >= opLess {
				slots = append(slots, p.slot)
			}
		}
	}
	return slots
}

// span is what the first clause asks of a number.
func (e *entry) span(slot int) span {
	s := span{lo: math.Inf(-1), hi: math.Inf(1)}
	for _, p := range e.when[0].parts {
		if p.slot != slot {
			continue
		}
		switch out := p.op == opMore || p.op == opLess; p.op {
		case opMore, opMoreOrEqual:
			if p.num > s.lo || p.num == s.lo && out {
				s.lo, s.loOut = p.num, out
			}
		case opLess, opLessOrEqual:
			if p.num < s.hi || p.num == s.hi && out {
				s.hi, s.hiOut = p.num, out
			}
		}
	}
	return s
}

// sift adds the rules of a list that may match.
func (x *index) sift(l *list, v *view) {
	if l == nil {
		return
	}
	for i := range l.plain {
		p := &l.plain[i]
		if holds, known := p.asked(v.ev.Values); holds {
			x.take(p.id, p.sure && known, v)
		}
	}
	for i := range l.keys {
		x.sift(l.keys[i].of(&v.ev.Values[l.keys[i].slot]), v)
	}
	if l.ranges != nil {
		l.ranges.sift(x, v)
	}
}

func (r *ranges) sift(x *index, v *view) {
	n, known := 0.0, false // as simple.holds reads a field that is absent
	if val := &v.ev.Values[r.slot]; val.OK() {
		n, known = val.Num, true
	}
	for _, run := range r.runs {
		from, to := 0, len(run) // the first that begins after n
		for from < to {
			if m := int(uint(from+to) >> 1); run[m].lo > n {
				to = m
			} else {
				from = m + 1
			}
		}
		for i := from - 1; i >= 0 && run[i].most >= n; i-- { // of a number that is none nothing is found
			if s := &run[i]; s.holds(n) {
				x.take(s.id, s.sure && known, v)
			}
		}
	}
}

// found is a rule that may match, or surely does.
type found struct {
	id   int32
	sure bool
}

// take adds a rule that may match.
func (x *index) take(id int32, sure bool, v *view) {
	if sure {
		v.found = append(v.found, found{id, true})
		return
	}
	if e := &x.entries[id]; e.first&v.missing == 0 {
		if may, surely := e.mayMatch(v); may {
			v.found = append(v.found, found{id, surely})
		}
	}
}

// key is rules by the value of one field.
type key struct {
	slot    int
	texts   map[string]*list
	numbers map[float64]*list
	bools   [2]*list // false, true
}

func newKey(slot int) key {
	return key{slot: slot, texts: map[string]*list{}, numbers: map[float64]*list{}}
}

// of gives the rules that ask for a value, nil when there are none.
func (k *key) of(val *event.Value) *list {
	if !val.OK() {
		return nil
	}
	switch val.Type {
	case event.Number:
		return k.numbers[val.Num]
	case event.Bool:
		return k.bools[truth(val.Bool)]
	case event.String:
		return k.texts[val.Str]
	}
	return nil
}

// file puts a rule under each value that its part asks for.
func (k *key) file(part *simple, in posting) {
	for v := range part.operands {
		switch part.op {
		case opIsText, opInText:
			add(k.texts, v.text, in)
		case opIsNumber, opInNumber:
			add(k.numbers, v.num, in)
		default:
			l := &k.bools[truth(v.is)]
			if *l == nil {
				*l = newList()
			}
			(*l).plain = append((*l).plain, in)
		}
	}
}

func add[K comparable](to map[K]*list, k K, in posting) {
	l := to[k]
	if l == nil {
		l = newList()
		to[k] = l
	}
	l.plain = append(l.plain, in)
}

// each walks the lists.
func (k *key) each(f func(*list)) {
	for _, l := range k.texts {
		f(l)
	}
	for _, l := range k.numbers {
		f(l)
	}
	for _, l := range k.bools {
		if l != nil {
			f(l)
		}
	}
}
