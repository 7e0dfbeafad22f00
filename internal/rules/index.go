package rules

import (
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/notifier/notifier/internal/event"
)

// index finds the few rules of a business event that may match it, so that an event costs the same with ten rules and
// with a thousand.
//
// It only ever leaves a rule out, and only one whose verdict is surely no; the rest are asked as always, in the order
// of the files. Of each rule one equality or `in` (its key) decides where it stands: without that value in the event
// the rule is not looked at. Where many have the same key, what else their first clauses ask tells them apart: list.
//
// What makes it delicate is Rule.Missing, which counts the events whose lack of a field decided. A rule may be left
// out unseen only if the plain way would not have counted it:
//   - what the first clause needs is counted for all rules with the same needs at once: group
//   - a rule whose key stands in a later clause is also found by the absence of what the clauses before it need: late
//   - a rule with a life of its own (from, until) counts nothing outside of it, so it is in no group, and its first clause is
//     like a later one
type index struct {
	needed []neededField
	groups []*group
	*tables
	entries []entry // in the order in which the lists come upon them
	lines   []line  // parallel to entries
	start   way     // where every event begins
	late    []way   // parallel to needed: where it goes on without that field
}

// posting is an entry in a list, with a comparison of a number in its first clause, if there is one: of many rules with
// the same key most fall here, without the processor leaving the list.
type posting struct {
	num  float64
	at   int32 // place in index.entries
	slot uint16
	op   simpleOp // opLess to opMoreOrEqual; opAnd: there is none
	sure bool     // where the comparison holds, of a number that is there, the rule matches: arranger.sure
}

// line is what a match needs of most rules: one line of the processor's caches. Those that are found together mostly stand together.
type line struct {
	rule  *Rule
	print *imprint
	names string    // its name, and behind it its revision
	fixed string    // all of its text, where it is plain and that is the same for every event; else ""
	ends  [5]uint16 // as content.ends
	name  uint8     // how long the name is
	nth   int32     // in the order of the files
}

// maxNeeded is how many fields the conditions of one event may need: the bits of a set. More and every rule is asked.
const maxNeeded = 64

// neededField is a field that a condition needs or a simple part reads. Its place in index.needed is its bit.
type neededField struct {
	slot int
	kind event.Type
}

// group is the rules whose first clause needs the same fields.
type group struct {
	needs  uint64
	missed atomic.Int64 // events that lacked one
}

// entry is a rule as one event sees it.
type entry struct {
	rule         *Rule
	first        uint64 // what its first clause needs: its group counts it
	when, unless []clause
	simple       bool // the parts are all of its conditions
}

// clause is a condition on one event.
type clause struct {
	*condition
	needs uint64
	parts []simple // all must hold
	whole bool     // the condition's, here so that it need not be looked at
}

// newIndex arranges the rules of an event, lists of more than short divided; nil when they cannot be indexed and each has to be asked.
func newIndex(spec *event.Spec, rules []*Rule, short int) *index {
	x := &index{}
	entries := make([]entry, 0, len(rules))
	good, once := true, shared{}
	clauses := func(list []*condition) (out []clause) {
		for _, c := range list {
			k := clause{condition: c, whole: c.whole}
			for _, name := range c.needs {
				bit, ok := x.bit(spec, name)
				k.needs |= bit
				good = good && ok
			}
			for _, p := range c.parts {
				q, ok := p.at(spec)
				good = good && ok && x.types(spec, &q)
				once.share(&q)
				k.parts = append(k.parts, q)
			}
			out = append(out, k)
		}
		return out
	}
	for _, r := range rules {
		e := entry{rule: r, when: clauses(r.when), unless: clauses(r.unless)}
		if !good {
			return nil
		}
		if e.grouped() {
			e.first = e.when[0].needs
			r.groups = append(r.groups, x.group(e.first))
		}
		e.simple = len(e.unless) == 0 && !slices.ContainsFunc(e.when, func(c clause) bool { return !c.whole })
		entries = append(entries, e)
	}
	x.arrange(newArranger(entries, short))
	for i := range x.entries {
		for _, list := range [][]clause{x.entries[i].when, x.entries[i].unless} {
			for j := range list {
				list[j].letGo()
			}
		}
	}
	return x
}

// letGo frees what a condition needs no more once it is in an index: its parts stand there too, and where they are all of it, its program.
func (c *clause) letGo() {
	c.condition.parts = c.parts
	if c.whole {
		c.program.Store(nil)
	}
}

