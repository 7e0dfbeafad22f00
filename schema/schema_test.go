package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/ruletest"
	"github.com/notifier/notifier/internal/settings"
)

const root = "../"

func compiled(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	out := map[string]*jsonschema.Schema{}
	for kind, src := range map[string][]byte{"events": Events, "rules": Rules, "settings": Settings} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource(kind, doc); err != nil {
			t.Fatal(err)
		}
		if out[kind], err = c.Compile(kind); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// kindOf tells the three kinds of file apart as the loader does.
func kindOf(src []byte) string {
	switch {
	case regexp.MustCompile(`(?m)^(kafka|accounts):`).Match(src):
		return "settings"
	case regexp.MustCompile(`(?m)^events:`).Match(src):
		return "events"
	}
	return "rules"
}

// validate holds a YAML file against its schema, as an editor does; readable is false for what is not even YAML.
func validate(t *testing.T, all map[string]*jsonschema.Schema, src []byte) (err error, readable bool) {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(src, &v); err != nil {
		return err, false
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err, false
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return all[kindOf(src)].Validate(doc), true
}

// The examples of the format's description; those of the documents are in docs/.
const formatCatalogue = `version: 1
events:
  profile.changed:
    title: 用户资料变更
    topic: user-profiles
    kind: profile                # profile (keeps the user table) | business (default)
    update: patch                # profile only: snapshot (absent = gone) | patch (absent = unchanged)
    id: event_id                 # gjson paths into the record's JSON; ` + "`" + `key` + "`" + ` and ` + "`" + `header.NAME` + "`" + ` are readable beside them
    time: ts
    user: user_id
    fields:
      city:     {path: profile.city, title: 城市, alias: 城市}
      level:    {path: profile.vip_level, values: [normal, vip, svip], alias: 等级}
      blocked:  {path: profile.blocked, type: bool}
      push_ok:  {path: profile.push_ok, type: bool}
    sample: samples/profile.changed.json

  order.paid:
    title: 订单已支付
    topic: shop.orders           # one or a list; several events may share a topic
    match: {type: order.paid}    # path: value or list of values, all must hold; absent = every record
    format: json                 # json (default) | cloudevents | debezium
    id: data.order_id
    time: data.paid_at           # RFC 3339, or unix s/ms/µs by size; else {path: ..., format: "2006-01-02 15:04:05", zone: Asia/Shanghai}
    user: data.user_id
    personal: [nickname]         # masked in logs and listings
    fields:
      order_id: data.order_id    # short form: a string field
      amount:   {path: data.amount_fen, type: number, scale: 0.01, title: 金额（元）, alias: 金额}
      city:     {path: data.receiver.city, alias: 城市}
      level:    {path: data.user.level, values: [normal, vip, svip], default: normal, alias: 等级}
      nickname: {path: data.user.nickname, default: ""}
      items:    {path: "data.items.#.name", type: list}
    sample: samples/order.paid.json

  sale.opened:
    title: 闪购开场
    topic: shop.sales
    id: sale_id
    time: opened_at
    fields:
      city:    {path: city, alias: 城市}
      product: product.name
      stock:   {path: stock, type: number, alias: 库存}
    sample: samples/sale.opened.json

  notice.published:
    title: 公告发布
    topic: ops.notices
    id: notice_id
    time: at
    fields: {severity: {path: severity, values: [normal, urgent]}, title: title, text: text}
    sample: samples/notice.published.json
`

const formatRules = `version: 1
defaults: {owner: growth}
rules:
  - name: city-tag
    title: 城市标签
    event: profile.changed
    tags: ["city_${city}"]
    tests:
      - {name: 搬到北京, event: {city: 北京}, expect: {tags: [city_北京]}}
      - {name: 只有等级, event: {level: vip}, expect: {tags: []}}

  - name: level-up
    title: 升级即时通知
    event: profile.changed
    mode: live
    class: service
    when: changed(level) and level in ["vip", "svip"]
    push: {title: "恭喜升级", body: "您已是 ${level} 会员"}
    limits: {expire: 1h}
    tests:
      - {name: 由普通升 VIP, profile: {level: normal}, event: {level: vip}, expect: {push: {title: "恭喜升级"}}}
      - {name: 只改了城市, profile: {level: vip}, event: {city: 上海, level: vip}, expect: no match}

  - name: vip-beijing-thanks
    title: 北京 VIP 大额支付感谢
    event: order.paid
    mode: live
    class: marketing
    when:
      - amount > 500
      - city == "北京"
      - level in ["vip", "svip"]
    user_when: push_ok
    push:
      title: "${nickname | default(\"亲爱的会员\")}，感谢支持"
      body: "您的订单已支付 ${amount | money} 元"
      link: app://orders/${order_id}
    limits: {per_user: 1 in 24h, quiet: 22:00-08:00, when_quiet: hold, expire: 12h}
    tests:
      - name: 501 元的北京 VIP
        sample: order.paid
        with: {amount: 501, city: 北京, level: vip, nickname: ""}
        profile: {push_ok: true}
        expect: {push: {title: "亲爱的会员，感谢支持"}}
      - {name: 刚好 500 元，不发, sample: order.paid, with: {amount: 500, city: 北京, level: vip}, expect: no match, why: amount > 500}
      - name: 夜里暂缓，早上 8 点发
        sample: order.paid
        with: {amount: 501, city: 北京, level: vip}
        profile: {push_ok: true}
        now: 2026-11-21T23:30:00+08:00
        expect: {held: quiet, leaves_at: 2026-11-22T08:00:00+08:00}

  - name: flash-sale-by-city
    title: 同城闪购
    event: sale.opened
    mode: live
    class: marketing
    when: stock > 100
    broadcast:
      audience: {all_of: ["city_${city}"]}
      title: "${city}闪购开始"
      body: "${first.product} 等 ${count} 件商品开抢"
      link: app://sale?city=${city | urlencode}
    merge: {by: "${city}", wait: 10m, keep: list}
    limits: {quota: 1 per day, quiet: 21:00-09:00, when_quiet: drop, expire: 4h}
    tests:
      - {name: 开场, event: {city: 北京, product: 耳机, stock: 200}, after: 11m, expect: {broadcast: {title: "北京闪购开始"}}}
      - {name: 库存不够, event: {city: 北京, product: 耳机, stock: 100}, expect: no match, why: stock > 100}

  - name: service-notice
    title: 全量公告
    event: notice.published
    mode: live
    class: service
    when: severity == "urgent"
    broadcast:
      audience: everyone
      title: "${title | max(20)}"
      body: "${text | max(60)}"
      rongcloud: {android: {hw: {channelId: system, category: SYSTEM}}}
    limits: {priority: urgent, reserve: 1, reserve_until: "22:00", quiet: none, expire: 1h}
    approval: {people: 1, within: 30m}
    tests:
      - {name: 紧急, event: {severity: urgent, title: 停服, text: 今晚停服}, expect: {held: approval}}
      - {name: 普通, event: {severity: normal, title: 上新, text: 新品}, expect: no match}
`

// moreForms are the forms of the catalogue that the format only tells of.
const moreForms = `version: 1
events:
  late.event:
    topic: [a, b]
    id: id
    time: {path: at, format: "2006-01-02 15:04:05", zone: Asia/Shanghai}
    user: key
    match: {type: [x, y]}
`

// shipped are the files that people read, copy and edit.
var shipped = []string{"rules/*.yaml", "docs/first/rules/*.yaml", "docs/first/*.yaml", "docs/cookbook/*.yaml", "docs/cookbook/rules/*.yaml", "docs/moving/*.yaml", "docs/moving/rules/*.yaml", "docs/moving/failover/*.yaml",
	"deploy/compose/notifier.yaml", "deploy/kubernetes/notifier.yaml", "deploy/kubernetes/rules/*.yaml", "notifier.example.yaml"}

// good are all files of the repository that load, and the YAML of the documents.
func good(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"the format's catalogue": []byte(formatCatalogue), "the format's rules": []byte(formatRules), "more forms of a catalogue": []byte(moreForms)}
	for _, pattern := range append(shipped, "test/*/rules/*.yaml", "internal/rules/testdata/events.yaml") {
		files, err := filepath.Glob(root + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			if out[f], err = os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	pages, err := filepath.Glob(root + "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if strings.HasPrefix(filepath.Base(p), "cookbook.") {
			continue // it shows parts of docs/cookbook/rules
		}
		src, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range regexp.MustCompile("(?s)```yaml\n(.*?)\n```").FindAllSubmatch(src, -1) {
			out[fmt.Sprintf("%s, example %d", p, i+1)] = append(m[1], '\n')
		}
	}
	return out
}

func TestSchemasAcceptWhatLoads(t *testing.T) {
	all := compiled(t)
	files := good(t)
	if len(files) < 25 {
		t.Errorf("only %d files", len(files))
	}
	for name, src := range files {
		if err, _ := validate(t, all, src); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// unseen is a file whose structural finding comes from a name: what the named event has, a schema cannot know.
const unseen = "yaml-wide-comma-list.yaml"

// structural are the codes of mistakes that a schema can see: keys, shapes, words of a closed list, forms.
var structural = []string{"N101", "N104", "N111", "N114", "N215", "N403", "N409", "N802"}

// The files of mistakes: a schema refuses those whose structure is wrong and accepts those that the loader accepts.
func TestSchemasAgreeWithTheLoaderOnMistakes(t *testing.T) {
	all := compiled(t)
	files, err := filepath.Glob(root + "internal/rules/testdata/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	events, err := os.ReadFile(root + "internal/rules/testdata/events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	refused, accepted := 0, 0
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: events}, {Name: filepath.Base(f), Data: src}}, rules.Options{AnyAccount: true})
		wrong, readable := validate(t, all, src)
		i := slices.IndexFunc(list, func(d diag.Diagnostic) bool { return slices.Contains(structural, d.Code) })
		switch {
		case set != nil && wrong != nil:
			t.Errorf("%s loads, the schema refuses it: %v", f, wrong)
		case set == nil && i >= 0 && wrong == nil && filepath.Base(f) != unseen:
			t.Errorf("%s: the loader says %s %s, the schema accepts it", f, list[i].Code, list[i].Message.EN)
		case wrong != nil && readable:
			refused++
		case wrong == nil:
			accepted++
		}
	}
	if refused < 15 || accepted < 15 {
		t.Errorf("%d refused, %d accepted: the corpus proves nothing", refused, accepted)
	}
}

// A list without an item is N104 to the loader wherever it could be read as "all", "none" or "no limit".
func TestSchemasRefuseEmptyLists(t *testing.T) {
	all := compiled(t)
	for was, now := range map[string]string{"event: order.paid": "event: []", "user_when: push_ok": "unless: []", "per_user: 1 in 24h": "per_user: []", "quiet: 22:00-08:00": "quiet: []", "quota: 1 per day": "rule: []",
		`all_of: ["city_${city}"]`: `all_of: [x], none_of: []`, `tags: ["city_${city}"]`: "tags: []", `when: severity == "urgent"`: "when: []", "audience: everyone": "audience: everyone\n      platforms: []"} {
		if err, readable := validate(t, all, []byte(strings.Replace(formatRules, was, now, 1))); !readable || err == nil || !strings.Contains(formatRules, was) {
			t.Errorf("%s: accepted, or no YAML", now)
		}
	}
	for was, now := range map[string]string{"topic: user-profiles": "topic: []", "match: {type: order.paid}": "match: {type: []}", "values: [normal, urgent]": "values: []"} {
		if err, readable := validate(t, all, []byte(strings.Replace(formatCatalogue, was, now, 1))); !readable || err == nil || !strings.Contains(formatCatalogue, was) {
			t.Errorf("%s: accepted, or no YAML", now)
		}
	}
}

// wrongSettings break one thing each in a good file.
func TestSettingsSchemaRefusesWrongStructure(t *testing.T) {
	all := compiled(t)
	src, err := os.ReadFile(root + "docs/first/notifier.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new string }{
		{"version: 1", "version: 2"}, {"start: earliest", "strat: earliest"}, {"rules: rules/", "rules: [a]"}, {"{format: console}", "{format: xml}"}, {"vendor: rongcloud", "vendor: getui"},
		{"app_key: sbx-app-key-01 ", "appkey: x "}, {`"${env:RONGCLOUD_SECRET}"`, "plain"}, {"embedded: data/", "brokers: [k:1]\n  embedded: data/"}, {"log: {", "events: {max_bytes: 1MiB, duplicates: {users: 24}}\nlog: {"}, {"vendor: rongcloud", "vendor: rongcloud\n    quota: {broadcast: {hour: many}}"},
	} {
		changed := strings.Replace(string(src), c.old, c.new, 1)
		if changed == string(src) {
			t.Fatalf("%q is not there", c.old)
		}
		if err, readable := validate(t, all, []byte(changed)); err == nil || !readable {
			t.Errorf("%s is accepted (%v)", c.new, err)
		}
	}
}

// schemaOf reads a schema, with a function that gives the object behind a node: $ref is followed, an alternative is searched.
func schemaOf(t *testing.T, src []byte) (doc map[string]any, object func(n any) map[string]any) {
	t.Helper()
	if err := json.Unmarshal(src, &doc); err != nil {
		t.Fatal(err)
	}
	object = func(n any) map[string]any {
		m, ok := n.(map[string]any)
		if !ok {
			return nil
		}
		if ref, ok := m["$ref"].(string); ok {
			return object(doc["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")])
		}
		if _, ok := m["properties"]; ok || m["additionalProperties"] != nil {
			return m
		}
		if items, ok := m["items"]; ok {
			return object(items)
		}
		if alternatives, ok := m["anyOf"].([]any); ok {
			for _, a := range alternatives {
				if o := object(a); o != nil {
					return o
				}
			}
		}
		return nil
	}
	return doc, object
}

