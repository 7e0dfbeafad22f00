package rules

import (
	"cmp"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"

	"github.com/notifier/notifier/internal/event"
)

// The rules of an index stand in lists. A long one is divided by what the first clauses of its rules ask, so that ten thousand rules
// with the same key are not gone through one by one:
//
//	way ──► postings                                        a short list: rules that are looked at one by one
//	  └───► list ──► postings
//	          ├────► fields ──► value of the event ──► way  rules that ask for that value
//	          └────► ranges ──► spans                       rules by the interval that they ask of one number
//
// A part of a first clause that does not hold always leaves the rule out rightly: what that clause lacks is counted by its
// group (see index), and later clauses would not be asked. A rule with a life of its own is in no group, so it is never told apart.
//
// All lists of an index lie in a few tables without pointers, and the rules in the order in which the lists come upon them. Of many
// rules those of one event are in none of the processor's caches, so what an event takes is how often it looks into memory: for two of
// ten thousand rules once into the edges, once into the postings, and once for each rule.
type tables struct {
	seed     maphash.Seed
	fields   []keyField
	edges    []edge // open addressing by list and value
	lists    []list // the first is empty
	below    []uint16
	postings []posting
	ranges   []ranges
	spans    []span
	lows     []float64 // parallel to spans: where they begin
	marks    []float64 // each markEvery-th of a stretch's lows
}

// way is where rules stand: n postings, or with n = 0 a list.
type way struct{ to, n uint32 }

// list is rules that an event asks together.
type list struct {
	way              // its postings
	keys, ends int32 // in tables.below: the fields by whose values the others are told apart
	ranges     int32 // in tables.ranges; -1: none
}

// edge leads from a list to the rules in it that ask for a value.
type edge struct {
	list, value uint32 // list 0: nothing stands here
	way
}

// keyField is a field by whose values rules are told apart.
type keyField struct {
	slot   int
	sought []sought  // open addressing: texts and numbers that rules ask for
	bools  [2]uint32 // false, true
}

// sought is a value that rules ask for.
type sought struct {
	text  string
	num   float64
	hash  uint32
	value uint32 // 0: nothing stands here
}

// What stands in view.values for a field: a value that rules ask for has a greater number.
const (
	notAsked uint32 = iota
	noRules
	firstValue
)

// short is how many rules are looked at one by one: fewer than telling them apart costs.
const short = 8

// maxCopies is in how many lists a rule may stand for its `in`s: two with 32 values each would be a thousand.
const maxCopies = 64

// ranges are rules by the interval that they ask of one number.
type ranges struct {
	slot int
	runs [3]stretch // those with a least value alone, with a greatest alone, with both: together none could end the search
}

// stretch is spans sorted by where they begin, then by where they end.
type stretch struct{ from, to, marks uint32 }

// span is a rule that asks for a number from lows on to hi.
type span struct {
	hi, most     float64 // most: the greatest hi of the stretch up to here
	at           int32
	loOut, hiOut bool // the end itself does not belong to it
	sure         bool // as of a posting, where the number is there
}

// markEvery is how many spans stand behind one mark: the marks of ten thousand stay in the processor's nearest cache.
const markEvery = 32

// interval is what a clause asks of a number.
type interval struct {
	lo, hi       float64
	loOut, hiOut bool
}

// valueOf gives the number of the event's value of a field.
func (x *tables) valueOf(field uint16, v *view) uint32 {
	if n := v.values[field]; n != notAsked {
		return n
	}
	f := &x.fields[field]
	n := x.lookUp(f, &v.ev.Values[f.slot])
	v.values[field] = n
	return n
}

func (x *tables) lookUp(f *keyField, val *event.Value) uint32 {
	if !val.OK() {
		return noRules
	}
	switch val.Type {
	case event.String:
		h := x.hashOf(val.Str)
		for i := place(h, len(f.sought)); f.sought[i].value != 0; i = after(i, len(f.sought)) {
			if w := &f.sought[i]; w.hash == h && w.text == val.Str {
				return w.value
			}
		}
	case event.Number:
		h := hashNumber(val.Num)
		for i := place(h, len(f.sought)); f.sought[i].value != 0; i = after(i, len(f.sought)) {
			if w := &f.sought[i]; w.num == val.Num { // of a number that is none nothing is found
				return w.value
			}
		}
	case event.Bool:
		if n := f.bools[truth(val.Bool)]; n != 0 {
			return n
		}
	}
	return noRules
}

