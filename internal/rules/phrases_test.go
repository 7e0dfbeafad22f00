package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
)

// loadWhen loads a rule with a condition; at is the rune of the condition at which a column of its line stands.
func loadWhen(t testing.TB, when, more string) (l diag.List, at func(column int) int) {
	t.Helper()
	const key = "    when: "
	_, l = load(t, "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    push: {body: b}\n"+key+single(when)+"\n"+more+"    tests: [{name: n, event: {}, expect: no match}]\n", demoAccount())
	return l, func(column int) int { return column - len(key) - 2 }
}

// Each cure can be pasted, one after the other: the last condition loads and is what was meant.
func TestCuresOfConditionsCanBePasted(t *testing.T) {
	for when, want := range map[string]string{
		// several values: of what is not so, none of them
		`level == "vip" or "svip"`: `level in ["vip", "svip"]`, `level == "vip" and "svip"`: `level in ["vip", "svip"]`, `level != "vip" or "svip"`: `level not in ["vip", "svip"]`, `level != "vip" and "svip"`: `level not in ["vip", "svip"]`,
		`等级 不等于 "vip" 或 "svip"`: `等级 not in ["vip", "svip"]`, `等级 ≠ "vip" 和 "svip"`: `等级 not in ["vip", "svip"]`, `level 不是 vip 或 svip`: `level not in ["vip", "svip"]`, `level not in ["vip"] or "svip"`: `level not in ["vip", "svip"]`,
		`level in ["vip"] or "svip"`: `level in ["vip", "svip"]`, `city == "a" or "b" or "c"`: `city in ["a", "b", "c"]`, `not (level == "vip" or "svip")`: `not (level in ["vip", "svip"])`, `level == vip or svip`: `level in ["vip", "svip"]`,
		`city contains "a" or "b"`: `city contains "a" or city contains "b"`, `city not contains "a" or "b"`: `city not contains "a" and city not contains "b"`, `amount > 5 and city contains "a" or "b"`: `amount > 5 and (city contains "a" or city contains "b")`,
		`city startsWith "a"、"b"`: `city startsWith "a" or city startsWith "b"`, `lower(city) == "a" or "b"`: `lower(city) in ["a", "b"]`, `len(items) == 1 or 2`: `len(items) in [1, 2]`, `any(items, # == "a" or "b")`: `any(items, # in ["a", "b"])`,
		`event.id == "a" or "b"`: `event.id in ["a", "b"]`, `level != "normal"、"vip"`: `level not in ["normal", "vip"]`, `level != "normal","vip"`: `level not in ["normal", "vip"]`, `city == ["a","b"]`: `city in ["a", "b"]`, `city == ("a","b")`: `city in ["a", "b"]`,
		`city in {"a","b"}`: `city in ["a", "b"]`, `city in ("a")`: `city in ["a"]`, `city in (“北京”，“上海”)`: `city in ["北京", "上海"]`, `city in "北京,上海"`: `city in ["北京", "上海"]`, `level not in "vip、svip"`: `level not in ["vip", "svip"]`, `city in "北京"`: `city in ["北京"]`,
		`city == "北京"/"上海"`: `city in ["北京", "上海"]`, `city == "北京"|"上海"`: `city in ["北京", "上海"]`, `level in ["vip" "svip"]`: `level in ["vip", "svip"]`, `"京" in city`: `city contains "京"`, `"京" not in city`: `city not contains "京"`,

		// ranges
		`amount == 500-1000`: `amount >= 500 and amount <= 1000`, `amount in 500~1000`: `amount >= 500 and amount <= 1000`, `amount == 500－1000`: `amount >= 500 and amount <= 1000`, `amount == 500到1000 and city == "a"`: `(amount >= 500 and amount <= 1000) and city == "a"`,

		`amount 在 3 到 5 之间`: `amount >= 3 and amount <= 5`, `amount 在3到5之间`: `amount >= 3 and amount <= 5`, `金额 介于 3 和 5 之间 and city == "a"`: `金额 >= 3 and 金额 <= 5 and city == "a"`,

		// operators
		`items contains "茶"`: `"茶" in items`, `items 不包含 "茶" and amount > 5`: `"茶" not in items and amount > 5`, `items not contains "茶"`: `"茶" not in items`, `city 不包含 "京"`: `city not contains "京"`, `city 为 "北京"`: `city == "北京"`,
		`金额 超过 500`: `金额 > 500`, `金额不超过500`: `金额 <= 500`, `金额 不低于 500`: `金额 >= 500`,
		`=amount>500`: ` amount>500`, `＝amount>500`: ` amount>500`, `amount === 500`: `amount == 500`, `amount = = 500`: `amount == 500`, `amount > = 500`: `amount >= 500`, `amount ＞ ＝ 500`: `amount >= 500`, `amount ! = 500`: `amount != 500`, `amount < > 5`: `amount != 5`, `amount !== 5`: `amount != 5`, `city =~ "北"`: `city matches "北"`,
		`city is "a"`: `city == "a"`, `city is not "a"`: `city != "a"`, `if amount > 500`: `  amount > 500`, `如果 amount > 500`: `  amount > 500`, `如果金额大于500`: ` 金额 > 500`,
		`amount > 500，并且 city == "a"`: `amount > 500 and city == "a"`, `amount > 500，and city == "a"`: `amount > 500 and city == "a"`, `amount > 500, and city == "a"`: `amount > 500  and city == "a"`, `amount > 500, city == "a"`: `amount > 500 and city == "a"`,
		`AND(amount > 5, city="x")`: `amount > 5 and city == "x"`, `has(amount) and OR(city contains "a"，city="x")`: `has(amount) and (city contains "a" or city == "x")`, `AND(amount > 5, or(city="x", city == “y”))`: `amount > 5 and (city == "x" or city == "y")`,

		// not, and nothing
		`not level == "vip"`: `level != "vip"`, `非 level == "vip"`: `level != "vip"`, `!level == "vip"`: `level != "vip"`, `not amount > 5`: `amount <= 5`, `has(city) and not level in ["vip"]`: `has(city) and level not in ["vip"]`, `not city contains "a"`: `city not contains "a"`, `not level == "vip" or "svip"`: `level not in ["vip", "svip"]`,
		`city is null`: `not has(city)`, `city is not null`: `has(city)`, `城市 IS NOT NULL`: `has(城市)`, `city != null`: `has(city)`, `city ！＝ null`: `has(city)`, `city ＝ null`: `not has(city)`, `城市 为空`: `not has(城市)`, `城市 不为空`: `has(城市)`,

		// numbers and texts
		`amount > 5,000.00`: `amount > 5000.00`, `amount > 1 000 000`: `amount > 1000000`, `amount > 1，000，000`: `amount > 1000000`, `amount > ¥500`: `amount > 500`, `amount > 500￥`: `amount > 500`, `金额大于五百元`: `金额 > 500`, `amount > 5百元`: `amount > 500`, `len(items) >= 3 件 and amount > 5`: `len(items) >= 3 and amount > 5`, `lower(city) == "BJ"`: `lower(city) == "bj"`, `city == ""北京""`: `city == "北京"`, `city == “北京`: `city == "北京"`,
		`${amount} > 500`: `amount > 500`, `{{amount}} > 500`: `amount > 500`, `$amount > 500`: `amount > 500`,
		`level == " vip"`: `level == "vip"`, "level == \"vip\u200b\"": `level == "vip"`, `city == "上海 "`: `city == "上海"`, `event.type == "order.payed"`: `event.type == "order.paid"`,
	} {
		now := when
		for range 8 {
			l, at := loadWhen(t, now, "")
			l = slices.DeleteFunc(l, func(d diag.Diagnostic) bool { return d.Code == "W218" }) // the amount is scaled
			i := slices.IndexFunc(l, func(d diag.Diagnostic) bool { return d.Fix != "" })
			if i < 0 {
				if len(l) > 0 || now != want {
					t.Errorf("%s\n got %s\nwant %s\n%s", when, now, want, show(l))
				}
				break
			}
			r := []rune(now)
			now = string(r[:at(l[i].Column)]) + l[i].Fix + string(r[at(l[i].EndColumn):])
		}
	}
}

