package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a shell is offered. The rules stand where the settings say, one of them is broken, and a secret is missing: completion needs neither.
func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"notifier.yaml":  "version: 1\nrules: conf\naccounts:\n  main: {vendor: rongcloud, app_key: k, secret: \"${env:NOT_SET}\"}\n",
		"conf/a.yaml":    "version: 1\nrules:\n  - name: vip-thanks\n    title: 感谢\n    wehn: x\n  - name: sale\n",
		"conf/e.yaml":    "version: 1\nevents:\n  order.paid: {title: Paid, topic: [shop.orders, shop.old]}\n  sale.opened: {topic: shop.sales}\n  sale.closed: {topic: shop.sales}\n",
		"conf/torn.yaml": "version: [",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"fates --rule":          "vip-thanks\t感谢|sale",
		"pause":                 "all|broadcasts|rule/vip-thanks\t感谢|rule/sale",
		"resume":                "all|broadcasts|rule/vip-thanks\t感谢|rule/sale",
		"test --run":            "vip-thanks\t感谢|sale",
		"schema":                "events|rules|settings",
		"check --format":        "text|json|github",
		"check --lang":          "en|zh|both",
		"skip":                  "shop.orders|shop.old|shop.sales",
		"dead ls --topic":       "shop.orders|shop.old|shop.sales",
		"dead replay --topic":   "shop.orders|shop.old|shop.sales",
		"explain --topic":       "shop.orders|shop.old|shop.sales",
		"fates --fate":          "SENT|COALESCED|SUPPRESSED|DEAD|UNKNOWN",
		"pause rule/vip-thanks": "",
	} {
		started := false
		root := newRootCmd(&started)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&bytes.Buffer{})
		root.SetArgs(append(append([]string{"__complete", "-c", filepath.Join(dir, "notifier.yaml")}, strings.Fields(line)...), ""))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		got := strings.Join(lines[:len(lines)-1], "|")  // the last is the directive
		if got != want || lines[len(lines)-1] != ":4" { // 4: no file names
			t.Errorf("%s: %q (%s), want %q", line, got, lines[len(lines)-1], want)
		}
	}
}

// Accounts and lanes are offered once the settings are right.
func TestCompletionOfAccountsAndLanes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "notifier.yaml")
	text := "version: 1\nkafka: {embedded: data, start: latest, instance: one}\nrules: .\naccounts:\n  main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:COMPLETE_SECRET}\"}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("COMPLETE_SECRET", "s")
	lanes := "lane/main/broadcast|lane/main/online|lane/main/push-plus|lane/main/recall|lane/main/tag|lane/main/tag-batch|lane/main/tag-get|lane/main/user"
	for line, want := range map[string]string{
		"pause":         "all|broadcasts|account/main|" + lanes,
		"resume":        "all|broadcasts|account/main|" + lanes,
		"status --wait": "idle",
		"quota charge":  "main/broadcast|main/recall", "quota assume": "main", "quota assume main": "", "dead ls --reason": "undecodable|too-large|bad-field|skipped-by-operator",
	} {
		started := false
		root := newRootCmd(&started)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&bytes.Buffer{})
		root.SetArgs(append(append([]string{"__complete", "-c", file}, strings.Fields(line)...), ""))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if got := strings.Join(lines[:len(lines)-1], "|"); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
