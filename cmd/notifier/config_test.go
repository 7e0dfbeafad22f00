package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// What config check finds is its result: on stdout, as text or for machines, and the exit code agrees. Other commands that need the settings
// keep their stdout for what they are asked.
func TestConfigCheckTellsOnStdout(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings, "bad.yaml": strings.Replace(scopeSettings, "rules:", "ruels:", 1)})
	code, out, talk, err := runLine(t, "config", "check", "--lang", "en")
	if code != 0 || out != "notifier.yaml: ok, 1 account\n" || talk != "" {
		t.Errorf("exit %d, %v\n%s%s", code, err, out, talk)
	}
	code, out, talk, err = runLine(t, "config", "check", "--lang", "en", "-c", "bad.yaml")
	if code != exitSettings || !strings.Contains(out, "error[N101]: unknown key `ruels`") || talk != "" || err == nil || !strings.Contains(err.Error(), "the settings have errors; next: ") {
		t.Errorf("exit %d, %v\n%s%s", code, err, out, talk)
	}
	if _, out, talk, _ := runLine(t, "config", "show", "--lang", "en", "-c", "bad.yaml"); out != "" || !strings.Contains(talk, "error[N101]") {
		t.Errorf("config show: %s%s", out, talk)
	}
	for file, want := range map[string]int{"notifier.yaml": 0, "bad.yaml": 1} {
		code, out, talk, err := runLine(t, "config", "check", "-c", file, "--format", "json")
		var got struct {
			Schema           string
			File             string
			Accounts, Errors int
			Diagnostics      []struct{ Code, File string }
		}
		if e := json.Unmarshal([]byte(out), &got); e != nil || got.Schema != "notifier.config-check/v1" || got.File != file || got.Errors != want || got.Diagnostics == nil || len(got.Diagnostics) != want || got.Accounts != 1-want || talk != "" {
			t.Errorf("%s: %v\n%s%s", file, e, out, talk)
		}
		if code != want*exitSettings || (err == nil) != (want == 0) {
			t.Errorf("%s: exit %d, %v", file, code, err)
		}
	}
}

// The fields that consent names are looked for in the catalogue, wherever the settings and the rules meet: nothing starts with a block list
// that blocks nobody.
func TestConsentIsLookedForInTheCatalogue(t *testing.T) {
	t.Setenv("S", "x")
	catalogue := strings.Replace(testCatalogue, "fields: {city: city,", "fields: {city: city, blocked: {path: blocked, type: bool},", 1)
	inDir(t, map[string]string{"rules/events.yaml": catalogue, "rules/rules.yaml": testRules,
		"notifier.yaml": scopeSettings + "consent: {never: blocked}\n", "bad.yaml": scopeSettings + "consent: {never: blokced}\n",
		"far.yaml": strings.Replace(scopeSettings, "rules: rules/", "rules: elsewhere/", 1) + "consent: {never: blokced}\n"})
	for _, line := range []string{"config check", "check"} {
		if code, out, talk, err := runLine(t, append(strings.Fields(line), "--lang", "en")...); code != 0 || talk != "" {
			t.Errorf("%s: exit %d, %v\n%s%s", line, code, err, out, talk)
		}
	}
	for line, want := range map[string]int{"config check": exitSettings, "check": exitFindings, "test": exitFindings, "config check --format json": exitSettings} {
		code, out, talk, _ := runLine(t, append(strings.Fields(line), "--lang", "en", "-c", "bad.yaml")...)
		if code != want || !strings.Contains(out+talk, "N708") || !strings.Contains(out+talk, "did you mean `blocked`?") {
			t.Errorf("%s: exit %d\n%s%s", line, code, out, talk)
		}
	}
	code, out, talk, _ := runLine(t, "config", "check", "--lang", "en", "-c", "far.yaml")
	if code != 0 || talk != "note: no rules in elsewhere: the fields of `consent` are not checked\n" {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
}

func TestVersionForMachines(t *testing.T) {
	_, text, _, _ := runLine(t, "version")
	code, out, _, err := runLine(t, "version", "--format", "json")
	var got map[string]string
	if e := json.Unmarshal([]byte(out), &got); code != 0 || err != nil || e != nil || got["schema"] != "notifier.version/v1" || text != "notifier "+got["version"]+" ("+got["revision"]+", "+got["go"]+")\n" {
		t.Errorf("exit %d, %v %v\n%s%s", code, err, e, out, text)
	}
}
