package dispatch

import (
	"container/heap"
	"time"
)

// timers wakes things by key. A key has one time; setting another replaces it. Entries that were replaced or stopped stay in the heap
// until they surface, or outnumber the others.
type timers struct {
	heap timerHeap
	at   map[timerKey]time.Time
}

type timerKey struct {
	kind timerKind
	key  string
}

type timerKind uint8

const (
	wakeItem   timerKind = iota // an intent: its merge closes, its quiet hours or its approval end
	expireItem                  // an intent's expire
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

// next is when the next key wakes.
func (t *timers) next() (time.Time, bool) {
	for len(t.heap) > 0 {
		if at, ok := t.at[t.heap[0].key]; ok && at.Equal(t.heap[0].at) {
			return at, true
		}
		heap.Pop(&t.heap)
	}
	return time.Time{}, false
}

// soonest is the time of the next key, zero if there is none.
func (t *timers) soonest() time.Time {
	at, _ := t.next()
	return at
}

// pop takes one key whose time has come.
func (t *timers) pop(now time.Time) (timerKey, bool) {
	if at, ok := t.next(); !ok || at.After(now) {
		return timerKey{}, false
	}
	e := heap.Pop(&t.heap).(timer)
	delete(t.at, e.key)
	return e.key, true
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
