package main

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
)

// A batch of a few kilobytes that unpacks to more than any process should hold stops its partition; skip lets it go on.
func TestSkip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.broker()), kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(64<<20), kgo.MaxBufferedBytes(128<<20), kgo.BrokerMaxWriteBytes(100<<20),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, v := range []string{strings.Repeat("x", ledger.MaxBatch+1), `{"id":"behind","at":"2026-11-21T10:00:00Z","user":"u-1","amount":1}`} {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Partition: 1, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	p.says("a batch is too large to be unpacked")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"orders/1@0", "--yes"}, exitUsage, "--why is missing"},
		{[]string{"orders/1@0", "--why", "x"}, exitUsage, "skip orders/1@0: what it holds is never acted on"},
		{[]string{"orders", "--why", "x", "--yes"}, exitUsage, "is no place of a record"},
		{[]string{"order/1@0", "--why", "x", "--yes"}, exitUsage, `no topic "order" is read: orders, profiles, notifier.intents`},
		{[]string{"orders/99@0", "--why", "x", "--yes"}, exitUsage, "there is no partition 99: orders has "},
		{[]string{"notifier.intents/99@0", "--why", "x", "--yes"}, exitUsage, "there is no partition 99: notifier.intents has "},
		{[]string{"orders/1@1", "--why", "x", "--yes"}, exitGate, "the group stands at offset 0"},
		{[]string{"notifier.intents/0@7", "--why", "x", "--yes"}, exitGate, "the partition stands at offset"},
	} {
		if code, _, talk := once(t, w.dir, append([]string{"skip"}, c.args...)...); code != c.code || !strings.Contains(talk, c.says) {
			t.Errorf("skip %v: exit %d %q, want %d %q", c.args, code, talk, c.code, c.says)
		}
	}
	if code, out, talk := once(t, w.dir, "skip", "orders/1@0", "--why", "a bomb", "--by", "li", "--yes"); code != 0 || !strings.Contains(out, "skipped offsets 0 to 0, reading goes on at 1") {
		t.Fatalf("skip: exit %d %s %s", code, out, talk)
	}
	if _, out, _ := once(t, w.dir, "dead", "ls"); !strings.Contains(out, "orders/1@0") || !strings.Contains(out, "by li: a bomb") {
		t.Errorf("dead ls:\n%s", out)
	}
	if n := len(w.commands(ledger.CmdSkip)); n != 3 { // one for each place, also those that were refused
		t.Errorf("%d records on control", n)
	}
	w.order("ord-1", "u-1")
	until(t, "what comes behind it", func() bool { return w.sent("ord-1") == 1 })
}

// Reading is stuck all the same while the rule files have errors: topics go by the names that the files still have.
func TestARecordIsPassedWhileTheRuleFilesHaveErrors(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings, "rules/events.yaml": testCatalogue, "rules/rules.yaml": strings.Replace(testRules, "amount >", "amuont >", 1)})
	for place, want := range map[string]string{
		"orders/1@0": "skip orders/1@0: what it holds is never acted on",
		"order/1@0":  `no topic "order" is read: orders, profiles, notifier.intents; the rule files have 1 error, so there may be more; next: notifier check`,
	} {
		code, _, talk, err := runLine(t, "skip", place, "--why", "x")
		if code != exitUsage || err == nil || !strings.Contains(talk+err.Error(), want) {
			t.Errorf("%s: exit %d, %v\n%s", place, code, err, talk)
		}
	}
}
