package tagsync

import (
	"slices"
	"strings"
	"time"
)

// Groups holds the users who wait for a tag call, by the set they wait for. A group leaves when its oldest member's deadline
// comes, and then with all its members, or as soon as it fills a call: deadline batching, which stays within 1.5 % of the
// fewest possible calls where fixed windows need up to 62 % more (perf.md 0.5).
type Groups struct {
	max     int // members of one call
	waiting waiting
	groups  map[string]*group
	list    []*group // by number; nil: the number is free
	free    []uint32 // numbers
	due     []uint32 // slots: a heap by deadline
	full    []string // keys of groups that filled a call
}

type group struct {
	key         string
	number      uint32
	set         []string
	first, last uint32 // slots: the oldest member, the newest
	n           int
}

// NewGroups makes groups of at most max users a call.
func NewGroups(max int) *Groups {
	return &Groups{max: max, waiting: newWaiting(), groups: map[string]*group{}}
}

// Len is the number of waiting users.
func (g *Groups) Len() int { return g.waiting.n }

// Key is a set as a map key. Tags cannot hold a NUL.
func Key(set []string) string { return strings.Join(set, "\x00") }

// Add lets a user wait for a set, until deadline at the latest; it is kept to the nanosecond, between the years 1678 and 2262. A user
// who waits already moves to the new set and keeps the earlier deadline: the wait is measured from the first change that was not sent.
func (g *Groups) Add(user string, set []string, deadline time.Time) {
	at := deadline.UnixNano()
	if i := g.waiting.find(user); i != none {
		at = min(at, g.waiting.at(i).deadline)
		g.remove(i)
	}
	gr := g.group(set)
	i := g.waiting.add(user)
	s := g.waiting.at(i)
	s.deadline, s.group, s.prev, s.next = at, gr.number, gr.last, none
	if gr.n == 0 {
		gr.first = i
	} else {
		g.waiting.at(gr.last).next = i
	}
	gr.last = i
	gr.n++
	g.push(i)
	if gr.n == g.max {
		g.full = append(g.full, gr.key)
	}
}

// group gives the group of a set, a new one for the first who waits for it.
func (g *Groups) group(set []string) *group {
	key := Key(set)
	gr := g.groups[key]
	if gr != nil {
		return gr
	}
	gr = &group{key: key, set: slices.Clone(set), first: none, last: none}
	if n := len(g.free); n > 0 {
		gr.number, g.free = g.free[n-1], g.free[:n-1]
		g.list[gr.number] = gr
	} else {
		gr.number = uint32(len(g.list))
		g.list = append(g.list, gr)
	}
	g.groups[key] = gr
	return gr
}

// Remove lets a user wait no longer.
func (g *Groups) Remove(user string) {
	if i := g.waiting.find(user); i != none {
		g.remove(i)
	}
}

func (g *Groups) remove(i uint32) {
	s := g.waiting.at(i)
	gr := g.list[s.group]
	if s.prev == none {
		gr.first = s.next
	} else {
		g.waiting.at(s.prev).next = s.next
	}
	if s.next == none {
		gr.last = s.prev
	} else {
		g.waiting.at(s.next).prev = s.prev
	}
	if gr.n--; gr.n == 0 {
		delete(g.groups, gr.key)
		g.list[gr.number] = nil
		g.free = append(g.free, gr.number)
	}
	g.unpush(s.place)
	g.waiting.drop(i)
}

// Waits reports whether the user waits for a call.
func (g *Groups) Waits(user string) bool { return g.waiting.find(user) != none }

// NextDeadline is when the next group must leave; ok is false when nobody waits.
func (g *Groups) NextDeadline() (at time.Time, ok bool) {
	if g.nextFull() != "" {
		return time.Time{}, true
	}
	if len(g.due) == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, g.waiting.at(g.due[0]).deadline).UTC(), true
}

// Due names a group that must leave now and its size; ok is false when none must.
func (g *Groups) Due(now time.Time) (key string, n int, ok bool) {
	if k := g.nextFull(); k != "" {
		return k, g.groups[k].n, true
	}
	if len(g.due) == 0 {
		return "", 0, false
	}
	oldest := g.waiting.at(g.due[0])
	if oldest.deadline > now.UnixNano() {
		return "", 0, false
	}
	gr := g.list[oldest.group]
	return gr.key, gr.n, true
}

// Take removes up to n members of a group, those who came first, and returns them with the set.
func (g *Groups) Take(key string, n int) (users, set []string) {
	gr := g.groups[key]
	if gr == nil {
		return nil, nil
	}
	for gr.n > 0 && len(users) < n {
		users = append(users, string(g.waiting.id(gr.first)))
		g.remove(gr.first)
	}
	return users, gr.set
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

// The heap of deadlines. Each slot knows its place, so that who leaves is taken out of the middle.

func (g *Groups) push(i uint32) {
	g.due = append(g.due, i)
	g.waiting.at(i).place = uint32(len(g.due) - 1)
	g.up(len(g.due) - 1)
}

func (g *Groups) unpush(place uint32) {
	last := len(g.due) - 1
	g.swap(int(place), last)
	g.due = g.due[:last]
	if int(place) < last {
		g.down(int(place))
		g.up(int(place))
	}
	if last == 0 {
		g.due = nil
	}
}

func (g *Groups) less(a, b int) bool {
	return g.waiting.at(g.due[a]).deadline < g.waiting.at(g.due[b]).deadline
}

func (g *Groups) swap(a, b int) {
	g.due[a], g.due[b] = g.due[b], g.due[a]
	g.waiting.at(g.due[a]).place, g.waiting.at(g.due[b]).place = uint32(a), uint32(b)
}

func (g *Groups) up(i int) {
	for i > 0 && g.less(i, (i-1)/2) {
		g.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (g *Groups) down(i int) {
	for {
		least := i
		for _, kid := range []int{2*i + 1, 2*i + 2} {
			if kid < len(g.due) && g.less(kid, least) {
				least = kid
			}
		}
		if least == i {
			return
		}
		g.swap(i, least)
		i = least
	}
}
