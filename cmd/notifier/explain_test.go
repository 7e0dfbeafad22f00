package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
)

const explainCatalogue = `version: 1
events:
  order.paid:
    topic: shop.orders
    match: {type: order.paid}
    id: id
    user: user
    time: at
    fields: {amount: {path: amount, type: number}, city: city, level: {path: level, values: [normal, vip, svip]}, friends: {path: friends, type: list}}
  user.changed:
    topic: users
    kind: profile
    update: patch
    match: {type: user}
    id: uid
    user: uid
    fields: {vip: {path: vip, type: bool}, town: town}
`

const explainRules = `version: 1
rules:
  - name: vip-beijing-thanks
    event: order.paid
    mode: live
    class: service
    when:
      - amount > 500
      - city in ["北京", "上海"] or level == "svip"
    unless: level == "normal"
    push: {title: "亲爱的会员，感谢支持", body: "您的订单已支付 ${amount | money} 元"}
    limits: {per_user: 1 in 24h, quiet: 22:00-08:00, when_quiet: hold, expire: 12h}
  - name: big-order-shadow
    event: order.paid
    mode: shadow
    class: service
    when: amount > 100
    push: {body: "b"}
  - name: big-order
    event: order.paid
    mode: live
    class: service
    when: amount > 1000
    push: {body: "b"}
  - name: city-sale
    event: order.paid
    mode: live
    class: marketing
    when: has(city)
    merge: {by: "${city}", wait: 10m}
    approval: {people: 1, within: 2h}
    broadcast: {audience: {all_of: ["city_${city}"]}, body: "${city} sale"}
    limits: {expire: 12h}
  - name: tell-friends
    event: order.paid
    mode: canary 50%
    class: service
    when: always
    push: {to: "${friends}", body: "b"}
  - name: last-year
    event: order.paid
    mode: live
    class: service
    until: 2026-01-01 00:00
    when: always
    push: {body: "b"}
  - name: off-now
    event: order.paid
    mode: off
    class: service
    when: amount > 1
    push: {body: "b"}
  - name: town-tag
    event: user.changed
    when: vip
    mode: live
    tags: ["town_${town}", "vip"]
  - name: vip-hello
    event: user.changed
    mode: live
    class: service
    when: changed(vip) and vip
    push: {body: "hello"}
  - name: town-gone
    event: user.changed
    when: town == "x"
    mode: live
    tags: ["x"]
`

const explainOrder = `{"type":"order.paid","id":"ord-88231","user":"u-77","at":"2026-11-21T22:41:07+08:00","amount":812,"city":"北京","level":"vip","friends":["a","b","c"]}`

func explainFiles() map[string]string {
	return map[string]string{"rules/events.yaml": explainCatalogue, "rules/vip.yaml": explainRules, "order.json": explainOrder,
		"gold.json":   strings.NewReplacer(`"vip"`, `"gold"`, `"city":"北京",`, "").Replace(explainOrder),
		"one.json":    strings.Replace(explainOrder, `["a","b","c"]`, `["b"]`, 1),
		"user.json":   `{"type":"user","uid":"u-77","vip":true}`,
		"gone.json":   "",
		"null.json":   "null\n",
		"nobody.json": `{"type":"order.paid","id":"ord-1"}`}
}

func runExplain(o explainOptions) (out, talk string, code int) {
	var a, b bytes.Buffer
	if o.paths == nil {
		o.paths = []string{"rules/"}
	}
	if o.format == "" {
		o.format = "text"
	}
	if o.say == "" {
		o.say = diag.EN
	}
	if o.now == "" {
		o.now = "2026-11-21T22:41:10+08:00"
	}
	err := explainRecord(o, nil, strings.NewReader(explainOrder), &a, &b)
	if e, ok := errors.AsType[*exitError](err); ok {
		return a.String(), b.String() + e.Error(), e.code
	} else if err != nil {
		return a.String(), b.String() + err.Error(), -1
	}
	return a.String(), b.String(), 0
}

