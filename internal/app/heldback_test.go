package app

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// What /readyz tells to type can be typed: a resume without a reason is refused.
func TestReadinessNamesTheWholeCommandAgainstABrake(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	brake := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_brake_tripped"}, []string{"rule"})
	reg.MustRegister(brake)
	brake.WithLabelValues("sale").Set(1)
	want := []string{"rule sale is paused by its brake: notifier resume rule/sale --why TEXT"}
	if got := heldBack(reg); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
