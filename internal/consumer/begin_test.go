package consumer

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
)

// make makes a topic of one partition.
func (b *bundle) make(topic string) {
	b.t.Helper()
	if _, err := b.adm.CreateTopic(b.t.Context(), 1, 1, nil, topic); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) produceTo(topic, id string) {
	b.t.Helper()
	if err := b.cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: topic, Value: []byte(id)}).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// evaluated waits for n intents and gives the ids of their events.
func (b *bundle) evaluated(n int) (ids []string) {
	b.t.Helper()
	for _, r := range b.read(b.topics.Intents, n) {
		in, err := intent.Decode(r.Value)
		if err != nil {
			b.t.Fatal(err)
		}
		ids = append(ids, in.Event.ID)
	}
	return ids
}

// waits waits until the control topic says that a topic is waited for.
func (b *bundle) waits(topic string) {
	b.t.Helper()
	for end := time.Now().Add(20 * time.Second); !slices.ContainsFunc(b.read(b.topics.Control, 1), func(r *kgo.Record) bool { return string(r.Key) == "absent/"+topic }); {
		if time.Now().After(end) {
			b.t.Fatalf("nothing on the control topic says that %s is waited for", topic)
		}
	}
}

// "Its events are read once it does exist" holds of every event, also of those that came before the client found the topic: with
// kafka.start latest a topic that was missing when we looked begins at its start. So it does after a restart, and when a reload
// names the missing topic.
func TestATopicThatWasMissingIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	want := []string{"late 1", "late 2"}
	t.Run("it is made while we run", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		b.produce("before")
		opt := b.options()
		opt.Start = Start{Set: true}
		opt.Rules = func() Rules { return stubRules{[]string{"events", "late"}} }
		b.start(opt)
		b.committed("n-evaluate", 1)
		b.make("late")
		b.produceTo("late", want[0])
		b.produceTo("late", want[1])
		if got := b.evaluated(2); !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
	t.Run("it is made while nothing runs", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		opt := b.options()
		opt.Start = Start{Set: true}
		opt.Rules = func() Rules { return stubRules{[]string{"events", "late"}} }
		stop := b.start(opt)
		b.committed("n-evaluate", 0)
		b.waits("late")
		_ = stop()
		b.make("late")
		b.produceTo("late", want[0])
		b.produceTo("late", want[1])
		b.start(opt)
		if got := b.evaluated(2); !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
	t.Run("a reload names it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		var topics atomic.Value
		topics.Store([]string{"events"})
		opt := b.options()
		opt.Start = Start{Set: true}
		opt.Rules = func() Rules { return stubRules{topics.Load().([]string)} }
		b.start(opt)
		b.committed("n-evaluate", 0)
		topics.Store([]string{"events", "late"})
		b.produce("quiet") // the loop looks at the rules when a poll returns
		b.waits("late")
		b.make("late")
		b.produceTo("late", want[0])
		b.produceTo("late", want[1])
		if got := b.evaluated(2); !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
	t.Run("a reload names it while we begin", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.genesis()
		var asked atomic.Bool
		opt := b.options()
		opt.Start = Start{Set: true}
		opt.Rules = func() Rules { // between the first question for the topics and the second
			if asked.Swap(true) {
				return stubRules{[]string{"events", "late"}}
			}
			return stubRules{[]string{"events"}}
		}
		b.start(opt)
		b.waits("late")
		b.make("late")
		b.produceTo("late", want[0])
		b.produceTo("late", want[1])
		if got := b.evaluated(2); !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
}
