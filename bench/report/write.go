package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// The generated table of README.md stands between these lines.
const (
	begin = "<!-- results: written by `go run ./bench`, do not edit -->"
	end   = "<!-- end of results -->"
)

// ReadJSON reads results.json; a file that does not exist is an empty list.
func ReadJSON(path string) ([]Result, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	var rs []Result
	if err := json.Unmarshal(b, &rs); err != nil {
		return nil, fmt.Errorf("read results: %s: %w", path, err)
	}
	return rs, nil
}

// WriteJSON writes results.json.
func WriteJSON(path string, rs []Result) error {
	b, err := json.MarshalIndent(rs, "", "  ")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// Merge puts the fresh results in the place of those of the same name and placement; results of benches that did not run stay.
func Merge(old, fresh []Result) []Result {
	out := append([]Result(nil), old...)
next:
	for _, f := range fresh {
		for i := range out {
			if out[i].Name == f.Name {
				out[i] = f
				continue next
			}
		}
		out = append(out, f)
	}
	return out
}

// WriteReadme replaces the table of README.md and leaves the rest, which is written by hand, as it is.
func WriteReadme(path string, rs []Result) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("write the table: %s needs the lines %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(head+begin+"\n\n"+Table(rs)+"\n"+end+tail), 0o644)
}

// Table is the results as a Markdown table.
func Table(rs []Result) string {
	var b strings.Builder
	b.WriteString("| bench | what | median (min–max) | rounds | placement | first | goal | moonshot | met |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rs {
		fmt.Fprintf(&b, "| %s | %s; %s | **%s** (%s–%s) | %d | %s | %s | %s | %s | %s |\n", r.Name, r.What, r.Detail, Figure(r.Ratio, r.Unit), number(r.Low, r.Unit), number(r.High, r.Unit),
			r.Rounds, r.Placement, r.bound(r.First), r.bound(r.Goal), r.bound(r.Moonshot), verdict(r.Met))
	}
	return b.String()
}

// Line is a result as the terminal shows it.
func (r Result) Line() string {
	s := fmt.Sprintf("%-28s %10s  (%s–%s, %d rounds; %s)", r.Name, Figure(r.Ratio, r.Unit), number(r.Low, r.Unit), number(r.High, r.Unit), r.Rounds, r.Placement)
	if r.Met != "" {
		s += fmt.Sprintf("  first %s goal %s moonshot %s: %s", r.bound(r.First), r.bound(r.Goal), r.bound(r.Moonshot), verdict(r.Met))
	}
	return s + "\n    " + r.What + "; " + r.Detail
}

func verdict(met string) string {
	switch met {
	case "":
		return "-"
	case "none":
		return "NOT MET"
	}
	return met
}

func (r Result) bound(v *float64) string {
	switch {
	case v == nil:
		return "-"
	case r.Less:
		return "≤ " + strconv.FormatFloat(*v, 'f', -1, 64)
	}
	return "≥ " + strconv.FormatFloat(*v, 'f', -1, 64)
}

// Figure is a number with its unit, three or four digits of it.
func Figure(v float64, unit string) string {
	if unit == "x" {
		return number(v, unit) + "x"
	}
	return number(v, unit) + " " + unit
}

// number never rounds a ratio to a goal it misses: 1.0501 is not 1.05.
func number(v float64, unit string) string {
	switch {
	case unit == "x" && v < 2:
		return strconv.FormatFloat(v, 'f', 4, 64)
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 1000:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}
