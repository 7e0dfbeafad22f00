package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
)

// It looks until nothing is left to do, and says meanwhile what is.
func TestWaitingEndsWhenNothingIsLeftToDo(t *testing.T) {
	busy := app.IdleView{Events: 3, Intents: 2, Busy: map[string]int{"in_flight": 1, app.StateStopped: 4}}
	lost := app.IdleView{Lost: []string{"orders/1"}, Events: 5}
	halted := app.IdleView{Halts: []int32{1}, Busy: map[string]int{}}
	done := app.IdleView{Idle: true, Busy: map[string]int{}}
	broken := errors.New("no broker")
	over, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		ctx   context.Context
		looks []any
		idle  bool
		said  int
		err   error
	}{
		"at once":              {t.Context(), []any{done}, true, 0, nil},
		"after two looks":      {t.Context(), []any{busy, busy, done}, true, 2, nil},
		"a stopped partition":  {t.Context(), []any{busy, halted}, false, 1, nil},
		"a lost offset":        {t.Context(), []any{busy, lost}, false, 1, nil},
		"no time":              {over, []any{busy}, false, 0, nil},
		"idle as time is over": {over, []any{done}, true, 0, nil},
		"no broker":            {t.Context(), []any{busy, broken}, false, 1, broken},
		"no broker, no time":   {over, []any{broken}, false, 0, broken},
	} {
		tick := make(chan time.Time, len(c.looks))
		for range c.looks {
			tick <- time.Time{}
		}
		var said []string
		i := 0
		clock := time.Unix(0, 0)
		v, err := waitIdle(c.ctx, func() (app.IdleView, error) {
			x := c.looks[i]
			i++
			if e, bad := x.(error); bad {
				return app.IdleView{}, e
			}
			return x.(app.IdleView), nil
		}, func(text string) { said = append(said, text) }, tick, func() time.Time { clock = clock.Add(time.Second); return clock }, diag.EN)
		if !errors.Is(err, c.err) || v.Idle != c.idle && c.err == nil || len(said) != c.said || i != len(c.looks) {
			t.Errorf("%s: %+v, %v, %d looks, said %q", name, v, err, i, said)
		}
		if len(said) > 0 && said[0] != "waiting since 1 s: 3 events to read, 2 intents to take in, 1 in flight, 4 in stopped lanes" {
			t.Errorf("%s: said %q", name, said[0])
		}
	}
}

// The time that is over during a look leaves the look before as the answer.
func TestALookThatIsCutShortIsNoError(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	tick := make(chan time.Time, 1)
	tick <- time.Time{}
	n := 0
	v, err := waitIdle(ctx, func() (app.IdleView, error) {
		if n++; n == 2 {
			end()
			return app.IdleView{}, ctx.Err()
		}
		return app.IdleView{Events: 7}, nil
	}, func(string) {}, tick, time.Now, diag.EN)
	if err != nil || v.Idle || v.Events != 7 {
		t.Errorf("%+v %v", v, err)
	}
}

