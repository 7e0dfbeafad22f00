package main

import (
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

// Of several limits the one that stopped it, or holds it, has the reason; those before it let it pass, those behind it were not asked.
func TestExplainMarksTheOneLimitThatStops(t *testing.T) {
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(testCatalogue)}, {Name: "rules.yaml", Data: []byte(`version: 1
rules:
  - name: thanks
    event: order.paid
    mode: live
    class: service
    when: always
    push: {body: "paid ${amount}"}
    limits: {expire: 12h, per_user: [3 per month, 1 per day, 9 in 24h], rule: [1 in 1h, 50 per day]}
  - name: sale
    event: order.paid
    mode: live
    class: service
    when: always
    broadcast: {audience: {all_of: ["vip"]}, body: "sale"}
    limits: {expire: 12h, quota: 1 per day}
`)}}, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) // 14:00 in the zone of the rules
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "orders"}, Value: []byte(`{"id":"ord-1","at":"2026-11-21T06:00:00Z","user":"u-1","amount":200}`), Time: at})
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	opts := explaining(explainOptions{}, set, nil, at)
	ins := map[string]*intent.Intent{}
	for _, in := range set.Evaluate(&evs[0]) {
		in.Key = opts.Identities["main"]
		ins[in.Rule] = in
	}
	st := ledger.NewState()
	key := ins["thanks"].Key
	st.Taken[key+"/rule/thanks/u-1"] = &ledger.Taken{At: []time.Time{at.Add(-time.Hour)}}
	st.Sends[key+"/sale/quota-day"] = &ledger.Sends{Parts: []ledger.SendsPart{{At: at.Add(-time.Hour), N: 1}}}
	opts.Ledger = func(string) *ledger.State { return st }
	ended := func(rule string, reason ledger.Reason, detail string) explain.Past {
		f := ledger.NewFate(ins[rule], ledger.Suppressed, reason, at)
		f.Detail = detail
		return explain.Past{Fates: []ledger.Fate{f}}
	}
	waits := func(turn dispatch.Turn) explain.Past {
		return explain.Past{Pending: []explain.Waiting{explain.Waits(&ledger.Pending{Intent: ins["sale"], At: at},
			explain.Stands{State: "quota", Lane: "main/broadcast", Until: turn.At, Turn: turn})}}
	}
	midnight := at.Add(10 * time.Hour)
	share := dispatch.Turn{At: midnight, Why: "the rule's quota is used: 1 per day", Share: true}
	kept := dispatch.Turn{At: midnight, Why: "the slot is reserved for storm", Kept: true}
	for name, c := range map[string]struct {
		past explain.Past
		lang diag.Lang
		want []string
	}{
		"per_user": {ended("thanks", ledger.Capped, "1 per day, last 2026-11-21T13:00:00+08:00"), diag.EN, []string{
			"✓ per_user 3 per month     1 used; last 13:00\n", "✗ per_user 1 per day       1 used; last 13:00 → SUPPRESSED capped: 1 per day, last 2026-11-21 13:00:00 +08:00\n",
			"– per_user 9 in 24h\n", "– rule 1 in 1h\n"}},
		"rule": {ended("thanks", ledger.Capped, "rule 50 per day"), diag.EN, []string{
			"✓ per_user 9 in 24h        1 used; last 13:00\n", "✓ rule 1 in 1h\n", "✗ rule 50 per day          SUPPRESSED capped: rule 50 per day\n"}},
		"rule, of an older release": {ended("thanks", ledger.Capped, "rule 1 in 1h0m0s"), diag.EN, []string{"✗ rule 1 in 1h             SUPPRESSED capped: rule 1 in 1h\n", "– rule 50 per day\n"}},
		"user_limits": {ended("thanks", ledger.Capped, "user_limits service 4 per day, last 2026-11-21T13:00:00+08:00"), diag.ZH, []string{
			"✓ 次数上限 9 in 24h", "不发（capped）：user_limits service 次数上限 4 per day，上次 2026-11-21 13:00:00 +08:00\n", "– 次数上限 rule 1 in 1h\n"}},
		"share": {ended("sale", ledger.NoQuota, "the rule's quota is used: 1 per day before 2026-11-22T00:00:00+08:00"), diag.EN, []string{
			"✗ quota 1 per day          SUPPRESSED no-quota: the rule's quota is used: 1 per day before"}},
		"held by its share": {waits(share), diag.EN, []string{"HELD quota until 2026-11-22 00:00", "✗ quota 1 per day          1 used → hold until 2026-11-22 00:00, expires 2026-11-22 02:00\n",
			"PENDING  waits for a slot (the rule's quota is used: 1 per day) until 2026-11-22 00:00:00: notifier quota\n"}},
		"held by its share, in Chinese": {waits(share), diag.ZH, []string{"暂缓（配额）到 2026-11-22 00:00", "已用 1 → 暂缓到 2026-11-22 00:00，过期作废 2026-11-22 02:00\n",
			"在等名额（规则的配额 1 per day 已用完），到 2026-11-22 00:00:00：notifier quota\n"}},
		"held by a reserve": {waits(kept), diag.EN, []string{"HELD quota until 2026-11-22 00:00", "✓ quota 1 per day", "✗ quota                    14:00 → hold until 2026-11-22 00:00: the slot is reserved for storm, expires 2026-11-22 02:00\n",
			"PENDING  waits for a slot (the slot is reserved for storm) until 2026-11-22 00:00:00: notifier quota\n"}},
	} {
		c.past.Event = &evs[0]
		rep := explain.Known(opts, c.past)
		rep.FateText = fateTextIn
		var out strings.Builder
		if err := rep.WriteText(&out, set.Zone(), c.lang); err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: %q is missing\n%s", name, w, out.String())
			}
		}
	}
}