// objectAt is the object at a path of property names.
func objectAt(t *testing.T, src []byte, path ...string) map[string]any {
	t.Helper()
	doc, object := schemaOf(t, src)
	at := object(map[string]any(doc))
	for _, p := range path {
		next := at["additionalProperties"]
		if props, ok := at["properties"].(map[string]any); ok && props[p] != nil {
			next = props[p]
		}
		if at = object(next); at == nil {
			t.Fatalf("%v: no object at %s", path, p)
		}
	}
	return at
}

// keysAt gives the keys that a schema knows at a path of property names.
func keysAt(t *testing.T, src []byte, path ...string) []string {
	t.Helper()
	at := objectAt(t, src, path...)
	if at["additionalProperties"] != false {
		t.Errorf("%v: unknown keys are accepted", path)
	}
	return slices.Sorted(maps.Keys(at["properties"].(map[string]any)))
}

// wordsAt gives the closed list of words at a path, without the names of YAML's booleans.
func wordsAt(t *testing.T, src []byte, path ...string) (out []string) {
	t.Helper()
	doc, _ := schemaOf(t, src)
	var walk func(n any)
	walk = func(n any) {
		m, ok := n.(map[string]any)
		if !ok {
			return
		}
		if ref, ok := m["$ref"].(string); ok {
			walk(doc["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")])
		}
		list, _ := m["enum"].([]any)
		for _, w := range list {
			if s, ok := w.(string); ok {
				out = append(out, s)
			}
		}
		walk(m["items"])
		alternatives, _ := m["anyOf"].([]any)
		for _, a := range alternatives {
			walk(a)
		}
	}
	walk(objectAt(t, src, path[:len(path)-1]...)["properties"].(map[string]any)[path[len(path)-1]])
	slices.Sort(out)
	return slices.Compact(out)
}

