package app

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

const whyRules = `version: 1
rules:
  - name: sale
    event: sale.opened
    mode: MODE
    class: service
    when: always
    broadcast: {audience: {all_of: ["vip"]}, title: "Sale", body: "now"}
    limits: {expire: 1h}
  - name: other
    event: other.event
    mode: live
    class: service
    when: always
    push: {title: "t", body: "b"}
    limits: {expire: 1h}
`

const whyCatalogue = `version: 1
events:
  sale.opened: {topic: sales, id: id, time: at, user: user, fields: {city: city}}
  other.event: {topic: others, id: id, time: at, user: user, fields: {city: city}}
`

// calm is a world in which nothing holds.
func calm(t *testing.T, mode string) WhyFacts {
	t.Helper()
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	s := &settings.Settings{Zone: time.UTC, Kafka: settings.Kafka{Partitions: 1}, Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", AppKey: "k", Timeout: 6 * time.Second, Broadcast: true, Platforms: []string{"ios"},
		Quota: settings.Quota{Hour: 2, Day: 3, DayZones: []*time.Location{time.UTC}, Shared: true}}}}
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(whyCatalogue)}, {Name: "r.yaml", Data: []byte(strings.Replace(whyRules, "MODE", mode, 1))}}, RuleOptions(s))
	if set == nil {
		t.Fatal(list)
	}
	st := ledger.NewState()
	st.Owner = &ledger.Owner{Instance: "a", Nonce: "a-1"}
	st.Position.Clock = now.Add(-time.Minute)
	return WhyFacts{Settings: s, Set: set, Rule: "sale", States: map[int32]*ledger.State{0: st}, Halts: map[int32]ledger.Halt{}, Evaluate: []string{"a", "b"}, Dispatch: []string{"a"},
		Flows:     []ledger.Flow{{Topic: "sales", At: 10, Stable: 10, End: 10}, {Topic: "others", At: 10, Stable: 20, End: 25, Oldest: now.Add(-time.Hour)}},
		Instances: []ledger.Instance{{Name: "a", RuleSet: set.Hash, Since: now.Add(-time.Hour)}, {Name: "b", RuleSet: set.Hash, Since: now.Add(-time.Hour)}, {Name: "dead", RuleSet: "old", Failed: "N101"}},
		Fates:     []ledger.Fate{{Rule: "sale", Fate: ledger.Sent, Event: intent.EventRef{ID: "s-1"}, Lane: "main/broadcast", At: now.Add(-2 * time.Hour)}}, Now: now}
}

func (f *WhyFacts) wait(id string, change func(*ledger.Pending)) {
	in := &intent.Intent{ID: intent.ID(id), Rule: "sale", Account: "main", Key: "rongcloud:k", Action: intent.Broadcast, Audience: &intent.Audience{AllOf: []string{"vip"}}, Content: &intent.Content{Title: "t", Body: "b"}}
	p := &ledger.Pending{Intent: in, At: f.Now.Add(-10 * time.Minute)}
	change(p)
	f.States[0].Pending[id] = p
}