func (x *tables) hashOf(s string) uint32 { return uint32(maphash.String(x.seed, s) >> 32) }

func hashNumber(n float64) uint32 {
	if n == 0 {
		n = 0 // -0 is equal to it
	}
	return spread(math.Float64bits(n))
}

// spread makes each bit count for each.
func spread(x uint64) uint32 {
	hi, lo := bits.Mul64(x^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return uint32((hi ^ lo) >> 32)
}

// place is where a hash begins to look in a table of n.
func place(hash uint32, n int) int { return int(uint64(hash) * uint64(n) >> 32) }

func after(i, n int) int {
	if i++; i == n {
		return 0
	}
	return i
}

// room is how large a table for n is: where it is full to three fifths, most looks are one.
func room(n int) int { return n*5/3 + 1 }

func hashEdge(list, value uint32) uint32 { return spread(uint64(list)<<32 | uint64(value)) }

// edgeOf gives where the rules of a list are that ask for a value.
func (x *tables) edgeOf(list, value uint32) way {
	for i := place(hashEdge(list, value), len(x.edges)); x.edges[i].list != 0; i = after(i, len(x.edges)) {
		if e := &x.edges[i]; e.list == list && e.value == value {
			return e.way
		}
	}
	return way{}
}

// sift adds the rules that may match.
func (x *index) sift(at way, v *view) {
	if at.n > 0 {
		x.siftPlain(at, v)
		return
	}
	l := &x.lists[at.to]
	if l.n > 0 {
		x.siftPlain(l.way, v)
	}
	for _, field := range x.below[l.keys:l.ends] {
		if value := x.valueOf(field, v); value != noRules {
			if to := x.edgeOf(at.to, value); to != (way{}) {
				x.sift(to, v)
			}
		}
	}
	if l.ranges >= 0 {
		x.siftRanges(&x.ranges[l.ranges], v)
	}
}

func (x *index) siftPlain(at way, v *view) {
	list := x.postings[at.to:][:at.n]
	for i := range list {
		p := &list[i]
		if holds, known := p.asked(v.ev.Values); holds {
			x.take(p.at, p.sure && known, v)
		}
	}
}

func (x *index) siftRanges(r *ranges, v *view) {
	n, known := 0.0, false // as simple.holds reads a field that is absent
	if val := &v.ev.Values[r.slot]; val.OK() {
		n, known = val.Num, true
	}
	for i := range r.runs {
		run := &r.runs[i]
		for j := x.behind(run, n); j > run.from && x.spans[j-1].most >= n; j-- { // of a number that is none nothing is found
			s := &x.spans[j-1]
			if lo := x.lows[j-1]; (n > lo || n == lo && !s.loOut) && (n < s.hi || n == s.hi && !s.hiOut) {
				x.take(s.at, s.sure && known, v)
			}
		}
	}
}

// behind gives the first span of a run that begins after n.
func (x *tables) behind(r *stretch, n float64) uint32 {
	from, to := r.from, r.to
	if to-from > markEvery {
		marks := x.marks[r.marks:][:(to-from+markEvery-1)/markEvery]
		a := beyond(marks, n)
		if a == 0 {
			return from
		}
		from += (a - 1) * markEvery
		to = min(to, from+markEvery)
	}
	return from + beyond(x.lows[from:to], n)
}

// beyond gives the place of the first that is greater than n.
func beyond(rising []float64, n float64) uint32 {
	from, to := 0, len(rising)
	for from < to {
		if m := int(uint(from+to) >> 1); rising[m] > n {
			to = m
		} else {
			from = m + 1
		}
	}
	return uint32(from)
}

// found is a rule that may match, or surely does.
type found struct {
	at   int32 // in index.entries
	nth  int32 // in the order of the files
	sure bool
}

// take adds a rule that may match.
func (x *index) take(at int32, sure bool, v *view) {
	if sure {
		v.found = append(v.found, found{at: at, sure: true})
		return
	}
	if e := &x.entries[at]; e.first&v.missing == 0 {
		if may, surely := e.mayMatch(v); may {
			v.found = append(v.found, found{at: at, sure: surely})
		}
	}
}

// arranger makes the lists of an index. While it does, rules are numbered as in the files; what it leaves has their new places.
type arranger struct {
	*tables
	entries []entry
	short   int
	asks    [][]asking           // by entry: the parts of its clauses that can be a key
	keys    [][]asking           // by entry: those of its first clause; none with a life of its own
	numbers []map[operand]uint32 // by field
	field   []uint16             // by value, from firstValue on
	met     []uint32             // by value: the turn of telling that met it last
	turn    uint32
	count   []int   // by field, in telling
	places  []int32 // by entry: its new place, or -1
	order   []int32 // by new place
	leads   []edge
}

// asking is a part of a clause that can be a key, and the numbers of the values it asks for.
type asking struct {
	clause int
	field  uint16
	values []uint32
}

// filed is a posting under a value.
type filed struct {
	posting
	value uint32
}

func newArranger(entries []entry, short int) *arranger {
	a := &arranger{tables: &tables{seed: maphash.MakeSeed(), lists: []list{{ranges: -1}}}, entries: entries, short: short,
		asks: make([][]asking, len(entries)), keys: make([][]asking, len(entries)), places: make([]int32, len(entries))}
	for i := range entries {
		e := &entries[i]
		a.places[i] = -1
		for c := range e.when {
			for _, p := range e.when[c].keys() {
				k := asking{clause: c, field: a.fieldOf(p.slot)}
				for v := range p.operands {
					k.values = append(k.values, a.number(k.field, v))
				}
				a.asks[i] = append(a.asks[i], k)
			}
			if c == 0 && e.grouped() {
				a.keys[i] = a.asks[i]
			}
		}
	}
	a.met, a.count = make([]uint32, len(a.field)), make([]int, len(a.fields))
	return a
}

func (a *arranger) fieldOf(slot int) uint16 {
	i := slices.IndexFunc(a.fields, func(f keyField) bool { return f.slot == slot })
	if i < 0 {
		i = len(a.fields)
		a.fields = append(a.fields, keyField{slot: slot})
		a.numbers = append(a.numbers, map[operand]uint32{})
	}
	return uint16(i)
}

func (a *arranger) number(field uint16, v operand) uint32 {
	n, ok := a.numbers[field][v]
	if !ok {
		n = firstValue + uint32(len(a.field))
		a.field = append(a.field, field)
		a.numbers[field][v] = n
	}
	return n
}

// list makes a list. All of its rules stand under their values of the fields in path, and asked are the fields that they have been told
// apart by; those of told are so already, by one field more.
func (a *arranger) list(plain []posting, told []filed, path, asked []uint16) way {
	l := list{ranges: -1}
	number := uint32(0)
	var keys []uint16
	divide := func(told []filed) {
		if number == 0 {
			number = uint32(len(a.lists))
			a.lists = append(a.lists, list{})
		}
		slices.SortFunc(told, func(a, b filed) int { return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.at, b.at)) })
		for len(told) > 0 {
			value := told[0].value
			n := 1
			for n < len(told) && told[n].value == value {
				n++
			}
			rules := make([]posting, n)
			for i := range rules {
				rules[i] = told[i].posting
			}
			told = told[n:]
			field := a.field[value-firstValue]
			if !slices.Contains(keys, field) {
				keys = append(keys, field)
			}
			to := a.list(rules, nil, append(slices.Clip(path), field), append(slices.Clip(asked), field))
			a.leads = append(a.leads, edge{number, value, to})
		}
	}
	if len(told) > 0 {
		divide(told)
	}
	for len(plain) > a.short {
		field, ok := a.telling(plain, asked)
		if !ok {
			break
		}
		told = told[:0]
		plain = slices.DeleteFunc(plain, func(p posting) bool {
			k := a.part(p.at, field, asked)
			if k == nil {
				return false
			}
			for _, v := range k.values {
				told = append(told, filed{p, v})
			}
			return true
		})
		divide(told)
		asked = append(slices.Clip(asked), field)
	}
	if len(plain) > a.short {
		plain, l.ranges = a.byRange(plain, path)
	}
	l.way = a.post(plain, path)
	if number == 0 && l.ranges < 0 {
		return l.way
	}
	if number == 0 {
		number = uint32(len(a.lists))
		a.lists = append(a.lists, list{})
	}
	l.keys = int32(len(a.below))
	a.below = append(a.below, keys...)
	l.ends = int32(len(a.below))
	a.lists[number] = l
	return way{to: number}
}

