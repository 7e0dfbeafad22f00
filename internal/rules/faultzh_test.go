package rules_test

import (
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/rules"
)

// The details are those that rules give, so that a changed sentence is found here.
func TestFaultsInChinese(t *testing.T) {
	t.Parallel()
	const catalogue = `version: 1
events:
  order:
    topic: t
    id: id
    time: at
    user: user
    fields: {city: city, people: {path: people, type: list}}
`
	const head = "version: 1\nrules:\n  - name: the-rule\n    event: order\n    mode: live\n    class: service\n    when: always\n    limits: {expire: 1h%}\n"
	for _, c := range []struct{ rule, limits, event, want string }{
		{`push: {body: "${city}"}`, "", `{}`, "${city} 没有值"},
		{`push: {body: "${city}"}`, "", `{"city":" "}`, "正文是空的"},
		{`push: {to: "${people}", body: b}`, "", `{}`, "to：${people} 没有值"},
		{`push: {to: "${people}", body: b}`, "", `{"people":[]}`, "to：没有写收件人"},
		{`push: {to: "${city}", body: b}`, "", `{}`, "to：${city} 没有值"},
		{`push: {to: "${people}", body: b}`, "", `{"people":[` + strings.Repeat(`"u",`, 100) + `"u"]}`, "to：${people} 超过 100 项，一个也不发：一个列表最多写 100 个收件人；请拆成几个事件"},
		{`broadcast: {audience: {all_of: ["city_${city}"]}, body: b}`, "", `{}`, "人群：${city} 没有值"},
		{`broadcast: {audience: {all_of: ["city_${city}"]}, body: b}`, "", `{"city":""}`, "人群：${city} 是空的"},
		{`broadcast: {audience: {all_of: ["city_${city}"]}, body: b}`, "", `{"city":"a b"}`, "人群：${city} 拼不成标签：标签是 1 到 40 字节的文字、数字、_ 和 -"},
		{`push: {body: b}`, `, once: {by: "${city}", in: 1h}`, `{}`, "limits.once.by：${city} 没有值"},
		{"push: {body: b}\n    merge: {by: \"${city}\", wait: 1m}", "", `{}`, "merge.by：${city} 没有值"},
	} {
		set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(catalogue)}, {Name: "r.yaml", Data: []byte(strings.Replace(head, "%", c.limits, 1) + "    " + c.rule + "\n")}}, app.AnyRuleOptions())
		if set == nil {
			t.Fatalf("%s: %v", c.rule, list)
		}
		value := `{"id":"e-1","user":"u-1","at":"2026-01-05T12:00:00Z",` + strings.TrimPrefix(c.event, "{")
		evs, err := set.Decode(event.Record{Position: event.Position{Topic: "t"}, Value: []byte(strings.Replace(value, ",}", "}", 1))})
		if err != nil || len(evs) != 1 {
			t.Errorf("%s: %d events, %v", value, len(evs), err)
			continue
		}
		in := set.Evaluate(&evs[0])[0]
		if got := rules.FaultZH(in.DeadDetail); got != c.want {
			t.Errorf("%s on %s: %q is %q, want %q", c.rule, c.event, in.DeadDetail, got, c.want)
		}
	}
	for en, want := range map[string]string{
		"the event has no user":                           "事件没有用户",
		"${day}: its value is not a time":                 "${day} 的值不是时间",
		"${sum}: its value is not a number":               "${sum} 的值不是数字",
		"the texts have 9000 bytes, the most is 4096":     "文字共 9000 字节，最多 4096 字节",
		"internal fault in rule x: oh":                    "规则 x 内部错误：oh",
		"field amount is required and missing":            "必须有的字段 amount 没有值",
		"the user's id has 70 characters, the most is 64": "the user's id has 70 characters, the most is 64",
	} {
		if got := rules.FaultZH(en); got != want {
			t.Errorf("%q is %q, want %q", en, got, want)
		}
	}
}