// Each gate, from the last to the first, begins to hold while all behind it hold: it is the one that is named, with since when and what to
// type.
func TestTheFirstGateThatHoldsIsNamed(t *testing.T) {
	t.Parallel()
	left := regexp.MustCompile(`[a-z]{2,}(,? [a-z]{2,}){2,}`) // an English sentence
	typed := regexp.MustCompile(`notifier [a-z ]+`)
	f := calm(t, "live")
	now, st := f.Now, f.States[0]
	v := WhyOf(f)
	if v.Holds != "" || len(v.Steps) != len(WhyGates) || !strings.Contains(v.Steps[len(v.Steps)-1].What, "rule sale, event s-1") {
		t.Fatalf("of a calm world: %+v", v)
	}
	for _, c := range []struct {
		gate, what, next string
		since            time.Time
		begin            func()
	}{
		{"breaker", "lane main/broadcast is stopped (breaker): time-out", "docs/runbook.md#breaker", now.Add(-3 * time.Minute), func() {
			st.Lanes["rongcloud:k/broadcast"] = ledger.LaneState{Reason: "breaker", Detail: "time-out", Since: now.Add(-3 * time.Minute), Retry: now}
			st.Lanes["rongcloud:k/user"] = ledger.LaneState{Reason: "breaker", Since: now.Add(-5 * time.Minute)} // not the rule's
		}},
		{"breaker", "lane main/broadcast does not get through: 7 calls in a row", "docs/runbook.md#stalled", now.Add(-3 * time.Minute), func() {
			st.Lanes["rongcloud:k/broadcast"] = ledger.LaneState{Reason: "breaker", Detail: "7 calls in a row did not get through, the last: refused", Since: now.Add(-3 * time.Minute), Retry: now, Misses: 7}
		}},
		{"credentials", "lane main/broadcast is stopped (credentials): 1004", "docs/runbook.md#credentials", now.Add(-4 * time.Minute), func() {
			st.Lanes["rongcloud:k/broadcast"] = ledger.LaneState{Reason: "credentials", Detail: "1004", Since: now.Add(-4 * time.Minute), Retry: now}
		}},
		{"take-over", "an owner before left call A-0-1 of lane main/broadcast open: what it touches is held until its outcome is decided, at the latest 2026-11-21 04:00:36", "notifier attempts A-0-1", now.Add(-30 * time.Second), func() {
			st.Attempts["A-0-1"] = &ledger.Attempt{ID: "A-0-1", Account: "rongcloud:k", Lane: "broadcast", State: ledger.Started, Owner: "gone-1", At: now.Add(-30 * time.Second), NotAfter: now.Add(-24 * time.Second)}
		}},
		{"quota", "1 request waits for a slot of main/broadcast", "docs/runbook.md#app-key", now.Add(-10 * time.Minute), func() {
			st.Attempts["x"] = &ledger.Attempt{ID: "x", Account: "rongcloud:k", Lane: "broadcast", State: ledger.External, At: now.Add(-time.Minute), Until: now.Add(-time.Minute), Weight: 2}
			f.wait("q", func(*ledger.Pending) {})
		}},
		{"caps", "the last intent, of rule sale, was suppressed (capped): 1 in 24h", "notifier fates", now.Add(-time.Minute), func() {
			f.Fates = append(f.Fates, ledger.Fate{Rule: "sale", Fate: ledger.Suppressed, Reason: ledger.Capped, Detail: "1 in 24h", At: now.Add(-time.Minute)})
		}},
		{"quiet", "1 intent is held by quiet hours or send_at, the first of rule sale until 2026-11-21 05:00:00", "notifier pending list --state quiet", now.Add(-10 * time.Minute), func() {
			f.wait("n", func(p *ledger.Pending) { p.LeavesAt = now.Add(time.Hour) })
		}},
		{"approvals", "1 request waits for people", "notifier approvals list", now.Add(-9 * time.Minute), func() {
			f.wait("p", func(p *ledger.Pending) {
				p.Intent.Policy.Approval = &intent.Approval{People: 1, Within: time.Hour}
				p.Approval = &ledger.Approval{Since: now.Add(-9 * time.Minute)}
			})
		}},
		{"pauses", "the rule files hold what rule sale has made: mode: off", "notifier pending list --rule sale", now.Add(-8 * time.Minute), func() {
			st.Pauses["off/sale"] = ledger.Pause{By: "the rule files", Why: "mode: off", At: now.Add(-8 * time.Minute)}
			st.Pauses["off/another"] = ledger.Pause{By: "the rule files", At: now} // not the rule's
		}},
		{"pauses", "account/main is paused by li: wait; being lifted by wang", "notifier pending list --state paused", now.Add(-8 * time.Minute), func() {
			st.Pauses["account/main"] = ledger.Pause{By: "li", Why: "wait", At: now.Add(-8 * time.Minute), Resuming: &ledger.Resuming{By: "wang"}}
		}},
		{"pauses", "broadcasts is paused by li: wrong text", "notifier resume broadcasts", now.Add(-8 * time.Minute), func() {
			delete(st.Pauses, "account/main")
			st.Pauses["broadcasts"] = ledger.Pause{By: "li", Why: "wrong text", At: now.Add(-8 * time.Minute)}
			st.Pauses["account/another"] = ledger.Pause{By: "li", At: now} // not the rule's
		}},
		{"pauses", "the brake of rule/sale has paused it: the rule sent 5 in 10m", "notifier resume rule/sale", now.Add(-9 * time.Minute), func() {
			delete(st.Pauses, "broadcasts")
			delete(st.Pauses, "off/sale")
			st.Pauses["rule/sale"] = ledger.Pause{By: "brake", Why: "the rule sent 5 in 10m", At: now.Add(-9 * time.Minute), Brake: true}
		}},
		{"pauses", "rule/sale is paused by li: lunch; its brake had paused it before: the rule sent 5 in 10m, since 2026-11-21 ", "notifier resume rule/sale", now.Add(-8 * time.Minute), func() {
			brake := st.Pauses["rule/sale"]
			st.Pauses["rule/sale"] = ledger.Pause{By: "li", Why: "lunch", At: now.Add(-8 * time.Minute), Tripped: &brake}
		}},
		{"modes", "its mode is shadow (r.yaml:3)", "mode: live in r.yaml", time.Time{}, func() {
			f.Set = calm(t, "shadow").Set
			f.Instances[0].RuleSet, f.Instances[1].RuleSet = f.Set.Hash, f.Set.Hash
		}},
		{"rules", "the instances go by different rules: b 0123", "roll out", now.Add(-7 * time.Minute), func() { f.Instances[1].RuleSet, f.Instances[1].Since = "0123", now.Add(-7*time.Minute) }},
		{"rules", "the rule files of b have errors", "notifier check", now.Add(-6 * time.Minute), func() { f.Instances[1].Failed, f.Instances[1].FailedAt = "N202", now.Add(-6*time.Minute) }},
		{"kafka", "reading is 5 records behind, most in sales[0] at offset 10", "notifier skip sales/0@10", now.Add(-2 * time.Hour), func() {
			f.Flows[0] = ledger.Flow{Topic: "sales", At: 10, Stable: 15, End: 15, Oldest: now.Add(-2 * time.Hour)}
		}},
		{"kafka", "sales[0] is stopped: the group's offset 10 is not in the log any more", "--reset-offsets", time.Time{}, func() { f.Flows[0] = ledger.Flow{Topic: "sales", At: 10, Stable: 15, End: 15, Lost: true} }},
		{"kafka", "sales[0]: an open transaction of its producer holds back 5 offsets from offset 15", "find-hanging", time.Time{}, func() { f.Flows[0] = ledger.Flow{Topic: "sales", At: 15, Stable: 15, End: 20} }},
		{"instances", "no instance sends", "a, b", now.Add(-time.Minute), func() { f.Dispatch = nil }},
		{"instances", "no instance runs", "notifier run", now.Add(-time.Minute), func() { f.Evaluate = nil }},
		{"instances", "partition 0 is stopped: lost", "notifier quota assume main", now.Add(-time.Hour), func() { f.Halts[0] = ledger.Halt{Partition: 0, What: "lost", At: now.Add(-time.Hour)} }},
	} {
		c.begin()
		v := WhyOf(f)
		for _, s := range v.Steps {
			if zh := WhyZH(s.What); left.MatchString(zh) || zh == s.What && strings.Contains(zh, " ") {
				t.Errorf("in Chinese: %q is %q", s.What, zh)
			}
			if zh := WhyZH(strings.Replace(s.Next, "runbook.md", "runbook.zh-CN.md", 1)); left.MatchString(typed.ReplaceAllString(zh, "")) {
				t.Errorf("in Chinese: %q is %q", s.Next, zh)
			}
		}
		last := v.Steps[slices.Index(WhyGates, c.gate)]
		if v.Holds != c.gate || last.Gate != c.gate || !last.Holds || !strings.Contains(last.What, c.what) || !strings.Contains(last.Next, c.next) || !last.Since.Equal(c.since) || last.What == "" {
			t.Errorf("%s holds: %q, since %s, next %q; want %s %q, since %s, next %q", v.Holds, last.What, last.Since, last.Next, c.gate, c.what, c.since, c.next)
		}
		if len(v.Steps) != len(WhyGates) {
			t.Errorf("%s: %d steps, want all %d", c.gate, len(v.Steps), len(WhyGates))
		}
	}
}

