package app

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// fakeKafka is a broker of its own, and a client.
func fakeKafka(t *testing.T) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	kc, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(kc.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return kc, cl
}

// A broker that has not heard of a new topic yet says that it does not know it. Its settings must be checked all the same.
func TestAWrongSettingIsFoundThoughTheBrokerHearsOfTheTopicLate(t *testing.T) {
	t.Parallel()
	topics := ledger.TopicsOf("n")
	kc, cl := fakeKafka(t)
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": kadm.StringPtr("delete")}, topics.Control); err != nil {
		t.Fatal(err)
	}
	var late atomic.Int32
	kc.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		kc.KeepControl()
		asked := req.(*kmsg.DescribeConfigsRequest)
		if asked.Resources[0].ResourceName != topics.Control || late.Add(1) > 3 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ErrorCode, r.ResourceType, r.ResourceName = kerr.UnknownTopicOrPartition.Code, asked.Resources[0].ResourceType, topics.Control
		resp.Resources = append(resp.Resources, r)
		return resp, nil, true
	})
	err := ensureTopics(t.Context(), cl, topics, 2, 1, zap.NewNop())
	wrong, ok := errors.AsType[*TopicError](err)
	if !ok || len(wrong.Problems) != 1 || !strings.Contains(wrong.Problems[0], "n.control has cleanup.policy=delete") {
		t.Errorf("got %v, want that control must be compacted", err)
	}
	if late.Load() != 4 {
		t.Errorf("asked %d times", late.Load())
	}
}

// Of topics that somebody else made each setting that must hold is checked, and the count of partitions: a wrong one is named with what it
// must be.
func TestEachWrongSettingOfATopicIsNamed(t *testing.T) {
	t.Parallel()
	topics := ledger.TopicsOf("n")
	own := OwnTopics(topics, 2, 1)
	wrong := map[string]string{"retention.ms": "604800000", "message.timestamp.type": "CreateTime"}
	for _, o := range own {
		changes := map[string]string{}
		for k, v := range o.Must {
			changes[k] = wrong[k]
			if k == "cleanup.policy" {
				changes[k] = map[string]string{"compact": "delete", "delete": "compact"}[v]
			}
		}
		if len(changes) == 0 {
			t.Errorf("nothing must hold of %s", o.Name)
		}
		if o.Exact {
			changes["partitions"] = "3"
		}
		for key, value := range changes {
			t.Run(o.Name+" "+key, func(t *testing.T) {
				t.Parallel()
				_, cl := fakeKafka(t)
				for _, made := range own {
					n, cfg := made.Partitions, map[string]*string{}
					for k, v := range made.Make {
						cfg[k] = kadm.StringPtr(v)
					}
					if made.Name == o.Name && key == "partitions" {
						n = 3
					} else if made.Name == o.Name {
						cfg[key] = &value
					}
					if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), int32(n), 1, cfg, made.Name); err != nil {
						t.Fatal(err)
					}
				}
				want := fmt.Sprintf("%s has %s=%s, it must be %s", o.Name, key, value, o.Must[key])
				if key == "partitions" {
					n := map[string]int{"n.intents": 2, "n.ledger": 2}
					n[o.Name] = 3
					want = fmt.Sprintf("n.intents has %d partitions and n.ledger has %d: partitions were added to one of them; no setting mends that, see docs/runbook.md#stopped-partition", n["n.intents"], n["n.ledger"])
				}
				err := ensureTopics(t.Context(), cl, topics, 2, 1, zap.NewNop())
				got, ok := errors.AsType[*TopicError](err)
				if !ok || len(got.Problems) != 1 || got.Problems[0] != want {
					t.Errorf("got %v, want %s", err, want)
				}
			})
		}
	}
}

// What holds people's data forgets it in time, and what holds the books does not.
func TestOwnTopicsForgetInTime(t *testing.T) {
	t.Parallel()
	want := map[string]string{"n.intents": "-1", "n.ledger": "-1", "n.control": "-1", "n.fates": "2592000000", "n.dead": "1209600000"} // 30 and 14 days
	for _, topic := range OwnTopics(ledger.TopicsOf("n"), 4, 3) {
		if got := topic.Make["retention.ms"]; got != want[topic.Name] {
			t.Errorf("%s is kept for %q ms, want %q", topic.Name, got, want[topic.Name])
		}
		delete(want, topic.Name)
	}
	if len(want) > 0 {
		t.Errorf("not among the topics: %v", want)
	}
}

// refuseCreation lets nobody make topics.
func refuseCreation(kc *kfake.Cluster) (asked *atomic.Int32) {
	asked = new(atomic.Int32)
	kc.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		kc.KeepControl()
		asked.Add(1)
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, t := range req.(*kmsg.CreateTopicsRequest).Topics {
			r := kmsg.NewCreateTopicsResponseTopic()
			r.Topic, r.ErrorCode = t.Topic, kerr.TopicAuthorizationFailed.Code
			resp.Topics = append(resp.Topics, r)
		}
		return resp, nil, true
	})
	return asked
}

// Without the right to make topics those that somebody else made are used; of those that are missing it is said how to make them, of all
// at once.
func TestTopicsWithoutTheRightToMakeThem(t *testing.T) {
	t.Parallel()
	topics := ledger.TopicsOf("n")
	kc, cl := fakeKafka(t)
	for _, o := range OwnTopics(topics, 2, 1) {
		if o.Name == topics.Ledger || o.Name == topics.Dead {
			continue
		}
		cfg := map[string]*string{}
		for k, v := range o.Make {
			cfg[k] = kadm.StringPtr(v)
		}
		if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), int32(o.Partitions), 1, cfg, o.Name); err != nil {
			t.Fatal(err)
		}
	}
	refused := refuseCreation(kc)
	err := ensureTopics(t.Context(), cl, topics, 2, 1, zap.NewNop())
	wrong, ok := errors.AsType[*TopicError](err)
	if !ok || len(wrong.Problems) != 2 || refused.Load() != 2 {
		t.Fatalf("got %v after %d tries to make topics, want two problems", err, refused.Load())
	}
	for i, want := range []string{"n.ledger does not exist and we have no right to make it: make it with 2 partitions and cleanup.policy=compact", "n.dead does not exist and we have no right to make it: make it with 1 partitions"} {
		if !strings.HasPrefix(wrong.Problems[i], want) {
			t.Errorf("problem %q, want %q...", wrong.Problems[i], want)
		}
	}
}

// A broker that goes away while the topics are looked at is Kafka out of reach, exit code 4: neither a fault of the program nor of the topics.
func TestABrokerThatGoesAwayIsKafkaOutOfReach(t *testing.T) {
	t.Parallel()
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.CreateTopics} {
		kc, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		defer kc.Close()
		cl, err := kgo.NewClient(kgo.SeedBrokers(kc.ListenAddrs()...), kgo.RequestRetries(1))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		kc.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			kc.KeepControl()
			return nil, errors.New("the connection breaks"), true
		})
		err = ensureTopics(t.Context(), cl, ledger.TopicsOf("n"), 2, 1, zap.NewNop())
		if _, ok := errors.AsType[*KafkaError](err); !ok {
			t.Errorf("%s: %v", key.Name(), err)
		}
	}
}
