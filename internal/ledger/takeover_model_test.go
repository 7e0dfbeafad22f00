package ledger_test

import (
	"fmt"
	"strings"
	"testing"
)

// The take-over as an explicit-state model, every interleaving of it. It shares no code with the product: it is the
// reason for what takeover.go does, not a test of it.
//
// A partition's ledger is one log. Two transactional ids write to it, each with an epoch that InitProducerID raises,
// aborting the id's open transaction; whoever holds an older epoch is refused. A commit is decided by EndTxn, and
// its marker comes into the log later: until then it holds back every read_committed reader, and InitProducerID of
// that id.
//
// An owner takes over by
//
//	InitProducerID of both ids at once, owner record through 0, owner record through 1, restore up to the second
//
// and then commits attempts; each committed attempt is a call that leaves. The product uses the ids in turn; the model
// tries either for every attempt, so safety does not rest on the order. Owner 0 has done all that and still runs; the
// others take over at the same time. Crashes are interleavings in which an owner is not scheduled again.
//
// The invariant: when an attempt's commit is decided, its owner has seen every attempt whose commit was decided
// before. Otherwise two owners spend one quota without knowing of each other.

const (
	maxOwners   = 3
	maxAttempts = 3 // of each owner
	maxLog      = 2*(maxOwners-1) + maxOwners*maxAttempts
)

// record is one transaction with its one record.
type record struct {
	kind  uint8 // 0: none
	state uint8
	owner uint8
	n     uint8 // owner record: how many through this owner; attempt: which of this owner
	id    uint8
}

const (
	ownerRecord uint8 = iota + 1
	attemptRecord
)

const (
	open uint8 = iota
	decided
	committed
)

// process is one owner.
type process struct {
	pc       uint8 // index into the protocol; past its end: running
	dead     bool
	open     bool     // running: the transaction of the next attempt is open
	id       uint8    // and that is its id
	epoch    [2]uint8 // that it holds; 0: none
	attempts uint8    // decided
	view     uint16   // attempts it knows of, by bit
}

// world is everything; comparable, so that it is its own hash key. Aborted records leave the log: nobody sees them.
type world struct {
	epoch [2]uint8
	log   [maxLog]record
	len   uint8
	procs [maxOwners]process
}

func bit(owner, n uint8) uint16 { return 1 << (owner*maxAttempts + n) }

// step is one step of a protocol. It returns false when it is not enabled; a refusal by the broker is enabled and
// kills the owner.
type step func(w *world, p uint8) bool

func initID(id uint8) step {
	return func(w *world, p uint8) bool {
		for i := uint8(0); i < w.len; i++ {
			if w.log[i].id == id && w.log[i].state == decided {
				return false // CONCURRENT_TRANSACTIONS: retried until the marker is written
			}
		}
		kept := uint8(0)
		var log [maxLog]record
		for i := uint8(0); i < w.len; i++ {
			if r := w.log[i]; r.id != id || r.state != open {
				log[kept] = r
				kept++
			}
		}
		w.log, w.len = log, kept
		w.epoch[id]++
		w.procs[p].epoch[id] = w.epoch[id]
		return true
	}
}

func (w *world) fenced(p, id uint8) bool {
	if w.procs[p].epoch[id] != w.epoch[id] {
		w.procs[p] = process{dead: true}
		return true
	}
	return false
}

func (w *world) busy(id uint8) bool {
	for i := uint8(0); i < w.len; i++ {
		if w.log[i].id == id && w.log[i].state != committed {
			return true
		}
	}
	return false
}

func (w *world) produce(p, id uint8, r record) {
	r.owner, r.id = p, id
	w.log[w.len] = r
	w.len++
}

// produceOwner appends an owner record through an id, endOwner ends that transaction. Refused or not, the step is
// done; a still open marker of the same id delays it.
func produceOwner(id, n uint8) step {
	return func(w *world, p uint8) bool {
		if w.fenced(p, id) {
			return true
		}
		if w.busy(id) {
			return false
		}
		w.produce(p, id, record{kind: ownerRecord, n: n})
		return true
	}
}

func endOwner(id uint8) step {
	return func(w *world, p uint8) bool {
		if w.fenced(p, id) {
			return true
		}
		w.decide(p, id)
		return true
	}
}

func (w *world) decide(p, id uint8) record {
	for i := uint8(0); i < w.len; i++ {
		if r := &w.log[i]; r.owner == p && r.id == id && r.state == open {
			r.state = decided
			return *r
		}
	}
	panic("no open transaction: the model is wrong")
}

// restore reads committed records up to the owner's n-th own record, and waits until it can.
func restore(n uint8) step {
	return func(w *world, p uint8) bool {
		var view uint16
		for i := uint8(0); i < w.len; i++ {
			r := w.log[i]
			if r.state != committed {
				return false // the last stable offset
			}
			if r.kind == attemptRecord {
				view |= bit(r.owner, r.n)
			}
			if r.kind == ownerRecord && r.owner == p && r.n == n {
				w.procs[p].view = view
				return true
			}
		}
		return false
	}
}

// readAll reads what is committed now, without waiting for anything.
func readAll(w *world, p uint8) bool {
	w.procs[p].view = 0
	for i := uint8(0); i < w.len && w.log[i].state == committed; i++ {
		if r := w.log[i]; r.kind == attemptRecord {
			w.procs[p].view |= bit(r.owner, r.n)
		}
	}
	return true
}

