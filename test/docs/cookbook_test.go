//go:build !race

package docs

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

const cookbook = "docs/cookbook"

// excerpts reports whether a page shows files, or parts of them, that have a test of their own and are held equal to what it shows.
func excerpts(page string) bool {
	return strings.HasPrefix(page, cookbook+".") || strings.HasPrefix(page, "docs/getui-moving.")
}

// recipes are the rule files of the cookbook, by name; beside is what each of them needs: the catalogue and its samples.
func recipes(t *testing.T) (all []rules.File, beside, own []rules.File) {
	t.Helper()
	all, list := rules.Read([]string{filepath.Join(root, cookbook, "rules")})
	if len(list) > 0 {
		t.Fatal(show(list))
	}
	for _, f := range all {
		if path.Base(f.Name) == "events.yaml" || path.Ext(f.Name) == ".json" {
			beside = append(beside, f)
		} else {
			own = append(own, f)
		}
	}
	if len(own) < 12 {
		t.Fatalf("only %d recipes", len(own))
	}
	return all, beside, own
}

// cookbookSettings are read as `check` and `test` read them: without secrets.
func cookbookSettings(t *testing.T) *settings.Settings {
	t.Helper()
	s, list := settings.LoadForRules(filepath.Join(root, cookbook, "notifier.yaml"), nil)
	if s == nil || len(list) > 0 {
		t.Fatal(show(list))
	}
	return s
}

// Every recipe passes what an author would ask of it: check --strict, alone and beside the others, fmt --diff, and test --coverage.
func TestTheCookbookIsProved(t *testing.T) {
	all, beside, own := recipes(t)
	s := cookbookSettings(t)
	set, list := rules.LoadFiles(all, app.RuleOptions(s))
	if len(list) > 0 {
		t.Fatal(show(list))
	}
	formatted(t, cookbook, all)
	for _, f := range own {
		if _, list := rules.LoadFiles(append(slices.Clone(beside), f), app.RuleOptions(s)); len(list) > 0 {
			t.Errorf("%s, copied alone:\n%s", f.Name, show(list))
		}
	}
	rep := proved(t, cookbook, set, app.NewBench(s, nil))
	if c := rep.Coverage; c.Both != c.Clauses || len(c.Untested) > 0 || c.Clauses < 20 {
		t.Errorf("%d of %d clauses are proved both ways, open: %+v, without a test: %v", c.Both, c.Clauses, c.Open, c.Untested)
	}
}

// The pages show each recipe once, in a section of its own that leads to the file, and what they show stands in the file like that.
func TestThePagesOfTheCookbookShowItsFiles(t *testing.T) {
	_, _, own := recipes(t)
	name := regexp.MustCompile(`\(cookbook/rules/([a-z]+\.yaml)\)`)
	for _, p := range bilingual(cookbook + ".md") {
		shown := map[string]bool{}
		for title, body := range sections(text(t, p), "## ") {
			m := name.FindStringSubmatch(body)
			_, rest, ok := strings.Cut(body, "```yaml\n")
			part, _, closed := strings.Cut(rest, "```")
			if !ok && m == nil {
				continue
			}
			if m == nil || !ok || !closed || shown[m[1]] {
				t.Errorf("%s: %q must lead to one file and show it", p, title)
				continue
			}
			shown[m[1]] = true
			if i := slices.IndexFunc(own, func(f rules.File) bool { return path.Base(f.Name) == m[1] }); i < 0 || !strings.Contains(string(own[i].Data), part) {
				t.Errorf("%s: %q does not show what stands in %s:\n%s", p, title, m[1], part)
			}
		}
		if len(shown) != len(own) {
			t.Errorf("%s shows %d of %d recipes: %v", p, len(shown), len(own), shown)
		}
	}
}
