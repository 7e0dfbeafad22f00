package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// paper is a faultless run on paper: a tag change, a push, a push to two, a repeated event, a broadcast of a killed process that
// is UNKNOWN, one that waits, an event that matches nothing, a record that cannot be read.
type paper struct {
	in      Input
	journal []map[string]any
	now     time.Time
}

func js(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func newPaper() *paper {
	p := &paper{now: time.UnixMilli(1_800_000_000_000)}
	p.in = Input{Shops: []string{"main"}, Tags: map[string]map[string][]string{"main": {"u1": {"city_b", "vip"}}, "second": {"u1": {"in_b"}}},
		Starts: []Moment{{At: p.now}, {At: p.now.Add(5 * time.Second)}}, Kills: []Moment{{At: p.now.Add(4 * time.Second)}}}
	events := map[string][]any{
		"shop.profiles": {
			map[string]any{"id": "p1", "at": 10, "user": "u1", "city": "a", "level": "vip"},
			map[string]any{"id": "p2", "at": 20, "user": "u1", "city": "b"},
			map[string]any{"id": "p3", "at": 15, "user": "u1", "city": "c"}, // late: stale
		},
		"shop.orders": {
			map[string]any{"id": "o1", "at": 30, "user": "u1", "amount": 150},
			map[string]any{"id": "o2", "at": 31, "user": "u2", "amount": 290, "team": []string{"u3", "u4"}},
			map[string]any{"id": "o1", "at": 30, "user": "u1", "amount": 150}, // repeated
			map[string]any{"id": "o3", "at": 32, "user": "u1", "amount": 50},  // no match
		},
		"shop.sales": {
			map[string]any{"id": "s1", "at": 40, "city": "a", "shop": "main"},
			map[string]any{"id": "s2", "at": 41, "city": "a", "shop": "main"},
			map[string]any{"id": "s3", "at": 42, "city": "a", "shop": "main"},
		},
	}
	for _, topic := range []string{"shop.profiles", "shop.orders", "shop.sales"} {
		for i, e := range events[topic] {
			p.in.Events = append(p.in.Events, Record{Topic: topic, Offset: int64(i), Value: js(e), Time: p.now})
			p.in.Acked = append(p.in.Acked, Place{topic, 0, int64(i), e.(map[string]any)["id"].(string)})
		}
	}
	p.in.Events = append(p.in.Events, Record{Topic: "shop.orders", Offset: 9, Value: []byte(`{"id":`)})
	p.in.Dead = []Record{{Topic: "n.dead", Origin: "shop.orders/0/9", Reason: "undecodable"}}

	p.call("x-1", "tag", "main", "/user/tag/set.json", map[string]any{"userId": "u1"}, 1)
	p.call("x-2", "tag", "second", "/user/tag/set.json", map[string]any{"userId": "u1"}, 1)
	p.push("x-3", "main", "order-thanks o1", "u1")
	p.push("x-4", "main", "order-thanks o2", "u2")
	p.push("x-5", "main", "order-team o2", "u3", "u4")
	p.push("x-6", "second", "order-big o2", "u2")
	p.call("x-7", "broadcast", "main", "/push.json", map[string]any{"notification": map[string]any{"alert": "sale-main s1"}}, 3900)
	p.ledger("a/x-7", map[string]any{"id": "x-7", "account": "rongcloud:key-main", "lane": "broadcast", "state": "unknown", "not_after": p.at(4900)}, 5500)
	p.call("x-8", "broadcast", "main", "/push.json", map[string]any{"notification": map[string]any{"alert": "sale-main s2"}}, 5600)
	p.ledger("a/x-8", map[string]any{"id": "x-8", "account": "rongcloud:key-main", "lane": "broadcast", "state": "ok", "not_after": p.at(6600)}, 5700)
	p.ledger("u/rongcloud:key-main/u1", map[string]any{"acked": []string{"city_b", "vip"}}, 1200)

	p.intent("tags", "main", "tags", "u1", "p1", "shop.profiles", 0, "COALESCED", "", "shop.profiles/0/1/tags/u1", "")
	p.intent("tags", "main", "tags", "u1", "p2", "shop.profiles", 1, "SENT", "", "", "x-1")
	p.intent("tags", "main", "tags", "u1", "p3", "shop.profiles", 2, "SUPPRESSED", "stale", "", "")
	p.intent("tags", "second", "tags", "u1", "p1", "shop.profiles", 0, "COALESCED", "", "shop.profiles/0/1/tags/u1", "")
	p.intent("tags", "second", "tags", "u1", "p2", "shop.profiles", 1, "SENT", "", "", "x-2")
	p.intent("tags", "second", "tags", "u1", "p3", "shop.profiles", 2, "SUPPRESSED", "stale", "", "")
	p.intent("push", "main", "order-thanks", "u1", "o1", "shop.orders", 0, "SENT", "", "", "x-3")
	p.intent("push", "main", "order-thanks", "u2", "o2", "shop.orders", 1, "SENT", "", "", "x-4")
	p.intent("push", "main", "order-team", "u3", "o2", "shop.orders", 1, "SENT", "", "", "x-5")
	p.intent("push", "main", "order-team", "u4", "o2", "shop.orders", 1, "SENT", "", "", "x-5")
	p.intent("push", "second", "order-big", "u2", "o2", "shop.orders", 1, "SENT", "", "", "x-6")
	p.intent("push", "main", "order-thanks", "u1", "o1", "shop.orders", 2, "SUPPRESSED", "duplicate", "", "")
	p.intent("broadcast", "main", "sale-main", "*", "s1", "shop.sales", 0, "UNKNOWN", "", "", "x-7")
	p.intent("broadcast", "main", "sale-main", "*", "s2", "shop.sales", 1, "SENT", "", "", "x-8")
	p.intent("broadcast", "main", "sale-main", "*", "s3", "shop.sales", 2, "", "", "", "")
	p.ledger("p/shop.sales/0/2/sale-main/*", map[string]any{}, 6000)
	p.ledger("s", map[string]any{"intents": len(p.in.Intents), "fates": len(p.in.Fates)}, 6000)
	return p
}

func (p *paper) at(ms int) time.Time { return p.now.Add(time.Duration(ms) * time.Millisecond) }

func (p *paper) ledger(key string, v any, ms int) {
	r := Record{Topic: "n.ledger", Key: key, Time: p.at(ms)}
	if v != nil {
		r.Value = js(v)
	}
	p.in.Ledger = append(p.in.Ledger, r)
}

// call is an attempt on record and its arrival one millisecond later. Per-second lanes are resolved at once.
func (p *paper) call(id, lane, account, path string, body any, ms int) {
	p.ledger("a/"+id, map[string]any{"id": id, "account": "rongcloud:key-" + account, "lane": lane, "state": "started", "not_after": p.at(ms + 1000)}, ms)
	p.journal = append(p.journal, map[string]any{"at_ms": p.at(ms + 1).UnixMilli(), "app": "key-" + account, "path": path, "executed": true, "code": 200,
		"headers": map[string]string{"X-Request-Id": id + "-1"}, "body": body})
	if lane != "broadcast" {
		p.ledger("a/"+id, nil, ms+2)
	}
}

func (p *paper) push(id, account, text string, users ...string) {
	p.call(id, "user", account, "/push/user.json", map[string]any{"userIds": users, "notification": map[string]any{"pushContent": text}}, 1300)
}

func (p *paper) intent(action, account, rule, target, event, topic string, offset int64, fate, reason, into, attempt string) {
	ref := map[string]any{"id": event, "topic": topic, "partition": 0, "offset": offset}
	id := fmt.Sprintf("%s/0/%d/%s/%s", topic, offset, rule, target)
	p.in.Intents = append(p.in.Intents, Record{Topic: "n.intents", Offset: int64(len(p.in.Intents)), Value: js(map[string]any{"id": id, "rule": rule, "account": account, "target": target, "action": action, "event": ref})})
	if fate != "" {
		p.in.Fates = append(p.in.Fates, Record{Topic: "n.fates", Offset: int64(len(p.in.Fates)), Value: js(map[string]any{"intent": id, "rule": rule, "user": target, "account": account,
			"action": action, "fate": fate, "reason": reason, "into": into, "attempt": attempt, "event": ref})})
	}
}

// edit changes the record of a list that contains all of the words.
func edit(t *testing.T, rs []Record, change func(map[string]any), words ...string) {
	t.Helper()
next:
	for i, r := range rs {
		for _, w := range words {
			if !strings.Contains(string(r.Value), w) {
				continue next
			}
		}
		var m map[string]any
		if err := json.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		rs[i].Value = js(m)
		return
	}
	t.Fatalf("no record with %q", words)
}

func drop(t *testing.T, rs []Record, words ...string) []Record {
	t.Helper()
next:
	for i, r := range rs {
		for _, w := range words {
			if !strings.Contains(string(r.Value), w) {
				continue next
			}
		}
		return append(rs[:i:i], rs[i+1:]...)
	}
	t.Fatalf("no record with %q", words)
	return nil
}

func (p *paper) check(t *testing.T) *Report {
	t.Helper()
	var b strings.Builder
	for _, c := range p.journal {
		b.Write(js(c))
		b.WriteByte('\n')
	}
	p.in.Journal = strings.NewReader(b.String())
	r, err := Check(p.in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAFaultlessRunHasNoProblems(t *testing.T) {
	p := newPaper()
	r := p.check(t)
	for _, problem := range r.Problems {
		t.Error(problem)
	}
	if r.Pending != 1 || r.Unknown != 1 || r.Quiet != 1 || len(r.FirstCall) != 2 {
		t.Errorf("%+v", r)
	}
	if hits, open, scarce := r.Hits(); hits != 1 || open != 1 || scarce != 1 {
		t.Errorf("the kill hit %d, %d, %d; a broadcast was open", hits, open, scarce)
	}
	if left, err := Left(p.in); left != "" || err != nil {
		t.Errorf("left: %q, %v", left, err)
	}
}

// A tag call is a repeat of a kill's when it told the vendor nothing new and its users were in a call that the kill had left open.
func TestRepeatsAreCallsThatAKillMadeAgain(t *testing.T) {
	p := newPaper()
	p.in.Kills = append(p.in.Kills, Moment{At: p.at(7000)})
	p.in.Starts = append(p.in.Starts, Moment{At: p.at(7010)})
	set := func(id string, ms int, open bool, tag string, users ...string) {
		p.call(id, "tag", "main", "/user/tag/batch/set.json", map[string]any{"userIds": users, "tags": []string{tag}}, ms)
		if open {
			p.in.Ledger = p.in.Ledger[:len(p.in.Ledger)-1]
			p.ledger("a/"+id, nil, 8000)
		}
	}
	set("y-1", 6500, true, "a", "u1", "u2") // open at the kill
	set("y-2", 6600, false, "b", "u3")
	set("y-3", 6700, false, "b", "u3")             // needless, for another reason
	set("y-4", 7100, false, "a", "u1", "u2")       // the kill's
	set("y-5", 7200, false, "a", "u2")             // and this
	set("y-6", 7300, false, "a", "u1", "u2", "u4") // needed
	set("y-7", 7400, false, "c", "u1")             // needed
	set("y-8", 7500, false, "c", "u1")             // needless, u1 has had another call since
	r := p.check(t)
	if r.Repeats != 2 || r.Needless != 4 {
		t.Errorf("%d repeats, want 2; %d needless calls, want 4", r.Repeats, r.Needless)
	}
}

// A drain is to blame for a call that it left open on a partition which was its own when it began.
func TestOnlyItsOwnPartitionsAreTorn(t *testing.T) {
	for at, torn := range map[int]bool{5905: false, 5915: true} { // when the other process became the owner; the drain began at 5910
		p := newPaper()
		p.in.Starts = []Moment{{At: p.now, Process: "one"}}
		p.ledger("o", map[string]any{"instance": "one", "nonce": "one-X"}, 5800)
		p.ledger("a/x-9", map[string]any{"id": "x-9", "owner": "one-X", "lane": "user", "state": "started"}, 5900)
		p.ledger("o", map[string]any{"instance": "two", "nonce": "two-Y"}, at)
		p.ledger("a/x-9", nil, 5950)
		p.in.Drains = []Moment{{Began: p.at(5910), At: p.at(5920), Process: "one"}}
		found := slices.ContainsFunc(p.check(t).Problems, func(problem string) bool { return strings.HasPrefix(problem, "torn drain:") })
		if found != torn {
			t.Errorf("taken at %d: torn %v, want %v", at, found, torn)
		}
	}
}

// Of several processes a kill hits its own calls, and the first call of a start is by its own process.
func TestProcessesAreToldApart(t *testing.T) {
	p := newPaper()
	p.in.Starts = []Moment{{At: p.now, Process: "one", Release: "old"}, {At: p.at(1), Process: "two", Release: "new"}}
	owned := func(id, owner string, ms int) {
		p.ledger("a/"+id, map[string]any{"id": id, "account": "rongcloud:key-main", "owner": owner + "-XYZ", "lane": "tag", "state": "started", "not_after": p.at(ms + 1000)}, ms)
		p.journal = append(p.journal, map[string]any{"at_ms": p.at(ms + 1).UnixMilli(), "app": "key-main", "path": "/user/tag/set.json", "executed": true, "code": 200,
			"headers": map[string]string{"X-Request-Id": id + "-1"}, "body": map[string]any{"userId": "u1", "tags": []string{"a"}}})
	}
	owned("y-1", "two", 3000)
	p.in.Kills = []Moment{{At: p.at(3500), Process: "one"}, {At: p.at(3600), Process: "two"}}
	p.in.Drains = []Moment{{At: p.at(3550), Process: "one"}}
	r := p.check(t)
	if one, two := r.Crashes[0].Open, r.Crashes[1].Open; one != 0 || two != 1 {
		t.Errorf("the kills hit %d and %d calls, want 0 and 1", one, two)
	}
	for _, problem := range r.Problems {
		if strings.HasPrefix(problem, "torn drain:") {
			t.Error(problem)
		}
	}
	if r.Drains != 1 {
		t.Errorf("%d drains were looked at, want 1", r.Drains)
	}
	if len(r.FirstCall) != 1 || r.FirstCall[0] != 3*time.Second || r.Callers["new"] != 1 || r.Callers["old"] != 0 {
		t.Errorf("first calls %v, callers %v; want one after 3s, by the new release", r.FirstCall, r.Callers)
	}
}

// An attempt that an earlier process left open does not make a later kill count.
func TestAKillCountsOnlyForCallsOfItsOwnProcess(t *testing.T) {
	p := newPaper()
	p.in.Kills = append(p.in.Kills, Moment{At: p.at(5400)})
	p.in.Starts = append(p.in.Starts, Moment{At: p.at(5450)})
	if r := p.check(t); r.Crashes[1].Hit() {
		t.Errorf("%+v counts, its process had begun nothing", r.Crashes[1])
	}
}

// late makes the push x-3 arrive after its time.
func (p *paper) late() {
	p.ledger("a/x-3", map[string]any{"id": "x-3", "lane": "user", "state": "unknown", "not_after": p.at(1250)}, 1301)
	p.ledger("a/x-3", nil, 1302)
}

func (p *paper) refuse(path string, ms int) {
	p.ledger("a/x-9", map[string]any{"id": "x-9", "lane": "user", "state": "started", "not_after": p.at(ms + 1000)}, ms)
	p.ledger("a/x-9", nil, ms+2)
	p.journal = append(p.journal, map[string]any{"at_ms": p.at(ms + 1).UnixMilli(), "app": "key-main", "path": path, "code": 1008, "headers": map[string]string{"X-Request-Id": "x-9-1"}})
}

// Where the limit is per second, a call that comes late takes the room of another: that is no fault of the ledger.
func TestALateCallExcusesARefusalOfItsSecond(t *testing.T) {
	for _, c := range []struct{ ms, problems int }{{2000, 0}, {3000, 1}} {
		p := newPaper()
		p.late()
		p.refuse("/push/user.json", c.ms)
		if r := p.check(t); len(r.Problems) != c.problems || r.Refused != 1 {
			t.Errorf("a call refused at %d ms: %d refusals, %q", c.ms, r.Refused, r.Problems)
		}
	}
}

// planted is a bug, and the beginning of the problem that it is found as.
type planted struct {
	name  string
	plant func(*testing.T, *paper)
	want  string
}

// findAll plants each bug in a run on paper of its own.
func findAll(t *testing.T, fresh func() *paper, bugs []planted) {
	t.Helper()
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			p := fresh()
			b.plant(t, p)
			problems := p.check(t).Problems
			if !slices.ContainsFunc(problems, func(problem string) bool { return strings.HasPrefix(problem, b.want) }) {
				t.Errorf("nobody noticed; want %q, got %q", b.want, problems)
			}
		})
	}
}