// Every form is testdata/explain/NAME.txt, with the notes and the exit code.
func TestExplainFormats(t *testing.T) {
	golden, err := filepath.Abs("testdata/explain")
	if err != nil {
		t.Fatal(err)
	}
	inDir(t, explainFiles())
	for _, c := range []struct {
		name string
		o    explainOptions
	}{
		{"order.text", explainOptions{event: "order.json"}},
		{"order.json", explainOptions{event: "order.json", rule: "vip-beijing-thanks", checkOptions: checkOptions{format: "json"}}},
		{"stdin.text", explainOptions{event: "-", rule: "vip-beijing-thanks", topic: "shop.orders", now: "2026-11-22T09:00:00+08:00"}},
		{"gold.text", explainOptions{event: "gold.json"}},
		{"late.text", explainOptions{event: "order.json", rule: "vip-beijing-thanks", now: "2026-11-23T09:00:00+08:00"}},
		{"canary.text", explainOptions{event: "one.json", rule: "tell-friends"}},
		{"canary.text.zh", explainOptions{event: "one.json", rule: "tell-friends", say: diag.ZH}},
		{"profile.text", explainOptions{event: "user.json"}},
		{"gone.text", explainOptions{event: "gone.json", topic: "users", key: "u-77"}},
		{"gone.text.zh", explainOptions{event: "gone.json", key: "u-77", say: diag.ZH}},
		{"dead.text", explainOptions{event: "nobody.json"}},
		{"order.text.zh", explainOptions{event: "order.json", say: diag.ZH}},
		{"order.text.both", explainOptions{event: "order.json", say: diag.Both}},
		{"gold.text.zh", explainOptions{event: "gold.json", say: diag.ZH}},
		{"late.text.zh", explainOptions{event: "order.json", rule: "vip-beijing-thanks", now: "2026-11-23T09:00:00+08:00", say: diag.ZH}},
		{"profile.text.zh", explainOptions{event: "user.json", say: diag.ZH}},
		{"order.json.zh", explainOptions{event: "order.json", rule: "vip-beijing-thanks", say: diag.ZH, checkOptions: checkOptions{format: "json"}}},
	} {
		out, talk, code := runExplain(c.o)
		got := fmt.Sprintf("%s--- stderr\n%s\n--- exit %d\n", out, strings.TrimSpace(talk), code)
		holdGolden(t, filepath.Join(golden, c.name+".txt"), got)
		if name, of, ok := strings.Cut(c.name, ".json."); ok { // machines have one language
			same, _ := os.ReadFile(filepath.Join(golden, name+".json.txt"))
			if want, _, _ := strings.Cut(string(same), "--- stderr"); out != want {
				t.Errorf("json in %s differs", of)
			}
		}
		var any struct{ Schema string }
		if c.o.format == "json" && (json.Unmarshal([]byte(out), &any) != nil || any.Schema != "notifier.explain/v1") {
			t.Errorf("no notifier.explain/v1: %s", out)
		}
	}
}

// A record that several entries would take and none can use is of one topic: without --topic nobody knows whose mistake it is.
func TestARecordThatNoEntryCanUseNeedsItsTopic(t *testing.T) {
	var out, talk bytes.Buffer
	o := explainOptions{event: "-", say: diag.EN, checkOptions: checkOptions{paths: []string{"../../rules"}, format: "text"}}
	err := explainRecord(o, nil, strings.NewReader(`{"hello": 1}`), &out, &talk)
	if x, ok := errors.AsType[*exitError](err); !ok || x.code != exitFindings || !strings.Contains(x.Error(), "its topic was not said; next: once more with --topic, which is one of app.messages, community.likes, ") {
		t.Errorf("%v\n%s", err, talk.String())
	}
	o.topic = "shop.sales"
	if err := explainRecord(o, nil, strings.NewReader(`{"hello": 1}`), &out, &talk); err == nil || !strings.Contains(err.Error(), "the daemon would make it a dead letter") {
		t.Errorf("with its topic: %v", err)
	}
}

