package main

import (
	"strings"
	"testing"
)

// With -c the rules are where those settings have them, unless a path says otherwise.
func TestTheSettingsSayWhereTheRulesAre(t *testing.T) {
	mine := strings.ReplaceAll(checkRules, "amuont", "amount")
	inDir(t, map[string]string{
		"elsewhere/events.yaml": checkCatalogue, "elsewhere/mine.yaml": mine,
		"rules/events.yaml": checkCatalogue, "rules/other.yaml": strings.ReplaceAll(mine, "vip-thanks", "other-thanks"),
		"my.yaml":    "version: 1\nrules: elsewhere/\nkafka: {brokers: [\"127.0.0.1:9\"], start: latest}\naccounts: {main: {vendor: rongcloud, hosts: [\"http://127.0.0.1:1\"], app_key: k, secret: \"${env:S}\"}}\n",
		"order.json": `{"event_id":"e"}`,
	})
	for _, c := range []struct{ line, has, not string }{
		{"check -c my.yaml", "elsewhere/mine.yaml", "other.yaml"},
		{"check -c my.yaml rules/", "rules/other.yaml", "mine.yaml"},
		{"test -c my.yaml", "no rule in elsewhere", "other"},
		{"explain -c my.yaml --rule other-thanks --event order.json", "in elsewhere", "in rules/"},
	} {
		_, out, talk, err := runLine(t, strings.Fields(c.line)...)
		all := out + talk
		if err != nil {
			all += err.Error()
		}
		if !strings.Contains(all, c.has) || strings.Contains(all, c.not) {
			t.Errorf("%s: want %q and not %q in:\n%s", c.line, c.has, c.not, all)
		}
	}
}
