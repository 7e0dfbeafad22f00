//go:build !race

package deploy

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// series are the labels of one name's series, as /metrics has them.
type series []map[string]string

var (
	once    sync.Once
	metrics map[string]series
	types   = map[string]string{} // counter, gauge or histogram, by name
)

// scrape gives what /metrics holds when a daemon has just become ready, by name; of a histogram the name without _bucket, _sum and _count. It
// is asked once for all tests.
func scrape(t *testing.T) map[string]series {
	t.Helper()
	once.Do(func() { metrics = scraped(t) })
	if len(metrics) == 0 {
		t.Fatal("an earlier test could not read /metrics")
	}
	return metrics
}

func scraped(t *testing.T) map[string]series {
	t.Helper()
	d := start(t, nil)
	d.ready()
	code, body := d.get("/metrics")
	if code != http.StatusOK {
		t.Fatalf("/metrics: %d %s", code, body)
	}
	out := map[string]series{}
	label := regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
	for line := range strings.Lines(body) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" {
			types[f[2]] = f[3]
		}
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.IndexByte(line, '{'); i >= 0 {
			name, rest = line[:i], line[i:]
		}
		if name == "" || name[0] == '#' {
			continue
		}
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, part); ok && types[base] == "histogram" {
				name = base
			}
		}
		labels := map[string]string{}
		for _, m := range label.FindAllStringSubmatch(rest, -1) {
			if m[1] != "le" {
				labels[m[1]] = m[2]
			}
		}
		out[name] = append(out[name], labels)
	}
	return out
}

// documented is a row of the document: names, and what it says of their labels.
type documented struct {
	names     []string
	labels    string
	histogram bool
}

// absent are labels that a row of the document gives to all its metrics and one of them does not have, or not by default.
var absent = map[string][]string{
	"notifier_partition_owned":                   {"reason"},
	"notifier_quota_limit":                       {"source"},
	"notifier_quota_next_slot_timestamp_seconds": {"source"},
	"notifier_consumer_lag":                      {"partition"},
	"notifier_partition_oldest_age_seconds":      {"partition"},
}

func document(t *testing.T) (out []documented) {
	t.Helper()
	name := regexp.MustCompile("`(notifier_\\w+)`")
	for line := range strings.Lines(string(read(t, "test/deploy/testdata/metrics.md"))) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		d := documented{labels: cells[2], histogram: strings.Contains(cells[1], "(histogram)")}
		for _, m := range name.FindAllStringSubmatch(cells[1], -1) {
			d.names = append(d.names, m[1])
		}
		if len(d.names) > 0 {
			out = append(out, d)
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d rows", len(out))
	}
	return out
}

// Every metric of the document is there when a daemon has just started, before the first event: with the document's labels, and with each
// value that the document lists.
func TestEveryMetricOfTheDocumentExistsFromTheStart(t *testing.T) {
	is := scrape(t)
	for _, d := range document(t) {
		for _, name := range d.names {
			all := is[name]
			if len(all) == 0 {
				t.Errorf("%s is not there", name)
				continue
			}
			for _, l := range slices.Sorted(maps.Keys(all[0])) {
				if !regexp.MustCompile(`\b` + l + `\b`).MatchString(d.labels) {
					t.Errorf("%s has a label %s that the document does not give it: %s", name, l, d.labels)
				}
			}
			word := regexp.MustCompile(`^[a-z_]+$`)
			given, _, _ := strings.Cut(regexp.MustCompile(`\(used: (\w+) = `).ReplaceAllString(d.labels, ", $1 = "), " = ")
			for l := range strings.SplitSeq(regexp.MustCompile(`\([^)]*\)| only if enabled`).ReplaceAllString(given, ""), ",") {
				l = strings.TrimSpace(l)
				if _, ok := all[0][l]; word.MatchString(l) && ok == slices.Contains(absent[name], l) {
					t.Errorf("%s has the label %s: %t, the document says %s", name, l, ok, d.labels)
				}
			}
			if is := types[name]; d.histogram && is != "histogram" || strings.HasSuffix(name, "_total") != (is == "counter") || is == "summary" {
				t.Errorf("%s is a %s", name, is)
			}
			if strings.Contains(d.labels, "used: ") && name != "notifier_quota_used" { // what stands there is of that one
				continue
			}
			label, values := listed(d.labels)
			for _, v := range values {
				if !slices.ContainsFunc(all, func(ls map[string]string) bool { return ls[label] == v }) {
					t.Errorf("%s has no series with %s=%q", name, label, v)
				}
			}
		}
	}
}

// listed takes "lane, state = merging, approval" apart: the values of state.
func listed(text string) (label string, values []string) {
	before, after, ok := strings.Cut(text, " = ")
	if !ok {
		return "", nil
	}
	words := strings.FieldsFunc(before, func(r rune) bool { return strings.ContainsRune(", (:", r) })
	return words[len(words)-1], strings.Split(strings.Trim(after, " )"), ", ")
}

// The manual's page has every metric of ours, with its labels and with all values of those that it lists, and none that is not there.
func TestThePageOfMetricsIsWhatTheDaemonHas(t *testing.T) {
	is := scrape(t)
	row := regexp.MustCompile("(?m)^\\| `(notifier_\\w+)` \\| ([^|]*) \\|")
	for _, page := range []string{"docs/metrics.md", "docs/metrics.zh-CN.md"} {
		seen := map[string]bool{}
		for _, m := range row.FindAllStringSubmatch(string(read(t, page)), -1) {
			name, all := m[1], is[m[1]]
			if seen[name] || len(all) == 0 {
				t.Errorf("%s: %s stands there twice, or is not there", page, name)
				continue
			}
			seen[name] = true
			label, values := listed(m[2])
			before, _, _ := strings.Cut(m[2], " = ")
			names := strings.Split(strings.Trim(before, "–"), ", ")
			slices.Sort(names)
			if got := strings.Join(slices.Sorted(maps.Keys(all[0])), ", "); got != strings.Join(names, ", ") {
				t.Errorf("%s: %s has the labels %s, the page says %s", page, name, got, m[2])
			}
			has := map[string]bool{}
			for _, ls := range all {
				has[ls[label]] = true
			}
			slices.Sort(values)
			if got := slices.Sorted(maps.Keys(has)); label != "" && !slices.Equal(got, values) {
				t.Errorf("%s: %s has %s = %v, the page says %v", page, name, label, got, values)
			}
		}
		for name := range is {
			if strings.HasPrefix(name, "notifier_") && !seen[name] {
				t.Errorf("%s lacks %s", page, name)
			}
		}
	}
}

// The program says in its metrics and on the command line what was built.
func TestTheBuildIsNamed(t *testing.T) {
	info := scrape(t)["notifier_build_info"]
	if len(info) != 1 || info[0]["version"] != version || info[0]["revision"] != revision {
		t.Errorf("notifier_build_info: %v", info)
	}
	if out := output(t, program, "version"); !strings.HasPrefix(out, fmt.Sprintf("notifier %s (%s, go", version, revision)) {
		t.Errorf("notifier version: %q", out)
	}
}
