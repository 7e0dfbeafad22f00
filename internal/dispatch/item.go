package dispatch

import (
	"container/heap"
	"crypto/sha256"
	"encoding/json"
	"hash/maphash"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// state is where an intent without fate stands; the names are metric labels (metrics.md).
type state uint8

const (
	gone state = iota // it has its fate
	merging
	approval
	quiet
	queued
	paused
	inFlight
)

func (s state) String() string {
	return [...]string{"", "merging", "approval", "quiet", "quota", "paused", "in_flight"}[s]
}

// States is every state, for metrics that exist from the start.
var States = []state{merging, approval, quiet, queued, paused, inFlight}

// item is a pending intent in memory. The ledger's record is p; the rest is derived from it. There may be a million of them for a day: a turn
// unpacks the records that it asks for, and cool packs them again.
type item struct {
	*berth
	packed  ledger.Packed
	warm    *ledger.Pending // while it is unpacked
	group   *pushGroup      // while it waits with equals
	key     contentKey      // equal for those
	rare    *rare
	seq     int64 // these three are of the record, see p
	at      int64
	expiry  int64 // unix nanoseconds, 0: never
	wakes   int64 // when its timer wakes it, 0: it has none
	state   state
	tags    bool // it is a profile event's
	spare   bool // it is in lane.spare
	expires bool // a timer stands for its expiry
	anew    bool // the count of its rule's brake began anew since it left
}

// itemKey is an intent's id as a key in memory: two hashes of it with random seeds. No two ids of a process have the same.
type itemKey [2]uint64

var itemSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func itemOf(id intent.ID) itemKey {
	return itemKey{maphash.String(itemSeeds[0], string(id)), maphash.String(itemSeeds[1], string(id))}
}

// berth is where an item stands, the same for many.
type berth struct {
	a     *actor
	ac    *account
	route Route
}

// rare is what few items have.
type rare struct {
	called string        // a tag call that it was in, of several that it may need
	doom   ledger.Reason // it is given up for this reason and leaves no more
}

// p is the item's pending record. Until the end of the turn it is always the same one; what is changed in it stays.
func (it *item) p() *ledger.Pending {
	if it.warm == nil {
		p, err := it.packed.Pending()
		if err != nil { // packed by us, in this process
			panic("a pending record cannot be unpacked: " + err.Error())
		}
		it.heat(p)
	}
	return it.warm
}

// heat gives an item its record. That of a broadcast stays as it is: they are few, and all of a lane's are asked at once.
func (it *item) heat(p *ledger.Pending) {
	it.warm = p
	if it.route.Users || it.ac == nil {
		it.a.warm = append(it.a.warm, it)
	}
}

// maxWarm bounds the records that are unpacked at a time while all of them are walked.
const maxWarm = 2 * maxTurn

// coolMany is cool now and then, for a walk over many items.
func (a *actor) coolMany() {
	if len(a.warm) > a.hot+maxWarm {
		a.cool()
	}
}

// cool packs the records that this turn unpacked. What is in flight is needed again soon. Nobody may hold a record across it.
func (a *actor) cool() {
	flying := a.warm[:0]
	for _, it := range a.warm {
		switch it.state {
		case gone:
		case inFlight:
			flying = append(flying, it)
		default:
			if a.park(it) {
				continue
			}
			packed, err := a.packer.Pack(it.warm, it.packed)
			if err != nil { // as in ledger.Writer.Put
				panic("a pending record cannot be packed: " + err.Error())
			}
			it.seq, it.at, it.expiry = it.warm.Seq, nanos(it.warm.At), 0
			if at := it.warm.Intent.Policy.Expire; !at.IsZero() {
				it.expiry = nanos(at)
			}
			it.packed, it.warm = packed, nil
		}
	}
	if clear(a.warm[len(flying):]); len(flying) == 0 && cap(a.warm) > maxWarm {
		flying = nil
	}
	a.warm, a.hot = flying, len(flying)
}

// intent is the item's intent, of which only what it shares with others of its rule may be asked: rule, action, class, priority, revision.
func (it *item) intent() *intent.Intent {
	if it.warm != nil {
		return it.warm.Intent
	}
	return it.packed.Shared()
}

func (it *item) id() intent.ID         { return it.p().Intent.ID }
func (it *item) prio() intent.Priority { return it.intent().Policy.Priority }

func (it *item) order() int64 {
	if it.warm != nil {
		return it.warm.Seq
	}
	return it.seq
}

func (it *item) since() time.Time {
	if it.warm != nil {
		return it.warm.At
	}
	return time.Unix(0, it.at).UTC()
}

func (it *item) expire() time.Time {
	switch {
	case it.warm != nil:
		return it.warm.Intent.Policy.Expire
	case it.expiry == 0:
		return time.Time{}
	}
	return time.Unix(0, it.expiry).UTC()
}

func (it *item) doom() ledger.Reason {
	if it.rare == nil {
		return ""
	}
	return it.rare.doom
}

func (it *item) called() string {
	if it.rare == nil {
		return ""
	}
	return it.rare.called
}

// seldom is where what few items have is noted.
func (it *item) seldom() *rare {
	if it.rare == nil {
		it.rare = &rare{}
	}
	return it.rare
}

// before orders the queue of a scarce lane: priority, then the earliest expiry, then age.
func (it *item) before(o *item) bool {
	return place{it.prio(), it.expire(), it.order()}.before(place{o.prio(), o.expire(), o.order()})
}

// place is what orders a queue: the priority, then what expires first, then the age.
type place struct {
	priority intent.Priority
	expire   time.Time
	order    int64
}

func (p place) before(o place) bool {
	if p.priority != o.priority {
		return p.priority > o.priority
	}
	if !p.expire.Equal(o.expire) {
		return !p.expire.IsZero() && (o.expire.IsZero() || p.expire.Before(o.expire))
	}
	return p.order < o.order
}

// pushQueue holds the intents for named users that may leave now, equals together, so that one call serves up to MaxBatch.
type pushQueue struct {
	groups map[contentKey]*pushGroup
	heap   groupHeap
	n      int
}

type pushGroup struct {
	items []*item // at least one, maybe of those that have left
	first int64   // seq of the oldest member when it was last looked at
	n     int32
	place int32
	prio  intent.Priority
}

func (g *pushGroup) class() string { return g.items[0].intent().Class }

func newPushQueue() *pushQueue { return &pushQueue{groups: map[contentKey]*pushGroup{}} }

// contentKey tells contents apart, the zero one is none.
type contentKey [16]byte

func keyOf(it *item) contentKey {
	in := it.p().Intent
	b, err := json.Marshal(in.Content)
	if err != nil { // strings and raw JSON checked at load
		b = []byte(in.ID)
	}
	h := sha256.New()
	h.Write([]byte(it.route.Endpoint + in.Class + string(rune('1'+it.prio()))))
	h.Write([]byte{0})
	h.Write(b)
	return contentKey(h.Sum(nil))
}

func (q *pushQueue) add(it *item) {
	it.key = keyOf(it)
	g := q.groups[it.key]
	if g == nil {
		g = &pushGroup{prio: it.prio(), first: it.order()}
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
		delete(q.groups, it.key)
		heap.Remove(&q.heap, int(g.place))
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
		case users[it.p().Intent.Target]:
			stay = append(stay, it)
		default:
			users[it.p().Intent.Target] = true
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
			g.first = g.items[0].order()
		}
		heap.Fix(&q.heap, int(g.place))
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
	h[i].place, h[j].place = int32(i), int32(j)
}
func (h *groupHeap) Push(x any) {
	g := x.(*pushGroup)
	g.place = int32(len(*h))
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
	return a.order() < b.order()
}
