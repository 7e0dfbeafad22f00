package gates

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// Keys that stand in one rule, each test a case that the one or the other alone would decide otherwise.

const shop = `version: 1
events:
  order.paid:
    topic: shop.orders
    id: id
    user: user
    time: at
    fields:
      amount: {path: amount, type: number, alias: 金额}
      city: {path: city, alias: 城市}
  sale.opened:
    topic: shop.sales
    id: id
    time: at
    fields: {city: city, kind: kind}
  user.changed:
    topic: users
    kind: profile
    update: patch
    id: id
    user: user
    time: at
    fields: {level: level, push_ok: {path: push_ok, type: bool}}
`

// day is rules, the events that come, and what leaves: "11-21 08:00 title/body" for each user and each audience, in the zone.
type day struct {
	zone   string
	rules  string
	events []string // time, topic, JSON without the time
	leaves []string
	fates  []string // of all that is not sent: event, fate, reason
}

func (d day) run(t *testing.T) {
	t.Helper()
	zone, err := time.LoadLocation(d.zone)
	if err != nil {
		t.Fatal(err)
	}
	split := func(e string) (at time.Time, topic, rest string) {
		when, rest, _ := strings.Cut(e, " ")
		topic, rest, _ = strings.Cut(rest, " ")
		if at, err = time.Parse(time.RFC3339, when); err != nil {
			t.Fatal(err)
		}
		return at, topic, rest
	}
	first, _, _ := split(d.events[0])
	opt := app.AnyRuleOptions()
	opt.Zone, opt.Now = zone, first
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(shop)}, {Name: "r.yaml", Data: []byte("version: 1\n" + d.rules)}}, opt)
	if set == nil {
		var b strings.Builder
		_ = diag.WriteText(&b, list, diag.EN)
		t.Fatal(b.String())
	}
	bench := app.AnyBench(set, func() dispatch.Rules { return set })
	stage := bench.Options
	stage.Users = func() dispatch.Users { return set }
	var leaves, fates []string
	model := dispatch.NewModel(stage, dispatch.ModelEnd{
		Send: func(d dispatch.Departure) dispatch.Outcome {
			whom := d.Call.Users
			if a := d.Call.Audience; a != nil {
				whom = a.AllOf
			}
			for _, u := range whom {
				if c := d.Call.Content; c != nil {
					leaves = append(leaves, fmt.Sprintf("%s %s %s/%s", d.At.In(zone).Format("01-02 15:04"), u, c.Title, c.Body))
				}
			}
			return dispatch.Outcome{Class: dispatch.ClassOK}
		},
		Fate: func(f ledger.Fate) {
			if f.Fate != ledger.Sent && f.Rule != rules.TagsRule {
				fates = append(fates, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Event.ID, f.Fate, f.Reason)))
			}
		},
	}, first)
	for i, e := range d.events {
		at, topic, rest := split(e)
		model.Advance(at)
		evs, err := set.Decode(event.Record{Position: event.Position{Topic: topic, Offset: int64(i)}, Time: at, Value: fmt.Appendf(nil, `{"id":"e%d","at":%q,%s`, i, at.Format(time.RFC3339), rest[1:])})
		if err != nil || len(evs) != 1 {
			t.Fatal(e, evs, err)
		}
		for _, in := range set.Evaluate(&evs[0]) {
			in.Key = bench.Identities[in.Account]
			model.Take(in)
		}
	}
	model.Advance(model.Now().Add(72 * time.Hour))
	slices.Sort(fates)
	if diff := cmp.Diff(d.leaves, leaves); diff != "" {
		t.Errorf("leaves (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(d.fates, fates); diff != "" {
		t.Errorf("fates (-want +got):\n%s", diff)
	}
	if n := model.Pending(); n != 0 {
		t.Errorf("%d are pending three days later", n)
	}
}

