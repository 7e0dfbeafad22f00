package ledger

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// Who has approved survives the ledger, and what the request says is named by its mark.
func TestApprovalsSurviveTheLedger(t *testing.T) {
	in := &intent.Intent{ID: intent.MakeID(event.Position{Topic: "t"}, "r", "*"), Content: &intent.Content{Title: "a"}, Policy: intent.Policy{Approval: &intent.Approval{People: 2, Within: time.Hour}}}
	now := time.Unix(1000, 0).UTC()
	p := &Pending{Intent: in, Approval: &Approval{Since: now}}
	steps := []struct {
		by       string
		approved bool
	}{{"", false}, {"li", false}, {"wang", true}}
	for _, s := range steps {
		if s.by != "" {
			p.Approval.By = append(p.Approval.By, Consent{By: s.by, At: now})
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		st := NewState()
		if err := st.Apply(PendingKey(string(in.ID)), b); err != nil {
			t.Fatal(err)
		}
		got := st.Pending[string(in.ID)]
		if got.Approved() != s.approved || got.AwaitsApproval() == s.approved || got.Mark() != p.Mark() || s.by != "" && !got.Approval.Has(" "+s.by) {
			t.Errorf("after %q: %s", s.by, b)
		}
	}
	for _, same := range []string{"LI", "li\u200b", "\u2066l\u200di\u2069", "l\u00adi", "li\ufe0f", "\u3164li", "li\u00a0", "L i", "l\u3000i", " l \u2003 i ", "l\u00a0i", "l\u2800i", "l\ti\a"} {
		if !p.Approval.Has(same) {
			t.Errorf("%q is another person than li", same)
		}
	}
	if p.Approval.Has("lí") || p.Approval.Has("") {
		t.Error("another name has approved")
	}
	if Person("\u200b\u2060 ") != "" || Person(" li  wei\u200f") != "liwei" {
		t.Errorf("%q, %q", Person("\u200b\u2060 "), Person(" li  wei\u200f"))
	}
	if end := p.ApprovalEnds(); !end.Equal(now.Add(time.Hour)) {
		t.Errorf("ends at %s", end)
	}
	mark := p.Mark()
	in.Policy.Expire, in.Content = now.Add(time.Minute), &intent.Content{Title: "b"}
	if end := p.ApprovalEnds(); !end.Equal(now.Add(time.Minute)) {
		t.Errorf("a request that expires ends at %s", end)
	}
	if p.Mark() == mark {
		t.Error("another text has the same mark")
	}
	if (&Pending{Intent: in, Merged: &Merged{}, Approval: &Approval{}}).AwaitsApproval() || (&Pending{Intent: in}).AwaitsApproval() {
		t.Error("an open merge does not wait for approval")
	}
}
