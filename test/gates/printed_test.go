package gates

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
)

func TestTheManualPrintsTheOrder(t *testing.T) {
	en, zh := dispatch.OrderText()
	if want := "mode → from/until → when/unless → canary → duplicate → merge → approval → quiet and send_at → consent, user_when, lists → once and caps → quota → vendor"; en != want {
		t.Errorf("the order is %s\nwant %s", en, want)
	}
	for page, line := range map[string]string{"../../docs/rules.md": en, "../../docs/rules.zh-CN.md": zh} {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), line) {
			t.Errorf("%s does not print\n%s", page, line)
		}
	}
}

// asked gives the questions of dispatch.Order, in a row.
func asked() (out []string) {
	for _, g := range dispatch.Order {
		out = append(out, g.Asks...)
	}
	return out
}

// A rule that asks everything its form can ask.
func TestExplainListsTheGatesInTheOrder(t *testing.T) {
	caps := map[string]string{"from": `"2026-01-01 00:00"`, "quiet": "00:00-06:00", "send_at": `"13:00"`, "merge": `{by: "${city}", wait: 10m}`,
		"once": `{by: "${city}", in: 24h}`, "rule": "9 in 1h"}
	for form, more := range map[string]map[string]string{
		"push":      {"mode": "canary 99%", "user_when": `level == "vip"`, "per_user": "1 in 24h"},
		"broadcast": {"approval": "{people: 1, within: 30m}", "quota": "1 per day"},
	} {
		set := load(t, form, caps, more)
		s := open(t, set)
		s.opt.ClassCaps = map[string]intent.Cap{"marketing": {N: 5, Each: "day"}}
		rep, err := explain.Event(explain.Options{Set: set, Stage: s.opt, Identities: s.bench.Identities, Now: noon, Request: func(dispatch.Departure) (json.RawMessage, error) {
			return json.RawMessage(`{}`), nil
		}}, s.event(set, "e"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range rep.Rules[0].Gates {
			got = append(got, g.Gate)
		}
		order := asked()
		if len(got) < 7 || !slices.IsSortedFunc(got, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) }) {
			t.Errorf("%s: explain lists %v, the order is %v", form, got, order)
		}
		for _, name := range got {
			if !slices.Contains(order, name) {
				t.Errorf("%s: explain has a gate %q that dispatch.Order does not have", form, name)
			}
		}
	}
}

// A rule whose time is over says so, whatever its conditions say.
func TestExplainAsksTheLifeBeforeTheConditions(t *testing.T) {
	set := load(t, "push", map[string]string{"until": `"2026-01-05 11:59"`, "when": "amount > 5"})
	s := open(t, set)
	rep, err := explain.Event(explain.Options{Set: set, Stage: s.opt, Identities: s.bench.Identities, Now: noon}, s.event(set, "e"))
	if err != nil || rep.Rules[0].Verdict != "not triggered" || rep.Rules[0].Mode != string(rules.Live) {
		t.Errorf("%v: %+v", err, rep.Rules[0])
	}
}
