package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
)

func TestDeadLettersAsTheyAreShown(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	letters := []*query.Letter{
		{DeadLetter: ledger.DeadLetter{ID: "0@17", At: at, Reason: ledger.Undecodable, Detail: "invalid JSON at byte 113", Topic: "shop.orders", Partition: 4, Offset: 991823, Bytes: 4},
			Key: []byte("u-1"), Value: []byte("{\"a\x1b"), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("t-9")}}},
		{DeadLetter: ledger.DeadLetter{ID: "0@18", At: at, Reason: ledger.SkippedByOperator, Detail: "by li: poison", Topic: "shop.orders", Partition: 4, Offset: 991900, Cut: "its bytes were not kept"}},
		{DeadLetter: ledger.DeadLetter{ID: "1@2", At: at, Reason: ledger.BadField, Detail: "user: nothing at user", Topic: "shop.orders", Partition: 4, Offset: 991901, Bytes: 2, Replays: 2, Replayed: "0@3"},
			Value: []byte("\xff\x00")},
	}
	zone := time.FixedZone("", 8*3600)
	for name, show := range map[string]func(out *bytes.Buffer) error{
		"ls.text":      func(out *bytes.Buffer) error { return printDead(out, out, "text", letters, 0, zone) },
		"ls.limit":     func(out *bytes.Buffer) error { return printDead(out, out, "text", letters, 1, zone) },
		"ls.json":      func(out *bytes.Buffer) error { return printDead(out, out, "json", letters, 2, zone) },
		"ls.jsonl":     func(out *bytes.Buffer) error { return printDead(out, out, "jsonl", letters, 2, zone) },
		"ls.none":      func(out *bytes.Buffer) error { return printDead(out, out, "text", nil, 0, zone) },
		"show.text":    func(out *bytes.Buffer) error { return showDead(out, "text", letters[0], false, zone) },
		"show.payload": func(out *bytes.Buffer) error { return showDead(out, "text", letters[0], true, zone) },
		"show.json":    func(out *bytes.Buffer) error { return showDead(out, "json", letters[0], true, zone) },
		"show.base64":  func(out *bytes.Buffer) error { return showDead(out, "json", letters[2], true, zone) },
	} {
		var out bytes.Buffer
		if err := show(&out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		holdGolden(t, filepath.Join("testdata", "dead", name+".txt"), out.String())
	}
}

