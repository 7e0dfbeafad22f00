package intent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// What is read is what was written, by the word of encoding/json. The intents are made by reflection, so that a field which the
// wire form does not know shows.
func TestDecodeGivesWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := new(Intent)
		fill(t, reflect.ValueOf(in).Elem())
		in.V = Version
		in.ID += "x" // there is no intent without an id
		if in.Profile != nil && in.Profile.Fields == nil {
			in.Profile.Fields = map[string]Value{} // read as empty
		}
		if c := in.Content; c != nil && c.Message != nil && len(c.Message.Content) == 0 {
			c.Message.Content = nil // read as none
		}
		before := []byte("before ")
		b, err := in.Append(before)
		if err != nil || string(b[:7]) != "before " {
			t.Fatalf("appended: %s %v", b, err)
		}
		alone, err := in.Encode()
		if err != nil || !bytes.Equal(alone, b[7:]) {
			t.Fatalf("%v; encoded %x, appended %x", err, alone, b[7:])
		}
		got, err := Decode(alone)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(spoken(t, in), spoken(t, got)); diff != "" {
			t.Fatalf("(-written +read):\n%s", diff)
		}
	})
}

// spoken is an intent as JSON that was read once: what omitempty does not tell apart is the same then.
func spoken(t *rapid.T, in *Intent) string {
	var once Intent
	b, err := json.Marshal(in)
	if err != nil || json.Unmarshal(b, &once) != nil {
		t.Fatalf("%s %v", b, err)
	}
	if b, err = json.Marshal(&once); err != nil {
		t.Fatal(err)
	}
	if in.Content == nil {
		return string(b)
	}
	return fmt.Sprintf("%s personal %q", b, in.Content.Personal)
}

// An id is written only where its parts do not give it.
func TestAnIDIsNotWrittenTwice(t *testing.T) {
	in := &Intent{Event: EventRef{ID: "e", Topic: "shop.orders", Partition: 4, Offset: 991823}, Rule: "vip-thanks", Target: "u-77"}
	in.ID = MakeID(in.Position(), in.Rule, in.Target)
	for _, id := range []ID{in.ID, in.ID + "#2"} {
		in.ID = id
		b, err := in.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(b, []byte(id)); got != strings.HasSuffix(string(id), "#2") {
			t.Errorf("%s stands in its wire form: %t", id, got)
		}
		if back, err := Decode(b); err != nil || back.ID != id {
			t.Errorf("read as %s, %v; want %s", back.ID, err, id)
		}
	}
}

var awkwardTexts = []string{"", "a", "o-000000017", "林晓", "<b>&amp;</b>", "\u2028\u2029\u2027", "\xff", "a\xe6\x9e", "\xed\xa0\x80", "\ufffd", "\x00\b\f\n\r\t\x1f\x7f", `"\/`, "😀", "{", "key{"}

// fill draws a value for every field: zero values, nil and empty lists and maps, awkward texts and times.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(rapid.SampledFrom([]time.Time{{}, time.UnixMilli(1795230000123).UTC(), time.Unix(1795230000, 1).UTC(), time.Unix(0, 0).UTC(),
			time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)}).Draw(t, "time")))
		return
	case json.RawMessage:
		v.SetBytes(rapid.SampledFrom([][]byte{nil, {}, []byte(`{"a": [1, "<\u2028>"]}`), []byte(`null`)}).Draw(t, "raw"))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Slice:
		if n := rapid.IntRange(-1, 2).Draw(t, "items"); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, v.Index(i))
			}
		}
	case reflect.Map:
		if n := rapid.IntRange(-1, 3).Draw(t, "members"); n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				fill(t, key)
				fill(t, value)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(rapid.SampledFrom([]any{"x", "<\xff", []any{"a", "\u2028", "b"}, []any{}, []any(nil), 1.5, true, []any{nil, 2.0}, map[string]any{"b": "<", "a": nil}}).Draw(t, "any")))
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.SampledFrom(awkwardTexts), rapid.String()).Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int8, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.SampledFrom([]int64{0, 1, -1, 127, 1 << 30, -1 << 62}).Draw(t, "int"))
	case reflect.Uint8:
		v.SetUint(rapid.SampledFrom([]uint64{0, 1, 255}).Draw(t, "uint"))
	default:
		t.Fatalf("no way to make a %s: teach fill and the encoder", v.Type())
	}
}

