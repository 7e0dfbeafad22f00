package dispatch

import (
	"container/heap"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// state is where an intent without fate stands; the values are metric labels (metrics.md).
type state string

const (
	merging  state = "merging"
	approval state = "approval"
	quiet    state = "quiet"
	queued   state = "quota"
	paused   state = "paused"
	inFlight state = "in_flight"
	gone     state = "" // it has its fate
)

// States is every state, for metrics that exist from the start.
var States = []state{merging, approval, quiet, queued, paused, inFlight}

// item is a pending intent in memory. The ledger's record is p; the rest is derived from it.
type item struct {
	p      *ledger.Pending
	ac     *account
	route  Route
	state  state
	group  *pushGroup    // while it waits with equals
	key    string        // equal for those
	spare  bool          // it is in lane.spare
	called string        // a tag call that it was in, of several that it may need
	doom   ledger.Reason // it is given up for this reason and leaves no more
	anew   bool          // the count of its rule's brake began anew since it left

	overtaken bool // it waits to be made again, and a newer one of its merge key has left
}

func (it *item) id() string            { return string(it.p.Intent.ID) }
func (it *item) expire() time.Time     { return it.p.Intent.Policy.Expire }
func (it *item) prio() intent.Priority { return it.p.Intent.Policy.Priority }

// before orders the queue of a scarce lane: priority, then the earliest expiry, then age.
func (it *item) before(o *item) bool {
	if it.prio() != o.prio() {
		return it.prio() > o.prio()
	}
	a, b := it.expire(), o.expire()
	if !a.Equal(b) {
		return !a.IsZero() && (b.IsZero() || a.Before(b))
	}
	return it.p.Seq < o.p.Seq
}

// pushQueue holds the intents for named users that may leave now, equals together, so that one call serves up to MaxBatch.
type pushQueue struct {
	groups map[string]*pushGroup
	heap   groupHeap
	n      int
}

type pushGroup struct {
	key   string
	prio  intent.Priority
	class string
	first int64 // seq of the oldest member when it was last looked at
	items []*item
	n     int
	place int
}

func newPushQueue() *pushQueue { return &pushQueue{groups: map[string]*pushGroup{}} }

func contentKey(it *item) string {
	b, err := json.Marshal(it.p.Intent.Content)
	if err != nil { // strings and raw JSON checked at load
		return it.id()
	}
	sum := sha256.Sum256(b)
	return it.route.Endpoint + it.p.Intent.Class + string(rune('1'+it.prio())) + string(sum[:])
}

func (q *pushQueue) add(it *item) {
	it.key = contentKey(it)
	g := q.groups[it.key]
	if g == nil {
		g = &pushGroup{key: it.key, prio: it.prio(), class: it.p.Intent.Class, first: it.p.Seq}
		q.groups[it.key] = g
		heap.Push(&q.heap, g)
	}
	g.items = append(g.items, it)
	g.n++
	q.n++
	it.group = g
}

// remove takes an item out; its place in the group's list goes when the group is next looked at.
func (q *pushQueue) remove(it *item) {
	g := it.group
	if g == nil {
		return
	}
	it.group = nil
	g.n--
	q.n--
	if g.n == 0 {
		delete(q.groups, g.key)
		heap.Remove(&q.heap, g.place)
	}
}

// top is the group that goes next: the highest priority, then the oldest.
func (q *pushQueue) top() *pushGroup {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// take removes up to n items from a group, oldest first, and adds their users to those of the call; an item whose user is in already stays
// for the next call.
func (q *pushQueue) take(g *pushGroup, n int, users map[string]bool) []*item {
	var out, stay []*item
	i := 0
	for ; i < len(g.items) && len(out) < n; i++ {
		switch it := g.items[i]; {
		case it.group != g:
		case users[it.p.Intent.Target]:
			stay = append(stay, it)
		default:
			users[it.p.Intent.Target] = true
			out = append(out, it)
		}
	}
	g.items = append(stay, g.items[i:]...)
	for _, it := range out {
		q.remove(it)
	}
	if g.n > 0 {
		for len(g.items) > 0 && g.items[0].group != g {
			g.items = g.items[1:]
		}
		if len(g.items) > 0 {
			g.first = g.items[0].p.Seq
		}
		heap.Fix(&q.heap, g.place)
	}
	return out
}

// takeMixed removes up to n items for distinct users from the group that goes next, and with mixed from those after it too.
func (q *pushQueue) takeMixed(n int, mixed bool) []*item {
	users := map[string]bool{}
	out := q.take(q.top(), n, users)
	for mixed && len(out) < n && q.n > 0 {
		more := q.take(q.top(), n-len(out), users)
		if len(more) == 0 { // its users are all in already
			break
		}
		out = append(out, more...)
	}
	return out
}

type groupHeap []*pushGroup

func (h groupHeap) Len() int { return len(h) }
func (h groupHeap) Less(i, j int) bool {
	if h[i].prio != h[j].prio {
		return h[i].prio > h[j].prio
	}
	return h[i].first < h[j].first
}
func (h groupHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}
func (h *groupHeap) Push(x any) {
	g := x.(*pushGroup)
	g.place = len(*h)
	*h = append(*h, g)
}
func (h *groupHeap) Pop() any {
	old := *h
	g := old[len(old)-1]
	*h = old[:len(old)-1]
	return g
}

// backlog finds the intent that gives way when a class is full: the lowest priority, then the one that expires first. Items
// that have left stay in the heap until they surface.
type backlog struct {
	heap victimHeap
	n    int
	max  int
}

func (b *backlog) add(it *item) {
	b.n++
	heap.Push(&b.heap, it)
}

// victim removes and returns the item that gives way; nil when all are in flight.
func (b *backlog) victim() *item {
	var flying []*item
	defer func() {
		for _, it := range flying {
			heap.Push(&b.heap, it)
		}
	}()
	for len(b.heap) > 0 {
		it := heap.Pop(&b.heap).(*item)
		switch it.state {
		case gone:
		case inFlight:
			flying = append(flying, it)
		default:
			return it
		}
	}
	return nil
}

// compact drops those that have left once they outnumber the others, so that the heap is bounded by what is pending.
func (b *backlog) compact() {
	if len(b.heap) < 2*b.n+1024 {
		return
	}
	kept := b.heap[:0]
	for _, it := range b.heap {
		if it.state != gone {
			kept = append(kept, it)
		}
	}
	clear(b.heap[len(kept):])
	b.heap = kept
	heap.Init(&b.heap)
}

type victimHeap []*item

func (h victimHeap) Len() int           { return len(h) }
func (h victimHeap) Less(i, j int) bool { return gives(h[i], h[j]) }
func (h victimHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *victimHeap) Push(x any)        { *h = append(*h, x.(*item)) }
func (h *victimHeap) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return it
}

func gives(a, b *item) bool {
	if a.prio() != b.prio() {
		return a.prio() < b.prio()
	}
	x, y := a.expire(), b.expire()
	if !x.Equal(y) {
		return !x.IsZero() && (y.IsZero() || x.Before(y))
	}
	return a.p.Seq < b.p.Seq
}

// seenHash is the duplicate key of an intent: event id, rule and target in its account, never the offset (design.md 2).
func seenHash(in *intent.Intent) string { return SeenHash(in.Key, in.Event.ID, in.Rule, in.Target) }

// SeenHash is under what an event that was acted on is remembered: account, event, rule, target.
func SeenHash(account, event, rule, target string) string {
	h := sha256.New()
	for _, s := range []string{account, event, rule, target} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
