//go:build !race

package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// shipped is the catalogue that rule files without one of their own are read with.
func shipped(t *testing.T) []rules.File {
	t.Helper()
	files, err := rules.ReadFS(os.DirFS(filepath.Join(root, "rules")))
	if err != nil {
		t.Fatal(err)
	}
	var out []rules.File
	for _, f := range files {
		if f.Name == "events.yaml" || strings.HasSuffix(f.Name, ".json") {
			out = append(out, f)
		}
	}
	return out
}

// account has a day of its own: a page's campaign does not end while the page stands still.
var account = rules.Options{Now: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), Accounts: []rules.Account{{Name: "main", Vendor: "rongcloud", Sender: "system"}}, Vendor: app.AnyRuleOptions().Vendor}

func TestYAMLInTheDocumentsLoads(t *testing.T) {
	n := 0
	for _, p := range pages(t) {
		if excerpts(p) {
			continue
		}
		catalogue := shipped(t)
		for _, b := range blocks(t, p) {
			if b.lang != "yaml" {
				continue
			}
			n++
			file := rules.File{Name: "page.yaml", Data: []byte(b.body + "\n")}
			switch {
			case strings.Contains(b.body, "\nkafka:"):
				loadSettings(t, b)
			case strings.Contains(b.body, "\nevents:"):
				file.Name = "events.yaml"
				catalogue = []rules.File{file} // of the rule files further down the page
				name := regexp.MustCompile(`(?m)^  ([a-z.]+):$`).FindAllStringSubmatch(b.body, -1)
				rule := fmt.Sprintf("version: 1\nrules:\n  - {name: any-rule, event: %s, mode: 'off', class: service, when: always, push: {to: u, body: b}}\n", name[len(name)-1][1])
				clean(t, b.String(), append(catalogue, rules.File{Name: "any.yaml", Data: []byte(rule)}))
			default:
				clean(t, b.String(), append(catalogue[:len(catalogue):len(catalogue)], file))
			}
			formatted(t, b.String(), []rules.File{file})
		}
	}
	if n < 10 {
		t.Errorf("only %d blocks were loaded", n)
	}
}

// clean asks for a load without any finding: what is copied from the manual must not even be warned about.
func clean(t *testing.T, where string, files []rules.File) {
	t.Helper()
	if _, list := rules.LoadFiles(files, account); len(list) > 0 {
		t.Errorf("%s:\n%s", where, show(list))
	}
}

// formatted asks for files as `notifier fmt` writes them.
func formatted(t *testing.T, where string, files []rules.File) {
	t.Helper()
	out, err := rules.Format(files, account)
	if err != nil {
		t.Errorf("%s: %v", where, err)
	}
	for _, f := range out {
		if f.Left || f.Changed() {
			t.Errorf("%s: %s is not in the canonical form, which is:\n%s", where, f.File.Name, f.Out)
		}
	}
}

