package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/notifier/notifier/internal/backtest"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

const backtestCatalogue = checkCatalogue + `  sale.opened:
    topic: sales
    id: id
    fields: {city: city}
`

const backtestRules = `version: 1
rules:
  - name: thanks
    event: order.paid
    mode: live
    class: service
    when: amount >= 500
    push: {title: "Thanks", body: "${city}"}
    limits: {per_user: 1 in 24h}
  - name: tried
    event: order.paid
    mode: shadow
    class: service
    when: amount >= 900
    push: {body: "b"}
  - name: sale
    event: sale.opened
    mode: live
    class: service
    when: city != "nowhere"
    broadcast: {audience: {all_of: ["city_${city}"]}, title: "Sale", body: "${city}"}
    limits: {expire: 4h}
  - name: asked
    event: sale.opened
    mode: live
    class: service
    when: city == "a"
    broadcast: {audience: {all_of: ["vip"]}, title: "Sale", body: "for you"}
    limits: {expire: 4h}
    approval: {people: 1, within: 1h}
`

// backtestHistory is three days: two users who order every six hours, and a sale an hour on the second morning.
func backtestHistory() string {
	var b strings.Builder
	at := time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC)
	for i := range 12 {
		fmt.Fprintf(&b, `{"topic":"orders","key":"u%d","timestamp":%q,"value":{"id":"o%d","user":"u%d","amount":%d,"city":"a"}}`+"\n", i%2, at.Add(time.Duration(i)*6*time.Hour).Format(time.RFC3339), i, i%2, 300+100*(i%7))
	}
	for i := range 6 { // as kcat -J prints them, after what came later
		fmt.Fprintf(&b, `{"topic":"sales","partition":0,"offset":%d,"tstype":"create","ts":%d,"broker":0,"headers":["h","1"],"key":null,"payload":"{\"id\":\"s%d\",\"city\":\"%s\"}"}`+"\n", i, at.Add(time.Duration(26+i)*time.Hour).UnixMilli(), i, "abc"[i%3:i%3+1])
	}
	b.WriteString(`{"topic":"orders","key":"u1","timestamp":"2026-11-19T07:00:00Z","value":"not json"}` + "\n")
	b.WriteString(`{"topic":"others","key":"u1","timestamp":"2026-11-19T07:00:00Z","value":"x"}` + "\n")
	return b.String()
}

func backtestFiles() map[string]string {
	return map[string]string{"rules/events.yaml": backtestCatalogue, "rules/r.yaml": backtestRules, "history.jsonl": backtestHistory(),
		"live/events.yaml": backtestCatalogue, "live/r.yaml": strings.NewReplacer("amount >= 500", "amount >= 700", `title: "Sale", body: "${city}"`, `title: "Sale!", body: "${city}"`, "1 in 24h", "2 in 24h").Replace(backtestRules)}
}

func runBacktestCmd(o backtestOptions, env ...string) (out, talk string, code int) {
	var a, b bytes.Buffer
	if o.rules == "" {
		o.rules = "rules/"
	}
	if o.format == "" {
		o.format = "text"
	}
	if o.lang == "" {
		o.lang = "en"
	}
	err := runBacktest(context.Background(), o, env, &a, &b)
	if e, ok := errors.AsType[*exitError](err); ok {
		return a.String(), b.String() + e.Error(), e.code
	} else if err != nil {
		return a.String(), b.String() + err.Error(), -1
	}
	return a.String(), b.String(), 0
}

// Every form is testdata/backtest/NAME.txt, with the exit code.
func TestBacktestForms(t *testing.T) {
	golden, err := filepath.Abs("testdata/backtest")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    backtestOptions
	}{
		{"text", backtestOptions{}},
		{"json", backtestOptions{format: "json"}},
		{"approve", backtestOptions{approve: true}},
		{"against", backtestOptions{against: "live/"}},
		{"against.json", backtestOptions{against: "live/", format: "json"}},
		{"same", backtestOptions{against: "rules/"}},
		{"text.zh", backtestOptions{lang: "zh"}},
		{"text.both", backtestOptions{lang: "both"}},
		{"against.zh", backtestOptions{against: "live/", lang: "zh"}},
		{"same.zh", backtestOptions{against: "rules/", lang: "zh"}},
	} {
		inDir(t, backtestFiles())
		c.o.from = "history.jsonl"
		out, talk, code := runBacktestCmd(c.o)
		got := out + fmt.Sprintf("exit %d\n", code)
		want := "note: no notifier.yaml beside the rules: account names and permissions are not checked\n"
		if c.o.lang == "zh" {
			want = "提示：规则旁边没有 notifier.yaml，所以不检查账号名和权限\n"
		}
		if talk != want {
			t.Errorf("%s: notes: %q", c.name, talk)
		}
		holdGolden(t, filepath.Join(golden, c.name+".txt"), got)
		var shape struct{ Schema string }
		if c.o.format == "json" && (json.Unmarshal([]byte(out), &shape) != nil || shape.Schema != "notifier.backtest/v1") {
			t.Errorf("no notifier.backtest/v1: %s", out)
		}
	}
}

