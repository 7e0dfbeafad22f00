package tagsync

import (
	"container/heap"
	"slices"
	"time"
)

// Diffs holds the users who wait for changes of their tags, by op: a call gives one tag to all who wait for it, or takes it from them. The
// op of whoever waits longest goes first, with all its users; then one that fills a call; later users only when no other is due. A user
// waits with one set of ops at a time and leaves with any of them: whoever took the user says what is still to do by another Add.
type Diffs struct {
	max     int // users of one call
	waiting map[string]*waiter
	ops     map[Op]*opUsers
	due     [2]deadlines // of ordinary users and of later ones
	full    []Op         // that filled a call
	seq     uint64
}

type waiter struct {
	ops      []Op
	deadline time.Time
	seq      uint64
	later    bool
}

type opUsers struct {
	order []member // oldest first; an entry whose seq is not the user's present one has left
	n     int
}

// NewDiffs makes calls of at most max users.
func NewDiffs(max int) *Diffs {
	return &Diffs{max: max, waiting: map[string]*waiter{}, ops: map[Op]*opUsers{}}
}

// Len is how many users wait.
func (d *Diffs) Len() int { return len(d.waiting) }

// Waits reports whether the user waits.
func (d *Diffs) Waits(user string) bool { return d.waiting[user] != nil }

// Add lets a user wait for ops, until deadline at the latest. A user who waits already keeps the earlier deadline, and is no later user
// once it was an ordinary one.
func (d *Diffs) Add(user string, ops []Op, deadline time.Time, later bool) {
	if w := d.waiting[user]; w != nil {
		if w.deadline.Before(deadline) {
			deadline = w.deadline
		}
		later = later && w.later
		d.Remove(user)
	}
	d.seq++
	d.waiting[user] = &waiter{ops, deadline, d.seq, later}
	for _, op := range ops {
		o := d.ops[op]
		if o == nil {
			o = &opUsers{}
			d.ops[op] = o
		}
		o.order = append(o.order, member{user, d.seq})
		if o.n++; o.n == d.max {
			d.full = append(d.full, op)
		}
		if len(o.order) > 2*o.n+64 { // most have left since, or came again
			o.order = slices.DeleteFunc(o.order, func(m member) bool { return !d.stands(m.user, m.seq) })
		}
	}
	heap.Push(&d.due[rank(later)], entry{deadline, user, d.seq})
}

func rank(later bool) int {
	if later {
		return 1
	}
	return 0
}

func (d *Diffs) stands(user string, seq uint64) bool {
	w := d.waiting[user]
	return w != nil && w.seq == seq
}

// Remove lets a user wait no longer.
func (d *Diffs) Remove(user string) {
	w := d.waiting[user]
	if w == nil {
		return
	}
	delete(d.waiting, user)
	for _, op := range w.ops {
		o := d.ops[op]
		if o.n--; o.n == 0 {
			delete(d.ops, op)
		}
	}
}

// RemoveLater lets the later users wait no longer.
func (d *Diffs) RemoveLater() {
	for user, w := range d.waiting {
		if w.later {
			d.Remove(user)
		}
	}
}

// NextDeadline is when the next op must leave; ok is false when nobody waits.
func (d *Diffs) NextDeadline() (at time.Time, ok bool) {
	if _, full := d.nextFull(); full {
		return time.Time{}, true
	}
	for i := range d.due {
		if e := d.oldest(i); e != nil && (!ok || e.deadline.Before(at)) {
			at, ok = e.deadline, true
		}
	}
	return at, ok
}

// Due names the op that must leave now, and the user for whom; ok is false when none must. Of the ops of that user it is the one for
// which most wait. user is "" where the op fills a call.
func (d *Diffs) Due(now time.Time) (op Op, user string, ok bool) {
	for i := range d.due {
		if op, full := d.nextFull(); i > 0 && full {
			return op, "", true
		}
		e := d.oldest(i)
		if e == nil || e.deadline.After(now) {
			continue
		}
		ops := d.waiting[e.user].ops
		op = ops[0]
		for _, o := range ops[1:] {
			if d.ops[o].n > d.ops[op].n {
				op = o
			}
		}
		return op, e.user, true
	}
	return Op{}, "", false
}

// Take removes up to a call's users of an op, those who came first, and returns them.
func (d *Diffs) Take(op Op) (users []string) {
	o := d.ops[op]
	if o == nil {
		return nil
	}
	i := 0
	for ; i < len(o.order) && len(users) < d.max; i++ {
		if m := o.order[i]; d.stands(m.user, m.seq) {
			users = append(users, m.user)
		}
	}
	o.order = o.order[i:]
	for _, u := range users {
		d.Remove(u)
	}
	return users
}

// maxPlanned bounds the users among whom the cheapest mix is looked for. With more of them waiting, ops have many users each.
const maxPlanned = 500

// Replace reports whether the cheapest mix of calls for all who wait replaces the user's whole set. may is who may be replaced.
func (d *Diffs) Replace(user string, may func(user string) bool) bool {
	w := d.waiting[user]
	if w == nil || len(w.ops) < 2 || !may(user) {
		return false
	}
	waits := map[string][]Op{user: w.ops}
	held := map[Op]int{}
	count := func(ops []Op) {
		for _, op := range ops {
			held[op]++
		}
	}
	count(w.ops)
	for i := range d.due { // the front of a heap are about the first of it
		for _, e := range d.due[i] {
			if len(waits) >= min(maxPlanned, d.max) {
				break
			}
			if w := d.waiting[e.user]; w != nil && waits[e.user] == nil {
				waits[e.user] = w.ops
				count(w.ops)
			}
		}
	}
	return Cheapest(waits, may, func(op Op) bool { return held[op] < d.ops[op].n })[user]
}

func (d *Diffs) nextFull() (Op, bool) {
	for len(d.full) > 0 {
		if o := d.ops[d.full[0]]; o != nil && o.n >= d.max {
			return d.full[0], true
		}
		d.full = d.full[1:]
	}
	return Op{}, false
}

// oldest drops the entries of users who left or came again since and returns the first that stands.
func (d *Diffs) oldest(i int) *entry {
	for len(d.due[i]) > 0 {
		e := &d.due[i][0]
		if d.stands(e.user, e.seq) {
			return e
		}
		heap.Pop(&d.due[i])
	}
	return nil
}

type member struct {
	user string
	seq  uint64
}

type entry struct {
	deadline time.Time
	user     string
	seq      uint64
}

// deadlines is a min-heap of entries.
type deadlines []entry

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *deadlines) Push(x any)        { *d = append(*d, x.(entry)) }
func (d *deadlines) Pop() any {
	old := *d
	e := old[len(old)-1]
	*d = old[:len(old)-1]
	return e
}
