//go:build !race

package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/settings"
)

func bilingual(page string) []string { return []string{page, twin(page)} }

// literals gives the string constants of a type in a Go file: `Duplicate Reason = "duplicate"`.
func literals(t *testing.T, file, typ string) (out []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != typ {
			return true
		}
		for _, x := range v.Values {
			if lit, ok := x.(*ast.BasicLit); ok {
				if s, err := strconv.Unquote(lit.Value); err == nil && s != "" {
					out = append(out, s)
				}
			}
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("%s has no constants of type %s", file, typ)
	}
	return out
}

func TestEveryFateReasonAndStateIsExplained(t *testing.T) {
	words := literals(t, "internal/ledger/fate.go", "FateKind")
	words = append(words, literals(t, "internal/ledger/fate.go", "Reason")...)
	for _, p := range bilingual("docs/fates.md") {
		body := text(t, p)
		for _, w := range words {
			if !strings.Contains(body, "`"+w+"`") {
				t.Errorf("%s does not explain %s", p, w)
			}
		}
	}
}

// row is the first cell of a table's row, in backquotes.
var row = regexp.MustCompile("(?m)^\\| `([A-Za-z_-]+)` \\|")

func TestFatesPageKnowsNoFateThatTheProgramDoesNot(t *testing.T) {
	known := literals(t, "internal/ledger/fate.go", "FateKind")
	known = append(known, literals(t, "internal/ledger/fate.go", "Reason")...)
	for _, s := range dispatch.States {
		known = append(known, s.String())
	}
	for _, p := range bilingual("docs/fates.md") {
		for _, m := range row.FindAllStringSubmatch(text(t, p), -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s: the program has no %s", p, m[1])
			}
		}
	}
}

func TestEveryDiagnosticCodeHasItsSection(t *testing.T) {
	want := found(t, `\b([NWI][1-9][0-9]{2})\b`)
	for _, p := range bilingual("docs/codes.md") {
		have := map[string]bool{}
		for name, body := range sections(text(t, p), "### ") {
			have[name] = true
			if strings.TrimSpace(body) == "" {
				t.Errorf("%s: section %s is empty", p, name)
			}
		}
		if d := cmp.Diff(want, sorted(have)); d != "" {
			t.Errorf("%s (-in the sources +on the page):\n%s", p, d)
		}
	}
}

func TestEverySettingIsListedWithItsDefault(t *testing.T) {
	src := text(t, "docs/first/notifier.yaml") + "  second: {vendor: getui, app_id: a, app_key: k, master_secret: \"${env:RONGCLOUD_SECRET}\"}\n"
	file := filepath.Join(t.TempDir(), "notifier.yaml")
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	s, list := settings.Load(file, []string{"RONGCLOUD_SECRET=x"}, nil)
	if s == nil {
		t.Fatal(list)
	}
	given := map[string]bool{"version": true, "kafka.embedded": true, "kafka.start": true, "log.format": true, "kafka.replication": true,
		"kafka.instance": true, "accounts.NAME.hosts": true, "accounts.NAME.app_key": true, "accounts.NAME.secret": true, "accounts.NAME.vendor": true,
		"accounts.GETUI.vendor": true, "accounts.GETUI.app_id": true, "accounts.GETUI.app_key": true, "accounts.GETUI.master_secret": true}
	cell := regexp.MustCompile("(?m)^\\| `([a-zA-Z_.]+)` \\| (?:`([^`]*)`|([^|]*)) \\|")
	for _, p := range bilingual("docs/settings.md") {
		have := map[string]string{}
		for _, m := range cell.FindAllStringSubmatch(text(t, p), -1) {
			have[m[1]] = m[2]
		}
		n := 0
		for _, e := range s.Entries {
			key := strings.NewReplacer("accounts.main.", "accounts.NAME.", "accounts.second.", "accounts.GETUI.").Replace(e.Path)
			def, ok := have[key]
			switch {
			case !ok:
				t.Errorf("%s does not list %s", p, key)
			case !given[key] && def != e.Value:
				t.Errorf("%s: %s: default is %q, the page says %q", p, key, e.Value, def)
			}
			delete(have, key)
			n++
		}
		for key := range have {
			t.Errorf("%s: there is no setting %s", p, key)
		}
		if n < 50 {
			t.Errorf("only %d settings were compared", n)
		}
	}
}

func TestEveryEndpointAndLaneIsOnTheVendorPage(t *testing.T) {
	endpoints := []string{rongpush.TagSet.Path, rongpush.TagBatchSet.Path, rongpush.TagsGet.Path, rongpush.Push.Path, rongpush.PushUser.Path,
		rongpush.BroadcastMessage.Path, rongpush.OnlineMessage.Path, rongpush.SystemPublish.Path, rongpush.SystemTemplate.Path,
		rongpush.BroadcastRecall.Path, rongpush.PushCustom.Path}
	getuis := []getui.Endpoint{getui.SingleAlias, getui.SingleCID, getui.BatchCID, getui.ListMessage, getui.ListAlias, getui.ListCID, getui.AppAll, getui.AppTag, getui.AppFastTag, getui.UserStatus}
	for i, p := range bilingual("docs/vendor.md") {
		other := text(t, bilingual("docs/getui.md")[i])
		for _, ep := range getuis {
			if !strings.Contains(other, "`"+ep.Name+"`") {
				t.Errorf("%s: its page of Getui does not have %s", p, ep.Name)
			}
		}
		body := text(t, p) + other
		lanes := append(app.LanesOf(&settings.Account{Vendor: "rongcloud"}), app.LanesOf(&settings.Account{Vendor: "getui"})...) // split budgets: every lane
		for _, w := range append(endpoints, lanes...) {
			if !strings.Contains(body, "`"+w+"`") {
				t.Errorf("%s does not have %s", p, w)
			}
		}
		for _, m := range regexp.MustCompile("`(/[a-z/]+\\.json)`").FindAllStringSubmatch(body, -1) {
			if !slices.Contains(endpoints, m[1]) {
				t.Errorf("%s: the program never calls %s", p, m[1])
			}
		}
	}
}