// knownKeys are those that the note of an unknown key lists, one list for each.
func knownKeys(list diag.List) (out [][]string) {
	for _, d := range list {
		if d.Code == "N101" {
			_, names, _ := strings.Cut(d.Note.EN, ": ")
			keys := strings.Split(names, ", ")
			slices.Sort(keys)
			out = append(out, keys)
		}
	}
	return out
}

// What the loader knows and what the schema knows are the same keys, block by block: an unknown key makes the loader list them.
func TestSchemasHaveTheKeysOfTheLoader(t *testing.T) {
	const q = "qqqqqqqqqqqq: 1"
	for _, c := range []struct {
		kind, src string
		path      []string
	}{
		{"events", "version: 1\n" + q + "\nevents: {a: {topic: t, id: i}}\n", nil},
		{"events", "version: 1\nevents: {a: {topic: t, id: i, " + q + "}}\n", []string{"events", "a"}},
		{"events", "version: 1\nevents: {a: {topic: t, id: i, time: {path: x, " + q + "}}}\n", []string{"events", "a", "time"}},
		{"events", "version: 1\nevents: {a: {topic: t, id: i, fields: {f: {path: x, " + q + "}}}}\n", []string{"events", "a", "fields", "f"}},
		{"rules", "version: 1\n" + q + "\nrules: []\n", nil},
		{"rules", "version: 1\ndefaults: {" + q + "}\nrules: []\n", []string{"defaults"}},
		{"rules", "version: 1\nrules: [{name: abc, " + q + "}]\n", []string{"rules"}},
		{"rules", rule("push: {body: b, " + q + "}"), []string{"rules", "push"}},
		{"rules", rule("push: {body: b, message: {" + q + "}}"), []string{"rules", "push", "message"}},
		{"rules", rule("broadcast: {audience: online, body: b, " + q + "}"), []string{"rules", "broadcast"}},
		{"rules", rule("broadcast: {audience: {" + q + "}, body: b}"), []string{"rules", "broadcast", "audience"}},
		{"rules", rule("push: {body: b}\n    merge: {wait: 1s, " + q + "}"), []string{"rules", "merge"}},
		{"rules", rule("push: {body: b}\n    merge: {wait: 1s, one: {" + q + "}}"), []string{"rules", "merge", "one"}},
		{"rules", rule("push: {body: b}\n    limits: {" + q + "}"), []string{"rules", "limits"}},
		{"rules", rule("broadcast: {audience: {all_of: [x]}, body: b}\n    approval: {people: 1, within: 1h, " + q + "}"), []string{"rules", "approval"}},
		{"rules", rule("push: {body: b}\n    tests: [{name: x, event: {}, expect: nothing, " + q + "}]"), []string{"rules", "tests"}},
		{"rules", rule("push: {body: b}\n    tests: [{name: x, event: {}, expect: {" + q + "}}]"), []string{"rules", "tests", "expect"}},
		{"rules", rule("push: {body: b}\n    tests: [{name: x, event: {}, expect: nothing, quota: {used: 1, " + q + "}}]"), []string{"rules", "tests", "quota"}},
	} {
		src := map[string][]byte{"events": Events, "rules": Rules}[c.kind]
		files := []rules.File{{Name: c.kind + ".yaml", Data: []byte(c.src)}}
		if c.kind == "rules" {
			files = append(files, rules.File{Name: "events.yaml", Data: []byte(formatCatalogue)})
		}
		_, list := rules.LoadFiles(files, rules.Options{AnyAccount: true})
		have := knownKeys(list)
		if len(have) != 1 {
			t.Errorf("%v: %d unknown keys in %s", c.path, len(have), c.src)
			continue
		}
		if diff := cmp.Diff(have[0], keysAt(t, src, c.path...)); diff != "" {
			t.Errorf("%s %v (-loader +schema):\n%s", c.kind, c.path, diff)
		}
	}
}