func TestHowWaitingEndsAsText(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	for want, v := range map[string]app.IdleView{
		"idle after 2 s: nothing is pending":                                                                                                                      {Idle: true, Waited: 2},
		"idle after 0 s; 3 held: 1 approval, 2 paused   next: notifier pending list":                                                                              {Idle: true, Held: map[string]int{"paused": 2, "approval": 1}},
		"idle after 0 s; 1 held: 1 quota; the first goes on at 2026-11-21 14:30:00   next: notifier pending list":                                                 {Idle: true, Held: map[string]int{"quota": 1}, Next: at},
		"not idle after 60 s: 1 event to read, 2 ready to leave, 1 other call in flight, 3 changes of tag rules, 4 resyncs of tags   next: notifier status --why": {Waited: 60, Events: 1, Busy: map[string]int{"ready": 2, "calls": 1, "tag_changes": 3, "resyncs": 4}},
		"not idle after 0 s: 1 user whose tags are to be cleared, 2 users whose tags are to be written once more   next: notifier status --why":                   {Busy: map[string]int{"clearing": 1, "rewrites": 2}},
		"not idle after 0 s: partition 1 is stopped   next: docs/runbook.md#stopped-partition":                                                                    {Halts: []int32{1}},
		"not idle after 0 s: 5 events to read, orders/1 is stopped: the next offset is not in the log any more   next: docs/runbook.md#lost-offset":               {Events: 5, Lost: []string{"orders/1"}},
	} {
		if got := idleText(v, time.UTC, diag.EN); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for want, v := range map[string]app.IdleView{
		"2 秒后空闲：没有待发任务": {Idle: true, Waited: 2},
		"0 秒后空闲；1 个暂缓：1 quota；最早的 2026-11-21 14:30:00 继续   下一步：notifier pending list":   {Idle: true, Held: map[string]int{"quota": 1}, Next: at},
		"60 秒后还没有空闲：1 个事件要读，2 个可以发出，4 次标签重新核对   下一步：notifier status --why":              {Waited: 60, Events: 1, Busy: map[string]int{"ready": 2, "resyncs": 4}},
		"0 秒后还没有空闲：分区 1 停止了   下一步：docs/runbook.zh-CN.md#stopped-partition":              {Halts: []int32{1}},
		"0 秒后还没有空闲：orders/1 停止了：日志里已没有下一个要读的位置   下一步：docs/runbook.zh-CN.md#lost-offset": {Lost: []string{"orders/1"}},
	} {
		if got := idleText(v, time.UTC, diag.ZH); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var out bytes.Buffer
	if err := printJSON(&out, app.IdleView{Schema: "notifier.idle/v1", Waited: 1.5, Events: 1, Busy: map[string]int{"ready": 2}, Held: map[string]int{"quota": 1}, Next: at, Halts: []int32{1}, Lost: []string{"orders/1"}}); err != nil {
		t.Fatal(err)
	}
	holdGolden(t, filepath.Join("testdata", "status", "idle.json.txt"), out.String())
}

// What is not on a terminal is no place to draw: a line now and then.
func TestProgressIsSaidNowAndThen(t *testing.T) {
	var out bytes.Buffer
	p := newProgressLine(&out)
	p.say("one")
	p.say("two")
	p.clear()
	if out.String() != "one\n" {
		t.Errorf("%q", out.String())
	}
}

func TestPartitionsAsTheyAreShown(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	v := partitionsOf([]app.PartitionView{{Partition: 0, Owner: "one", Next: 9, Intents: 8, Fates: 6, Pending: 2, Users: 5}},
		map[int32]int64{0: 1, 1: 4}, map[int32]ledger.Halt{1: {Partition: 1, Instance: "two", What: "the ledger\x1b was lost", At: at}},
		[]ledger.Flow{{Topic: "orders", At: 10, Stable: 15, End: 18, Oldest: at.Add(-time.Minute)}, {Topic: "orders", Partition: 1, At: 7, Stable: 7, End: 7}, {Topic: "sales", Stable: 3, End: 3, Fresh: true, Oldest: at.Add(-time.Hour)}, {Topic: "sales", Partition: 1, At: 9, Stable: 3, End: 3, Lost: true}}, []string{"nowhere", "orders", "sales"})
	var out bytes.Buffer
	if err := printPartitions(&out, &v, at, time.UTC, diag.EN); err != nil {
		t.Fatal(err)
	}
	holdGolden(t, filepath.Join("testdata", "status", "partitions.txt"), out.String())
	out.Reset()
	if err := printJSON(&out, v); err != nil {
		t.Fatal(err)
	}
	holdGolden(t, filepath.Join("testdata", "status", "partitions.json.txt"), out.String())
	// The exit code says what the tables say, of either stage.
	for i, c := range []partitionsView{{Partitions: v.Partitions[:1], Events: v.Events[:3]}, {Partitions: v.Partitions}, {Events: v.Events}} {
		if c.stopped() != (i > 0) {
			t.Errorf("%d: stopped is %t of %+v", i, c.stopped(), c)
		}
	}
}

// Who waits while the rule files have errors is told that there may be more to wait for.
func TestAnIdleThatMayLeaveTopicsOutSaysSo(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings, "rules/events.yaml": testCatalogue, "rules/rules.yaml": strings.Replace(testRules, "amount >", "amuont >", 1)})
	code, _, talk, _ := runLine(t, "status", "--wait", "idle", "--timeout", "1s")
	if code != exitUnreachable || !strings.Contains(talk, "note: the rule files here have errors, so there may be more event topics, and what rules reserve is not known; next: notifier check") {
		t.Errorf("exit %d\n%s", code, talk)
	}
}

