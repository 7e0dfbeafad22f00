package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// Two an hour, three a day in two zones; at 20:00 in Shanghai one of the day is used. Of five that wait one is urgent, and of the others the one
// that expires first goes before those that are older: so none is lost.
func TestTheForecastOfALane(t *testing.T) {
	shanghai := time.FixedZone("", 8*3600)
	now := time.Date(2026, 3, 2, 20, 0, 0, 0, shanghai)
	s := &settings.Settings{Zone: shanghai, Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", AppKey: "k", Broadcast: true, Timeout: 6 * time.Second,
		Quota: settings.Quota{Hour: 2, Day: 3, DayZones: []*time.Location{shanghai}, Shared: true}}}}
	st := ledger.NewState()
	st.Attempts["a"] = &ledger.Attempt{ID: "a", Account: "rongcloud:k", Lane: "broadcast", State: ledger.OK, At: now.Add(-5 * time.Hour), Until: now.Add(-5 * time.Hour), Weight: 1}
	for i, x := range []struct {
		priority intent.Priority
		expires  time.Duration
		merged   int
	}{{0, 24 * time.Hour, 3}, {0, 2 * time.Hour, 0}, {0, 24 * time.Hour, 0}, {1, 30 * time.Minute, 0}, {0, 40 * time.Hour, 0}} {
		p := &ledger.Pending{Seq: int64(i), Intent: &intent.Intent{Key: "rongcloud:k", Action: intent.Broadcast, Audience: &intent.Audience{AllOf: []string{"vip"}},
			Policy: intent.Policy{Priority: x.priority, Expire: now.Add(x.expires)}}}
		if x.merged > 0 {
			p.Merged = &ledger.Merged{Count: x.merged}
		}
		st.Pending[fmt.Sprint(i)] = p
	}
	for _, l := range QuotaOf(s, nil, map[int32]*ledger.State{0: st}, now).Accounts[0].Lanes {
		if l.Lane != "main/broadcast" {
			continue
		}
		var windows []string
		for _, w := range l.Windows {
			windows = append(windows, fmt.Sprintf("%s %d/%d", w.Window, w.Used, w.Limit))
		}
		if got, want := strings.Join(windows, ", "), "1h rolling 0/2, day  1/3"; got != want {
			t.Errorf("windows %q, want %q", got, want)
		}
		if l.Waiting != 5 || l.Merged != 3 {
			t.Errorf("%d wait, %d triggers", l.Waiting, l.Merged)
		}
		// Now go the urgent one and the second, which expires in two hours; the others go tomorrow.
		if d := cmp.Diff(Forecast{Today: 2, Later: 3}, l.Forecast); d != "" {
			t.Error(d)
		}
	}
}

// What a pause or a kill holds waits for no slot: it is counted apart, and the forecast leaves it out.
func TestTheForecastLeavesOutWhatIsPaused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin   func(*ledger.State)
		waiting int
		paused  int
	}{
		"nothing":       {func(*ledger.State) {}, 2, 0},
		"another rule":  {func(st *ledger.State) { st.Pauses["rule/other"] = ledger.Pause{} }, 2, 0},
		"another lane":  {func(st *ledger.State) { st.Pauses["lane/main/user"] = ledger.Pause{} }, 2, 0},
		"a rule":        {func(st *ledger.State) { st.Pauses["rule/held"] = ledger.Pause{} }, 1, 1},
		"by the files":  {func(st *ledger.State) { st.Pauses["off/held"] = ledger.Pause{} }, 1, 1},
		"a killed rule": {func(st *ledger.State) { st.Kills["held"] = ledger.Kill{} }, 1, 1},
		"broadcasts":    {func(st *ledger.State) { st.Pauses["broadcasts"] = ledger.Pause{} }, 0, 2},
		"all":           {func(st *ledger.State) { st.Pauses["all"] = ledger.Pause{} }, 0, 2},
	} {
		f := calm(t, "live")
		for id, rule := range map[string]string{"a": "held", "b": "sale"} {
			f.wait(id, func(p *ledger.Pending) { p.Intent.Rule, p.Intent.Policy.Expire = rule, f.Now.Add(9*time.Hour) })
		}
		c.begin(f.States[0])
		for _, l := range QuotaOf(f.Settings, nil, f.States, f.Now).Accounts[0].Lanes {
			if l.Lane == "main/broadcast" && (l.Waiting != c.waiting || l.Paused != c.paused || l.Forecast.Today+l.Forecast.Later+l.Forecast.Expire != c.waiting) {
				t.Errorf("%s: %d wait, %d are paused, forecast %+v", name, l.Waiting, l.Paused, l.Forecast)
			}
		}
	}
}

func TestRatesCountWhatTheVendorCounts(t *testing.T) {
	s := &settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", Quota: settings.Quota{Hour: 2, Day: 3, DayZones: []*time.Location{time.UTC}, Shared: true}}}}
	var fates []ledger.Fate
	for i := range 120 {
		fates = append(fates, ledger.Fate{Lane: "main/user", Attempt: fmt.Sprint("a-", i/60), Fate: ledger.Sent}, ledger.Fate{Lane: "main/tag-batch", Attempt: fmt.Sprint("b-", i/20)})
	}
	fates = append(fates, ledger.Fate{Lane: "other/user", Attempt: "x"}, ledger.Fate{Lane: "main/user", Fate: ledger.Suppressed}, ledger.Fate{Lane: "main/user", Attempt: "a-0", Resolves: "UNKNOWN"})
	got := map[string]string{}
	for _, r := range RatesOf(s, "main", fates) {
		got[r.Lane] = fmt.Sprintf("%.1f/s of %.0f %t", r.PerSecond, r.Limit, r.Receivers)
	}
	want := map[string]string{"main/user": "2.0/s of 100 true", "main/tag-batch": "0.1/s of 10 false", "main/tag": "0.0/s of 100 false", "main/tag-get": "0.0/s of 95 false", "main/push-plus": "0.0/s of 1 false"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
