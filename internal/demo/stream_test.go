package demo

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
	shipped "github.com/notifier/notifier/rules"
)

var noon = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)

func shippedSet(t *testing.T) *rules.Set {
	t.Helper()
	files, err := rules.ReadFS(shipped.Files)
	if err != nil {
		t.Fatal(err)
	}
	set, list := rules.LoadFiles(files, rules.Options{Zone: time.UTC, Accounts: []rules.Account{{Name: "main", Vendor: "rongcloud", AllowEveryone: true, ApprovalWaived: true, Sender: "system"}}})
	if set == nil {
		t.Fatalf("the shipped rules: %v", list)
	}
	return set
}

// take makes n records, 25 ms apart.
func take(seed int64, run string, n int) []Record {
	s := NewStream(seed, run)
	var out []Record
	for i := range n {
		out = append(out, s.Next(noon.Add(time.Duration(i)*25*time.Millisecond)))
	}
	return out
}

func TestStreamIsAFunctionOfItsSeed(t *testing.T) {
	same := func(a, b []Record) bool {
		return slices.EqualFunc(a, b, func(x, y Record) bool {
			return x.Topic == y.Topic && x.Key == y.Key && bytes.Equal(x.Value, y.Value)
		})
	}
	if !same(take(7, "r", 1000), take(7, "r", 1000)) {
		t.Error("one seed made two streams")
	}
	if same(take(7, "r", 1000), take(8, "r", 1000)) {
		t.Error("two seeds made one stream")
	}
}

// Decoded and evaluated with the rules that ship, nine events in ten match nothing, whatever the seed.
func TestStreamMatchesNothingNineTimesInTen(t *testing.T) {
	set := shippedSet(t)
	for seed := range int64(20) {
		const n = 2000
		matched, dead, topics := 0, 0, map[string]int{}
		for i, r := range take(seed, "r", n) {
			topics[r.Topic]++
			evs, err := set.Decode(event.Record{Position: event.Position{Topic: r.Topic, Offset: int64(i)}, Key: []byte(r.Key), Value: r.Value, Time: noon.Add(time.Minute)})
			if err != nil {
				dead++
			}
			for j := range evs {
				ins := set.Evaluate(&evs[j])
				for _, in := range ins {
					if in.Dead != "" {
						t.Errorf("seed %d: record %d %s: %s", seed, i, r.Value, in.DeadDetail)
					}
				}
				if len(ins) > 0 {
					matched++
				}
			}
		}
		if got := float64(matched) / n; math.Abs(got-0.1) > 0.005 {
			t.Errorf("seed %d: %.1f %% of the events match, want 10 %%", seed, 100*got)
		}
		if dead != n/brokenEvery {
			t.Errorf("seed %d: %d dead letters of %d, want %d", seed, dead, n, n/brokenEvery)
		}
		for _, topic := range set.Topics() {
			if topics[topic] == 0 {
				t.Errorf("seed %d: nothing on %s", seed, topic)
			}
		}
		if len(topics) != len(set.Topics()) {
			t.Errorf("seed %d: topics %v, the catalogue has %v", seed, topics, set.Topics())
		}
	}
}

// The opening alone shows all that a demo must show, so that a short stream does and chance has no say.
func TestOpeningShowsEverything(t *testing.T) {
	set := shippedSet(t)
	for seed := range int64(5) {
		got, sales, moves := map[string]int{}, map[string]int{}, map[string]int{}
		for i, r := range take(seed, "r", actEvery*len(opening)) {
			evs, _ := set.Decode(event.Record{Position: event.Position{Topic: r.Topic, Offset: int64(i)}, Value: r.Value, Time: noon.Add(time.Minute)})
			for j := range evs {
				for _, in := range set.Evaluate(&evs[j]) {
					kind := string(in.Action)
					if in.Content != nil && in.Content.Message != nil {
						kind = "message"
					}
					got[kind]++
					switch {
					case in.Rule == "flash-sale-by-city":
						sales[in.Audience.Key()]++
					case in.Action == intent.Tags:
						moves[in.Target]++
					}
				}
			}
		}
		if got["tags"] < 3 || got["push"] < 3 || got["message"] < 1 || got["broadcast"] < 6 {
			t.Errorf("seed %d: intents by kind %v", seed, got)
		}
		if len(sales) < 4 || slices.Max(values(sales)) < 2 {
			t.Errorf("seed %d: sales by audience %v: want more cities than slots, and one with two", seed, sales)
		}
		if slices.Max(values(moves)) < 3 {
			t.Errorf("seed %d: profile changes by user %v: want somebody who changes quickly", seed, moves)
		}
	}
}

func values(m map[string]int) (out []int) {
	for _, n := range m {
		out = append(out, n)
	}
	return out
}

// The second run on kept data must not be taken for duplicates of the first.
func TestRunsHaveIDsOfTheirOwn(t *testing.T) {
	set := shippedSet(t)
	seen := map[string]string{}
	for _, run := range []string{"a", "b"} {
		for i, r := range take(1, run, 1000) {
			evs, _ := set.Decode(event.Record{Position: event.Position{Topic: r.Topic, Offset: int64(i)}, Value: r.Value, Time: noon.Add(time.Minute)})
			for _, ev := range evs {
				key := ev.Spec.Name + " " + ev.ID
				if was, ok := seen[key]; ok {
					t.Fatalf("event %s is in runs %s and %s", key, was, fmt.Sprint(run, " record ", i))
				}
				seen[key] = run
			}
		}
	}
}

func TestTheOpeningIsOverWhenEverythingIsShown(t *testing.T) {
	if want := actEvery * len(opening); ShowsAll != want {
		t.Errorf("ShowsAll is %d, the opening takes %d records", ShowsAll, want)
	}
}
