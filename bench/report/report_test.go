package report

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func result(t *testing.T, name string, rounds []float64, g Goals) Result {
	t.Helper()
	r, err := New(name, "what", "x", "shared", rounds, g, "detail")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMedianAndPercentile(t *testing.T) {
	v := []float64{5, 1, 4, 2, 3}
	if got := Median(v); got != 3 {
		t.Errorf("median %v, want 3", got)
	}
	if got := Median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four %v, want 2.5", got)
	}
	for _, c := range []struct{ p, want float64 }{{20, 1}, {20.1, 2}, {50, 3}, {99, 5}, {100, 5}} {
		if got := Percentile(v, c.p); got != c.want {
			t.Errorf("p%v = %v, want %v", c.p, got, c.want)
		}
	}
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	if got := Percentile(hundred, 99); got != 99 {
		t.Errorf("p99 of 1 to 100 = %v, want 99", got)
	}
	if !math.IsNaN(Median(nil)) || !math.IsNaN(Percentile(nil, 50)) {
		t.Error("nothing has a median")
	}
	if !reflect.DeepEqual(v, []float64{5, 1, 4, 2, 3}) {
		t.Errorf("the caller's values were moved: %v", v)
	}
}

func TestAResultIsJudgedByItsMedian(t *testing.T) {
	more := Goals{First: 0.18, Goal: 0.4, Moonshot: 0.7}
	less := Goals{First: 1.05, Goal: 1.02, Moonshot: 1.005, Less: true}
	for _, c := range []struct {
		rounds []float64
		goals  Goals
		want   string
	}{
		{[]float64{0.1, 0.17, 0.9}, more, "none"},
		{[]float64{0.18}, more, "first"},
		{[]float64{0.5}, more, "goal"},
		{[]float64{0.7}, more, "moonshot"},
		{[]float64{1.0501}, less, "none"},
		{[]float64{1.05}, less, "first"},
		{[]float64{1.001}, less, "moonshot"},
		{[]float64{5}, Goals{}, ""},
		{[]float64{0}, Goals{First: 10, Zero: true, Less: true}, "moonshot"},
		{[]float64{0.001}, Goals{First: 10, Zero: true, Less: true}, "first"},
	} {
		if got := result(t, "n", c.rounds, c.goals).Met; got != c.want {
			t.Errorf("%v against %+v: met %q, want %q", c.rounds, c.goals, got, c.want)
		}
	}
	if _, err := New("n", "", "x", "", nil, Goals{}, ""); err == nil {
		t.Error("a figure without rounds")
	}
}

func TestWhatDidNotRunStays(t *testing.T) {
	a, b := result(t, "a", []float64{1}, Goals{}), result(t, "b", []float64{2}, Goals{})
	fresh, added := result(t, "b", []float64{3}, Goals{}), result(t, "c", []float64{4}, Goals{})
	got := Merge([]Result{a, b}, []Result{fresh, added})
	if want := []Result{a, fresh, added}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestJSONKeepsItsKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	if rs, err := ReadJSON(path); err != nil || rs != nil {
		t.Fatalf("a file that is not there: %v, %v", rs, err)
	}
	want := []Result{result(t, "a", []float64{1, 2, 3}, Goals{First: 2}), result(t, "b", []float64{1}, Goals{})}
	if err := WriteJSON(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadJSON(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("read %+v, %v, want %+v", got, err, want)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"name", "unit", "ratio", "low", "high", "rounds", "placement", "first", "goal", "moonshot", "met"} {
		if _, ok := list[1][key]; !ok {
			t.Errorf("no key %s in %s", key, b)
		}
	}
}

func TestOnlyTheTableOfTheReadmeIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, []byte("# mine\n"+begin+"\nold\n"+end+"\nhonest words\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := WriteReadme(path, []Result{result(t, "calls", []float64{1.0501}, Goals{First: 1.05, Less: true})}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if !strings.HasPrefix(text, "# mine\n"+begin) || !strings.HasSuffix(text, end+"\nhonest words\n") || strings.Contains(text, "old") {
		t.Errorf("what was written by hand changed:\n%s", text)
	}
	if row := "| calls | what; detail | **1.0501x** (1.0501–1.0501) | 1 | shared | ≤ 1.05 | - | - | NOT MET |"; strings.Count(text, row) != 1 {
		t.Errorf("want the row once:\n%s\nin\n%s", row, text)
	}
	if err := os.WriteFile(path, []byte("no markers"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteReadme(path, nil); err == nil {
		t.Error("a README without markers was written")
	}
}
