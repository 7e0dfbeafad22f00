package rules

import (
	"fmt"
	"strings"
	"testing"
)

// A list without an item says nothing: it is never taken for "all", "none" or "no limit".
func TestAnEmptyListIsNamed(t *testing.T) {
	events := string(readFile(t, "testdata/events.yaml"))
	rules := `version: 1
defaults: {limits: {priority: low}}
rules:
  - name: x-y
    event: order.paid
    mode: live
    class: service
    when: amount > 5
    unless: city == "x"
    push: {body: b, platforms: ios}
    limits: {per_user: 1 per day, quiet: 22:00-08:00, rule: 5 per day, expire: 1d}
  - name: x-z
    event: sale.opened
    mode: live
    class: service
    when: always
    broadcast: {audience: {all_of: a, any_of: b, none_of: c}, body: b, platforms: ios}
    limits: {quiet: none, expire: 1h}
  - name: x-t
    event: profile.changed
    tags: vip
`
	// Each way, the one mistake is told at the empty list.
	try := func(events, rules string) {
		t.Helper()
		s, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte(rules)}}, demoAccount())
		src := rules
		if !strings.Contains(rules, "[]") {
			src = events
		}
		above, _, _ := strings.Cut(src, "[]")
		want := fmt.Sprintf("N104:%d:%d", strings.Count(above, "\n")+1, len(above)-strings.LastIndex(above, "\n"))
		if got := where(l); s != nil || got != want {
			t.Errorf("got %q, want %q\n%s", got, want, show(l))
		}
	}
	if s, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte(rules)}}, demoAccount()); s == nil {
		t.Fatal(show(l))
	}
	for _, was := range []string{"event: order.paid", "when: amount > 5", `unless: city == "x"`, "platforms: ios", "per_user: 1 per day", "quiet: 22:00-08:00", "rule: 5 per day",
		"all_of: a", "any_of: b", "none_of: c", "tags: vip"} {
		key, _, _ := strings.Cut(was, ":")
		try(events, strings.Replace(rules, was, key+": []", 1))
	}
	for _, key := range []string{"per_user", "rule", "quiet"} { // once, however many rules read it
		try(events, strings.Replace(rules, "priority: low", key+": []", 1))
	}
	for was, now := range map[string]string{"topic: orders": "topic: []", "values: [normal, vip, svip], alias": "values: [], alias", "topic: sales": "topic: sales\n    match: {type: []}"} {
		try(strings.Replace(events, was, now, 1), rules)
	}
}
