package kafka

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/kafka/audit"
	"github.com/notifier/notifier/test/kafka/feed"
	"github.com/notifier/notifier/test/kafka/payloads"
)

func generate(t *testing.T, now time.Time) []*kgo.Record {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: needs npm")
	}
	examples, err := payloads.Fetch(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	if kinds := map[string]bool{}; len(examples) < 300 {
		t.Fatalf("%d payloads, want the package's 329", len(examples))
	} else {
		for _, e := range examples {
			kinds[e.Event] = true
		}
		if len(kinds) != 58 {
			t.Fatalf("%d kinds of event, want 58", len(kinds))
		}
	}
	records, err := feed.Generate(examples, feed.Options{Seed: *seedFlag, Events: *eventsFlag, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// The feed asks something of every rule, and most of it matches nothing.
func TestFeedAsksEveryRule(t *testing.T) {
	now := time.Now()
	records := generate(t, now)
	var events []audit.Record
	acted := map[string]bool{}
	for i, r := range records {
		a := auditRecord(r)
		a.Offset, a.Time = int64(i), now
		events = append(events, a)
		if w, _ := audit.Forecast([]audit.Record{a}, now); len(w) > 0 && w["tags"] == 0 {
			acted[a.Place()] = true
		}
	}
	wants, dead := audit.Forecast(events, now)
	t.Logf("%d records, %d with business intents, intents %v, dead %v", len(records), len(acted), wants, dead)
	for _, rule := range audit.Rules() {
		if wants[rule] == 0 {
			t.Errorf("no event for rule %s", rule)
		}
	}
	for _, reason := range []string{"undecodable", "too-large", "bad-field"} {
		if dead[reason] == 0 {
			t.Errorf("no record that is %s", reason)
		}
	}
	if len(records) < 5000 || len(acted) > len(records)/2 {
		t.Errorf("%d records, %d with business intents: want 5,000 or more, of which most match nothing", len(records), len(acted))
	}
}

func TestFeedRepeatsItself(t *testing.T) {
	now := time.Now()
	a, b := generate(t, now), generate(t, now)
	if len(a) != len(b) {
		t.Fatalf("%d and %d records for the same seed", len(a), len(b))
	}
	for i := range a {
		if a[i].Topic != b[i].Topic || !bytes.Equal(a[i].Key, b[i].Key) || !bytes.Equal(a[i].Value, b[i].Value) {
			t.Fatalf("record %d differs for the same seed", i)
		}
	}
}
