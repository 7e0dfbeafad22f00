//go:build !race

package docs

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/ruletest"
	"github.com/notifier/notifier/test/schema"
)

// passes runs the tests in rule files and gives how many there were.
func passes(t *testing.T, where string, files []rules.File) int {
	t.Helper()
	set, list := rules.LoadFiles(files, app.AnyRuleOptions())
	if set == nil {
		t.Errorf("%s:\n%s", where, show(list))
		return 0
	}
	return len(proved(t, where, set, app.AnyBench(set, nil)).Results)
}

// held makes the requests of a bench, holds each to its vendor's schema, and calls sent with its path.
func held(t *testing.T, where string, b *app.Bench, sent func(path string)) func(dispatch.Departure) (json.RawMessage, error) {
	return func(d dispatch.Departure) (json.RawMessage, error) {
		body, err := b.Request(d)
		if err != nil {
			return nil, err
		}
		method, path, other := strings.Cut(d.Call.Endpoint, " ")
		if !other {
			method, path = "POST", d.Call.Endpoint
		}
		if !strings.HasSuffix(path, ".json") { // as all of RongCloud's do
			path = "/v2/app" + path
		}
		if err := schema.Request(method, path, body); err != nil {
			t.Errorf("%s: a request breaks the vendor's schema: %v\n%s", where, err, body)
		}
		if sent != nil {
			sent(path)
		}
		return body, nil
	}
}

// proved runs the tests of a set; all of them must pass.
func proved(t *testing.T, where string, set *rules.Set, b *app.Bench) *ruletest.Report {
	t.Helper()
	rep := ruletest.Run(ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Request: held(t, where, b, nil), Snapshots: &ruletest.Snapshots{}})
	for _, r := range rep.Results {
		if !r.OK {
			t.Errorf("%s: %s/%s, %s:%d: %v", where, r.Rule, r.Name, r.File, r.Line, r.Diffs)
		}
	}
	return rep
}

// The examples of the manual, and the rules that come with the program, prove what they say.
func TestTheTestsOfExamplesPass(t *testing.T) {
	n := 0
	for _, p := range pages(t) {
		if excerpts(p) {
			continue
		}
		catalogue := shipped(t)
		for _, b := range blocks(t, p) {
			switch file := (rules.File{Name: "page.yaml", Data: []byte(b.body + "\n")}); {
			case b.lang != "yaml" || strings.Contains(b.body, "\nkafka:"):
			case strings.Contains(b.body, "\nevents:"):
				file.Name = "events.yaml"
				catalogue = []rules.File{file}
			default:
				n += passes(t, b.String(), append(catalogue[:len(catalogue):len(catalogue)], file))
			}
		}
	}
	for _, dir := range []string{"rules", "docs/first/rules"} {
		files, list := rules.Read([]string{filepath.Join(root, dir)})
		if len(list) > 0 {
			t.Fatal(show(list))
		}
		n += passes(t, dir, files)
	}
	if n < 50 {
		t.Errorf("only %d tests", n)
	}
}