// Closed lists are the same words: a word that is none makes the loader list them.
func TestSchemasHaveTheWordsOfTheLoader(t *testing.T) {
	const q = "qqqqqqqqqqqq"
	event := func(more string) string { return "version: 1\nevents: {a: {topic: t, id: i, " + more + "}}\n" }
	expects := func(what string) string {
		return rule("push: {body: b}\n    tests: [{name: x, event: {}, expect: {" + what + ": " + q + "}}]")
	}
	for _, c := range []struct {
		kind, src string
		path      []string
	}{
		{"events", event("kind: " + q), []string{"events", "a", "kind"}},
		{"events", event("format: " + q), []string{"events", "a", "format"}},
		{"events", event("kind: profile, user: u, update: " + q), []string{"events", "a", "update"}},
		{"events", event("fields: {f: {path: x, type: " + q + "}}"), []string{"events", "a", "fields", "f", "type"}},
		{"rules", strings.Replace(rule("push: {body: b}"), "class: service", "class: "+q, 1), []string{"rules", "class"}},
		{"rules", "version: 1\ndefaults: {class: " + q + "}\nrules:\n  - {name: abc, event: order.paid, mode: live, when: always, push: {body: b}}\n", []string{"defaults", "class"}},
		{"rules", rule("push: {body: b, platforms: [" + q + "]}"), []string{"rules", "push", "platforms"}},
		{"rules", rule("broadcast: {audience: {all_of: [x]}, body: b, platforms: [" + q + "]}"), []string{"rules", "broadcast", "platforms"}},
		{"rules", rule("broadcast: {audience: all, body: b}"), []string{"rules", "broadcast", "audience"}}, // another word would be a tag
		{"rules", rule("push: {body: b}\n    merge: {wait: 1s, keep: " + q + "}\n    limits: {expire: 1h}"), []string{"rules", "merge", "keep"}},
		{"rules", rule("push: {body: b}\n    limits: {priority: " + q + "}"), []string{"rules", "limits", "priority"}},
		{"rules", rule("broadcast: {audience: {all_of: [x]}, body: b}\n    limits: {expire: 1h, no_quota: " + q + "}"), []string{"rules", "limits", "no_quota"}},
		{"rules", rule("push: {body: b}\n    limits: {quiet: 22:00-08:00, when_quiet: " + q + ", expire: 12h}"), []string{"rules", "limits", "when_quiet"}},
		{"rules", expects("held"), []string{"rules", "tests", "expect", "held"}},
		{"rules", expects("suppressed"), []string{"rules", "tests", "expect", "suppressed"}},
		{"rules", rule("push: {body: b}\n    tests: [{name: x, event: {}, expect: " + q + "}]"), []string{"rules", "tests", "expect"}},
	} {
		src := map[string][]byte{"events": Events, "rules": Rules}[c.kind]
		files := []rules.File{{Name: c.kind + ".yaml", Data: []byte(c.src)}}
		if c.kind == "rules" {
			files = append(files, rules.File{Name: "events.yaml", Data: []byte(formatCatalogue)})
		}
		_, list := rules.LoadFiles(files, rules.Options{AnyAccount: true})
		var have [][]string
		for _, d := range list {
			if words, ok := strings.CutPrefix(d.Hint.EN, "one of "); ok && d.Code == "N112" {
				have = append(have, slices.Sorted(slices.Values(strings.Split(words, ", "))))
			}
		}
		if len(have) != 1 {
			t.Errorf("%v: %d wrong words in %s: %v", c.path, len(have), c.src, list)
			continue
		}
		if diff := cmp.Diff(have[0], wordsAt(t, src, c.path...)); diff != "" {
			t.Errorf("%s %v (-loader +schema):\n%s", c.kind, c.path, diff)
		}
	}
}

