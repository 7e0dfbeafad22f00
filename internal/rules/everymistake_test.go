package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// where writes findings as CODE:line:column, in the order in which they are shown.
func where(l diag.List) string {
	var out []string
	for _, d := range l {
		if d.Severity == diag.Error {
			out = append(out, fmt.Sprintf("%s:%d:%d", d.Code, d.Line, d.Column))
		}
	}
	return strings.Join(out, " ")
}

// All mistakes of a condition are shown in one run, each once, and none that follows from another.
func TestEveryMistakeOfACondition(t *testing.T) {
	for when, want := range map[string]string{
		`amuont > 500 and cty == "北京" and level == "VIP" and amount > "x"`: "N202:1 N202:18 N206:43 N204:62",
		`amount = 500 and cty == "北京"`:                                     "N205:8 N202:18",
		`amuont ＞ ５００ and cty == “北京”`:                                     "N202:1 N207:8 N211:10 N202:18 N207:25",
		`amount > 500 并且 (amuont > 3 or level = "VIP")`:                    "N207:14 N202:18 N205:38 N206:40",
		`(amount > 500 and cty == "北京") or (level == "VIP" and`:            "N202:19 N209:35 N206:45 N209:51",
		`amount > > 500 and amuont > 1`:                                    "N209:10 N202:20",
		`amount > 500 and and amuont > 1`:                                  "N209:18 N202:22",
		`level and amount and amuont > 1`:                                  "N209:1 N209:11 N202:22",
		`level == "vip" or "svip" and amuont > 1`:                          "N210:1 N202:30",
		`amuont > 1,000 and amuont < 2,000`:                                "N202:1 N211:10 N202:20 N211:29",
		`level in ("vip", "VIP") and amount >= 100 and < 5oo`:              "N219:10 N206:18 N217:43 N209:50",
		`amuont > 1 and city == "北京`:                                       "N202:1 N209:24",
		`lenn(items) > 1 and uper(city) == "A" and amuont.x > 1`:           "N213:1 N213:21 N213:43",
		`has(amuont) and (amuont ?? 0) > 5 and any(itmes, # == "a")`:       "N202:5 N202:18 N202:43",
	} {
		_, l := load(t, "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    push: {body: b}\n    when: "+single(when)+"\n", demoAccount())
		var got []string
		for _, d := range l {
			if d.Severity == diag.Error {
				got = append(got, fmt.Sprintf("%s:%d", d.Code, d.Column-len("    when: '")))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s\n got %s\nwant %s\n%s", when, strings.Join(got, " "), want, show(l))
		}
	}
}

// Names that other tools have for a key are taken for it.
func TestHabitualNamesOfKeys(t *testing.T) {
	_, l := load(t, "  - name: x-y\n    on: order.paid\n    mode: live\n    class: service\n    where: amount > 5\n    push: {content: b, url: 'app://x'}\n", demoAccount())
	var got []string
	for _, d := range l {
		if d.Severity == diag.Error {
			got = append(got, d.Code+" "+d.Fix)
		}
	}
	if s := strings.Join(got, ", "); s != "N101 event, N101 when, N101 body, N101 link" {
		t.Errorf("%s\n%s", s, show(l))
	}
}

// single puts a text in single quotation marks.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// All mistakes of a text are shown in one run.
func TestEveryMistakeOfAText(t *testing.T) {
	for body, want := range map[string]string{
		`a ${x | mony} ${y}`:                                   "N202:5 N303:9 N202:17",
		`${amuont | mony | dat} ${city | max} ${}`:             "N202:3 N303:12 N303:19 N304:33 N301:40",
		`${city ｝ ${amuont} ${cty | upper(1) | max(x) | nope}`: "N301:8 N202:12 N202:22 N304:28 N304:39 N303:48",
		`$｛city｝ ${amuont} ${a{b} ${city | join} ${cty`:        "N301:1 N202:11 N301:22 N304:28 N301:41",
		`${city ${amuont}`:                                     "N301:9 N202:10",
	} {
		_, l := load(t, "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    push: {body: "+single(body)+"}\n", demoAccount())
		var got []string
		for _, d := range l {
			if d.Severity == diag.Error {
				got = append(got, fmt.Sprintf("%s:%d", d.Code, d.Column-len("    push: {body: '")))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s\n got %s\nwant %s\n%s", body, strings.Join(got, " "), want, show(l))
		}
	}
}

// A rule with an unknown event shows all else that is wrong with it, as far as that does not follow from the event.
func TestEveryMistakeOfARuleWithAnUnknownEvent(t *testing.T) {
	rest := "    mode: lvie\n    class: foo\n    when: amuont > 500 and weather == 3 and city = 1\n    push: {body: \"${x | mony} ${whatever}\", platfroms: [ios]}\n" +
		"    limits: {expire: soon, per_user: many}\n    tests: [{name: n, event: {city: a, weather: 1}, expect: {pusch: {}}}]\n"
	for event, want := range map[string]string{
		// The one that was meant is clear: what resembles a field of it is one misspelt, the rest may follow from the wrong event.
		"    event: order.payed\n": "N201:4:12 N112:5:11 N112:6:12 N202:7:11 N205:7:50 N204:7:52 N303:8:25 N101:8:45 N112:9:22 N112:9:38 N101:10:62",
		"    event: something\n":   "N201:4:12 N112:5:11 N112:6:12 N205:7:50 N303:8:25 N101:8:45 N112:9:22 N112:9:38 N101:10:62",
		"    evnt: order.paid\n":   "N101:4:5 N112:5:11 N112:6:12 N202:7:11 N202:7:28 N205:7:50 N204:7:52 N202:8:21 N303:8:25 N202:8:33 N101:8:45 N112:9:22 N112:9:38 N202:10:40 N101:10:62",
		"    title: t\n":           "N114:3:5 N112:5:11 N112:6:12 N205:7:50 N303:8:25 N101:8:45 N112:9:22 N112:9:38 N101:10:62",
	} {
		if _, l := load(t, "  - name: x-y\n"+event+rest, demoAccount()); where(l) != want {
			t.Errorf("%s got %s\nwant %s\n%s", event, where(l), want, show(l))
		}
	}
	for name, c := range map[string]struct{ rule, want string }{
		"a push on what may be a profile event": {"{name: x-y, event: profile.chnged, mode: live, class: service, when: changed(levle), push: {body: b}}", "N201:3:24 N202:3:82"},
		"tags of an unknown event":              {"{name: x-y, event: something, tags: [\"${x}\", \"a b\"]}", "N201:3:24 N306:3:50"},
		"a rule without a name":                 {"{event: order.paid, mode: live, class: servce, when: amuont > 1, push: {body: b}}", "N114:3:5 N112:3:44 N202:3:58"},
		"a rule with two mistakes in a list":    {"{name: x-y, event: [order.paid, sale.opend], mode: live, class: service, when: 'amuont > 1', push: {body: b}}", "N201:3:37 N202:3:85"},
	} {
		if _, l := load(t, "  - "+c.rule+"\n", demoAccount()); where(l) != c.want {
			t.Errorf("%s:\n got %s\nwant %s\n%s", name, where(l), c.want, show(l))
		}
	}
}

// rich is a rule file with all kinds of blocks.
const rich = `version: 1
defaults: {owner: growth, class: marketing}
rules:
  - name: city-tag
    title: 城市标签
    event: profile.changed
    tags: ["city_${city}"]
    tests:
      - {name: 搬家, event: {city: 北京}, expect: {tags: [city_北京]}}

  - name: level-up
    event: profile.changed
    mode: live
    class: service
    when: changed(level) and level in ["vip", "svip"]
    push: {title: "恭喜升级", body: "您已是 ${level} 会员"}
    limits: {expire: 1h}

  - name: thanks
    title: 感谢
    event: order.paid
    mode: live
    from: 2026-11-11 00:00
    until: 2099-11-12 00:00
    when:
      - amount > 500
      - city == "北京"
    unless: level == "normal"
    user_when: score > 3
    push:
      title: "感谢支持"
      body: "您的订单已支付 ${amount | money} 元"
      link: app://orders/${order_id}
      badge: 1
      data:
        order: ${order_id}
    send_at: "09:00"
    limits:
      per_user: 1 in 24h
      once: {by: "${order_id}", in: 24h}
      quiet: 22:00-08:00
      when_quiet: hold
      expire: 26h
    tests:
      - name: 刚好
        event: {amount: 500, city: 北京, level: vip}
        expect: no match
        why: amount > 500

  - name: flash-sale
    event: sale.opened
    mode: live
    when: stock > 100
    broadcast:
      audience:
        all_of: ["city_${city}"]
      title: "${city}闪购开始"
      body: "${first.product} 等 ${count} 件商品开抢"
    merge:
      by: "${city}"
      wait: 10m
      keep: list
    limits:
      quota: 1 per day
      expire: 4h
    tests:
      - {name: 库存不够, event: {city: 北京, product: 耳机, stock: 100}, expect: no match}
`

func errorsOf(t testing.TB, src string) diag.List {
	t.Helper()
	_, l := LoadFiles([]File{{"events.yaml", readFile(t, "testdata/events.yaml")}, {"r.yaml", []byte(src)}}, demoAccount())
	return slices.DeleteFunc(l, func(d diag.Diagnostic) bool { return d.Severity != diag.Error })
}

// A mistake of YAML is one finding, in the line where it stands, and hides nothing: the mistakes before and behind it are shown too.
func TestAMistakeOfYAMLIsOneFindingAndHidesNoOther(t *testing.T) {
	if l := errorsOf(t, rich); len(l) > 0 {
		t.Fatal(show(l))
	}
	lines := strings.Split(rich, "\n")
	value := regexp.MustCompile(`^( *(?:- )?)([a-z_]+):( +)(.+)$`)
	for kind, damage := range map[string]func(m []string) string{
		"an open quotation mark": func(m []string) string { return m[1] + m[2] + ": \"x" },
		"an open bracket":        func(m []string) string { return m[1] + m[2] + ": [x, y" },
		"a full-width colon":     func(m []string) string { return m[1] + m[2] + "：" + m[4] },
		"no space":               func(m []string) string { return m[1] + m[2] + ":" + m[4] },
		"a tab":                  func(m []string) string { return "\t" + strings.TrimLeft(m[0], " ") },
		"a full-width space":     func(m []string) string { return strings.Replace(m[0], "  ", "　", 1) },
		"an alias":               func(m []string) string { return m[1] + m[2] + ": *x" },
		"a text that begins so":  func(m []string) string { return m[1] + m[2] + ": @x y" },
		"a text behind the text": func(m []string) string { return m[1] + m[2] + ": \"x\" y" },
		"null":                   func(m []string) string { return m[1] + m[2] + ": null" },
	} {
		for i, line := range lines {
			m := value.FindStringSubmatch(line)
			if m == nil || i == 0 && (kind == "no space" || kind == "a tab") || kind == "a full-width space" && !strings.HasPrefix(line, "  ") || kind == "a tab" && indent(line) == 0 {
				continue
			}
			if kind == "no space" && strings.ContainsAny(m[4][:1], "{[\"") {
				continue
			}
			damaged := slices.Clone(lines)
			damaged[i] = damage(m)
			src := strings.Join(damaged, "\n")
			l := errorsOf(t, src)
			if kind == "a text that begins so" && len(l) > 1 && l[1].Line == i+1 {
				continue // the text itself may be wrong as well
			}
			if len(l) != 1 || l[0].Line != i+1 {
				t.Errorf("%s in line %d, %s\n%s", kind, i+1, damaged[i], show(l))
			}
			// Two mistakes in other rules, before and behind it, and one in the defaults.
			src = strings.Replace(src, "tags: [\"city_${city}\"]", "tags: [\"city_${cty}\"]", 1)
			src = strings.Replace(src, "when: stock > 100", "when: stok > 100", 1)
			want := 1 + strings.Count(src, "${cty}") + strings.Count(src, "stok")
			if lost := !strings.Contains(damaged[i], m[4]); lost && (i == 5 || i == 50) {
				want-- // its fields are not known
			}
			if l := errorsOf(t, src); len(l) != want {
				t.Errorf("%s in line %d, %s: %d findings, want %d\n%s", kind, i+1, damaged[i], len(l), want, show(l))
			}
		}
	}
}

// Several mistakes of YAML in one rule are shown, with what else is wrong in it.
func TestSeveralMistakesOfYAMLInOneRule(t *testing.T) {
	rule := "  - name: x-y\n    event: order.paid\n    title: \"open\n    owner：me\n    notes: [a, b\n    mode:live\n    class: servce\n\twhen: amuont > 1\n    push: {body: ${cty}, title: @x}\n    limits: {expire: soon}\n"
	want := "N100:5:12 N103:6:10 N100:7:12 N100:8:9 N112:9:12 N106:10:1 N202:10:8 N105:11:18 N202:11:20 N105:11:33 N112:12:22"
	if _, l := load(t, rule, demoAccount()); where(l) != want {
		t.Errorf("got %s\nwant %s\n%s", where(l), want, show(l))
	}
}

func indent(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }

// A mistake in the catalogue is one finding there: the rules that use what it hides are not blamed.
func TestAMistakeOfTheCatalogueBlamesNoRule(t *testing.T) {
	lines := strings.Split(string(readFile(t, "testdata/events.yaml")), "\n")
	value := regexp.MustCompile(`^( *)([a-z_.]+):(?: (.*))?$`)
	for kind, by := range map[string]string{"an open quotation mark": ": \"x", "null": ": null", "a full-width colon": "：$3", "a value that is none": ": {type: nope}", "an alias": ": *x"} {
		for i, line := range lines {
			if value.FindString(line) == "" || strings.HasPrefix(line, "version") {
				continue
			}
			damaged := slices.Clone(lines)
			damaged[i] = value.ReplaceAllString(line, "$1$2"+by)
			_, l := LoadFiles([]File{{"events.yaml", []byte(strings.Join(damaged, "\n"))}, {"r.yaml", []byte(rich)}}, demoAccount())
			for _, d := range l {
				if d.Severity == diag.Error && d.File != "events.yaml" && kind != "a value that is none" {
					t.Errorf("%s in line %d, %s:\n%s", kind, i+1, damaged[i], show(l))
					break
				}
			}
			if l.Errors() == 0 {
				t.Errorf("%s in line %d, %s: loads", kind, i+1, damaged[i])
			}
		}
	}
}

// What people write out of habit is named for what it is, with what to write instead.
func TestHabits(t *testing.T) {
	for when, want := range map[string]string{
		`amount > 1万`: "N211:10 10000", `amount > 1.5万元`: "N211:10 15000", `amount > 500元`: "N211:10 500", `amount > 10%`: "N211:10 write `0.1` or `10`", `amount > 五百`: "N211:10 500", `amount > 一万二千`: "N211:10 12000",
		`amount between 1 and 9`: "N205:1 amount >= 1 and amount <= 9", `city like "%京%"`: `N205:6 contains "京"`, `city like "北%"`: `N205:6 startsWith "北"`, `city == "北京","上海"`: `N219:1 city in ["北京", "上海"]`,
		`city in "北京", "上海"`: `N219:9 ["北京", "上海"]`, `金额大于500`: "N207:1 金额 > 500", `金额大于等于500并且城市=="北京"`: "N207:1 金额 >= 500并且城市", `城市是北京`: "N207:1 城市 == 北京", `城市不在["北京"]`: "N207:1 城市 not in", `城市 不属于 ["北京"]`: "N207:4 not in",
		`items contains "a"`: `N204:1 "a" in items`, `event.time > "2026-11-21"`: "N209:12 a time is compared with a time",
		`event.time > now`: "N202:14 it is there in texts only", `count > 1`: "N202:1 it is there in texts with", "amount\u200b > 5": "N207:7  ", `Always`: "N215:0 always", `true`: "N215:0 always",
		`city in [北京, 上海]`: `N208:10 "北京"`, `amount > 1，000`: "N211:10 1000", `amount in [500,600]`: "W218:8 compare with >= and <",
	} {
		_, l := load(t, "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    push: {body: b}\n    when: "+single(when)+"\n    tests: [{name: n, event: {}, expect: no match}]\n", demoAccount())
		got := ""
		if len(l) > 0 {
			got = fmt.Sprintf("%s:%d %s", l[0].Code, l[0].Column-len("    when: '")+strings.Count(single(when[:1]), "''"), l[0].Fix)
			if l[0].Fix == "" {
				got += l[0].Hint.EN
			}
		}
		if !strings.HasPrefix(got+" ", want) && !strings.HasPrefix(got, want) {
			t.Errorf("%s\n got %s\nwant %s\n%s", when, got, want, show(l))
		}
	}
}

// A condition that always or never holds is named, however it is written; one that depends on the event is not.
func TestConditionsThatAlwaysOrNeverHold(t *testing.T) {
	for when, want := range map[string]bool{
		`amount > 500 and 金额 < 400`: true, `城市 == "a" and city == "b"`: true, `city != "a" or 城市 != "b"`: true, `city == "a" or city != "a"`: true, `level == "vip" and level != "vip"`: true,
		`has(city) and not has(city)`: true, `level in ["normal", "vip", "svip"]`: true, `level not in ["normal", "vip", "svip"]`: true, `city in []`: true, `1 == 1`: true, `2 ** 100000000 > 1`: true,
		`amount > 5 and city == "a" and amount < 3`: true, `not (amount > 5 or amount <= 5)`: true, `level == "vip" or level == "svip" or level == "normal"`: true, `len(items) > 1 and not (len(items) > 1)`: true,
		`level != "vip" and level != "svip" and level != "normal"`: true, `amount > 1 and 1 == 1`: true, `500 < amount and amount < 500`: true,

		`amount > 500 and amount < 600`: false, `city == "a" or city == "b"`: false, `level in ["normal", "vip"]`: false, `has(city) and city == "a"`: false, `not has(city) or city == "a"`: false,
		`amount >= 500 and amount <= 500`: false, `amount > 5 or amount < 3`: false, `city != "a" and city != "b"`: false, `(amount ?? 0) > 5`: false, `len(items) > 1 and len(items) < 3`: false, `city == order_id`: false,
		`any(items, # == "a") and city == "x"`: false, `has(amount)`: false, `event.id == "a"`: false,
	} {
		_, l := load(t, "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    push: {body: b}\n    when: "+single(when)+"\n    tests: [{name: n, event: {}, expect: no match}]\n", demoAccount())
		n := strings.Count(codes(l), "W212")
		if got := n > 0; got != want || n > 1 || l.Errors() > 0 {
			t.Errorf("%s: got %t, want %t\n%s", when, got, want, show(l))
		}
	}
	for items, want := range map[string]int{
		`[amount > 500, 金额 < 400]`: 1, `['city == "a"', 'level == "vip"', '城市 == "b"']`: 1, `[amount > 5, amount < 9]`: 0, `['level != "vip"', 'level != "svip"', 'level != "normal"']`: 1, `['1 == 1', amount > 5]`: 1, `['city in []', amount > 5]`: 1,
	} {
		_, l := load(t, "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    push: {body: b}\n    when: "+items+"\n    tests: [{name: n, event: {}, expect: no match}]\n", demoAccount())
		if n := strings.Count(codes(l), "W212"); n != want || l.Errors() > 0 {
			t.Errorf("%s: got %d, want %d\n%s", items, n, want, show(l))
		}
	}
}

// A field is no whole number, so that `%` does not take it. What is to be written instead is a condition, and means the same.
func TestTheRemainderOfAField(t *testing.T) {
	for _, when := range []string{"amount % 100 == 0", "(金额 ?? 0) % 2 == 0", "abs(amount) % 10 == 1", "floor(amount) % 10 == 1"} {
		l, _ := loadWhen(t, when, "")
		i := slices.IndexFunc(l, func(d diag.Diagnostic) bool { return d.Code == "N209" })
		if i < 0 || !strings.Contains(l[i].Message.EN, "`%` is for whole numbers") {
			t.Fatalf("%s\n%s", when, show(l))
		}
		for _, text := range []string{l[i].Hint.EN, l[i].Hint.ZH} {
			cured := strings.Split(text, "`")[5]
			if found, _ := loadWhen(t, cured, ""); found.Errors() > 0 {
				t.Errorf("%s\n%s", cured, show(found))
			}
			for amount, want := range map[string]bool{"0": true, "50": false, "100": true, "150.5": false, "12300": true} {
				if got := verdictOf(t, cured, ev(map[string]event.Value{"amount": known(event.Number, amount)})); got != want {
					t.Errorf("%s: of %s it says %t", cured, amount, got)
				}
			}
		}
	}
}

// The condition that a hint gives as an example is one.
func TestTheExampleForARemainderIsACondition(t *testing.T) {
	l, _ := loadWhen(t, "amount % 0 == 1", "")
	i := slices.IndexFunc(l, func(d diag.Diagnostic) bool { return d.Code == "N213" })
	if i < 0 {
		t.Fatal(show(l))
	}
	for _, text := range []string{l[i].Hint.EN, l[i].Hint.ZH} {
		when := strings.Split(text, "`")[1]
		if found, _ := loadWhen(t, when, ""); found.Errors() > 0 {
			t.Errorf("%s\n%s", when, show(found))
		}
	}
}
