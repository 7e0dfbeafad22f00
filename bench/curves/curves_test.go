package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/notifier/notifier/bench/report"
)

// The curves in docs are those of results.json: who measures anew draws anew.
func TestCurvesInDocsAreDrawnFromTheResults(t *testing.T) {
	root := filepath.Join("..", "..")
	results, err := report.ReadJSON(filepath.Join(root, "bench", "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	for file, draw := range map[string]func([]report.Result) (chart, error){"scaling-rules.svg": rules, "scaling-users.svg": users} {
		c, err := draw(results)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		have, err := os.ReadFile(filepath.Join(root, "docs", file))
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != c.svg() {
			t.Errorf("docs/%s is not what results.json gives: run `go run ./bench/curves`", file)
		}
	}
}

// A chart is well-formed, names every line, keeps names apart and all points inside the plot.
func TestChart(t *testing.T) {
	c := chart{title: "a < b & c", x: axis{from: 10, to: 1000, label: "n", marks: []mark{{10, "10"}, {1000, "1,000"}}},
		y:     axis{to: 4, linear: true, marks: []mark{{0, "0"}, {4, "4"}}},
		lines: []line{{"one", [][2]float64{{10, 1}, {1000, 2}}}, {"two", [][2]float64{{10, 1}, {1000, 2}}}, {"three", [][2]float64{{10, 4}, {1000, 0}}}}}
	out := c.svg()
	d := xml.NewDecoder(strings.NewReader(out))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
	}
	for _, want := range []string{`points="70.0,278.0 570.0,204.0"`, `points="70.0,56.0 570.0,352.0"`, ">one<", ">two<", ">three<", "a &lt; b &amp; c"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
	if n := c.names(); n[1]-n[0] < nameHeight || n[2] <= n[1] {
		t.Errorf("names at %v", n)
	}
	if y := c.x.place(100, 0, 2); y != 1 {
		t.Errorf("100 is at %v between 10 and 1,000", y)
	}
}