func TestBacktestRefusesWhatTeachesNothing(t *testing.T) {
	record := `{"topic":"orders","timestamp":"2026-11-19T07:00:00Z","value":{"id":"1","user":"u","amount":1}}` + "\n"
	for _, c := range []struct {
		name, history string
		o             backtestOptions
		code          int
		says          string
	}{
		{"no history", "", backtestOptions{from: "-none-"}, exitUsage, "--from FILE"},
		{"two histories", "", backtestOptions{since: "7d"}, exitUsage, "one history is needed"},
		{"topics without settings", "", backtestOptions{from: "-none-", since: "7d"}, exitUsage, "-c notifier.yaml"},
		{"no file", "", backtestOptions{from: "missing.jsonl"}, exitUsage, "no such file"},
		{"an empty file", "\n", backtestOptions{}, exitUsage, "no records"},
		{"other topics", strings.ReplaceAll(record, "orders", "others"), backtestOptions{}, exitUsage, "the catalogue has no event"},
		{"no record", record + "version: 1\n", backtestOptions{}, exitUsage, "history.jsonl:2 is no record: it is no JSON object"},
		{"cut short", record + record[:60] + "\n", backtestOptions{}, exitUsage, "history.jsonl:2 is no record: it is no JSON object"},
		{"no topic", strings.Replace(record, "topic", "tonic", 1), backtestOptions{}, exitUsage, "history.jsonl:1 is no record: it has no `topic`"},
		{"no time", strings.Replace(record, "timestamp", "when", 1), backtestOptions{}, exitUsage, "it has no `timestamp`"},
		{"no value", strings.Replace(record, "value", "values", 1), backtestOptions{}, exitUsage, "it has no `value`"},
		{"a wrong time", strings.Replace(record, "2026-11-19T", "yesterday", 1), backtestOptions{}, exitUsage, "neither RFC 3339 nor a unix time"},
		{"wrong headers", strings.Replace(record, `"value"`, `"headers":["a"],"value"`, 1), backtestOptions{}, exitUsage, "`headers`"},
		{"wrong rules", record, backtestOptions{rules: "bad/"}, exitFindings, "N202"},
		{"wrong live rules", record, backtestOptions{against: "bad/"}, exitFindings, "the rules in bad/ have errors"},
		{"no such rules", record, backtestOptions{rules: "nowhere/"}, exitUsage, "nowhere"},
		{"an unknown format", record, backtestOptions{format: "xml"}, exitUsage, "--format"},
	} {
		files := backtestFiles()
		files["history.jsonl"] = c.history
		files["bad/events.yaml"], files["bad/r.yaml"] = backtestCatalogue, strings.Replace(backtestRules, "amount >= 500", "amuont >= 500", 1)
		inDir(t, files)
		switch c.o.from {
		case "":
			c.o.from = "history.jsonl"
		case "-none-":
			c.o.from = ""
		}
		out, talk, code := runBacktestCmd(c.o)
		if code != c.code || !strings.Contains(talk, c.says) || out != "" {
			t.Errorf("%s: exit %d, want %d\n%s\n%s", c.name, code, c.code, talk, out)
		}
	}
}

