package rongpush

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/notifier/notifier/internal/intent"
)

func TestNewMessage(t *testing.T) {
	m, err := NewMessage("RC:TxtMsg", map[string]string{"content": "您好 <b> \"x\"\n"}, "e")
	if err != nil || m.Content != `{"content":"您好 <b> \"x\"\n","extra":"e"}` {
		t.Errorf("%s, %v", m.Content, err)
	}
	if m, err := NewMessage("app:Coupon", nil, ""); err != nil || m.Content != "{}" {
		t.Errorf("%s, %v", m.Content, err)
	}
	fields := map[string]string{"b": "2", "a": "1"}
	if m, err := NewMessage("app:Coupon", fields, "x"); err != nil || m.Content != `{"a":"1","b":"2","extra":"x"}` || len(fields) != 2 {
		t.Errorf("%s, %v, fields %v", m.Content, err, fields)
	}
	for says, bad := range map[string]map[string]string{
		"content.content": {"extra": "x"}, "given twice": {"content": "x", "extra": "y"}, "UTF-8": {"content": "\xff"},
	} {
		if _, err := NewMessage("RC:TxtMsg", bad, strings.Repeat("e", strings.Count(says, "twice"))); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", bad, err, says)
		}
	}
}

// A rule's texts become what the type wants: numbers, the user object; everything else stays text, in custom types all of it.
func TestTextsBecomeWhatTheTypeWants(t *testing.T) {
	for _, tc := range []struct {
		typ    string
		fields map[string]string
		want   string // the content, or the field that is refused
	}{
		{"RC:HQVCMsg", map[string]string{"remoteUrl": "r", "duration": "12"}, `{"duration":12,"remoteUrl":"r"}`},
		{"RC:HQVCMsg", map[string]string{"remoteUrl": "1", "duration": "0", "extra": "2"}, `{"duration":0,"extra":"2","remoteUrl":"1"}`},
		{"RC:FileMsg", map[string]string{"name": "1", "size": "2", "type": "3", "fileUrl": "4"}, `{"fileUrl":"4","name":"1","size":"2","type":"3"}`},
		{"RC:TxtMsg", map[string]string{"content": "{}", "user": `{"id":"u"}`}, `{"content":"{}","user":{"id":"u"}}`},
		{"app:x", map[string]string{"n": "1", "o": "{}"}, `{"n":"1","o":"{}"}`},
		{"RC:HQVCMsg", map[string]string{"remoteUrl": "r", "duration": "12.5"}, "content.duration"},
		{"RC:HQVCMsg", map[string]string{"remoteUrl": "r", "duration": "long"}, "content.duration"},
		{"RC:HQVCMsg", map[string]string{"remoteUrl": "r", "duration": ""}, "content.duration"},
		{"RC:GIFMsg", map[string]string{"gifDataSize": "1", "width": "-1", "height": "1", "localPath": "l", "remoteUrl": "r"}, "content.width"},
		{"RC:TxtMsg", map[string]string{"content": "x", "user": `{"id":1}`}, "content.user"},
		{"RC:TxtMsg", map[string]string{"content": "x", "user": `{`}, "content.user"},
	} {
		m, err := NewMessage(tc.typ, tc.fields, "")
		got := m.Content
		if bad := Problems(err); len(bad) > 0 {
			got = bad[0].Field
		}
		if got != tc.want {
			t.Errorf("%s %v: %s (%v), want %s", tc.typ, tc.fields, got, err, tc.want)
		}
	}
}

// The number is fixed by the intent for ever: another release must give the same one.
func TestMsgRandom(t *testing.T) {
	if got := MsgRandom("notices/0/1/notice/*"); got != 4984307050311586161 {
		t.Errorf("%d", got)
	}
	seen := make(map[int64]bool)
	for _, id := range ids(1000) {
		n := MsgRandom(intent.ID(id))
		if n < 0 || seen[n] {
			t.Fatalf("%d for %s", n, id)
		}
		seen[n] = true
	}
}

func TestDecodeTags(t *testing.T) {
	r := GetTags{[]string{"u-1", "u-2", "u-3"}}
	got, err := r.Decode([]byte(`{"code":200,"result":{"u-1":["男","bj"],"u-2":[],"u-9":["x"]}}`))
	if d := cmp.Diff(map[string][]string{"u-1": {"bj", "男"}, "u-2": {}, "u-3": {}}, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	for _, bad := range []string{`{"code":200}`, `{"code":200,"result":[]}`, `{"code":200,"result":{"u-1":"bj"}}`, `{`} {
		if got, err := r.Decode([]byte(bad)); err == nil {
			t.Errorf("%s: %v", bad, got)
		}
	}
}

func TestParseReceipt(t *testing.T) {
	got := ParseReceipt([]byte(`{"code":200,"id":"abc","messageUID":"m","messageUIDs":[{"userId":"u-1","messageUID":"m1"},{"userId":"u-2","messageUID":"m2"}]}`))
	if d := cmp.Diff(Receipt{ID: "abc", MessageUID: "m", MessageUIDs: map[string]string{"u-1": "m1", "u-2": "m2"}}, got); d != "" {
		t.Error(d)
	}
	for _, odd := range []string{`{"code":200}`, `{"code":200,"id":7,"messageUIDs":{}}`, `x`, ``} {
		if d := cmp.Diff(Receipt{}, ParseReceipt([]byte(odd))); d != "" {
			t.Errorf("%s: %s", odd, d)
		}
	}
}

// Whatever the vendor writes into an answer, reading it never panics, and an answer about tags names exactly the users asked for.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{`{"code":200}`, `{"code":200,"id":"a","messageUIDs":[{"userId":"u"}]}`, `{"code":200,"result":{"u-1":["a"],"u-2":null}}`, `{"messageUIDs":{}}`, `[`, ``} {
		f.Add([]byte(s))
	}
	r := GetTags{[]string{"u-1", "u-2"}}
	f.Fuzz(func(t *testing.T, answer []byte) {
		ParseReceipt(answer)
		if tags, err := r.Decode(answer); err == nil && (len(tags) != 2 || tags["u-1"] == nil || tags["u-2"] == nil) {
			t.Errorf("%q: %v", answer, tags)
		}
	})
}
