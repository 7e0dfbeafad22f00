package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// slotRules are a rule with a reserve of the day, one with a share and one with neither.
const slotRules = `version: 1
defaults: {class: service, account: main, limits: {expire: 20h}}
rules:
  - {name: storm, event: sale.opened, mode: live, when: always, broadcast: {audience: {all_of: ["vip"]}, title: "t", body: "b"}, limits: {reserve: 1, reserve_until: "22:00"}}
  - {name: news, event: sale.opened, mode: live, when: always, broadcast: {audience: {all_of: ["vip"]}, title: "t", body: "b"}, limits: {quota: 1 per day}}
  - {name: sale, event: sale.opened, mode: live, when: always, broadcast: {audience: {all_of: ["vip"]}, title: "t", body: "b"}}
`

// slots is a world of two accounts at noon, with two slots an hour and so many a day.
type slots struct {
	WhyFacts
	t *testing.T
}

func newSlots(t *testing.T, day int) *slots {
	t.Helper()
	f := &slots{calm(t, "live"), t}
	f.Now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Settings.Accounts[0].Quota.Day = day
	f.Settings.Accounts = append(f.Settings.Accounts, f.Settings.Accounts[0])
	f.Settings.Accounts[1].Name, f.Settings.Accounts[1].AppKey = "spare", "k2"
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(whyCatalogue)}, {Name: "r.yaml", Data: []byte(slotRules)}}, RuleOptions(f.Settings))
	if set == nil {
		t.Fatal(list)
	}
	f.Set, f.Rule, f.Fates = set, "", nil
	return f
}

func (f *slots) wait(id, rule, key string, expire time.Duration, share *intent.Cap) {
	in := &intent.Intent{ID: intent.ID(id), Rule: rule, Account: "main", Key: key, Action: intent.Broadcast, Audience: &intent.Audience{AllOf: []string{"vip"}},
		Content: &intent.Content{Title: "t", Body: "b"}, Policy: intent.Policy{Expire: f.Now.Add(expire), Share: share}}
	n := len(f.States[0].Pending)
	f.States[0].Pending[id] = &ledger.Pending{Intent: in, Seq: int64(n), At: f.Now.Add(time.Duration(n-60) * time.Minute)}
}

// sent has a rule take a slot three hours ago.
func (f *slots) sent(rule, key string) {
	st := f.States[0]
	id, at := fmt.Sprint("s", len(st.Attempts)), f.Now.Add(-3*time.Hour)
	st.Attempts[id] = &ledger.Attempt{ID: id, Account: key, Lane: "broadcast", Rule: rule, State: ledger.OK, At: at, Until: at, Weight: 1}
	st.Sends[key+"/"+rule+"/quota-day"] = &ledger.Sends{Parts: []ledger.SendsPart{{At: at, N: 1}}}
}

func (f *slots) pending(id string) *PendingItem {
	for _, p := range PendingOf(f.Settings, f.Set, f.States, PendingFilter{}, f.Now).Pending {
		if string(p.Intent) == id {
			return &p
		}
	}
	f.t.Fatalf("%s is not pending", id)
	return nil
}

func (f *slots) quota() (why, ofMain string, lane QuotaLane) {
	for _, s := range WhyOf(f.WhyFacts).Steps {
		if s.Gate == "quota" {
			why = s.What
		}
	}
	for _, l := range QuotaOf(f.Settings, f.Set, f.States, f.Now).Accounts[0].Lanes {
		if l.Lane == "main/broadcast" {
			lane = l
		}
	}
	return why, fmt.Sprintf("%d today, %d later, %d expire", lane.Forecast.Today, lane.Forecast.Later, lane.Forecast.Expire), lane
}

