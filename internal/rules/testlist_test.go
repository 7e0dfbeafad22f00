package rules

import (
	"strings"
	"testing"
)

// A test gives a list as a record does: what would be no list, or has an item that is none of the field's values, is no value of it.
func TestATestGivesAListAsARecordDoes(t *testing.T) {
	events := strings.Replace(string(readFile(t, "testdata/events.yaml")), "items: {path: items, type: list}", "items: {path: items, type: list}\n      kinds: {path: kinds, type: list, values: [a, b]}", 1) +
		"      hobbies: {path: hobbies, type: list}\n"
	for given, want := range map[string]string{
		"event: {items: [a, b]}": "", "event: {items: []}": "", "event: {kinds: [a]}": "", "event: {}, profile: {hobbies: [a]}": "",
		"event: {items: a}":                `N560 ["a"]`,
		"event: {items: 'a, b、c'}":         `N560 ["a", "b", "c"]`,
		"event: {}, profile: {hobbies: a}": `N560 ["a"]`,
		"event: {kinds: [a, c]}":           "N560 ",
		"event: {kinds: c}":                `N560 ["c"]`,
	} {
		src := "version: 1\nrules:\n  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: len(items) > 0\n    push: {body: b}\n    tests: [{name: n, " + given + ", expect: no match}]\n"
		_, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte(src)}}, demoAccount())
		got := ""
		for _, d := range l {
			got += d.Code + " " + d.Fix
		}
		if got != want {
			t.Errorf("%s: got %q, want %q\n%s", given, got, want, show(l))
		}
	}
}