// The same records, from Kafka: the same report. What was before --since is not in it.
func TestBacktestFromTopics(t *testing.T) {
	kc, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders", "sales", "others"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	files := backtestFiles()
	files["notifier.yaml"] = fmt.Sprintf(`version: 1
kafka: {brokers: [%s], start: latest, instance: a, prefix: n}
accounts: {main: {vendor: rongcloud, app_key: k, secret: "${env:SECRET}", data_center: beijing, services: {broadcast: true}}}
`, kc.ListenAddrs()[0])
	inDir(t, files)
	h, err := backtest.OpenFile("history.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(kc.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	old := &kgo.Record{Topic: "orders", Timestamp: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), Value: []byte(`{"id":"before","user":"u9","amount":999,"city":"a"}`)}
	if err := cl.ProduceSync(t.Context(), old).FirstErr(); err != nil {
		t.Fatal(err)
	}
	err = h.Each(func(r event.Record) error {
		return cl.ProduceSync(t.Context(), &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Timestamp: r.Time}).FirstErr()
	})
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"SECRET=x"}
	before := atBroker(t, cl)
	asked := map[string]bool{}
	var mu sync.Mutex
	kc.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		mu.Lock()
		defer mu.Unlock()
		asked[kmsg.NameForKey(req.Key())] = true
		kc.KeepControl()
		return nil, nil, false
	})
	want, talk, code := runBacktestCmd(backtestOptions{from: "history.jsonl", config: "notifier.yaml"}, env...)
	if code != 0 {
		t.Fatal(code, talk)
	}
	got, talk, code := runBacktestCmd(backtestOptions{since: "2026-11-01", config: "notifier.yaml"}, env...)
	if code != 0 {
		t.Fatal(code, talk)
	}
	mu.Lock()
	for name := range asked {
		if strings.Contains(name, "Telemetry") { // the client's own figures, where a broker wants them
			continue
		}
		if !slices.Contains([]string{"ApiVersions", "Metadata", "ListOffsets", "Fetch", "DescribeConfigs", "DescribeCluster", "OffsetForLeaderEpoch"}, name) {
			t.Errorf("backtest asks the broker for %s: it only reads, and without a group", name)
		}
	}
	if !asked["Fetch"] || !asked["ListOffsets"] {
		t.Errorf("the broker was not asked for records: %v", asked)
	}
	mu.Unlock()
	if diff := cmp.Diff(before, atBroker(t, cl)); diff != "" {
		t.Errorf("what the broker has changed (-before +after):\n%s", diff)
	}
	want = strings.Replace(want, "; ignored: 1 record that the catalogue has no event for", "", 1) // its topic is not read
	want = strings.Replace(want, "20 records", "19 records", 1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-file +topics):\n%s", diff)
	}
	if _, talk, code = runBacktestCmd(backtestOptions{since: "2027-01-01", config: "notifier.yaml"}, env...); code != exitUsage || !strings.Contains(talk, "no records") {
		t.Errorf("a time without records: exit %d, %s", code, talk)
	}
	if _, talk, code = runBacktestCmd(backtestOptions{since: "7d", config: "missing.yaml"}, env...); code != exitSettings {
		t.Errorf("no settings: exit %d, %s", code, talk)
	}
}

// atBroker is what a program that changes nothing leaves as it is: the groups, the topics, where each partition begins and ends.
func atBroker(t *testing.T, cl *kgo.Client) []string {
	t.Helper()
	adm := kadm.NewClient(cl)
	groups, err := adm.ListGroups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{fmt.Sprint("groups ", groups.Groups())}
	starts, err := adm.ListStartOffsets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ends, err := adm.ListEndOffsets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		s, _ := starts.Lookup(o.Topic, o.Partition)
		out = append(out, fmt.Sprintf("%s[%d] %d to %d", o.Topic, o.Partition, s.Offset, o.Offset))
	})
	slices.Sort(out)
	return out
}

