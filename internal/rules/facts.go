package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// What RongCloud can and cannot do, as far as a rule shows it: docs/vendor.md.

// standardSlots is RongCloud's daily broadcasts where the settings do not say.
const standardSlots = 3

// mixedEveryone reports `everyone` or `online` beside another criterion: the vendor would take the wider one.
func mixedEveryone(n *diag.Node) bool {
	hint := diag.Text{EN: "write `audience: everyone` alone, or only the tags", ZH: "只写 `audience: everyone`，或只写标签"}
	say := func(at *diag.Node, word string) bool {
		at.Error("N405", diag.Text{EN: "`" + word + "` cannot stand beside other criteria", ZH: "`" + word + "` 不能和其他条件一起写"}, hint)
		return true
	}
	for _, word := range []string{"everyone", "online"} {
		if k := n.Key(word); k != nil {
			return say(k, word)
		}
		for _, it := range n.Items {
			if it.Text == word {
				return say(it, word)
			}
		}
		for _, key := range []string{"all_of", "any_of", "none_of"} {
			for _, it := range n.Get(key).List() {
				if it.Text == word && !it.Quoted() {
					return say(it, word)
				}
			}
		}
	}
	return false
}

// carried warns of keys that RongCloud's message endpoints do not take: a broadcast to tags is none of them.
func (l *loader) carried(body *diag.Node, r *Rule, a Account) {
	filter := r.audience != nil && !r.audience.everyone && !r.audience.online
	if a.Vendor != "rongcloud" || body.Get("message") == nil || filter {
		return
	}
	keys := []string{"link", "data", "badge"}
	if r.audience != nil && r.audience.online { // it comes without a notification
		keys = append(keys, "image", "group")
	}
	for _, key := range keys {
		if k := body.Key(key); k != nil {
			k.Warn("W407", diag.Text{EN: "RongCloud does not carry `" + key + "` with a message", ZH: "融云的应用内消息不带 `" + key + "`"},
				diag.Text{EN: "put it into the message's `content` or `extra`, or remove it", ZH: "请写进 message 的 `content` 或 `extra`，或删掉"})
		}
	}
}

// slots warns when the live broadcast rules of an account, each with one request a day or what its quota says, need more than it has. Those online and
// audiences that leave somebody out have lanes of their own.
func (l *loader) slots() {
	for _, b := range l.broadcasters(func(r *Rule) bool { return r.audience != nil && !l.elsewhere(r) }) {
		a, _ := l.opt.account(b.account)
		have := a.Slots
		if have == 0 {
			have = standardSlots
		}
		want := 0
		for _, name := range b.rules {
			want += l.named[name].daily()
		}
		if want > have {
			l.list = append(l.list, diag.Diagnostic{Code: "W504", Severity: diag.Warning,
				Message: diag.Text{EN: fmt.Sprintf("broadcast rules may ask account `%s` for %d requests a day or more; it has %d", b.account, want, have),
					ZH: fmt.Sprintf("人群推送规则一天可能向账号 `%s` 要 %d 次或更多，它每天只有 %d 次", b.account, want, have)},
				Hint: diag.Text{EN: "merge what belongs together, or leave some in shadow: what finds no slot expires", ZH: "请合并同类的规则，或让一部分先试运行：等不到名额的会过期作废"},
				Note: diag.OneOf("rules", "规则", b.rules)})
		}
	}
}

// facts tells what the rules cannot show: whom a broadcast without a message does not reach, and which block nobody reads.
func (l *loader) facts() (out diag.List) {
	for _, b := range l.broadcasters(func(r *Rule) bool { return r.content != nil && r.content.message == nil }) {
		if a, _ := l.opt.account(b.account); a.Vendor != "rongcloud" {
			continue
		}
		out = append(out, diag.Diagnostic{Code: "I410", Severity: diag.Advice,
			Message: diag.Text{EN: "a broadcast without `message` reaches only devices that were connected within the last 30 days", ZH: "不带 `message` 的人群推送只能到达 30 天内连接过的设备"},
			Note:    diag.OneOf("rules", "规则", b.rules)})
	}
	return append(out, l.unread()...)
}

// unread tells of blocks for a vendor that no account of the settings has: they may be meant for other settings, or be forgotten.
func (l *loader) unread() (out diag.List) {
	if l.opt.AnyAccount {
		return nil
	}
	for _, vendor := range vendorBlocks {
		var names []string
		for _, r := range l.rules {
			if r.content != nil && r.content.extras[vendor] != nil {
				names = append(names, r.Name)
			}
		}
		if len(names) == 0 || slices.ContainsFunc(l.opt.Accounts, func(a Account) bool { return a.Vendor == vendor }) {
			continue
		}
		out = append(out, diag.Diagnostic{Code: "I411", Severity: diag.Advice,
			Message: diag.Text{EN: "nobody reads the `" + vendor + "` blocks: no account of the settings is of that vendor", ZH: "`" + vendor + "` 这一段没有人用：设置里没有这家厂商的账号"},
			Hint:    diag.Text{EN: "remove them, or leave them for settings that have one", ZH: "可以删掉；别的设置里有这家厂商的话就留着"},
			Note:    diag.OneOf("rules", "规则", names)})
	}
	return out
}

type broadcaster struct {
	account string
	rules   []string
}

// broadcasters gives the live broadcast rules of each account, as far as keep says.
func (l *loader) broadcasters(keep func(*Rule) bool) (out []broadcaster) {
	for _, r := range l.rules {
		if r.Action != intent.Broadcast || r.Mode != Live || !keep(r) {
			continue
		}
		i := slices.IndexFunc(out, func(b broadcaster) bool { return b.account == r.Account })
		if i < 0 {
			i = len(out)
			out = append(out, broadcaster{account: r.Account})
		}
		out[i].rules = append(out[i].rules, r.Name)
	}
	slices.SortFunc(out, func(a, b broadcaster) int { return strings.Compare(a.account, b.account) })
	return out
}