func loadSettings(t *testing.T, b block) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notifier.yaml")
	if err := os.WriteFile(name, []byte(b.body+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, list := settings.Load(name, []string{"RONGCLOUD_SECRET=x", "KAFKA_PASSWORD=x"}, nil); s == nil || len(list) > 0 {
		t.Errorf("%s:\n%s", b, show(list))
	}
}

func show(list diag.List) string {
	var b strings.Builder
	if err := diag.WriteText(&b, list, diag.EN); err != nil {
		return err.Error()
	}
	return b.String()
}

func TestFirstNotificationFilesAreClean(t *testing.T) {
	files, list := rules.Read([]string{filepath.Join(root, "docs/first/rules")})
	if len(list) > 0 {
		t.Fatal(show(list))
	}
	clean(t, "docs/first/rules", files)
}

// Each example of docs/codes.md: what is called wrong gives this code, what is called right gives no error.
func TestExamplesOfTheCodesAreWhatTheySay(t *testing.T) {
	for _, p := range bilingual("docs/codes.md") {
		n := 0
		for code, body := range sections(text(t, p), "### ") {
			m := regexp.MustCompile("(?s)```text\n(?:wrong: |错：)(.*?)\n(?:right: |对：)(.*?)\n```").FindStringSubmatch(body)
			if m == nil {
				continue
			}
			n++
			wrong, right := strings.NewReplacer("\n       ", "\n", "\n　　", "\n").Replace(m[1]), m[2]
			if list := findings(t, code, wrong); !has(list, code) {
				t.Errorf("%s: %s: the wrong example does not give it:\n%s\n%s", p, code, wrong, show(list))
			}
			if list := findings(t, code, right); list.Errors() > 0 || has(list, code) {
				t.Errorf("%s: %s: the right example is not right:\n%s\n%s", p, code, right, show(list))
			}
		}
		if n < 25 {
			t.Errorf("%s: only %d examples", p, n)
		}
	}
}

func has(list diag.List, code string) bool {
	for _, d := range list {
		if d.Code == code {
			return true
		}
	}
	return false
}

// findings puts the lines of an example where they belong in an otherwise good file and loads it.
func findings(t *testing.T, code, lines string) diag.List {
	t.Helper()
	key := regexp.MustCompile(`^\w+`).FindString(lines)
	if key == "consent" {
		name := filepath.Join(t.TempDir(), "notifier.yaml")
		src := "version: 1\nkafka: {brokers: [k1:9092], start: latest}\naccounts: {main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:A}\"}}\n" + lines + "\n"
		if err := os.WriteFile(name, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		s, list := settings.Load(name, []string{"A=x"}, nil)
		if s == nil {
			return list
		}
		return rules.ConsentFindings(shipped(t), app.RuleOptions(s))
	}
	if key == "secret" {
		name := filepath.Join(t.TempDir(), "notifier.yaml")
		src := "version: 1\nkafka: {brokers: [k1:9092], start: latest}\naccounts:\n  main:\n    vendor: rongcloud\n    data_center: beijing\n    app_key: k\n    " + lines + "\n"
		if err := os.WriteFile(name, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		_, list := settings.Load(name, []string{"A=x", "RONGCLOUD_SECRET=x"}, nil)
		return list
	}
	rule := map[string]string{"name": "name: example-rule", "event": "event: order.paid", "mode": "mode: live", "class": "class: service", "when": "when: always",
		"title": `title: "t"`, "body": `body: "b"`, "to": `to: "u-1"`, "limits": "limits: {expire: 1h}", "merge": "", "message": "", "rongcloud": "", "link": ""}
	switch code { // what the example needs around it
	case "N305":
		rule["event"], rule["merge"] = "event: sale.opened", `merge: {by: "${city}", wait: 1m}`
	case "N309":
		rule["event"] = "event: post.liked"
	case "N404":
		rule["event"] = "event: profile.changed"
	}
	switch key {
	case "tags":
		return load(t, "  - name: example-rule\n    event: profile.changed\n    "+lines)
	case "amount": // a field of the catalogue
		events := "version: 1\nevents:\n  order.paid:\n    topic: orders\n    id: data.id\n    user: data.user\n    sample: order.json\n    fields:\n      " + lines + "\n"
		rule := "version: 1\nrules:\n  - {name: example-rule, event: order.paid, mode: live, class: service, when: always, push: {body: b}}\n"
		_, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(events)}, {Name: "example.yaml", Data: []byte(rule)},
			{Name: "order.json", Data: []byte(`{"data": {"id": "o-1", "user": "u-1", "amount_fen": 50100}}`)}}, account)
		return list
	case "wehn":
		key = "when"
	case "expire":
		key, lines = "limits", "limits: {"+lines+"}"
	}
	if _, ok := rule[key]; !ok && code != "W407" {
		t.Fatalf("%s: this test does not know where %q belongs", code, lines)
	}
	indent := "    "
	if code == "W407" {
		key, lines = "to", "to: \"u-1\"\n"+lines
	}
	if key == "title" || key == "body" || key == "to" || key == "link" {
		indent = "      "
	}
	rule[key] = strings.ReplaceAll(lines, "\n", "\n"+indent)
	return load(t, fmt.Sprintf("  - %s\n    %s\n    %s\n    %s\n    %s\n    %s\n    %s\n    push:\n      %s\n      %s\n      %s\n      %s\n      %s\n      %s",
		rule["name"], rule["event"], rule["mode"], rule["class"], rule["when"], rule["limits"], rule["merge"], rule["to"], rule["body"], rule["title"], rule["link"], rule["message"], rule["rongcloud"]))
}

func load(t *testing.T, rule string) diag.List {
	t.Helper()
	_, list := rules.LoadFiles(append(shipped(t), rules.File{Name: "example.yaml", Data: []byte("version: 1\nrules:\n" + rule + "\n")}), account)
	return list
}
