package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
)

// What is printed as the next command can be typed as it is.
func TestNextCommandsRepeatTheSettingsFile(t *testing.T) {
	for text, want := range map[string]string{
		"1 dead   next: notifier dead show ID, or notifier dead replay\n":        "1 dead   next: notifier -c 'my settings.yaml' dead show ID, or notifier -c 'my settings.yaml' dead replay\n",
		"下一步：改好错误，再运行 `notifier check a.yaml`（`notifier explain-code N112` 有说明）": "下一步：改好错误，再运行 `notifier -c 'my settings.yaml' check a.yaml`（`notifier explain-code N112` 有说明）",
		"next: mend them, then `notifier config check -c x.yaml`":                "next: mend them, then `notifier config check -c x.yaml`",
		"notifier: no rule files\nnext: notifier check --help":                   "notifier: no rule files\nnext: notifier -c 'my settings.yaml' check --help",
		"next: docs/runbook.md#breaker":                                          "next: docs/runbook.md#breaker",
		"no mark, so notifier check stays":                                       "no mark, so notifier check stays",
	} {
		if got := withConfig(text, "my settings.yaml"); got != want {
			t.Errorf("%q\n got %q\nwant %q", text, got, want)
		}
		if got := withConfig(text, ""); got != text {
			t.Errorf("without -c: %q", got)
		}
	}
}

// The rules are checked again as they were checked: with these paths, by these settings; what machines read stays as it is.
func TestTheNextCheckIsOfTheSamePaths(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"r/events.yaml": testCatalogue, "r/it's.yaml": strings.Replace(testRules, "amount >", "amuont >", 1), "s.yaml": "version: 1\nkafka: {embedded: data}\naccounts: {main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:S}\"}}\n"} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rules, config := filepath.Join(dir, "r"), filepath.Join(dir, "s.yaml")
	again := "notifier -c " + config + " check " + rules
	_, out, talk, err := runLine(t, "check", "--lang", "en", rules)
	if !strings.Contains(out, "`notifier check "+rules+"` again") || err == nil {
		t.Errorf("%s%s", out, talk)
	}
	_, out, talk, _ = runLine(t, "check", "--lang", "zh", "-c", config, rules)
	if !strings.Contains(out, "再运行 `"+again+"`") {
		t.Errorf("%s%s", out, talk)
	}
	_, out, talk, err = runLine(t, "test", "--lang", "en", "-c", config, rules)
	if err == nil || !strings.Contains(withConfig(err.Error(), config), again) {
		t.Errorf("%s%s%v", out, talk, err)
	}
	_, out, talk, _ = runLine(t, "check", "--format", "json", "-c", config, rules)
	if strings.Contains(out, "-c "+config) {
		t.Errorf("%s%s", out, talk)
	}
	if got := checkOf([]string{"it's.yaml"}); got != `notifier check 'it'\''s.yaml'` {
		t.Error(got)
	}
}

// -c says where the rules are, for a backtest as for a check.
func TestABacktestTakesTheRulesOfTheSettings(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("elsewhere/events.yaml", testCatalogue)
	write("elsewhere/rules.yaml", testRules)
	config := write("s.yaml", "version: 1\nkafka: {embedded: data}\nrules: "+filepath.Join(dir, "elsewhere")+"\naccounts: {main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:S}\"}}\n")
	history := write("h.jsonl", `{"topic":"orders","timestamp":"2026-11-21T14:00:00Z","value":{"id":"ord-1","at":"2026-11-21T14:00:00Z","user":"u-1","amount":200}}`+"\n")
	code, out, talk, err := runLine(t, "backtest", "--from", history, "-c", config, "--lang", "en")
	if err != nil || !strings.Contains(out, "thanks") {
		t.Errorf("exit %d, %v\n%s%s", code, err, out, talk)
	}
}

// Lanes that are stopped for one cause are one line.
func TestStoppedLanesAreFoldedByTheirCause(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	lanes := map[string]ledger.LaneState{
		"main/user": {Reason: "credentials", Detail: "1004", Since: at, Retry: at.Add(time.Hour)}, "main/tag": {Reason: "credentials", Detail: "1004", Since: at.Add(-time.Minute), Retry: at.Add(2 * time.Hour)},
		"main/broadcast": {Reason: "breaker", Detail: "time-out", Since: at}, "other/user": {Reason: "credentials", Detail: "1004", Since: at},
		"main/push-plus": {Reason: "service", Detail: "1009", Since: at},
	}
	var out strings.Builder
	sayStopped(&out, lanes, at, time.UTC, diag.EN)
	want := `stopped  main/broadcast  breaker since 2026-11-21 04:00:00, tried again with the next request that may leave: time-out   next: docs/runbook.md#breaker
stopped  main/push-plus  service since 2026-11-21 04:00:00, tried again with the next request that may leave: 1009   next: docs/runbook.md#service; once the vendor has enabled it: notifier resume lane/main/push-plus --why TEXT
stopped  2 lanes of main (tag, user)  credentials since 2026-11-21 03:59:00, tried again 2026-11-21 05:00:00: 1004   next: docs/runbook.md#credentials
stopped  other/user  credentials since 2026-11-21 04:00:00, tried again with the next request that may leave: 1004   next: docs/runbook.md#credentials
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
