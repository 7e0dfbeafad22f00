package rules

import (
	"strings"
	"testing"
)

// A text that says what counts as the same, or who gets it, loads without a hole. What is called like a field was meant to have one.
func TestABareNameIsNoHole(t *testing.T) {
	once := "    when: amount > 5\n    push: {body: b}\n    limits: {once: {by: BARE, in: 24h}}"
	merge := "    when: amount > 5\n    push: {body: b}\n    merge: {by: BARE, wait: 1m}\n    limits: {expire: 1h}"
	to := "    when: amount > 5\n    push: {body: b, to: BARE}"
	miss := "\n    tests: [{name: miss, event: {amount: 1}, expect: no match}]"
	for _, c := range []struct {
		keys, bare string
		fix        string // "-": none, but an error
	}{
		{once, "order_id", `"${order_id}"`}, {merge, "order_id", `"${order_id}"`}, {once, `"order_id"`, `"${order_id}"`}, {once, "城市", `"${城市}"`},
		{once, "orderid", `"${order_id}"`}, {once, "order-id", `"${order_id}"`}, {once, "event.id", `"${event.id}"`}, {once, `"{order_id}"`, `"${order_id}"`},
		{once, `"{{ order_id }}"`, `"${order_id}"`}, {once, "$order_id", `"${order_id}"`}, {once, `"￥{order_id}"`, `"${order_id}"`},
		{once, `"order_id, city"`, `"${order_id}-${city}"`}, {once, "user", "-"}, {once, "user_id", "-"}, {once, "shopId", "-"}, {once, "data.number", "-"}, {once, `"{number}"`, "-"},
		{once, "all", ""}, {once, "only-once", ""}, {once, "welcome", ""}, {once, `"per city"`, ""}, {once, "全部", ""}, {merge, "all", ""}, {once, `"${order_id}"`, ""}, {once, `"order-${order_id}"`, ""},

		{to, "followers", `"${followers}"`}, {to, "folowers", `"${followers}"`}, {to, "event.user", `"${event.user}"`}, {to, `"{followers}"`, `"${followers}"`},
		{to, "user", "-"}, {to, "user_id", "-"}, {to, "userId", "-"}, {to, "everyone", "-"}, {to, "online", "-"}, {to, "所有人", "-"}, {to, `"order_id, city"`, "-"},
		{to, "u1", ""}, {to, "u_1001", ""}, {to, "ops-1", ""}, {to, "admin", ""}, {to, "5f1c", ""},
	} {
		_, l := load(t, rule("thanks", "order.paid", strings.ReplaceAll(c.keys, "BARE", c.bare)+miss), demoAccount())
		switch {
		case c.fix == "" && codes(l) != "":
			t.Errorf("%s: %s", c.bare, show(l))
		case c.fix == "":
		case codes(l) != "N309":
			t.Errorf("%s: %s, want N309\n%s", c.bare, codes(l), show(l))
		case l[0].Fix != strings.TrimPrefix(c.fix, "-"):
			t.Errorf("%s: the fix is %s, want %s", c.bare, l[0].Fix, c.fix)
		}
		if c.fix == "" || c.fix == "-" {
			continue
		}
		if _, l := load(t, rule("thanks", "order.paid", strings.ReplaceAll(c.keys, "BARE", c.fix)+miss), demoAccount()); codes(l) != "" {
			t.Errorf("%s: the fix %s does not load: %s", c.bare, c.fix, show(l))
		}
	}
}
