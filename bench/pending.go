package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/tagsync"
)

// pendingSets is how many tag sets the pending users wait for.
const pendingSets = 500

// pending weighs users who wait for a tag call: in the groups that hold them by set and deadline, and in the actor as a whole, whose
// intents they came by.
func pending(_ context.Context, l *lab) ([]report.Result, error) {
	users := l.size(1_000_000, 50_000)
	var bytes, cycle, without []float64
	for round := range l.rounds {
		without = append(without, collection())
		before := heap()
		g := waiting(users, uint64(round))
		bytes = append(bytes, (float64(heap())-float64(before))/float64(users))
		cycle = append(cycle, collection())
		if err := leave(g, users, uint64(round)); err != nil {
			return nil, err
		}
	}
	detail := fmt.Sprintf("%d users, ids of 16 bytes, %d tag sets, deadline order included; checked: every user leaves once, for the set they wait for and not after their deadline", users, pendingSets)
	a, err := report.New("pending", "heap a user who waits for a tag call, after GC; the groups by set and deadline", "bytes", "in process", bytes,
		report.Goals{First: 160, Goal: 64, Moonshot: 48, Less: true}, detail)
	if err != nil {
		return nil, err
	}
	b, err := report.New("pending-gc", "a full collection while they wait", "ms", "in process", cycle, report.Goals{First: 25, Goal: 3, Moonshot: 1, Less: true},
		fmt.Sprintf("%.2f ms without them; %s", report.Median(without), detail))
	if err != nil {
		return nil, err
	}
	c, err := l.pendingHeld()
	return []report.Result{a, b, c}, err
}

// collection is the least time of a full collection of a few, in ms.
func collection() float64 {
	least := time.Hour
	for range 5 {
		began := time.Now()
		runtime.GC()
		least = min(least, time.Since(began))
	}
	return float64(least.Nanoseconds()) / 1e6
}

// pendingUser is the i-th user: where an id of 16 bytes, a set and a deadline come from.
type pendingUser struct {
	id  string
	set string
	due time.Duration // deadline, within a minute
}

// pendingUsers draws the same users for a seed, in the order in which they come.
func pendingUsers(n int, seed uint64) func(yield func(pendingUser) bool) {
	return func(yield func(pendingUser) bool) {
		r := rand.New(rand.NewPCG(seed, 5))
		for i := range n {
			if !yield(pendingUser{fmt.Sprintf("u-%014d", i), setName(r.IntN(pendingSets)), time.Duration(i) * time.Minute / time.Duration(n)}) {
				return
			}
		}
	}
}

var pendingFrom = time.Unix(1_700_000_000, 0)

// waiting are groups in which all users wait. A call holds more than all, so that no group leaves because it is full.
func waiting(n int, seed uint64) *tagsync.Groups {
	g := tagsync.NewGroups(n + 1)
	for u := range pendingUsers(n, seed) {
		g.Add(u.id, []string{u.set}, pendingFrom.Add(u.due))
	}
	return g
}

// leave lets all users leave and checks them against what was drawn.
func leave(g *tagsync.Groups, n int, seed uint64) error {
	left := map[string]string{} // user -> set
	at := pendingFrom
	first := map[string]time.Duration{}
	for u := range pendingUsers(n, seed) {
		if _, ok := first[u.set]; !ok {
			first[u.set] = u.due
		}
	}
	for {
		next, ok := g.NextDeadline()
		if !ok {
			break
		}
		if next.Before(at) {
			return fmt.Errorf("a deadline at %s after one at %s", next, at)
		}
		at = next
		key, size, ok := g.Due(at)
		if !ok {
			return fmt.Errorf("nobody is due at the deadline %s", at)
		}
		list, set := g.Take(key, rongpush.MaxBatchUsers)
		if len(set) != 1 || (len(list) != min(size, rongpush.MaxBatchUsers)) {
			return fmt.Errorf("%d users of %d leave for %q", len(list), size, set)
		}
		for _, user := range list {
			if _, twice := left[user]; twice {
				return fmt.Errorf("user %s leaves twice", user)
			}
			left[user] = set[0]
		}
	}
	for u := range pendingUsers(n, seed) {
		if left[u.id] != u.set {
			return fmt.Errorf("user %s left for %q, waits for %s", u.id, left[u.id], u.set)
		}
		delete(left, u.id)
	}
	if len(left) != 0 || g.Len() != 0 {
		return fmt.Errorf("%d users more left, %d wait still", len(left), g.Len())
	}
	return nil
}

// pendingHeld weighs what an actor holds for profile events that wait: intent, indexes and timers, and the user's row, whose bytes the
// table bench gives.
func (l *lab) pendingHeld() (report.Result, error) {
	users := l.size(100_000, 5_000)
	set, err := load.Load(1)
	if err != nil {
		return report.Result{}, err
	}
	table := app.AnyBench(set, func() dispatch.Rules { return set })
	var rounds []float64
	held := 0
	for range l.rounds {
		before := heap()
		m := dispatch.NewModel(table.Options, dispatch.ModelEnd{}, pendingFrom)
		for i := range users {
			user, b := load.Profile(1, i, pendingFrom.UnixMilli())
			in, err := taken(set, b, i)
			if err != nil {
				return report.Result{}, fmt.Errorf("user %s: %w", user, err)
			}
			in.Key = table.Identities["main"]
			m.Take(in)
		}
		if held = m.Pending(); held < users/2 {
			return report.Result{}, fmt.Errorf("%d of %d users wait", held, users)
		}
		rounds = append(rounds, (float64(heap())-float64(before))/float64(held))
		seen := map[string]bool{}
		m.Each(func(in *intent.Intent, _ string) { seen[in.Target] = true })
		if len(seen) != held {
			return report.Result{}, fmt.Errorf("%d users in %d pending intents", len(seen), held)
		}
		m.Advance(pendingFrom.Add(time.Minute))
		if n := m.Pending(); n != 0 {
			return report.Result{}, fmt.Errorf("%d users wait after a minute", n)
		}
		if tags := m.Tags(table.Identities["main"], "u-000000"); !slices.IsSorted(tags) || len(tags) != 2 {
			return report.Result{}, fmt.Errorf("the vendor has %q of the first user", tags)
		}
		fmt.Fprintf(os.Stderr, "   %d of %d users wait, %.0f bytes each\n", held, users, rounds[len(rounds)-1])
	}
	return report.New("pending-held", fmt.Sprintf("heap of an actor a user who waits, %d users with 5 short fields, after GC", users), "bytes", "in process", rounds, report.Goals{},
		fmt.Sprintf("%d wait at last, the others' tags are sent; intents, indexes, timers, rows and what is remembered against duplicates; checked: all leave within a minute of the actor's time", held))
}

// taken is a profile event's intent as stage 2 reads it.
func taken(set *rules.Set, value []byte, offset int) (*intent.Intent, error) {
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: load.ProfileTopic, Offset: int64(offset)}, Value: value, Time: pendingFrom})
	if err != nil || len(evs) != 1 {
		return nil, fmt.Errorf("%d events, %w", len(evs), err)
	}
	ins := set.Evaluate(&evs[0])
	if len(ins) != 1 {
		return nil, fmt.Errorf("%d intents", len(ins))
	}
	b, err := ins[0].Encode()
	if err != nil {
		return nil, err
	}
	return intent.Decode(b)
}