func rule(body string) string {
	return "version: 1\nrules:\n  - name: abc\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    " + body + "\n"
}

func TestSettingsSchemaHasTheKeysOfTheLoader(t *testing.T) {
	for _, path := range [][]string{nil, {"kafka"}, {"kafka", "tls"}, {"kafka", "sasl"}, {"admin"}, {"log"}, {"events"}, {"events", "duplicates"}, {"dead"}, {"user_limits"}, {"consent"},
		{"accounts", "main"}, {"accounts", "main", "services"}, {"accounts", "main", "quota"}, {"accounts", "main", "quota", "broadcast"}, {"accounts", "main", "tags"}} {
		v := map[string]any{"version": 1, "accounts": map[string]any{"main": map[string]any{"vendor": "rongcloud"}}}
		at := v
		for _, p := range path {
			if at[p] == nil {
				at[p] = map[string]any{}
			}
			at = at[p].(map[string]any)
		}
		at["qqqqqqqqqqqq"] = "1"
		src, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "notifier.yaml")
		if err := os.WriteFile(name, src, 0o600); err != nil {
			t.Fatal(err)
		}
		_, list := settings.Load(name, nil, nil)
		have := knownKeys(list)
		if len(have) != 1 {
			t.Errorf("%v: %v", path, list)
			continue
		}
		if diff := cmp.Diff(have[0], keysAt(t, Settings, path...)); diff != "" {
			t.Errorf("%v (-loader +schema):\n%s", path, diff)
		}
	}
}

