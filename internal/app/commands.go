package app

import (
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

// CommandView is a command that stands.
type CommandView struct {
	ID         string    `json:"id"`
	Cmd        string    `json:"cmd"`    // its name on the control topic
	Target     string    `json:"target"` // as people name it
	What       string    `json:"what"`   // as it is typed, without by and why
	By         string    `json:"by"`
	Why        string    `json:"why"`
	At         time.Time `json:"at"`
	Partitions []int32   `json:"partitions"` // whose owners have not obeyed it
}

// CommandsOf names commands that stand as people type them.
func CommandsOf(s *settings.Settings, stand []ledger.Standing) []CommandView {
	names := map[string]string{}
	for i := range s.Accounts {
		names[Identity(&s.Accounts[i])] = s.Accounts[i].Name
	}
	out := []CommandView{}
	for _, c := range stand {
		v := CommandView{ID: c.ID, Cmd: c.Cmd, Target: targetOf(c.Command, names), By: c.By, Why: c.Why, At: c.At, Partitions: c.Partitions}
		v.What = typed(c.Command, v.Target)
		out = append(out, v)
	}
	return out
}

// targetOf is what a command is about: accounts by their names, intents by their short ids.
func targetOf(c ledger.Command, names map[string]string) string {
	switch c.Cmd {
	case ledger.CmdCancel:
		return ledger.ApprovalID(intent.ID(c.Target))
	case ledger.CmdApprove, ledger.CmdReject:
		if account, ok := strings.CutPrefix(c.Target, ledger.TagsTarget("")); ok && account == c.Args[ledger.ArgAccount] {
			return ledger.TagsTarget(nameOr(names, account))
		}
		return ledger.ApprovalID(intent.ID(c.Target))
	case ledger.CmdVerify, ledger.CmdResync, ledger.CmdAssume:
		return nameOr(names, c.Target)
	case ledger.CmdCharge:
		return laneName(names, c.Target)
	}
	return c.Target
}

func nameOr(names map[string]string, identity string) string {
	if name, ok := names[identity]; ok {
		return name
	}
	return identity
}

// typed is a command as it is typed.
func typed(c ledger.Command, target string) string {
	switch c.Cmd {
	case ledger.CmdResume:
		if c.Args[ledger.ArgSend] == ledger.SendOld {
			return "resume " + target + " --send-old"
		}
	case ledger.CmdResolve:
		return "attempts resolve " + target + " --as " + c.Args["as"]
	case ledger.CmdVerify:
		what := "tags verify --account " + target
		if user := c.Args["user"]; user != "" {
			what += " --user " + user
		}
		if c.Args[ledger.ArgRepair] == ledger.RepairYes {
			what += " --repair"
		}
		return what
	case ledger.CmdResync:
		return "tags resync --account " + target
	case ledger.CmdApprove, ledger.CmdReject:
		return "approvals " + c.Cmd + " " + target
	case ledger.CmdCancel:
		return "pending cancel " + target
	case ledger.CmdExtend:
		return "pending extend --rule " + target + " --by " + spanText(c.Args[ledger.ArgFor])
	case ledger.CmdCharge:
		return "quota charge " + target + " --at " + c.Args[ledger.ArgAt] + " --count " + c.Args[ledger.ArgCount]
	case ledger.CmdAssume:
		return "quota assume " + target + " --used " + c.Args[ledger.ArgUsed]
	case ledger.CmdForget:
		return "user forget " + target
	}
	return c.Cmd + " " + target
}

// Next is what to type about a command that stands: what takes it back where something does, else why nobody obeys.
func (c *CommandView) Next() string {
	switch c.Cmd {
	case ledger.CmdKill:
		return AfterKill(c.Target)
	case ledger.CmdPause:
		return AfterPause(c.Target, ledger.Pause{})
	}
	return "notifier status --why"
}

// spanText is a duration as people type it; what is none stays.
func spanText(s string) string {
	if d, err := time.ParseDuration(s); err == nil {
		return intent.Span(d)
	}
	return s
}
