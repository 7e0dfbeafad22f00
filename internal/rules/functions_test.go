package rules

import (
	"strings"
	"testing"
)

// A comparison with what a function never gives is named where it is certain, and only there.
func TestWhatAFunctionNeverGivesIsNamed(t *testing.T) {
	for when, want := range map[string]string{
		`lower(city) == "VIP"`:                      "`lower(city)` never equals \"VIP\" => \"vip\"",
		`"VIP" != lower(城市)`:                        "`lower(城市)` never equals \"VIP\" => \"vip\"",
		`amount > 5 and lower(trim(city)) == "Vip"`: "`lower(trim(city))` never equals \"Vip\" => \"vip\"",
		`upper(city) in ["SH", "bj"]`:               "`upper(city)` never equals \"bj\" => \"BJ\"",
		`not (lower(city) contains "A")`:            "`lower(city)` never contains \"A\" => \"a\"",
		`lower(city) startsWith "A"`:                "`lower(city)` never begins with \"A\" => \"a\"",
		`upper(city) endsWith "a"`:                  "`upper(city)` never ends with \"a\" => \"A\"",
		`any(items, lower(#) == "A")`:               "`lower(#)` never equals \"A\" => \"a\"",
		`lower(city) in ["北京", "sh 1"]`:             "",
		`upper(city) == "北京 A1"`:                    "",
		`lower(city) == upper(city)`:                "",
		`trim(city) == "VIP"`:                       "",
		`len(items) > 32`:                           "this never holds",
		`32 < len(items)`:                           "this never holds",
		`len(items) == 33`:                          "this never holds",
		`len(items) in [33, 40]`:                    "this never holds",
		`len(items) != 40`:                          "this always holds",
		`len(items) <= 32`:                          "this always holds",
		`len(items) >= 0`:                           "this always holds",
		`len(filter(items, # == "a")) > 40`:         "this never holds",
		`count(items, # == "a") >= 33`:              "this never holds",
		`len(city) > 5000`:                          "this never holds",
		`len(trim(city)) < 0`:                       "this never holds",
		`abs(amount) < 0`:                           "this never holds",
		`abs(amount) >= 0`:                          "this always holds",
		`indexOf(city, "a") < -1`:                   "this never holds",
		`len(items) >= 32`:                          "",
		`len(items) in [32, 40]`:                    "",
		`len(city) > 32`:                            "",
		`len(items) > amount`:                       "",
		`abs(amount) > 0`:                           "",
		`indexOf(city, "a") >= 0`:                   "",
	} {
		_, l := load(t, "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    push: {body: b}\n    when: "+single(when)+"\n    tests: [{name: n, event: {amount: 1}, expect: no match}]\n", demoAccount())
		var got []string
		for _, d := range l {
			s := d.Message.EN
			if d.Fix != "" {
				s += " => " + d.Fix
			}
			got = append(got, s)
			if d.Code != "W212" {
				t.Errorf("%s: %s", when, d.Code)
			}
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("%s: got %s, want %s", when, s, want)
		}
	}
}
