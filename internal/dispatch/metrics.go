package dispatch

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/notifier/notifier/internal/ledger"
)

// Metrics are stage 2's series of metrics.md. They exist at zero from the start, as far as their labels are known.
type Metrics struct {
	fates         *prometheus.CounterVec
	pending       *prometheus.GaugeVec
	expired       *prometheus.CounterVec
	calls         *prometheus.CounterVec
	callSeconds   *prometheus.HistogramVec
	eventToCall   *prometheus.HistogramVec
	quotaUsed     *prometheus.GaugeVec
	quotaLimit    *prometheus.GaugeVec
	quotaNext     *prometheus.GaugeVec
	contested     *prometheus.GaugeVec
	held          *prometheus.GaugeVec
	owned         *prometheus.GaugeVec
	parked        *prometheus.GaugeVec
	commitSeconds *prometheus.HistogramVec
	users         *prometheus.GaugeVec
	drift         *prometheus.GaugeVec
	skew          prometheus.Gauge
	unbalanced    prometheus.Gauge
	lastSent      *prometheus.GaugeVec
	retagsLeft    *prometheus.GaugeVec
	approvals     *prometheus.GaugeVec
	intents       *prometheus.CounterVec
	ledgerBytes   *prometheus.GaugeVec
	liveBytes     *prometheus.GaugeVec
	oldest        *prometheus.GaugeVec
	intentsBytes  *prometheus.GaugeVec
	brake         *prometheus.GaugeVec
	limitRecords  *prometheus.GaugeVec
}

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 6, 15, 60, 300, 3600}}, labels)
		reg.MustRegister(v)
		return v
	}
	m := &Metrics{
		fates:         counter("notifier_fates_total", "What became of intents.", "rule", "fate", "reason"),
		pending:       gauge("notifier_pending", "Intents without a fate.", "lane", "state"),
		expired:       counter("notifier_intents_expired_total", "Intents that expired, by what they waited for.", "rule", "waiting_for"),
		calls:         counter("notifier_vendor_calls_total", "Vendor calls by outcome.", "lane", "class"),
		callSeconds:   histogram("notifier_vendor_call_seconds", "Duration of vendor calls.", "lane"),
		eventToCall:   histogram("notifier_event_to_call_seconds", "From the event's record in stage 2 to the start of its call.", "action"),
		quotaUsed:     gauge("notifier_quota_used", "Slots used in a scarce window.", "lane", "window", "source"),
		quotaLimit:    gauge("notifier_quota_limit", "Slots of a scarce window.", "lane", "window"),
		quotaNext:     gauge("notifier_quota_next_slot_timestamp_seconds", "When the next slot of a scarce window opens.", "lane", "window"),
		contested:     gauge("notifier_quota_contested", "Calls of a lane without slots that the vendor refused as too many although we kept its limit; 0 after an hour without.", "lane"),
		held:          gauge("notifier_lane_held", "1 while a lane sends nothing.", "lane", "reason"),
		owned:         gauge("notifier_partition_owned", "1 for the partitions this process owns.", "partition"),
		parked:        gauge("notifier_partition_parked", "1 for partitions that are stopped until a human looks.", "partition", "reason"),
		commitSeconds: histogram("notifier_ledger_commit_seconds", "Duration of ledger transactions.", "partition"),
		users:         gauge("notifier_users_known", "Rows of the profile table.", "account"),
		drift:         gauge("notifier_tag_drift_users", "Users whose tags at the vendor were found to differ from ours since the owner of the partition began, and are not repaired; at most 10000.", "account"),
		lastSent:      gauge("notifier_last_sent_timestamp_seconds", "When a lane last had a call accepted.", "lane"),
		approvals:     gauge("notifier_approvals_waiting", "Requests that wait for approval.", "account"),
		retagsLeft:    gauge("notifier_tag_reevaluation_left", "Known users who are not evaluated yet by tag rules that changed, or wait for approval.", "account"),
		intents:       counter("notifier_intents_total", "Intents taken in.", "action"),
		brake:         gauge("notifier_brake_tripped", "1 while a rule is paused by its brake.", "rule"),
		limitRecords:  gauge("notifier_limit_records", "Ledger records of limits: sends that once remembers, counts of rules, users whose sends are counted.", "partition", "kind"),
		ledgerBytes:   gauge("notifier_ledger_bytes", "Bytes of a ledger partition at the broker.", "partition"),
		liveBytes:     gauge("notifier_ledger_live_bytes", "Bytes, before compression, of the records that a ledger partition needs: an estimate by the mean size of each kind.", "partition"),
		oldest:        gauge("notifier_oldest_pending_seconds", "How long ago a lane's oldest intent without fate was taken in, whatever it waits for; told once a minute.", "lane"),
		intentsBytes:  gauge("notifier_intents_bytes", "Bytes of an intents partition at the broker: it grows where records may not be deleted.", "partition"),
		skew:          prometheus.NewGauge(prometheus.GaugeOpts{Name: "notifier_clock_skew_seconds", Help: "This machine's clock minus the broker's."}),
		unbalanced:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "notifier_books_unbalanced", Help: "Intents taken in minus fates minus pending: anything but 0 pages."}),
	}
	reg.MustRegister(m.skew, m.unbalanced)
	for _, a := range []string{"tags", "push", "broadcast"} {
		m.intents.WithLabelValues(a)
		m.eventToCall.WithLabelValues(a)
	}
	return m
}