// What older binaries wrote stays readable, and what is newer is refused.
func TestDecodeKeepsToItsVersion(t *testing.T) {
	const old = `{"v":1,"id":"t/0/1/r/u","event":{"id":"e","type":"order","time":"2026-11-21T03:00:00.5Z","topic":"t","partition":0,"offset":1},"rule":"r","rule_set":"h","account":"main","key":"rongcloud:k","target":"u","action":"push","content":{"body":"b"},"policy":{"priority":1}}`
	want := &Intent{V: 1, ID: "t/0/1/r/u", Event: EventRef{ID: "e", Type: "order", Time: time.Date(2026, 11, 21, 3, 0, 0, 5e8, time.UTC), Topic: "t", Offset: 1}, Rule: "r", RuleSet: "h",
		Account: "main", Key: "rongcloud:k", Target: "u", Action: Push, Content: &Content{Body: "b"}, Policy: Policy{Priority: High}}
	in, err := Decode([]byte(old))
	if diff := cmp.Diff(want, in); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, b := range []string{`{"v":2}`, `{"v":0}`, `{}`, `{`, ``, "\x01", "\x04", "\x00"} {
		if in, err := Decode([]byte(b)); err == nil || errors.Is(err, ErrNewer) != (b == "\x04") {
			t.Errorf("%q: %+v, %v", b, in, err)
		}
	}
	now, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	was := append([]byte{versionBinary}, now[1:]...) // the same fields, before there were those of version 3
	want.V = versionBinary
	if in, err := Decode(was); err != nil || !cmp.Equal(want, in) {
		t.Errorf("version 2: %+v, %v", in, err)
	}
}

// What the release before wrote waits in the topic over an upgrade.
func TestDecodeReadsTheVersionBefore(t *testing.T) {
	b, err := (&Intent{Rule: "r", Target: "u"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	b[0] = versionBinary
	if in, err := Decode(b); err != nil || in.Rule != "r" || in.Revision != "" {
		t.Errorf("%+v, %v", in, err)
	}
}

// A field that this release does not know is passed over, one of another shape is not.
func TestDecodePassesOverUnknownFields(t *testing.T) {
	b, err := (&Intent{Rule: "r"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, unknown := range [][]byte{protowire.AppendVarint(protowire.AppendTag(nil, 900, protowire.VarintType), 7), protowire.AppendString(protowire.AppendTag(nil, 901, protowire.BytesType), "x"),
		protowire.AppendFixed64(protowire.AppendTag(nil, 902, protowire.Fixed64Type), 7)} {
		if in, err := Decode(slices.Concat(b, unknown)); err != nil || in.Rule != "r" {
			t.Errorf("%x: %v", unknown, err)
		}
	}
	for _, bad := range [][]byte{protowire.AppendVarint(protowire.AppendTag(nil, protowire.Number(fRule), protowire.VarintType), 7), protowire.AppendString(protowire.AppendTag(nil, protowire.Number(fShadow), protowire.BytesType), "x"),
		protowire.AppendVarint(protowire.AppendTag(nil, protowire.Number(fContent), protowire.VarintType), 7), b[1 : len(b)-1]} {
		if in, err := Decode(slices.Concat(b, bad)); err == nil {
			t.Errorf("%x is read as %+v", bad, in)
		}
	}
}

func FuzzDecodeIntent(f *testing.F) {
	for _, in := range []*Intent{{}, {Rule: "r", Content: &Content{Body: "b", Data: map[string]string{"k": "v"}}, Merge: &Merge{Vars: map[string]any{"a": []any{"x"}, "b": "y"}}},
		{Profile: &Profile{Fields: map[string]Value{"city": {Type: "string", Str: "北京"}}}, Policy: Policy{PerUser: []Cap{{N: 1}}, Quiet: []Quiet{{From: 1}}, Approval: &Approval{People: 1}}}} {
		b, err := in.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := Decode(b)
		if err != nil {
			return
		}
		again, err := in.Encode()
		if err != nil {
			return // JSON of no value of ours
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatalf("%x is read, %x that is written of it is not: %v", b, again, err)
		}
		if in.V = Version; !cmp.Equal(in, back, cmpopts.EquateEmpty()) {
			t.Fatalf("%x (-first +again):\n%s", b, cmp.Diff(in, back, cmpopts.EquateEmpty()))
		}
	})
}
