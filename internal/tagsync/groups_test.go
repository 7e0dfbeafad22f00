package tagsync

import (
	"fmt"
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
