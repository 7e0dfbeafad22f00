package intent

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The wire form is what encoding/json makes of an intent, byte for byte. The intents are made by reflection, so that
// a field which the encoder does not know shows.
func TestEncodeIsWhatEncodingJSONMakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := new(Intent)
		fill(t, reflect.ValueOf(in).Elem())
		in.V = Version
		want, wantErr := json.Marshal(in)
		got, err := in.Encode()
		if string(got) != string(want) || (err == nil) != (wantErr == nil) {
			t.Fatalf("got  %s %v\nwant %s %v", got, err, want, wantErr)
		}
		if err != nil {
			return
		}
		back, err := Decode(got)
		if err != nil {
			t.Fatal(err)
		}
		// Once read, an intent is written and read without change.
		b, err := back.AppendJSON([]byte("before "))
		if err != nil || string(b[:7]) != "before " {
			t.Fatalf("appended: %s %v", b, err)
		}
		again, err := Decode(b[7:])
		if diff := cmp.Diff(back, again); err != nil || diff != "" {
			t.Fatalf("%v (-first +again):\n%s", err, diff)
		}
	})
}

var awkwardTexts = []string{"", "a", "o-000000017", "林晓", "<b>&amp;</b>", "\u2028\u2029\u2027", "\xff", "a\xe6\x9e", "\xed\xa0\x80", "\ufffd", "\x00\b\f\n\r\t\x1f\x7f", `"\/`, "😀", "{", "key{"}

// fill draws a value for every field: zero values, nil and empty lists and maps, awkward texts and times.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		zone := rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("", 8*3600), time.FixedZone("", -5*3600-1800), time.FixedZone("", 25*3600)}).Draw(t, "zone")
		v.Set(reflect.ValueOf(rapid.SampledFrom([]time.Time{{}, time.Time{}.In(zone), time.UnixMilli(1795230000123).In(zone), time.Unix(1795230000, 1).UTC(), time.Unix(1795230000, 0).In(zone),
			time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}).Draw(t, "time")))
		return
	case json.RawMessage:
		v.SetBytes(rapid.SampledFrom([][]byte{nil, {}, []byte(`{"a": [1, "<\u2028>"]}`), []byte(`null`), []byte(`{`)}).Draw(t, "raw"))
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

// Every text is read back as encoding/json reads its own.
func TestEncodeReadsBack(t *testing.T) {
	for _, s := range awkwardTexts {
		in := &Intent{V: Version, ID: "t/0/1/r/u", Event: EventRef{ID: s, Time: time.Unix(1795230000, 5).UTC()}, Content: &Content{Body: s, Data: map[string]string{s: s, "k": "v"}},
			Profile: &Profile{Version: 3, Fields: map[string]Value{"f": {Type: "string", Str: s}, "gone": {}, "l": {Type: "list", List: []string{s, "b"}}}}, Merge: &Merge{Key: s, Keep: KeepList, Vars: map[string]any{"v": s, "l": []any{s}}}}
		var want Intent
		b, err := json.Marshal(in)
		if err != nil || json.Unmarshal(b, &want) != nil {
			t.Fatal(err)
		}
		if b, err = in.Encode(); err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%q (-encoding/json +got):\n%s", s, diff)
		}
	}
}

// What older binaries wrote stays readable, and what is newer is refused.
func TestDecodeKeepsToItsVersion(t *testing.T) {
	const old = `{"v":1,"id":"t/0/1/r/u","event":{"id":"e","type":"order","time":"2026-11-21T03:00:00.5Z","topic":"t","partition":0,"offset":1},"rule":"r","rule_set":"h","account":"main","key":"rongcloud:k","target":"u","action":"push","content":{"body":"b"},"policy":{"priority":1}}`
	in, err := Decode([]byte(old))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := in.Encode(); err != nil || string(b) != old {
		t.Errorf("got  %s %v\nwant %s", b, err, old)
	}
	for _, b := range []string{`{"v":2}`, `{"v":0}`, `{}`, `{`, ``} {
		if in, err := Decode([]byte(b)); err == nil {
			t.Errorf("%s: %+v", b, in)
		}
	}
}
