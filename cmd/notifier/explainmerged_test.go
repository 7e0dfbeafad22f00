package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// The request of a merge that waits is the one that would leave: the merged text, that of a single trigger where it is one.
func TestExplainOfAMergeThatWaitsForQuota(t *testing.T) {
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(testCatalogue)}, {Name: "rules.yaml", Data: []byte(`version: 1
rules:
  - name: sale
    event: order.paid
    mode: live
    class: marketing
    when: amount > 100
    broadcast: {audience: {all_of: [vip]}, body: "${first.amount} and more, ${count} in all"}
    merge: {by: all, wait: 10s, keep: list, one: {body: "only ${amount}"}}
    limits: {expire: 4h}
`)}}, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	for triggers, body := range map[int]string{1: "only 201", 2: "201 and more, 2 in all", 3: "201 and more, 3 in all"} {
		for state, after := range map[string]time.Duration{"quota": 11 * time.Second, "merging": time.Second} {
			opts := explaining(explainOptions{}, set, nil, at)
			stage := opts.Stage
			stage.Rules, stage.Users = func() dispatch.Rules { return set }, func() dispatch.Users { return set }
			m := dispatch.NewModel(stage, dispatch.ModelEnd{}, at)
			key := opts.Identities["main"]
			if err := m.Spend(key, 3); err != nil {
				t.Fatal(err)
			}
			var first event.Event
			p := &ledger.Pending{At: at, Merged: &ledger.Merged{Count: triggers, Closes: at.Add(10 * time.Second)}}
			for i := range triggers {
				evs, err := set.Decode(event.Record{Position: event.Position{Topic: "orders", Offset: int64(i)}, Value: fmt.Appendf(nil, `{"id":"ord-%d","at":"2026-11-21T14:00:00Z","user":"u-1","amount":%d}`, i, 201+i), Time: at})
				if err != nil || len(evs) != 1 {
					t.Fatal(evs, err)
				}
				if i == 0 {
					first = evs[0]
				}
				in := set.Evaluate(&evs[0])[0]
				in.Key = key
				p.Merged.Items = append(p.Merged.Items, in.Merge.Vars)
				m.Take(in)
			}
			m.Advance(at.Add(after))
			m.Each(func(in *intent.Intent, _ string) { p.Intent = in })
			if p.Intent == nil {
				t.Fatal("nothing waits")
			}
			if state == "quota" { // its texts are rendered
				p.Merged = nil
			}
			rep := explain.Known(opts, explain.Past{Event: &first, Pending: []explain.Waiting{explain.Waits(p, explain.Stands{State: state, Lane: "main/broadcast"})}})
			var out strings.Builder
			if err := rep.WriteText(&out, time.UTC, diag.EN); err != nil {
				t.Fatal(err)
			}
			if r := rep.Rules[0].Requests; len(r) != 1 || r[0].Lane != "main/broadcast" || r[0].Slots != 1 || r[0].IfFree || r[0].Rebuilt || !strings.Contains(string(r[0].Body), body) {
				t.Errorf("%d triggers, %s: want a request with %q\n%s", triggers, state, body, out.String())
			}
		}
	}
}
