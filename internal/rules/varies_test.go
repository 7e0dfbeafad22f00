package rules

import "testing"

// What every event has, and what stood before, is in the text of a merge only where all its events have it alike.
func TestPartsThatMergedEventsNeedNotShare(t *testing.T) {
	rule := func(event, when, push, merge string) string {
		return "  - name: x-y\n    event: " + event + "\n    mode: live\n    class: service\n    when: " + when + "\n    push: {" + push + "}\n    merge: {" + merge + "}\n    limits: {expire: 3h}\n    tests: [{name: n, event: {}, expect: no match}]\n"
	}
	for name, c := range map[string]struct{ rule, codes string }{
		"the recipient":            {rule("order.paid", "amount > 5", `body: "${event.user} ${count}"`, "wait: 10s"), ""},
		"somebody else":            {rule("order.paid", "amount > 5", `to: "${order_id}", body: "${event.user} ${count}"`, "wait: 10s"), "N305"},
		"somebody else, the first": {rule("order.paid", "amount > 5", `to: "${order_id}", body: "${first.event.user} ${count}"`, "wait: 10s"), ""},
		"somebody else, in by":     {rule("order.paid", "amount > 5", `to: "${order_id}", body: "${event.user} ${count}"`, `wait: 10s, by: "${event.user}"`), ""},
		"one event":                {rule("order.paid", "amount > 5", `body: "${event.type} ${event.topic} ${count}"`, "wait: 10s"), ""},
		"two events":               {rule("[order.paid, sale.opened]", "always", `body: "${event.type} ${count}"`, "wait: 10s"), "N114 N305"}, // the other one has no user,
		"two topics":               {rule("[order.paid, sale.opened]", "always", `body: "${event.topic} ${count}"`, "wait: 10s"), "N114 N305"},
		"before the last":          {rule("profile.changed", "changed(level)", `body: "${before.level} ${count}"`, "wait: 10s"), "N305"},
		"before the first":         {rule("profile.changed", "changed(level)", `body: "${before.level} ${count}"`, "wait: 10s, keep: first"), ""},
	} {
		if _, l := load(t, c.rule, demoAccount()); codes(l) != c.codes {
			t.Errorf("%s: got %s, want %q", name, show(l), c.codes)
		}
	}
}

// Before anybody asks for the user or the time, once.by has neither.
func TestOnceKnowsNeitherTheUserNorTheTime(t *testing.T) {
	for by, want := range map[string]string{`${order_id}-${now | date(\"YYYY-MM-DD\")}`: "N539", `${now | default(\"x\")}`: "N539", `${user.level | default(\"x\")}`: "N539", `${event.user}`: ""} {
		rule := "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: amount > 5\n    push: {body: \"${now} ${user.level | default(\\\"-\\\")}\"}\n    limits: {expire: 3h, once: {by: \"" + by + "\", in: 24h}}\n    tests: [{name: n, event: {}, expect: no match}]\n"
		if _, l := load(t, rule, demoAccount()); codes(l) != want {
			t.Errorf("%s: got %s, want %q", by, show(l), want)
		}
	}
}

// Who leaves users out takes a slot at Getui, and none at RongCloud.
func TestLeavingUsersOutTakesASlotAtGetui(t *testing.T) {
	two := Options{Accounts: []Account{{Name: "main", Vendor: "rongcloud", AllowEveryone: true}, {Name: "second", Vendor: "getui", AllowEveryone: true}}}
	for account, want := range map[string]string{"main": "W307 N520", "second": "W307"} {
		rule := "  - name: x-y\n    event: order.paid\n    account: " + account + "\n    mode: live\n    class: service\n    when: always\n    broadcast: {audience: {none_of: [vip]}, title: t, body: b}\n    approval: {people: 1, within: 30m}\n    limits: {expire: 5h, quota: 1 per day}\n    tests: [{name: n, event: {}, expect: no match}]\n"
		if _, l := load(t, rule, two); codes(l) != want {
			t.Errorf("%s: got %s, want %q", account, show(l), want)
		}
	}
}
