package app

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
)

const againCatalogue = `version: 1
events:
  followed:
    topic: social
    id: id
    time: at
    fields:
      fans: {path: fans, type: list}
      what: {path: what}
`

func againSet(t *testing.T, rule string) *rules.Set {
	t.Helper()
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(againCatalogue)}, {Name: "r.yaml", Data: []byte("version: 1\ndefaults: {owner: me}\nrules:\n" + rule)}}, AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	return set
}

// What a rule makes of a record now is looked for by rule and recipient, and what it says otherwise is told.
func TestMadeOf(t *testing.T) {
	with := func(when string) string {
		return "  - name: rule\n    event: followed\n    class: service\n    mode: live\n    when: " + when + "\n    push: {to: \"${fans}\", body: \"${what}\"}\n"
	}
	rec := &kgo.Record{Topic: "social", Partition: 1, Offset: 7, Timestamp: time.Unix(1, 0), Value: []byte(`{"id":"e1","at":"2026-01-01T00:00:00Z","fans":["u1","u2"],"what":"hi"}`)}
	set := againSet(t, with("always"))
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "social", Partition: 1, Offset: 7}, Value: rec.Value})
	if err != nil {
		t.Fatal(err)
	}
	ins := set.Evaluate(&evs[0])
	if len(ins) != 2 {
		t.Fatalf("%d intents", len(ins))
	}
	for _, in := range ins {
		if text, why := madeOf(set, in, rec); text != intent.Text(in) || why != "" {
			t.Errorf("%s: %q %q", in.Target, text, why)
		}
	}
	other := *ins[0]
	other.Event.ID = "e2"
	gone := *ins[0]
	gone.Target = "u3"
	for _, c := range []struct {
		set *rules.Set
		in  *intent.Intent
		rec string
		why string
	}{
		{againSet(t, with("what == \"no\"")), ins[0], string(rec.Value), "the rule does not match the event any more"},
		{set, &gone, string(rec.Value), "the rule does not match the event any more"},
		{set, &other, string(rec.Value), "its record is no followed any more"},
		{set, ins[0], "{", "its event cannot be decoded any more: undecodable: invalid JSON at byte 1: unexpected end of JSON input"},
	} {
		r := *rec
		r.Value = []byte(c.rec)
		if text, why := madeOf(c.set, c.in, &r); text != "" || why != c.why {
			t.Errorf("%q %q, want %q", text, why, c.why)
		}
	}
}
