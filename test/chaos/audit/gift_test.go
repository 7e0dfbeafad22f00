package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// newGiftPaper is the faultless run on paper with two gifts beside: one by a list that was refused once for its token and by a push that was made
// again, and one by a list that was cut off and is UNKNOWN, and by an alias whose push expired.
func newGiftPaper() *paper {
	p := newPaper()
	for i, g := range []string{"g1", "g2"} {
		at := p.now.Add(-time.Duration(i) * giftKeeps)
		p.in.Events = append(p.in.Events, Record{Topic: "shop.orders", Offset: int64(20 + i), Time: p.now,
			Value: js(map[string]any{"id": g, "at": at.UnixMilli(), "gift": "yes", "amount": 0, "team": []string{"a1"}, "devices": []string{"d1", "d2"}})})
		p.stored(fmt.Sprint("l-", i), "task-"+g, "gift-cid "+g, 3000+100*i)
	}
	p.journal = append(p.journal, p.list("l-0", "task-g1", 3010))
	p.last()["executed"], p.last()["code"], p.last()["fault"] = false, 10001, "code"
	p.journal = append(p.journal, p.list("l-0", "task-g1", 3020))
	p.getui("l-3", "push", GiftAlias, "/push/single/alias", toAlias("r1", "gift-alias g1"), 3300)
	p.getui("l-4", "push", GiftAlias, "/push/single/alias", toAlias("r1", "gift-alias g1"), 3400).repeats("r1")
	p.journal = append(p.journal, p.list("l-1", "task-g2", 3110))
	p.last()["fault"] = "reset_after"
	p.ledger("a/l-1", map[string]any{"id": "l-1", "account": "getui:key-gift-cid", "lane": "push", "state": "unknown", "endpoint": "/push/list/cid", "not_after": p.at(4200)}, 3150)

	for i, g := range []string{"g1", "g2"} {
		fate := []string{"SENT", "UNKNOWN"}[i]
		for _, d := range []string{"d1", "d2"} {
			p.intent("push", GiftCID, GiftCID, d, g, "shop.orders", int64(20+i), fate, "", "", fmt.Sprint("l-", i))
		}
	}
	p.intent("push", GiftAlias, GiftAlias, "a1", "g1", "shop.orders", 20, "SENT", "", "", "l-4")
	p.intent("push", GiftAlias, GiftAlias, "a1", "g2", "shop.orders", 21, "SUPPRESSED", "expired", "", "")
	for i, r := range p.in.Fates {
		if strings.Contains(string(r.Value), `"expired"`) {
			p.in.Fates[i].Value = []byte(strings.Replace(string(r.Value), "{", fmt.Sprintf(`{"at":%s,`, js(p.at(3000))), 1))
		}
	}
	p.ledger("s", map[string]any{"intents": len(p.in.Intents), "fates": len(p.in.Fates)}, 6000)
	return p
}

func (p *paper) last() map[string]any { return p.journal[len(p.journal)-1] }

func toAlias(id, text string) map[string]any {
	m := single(id, text, "")
	m["audience"] = map[string]any{"alias": []string{"a1"}}
	return m
}

// stored is the first call of a list's attempt.
func (p *paper) stored(id, task, text string, ms int) {
	e := p.getui(id, "push", GiftCID, "/push/list/message", single("m-"+id, text, ""), ms)
	e["headers"], e["answer"] = map[string]string{"X-Request-Id": id + "m-1"}, map[string]any{"code": 0, "data": map[string]any{"taskid": task}}
}

// list is the second.
func (p *paper) list(id, task string, ms int) map[string]any {
	return map[string]any{"at_ms": p.at(ms).UnixMilli(), "app": "app-gift-cid", "path": "/v2/app-gift-cid/push/list/cid", "executed": true, "code": 0,
		"headers": map[string]string{"X-Request-Id": id + "-1"}, "body": map[string]any{"taskid": task, "audience": map[string]any{"cid": []string{"d1", "d2"}}}}
}

func TestAFaultlessRunWithGiftsHasNoProblems(t *testing.T) {
	p := newGiftPaper()
	r := p.check(t)
	for _, problem := range r.Problems {
		t.Error(problem)
	}
	if r.Unknown != 3 || r.ListsUnknown != 2 || r.Calls["/push/list/cid"] != 2 || r.Calls["/push/list/message"] != 2 {
		t.Errorf("%+v", r)
	}
	if left, err := Left(p.in); left != "" || err != nil {
		t.Errorf("left: %q, %v", left, err)
	}
}

// Every bug planted in the gifts must be found, as what it is.
func TestPlantedBugsOfGifts(t *testing.T) {
	findAll(t, newGiftPaper, []planted{
		{"a list that was cut off goes again", func(t *testing.T, p *paper) {
			p.stored("l-9", "task-9", "gift-cid g2", 3200)
			p.journal = append(p.journal, p.list("l-9", "task-9", 3210))
		}, "push doubled:"},
		{"a list that did not arrive goes again", func(t *testing.T, p *paper) {
			p.last()["executed"], p.last()["fault"] = false, "reset_before"
			p.stored("l-9", "task-9", "gift-cid g2", 3200)
			p.journal = append(p.journal, p.list("l-9", "task-9", 3210))
		}, "list repeated:"},
		{"who was in a list is pushed to alone", func(t *testing.T, p *paper) {
			p.last()["executed"], p.last()["fault"] = false, "stall"
			p.getui("l-9", "push", GiftCID, "/push/single/cid", single("r9", "gift-cid g2", "d2"), 3200)
		}, "list repeated:"},
		{"a list of nobody's message", func(t *testing.T, p *paper) { p.last()["body"].(map[string]any)["taskid"] = "task-x" }, "phantom:"},
		{"a list without its attempt", func(t *testing.T, p *paper) { p.last()["headers"] = map[string]string{"X-Request-Id": "y-1-1"} }, "call without attempt:"},
		{"a message without its attempt", func(t *testing.T, p *paper) {
			for _, e := range p.journal {
				if strings.HasSuffix(e["path"].(string), getuiMessage) {
					e["headers"] = map[string]string{"X-Request-Id": "y-1m-1"}
				}
			}
		}, "call without attempt:"},
		{"a list that is SENT and never arrived", func(t *testing.T, p *paper) {
			for _, e := range p.journal {
				if body, _ := e["body"].(map[string]any); body["taskid"] == "task-g1" {
					e["executed"] = false
				}
			}
		}, "lost push:"},
		{"a push given up before it expires", func(t *testing.T, p *paper) {
			edit(t, p.in.Fates, func(m map[string]any) { m["at"] = p.at(-1) }, `"expired"`)
		}, "wrong fate:"},
		{"another push given up as expired", func(t *testing.T, p *paper) {
			edit(t, p.in.Fates, func(m map[string]any) { m["fate"], m["reason"], m["at"] = "SUPPRESSED", "expired", p.at(9000) }, `"order-big"`)
		}, "wrong fate:"},
		{"a single push UNKNOWN after the first try", func(t *testing.T, p *paper) {
			p.ledger("a/l-1", map[string]any{"id": "l-1", "account": "getui:key-gift-cid", "lane": "push", "state": "unknown", "endpoint": "/push/single/cid", "at": p.at(3100)}, 3160)
			edit(t, p.in.Events, func(m map[string]any) { m["at"] = p.now.UnixMilli() }, `"g2"`)
		}, "UNKNOWN too early:"},
		{"a refusal for the day of lists", func(t *testing.T, p *paper) {
			p.last()["executed"], p.last()["code"], p.last()["fault"] = false, 30008, ""
		}, "overrun:"},
	})
}
