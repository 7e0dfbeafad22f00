// Package faults holds the list of faults to the tests: what we say that we survive is injected somewhere, by a name that exists.
package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fault is one row of test/faults.json. By are the injectors, each "FOLDER NAME": a test or fuzz target of that folder, or else a
// text or a constant that its code has. None says why nobody injects it.
type fault struct {
	Row   string
	Fault string
	Layer string
	By    []string
	None  string
}

// rows are how many faults there are of each kind: Kafka, events and rules, time, the vendor's calls, quota, process, configuration.
var rows = []struct {
	kind string
	n    int
}{{"K", 16}, {"E", 10}, {"T", 7}, {"V", 17}, {"Q", 6}, {"P", 6}, {"C", 6}}

// counted are the folders whose runs count what they inject of each row that names their layer, and fail where that is nothing.
var counted = map[string]string{"test/sim ": "L2", "test/chaos/": "L3"}

func TestEveryFaultIsInjectedBySomethingThatExists(t *testing.T) {
	b, err := os.ReadFile("../faults.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []fault
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	byRow, none := map[string]fault{}, 0
	for _, f := range list {
		if _, twice := byRow[f.Row]; twice {
			t.Errorf("%s is there twice", f.Row)
		}
		byRow[f.Row] = f
	}
	for _, r := range rows {
		for i := range r.n {
			row := fmt.Sprint(r.kind, i+1)
			f, ok := byRow[row]
			delete(byRow, row)
			switch {
			case !ok || f.Fault == "":
				t.Errorf("%s is missing", row)
			case f.None != "" && len(f.By) > 0 || f.None == "" && (len(f.By) == 0 || f.Layer == ""):
				t.Errorf("%s (%s): want a layer and who injects it, or why nobody does", row, f.Fault)
			case f.None != "":
				none++
				t.Logf("%s (%s) is not injected: %s", row, f.Fault, f.None)
			}
			for folder, layer := range counted {
				has := slices.ContainsFunc(f.By, func(by string) bool { return strings.HasPrefix(by, folder) })
				if has != slices.Contains(strings.Fields(f.Layer), layer) {
					t.Errorf("%s (%s): %s stands for an injector in %s, which counts it: want both or neither", row, f.Fault, layer, folder)
				}
			}
			for _, by := range f.By {
				if err := exists(by); err != nil {
					t.Errorf("%s (%s): %v", row, f.Fault, err)
				}
			}
		}
	}
	for row := range byRow {
		t.Errorf("%s is a row that nobody knows", row)
	}
	if none > 1 {
		t.Errorf("%d faults are not injected, at most 1 was", none)
	}
}

// exists looks for the name of an injector in its folder.
func exists(by string) error {
	dir, name, ok := strings.Cut(by, " ")
	if !ok {
		return fmt.Errorf("%q: want a folder and a name", by)
	}
	files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
	if err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		code := string(b)
		if test := strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz"); test && strings.Contains(code, "\nfunc "+name+"(") ||
			!test && !strings.HasSuffix(f, "_test.go") && (strings.Contains(code, `"`+name) || strings.Contains(code, "\t"+name+" ")) {
			return nil
		}
	}
	return fmt.Errorf("%s has no %s", dir, name)
}