func TestWrongWaitsAreWrongUse(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings})
	for line, want := range map[string]string{
		"status --wait quiet":                  `unknown --wait "quiet": idle`,
		"status --timeout 1m":                  "--timeout goes with --wait",
		"status --wait idle --timeout 0s":      "--timeout goes with --wait and is more than nothing",
		"status --wait idle --why":             "one at a time",
		"status --partitions --why":            "one at a time",
		"status --partitions --wait idle":      "one at a time",
		"status --wait idle --rule thanks":     "--rule goes with --why",
		"status --wait idle --format jsonl":    `unknown --format "jsonl"`,
		"fates --follow --format xml":          `unknown --format "xml"`,
		"fates --follow --since 1h --rule nix": `no rule "nix"`,
	} {
		if code, _, _, err := runLine(t, strings.Fields(line)...); code != exitUsage || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: exit %d, %v, want %q", line, code, err, want)
		}
	}
}

// Whoever waits is told when all is done; what an operator holds is not waited for, what the vendor does not take is.
func TestWaitingForARealDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.order("ord-1", "u-1")
	if code, out, talk := once(t, w.dir, "status", "--wait", "idle", "--timeout", "1m"); code != 0 || !strings.Contains(out, ": nothing is pending") || w.sent("ord-1") != 1 {
		t.Fatalf("exit %d %s%s, %d calls", code, out, talk, w.sent("ord-1"))
	}
	if code, out, talk := once(t, w.dir, "pause", "rule/thanks", "--why", "test", "--yes"); code != 0 {
		t.Fatal(code, out, talk)
	}
	w.order("ord-2", "u-1")
	code, out, talk := once(t, w.dir, "status", "--wait", "idle", "--timeout", "1m", "--format", "json")
	var v app.IdleView
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 || !v.Idle || v.Held["paused"] != 1 {
		t.Fatalf("exit %d, %v %s%s", code, err, out, talk)
	}
	code, out, talk = once(t, w.dir, "status", "--partitions")
	if code != 0 || !strings.Contains(out, "0          one") || !strings.Contains(out, "1          one") || !strings.Contains(out, "orders/0") || !strings.Contains(out, "profiles/0") {
		t.Errorf("partitions: exit %d\n%s%s", code, out, talk)
	}
	var p partitionsView
	code, out, _ = once(t, w.dir, "status", "--partitions", "--format", "json")
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != 0 || len(p.Partitions) != 2 || p.Partitions[0].Lag+p.Partitions[1].Lag != 0 || p.Partitions[0].Pending+p.Partitions[1].Pending != 1 || len(p.Events) < 2 || !p.Events[0].Begun || p.Events[0].Lag != 0 {
		t.Errorf("partitions: exit %d, %v\n%s", code, err, out)
	}
}

// An event partition that is stopped because what is to be read next is gone is named by plain `status` too, with exit code 1.
func TestStatusNamesALostOffset(t *testing.T) {
	t.Parallel()
	kc, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders", "profiles", "notifier.control", "notifier.fates", "notifier.dead"), kfake.SeedTopics(2, "notifier.intents", "notifier.ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(kc.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	w := newWorld(t)
	w.settings("notifier.yaml", fmt.Sprintf("brokers: [%q]", kc.ListenAddrs()[0]))
	if code, out, talk := once(t, w.dir, "status"); code != 0 || strings.Contains(out, "orders") {
		t.Errorf("nothing is lost: exit %d\n%s%s", code, out, talk)
	}
	var offsets kadm.Offsets
	offsets.AddOffset("orders", 0, 9, -1)
	if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), "notifier-evaluate", offsets); err != nil {
		t.Fatal(err)
	}
	if code, out, talk := once(t, w.dir, "status"); code != exitFindings || !strings.HasPrefix(out, "stopped  orders/0 is not read: the next offset is not in the log any more   next: docs/runbook.md#lost-offset\n") {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	if code, out, _ := once(t, w.dir, "status", "--format", "json"); code != exitFindings || !strings.Contains(out, `"lost_offsets": [
  "orders/0"
 ]`) {
		t.Errorf("as JSON: exit %d\n%s", code, out)
	}
}
