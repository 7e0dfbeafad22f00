package ledger

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A packed record is the record that a take-over would read; what nobody holds any more is forgotten.
func TestAPackedRecordIsTheRecord(t *testing.T) {
	k := NewPacker()
	var all []Packed
	for i, p := range samplePendings() {
		b, err := encode(p)
		if err != nil {
			t.Fatal(err)
		}
		want, err := decodePending("x", b)
		if err != nil {
			t.Fatal(err)
		}
		if want.Intent.Profile != nil && len(want.Intent.Profile.Fields) == 0 {
			want.Intent.Profile.Fields = nil
		}
		x, err := k.Pack(p, Packed{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := x.Pending()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d (-read, +unpacked):\n%s", i, diff)
		}
		if x.Shared().Rule != p.Intent.Rule || x.Shared().Target != "" {
			t.Errorf("%d shares %+v", i, x.Shared())
		}
		again, err := k.Pack(got, x)
		if err != nil || again != x {
			t.Errorf("%d: packed again it is another: %v", i, err)
		}
		all = append(all, x)
	}
	if len(k.kinds) != 2 || all[0].kind != all[2].kind || all[0].kind.n != 2 {
		t.Errorf("two rules share %d kinds, two intents of one %d", len(k.kinds), all[0].kind.n)
	}
	changed, err := all[0].Pending()
	if err != nil {
		t.Fatal(err)
	}
	changed.Seq, changed.Intent.Rule = 5, "other"
	x, err := k.Pack(changed, all[0])
	if err != nil || len(k.kinds) != 3 || all[2].kind.n != 1 {
		t.Errorf("%v, %d kinds, %d of the first", err, len(k.kinds), all[2].kind.n)
	}
	for _, x := range []Packed{x, all[1], all[2]} {
		k.Drop(x)
	}
	if len(k.kinds) != 0 {
		t.Errorf("%d kinds of nobody", len(k.kinds))
	}
	if p, err := x.Pending(); err != nil || p.Intent.Rule != "other" { // also what has its fate
		t.Errorf("%+v %v", p, err)
	}
}
