package consumer

import "github.com/prometheus/client_golang/prometheus"

// Metrics are stage 1's series of metrics.md.
type Metrics struct {
	events     *prometheus.CounterVec
	matches    *prometheus.CounterVec
	lost       *prometheus.CounterVec
	blocked    *prometheus.GaugeVec
	txnSeconds prometheus.Histogram
	lag        *prometheus.GaugeVec
	age        *prometheus.GaugeVec

	down prometheus.Gauge
}

// NewMetrics registers the series; events are the catalogue's names, which exist at zero from the start.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		events:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "notifier_events_total", Help: "Events read, by what became of them."}, []string{"event", "result"}),
		matches:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "notifier_rule_matches_total", Help: "Intents a rule made."}, []string{"rule"}),
		lost:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "notifier_offsets_lost_total", Help: "Times that a committed offset was not in the log any more."}, []string{"topic"}),
		txnSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "notifier_evaluate_transaction_seconds", Help: "Duration of stage 1's transactions.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}),
	}
	m.blocked = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_event_partitions_parked", Help: "Partitions of an event topic that stand at a batch that cannot be unpacked."}, []string{"topic"})
	m.lag = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_consumer_lag", Help: "Records of a topic that the group has not committed: the partition with most."}, []string{"topic"})
	m.age = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_partition_oldest_age_seconds", Help: "How long ago the last record was read of the partition that is furthest behind; 0 without lag."}, []string{"topic"})
	m.down = prometheus.NewGauge(prometheus.GaugeOpts{Name: "notifier_evaluate_down", Help: "1 while stage 1 cannot work, most often because Kafka does not answer: lag and age stand still then."})
	reg.MustRegister(m.down, m.events, m.matches, m.lost, m.txnSeconds, m.blocked, m.lag, m.age)
	return m
}

// Known makes the series of a rule set's events and rules.
func (m *Metrics) Known(topics, events, rules []string) {
	for _, t := range topics {
		m.lag.WithLabelValues(t)
		m.age.WithLabelValues(t)
		m.blocked.WithLabelValues(t)
		m.lost.WithLabelValues(t)
	}
	for _, e := range append([]string{""}, events...) {
		for _, r := range resultNames {
			m.events.WithLabelValues(e, r)
		}
	}
	for _, r := range rules {
		m.matches.WithLabelValues(r)
	}
}

// counts are a transaction's counts, added once it is committed: an aborted one is read again.
type counts struct {
	events  map[string]*results // by event, "" for records that are none
	matches map[string]int      // by rule
}

// results count an event by what became of it.
type results [len(resultNames)]int

type result int

const (
	matched result = iota
	noMatch
	ignored
	dead
)

var resultNames = [...]string{matched: "matched", noMatch: "no_match", ignored: "ignored", dead: "dead"}

func newCounts() counts { return counts{events: map[string]*results{}, matches: map[string]int{}} }

func (n *counts) add(event string, r result) {
	c := n.events[event]
	if c == nil {
		c = new(results)
		n.events[event] = c
	}
	c[r]++
}

func (n *counts) match(rule string) { n.matches[rule]++ }

func (m *Metrics) add(n *counts) {
	for event, c := range n.events {
		for r, v := range c {
			m.events.WithLabelValues(event, resultNames[r]).Add(float64(v))
		}
	}
	for rule, v := range n.matches {
		m.matches.WithLabelValues(rule).Add(float64(v))
	}
}
