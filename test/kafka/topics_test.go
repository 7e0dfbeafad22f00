package kafka

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/test/kafka/fleet"
)

// The topics of a daemon may have been made by somebody else, who is then held to their settings: the right ones are
// taken as they are, a wrong one is an error that names topic and setting before anything is sent.
func TestTopicsMadeBySomebodyElse(t *testing.T) {
	client := newClient(t)
	feedTopics(t, client)
	for _, tc := range []struct {
		name       string
		topic      string // the topic with another setting, "" for none
		partitions int32
		setting    string
		value      string
		want       []string // in the error, beside the topic's name
	}{
		{name: "right"},
		{name: "ledger-of-create-time", topic: "ledger", setting: "message.timestamp.type", value: "CreateTime", want: []string{"message.timestamp.type", "LogAppendTime"}},
		{name: "ledger-not-compacted", topic: "ledger", setting: "cleanup.policy", value: "delete", want: []string{"cleanup.policy", "compact"}},
		{name: "ledger-with-other-partitions", topic: "ledger", partitions: 3, want: []string{"has 4 partitions", "has 3", "partitions were added to one of them"}},
		{name: "intents-with-other-partitions", topic: "intents", partitions: 5, want: []string{"5 partitions", "4"}},
		{name: "intents-that-forget", topic: "intents", setting: "retention.ms", value: "604800000", want: []string{"retention.ms", "-1"}},
		{name: "fates-compacted", topic: "fates", setting: "cleanup.policy", value: "compact", want: []string{"cleanup.policy", "delete"}},
		{name: "dead-compacted", topic: "dead", setting: "cleanup.policy", value: "compact", want: []string{"cleanup.policy", "delete"}},
		{name: "control-not-compacted", topic: "control", setting: "cleanup.policy", value: "delete", want: []string{"cleanup.policy", "compact"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			dir, prefix := workDir(t), "made-"+tc.name
			for name, config := range topicSettings() {
				partitions := int32(4)
				if name == "dead" || name == "control" {
					partitions = 1
				}
				if name == tc.topic {
					if tc.partitions > 0 {
						partitions = tc.partitions
					}
					if tc.setting != "" {
						config[tc.setting] = &tc.value
					}
				}
				makeTopic(t, client, prefix+"."+name, partitions, int16(shared.cluster.Nodes()), config)
			}
			app := fleet.App{Key: "made-by-somebody", Secret: "secret-of-main"}
			s := sandbox(t, dir, app, fleet.App{Key: "made-second", Secret: "secret-of-second"})
			rules, err := filepath.Abs("rules")
			if err != nil {
				t.Fatal(err)
			}
			d, err := fleet.NewDaemon(shared.notifier, dir, "one", fleet.Settings{Brokers: realKafka(t), Prefix: prefix, Start: "latest",
				Replication: shared.cluster.Nodes(), Rules: rules, Hosts: []string{s.Primary, s.Backup},
				Accounts: []fleet.Account{{Name: "main", App: app, Foreign: "keep"}, {Name: "second", App: fleet.App{Key: "made-second", Secret: "secret-of-second"}, Foreign: "drop"}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(d.Kill)
			if tc.topic == "" {
				if err := d.Ready(ctx); err != nil {
					t.Fatal(err)
				}
				if code := d.Stop(time.Minute); code != 0 {
					t.Errorf("exit code %d after SIGTERM, want 0\n%s", code, d.Tail())
				}
				return
			}
			code, err := d.Wait(ctx)
			if err != nil {
				t.Fatalf("the daemon runs on a %s.%s with a wrong setting: %v", prefix, tc.topic, err)
			}
			if code == 0 {
				t.Errorf("exit code 0, want an error")
			}
			if want := append(tc.want, prefix+"."+tc.topic); !oneLine(d.Output(), want) {
				t.Errorf("no line names all of %q:\n%s", want, d.Tail())
			}
			if stats, err := s.Stats(ctx); err != nil || stats.Calls > 0 {
				t.Errorf("%d calls at the vendor, error %v: want none", stats.Calls, err)
			}
		})
	}
}

// oneLine says whether some line holds all of the words.
func oneLine(text string, words []string) bool {
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return true
		}
	}
	return false
}

// topicSettings are the settings that the manual asks for, by topic (design: Topics).
func topicSettings() map[string]map[string]*string {
	set := func(kv ...string) map[string]*string {
		m := map[string]*string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = &kv[i+1]
		}
		return m
	}
	return map[string]map[string]*string{
		"intents": set("retention.ms", "-1", "cleanup.policy", "delete"),
		"ledger": set("cleanup.policy", "compact", "message.timestamp.type", "LogAppendTime", "retention.ms", "-1", "segment.bytes", "33554432",
			"segment.ms", "600000", "min.cleanable.dirty.ratio", "0.1", "delete.retention.ms", "3600000"),
		"fates":   set("retention.ms", "2592000000"),
		"dead":    set("retention.ms", "1209600000"),
		"control": set("cleanup.policy", "compact"),
	}
}