// What was meant is a guess: it is shown, but not offered to be pasted.
func TestGuessesAreNoCures(t *testing.T) {
	for when, want := range map[string]string{
		`amount > 500-1000`: "N217", `amount != 500-1000`: "N217", `amount > 500－1000`: "N217", `amount > 5 or 10`: "N210", `len(items) > 1 or 2`: "N210", `amount > 10%`: "N211", `city == "北京 and amount > 5`: "N209",
		`level >= "vip"`: "N204", `"vip" < level`: "N204", `lower(level) > "normal"`: "N204", `(level ?? "normal") > "normal"`: "N204", `level > city`: "N204",
		`order_id >= "1000"`: "W222", `city > "a" and amount > 5`: "W222", `"8.2.0" <= order_id`: "W222",
	} {
		l, _ := loadWhen(t, when, "")
		if codes(l) != want || l[0].Fix != "" {
			t.Errorf("%s: want %s\n%s", when, want, show(l))
		}
	}
}

// Whether a user has risen is not asked by size either.
func TestLevelsBeforeAndNowAreNotComparedBySize(t *testing.T) {
	for when, want := range map[string]string{`changed(level) and before.level < level`: "N204:1", `changed(level) and level > before.level`: "N204:1", `changed(score) and before.score < score`: "N204:0", `changed(city) and before.city != city`: "N204:0"} {
		_, l := load(t, "  - name: x-y\n    event: profile.changed\n    mode: live\n    class: service\n    push: {body: b}\n    when: "+single(when)+"\n    tests: [{name: n, event: {}, expect: no match}]\n", demoAccount())
		if got := fmt.Sprintf("N204:%d", strings.Count(codes(l), "N204")); got != want || len(l) > 1 {
			t.Errorf("%s: got %s, want %s\n%s", when, got, want, show(l))
		}
	}
}