// shared are the texts that rules ask for, each once: so the few that an event is compared with are in the processor's caches.
type shared map[string]string

func (t shared) share(x *simple) {
	for i := range x.kids {
		t.share(&x.kids[i])
	}
	if x.strs == nil {
		return
	}
	x.strs = slices.Clone(x.strs)
	for i, s := range x.strs {
		one, ok := t[s]
		if !ok {
			one = strings.Clone(s)
			t[one] = one
		}
		x.strs[i] = one
	}
	x.text = x.strs[0]
}

// bit gives a field's place in the set of what is missing.
func (x *index) bit(spec *event.Spec, name string) (uint64, bool) {
	slot, ok := spec.Index(name)
	if !ok || strings.Contains(name, ".") {
		return 0, false
	}
	i := slices.IndexFunc(x.needed, func(f neededField) bool { return f.slot == slot })
	if i < 0 {
		if len(x.needed) == maxNeeded {
			return 0, false
		}
		i = len(x.needed)
		x.needed = append(x.needed, neededField{slot, spec.Fields[slot].Type})
	}
	return 1 << i, true
}

// types has the types checked of all that a simple part reads.
func (x *index) types(spec *event.Spec, p *simple) bool {
	for i := range p.kids {
		if !x.types(spec, &p.kids[i]) {
			return false
		}
	}
	if p.name == "" {
		return true
	}
	_, ok := x.bit(spec, p.name)
	return ok
}

func (x *index) group(needs uint64) *group {
	for _, g := range x.groups {
		if g.needs == needs {
			return g
		}
	}
	g := &group{needs: needs}
	x.groups = append(x.groups, g)
	return g
}

// arrange chooses each rule's key, of several that on the field with most values, and files the rule under it.
func (x *index) arrange(a *arranger) {
	var always []posting // entries without a key
	var keyed []filed
	late := make([][]posting, len(x.needed))
	for i := range a.entries {
		e := &a.entries[i]
		in := e.posting(int32(i))
		var best *asking
		for j := range a.asks[i] {
			if k := &a.asks[i][j]; best == nil || len(a.numbers[k.field]) > len(a.numbers[best.field]) {
				best = k
			}
		}
		if best == nil {
			always = append(always, in)
			continue
		}
		for _, v := range best.values {
			keyed = append(keyed, filed{in, v})
		}
		var before uint64 // what the clauses after the first, up to the key's, need
		for c := range e.when[:best.clause+1] {
			if c > 0 || e.rule.bounded() {
				before |= e.when[c].needs
			}
		}
		for b := range late {
			if before&(1<<b) != 0 {
				late[b] = append(late[b], in)
			}
		}
	}
	x.start = a.list(always, keyed, nil, nil)
	for _, list := range late {
		x.late = append(x.late, a.list(list, nil, nil, nil))
	}
	x.tables = a.finish()
	x.entries, x.lines = make([]entry, len(a.order)), make([]line, len(a.order))
	for at, id := range a.order {
		x.entries[at] = a.entries[id]
		x.lines[at] = newLine(a.entries[id].rule, id)
	}
}

// newLine is made in the order of the lines, so that the names stand in that order too.
func newLine(r *Rule, nth int32) line {
	l := line{rule: r, print: r.print, names: r.Name + r.Revision, name: uint8(len(r.Name)), nth: nth}
	r.Name, r.Revision = l.names[:l.name], l.names[l.name:]
	if r.plain && r.content.fixed != "" {
		l.fixed = r.content.fixed
		for i, end := range r.content.ends {
			l.ends[i] = uint16(end)
		}
	}
	return l
}

// grouped reports whether a group counts what the first clause lacks: with a life of its own, only while it lasts is anything counted.
func (e *entry) grouped() bool { return len(e.when) > 0 && !e.rule.bounded() }

func (e *entry) posting(id int32) posting {
	in := posting{at: id}
	if e.grouped() {
		for _, p := range e.when[0].parts {
			if p.op >= opLess && p.slot <= math.MaxUint16 {
				in.op, in.slot, in.num = p.op, uint16(p.slot), p.num
				break
			}
		}
	}
	return in
}

// asked reports whether the comparison holds, as simple.holds reads a field that is absent, and whether the field is there.
func (p *posting) asked(values []event.Value) (holds, known bool) {
	if p.op == opAnd {
		return true, true
	}
	v, n := &values[p.slot], 0.0
	if known = v.OK(); known {
		n = v.Num
	}
	switch p.op {
	case opLess:
		return n < p.num, known
	case opLessOrEqual:
		return n <= p.num, known
	case opMore:
		return n > p.num, known
	}
	return n >= p.num, known
}