func TestExplainExitCodesAgreeWithTheText(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules string
		o     explainOptions
		code  int
		says  string
	}{
		{"no record", explainRules, explainOptions{}, exitUsage, "--event"},
		{"no such file", explainRules, explainOptions{event: "ordr.json"}, exitUsage, "ordr.json"},
		{"no such rule", explainRules, explainOptions{event: "order.json", rule: "big-ordr"}, exitUsage, "did you mean big-order?"},
		{"no such topic", explainRules, explainOptions{event: "order.json", topic: "shop.order"}, exitUsage, "did you mean shop.orders?"},
		{"not on this topic", explainRules, explainOptions{event: "order.json", topic: "users"}, exitUsage, "would ignore it"},
		{"a tombstone without a key", explainRules, explainOptions{event: "gone.json", topic: "users"}, exitFindings, "a tombstone without a key"},
		{"a tombstone where no profile is read", explainRules, explainOptions{event: "gone.json", topic: "shop.orders", key: "u-77"}, exitUsage, "would ignore it"},
		{"null as a text", explainRules, explainOptions{event: "null.json", topic: "users", key: "u-77"}, exitUsage, "--event /dev/null"},
		{"another format", explainRules, explainOptions{event: "order.json", checkOptions: checkOptions{format: "junit"}}, exitUsage, "text or json"},
		{"no time", explainRules, explainOptions{event: "order.json", now: "soon"}, exitUsage, "--now"},
		{"wrong rules", strings.Replace(explainRules, "amount > 500", "amuont > 500", 1), explainOptions{event: "order.json"}, exitFindings, "N202"},
		{"no such rules", explainRules, explainOptions{event: "order.json", checkOptions: checkOptions{paths: []string{"ruels"}}}, exitUsage, "N117"},
		{"no such settings", explainRules, explainOptions{event: "order.json", checkOptions: checkOptions{config: "nope.yaml"}}, exitSettings, "settings"},
		{"a rule of another event", explainRules, explainOptions{event: "order.json", rule: "vip-hello"}, 0, "NOT TRIGGERED: it is about user.changed"},
		{"too late a gate", explainRules, explainOptions{event: "order.json", rule: "last-year"}, 0, "NOT TRIGGERED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := explainFiles()
			files["rules/vip.yaml"] = c.rules
			inDir(t, files)
			out, talk, code := runExplain(c.o)
			if code != c.code || !strings.Contains(out+talk, c.says) {
				t.Errorf("exit %d, want %d and %q:\n%s%s", code, c.code, c.says, out, talk)
			}
		})
	}
}

// The settings' consent is a gate of its own.
func TestExplainKnowsTheSettings(t *testing.T) {
	files := explainFiles()
	files["rules/vip.yaml"] = strings.Replace(explainRules, "class: service", "class: marketing", 1)
	files["rules/events.yaml"] = strings.Replace(explainCatalogue, "town: town", "town: town, ok: {path: ok, type: bool}", 1)
	files["notifier.yaml"] = "version: 1\nkafka: {brokers: [k1:9092], start: latest}\nconsent: {marketing: ok}\naccounts:\n  main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:S}\"}\n"
	inDir(t, files)
	var a, b bytes.Buffer
	o := explainOptions{event: "order.json", rule: "vip-beijing-thanks", now: "2026-11-22T09:00:00+08:00", checkOptions: checkOptions{paths: []string{"rules/"}, format: "text"}}
	if err := explainRecord(o, []string{"S=x"}, nil, &a, &b); err != nil || !strings.Contains(a.String(), "SUPPRESSED opted-out") || !strings.Contains(a.String(), "✗ consent ok") {
		t.Errorf("%v\n%s%s", err, a.String(), b.String())
	}
	if !strings.Contains(a.String(), "if nothing stopped it") || strings.Contains(b.String(), "no notifier.yaml") {
		t.Errorf("%s%s", a.String(), b.String())
	}
}

