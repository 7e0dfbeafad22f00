package dispatch

import (
	"container/heap"
	"math"
	"slices"
	"time"
)

// timers wakes things by key, and items. A key has one time; setting another replaces it. Entries that were replaced or stopped stay in the
// heap until they surface, or outnumber the others.
type timers struct {
	heap  timerHeap
	at    map[timerKey]time.Time
	items [2]itemHeap // by kind
	armed [2]int      // items that wait
}

type timerKey struct {
	kind timerKind
	key  string
}

// alarm is what wakes: an item, or something else by its key.
type alarm struct {
	timerKey
	it *item
}

type timerKind uint8

const (
	wakeItem   timerKind = iota // an item: its merge closes, its quiet hours or its approval end
	expireItem                  // an item's expire
	wakeUser                    // account + user: an ambiguous call can no longer arrive
	forgetOnce                  // a send that `once` remembers
	settleCall                  // an attempt of a predecessor can no longer arrive
)

func newTimers() *timers { return &timers{at: map[timerKey]time.Time{}} }

func (t *timers) set(kind timerKind, key string, at time.Time) {
	k := timerKey{kind, key}
	if old, ok := t.at[k]; ok && old.Equal(at) {
		return
	}
	t.at[k] = at
	heap.Push(&t.heap, timer{at, k})
	if len(t.heap) > 2*len(t.at)+1024 { // most have been replaced or stopped: an intent that was sent at once may have had a day
		t.heap = t.heap[:0]
		for k, at := range t.at {
			t.heap = append(t.heap, timer{at, k})
		}
		clear(t.heap[len(t.heap):cap(t.heap)])
		heap.Init(&t.heap)
	}
}

func (t *timers) stop(kind timerKind, key string) { delete(t.at, timerKey{kind, key}) }

// set and stop of items. An item expires when its record says so.

func (t *timers) wake(it *item, at time.Time) {
	if it.wakes == 0 {
		t.armed[wakeItem]++
	}
	if ns := nanos(at); it.wakes != ns {
		it.wakes = ns
		t.push(wakeItem, it, ns)
	}
}

func (t *timers) stopWake(it *item) {
	if it.wakes != 0 {
		it.wakes = 0
		t.armed[wakeItem]--
	}
}

func (t *timers) expire(it *item) {
	if !it.expires {
		it.expires = true
		t.armed[expireItem]++
	}
	t.push(expireItem, it, nanos(it.expire()))
}

func (t *timers) stopExpire(it *item) {
	if it.expires {
		it.expires = false
		t.armed[expireItem]--
	}
}

func (t *timers) push(kind timerKind, it *item, at int64) {
	h := &t.items[kind]
	heap.Push(h, itemTimer{at, it})
	if len(*h) > 2*t.armed[kind]+1024 {
		*h = slices.DeleteFunc(*h, func(e itemTimer) bool { return !e.stands(kind) })
		heap.Init(h)
	}
}

// wakesAt is when an item wakes; ok is false when it has no such timer.
func (t *timers) wakesAt(it *item) (at time.Time, ok bool) {
	if it.wakes == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, it.wakes).UTC(), true
}

// next is when the next key or item wakes.
func (t *timers) next() (time.Time, bool) {
	at, _, ok := t.first()
	return at, ok
}

// first is next, and which of the heaps it stands in: that of keys, or one of the items'.
func (t *timers) first() (at time.Time, in int, ok bool) {
	for kind := range t.items {
		h := &t.items[kind]
		for len(*h) > 0 && !(*h)[0].stands(timerKind(kind)) {
			heap.Pop(h)
		}
		if len(*h) == 0 {
			continue
		}
		if e := time.Unix(0, (*h)[0].at).UTC(); !ok || e.Before(at) {
			at, in, ok = e, kind, true
		}
	}
	for len(t.heap) > 0 {
		e := t.heap[0]
		if set, is := t.at[e.key]; is && set.Equal(e.at) {
			if !ok || set.Before(at) {
				at, in, ok = set, len(t.items), true
			}
			break
		}
		heap.Pop(&t.heap)
	}
	return at, in, ok
}

// none reports whether nothing wakes.
func (t *timers) none() bool { return len(t.at)+t.armed[wakeItem]+t.armed[expireItem] == 0 }

// soonest is the time of the next key, zero if there is none.
func (t *timers) soonest() time.Time {
	at, _ := t.next()
	return at
}

// pop takes one key or item whose time has come.
func (t *timers) pop(now time.Time) (alarm, bool) {
	at, in, ok := t.first()
	if !ok || at.After(now) {
		return alarm{}, false
	}
	if in == len(t.items) {
		e := heap.Pop(&t.heap).(timer)
		delete(t.at, e.key)
		return alarm{timerKey: e.key}, true
	}
	it := heap.Pop(&t.items[in]).(itemTimer).it
	if timerKind(in) == wakeItem {
		t.stopWake(it)
	} else {
		t.stopExpire(it)
	}
	return alarm{timerKey{kind: timerKind(in)}, it}, true
}

// nanos are unix nanoseconds, as far as they go: an event may claim to be of the year 9999, and expires later.
func nanos(t time.Time) int64 {
	switch {
	case t.Year() > 2261:
		return math.MaxInt64
	case t.Year() < 1678:
		return math.MinInt64
	}
	return t.UnixNano()
}

// itemTimer holds no key: of a million items it would be a third of what they take.
type itemTimer struct {
	at int64 // unix nanoseconds
	it *item
}

// stands reports whether it was neither replaced nor stopped.
func (e itemTimer) stands(kind timerKind) bool {
	if kind == wakeItem {
		return e.it.wakes == e.at
	}
	return e.it.expires && nanos(e.it.expire()) == e.at
}

type itemHeap []itemTimer

func (h itemHeap) Len() int      { return len(h) }
func (h itemHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Less puts the oldest first where quiet hours end for all at once: under a limit those that came first get the places.
func (h itemHeap) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].it.order() < h[j].it.order()
}

func (h *itemHeap) Push(x any) { *h = append(*h, x.(itemTimer)) }
func (h *itemHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = itemTimer{}
	*h = old[:len(old)-1]
	return e
}

type timer struct {
	at  time.Time
	key timerKey
}

type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
