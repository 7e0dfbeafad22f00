package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const checkCatalogue = `version: 1
events:
  order.paid:
    topic: orders
    id: id
    user: user
    fields: {amount: {path: amount, type: number, alias: 金额}, city: city}
`

const checkRules = `version: 1
rules:
  - name: vip-thanks
    event: order.paid
    mode: live
    class: service
    when: amuont > 500 and city == "北京"
    push: {title: "谢谢", body: "b"}
`

// inDir writes files into a fresh folder and goes there: what check prints must not depend on where it lies.
func inDir(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func runCheck(o checkOptions, env ...string) (out, talk string, code int) {
	var a, b bytes.Buffer
	if o.paths == nil {
		o.paths = []string{"rules/"}
	}
	if o.format == "" {
		o.format = "text"
	}
	err := check(o, env, &a, &b)
	if e, ok := errors.AsType[*exitError](err); ok {
		return a.String(), b.String(), e.code
	} else if err != nil {
		return a.String(), b.String(), -1
	}
	return a.String(), b.String(), 0
}

func TestCheckShowsFindingsAndWhatToDoNext(t *testing.T) {
	inDir(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": checkRules})
	out, talk, code := runCheck(checkOptions{lang: "both"})
	want := "rules/events.yaml  1 event\n" +
		"rules/vip.yaml     1 rule    0 tests\n" +
		"error[N202]: unknown field `amuont` for event `order.paid` · 事件 `order.paid` 没有字段 `amuont`\n" +
		"  --> rules/vip.yaml:7:11\n" +
		"   |\n" +
		" 7 |     when: amuont > 500 and city == \"北京\"\n" +
		"   |           ^^^^^^ did you mean `amount` (金额, number)? · 是不是 `amount`（金额）？\n" +
		"   = fields: amount (金额), city · 可用字段：amount (金额)、city\n" +
		"1 error, 0 warnings in 2 files (1 rule)\n" +
		"next: mend the errors, then `notifier check` again (`notifier explain-code N202` tells more); until then the rules in force stay\n"
	if diff := cmp.Diff(want, out); diff != "" || code != exitFindings {
		t.Errorf("exit %d (-want +got):\n%s", code, diff)
	}
	if !strings.Contains(talk, "note: no notifier.yaml beside the rules") {
		t.Errorf("talk: %s", talk)
	}

	out, _, code = runCheck(checkOptions{format: "json"})
	if want := `{"schema":"notifier.check/v1","files":2,"rules":1,"errors":1,"warnings":0,"diagnostics":[{"code":"N202","severity":"error","file":"rules/vip.yaml","line":7,"column":11,"end_column":17,` +
		"\"message\":{\"en\":\"unknown field `amuont` for event `order.paid`\",\"zh\":\"事件 `order.paid` 没有字段 `amuont`\"},\"hint\":{\"en\":\"did you mean `amount` (金额, number)?\",\"zh\":\"是不是 `amount`（金额）？\"},\"note\":{\"en\":\"fields: amount (金额), city\",\"zh\":\"可用字段：amount (金额)、city\"},\"fix\":\"amount\",\"rule\":\"vip-thanks\"}]}\n"; out != want || code != exitFindings {
		t.Errorf("exit %d, json:\n%s", code, out)
	}
	out, _, code = runCheck(checkOptions{format: "github", lang: "en"})
	if want := "::error file=rules/vip.yaml,line=7,col=11,endColumn=17,title=N202::unknown field `amuont` for event `order.paid` (did you mean `amount` (金额, number)?) [fields: amount (金额), city]\n"; out != want || code != exitFindings {
		t.Errorf("exit %d, github:\n%s", code, out)
	}
}

func TestCheckExitCodesAgreeWithTheText(t *testing.T) {
	good := strings.Replace(checkRules, "amuont", "amount", 1)
	tested := good + "    tests: [{name: n, event: {amount: 1}, expect: no match}]\n"
	for _, c := range []struct {
		name  string
		rules string
		o     checkOptions
		code  int
		says  string
	}{
		{"good", tested, checkOptions{strict: true}, 0, "0 errors, 0 warnings in 2 files (1 rule)"},
		{"a warning", good, checkOptions{}, 0, "0 errors, 1 warning"},
		{"a warning, strictly", good, checkOptions{strict: true}, exitFindings, "0 errors, 1 warning in 2 files (1 rule)\nnot passed: with --strict warnings count as errors\n"},
		{"one file", tested, checkOptions{paths: []string{"rules/vip.yaml"}}, 0, "1 rule"},
		{"no such path", tested, checkOptions{paths: []string{"ruels"}}, exitUsage, "N117"},
		{"no rules", "version: 1\nrules: []\n", checkOptions{}, exitFindings, "N110"},
		{"no files", tested, checkOptions{paths: []string{"empty"}}, exitUsage, ""},
		{"another format", tested, checkOptions{format: "xml"}, exitUsage, ""},
		{"another language", tested, checkOptions{lang: "fr"}, exitUsage, ""},
		{"no such settings", tested, checkOptions{config: "nope.yaml"}, exitSettings, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inDir(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": c.rules, "empty/readme.txt": "x"})
			out, _, code := runCheck(c.o)
			if code != c.code || !strings.Contains(out, c.says) {
				t.Errorf("exit %d, want %d:\n%s", code, c.code, out)
			}
		})
	}
}

// A file that is too large is a mistake in the files like any other: those of the other files are shown beside it, and the path is not wrong.
func TestALargeFileIsAFindingBesideTheOthers(t *testing.T) {
	inDir(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": checkRules, "rules/large.yaml": strings.Repeat("# 300 KiB\n", 30<<10)})
	out, _, code := runCheck(checkOptions{lang: "en"})
	for _, want := range []string{"error[N108]: the file has more than 256 KiB\n  --> rules/large.yaml:1:1\n", "error[N202]: unknown field `amuont`", "2 errors, 0 warnings in 3 files (1 rule)\n"} {
		if !strings.Contains(out, want) || code != exitFindings {
			t.Errorf("exit %d, want %q in\n%s", code, want, out)
		}
	}
}

func TestCheckTakesAccountsFromTheSettings(t *testing.T) {
	account := strings.Replace(checkRules, "amuont", "amount", 1) + "    account: mian\n"
	config := "version: 1\nkafka: {brokers: [k:9092], start: latest}\naccounts: {main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:S}\"}}\n"
	inDir(t, map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": account, "notifier.yaml": config})
	if out, talk, code := runCheck(checkOptions{}, "S=x"); code != exitFindings || !strings.Contains(out, "N203") || strings.Contains(talk, "note") {
		t.Errorf("exit %d: %s%s", code, out, talk)
	}
	for _, named := range []string{"", "notifier.yaml"} { // who edits rules need not have the secret
		if out, talk, code := runCheck(checkOptions{config: named}); code != exitFindings || !strings.Contains(out, "N203") || strings.Contains(talk, "note") {
			t.Errorf("without the secret, exit %d: %s%s", code, out, talk)
		}
	}
	if err := os.WriteFile("notifier.yaml", []byte(strings.Replace(config, "app_key: k", "app_key: \"${env:K}\"", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, talk, code := runCheck(checkOptions{}); code != 0 || !strings.Contains(talk, "notifier.yaml cannot be used here") {
		t.Errorf("settings beside the rules and unusable, exit %d: %s%s", code, out, talk)
	}
	if _, _, code := runCheck(checkOptions{config: "notifier.yaml"}); code != exitSettings {
		t.Errorf("settings named and unusable: exit %d", code)
	}
	if out, _, code := runCheck(checkOptions{paths: []string{"notifier.yaml"}, lang: "en"}); code != exitFindings || strings.Count(out, "error[") != 1 || !strings.HasSuffix(out, "\nnext: notifier config check -c notifier.yaml\n") {
		t.Errorf("the wrong kind of file: exit %d: %s", code, out)
	}
}

func TestLanguageFromTheLocale(t *testing.T) {
	for env, want := range map[string]string{"LANG=zh_CN.UTF-8": "zh", "LANG=en_US.UTF-8": "en", "LANG=C": "both", "": "both", "LC_ALL=zh_TW": "zh"} {
		if got, err := language("", []string{env}); err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v", env, got, err)
		}
	}
}

// A file is asked with the settings of its folder, or of the one above, as the whole folder is.
func TestSettingsAreFoundBesideAFileOfRules(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notifier.yaml", "rules/a.yaml", "rules/deep/b.yaml"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found := filepath.Join(dir, "notifier.yaml")
	for path, want := range map[string]string{"": found, "rules": found, "rules/a.yaml": found, "rules/none.yaml": "", "rules/deep/b.yaml": ""} {
		if got := besideRules([]string{filepath.Join(dir, path)}); got != want {
			t.Errorf("beside %q: %q, want %q", path, got, want)
		}
	}
}

// A file that cannot be read hides no finding of the others, and makes none up: of events, tags and samples that it may have nothing is said.
func TestAnUnreadableFileHidesNothing(t *testing.T) {
	tagged := strings.Replace(checkRules, "push: {", "limits: {expire: 4h}\n    broadcast: {audience: {any_of: [vip]}, ", 1)
	sampled := checkCatalogue + "    sample: gone.json\n"
	for name, c := range map[string]struct {
		link  string
		files map[string]string
		paths []string
		want  string
	}{
		"a rule file":   {"rules/z.yaml", map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": checkRules}, nil, "N202 N117"},
		"a second path": {"", map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": checkRules}, []string{"rules/", "nosuch"}, "N117 N202"},
		"the catalogue": {"rules/events.yaml", map[string]string{"rules/vip.yaml": strings.Replace(checkRules, "mode:", "mdoe:", 1)}, nil, "N117"},
		"tag rules":     {"rules/z.yaml", map[string]string{"rules/events.yaml": checkCatalogue, "rules/vip.yaml": strings.Replace(tagged, "amuont", "amount", 1)}, nil, "N117"},
		"a sample":      {"rules/gone.json", map[string]string{"rules/events.yaml": sampled, "rules/vip.yaml": checkRules}, nil, "N117 N202"},
	} {
		t.Run(name, func(t *testing.T) {
			inDir(t, c.files)
			if c.link != "" {
				if err := os.Symlink("nowhere", c.link); err != nil {
					t.Fatal(err)
				}
			}
			out, _, code := runCheck(checkOptions{paths: c.paths, lang: "en"})
			var got []string
			for _, m := range regexp.MustCompile(`(?m)^error\[(\w+)\]`).FindAllStringSubmatch(out, -1) {
				got = append(got, m[1])
			}
			if strings.Join(got, " ") != c.want || code != exitUsage || strings.Contains(out, "no rule gives") {
				t.Errorf("exit %d, errors %v, want %s:\n%s", code, got, c.want, out)
			}
		})
	}
}
