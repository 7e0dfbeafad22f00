package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// newGetuiPaper is a faultless run on paper at Getui: a push whose answer was lost and that was made again, two in one batch, of which one
// had arrived before, a repeated event, a push that is UNKNOWN after three tries, broadcasts, tags of one account, and those of another that wait for the next day.
func newGetuiPaper() *paper {
	p := newPaper()
	events, acked, dead := p.in.Events, p.in.Acked, p.in.Dead
	p.in = Input{Vendor: Getui, Shops: []string{"main"}, Events: events, Acked: acked, Dead: dead, Starts: p.in.Starts, Kills: p.in.Kills, TagDay: map[string]int{"second": 1},
		Tags: map[string]map[string][]string{"main": {"u1": {"city_b", "vip"}}, "second": {"u1": {"in_a"}}},
		Told: map[string]Told{"second": {1, time.Date(2027, 1, 16, 0, 0, 10, 0, getuiZone), []string{"p2"}}}}
	p.journal = nil

	p.getui("g-0", "", "main", "/auth", nil, 50)
	p.getui("g-1", "push", "main", "/push/single/cid", single("r1", "order-thanks o1", "u1"), 1000)
	p.getui("g-2", "push", "main", "/push/single/cid", single("r1", "order-thanks o1", "u1"), 1400).repeats("r1")
	p.getui("g-3", "push", "main", "/push/single/batch/cid", batchOf(single("r2", "order-thanks o2", "u2"), single("r3", "order-team o2", "u3")), 1500)
	p.getui("g-4", "push", "main", "/push/single/batch/cid", batchOf(single("r3", "order-team o2", "u3"), single("r4", "order-team o2", "u4")), 1600).repeats("r3")
	p.getui("g-5", "push", "second", "/push/single/cid", single("r5", "order-big o2", "u2"), 1700)
	p.ledger("a/g-5", map[string]any{"id": "g-5", "account": "getui:key-second", "lane": "push", "state": "unknown", "try": 3, "began": p.at(1100), "not_after": p.at(2700)}, 2800)
	p.getui("g-6", "app", "main", "/push/tag", app("r6", "sale-main s1"), 2000)
	p.getui("g-7", "app", "main", "/push/tag", app("r7", "sale-main s2"), 2100)
	p.getui("g-8", "app", "main", "/push/tag", app("r8", "sale-main s3"), 2200)

	p.intent("push", "main", "order-thanks", "u1", "o1", "shop.orders", 0, "SENT", "", "", "g-2")
	p.intent("push", "main", "order-thanks", "u2", "o2", "shop.orders", 1, "SENT", "", "", "g-3")
	p.intent("push", "main", "order-team", "u3", "o2", "shop.orders", 1, "SENT", "", "", "g-4")
	p.intent("push", "main", "order-team", "u4", "o2", "shop.orders", 1, "SENT", "", "", "g-4")
	p.intent("push", "second", "order-big", "u2", "o2", "shop.orders", 1, "UNKNOWN", "", "", "g-5")
	p.intent("push", "main", "order-thanks", "u1", "o1", "shop.orders", 2, "SUPPRESSED", "duplicate", "", "")
	for i, s := range []string{"s1", "s2", "s3"} {
		p.intent("broadcast", "main", "sale-main", "*", s, "shop.sales", int64(i), "SENT", "", "", "g-6")
	}
	p.change("g-20", "main", "PUT", "city_b", 3000)
	p.change("g-21", "main", "PUT", "vip", 3100)
	p.change("g-22", "second", "PUT", "in_a", 3200)
	p.intent("tags", "main", "tags", "u1", "p1", "shop.profiles", 0, "COALESCED", "", "shop.profiles/0/1/tags/u1", "")
	p.intent("tags", "main", "tags", "u1", "p2", "shop.profiles", 1, "SENT", "", "", "g-21")
	p.intent("tags", "main", "tags", "u1", "p3", "shop.profiles", 2, "SUPPRESSED", "stale", "", "")
	p.intent("tags", "second", "tags", "u1", "p1", "shop.profiles", 0, "SENT", "", "", "g-22")
	p.intent("tags", "second", "tags", "u1", "p2", "shop.profiles", 1, "", "", "", "")
	p.intent("tags", "second", "tags", "u1", "p3", "shop.profiles", 2, "SUPPRESSED", "stale", "", "")
	p.ledger("p/shop.profiles/0/1/tags/u1", map[string]any{}, 6000)
	p.ledger("s", map[string]any{"intents": len(p.in.Intents), "fates": len(p.in.Fates)}, 6000)
	return p
}

// change is a change of a tag of u1, which stays on record for its charge.
func (p *paper) change(id, account, method, tag string, ms int) entry {
	e := p.getui(id, "tag", account, "/user/custom_tag/batch/"+tag, map[string]any{"cid": []string{"u1"}}, ms)
	e["method"] = method
	p.ledger("a/"+id, map[string]any{"id": id, "account": "getui:key-" + account, "lane": "tag", "state": "ok", "weight": 1, "at": p.at(ms), "not_after": p.at(ms + 1000)}, ms+3)
	return e
}

