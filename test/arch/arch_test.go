// Package arch holds ARCHITECTURE.md to the imports: the drawing is a test.
package arch

import (
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/notifier/notifier/"

// drawn reads the arrows block of ARCHITECTURE.md: room -> the rooms it imports.
func drawn(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(b), "```arrows\n")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no arrows block")
	}
	block, _, _ = strings.Cut(block, "```")
	out := map[string][]string{}
	for line := range strings.Lines(block) {
		from, to, ok := strings.Cut(strings.TrimSpace(line), " -> ")
		if !ok {
			t.Fatalf("arrow %q", line)
		}
		out[from] = strings.Fields(to)
	}
	return out
}

// imported reads which internal packages each internal package imports, its tests apart.
func imported(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../../internal/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	sets := map[string]map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		room := filepath.Base(filepath.Dir(f))
		for _, im := range src.Imports {
			path, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if to, ok := strings.CutPrefix(path, module+"internal/"); ok {
				if sets[room] == nil {
					sets[room] = map[string]bool{}
				}
				sets[room][to] = true
			}
		}
	}
	out := map[string][]string{}
	for room, set := range sets {
		out[room] = slices.Sorted(maps.Keys(set))
	}
	return out
}

func TestTheDrawingIsTheHouse(t *testing.T) {
	if d := cmp.Diff(drawn(t), imported(t)); d != "" {
		t.Errorf("ARCHITECTURE.md's arrows (-) and the imports (+) differ:\n%s", d)
	}
}

func TestArrowsPointOneWay(t *testing.T) {
	arrows := drawn(t)
	var visit func(room string, path []string)
	visit = func(room string, path []string) {
		if slices.Contains(path, room) {
			t.Fatalf("a circle: %v", append(path, room))
		}
		for _, to := range arrows[room] {
			visit(to, append(slices.Clone(path), room))
		}
	}
	for room := range arrows {
		visit(room, nil)
	}
}

func TestEveryRoomIsInTheTable(t *testing.T) {
	b, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob("../../internal/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if room := "| `internal/" + filepath.Base(d) + "`"; !strings.Contains(string(b), room) {
			t.Errorf("ARCHITECTURE.md's table has no row %s", room)
		}
	}
}

// Rules are loaded one way: only internal/app makes the loader's options, so no command, reload or demo judges them by less.
func TestOnlyAppMakesTheOptionsOfRules(t *testing.T) {
	files, err := filepath.Glob("../../*/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	for _, f := range files {
		room := filepath.Base(filepath.Dir(f))
		if strings.HasSuffix(f, "_test.go") || room == "app" || room == "rules" || strings.Contains(f, "/bench/") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ReplaceAll(string(b), "return rules.Options{}, ", ""), "rules.Options{") {
			t.Errorf("%s makes rules.Options; take app.RuleOptions or app.AnyRuleOptions", f)
		}
	}
}

// The product has at most 15 direct dependencies (design.md 7); test-only modules stand apart in go.mod's comments.
func TestDirectDependenciesAreFew(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "github.com/") || strings.HasPrefix(line, "go.") || strings.HasPrefix(line, "golang.org/") || strings.HasPrefix(line, "pgregory") {
			if strings.Contains(line, "// indirect") || testOnly(line) {
				continue
			}
			n++
		}
	}
	if n == 0 || n > 15 {
		t.Errorf("%d direct dependencies of the product, the most is 15", n)
	}
}

func testOnly(line string) bool {
	for _, m := range []string{"google/go-cmp", "uber.org/goleak", "rogpeppe/go-internal", "pgregory.net/rapid", "santhosh-tekuri/jsonschema", "go.opentelemetry.io/proto"} {
		if strings.Contains(line, m) {
			return true
		}
	}
	return false
}
