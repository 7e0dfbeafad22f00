package load_test

import (
	"testing"

	"github.com/notifier/notifier/bench/load"
)

// What is compared is the search: the number of matches must not change with the number of rules.
func TestTheSameNumberOfRulesMatchesWhateverTheSize(t *testing.T) {
	for _, kind := range load.KindNames {
		for _, n := range []int{10, 200, 1000} {
			if kind == "mixed" && n < 200 {
				continue
			}
			k := load.NewKind(kind, n)
			set, err := load.Compile(k.Files())
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Rules) != n {
				t.Fatalf("%s: %d rules, want %d", kind, len(set.Rules), n)
			}
			const orders = 1000
			all, hit := 0, map[string]bool{}
			for _, b := range k.Orders(1, orders) {
				m := evaluate(t, set, load.Topic, b)
				all += m
				if m != 2 && (kind != "mixed" || m < 1 || m > 3) {
					t.Fatalf("%s of %d: %d rules match %s", kind, n, m, b)
				}
				hit[string(b)] = true
			}
			if mean := float64(all) / orders; mean < 1.9 || mean > 2.2 {
				t.Errorf("%s of %d: %.2f matches an order, want about 2", kind, n, mean)
			}
			if len(hit) != orders {
				t.Errorf("%s of %d: %d distinct orders of %d", kind, n, len(hit), orders)
			}
		}
	}
}
