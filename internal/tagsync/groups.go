package tagsync

import (
	"container/heap"
	"slices"
	"strings"
	"time"
)

// Groups holds the users who wait for a tag call, by the set they wait for. A group leaves when its oldest member's deadline
// comes, and then with all its members, or as soon as it fills a call: deadline batching, which stays within 1.5 % of the
// fewest possible calls where fixed windows need up to 62 % more (perf.md 0.5).
type Groups struct {
	max     int // members of one call
	waiting map[string]place
	groups  map[string]*group
	due     deadlines
	full    []string // keys of groups that filled a call
	seq     uint64
}

type place struct {
	key      string
	deadline time.Time
	seq      uint64
}

type group struct {
	set   []string
	order []member // oldest first; an entry whose seq is not the user's present one has left
	n     int
}

type member struct {
	user string
	seq  uint64
}

// NewGroups makes groups of at most max users a call.
func NewGroups(max int) *Groups {
	return &Groups{max: max, waiting: map[string]place{}, groups: map[string]*group{}}
}

// Len is the number of waiting users.
func (g *Groups) Len() int { return len(g.waiting) }

// Key is a set as a map key. Tags cannot hold a NUL.
func Key(set []string) string { return strings.Join(set, "\x00") }

// Add lets a user wait for a set, until deadline at the latest. A user who waits already moves to the new set and keeps the
// earlier deadline: the wait is measured from the first change that was not sent.
func (g *Groups) Add(user string, set []string, deadline time.Time) {
	if p, ok := g.waiting[user]; ok {
		if p.deadline.Before(deadline) {
			deadline = p.deadline
		}
		g.Remove(user)
	}
	key := Key(set)
	gr := g.groups[key]
	if gr == nil {
		gr = &group{set: slices.Clone(set)}
		g.groups[key] = gr
	}
	g.seq++
	g.waiting[user] = place{key, deadline, g.seq}
	gr.order = append(gr.order, member{user, g.seq})
	gr.n++
	heap.Push(&g.due, entry{deadline, user, g.seq})
	if gr.n == g.max {
		g.full = append(g.full, key)
	}
}

// Remove lets a user wait no longer.
func (g *Groups) Remove(user string) {
	p, ok := g.waiting[user]
	if !ok {
		return
	}
	delete(g.waiting, user)
	gr := g.groups[p.key]
	if gr.n--; gr.n == 0 {
		delete(g.groups, p.key)
	}
}

// Waits reports whether the user waits for a call.
func (g *Groups) Waits(user string) bool { _, ok := g.waiting[user]; return ok }

// NextDeadline is when the next group must leave; ok is false when nobody waits.
func (g *Groups) NextDeadline() (at time.Time, ok bool) {
	if g.nextFull() != "" {
		return time.Time{}, true
	}
	if e := g.oldest(); e != nil {
		return e.deadline, true
	}
	return time.Time{}, false
}

// Due names a group that must leave now and its size; ok is false when none must.
func (g *Groups) Due(now time.Time) (key string, n int, ok bool) {
	if k := g.nextFull(); k != "" {
		return k, g.groups[k].n, true
	}
	if e := g.oldest(); e != nil && !e.deadline.After(now) {
		k := g.waiting[e.user].key
		return k, g.groups[k].n, true
	}
	return "", 0, false
}

// Take removes up to n members of a group, those who came first, and returns them with the set.
func (g *Groups) Take(key string, n int) (users, set []string) {
	gr := g.groups[key]
	if gr == nil {
		return nil, nil
	}
	set = gr.set
	i := 0
	for ; i < len(gr.order) && len(users) < n; i++ {
		m := gr.order[i]
		if p, ok := g.waiting[m.user]; ok && p.seq == m.seq {
			users = append(users, m.user)
		}
	}
	gr.order = gr.order[i:]
	for _, u := range users {
		g.Remove(u)
	}
	return users, set
}

func (g *Groups) nextFull() string {
	for len(g.full) > 0 {
		if gr := g.groups[g.full[0]]; gr != nil && gr.n >= g.max {
			return g.full[0]
		}
		g.full = g.full[1:]
	}
	return ""
}

// oldest drops the entries of users who left or moved since and returns the first that stands.
func (g *Groups) oldest() *entry {
	for len(g.due) > 0 {
		e := &g.due[0]
		if p, ok := g.waiting[e.user]; ok && p.seq == e.seq {
			return e
		}
		heap.Pop(&g.due)
	}
	return nil
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
