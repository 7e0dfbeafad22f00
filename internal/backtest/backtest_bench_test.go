package backtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/rules"
)

// The goal is 100,000 events a second on one core, for 100 rules of which one event in ten meets one. From the file to the report; run it
// with GOMAXPROCS=1. Where other programs run, cpu-events/s tells more: it counts the processor's time. Compared with other rules every
// event is asked twice. On two cores of an EPYC under load: 161,000 cpu-events/s alone, 98,500 against. TestWorkOfAnEvent holds the work that does not depend on the machine.
func BenchmarkHistory(b *testing.B) {
	b.Run("alone", func(b *testing.B) { history(b, false) })
	b.Run("against", func(b *testing.B) { history(b, true) })
}

func history(b *testing.B, compared bool) {
	const n = 200_000
	path, s, against := past(b, n, compared)
	var rep *Report
	began := cpuTime(b)
	for b.Loop() {
		h, err := OpenFile(path)
		if err != nil {
			b.Fatal(err)
		}
		if rep, err = Run(h.Each, s, against); err != nil {
			b.Fatal(err)
		}
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if rep.Stage1.Matched != n/10 || rep.Total.Sent != n/10 {
		b.Fatalf("%d matched, %d sent: %+v", rep.Stage1.Matched, rep.Total.Sent, rep.Total)
	}
	if compared && rep.Against.Total.Gained["SENT"] != n/100 {
		b.Fatalf("%+v", rep.Against.Total)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(n)*float64(b.N)/(cpuTime(b)-began).Seconds(), "cpu-events/s")
}

// past is a history of n events in a file, 100 rules, and if they are compared those they are compared with.
func past(b testing.TB, n int, compared bool) (path string, s Side, against *Side) {
	path = filepath.Join(b.TempDir(), "history.jsonl")
	var text strings.Builder
	at := time.Date(2026, 11, 14, 0, 0, 0, 0, time.UTC)
	for i := range n {
		kind := "none"
		if i%10 == 0 {
			kind = fmt.Sprintf("k%02d", i/10%100)
		}
		fmt.Fprintf(&text, `{"topic":"orders","partition":%d,"offset":%d,"key":"u%d","timestamp":%d,"value":{"id":"o-%09d","user":"u-%06d","kind":%q,"amount":812.5,"region":"r-11","name":"林晓","vip":false}}`+"\n",
			i%4, i/4, i%50_000, at.Add(time.Duration(i)*3*time.Second).UnixMilli(), i, i%50_000, kind)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	var rs strings.Builder
	for i := range 100 {
		fmt.Fprintf(&rs, "  - {name: rule-%02d, event: order, mode: live, class: service, when: 'kind == \"k%02d\" and amount >= 800', push: {title: \"Order ${event.id}\", body: \"${name}, your order ${event.id} of ${amount} is on its way\"}, limits: {per_user: 5 in 24h, quiet: 22:00-08:00, when_quiet: hold, expire: 12h}}\n", i, i)
	}
	s = side(b, rules.File{Name: "events.yaml", Data: []byte(benchCatalogue)}, rules.File{Name: "r.yaml", Data: []byte("version: 1\nrules:\n" + rs.String())})
	if compared { // one rule in ten is another one
		other := side(b, rules.File{Name: "events.yaml", Data: []byte(benchCatalogue)}, rules.File{Name: "r.yaml", Data: []byte("version: 1\nrules:\n" + regexp.MustCompile(`(rule-\d0, .*?)amount >= 800`).ReplaceAllString(rs.String(), "${1}amount >= 900"))})
		against = &other
	}
	return path, s, against
}

// cpuTime is what the process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchCatalogue = `version: 1
events:
  order:
    topic: orders
    id: id
    user: user
    fields: {kind: kind, amount: {path: amount, type: number}, region: region, name: name, vip: {path: vip, type: bool}}
`