// A request that the rule's own quota or another rule's reserve holds waits for a slot, in every view and with the same time and reason,
// although the lane has slots; once it may leave, nothing holds.
func TestWhatASharedSlotHoldsIsToldByAllViews(t *testing.T) {
	t.Parallel()
	const main = "rongcloud:k"
	midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	share := &intent.Cap{N: 1, Each: "day"}
	for name, c := range map[string]struct {
		day            int
		begin          func(*slots)
		waits          string
		next           time.Time
		why            string
		forecast       string
		others         time.Time
		idleHeld, busy int
	}{
		"a share": {3, func(f *slots) { f.sent("news", main); f.wait("x", "news", main, 7*time.Hour, share) }, "the rule's quota is used: 1 per day", midnight,
			"1 request waits for a slot of main/broadcast, the first of rule news, not before 2026-11-22 00:00:00 +00:00: the rule's quota is used: 1 per day (1h rolling 0/2, day UTC 1/3)", "0 today, 0 later, 1 expire", time.Time{}, 1, 0},
		"a reserve": {2, func(f *slots) { f.sent("sale", main); f.wait("x", "sale", main, 20*time.Hour, nil) }, "the slot is reserved for storm", midnight.Add(-2 * time.Hour),
			"1 request waits for a slot of main/broadcast, the first of rule sale, not before 2026-11-21 22:00:00 +00:00: the slot is reserved for storm (1h rolling 0/2, day UTC 1/2)", "1 today, 0 later, 0 expire", midnight.Add(-2 * time.Hour), 1, 0},
		"a reserve that outlasts it": {2, func(f *slots) { f.sent("sale", main); f.wait("x", "sale", main, 6*time.Hour, nil) }, "the slot is reserved for storm", midnight.Add(-2 * time.Hour),
			"1 request waits for a slot of main/broadcast, the first of rule sale, not before 2026-11-21 22:00:00 +00:00: the slot is reserved for storm", "0 today, 0 later, 1 expire", midnight.Add(-2 * time.Hour), 1, 0},
		"its own reserve": {2, func(f *slots) { f.sent("sale", main); f.wait("x", "storm", main, 6*time.Hour, nil) }, "", time.Time{}, "nothing waits for a slot", "1 today, 0 later, 0 expire", midnight.Add(-2 * time.Hour), 0, 1},
		"the reserve of a killed rule": {2, func(f *slots) {
			f.sent("sale", main)
			f.wait("x", "sale", main, 6*time.Hour, nil)
			f.States[0].Kills["storm"] = ledger.Kill{By: "li"}
		}, "", time.Time{}, "nothing waits for a slot", "1 today, 0 later, 0 expire", time.Time{}, 0, 1},
		"a reserve that leaves enough": {3, func(f *slots) { f.sent("sale", main); f.wait("x", "sale", main, 6*time.Hour, nil) }, "", time.Time{}, "nothing waits for a slot", "1 today, 0 later, 0 expire", time.Time{}, 0, 1},
		"another rule's share":         {3, func(f *slots) { f.sent("news", main); f.wait("x", "sale", main, 6*time.Hour, nil) }, "", time.Time{}, "nothing waits for a slot", "1 today, 0 later, 0 expire", time.Time{}, 0, 1},
	} {
		f := newSlots(t, c.day)
		c.begin(f)
		p := f.pending("x")
		if p.State != "quota" || p.Waits != c.waits || !c.next.IsZero() && !p.Next.Equal(c.next) || c.next.IsZero() && !p.Next.Equal(f.Now) {
			t.Errorf("%s: %s %q not before %s, want %q, %s", name, p.State, p.Waits, p.Next, c.waits, c.next)
		}
		why, forecast, lane := f.quota()
		if !strings.HasPrefix(why, c.why) || forecast != c.forecast || !lane.Others.Equal(c.others) || !lane.Next.Equal(f.Now) {
			t.Errorf("%s: %q; %s; next %s, of others %s", name, why, forecast, lane.Next, lane.Others)
		}
		idle := IdleOf(IdleFacts{Settings: f.Settings, Set: f.Set, States: f.States, Now: f.Now})
		if idle.Held["quota"] != c.idleHeld || idle.Busy["ready"] != c.busy || c.idleHeld > 0 && !idle.Next.Equal(c.next) {
			t.Errorf("%s: %+v", name, idle)
		}
	}
}

// Who has had its share does not hold up the others, and what leaves takes its slot from those behind it.
func TestTheForecastFollowsSharesAndReserves(t *testing.T) {
	t.Parallel()
	f := newSlots(t, 3)
	share := &intent.Cap{N: 1, Each: "day"}
	for _, w := range []struct { // all of one priority
		id, rule, key string
		expire        time.Duration
		share         *intent.Cap
	}{
		{"news 1", "news", "rongcloud:k", 8 * time.Hour, share},    // now
		{"news 2", "news", "rongcloud:k", 8 * time.Hour, share},    // its rule has had its share
		{"sale 1", "sale", "rongcloud:k", 20 * time.Hour, nil},     // at 22:00: until then the third slot of the day is reserved
		{"sale 2", "sale", "rongcloud:k", 9 * time.Hour, nil},      // now: it expires before sale 1
		{"sale 3", "sale", "rongcloud:k", 20 * time.Hour, nil},     // after midnight
		{"sale 4", "sale", "rongcloud:k", 20 * time.Hour, nil},     // after midnight
		{"sale 5", "sale", "rongcloud:k", 20 * time.Hour, nil},     // the third slot of that day is reserved until it has expired
		{"elsewhere", "sale", "rongcloud:k2", 20 * time.Hour, nil}, // another account's
	} {
		f.wait(w.id, w.rule, w.key, w.expire, w.share)
	}
	_, _, lane := f.quota()
	if d := cmp.Diff(Forecast{Today: 3, Later: 2, Expire: 2, Expires: f.Now.Add(8 * time.Hour)}, lane.Forecast); d != "" {
		t.Error(d)
	}
}

// What waits is counted lane by lane, each under its own name.
func TestWhatWaitsForSlotsIsCountedByLane(t *testing.T) {
	t.Parallel()
	f := newSlots(t, 5)
	for i, key := range []string{"rongcloud:k", "rongcloud:k2"} {
		f.States[0].Attempts[key] = &ledger.Attempt{ID: key, Account: key, Lane: "broadcast", State: ledger.OK, At: f.Now.Add(-time.Minute), Until: f.Now.Add(-time.Minute), Weight: 2}
		for j := range i + 1 {
			f.wait(fmt.Sprint(key, j), "sale", key, 20*time.Hour, nil)
		}
	}
	why, _, _ := f.quota()
	if !strings.HasPrefix(why, "1 request waits for a slot of main/broadcast, the next is free at ") || !strings.HasSuffix(why, "; 2 of spare/broadcast") {
		t.Error(why)
	}
}