// run is one step of a running owner: produce the next attempt through an id, or end its transaction. It reports a
// broken invariant.
func (w *world) run(p, id uint8) (enabled bool, broken string) {
	me := &w.procs[p]
	if me.attempts == maxAttempts || me.open && me.id != id {
		return false, ""
	}
	if w.fenced(p, id) {
		return true, ""
	}
	if !me.open {
		if w.busy(id) {
			return false, ""
		}
		w.produce(p, id, record{kind: attemptRecord, n: me.attempts})
		me.open, me.id = true, id
		return true, ""
	}
	for i := uint8(0); i < w.len; i++ {
		r := w.log[i]
		if r.kind == attemptRecord && r.owner != p && r.state != open && me.view&bit(r.owner, r.n) == 0 {
			broken = fmt.Sprintf("owner %d commits attempt %d and has not seen attempt %d of owner %d", p, me.attempts, r.n, r.owner)
		}
	}
	w.decide(p, id)
	me.open, me.id = false, 0
	me.attempts++
	return true, broken
}

// explored is what a search found.
type explored struct {
	states  int
	trace   string       // of the first broken invariant
	calling map[int]bool // sets of owners (by bit) whose attempts were committed in one history
}

// explore visits every state that any interleaving reaches, and stops at the first that breaks the invariant. protocol
// gives the steps of a take-over. (With four owners of two attempts: 2,519,347 states, safe, 24 s.)
func explore(protocol func(owner uint8) []step) explored {
	type from struct {
		prev  world
		label string
	}
	var start world
	start.epoch = [2]uint8{1, 1}
	start.procs[0] = process{pc: 255, epoch: [2]uint8{1, 1}}
	var steps [maxOwners][]step
	for p := uint8(1); p < maxOwners; p++ {
		steps[p] = protocol(p)
	}
	seen := map[world]from{start: {}}
	stack := []world{start}
	out := explored{calling: map[int]bool{}}
	for len(stack) > 0 && out.trace == "" {
		w := stack[len(stack)-1]
		stack = stack[:len(stack)-1]

		callers := 0
		for i := uint8(0); i < w.len; i++ {
			if w.log[i].kind == attemptRecord && w.log[i].state == committed {
				callers |= 1 << w.log[i].owner
			}
		}
		out.calling[callers] = true

		reach := func(next world, label, broken string) {
			if _, ok := seen[next]; !ok {
				seen[next] = from{w, label}
				stack = append(stack, next)
			}
			if broken != "" && out.trace == "" {
				lines := []string{label + ": " + broken}
				for at := w; at != start; at = seen[at].prev {
					lines = append([]string{seen[at].label}, lines...)
				}
				out.trace = strings.Join(lines, "\n")
			}
		}
		for p := uint8(0); p < maxOwners; p++ {
			if w.procs[p].dead {
				continue
			}
			next := w
			if pc := int(w.procs[p].pc); p > 0 && pc < len(steps[p]) {
				if steps[p][pc](&next, p) {
					if !next.procs[p].dead {
						next.procs[p].pc++
					}
					reach(next, fmt.Sprintf("owner %d: take-over step %d", p, pc+1), "")
				}
				continue
			}
			for id := range uint8(2) {
				next := w
				if ok, broken := next.run(p, id); ok {
					reach(next, fmt.Sprintf("owner %d: attempt through id %d", p, id), broken)
				}
			}
		}
		for i := uint8(0); i < w.len; i++ { // the broker writes a marker
			if w.log[i].state == decided {
				next := w
				next.log[i].state = committed
				reach(next, fmt.Sprintf("broker: marker of record %d", i), "")
			}
		}
	}
	out.states = len(seen)
	return out
}

// Each owner's requests for its two ids are on the way at once, so either may come first. (0, 1, 0 is the mirror of 0, 0, 1.)
func TestTakeOverModelIsSafeInEveryInterleaving(t *testing.T) {
	for _, first := range [][maxOwners]uint8{{0, 0, 0}, {0, 0, 1}, {0, 1, 1}} {
		got := explore(func(owner uint8) []step {
			id := first[owner]
			return []step{initID(id), initID(1 - id), produceOwner(0, 0), endOwner(0), produceOwner(1, 1), endOwner(1), restore(1)}
		})
		t.Logf("%d states with ids %v first", got.states, first[1:])
		if got.trace != "" {
			t.Errorf("unsafe:\n%s", got.trace)
		}
		if got.states < 200_000 {
			t.Errorf("only %d states: the model does not interleave", got.states)
		}
		// Not vacuous: each owner gets to call, and all three in one history, in which two took over one after the other.
		for _, callers := range []int{0b001, 0b010, 0b100, 0b011, 0b101, 0b110, 0b111} {
			if !got.calling[callers] {
				t.Errorf("no history in which just the owners %03b call", callers)
			}
		}
	}
}

func TestTakeOverModelFindsTheUnsafeVariants(t *testing.T) {
	for _, c := range []struct {
		name     string
		protocol func(owner uint8) []step
	}{
		{"owner record through one id only, by parity", func(owner uint8) []step {
			id := owner % 2
			return []step{initID(0), initID(1), produceOwner(id, 0), endOwner(id), restore(0)}
		}},
		{"one id fenced only", func(uint8) []step {
			return []step{initID(0), produceOwner(0, 0), endOwner(0), restore(0)}
		}},
		{"first owner record before the second id is fenced", func(uint8) []step {
			return []step{initID(0), produceOwner(0, 0), endOwner(0), initID(1), produceOwner(1, 1), endOwner(1), restore(1)}
		}},
		{"restored before fencing", func(uint8) []step {
			return []step{readAll, initID(0), initID(1), produceOwner(0, 0), endOwner(0), produceOwner(1, 1), endOwner(1)}
		}},
		{"no owner record at all", func(uint8) []step {
			return []step{initID(0), initID(1), readAll}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := explore(c.protocol)
			t.Logf("%d states; first unsafe history:\n%s", got.states, got.trace)
			if got.trace == "" {
				t.Error("the checker found nothing: it is blind")
			}
		})
	}
}
