package tagsync

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func TestAGroupLeavesWholeWhenItsOldestDeadlineComes(t *testing.T) {
	g := NewGroups(10)
	g.Add("u1", []string{"a"}, t0.Add(time.Second))
	g.Add("u2", []string{"a"}, t0.Add(5*time.Second))
	g.Add("u3", []string{"b"}, t0.Add(2*time.Second))
	if _, _, ok := g.Due(t0); ok {
		t.Error("nobody is due yet")
	}
	key, n, ok := g.Due(t0.Add(time.Second))
	if !ok || n != 2 || key != Key([]string{"a"}) {
		t.Errorf("due %q %d %v, want both of a", key, n, ok)
	}
	users, set := g.Take(key, 10)
	if !slices.Equal(users, []string{"u1", "u2"}) || !slices.Equal(set, []string{"a"}) {
		t.Errorf("took %v %v", users, set)
	}
	if at, ok := g.NextDeadline(); !ok || !at.Equal(t0.Add(2*time.Second)) {
		t.Errorf("next %v, want u3's", at)
	}
}

func TestAFullGroupLeavesAtOnce(t *testing.T) {
	g := NewGroups(3)
	for i := range 4 {
		g.Add(fmt.Sprint("u", i), []string{"a"}, t0.Add(time.Hour))
	}
	key, n, ok := g.Due(t0)
	if !ok || n != 4 {
		t.Fatalf("due %d %v, want a full group", n, ok)
	}
	if users, _ := g.Take(key, 3); len(users) != 3 {
		t.Errorf("took %v, want 3", users)
	}
	if _, _, ok := g.Due(t0); ok {
		t.Error("the one that is left is not due")
	}
}

func TestAMovedUserKeepsTheEarlierDeadline(t *testing.T) {
	g := NewGroups(10)
	g.Add("u", []string{"a"}, t0.Add(time.Second))
	g.Add("u", []string{"b"}, t0.Add(time.Hour))
	key, _, ok := g.Due(t0.Add(time.Second))
	if !ok || key != Key([]string{"b"}) {
		t.Errorf("due %q %v, want b at the first change's deadline", key, ok)
	}
	g.Remove("u")
	if g.Len() != 0 || g.Waits("u") {
		t.Error("removed, yet it waits")
	}
	if _, ok := g.NextDeadline(); ok {
		t.Error("nobody waits")
	}
}

// Against a plain model: a user waits in at most one group, nobody is taken after the deadline, nobody is lost.
func TestGroupsAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewGroups(rapid.IntRange(2, 5).Draw(t, "max"))
		type wait struct {
			set      string
			deadline time.Time
		}
		model := map[string]wait{}
		now := t0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			u := rapid.SampledFrom([]string{"u1", "u2", "u3", "u4", "u5", "u6"}).Draw(t, "user")
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0, 1:
				set := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "set")
				d := now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "delay")) * time.Second)
				if old, ok := model[u]; ok && old.deadline.Before(d) {
					d = old.deadline
				}
				model[u] = wait{set, d}
				g.Add(u, []string{set}, d)
			case 2:
				delete(model, u)
				g.Remove(u)
			case 3:
				now = now.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "pass")) * time.Second)
				for {
					key, n, ok := g.Due(now)
					if !ok {
						break
					}
					users, set := g.Take(key, g.max)
					if len(users) == 0 || len(users) > n {
						t.Fatalf("took %v of %d", users, n)
					}
					for _, x := range users {
						if model[x].set != set[0] {
							t.Fatalf("%s taken with %v, waits for %q", x, set, model[x].set)
						}
						delete(model, x)
					}
				}
				for x, w := range model {
					if !w.deadline.After(now) {
						t.Fatalf("%s still waits after its deadline", x)
					}
				}
			}
			if g.Len() != len(model) {
				t.Fatalf("%d wait, want %d", g.Len(), len(model))
			}
		}
	})
}

// Many users who come, move and leave against a plain map: the table grows and closes its gaps, slots and ids are used again.
func TestManyUsersAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	g := NewGroups(1 << 30)
	model := map[string]int64{} // user -> deadline
	sets := map[string]string{}
	var came []string // who came, also again, and was not removed since
	user := func() string { return fmt.Sprintf("user-%0*d", 1+r.IntN(30), r.IntN(3000)) }
	for step := range 60_000 {
		u := user()
		if grow := step/10_000%2 == 0; r.IntN(10) < 7 == grow {
			set := fmt.Sprint("set-", r.IntN(50))
			at := t0.Add(time.Duration(r.IntN(1_000_000)) * time.Millisecond)
			if old, ok := model[u]; !ok || at.UnixNano() < old {
				model[u] = at.UnixNano()
			}
			sets[u] = set
			came = append(came, u)
			g.Add(u, []string{set}, at)
		} else {
			if i := r.IntN(len(came) + 1); i < len(came) { // else somebody who may not be here
				u, came[i] = came[i], came[len(came)-1]
				came = came[:len(came)-1]
			}
			g.Remove(u)
			delete(model, u)
			delete(sets, u)
		}
		if g.Len() != len(model) || g.Waits(u) != (sets[u] != "") {
			t.Fatalf("step %d: %d wait, want %d; %s waits: %t", step, g.Len(), len(model), u, g.Waits(u))
		}
		if step%5000 != 0 {
			continue
		}
		for x := range model {
			if !g.Waits(x) {
				t.Fatalf("step %d: %s waits no longer", step, x)
			}
		}
		if w := &g.waiting; len(w.texts)*textPiece > 4*(w.live+2*textPiece) {
			t.Fatalf("step %d: %d pieces for ids of %d bytes", step, len(w.texts), w.live)
		}
	}
	last := int64(0)
	for len(model) > 0 {
		at, ok := g.NextDeadline()
		if !ok || at.UnixNano() < last {
			t.Fatalf("%d wait still, next %v %t", len(model), at, ok)
		}
		last = at.UnixNano()
		key, _, _ := g.Due(at)
		users, set := g.Take(key, 7)
		for _, u := range users {
			if sets[u] != set[0] {
				t.Fatalf("%s leaves for %q, waits for %s", u, set, sets[u])
			}
			delete(model, u)
		}
		if len(users) == 0 {
			t.Fatalf("nobody leaves of %q", key)
		}
	}
	if _, ok := g.NextDeadline(); ok || g.Len() != 0 || len(g.groups) != 0 || len(g.waiting.slots) > 0 {
		t.Errorf("%d wait in %d groups, %d pieces of slots are kept", g.Len(), len(g.groups), len(g.waiting.slots))
	}
}
