package sandbox

import (
	"context"
	"math/rand/v2"
	"time"
)

// Where fixed clocks start and return to on reset, in milliseconds: the times of
// the vendors' cases, 2026-01-01 08:00:00 and 2023-11-15 06:13:20 in Shanghai.
const (
	fixedStart      = 1767225600000
	fixedGetuiStart = 1700000000000
)

// world is everything a reset throws away. Server.mu guards it. What is not in
// getui is RongCloud's, or of both: journal, faults, luck.
type world struct {
	setup   Setup
	resets  int64 // worlds before this one
	zone    *time.Location
	clock   clock
	apps    map[string]*app
	journal journal
	faults  []*armed
	stats   VendorStats
	audit   audit
	getui   *getui
	ids     *rand.Rand // ids in answers
	luck    *rand.Rand // faults with a probability, a stream of their own so that ids stay put

	// ctx ends with the world: calls that a fault holds back must not act on the next one.
	ctx context.Context
	end context.CancelFunc
}

// app is one App Key with its state.
type app struct {
	key, secret string
	services    Services
	tags        map[string][]string // by user; empty after a clearing write
	charges     map[bucketID][]charge
	sent        *recent[string, sent] // by messageUID
	nonces      *recent[string, struct{}]
	randoms     map[string]int64 // msgRandom -> vendor time last executed
	calls       *recent[string, int]
	requests    *recent[string, uint64] // X-Request-ID -> hash of path and body
}

// sent is a message under its messageUID.
type sent struct {
	seq        int64  // of its journal entry
	path       string // of the endpoint that sent it
	effective  Effective
	recallable bool // by E10: what E4 and E5 sent
}

// remembered bounds what an app keeps of messages, call ids, request ids and nonces.
const remembered = 200_000

func newWorld(parent context.Context, setup Setup, zone *time.Location, c clock, apps []App, seed int64) *world {
	w := &world{
		setup: setup, zone: zone, clock: c.start(fixedStart),
		apps:  map[string]*app{},
		audit: audit{executed: map[auditKey][]charge{}},
		ids:   rand.New(rand.NewPCG(uint64(seed), 1)),
		luck:  rand.New(rand.NewPCG(uint64(seed), 2)),
	}
	w.ctx, w.end = context.WithCancel(parent)
	w.getui = newGetui(setup.Knobs, c.start(fixedGetuiStart), appsOf(vendorGetui, apps), seed)
	for _, a := range appsOf(vendorRongCloud, apps) {
		w.apps[a.Key] = &app{
			key: a.Key, secret: a.Secret,
			services: setup.Services,
			tags:     map[string][]string{},
			charges:  map[bucketID][]charge{},
			sent:     newRecent[string, sent](remembered),
			nonces:   newRecent[string, struct{}](remembered),
			randoms:  map[string]int64{},
			calls:    newRecent[string, int](remembered),
			requests: newRecent[string, uint64](remembered),
		}
	}
	return w
}

// appsOf are the vendor's apps, nil if none was given.
func appsOf(vendor string, apps []App) (of []App) {
	for _, a := range apps {
		if a.Vendor == vendor {
			of = append(of, a)
		}
	}
	if of == nil && vendor == vendorRongCloud {
		of = []App{{Vendor: vendor, Key: DefaultKey, Secret: DefaultSecret}}
	}
	return of
}

// newID is 22 characters of base 62, like the vendor's ids.
func (w *world) newID() string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	id := make([]byte, 22)
	for i := range id {
		id[i] = alphabet[w.ids.IntN(len(alphabet))]
	}
	return string(id)
}

// clock is the vendor's time in milliseconds: the machine's plus an offset, or
// one that stands until it is told.
type clock struct {
	now    func() time.Time
	fixed  bool
	offset int64 // added to now; the whole time when fixed
}

func (c *clock) ms() int64 {
	if c.fixed {
		return c.offset
	}
	return c.now().UnixMilli() + c.offset
}

func (c *clock) set(ms int64) { c.offset += ms - c.ms() }

// start is the clock as it stood at the beginning; a fixed one stands at ms.
func (c clock) start(ms int64) clock {
	c.offset = 0
	if c.fixed {
		c.offset = ms
	}
	return c
}

// recent is a map that forgets its oldest key beyond a bound.
type recent[K comparable, V any] struct {
	values map[K]V
	order  []K
	bound  int
}

func newRecent[K comparable, V any](bound int) *recent[K, V] {
	return &recent[K, V]{values: map[K]V{}, bound: bound}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	v, ok := r.values[k]
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	if _, known := r.values[k]; !known {
		if len(r.order) == r.bound {
			delete(r.values, r.order[0])
			r.order = r.order[1:]
		}
		r.order = append(r.order, k)
	}
	r.values[k] = v
}
