package rules

import (
	"strings"
	"testing"
)

// Where the nearest word is not the one that is meant, the cure is the one that is.
func TestSmallCures(t *testing.T) {
	events := strings.Replace(string(readFile(t, "testdata/events.yaml")), "order_id: order_id", "order_id: order_id\n      gift: {path: gift, type: bool}\n      nick: {path: nick, default: \"\"}", 1) +
		"      vip: {path: vip, type: bool, alias: 会员}\n"
	rule := "version: 1\nrules:\n  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: amount > 5\n    push: {body: b}\n    merge: {wait: 1m, keep: latest}\n    limits: {expire: 3d, quiet: 22:00-08:00}\n    tests: [{name: n, event: {amount: 1}, profile: {vip: true}, expect: no match}]\n"
	for name, c := range map[string]struct{ was, now, want string }{
		"as it is":                    {"", "", ""},
		"the last of a merge":         {"keep: latest", "keep: last", "N112 latest: did you mean `latest`?"},
		"always in a list":            {"when: amount > 5", "when: [always]", "N215 : write `when: always`, without a list"},
		"always beside a condition":   {"when: amount > 5", "when: [always, amount > 5]", "N215 : remove it, or write `when: always` alone"},
		"a whole day":                 {"quiet: 22:00-08:00", "quiet: 'Sat,Sun 00:00-24:00'", "N502 : for whole days write both halves, `[\"Sat,Sun 00:00-12:00\", \"Sat,Sun 12:00-00:00\"]`"},
		"whole days":                  {"quiet: 22:00-08:00", `quiet: ["Sat,Sun 00:00-12:00", "Sat,Sun 12:00-00:00"]`, ""},
		"half behind a comment":       {"when: amount > 5", "when: 'amount > 5 // and city == \"a\"'", "N209 : join conditions with `and`; a comment stands on a line of its own, behind `#`"},
		"half in a comment":           {"when: amount > 5", "when: 'amount > 5 /* and city */'", "N209 : join conditions with `and`; a comment stands on a line of its own, behind `#`"},
		"the marks in a text":         {"when: amount > 5", "when: 'city == \"a//b\" or city == \"/* a\"'", ""},
		"a division":                  {"when: amount > 5", "when: amount / 2 / 3 > 5", ""},
		"join behind upper":           {"push: {body: b}", `push: {body: "${items | upper | join(\"/\")}"}`, "N304 : write `join` first, right after the field"},
		"join behind max":             {"push: {body: b}", `push: {body: "${items | max(9) | join}"}`, "N304 : write `join` first, right after the field"},
		"join behind default":         {"push: {body: b}", `push: {body: "${list.items | join | default(\"-\") | upper}"}`, ""},
		"True":                        {"when: amount > 5", "when: gift == True", "N204 true: write `true`"},
		"no":                          {"when: amount > 5", "when: gift == no", "N204 false: write `false`"},
		"是":                           {"when: amount > 5", "when: gift == 是", "N204 true: write `true`"},
		"是, in Chinese":               {"when: amount > 5", "when: gift 是 是 and amount > 5", "N207 ==: write `==`\nN204 true: write `true`"},
		"否":                           {"when: amount > 5", "when: gift == 否", "N204 false: write `false`"},
		"没有":                          {"when: amount > 5", "when: gift != 没有", "N204 false: write `false`"},
		"是 in quotation marks":        {"when: amount > 5", `when: gift == "是"`, "N204 true: write `true`"},
		"1":                           {"when: amount > 5", "when: gift == 1", "N204 true: write `true`"},
		"another text":                {"when: amount > 5", `when: gift == "a"`, "N204 : write the field alone, or not gift"},
		"是 as a text":                 {"when: amount > 5", "when: city == 是", "N208 \"是\": write \"是\""},
		"是 between":                   {"when: amount > 5", "when: city == 是 and amount > 5", "N208 \"是\": write \"是\""},
		"男":                           {"when: amount > 5", "when: city != 男", "N208 \"男\": write \"男\""},
		"cities in one text":          {"when: amount > 5", `when: city in ["北京，上海", "广州"]`, "W224 \"北京\", \"上海\": for several write \"北京\", \"上海\""},
		"cities with other marks":     {"when: amount > 5", `when: city not in ["北京、 上海","广州,深圳"]`, "W224 \"北京\", \"上海\": for several write \"北京\", \"上海\"\nW224 \"广州\", \"深圳\": for several write \"广州\", \"深圳\""},
		"a comma in a text":           {"when: amount > 5", `when: city in ["a,b", "北京/上海", "，"]`, ""},
		"a comma in a text alone":     {"when: amount > 5", `when: city == "您好，世界"`, ""},
		"values in one text":          {"when: amount > 5", `when: level in ["vip，svip"]`, "N206 \"vip\", \"svip\": write each by itself: \"vip\", \"svip\""},
		"values in one text, equal":   {"when: amount > 5", `when: level == "vip、svip"`, "N206 : several values stand in a list: `level in [\"vip\", \"svip\"]`"},
		"two users":                   {"push: {body: b}", `push: {body: b, to: "${city},${order_id}"}`, "N309 : for several users write a rule for each, or a list field of the event"},
		"two users, Chinese":          {"push: {body: b}", `push: {body: b, to: "${event.user}、${city}"}`, "N309 : for several users write a rule for each, or a list field of the event"},
		"two users, one unknown":      {"push: {body: b}", `push: {body: b, to: "${user_id} ${city}"}`, "N202 : the event's user is `event.user`\nN309 : for several users write a rule for each, or a list field of the event"},
		"two users as a list":         {"push: {body: b}", `push: {body: b, to: ["${city}", "${order_id}"]}`, "N111 : for several users write a rule for each, or a list field of the event"},
		"one user as a list":          {"push: {body: b}", `push: {body: b, to: ["${city}"]}`, "N111 : write it without brackets"},
		"two names":                   {"push: {body: b}", `push: {body: b, to: "user_id, city"}`, "N309 : for several users write a rule for each, or a list field of the event"},
		"two ids":                     {"push: {body: b}", `push: {body: b, to: "u1，u2"}`, "N309 : for several users write a rule for each, or a list field of the event"},
		"one user of two parts":       {"push: {body: b}", `push: {body: b, to: "${city}-${order_id}"}`, ""},
		"one user of two fields":      {"push: {body: b}", `push: {body: b, to: "${city}${order_id}"}`, ""},
		"once by two that run on":     {"    merge: {wait: 1m, keep: latest}\n    limits: {expire: 3d,", `    limits: {expire: 3d, once: {by: "${order_id}${amount}", in: 1h},`, "W524 : put a mark between them that is in neither, like `-`"},
		"once by two apart":           {"    merge: {wait: 1m, keep: latest}\n    limits: {expire: 3d,", `    limits: {expire: 3d, once: {by: "${order_id}-${amount}", in: 1h},`, ""},
		"once by one of few":          {"    merge: {wait: 1m, keep: latest}\n    limits: {expire: 3d,", `    limits: {expire: 3d, once: {by: "${level}${order_id}", in: 1h},`, ""},
		"empty, of what is there":     {"when: amount > 5", "when: nick 为空", `N213 nick == "": write ` + "`nick == \"\"`"},
		"not empty":                   {"when: amount > 5", "when: nick is not null", `N213 nick != "": write ` + "`nick != \"\"`"},
		"empty, of what may be gone":  {"when: amount > 5", "when: city 为空", "N213 not has(city): write `not has(city)`"},
		"a time as a word":            {"when: amount > 5", "when: paid_at > 上午9点", "N204 : a time is compared with another time only; for dates use `from`, `until`"},
		"a day as a text":             {"when: amount > 5", `when: paid_at > "2026年12月1日"`, "N204 : a time is compared with another time only; for dates use `from`, `until`"},
		"是 for true":                  {"wait: 1m,", "wait: 1m, extend: 是, max_wait: 2m,", "N112 true: write `true`"},
		"a length of time":            {"expire: 3d", "expire: 4小时", "N112 4h: write `4h`"},
		"half an hour":                {"expire: 3d", "expire: 半小时", "N112 30m: write `30m`"},
		"no length of time":           {"expire: 3d", "expire: 4小", "N112 : like 90s, 10m, 24h or 7d"},
		"a word for low":              {"expire: 3d,", "expire: 3d, priority: 高,", "N112 high: did you mean `high`?"},
		"a word that is not taken":    {"expire: 3d,", "expire: 3d, priority: 营销,", "N112 : one of low, normal, high, urgent"},
		"a class":                     {"class: service", "class: 营销", "N112 marketing: did you mean `marketing`?"},
		"a mode":                      {"mode: live", "mode: 试运行", "N112 shadow: did you mean `shadow`?"},
		"quiet hours in words":        {"quiet: 22:00-08:00", "quiet: 晚上10点-早上8点半", "N112 22:00-08:30: write `22:00-08:30`"},
		"quiet hours, short":          {"quiet: 22:00-08:00", "quiet: 22:00-8:00", "N112 22:00-08:00: write `22:00-08:00`"},
		"quiet hours, which night":    {"quiet: 22:00-08:00", "quiet: 晚上2点-早上8点", "N112 : like 22:00-08:00, `Sat,Sun 21:00-10:00` or none"},
		"no quiet hours":              {"quiet: 22:00-08:00", "quiet: 无", "N112 none: write `none`"},
		"a limit in words":            {"expire: 3d,", "expire: 3d, per_user: 每天1次,", "N112 1 per day: write `1 per day`"},
		"a limit with a word":         {"expire: 3d,", "expire: 3d, per_user: 1次 in 24h,", "N112 1 in 24h: write `1 in 24h`"},
		"a time to send at":           {"    merge:", "    send_at: 上午9点\n    merge:", "N534 \"09:00\": write `\"09:00\"`"},
		"a short time to send at":     {"    merge:", "    send_at: 9:00\n    merge:", "N534 \"09:00\": write `\"09:00\"`"},
		"the end of a rule":           {"    merge:", "    until: 2099年12月1日 9点\n    merge:", "N531 2099-12-01 09:00: write `2099-12-01 09:00`"},
		"the end of a rule, wide":     {"    merge:", "    until: '2099-12-01 23：59'\n    merge:", "N103 \"2099-12-01 23:59\": write `\"2099-12-01 23:59\"`"},
		"a field twice, by its alias": {"profile: {vip: true}", "profile: {vip: true, 会员: false}", "N102 : keep one of them"},
		"a field of the event twice":  {"event: {amount: 1}", "event: {amount: 1, 金额: 2}", "N102 : keep one of them"},
	} {
		_, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte(strings.Replace(rule, c.was, c.now, 1))}}, demoAccount())
		var got []string
		for _, d := range l {
			got = append(got, d.Code+" "+d.Fix+": "+d.Hint.EN)
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s: got %q, want %q\n%s", name, got, c.want, show(l))
		}
	}
}