// A record that died of the catalogue is sent again once the catalogue is mended, once, and who did it is on record.
func TestDeadLettersAreReplayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	now := time.Now().Format(time.RFC3339)
	w.produce("orders", `{"id":"torn"`)
	until(t, "the first letter", func() bool { _, out, _ := once(t, w.dir, "dead", "ls"); return strings.Contains(out, "1 dead letters") })
	w.produce("orders", fmt.Sprintf(`{"id":"ord-9","at":%q,"uid":"u-1","amount":200}`, now))
	until(t, "the second letter", func() bool { _, out, _ := once(t, w.dir, "dead", "ls"); return strings.Contains(out, "2 dead letters") })
	if _, out, _ := once(t, w.dir, "dead", "show", "0@0"); !strings.Contains(out, "undecodable") || strings.Contains(out, "torn") {
		t.Errorf("show without --payload:\n%s", out)
	}
	bad := ""
	_, out, _ := once(t, w.dir, "dead", "ls", "--reason", "bad-field", "--format", "jsonl")
	if _, rest, ok := strings.Cut(out, `"id":"`); ok {
		bad, _, _ = strings.Cut(rest, `"`)
	}
	if code, out, _ := once(t, w.dir, "dead", "replay", "--reason", "bad-field"); code != 0 || !strings.Contains(out, "1 records would be sent, 0 cannot be") || w.sent("ord-9") != 0 {
		t.Errorf("replay without --send: exit %d\n%s", code, out)
	}
	w.edit("rules/events.yaml", "    user: user\n    fields: {amount", "    user: uid\n    fields: {amount")
	p.says(`"rules reloaded"`)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"dead", "replay", bad, "--send", "--yes"}, "--why is missing"},
		{[]string{"dead", "replay", bad, "--send", "--why", "x"}, "dead replay: 1 records go to their topics again"},
		{[]string{"dead", "replay", "7@99"}, `no dead letter "7@99"`},
		{[]string{"dead", "show", "0@99"}, `no dead letter "0@99"`},
		{[]string{"dead", "replay", "--topic", "profiles"}, "none of 0 dead letters"},
		{[]string{"dead", "ls", "--since", "soon"}, "is no time"},
		{[]string{"dead", "ls", "--since", "2099-01-01"}, `"2099-01-01" is in the future (2099-01-01 00:00:00`},
		{[]string{"fates", "--since", "2099-01-01 09:00"}, "is in the future"},
		{[]string{"fates", "--since", "-5m"}, "is in the future"},
	} {
		if code, _, talk := once(t, w.dir, c.args...); code != exitUsage || !strings.Contains(talk, c.says) {
			t.Errorf("%v: exit %d %q, want %q", c.args, code, talk, c.says)
		}
	}
	if code, out, talk := once(t, w.dir, "dead", "replay", "--reason", "bad-field", "--send", "--why", "catalogue mended", "--by", "li", "--yes"); code != 0 || !strings.Contains(out, "1 records sent") {
		t.Fatalf("replay --send: exit %d %s %s", code, out, talk)
	}
	until(t, "the push", func() bool { return w.sent("paid 200 in ord-9") == 1 })
	if code, out, talk := once(t, w.dir, "dead", "replay", "--reason", "bad-field", "--send", "--why", "again", "--yes"); code != exitUsage || !strings.Contains(out, "sent again already") {
		t.Errorf("a second time: exit %d %s %s", code, out, talk)
	}
	if code, out, talk := once(t, w.dir, "dead", "replay", bad, "--send", "--why", "again", "--yes"); code != exitUsage ||
		!strings.Contains(out, "sent again already; to send it once more, add --again") {
		t.Errorf("a second time, by its id: exit %d %s %s", code, out, talk)
	}
	if _, out, _ := once(t, w.dir, "dead", "ls", "--reason", "bad-field"); !strings.Contains(out, "sent again") {
		t.Errorf("ls after the replay:\n%s", out)
	}
	// Somebody else sends a letter that two have listed: the second is told, and sends nothing.
	r := &query.Reader{Kafka: []kgo.Opt{kgo.SeedBrokers(w.broker())}, Topics: ledger.TopicsOf("notifier")}
	var first, second []*query.Letter
	for _, list := range []*[]*query.Letter{&first, &second} {
		if err := r.Dead(t.Context(), query.DeadFilter{Reason: "undecodable"}, func(l *query.Letter) error { *list = append(*list, l); return nil }); err != nil || len(*list) == 0 {
			t.Fatalf("%d letters, %v", len(*list), err)
		}
	}
	if err := r.Replay(t.Context(), first[:1], "li", "race"); err != nil {
		t.Fatal(err)
	}
	if err := r.Replay(t.Context(), second[:1], "wang", "race"); !errors.Is(err, query.ErrReplayed) || !strings.Contains(err.Error(), second[0].ID) {
		t.Errorf("the second of two: %v", err)
	}
	notes := slices.DeleteFunc(w.commands(ledger.CmdReplay), func(c ledger.Command) bool { return c.Why == "race" && c.By == "li" })
	if len(notes) != 1 || notes[0].By != "li" || notes[0].Why != "catalogue mended" || notes[0].Args[ledger.ArgLetters] != bad {
		t.Errorf("on control: %+v", notes)
	}
}

// commands reads the commands of one kind from the control topic.
func (w *world) commands(cmd string) (out []ledger.Command) {
	w.t.Helper()
	r := &query.Reader{Kafka: []kgo.Opt{kgo.SeedBrokers(w.broker())}, Topics: ledger.TopicsOf("notifier")}
	if err := r.Commands(w.t.Context(), cmd, func(c ledger.Command) { out = append(out, c) }); err != nil {
		w.t.Fatal(err)
	}
	return out
}