// Every planted bug must be found, as what it is.
func TestPlantedBugs(t *testing.T) {
	set := func(k string, v any) func(map[string]any) { return func(m map[string]any) { m[k] = v } }
	findAll(t, newPaper, []planted{
		{"a push without fate", func(t *testing.T, p *paper) { p.in.Fates = drop(t, p.in.Fates, `"order-thanks"`, `"o2"`) }, "lost:"},
		{"a push that is SENT and never arrived", func(t *testing.T, p *paper) { p.journal = append(p.journal[:3], p.journal[4:]...) }, "lost push:"},
		{"a tag intent without fate", func(t *testing.T, p *paper) { p.in.Fates = drop(t, p.in.Fates, `"p2"`, `"second"`) }, "lost:"},
		{"an intent that stage 1 lost", func(t *testing.T, p *paper) { p.in.Intents = drop(t, p.in.Intents, `"order-big"`) }, "intent missing:"},
		{"an intent twice", func(t *testing.T, p *paper) { p.in.Intents = append(p.in.Intents, p.in.Intents[6]) }, "intent twice:"},
		{"an intent nobody asked for", func(t *testing.T, p *paper) {
			p.intent("push", "main", "order-thanks", "u1", "o3", "shop.orders", 3, "SENT", "", "", "")
		}, "intent extra:"},
		{"an intent of another event", func(t *testing.T, p *paper) {
			edit(t, p.in.Intents, func(m map[string]any) { m["event"].(map[string]any)["id"] = "o9" }, `"order-big"`)
		}, "intent differs:"},
		{"two fates", func(t *testing.T, p *paper) { p.in.Fates = append(p.in.Fates, p.in.Fates[6]) }, "two fates:"},
		{"a fate of nothing", func(t *testing.T, p *paper) { edit(t, p.in.Fates, set("intent", "x/0/0/r/u"), `"order-big"`) }, "fate without intent:"},
		{"a push given up", func(t *testing.T, p *paper) {
			edit(t, p.in.Fates, func(m map[string]any) { m["fate"], m["reason"] = "SUPPRESSED", "no-quota" }, `"order-big"`)
		}, "wrong fate:"},
		{"UNKNOWN without an unclear attempt", func(t *testing.T, p *paper) { edit(t, p.in.Fates, set("fate", "UNKNOWN"), `"order-big"`) }, "unfounded UNKNOWN:"},
		{"coalesced into another user's", func(t *testing.T, p *paper) {
			edit(t, p.in.Fates, set("into", "shop.orders/0/0/order-thanks/u1"), `"COALESCED"`)
		}, "coalesced into a stranger:"},
		{"the same broadcast from two attempts", func(t *testing.T, p *paper) {
			p.call("x-9", "broadcast", "main", "/push.json", map[string]any{"notification": map[string]any{"alert": "sale-main s1"}}, 5800)
		}, "broadcast doubled:"},
		{"an UNKNOWN push sent again", func(t *testing.T, p *paper) { p.push("x-9", "main", "order-thanks o1", "u1") }, "push doubled:"},
		{"a repeated event sent twice", func(t *testing.T, p *paper) {
			edit(t, p.in.Fates, func(m map[string]any) { m["fate"], m["reason"] = "SENT", "" }, `"duplicate"`)
		}, "duplicates:"},
		{"a send nobody asked for", func(t *testing.T, p *paper) { p.push("x-9", "main", "order-thanks o3", "u1") }, "phantom:"},
		{"a waiting broadcast that arrived", func(t *testing.T, p *paper) {
			p.call("x-9", "broadcast", "main", "/push.json", map[string]any{"notification": map[string]any{"alert": "sale-main s3"}}, 5800)
		}, "sent without fate:"},
		{"a call that is in no ledger", func(t *testing.T, p *paper) { p.journal[3]["headers"] = map[string]string{"X-Request-Id": "y-1-1"} }, "call without attempt:"},
		{"a call before its attempt", func(t *testing.T, p *paper) { p.journal[3]["at_ms"] = p.at(1200).UnixMilli() }, "call before its attempt:"},
		{"a third broadcast in the hour", func(t *testing.T, p *paper) {
			p.call("x-9", "broadcast", "main", "/push.json", map[string]any{"notification": map[string]any{"alert": "sale-main s3"}}, 5800)
		}, "overrun:"},
		{"an overrun by the sandbox's count", func(t *testing.T, p *paper) { p.in.Overruns = 1 }, "overrun:"},
		{"a refusal by the vendor's quota", func(t *testing.T, p *paper) { p.refuse("/push/user.json", 2000) }, "overrun:"},
		{"a broadcast refused, late calls or not", func(t *testing.T, p *paper) {
			p.late()
			p.refuse("/push.json", 2000)
		}, "overrun:"},
		{"a double by the sandbox's count", func(t *testing.T, p *paper) { p.in.Doubles = 1 }, "doubles:"},
		{"an older city won", func(t *testing.T, p *paper) { p.in.Tags["main"]["u1"] = []string{"city_c", "vip"} }, "wrong tags:"},
		{"tags never written", func(t *testing.T, p *paper) { delete(p.in.Tags["second"], "u1") }, "wrong tags:"},
		{"tags of a stranger", func(t *testing.T, p *paper) { p.in.Tags["main"]["u9"] = []string{"vip"} }, "wrong tags:"},
		{"a dead letter lost", func(t *testing.T, p *paper) { p.in.Dead = nil }, "dead letter missing:"},
		{"a dead letter twice", func(t *testing.T, p *paper) { p.in.Dead = append(p.in.Dead, p.in.Dead[0]) }, "dead letter twice:"},
		{"a good event as dead letter", func(t *testing.T, p *paper) { p.in.Dead[0].Origin = "shop.orders/0/0" }, "dead letter extra:"},
		{"an acknowledged event gone", func(t *testing.T, p *paper) { p.in.Events = drop(t, p.in.Events, `"o3"`) }, "broker lost an event:"},
		{"another event in its place", func(t *testing.T, p *paper) { edit(t, p.in.Events, set("id", "o8"), `"o3"`) }, "broker changed an event:"},
		{"an attempt left open", func(t *testing.T, p *paper) {
			p.ledger("a/x-9", map[string]any{"id": "x-9", "lane": "user", "state": "started"}, 6000)
		}, "open attempt:"},
		{"an attempt that a drain left open", func(t *testing.T, p *paper) {
			p.ledger("a/x-9", map[string]any{"id": "x-9", "lane": "user", "state": "started"}, 5900)
			p.ledger("a/x-9", nil, 5950)
			p.in.Drains = []Moment{{At: p.at(5920)}}
		}, "torn drain:"},
		{"a user still to be written again", func(t *testing.T, p *paper) {
			p.ledger("u/k/u1", map[string]any{"rewrite_at": p.at(9000)}, 6000)
		}, "open rewrite:"},
		{"books that do not balance", func(t *testing.T, p *paper) {
			p.ledger("s", map[string]any{"intents": len(p.in.Intents), "fates": len(p.in.Fates) - 1}, 6001)
		}, "books:"},
		{"a pending record left behind", func(t *testing.T, p *paper) { p.ledger("p/x", map[string]any{}, 6001) }, "books:"},
		{"a slot that nobody takes", func(t *testing.T, p *paper) { p.ledger("a/x-8", nil, 6001) }, "idle slot:"},
	})
}

func TestTheThreeWordsOfThePromise(t *testing.T) {
	r := &Report{Problems: []string{"lost: a", "lost push: b", "two fates: c", "overrun: d", "wrong tags: e", "doubles: f"}}
	if lost, doubled, overruns := r.Broken(); lost != 2 || doubled != 2 || overruns != 1 {
		t.Errorf("lost %d doubled %d overruns %d, want 2 2 1", lost, doubled, overruns)
	}
}
