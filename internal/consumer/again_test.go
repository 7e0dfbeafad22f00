package consumer

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// ids gives the ids of the first n intents.
func (b *bundle) ids(n int) (out []intent.ID) {
	b.t.Helper()
	for _, r := range b.read(b.topics.Intents, n) {
		in, err := intent.Decode(r.Value)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, in.ID)
	}
	return out
}

// produceFresh writes an event with a client that has not met the topic before.
func (b *bundle) produceFresh(value string) {
	b.t.Helper()
	cl, err := kgo.NewClient(b.kafka...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: "events", Value: []byte(value)}).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// The first record of a topic that was made again stands where the first record of the old one stood: its intents are others all the same,
// whether the daemon runs meanwhile (it reads nothing of the new one until it is restarted) or not, and after every restart the same.
func TestATopicThatIsMadeAgainBringsOtherIntents(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"while it is stopped": false, "while it runs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.genesis()
			stop := b.start(b.options())
			b.produce("before")
			first := b.ids(1)[0]
			if strings.Contains(string(first), "~") {
				t.Errorf("the id %q of a topic that was never made again", first)
			}
			b.committed("n-evaluate", 1)
			if !running {
				_ = stop()
			}
			if _, err := b.adm.DeleteTopic(t.Context(), "events"); err != nil {
				t.Fatal(err)
			}
			if _, err := b.adm.DeleteOffsets(t.Context(), "n-evaluate", kadm.TopicsSet{"events": {0: {}}}); err != nil { // as Kafka does by itself
				t.Fatal(err)
			}
			b.make("events")
			b.produceFresh("after")
			if running {
				_ = stop()
			}
			stop = b.start(b.options())
			second := b.ids(2)[1]
			if second == first || !strings.HasPrefix(string(second), string(first)+"~") {
				t.Errorf("the id %q after %q", second, first)
			}
			b.committed("n-evaluate", 1)
			_ = stop()
			b.produceFresh("later")
			b.start(b.options())
			if third, mark := b.ids(3)[2], string(second[len(first):]); !strings.HasSuffix(string(third), mark) {
				t.Errorf("after a restart the id %q, want the mark %s", third, mark)
			}
			ids, err := ledger.FirstTopics(t.Context(), b.kafka, b.topics)
			if err != nil || len(ids) != 1 {
				t.Errorf("noted %v %v", ids, err)
			}
		})
	}
}

// Who meets a topic first is one of several instances; the others learn of it from the control topic, however long they have run.
func TestATopicThatAnotherInstanceMetFirstIsKnownWhenItIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.make("older")
	first, other := New(b.options()), New(b.options())
	if err := other.recognise(t.Context(), []string{"older"}); err != nil {
		t.Fatal(err)
	}
	if err := first.recognise(t.Context(), []string{"events"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.adm.DeleteTopic(t.Context(), "events"); err != nil {
		t.Fatal(err)
	}
	b.make("events")
	for name, c := range map[string]*Consumer{"the other": other, "the first": first} {
		if err := c.recognise(t.Context(), []string{"events"}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(c.madeAgain.of("events")), "~") || c.madeAgain.of("older") != "" {
			t.Errorf("%s takes the new topic for the one that was there before: marks %q and %q", name, c.madeAgain.of("events"), c.madeAgain.of("older"))
		}
	}
}