// Without --now the record comes in at its event's own time: of a record from last month nobody wants to hear only that it has expired.
func TestExplainTakesTheEventsTime(t *testing.T) {
	inDir(t, explainFiles())
	var out, talk bytes.Buffer
	o := explainOptions{event: "order.json", rule: "vip-beijing-thanks", checkOptions: checkOptions{paths: []string{"rules/"}, format: "text"}}
	if err := explainRecord(o, nil, nil, &out, &talk); err != nil {
		t.Fatal(err, talk.String())
	}
	if text := out.String(); !strings.Contains(text, "as if it came in at 2026-11-21 22:41:07") || strings.Contains(text, "expired") {
		t.Errorf("printed\n%s", text)
	}
}

// A brake that trips, people who do not decide and texts that cannot be made are told in Chinese to the end.
func TestExplainTellsDetailsInChinese(t *testing.T) {
	files := explainFiles()
	files["rules/vip.yaml"] = `version: 1
rules:
  - name: tell-friends
    event: order.paid
    mode: live
    class: service
    when: always
    push: {to: "${friends}", body: "b"}
    limits: {brake: 1 in 10m, expire: 1h}
  - name: sale
    event: order.paid
    mode: live
    class: marketing
    from: 2026-01-01 00:00
    when: has(level)
    broadcast: {audience: {all_of: ["city_${city}"]}, body: "b"}
    approval: {people: 2, within: 30m}
    limits: {quiet: ["mon-fri 10:00-12:00"], expire: 12h}
  - name: thanks
    event: order.paid
    mode: live
    class: marketing
    when: always
    user_when: vip
    push: {body: "b"}
    limits: {expire: 12h}
`
	files["nowhere.json"] = strings.Replace(explainOrder, `"city":"北京",`, "", 1)
	inDir(t, files)
	for _, c := range []struct{ event, rule, want string }{
		{"order.json", "tell-friends", "暂缓（暂停），然后 SUPPRESSED 不发（expired）"},
		{"order.json", "tell-friends", "发给 c                       暂缓（暂停），然后 SUPPRESSED 不发（expired）"},
		{"order.json", "sale", "然后 SUPPRESSED 不发（not-approved），除非有人批准"},
		{"order.json", "sale", "✓ from 2026-01-01 00:00:00 事件时间 2026-11-21 22:41:07\n     ✓ has(level)"}, // in the order of the gates
		{"order.json", "sale", "免打扰时段 周一、周二、周三、周四、周五 10:00-12:00"},
		{"order.json", "thanks", "✗ user_when vip            SUPPRESSED 不发（opted-out）\n       ✗ vip                      vip：没有人说过\n"},
		{"nowhere.json", "sale", "DEAD 死信（render-error）：人群：${city} 没有值"},
	} {
		out, talk, code := runExplain(explainOptions{event: c.event, rule: c.rule, say: diag.ZH})
		if code != 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s on %s: exit %d, %q is missing\n%s%s", c.rule, c.event, code, c.want, out, talk)
		}
	}
}

func TestExplainTellsDeadLettersInChinese(t *testing.T) {
	for record, want := range map[string]string{
		`{bad`:                               "死信：undecodable：第 2 字节处不是正确的 JSON：",
		`{"type":"order.paid","id":"ord-1"}`: "死信：order.paid：bad-field：user：user 处没有值",
		`{"type":"order.paid","id":" ","user":"u"}`:                     "死信：order.paid：bad-field：id：id 处是空的",
		`{"type":"order.paid","id":"x","user":{"a":1}}`:                 "死信：order.paid：bad-field：user：user 处是对象，既不是文字也不是数字",
		`{"type":"order.paid","id":"x","user":"u","at":"soon"}`:         "死信：order.paid：bad-field：time：at 处是文字，不是时间",
		`{"type":"order.paid","id":"` + strings.Repeat("x", 513) + `"}`: "死信：order.paid：bad-field：id：id 处有 513 字节，最多 512 字节",
	} {
		files := explainFiles()
		files["r.json"] = record
		inDir(t, files)
		out, talk, code := runExplain(explainOptions{event: "r.json", topic: "shop.orders", say: diag.ZH})
		if code != exitFindings || !strings.Contains(talk, want) {
			t.Errorf("%.60s: exit %d, want %q\n%s%s", record, code, want, out, talk)
		}
	}
}