// What a later cure writes anew is told once.
func TestOneSlipIsOneFinding(t *testing.T) {
	for _, when := range []string{`city ！＝ null`, `等级 不等于 "vip" 或 "svip"`, `level in (“vip”，“svip”)`, `city == “北京`, `非 level == "vip"`, `AND(amount＞5，city＝"x")`} {
		if l, _ := loadWhen(t, when, ""); l.Errors() != 1 {
			t.Errorf("%s\n%s", when, show(l))
		}
	}
}

// What looks like a mistake and is none.
func TestSensibleConditionsHaveNoFinding(t *testing.T) {
	for _, when := range []string{
		`amount > 1000-200`, `amount > 5*60`, `amount - 5 > 10`, `1 < amount < 3`, `city in [" ", "a"]`, `city == " "`, `city == ""`, `city contains " a"`, `city contains "a/b"`, `city == "a,b"`, `city == ("a")`, `"a" in (items)`, `not has(city) and amount > 5`,
		`order_id >= "2026-01-01"`, `order_id < "2026/11/11"`, `order_id >= "09:00"`, `order_id > city`, `event.type == "order.paid"`, `event.type != "order.paid" or (amount ?? 0) > 5`, `event.topic == "orders"`, `any(items, # startsWith "a")`, `city matches "^a|b$"`, `(amount ?? 0) > 5`,
		`city == "a" ? amount > 5 : amount > 10`, `amount > 5 and (city == "a" or city == "b")`, `not (amount > 5)`, `max(amount, 5) > 10`,
	} {
		if l, _ := loadWhen(t, when, ""); len(l) > 0 {
			t.Errorf("%s\n%s", when, show(l))
		}
	}
}

// A rule that `unless` stops whenever `when` holds never acts. A field that is missing stops nothing.
func TestUnlessThatTakesAllOfWhen(t *testing.T) {
	for _, c := range []struct {
		when, unless string
		want         int
	}{
		{`amount > 500`, `'amount > 500'`, 1}, {`amount > 500`, `'金额 > 100'`, 1}, {`level == "vip"`, `'level in ["vip", "svip"]'`, 1}, {`level != "vip"`, `'level != "vip"'`, 1}, {`amount > 5 and city == "a"`, `['city == "b"', 'city == "a"']`, 1},
		{`has(city)`, `'has(city)'`, 1}, {`len(items) > 1`, `'len(items) > 1'`, 1},
		{`amount > 500`, `'amount > 501'`, 0}, {`amount > 500`, `'city == "a"'`, 0}, {`amount > 500`, `'amount > 5 and city == "a"'`, 0}, {`has(city)`, `'amount > 5'`, 0}, {`not has(city)`, `'city == "a"'`, 0}, {`level in ["vip", "svip"]`, `'level == "vip"'`, 0},
		{`amount > 5`, `'amount > 3 and (city == "a" or city != "a")'`, 0},
	} {
		l, _ := loadWhen(t, c.when, "    unless: "+c.unless+"\n")
		told := 0
		for _, d := range l {
			if d.Code == "W212" && strings.Contains(d.Message.EN, "never acts") {
				told++
			}
		}
		if told != c.want || l.Errors() > 0 {
			t.Errorf("when %s unless %s: %d, want %d\n%s", c.when, c.unless, told, c.want, show(l))
		}
	}
}
