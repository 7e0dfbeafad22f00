package main

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ruletest"
)

// Every kind of rule is written with a test that acts and one that does not, and what is written checks clean and passes.
func TestNewRule(t *testing.T) {
	shipped := os.DirFS("../../rules")
	for _, tc := range []struct {
		name  string
		draft ruletest.Draft
		tests []string // what must stand in the file
	}{
		{"push", ruletest.Draft{Action: "push", Event: "order.paid", When: `amount > 800 and level == "vip"`, Subject: `${nickname | default("亲")}，谢谢`, Body: "${amount | money} 元"},
			[]string{`sample: order.paid, expect: {push: {title: "小明，谢谢"}}`, `with: {amount: 800}, expect: no match`}},
		{"two fields, no sample", ruletest.Draft{Action: "push", Event: "tea.poured", When: `cups > 1000 and kind == "oolong"`, Subject: "茶", Body: "b"},
			[]string{`expect: {push: {title: "茶"}}`, `expect: no match`}},
		{"profile push", ruletest.Draft{Action: "push", Event: "profile.changed", When: `changed(level) and level == "vip"`, Subject: "升级", Body: "b"},
			[]string{`profile: {level: "normal"}, expect: {push: {title: "升级"}}`, `profile: {level: "vip"}, expect: no match`}}, // it fails without the level
		{"profile push of any change", ruletest.Draft{Action: "push", Event: "profile.changed", When: "changed(level)", Subject: "升级", Body: "b"},
			[]string{`profile: {level: "vip"}, expect: {push: {title: "升级"}}`, `sample: profile.changed, expect: no match`}},
		{"profile push of two fields", ruletest.Draft{Action: "push", Event: "profile.changed", When: `changed(city) and city == '上海' and level == 'svip'`, Subject: "搬家", Body: "b"},
			[]string{`with: {city: "上海", level: "svip"}, profile: {city: "other"}, expect: {push: {title: "搬家"}}`, `profile: {city: "other"}, expect: no match`}},
		{"three fields", ruletest.Draft{Action: "push", Event: "order.paid", When: `amount > 5000 and city == '上海' and level == 'svip'`, Subject: "谢谢", Body: "b"},
			[]string{`with: {amount: 5001, city: "上海", level: "svip"}, expect: {push: {title: "谢谢"}}`, `sample: order.paid, expect: no match`}},
		{"a pattern", ruletest.Draft{Action: "push", Event: "order.paid", When: `city matches "^上海.*"`, Subject: "谢谢", Body: "b"},
			[]string{`with: {city: "上海"}, expect: {push: {title: "谢谢"}}`, `sample: order.paid, expect: no match`}},
		{"the length of a text", ruletest.Draft{Action: "push", Event: "order.paid", When: "len(nickname) > 5 and amount > 800", Subject: "谢谢", Body: "b"},
			[]string{`with: {nickname: "长长长长长长"}, expect: {push: {title: "谢谢"}}`, `sample: order.paid, expect: no match`}},
		{"below zero, and arithmetic", ruletest.Draft{Action: "push", Event: "tea.poured", When: `cups / 10 > 5 or cups < -5`, Subject: "茶", Body: "b"},
			[]string{`expect: {push: {title: "茶"}}`, `expect: no match`}},
		{"a tag by its beginning", ruletest.Draft{Action: "tags", Event: "profile.changed", When: "city startsWith '上'", Tag: "sh"},
			[]string{`with: {city: "上"}, expect: {tags: ["sh"]}`, `sample: profile.changed, expect: {tags: []}`}},
		{"tags", ruletest.Draft{Action: "tags", Event: "profile.changed", When: "always", Tag: "town_${city}"},
			[]string{`expect: {tags: ["town_北京"]}`, `expect: {tags: []}`}},
		{"broadcast", ruletest.Draft{Action: "broadcast", Event: "sale.opened", When: "stock > 100", Audience: []string{"city_${city}"}, Subject: "开抢", Body: "b"},
			[]string{`expect: {broadcast: {title: "开抢"}}`, `with: {stock: 100}, expect: no match`}},
		{"push always", ruletest.Draft{Action: "push", Event: "order.paid", When: "always", Subject: "谢谢", Body: "b"},
			[]string{`expect: {push: {title: "谢谢"}}`, `times: 2, expect: {suppressed: capped}`}},
		{"broadcast always", ruletest.Draft{Action: "broadcast", Event: "sale.opened", When: "always", Audience: []string{"city_${city}"}, Subject: "开抢", Body: "b"},
			[]string{`expect: {broadcast: {title: "开抢"}}`, `T23:30:00+08:00, expect: {suppressed: quiet}`}},
		{"tags always", ruletest.Draft{Action: "tags", Event: "profile.changed", When: "always", Tag: "everyone-2"},
			[]string{`expect: {tags: ["everyone-2"]}`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, shipped); err != nil {
				t.Fatal(err)
			}
			catalogue, err := os.ReadFile(filepath.Join(dir, "events.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			catalogue = append(catalogue, "\n  tea.poured:\n    topic: shop.tea\n    match: {type: tea}\n    id: id\n    user: user\n    fields: {cups: {path: cups, type: number}, kind: {path: kind, values: [green, oolong]}}\n"...)
			if err := os.WriteFile(filepath.Join(dir, "events.yaml"), catalogue, 0o600); err != nil {
				t.Fatal(err)
			}
			d := tc.draft
			d.Name, d.Class, d.Mode = "brand-new", "service", "shadow"
			var out, talk bytes.Buffer
			if err := newRule(&d, dir, diag.Both, strings.NewReader(""), false, &out, &talk); err != nil {
				t.Fatalf("%v\n%s", err, talk.String())
			}
			file := filepath.Join(dir, "brand-new.yaml")
			text, err := os.ReadFile(file)
			if err != nil || out.String() != file+"\n" {
				t.Fatalf("printed %q, %v", out.String(), err)
			}
			if n := strings.Count(string(text), "- {name:"); n != 2 {
				t.Errorf("%d tests in\n%s", n, text)
			}
			if without := withoutWhen(t, dir, file, string(text)); tc.draft.When != "always" && tc.draft.When != "changed(level)" && !strings.Contains(without, "FAIL brand-new/不命中 · it does not") {
				t.Errorf("without its condition the second test passes:\n%s\n%s", text, without)
			}
			if live := strings.Contains(talk.String(), "it is live"); live != (tc.draft.Action == "tags") || strings.Contains(talk.String(), "mode shadow") == live {
				t.Errorf("it says\n%s", talk.String())
			}
			for _, want := range tc.tests {
				if !strings.Contains(string(text), want) {
					t.Errorf("%s is missing in\n%s", want, text)
				}
			}
			out.Reset()
			if err := check(checkOptions{paths: []string{dir}, format: "text", lang: "en", strict: true}, nil, &out, &talk); err != nil {
				t.Errorf("it does not check clean: %v\n%s", err, out.String())
			}
			if err := runTests(testOptions{checkOptions: checkOptions{paths: []string{dir}, format: "text", lang: "en"}, run: "^brand-new/"}, nil, &out, &talk); err != nil {
				t.Errorf("its tests fail: %v\n%s", err, out.String())
			}
			d = tc.draft
			d.Name = "brand-new"
			if x, ok := errors.AsType[*exitError](newRule(&d, dir, diag.Both, strings.NewReader(""), false, &out, &talk)); !ok || x.code != exitUsage {
				t.Error("a file that exists was written over")
			}
		})
	}
}

// withoutWhen runs the tests of a rule whose condition is gone, but for a changed() without which it does not load.
func withoutWhen(t *testing.T, dir, file, text string) string {
	t.Helper()
	when, rest := "", []string{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "    when:") {
			when = line
			if strings.Contains(line, "changed(") {
				line, _, _ = strings.Cut(line, " and ")
				line = strings.TrimSpace(line) + "\n"
				rest = append(rest, "    "+line)
			} else if !strings.Contains(text, "    tags:") {
				rest = append(rest, "    when: always\n")
			}
			continue
		}
		rest = append(rest, line)
	}
	if when == "" {
		return ""
	}
	if err := os.WriteFile(file, []byte(strings.Join(rest, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, talk bytes.Buffer
	if err := runTests(testOptions{checkOptions: checkOptions{paths: []string{dir}, format: "text", lang: "en"}, run: "^brand-new/"}, nil, &out, &talk); err == nil {
		t.Logf("all pass without %s", when)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Where no values are found for one of the two tests the rule is written with the other, and the exit code says that something is left to do.
func TestNewRuleWithOneTestOnlyIsHalfDone(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../rules")); err != nil {
		t.Fatal(err)
	}
	d := ruletest.Draft{Name: "brand-new", Action: "push", Event: "order.paid", When: "amount * amount == 49", Class: "service", Mode: "shadow", Subject: "s", Body: "b"}
	var out, talk bytes.Buffer
	err := newRule(&d, dir, diag.EN, strings.NewReader(""), false, &out, &talk)
	if x, ok := errors.AsType[*exitError](err); !ok || x.code != exitPartial || !strings.Contains(err.Error(), "it has one test only, no values were found for the other") || out.String() != filepath.Join(dir, "brand-new.yaml")+"\n" {
		t.Errorf("%v, printed %q", err, out.String())
	}
}

func TestNewRuleSaysWhatIsMissingOrWrong(t *testing.T) {
	for _, tc := range []struct {
		draft ruletest.Draft
		code  int
		want  string
	}{
		{ruletest.Draft{Name: "x-y-z", Action: "push", Event: "order.paid", Subject: "s", Body: "b"}, exitUsage, "--when is missing"},
		{ruletest.Draft{Name: "x-y-z", Action: "push", Event: "order.paid", When: "always", Subject: "s", Body: "b", Mode: "shadow"}, exitUsage, "--class is missing: class: service"},
		{ruletest.Draft{Name: "x-y-z", Action: "pusch", Event: "order.paid"}, exitUsage, "push, broadcast or tags"},
		{ruletest.Draft{Name: "x-y-z", Action: "push", Event: "order.padi", When: "always", Subject: "s", Body: "b", Class: "service", Mode: "shadow"}, exitFindings, "did you mean `order.paid`"},
		{ruletest.Draft{Name: "x-y-z", Action: "push", Event: "order.paid", When: "amuont > 1", Subject: "s", Body: "b", Class: "service", Mode: "shadow"}, exitFindings, "did you mean `amount`"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("../../rules")); err != nil {
			t.Fatal(err)
		}
		var out, talk bytes.Buffer
		err := newRule(&tc.draft, dir, diag.Both, strings.NewReader(""), false, &out, &talk)
		x, ok := errors.AsType[*exitError](err)
		if !ok || x.code != tc.code || !strings.Contains(talk.String()+err.Error(), tc.want) {
			t.Errorf("%v: %v\n%s", tc.draft, err, talk.String())
		}
		if _, err := os.Stat(filepath.Join(dir, "x-y-z.yaml")); err == nil {
			t.Error("something was written")
		}
	}
}

// Without events, and beside files with errors, no rule can be written: that is said before anything is asked, with what to do.
func TestNewRuleNeedsACatalogue(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		code  int
		want  string
	}{
		"no folder":             {map[string]string{}, exitUsage, "no event is declared in rules, and a rule is about one; next: notifier new rule --dir FOLDER"},
		"no events":             {map[string]string{"rules/readme.md": "x"}, exitUsage, "no event is declared in rules, and a rule is about one; next: notifier new rule --dir FOLDER"},
		"errors in other files": {map[string]string{"rules/events.yaml": testCatalogue, "rules/rules.yaml": strings.Replace(testRules, "amount >", "amuont >", 1)}, exitFindings, "the rule files have errors, nothing was written; next: mend them, then notifier check rules"},
	} {
		inDir(t, c.files)
		var out, talk bytes.Buffer
		err := newRule(&ruletest.Draft{}, "rules", diag.EN, strings.NewReader("push\n"), true, &out, &talk)
		x, ok := errors.AsType[*exitError](err)
		if !ok || x.code != c.code || !strings.Contains(err.Error(), c.want) || strings.Contains(talk.String(), "push to users") {
			t.Errorf("%s: %v\n%s", name, err, talk.String())
		}
	}
	inDir(t, map[string]string{"rules/events.yaml": testCatalogue}) // a flag cannot be asked for again
	var out, talk bytes.Buffer
	err := newRule(&ruletest.Draft{Name: "BAD"}, "rules", diag.EN, strings.NewReader("push\n"), true, &out, &talk)
	if x, ok := errors.AsType[*exitError](err); !ok || x.code != exitFindings || !strings.Contains(err.Error(), "--name: `BAD` cannot be the name of a rule") {
		t.Errorf("%v\n%s", err, talk.String())
	}
}

// On a terminal it asks for what no flag says, and once more for what cannot be; the end of the answers writes nothing.
func TestNewRuleAsks(t *testing.T) {
	for _, tc := range []struct {
		name    string
		lang    diag.Lang      // "" is both
		draft   ruletest.Draft // what flags say
		answers string
		asked   []string // in this order
		silent  []string // not asked
		want    []string // in the file; nil: nothing is written
	}{
		{"a push", "", ruletest.Draft{}, "\n\n  brand-new  \norder.padi\norder.paid\namount > 800\nservcie\nservice\n谢谢\n收到 ${amount | money} 元\n",
			[]string{"push to users (empty: this), broadcast to an audience, or tags · push 发给用户", "name of the rule", "event: ", "order.paid", "did you mean `order.paid`? · 是不是想写 `order.paid`？", "event: ", "condition, like amount > 500", "class: service", "did you mean `service`?", "class: service", "title of the message · 消息标题", "text of the message · 消息正文", "mode shadow"}, []string{"tags of the users", "tag, like"},
			[]string{"event: order.paid", "when: amount > 800", "class: service", "mode: shadow", `title: "谢谢"`}},
		{"a broadcast", "", ruletest.Draft{Name: "brand-new", When: "stock > 100"}, "broadcast\nsale.opened\nmarketing\n开抢\n快来\n，vip、city_${city}\n",
			[]string{"push to users", "event: ", "class: service", "title of the message", "text of the message", "tags of the users, with commas · 人群标签，"}, []string{"name of the rule", "condition, like"},
			[]string{`["vip", "city_${city}"]`, "class: marketing"}},
		{"tags", "", ruletest.Draft{}, "tag\ntags\nbrand-new\nprofile.changed\ntown_${city}\n",
			[]string{"push to users", "did you mean `tags`?", "push to users", "name of the rule", "event: ", "tag, like city_${city} · 标签，例如", "live once the daemon"}, []string{"class:", "condition, like", "title of"},
			[]string{`tags: ["town_${city}"]`}},
		{"an event that nothing is like", "", ruletest.Draft{Action: "tags", Name: "brand-new"}, "zzzzzzzz\n", []string{"event: ", "one of ", "profile.changed", "· 请写其中一个：", "event: "}, nil, nil},
		{"a Chinese shop", diag.ZH, ruletest.Draft{Action: "push"}, "brand-new\norder.padi\norder.paid\namount > 800\nservice\n谢谢\n收到 ${amount | money} 元\n",
			[]string{"规则名，例如 vip-thanks：", "事件：", "order.paid、", "是不是想写 `order.paid`？\n事件：", "条件，例如 amount > 500，或 always：", "类别：service", "消息标题：", "消息正文：", "下一步：`notifier check ", "它以 `mode: shadow` 开始"}, []string{"event: ", "did you mean", "next: ", " · "},
			[]string{"event: order.paid", "when: amount > 800"}},
		{"answers that cannot be", diag.ZH, ruletest.Draft{}, "推送\n\nBAD 名\nvip-order-thanks\nbrand-new\n订单已支付\n金额 ＞ 600\namuont > 3\n金额 > 600\n营销\n你好 ${nick}\n你好\n\n收到\n",
			[]string{"规则名，例如 vip-thanks：", "这里不能留空\n规则名", "`BAD 名` 不能作规则名", "规则名", "已经有规则 `vip-order-thanks`：请换一个名字\n规则名", "事件：", "条件，", "这里是全角符号 `＞`：写成 `>`\n条件", "没有字段 `amuont`：是不是 `amount`", "条件，", "类别：", "消息标题：", "没有字段 `nick`", "消息标题：", "消息正文：", "这里不能留空\n消息正文：", "下一步：`notifier check "}, []string{"什么也没有写", "N202"},
			[]string{"event: order.paid", "when: 金额 > 600", "class: marketing", `title: "你好"`}},
		{"a tag of an event that is no profile", "", ruletest.Draft{Name: "brand-new"}, "打标签\norder.paid\nprofile.changed\n$ {city\ntown_${city}\n",
			[]string{"push to users", "event: ", "event: ", "tag, like", "tag, like", "live once the daemon"}, nil, []string{"event: profile.changed", `tags: ["town_${city}"]`}},
		{"no more answers", "", ruletest.Draft{}, "push\nbrand-new\n", []string{"push to users", "name of the rule", "event: "}, []string{"condition"}, nil},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("../../rules")); err != nil {
			t.Fatal(err)
		}
		d := tc.draft
		d.Mode = "shadow"
		var out, talk bytes.Buffer
		err := newRule(&d, dir, cmp.Or(tc.lang, diag.Both), strings.NewReader(tc.answers), true, &out, &talk)
		rest := talk.String()
		for _, q := range tc.asked {
			_, after, ok := strings.Cut(rest, q)
			if !ok {
				t.Errorf("%s: %q is not asked, or not then:\n%s", tc.name, q, talk.String())
				break
			}
			rest = after
		}
		for _, q := range tc.silent {
			if strings.Contains(talk.String(), q) {
				t.Errorf("%s: asks %q:\n%s", tc.name, q, talk.String())
			}
		}
		text, unread := os.ReadFile(filepath.Join(dir, "brand-new.yaml"))
		if tc.want == nil {
			if x, ok := errors.AsType[*exitError](err); !ok || x.code != exitUsage || !strings.Contains(err.Error(), "nothing was written") || unread == nil {
				t.Errorf("%s: %v, wrote %q", tc.name, err, text)
			}
			continue
		}
		if err != nil || unread != nil {
			t.Errorf("%s: %v, %v\n%s", tc.name, err, unread, talk.String())
		}
		for _, want := range tc.want {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: %s is missing in\n%s", tc.name, want, text)
			}
		}
	}
}
