package tagsync

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// someone is a random row; small numbers of everything, and now and then the largest.
func someone(r *rand.Rand) *User {
	number := func() int64 {
		return []int64{0, -1, 1, r.Int64N(1000), math.MaxInt64, math.MinInt64, 1_764_000_000_000_000 + r.Int64N(1e9), math.MinInt64 + r.Int64N(9)}[r.IntN(8)]
	}
	text := func() string {
		return []string{"", "bj", "北京", "\x00\xff", fmt.Sprint(r.Int64()), string(make([]byte, 300))}[r.IntN(6)]
	}
	texts := func() []string {
		if r.IntN(4) == 0 {
			return nil
		}
		out := make([]string, r.IntN(4))
		for i := range out {
			out[i] = text()
		}
		return out
	}
	u := &User{Acked: texts(), Had: texts(), Foreign: texts(), May: texts(), Gone: r.IntN(5) == 0, Anew: r.IntN(5) == 0}
	if r.IntN(3) == 0 {
		u.RewriteAt = time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC()
	}
	if r.IntN(3) == 0 {
		u.SetAt = time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC()
	}
	shared := stamp{number(), number()}
	for range r.IntN(7) {
		s := shared
		if r.IntN(3) == 0 {
			s = stamp{number(), number()}
		}
		v := intent.Value{Type: []event.Type{"", "string", "number", "strings"}[r.IntN(4)], Str: text()}
		if list := texts(); len(list) > 0 {
			v.List = list
		}
		if u.Fields == nil {
			u.Fields = map[string]Field{}
		}
		u.Fields[text()] = Field{Value: v, Version: s.version, Offset: s.offset}
	}
	return u
}

// A table gives back what was put and what users wait with, whatever came between: held to plain maps.
func TestATableIsAMapOfRows(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		table, plain, waits := NewTable(), map[string]*User{}, map[string]string{}
		for i := range 200 {
			user := fmt.Sprint("u", r.IntN(50))
			switch r.IntN(8) {
			case 0:
				table.Delete(user)
				delete(plain, user)
				delete(waits, user)
			case 1, 2:
				with := string(make([]byte, r.IntN(200))) + fmt.Sprint(i)
				if known := plain[user] != nil; table.Wait(user, []byte(with)) != known {
					t.Fatalf("seed %d, step %d: a user waits, who is known: %v", seed, i, known)
				} else if known {
					waits[user] = with
				}
			case 3:
				table.Release(user)
				delete(waits, user)
			default:
				u := someone(r)
				table.Put(user, u)
				plain[user] = u
			}
			if user := fmt.Sprint("u", r.IntN(50)); !cmp.Equal(plain[user], table.Get(user)) {
				t.Fatalf("seed %d, step %d (-put +got):\n%s", seed, i, cmp.Diff(plain[user], table.Get(user)))
			}
			if with, ok := table.Waits(user); with != waits[user] || ok != (waits[user] != "") {
				t.Fatalf("seed %d, step %d: %s waits with %q, %v, want %q", seed, i, user, with, ok, waits[user])
			}
		}
		users := slices.Sorted(table.Users())
		if table.Len() != len(plain) || len(users) != len(plain) {
			t.Fatalf("seed %d: %d rows, %d ids, want %d", seed, table.Len(), len(users), len(plain))
		}
		if who, want := slices.Sorted(table.WhoWaits()), slices.Sorted(maps.Keys(waits)); !slices.Equal(who, want) || table.Waiting() != len(want) {
			t.Fatalf("seed %d: %v wait, counted %d, want %v", seed, who, table.Waiting(), want)
		}
		if with, want := slices.Sorted(table.AllThatWaits()), slices.Sorted(maps.Values(waits)); !slices.Equal(with, want) {
			t.Fatalf("seed %d: they wait with %q, want %q", seed, with, want)
		}
		for user, u := range plain {
			if diff := cmp.Diff(u, table.Get(user), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("seed %d (-put +got):\n%s", seed, diff)
			}
		}
	}
}

func TestWordsBeyondTheBoundAreWrittenOut(t *testing.T) {
	table := NewTable()
	for i := range maxWords + 10 {
		table.Put(fmt.Sprint(i), &User{Acked: []string{fmt.Sprint("tag", i)}})
	}
	if len(table.words) != maxWords || len(table.wordNo) != maxWords {
		t.Errorf("%d words, %d in the index", len(table.words), len(table.wordNo))
	}
	for _, i := range []int{0, maxWords - 1, maxWords, maxWords + 9} {
		if u := table.Get(fmt.Sprint(i)); len(u.Acked) != 1 || u.Acked[0] != fmt.Sprint("tag", i) {
			t.Errorf("user %d has %q", i, u.Acked)
		}
	}
}

