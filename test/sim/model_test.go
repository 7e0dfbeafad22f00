//go:build synctests

package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/backtest"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// gateFile has a rule for each gate that a day of events runs into.
const gateFile = `
version: 1
defaults: {owner: sim}
rules:
  - {name: city-tag, event: profile.changed, tags: ["city_${city}"]}
  - name: level-up
    event: profile.changed
    mode: live
    class: service
    when: changed(level) and level == "vip"
    push: {body: "${level}"}
    limits: {expire: 1h}
  - name: sale
    event: sale.opened
    mode: live
    class: marketing
    when: city != "nowhere"
    broadcast: {audience: {all_of: ["city_${city}"]}, title: "${city}", body: "${count}: ${first.product}"}
    merge: {by: "${city}", wait: 10m, keep: list}
    limits: {quiet: 22:00-08:00, when_quiet: drop, expire: 5h}
  - name: order
    event: order.paid
    mode: live
    class: marketing
    when: always
    push: {title: "Thanks", body: "${product}"}
    limits: {per_user: 2 in 6h, quiet: 21:00-09:00, when_quiet: hold, expire: 10h}
  - name: tried
    event: order.paid
    mode: shadow
    class: service
    when: product == "tea"
    push: {title: "Tea", body: "b"}
`

// told is one event of the day, as it was produced.
type told struct {
	at    time.Time
	topic string
	id    string
	key   string
	body  map[string]any
}

// The daemon and its model are one actor in two worlds: what comes of a day of events is the same in both, event by event.
func TestAModelGivesTheFatesOfTheDaemon(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			simulate(t, setup{rules: gateFile, quiet: true}, func(t *testing.T, w *world) { oneDay(t, w, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func oneDay(t *testing.T, w *world, r *rand.Rand) {
	s := w.one("")
	d := w.start(s)
	time.Sleep(5 * time.Second)
	began := time.Now()
	var day []told
	say := func(topic, key, id string, body map[string]any) {
		day = append(day, told{time.Now(), topic, id, key, body})
		w.produce(topic, key, body)
	}
	for range 150 {
		time.Sleep(time.Duration(120+r.IntN(900)) * time.Second)
		user, city := fmt.Sprint("u", r.IntN(6)), []string{"a", "b", "nowhere"}[r.IntN(3)]
		switch r.IntN(4) {
		case 0:
			id := w.id("sale")
			say(sales, id, id, map[string]any{"sale_id": id, "opened_at": now(), "city": city, "product": "tea"})
		case 1:
			id := w.id("profile")
			say(profiles, user, id, map[string]any{"event_id": id, "ts": now(), "user_id": user, "profile": map[string]any{"city": city, "level": []string{"normal", "vip"}[r.IntN(2)]}})
		default:
			id := w.id("order")
			if len(day) > 0 && r.IntN(4) == 0 && day[len(day)-1].topic == orders {
				id, user = day[len(day)-1].id, day[len(day)-1].key // again: a duplicate
			}
			say(orders, user, id, map[string]any{"order_id": id, "paid_at": now(), "user_id": user, "product": []string{"tea", "cup"}[r.IntN(2)]})
		}
	}
	time.Sleep(26 * time.Hour) // everything has left or expired
	want := w.words()
	if left := w.pending(); len(left) > 0 {
		t.Fatalf("pending: %v", left)
	}
	d.stop()

	set, list := rules.LoadFiles(w.rules, app.RuleOptions(s))
	if set == nil {
		t.Fatal(list)
	}
	got := modelled(t, app.NewBench(s, func() dispatch.Rules { return set }), set, began, day)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fates by event (-daemon +model):\n%s", diff)
	}
	kinds := map[string]int{}
	for _, words := range want {
		for word := range strings.SplitSeq(words, " ") {
			kinds[word]++
		}
	}
	t.Logf("%d events: %v", len(day), kinds)
	if diff := cmp.Diff(kinds, backtested(t, app.NewBench(s, nil), set, day)); diff != "" {
		t.Errorf("fates by kind (-daemon +backtest):\n%s", diff)
	}
	for _, k := range []string{"SENT", "COALESCED", "SUPPRESSED(capped)", "SUPPRESSED(quiet)", "SUPPRESSED(expired)", "SUPPRESSED(duplicate)", "SUPPRESSED(shadow)", "SUPPRESSED(unchanged)"} {
		if kinds[k] == 0 {
			t.Errorf("the day had no %s: it proves nothing of it", k)
		}
	}
}

// backtested gives the day's events to a backtest and counts the fates in its report.
func backtested(t *testing.T, b *app.Bench, set *rules.Set, day []told) map[string]int {
	t.Helper()
	src := func(take func(event.Record) error) error {
		for i, e := range day {
			body, err := json.Marshal(e.body)
			if err != nil {
				return err
			}
			if err := take(event.Record{Position: event.Position{Topic: e.topic, Offset: int64(i)}, Key: []byte(e.key), Value: body, Time: e.at}); err != nil {
				return err
			}
		}
		return nil
	}
	rep, err := backtest.Run(src, backtest.Side{Set: set, Stage: b.Options, Identities: b.Identities, Request: b.Request}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, r := range rep.Rules {
		for k, n := range map[string]int{"SENT": r.Sent, "COALESCED": r.Coalesced} {
			if n > 0 {
				kinds[k] += n
			}
		}
		for reason, n := range r.Suppressed {
			kinds["SUPPRESSED("+reason+")"] += n
		}
		for reason, n := range r.Dead {
			kinds["DEAD("+reason+")"] += n
		}
		if len(r.Held) > 0 {
			t.Errorf("%s: held in the backtest: %v", r.Rule, r.Held)
		}
	}
	return kinds
}

// modelled gives the day's events to a model and the fates that it says.
func modelled(t *testing.T, b *app.Bench, set *rules.Set, began time.Time, day []told) map[string]string {
	t.Helper()
	words := map[string][]string{}
	m := dispatch.NewModel(b.Options, dispatch.ModelEnd{Fate: func(f ledger.Fate) {
		s := string(f.Fate)
		if f.Reason != "" {
			s += "(" + string(f.Reason) + ")"
		}
		words[f.Event.ID] = append(words[f.Event.ID], s)
	}}, began)
	for i, e := range day {
		body, err := json.Marshal(e.body)
		if err != nil {
			t.Fatal(err)
		}
		m.Advance(e.at)
		evs, err := set.Decode(event.Record{Position: event.Position{Topic: e.topic, Offset: int64(i)}, Key: []byte(e.key), Value: body, Time: e.at})
		if err != nil {
			t.Fatal(err)
		}
		var ins []*intent.Intent
		for j := range evs {
			for _, in := range set.Evaluate(&evs[j]) {
				in.Key = b.Identities[in.Account]
				ins = append(ins, in)
			}
		}
		m.Take(ins...)
	}
	m.Advance(m.Now().Add(26 * time.Hour))
	if n := m.Pending(); n > 0 {
		t.Errorf("%d pending in the model", n)
	}
	out := map[string]string{}
	for id, ws := range words {
		slices.Sort(ws)
		out[id] = strings.Join(ws, " ")
	}
	return out
}