// Rules makes the series of the rules there are.
func (m *Metrics) Rules(names []string) {
	for _, name := range names {
		m.brake.WithLabelValues(name)
		for kind, reasons := range ledger.Reasons {
			for _, r := range reasons {
				m.fates.WithLabelValues(name, string(kind), string(r))
			}
		}
		for _, s := range States {
			m.expired.WithLabelValues(name, s.String())
		}
	}
}

// parkReasons are the labels of notifier_partition_parked.
var parkReasons = []string{"genesis", "batch", "offset", "newer"}

// limitKinds are the labels of notifier_limit_records.
var limitKinds = []string{"once", "rule", "user"}

// Partitions makes the series of the ledger's partitions.
func (m *Metrics) Partitions(n int) {
	for p := range int32(n) {
		m.owned.WithLabelValues(partLabel(p))
		m.commitSeconds.WithLabelValues(partLabel(p))
		m.ledgerBytes.WithLabelValues(partLabel(p))
		m.liveBytes.WithLabelValues(partLabel(p))
		for _, r := range parkReasons {
			m.parked.WithLabelValues(partLabel(p), r)
		}
		for _, kind := range limitKinds {
			m.limitRecords.WithLabelValues(partLabel(p), kind)
		}
	}
}

// lanes makes the series of an account's lanes.
func (m *Metrics) lanes(ac *Account) {
	m.users.WithLabelValues(ac.Name)
	m.drift.WithLabelValues(ac.Name)
	m.approvals.WithLabelValues(ac.Name)
	m.retagsLeft.WithLabelValues(ac.Name)
	for name, pol := range ac.Lanes {
		lane := ac.Name + "/" + name
		for _, s := range States {
			m.pending.WithLabelValues(lane, s.String())
		}
		for _, c := range Classes {
			m.calls.WithLabelValues(lane, string(c))
		}
		for _, r := range holdReasons {
			m.held.WithLabelValues(lane, r)
		}
		m.callSeconds.WithLabelValues(lane)
		m.oldest.WithLabelValues(lane)
		m.lastSent.WithLabelValues(lane)
		if pol.Stated {
			m.contested.WithLabelValues(lane)
		}
		for _, f := range pol.Forms {
			if f.Day.N > 0 {
				m.quotaLimit.WithLabelValues(ac.Name+"/"+f.DayName, f.Day.String()).Set(float64(f.Day.N))
				m.quotaUsed.WithLabelValues(ac.Name+"/"+f.DayName, f.Day.String(), "own")
			}
		}
		if len(pol.Limits) > 0 {
			for _, l := range pol.Limits {
				m.quotaNext.WithLabelValues(lane, l.String())
				m.quotaLimit.WithLabelValues(lane, l.String()).Set(float64(l.N))
				for _, s := range chargeSources {
					m.quotaUsed.WithLabelValues(lane, l.String(), s)
				}
			}
		}
	}
}

// forget sets back what holds a lane and what it has used: an alert would go on ringing for what another process owns now.
func (m *Metrics) forget(l *lane) {
	m.oldest.WithLabelValues(l.full()).Set(0)
	if l.Stated {
		m.contested.WithLabelValues(l.full()).Set(0)
	}
	for _, r := range holdReasons {
		m.held.WithLabelValues(l.full(), r).Set(0)
	}
	for _, f := range l.Forms {
		if f.Day.N > 0 {
			m.quotaUsed.WithLabelValues(l.ac.Name+"/"+f.DayName, f.Day.String(), "own").Set(0)
		}
	}
	if !l.scarce() {
		return
	}
	for _, limit := range l.Limits {
		m.quotaNext.WithLabelValues(l.full(), limit.String()).Set(0)
		for _, s := range chargeSources {
			m.quotaUsed.WithLabelValues(l.full(), limit.String(), s).Set(0)
		}
	}
}

func (m *Metrics) fate(f ledger.Fate) {
	m.fates.WithLabelValues(f.Rule, string(f.Fate), string(f.Reason)).Inc()
}

func partLabel(p int32) string { return strconv.Itoa(int(p)) }
