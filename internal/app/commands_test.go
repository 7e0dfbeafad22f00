package app

import (
	"testing"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// A command that stands is named as people type it: accounts by their names, intents by their short ids.
func TestACommandIsNamedAsItIsTyped(t *testing.T) {
	s := &settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", AppKey: "key"}}}
	key := Identity(&s.Accounts[0])
	args := func(pairs ...string) map[string]string {
		m := map[string]string{ledger.ArgAccount: key}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	id := "orders/0/7/sale/u-1"
	short := ledger.ApprovalID("orders/0/7/sale/u-1")
	why := "notifier status --why"
	for _, c := range []struct {
		c          ledger.Command
		what, next string
	}{
		{ledger.Command{Cmd: ledger.CmdPause, Target: "all"}, "pause all", "notifier resume all --why TEXT"},
		{ledger.Command{Cmd: ledger.CmdResume, Target: "rule/sale"}, "resume rule/sale", why},
		{ledger.Command{Cmd: ledger.CmdResume, Target: "rule/sale", Args: args(ledger.ArgSend, ledger.SendOld)}, "resume rule/sale --send-old", why},
		{ledger.Command{Cmd: ledger.CmdKill, Target: "sale"}, "kill sale", "notifier revive sale --why TEXT"},
		{ledger.Command{Cmd: ledger.CmdRevive, Target: "sale"}, "revive sale", why},
		{ledger.Command{Cmd: ledger.CmdResolve, Target: "K3F7QA-0-91", Args: args("as", "sent")}, "attempts resolve K3F7QA-0-91 --as sent", why},
		{ledger.Command{Cmd: ledger.CmdRecall, Target: "K3F7QA-0-91"}, "recall K3F7QA-0-91", why},
		{ledger.Command{Cmd: ledger.CmdVerify, Target: key, Args: args("sample", "10")}, "tags verify --account main", why},
		{ledger.Command{Cmd: ledger.CmdVerify, Target: key, Args: args("user", "u-1", "repair", "true")}, "tags verify --account main --user u-1 --repair", why},
		{ledger.Command{Cmd: ledger.CmdResync, Target: key}, "tags resync --account main", why},
		{ledger.Command{Cmd: ledger.CmdApprove, Target: id, Args: args()}, "approvals approve " + short, why},
		{ledger.Command{Cmd: ledger.CmdReject, Target: ledger.TagsTarget(key), Args: args()}, "approvals reject tags/main", why},
		{ledger.Command{Cmd: ledger.CmdCancel, Target: id, Args: args()}, "pending cancel " + short, why},
		{ledger.Command{Cmd: ledger.CmdExtend, Target: "sale", Args: args(ledger.ArgFor, "2h0m0s")}, "pending extend --rule sale --by 2h", why},
		{ledger.Command{Cmd: ledger.CmdCharge, Target: key + "/broadcast", Args: args(ledger.ArgAt, "2026-11-21T01:03:00Z", ledger.ArgCount, "2")}, "quota charge main/broadcast --at 2026-11-21T01:03:00Z --count 2", why},
		{ledger.Command{Cmd: ledger.CmdAssume, Target: key, Args: args(ledger.ArgUsed, "2")}, "quota assume main --used 2", why},
		{ledger.Command{Cmd: ledger.CmdAssume, Target: "rongcloud:gone", Args: args(ledger.ArgUsed, "2")}, "quota assume rongcloud:gone --used 2", why},
		{ledger.Command{Cmd: ledger.CmdForget, Target: "u-1"}, "user forget u-1", why},
		{ledger.Command{Cmd: ledger.CmdSkip, Target: "orders/3@17"}, "skip orders/3@17", why},
	} {
		v := CommandsOf(s, []ledger.Standing{{Command: c.c}})[0]
		if v.What != c.what || v.Next() != c.next {
			t.Errorf("%s %s is %q, next %q; want %q, next %q", c.c.Cmd, c.c.Target, v.What, v.Next(), c.what, c.next)
		}
	}
}