// What waits as it should does not hide what is wrong behind it: that is what the next command is about.
func TestAFaultBehindAWaitIsTheNextThingToDo(t *testing.T) {
	t.Parallel()
	f := calm(t, "live")
	f.wait("n", func(p *ledger.Pending) { p.LeavesAt = f.Now.Add(time.Hour) })
	v := WhyOf(f)
	if v.Holds != "quiet" || v.Fault != "" || v.Next != "notifier pending list --state quiet" {
		t.Errorf("quiet alone: %+v", v)
	}
	f.States[0].Lanes["rongcloud:k/broadcast"] = ledger.LaneState{Reason: "credentials", Detail: "1004", Since: f.Now, Retry: f.Now}
	v = WhyOf(f)
	var held []string
	for _, s := range v.Steps {
		if s.Holds {
			held = append(held, fmt.Sprint(s.Gate, " ", s.Fault))
		}
	}
	if v.Holds != "quiet" || v.Fault != "credentials" || v.Next != "docs/runbook.md#credentials" || strings.Join(held, ", ") != "quiet false, credentials true" {
		t.Errorf("with a stopped lane behind: %q %+v", held, v)
	}
}

// Rule files with errors leave gates in the dark: they are neither said to let pass nor to hold.
func TestWhatCannotBeToldIsNeitherOpenNorClosed(t *testing.T) {
	t.Parallel()
	f := calm(t, "live")
	f.Rule, f.Set, f.Flows = "", nil, nil
	v := WhyOf(f)
	var dark []string
	for _, s := range v.Steps {
		if s.Dark {
			dark = append(dark, s.Gate)
		}
	}
	if v.Holds != "" || v.Next != "notifier check" || strings.Join(dark, " ") != "kafka modes" {
		t.Errorf("%q %+v", dark, v)
	}
	f.Flows = []ledger.Flow{{Topic: "sales", At: 10, Stable: 10, End: 10}} // the names of the topics could be made out
	if v = WhyOf(f); v.Steps[1].Dark || !v.Steps[3].Dark {
		t.Errorf("%+v", v.Steps)
	}
	if v = WhyOf(calm(t, "live")); v.Steps[1].Dark || v.Steps[3].Dark {
		t.Errorf("%+v", v.Steps)
	}
}