// The bar is drawn by the clock, goes to its end and is taken away.
func TestBacktestProgress(t *testing.T) {
	at := time.Unix(0, 0)
	src := func(take func(event.Record) error) error {
		for range 4000 {
			at = at.Add(time.Millisecond)
			if err := take(event.Record{}); err != nil {
				return err
			}
		}
		return nil
	}
	var b bytes.Buffer
	n := 0
	if err := progress(src, func() int { return 4000 }, &b, diag.EN, func() time.Time { return at })(func(event.Record) error { n++; return nil }); err != nil || n != 4000 {
		t.Fatal(err, n)
	}
	const gone = "\r\033[K"
	want := gone + "[#######.......................] 1000 of 4000 (25 %) records, 1000 a second" + gone + "[###############...............] 2000 of 4000 (50 %) records, 1000 a second" +
		gone + "[######################........] 3000 of 4000 (75 %) records, 1000 a second" + gone + "[##############################] 4000 of 4000 (100 %) records, 1000 a second" + gone
	if b.String() != want {
		t.Errorf("%q\nwant %q", b.String(), want)
	}
	b.Reset()
	if err := progress(src, func() int { return 1500 }, &b, diag.EN, func() time.Time { return at })(func(event.Record) error { return nil }); err != nil || !strings.Contains(b.String(), "[##############################] 2000 of 2000 (100 %) records, 1000 a second") {
		t.Errorf("more than were said: %v %q", err, b.String())
	}
	b.Reset()
	if err := progress(src, func() int { return 4000 }, &b, diag.ZH, func() time.Time { return at })(func(event.Record) error { return nil }); err != nil || !strings.Contains(b.String(), "] 第 2000 条，共 4000 条（50%），每秒 1000 条") {
		t.Errorf("in Chinese: %v %q", err, b.String())
	}
	b.Reset()
	if err := withProgress(src, func() int { return 4000 }, &b, diag.EN)(func(event.Record) error { return nil }); err != nil || b.Len() > 0 {
		t.Errorf("what is no terminal got %q", b.String())
	}
}

// Kafka is where ./notifier.yaml says, wherever the candidate rules are.
func TestBacktestSinceTakesTheSettingsHere(t *testing.T) {
	elsewhere := t.TempDir()
	if err := os.CopyFS(elsewhere, os.DirFS("../../rules")); err != nil {
		t.Fatal(err)
	}
	inDir(t, map[string]string{"notifier.yaml": "version: 1\nkafka: {brokers: [\"127.0.0.1:1\"], strat: latest}\n"})
	var out, talk bytes.Buffer
	err := runBacktest(t.Context(), backtestOptions{since: "7d", rules: elsewhere, format: "text", lang: "en"}, nil, &out, &talk)
	if e, ok := errors.AsType[*exitError](err); !ok || e.code != exitSettings || !strings.Contains(talk.String(), "strat") {
		t.Errorf("%v\n%s", err, talk.String())
	}
}

