//go:build !race

package docs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/ruletest"
	"github.com/notifier/notifier/internal/settings"
)

const moving = "docs/moving"

// moved loads the rules of a folder under the settings of a file, and runs their tests; sent gives the endpoints of what left, each held to
// its vendor's schema.
func moved(t *testing.T, file, folder string) (sent []string) {
	t.Helper()
	s, list := settings.LoadForRules(filepath.Join(root, moving, file), nil)
	if s == nil || len(list) > 0 {
		t.Fatal(show(list))
	}
	files, list := rules.Read([]string{filepath.Join(root, moving, folder)})
	if len(list) > 0 {
		t.Fatal(show(list))
	}
	formatted(t, moving, files)
	set, list := rules.LoadFiles(files, app.RuleOptions(s))
	if set == nil {
		t.Fatalf("%s:\n%s", file, show(list))
	}
	for _, d := range list {
		if d.Code != "W307" && d.Code != "I410" { // tags that another system keeps; who is reached by a broadcast
			t.Errorf("%s: %s %s", file, d.Code, d.Message.EN)
		}
	}
	b := app.NewBench(s, nil)
	rep := ruletest.Run(ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Snapshots: &ruletest.Snapshots{}, Request: held(t, file, b, func(path string) { sent = append(sent, path) })})
	for _, r := range rep.Results {
		if !r.OK {
			t.Errorf("%s: %s/%s: %v", file, r.Rule, r.Name, r.Diffs)
		}
	}
	if n := len(rep.Results); n < 2 {
		t.Errorf("%s: only %d tests", file, n)
	}
	slices.Sort(sent)
	return slices.Compact(sent)
}

// One rule file is checked and tested for an account at either vendor, and what it sends there is that vendor's.
func TestOneRuleFileForBothVendors(t *testing.T) {
	for file, want := range map[string][]string{
		"getui.yaml":     {"/v2/app/push/single/cid", "/v2/app/push/tag"},
		"rongcloud.yaml": {"/push.json", "/push/user.json"},
	} {
		if got := moved(t, file, "rules"); !slices.Equal(got, want) {
			t.Errorf("%s: sent to %v, want %v", file, got, want)
		}
	}
	if got := moved(t, "both.yaml", "failover"); !slices.Equal(got, []string{"/push/user.json"}) {
		t.Errorf("with two accounts: sent to %v, want the first alone", got)
	}
}

// The rules that ship as well: all files but the one of in-app messages, and the one of tags where a vendor keeps none.
func TestTheShippedRulesForBothVendors(t *testing.T) {
	s, list := settings.LoadForRules(filepath.Join(root, moving, "getui.yaml"), nil)
	if s == nil {
		t.Fatal(show(list))
	}
	files, list := rules.Read([]string{filepath.Join(root, "rules")})
	if len(list) > 0 {
		t.Fatal(show(list))
	}
	_, list = rules.LoadFiles(files, app.RuleOptions(s))
	not := map[string]bool{}
	for _, d := range list {
		if d.Code == "N407" {
			not[filepath.Base(d.File)] = true
		}
	}
	if !not["messages.yaml"] || len(not) > 2 || len(not) == 2 && !not["profile.yaml"] {
		t.Errorf("Getui cannot serve %v", not)
	}
	files = slices.DeleteFunc(files, func(f rules.File) bool { return not[filepath.Base(f.Name)] })
	set, list := rules.LoadFiles(files, app.RuleOptions(s))
	if set == nil {
		t.Fatal(show(list))
	}
	b := app.NewBench(s, nil)
	if rep := proved(t, "rules", set, b); len(rep.Results) < 15 {
		t.Errorf("only %d tests", len(rep.Results))
	}
}

// The pages show the files whole.
func TestThePagesOfMovingShowItsFiles(t *testing.T) {
	for _, p := range bilingual("docs/getui-moving.md") {
		for _, file := range []string{"rules/moved.yaml", "failover/failover.yaml"} {
			b, err := os.ReadFile(filepath.Join(root, moving, file))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text(t, p), "```yaml\n"+string(b)+"```") {
				t.Errorf("%s does not show %s", p, file)
			}
		}
	}
}