// Of a rule only what concerns it is asked, of all everything.
func TestARuleIsNotHeldByWhatConcernsOthers(t *testing.T) {
	t.Parallel()
	f := calm(t, "live")
	f.Rule = "other"
	st := f.States[0]
	st.Pauses["broadcasts"] = ledger.Pause{By: "li"}
	st.Pauses["lane/main/broadcast"] = ledger.Pause{By: "li"}
	st.Pauses["rule/sale"] = ledger.Pause{By: "li"}
	f.Flows[1] = ledger.Flow{Topic: "others"}
	f.Fates = nil
	if v := WhyOf(f); v.Holds != "" || !strings.Contains(v.Steps[len(v.Steps)-1].What, "nothing was sent") {
		t.Errorf("%+v", v)
	}
	f.Rule = ""
	if v := WhyOf(f); v.Holds != "pauses" {
		t.Errorf("of all: %+v", v)
	}
	f.Rule = "nobody"
	if v := WhyOf(f); v.Holds != "modes" || !strings.Contains(v.Steps[3].What, "no rule nobody") {
		t.Errorf("of none: %+v", v)
	}
	f = calm(t, "live")
	f.States[0].Kills["sale"] = ledger.Kill{By: "li", Why: "x", At: f.Now}
	if v := WhyOf(f); v.Holds != "pauses" || !strings.Contains(v.Steps[4].Next, "notifier revive sale") {
		t.Errorf("killed: %+v", v)
	}
}

const whyTagRules = `version: 1
rules:
  - name: city
    event: user.changed
    mode: live
    when: always
    tags: ["city_${city}"]
`

// Tag rules have no intents of their own: what waits for the tags of the rule's account, and what was changed last, stands under one name.
func TestOfATagRuleTheTagsAreAsked(t *testing.T) {
	t.Parallel()
	f := calm(t, "live")
	f.Settings.Accounts = append(f.Settings.Accounts, settings.Account{Name: "second", Vendor: "getui", AppID: "a", AppKey: "k2", Identify: "cid", Timeout: 6 * time.Second})
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte("version: 1\nevents:\n  user.changed: {kind: profile, update: patch, topic: users, id: id, time: at, user: user, fields: {city: city}}\n")},
		{Name: "r.yaml", Data: []byte(strings.Replace(whyTagRules, "mode: live", "mode: live\n    account: main", 1))}}, RuleOptions(f.Settings))
	if set == nil {
		t.Fatal(list)
	}
	f.Set, f.Rule, f.Instances = set, "city", []ledger.Instance{{Name: "a", RuleSet: set.Hash}}
	if got := OnRecord(set, "city") + " " + OnRecord(set, "gone") + " " + OnRecord(nil, "city"); got != "tags gone city" {
		t.Errorf("on record: %s", got)
	}
	f.Fates = []ledger.Fate{{Rule: "tags", Account: "main", Fate: ledger.Sent, Event: intent.EventRef{ID: "u-1"}, Lane: "main/tag", At: f.Now.Add(-2 * time.Hour)},
		{Rule: "tags", Account: "second", Fate: ledger.Sent, Event: intent.EventRef{ID: "u-2"}, Lane: "second/tag", At: f.Now.Add(-time.Hour)}}
	if v := WhyOf(f); v.Holds != "" || !strings.Contains(v.Steps[len(v.Steps)-1].What, "event u-1, main/tag") {
		t.Errorf("last sent: %+v", v.Steps)
	}
	for _, key := range []string{"getui:k2", "rongcloud:k"} {
		id := "t/0/1/tags/" + key
		f.States[0].Pending[id] = &ledger.Pending{Intent: &intent.Intent{ID: intent.ID(id), Rule: "tags", Key: key, Action: intent.Tags, Profile: &intent.Profile{}}, At: f.Now}
	}
	for rule, want := range map[string]string{"city": "main/tag, modes: its mode is live", "tags": "main/tag, second/tag, modes: 1 of 1 tag rules are live"} {
		f.Rule = rule
		w := &why{WhyFacts: f, accounts: pendingAccounts(f.Settings)}
		w.see()
		var got []string
		for _, p := range w.waiting {
			got = append(got, p.Lane)
		}
		slices.Sort(got)
		if is := strings.Join(append(got, "modes: "+w.modes().What), ", "); is != want || w.lanes["main/user"] || !w.lanes["main/tag"] {
			t.Errorf("%s: %q, lanes %v, want %q", rule, is, w.lanes, want)
		}
	}
}