func single(id, text, cid string) map[string]any {
	return map[string]any{"request_id": id, "audience": map[string]any{"cid": []string{cid}}, "push_message": map[string]any{"notification": map[string]any{"body": text}}}
}

func app(id, text string) map[string]any {
	m := single(id, text, "")
	m["audience"] = map[string]any{"tag": []any{}}
	return m
}

func batchOf(all ...map[string]any) map[string]any { return map[string]any{"msg_list": all} }

// entry is a line of the journal on paper.
type entry map[string]any

// repeats says that the vendor had these pushes already. It executed the call only if it held another.
func (e entry) repeats(ids ...string) {
	e["repeats"] = ids
	_, batch := e["body"].(map[string]any)["msg_list"]
	e["executed"] = batch
}

// getui is an attempt on record, unless the lane is none, and its arrival one millisecond later.
func (p *paper) getui(id, lane, account, route string, body any, ms int) entry {
	if lane != "" {
		p.ledger("a/"+id, map[string]any{"id": id, "account": "getui:key-" + account, "lane": lane, "state": "started", "not_after": p.at(ms + 1000)}, ms)
		p.ledger("a/"+id, nil, ms+2)
	}
	e := entry{"at_ms": p.at(ms + 1).UnixMilli(), "app": "app-" + account, "path": "/v2/app-" + account + route, "executed": true, "code": 0,
		"headers": map[string]string{"X-Request-Id": id + "-1"}, "body": body}
	p.journal = append(p.journal, e)
	return e
}

func TestAFaultlessRunAtGetuiHasNoProblems(t *testing.T) {
	p := newGetuiPaper()
	r := p.check(t)
	for _, problem := range r.Problems {
		t.Error(problem)
	}
	if r.Unknown != 1 || r.Repeats != 2 || r.Quiet != 1 || r.Undone != 1 || r.Calls["PUT /user/custom_tag/"] != 3 ||
		r.Calls["/push/single/batch/cid"] != 2 || r.Calls["/push/single/cid"] != 2 {
		t.Errorf("%+v", r)
	}
	if left, err := Left(p.in); left != "" || err != nil {
		t.Errorf("left: %q, %v", left, err)
	}
}

