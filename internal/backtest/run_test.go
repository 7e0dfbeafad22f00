package backtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/rules"
)

// A record is decoded once where both catalogues say the same, and by each where they do not: what differs then is seen, whichever
// side is the candidate.
func TestEachSideReadsRecordsByItsCatalogue(t *testing.T) {
	ruled := rules.File{Name: "r.yaml", Data: []byte("version: 1\nrules:\n  - {name: big-order, event: order, mode: live, class: service, when: amount >= 800, push: {body: b}}\n")}
	one := side(t, rules.File{Name: "events.yaml", Data: []byte(benchCatalogue)}, ruled)
	same := side(t, rules.File{Name: "events.yaml", Data: []byte(benchCatalogue)}, ruled)
	other := side(t, rules.File{Name: "events.yaml", Data: []byte(strings.Replace(benchCatalogue, "path: amount,", "path: total,", 1))}, ruled)
	history := func(take func(event.Record) error) error {
		for i := range 10 { // amounts up to 900, totals of 100 times that
			err := take(event.Record{Position: event.Position{Topic: "orders", Offset: int64(i)}, Time: time.Date(2026, 1, 5, 12, i, 0, 0, time.UTC),
				Value: fmt.Appendf(nil, `{"id":"o-%d","user":"u","amount":%d,"total":%d}`, i, i*100, i*10_000)})
			if err != nil {
				return err
			}
		}
		return nil
	}
	for name, c := range map[string]struct {
		now, was     Side
		sent, before int
	}{"the same": {one, same, 2, 2}, "another candidate": {other, one, 9, 2}, "another before": {one, other, 2, 9}} {
		rep, err := Run(history, c.now, &c.was)
		if err != nil {
			t.Fatal(err)
		}
		d := rep.Against.Total
		if d.Now != c.sent || d.Was != c.before || rep.Against.Differs() != (c.sent != c.before) || d.Same != 2 {
			t.Errorf("%s: %+v", name, d)
		}
		if rep.Stage1.Events != 10 || rep.Stage1.Matched != c.sent {
			t.Errorf("%s: %+v", name, rep.Stage1)
		}
	}
}

// Records that no event takes are counted and nothing else: history has not begun with them, nor goes on.
func TestIgnoredRecordsDoNotStretchHistory(t *testing.T) {
	x := side(t, rules.File{Name: "events.yaml", Data: []byte(benchCatalogue)},
		rules.File{Name: "r.yaml", Data: []byte("version: 1\nrules:\n  - {name: big-order, event: order, mode: live, class: service, when: amount >= 0, push: {body: b}}\n")})
	noon := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	at := func(topic string, when time.Time) event.Record {
		return event.Record{Position: event.Position{Topic: topic, Offset: when.Unix()}, Time: when, Value: fmt.Appendf(nil, `{"id":"o-%d","user":"u","amount":1}`, when.Unix())}
	}
	for _, against := range []*Side{nil, &x} {
		rep, err := Run(func(take func(event.Record) error) error {
			for _, rec := range []event.Record{at("other", time.Unix(1, 0)), at("orders", noon), at("orders", noon.Add(48*time.Hour)), at("other", noon.Add(480*time.Hour))} {
				if err := take(rec); err != nil {
					return err
				}
			}
			return nil
		}, x, against)
		if err != nil {
			t.Fatal(err)
		}
		if rep.Days != 2 || !rep.From.Equal(noon) || rep.Records != 4 || rep.Stage1.Ignored != 2 || rep.Total.PerDay != 1 {
			t.Errorf("%.1f days from %s, %d records, %d ignored, %.1f a day", rep.Days, rep.From, rep.Records, rep.Stage1.Ignored, rep.Total.PerDay)
		}
	}
}