// Every key has a description in both languages, its own or that of what it refers to. A block that only narrows keys described elsewhere
// (in an `if`, in an alternative) says nothing of additional ones, and declares none.
func TestSchemasSpeakBothLanguages(t *testing.T) {
	n := 0
	for kind, src := range map[string][]byte{"events": Events, "rules": Rules, "settings": Settings} {
		var doc map[string]any
		if err := json.Unmarshal(src, &doc); err != nil {
			t.Fatal(err)
		}
		described := func(x any) bool {
			m := x.(map[string]any)
			if ref, ok := m["$ref"].(string); ok && m["description"] == nil {
				m = doc["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
			}
			return m["description"] != nil
		}
		var walk func(where string, x any)
		walk = func(where string, x any) {
			switch x := x.(type) {
			case map[string]any:
				if s, ok := x["description"].(string); ok {
					en, zh, both := strings.Cut(s, " · ")
					if !both || en == "" || !strings.ContainsFunc(zh, func(r rune) bool { return unicode.Is(unicode.Han, r) }) && zh != en {
						t.Errorf("%s: %q", where, s)
					}
				}
				if keys, ok := x["properties"].(map[string]any); ok && x["additionalProperties"] != nil {
					for k, v := range keys {
						if n++; !described(v) {
							t.Errorf("%s: the key %s is not described", where, k)
						}
					}
				}
				for k, v := range x {
					walk(where+"/"+k, v)
				}
			case []any:
				for i, v := range x {
					walk(fmt.Sprint(where, "/", i), v)
				}
			}
		}
		walk(kind, doc)
	}
	if n < 240 {
		t.Errorf("only %d keys", n)
	}
}

// What ships tells an editor its schema, by a path that leads there.
func TestShippedFilesNameTheirSchema(t *testing.T) {
	line := regexp.MustCompile(`^# yaml-language-server: \$schema=(\S+)\n`)
	for _, pattern := range shipped {
		files, err := filepath.Glob(root + pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			m := line.FindSubmatch(src)
			if m == nil {
				t.Errorf("%s does not begin with its schema", f)
				continue
			}
			want := filepath.Clean(root + "schema/" + kindOf(src) + ".schema.json")
			if got := filepath.Join(filepath.Dir(f), string(m[1])); got != want {
				t.Errorf("%s names %s, want %s", f, got, want)
			}
		}
	}
}

// The schema of all kinds takes a file of each, and refuses what none of them would.
func TestTheSchemaOfAllKindsTakesEachOfThem(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Any()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("any", doc); err != nil {
		t.Fatal(err)
	}
	any, err := c.Compile("any")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*jsonschema.Schema{"events": any, "rules": any, "settings": any}
	for _, name := range []string{"rules/events.yaml", "rules/profile.yaml", "docs/first/notifier.yaml"} {
		src, err := os.ReadFile(root + name)
		if err != nil {
			t.Fatal(err)
		}
		if err, readable := validate(t, all, src); err != nil || !readable {
			t.Errorf("%s is refused: %v", name, err)
		}
		if err, _ := validate(t, all, append(src, "\nnobody_knows_this: 1\n"...)); err == nil {
			t.Errorf("%s is accepted with a key that nobody knows", name)
		}
	}
}

// The format's own examples load without a finding and pass their own tests, with the samples that the program comes with: the schema must
// not be held to something else.
func TestTheFormatsExamplesLoadAndPass(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "samples"), os.DirFS(root+"rules/samples")); err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]string{"events.yaml": formatCatalogue, "rules.yaml": formatRules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, list := rules.Load([]string{dir}, app.AnyRuleOptions())
	for i := range list {
		t.Errorf("%s %s:%d: %s", list[i].Code, filepath.Base(list[i].File), list[i].Line, list[i].Message.EN)
	}
	if set == nil || len(set.Rules) != 5 {
		t.Fatal("not the five rules")
	}
	b := app.AnyBench(set, nil)
	rep := ruletest.Run(ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Request: b.Request, Snapshots: &ruletest.Snapshots{}})
	for _, r := range rep.Results {
		if !r.OK {
			t.Errorf("%s/%s, %s:%d: %v", r.Rule, r.Name, filepath.Base(r.File), r.Line, r.Diffs)
		}
	}
	if n := strings.Count(formatRules, "expect: "); len(rep.Results) != n || n != 11 {
		t.Errorf("%d tests ran, the examples have %d", len(rep.Results), n)
	}
}
