//go:build !race

// The race detector empties pools at random, so that what they keep counts again and again.

package backtest

import (
	"runtime"
	"testing"
)

// TestWorkOfAnEvent holds what an event costs in allocations, which are most of the time: the goal of BenchmarkHistory is lost by them
// long before it is by the processor. The bounds are a fifth above what it takes.
func TestWorkOfAnEvent(t *testing.T) {
	const n = 20_000
	for _, c := range []struct {
		name     string
		compared bool
		objects  float64 // an event, at most
		bytes    float64
	}{{"alone", false, 20, 2060}, {"against", true, 32.5, 3150}} {
		t.Run(c.name, func(t *testing.T) {
			path, s, against := past(t, n, c.compared)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			h, err := OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			rep, err := Run(h.Each, s, against)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if rep.Stage1.Matched != n/10 {
				t.Fatalf("%d matched", rep.Stage1.Matched)
			}
			objects, bytes := float64(after.Mallocs-before.Mallocs)/n, float64(after.TotalAlloc-before.TotalAlloc)/n
			t.Logf("%.2f objects, %.0f bytes an event", objects, bytes)
			if objects > c.objects || bytes > c.bytes {
				t.Errorf("%.2f objects and %.0f bytes an event, at most %.2f and %.0f", objects, bytes, c.objects, c.bytes)
			}
		})
	}
}
