//go:build !race

package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      struct{ Severity string }
	Annotations struct {
		Summary, Description string
		RunbookURL           string `yaml:"runbook_url"`
	}
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var f struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	strict(t, read(t, "deploy/prometheus/alerts.yaml"), &f)
	if len(f.Groups) != 1 || len(f.Groups[0].Rules) < 25 {
		t.Fatalf("alerts.yaml has %d groups", len(f.Groups))
	}
	return f.Groups[0].Rules
}

// strict reads YAML, and fails on a key that the test does not know.
func strict(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := yaml.UnmarshalWithOptions(b, v, yaml.DisallowUnknownField()); err != nil {
		t.Fatal(err)
	}
}

// selector is a metric in PromQL with what its labels must be.
var (
	selector = regexp.MustCompile(`\b(notifier_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`)
)

// grouped are the labels by which a query groups or joins, legend those that a text shows.
var (
	grouped = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right) ?\(([^)]*)\)`)
	legend  = regexp.MustCompile(`\{\{ *(?:\$labels\.)?([a-z]\w*) *\}\}`)
)

// ofPrometheus are labels that the daemon need not have: Prometheus gives them, or a histogram's buckets have them.
func ofPrometheus(label string) bool { return label == "job" || label == "instance" || label == "le" }

// asked checks that what a query asks for is what the daemon has: metrics, labels, and values of labels that are compared with =. shown are
// texts in which labels of the result stand.
func asked(t *testing.T, where, expr string, shown ...string) (n int) {
	t.Helper()
	is := scrape(t)
	has := map[string]bool{}
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		n++
		name := metricOf(is, m[1])
		all := is[name]
		if len(all) == 0 {
			t.Errorf("%s: the daemon has no metric %s", where, m[1])
			continue
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			label, op, value := l[1], l[2], l[3]
			if ofPrometheus(label) {
				continue
			}
			if _, ok := all[0][label]; !ok {
				t.Errorf("%s: %s has no label %s", where, name, label)
			} else if op == "=" && !slices.ContainsFunc(all, func(ls map[string]string) bool { return ls[label] == value }) {
				t.Errorf("%s: %s never has %s=%q", where, name, label, value)
			}
		}
		for label := range all[0] {
			has[label] = true
		}
	}
	var used []string
	for _, m := range grouped.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			used = append(used, strings.TrimSpace(label))
		}
	}
	for _, text := range shown {
		for _, m := range legend.FindAllStringSubmatch(text, -1) {
			used = append(used, m[1])
		}
	}
	for _, label := range used {
		if !has[label] && !ofPrometheus(label) {
			t.Errorf("%s: none of its metrics has a label %q", where, label)
		}
	}
	return n
}

func TestAlertsAskForWhatTheDaemonHas(t *testing.T) {
	for _, a := range alerts(t) {
		if asked(t, a.Alert, a.Expr, a.Annotations.Summary, a.Annotations.Description) == 0 && !strings.Contains(a.Expr, `up{job="notifier"}`) {
			t.Errorf("%s asks for no metric of ours: %s", a.Alert, a.Expr)
		}
		if a.Labels.Severity != "page" && a.Labels.Severity != "warn" || a.Annotations.Summary == "" || a.Annotations.Description == "" {
			t.Errorf("%s lacks its severity, summary or description", a.Alert)
		}
	}
}

func TestEveryAlertIsTested(t *testing.T) {
	tests := string(read(t, "deploy/prometheus/alerts_test.yaml"))
	for _, a := range alerts(t) {
		if !regexp.MustCompile(`alertname: ` + a.Alert + `\n +exp_alerts:`).MatchString(tests) {
			t.Errorf("alerts_test.yaml never lets %s ring", a.Alert)
		}
		if !strings.Contains(tests, "alertname: "+a.Alert+"}") && a.Alert != "" {
			t.Errorf("alerts_test.yaml has no moment at which %s is silent", a.Alert)
		}
	}
}

// The alerts' tests go by series that the daemon has: an alert that rings in its test alone is none.
func TestTheAlertsAreTestedWithTheDaemonsSeries(t *testing.T) {
	var f struct {
		RuleFiles []string `yaml:"rule_files"`
		Every     string   `yaml:"evaluation_interval"`
		Tests     []struct {
			Name, Interval string
			InputSeries    []struct{ Series, Values string } `yaml:"input_series"`
			Rules          []any                             `yaml:"alert_rule_test"`
		}
	}
	strict(t, read(t, "deploy/prometheus/alerts_test.yaml"), &f)
	closed := []string{"reason", "state", "class", "fate", "result", "waiting_for", "source", "mode"} // their values do not hang on settings and rules
	is, n := scrape(t), 0
	for _, test := range f.Tests {
		for _, in := range test.InputSeries {
			m := selector.FindStringSubmatch(in.Series)
			if m == nil {
				if !strings.HasPrefix(in.Series, "up{") {
					t.Errorf("%s: %s is no series of ours", test.Name, in.Series)
				}
				continue
			}
			n++
			name := metricOf(is, m[1])
			all := is[name]
			if len(all) == 0 {
				t.Errorf("%s: the daemon has no metric %s", test.Name, m[1])
				continue
			}
			given := map[string]string{}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				if !ofPrometheus(l[1]) {
					given[l[1]] = l[3]
				}
			}
			if got, want := slices.Sorted(maps.Keys(given)), slices.Sorted(maps.Keys(all[0])); !slices.Equal(got, want) {
				t.Errorf("%s: %s has the labels %v, the daemon's has %v", test.Name, in.Series, got, want)
			}
			for _, label := range closed {
				value, ok := given[label]
				if ok && !slices.ContainsFunc(all, func(ls map[string]string) bool { return ls[label] == value }) {
					t.Errorf("%s: %s never has %s=%q", test.Name, name, label, value)
				}
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d series", n)
	}
}

// Each alert leads to a section of the runbook, in both languages, that says what to look at, how to decide, what to do, how to undo.
func TestEveryAlertHasItsSectionOfTheRunbook(t *testing.T) {
	const url = "https://github.com/notifier/notifier/blob/main/docs/runbook.md#"
	steps := map[string][]string{"docs/runbook.md": {"Look", "[Dd]ecide", "[Dd]o", "Undo"}, "docs/runbook.zh-CN.md": {"看", "判断", "做", "撤销"}}
	for page, words := range steps {
		text := string(read(t, page))
		for _, a := range alerts(t) {
			anchor, ok := strings.CutPrefix(a.Annotations.RunbookURL, url)
			if !ok {
				t.Errorf("%s leads to %q", a.Alert, a.Annotations.RunbookURL)
				continue
			}
			_, section, ok := strings.Cut(text, `<a id="`+anchor+`"></a>`)
			if !ok {
				t.Errorf("%s has no anchor %q, to which %s leads", page, anchor, a.Alert)
				continue
			}
			section, _, _ = strings.Cut(section, "\n<a id=")
			for _, w := range words {
				if !regexp.MustCompile(`\*\*[^*]*` + w + `[^*]*\*\*`).MatchString(section) {
					t.Errorf("%s#%s, to which %s leads, does not say **%s**", page, anchor, a.Alert, w)
				}
			}
			if !regexp.MustCompile(fmt.Sprintf("(?m)^\\|.*`%s`.*\\(#%s\\)", a.Alert, anchor)).MatchString(text) {
				t.Errorf("%s: the table of alerts does not lead from %s to #%s", page, a.Alert, anchor)
			}
		}
	}
}

type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, LegendFormat string }
}

func TestDashboardsAskForWhatTheDaemonHas(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "deploy/grafana/*.json"))
	if err != nil || len(files) != 2 {
		t.Fatalf("dashboards: %v %v", files, err)
	}
	uids := map[string]bool{}
	for _, f := range files {
		name := filepath.Base(f)
		var board struct {
			UID, Title string
			Panels     []panel
			Templating struct {
				List []struct{ Name, Definition string }
			}
			Annotations struct{ List []struct{ Expr string } }
		}
		if err := json.Unmarshal(read(t, "deploy/grafana/"+name), &board); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if board.UID == "" || board.Title == "" || uids[board.UID] {
			t.Errorf("%s needs a uid and a title of its own", name)
		}
		uids[board.UID] = true
		ids, n := map[int]bool{}, 0
		cells := map[[2]int]string{}
		for _, p := range board.Panels {
			if ids[p.ID] || p.Title == "" {
				t.Errorf("%s: panel %d %q", name, p.ID, p.Title)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s: %q lies over %q or out of the grid", name, p.Title, other)
					}
					cells[[2]int{x, y}] = p.Title
				}
			}
			for _, q := range p.Targets {
				n += asked(t, name+": "+p.Title, q.Expr, q.LegendFormat)
			}
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("%s: %q asks nothing", name, p.Title)
			}
		}
		for _, a := range board.Annotations.List {
			asked(t, name+": annotation", a.Expr)
		}
		for _, v := range board.Templating.List {
			asked(t, name+": variable "+v.Name, v.Definition)
		}
		if n < 12 {
			t.Errorf("%s asks for only %d metrics", name, n)
		}
	}
}

// metricOf is the name under which scrape has a series: without what a histogram's series add to it.
func metricOf(is map[string]series, name string) string {
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, part); ok && len(is[base]) > 0 {
			return base
		}
	}
	return name
}