func TestKeysTogether(t *testing.T) {
	push := func(name, keys string) string {
		return "rules:\n  - name: " + name + "\n    event: order.paid\n    mode: live\n    class: service\n" + keys
	}
	for name, d := range map[string]day{
		// The time of day lies in the quiet hours of a night, and expire counts from the event.
		"send_at, quiet hours over midnight and expire": {
			zone:  "Asia/Shanghai",
			rules: push("night", "    when: always\n    push: {title: \"${city}\", body: \"b\"}\n    send_at: \"23:00\"\n    limits: {quiet: 22:00-08:00, expire: 11h}\n"),
			events: []string{
				`2026-11-21T20:59:00+08:00 shop.orders {"user":"u0","city":"expires at 07:59"}`,
				`2026-11-21T21:01:00+08:00 shop.orders {"user":"u1","city":"leaves"}`,
				`2026-11-21T23:00:00+08:00 shop.orders {"user":"u2","city":"it is 23:00"}`,
				`2026-11-21T23:00:01+08:00 shop.orders {"user":"u3","city":"a day too late"}`,
			},
			leaves: []string{"11-22 08:00 u1 leaves/b", "11-22 08:00 u2 it is 23:00/b"},
			fates:  []string{"e0 SUPPRESSED expired", "e3 SUPPRESSED expired"},
		},
		// Friday's and Saturday's nights last until ten, also where they overlap with what holds every night.
		"quiet hours of weekdays in a list": {
			zone:  "Asia/Shanghai",
			rules: push("weekend", "    when: always\n    push: {title: \"${city}\", body: \"b\"}\n    limits: {quiet: [\"22:00-08:00\", \"Fri-Sat 21:00-10:00\"], expire: 14h}\n"),
			events: []string{
				`2026-11-19T21:30:00+08:00 shop.orders {"user":"u0","city":"Thursday"}`,
				`2026-11-19T23:00:00+08:00 shop.orders {"user":"u1","city":"Thursday night"}`,
				`2026-11-20T21:30:00+08:00 shop.orders {"user":"u2","city":"Friday"}`,
				`2026-11-21T09:30:00+08:00 shop.orders {"user":"u3","city":"Saturday"}`,
				`2026-11-21T10:00:00+08:00 shop.orders {"user":"u4","city":"Saturday at ten"}`,
				`2026-11-22T07:30:00+08:00 shop.orders {"user":"u5","city":"Sunday"}`,
				`2026-11-22T21:30:00+08:00 shop.orders {"user":"u6","city":"Sunday evening"}`,
			},
			leaves: []string{"11-19 21:30 u0 Thursday/b", "11-20 08:00 u1 Thursday night/b", "11-21 10:00 u2 Friday/b", "11-21 10:00 u3 Saturday/b", "11-21 10:00 u4 Saturday at ten/b",
				"11-22 10:00 u5 Sunday/b", "11-22 21:30 u6 Sunday evening/b"},
		},
		// The first minute of quiet hours is quiet, the last one's end is not.
		"ends of quiet hours": {
			zone:  "Asia/Shanghai",
			rules: push("ends", "    when: always\n    push: {title: \"${city}\", body: \"b\"}\n    limits: {quiet: [22:00-08:00, 12:00-13:00], expire: 14h}\n"),
			events: []string{
				`2026-11-19T08:00:00+08:00 shop.orders {"user":"u0","city":"eight"}`,
				`2026-11-19T11:59:59+08:00 shop.orders {"user":"u1","city":"before noon"}`,
				`2026-11-19T12:00:00+08:00 shop.orders {"user":"u2","city":"noon"}`,
				`2026-11-19T13:00:00+08:00 shop.orders {"user":"u3","city":"one"}`,
				`2026-11-19T21:59:59+08:00 shop.orders {"user":"u4","city":"before ten"}`,
				`2026-11-19T22:00:00+08:00 shop.orders {"user":"u5","city":"ten"}`,
			},
			leaves: []string{"11-19 08:00 u0 eight/b", "11-19 11:59 u1 before noon/b", "11-19 13:00 u2 noon/b", "11-19 13:00 u3 one/b", "11-19 21:59 u4 before ten/b", "11-20 08:00 u5 ten/b"},
		},
		// Who waits for a slot when the quiet hours begin meets them when the slot is free.
		"quiet hours that begin while no slot is free": {
			zone: "UTC",
			rules: "rules:\n" + cast("all", "${city}", "expire: 30h") + cast("holds", "${city}", "expire: 30h, quiet: 12:30-15:00") +
				cast("drops", "${city}", "expire: 30h, quiet: 12:30-15:00, when_quiet: drop"),
			events: []string{
				`2026-11-01T12:00:00Z shop.sales {"kind":"all","city":"a"}`,
				`2026-11-01T12:00:01Z shop.sales {"kind":"all","city":"b"}`,
				`2026-11-01T12:10:00Z shop.sales {"kind":"holds","city":"c"}`,
				`2026-11-01T12:10:01Z shop.sales {"kind":"drops","city":"d"}`,
			},
			leaves: []string{"11-01 12:00 all a/b", "11-01 12:00 all b/b", "11-01 15:00 holds c/b"},
			fates:  []string{"e3 SUPPRESSED quiet"},
		},
		// A day of 25 hours: twice 24 hours apart is within one day, and two minutes apart may be two days.
		"a cap by the day where the clocks go back": {
			zone:  "America/New_York",
			rules: push("daily", "    when: always\n    push: {title: \"${city}\", body: \"b\"}\n    limits: {per_user: 1 per day}\n"),
			events: []string{
				`2026-11-01T00:05:00-04:00 shop.orders {"user":"u","city":"early"}`,
				`2026-11-01T23:59:00-05:00 shop.orders {"user":"u","city":"late"}`,
				`2026-11-02T00:00:00-05:00 shop.orders {"user":"u","city":"the next day"}`,
			},
			leaves: []string{"11-01 00:05 u early/b", "11-02 00:00 u the next day/b"},
			fates:  []string{"e1 SUPPRESSED capped"},
		},
		"a rolling cap and one by the day": {
			zone:  "America/New_York",
			rules: push("both", "    when: always\n    push: {title: \"${city}\", body: \"b\"}\n    limits: {per_user: [1 per day, 2 in 72h]}\n"),
			events: []string{
				`2026-11-01T00:05:00-04:00 shop.orders {"user":"u","city":"one"}`,
				`2026-11-01T00:10:00-04:00 shop.orders {"user":"u","city":"of the day"}`,
				`2026-11-02T12:00:00-05:00 shop.orders {"user":"u","city":"two"}`,
				`2026-11-03T12:00:00-05:00 shop.orders {"user":"u","city":"of 72h"}`,
				`2026-11-03T23:05:00-05:00 shop.orders {"user":"u","city":"three"}`,
			},
			leaves: []string{"11-01 00:05 u one/b", "11-02 12:00 u two/b", "11-03 23:05 u three/b"},
			fates:  []string{"e1 SUPPRESSED capped", "e3 SUPPRESSED capped"},
		},
		// `one` is the text of a trigger that stayed alone; with others the rule's own speak of the first.
		"keep first with one": {
			zone: "UTC",
			rules: push("first", "    when: always\n    push: {title: \"${count}\", body: \"${first.city} to ${latest.city}\", link: \"app://${first.city}\"}\n"+
				"    merge: {wait: 10m, keep: first, one: {title: \"alone\", body: \"${city}\"}}\n    limits: {expire: 1h}\n"),
			events: []string{
				`2026-11-01T12:00:00Z shop.orders {"user":"u1","city":"a"}`,
				`2026-11-01T12:01:00Z shop.orders {"user":"u2","city":"b"}`,
				`2026-11-01T12:02:00Z shop.orders {"user":"u2","city":"c"}`,
				`2026-11-01T12:12:00Z shop.orders {"user":"u2","city":"d"}`,
			},
			leaves: []string{"11-01 12:10 u1 alone/a", "11-01 12:11 u2 2/b to c", "11-01 12:22 u2 alone/d"},
			fates:  []string{"e2 COALESCED"},
		},
		// A condition that touches what is missing is not met, so `unless` does not stop it.
		"unless with absent fields": {
			zone:  "UTC",
			rules: push("unless", "    when: 金额 > 5\n    unless: [城市 == \"b\", amount > 100, not has(city) and amount > 50]\n    push: {title: \"t\", body: \"${amount}\"}\n"),
			events: []string{
				`2026-11-01T12:00:00Z shop.orders {"user":"u","amount":6}`,
				`2026-11-01T12:01:00Z shop.orders {"user":"u","amount":7,"city":"b"}`,
				`2026-11-01T12:02:00Z shop.orders {"user":"u","amount":8,"city":null}`,
				`2026-11-01T12:03:00Z shop.orders {"user":"u","amount":101}`,
				`2026-11-01T12:04:00Z shop.orders {"user":"u","amount":51}`,
				`2026-11-01T12:05:00Z shop.orders {"user":"u","amount":51.5,"city":"c"}`,
				`2026-11-01T12:06:00Z shop.orders {"user":"u","city":"c"}`,
			},
			leaves: []string{"11-01 12:00 u t/6", "11-01 12:02 u t/8", "11-01 12:05 u t/51.5"},
		},
		// While no slot is free, one request of a key waits: the newest, or with `keep: first` the first.
		"keep first and keep latest in the queue": {
			zone: "UTC",
			rules: "rules:\n" + cast("all", "${city}", "expire: 30h") + cast("one", "${count}${first.city}", "expire: 30h", "merge: {by: \"${kind}\", wait: 0s, keep: first}") +
				cast("two", "${count}${latest.city}", "expire: 30h", "merge: {by: \"${kind}\", wait: 0s}"),
			events: []string{
				`2026-11-01T12:00:00Z shop.sales {"kind":"all","city":"a"}`,
				`2026-11-01T12:00:01Z shop.sales {"kind":"all","city":"b"}`,
				`2026-11-01T12:01:00Z shop.sales {"kind":"one","city":"c"}`,
				`2026-11-01T12:02:00Z shop.sales {"kind":"one","city":"d"}`,
				`2026-11-01T12:03:00Z shop.sales {"kind":"two","city":"e"}`,
				`2026-11-01T12:04:00Z shop.sales {"kind":"two","city":"f"}`,
			},
			leaves: []string{"11-01 12:00 all a/b", "11-01 12:00 all b/b", "11-01 13:00 one 1c/b", "11-02 00:00 two 1f/b"},
			fates:  []string{"e3 COALESCED", "e4 COALESCED"},
		},
		// The rule takes what is kept for it, no more than its quota, and others what is left.
		"reserve and quota of one rule": {
			zone:  "UTC",
			rules: "rules:\n" + cast("notice", "${event.id}", `quota: 1 per day, reserve: 1, reserve_until: "22:00", expire: 2h`) + cast("other", "${event.id}", "expire: 30h, priority: urgent"),
			events: []string{
				`2026-11-01T17:00:00Z shop.sales {"kind":"other","city":"x"}`,
				`2026-11-01T17:00:01Z shop.sales {"kind":"other","city":"x"}`,
				`2026-11-01T18:30:00Z shop.sales {"kind":"other","city":"x"}`,
				`2026-11-01T19:00:00Z shop.sales {"kind":"notice","city":"x"}`,
				`2026-11-01T19:00:01Z shop.sales {"kind":"notice","city":"x"}`,
				`2026-11-02T17:30:00Z shop.sales {"kind":"other","city":"x"}`,
				`2026-11-02T19:00:00Z shop.sales {"kind":"other","city":"x"}`,
			},
			leaves: []string{"11-01 17:00 other e0/b", "11-01 17:00 other e1/b", "11-01 19:00 notice e3/b", "11-02 00:00 other e2/b", "11-02 17:30 other e5/b", "11-02 22:00 other e6/b"},
			fates:  []string{"e4 SUPPRESSED expired"},
		},
		// A rule whose time has not come, or is over, needs no slot; so long as its last request may wait, it does.
		"reserve and life": {
			zone:  "UTC",
			rules: "rules:\n" + cast("notice", "${event.id}", `reserve: 1, reserve_until: "24:00", expire: 2h`, `from: "2026-11-02 17:00"`, `until: "2026-11-02 18:00"`) + cast("other", "${event.id}", "expire: 30h"),
			events: []string{
				`2026-11-01T17:00:00Z shop.sales {"kind":"other","city":"x"}`,
				`2026-11-01T17:00:01Z shop.sales {"kind":"other","city":"x"}`,
				`2026-11-01T18:30:00Z shop.sales {"kind":"other","city":"x"}`,
				`2026-11-02T16:10:00Z shop.sales {"kind":"other","city":"x"}`,
				`2026-11-02T16:10:01Z shop.sales {"kind":"other","city":"x"}`,
				`2026-11-02T17:30:00Z shop.sales {"kind":"other","city":"x"}`,
			},
			leaves: []string{"11-01 17:00 other e0/b", "11-01 17:00 other e1/b", "11-01 18:30 other e2/b", "11-02 16:10 other e3/b", "11-02 16:10 other e4/b", "11-02 20:00 other e5/b"},
		},
		// One send for the rule, the user and the text; after the window again.
		"once": {
			zone: "UTC",
			rules: push("once", "    when: always\n    push: {title: \"${city}\", body: \"b\"}\n    limits: {once: {by: \"${city}\", in: 2h}}\n") +
				strings.TrimPrefix(push("other", "    when: city == \"c\"\n    push: {title: \"other ${city}\", body: \"b\"}\n    limits: {once: {by: \"${city}\", in: 2h}}\n"), "rules:\n"),
			events: []string{
				`2026-11-01T12:00:00Z shop.orders {"user":"u1","city":"a"}`,
				`2026-11-01T12:01:00Z shop.orders {"user":"u2","city":"a"}`,
				`2026-11-01T12:02:00Z shop.orders {"user":"u1","city":"c"}`,
				`2026-11-01T13:59:59Z shop.orders {"user":"u1","city":"a"}`,
				`2026-11-01T14:00:00Z shop.orders {"user":"u1","city":"a"}`,
			},
			leaves: []string{"11-01 12:00 u1 a/b", "11-01 12:01 u2 a/b", "11-01 12:02 u1 c/b", "11-01 12:02 u1 other c/b", "11-01 14:00 u1 a/b"},
			fates:  []string{"e3 SUPPRESSED repeated"},
		},
		// Each of several limits of the rule counts, over all users and in its own window.
		"a list of limits of the rule": {
			zone:  "UTC",
			rules: push("ruled", "    when: always\n    push: {title: \"${city}\", body: \"b\"}\n    limits: {rule: [1 in 1h, 2 per day]}\n"),
			events: []string{
				`2026-11-01T12:00:00Z shop.orders {"user":"u1","city":"a"}`,
				`2026-11-01T12:30:00Z shop.orders {"user":"u2","city":"b"}`,
				`2026-11-01T14:00:00Z shop.orders {"user":"u3","city":"c"}`,
				`2026-11-01T16:00:00Z shop.orders {"user":"u4","city":"d"}`,
				`2026-11-02T00:00:00Z shop.orders {"user":"u5","city":"e"}`,
			},
			leaves: []string{"11-01 12:00 u1 a/b", "11-01 14:00 u3 c/b", "11-02 00:00 u5 e/b"},
			fates:  []string{"e1 SUPPRESSED capped", "e3 SUPPRESSED capped"},
		},
		// What is released in one moment leaves by priority.
		"priority of pushes": {
			zone: "UTC",
			rules: push("slow", "    when: amount < 5\n    push: {title: low, body: \"b\"}\n    send_at: \"13:00\"\n    limits: {priority: low, expire: 24h}\n") +
				strings.TrimPrefix(push("fast", "    when: amount > 5\n    push: {title: high, body: \"b\"}\n    send_at: \"13:00\"\n    limits: {priority: high, expire: 24h}\n"), "rules:\n"),
			events: []string{
				`2026-11-01T12:00:00Z shop.orders {"user":"u1","amount":4}`,
				`2026-11-01T12:01:00Z shop.orders {"user":"u2","amount":6}`,
			},
			leaves: []string{"11-01 13:00 u2 high/b", "11-01 13:00 u1 low/b"},
		},
		// Of one priority, what expires first takes the slot.
		"the earliest expiry takes the slot": {
			zone:  "UTC",
			rules: "rules:\n" + cast("long", "${city}", "expire: 30h") + cast("short", "${city}", "expire: 3h"),
			events: []string{
				`2026-11-01T12:00:00Z shop.sales {"kind":"long","city":"a"}`,
				`2026-11-01T12:00:01Z shop.sales {"kind":"long","city":"b"}`,
				`2026-11-01T12:10:00Z shop.sales {"kind":"long","city":"c"}`,
				`2026-11-01T12:20:00Z shop.sales {"kind":"short","city":"d"}`,
			},
			leaves: []string{"11-01 12:00 long a/b", "11-01 12:00 long b/b", "11-01 13:00 short d/b", "11-02 00:00 long c/b"},
		},
		// A rule on trial sends nothing and keeps nothing.
		"reserve and shadow": {
			zone:  "UTC",
			rules: "rules:\n" + strings.Replace(cast("notice", "${city}", `reserve: 1, reserve_until: "22:00", expire: 2h`), "mode: live", "mode: shadow", 1) + cast("other", "${city}", "expire: 30h"),
			events: []string{
				`2026-11-01T12:00:00Z shop.sales {"kind":"other","city":"a"}`,
				`2026-11-01T12:00:01Z shop.sales {"kind":"other","city":"b"}`,
				`2026-11-01T14:00:00Z shop.sales {"kind":"other","city":"c"}`,
			},
			leaves: []string{"11-01 12:00 other a/b", "11-01 12:00 other b/b", "11-01 14:00 other c/b"},
		},
		// A reserve that has served its rule keeps nothing from the others.
		"a reserve that is used": {
			zone:  "UTC",
			rules: "rules:\n" + cast("notice", "${city}", `reserve: 1, reserve_until: "22:00", expire: 2h`) + cast("other", "${city}", "expire: 30h"),
			events: []string{
				`2026-11-01T12:00:00Z shop.sales {"kind":"other","city":"a"}`,
				`2026-11-01T12:10:00Z shop.sales {"kind":"notice","city":"b"}`,
				`2026-11-01T14:00:00Z shop.sales {"kind":"other","city":"c"}`,
			},
			leaves: []string{"11-01 12:00 other a/b", "11-01 12:10 notice b/b", "11-01 14:00 other c/b"},
		},
		// user_when and the text ask the profile at their own moments: the text when it is fixed, the condition when the push leaves.
		"user_when, the user's fields and quiet hours": {
			zone:  "UTC",
			rules: push("asks", "    when: always\n    user_when: push_ok and level != \"normal\"\n    push: {title: \"${user.level}\", body: \"b\"}\n    limits: {quiet: 22:00-08:00, expire: 12h}\n"),
			events: []string{
				`2026-11-01T12:00:00Z users {"user":"u1","level":"vip","push_ok":true}`,
				`2026-11-01T12:00:00Z users {"user":"u2","level":"vip","push_ok":true}`,
				`2026-11-01T23:00:00Z shop.orders {"user":"u1"}`,
				`2026-11-01T23:00:00Z shop.orders {"user":"u2"}`,
				`2026-11-01T23:30:00Z users {"user":"u1","level":"svip"}`,
				`2026-11-01T23:30:00Z users {"user":"u2","push_ok":null}`,
			},
			leaves: []string{"11-02 08:00 u1 vip/b"},
			fates:  []string{"e3 SUPPRESSED opted-out"},
		},
	} {
		t.Run(name, d.run)
	}
}

