// Command curves draws docs/scaling-rules.svg and docs/scaling-users.svg from results.json: how the time of an event grows with the
// rules, as `go run ./bench -only flat` measured it, and what users take in memory, from the bytes that `-only table` and `-only pending` weighed.
//
//	go run ./bench/curves     # from the repository root
//
// The first is measured point by point; the second is arithmetic: bytes of one user times their number.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/notifier/notifier/bench/report"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "curves:", err)
		os.Exit(1)
	}
}

// run draws from root/bench/results.json into root/docs.
func run(root string) error {
	results, err := report.ReadJSON(filepath.Join(root, "bench", "results.json"))
	if err != nil {
		return err
	}
	for _, c := range []struct {
		file  string
		chart func([]report.Result) (chart, error)
	}{{"scaling-rules.svg", rules}, {"scaling-users.svg", users}} {
		drawn, err := c.chart(results)
		if err != nil {
			return fmt.Errorf("%s: %w", c.file, err)
		}
		if err := os.WriteFile(filepath.Join(root, "docs", c.file), []byte(drawn.svg()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// rules is the time of an event against the number of rules, by kind.
func rules(results []report.Result) (chart, error) {
	c := chart{
		title: "CPU time of an event against the number of rules",
		note:  "decode and evaluate, two rules match; the least set of each kind is 1",
		x:     axis{from: 10, to: 100_000, label: "rules", marks: []mark{{10, "10"}, {100, "100"}, {1000, "1,000"}, {10_000, "10,000"}, {100_000, "100,000"}}},
		y:     axis{label: "times the least set", linear: true},
	}
	most := 2.0
	for _, kind := range []string{"types", "store", "range", "in", "mixed"} {
		least := 10.0
		if kind == "mixed" {
			least = 200
		}
		l := line{name: kind, points: [][2]float64{{least, 1}}}
		for _, n := range []int{1000, 10_000, 100_000} {
			r, ok := find(results, fmt.Sprintf("flat-%s-%d", kind, n))
			if !ok {
				return chart{}, fmt.Errorf("results.json has no flat-%s-%d: run `go run ./bench -only flat`", kind, n)
			}
			l.points = append(l.points, [2]float64{float64(n), r.Ratio})
			most = max(most, r.Ratio)
		}
		c.lines = append(c.lines, l)
	}
	c.y.to = float64(int(most) + 1)
	for i := range int(c.y.to) + 1 {
		c.y.marks = append(c.y.marks, mark{float64(i), fmt.Sprint(i)})
	}
	return c, nil
}

// users is memory against the number of users.
func users(results []report.Result) (chart, error) {
	c := chart{
		title: "Memory of users on paper",
		note:  "live heap: bytes of one, as weighed, times their number; the collector takes up to as much again",
		x:     axis{from: 10_000, to: 10_000_000, label: "users", marks: []mark{{10_000, "10,000"}, {100_000, "100,000"}, {1e6, "1 million"}, {1e7, "10 million"}}},
		y: axis{from: 100_000, to: 100e9, label: "bytes",
			marks: []mark{{1e5, "100 KB"}, {1e6, "1 MB"}, {1e7, "10 MB"}, {1e8, "100 MB"}, {1e9, "1 GB"}, {1e10, "10 GB"}, {1e11, "100 GB"}}},
	}
	for _, s := range []struct{ bench, name string }{{"table", "known"}, {"pending", "wait for a tag call"}, {"pending-held", "wait, whole actor"}} {
		r, ok := find(results, s.bench)
		if !ok {
			return chart{}, fmt.Errorf("results.json has no %s: run `go run ./bench -only table` and `-only pending`", s.bench)
		}
		l := line{name: fmt.Sprintf("%s: %.0f B each", s.name, r.Ratio)}
		for _, m := range c.x.marks {
			l.points = append(l.points, [2]float64{m.at, m.at * r.Ratio})
		}
		c.lines = append(c.lines, l)
	}
	return c, nil
}

func find(results []report.Result, name string) (report.Result, bool) {
	for _, r := range results {
		if r.Name == name {
			return r, true
		}
	}
	return report.Result{}, false
}