// The numbers of a history that is small enough to be counted by hand; what is wanted was written down before it was run.
func TestBacktestCountsAsPeopleDo(t *testing.T) {
	const catalogue = `version: 1
events:
  order.paid:
    topic: orders
    id: id
    time: at
    user: user
    fields: {amount: {path: fen, type: number, scale: 0.01}}
  sale.opened:
    topic: sales
    id: id
    time: at
    fields: {city: city, stock: {path: stock, type: number}}
`
	const ruleFile = `version: 1
rules:
  - name: city-sale
    event: sale.opened
    mode: live
    class: marketing
    when: stock > 100
    broadcast: {audience: {all_of: ["city_${city}"]}, title: "t", body: "${count}"}
    merge: {by: "${city}", wait: 10m, keep: list}
    limits: {quiet: 21:00-09:00, when_quiet: drop, expire: 4h}
  - name: rush
    event: sale.opened
    mode: live
    class: marketing
    when: stock < 10
    broadcast: {audience: {all_of: ["city_${city}"]}, title: "t", body: "b"}
    limits: {expire: 30m}
  - name: thanks
    event: order.paid
    mode: live
    class: service
    when: amount > 500
    push: {title: "t", body: "${amount | money}"}
    limits: {per_user: 1 in 24h, quiet: 22:00-08:00, when_quiet: hold, expire: 12h}
`
	var b strings.Builder
	order := func(id, user, at string, yuan int) {
		fmt.Fprintf(&b, `{"topic":"orders","timestamp":"2026-03-%s:00+08:00","value":{"id":%q,"user":%q,"at":"2026-03-%s:00+08:00","fen":%d}}`+"\n", at, id, user, at, 100*yuan)
	}
	sale := func(id, city, at string, stock int) {
		fmt.Fprintf(&b, `{"topic":"sales","timestamp":"2026-03-%s:00+08:00","value":{"id":%q,"city":%q,"at":"2026-03-%s:00+08:00","stock":%d}}`+"\n", at, id, city, at, stock)
	}
	order("a1", "u1", "02T10:00", 600) // sent
	order("a2", "u1", "02T12:00", 700) // capped
	order("a3", "u1", "03T09:59", 600) // capped: less than 24 h
	order("a4", "u1", "03T10:01", 600) // sent
	order("b1", "u2", "02T11:00", 100) // no rule
	order("b2", "u2", "02T23:00", 600) // held, at 08:00 sent
	order("b3", "u2", "03T07:00", 900) // held, at 08:00 capped
	order("c1", "u3", "02T19:00", 600) // sent
	order("c1", "u3", "02T19:01", 600) // duplicate
	order("d1", "u4", "02T22:30", 600) // held, at 08:00 sent
	order("e1", "", "02T13:00", 600)   // bad-field
	b.WriteString(`{"topic":"orders","timestamp":"2026-03-02T13:01:00+08:00","value":"{oops"}` + "\n")
	b.WriteString(`{"topic":"nobody","timestamp":"2026-03-02T13:02:00+08:00","value":{}}` + "\n")
	sale("1", "bj", "02T10:00", 200) // sent at 10:10, slot 1
	sale("2", "bj", "02T10:05", 200) // coalesced into 1
	sale("3", "sh", "02T10:01", 200) // sent at 10:11, slot 2 of the hour
	sale("4", "gz", "02T10:02", 200) // sent after 11:10, slot 3 of the day
	sale("5", "sz", "02T12:00", 200) // expired at 16:00: no slot is left of the day
	sale("6", "cd", "02T21:30", 200) // dropped for quiet hours at 21:40
	sale("7", "bj", "03T09:30", 200) // sent
	sale("8", "bj", "04T10:00", 1)   // sent
	sale("9", "sh", "04T10:01", 1)   // sent
	sale("10", "gz", "04T10:02", 1)  // expired at 10:32 for want of a slot of the hour, and one of the day stays unused: wasted
	inDir(t, map[string]string{"rules/events.yaml": catalogue, "rules/r.yaml": ruleFile, "history.jsonl": b.String()})
	out, talk, code := runBacktestCmd(backtestOptions{from: "history.jsonl", format: "json"})
	var rep backtest.Report
	if err := json.Unmarshal([]byte(out), &rep); err != nil || code != 0 {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, talk)
	}
	got := []string{fmt.Sprintf("records %d events %d matched %d no rule %d ignored %d dead %v", rep.Records, rep.Stage1.Events, rep.Stage1.Matched, rep.Stage1.NoRule, rep.Stage1.Ignored, rep.Stage1.Dead)}
	for _, r := range append(rep.Rules, rep.Total) {
		got = append(got, fmt.Sprintf("%s: sent %d, %.2f a day, most %d on %s, users %v, coalesced %d, suppressed %v, dead %v, slots %d", r.Rule, r.Sent, r.PerDay, r.MostInADay, r.MostOn, r.PerUser, r.Coalesced, r.Suppressed, r.Dead, r.Slots))
	}
	got = append(got, fmt.Sprintf("a user and day %v", rep.PerUserDay))
	for _, l := range rep.Lanes {
		if l.Used > 0 {
			got = append(got, fmt.Sprintf("%s: %d days, %d of %d used, %d unused, %d wasted, %d lost", l.Lane, l.Days, l.Used, l.Slots, l.Unused, l.Wasted, l.Lost))
		}
	}
	want := []string{
		"records 23 events 20 matched 19 no rule 1 ignored 1 dead map[bad-field:1 undecodable:1]",
		"city-sale: sent 4, 2.00 a day, most 3 on 2026-03-02, users {0 0 0 0}, coalesced 1, suppressed map[expired:1 quiet:1], dead map[], slots 4",
		"rush: sent 2, 1.00 a day, most 2 on 2026-03-04, users {0 0 0 0}, coalesced 0, suppressed map[expired:1], dead map[], slots 2",
		"thanks: sent 5, 2.50 a day, most 3 on 2026-03-03, users {4 1 2 2}, coalesced 0, suppressed map[capped:3 duplicate:1], dead map[], slots 0",
		": sent 11, 5.50 a day, most 5 on 2026-03-02, users {4 1 2 2}, coalesced 1, suppressed map[capped:3 duplicate:1 expired:2 quiet:1], dead map[], slots 6",
		"a user and day {5 1 1 1}",
		"main/broadcast: 3 days, 6 of 9 used, 3 unused, 1 wasted, 2 lost",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
