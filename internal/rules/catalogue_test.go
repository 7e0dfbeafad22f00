package rules

import (
	"fmt"
	"strings"
	"testing"
)

// Names are as long as they may be, and not longer: a topic in bytes, an alias in characters.
func TestNamesHaveTheirLength(t *testing.T) {
	for _, c := range []struct{ topic, alias, codes string }{
		{strings.Repeat("t", 249), strings.Repeat("长", 40), "N110"}, // and there are no rules
		{strings.Repeat("t", 250), "a", "N602"},
		{"t", strings.Repeat("长", 41), "N602"},
		{"t", strings.Repeat("a", 41), "N602"},
		{`""`, "a", "N602"},
		{"t", `""`, "N602"},
		{"t/u", "a", "N602"},
	} {
		text := fmt.Sprintf("version: 1\nevents:\n  order.paid: {title: t, topic: %s, id: id, time: at, user: user, fields: {amount: {path: amount, type: number, alias: %s}}}\n", c.topic, c.alias)
		if _, l := LoadFiles([]File{{"events.yaml", []byte(text)}}, demoAccount()); codes(l) != c.codes {
			t.Errorf("topic %s, alias %s: got %s, want %s", c.topic, c.alias, show(l), c.codes)
		}
	}
}
