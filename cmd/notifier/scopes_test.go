package main

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

const scopeSettings = "version: 1\nkafka: {brokers: [\"127.0.0.1:1\"]}\nrules: rules/\naccounts: {main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:S}\"}}\n"

// What is missing is told with what could stand there, and a name that is wrong before a reason that is missing.
func TestWhatCanBePausedIsListed(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings, "rules/events.yaml": testCatalogue, "rules/rules.yaml": testRules})
	for line, want := range map[string][]string{
		"pause":              {"SCOPE is missing", "all\nbroadcasts\naccount/main\n", "lane/main/broadcast  ", "rule/city-tag  rule/thanks"},
		"resume":             {"SCOPE is missing", "rule/city-tag  rule/thanks"},
		"kill":               {"RULE is missing", ": city-tag  thanks"},
		"pause rule/thanx":   {`no rule "thanx": city-tag, thanks; did you mean thanks?`},
		"pause account/nope": {`no account "nope": main`},
		"pause rule/thanks":  {"--why is missing"},
	} {
		code, out, talk, err := runLine(t, strings.Fields(line)...)
		if code != exitUsage || err == nil {
			t.Errorf("%s: exit %d\n%s%s", line, code, out, talk)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q is missing\n%v", line, w, err)
			}
		}
	}
}

// Without any settings both places are named, and the example to begin with.
func TestWhereSettingsWereLookedForIsTold(t *testing.T) {
	inDir(t, nil)
	code, _, talk, err := runLine(t, "status", "--lang", "en")
	if code != exitSettings || err == nil || !strings.Contains(talk, "tried notifier.yaml and /etc/notifier/notifier.yaml: name the file with -c FILE, or copy notifier.example.yaml") {
		t.Errorf("exit %d, %v\n%s", code, err, talk)
	}
	code, _, talk, _ = runLine(t, "status", "--lang", "en", "-c", "other.yaml")
	if code != exitSettings || strings.Contains(talk, "tried") {
		t.Errorf("exit %d\n%s", code, talk)
	}
}

// One attempt is told for people, in the zone of the settings; machines ask for JSON.
func TestOneAttemptAsText(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	s := &settings.Settings{Zone: time.FixedZone("", 8*3600), Accounts: []settings.Account{{Name: "main", Vendor: "getui", AppKey: "a"}}}
	var out strings.Builder
	printAttempt(&out, &ledger.Attempt{ID: "A-0-1", Account: "getui:a", Lane: "push", Endpoint: "/push/single/cid", State: ledger.Unknown, At: at, NotAfter: at.Add(6 * time.Second), Weight: 1, Rule: "thanks",
		Detail: "time-out > 6s", Affected: []ledger.Fate{{Intent: "i/1"}}}, s)
	want := `attempt A-0-1  main/push /push/single/cid  unknown
  started     2026-11-21 12:00:00.000 +08:00
  not after   2026-11-21 12:00:06.000 +08:00
  charged     1
  rule        thanks
  detail      time-out > 6s
  intents     i/1
  next        notifier attempts resolve A-0-1 --as sent|not-sent --why TEXT
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
