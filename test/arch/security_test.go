package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// product gives the syntax of the product's files by their path from the root, tests apart.
func product(t *testing.T) map[string]*ast.File {
	t.Helper()
	out := map[string]*ast.File{}
	for _, dir := range []string{"cmd", "internal", "rules", "schema", "docs"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
			out[strings.TrimPrefix(filepath.ToSlash(p), "../../")] = f
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 200 {
		t.Fatalf("only %d files", len(out))
	}
	return out
}

// Who may take a secret out of its wrapping: the two clients that sign, the one place that hands secrets to them and to Kafka, and the
// report that looks for them to cross them out.
func TestSecretsAreRevealedInFewPlaces(t *testing.T) {
	may := []string{"internal/app/app.go", "internal/app/kafka.go", "internal/app/vendor.go", "internal/doctor/bundle.go", "internal/getui/client.go", "internal/rongcloud/client.go"}
	var does []string
	for p, f := range product(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Reveal" && !slices.Contains(does, p) {
				does = append(does, p)
			}
			return true
		})
	}
	slices.Sort(does)
	if !slices.Equal(does, may) {
		t.Errorf("Reveal is used in %v, want %v", does, may)
	}
}

// What would open the product: TLS that believes everybody, profiles and variables over HTTP, clients that follow redirects and proxies of
// the environment, programs started from outside data, memory without types.
func TestNothingThatOpensTheProduct(t *testing.T) {
	imports := map[string]string{"net/http/pprof": "profiles over HTTP", "expvar": "variables over HTTP", "os/exec": "starts programs", "plugin": "loads programs", "unsafe": "memory without types", "math/rand": "random numbers that can be guessed",
		"crypto/md5": "a broken hash"}
	exempt := map[string]string{
		"internal/rules/processor_linux.go": "unsafe", // the processor's clock of a thread, a system call
	}
	names := map[string]string{"InsecureSkipVerify": "TLS that believes everybody", "DefaultClient": "follows redirects", "DefaultTransport": "follows the environment's proxy", "ProxyFromEnvironment": "follows the environment's proxy"}
	for p, f := range product(t) {
		for _, im := range f.Imports {
			path, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := imports[path]; why != "" && exempt[p] != path {
				t.Errorf("%s imports %s: %s", p, path, why)
			}
			if path == "crypto/sha1" && p != "internal/rongcloud/sign.go" && !strings.HasPrefix(p, "internal/sandbox/") {
				t.Errorf("%s imports crypto/sha1, which only the vendor's signature may", p)
			}
		}
		if strings.HasPrefix(p, "internal/sandbox/") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if why := names[n.Sel.Name]; why != "" {
					t.Errorf("%s uses %s: %s", p, n.Sel.Name, why)
				}
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok && names[id.Name] != "" {
					t.Errorf("%s uses %s: %s", p, id.Name, names[id.Name])
				}
			case *ast.CompositeLit: // each tls.Config says the least version
				if sel, ok := n.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Config" && fmt.Sprint(sel.X) == "tls" {
					least := slices.ContainsFunc(n.Elts, func(e ast.Expr) bool {
						kv, ok := e.(*ast.KeyValueExpr)
						return ok && fmt.Sprint(kv.Key) == "MinVersion"
					})
					if !least {
						t.Errorf("%s makes a tls.Config without MinVersion", p)
					}
				}
			}
			return true
		})
	}
}

// Releases below these have holes that are known: CVE-2025-29786 and CVE-2025-68156 (expr), CVE-2020-35380, -36066, -36067 and
// 2021-42248, -42836 (gjson), GO-2026-5841 (compress), CVE-2022-21698 (client_golang), CVE-2022-28948 (yaml.v3).
func TestDependenciesAreAboveTheirFloors(t *testing.T) {
	floors := map[string][3]int{"github.com/expr-lang/expr": {1, 17, 7}, "github.com/tidwall/gjson": {1, 9, 3}, "github.com/klauspost/compress": {1, 18, 7},
		"github.com/prometheus/client_golang": {1, 11, 1}, "gopkg.in/yaml.v3": {3, 0, 1}}
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		floor, ok := floors[f[0]]
		if !ok {
			continue
		}
		found++
		var is [3]int
		if _, err := fmt.Sscanf(f[1], "v%d.%d.%d", &is[0], &is[1], &is[2]); err != nil {
			t.Errorf("%s: %v", f[0], err)
		}
		if slices.Compare(is[:], floor[:]) < 0 {
			t.Errorf("%s is %v, the least is %v", f[0], is, floor)
		}
	}
	if found < 4 {
		t.Errorf("only %d of the modules are in go.mod", found)
	}
}
