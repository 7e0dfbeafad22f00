package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

const scopeSettings = "version: 1\nkafka: {brokers: [\"127.0.0.1:1\"]}\nrules: rules/\naccounts: {main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:S}\"}}\n"

// What is missing is told with what could stand there, and a name that is wrong before a reason that is missing.
func TestWhatCanBePausedIsListed(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings, "rules/events.yaml": testCatalogue, "rules/rules.yaml": testRules})
	for line, want := range map[string][]string{
		"pause":                             {"SCOPE is missing", "all\nbroadcasts\naccount/main\n", "lane/main/broadcast  ", "\nrule/thanks"},
		"resume":                            {"SCOPE is missing", "\nrule/thanks"},
		"kill":                              {"RULE is missing", ": city-tag  thanks"},
		"pause rule/thanx":                  {`no rule "thanx": city-tag, thanks; did you mean thanks?`},
		"pause account/nope":                {`no account "nope": main`},
		"pause rule/thanks":                 {"--why is missing"},
		"pause rule/city-tag --why x --yes": {"city-tag is a tag rule, it holds no intents: to hold the tags of all rules, notifier pause each of lane/main/tag, lane/main/tag-batch; to take its tags away, `mode: off`"},
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

// A lane that the account does not have holds nothing: to say that it is paused would leave pushes going that somebody believes held.
func TestALaneOfAnotherVendorIsNoScope(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings, "rules/events.yaml": testCatalogue, "rules/rules.yaml": testRules})
	s := mustSettings(t)
	for _, lane := range app.LanesOf(&s.Accounts[0]) {
		if err := knownScope(s, "lane/main/"+lane, diag.EN); err != nil {
			t.Errorf("%s: %v", lane, err)
		}
	}
	for lang, want := range map[diag.Lang]string{diag.EN: "account main without its lane: write one of main/broadcast, main/online,", diag.ZH: "只写了账号 main，没有写发送通道：请写 main/broadcast、main/online、"} {
		for _, scope := range []string{"lane/main", "lane/main/"} {
			if err := knownScope(s, scope, lang); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: %v", scope, err)
			}
		}
	}
	for _, lane := range []string{"push", "app", "app-fast-tag", "broadcast-message"} { // Getui's, and one that only split budgets have
		if err := knownScope(s, "lane/main/"+lane, diag.EN); err == nil || !strings.Contains(err.Error(), "in account main: broadcast, online, push-plus, recall, tag, tag-batch, tag-get, user") {
			t.Errorf("%s: %v", lane, err)
		}
	}
}

// While the rule files have errors the last good set is live: its rules can be held back, by the names that the files still have.
func TestARuleCanBePausedWhileTheFilesHaveErrors(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings, "rules/events.yaml": testCatalogue, "rules/rules.yaml": strings.Replace(testRules, "amount >", "amuont >", 1)})
	s := mustSettings(t)
	if err := knownScope(s, "rule/thanks", diag.EN); err != nil {
		t.Error(err)
	}
	if err := knownScope(s, "rule/thanx", diag.EN); err == nil || !strings.Contains(err.Error(), `no rule "thanx": city-tag, thanks; the rule files have 1 error, so there may be more; next: notifier check`) {
		t.Error(err)
	}
	if err := killable(s, "thanks", 0, diag.EN); err != nil {
		t.Error(err)
	}
	if err := killable(s, "city-tag", 0, diag.EN); err == nil || !strings.Contains(err.Error(), "is a tag rule") {
		t.Error(err)
	}
	for line, want := range map[string]string{"pause": "\nrule/thanks\n(the rule files have 1 error", "kill": ": city-tag  thanks (the rule files have 1 error"} {
		if _, _, _, err := runLine(t, line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// Lists name the rule `tags`: it can be asked for, although no file has it.
func TestTheRuleOfAllTagsCanBeAskedFor(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings, "rules/events.yaml": testCatalogue, "rules/rules.yaml": testRules})
	s := mustSettings(t)
	for rule, want := range map[string]string{"tags": "", "thanks": "", "tag": `no rule "tag"`} {
		if err := knownRule(s, rule, diag.EN); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", rule, err)
		}
	}
	if code, _, _, err := runLine(t, "status", "--why", "--rule", "tags"); code != exitUnreachable { // it is asked for
		t.Errorf("exit %d, %v", code, err)
	}
}

// What has gone from the files and is paused can be let go, and what it has made can be held.
func TestWhatIsOnRecordIsAScope(t *testing.T) {
	states := map[int32]*ledger.State{0: {}, 1: {Pauses: map[string]ledger.Pause{"rule/gone": {}, "account/gone": {}, "lane/gone/user": {}, "off/held": {}},
		Pending: map[string]*ledger.Pending{"a": {Intent: &intent.Intent{Rule: "holds"}}, "b": {Intent: &intent.Intent{Rule: "tags", Profile: &intent.Profile{}}}}}}
	for scope, want := range map[string]bool{"rule/gone": true, "account/gone": true, "lane/gone/user": true, "off/held": false, "rule/holds": true, "rule/tags": false, "rule/other": false, "holds": false, "account/holds": false} {
		if got := onRecord(states, scope); got != want {
			t.Errorf("%s: %t", scope, got)
		}
	}
}