// Every bug planted in a run at Getui must be found, as what it is.
func TestPlantedBugsAtGetui(t *testing.T) {
	findAll(t, newGetuiPaper, []planted{
		{"a repeat under another id", func(t *testing.T, p *paper) { p.journal[2]["repeats"], p.journal[2]["executed"] = nil, true }, "push doubled:"},
		{"a batch whose repeat the vendor did not see", func(t *testing.T, p *paper) { p.journal[4]["repeats"] = nil }, "push doubled:"},
		{"a broadcast under two ids", func(t *testing.T, p *paper) {
			p.getui("g-9", "app", "main", "/push/tag", app("r9", "sale-main s1"), 2300)
		}, "broadcast doubled:"},
		{"a push that is SENT and never arrived", func(t *testing.T, p *paper) { p.journal[1]["executed"] = false }, "lost push:"},
		{"a push to somebody else", func(t *testing.T, p *paper) {
			p.getui("g-9", "push", "main", "/push/single/cid", single("r9", "order-thanks o1", "u9"), 2300)
		}, "phantom:"},
		{"UNKNOWN after the first try", func(t *testing.T, p *paper) {
			p.ledger("a/g-5", map[string]any{"id": "g-5", "account": "getui:key-second", "lane": "push", "state": "unknown", "try": 1, "began": p.at(1700)}, 2900)
		}, "UNKNOWN too early:"},
		{"UNKNOWN after the second", func(t *testing.T, p *paper) {
			p.ledger("a/g-5", map[string]any{"id": "g-5", "account": "getui:key-second", "lane": "push", "state": "unknown", "try": 2, "began": p.at(1100)}, 2900)
		}, "UNKNOWN too early:"},
		{"UNKNOWN that the ledger never called so", func(t *testing.T, p *paper) {
			edit(t, p.in.Fates, func(m map[string]any) { m["attempt"] = "g-1" }, `"UNKNOWN"`)
		}, "unfounded UNKNOWN:"},
		{"a call that is in no ledger", func(t *testing.T, p *paper) { p.journal[5]["headers"] = map[string]string{"X-Request-Id": "y-1-1"} }, "call without attempt:"},
		{"a refusal for a limit a minute", func(t *testing.T, p *paper) {
			e := p.getui("g-9", "app", "main", "/push/tag", app("r9", "sale-main s3"), 2300)
			e["executed"], e["code"] = false, 30014
		}, "overrun:"},
		{"six broadcasts in a minute", func(t *testing.T, p *paper) {
			for i, id := range []string{"h-1", "h-2", "h-3"} {
				p.getui(id, "app", "main", "/push/tag", app(id, "sale-main s1"), 3000+i)
			}
		}, "overrun:"},
		{"a call that waits to be made again", func(t *testing.T, p *paper) {
			p.ledger("a/g-9", map[string]any{"id": "g-9", "account": "getui:key-main", "lane": "push", "state": "again"}, 6001)
		}, "open attempt:"},
		{"a slot that nobody takes", func(t *testing.T, p *paper) { p.in.Fates = drop(t, p.in.Fates, `"s3"`) }, "idle slot:"},
		{"tags never changed", func(t *testing.T, p *paper) { p.in.Tags["main"]["u1"] = []string{"vip"} }, "wrong tags:"},
		{"tags that wait although the day is not used up", func(t *testing.T, p *paper) { p.in.TagDay["second"] = 2 }, "lost:"},
		{"tags that wait where the day has enough", func(t *testing.T, p *paper) { p.in.Fates = drop(t, p.in.Fates, `"p2"`, `"main"`) }, "lost:"},
		{"one change more than the day has", func(t *testing.T, p *paper) { p.change("g-23", "second", "PUT", "in_b", 3300) }, "overrun:"},
		{"a change that is in no ledger", func(t *testing.T, p *paper) {
			p.change("g-23", "main", "PUT", "vip", 3300)["headers"] = map[string]string{"X-Request-Id": "y-1-1"}
		}, "call without attempt:"},
		{"a tag that is taken back at once", func(t *testing.T, p *paper) { p.change("g-23", "main", "DELETE", "vip", 50_000) }, "changed back:"},
		{"a change of tags that a drain cut off", func(t *testing.T, p *paper) {
			p.ledger("a/g-24", map[string]any{"id": "g-24", "account": "getui:key-main", "lane": "tag", "state": "started", "not_after": p.at(6900)}, 5900)
			p.ledger("a/g-24", nil, 5950)
			p.in.Drains = []Moment{{At: p.at(5920)}}
		}, "torn drain:"},
		{"what waits is not told", func(t *testing.T, p *paper) { p.in.Told["second"] = Told{Until: p.in.Told["second"].Until} }, "not told:"},
		{"something else is told", func(t *testing.T, p *paper) { p.in.Told["second"].Events[0] = "p1" }, "not told:"},
		{"it is told to go today", func(t *testing.T, p *paper) { p.in.Told["second"] = Told{1, p.at(7000), []string{"p2"}} }, "not told:"},
		{"more changes than a minute has", func(t *testing.T, p *paper) {
			for i := range getuiTagMinute {
				p.change(fmt.Sprint("h-", i), "main", "PUT", "vip", 3200+i)
			}
		}, "overrun:"},
		{"an overrun by the sandbox's count", func(t *testing.T, p *paper) {
			for i := range 6 { // of 8 in this minute the sandbox allows 5
				p.change(fmt.Sprint("h-", i), "main", "PUT", "vip", 3200+i)
			}
			p.in.Overruns = 3 + 1
		}, "overrun:"},
		{"a refusal for the changes of a minute", func(t *testing.T, p *paper) {
			e := p.change("g-23", "main", "PUT", "vip", 3300)
			e["executed"], e["code"] = false, 30012
		}, "overrun:"},
	})
}

// A change of tags whose answer was lost outlives a process that ends in peace.
func TestALostChangeOfTagsIsNoTornDrain(t *testing.T) {
	p := newGetuiPaper()
	p.ledger("a/g-24", map[string]any{"id": "g-24", "account": "getui:key-main", "lane": "tag", "state": "started", "not_after": p.at(6900)}, 5900)
	p.ledger("a/g-24", map[string]any{"id": "g-24", "account": "getui:key-main", "lane": "tag", "state": "started", "not_after": p.at(6900), "detail": "unexpected EOF"}, 5910)
	p.ledger("a/g-24", nil, 5950)
	p.in.Drains = []Moment{{At: p.at(5920)}}
	if problems := p.check(t).Problems; len(problems) > 0 {
		t.Errorf("%q", problems)
	}
}

// Past the ten minutes of the window a push may be UNKNOWN whatever its try.
func TestPastTheWindowAPushMayBeUnknown(t *testing.T) {
	p := newGetuiPaper()
	for i, r := range p.in.Ledger {
		if r.Key == "a/g-5" && strings.Contains(string(r.Value), "unknown") {
			p.in.Ledger[i].Value = js(map[string]any{"id": "g-5", "account": "getui:key-second", "lane": "push", "state": "unknown", "try": 2, "began": p.at(2800 - 600_000)})
		}
	}
	if problems := p.check(t).Problems; len(problems) > 0 {
		t.Errorf("%q", problems)
	}
}
