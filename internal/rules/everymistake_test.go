package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
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
		`lenn(items) > 1 and uper(city) == "A" and amuont.x > 1`:           "N213:1 N213:21 N213:50",
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

// single puts a text in single quotation marks.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// All mistakes of a text are shown in one run.
func TestEveryMistakeOfAText(t *testing.T) {
	for body, want := range map[string]string{
		`a ${x | mony} ${y}`:                                   "N202:5 N303:9 N202:17",
		`${amuont | mony | dat} ${city | max} ${}`:             "N202:3 N303:12 N303:19 N304:33 N301:40",
		`${city ｝ ${amuont} ${cty | upper(1) | max(x) | nope}`: "N301:8 N202:12 N202:22 N304:28 N301:39 N303:48",
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