// Who stays while others come, go and are changed is seen once, wherever the walk began; many users, so that the index grows and shrinks.
func TestAWalkSeesWhoStaysOnce(t *testing.T) {
	table := NewTable()
	const n = 3000
	for i := range n {
		table.Put(fmt.Sprint("u", i), &User{})
	}
	seen := map[string]int{}
	step := 0
	for user := range table.Users() {
		seen[user]++
		table.Put(fmt.Sprint("new", step), &User{})
		table.Put("u0", &User{Acked: make([]string, step%7)})
		table.Delete(fmt.Sprint("u", n/2+step))
		step++
	}
	for i := range n / 2 {
		if user := fmt.Sprint("u", i); seen[user] != 1 || table.Get(user) == nil {
			t.Fatalf("%s was seen %d times", user, seen[user])
		}
	}
	for _, user := range slices.Collect(table.Users()) {
		table.Delete(user)
	}
	if table.Len() != 0 || slices.ContainsFunc(table.index.parts[:], func(p []uint32) bool { return p != nil }) {
		t.Errorf("%d users are left, or room of the index", table.Len())
	}
}

// Who comes takes the place of who has gone: a table is as large as it ever had users at a time, and each of them is found.
func TestPlacesInATableAreTakenAgain(t *testing.T) {
	table := NewTable()
	const n = 2000
	r := rand.New(rand.NewPCG(1, 2))
	var here []string
	for i := range 10 * n {
		if len(here) == n {
			k := r.IntN(n)
			table.Delete(here[k])
			if table.Get(here[k]) != nil {
				t.Fatalf("%s is still here", here[k])
			}
			here = slices.Delete(here, k, k+1)
		}
		user := fmt.Sprint("u", i)
		table.Put(user, &User{Acked: []string{user}})
		here = append(here, user)
	}
	if table.used != n || len(table.free) != 0 || len(table.lines) != n/linePiece+1 {
		t.Errorf("%d places for %d users, %d free", table.used, n, len(table.free))
	}
	room := 0
	for _, part := range table.index.parts {
		room += len(part)
	}
	if room > 4*n {
		t.Errorf("%d places in the index", room)
	}
	for _, user := range here {
		if u := table.Get(user); u == nil || u.Acked[0] != user {
			t.Fatalf("%s has %+v", user, u)
		}
	}
}

// Who comes while a table is walked is not waited for: there may always be one more.
func TestAWalkEndsWhileUsersCome(t *testing.T) {
	table := NewTable()
	const n = 10
	for i := range n {
		table.Put(fmt.Sprint("u", i), &User{})
	}
	seen := 0
	for range table.Users() {
		if seen++; seen > n {
			t.Fatalf("%d users were seen of the %d that were here", seen, n)
		}
		table.Put(fmt.Sprint("new", seen), &User{})
	}
	if seen != n {
		t.Errorf("%d users were seen, want %d", seen, n)
	}
}

// A walk begins anywhere: whoever walks a bounded number at a time would otherwise always meet the same users first.
func TestAWalkBeginsAnywhere(t *testing.T) {
	table := NewTable()
	for i := range 1000 {
		table.Put(fmt.Sprint("u", i), &User{})
	}
	first := map[string]bool{}
	for range 50 {
		for user := range table.Users() {
			first[user] = true
			break
		}
	}
	if len(first) < 2 {
		t.Errorf("each of 50 walks begins with %v", first)
	}
}

func TestWhoIsWrittenOnceMoreIsFound(t *testing.T) {
	tb := NewTable()
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	tb.Put("still", &User{Acked: []string{"a"}})
	tb.Put("cleared", &User{Gone: true})
	tb.Put("once more", &User{RewriteAt: at})
	tb.Put("forgotten", &User{Gone: true, RewriteAt: at})
	tb.Wait("forgotten", []byte("something"))
	if got := maps.Collect(tb.Rewrites()); len(got) != 2 || got["once more"] || !got["forgotten"] {
		t.Errorf("%v, want `once more`, which is not gone, and `forgotten`, which is", got)
	}
	for range (*Table)(nil).Rewrites() {
		t.Error("a nil table has somebody")
	}
}

func TestANilTableIsEmpty(t *testing.T) {
	var table *Table
	if table.Get("u") != nil || table.Len() != 0 || len(slices.Collect(table.Users())) != 0 {
		t.Error("a nil table has somebody")
	}
}

// The bound of the whole is in the bench (heap per user); this holds the part that is ours to waste.
func TestARowOfFiveShortFieldsIsSmall(t *testing.T) {
	table := NewTable()
	u := &User{Acked: []string{"city_bj", "level_vip", "new"}, Foreign: []string{}, Fields: map[string]Field{}}
	for name, v := range map[string]string{"city": "beijing", "level": "vip", "lang": "zh", "push_ok": "true", "orders": "42"} {
		u.Fields[name] = Field{Value: intent.Value{Type: "string", Str: v}, Version: 1_764_000_000_000, Offset: 123_456_789}
	}
	table.Put("u", u)
	if n := len(*table.at(table.find("u"))); n > 64 {
		t.Errorf("the row takes %d bytes", n)
	}
}
