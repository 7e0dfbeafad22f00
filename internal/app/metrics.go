package app

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/rules"
)

// missingFields tells notifier_rule_missing_field_total. The counts stand in the live rule set; those of sets that were live before
// are kept here, so that a reload does not set the counter back.
type missingFields struct {
	desc *prometheus.Desc
	live *liveRules

	mu     sync.Mutex // guards below
	before map[string]int64
	last   *rules.Set
}

func newMissingFields(live *liveRules) *missingFields {
	m := &missingFields{desc: prometheus.NewDesc("notifier_rule_missing_field_total", "Conditions that were not met because a field was missing or of another type.", []string{"rule"}, nil),
		live: live, before: map[string]int64{}}
	live.onLoad(func(s *rules.Set) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.last != nil {
			for _, r := range m.last.Rules {
				m.before[r.Name] += r.Missing()
			}
		}
		m.last = s
	})
	return m
}

// Describe implements prometheus.Collector.
func (m *missingFields) Describe(ch chan<- *prometheus.Desc) { ch <- m.desc }

// Collect implements prometheus.Collector.
func (m *missingFields) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.last.Rules {
		ch <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, float64(m.before[r.Name]+r.Missing()), r.Name)
	}
}

// watchRules says aloud which rules the watchdog parks. Another set begins anew.
func watchRules(reg prometheus.Registerer, live *liveRules) {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_rule_parked", Help: "1 while a rule is not asked because it took too long; a changed rule file lets it act again."}, []string{"rule"})
	reg.MustRegister(g)
	live.onLoad(func(s *rules.Set) {
		g.Reset()
		for _, r := range s.Rules {
			g.WithLabelValues(r.Name)
		}
		s.OnPark(func(p rules.Parked) {
			live.log.Error("rule parked: it is not asked any more, its events are DEAD(render-error)", zap.String("rule", p.Rule), zap.Duration("took", p.Took), zap.String("on", p.On))
			if live.set() == s {
				g.WithLabelValues(p.Rule).Set(1)
			}
		})
	})
}

// credentialsLoaded is when each account's secret was last read with another value.
func credentialsLoaded(reg prometheus.Registerer, accounts []string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_credentials_loaded_timestamp_seconds", Help: "When this process last took in an account's credentials, at its start or changed ones since."}, []string{"account"})
	reg.MustRegister(g)
	for _, a := range accounts {
		g.WithLabelValues(a).Set(float64(time.Now().Unix()))
	}
	return g
}
