package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// Topic is one of our own topics: how it is made, and what must hold of it whoever made it.
type Topic struct {
	Name       string
	Partitions int
	Exact      bool              // the partition count must be this one
	Make       map[string]string // settings of a new topic
	Must       map[string]string // settings without which the promise does not hold
}

// OwnTopics is design.md 3, Topics. brokers is how many copies the cluster can keep of a topic.
func OwnTopics(t ledger.Topics, partitions, brokers int) []Topic {
	durable := map[string]string{}
	if brokers >= 3 {
		durable["min.insync.replicas"] = "2"
	}
	with := func(kv ...string) map[string]string {
		m := maps.Clone(durable)
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	day := 24 * 60 * 60 * 1000
	return []Topic{
		{t.Intents, partitions, true, with("retention.ms", "-1", "cleanup.policy", "delete"), map[string]string{"retention.ms": "-1", "cleanup.policy": "delete"}},
		{t.Ledger, partitions, true, with("cleanup.policy", "compact", "message.timestamp.type", "LogAppendTime", "retention.ms", "-1", "segment.bytes", strconv.Itoa(32<<20), "segment.ms", "600000",
			"min.cleanable.dirty.ratio", "0.1", "delete.retention.ms", "3600000"), map[string]string{"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}},
		// Compacted, fates would keep one of an event's, and dead would refuse a letter without a key, which stops the line.
		{t.Fates, partitions, false, with("retention.ms", strconv.Itoa(30*day), "cleanup.policy", "delete"), map[string]string{"cleanup.policy": "delete"}},
		{t.Dead, 1, false, with("retention.ms", strconv.Itoa(14*day), "cleanup.policy", "delete"), map[string]string{"cleanup.policy": "delete"}},
		{t.Control, 1, false, with("cleanup.policy", "compact", "retention.ms", "-1"), map[string]string{"cleanup.policy": "compact"}},
	}
}

// TopicError is a topic of ours that is missing or set so that the promise would not hold.
type TopicError struct{ Problems []string }

func (e *TopicError) Error() string {
	return "the topics are not as they must be:\n  " + strings.Join(e.Problems, "\n  ")
}

// ensureTopics makes the topics that are missing and checks those that exist. Without the right to make or to describe topics it
// uses what is there, and says what it could not check.
func ensureTopics(ctx context.Context, cl *kgo.Client, t ledger.Topics, partitions, replication int, log *zap.Logger) error {
	adm := kadm.NewClient(cl)
	meta, err := adm.BrokerMetadata(ctx)
	if err != nil {
		return &KafkaError{fmt.Errorf("ask the cluster for its brokers: %w", err)}
	}
	brokers := len(meta.Brokers)
	if replication > brokers {
		log.Warn("fewer brokers than kafka.replication: new topics get one copy a broker", zap.Int("brokers", brokers), zap.Int("replication", replication))
		replication = brokers
	}
	own := OwnTopics(t, partitions, min(brokers, replication))
	names := make([]string, len(own))
	for i, o := range own {
		names[i] = o.Name
	}
	var problems []string
	have, err := adm.ListTopics(ctx, names...)
	if err != nil {
		return &KafkaError{fmt.Errorf("list topics: %w", err)}
	}
	for _, o := range own {
		if d, ok := have[o.Name]; ok && d.Err == nil {
			continue
		}
		configs := map[string]*string{}
		for k, v := range o.Make {
			configs[k] = kadm.StringPtr(v)
		}
		_, err := adm.CreateTopic(ctx, int32(o.Partitions), int16(replication), configs, o.Name)
		switch {
		case err == nil:
			log.Info("topic made", zap.String("topic", o.Name), zap.Int("partitions", o.Partitions), zap.Int("replication", replication))
		case errors.Is(err, kerr.TopicAlreadyExists): // another instance, at the same moment
		case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
			problems = append(problems, fmt.Sprintf("%s does not exist and we have no right to make it: make it with %d partitions and %s", o.Name, o.Partitions, settingsText(o.Make)))
		case !said(err):
			return &KafkaError{fmt.Errorf("make topic %s: %w", o.Name, err)}
		default:
			problems = append(problems, fmt.Sprintf("%s cannot be made: %v", o.Name, err))
		}
	}
	if len(problems) > 0 {
		return &TopicError{problems}
	}
	err = untilKnown(ctx, func() error {
		have, err = adm.ListTopics(ctx, names...)
		if err != nil {
			return err
		}
		for _, name := range names {
			if kerr.IsRetriable(have[name].Err) {
				return have[name].Err
			}
		}
		return nil
	})
	if err != nil {
		return &KafkaError{fmt.Errorf("list topics: %w", err)}
	}
	uneven := Uneven(own, have)
	if uneven != "" {
		problems = append(problems, uneven+": partitions were added to one of them; no setting mends that, see docs/runbook.md#stopped-partition")
	}
	for _, o := range own {
		if n := len(have[o.Name].Partitions); o.Exact && n != o.Partitions && have[o.Name].Err == nil && uneven == "" {
			problems = append(problems, fmt.Sprintf("%s has %d partitions, kafka.partitions is %d: set kafka.partitions to what the topic has", o.Name, n, o.Partitions))
		}
		problems = append(problems, checkSettings(ctx, adm, o, log)...)
	}
	if len(problems) > 0 {
		return &TopicError{problems}
	}
	return nil
}

// Uneven says that the topics which must have as many partitions as each other do not; "" when they do, or one is not there.
func Uneven(own []Topic, have kadm.TopicDetails) string {
	var first string
	for _, o := range own {
		d, ok := have[o.Name]
		switch {
		case !o.Exact || !ok || d.Err != nil:
		case first == "":
			first = o.Name
		case len(d.Partitions) != len(have[first].Partitions):
			return fmt.Sprintf("%s has %d partitions and %s has %d", first, len(have[first].Partitions), o.Name, len(d.Partitions))
		}
	}
	return ""
}

// said reports whether an error is what the cluster answered; otherwise it did not get to answer.
func said(err error) bool {
	_, ok := errors.AsType[*kerr.Error](err)
	return ok
}

func checkSettings(ctx context.Context, adm *kadm.Client, o Topic, log *zap.Logger) (problems []string) {
	if len(o.Must) == 0 {
		return nil
	}
	var rc kadm.ResourceConfig
	err := untilKnown(ctx, func() error {
		rcs, err := adm.DescribeTopicConfigs(ctx, o.Name)
		if err == nil {
			rc, err = rcs.On(o.Name, nil)
		}
		return cmp.Or(err, rc.Err)
	})
	if err != nil {
		log.Warn("the settings of a topic could not be checked", zap.String("topic", o.Name), zap.String("must_have", settingsText(o.Must)), zap.Error(err))
		return nil
	}
	is := map[string]string{}
	for _, c := range rc.Configs {
		is[c.Key] = c.MaybeValue()
	}
	for _, k := range slices.Sorted(maps.Keys(o.Must)) {
		if is[k] != o.Must[k] {
			problems = append(problems, fmt.Sprintf("%s has %s=%s, it must be %s", o.Name, k, is[k], o.Must[k]))
		}
	}
	return problems
}

// untilKnown asks a cluster again that says it does not know a topic yet: the brokers hear of a new one at different times. A check that
// gave up at once would let a wrong setting pass in just that moment.
func untilKnown(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, knownWithin)
	defer cancel()
	for {
		err := ask()
		if err == nil || !kerr.IsRetriable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// knownWithin is how long a cluster may take to know a topic that was just made.
const knownWithin = 15 * time.Second

func settingsText(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, " ")
}
