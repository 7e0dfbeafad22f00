package tagsync

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDifferences(t *testing.T) {
	give, take := func(t string) Op { return Op{Tag: t} }, func(t string) Op { return Op{Tag: t, Remove: true} }
	for _, tc := range []struct {
		has, may, want []string
		ops            []Op
	}{
		{nil, nil, nil, nil},
		{nil, nil, []string{"a"}, []Op{give("a")}},
		{[]string{"a", "b"}, nil, []string{"b", "c"}, []Op{give("c"), take("a")}},
		{[]string{"b"}, []string{"a", "b"}, []string{"a", "b"}, []Op{give("a")}}, // not certain: given again
		{[]string{"b"}, []string{"a", "b"}, []string{"b"}, []Op{take("a")}},      // it may be there
	} {
		if got := Differences(tc.has, tc.may, tc.want); !slices.Equal(got, tc.ops) {
			t.Errorf("from %v (%v) to %v: %v, want %v", tc.has, tc.may, tc.want, got, tc.ops)
		}
	}
}

// waits draws a few users with a few ops each.
func drawWaits(t *rapid.T) (waits map[string][]Op, may map[string]bool) {
	waits, may = map[string][]Op{}, map[string]bool{}
	for i := range rapid.IntRange(1, 7).Draw(t, "users") {
		user := fmt.Sprint("u", i)
		may[user] = rapid.IntRange(0, 4).Draw(t, "may") > 0
		waits[user] = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Op {
			return Op{rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "tag"), rapid.Bool().Draw(t, "remove")}
		}), 1, 5, func(op Op) Op { return op }).Draw(t, "ops")
	}
	return waits, may
}

// fewest tries every set of replacements: how many calls the cheapest of them takes, and how few replacements do with that.
func fewest(waits map[string][]Op, may map[string]bool, paid map[Op]bool) (calls, replaced int) {
	var users []string
	for u := range waits {
		users = append(users, u)
	}
	calls = 1 << 20
next:
	for mask := range 1 << len(users) {
		ops, n := map[Op]bool{}, 0
		for i, u := range users {
			if mask>>i&1 == 1 {
				if n++; !may[u] {
					continue next
				}
				continue
			}
			for _, op := range waits[u] {
				if !paid[op] {
					ops[op] = true
				}
			}
		}
		if c := n + len(ops); c < calls || c == calls && n < replaced {
			calls, replaced = c, n
		}
	}
	return calls, replaced
}

func TestTheMixIsTheCheapest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		waits, may := drawWaits(t)
		paid := map[Op]bool{}
		for _, ops := range waits {
			for _, op := range ops {
				paid[op] = paid[op] || rapid.IntRange(0, 6).Draw(t, "paid") == 0
			}
		}
		got := Cheapest(waits, func(u string) bool { return may[u] }, func(op Op) bool { return paid[op] })
		ops := map[Op]bool{}
		for u, needs := range waits {
			if got[u] {
				if !may[u] {
					t.Fatalf("%s must not be replaced", u)
				}
				continue
			}
			for _, op := range needs {
				if !paid[op] {
					ops[op] = true
				}
			}
		}
		calls, replaced := fewest(waits, may, paid)
		if n := len(got) + len(ops); n != calls || len(got) != replaced {
			t.Fatalf("%d calls, %d of them replacements; %d with %d would do\n%v\nmay %v paid %v: %v", n, len(got), calls, replaced, waits, may, paid, got)
		}
	})
}

// Call by call as the planner makes them, the whole takes no more calls than the cheapest mix.
func TestCallByCallItStaysTheCheapest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		waits, may := drawWaits(t)
		want, _ := fewest(waits, may, nil)
		d := NewDiffs(1000)
		for i := range 7 {
			if ops := waits[fmt.Sprint("u", i)]; ops != nil {
				d.Add(fmt.Sprint("u", i), ops, t0.Add(time.Duration(i)), false)
			}
		}
		calls := 0
		for d.Len() > 0 {
			op, user, ok := d.Due(t0.Add(time.Hour))
			if !ok {
				t.Fatal("somebody waits and nothing is due")
			}
			if calls++; d.Replace(user, func(u string) bool { return may[u] }) {
				delete(waits, user)
				d.Remove(user)
				continue
			}
			for _, u := range d.Take(op) {
				waits[u] = slices.DeleteFunc(slices.Clone(waits[u]), func(o Op) bool { return o == op })
				if len(waits[u]) > 0 {
					d.Add(u, waits[u], t0, false)
				}
			}
		}
		if calls != want {
			t.Fatalf("%d calls, %d would do", calls, want)
		}
	})
}