// Only what is said of an account in a stopped partition lets it go on.
func TestAStoppedPartitionNamesItsOwnAccounts(t *testing.T) {
	t.Parallel()
	f := calm(t, "live")
	f.Rule, f.Settings.Kafka.Partitions = "", 8
	for i := range 6 {
		a := f.Settings.Accounts[0]
		a.Name, a.AppKey = fmt.Sprintf("a%d", i), fmt.Sprint("k", i)
		f.Settings.Accounts = append(f.Settings.Accounts, a)
	}
	for p := range int32(8) {
		var here []string
		for i := range f.Settings.Accounts {
			if ac := &f.Settings.Accounts[i]; int32(ledger.HashPartition([]byte(Identity(ac)), 8)) == p {
				here = append(here, "notifier quota assume "+ac.Name)
			}
		}
		if slices.Sort(here); len(here) == 0 { // then any account's word frees it
			here = []string{"notifier quota assume a0"}
		}
		f.Halts = map[int32]ledger.Halt{p: {Partition: p, What: "lost", At: f.Now}}
		if v := WhyOf(f); v.Holds != "instances" || v.Next != "docs/runbook.md#stopped-partition, then "+strings.Join(here, ", ") {
			t.Errorf("partition %d: %q, want %q", p, v.Next, here)
		}
	}
}

// A topic that nobody has begun to read is no topic without lag.
func TestATopicThatWasNeverBegunHoldsWhatItGives(t *testing.T) {
	t.Parallel()
	f := calm(t, "live")
	f.Flows = append(f.Flows, ledger.Flow{Topic: "sales", Partition: 1, At: 3, Stable: 7, End: 7, Fresh: true}, ledger.Flow{Topic: "sales", Partition: 2, Fresh: true})
	v := WhyOf(f)
	if want := "sales[1] and 1 more partitions were never begun: nobody reads the 4 offsets in them"; v.Holds != "kafka" || v.Fault != "kafka" || v.Steps[1].What != want || !strings.Contains(v.Next, "the log of a, b") {
		t.Errorf("%+v, want %q", v, want)
	}
	f.Rule = "other"
	f.Flows[1] = ledger.Flow{Topic: "others"}
	if v := WhyOf(f); v.Holds == "kafka" {
		t.Errorf("another rule's topic: %+v", v)
	}
}

func TestWhatAProcessSaysOfItself(t *testing.T) {
	t.Parallel()
	f := calm(t, "live")
	at := f.Now
	is := says(ledger.Instance{}, f.Set, "", at)
	if is.RuleSet != f.Set.Hash || !is.Since.Equal(at) || is.Failed != "" {
		t.Errorf("at first %+v", is)
	}
	is = says(is, f.Set, "N202", at.Add(time.Minute))
	is = says(is, f.Set, "N101", at.Add(time.Hour))
	if is.Failed != "N101" || !is.FailedAt.Equal(at.Add(time.Minute)) || !is.Since.Equal(at) {
		t.Errorf("with errors %+v", is)
	}
	if is = says(is, f.Set, "", at.Add(2*time.Hour)); is.Failed != "" || !is.FailedAt.IsZero() {
		t.Errorf("mended %+v", is)
	}
}
