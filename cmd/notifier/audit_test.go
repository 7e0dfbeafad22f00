package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Whatever an operator changes leaves exactly one record on the control topic, with who and why, also when it is refused by the owner; what
// only reads leaves none.
func TestEveryChangeLeavesOneRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.order("seen", "u-1")
	until(t, "the push", func() bool { return w.sent("seen") == 1 })
	// records counts those who name the test's operator.
	records := func(by string) (n int) {
		cl, err := kgo.NewClient(kgo.SeedBrokers(w.broker()), kgo.ConsumeTopics("notifier.control"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		last := kgo.Record{Topic: "notifier.control", Key: []byte("test/" + by), Value: []byte("{}")}
		if err := cl.ProduceSync(t.Context(), &last).FirstErr(); err != nil {
			t.Fatal(err)
		}
		for {
			fs := cl.PollFetches(t.Context())
			if err := fs.Err(); err != nil {
				t.Fatal(err)
			}
			for r := range fs.RecordsAll() {
				if r.Offset == last.Offset {
					return n
				}
				if strings.HasPrefix(string(r.Value), `{"v":1,"id":`) && strings.Contains(string(r.Value), `"by":"`+by+`"`) && strings.Contains(string(r.Value), `"why":"because of `+by+`"`) {
					n++
				}
			}
		}
	}
	end := func() int64 {
		cl, err := kgo.NewClient(kgo.SeedBrokers(w.broker()))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		offs, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), "notifier.control")
		if err != nil {
			t.Fatal(err)
		}
		o, _ := offs.Lookup("notifier.control", 0)
		return o.Offset
	}
	for i, args := range [][]string{
		{"pause", "rule/thanks"}, {"resume", "rule/thanks"}, {"kill", "thanks"}, {"revive", "thanks"}, {"quota", "charge", "main/broadcast", "--at", time.Now().Format(time.RFC3339), "--count", "1"},
		{"user", "forget", "u-1"}, {"tags", "resync"},
	} {
		by := fmt.Sprintf("op%d", i)
		code, out, talk := once(t, w.dir, append(args, "--by", by, "--why", "because of "+by, "--yes")...)
		if n := records(by); n != 1 {
			t.Errorf("%v (exit %d) left %d records: %s%s", args, code, n, out, talk)
		}
	}
	for _, args := range [][]string{{"status"}, {"status", "--why"}, {"fates"}, {"quota"}, {"attempts"}, {"pending", "list"}, {"dead", "ls"}, {"user", "show", "u-1"}, {"doctor"}, {"approvals", "list"}} {
		before := end()
		once(t, w.dir, args...)
		if after := end(); after != before {
			t.Errorf("%v wrote to the control topic", args)
		}
	}
}