func TestWhoWaitsLongestGoesFirst(t *testing.T) {
	d := NewDiffs(2)
	a, b, c := Op{Tag: "a"}, Op{Tag: "b"}, Op{Tag: "c", Remove: true}
	d.Add("late", []Op{a}, t0, true)
	d.Add("late2", []Op{a}, t0, true)
	d.Add("u1", []Op{b, c}, t0.Add(2*time.Second), false)
	d.Add("u2", []Op{c}, t0.Add(time.Hour), false)
	d.Add("u3", []Op{b}, t0.Add(time.Second), false)
	d.Add("u3", []Op{a}, t0.Add(time.Hour), false) // keeps its deadline
	if at, ok := d.NextDeadline(); !ok || at.After(t0) {
		t.Errorf("next %v %v: an op fills a call", at, ok)
	}
	steps := []struct {
		op    Op
		user  string
		users []string
	}{
		{a, "u3", []string{"late", "late2"}}, // those who came first; two a call
		{a, "u3", []string{"u3"}},
		{c, "u1", []string{"u1", "u2"}}, // for which two wait, not b
	}
	for i, want := range steps {
		op, user, ok := d.Due(t0.Add(3 * time.Second))
		if !ok || op != want.op || user != want.user {
			t.Fatalf("step %d: %v for %q, %v; want %v for %s", i, op, user, ok, want.op, want.user)
		}
		if got := d.Take(op); !slices.Equal(got, want.users) {
			t.Fatalf("step %d took %v, want %v", i, got, want.users)
		}
	}
	if d.Len() != 0 {
		t.Errorf("%d still wait", d.Len())
	}
}

func TestLaterUsersGoLastAndCanBeDropped(t *testing.T) {
	d := NewDiffs(10)
	d.Add("old", []Op{{Tag: "a"}}, t0, true)
	d.Add("new", []Op{{Tag: "b"}}, t0.Add(time.Second), false)
	d.Add("both", []Op{{Tag: "c"}}, t0, true)
	d.Add("both", []Op{{Tag: "d"}}, t0.Add(2*time.Second), false)
	if op, _, _ := d.Due(t0.Add(time.Minute)); op.Tag != "d" {
		t.Errorf("first %v, want that of the ordinary user with the earliest deadline", op)
	}
	d.RemoveLater()
	if d.Waits("old") || !d.Waits("new") || !d.Waits("both") {
		t.Error("the wrong ones were dropped")
	}
}

// Users come again and again without a call: what is kept of them stays bounded by who waits.
func TestComingAgainKeepsNothing(t *testing.T) {
	d := NewDiffs(1000)
	for i := range 10_000 {
		d.Add(fmt.Sprint("u", i%10), []Op{{Tag: "a"}}, t0, false)
	}
	if n := len(d.ops[Op{Tag: "a"}].order); n > 200 {
		t.Errorf("%d entries for 10 users", n)
	}
}

// A row against every set that the vendor may have by now: what is certain is in all of them, what may be there is in one of them or more.
func TestARowHoldsWhatMayBeThere(t *testing.T) {
	tags := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		u, worlds := &User{}, map[string][]string{"": {}}
		for range rapid.IntRange(1, 8).Draw(t, "calls") {
			sure, next := rapid.Bool().Draw(t, "sure"), map[string][]string{}
			if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
				set := rapid.SliceOfNDistinct(rapid.SampledFrom(tags), 0, 3, func(s string) string { return s }).Draw(t, "set")
				slices.Sort(set)
				u.Replaced(set, sure)
				next[Key(set)] = set
			} else {
				op := Op{rapid.SampledFrom(tags).Draw(t, "tag"), rapid.Bool().Draw(t, "remove")}
				u.Changed(op, sure)
				for _, w := range worlds {
					w = slices.DeleteFunc(slices.Clone(w), func(s string) bool { return s == op.Tag })
					if !op.Remove {
						w = append(w, op.Tag)
					}
					slices.Sort(w)
					next[Key(w)] = w
				}
			}
			if !sure {
				for k, w := range worlds {
					next[k] = w
				}
			}
			worlds = next
		}
		may := u.Had
		if may == nil {
			may = u.Acked
		}
		for _, tag := range tags {
			in := 0
			for _, w := range worlds {
				if slices.Contains(w, tag) {
					in++
				}
			}
			if slices.Contains(u.Acked, tag) != (in == len(worlds)) || slices.Contains(may, tag) != (in > 0) {
				t.Fatalf("%s is in %d of %d: certain %v, may be %v", tag, in, len(worlds), u.Acked, u.Had)
			}
		}
	})
}
