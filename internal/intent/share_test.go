package intent

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What Split divides is whole again when it was read, whatever the fields hold; and two intents of one rule share all but what is their own.
func TestWhatIsSplitIsWholeAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := new(Intent)
		fill(t, reflect.ValueOf(in).Elem())
		if rapid.Bool().Draw(t, "as made") {
			in.ID = MakeID(in.Position(), in.Rule, in.Target)
		} else {
			in.ID += "x"
		}
		b, err := in.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if want.Profile != nil && len(want.Profile.Fields) == 0 {
			want.Profile.Fields = nil
		}
		var h, h2 Halves
		h.Split(in)
		if b, err = h.Shared.Encode(); err != nil {
			t.Fatal(err)
		}
		common, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		before := spoken(t, common)
		if b, err = h.Own.Encode(); err != nil {
			t.Fatal(err)
		}
		got, err := DecodeOwn(common, b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(spoken(t, want), spoken(t, got)); diff != "" {
			t.Fatalf("(-whole +split):\n%s", diff)
		}
		if diff := cmp.Diff(before, spoken(t, common)); diff != "" {
			t.Fatalf("what is shared has changed:\n%s", diff)
		}
		other := *in
		other.Target += "y"
		other.ID = MakeID(other.Position(), other.Rule, other.Target)
		other.Event.ID, other.Event.Offset = "another", 77
		if other.Content != nil && other.Merge == nil {
			c := *other.Content
			c.Title, c.Body, c.Link = "another", "text", "here"
			other.Content = &c
		}
		h2.Split(&other)
		if diff := cmp.Diff(spoken(t, &h.Shared), spoken(t, &h2.Shared)); diff != "" {
			t.Fatalf("another intent of the rule shares something else:\n%s", diff)
		}
	})
}
