package dispatch

import (
	"strings"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// GateRow is a gate in Order.
type GateRow struct {
	EN, ZH string   // as documents print it
	Asks   []string // the names under which `explain` shows what the gate asks, in their order

	// What an intent ends with that the gate stops for good. No Fate: there is no intent, and no record of what did not happen.
	Fate    ledger.FateKind
	Reasons []ledger.Reason // one for each of Asks, or one for all
}

// Order is the one order of the gates (rules-format.md 5), for all that prints it. The first three are asked in stage 1, the rest is
// (*actor).place and gate, then admitted, in the code's order; a test lets every two of them meet.
var Order = []GateRow{
	{EN: "mode", ZH: "mode", Asks: []string{"mode"}, Fate: ledger.Suppressed, Reasons: []ledger.Reason{ledger.ShadowMode}}, // `off`: no intent
	{EN: "from/until", ZH: "from/until", Asks: []string{"life"}},
	{EN: "when/unless", ZH: "when/unless"},
	{EN: "canary", ZH: "灰度", Asks: []string{"canary"}, Fate: ledger.Suppressed, Reasons: []ledger.Reason{ledger.Canary}},
	{EN: "duplicate", ZH: "重复", Asks: []string{"duplicate"}, Fate: ledger.Suppressed, Reasons: []ledger.Reason{ledger.Duplicate}},
	{EN: "merge", ZH: "合并", Asks: []string{"merge"}, Fate: ledger.Coalesced},
	{EN: "approval", ZH: "批准", Asks: []string{"approval"}, Fate: ledger.Suppressed, Reasons: []ledger.Reason{ledger.NotApproved}},
	{EN: "quiet and send_at", ZH: "免打扰时段和 send_at", Asks: []string{"send_at", "quiet"}, Fate: ledger.Suppressed, Reasons: []ledger.Reason{ledger.QuietHours}},
	{EN: "consent, user_when, lists", ZH: "用户授权、user_when、名单", Asks: []string{"never", "consent", "user_when"}, Fate: ledger.Suppressed,
		Reasons: []ledger.Reason{ledger.Blocked, ledger.OptedOut, ledger.OptedOut}},
	{EN: "once and caps", ZH: "once 和次数上限", Asks: []string{"once", "per_user", "user_limits", "per_rule"}, Fate: ledger.Suppressed,
		Reasons: []ledger.Reason{ledger.Repeated, ledger.Capped, ledger.Capped, ledger.Capped}},
	{EN: "quota", ZH: "配额", Asks: []string{"share", "quota"}, Fate: ledger.Suppressed, Reasons: []ledger.Reason{ledger.NoQuota}},
	{EN: "vendor", ZH: "厂商", Asks: []string{"vendor"}, Fate: ledger.Dead, Reasons: []ledger.Reason{ledger.RejectedByVendor}},
}

// OrderText is Order as documents print it.
func OrderText() (en, zh string) {
	var a, b []string
	for _, g := range Order {
		a, b = append(a, g.EN), append(b, g.ZH)
	}
	return strings.Join(a, " → "), strings.Join(b, " → ")
}

// StoppedAt names the gate that gives a fate of a reason, as `explain` shows it; "" when no gate does. Of a reason that several of a
// gate's questions give it is the first that can be meant.
func StoppedAt(f *ledger.Fate, in *intent.Intent) string {
	switch p := &in.Policy; {
	case f.Reason == ledger.OptedOut && strings.HasPrefix(f.Detail, "user_when"):
		return "user_when"
	case f.Reason == ledger.Capped && strings.HasPrefix(f.Detail, "rule "):
		return "per_rule"
	case f.Reason == ledger.Capped && (len(p.PerUser) == 0 || strings.HasPrefix(f.Detail, classCap)):
		return "user_limits"
	case f.Reason == ledger.NoQuota && strings.HasPrefix(f.Detail, shareUsed):
		return "share"
	}
	for _, g := range Order {
		for i, r := range g.Reasons {
			if r == f.Reason && f.Fate == g.Fate {
				if len(g.Reasons) == 1 {
					i = len(g.Asks) - 1
				}
				return g.Asks[i]
			}
		}
	}
	return ""
}
