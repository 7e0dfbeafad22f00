package app

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
	shipped "github.com/notifier/notifier/rules"
)

// The daemon's series follow the conventions, and those that people alert on are there from the start.
func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := &settings.Settings{Zone: time.UTC, Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", AppKey: "k", Sender: "system", Platforms: []string{"ios"}, AllowEveryone: true, ApprovalWaived: true, Broadcast: true,
		Quota: settings.Quota{Hour: 2, Day: 3, DayZones: []*time.Location{time.UTC}}}}}
	live, err := newLiveRules(Options{Settings: s, Log: zap.NewNop(), RuleFiles: func() ([]rules.File, error) { return rules.ReadFS(shipped.Files) }}, reg)
	if err != nil {
		t.Fatal(err)
	}
	reg.MustRegister(newMissingFields(live))
	watchRules(reg, live)
	credentialsLoaded(reg, []string{"main"})
	cm := consumer.NewMetrics(reg)
	live.onLoad(func(s *rules.Set) { cm.Known(s.Topics(), eventNames(s), ruleNames(s)) })
	dispatch.New(dispatch.Options{Metrics: dispatch.NewMetrics(reg), Log: zap.NewNop(), Accounts: []*dispatch.Account{{Name: "main", Key: "rongcloud:k", Lanes: rongLanes(quotaOf(&s.Accounts[0]), late)}}})
	mfs, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(mfs).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	var names []string
	for _, mf := range mfs {
		names = append(names, mf.GetName())
	}
	for _, want := range []string{"notifier_events_total", "notifier_rule_matches_total", "notifier_rule_missing_field_total", "notifier_intents_total", "notifier_pending", "notifier_last_sent_timestamp_seconds",
		"notifier_vendor_calls_total", "notifier_vendor_call_seconds", "notifier_event_to_call_seconds", "notifier_quota_used", "notifier_quota_limit", "notifier_quota_next_slot_timestamp_seconds", "notifier_quota_contested",
		"notifier_lane_held", "notifier_rule_parked", "notifier_approvals_waiting", "notifier_consumer_lag", "notifier_partition_oldest_age_seconds", "notifier_users_known", "notifier_clock_skew_seconds", "notifier_rules_loaded",
		"notifier_rules_info", "notifier_rules_last_reload_success", "notifier_rules_last_reload_success_timestamp_seconds", "notifier_credentials_loaded_timestamp_seconds", "notifier_books_unbalanced"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not there from the start", want)
		}
	}
}

// A rule that the watchdog has stopped is named in the log, a metric, /readyz and /status, until another set is live.
func TestAParkedRuleIsNamedEverywhere(t *testing.T) {
	reg := prometheus.NewRegistry()
	core, logs := observer.New(zap.ErrorLevel)
	files, err := rules.ReadFS(shipped.Files)
	if err != nil {
		t.Fatal(err)
	}
	live, err := newLiveRules(Options{Settings: &settings.Settings{Zone: time.UTC, Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", AppKey: "k", Sender: "system", Platforms: []string{"ios"}, AllowEveryone: true, ApprovalWaived: true, Broadcast: true,
		Quota: settings.Quota{Hour: 2, Day: 3, DayZones: []*time.Location{time.UTC}}}}}, Log: zap.New(core), RuleFiles: func() ([]rules.File, error) { return files, nil }}, reg)
	if err != nil {
		t.Fatal(err)
	}
	watchRules(reg, live)
	name := live.set().Rules[0].Name
	of := func() float64 {
		mfs, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, mf := range mfs {
			for _, m := range mf.GetMetric() {
				if mf.GetName() == "notifier_rule_parked" && m.GetLabel()[0].GetValue() == name {
					return m.GetGauge().GetValue()
				}
			}
		}
		return -1
	}
	if got := of(); got != 0 {
		t.Errorf("before: %g", got)
	}
	live.set().Park(rules.Parked{Rule: name, Took: time.Second, On: "event e-1"})
	a := &App{live: live, reg: reg, consumer: consumer.New(consumer.Options{}), dispatch: dispatch.New(dispatch.Options{Metrics: dispatch.NewMetrics(reg), Log: zap.NewNop()})}
	named := func(lines []string) bool {
		return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, name) && strings.Contains(l, "parked") })
	}
	if is := sayings(live); is.Parked != name { // on the control topic, for `notifier status`
		t.Errorf("it says of itself that %q is parked", is.Parked)
	}
	status, err := json.Marshal(statusOf(dispatch.Status{}, live.set()))
	if err != nil || !strings.Contains(string(status), `"parked_rules":[{"rule":"`+name) {
		t.Errorf("status %s %v", status, err)
	}
	if of() != 1 || !named(a.readiness().Detail) || logs.FilterField(zap.String("rule", name)).Len() != 1 {
		t.Errorf("metric %g, ready %v, log %v", of(), a.readiness().Detail, logs.All())
	}
	old := live.set()
	if err := live.reload(files); err != nil {
		t.Fatal(err)
	}
	if old == live.set() || of() != 0 || named(a.readiness().Detail) {
		t.Errorf("after a reload: metric %g, ready %v", of(), a.readiness().Detail)
	}
	old.Park(rules.Parked{Rule: name}) // an evaluation by the old set may end later
	if of() != 0 {
		t.Error("the old set marks a rule of the new one")
	}
}

func sayings(l *liveRules) ledger.Instance {
	return says(ledger.Instance{}, l.set(), l.failure(), time.Now())
}

// Slots that somebody else took are told until their windows are over, once for a lane.
func TestForeignUseIsNamedInReadiness(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	used := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_quota_used"}, []string{"lane", "window", "source"})
	reg.MustRegister(used)
	used.WithLabelValues("main/broadcast", "1h", "own").Set(1)
	used.WithLabelValues("main/broadcast", "1h", "external").Set(0)
	if got := heldBack(reg); len(got) != 0 {
		t.Errorf("our own use is told: %q", got)
	}
	used.WithLabelValues("main/broadcast", "1h", "external").Set(1)
	used.WithLabelValues("main/broadcast", "day", "external").Set(2)
	contested := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "notifier_quota_contested"}, []string{"lane"})
	reg.MustRegister(contested)
	contested.WithLabelValues("main/tag").Set(0)
	contested.WithLabelValues("main/user").Set(3)
	if got, want := strings.Join(heldBack(reg), "; "), "somebody else uses main/user: the vendor refused 3 calls as too many although we kept its limit: see docs/runbook.md#app-key; somebody else used 2 slots of main/broadcast: see docs/runbook.md#app-key"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
