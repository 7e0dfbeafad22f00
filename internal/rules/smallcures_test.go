package rules

import (
	"strings"
	"testing"
)

// Where the nearest word is not the one that is meant, the cure is the one that is.
func TestSmallCures(t *testing.T) {
	events := strings.Replace(string(readFile(t, "testdata/events.yaml")), "order_id: order_id", "order_id: order_id\n      gift: {path: gift, type: bool}", 1) +
		"      vip: {path: vip, type: bool, alias: 会员}\n"
	rule := "version: 1\nrules:\n  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: amount > 5\n    push: {body: b}\n    merge: {wait: 1m, keep: latest}\n    limits: {expire: 3d, quiet: 22:00-08:00}\n    tests: [{name: n, event: {amount: 1}, profile: {vip: true}, expect: no match}]\n"
	for name, c := range map[string]struct{ was, now, want string }{
		"as it is":                    {"", "", ""},
		"the last of a merge":         {"keep: latest", "keep: last", "N112 latest: did you mean `latest`?"},
		"always in a list":            {"when: amount > 5", "when: [always]", "N215 : write `when: always`, without a list"},
		"always beside a condition":   {"when: amount > 5", "when: [always, amount > 5]", "N215 : remove it, or write `when: always` alone"},
		"a whole day":                 {"quiet: 22:00-08:00", "quiet: 'Sat,Sun 00:00-24:00'", "N502 : for whole days write both halves, `[\"Sat,Sun 00:00-12:00\", \"Sat,Sun 12:00-00:00\"]`"},
		"whole days":                  {"quiet: 22:00-08:00", `quiet: ["Sat,Sun 00:00-12:00", "Sat,Sun 12:00-00:00"]`, ""},
		"True":                        {"when: amount > 5", "when: gift == True", "N202 true: write `true`"},
		"no":                          {"when: amount > 5", "when: gift == no", "N202 false: write `false`"},
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