// A rule that is gone is not told to be switched on.
func TestWhatTheRuleFilesHoldIsToldApart(t *testing.T) {
	for why, want := range map[string]string{"mode: off": "mode: live lets it go", dispatch.GoneFromSet: "it is given up after two minutes, unless the rule comes back"} {
		if got := afterFiles(ledger.Pause{Why: why}, diag.EN); !strings.Contains(got, want) {
			t.Errorf("%s: %s", why, got)
		}
	}
}

func mustSettings(t *testing.T) *settings.Settings {
	t.Helper()
	s, list := settings.Load("notifier.yaml", os.Environ(), nil)
	if s == nil {
		t.Fatal(list)
	}
	return s
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

// A recall of which a human says what became of it names who said so; who asked for it stands in the fates.
func TestWhoIsNamedBesideARecall(t *testing.T) {
	for state, want := range map[ledger.AttemptState]string{
		ledger.OK:       "recalls A-0-1, by li",
		ledger.Resolved: "recalls A-0-1; resolved as sent by li",
	} {
		at := &ledger.Attempt{ID: "A-0-2", Recalls: "A-0-1", State: state, By: "li"}
		if state == ledger.Resolved {
			at.Detail = "resolved as sent"
		}
		if got := attemptText(at, time.UTC, diag.EN); got != want {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
	}
}

// One attempt is told for people, in the zone of the settings; machines ask for JSON.
func TestOneAttemptAsText(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	s := &settings.Settings{Zone: time.FixedZone("", 8*3600), Accounts: []settings.Account{{Name: "main", Vendor: "getui", AppKey: "a"}}}
	var out strings.Builder
	one := &ledger.Attempt{ID: "A-0-1", Account: "getui:a", Lane: "push", Endpoint: "/push/single/cid", State: ledger.Unknown, At: at, NotAfter: at.Add(6 * time.Second), Weight: 1, Rule: "thanks",
		Detail: "time-out > 6s", Affected: []ledger.Fate{{Intent: "i/1"}}}
	printAttempt(&out, one, s, diag.EN)
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
	out.Reset()
	one.Until, one.Detail = at.Add(5*time.Minute), "no answer in time"
	printAttempt(&out, one, s, diag.ZH)
	want = `发送记录 A-0-1  main/push /push/single/cid  unknown
  开始        2026-11-21 12:00:00.000 +08:00
  不晚于      2026-11-21 12:00:06.000 +08:00
  占名额      1，厂商最迟在 2026-11-21 12:05:00.000 +08:00 计数
  规则        thanks
  说明        no answer in time
  待发任务    i/1
  下一步      notifier attempts resolve A-0-1 --as sent|not-sent --why 原因
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if err := printAttempts(&out, "text", []*ledger.Attempt{one}, s, diag.ZH); err != nil || !strings.HasPrefix(out.String(), "发送记录  时间") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// Who resolves what stands for several intents reads how many it decides on.
func TestAResolutionOfSeveralSaysHowMany(t *testing.T) {
	one := &ledger.Attempt{ID: "A-0-1", Rule: "sale", Affected: []ledger.Fate{{Intent: "i/1"}}}
	if got := decidesOn(one, diag.EN); got != "" {
		t.Errorf("of one: %q", got)
	}
	one.Affected = append(one.Affected, ledger.Fate{Intent: "i/2"})
	if got, want := decidesOn(one, diag.EN), ": it decides on 2 intents of rule sale at once; which: notifier attempts A-0-1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := decidesOn(one, diag.ZH), "：一次决定规则 sale 的 2 个待发任务；是哪些：notifier attempts A-0-1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of two who resolve one attempt at once the loser reads who was faster, when, and what that one said: the ledger may have forgotten the attempt.
func TestWhoLosesAResolutionReadsWhoWon(t *testing.T) {
	won := func() (*ledger.Command, error) {
		return &ledger.Command{By: "li", Why: "the console shows it", At: time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC), Args: map[string]string{"as": "sent"}}, nil
	}
	err := outrun([]ledger.Answer{{Refused: true, Text: "no such attempt without outcome"}}, "A-0-1", &ledger.Attempt{ID: "A-0-1", State: ledger.Unknown}, won, time.FixedZone("", 8*3600), diag.EN)
	if x, ok := errors.AsType[*exitError](err); !ok || x.code != exitGate || x.Error() != "attempt A-0-1 is resolved as sent already, by li at 2026-11-21 12:00:00 +08:00: the console shows it; a resolution is final" {
		t.Errorf("%v", err)
	}
	for _, answers := range [][]ledger.Answer{{{OK: true}}, nil} {
		if err := outrun(answers, "A-0-1", nil, won, time.UTC, diag.EN); err != nil {
			t.Errorf("%+v: %v", answers, err)
		}
	}
	nobody := func() (*ledger.Command, error) { return nil, nil }
	if err := outrun([]ledger.Answer{{Refused: true}}, "A-0-1", nil, nobody, time.UTC, diag.EN); err != nil {
		t.Errorf("refused for another reason: %v", err)
	}
}
