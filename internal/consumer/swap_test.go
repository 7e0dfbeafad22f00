package consumer

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// numbered marks its intents, as a rule set does with its hash.
type numbered struct {
	stubRules
	set string
}

func (n numbered) EvaluateInto(room *intent.Room, ev *event.Event) []*intent.Intent {
	out := n.stubRules.EvaluateInto(room, ev)
	for _, in := range out {
		in.RuleSet = n.set
		in.Event.Offset = ev.Pos.Offset
	}
	return out
}

// A swap falls between two batches: here the rules are other ones whenever they are asked for, and yet all that was polled at once is
// decided by one set, and no set decides again after a later one has.
func TestASwapFallsBetweenTwoBatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.genesis()
	const many = 3000 // less than a poll takes, more than several evaluators share
	burst := func(name string) {
		t.Helper()
		var rs []*kgo.Record
		for i := range many {
			rs = append(rs, &kgo.Record{Topic: "events", Value: []byte(fmt.Sprint(name, i))})
		}
		if err := b.cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	burst("waits")
	var swaps atomic.Int64
	opt := b.options()
	opt.Rules = func() Rules {
		return numbered{stubRules{[]string{"events"}}, fmt.Sprint(swaps.Add(1))}
	}
	b.start(opt)
	_ = b.read(b.topics.Intents, many)
	for i := range 5 {
		burst(fmt.Sprint("more", i, "-"))
	}
	var sets []string
	by := map[string]int{}
	for i, r := range b.read(b.topics.Intents, 6*many) {
		in, err := intent.Decode(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if in.Event.Offset != int64(i) || in.RuleSet == "" {
			t.Fatalf("intent %d is of offset %d, rule set %q", i, in.Event.Offset, in.RuleSet)
		}
		if by[in.RuleSet]++; len(sets) == 0 || sets[len(sets)-1] != in.RuleSet {
			sets = append(sets, in.RuleSet)
		}
		if i == many-1 && len(sets) != 1 {
			t.Errorf("what waited as one batch was decided by %d sets", len(sets))
		}
	}
	if len(sets) != len(by) || len(sets) < 2 || len(sets) > 60 {
		t.Errorf("%d sets decided in %d runs: a set came back, or there was no swap, or one within a batch", len(by), len(sets))
	}
	t.Logf("%d swaps, %d sets decided %d events", swaps.Load(), len(sets), 6*many)
}
