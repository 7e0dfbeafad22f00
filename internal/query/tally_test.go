package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Eight events, of which stage 1 has passed seven: sent, pending, resolved (those of written), not yet taken in by stage 2 and dead as well, dead, and two
// that no rule matched.
func TestTally(t *testing.T) {
	r, adm, cl := written(t)
	if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	produce := func(rec *kgo.Record) {
		t.Helper()
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	in, err := (&intent.Intent{V: intent.Version, ID: "t/0/3/r/u3", Event: intent.EventRef{ID: "e3", Topic: "t", Offset: 3}, Rule: "r", Target: "u3", Action: intent.Push}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	produce(&kgo.Record{Topic: r.Topics.Intents, Value: in})
	for _, offset := range []string{"3", "4"} { // one entry of the catalogue could not use the fourth, another could
		letter := &kgo.Record{Topic: r.Topics.Dead}
		for _, h := range [][2]string{{ledger.DeadReason, "undecodable"}, {ledger.DeadTopic, "t"}, {ledger.DeadPartition, "0"}, {ledger.DeadOffset, offset}} {
			letter.Headers = append(letter.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
		produce(letter)
	}
	for i := range 8 {
		produce(&kgo.Record{Topic: "t", Value: fmt.Appendf(nil, "%d", i), Timestamp: begin.Add(time.Duration(i) * time.Minute)})
	}
	if got, err := r.Tally(t.Context(), []string{"t"}, time.Time{}); err != nil || *got != (Tally{}) {
		t.Errorf("before stage 1 began: %+v %v", got, err)
	}
	var at kadm.Offsets
	at.AddOffset("t", 0, 7, -1)
	if err := adm.CommitAllOffsets(t.Context(), r.Topics.Prefix+"-evaluate", at); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		since time.Time
		want  Tally
	}{
		{time.Time{}, Tally{Events: 7, NoRule: 2, Dead: 2, Matched: 4, Intents: 4, Fates: 2, Pending: 2}},
		{begin.Add(time.Minute), Tally{Events: 6, NoRule: 2, Dead: 2, Matched: 3, Intents: 3, Fates: 1, Pending: 2}},
		{begin.Add(4 * time.Minute), Tally{Events: 3, NoRule: 2, Dead: 1}},
		{begin.Add(time.Hour), Tally{}},
	} {
		if got, err := r.Tally(t.Context(), []string{"t"}, c.since); err != nil || *got != c.want {
			t.Errorf("since %v: %+v %v, want %+v", c.since.Sub(begin), got, err, c.want)
		}
	}
}