// post writes the postings of a list.
func (a *arranger) post(plain []posting, path []uint16) way {
	if len(plain) == 0 {
		return way{}
	}
	at := way{uint32(len(a.postings)), uint32(len(plain))}
	for _, in := range plain {
		in.sure = a.sure(in.at, path, func(p *simple) bool {
			return p.op >= opLess && p.op == in.op && p.slot == int(in.slot) && p.num == in.num
		})
		in.at = a.place(in.at)
		a.postings = append(a.postings, in)
	}
	return at
}

// place gives a rule its new place: behind those that the lists came upon before.
func (a *arranger) place(id int32) int32 {
	if a.places[id] < 0 {
		a.places[id] = int32(len(a.order))
		a.order = append(a.order, id)
	}
	return a.places[id]
}

// sure reports whether a rule matches wherever an event comes upon it: all that it asks is equality with the values that path led by, or
// told, which is asked where it stands. Then neither rule nor condition need be looked at.
func (a *arranger) sure(id int32, path []uint16, told func(*simple) bool) bool {
	e := &a.entries[id]
	if !e.grouped() || len(e.when) != 1 || !e.simple {
		return false
	}
	led := func(slot int) bool {
		return slices.ContainsFunc(path, func(f uint16) bool { return a.fields[f].slot == slot })
	}
	parts := e.when[0].parts
	for i := range parts {
		p := &parts[i]
		if told(p) || p.op == opHas && led(p.slot) {
			continue
		}
		slot, ok := p.equality()
		if !ok || !led(slot) {
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
func (a *arranger) telling(in []posting, asked []uint16) (field uint16, ok bool) {
	a.turn++
	clear(a.count)
	for _, p := range in {
		for i := range a.keys[p.at] {
			f := a.keys[p.at][i].field
			if slices.Contains(asked, f) {
				continue
			}
			k := a.part(p.at, f, asked)
			if k == nil {
				continue
			}
			for _, v := range k.values {
				if a.met[v-firstValue] != a.turn {
					a.met[v-firstValue] = a.turn
					a.count[f]++
				}
			}
		}
	}
	most := 0
	for f, n := range a.count {
		if n > most || n == most && ok && a.fields[f].slot < a.fields[field].slot {
			field, most, ok = uint16(f), n, true
		}
	}
	return field, most > 0
}

// part gives the part of a rule that asks for values of a field; nil when there is none, or when it would stand in too many lists.
func (a *arranger) part(id int32, field uint16, asked []uint16) (found *asking) {
	copies := 1
	for i := range a.keys[id] {
		k := &a.keys[id][i]
		if k.field == field || slices.Contains(asked, k.field) {
			copies *= len(k.values)
		}
		if k.field == field {
			found = k
		}
	}
	if copies > maxCopies {
		return nil
	}
	return found
}

// byRange takes the rules that ask for an interval of one number: of those that many rules compare, the one with most different
// intervals. However few these are, an event looks only at the rules whose interval is its own.
func (a *arranger) byRange(plain []posting, path []uint16) (others []posting, number int32) {
	type compared struct {
		slot, rules int
		last        int32 // of the rules
		intervals   map[[2]float64]bool
	}
	var numbers []compared
	for _, p := range plain {
		for slot := range a.compared(p.at) {
			i := slices.IndexFunc(numbers, func(c compared) bool { return c.slot == slot })
			if i < 0 {
				i = len(numbers)
				numbers = append(numbers, compared{slot: slot, last: -1, intervals: map[[2]float64]bool{}})
			}
			if c := &numbers[i]; c.last != p.at {
				s := a.entries[p.at].interval(slot)
				c.intervals[[2]float64{s.lo, s.hi}] = true
				c.rules++
				c.last = p.at
			}
		}
	}
	slot, most := 0, 0
	for _, c := range numbers {
		if n := len(c.intervals); c.rules > a.short && (n > most || n == most && c.slot < slot) {
			slot, most = c.slot, n
		}
	}
	if most == 0 {
		return plain, -1
	}
	type ranged struct {
		interval
		id int32
	}
	var runs [3][]ranged
	plain = slices.DeleteFunc(plain, func(p posting) bool {
		compares := false
		for s := range a.compared(p.at) {
			compares = compares || s == slot
		}
		if !compares {
			return false
		}
		s, run := a.entries[p.at].interval(slot), 2
		if math.IsInf(s.hi, 1) {
			run = 0
		} else if math.IsInf(s.lo, -1) {
			run = 1
		}
		runs[run] = append(runs[run], ranged{s, p.at})
		return true
	})
	r := ranges{slot: slot}
	for i, list := range runs {
		slices.SortFunc(list, func(a, b ranged) int {
			return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi), cmp.Compare(a.id, b.id))
		})
		to := &r.runs[i]
		to.from, to.marks = uint32(len(a.spans)), uint32(len(a.marks))
		most := math.Inf(-1)
		for j, s := range list {
			most = max(most, s.hi)
			sure := a.sure(s.id, path, func(p *simple) bool { return p.op >= opLess && p.slot == slot })
			a.spans = append(a.spans, span{hi: s.hi, most: most, at: a.place(s.id), loOut: s.loOut, hiOut: s.hiOut, sure: sure})
			a.lows = append(a.lows, s.lo)
			if j%markEvery == 0 && len(list) > markEvery {
				a.marks = append(a.marks, s.lo)
			}
		}
		to.to = uint32(len(a.spans))
	}
	a.ranges = append(a.ranges, r)
	return plain, int32(len(a.ranges) - 1)
}

// compared gives the numbers that the first clause of a rule compares; none with a life of its own.
func (a *arranger) compared(id int32) func(yield func(slot int) bool) {
	return func(yield func(int) bool) {
		e := &a.entries[id]
		if !e.grouped() {
			return
		}
		for i := range e.when[0].parts {
			if p := &e.when[0].parts[i]; p.op >= opLess && !yield(p.slot) {
				return
			}
		}
	}
}

// interval is what the first clause asks of a number.
func (e *entry) interval(slot int) interval {
	s := interval{lo: math.Inf(-1), hi: math.Inf(1)}
	for i := range e.when[0].parts {
		p := &e.when[0].parts[i]
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

// finish makes the tables that are looked into by hash.
func (a *arranger) finish() *tables {
	x := a.tables
	x.edges = make([]edge, room(len(a.leads)))
	for _, e := range a.leads {
		i := place(hashEdge(e.list, e.value), len(x.edges))
		for x.edges[i].list != 0 {
			i = after(i, len(x.edges))
		}
		x.edges[i] = e
	}
	for i := range x.fields {
		f := &x.fields[i]
		f.sought = make([]sought, room(len(a.numbers[i])))
		for v, n := range a.numbers[i] {
			w := sought{text: v.text, num: v.num, value: n}
			switch v.op {
			case opBool:
				f.bools[truth(v.is)] = n
				continue
			case opIsNumber:
				w.hash = hashNumber(v.num)
			default:
				w.hash = x.hashOf(v.text)
			}
			i := place(w.hash, len(f.sought))
			for f.sought[i].value != 0 {
				i = after(i, len(f.sought))
			}
			f.sought[i] = w
		}
	}
	x.below, x.postings, x.spans, x.lows, x.marks = slices.Clip(x.below), slices.Clone(x.postings), slices.Clone(x.spans), slices.Clone(x.lows), slices.Clone(x.marks)
	return x
}
