package tagsync

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/notifier/notifier/internal/intent"
)

func val(s string) intent.Value {
	if s == "" {
		return intent.Value{}
	}
	return intent.Value{Type: "string", Str: s}
}

func patch(version int64, kv ...string) *intent.Profile {
	p := &intent.Profile{Version: version, Fields: map[string]intent.Value{}}
	for i := 0; i < len(kv); i += 2 {
		p.Fields[kv[i]] = val(kv[i+1])
	}
	return p
}

func TestAnOlderEventChangesOnlyWhatIsOlder(t *testing.T) {
	u := &User{}
	u.Apply(patch(10, "city", "bj"), 1)
	u.Apply(patch(30, "level", "vip"), 2)
	c := u.Apply(patch(20, "city", "sh", "level", "normal"), 3)
	if c.Stale || !c.Touched {
		t.Errorf("change %+v, want touched: the city is older", c)
	}
	if v, _ := u.Get("city"); v.Str != "sh" {
		t.Errorf("city %q, want sh", v.Str)
	}
	if v, _ := u.Get("level"); v.Str != "vip" {
		t.Errorf("level %q, want vip: its stamp is newer", v.Str)
	}
	if c := u.Apply(patch(5, "city", "gz"), 4); !c.Stale || c.Touched {
		t.Errorf("change %+v, want stale", c)
	}
}

func TestEqualStampsAreDecidedByTheOffset(t *testing.T) {
	u := &User{}
	u.Apply(patch(10, "city", "bj"), 7)
	if c := u.Apply(patch(10, "city", "sh"), 6); !c.Stale {
		t.Error("an earlier offset with the same stamp is stale")
	}
	if u.Apply(patch(10, "city", "sh"), 8); u.Fields["city"].Str != "sh" {
		t.Error("a later offset with the same stamp wins")
	}
}

func TestUnknownIsNotAbsent(t *testing.T) {
	u := &User{}
	u.Apply(patch(1, "city", ""), 1)
	if v, known := u.Get("city"); !known || v.Type != "" {
		t.Errorf("city %+v known %v, want known to be absent", v, known)
	}
	if _, known := u.Get("level"); known {
		t.Error("a field nobody spoke of is unknown")
	}
	if _, known := (*User)(nil).Get("level"); known {
		t.Error("a user nobody spoke of knows nothing")
	}
}

func TestBeforeTellsFirstSightFromChange(t *testing.T) {
	u := &User{}
	first := u.Apply(patch(1, "level", "normal"), 1)
	if _, known := u.Overlay(first.Before)("level"); known {
		t.Error("before the first sight the field was unknown")
	}
	c := u.Apply(patch(2, "level", "vip"), 2)
	if v, known := u.Overlay(c.Before)("level"); !known || v.Str != "normal" {
		t.Errorf("before: %+v known %v, want normal", v, known)
	}
	if c := u.Apply(patch(3, "level", "vip"), 3); len(c.Before) != 0 || !c.Touched {
		t.Errorf("change %+v: the same value is no change, but its stamp is newer", c)
	}
}

func TestGoneClearsWhatIsOlder(t *testing.T) {
	u := &User{}
	u.Apply(patch(10, "city", "bj", "level", "vip"), 1)
	u.Apply(patch(30, "city", "sh"), 2)
	u.Apply(&intent.Profile{Version: 20, Gone: true}, 3)
	if u.Gone || !u.Anew || len(u.Fields) != 1 || u.Fields["city"].Str != "sh" {
		t.Errorf("user %+v, want the city, which is newer than the deletion", u)
	}
	u.Apply(&intent.Profile{Version: 40, Gone: true}, 4)
	if !u.Gone || !u.Anew || len(u.Fields) != 0 {
		t.Errorf("user %+v, want gone", u)
	}
	if u.Apply(patch(50, "city", "gz"), 5); u.Gone {
		t.Error("a user who is spoken of again is there again")
	}
}

// NEWEST-WINS: in whatever order events come, each field ends with the value of its newest stamp.
func TestAnyOrderEndsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type ev struct {
			p   *intent.Profile
			off int64
		}
		n := rapid.IntRange(1, 12).Draw(t, "n")
		var evs []ev
		want := map[string]Field{}
		for i := range n {
			version := rapid.Int64Range(1, 5).Draw(t, "version")
			p := &intent.Profile{Version: version, Fields: map[string]intent.Value{}}
			for _, f := range []string{"a", "b", "c"} {
				if rapid.Bool().Draw(t, "speaks of "+f) {
					p.Fields[f] = val(rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, f))
				}
			}
			e := ev{p, int64(i)}
			evs = append(evs, e)
			for f, v := range p.Fields {
				old, ok := want[f]
				if !ok || version > old.Version || version == old.Version && e.off > old.Offset {
					want[f] = Field{v, version, e.off}
				}
			}
		}
		u := &User{}
		for _, i := range rapid.Permutation(indices(n)).Draw(t, "order") {
			u.Apply(evs[i].p, evs[i].off)
		}
		got := u.Fields
		if got == nil {
			got = map[string]Field{}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return slices.Clip(out)
}
