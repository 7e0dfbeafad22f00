package ledger

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// samplePendings are records with every part there is.
func samplePendings() []*Pending {
	at := time.Date(2026, 11, 21, 3, 0, 0, 5_000_000, time.UTC)
	in := func() *intent.Intent {
		ev := intent.EventRef{ID: "e", Type: "order", Time: at, Topic: "t", Partition: 1, Offset: 7}
		return &intent.Intent{V: intent.Version, ID: intent.MakeID(event.Position{Topic: "t", Partition: 1, Offset: 7}, "r", "u"), Event: ev, Rule: "r", RuleSet: "s", Account: "main",
			Key: "rongcloud:k", Target: "u", Action: intent.Push, Content: &intent.Content{Title: "题", Body: "b"}, Policy: intent.Policy{Expire: at.Add(time.Hour)}}
	}
	tags := in()
	tags.Rule, tags.Action, tags.Content = "tags", intent.Tags, nil
	tags.ID = intent.MakeID(tags.Position(), "tags", "u")
	tags.Profile = &intent.Profile{Version: 3, Fields: map[string]intent.Value{"city": {Type: event.String, Str: "北京"}, "gone": {}}}
	return []*Pending{
		{Intent: in(), Seq: 1 << 40, At: at},
		{Intent: tags, At: at, Stray: true},
		{Intent: in(), At: at, LeavesAt: at.Add(time.Minute), Extended: 4, Made: "m",
			Merged: &Merged{Count: 3, Items: []map[string]any{{"a": "1"}, {"a": []any{"x", "y"}}}, Bytes: 20, Closes: at}, Approval: &Approval{}},
	}
}

// A record says what its JSON said, and is smaller.
func TestAPendingRecordIsWhatItsJSONWas(t *testing.T) {
	for i, p := range samplePendings() {
		b, err := encode(p)
		if err != nil {
			t.Fatal(err)
		}
		asJSON := record(t, p)
		if b[0] != pendingBinary || len(b) >= len(asJSON) {
			t.Errorf("%d: %d bytes beginning with %d, JSON has %d", i, len(b), b[0], len(asJSON))
		}
		st := NewState()
		if err := st.Apply(PendingKey("binary"), b); err != nil {
			t.Fatal(err)
		}
		if err := st.Apply(PendingKey("json"), asJSON); err != nil { // as older releases wrote it
			t.Fatal(err)
		}
		if diff := cmp.Diff(st.Pending["json"], st.Pending["binary"]); diff != "" {
			t.Errorf("%d (-JSON, +binary):\n%s", i, diff)
		}
		if diff := cmp.Diff(string(asJSON), string(record(t, st.Pending["binary"]))); diff != "" {
			t.Errorf("%d (-written, +read):\n%s", i, diff)
		}
		for n := 1; n < len(b); n++ {
			if st.Apply(PendingKey("cut"), b[:n]) == nil {
				t.Errorf("%d: the first %d of %d bytes are read as a record", i, n, len(b))
			}
		}
		if err := st.Apply(PendingKey("binary"), nil); err != nil || st.Pending["binary"] != nil {
			t.Errorf("%d: %v, it is still there", i, err)
		}
	}
}

// What a newer release wrote is refused as such, in either of the two versions.
func TestANewerPendingRecordIsRefused(t *testing.T) {
	b, err := encode(samplePendings()[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]int{"record": 0, "intent": 2} {
		newer := append([]byte(nil), b...)
		if at > 0 && newer[at] > intent.Version {
			t.Fatalf("no intent begins at %d of %x", at, newer)
		}
		newer[at] = 9
		if err := NewState().Apply(PendingKey("x"), newer); !errors.Is(err, ErrNewer) {
			t.Errorf("%s: %v, want that a newer release wrote it", name, err)
		}
	}
}

func TestOtherRecordsStayJSON(t *testing.T) {
	b, err := encode(Owner{V: Version, Nonce: "n"})
	if err != nil || !json.Valid(b) {
		t.Errorf("%s %v", b, err)
	}
}
