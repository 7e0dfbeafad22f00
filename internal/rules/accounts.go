package rules

import (
	"slices"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// accountList resolves a list of accounts that are tried in order. What is checked of the account is checked of all: the result may do
// what each of them may.
func (l *loader) accountList(n *diag.Node, r *Rule) (Account, bool) {
	if r.Action == intent.Tags {
		n.Error("N540", diag.Text{EN: "tags belong to one account: there is no other to try", ZH: "标签属于一个账号，不能换账号再试"}, diag.Text{EN: "name one account; a rule each for several", ZH: "请只写一个账号；几个账号就写几条规则"})
		return Account{}, false
	}
	if emptyList(n, diag.Text{EN: "name at least one account", ZH: "至少写一个账号"}) {
		return Account{}, false
	}
	var all Account
	names, good := []string{}, true
	for _, it := range n.Items {
		a, ok := l.oneAccount(it, r)
		switch {
		case !ok:
			good = false
			continue
		case slices.Contains(names, a.Name):
			it.Error("N540", diag.Text{EN: "account `" + a.Name + "` is listed twice", ZH: "账号 `" + a.Name + "` 写了两次"}, diag.Text{EN: "keep one of them: each is tried once", ZH: "只保留一个：每个账号只试一次"})
			continue
		case len(names) == 0:
			all = a
		default:
			if all.AllowEveryone && !a.AllowEveryone {
				all.AllowEveryone, all.Name = false, a.Name // a finding names it
			}
			all.ApprovalWaived = all.ApprovalWaived && a.ApprovalWaived
			if a.Sender == "" {
				all.Sender = ""
			}
		}
		names = append(names, a.Name)
	}
	if !good || len(names) == 0 {
		return Account{}, false
	}
	r.Account, r.next = names[0], names[1:]
	return all, true
}

// Accounts are the accounts that the rule tries, in their order.
func (r *Rule) Accounts() []string { return append([]string{r.Account}, r.next...) }