// Of a merge with more triggers than are kept, the count is of all, and the first and the latest are kept.
func TestAMergeOfManyKeepsFirstLatestAndCount(t *testing.T) {
	d := day{zone: "UTC", rules: "rules:\n  - name: many\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n" +
		"    push: {title: \"${count}\", body: \"${first.city} to ${latest.city}\"}\n    merge: {wait: 1h}\n    limits: {expire: 2h}\n", leaves: []string{"11-01 13:00 u 25/c0 to c24"}}
	for i := range 25 {
		d.events = append(d.events, fmt.Sprintf(`2026-11-01T12:%02d:00Z shop.orders {"user":"u","city":"c%d"}`, i, i))
		if i > 0 {
			d.fates = append(d.fates, fmt.Sprintf("e%d COALESCED", i))
		}
	}
	slices.Sort(d.fates)
	d.run(t)
}

// `per_user: none` lifts the limit of the class too, and nothing else does: a limit of the rule's own stands beside it.
func TestNoneLiftsTheLimitOfTheClass(t *testing.T) {
	class := gate{name: "class", limit: intent.Cap{N: 1, In: 24 * time.Hour}, past: "another of the class"}
	for perUser, want := range map[string]string{"none": "SENT ", "5 in 24h": "SUPPRESSED capped"} {
		class.keys = map[string]string{"per_user": perUser}
		if got := meet(t, "push", class); got != want {
			t.Errorf("per_user: %s: %q, want %q", perUser, got, want)
		}
	}
}

// cast is a broadcast rule for sales of a kind.
func cast(kind, title, limits string, more ...string) string {
	s := fmt.Sprintf("  - name: rule-%s\n    event: sale.opened\n    mode: live\n    class: service\n    when: kind == %q\n    broadcast: {audience: {all_of: [%s]}, title: %q, body: b}\n    limits: {%s}\n", kind, kind, kind, title, limits)
	for _, m := range more {
		s += "    " + m + "\n"
	}
	return s
}
