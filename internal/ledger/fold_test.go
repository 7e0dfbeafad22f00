package ledger

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

func record(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFold(t *testing.T) {
	in := &intent.Intent{V: 1, ID: intent.MakeID(event.Position{Topic: "t", Partition: 1, Offset: 2}, "r", "u/1"), Target: "u/1"}
	st := NewState()
	for _, kv := range []struct {
		key   string
		value []byte
	}{
		{"g", record(t, Genesis{V: 1, Partitions: 4})},
		{"o", record(t, Owner{V: 1, Nonce: "n"})},
		{"s", record(t, Position{Next: 7, Intents: 1})},
		{PendingKey(string(in.ID)), record(t, Pending{Intent: in, Seq: 6})},
		{AttemptKey("a-0-1"), record(t, Attempt{ID: "a-0-1", State: Started})},
		{UserKey("rongcloud:k", "u1"), []byte(`{"acked":["a"]}`)},
		{SeenKey("h"), record(t, Seen{Until: time.Unix(1, 0)})},
		{PauseKey("rule/x"), record(t, Pause{By: "me"})},
		{KillKey("y"), record(t, Kill{By: "li"})},
		{KillKey("z"), record(t, Kill{By: "li"})},
		{KillKey("z"), nil},
		{ExtendKey("y"), record(t, Extension{Mark: 4, Before: 9, For: time.Hour})},
		{ExtendKey("z"), record(t, Extension{Mark: 5})},
		{ExtendKey("z"), nil},
		{LaneKey("rongcloud:k", "tag"), record(t, LaneState{Reason: "credentials"})},
		{TagChangeKey("rongcloud:k"), record(t, TagChange{V: 1, Rules: "h", State: TagsWriting, Part: 2})},
		{CheckKey("rongcloud:k", "c1"), record(t, Check{ID: "c1", Part: 3})},
		{SendsKey("rongcloud:k/x/1h0m0s"), record(t, Sends{Parts: []SendsPart{{At: time.Unix(1, 0), N: 3}}})},
		{OnceKey("rongcloud:k/x/h"), record(t, Once{Until: time.Unix(1, 0)})},
		{TakenKey("rongcloud:k", "rule/x", "u1"), record(t, Taken{At: []time.Time{time.Unix(1, 0)}})},
	} {
		if err := st.Apply(kv.key, kv.value); err != nil {
			t.Fatalf("%s: %v", kv.key, err)
		}
	}
	if st.Genesis.Partitions != 4 || st.Owner.Nonce != "n" || st.Position.Next != 7 || st.Pending[string(in.ID)].Seq != 6 || st.Attempts["a-0-1"].State != Started ||
		st.Users["rongcloud:k"].Get("u1").Acked[0] != "a" || st.Pauses["rule/x"].By != "me" || len(st.Kills) != 1 || st.Kills["y"].By != "li" || st.Lanes["rongcloud:k/tag"].Reason != "credentials" || len(st.Taken["rongcloud:k/rule/x/u1"].At) != 1 || st.Checks["rongcloud:k/c1"].Part != 3 ||
		st.Sends["rongcloud:k/x/1h0m0s"].Parts[0].N != 3 || !st.Once["rongcloud:k/x/h"].Until.Equal(time.Unix(1, 0)) {
		t.Errorf("state %+v", st)
	}
	if c := st.Changes["rongcloud:k"]; c == nil || c.Rules != "h" || c.State != TagsWriting || c.Part != 2 {
		t.Errorf("change of tags %+v", c)
	}
	if len(st.Extends) != 1 || st.Extends["y"].Mark != 4 || st.Extends["y"].For != time.Hour {
		t.Errorf("extensions %+v", st.Extends)
	}
	if !st.Balanced() {
		t.Error("one intent taken in, one pending: the books balance")
	}
	if err := st.Apply(PendingKey(string(in.ID)), nil); err != nil {
		t.Fatal(err)
	}
	if len(st.Pending) != 0 || st.Balanced() {
		t.Error("a tombstone removes, and a removal without a fate unbalances the books")
	}
}

// A set that was acknowledged as empty is not a set that nobody knows.
func TestAcknowledgedEmptySetSurvives(t *testing.T) {
	st := NewState()
	for user, value := range map[string]string{"a": `{"acked":[]}`, "b": `{"acked":null}`} {
		if err := st.Apply(UserKey("k", user), []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if st.Users["k"].Get("a").Acked == nil || st.Users["k"].Get("b").Acked != nil {
		t.Errorf("a %v, b %v", st.Users["k"].Get("a").Acked, st.Users["k"].Get("b").Acked)
	}
	b, err := json.Marshal(st.Users["k"].Get("a"))
	if err != nil || !json.Valid(b) || string(b) == "" {
		t.Fatal(err)
	}
	again := NewState()
	if err := again.Apply(UserKey("k", "a"), b); err != nil || again.Users["k"].Get("a").Acked == nil {
		t.Errorf("written as %s it reads as unknown", b)
	}
}

// What this release cannot read it must not act on.
func TestNewerOrBrokenRecordsAreRefused(t *testing.T) {
	for key, value := range map[string]string{"g": `{"v":2}`, "o": `{"v":99}`, "z/what": `{}`, "p/x": `{"intent":`, "s": `[]`} {
		if err := NewState().Apply(key, []byte(value)); err == nil {
			t.Errorf("%s %s was taken", key, value)
		}
	}
	for key, value := range map[string]string{"o": `{"v":2}`, "a/x": `{"v":2,"state":"started"}`, "a/y": `{"v":1,"state":"perhaps"}`} {
		if err := NewState().Apply(key, []byte(value)); !errors.Is(err, ErrNewer) {
			t.Errorf("%s %s: %v, want ErrNewer", key, value, err)
		}
	}
	// Of each kind, whatever form the newer record has; and a kind that this release does not know.
	for _, key := range []string{"g", "o", "s", "p/x", "a/x", "u/acc/x", "c/x", "w/x", "n/x", "d/x", "x/x", "k/x", "e/x", "l/x", "v/x", "tc/x", "zz/x"} {
		if err := NewState().Apply(key, []byte(`{"v":2,"all":["is","other"]}`)); !errors.Is(err, ErrNewer) {
			t.Errorf("%s of version 2: %v, want ErrNewer", key, err)
		}
	}
	for _, value := range []string{`{"v":1,"id":"x","state":"ok"}`, `{"id":"x","state":"ok"}`} {
		if err := NewState().Apply("a/x", []byte(value)); err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("p/x", []byte(`{"intent":{"id":"x"}}`))
	for _, p := range samplePendings() {
		b, err := p.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add("p/x", b)
	}
	f.Add("u/k/u", []byte(`{"f":{"a":{"ver":1}},"acked":null}`))
	f.Add("s", []byte(`{"next":-1}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		st := NewState()
		if st.Apply(key, value) == nil && value != nil {
			_ = st.Balanced()
		}
	})
}