// keys gives the parts that can be a key: those that surely do not hold when their field is absent.
func (c *clause) keys() (out []simple) {
	for _, p := range c.parts {
		q := p
		if p.op == opNot {
			q = p.kids[0]
		}
		asked := slices.Contains(c.condition.needs, q.name) || slices.ContainsFunc(c.parts, func(h simple) bool { return h.op == opHas && h.name == q.name })
		if _, ok := p.equality(); ok && asked {
			p.slot = q.slot
			out = append(out, p)
		}
	}
	return out
}

// equality gives the field of a part that has values.
func (x *simple) equality() (slot int, ok bool) {
	switch x.op {
	case opIsText, opInText, opIsNumber, opInNumber, opBool:
		return x.slot, true
	case opNot:
		return x.kids[0].slot, x.kids[0].op == opBool
	}
	return 0, false
}

// operand is a value that a part asks its field for.
type operand struct {
	text string
	num  float64
	op   simpleOp // opIsText, opIsNumber or opBool
	is   bool
}

// operands gives the values of its field with which a part holds, each once; none when it is no equality.
func (x *simple) operands(yield func(operand) bool) {
	switch x.op {
	case opIsText, opInText:
		for i, s := range x.strs {
			if !slices.Contains(x.strs[:i], s) && !yield(operand{op: opIsText, text: s}) {
				return
			}
		}
	case opIsNumber, opInNumber:
		for i, n := range x.nums {
			if !slices.Contains(x.nums[:i], n) && !yield(operand{op: opIsNumber, num: n}) {
				return
			}
		}
	case opBool:
		yield(operand{op: opBool, is: true})
	case opNot:
		if x.kids[0].op == opBool {
			yield(operand{op: opBool})
		}
	}
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// find leaves in v.found the entries that may match, in order, and counts for those left out. It gives false when the
// event is not as its entry in the catalogue says: then nothing is counted, and every rule has to be asked.
func (x *index) find(v *view) bool {
	v.missing, v.found = 0, v.found[:0]
	for i := range x.needed {
		f := &x.needed[i]
		switch val := &v.ev.Values[f.slot]; {
		case !val.OK():
			v.missing |= 1 << i
		case val.Type != f.kind:
			return false
		}
	}
	v.values = slices.Grow(v.values[:0], len(x.fields))[:len(x.fields)]
	clear(v.values)
	x.sift(x.start, v)
	if v.missing != 0 {
		for _, g := range x.groups {
			if g.needs&v.missing != 0 {
				g.missed.Add(1)
			}
		}
		for i, to := range x.late {
			if v.missing&(1<<i) != 0 {
				x.sift(to, v)
			}
		}
	}
	for i := range v.found { // before all else: the processor fetches the lines side by side, not one after the other
		v.found[i].nth = x.lines[v.found[i].at].nth
	}
	if len(v.found) > 1 { // they come from several lists, and a rule may stand in more than one
		slices.SortFunc(v.found, func(a, b found) int { return int(a.nth - b.nth) })
		v.found = slices.CompactFunc(v.found, func(a, b found) bool { return a.nth == b.nth })
	}
	return true
}

// mayMatch is false when a clause is surely not met and no clause before it lacks a field: the plain way would stop
// there as well, and count nothing. surely says that it does match.
func (e *entry) mayMatch(v *view) (may, surely bool) {
	for i := range e.when {
		c := &e.when[i]
		if c.needs&v.missing != 0 {
			return true, false
		}
		if !c.partsHold(v) {
			return false, false
		}
	}
	return true, e.simple
}

func (c *clause) partsHold(v *view) bool {
	for i := range c.parts {
		if !c.parts[i].holds(v.ev.Values) {
			return false
		}
	}
	return true
}

// matches is Rule.matches for a rule that find has given.
func (e *entry) matches(v *view) bool {
	for i := range e.when {
		if !e.when[i].holds(v) {
			return false
		}
	}
	for i := range e.unless {
		if e.unless[i].holds(v) {
			return false
		}
	}
	return true
}

// holds is condition.holds: the program is asked only for what is not simple.
func (c *clause) holds(v *view) bool {
	if c.needs&v.missing != 0 {
		c.missing.Add(1)
		return false
	}
	return c.partsHold(v) && (c.whole || c.met(v.environment(c.env)))
}
