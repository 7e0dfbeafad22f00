package main

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// The gates of what has its fate are shown as they were asked then: at that time of day, without its own send and without later ones; what
// nobody knows any more is left out.
func TestExplainShowsTheGatesOfTheirTime(t *testing.T) {
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(testCatalogue)}, {Name: "rules.yaml", Data: []byte(`version: 1
rules:
  - name: thanks
    event: order.paid
    mode: live
    class: service
    when: amount > 100
    user_when: level == "vip"
    push: {body: "paid ${latest.amount}"}
    merge: {by: all, wait: 10s}
    limits: {expire: 12h, once: {by: all, in: 1h}, quiet: 22:00-08:00, when_quiet: hold, per_user: 2 in 24h, rule: 100 in 1h}
`)}}, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC) // 14:00 in the zone of the rules
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "orders"}, Value: []byte(`{"id":"ord-1","at":"2026-11-21T06:00:00Z","user":"u-1","amount":200}`), Time: at})
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	opts := explaining(explainOptions{}, set, nil, at.Add(9*time.Hour)) // 23:00
	key := opts.Identities["main"]
	in := set.Evaluate(&evs[0])[0]
	in.Key = key
	fate := func(kind ledger.FateKind, reason ledger.Reason, after time.Duration) ledger.Fate {
		return ledger.NewFate(in, kind, reason, at.Add(after))
	}
	resolved := fate(ledger.Suppressed, ledger.Cancelled, 8*time.Hour)
	resolved.Resolves = ledger.FateUnknown
	into := fate(ledger.Coalesced, "", 0)
	into.Into = "orders/0/7/thanks/u-1"
	over := into
	over.Detail = "handed over to account b: lane main/user is stopped: credentials"
	gaveWay := fate(ledger.Suppressed, ledger.NoQuota, 0)
	gaveWay.Detail = "too many pending"
	lost := fate(ledger.FateUnknown, "", time.Second)
	lost.Detail = ledger.LostWaiting
	never := []string{"23:00", "100 in 1h           1", "level is", `"vip" ==`, "built again\n       {\"userIds\":[\"u-1\"],\"notification\":{\"pushContent\":\"other"}
	many := make([]time.Duration, intent.MaxPerUser)
	for i := range many { // the event's own is the oldest that is kept
		many[i] = time.Duration(i) * time.Minute
	}
	for name, c := range map[string]struct {
		sends  []time.Duration // to the user, beside the event
		past   explain.Past
		want   []string
		absent []string
	}{
		"sent": {[]time.Duration{-30 * time.Hour, -time.Hour, 0, time.Hour}, explain.Past{Fates: []ledger.Fate{fate(ledger.Sent, "", time.Second)}},
			[]string{"✓ quiet 22:00-08:00        14:00\n", "✓ per_user 2 in 24h        1 used; last 13:00\n", "✓ rule 100 in 1h\n", "✓ once by", "not sent before\n", "✓ user_when level == \"vip\"\n", "built again"}, nil},
		"the first": {[]time.Duration{0}, explain.Past{Fates: []ledger.Fate{fate(ledger.Sent, "", time.Second)}}, []string{"✓ per_user 2 in 24h        0 used\n"}, nil},
		"its count is forgotten": {[]time.Duration{time.Hour}, explain.Past{Fates: []ledger.Fate{fate(ledger.Sent, "", time.Second)}},
			[]string{"✓ per_user 2 in 24h\n"}, nil},
		"older counts are forgotten": {many, explain.Past{Fates: []ledger.Fate{fate(ledger.Sent, "", time.Second)}}, []string{"✓ per_user 2 in 24h\n"}, nil},
		"more than may be": {[]time.Duration{-3, -2, -1, 0}, explain.Past{Fates: []ledger.Fate{fate(ledger.Sent, "", time.Second)}},
			[]string{"✓ per_user 2 in 24h\n"}, nil},
		"unknown, and a later word": {[]time.Duration{-time.Hour, 0}, explain.Past{Fates: []ledger.Fate{fate(ledger.FateUnknown, "", time.Second), resolved}},
			[]string{"✓ quiet 22:00-08:00        14:00\n", "✓ per_user 2 in 24h        1 used; last 13:00\n"}, nil},
		"the ledger was lost": {[]time.Duration{-time.Hour, 0}, explain.Past{Fates: []ledger.Fate{lost}}, []string{"✓ per_user 2 in 24h\n"}, nil},
		"in flight": {[]time.Duration{-time.Hour, 9 * time.Hour}, explain.Past{Pending: []explain.Waiting{explain.Waits(&ledger.Pending{Intent: in, At: at}, explain.Stands{State: "in_flight", Lane: "main/user"})}},
			[]string{"1 used; last 13:00\n", "✓ rule 100 in 1h\n"}, nil},
		"capped": {[]time.Duration{-2 * time.Hour, -time.Hour, time.Hour}, explain.Past{Fates: []ledger.Fate{fate(ledger.Suppressed, ledger.Capped, 0)}},
			[]string{"✓ quiet 22:00-08:00        14:00\n", "✗ per_user 2 in 24h        2 used; last 13:00 → SUPPRESSED capped\n", "– rule 100 in 1h\n"}, nil},
		"capped by what was taken back": {[]time.Duration{-time.Hour}, explain.Past{Fates: []ledger.Fate{fate(ledger.Suppressed, ledger.Capped, 0)}},
			[]string{"✗ per_user 2 in 24h        SUPPRESSED capped\n"}, nil},
		"opted out":   {nil, explain.Past{Fates: []ledger.Fate{fate(ledger.Suppressed, ledger.OptedOut, 0)}}, []string{"✓ quiet 22:00-08:00        14:00\n     ✗ consent                  SUPPRESSED opted-out\n     – user_when", "– per_user 2 in 24h\n"}, nil},
		"expired":     {nil, explain.Past{Fates: []ledger.Fate{fate(ledger.Suppressed, ledger.Expired, 0)}}, []string{"✗ expire                   SUPPRESSED expired\n"}, []string{"quiet", "per_user", "merge"}},
		"cancelled":   {nil, explain.Past{Fates: []ledger.Fate{fate(ledger.Suppressed, ledger.Cancelled, 0)}}, []string{"✗ cancelled                SUPPRESSED cancelled\n"}, []string{"quiet", "per_user", "merge"}},
		"gave way":    {nil, explain.Past{Fates: []ledger.Fate{gaveWay}}, []string{"✗ quota                    SUPPRESSED no-quota: too many pending\n"}, []string{"quiet", "per_user", "merge"}},
		"handed over": {nil, explain.Past{Fates: []ledger.Fate{over}}, []string{"✓ merge, wait 10s\n     ✓ quiet 22:00-08:00        14:00\n     ✗ vendor                   COALESCED: handed over to account b: "}, []string{"per_user", "paid 200"}},
		"merged": {[]time.Duration{-time.Hour}, explain.Past{Fates: []ledger.Fate{into}, Into: map[intent.ID]string{into.Into: "ord-0"}},
			[]string{"live)                    COALESCED\n", "✗ merge, wait 10s          COALESCED\n", "COALESCED  into orders/0/7/thanks/u-1, of event ord-0\n"},
			[]string{"quiet", "per_user", "paid 200", "slots"}},
		"merged, of an event that nobody knows": {nil, explain.Past{Fates: []ledger.Fate{into}}, []string{"COALESCED  into orders/0/7/thanks/u-1\n"}, []string{"paid 200"}},
	} {
		st := ledger.NewState()
		taken := &ledger.Taken{}
		for _, d := range c.sends {
			taken.At = append(taken.At, at.Add(d))
		}
		st.Taken[key+"/rule/thanks/u-1"] = taken
		st.Sends[key+"/thanks/1h0m0s"] = &ledger.Sends{Parts: []ledger.SendsPart{{At: at.Add(9 * time.Hour), N: 1}}}
		opts.Ledger = func(string) *ledger.State { return st }
		c.past.Event = &evs[0]
		rep := explain.Known(opts, c.past)
		rep.FateText = fateTextIn
		var out strings.Builder
		if err := rep.WriteText(&out, set.Zone(), diag.EN); err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: %q is missing\n%s", name, w, out.String())
			}
		}
		for _, w := range append(c.absent, never...) {
			if strings.Contains(out.String(), w) && (w != "23:00" || name != "in flight") {
				t.Errorf("%s: %q is there\n%s", name, w, out.String())
			}
		}
	}
}
